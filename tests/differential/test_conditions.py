"""Conditions mean the same as rules: random conditions × random attributes, beside GrowthBook's own evaluator.

It shares nothing with us. Its answers are those for the condition and the attributes in lower case, since rules compare
text without regard to case; the tests at the end hold what differs for that and the like.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from benchmarks.conditions import Outcome, outcome
from growthbook.core import evalCondition
from hypothesis import given
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language import check_rule
from facette.definitions.language.mongo import from_mongo
from facette.definitions.language.tree import Rule
from facette.definitions.language.vocabulary import Property, Vocabulary
from facette.warehouse.compiler import compile_rule
from facette.warehouse.connect import connect
from tests.cases import COMPARED, random_cases
from tests.oracles.rules import evaluate

MOMENT = Moment(datetime(2026, 3, 15, 12, tzinfo=UTC), "Europe/Paris")
TYPES = {
    "city": "text",
    "mail": "text",
    "n": "number",
    "paid": "boolean",
    "user.age": "number",
    "user.address.city": "text",
}
ARROW = {"text": pa.string(), "number": pa.float64(), "boolean": pa.bool_()}
COLUMNS = {path: path.replace(".", "_") for path in TYPES}
NAMES = Vocabulary(
    columns={
        name: Property(name, TYPES[path], {"en": path})  # type: ignore[arg-type]
        for path, name in COLUMNS.items()
    }
)
VALUES = {
    "text": st.sampled_from(("Nantes", "nantes", "Le Mans", "Saint-Nazaire", "Été", "a@example.org", "a.b", "7", "no")),
    "number": st.sampled_from((-1, 0, 1, 2, 2.5, 10, 18)),
    "boolean": st.booleans(),
}
PIECES = st.sampled_from(("Nan", "s", "Saint", "example", "é", "a.b", "7"))
GROUPS = {"cities": ["Nantes", "Été"], "numbers": [0, 18, None]}
TESTS = ("=", "$eq", "$ne", "$in", "$nin", "$exists", "$not")
MORE = {
    "text": ("$ini", "$nini", "$regex", "$notRegex", "$regexi", "$notRegexi", "$inGroup", "$notInGroup"),
    "number": ("$lt", "$lte", "$gt", "$gte", "$inGroup", "$notInGroup"),
    "boolean": (),
}


def conditions() -> st.SearchStrategy[dict[str, Any]]:
    leaves = st.sampled_from(list(TYPES)).flatmap(
        lambda path: comparisons(TYPES[path]).map(lambda test: {path: test})  # one path each; the next level joins them
    )

    def joined(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
        several = st.lists(inner, min_size=1, max_size=3)
        return st.one_of(
            st.builds(lambda items: {"$and": items}, several),
            st.builds(lambda items: {"$or": items}, several),
            st.builds(lambda items: {"$nor": items}, several),
            st.builds(lambda item: {"$not": item}, inner),
            st.builds(lambda one, other: {**one, **other}, inner, inner),
        )

    return st.recursive(leaves, joined, max_leaves=6)


def comparisons(kind: str, depth: int = 2) -> st.SearchStrategy[Any]:
    """A value, or an object of one or two operators."""
    operators = [operator for operator in (*TESTS[1:], *MORE[kind]) if depth or operator != "$not"]
    one = st.sampled_from(operators).flatmap(
        lambda operator: argument(operator, kind, depth).map(lambda value: {operator: value})
    )
    two = st.builds(lambda first, second: {**first, **second}, one, one)
    return st.one_of(VALUES[kind], st.none(), one, two)


def argument(operator: str, kind: str, depth: int) -> st.SearchStrategy[Any]:
    value = VALUES[kind]
    match operator:
        case "$eq" | "$ne":
            return value | st.none()
        case "$in" | "$nin" | "$ini" | "$nini":
            return st.lists(value | st.none(), min_size=1, max_size=3)
        case "$exists":
            return st.sampled_from((True, False, 0, 1))
        case "$not":
            return comparisons(kind, depth - 1)
        case "$inGroup" | "$notInGroup":
            return st.just("cities" if kind == "text" else "numbers")
        case "$regex" | "$notRegex" | "$regexi" | "$notRegexi":
            return patterns()
    return value


def patterns() -> st.SearchStrategy[str]:
    plain = PIECES.map(re.escape)
    either = st.lists(plain, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})")
    body = st.one_of(plain, either, st.builds(str.__add__, plain, either))
    ends = st.sampled_from(("{}", "^{}", "{}$", "^{}$", ".*{}.*", "^{}.*", ".*{}$", "{}|^Le"))
    return st.builds(str.format, ends, body)


def attributes() -> st.SearchStrategy[dict[str, Any]]:
    """Some paths set, some null, some absent; nested as in JSON."""
    drawn = {path: st.sampled_from(("absent", "null", "set", "set")) for path in TYPES}
    values = {path: VALUES[kind] for path, kind in TYPES.items()}
    return st.builds(nested, st.fixed_dictionaries(drawn), st.fixed_dictionaries(values))


def nested(states: dict[str, str], values: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for path, state in states.items():
        *folders, last = path.split(".")
        place = made
        for folder in folders:
            place = place.setdefault(folder, {})
        if state != "absent":
            place[last] = values[path] if state == "set" else None
    return made


@random_cases(8)
@given(
    written=st.lists(conditions(), min_size=20, max_size=20), people=st.lists(attributes(), min_size=25, max_size=25)
)
def test_a_condition_means_what_its_rule_means(written: list[dict[str, Any]], people: list[dict[str, Any]]) -> None:
    rules = [from_mongo(condition, groups=GROUPS) for condition in written]
    rows = [row(person) for person in people]
    answers = engine(rules, rows)
    for condition, rule, found in zip(written, rules, answers, strict=True):
        plainly = [evaluate(rule, person, [], MOMENT, NAMES, {}) for person in rows]
        theirs = [evalCondition(lower(person), lower(condition), lower(GROUPS)) for person in people]
        assert found == plainly == theirs, condition
    COMPARED["conditions of other systems"] += len(rules) * len(rows)


def row(person: dict[str, Any]) -> dict[str, Any]:
    """The attributes as traits: column → value, absent as None."""
    found: dict[str, Any] = {}
    for path, name in COLUMNS.items():
        value: Any = person
        for step in path.split("."):
            value = value.get(step) if isinstance(value, dict) else None
        found[name] = value
    return found


def engine(rules: Sequence[Rule], rows: Sequence[dict[str, Any]]) -> list[list[bool]]:
    """Each rule's answers for the rows, from DuckDB."""
    columns = {name: pa.array([person[name] for person in rows], ARROW[TYPES[path]]) for path, name in COLUMNS.items()}
    place = pa.array(range(len(rows)), pa.int64())
    table = connect().create_table("people", pa.table({"place": place, **columns}), temp=True)
    asked = {
        f"rule_{n}": compile_rule(check_rule(rule, NAMES).rule, table, MOMENT)  # type: ignore[arg-type]
        for n, rule in enumerate(rules)
    }
    answers = table.select("place", **asked).order_by("place").to_pyarrow()
    return [answers[name].to_pylist() for name in asked]


def lower(data: Any) -> Any:
    """Every value in lower case; operators keep theirs."""
    match data:
        case str():
            return data.lower()
        case list():
            return [lower(item) for item in data]
        case dict():
            return {key: lower(value) for key, value in data.items()}
    return data


# ── what differs ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("condition", "person", "theirs"),
    [
        ({"city": "nantes"}, {"city": "Nantes"}, False),
        ({"city": {"$ne": "nantes"}}, {"city": "Nantes"}, True),
        ({"city": {"$in": ["NANTES"]}}, {"city": "Nantes"}, False),
        ({"city": {"$regex": "^nan"}}, {"city": "Nantes"}, False),
        ({"city": " Nantes "}, {"city": "Nantes"}, False),
        ({"city": {"$regex": "Le  Mans"}}, {"city": "Le Mans"}, False),
    ],
)
def test_text_differs_in_case_and_spaces(condition: Any, person: dict[str, Any], theirs: bool) -> None:
    """Each with a case of its own in the documentation."""
    assert evalCondition(person, condition) is theirs
    assert engine([from_mongo(condition)], [row(person)]) == [[not theirs]]


# ── a suite of conditions in a file ─────────────────────────────────────────────────────────────────────────────────

SUITE: list[tuple[list[Any], str, str]] = [
    ([{"town": "Nantes"}, {"town": "Nantes"}, True], "alike", ""),
    ([{"town": {"$inGroup": "west"}}, {"town": "Nantes"}, True, {"west": ["Nantes"]}], "alike", ""),
    ([{"a.b": {"$gt": 3}, "c": {"$ne": "x"}, "d": {"$ne": True}}, {"a": {"b": 4}}, True], "alike", ""),
    ([{"town": "nantes"}, {"town": "Nantes"}, False], "differs", "text of another case"),
    ([{"orders": {"$lt": 3}}, {}, True], "differs", "an absent number counts as 0"),
    ([{"town": 3}, {"town": "Nantes"}, False], "refused", "attribute is of another type"),
    ([{"towns": {"$in": ["Nantes"]}}, {"towns": ["Nantes"]}, True], "refused", "attribute is a list or an object"),
    ([{"towns": {"$size": 1}}, {"towns": ["Nantes"]}, True], "refused", "list"),
]


@pytest.mark.parametrize(("case", "verdict", "why"), SUITE)
def test_how_a_case_of_a_suite_comes_out(case: list[Any], verdict: str, why: str) -> None:
    assert outcome("it", *case) == Outcome("it", verdict, why)


def test_figures_of_a_suite(tmp_path: Path) -> None:
    file = tmp_path / "cases.json"
    cases = [[f"case {n}", *case] for n, (case, _, _) in enumerate(SUITE)]
    file.write_text(json.dumps({"specVersion": "1", "evalCondition": cases}), encoding="utf-8")
    command = [sys.executable, "benchmarks/conditions.py", file, "--json"]
    figures = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert figures["alike"] == {"all": 3}
    assert figures["those that differ"] == {
        "text of another case": ["case 3"],
        "an absent number counts as 0": ["case 4"],
    }
    assert sum(figures["refused"].values()) == 3
