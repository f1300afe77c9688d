"""Portraits and overlaps equal their naive twins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.validation import portraits as module
from facette.validation.portraits import overlaps, portraits

TYPES = {"amount": "number", "big": "number", "city": "text", "is_new": "boolean", "born": "date"}


def tables(seed: int, rows: int) -> tuple[pa.Table, pa.Table]:
    random = np.random.default_rng(seed)
    maybe = random.random((rows, 4)) < 0.15
    wide = pa.table(
        {
            "profile_id": np.arange(rows),
            "some": pa.array(random.random(rows) < 0.4, mask=random.random(rows) < 0.05),
            "none": np.zeros(rows, dtype=bool),
            "all": np.ones(rows, dtype=bool),
            "groups": random.integers(1, 4, rows),
        }
    )
    features = pa.table(
        {
            "profile_id": np.arange(rows),
            "amount": pa.array(random.normal(size=rows).round(1), mask=maybe[:, 0]),
            "big": pa.array(random.integers(0, 9, rows) + 1_000_000, mask=maybe[:, 1]),
            "city": pa.array(random.choice(["Lyon", "Nice", "Brest"], rows), mask=maybe[:, 2]),
            "is_new": pa.array(random.random(rows) < 0.3, mask=maybe[:, 3]),
            "born": pa.array([None] * rows, pa.date32()),
        }
    )
    return wide, features


def naive_effect(inside: list[float], outside: list[float]) -> float | None:
    """Cohen's d by the book, if enough is known."""
    if min(len(inside), len(outside)) < 30:
        return None
    squares = sum((v - np.mean(inside)) ** 2 for v in inside) + sum((v - np.mean(outside)) ** 2 for v in outside)
    pooled = (squares / (len(inside) + len(outside) - 2)) ** 0.5
    return (np.mean(inside) - np.mean(outside)) / pooled if pooled > 1e-6 else None


def naive(wide: pa.Table, features: pa.Table) -> dict[tuple[str, str, str | None], tuple[float, float, float]]:
    people, traits = wide.to_pylist(), features.to_pylist()
    masks = {name: [row[name] is True for row in people] for name in ("some", "none", "all")}
    masks |= {f"groups:{i}": [row["groups"] == i for row in people] for i in (1, 2, 3)}
    levels = [("amount", None), ("big", None), ("is_new", "true")] + [("city", x) for x in ("Lyon", "Nice", "Brest")]
    result = {}
    for segment, mask in masks.items():
        for feature, level in levels:
            sides: tuple[list[float], list[float]] = ([], [])
            for row, is_member in zip(traits, mask, strict=True):
                value = row[feature]
                if value is not None:
                    sides[not is_member].append(value if level is None else float(value in (level, level == "true")))
            effect = naive_effect(*sides)
            if effect is not None and abs(effect) > 1e-9:
                result[segment, feature, level] = (float(np.mean(sides[0])), float(np.mean(sides[1])), effect)
    return result


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10_000), st.integers(1, 400))
def test_portraits_equal_the_naive_ones(seed: int, rows: int) -> None:
    wide, features = tables(seed, rows)
    found = portraits(wide, features, TYPES, top=100)
    ours = {
        (row["segment"], row["feature"], row["level"]): (row["inside"], row["outside"], row["effect"])
        for row in found.to_pylist()
        if abs(row["effect"]) > 1e-9
    }
    theirs = naive(wide, features)
    assert ours.keys() == theirs.keys()
    for key, expected in theirs.items():
        assert ours[key] == pytest.approx(expected, rel=1e-6, abs=1e-9), key


def test_what_few_are_known_for_is_not_told() -> None:
    """29 known renters among 75 members are no portrait, 30 are, and the share known is told."""
    member = np.arange(400) < 75
    home = np.where(member, "renter", np.where(np.arange(400) % 3 == 0, "renter", "owner"))
    wide = pa.table({"profile_id": np.arange(400), "new": member})
    for known, rows in ((29, 0), (30, 1)):
        is_unknown = member & (np.arange(400) >= known)
        features = pa.table({"profile_id": np.arange(400), "home": pa.array(home, mask=is_unknown)})
        found = portraits(wide, features, {"home": "text"}).to_pylist()
        assert len(found) == rows
    assert (found[0]["known_inside"], found[0]["known_outside"]) == (0.4, 1.0)


def test_traits_that_are_alike_are_told_once() -> None:
    """A score of a number and a code made of the score follow the number, and say nothing of their own."""
    random = np.random.default_rng(7)
    days = random.lognormal(3, 1, 2000)
    score = 5 - np.searchsorted(np.quantile(days, [0.2, 0.4, 0.6, 0.8]), days)
    features = pa.table(
        {
            "profile_id": np.arange(2000),
            "days": days,
            "score": score,
            "code": score * 100 + random.integers(1, 6, 2000),
            "sex": np.where(random.random(2000) < np.where(days < 20, 0.7, 0.3), "F", "H"),
        }
    )
    wide = pa.table({"profile_id": np.arange(2000), "recent": days < 10})
    types: dict[str, Any] = {"days": "number", "score": "number", "code": "number", "sex": "text"}
    found = portraits(wide, features, types).to_pylist()
    assert [row["feature"] for row in found] == ["days", "sex"]  # one of two sexes says the other
    del types["days"]
    assert {row["feature"] for row in portraits(wide, features, types).to_pylist()} == {"score", "sex"}


def test_slices_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    wide, features = tables(1, 500)
    whole, shared = portraits(wide, features, TYPES), overlaps(wide)
    monkeypatch.setattr(module, "SLICE", 64)
    sliced = portraits(wide, features, TYPES)
    for name in whole.column_names:
        if pa.types.is_floating(whole.schema.field(name).type):
            np.testing.assert_allclose(sliced[name].to_numpy(), whole[name].to_numpy(), rtol=1e-9)
        else:
            assert sliced[name].equals(whole[name])
    assert overlaps(wide).equals(shared)


def test_what_was_planted_comes_first() -> None:
    random = np.random.default_rng(3)
    member = np.arange(3000) % 3 == 0
    features = pa.table(
        {
            "profile_id": np.arange(3000)[::-1],
            "noise": random.normal(size=3000),
            "spend": (random.lognormal(size=3000) + np.where(member, 5.0, 0.0))[::-1],
            "city": np.where(member & (random.random(3000) < 0.8), "Lyon", random.choice(["Nice", "Brest"], 3000))[
                ::-1
            ],
            "name": [f"n{i}" for i in range(3000)],
        }
    )
    wide = pa.table({"profile_id": np.arange(3000), "planted": member})
    rows: list[dict[str, Any]] = portraits(
        wide, features, {"noise": "number", "spend": "number", "city": "text", "name": "text"}, top=4
    ).to_pylist()
    assert [row["position"] for row in rows] == [1, 2, 3, 4]
    cities = {("city", "Lyon"), ("city", "Nice"), ("city", "Brest")}
    assert {(row["feature"], row["level"]) for row in rows} == {("spend", None), *cities}
    by_trait = {(row["feature"], row["level"]): row for row in rows}
    spend = by_trait["spend", None]
    values = features["spend"].to_numpy()[::-1]
    assert spend["median_inside"] == pytest.approx(np.median(values[member]))
    assert spend["median_outside"] == pytest.approx(np.median(values[~member]))
    assert spend["lift"] is None and spend["effect"] > 1
    assert by_trait["city", "Lyon"]["lift"] is None  # nobody outside lives there
    nice = by_trait["city", "Nice"]
    assert nice["inside"] == pytest.approx(0.1, abs=0.03) and nice["lift"] == pytest.approx(
        nice["inside"] / nice["outside"]
    )
    assert nice["effect"] < 0


def test_nothing_to_portray() -> None:
    wide, features = tables(0, 0)
    assert portraits(wide, features, TYPES).num_rows == 0
    wide, features = tables(0, 5)
    assert portraits(wide, features, {}).num_rows == 0
    assert portraits(wide.select(["profile_id"]), features, TYPES).num_rows == 0
    assert overlaps(wide.select(["profile_id"])).num_rows == 0


@settings(deadline=None, max_examples=25)
@given(st.lists(st.sets(st.integers(0, 30)), min_size=2, max_size=5))
def test_overlaps_are_those_of_sets(segments: list[set[int]]) -> None:
    columns = {f"s{i}": [person in members for person in range(31)] for i, members in enumerate(segments)}
    rows = overlaps(pa.table({"profile_id": range(31), **columns})).to_pylist()
    assert len(rows) == len(segments) * (len(segments) - 1)
    for row in rows:
        a, b = segments[int(row["segment_a"][1:])], segments[int(row["segment_b"][1:])]
        assert row["both"] == len(a & b)
        assert row["jaccard"] == (pytest.approx(len(a & b) / len(a | b)) if a | b else None)
        assert row["share_of_a"] == (pytest.approx(len(a & b) / len(a)) if a else None)
