"""The generator of examples/boutique: the same bytes again, days that only add files, everything planted as said."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import NamedTuple
from zoneinfo import ZoneInfo

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
import pytest

from facette.definitions import project

EXAMPLE = Path(__file__).parents[2] / "examples" / "boutique"
PEOPLE = 1000
PARIS = ZoneInfo("Europe/Paris")


def generate(out: Path, *options: str) -> Path:
    command = [sys.executable, str(EXAMPLE / "generate.py"), "--people", str(PEOPLE), "--out", str(out), *options]
    subprocess.run(command, check=True, capture_output=True)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes of every exported file; truth/ is as of a day and left aside."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files if "truth" not in path.parts}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A year up to 31 October 2026."""
    return generate(tmp_path_factory.mktemp("boutique"), "--days", "365")


@pytest.fixture(scope="module")
def later(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """October to December 2026 of the same shop."""
    return generate(tmp_path_factory.mktemp("later"), "--until", "2026-12-30", "--days", "91")


class Shop(NamedTuple):
    days: ModuleType
    people: ModuleType
    records: ModuleType


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    """The generator's own modules, which belong to the example and not to any package."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLE))
        from shop import days, people, records  # noqa: PLC0415

        yield Shop(days, people, records)
        for name in [name for name in sys.modules if name.split(".")[0] == "shop"]:
            patch.delitem(sys.modules, name)


# ── the same shop again ─────────────────────────────────────────────────────────────────────────────────────────────


def test_another_seed_is_another_shop(later: Path, tmp_path: Path) -> None:
    one, other = contents(later), contents(generate(tmp_path, "--days", "31", "--seed", "2"))
    same = {path for path in other if other[path] == one[path]}
    assert all(path == "products.csv" or len(other[path]) < 1000 for path in same)  # some evenings hold a header only


def test_more_days_add_files_and_change_none(data: Path, later: Path) -> None:
    """Two processes wrote the two folders, so this also says that a seed gives the same bytes again."""
    before, after = contents(data), contents(later)
    shared = before.keys() & after.keys()
    assert len(shared) == 31 * 9 + 4 + 1  # nine kinds in October, four exports of people before it, and the products
    assert {path for path in shared if before[path] != after[path]} == set()
    assert min(path.partition("-")[2] for path in after.keys() - before.keys())[:10] == "2026-11-01"


def test_one_more_day_can_be_written_alone(later: Path, tmp_path: Path) -> None:
    alone = contents(generate(tmp_path, "--from", "2026-11-01", "--until", "2026-11-01"))
    assert len(alone) == 9 + 1
    assert alone == {path: contents(later)[path] for path in alone}


def test_two_shops_are_not_mixed_in_one_folder(tmp_path: Path) -> None:
    generate(tmp_path, "--days", "31", "--until", "2026-10-31")
    with pytest.raises(subprocess.CalledProcessError) as caught:
        generate(tmp_path, "--days", "31", "--until", "2026-10-31", "--seed", "2")
    assert b"holds another shop" in caught.value.stderr


def test_few_files_are_open_at_a_time(tmp_path: Path) -> None:
    """Of people there is an export every evening, here of a quarter of a year more than stay open."""
    command = [sys.executable, str(EXAMPLE / "generate.py"), "--people", "50", "--days", "31", "--until", "2027-03-31"]
    limited = ["bash", "-c", f'ulimit -n 400 && "$@" --out {tmp_path}', "-", *command]
    subprocess.run(limited, check=True, capture_output=True)
    assert len(list(tmp_path.glob("crm/*.csv"))) == 183


def test_people_do_not_depend_on_how_many_come_after_their_chunk(shop: Shop) -> None:
    few, many = shop.people.populate(1, shop.people.CHUNK), shop.people.populate(1, shop.people.CHUNK + 10)
    assert len(many) == shop.people.CHUNK + 10
    for name in ("behaviour", "joined", "second_client", "phone_owner"):
        assert np.array_equal(getattr(few, name), getattr(many, name)[: shop.people.CHUNK])


def test_identifiers_never_collide(shop: Shop) -> None:
    person = np.arange(200_000)
    for name in ("client_id", "account_id"):
        make = getattr(shop.people, name)
        assert pc.count_distinct(pa.concat_arrays([make(person, 0), make(person, 1)])).as_py() == 400_000
    assert pc.count_distinct(shop.people.phone(person)).as_py() == 200_000
    cookies = [shop.people.cookie(person, device, fresh) for device in range(3) for fresh in range(2)]
    assert pc.count_distinct(pa.concat_arrays(cookies)).as_py() == 1_200_000


# ── the project ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_project_holds_together() -> None:
    definitions = project.load(EXAMPLE)
    assert definitions.warnings == ()
    assert definitions.project.label.fr == "La Boutique"
    for name in (*definitions.traits, *definitions.features):
        assert set(definitions.vocabulary.columns[name].labels) == {"fr", "en"}, name


def test_the_two_rules_of_the_marketing_team_stand_as_they_were_written() -> None:
    definitions = project.load(EXAMPLE)
    rules = {definitions.segment(name).rule for name in definitions.rules}
    assert "(Engagement récent = oui) AND (Score = élevé) AND NOT (Désabonné)" in rules
    assert "IF (Score > 80 AND Dernière interaction < 7 jours) OR (Nouveaux prospects sans clics)" in rules


# ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("day", [date(2026, 1, 15), date(2026, 3, 29), date(2026, 7, 1), date(2026, 10, 25)])
def test_local_hours_are_those_of_paris(shop: Shop, day: date) -> None:
    seconds = np.array([0, 1800, 3600, 2 * 3600 + 600, 3 * 3600, 12 * 3600, 23 * 3600 + 3599])
    found = shop.days.instants((day - date(2024, 11, 1)).days, seconds)
    for second, at in zip(seconds.tolist(), found, strict=True):
        wall = datetime(day.year, day.month, day.day) + timedelta(seconds=second)
        expected = wall.replace(tzinfo=PARIS).astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
        assert at.astype(datetime) == expected


def test_shops_are_open_at_the_same_local_hours_all_year_and_files_hold_their_local_days(data: Path) -> None:
    found = duckdb.execute(
        """
        SELECT list(DISTINCT hour(local) ORDER BY hour(local)) FILTER (account_id IS NULL),
               bool_and(starts_with(regexp_extract(filename, 'orders-([0-9-]+)', 1), strftime(local, '%Y-%m'))),
               bool_and(length(filename) < length($longest) OR contains(filename, strftime(local, '%Y-%m-%d'))),
               bool_and(received_at >= ordered_at)
        FROM (SELECT *, timezone('Europe/Paris', ordered_at) AS local FROM read_parquet($path, filename = true))
        """,
        {"path": str(data / "orders/*.parquet"), "longest": str(data / "orders/orders-2026-10-01.parquet")},
    ).fetchone()
    assert found == (list(range(10, 19)), True, True, True)


# ── what is planted ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_defects_of_people_are_as_frequent_as_documented(shop: Shop) -> None:
    people = shop.people.populate(3, 40_000)
    cards, _ = shop.records.cards(np.random.default_rng(3), people)
    accounts, _ = shop.records.accounts(np.random.default_rng(4), people)
    first = cards.slice(0, pc.count_distinct(cards["client_id"]).as_py())
    n_accounts = pc.count_distinct(accounts["account_id"]).as_py()

    def share(flags: pa.ChunkedArray) -> float:
        return float(pc.mean(flags.cast(pa.float64())).as_py())  # of those that are not null

    typos = "gmial|orange.ft|@fre.fr|hotmal|lapost.n|yaho.f|sfr.f *$|outlok"
    found = {
        "second_client": float(len(first) / people.in_crm.sum() - 1),
        "second_account": float(n_accounts / people.in_shop.sum() - 1),
        "crm_missing_phone": share(pc.is_null(first["telephone"])),
        "crm_absurd_phone": share(pc.equal(first["telephone"], "0000000000")),
        "crm_absurd_email": share(pc.match_substring_regex(first["email"], "^(test@test.com|null)$")),
        "crm_mistyped_email": share(pc.match_substring_regex(first["email"], typos)),
        "crm_missing_birth": share(pc.is_null(first["naissance"])),
        "crm_absurd_birth": share(pc.equal(first["naissance"], "01/01/1850")),
        "crm_missing_income": share(pc.is_null(first["revenu"])),
        "crm_absurd_income": share(pc.equal(first["revenu"], 9_999_999)),
        "moved": len(cards) / len(first) - 1,
        "shop_missing_phone": share(pc.is_null(accounts.slice(0, n_accounts)["phone"])),
    }
    for name, value in found.items():
        planted = shop.records.PLANTED[name]
        assert value == pytest.approx(planted, rel=0.25), name  # chance, and twins are spared


def test_events_have_repeats_and_absurd_amounts(data: Path) -> None:
    n, n_distinct, n_absurd = duckdb.execute(
        "SELECT count(*), count(DISTINCT (order_id, line)), count(*) FILTER (amount = 999999) FROM read_parquet($1)",
        [str(data / "orders/*.parquet")],
    ).fetchall()[0]
    assert 0.001 < 1 - n_distinct / n < 0.006
    assert 0 < n_absurd / n < 0.002


def test_truth_knows_whose_every_identifier_is(data: Path) -> None:
    """Also that cleaning's uniform values are those of the truth: lower case, trimmed, E.164."""
    truth = pq.read_table(data / "truth/identities.parquet")
    owners: dict[tuple[str, str], set[int]] = {}
    for row in truth.to_pylist():
        owners.setdefault((row["kind"], row["value"]), set()).add(row["true_person"])
    unknown = [
        (kind, value)
        for kind, values in found_identifiers(data).items()
        for value in values
        if (kind, value) not in owners
    ]
    assert unknown == []
    shared = [kind for (kind, _), people in owners.items() if len(people) > 1]
    assert set(shared) == {"phone"}
    n_phones = sum(kind == "phone" for kind, _ in owners)
    assert 0.002 < len(shared) / n_phones < 0.02


def found_identifiers(data: Path) -> dict[str, set[str]]:
    """Every identifier of every export, made uniform by hand, without those that mean nobody."""
    found: dict[str, set[str]] = {kind: set() for kind in ("client_id", "account_id", "email", "phone", "cookie")}
    for path in data.glob("crm/*.csv"):
        rows = pacsv.read_csv(
            path,
            read_options=pacsv.ReadOptions(encoding="cp1252"),
            parse_options=pacsv.ParseOptions(delimiter=";"),
            convert_options=pacsv.ConvertOptions(column_types={"telephone": pa.string()}, strings_can_be_null=True),
        )
        found["client_id"].update(rows["client_id"].to_pylist())
        found["email"].update(filter(None, rows["email"].to_pylist()))
        found["phone"].update(filter(None, rows["telephone"].to_pylist()))
    for path in data.glob("accounts/*.csv"):
        options = pacsv.ConvertOptions(column_types={"phone": pa.string()}, strings_can_be_null=True)
        rows = pacsv.read_csv(path, convert_options=options)
        found["account_id"].update(rows["account_id"].to_pylist())
        found["email"].update(rows["email"].to_pylist())
        found["phone"].update(filter(None, rows["phone"].to_pylist()))
    for path, separator in [(p, ";") for p in data.glob("contacts/*.csv")] + [
        (p, ",") for p in data.glob("survey/*.csv")
    ]:
        rows = pacsv.read_csv(path, parse_options=pacsv.ParseOptions(delimiter=separator))
        found["email"].update(rows["email"].to_pylist())
    for path in [*data.glob("email/*.jsonl"), *data.glob("consents/*.jsonl")]:
        found["email"].update(json.loads(line)["email"] for line in path.read_text(encoding="utf-8").splitlines())
    for folder in ("orders", "web", "ads"):
        rows = pq.read_table(data / folder)
        for kind in set(rows.column_names) & found.keys():
            found[kind].update(filter(None, rows[kind].unique().to_pylist()))
    found["email"] = {value.strip().lower() for value in found["email"]} - {"null", "test@test.com"}
    digits = {value.replace(" ", "").replace(".", "") for value in found["phone"]} - {"0000000000"}
    found["phone"] = {"+33" + value.removeprefix("+33").removeprefix("0033").removeprefix("0") for value in digits}
    return found


def test_who_is_said_to_buy_within_60_days_does(data: Path, later: Path) -> None:
    truth = pq.read_table(data / "truth/people.parquet").to_pandas()
    buyers = duckdb.execute(
        """
        SELECT DISTINCT true_person
        FROM read_parquet($orders) JOIN read_parquet($truth) ON value = coalesce(account_id, client_id)
        WHERE timezone('Europe/Paris', ordered_at)::DATE > DATE '2026-10-31'
        """,
        {"orders": str(later / "orders/*.parquet"), "truth": str(data / "truth/identities.parquet")},
    ).fetchnumpy()["true_person"]
    assert set(truth["true_person"][truth["buys"]]) == set(buyers) & set(truth["true_person"])
    for _, group in truth.groupby("behaviour"):
        deviation = np.sqrt((group["buys_probability"] * (1 - group["buys_probability"])).sum()) / len(group)
        assert abs(group["buys"].mean() - group["buys_probability"].mean()) <= 4 * deviation


def test_behaviours_can_be_told_apart_by_what_people_buy(data: Path) -> None:
    from sklearn.cluster import KMeans  # noqa: PLC0415
    from sklearn.metrics import adjusted_rand_score, silhouette_score  # noqa: PLC0415

    table = duckdb.execute(
        """
        WITH lines AS (
            SELECT true_person, timestamptz '2026-11-01 00:00:00+01' - ordered_at AS age, *
            FROM (SELECT DISTINCT * FROM read_parquet($orders) WHERE amount < 10000)
            JOIN read_parquet($truth || '/identities.parquet') ON value = coalesce(account_id, client_id)
        )
        SELECT any_value(behaviour) AS behaviour, extract(day FROM min(age)) AS recency,
               ln(1 + count(DISTINCT order_id)) AS orders, ln(1 + sum(amount) / count(DISTINCT order_id)) AS basket,
               sum(discount) / sum(amount + discount) AS discounts,
               count(DISTINCT order_id) FILTER (age < INTERVAL 90 DAY) / count(DISTINCT order_id) AS recent
        FROM lines JOIN read_parquet($truth || '/people.parquet') USING (true_person)
        WHERE behaviour != 'prospects'
        GROUP BY true_person ORDER BY true_person
        """,
        {"orders": str(data / "orders/*.parquet"), "truth": str(data / "truth")},
    ).fetchnumpy()
    behaviour = table.pop("behaviour")
    values = np.column_stack([np.asarray(column, float) for column in table.values()])
    values = (values - values.mean(axis=0)) / values.std(axis=0)
    found = KMeans(6, n_init=5, random_state=0).fit_predict(values)
    assert adjusted_rand_score(behaviour, found) > 0.9
    assert silhouette_score(values, found) > 0.5


def test_comments_match_their_theme_and_sentiment(data: Path) -> None:
    found = duckdb.execute(
        """
        SELECT theme, sentiment,
               count(DISTINCT regexp_replace(comment, '^(Bonjour, |À mon avis : |Franchement, )', '')),
               min(satisfaction), max(satisfaction)
        FROM read_csv($answers) JOIN read_parquet($truth) USING (answer_id)
        GROUP BY ALL
        """,
        {"answers": str(data / "survey/*.csv"), "truth": str(data / "truth/survey/*.parquet")},
    ).fetchall()
    bounds = {"négatif": (0, 5), "neutre": (6, 8), "positif": (9, 10)}
    assert len(found) == 12
    for _, sentiment, n_texts, low, high in found:
        assert n_texts <= 2
        assert bounds[sentiment][0] <= low <= high <= bounds[sentiment][1]
