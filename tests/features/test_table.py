"""Features that build on one another, and quantile scores against a plain twin."""

from __future__ import annotations

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import check_value
from facette.definitions.language.vocabulary import Event, Property, Vocabulary
from facette.features.partials import prepare
from facette.features.table import FeaturePlan, feature_table, needed
from facette.features.thresholds import cuts_at
from facette.warehouse.connect import connect

NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
MOMENT = Moment(NOON, "Europe/Paris")
WRITTEN = {
    "n_buys": "COUNT OF buy",
    "doubled": "spend * 2",
    "share": "doubled / n_buys",
    "mixed": "spend_score + buys_score",
    "ratio": "mixed_score / share",
}
NAMES = Vocabulary(
    columns={
        name: Property(name, "number") for name in ("spend", "spend_score", "buys_score", "mixed_score", *WRITTEN)
    },
    events={"buy": Event("buy")},
)
Person = tuple[float | None, int, bool]
"""spend, number of purchases, whether counted"""


def plan(groups: int) -> FeaturePlan:
    """Aggregates, arithmetic, scores, and scores of what is made of scores."""

    def score(name: str, of: str, *, reverse: bool = False, default: float | None = None) -> model.Feature:
        quantiles = model.Quantiles(of=of, groups=groups, reverse=reverse)
        return model.Feature(name=name, quantiles=quantiles, default=default)

    def written(name: str, default: float | None = None) -> model.Feature:
        return model.Feature(name=name, value=WRITTEN[name], default=default)

    checked = {name: check_value(text, NAMES) for name, text in WRITTEN.items()}
    return FeaturePlan(
        {name: aggregate for each in checked.values() for name, aggregate in each.aggregates.items()},
        (
            written("n_buys"),
            written("doubled", default=-1),
            written("share"),
            score("spend_score", "spend", reverse=True),
            score("buys_score", "n_buys"),
            score("share_score", "share", default=0),
            written("mixed", default=0.5),
            score("mixed_score", "mixed"),
            written("ratio"),
        ),
        {name: each.rule for name, each in checked.items()},  # type: ignore[misc]
    )


def tables(people: list[Person]) -> tuple[ir.Table, ir.Table]:
    """Profiles and their purchases."""
    ids = [n for n, (_, n_buys, _) in enumerate(people) for _ in range(n_buys)]
    profiles = {
        "profile_id": pa.array(range(len(people)), pa.int64()),
        "is_counted": pa.array([counted for *_, counted in people], pa.bool_()),
        "spend": pa.array([spend for spend, *_ in people], pa.float64()),
    }
    instants = pa.array([NOON] * len(ids), pa.timestamp("us", "UTC"))
    events = {
        "profile_id": pa.array(ids, pa.int64()),
        "event_id": pa.array([str(n) for n in range(len(ids))], pa.string()),
        "at": instants,
        "known_at": instants,
        "day": pa.array([date(2026, 3, 15)] * len(ids), pa.date32()),
    }
    con = connect()
    return (
        con.create_table("profiles", pa.table(profiles), temp=True),
        con.create_table("buys", pa.table(events), temp=True),
    )


def no_past(plan: FeaturePlan, moment: Moment) -> ir.Table:
    raise AssertionError("only moving averages look at earlier moments")


def engine(people: list[Person], asked: FeaturePlan) -> dict[int, dict[str, Any]]:
    profiles, buys = tables(people)
    partials = {"buy": prepare(buys, asked.aggregates, MOMENT)}
    cuts = cuts_at(profiles, partials, asked, MOMENT, no_past)
    rows = feature_table(profiles, partials, asked, MOMENT, cuts).to_pyarrow().to_pylist()
    ibis.get_backend(profiles).disconnect()
    return {row.pop("profile_id"): row for row in rows}


# ── the plain twin ──────────────────────────────────────────────────────────────────────────────────────────────────


def scores(values: dict[int, float | None], groups: int, *, reverse: bool = False) -> dict[int, int | None]:
    """1 for the lowest … ``groups``: one more than the number of cuts below the value.

    The cut i of n values in order lies at the position i / groups of the way from the first to the last; between two
    values it divides their distance in proportion.
    """
    known = sorted(Fraction(value) for value in values.values() if value is not None)
    cuts = []
    for i in range(1, groups) if known else ():
        position = Fraction(i * (len(known) - 1), groups)
        low, high = known[int(position)], known[min(int(position) + 1, len(known) - 1)]
        cuts.append(low + (position - int(position)) * (high - low))
    found = {who: None if value is None else 1 + sum(value > cut for cut in cuts) for who, value in values.items()}
    return {who: groups + 1 - value if reverse and value is not None else value for who, value in found.items()}


def plainly(people: list[Person], groups: int) -> dict[int, dict[str, Any]]:
    counted = {n: person for n, person in enumerate(people) if person[2]}
    spend = {n: spend for n, (spend, *_) in counted.items()}
    n_buys: dict[int, float | None] = {n: number for n, (_, number, _) in counted.items()}
    spend_score, buys_score = scores(spend, groups, reverse=True), scores(n_buys, groups)
    mixed: dict[int, float | None] = {
        n: 0.5 if first is None else first + (buys_score[n] or 0) for n, first in spend_score.items()
    }
    mixed_score = scores(mixed, groups)
    doubled = {n: -1 if value is None else value * 2 for n, value in spend.items()}
    share = {n: value / n_buys[n] if n_buys[n] else None for n, value in doubled.items()}
    columns = {
        "spend": spend,
        "n_buys": n_buys,
        "doubled": doubled,
        "share": share,
        "mixed": mixed,
        "spend_score": spend_score,
        "buys_score": buys_score,
        "share_score": {n: value or 0 for n, value in scores(share, groups).items()},
        "mixed_score": mixed_score,
        "ratio": {n: mixed_score[n] / value if value else None for n, value in share.items()},
    }
    return {n: {name: column[n] for name, column in columns.items()} for n in counted}


# ── both ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(deadline=None, max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    people=st.lists(
        st.tuples(
            st.none() | st.sampled_from((-3.0, 0.0, 0.5, 1.0, 2.0, 2.0, 100.0)) | st.integers(0, 50).map(float),
            st.integers(0, 6),
            st.booleans() | st.just(True),
        ),
        min_size=1,
        max_size=60,
    ),
    groups=st.sampled_from((2, 3, 4, 5, 7, 10, 20, 100)),
)
@example(people=[(None, 3, True), (None, 3, True)], groups=3)  # between -1/3 and -1/3 lies nothing but -1/3
@example(people=[(float(n), 0, True) for n in range(101)], groups=100)  # 29 / 100 of 100 is 29, not 28.999999999999996
def test_features_are_those_of_the_plain_twin(people: list[Person], groups: int) -> None:
    whole = plan(groups)
    found, expected = engine(people, whole), plainly(people, groups)
    assert {n: {name: row[name] for name in expected[n]} for n, row in found.items()} == expected
    part = engine(people, needed(whole, ["mixed"]))
    assert {n: row["mixed"] for n, row in part.items()} == {n: row["mixed"] for n, row in expected.items()}
    assert all("share" not in row and "mixed_score" not in row for row in part.values())


def test_equal_values_have_equal_scores_and_scores_never_fall() -> None:
    people: list[Person] = [(float(n % 37), 0, True) for n in range(1_000)]
    for groups in (7, 20, 50, 100):
        found = engine(people, needed(plan(groups), ["spend_score"]))
        by_value = sorted({(row["spend"], -row["spend_score"]) for row in found.values()})
        assert len(by_value) == 37
        assert [score for _, score in by_value] == sorted(score for _, score in by_value)


@pytest.mark.parametrize("people", [[(None, 0, True)], [(None, 2, False)], []])
def test_nothing_known_gives_no_score(people: list[Person]) -> None:
    found = engine(people, plan(5))
    assert [row["spend_score"] for row in found.values()] == [None for *_, counted in people if counted]
