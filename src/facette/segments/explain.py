"""Why a profile is or is not in a segment: the rule as a tree with what each condition saw, and when it will flip.

The verdicts of conditions come from the same compiled expressions as the memberships, so an explanation cannot disagree
with the run. What time alone will do is found by asking the same question for every later moment at which an answer
could change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import date, datetime
from typing import Any, cast

import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.language import tree
from facette.features.table import columns_in, scored
from facette.segments.deciding import Decisive, decisive_events
from facette.segments.flips import Change, Flips, smallest_flips
from facette.segments.person import Person
from facette.segments.regions import Ask, regions
from facette.segments.sentences import Words
from facette.segments.trees import Rules, by_column, column_of, conditions, inside, leaves, new_inside
from facette.segments.turning_points import MOST_MOMENTS, turning_points
from facette.warehouse.compiler import compile_rule
from facette.warehouse.moments import Moments


@dataclass
class Reason:
    """One condition of a rule, as it stands for one profile.

    kind       : and | or | not | condition | segment
    text       : the condition as people write it
    is_met     : the verdict
    value      : what was seen (conditions only)
    changes_at : the instant at which the verdict flips if nothing happens (None: not by itself)
    decided_by : the events that made the value what it is, for each aggregate behind it (conditions only)
    items      : the conditions inside
    """

    kind: str
    text: str
    is_met: bool
    value: Any = None
    changes_at: datetime | None = None
    decided_by: tuple[Decisive, ...] = ()
    items: list[Reason] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: dates and instants as ISO text."""
        return {
            "kind": self.kind,
            "text": self.text,
            "is_met": self.is_met,
            "value": _plain(self.value),
            "changes_at": _plain(self.changes_at),
            "decided_by": [_plain(asdict(each)) for each in self.decided_by],
            "items": [item.as_dict() for item in self.items],
        }


NO_FLIPS = Flips((), is_complete=False)


@dataclass(frozen=True)
class Explanation:
    """Why a profile is or is not in a segment.

    reason       : the rule as a tree
    looked_until : how far ahead was looked for changes by time alone (None: these are all there are)
    flips        : the smallest changes that would flip the segment
    """

    reason: Reason
    looked_until: datetime | None
    flips: Flips = NO_FLIPS


RowsAt = Callable[[Moments], ir.Table]
"""The profile's wide row as it would be at each moment if nothing happened in between; profile_id is the position."""


def explain_person(
    person: Person, segment: str, rules: Rules, moment: Moment, words: Words, *, ask: Ask
) -> Explanation:
    """Explain a segment for one profile: its reasons, what decided them, what time will do, what would flip it.

    rules : the segment's and those that it refers to, in whatever depth
    words : how things are written
    ask   : runs a query
    """
    plan = person.plan
    rule = cast(tree.Rule, rules[segment].rule)
    trees = [cast(tree.Rule, each.rule) for each in rules.values()]
    now = Moments((moment,), tree.durations([*trees, *plan.aggregates.values()]))
    rows = person.rows_at(now)
    row = rows.to_pyarrow().to_pylist()[0]
    is_hidden = _hides_recency(person)
    later = turning_points(
        trees,
        plan.aggregates,
        {event: table.to_pyarrow().to_pylist() for event, table in person.events.items()},
        row,
        moment,
        values=plan.values,
        cuts=_all_cuts(person),
        is_every_midnight=is_hidden,
    )
    answer = explain(
        rule,
        rules,
        person.rows_at,
        replace(now, moments=(moment, *later)),
        print_rule=words.rule,
        deciding=what_decided(person, rules, row, moment, words),
    )
    if is_hidden and answer.looked_until is None:
        answer = replace(answer, looked_until=later[-1].local)
    return replace(answer, flips=_flips(person, rule, rules, rows, row, moment, ask))


def explain(
    rule: tree.Rule,
    rules: Rules,
    rows_at: RowsAt,
    moments: Moments,
    *,
    print_rule: Callable[[tree.Rule], str],
    deciding: Mapping[str, Sequence[Decisive]] | None = None,
) -> Explanation:
    """Explain a checked rule for one profile.

    rules      : the segments it may refer to; the conditions of each are shown inside, where it is named first
    moments    : now, then every later moment at which an answer could change (see :func:`turning_points`)
    print_rule : how conditions are shown
    deciding   : column → the events that decided it
    """
    asked_of = conditions(rule, rules)
    columns = sorted({column.name for column in map(column_of, asked_of) if column})
    asked = replace(moments, moments=moments.moments[: MOST_MOMENTS + 1])
    answers = _ask(asked_of, columns, rows_at(asked), asked)
    verdicts: dict[int, bool] = {}
    flips: dict[int, datetime] = {}
    for moment, answer in zip(asked.moments, answers, strict=True):
        met = {condition: answer[f"c{index}"] for index, condition in enumerate(asked_of)}
        for node, verdict in _verdicts(rule, rules, met).items():
            if verdicts.setdefault(node, verdict) != verdict:
                flips.setdefault(node, moment.local)
    shown: set[str] = set()

    def build(node: tree.Rule) -> Reason:
        kind = {tree.And: "and", tree.Or: "or", tree.Not: "not", tree.InSegment: "segment"}.get(type(node), "condition")
        column = column_of(node)
        value = _local(answers[0][f"v_{column.name}"], moments.moments[0]) if column else None
        items = [build(item) for item in new_inside(node, rules, shown)]
        events = tuple((deciding or {}).get(column.name, ())) if column else ()
        return Reason(kind, print_rule(node), verdicts[id(node)], value, flips.get(id(node)), events, items)

    is_cut_short = len(asked.moments) < len(moments.moments)
    return Explanation(build(rule), asked.moments[-1].local if is_cut_short else None)


# ── verdicts ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _ask(asked_of: list[tree.Rule], columns: list[str], rows: ir.Table, moments: Moments) -> list[dict[str, Any]]:
    """The verdict of every condition and the value of every column, at each moment, in one query."""
    verdicts = {f"c{index}": compile_rule(condition, rows, moments) for index, condition in enumerate(asked_of)}
    values = {f"v_{column}": rows[column] for column in columns}
    answers = rows.select("profile_id", **verdicts, **values).to_pyarrow().to_pylist()
    return sorted(answers, key=lambda answer: answer["profile_id"])


def _verdicts(rule: tree.Rule, rules: Rules, met: Mapping[tree.Rule, bool]) -> dict[int, bool]:
    """The id of every node → its verdict, from those of the conditions; each segment is judged once."""
    found: dict[int, bool] = {}

    def judge(node: tree.Rule) -> bool:
        if id(node) not in found:
            verdicts = [judge(item) for item in inside(node, rules)]
            match node:
                case tree.Or():
                    found[id(node)] = any(verdicts)
                case tree.Not():
                    found[id(node)] = not verdicts[0]
                case tree.And() | tree.InSegment():
                    found[id(node)] = all(verdicts)
                case _:
                    found[id(node)] = met[node]
        return found[id(node)]

    judge(rule)
    return found


# ── one person ──────────────────────────────────────────────────────────────────────────────────────────────────────


def flips_as_dict(flips: Flips, words: Words) -> dict[str, Any]:
    """For JSON: dates and instants as ISO text."""

    def told(change: Change) -> dict[str, Any]:
        region = change.region
        ends = {"at_least": region.low, "at_most": region.high} if region.is_run else {}
        return {
            "column": change.column.name,
            "text": words.change(change),
            "conditions": [{"text": words.rule(rule), "has_to_be": is_met} for rule, is_met in change.conditions],
            "now": _plain(words.local(change.now)),
            "value": _plain(words.local(region.value)),
            **{key: _plain(words.local(ends.get(key))) for key in ("at_least", "at_most")},
            "is_by_hand": not change.is_given,
        }

    return {"ways": [[told(change) for change in way] for way in flips.ways], "is_complete": flips.is_complete}


def what_decided(
    person: Person, rules: Rules, row: Mapping[str, Any], moment: Moment, words: Words
) -> dict[str, list[Decisive]]:
    """Column of a condition → the events that decided each of the aggregates behind it.

    rules : whose conditions are meant
    row   : the person's wide row
    """
    asked_of = [condition for each in rules.values() for condition in leaves(cast(tree.Rule, each.rule))]
    columns = {column.name: column for column in map(column_of, asked_of) if column}
    every = [*columns.values(), *(one for value in person.plan.values.values() for one in _columns(value))]
    written = {column.name: words.operand(column) for column in every if column.name in person.plan.aggregates}
    told = {name: aggregate for name, aggregate in person.plan.aggregates.items() if name in written}
    decisive = decisive_events(told, written, person.events, row, moment)
    return {name: [decisive[one] for one in person.aggregates_behind(name) if one in decisive] for name in columns}


def _columns(value: tree.Operand) -> Iterator[tree.Column]:
    match value:
        case tree.Column():
            yield value
        case tree.Arithmetic(_, left, right):
            yield from _columns(left)
            yield from _columns(right)


def _flips(
    person: Person, rule: tree.Rule, rules: Rules, rows: ir.Table, row: Mapping[str, Any], moment: Moment, ask: Ask
) -> Flips:
    roots = person.roots()
    on = by_column(conditions(rule, rules), roots)
    columns = {name: cast(tree.Column, column_of(group[0])) for name, group in on.items()}
    domains = {name: person.domain(replace(column, name=name), rows, moment) for name, column in columns.items()}
    given = frozenset(name for name, domain in domains.items() if domain.is_given)
    return smallest_flips(rule, rules, on, regions(on, domains, row, moment, ask=ask), given)


def _all_cuts(person: Person) -> dict[str, tuple[float, ...]]:
    """Column → the cuts of all scores of it."""
    cuts: dict[str, tuple[float, ...]] = {}
    for feature in person.plan.features:
        of = scored(feature)
        if of is not None:
            fixed = feature.cuts.at if isinstance(feature, model.Feature) and feature.cuts else ()
            cuts[of] = (*cuts.get(of, ()), *fixed, *person.cuts.get(feature.name, ()))
    return cuts


def _hides_recency(person: Person) -> bool:
    """Whether a number of days since something is part of a formula or a model, so that any midnight may matter."""
    plan = person.plan
    days = {name for name, aggregate in plan.aggregates.items() if aggregate.function == "recency"}
    for name, value in plan.values.items():
        if isinstance(value, tree.Column) and value.name in days:
            days.add(name)
        elif columns_in(value) & days:
            return True
    return not days.isdisjoint(name for names in person.inputs.values() for name in names)


def _local(value: Any, moment: Moment) -> Any:
    """Instants in the project's time zone, everything else as it is."""
    return Moment(value, moment.zone).local if isinstance(value, datetime) else value


def _plain(value: Any) -> Any:
    """Dates and instants as ISO text, in whatever depth."""
    match value:
        case date():
            return value.isoformat()
        case dict():
            return {key: _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value
