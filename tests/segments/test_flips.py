"""The smallest changes flip the rule, none smaller does, and all of that size are found."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from itertools import combinations, product
from typing import Any
from unicodedata import normalize

import ibis
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions.language import check_rule, parse_rule, print_rule, tree
from facette.definitions.language.tree import And, Column, Compare, InSegment, Not, Number, Or, Rule
from facette.features.table import FeaturePlan
from facette.segments.flips import Flips, smallest_flips
from facette.segments.membership import wide_memberships
from facette.segments.person import Person
from facette.segments.regions import Domain, Region, regions
from facette.segments.trees import by_column, column_of, conditions
from facette.warehouse.connect import connect
from tests.cases import COMPARED
from tests.differential.engine import lifted, wide_row
from tests.differential.worlds import TEXTS, random_moment, random_value, random_world, telling_instants, vocabulary
from tests.language.strategies import (
    INSTANTS,
    NUMBERS,
    aggregates,
    comparisons,
    connected,
    dids,
    named_so,
    rules,
    traits,
)
from tests.oracles.rules import evaluate
from tests.warehouses import Engine

NAMES = replace(vocabulary(), thresholds={})  # they are the same for all, and nobody changes them
ANY = st.one_of(comparisons(st.one_of(traits(NAMES), aggregates(NAMES))), dids(NAMES))
CHAIN = ("vip", "cold", "nested")
ASK = connect().to_pyarrow
QUICK = settings(
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=list(HealthCheck),
)

# ── regions ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def on_one_trait(entry: Any) -> st.SearchStrategy[tuple[str, list[Rule]]]:
    subject = st.tuples(named_so(entry).map(tree.Name), st.just(entry))
    return st.tuples(st.just(entry.name), st.lists(comparisons(subject), min_size=1, max_size=4))


@settings(QUICK, max_examples=50)
@given(made=st.sampled_from(list(NAMES.columns.values())).flatmap(on_one_trait), seed=st.integers(0, 2**32))
def test_every_value_lies_in_a_region(made: tuple[str, list[Rule]], seed: int) -> None:
    name, rules = made
    rng = random.Random(seed)
    moment = random_moment(rng)
    entry = NAMES.columns[name]
    found = [condition for rule in rules for condition in conditions(check_rule(rule, NAMES).rule, {})]  # type: ignore[arg-type]
    on = by_column(dict.fromkeys(found), {})
    domain = Domain(entry.type, name == "n_children")
    instants = telling_instants(moment)
    values = [random_value(rng, entry, instants, moment) for _ in range(60)] + [*extremes(entry.type, rng), None]
    values = [normalize("NFC", value).strip() if isinstance(value, str) else value for value in values]
    cut = regions(on, {name: domain}, {name: values[0]}, moment, ask=ASK)[name]

    def answers(value: Any) -> tuple[bool, ...]:
        return tuple(evaluate(rule, {name: value}, [], moment, NAMES, {}) for rule in rules)

    by_answer = {answers(region.value): region for region in cut}
    told = [print_rule(rule, "en") for rule in rules]
    assert len(by_answer) <= len(cut)
    assert cut[0].value == values[0]
    for value in values:
        assert answers(value) in by_answer, (told, value, moment)
        for region in cut:
            is_inside = (
                region.is_run
                and value is not None
                and (region.low is None or value >= region.low)
                and (region.high is None or value <= region.high)
            )
            assert not is_inside or answers(value) == answers(region.value), (told, value, region, moment)
    COMPARED["values in regions"] += len(values)


def extremes(kind: str, rng: random.Random) -> list[Any]:
    match kind:
        case "text":
            return [f"{rng.choice(TEXTS)}{rng.choice(TEXTS)}".strip() or "x" for _ in range(30)]
        case "date":
            return [date(1900, 1, 1), date(2100, 1, 1)]
        case "instant":
            return [*INSTANTS]
    return []


@pytest.mark.parametrize(
    ("rule", "now", "wanted"),
    [
        ("spend_90d > 100", 73.2, [("at least", 100.01, None)]),
        ("spend_90d > 100 AND spend_90d < 100.005", 73.2, [("run", 100.001, 100.004)]),
        ("spend_90d <= 0.125", 1.0, [("at most", None, 0.125)]),
        ("spend_90d < 0.125", 1.0, [("at most", None, 0.124)]),
        ("spend_90d BETWEEN 3 AND 5", 9.0, [("run", 3.0, 5.0)]),
        ("spend_90d > 1e20", 5.0, [("at least", 1.0000000000000002e20, None)]),
        ("n_children >= 2.5", 1, [("at least", 3, None)]),
        ("n_children = 0", 2, [("run", 0, 0)]),
    ],
)
def test_round_values_are_proposed(rule: str, now: Any, wanted: list[tuple[str, Any, Any]]) -> None:
    checked = check_rule(rule, NAMES)
    (name,) = checked.columns
    flips = flips_of({"r": checked}, {name: now}, Moment(INSTANTS[0]))
    found = [change.region for (change,) in flips.ways]
    assert [(region.low, region.high) for region in found] == [(low, high) for _, low, high in wanted]
    assert all(region.is_run for region in found)


def test_a_count_is_whole_and_never_below_nothing() -> None:
    domain = Domain("number", True, False, least=0)
    column = Column("n", "number")
    less, more = Compare(column, "<", Number(0)), Compare(column, ">", Number(2.5))
    cut = regions({"n": [less, more]}, {"n": domain}, {"n": 0}, Moment(INSTANTS[0]), ask=ASK)["n"]
    assert [(region.met, region.value, region.low, region.high) for region in cut] == [
        ((False, False), 0, None, 2),
        ((False, True), 3, 3, None),
    ]


# ── the search, against all combinations ────────────────────────────────────────────────────────────────────────────


def random_tree(rng: random.Random, leaves: Sequence[Rule], depth: int) -> Rule:
    if depth == 0 or rng.random() < 0.2:
        return rng.choice(leaves)
    if rng.random() < 0.2:
        return Not(random_tree(rng, leaves, depth - 1))
    items = tuple(random_tree(rng, leaves, depth - 1) for _ in range(rng.randint(2, 3)))
    return rng.choice((And, Or))(items)


def plainly(rule: Rule, met: Mapping[Rule, bool], rules: Mapping[str, tree.Checked]) -> bool:
    match rule:
        case And(items):
            return all(plainly(item, met, rules) for item in items)
        case Or(items):
            return any(plainly(item, met, rules) for item in items)
        case Not(item):
            return not plainly(item, met, rules)
        case InSegment(segment):
            return plainly(rules[segment].rule, met, rules)  # type: ignore[arg-type]
    return met[rule]


Way = frozenset[tuple[str, tuple[bool, ...]]]


def every_smallest(
    rule: Rule, on: Mapping[str, list[Rule]], cut: Mapping[str, list[Region]], rules: Mapping[str, tree.Checked]
) -> set[Way]:
    """By trying all: as few columns as can be; with the same columns, those ways that turn no more than needed."""

    def verdict(chosen: Mapping[str, Region]) -> bool:
        met = {
            condition: truth
            for name, group in on.items()
            for condition, truth in zip(group, chosen.get(name, cut[name][0]).met, strict=True)
        }
        return plainly(rule, met, rules)

    present = verdict({})
    for size in range(1, len(cut) + 1):
        found: set[Way] = set()
        for names in combinations(cut, size):
            ways = [
                dict(zip(names, some, strict=True))
                for some in product(*(cut[name][1:] for name in names))
                if verdict(dict(zip(names, some, strict=True))) is not present
            ]
            turned = [
                {(n, i) for n, r in way.items() for i, m in enumerate(r.met) if m is not cut[n][0].met[i]}
                for way in ways
            ]
            found |= {
                frozenset((name, region.met) for name, region in way.items())
                for way, mine in zip(ways, turned, strict=True)
                if not any(other < mine for other in turned)
            }
        if found:
            return found
    return set()


@pytest.mark.parametrize("seed", range(400))
def test_the_search_finds_what_trying_all_finds(seed: int) -> None:
    rng = random.Random(seed)
    names = "abcdef"[: rng.randint(1, 6)]
    leaves: list[Rule] = [
        Compare(Column(rng.choice(names), "number"), "=", Number(n)) for n in range(rng.randint(1, 8))
    ]
    below = random_tree(rng, leaves, 2)
    segments = {"s": tree.Checked(below, {}, frozenset(), frozenset())}
    rule = random_tree(rng, [*leaves, InSegment("s")], 3)
    on = by_column(conditions(rule, segments), {})
    cut = {}
    for name, group in on.items():
        met = {tuple(rng.random() < 0.5 for _ in group) for _ in range(rng.randint(1, 4))}
        cut[name] = [Region(each, number) for number, each in enumerate(rng.sample(sorted(met), len(met)))]
    flips = smallest_flips(rule, segments, on, cut)
    assert flips.is_complete
    found = [frozenset((change.column.name, change.region.met) for change in way) for way in flips.ways]
    assert set(found) == every_smallest(rule, on, cut, segments), (rule, cut)
    assert len(found) == len(set(found))
    COMPARED["searches for the smallest changes"] += 1


def test_many_conditions_are_searched_at_once() -> None:
    """Fifteen false conditions, and ten alternatives of five each: no combination is tried in vain."""
    leaves = [Compare(Column(f"c{n}", "number"), "=", Number(1)) for n in range(65)]
    deep = And(tuple(leaves[:15]))
    wide = Or(tuple(And(tuple(leaves[n : n + 5])) for n in range(15, 65, 5)))
    cut = {f"c{n}": [Region((False,), 0), Region((True,), 1)] for n in range(65)}
    for rule, n_ways, size in ((deep, 1, 15), (wide, 10, 5), (And((deep, wide)), 10, 20)):
        flips = smallest_flips(rule, {}, by_column(conditions(rule, {}), {}), cut)
        assert flips.is_complete
        assert [len(way) for way in flips.ways] == [size] * n_ways


def test_what_cannot_be_at_once_is_not_proposed() -> None:
    checked = check_rule("score < 20 AND score > 30 OR (score > 30 AND n_children >= 2)", NAMES)
    flips = flips_of({"r": checked}, {"score": 10.0, "n_children": 0}, Moment(INSTANTS[0]))
    assert [{change.column.name: change.region.value for change in way} for way in flips.ways] == [
        {"score": 30.01, "n_children": 2}
    ]
    never = check_rule("score < 20 AND score > 30", NAMES)
    assert flips_of({"r": never}, {"score": 10.0}, Moment(INSTANTS[0])) == Flips((), is_complete=True)


def test_what_a_model_says_is_changed_only_if_nothing_else_helps() -> None:
    for text, ways in (("score >= 20 OR n_children >= 2", [["n_children"]]), ("score >= 20", [["score"]])):
        checked = check_rule(text, NAMES)
        on = by_column(conditions(checked.rule, {}), {})  # type: ignore[arg-type]
        domains = {name: Domain("number", name == "n_children", is_given=name == "score") for name in on}
        cut = regions(on, domains, dict.fromkeys(on, 0), Moment(INSTANTS[0]), ask=ASK)
        flips = smallest_flips(checked.rule, {}, on, cut, frozenset({"score"}))  # type: ignore[arg-type]
        assert [[change.column.name for change in way] for way in flips.ways] == ways
        assert [change.is_given for way in flips.ways for change in way] == [names == ["score"] for names in ways]


# ── any rule about anybody, by the engine ───────────────────────────────────────────────────────────────────────────


@settings(QUICK, max_examples=8)
@given(
    segments=st.lists(connected(ANY, 4), min_size=3, max_size=3),
    asked=st.lists(rules(NAMES, 8), min_size=15, max_size=15),
    seed=st.integers(0, 2**32),
)
def test_what_is_proposed_flips_the_rule(duckdb: Engine, segments: list[Rule], asked: list[Rule], seed: int) -> None:
    rng = random.Random(seed)
    world = replace(random_world(rng, NAMES, n_people=1), people=[])
    person = {"profile_id": 1, "is_counted": True}
    instants = telling_instants(world.moment)
    person |= {entry.name: random_value(rng, entry, instants, world.moment) for entry in NAMES.columns.values()}
    events = [{**event, "profile_id": 1} for event in world.events if event["profile_id"] != 10_001]
    world = replace(world, people=[person], events=events)
    made = dict(zip(CHAIN, segments, strict=True)) | {f"r{n}": rule for n, rule in enumerate(asked)}
    checked = {name: check_rule(rule, NAMES) for name, rule in made.items()}
    row = wide_row(world, NAMES, checked, duckdb)
    now = row.to_pyarrow().to_pylist()[0]
    schema = row.schema().to_pyarrow()
    names, found, rows = [f"r{n}" for n in range(len(asked))], {}, [now]
    for name in names:
        flips = flips_of(checked, now, world.moment, rule=name, schema=schema, people=world.profiles(NAMES))
        ways = [changed(now, way) for way in flips.ways]
        others = list(fewer(rng, now, flips, checked[name], checked, world))
        found[name] = (flips, range(len(rows), len(rows) + len(ways)), len(rows) + len(ways) + len(others))
        rows += ways + others
    numbered = [{**each, "profile_id": n} for n, each in enumerate(rows)]
    table = ibis.memtable(pa.Table.from_pylist(numbered, schema=schema))
    wide = ASK(wide_memberships(table, checked, world.moment)).sort_by("profile_id").to_pydict()
    for name, (flips, ways, end) in found.items():
        told = (print_rule(made[name], "en"), world.moment, flips)
        assert all(wide[name][n] is not wide[name][0] for n in ways), told
        assert all(wide[name][n] is wide[name][0] for n in range(ways.stop, end)), told
        COMPARED["proposed changes applied"] += len(ways)
        COMPARED["smaller changes that do nothing"] += end - ways.stop


def changed(now: Mapping[str, Any], way: Sequence[Any]) -> dict[str, Any]:
    return {**now, **{change.column.name: change.region.value for change in way}}


def fewer(
    rng: random.Random, now: Mapping[str, Any], flips: Flips, rule: tree.Checked, rules: Any, world: Any
) -> Iterator[dict[str, Any]]:
    """Rows with random values in fewer columns than were found to be needed; in any number where nothing helps."""
    columns = {c.name: c for c in map(column_of, conditions(rule.rule, rules)) if c}  # type: ignore[arg-type]
    size = len(flips.ways[0]) - 1 if flips.ways else len(columns)
    instants = telling_instants(world.moment)
    lifted_ones = lifted(rules)
    for _ in range(40 if size else 0):
        row = dict(now)
        for name in rng.sample(sorted(columns), size):
            row[name] = random_of(rng, columns[name], lifted_ones.get(name), now[name], instants, world.moment)
        yield row


def random_of(
    rng: random.Random, column: Column, aggregate: Any, now: Any, instants: list[datetime], moment: Moment
) -> Any:
    """A value that the column can have."""
    function = aggregate.function if aggregate else None
    if function in ("count", "distinct", "recency"):
        return rng.randint(0, 12)
    if function == "sum":
        return type(now)(rng.choice(NUMBERS))
    if aggregate and aggregate.of in ("hour", "weekday"):
        return rng.randint(1, 7)
    if aggregate and aggregate.of in ("at", "day"):
        at = min(rng.choice(instants) + rng.choice((-1, 0, 1)) * timedelta(minutes=1), moment.as_of)
        return at if column.type == "instant" else Moment(at, moment.zone).today
    whole = column.name == "n_children" or (aggregate is not None and aggregate.of == "quantity" and function != "avg")
    name = "quantity" if whole else "x"
    return random_value(rng, replace(NAMES.columns["score"], name=name, type=column.type), instants, moment)


def flips_of(
    checked: Mapping[str, tree.Checked],
    now: Mapping[str, Any],
    moment: Moment,
    *,
    rule: str = "r",
    schema: pa.Schema | None = None,
    people: Any = None,
) -> Flips:
    """As explanations do, for one row of values."""
    schema = schema or pa.schema(
        [(name, pa.int64() if isinstance(value, int) else pa.float64()) for name, value in now.items()]
    )
    table = ibis.memtable(schema.empty_table())
    person = Person(people, {}, FeaturePlan(lifted(checked), (), {}), {}, {}, {})
    top = checked[rule].rule
    on = by_column(conditions(top, checked), {})  # type: ignore[arg-type]
    columns = {name: column_of(group[0]) for name, group in on.items()}
    domains = {name: person.domain(column, table, moment) for name, column in columns.items()}  # type: ignore[arg-type]
    return smallest_flips(top, checked, on, regions(on, domains, now, moment, ask=ASK))  # type: ignore[arg-type]


def test_a_column_takes_one_value_for_all_its_conditions() -> None:
    rule = parse_rule("score > 5 AND score > 10 AND (score < 100 OR city = Lyon)")
    checked = check_rule(rule, NAMES)
    on = by_column(conditions(checked.rule, {}), {})  # type: ignore[arg-type]
    domains = {"score": Domain("number"), "city": Domain("text")}
    cut = regions(on, domains, {"score": 1.0, "city": "Paris"}, Moment(INSTANTS[0]), ask=ASK)
    flips = smallest_flips(checked.rule, {}, on, cut)  # type: ignore[arg-type]
    ((change,),) = flips.ways
    assert (change.region.low, change.region.high) == (10.01, 99.99)
    assert [(print_rule(condition, "en"), is_met) for condition, is_met in change.conditions] == [
        ("score > 5", True),
        ("score > 10", True),
    ]
