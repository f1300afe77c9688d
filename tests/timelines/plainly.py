"""What a story's definitions say of everybody, worked out one person at a time with the plain evaluator of rules."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any

from facette.clock import Moment
from facette.definitions.language import parse_rule, parse_value
from facette.definitions.language.tree import And, InSegment, Rule
from facette.definitions.project import Definitions
from tests.oracles.rules import evaluate, same, value_of
from tests.timelines.story import Happening, Record, Row


def plainly(
    definitions: Definitions,
    records: Sequence[Record],
    happenings: Sequence[Happening],
    people: Collection[str],
    at: datetime,
) -> tuple[dict[str, set[str]], dict[str, dict[str, Any]]]:
    """Segment → members, and feature → person → value.

    records, happenings : all that was delivered, as it reads today; of two events with one id the first counts
    people : everybody, each named by all identifiers, joined by `` + ``
    """
    moment = Moment(at, definitions.project.time_zone)
    events = {name: _events_of(name.split(" + "), happenings) for name in people}
    row = {name: _traits_of(name.split(" + "), records, definitions, at) for name in people}
    for feature in map(definitions.feature, definitions.features):
        if feature.quantiles:
            quantiles = feature.quantiles
            inputs = {name: row[name][quantiles.of] for name in people}
            found: dict[str, Any] = _scores(inputs, quantiles.groups, quantiles.reverse)
        else:
            value = parse_value(feature.value or "")
            found = {name: value_of(value, row[name], events[name], moment, definitions.vocabulary) for name in people}
        for name in people:
            row[name][feature.name] = feature.default if found[name] is None else found[name]
    rules = {segment.name: _rule(segment.rule, segment.parent) for segment in definitions.project.segments}
    members = {
        segment: {
            name for name in people if evaluate(rule, row[name], events[name], moment, definitions.vocabulary, rules)
        }
        for segment, rule in rules.items()
    }
    return members, {feature: {name: row[name][feature] for name in people} for feature in definitions.features}


def counted(
    definitions: Definitions, records: Sequence[Record], happenings: Sequence[Happening], at: datetime
) -> set[str]:
    """The identifiers by which somebody counts at an instant."""
    kinds = definitions.project.population or [kind.name for kind in definitions.project.identifiers]
    return {
        value
        for each in (*records, *happenings)
        if each.known_at <= at
        for kind, value in each.identifiers.items()
        if kind in kinds
    }


def _rule(text: str, parent: str | None) -> Rule:
    rule = parse_rule(text)
    return And((InSegment(parent), rule)) if parent else rule


def _events_of(identifiers: list[str], happenings: Sequence[Happening]) -> list[Row]:
    found: dict[object, Row] = {}
    for number, each in enumerate(happenings):
        if set(each.identifiers.values()) & set(identifiers):
            event = {
                "name": each.event,
                "event_id": each.id or f"{number}",
                "at": each.at,
                "known_at": each.known_at,
                **each.properties,
            }
            found.setdefault((each.event, each.id) if each.id else repr(each), event)
    return list(found.values())


def _traits_of(identifiers: list[str], records: Sequence[Record], definitions: Definitions, at: datetime) -> Row:
    """Of several values of a trait the one that the rule of survivorship keeps."""
    project = definitions.project
    order = [source.name for source in project.sources]
    own = [each for each in records if set(each.identifiers.values()) & set(identifiers) and each.known_at <= at]
    row: Row = dict.fromkeys(definitions.traits)
    for name in definitions.traits:
        known = [each for each in own if each.traits.get(name) is not None]
        if project.survivorship == "frequent" and known:
            often = Counter(same(each.traits[name]) for each in known)
            known = [each for each in known if often[same(each.traits[name])] == max(often.values())]
        rank = {id(each): (-each.known_at.timestamp(), order.index(each.source)) for each in known}
        if project.survivorship == "trusted":
            rank = {key: (place, newest) for key, (newest, place) in rank.items()}
        if known:
            row[name] = min(known, key=lambda each: rank[id(each)]).traits[name]
    for kind in project.identifiers:
        values = [each.identifiers[kind.name] for each in own if kind.name in each.identifiers]
        row[kind.name] = values[-1] if values else None
    return row


def _scores(values: dict[str, Any], groups: int, is_reversed: bool) -> dict[str, int | None]:
    """How many quantiles (Hyndman & Fan, 1996, definition 7) lie below each value, and one."""
    known = sorted(value for value in values.values() if value is not None)
    cuts = []
    for part in range(1, groups):
        place = Fraction(part * (len(known) - 1), groups)
        low = int(place)
        high = min(low + 1, len(known) - 1)
        if known:
            cuts.append(known[low] + (known[high] - known[low]) * (place - low))
    scores = {name: 1 + sum(cut < value for cut in cuts) for name, value in values.items() if value is not None}
    return {
        name: None if name not in scores else groups + 1 - scores[name] if is_reversed else scores[name]
        for name in values
    }
