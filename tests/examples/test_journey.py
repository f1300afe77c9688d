"""examples/journey: what prepare.py writes, that its definitions hold together, and that its facts are facts."""

from __future__ import annotations

import hashlib
import importlib.util
import subprocess
import sys
from datetime import date
from pathlib import Path
from types import ModuleType

import duckdb
import pytest
from tests.oracles.journey import SEGMENTS, expected_features, expected_segments

from facette.definitions.language import check_rule, language_of
from facette.definitions.project import load

JOURNEY = Path(__file__).parents[2] / "examples" / "journey"
SATURDAY, SUNDAY = date(2017, 12, 30), date(2017, 12, 31)


@pytest.fixture(scope="module")
def prepare() -> ModuleType:
    spec = importlib.util.spec_from_file_location("prepare_journey", JOURNEY / "prepare.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def sunday(prepare: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everything there is, prepared in one go."""
    folder = tmp_path_factory.mktemp("sunday")
    prepare.prepare(SUNDAY, folder)
    return folder


@pytest.fixture(scope="module")
def package(prepare: ModuleType) -> duckdb.DuckDBPyConnection:
    db = duckdb.connect()
    for file in prepare.package_data().glob("*.parquet"):
        db.from_parquet(str(file)).create_view(file.stem)
    db.sql("""
        SELECT DISTINCT basket_id, household_id, week, transaction_timestamp AS sold_at FROM transactions
    """).create("tickets")
    return db


def digests(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


# ── prepare.py ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_day_more_adds_files_and_leaves_the_others_untouched(
    prepare: ModuleType, sunday: Path, tmp_path: Path
) -> None:
    first, _ = prepare.prepare(SATURDAY, tmp_path)
    before = digests(tmp_path)
    added, unchanged = prepare.prepare(SUNDAY, tmp_path)
    after = digests(tmp_path)

    assert [path.relative_to(tmp_path).as_posix() for path in added] == [
        "baskets/2017-12-31.parquet",
        "redemptions/2017-12-31.csv",
    ]
    assert set(unchanged) == set(first)
    assert before.items() <= after.items()
    assert after == digests(sunday)


def test_it_runs_as_a_script_without_pandas(sunday: Path) -> None:
    script = f"import sys; sys.argv = ['prepare.py', '--out', {str(sunday)!r}]\n"
    script += f"import runpy; runpy.run_path({str(JOURNEY / 'prepare.py')!r}, run_name='__main__')\n"
    script += "assert 'pandas' not in sys.modules"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ": 0 files written, 107 already there (until 2017-12-30)" in result.stdout


def test_a_day_outside_the_data_is_refused(prepare: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="2017-11-30 to 2017-12-31"):
        prepare.prepare(date(2018, 1, 1), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("table", "files"),
    [
        ("transactions", "baskets/*.parquet"),
        ("products", "products.parquet"),
        ("demographics", "crm/demographics.csv"),
        ("campaign_descriptions", "campaigns.csv"),
        ("campaigns", "mailings/*.csv"),
        ("coupon_redemptions", "redemptions/*.csv"),
    ],
)
def test_every_row_is_delivered_once_and_unchanged(
    package: duckdb.DuckDBPyConnection, sunday: Path, table: str, files: str
) -> None:
    options = ", delim = ';', header = true, all_varchar = true" if files.endswith("csv") else ""
    reader = "read_csv" if options else "read_parquet"
    columns = ", ".join(
        f"{name} AT TIME ZONE 'UTC' AS {name}" if name == "transaction_timestamp" else f"{name}::{kind} AS {name}"
        for name, kind in package.sql(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    )
    package.execute(
        f"CREATE OR REPLACE TEMP TABLE delivered AS SELECT {columns} FROM {reader}('{sunday}/{files}'{options})"
    )
    counts = package.sql(f"SELECT (SELECT count(*) FROM {table}), (SELECT count(*) FROM delivered)").fetchall()[0]
    assert counts[0] == counts[1]
    assert package.sql(f"(FROM {table} EXCEPT ALL FROM delivered) LIMIT 1").fetchall() == []


# ── what README.md says of the data ─────────────────────────────────────────────────────────────────────────────────


def test_the_facts_about_the_data(package: duckdb.DuckDBPyConnection) -> None:
    def one(query: str) -> tuple[object, ...]:
        return package.sql(query).fetchall()[0]

    lines = "count(*), count(DISTINCT (basket_id, product_id)), count(DISTINCT basket_id), count(DISTINCT household_id)"
    assert one(f"SELECT {lines} FROM transactions") == (1_469_307, 1_469_307, 155_848, 2_469)
    assert one("SELECT count(*), count(DISTINCT household_id) FROM demographics") == (801, 801)
    assert one("SELECT count(*), count(DISTINCT household_id) FROM campaigns") == (6_589, 1_559)
    assert one("SELECT count(*), count(DISTINCT household_id) FROM coupon_redemptions") == (2_102, 410)
    assert one("SELECT count(*) FROM products") == (92_331,)
    assert one("SELECT count(*) FROM transactions ANTI JOIN products USING (product_id)") == (4_836,)
    odd = "count_if(quantity = 0), count_if(sales_value = 0), count_if(quantity < 0 OR sales_value < 0)"
    assert one(f"SELECT {odd} FROM transactions") == (8_869, 11_226, 0)
    assert one("SELECT count_if(sales_value > 0 AND sales_value < 0.001) FROM transactions") == (20,)


@pytest.mark.parametrize(
    ("zone", "is_right"),
    [("America/New_York", True), ("UTC", False), ("America/Chicago", False), ("Etc/GMT+5", False)],
)
def test_the_instants_are_utc_and_the_stores_are_on_new_york_time(
    package: duckdb.DuckDBPyConnection, zone: str, is_right: bool
) -> None:
    """The data's week numbers change on Mondays at local midnight, and redemptions fall on local days of purchase."""
    day = f"timezone('{zone}', sold_at AT TIME ZONE 'UTC')::DATE"
    strays = package.sql(f"SELECT count(*) FROM tickets WHERE week <> ({day} - DATE '2016-12-26') // 7 + 1")
    orphans = package.sql(f"""
        SELECT count(*) FROM coupon_redemptions
        ANTI JOIN (SELECT household_id, {day} AS day FROM tickets) AS visits
        ON coupon_redemptions.household_id = visits.household_id AND redemption_date::DATE = visits.day
    """)
    assert (strays.fetchall() == orphans.fetchall() == [(0,)]) is is_right


# ── the definitions ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_definitions_hold_together() -> None:
    journey = load(JOURNEY)
    assert all("does not say when its rows were known" in warning.message for warning in journey.warnings)
    assert len(journey.features) == len(journey.project.features) >= 25
    assert set(journey.rules) >= SEGMENTS.keys()
    for item in (*journey.project.features, *journey.project.models, *journey.project.segments):
        assert item.label.fr and item.label.en, item.name


def test_every_label_can_be_written_in_a_rule() -> None:
    vocabulary = load(JOURNEY).vocabulary
    for column in vocabulary.columns.values():
        for label in column.labels.values():
            checked = check_rule(f"{label} IS KNOWN", vocabulary)
            assert checked.columns == {column.name}, label
    for segment in vocabulary.segments.values():
        for label in segment.labels.values():
            checked = check_rule(f"IN SEGMENT {label}", vocabulary)
            assert checked.segments == {segment.name}, label


def test_the_rules_are_half_in_french_half_in_english() -> None:
    languages = [language_of(segment.rule) for segment in load(JOURNEY).project.segments]
    assert min(languages.count("fr"), languages.count("en")) >= 12


# ── the oracle ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_oracle_knows_every_household_and_counts_what_is_plain() -> None:
    households = {row["household_id"]: row for row in expected_features(SATURDAY).to_pylist()}
    assert len(households) == 2_469
    assert sum(row["mailings_received"] for row in households.values()) == 6_589
    assert {row["r_score"] for row in households.values()} == {1, 2, 3, 4, 5}


def test_every_segment_of_the_oracle_is_worth_a_look() -> None:
    sizes = {name: len(members) for name, members in expected_segments(SATURDAY).items()}
    assert all(50 <= size <= 2_100 for size in sizes.values()), sizes
    assert sizes["lapsed"] + sizes["slipping"] < 2_469 - sizes["active"]
