"""Customer value from events to rules: CDNOW as a project, the aggregates below it, and what is refused."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from tests.cdnow import DEFINITIONS, JUDGED, calculated, project, transactions
from tests.run.projects import published, rows
from tests.web.pages import Page, spaced

from facette.clock import Moment
from facette.definitions.language import tree
from facette.definitions.models import ValueModel
from facette.definitions.project import load
from facette.errors import DefinitionError, ModelError
from facette.features.partials import finalize, merge, prepare
from facette.models.kinds import stored
from facette.models.purchasing import Frequencies, Spending
from facette.models.value import FittedValue, fit_value, numbers, purchasing_of
from facette.warehouse.connect import connect
from facette.web.report import render

MOMENT = Moment(datetime(2026, 3, 15, 12, tzinfo=UTC), "Europe/Paris")
MODEL = ValueModel(name="worth", kind="value", event="purchase", amount="amount")
OPENING = {"opening": tree.Aggregate("opening", "purchase", "amount")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = project(tmp_path_factory.mktemp("cdnow") / "project")
    assert calculated(folder, JUDGED).warnings == []
    return folder


def worth(folder: Path) -> FittedValue:
    (row,) = [row for row in rows(folder, "models") if row["name"] == "worth"]
    fitted = stored(row)
    assert isinstance(fitted, FittedValue)
    return fitted


def by_hand(until: date) -> dict[str, dict[date, float]]:
    """Customer → day → amount, straight from the file."""
    found: dict[str, dict[date, float]] = {}
    for customer, day, amount in transactions():
        on = date.fromisoformat(day)
        if on <= until:
            days = found.setdefault(customer, {})
            days[on] = days.get(on, 0.0) + float(amount)
    return found


def test_the_published_parameters_from_the_transactions() -> None:
    """Fader, Hardie, Lee 2005: r 0.243, alpha 4.414 weeks, a 0.793, b 2.426; 2013: p 6.25, q 3.74, gamma 15.44."""
    end = date(1997, 9, 30)
    rows = [
        {
            "profile_id": who,
            "repeats": float(len(days) - 1),
            "recency": float((max(days) - min(days)).days),
            "age": float((end - min(days)).days),
            "mean": sum(paid for day, paid in days.items() if day > min(days)) / (len(days) - 1 or 1) or None,
        }
        for who, days in by_hand(end).items()
    ]
    found = fit_value(MODEL, tuple("abcdef"), pa.Table.from_pylist(rows), "no past").metrics
    assert (found.rows, found.repeaters, found.payers) == (2357, 946, 946)
    assert [round(found.r, 3), round(found.a, 3), round(found.b, 3)] == [0.243, 0.793, 2.426]
    assert found.alpha / 7 == pytest.approx(4.414, abs=0.001)
    assert [round(found.p, 2), round(found.q, 2), round(found.gamma, 2)] == [6.25, 3.74, 15.44]
    assert round(found.correlation or 0, 2) == 0.11


def test_what_the_fit_looks_at_is_what_the_file_says(folder: Path) -> None:
    features = published(folder).table("features")
    found = features.select("id", **numbers(features, worth(folder).columns)).to_pyarrow().to_pylist()
    expected = by_hand(JUDGED)
    assert len(found) == len(expected) == 2357
    for row in found:
        days = expected[row["id"]]
        first, last, repeats = min(days), max(days), len(days) - 1
        spent = sum(amount for day, amount in days.items() if day > first)
        assert (row["repeats"], row["recency"], row["age"]) == (repeats, (last - first).days, (JUDGED - first).days)
        assert row["mean"] == (pytest.approx(spent / repeats, abs=1e-6) if repeats and spent else None)


def test_how_well_the_past_was_foretold(folder: Path) -> None:
    """A fit on the first 39 weeks against the 39 that followed, counted in the file."""
    metrics = worth(folder).metrics
    holdout = metrics.holdout
    assert holdout is not None and metrics.no_holdout is None
    before, whole = by_hand(date(1997, 9, 30)), by_hand(date(1998, 6, 30))
    came = {who: {day: paid for day, paid in whole[who].items() if day > date(1997, 9, 30)} for who in before}
    assert holdout.customers == 2357
    assert holdout.purchases == pytest.approx(sum(map(len, came.values())) / 2357)
    assert holdout.value == pytest.approx(sum(sum(days.values()) for days in came.values()) / 2357)
    once = [who for who, days in before.items() if len(days) == 2]
    (second,) = [item for item in holdout.classes if item.repeats == 1]
    assert second.n == len(once) and second.purchases == pytest.approx(sum(len(came[who]) for who in once) / len(once))
    predicted = [item.predicted_purchases for item in holdout.classes]
    assert predicted == sorted(predicted) and holdout.classes[-1].is_open
    assert abs(holdout.purchase_bias or 1) < 0.15


def test_its_columns_are_what_the_formulas_say_and_rules_read_them(folder: Path) -> None:
    reader, fitted = published(folder), worth(folder)
    features = reader.table("features")
    seen = features.select("profile_id", **numbers(features, fitted.columns)).to_pyarrow().sort_by("profile_id")
    scored = reader.table("scored").to_pyarrow().sort_by("profile_id")
    customers = Frequencies(*(seen[name].to_numpy() for name in ("repeats", "recency", "age")))
    purchases = purchasing_of(fitted.metrics).expected(customers, fitted.horizon_days)
    amounts = Spending(fitted.metrics.p, fitted.metrics.q, fitted.metrics.gamma, 0.0)
    value = purchases * amounts.expected(customers.repeats, np.nan_to_num(seen["mean"].to_numpy()))
    assert scored["worth_purchases"].to_numpy() == pytest.approx(purchases, rel=1e-12)
    assert scored["worth_alive"].to_numpy() == pytest.approx(purchasing_of(fitted.metrics).alive(customers), rel=1e-9)
    assert scored["worth"].to_numpy() == pytest.approx(value, rel=1e-9)
    lost = reader.preview("worth_alive < 0.3")["members"]
    assert lost == (scored["worth_alive"].to_numpy() < 0.3).sum() > 0
    assert {row["segment"]: row["members"] for row in rows(folder, "sizes")}["lost"] == lost


def test_segments_that_read_it_are_resampled(folder: Path) -> None:
    """2,357 customers: values hardly move, and the hot ones of a composite of them hardly either."""
    found = {row["segment"]: row for row in rows(folder, "worth")}
    assert {name: row["follows"] for name, row in found.items()} == {
        "lost": ["worth"],
        "dear": ["worth"],
        "first": ["priority", "worth"],
    }
    for name in ("lost", "dear", "first"):
        assert 0.8 < found[name]["stability_low"] <= found[name]["stability"] <= 1, name
    assert found["dear"]["stability"] < 1 and found["first"]["stability"] < 1


def test_one_person_is_explained_by_the_same_numbers(folder: Path) -> None:
    reader = published(folder)
    member = next(row["profile_id"] for row in rows(folder, "wide") if row["dear"])
    answer = reader.explain(str(member), "dear")
    shown = {row["profile_id"]: row for row in rows(folder, "scored")}[member]
    values = [item["value"] for item in answer["reason"]["items"]]
    assert answer["is_member"]
    assert answer["changes_at"] or answer["looked_until"]  # at any midnight, for the chance sinks with every day
    assert values == pytest.approx([shown["worth"], shown["worth_purchases"]], rel=1e-9)


def test_what_the_parts_of_a_composite_add_up_to(folder: Path) -> None:
    reader = published(folder)
    member = next(row["profile_id"] for row in rows(folder, "wide") if row["first"])
    shown = {row["profile_id"]: row for row in rows(folder, "scored")}[member]
    for answer in (reader.profile(str(member)), reader.explain(str(member), "first")):
        parts = answer["composites"]["priority"]
        assert {part["of"] for part in parts} == {"worth", "worth_alive", "n_orders"}
        assert sum(part["contribution"] for part in parts) == pytest.approx(shown["priority"])
    assert shown["priority"] >= 70


@pytest.mark.parametrize("language", ["fr", "en"])
def test_the_report_says_what_is_expected_and_how_the_past_was_foretold(folder: Path, language: str) -> None:
    reader = published(folder)
    page = Page(render(reader, language))  # type: ignore[arg-type]
    holdout = worth(folder).metrics.holdout
    assert holdout is not None
    said = {"fr": "annonçait {:.0f} $ par client pour les 273 jours suivants ; chacun a dépensé {:.0f} $"}
    said["en"] = "foretold ${:.0f} per customer for the 273 days that followed; each spent ${:.0f} on average"
    assert said[language].format(holdout.predicted_value, holdout.value) in spaced(page.texts["values"])
    assert ("7 ou plus" if language == "fr" else "7 or more") in spaced(page.texts["values"])
    band = {"fr": "moins de 20", "en": "less than"}[language]
    assert band in spaced(page.texts["values"])
    assert ("Rang" if language == "fr" else "rank").casefold() in page.texts["composites"].casefold()
    assert ("appliquée" if language == "fr" else "applied") in page.texts["versions"]
    assert ("Siddiqi" in page.texts["drift"]) and ("stable" in page.texts["drift"])


# ── the aggregates ──────────────────────────────────────────────────────────────────────────────────────────────────


def events(days_and_amounts: list[tuple[int, float | None]]) -> pa.Table:
    made = [
        {
            "profile_id": 1,
            "event_id": f"e{n}",
            "at": MOMENT.as_of - timedelta(days=ago, minutes=n),
            "known_at": MOMENT.as_of - timedelta(days=ago, minutes=n),
            "day": (MOMENT.as_of - timedelta(days=ago)).date(),
            "amount": amount,
        }
        for n, (ago, amount) in enumerate(days_and_amounts)
    ]
    instant = pa.timestamp("us", "UTC")
    kinds: dict[str, pa.DataType] = {"profile_id": pa.int64(), "event_id": pa.string(), "at": instant}
    kinds |= {"known_at": instant, "day": pa.date32(), "amount": pa.float64()}
    return pa.Table.from_pylist(made, schema=pa.schema(list(kinds.items())))


def test_the_first_day_is_summed_however_events_are_cut() -> None:
    bought: list[tuple[int, float | None]] = [(3, 5.0), (9, 0.1), (9, 0.2), (9, None), (1, 7.0)]
    con = connect()
    for order in [*itertools.permutations(bought)][::7]:
        parts = [
            con.create_table(f"part{n}", events([*part]), overwrite=True)
            for n, part in enumerate((order[:2], order[2:]))
        ]
        merged = merge(tuple(prepare(part, OPENING, MOMENT) for part in parts), OPENING)
        assert merged.select(**finalize(merged, OPENING, MOMENT)).to_pyarrow().to_pylist() == [{"opening": 0.3}]


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_few_customers_are_refused() -> None:
    few: dict[str, Any] = {"repeats": [1.0] * 99, "recency": [3.0] * 99, "age": [9.0] * 99, "mean": [2.0] * 99}
    with pytest.raises(ModelError, match="99 customers, of whom 99 bought again") as caught:
        fit_value(MODEL, tuple("abcdef"), pa.table(few), "no past")
    assert "longer history" in caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("event: purchase", "event: purchas", "unknown event `purchas`"),
        ("amount: amount", "amount: ammount", "unknown property of purchase `ammount`"),
        ("amount: amount", "amount: day", "`day` is date, and must be number here"),
        ("kind: value, ", "kind: value, where: amount > b, ", "model `worth`"),
        ("worth_alive <", "worth_alife <", "worth_alife"),
        ("name: n_orders", "name: worth_alive", "both answer to `worth_alive`"),
    ],
)
def test_what_does_not_hold_together_is_told_with_its_place(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in DEFINITIONS
    folder = project(tmp_path / "p", DEFINITIONS.replace(old, new, 1))
    with pytest.raises(DefinitionError) as caught:
        load(folder)
    assert any(told in problem.message and problem.file == "facette.yml" for problem in caught.value.problems)
