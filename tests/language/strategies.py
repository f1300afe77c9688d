"""Random rules over a vocabulary: as parsed, well typed, with every construct of the language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from facette.definitions.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Before,
    Between,
    BetweenDays,
    Compare,
    Date,
    Did,
    Duration,
    Earlier,
    InSegment,
    Instant,
    InTheLast,
    IsKnown,
    Match,
    Name,
    Not,
    Number,
    OneOf,
    Operand,
    Or,
    RelativeDay,
    Rule,
    Since,
    Text,
    Then,
    Threshold,
    Times,
    Truth,
)
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, Band, Event, Property, SegmentName, Vocabulary

NUMBERS = (-5, 0, 1, 2, 3, 10, 12.5, 20, 50, 100)
TEXTS = ("bio", "Été", "grand public", "l'été", 'dit "oui"', "web", "7", "not", "")
DAYS = tuple(date(2026, 3, 15) - timedelta(days=days) for days in (-3, 0, 1, 2, 7, 14, 29, 31, 60, 400))
INSTANTS = (
    datetime(2026, 3, 15, 8, 30, tzinfo=UTC),
    datetime(2026, 3, 1, tzinfo=timezone(timedelta(hours=1))),
    datetime(2025, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
)
UNITS = ("minute", "hour", "day", "week", "month", "year")
FUNCTIONS = ("count", "count_of", "recency", "sum", "avg", "min", "max", "first", "last", "mode", "distinct")
SUITABLE = {
    "sum": ("number",),
    "avg": ("number",),
    "min": ("number", "text", "date", "instant"),
    "max": ("number", "text", "date", "instant"),
}
SIGNS = ("=", "<", "<=", ">", ">=")


def small_vocabulary() -> Vocabulary:
    """Traits of every type, two events, two segments, with labels that are hard on the parser."""
    bands = (
        Band("low", None, 2, ("faible",)),
        Band("medium", 2, 20, ("moyen",)),
        Band("high", 20, None, ("élevé",)),
    )
    columns = (
        Property("score", "number", {"fr": "Score d'appétence", "en": "Score"}, bands),
        Property("spend_90d", "number", {"fr": "Dépense dans les 90 derniers jours"}),
        Property("is_engaged", "boolean", {"fr": "Engagement récent", "en": "Recent engagement"}),
        Property("city", "text", {"fr": "Ville", "en": "City"}),
        Property("channel", "text", {"fr": "Canal entré ou sorti", "en": "Channel in and out"}),
        Property("birthday", "date", {"fr": "Date de naissance"}),
        Property("last_seen", "instant", {"fr": "Dernière interaction", "en": "Last seen"}),
    )
    purchase = (
        Property("amount", "number", {"fr": "montant"}),
        Property("category", "text", {"fr": "catégorie"}),
        Property("is_promo", "boolean", {"fr": "promotion où l'on solde"}),
        Property("delivered_on", "date", {"fr": "livraison", "en": "delivery"}),
        Property("paid_at", "instant", {"fr": "paiement"}),
    )
    return Vocabulary(
        columns={entry.name: entry for entry in columns},
        events={
            "purchase": Event("purchase", {"fr": "achat", "en": "purchase"}, {entry.name: entry for entry in purchase}),
            "open_email": Event(
                "open_email", {"fr": "Ouverture d'e-mail"}, {"subject": Property("subject", "text", {"fr": "objet"})}
            ),
        },
        segments={
            "vip": SegmentName("vip", {"fr": "Meilleurs clients"}),
            "cold": SegmentName("cold", {"fr": "Nouveaux prospects sans clics", "en": "New prospects"}),
        },
        thresholds={
            "spend_p75": Property("spend_p75", "number", {"fr": "Dépense_p75", "en": "Spend, 75 % (of all)"}),
            "basket_norm": Property("basket_norm", "number", {"fr": "Panier habituel"}),
        },
    )


def rules(vocabulary: Vocabulary, max_leaves: int = 6) -> SearchStrategy[Rule]:
    """Rules about a person."""
    leaves = st.one_of(
        comparisons(st.one_of(traits(vocabulary), aggregates(vocabulary)), vocabulary),
        dids(vocabulary),
        named(vocabulary.segments).map(InSegment),
        named(vocabulary.segments).map(lambda name: Truth(Name(name))),
    )
    return connected(leaves, max_leaves)


def wheres(event: Event) -> SearchStrategy[Rule]:
    """Conditions on an event's properties, as after WHERE."""
    return connected(comparisons(subjects({**BUILT_IN_PROPERTIES, **event.properties})), 3)


def values(vocabulary: Vocabulary) -> SearchStrategy[Operand]:
    """Values of features: arithmetic over numbers, or one operand of any type."""
    operands = st.one_of(traits(vocabulary), aggregates(vocabulary))
    numbers = st.one_of(
        operands.filter(lambda pair: pair[1].type == "number").map(lambda pair: pair[0]), numerals(vocabulary)
    )
    arithmetic = st.recursive(
        numbers, lambda inner: st.builds(Arithmetic, st.sampled_from(("+", "-", "*", "/")), inner, inner), max_leaves=4
    )
    return st.one_of(arithmetic, operands.map(lambda pair: pair[0]))


# ── connectives and conditions ──────────────────────────────────────────────────────────────────────────────────────


def connected(leaves: SearchStrategy[Rule], max_leaves: int) -> SearchStrategy[Rule]:
    def joined(inner: SearchStrategy[Rule]) -> SearchStrategy[Rule]:
        several = st.lists(inner, min_size=2, max_size=3).map(tuple)
        return st.one_of(several.map(And), several.map(Or), inner.map(Not))

    return st.recursive(leaves, joined, max_leaves=max_leaves)


Subject = tuple[Operand, Property]  # what is compared, and the type and bands of its values


def comparisons(of: SearchStrategy[Subject], vocabulary: Vocabulary | None = None) -> SearchStrategy[Rule]:
    """With numbers, also with the thresholds of a vocabulary."""
    return of.flatmap(lambda subject: st.one_of(*_conditions(*subject, vocabulary)))


def _conditions(left: Operand, entry: Property, vocabulary: Vocabulary | None) -> list[SearchStrategy[Rule]]:
    literal, one, known = literals(entry.type, vocabulary), st.just(left), st.just(IsKnown(left))
    listed = st.builds(OneOf, one, st.lists(literal, min_size=1, max_size=3).map(tuple))
    equal = st.builds(Compare, one, st.just("="), literal)
    if entry.type == "boolean":
        return [st.just(Truth(left)), equal, listed, known]
    if entry.type == "text":
        matches = st.builds(Match, one, st.sampled_from(("contains", "starts", "ends")), st.sampled_from(TEXTS))
        return [equal, listed, matches, known]
    ordered = st.builds(Compare, one, st.sampled_from(SIGNS), literal)
    conditions = [ordered, listed, st.builds(Between, one, literal, literal), known]
    if entry.type in ("date", "instant"):
        age = ages(entry.type)
        conditions += [st.builds(Compare, one, st.sampled_from(SIGNS), age), st.builds(Between, one, age, age)]
        conditions.append(st.builds(OneOf, one, st.lists(st.one_of(literal, age), min_size=1, max_size=3).map(tuple)))
    if entry.bands:
        band = st.sampled_from([name for band in entry.bands for name in (band.name, *band.labels)]).map(Text)
        conditions.append(st.builds(Compare, one, st.just("="), band))
        conditions.append(st.builds(OneOf, one, st.lists(st.one_of(literal, band), min_size=1, max_size=3).map(tuple)))
    return conditions


def literals(value_type: str, vocabulary: Vocabulary | None = None) -> SearchStrategy[Any]:
    """Values to compare with, durations apart."""
    match value_type:
        case "number":
            return numerals(vocabulary)
        case "text":
            return st.sampled_from(TEXTS).map(Text)
        case "boolean":
            return st.sampled_from(("oui", "non", "yes", "no", "TRUE", "Faux")).map(Text)
        case "date":
            return days()
    return st.one_of(days(), st.sampled_from(INSTANTS).map(Instant))


def numerals(vocabulary: Vocabulary | None = None) -> SearchStrategy[Number | Threshold]:
    numbers = st.sampled_from(NUMBERS).map(Number)
    if vocabulary is None or not vocabulary.thresholds:
        return numbers
    return st.one_of(numbers, numbers, named(vocabulary.thresholds).map(Threshold))


def days() -> SearchStrategy[Date | RelativeDay]:
    return st.one_of(st.sampled_from(DAYS).map(Date), st.sampled_from((0, 1)).map(RelativeDay))


def ages(value_type: str) -> SearchStrategy[Duration]:
    units = UNITS if value_type == "instant" else UNITS[2:]
    return st.builds(Duration, st.sampled_from((0, 1, 2, 7, 30)), st.sampled_from(units))


# ── behaviour ───────────────────────────────────────────────────────────────────────────────────────────────────────


def dids(vocabulary: Vocabulary) -> SearchStrategy[Did]:
    times = st.none() | st.builds(Times, st.sampled_from(SIGNS), st.integers(0, 3))

    def of(event: Event) -> SearchStrategy[Did]:
        where = st.none() | wheres(event)
        often = st.builds(Did, named_so(event), where, times, windows())
        first = st.builds(Did, named_so(event), where, st.none(), windows(), st.just(True))
        second = st.sampled_from(list(vocabulary.events.values())).flatmap(lambda second: then(event, second))
        sequence = st.builds(Did, named_so(event), where, st.none(), windows(), st.just(False), second)
        return st.one_of(often, first, sequence)

    def then(first: Event, event: Event) -> SearchStrategy[Then]:
        parts = (named_so(event), ages("instant"), st.none() | wheres(event), st.booleans())
        return st.one_of(st.builds(Then, *parts), keys(first, event).flatmap(lambda on: st.builds(Then, *parts, *on)))

    return st.sampled_from(list(vocabulary.events.values())).flatmap(of)


def keys(first: Event, second: Event) -> SearchStrategy[tuple[SearchStrategy[str], SearchStrategy[str | None]]]:
    """Properties of one type, one of each event; of two events of a kind, perhaps one property."""
    mine, other = ({**BUILT_IN_PROPERTIES, **event.properties}.values() for event in (first, second))
    pairs = [(one, another) for one in mine for another in other if one.type == another.type]
    single = st.sampled_from(pairs).map(lambda pair: (named_so(pair[0]), st.none()))
    several = st.sampled_from(pairs).map(lambda pair: (named_so(pair[0]), named_so(pair[1])))
    return st.one_of(single, several) if first.name == second.name else several


def aggregates(vocabulary: Vocabulary) -> SearchStrategy[Subject]:
    def of(event: Event) -> SearchStrategy[Subject]:
        number, properties = Property("number", "number"), {**BUILT_IN_PROPERTIES, **event.properties}
        where = st.none() | wheres(event)

        def built(function: str) -> SearchStrategy[Subject]:
            if function in ("count", "recency"):
                aggregate = st.builds(Aggregate, st.just(function), named_so(event), st.none(), where, windows())
                return st.tuples(aggregate, st.just(number))
            entries = [entry for entry in properties.values() if entry.type in SUITABLE.get(function, (entry.type,))]
            named = function.removesuffix("_of")
            return st.sampled_from(entries).flatmap(lambda entry: with_property(named, entry))

        def with_property(function: str, entry: Property) -> SearchStrategy[Subject]:
            result = entry if function in ("min", "max", "first", "last", "mode") else number
            aggregate = st.builds(Aggregate, st.just(function), named_so(event), named_so(entry), where, windows())
            return st.tuples(aggregate, st.just(result))

        return st.sampled_from(FUNCTIONS).flatmap(built)

    return st.sampled_from(list(vocabulary.events.values())).flatmap(of)


def windows() -> SearchStrategy[Any]:
    return st.one_of(
        st.none(),
        st.builds(InTheLast, st.sampled_from((0, 1, 2, 7, 30)), st.sampled_from(UNITS)),
        st.builds(Earlier, st.sampled_from((0, 1, 7, 30)), st.sampled_from((0, 1, 2, 30)), st.sampled_from(UNITS)),
        days().map(Since),
        days().map(Before),
        st.builds(BetweenDays, days(), days()),
    )


# ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def traits(vocabulary: Vocabulary) -> SearchStrategy[Subject]:
    return subjects(vocabulary.columns)


def subjects(entries: Mapping[str, Property]) -> SearchStrategy[Subject]:
    return st.sampled_from(list(entries.values())).flatmap(
        lambda entry: st.tuples(named_so(entry).map(Name), st.just(entry))
    )


def named(entries: Mapping[str, Any]) -> SearchStrategy[str]:
    return st.sampled_from(list(entries.values())).flatmap(named_so)


def named_so(entry: Property | Event | SegmentName) -> SearchStrategy[str]:
    """The id or a label, in some case."""
    names = [entry.name, *entry.labels.values()]
    return st.sampled_from([form for name in names for form in (name, name.lower(), name.upper())])
