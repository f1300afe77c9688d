"""Names, types and behaviour: what a checked rule says."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings

from facette.definitions.language import (
    Event,
    Property,
    SegmentName,
    Vocabulary,
    aggregate_name,
    check_rule,
    check_value,
    check_where,
    parse_rule,
    print_rule,
    print_value,
)
from facette.definitions.language.parser import MAXIMUM_DEPTH
from facette.definitions.language.tree import (
    Aggregate,
    And,
    Boolean,
    Column,
    Compare,
    Duration,
    FirstIn,
    InSegment,
    InTheLast,
    IsKnown,
    Not,
    Number,
    OneOf,
    Or,
    Text,
    Truth,
)
from facette.errors import RuleError
from tests.language.strategies import rules, small_vocabulary, values

VOCABULARY = small_vocabulary()
score, city = Column("score", "number"), Column("city", "text")
engaged, last_seen = Column("is_engaged", "boolean"), Column("last_seen", "instant")
category, amount = Column("category", "text"), Column("amount", "number")

# ── names and types ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("SCORE d'appetence > 3", Compare(score, ">", Number(3))),
        ("Engagement récent = oui", Compare(engaged, "=", Boolean(True))),
        ("recent  engagement IN (no, VRAI)", OneOf(engaged, (Boolean(False), Boolean(True)))),
        ("Engagement récent", Truth(engaged)),
        ("ville != oui", Not(Compare(city, "=", Text("oui")))),
        ("score = élevé", Compare(score, ">=", Number(20))),
        ("score = Moyen", And((Compare(score, ">=", Number(2)), Compare(score, "<", Number(20))))),
        ("score IN (low, 5)", Or((Compare(score, "<", Number(2)), Compare(score, "=", Number(5))))),
        ("score IN (faible)", Compare(score, "<", Number(2))),
        ("score IN (1, 5)", OneOf(score, (Number(1), Number(5)))),
        ("Dernière interaction < 3 heures", Compare(last_seen, "<", Duration(3, "hour"))),
        (
            "last_seen BETWEEN 3 days AND 1 month",
            And((Compare(last_seen, ">=", Duration(3, "day")), Compare(last_seen, "<=", Duration(1, "month")))),
        ),
        ("Nouveaux prospects sans clics", InSegment("cold")),
        ("NOT IN SEGMENT new prospects", Not(InSegment("cold"))),
    ],
)
def test_names_and_literals_take_their_meaning(text: str, rule: object) -> None:
    assert check_rule(text, VOCABULARY).rule == rule
    assert check_rule(parse_rule(text), VOCABULARY).rule == rule


def test_what_a_rule_reads_is_listed() -> None:
    checked = check_rule("Score > 3 AND (city IS KNOWN OR cold) AND DID purchase WHERE amount > 1", VOCABULARY)
    assert checked.columns == {"score", "city"}
    assert checked.segments == {"cold"}
    assert list(checked.aggregates.values()) == [Aggregate("count", "purchase", where=Compare(amount, ">", Number(1)))]
    assert checked.type == "boolean"


def test_a_band_without_ends_asks_only_for_presence() -> None:
    bands = (replace(VOCABULARY.columns["score"].bands[0], low=None, high=None),)
    columns = {"score": replace(VOCABULARY.columns["score"], bands=bands)}
    assert check_rule("score = low", replace(VOCABULARY, columns=columns)).rule == IsKnown(score)


WRONG = {
    "Scor > 3": ("Scor", "Nearest: Score."),
    "Engagement recen = oui": ("Engagement recen", "Le plus proche : Engagement récent."),
    "xyzzy": ("xyzzy", "There is:"),
    "IN SEGMENT nobody": (["IN", "SEGMENT", "nobody"][-1], "There is: Meilleurs clients"),
    "DID purchas": ("purchas", "Nearest: purchase."),
    "DID purchase THEN opn_email WITHIN 2 DAYS": ("opn_email", "Nearest: "),
    "DID purchase THEN open_email WHERE amount > 3 WITHIN 2 DAYS": ("amount", "(DID … WHERE …) AND …"),
    "DID purchase AT LEAST 2 TIMES THEN open_email WITHIN 2 DAYS": ("AT LEAST 2 TIMES", "number of times"),
    "A FAIT achat OÙ montan > 3": ("montan", "montant"),
    "DID purchase WHERE amount > 3 AND city = x": ("city", "(DID … WHERE …) AND …"),
    "Score": ("Score", "Compare its value"),
    "city > a": ("city > a", "Use ="),
    "city BETWEEN a AND b": ("city BETWEEN a AND b", "Use ="),
    "is_engaged < 3": ("is_engaged < 3", "Use ="),
    "is_engaged = maybe": ("maybe", "yes"),
    "city = 3": ("3", "'bio'"),
    "spend_90d = bio": ("bio", "a number"),
    "score = best": ("best", "faible / low, moyen / medium, élevé / high"),
    "score > high": ("score > high", "compare with a number"),
    "score < 7 days": ("7 days", "a number"),
    "score CONTAINS a": ("score", "Use ="),
    "birthday < 3 hours": ("3 hours", "Count in days"),
    "birthday = 2026-01-01T00:00:00Z": ("2026-01-01T00:00:00Z", "a date"),
    "last_seen BETWEEN 3 days AND today": ("last_seen BETWEEN 3 days AND today", "two durations"),
    "FIRST DID purchase AT LEAST 2 TIMES": ("AT LEAST 2 TIMES", "Remove"),
    "SUM(category) OF purchase > 3": ("category", "number"),
    "MIN(is_promo) OF purchase = 3": ("is_promo", "COUNT OF"),
    "SUM(x) OF purchase > 3": ("x", "amount"),
}


@pytest.mark.parametrize("text", WRONG)
def test_an_error_points_at_the_place_and_says_what_to_do(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        check_rule(text, VOCABULARY)
    error, (place, remedy) = caught.value, WRONG[text]
    assert error.text[slice(*error.span)] == place
    assert remedy in error.remedy.replace("montant", "montant, amount") or remedy in error.remedy


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("Achats et retours OU vip", '"Achats et retours"'),
        ("Si présent ET vip", '"Si présent"'),
        ("Mode de contact est = web", '"Mode de contact est"'),
        ("DID Mise au panier et achat IN THE LAST 3 DAYS", '"Mise au panier et achat"'),
    ],
)
def test_an_error_at_a_name_that_needs_quotes_says_so(text: str, quoted: str) -> None:
    segments = {
        name: SegmentName(name, {"fr": label})
        for name, label in {"a": "Achats et retours", "b": "Si présent", "vip": "V"}.items()
    }
    columns = {"mode": Property("mode", "text", {"fr": "Mode de contact est"})}
    events = {"both": Event("both", {"fr": "Mise au panier et achat"})}
    vocabulary = Vocabulary(columns, events, segments)
    with pytest.raises(RuleError) as caught:
        check_rule(text, vocabulary)
    assert quoted in caught.value.remedy
    assert check_rule(text.replace(quoted[1:-1], quoted), vocabulary)
    with pytest.raises(RuleError) as caught:
        check_rule(f"{quoted} ET xyzzy ET v", vocabulary)
    assert "guillemets" not in caught.value.remedy and "in quotes" not in caught.value.remedy


def test_a_name_that_two_things_answer_to_is_an_error_that_names_both() -> None:
    columns = {
        **VOCABULARY.columns,
        "vip": Property("vip", "boolean"),
        "town": Property("town", "text", {"fr": "Ville"}),
    }
    events = {**VOCABULARY.events, "achats": Event("achats", {"fr": "Achat"})}
    vocabulary = replace(VOCABULARY, columns=columns, events=events)
    for text, first, second in [
        ("ville = a", "city", "town"),
        ("vip", "vip", "vip"),
        ("DID achat", "purchase", "achats"),
    ]:
        with pytest.raises(RuleError) as caught:
            check_rule(text, vocabulary)
        assert first in caught.value.message and second in caught.value.message
    assert check_rule("IN SEGMENT vip AND vip = yes", vocabulary).segments == {"vip"}


def test_a_trait_may_be_called_like_an_aggregate() -> None:
    columns = {"n_visits": Property("n_visits", "number", {"fr": "Nombre de visites"})}
    vocabulary = replace(VOCABULARY, columns=columns)
    for text in ("Nombre de visites > 3", "COUNT OF visites > 3", '"nombre de visites" > 3'):
        checked = check_rule(text, vocabulary)
        assert checked.rule == Compare(Column("n_visits", "number"), ">", Number(3))
        assert check_rule(print_rule(checked.rule, "en", vocabulary), vocabulary) == checked
    events = {"visit": Event("visit", {"fr": "visites"})}
    with pytest.raises(RuleError, match="visit"):
        check_rule("Nombre de visites > 3", replace(vocabulary, events=events))
    assert check_rule("Nombre de visit > 3", replace(vocabulary, events=events)).aggregates
    valued = {"visit": Event("visit", {"fr": "visites"}, {"pages": Property("pages", "number")})}
    assert check_rule("NOMBRE(pages) DE visites > 3", replace(vocabulary, events=valued)).aggregates


# ── behaviour ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_behaviour_becomes_a_comparison_of_an_aggregate() -> None:
    text = "A FAIT achat OÙ catégorie = bio AU PLUS 2 FOIS DANS LES 30 DERNIERS JOURS"
    checked = check_rule(text, VOCABULARY)
    ((name, aggregate),) = checked.aggregates.items()
    assert aggregate == Aggregate(
        "count", "purchase", where=Compare(category, "=", Text("bio")), window=InTheLast(30, "day")
    )
    assert aggregate.where is not None
    assert text[slice(*aggregate.where.span)] == "catégorie = bio"
    assert name == aggregate_name(aggregate)
    assert checked.rule == Compare(Column(name, "number"), "<=", Number(2))
    assert print_rule(checked.rule, "fr") == text
    assert print_rule(checked.rule, "en", VOCABULARY) == (
        "DID purchase WHERE catégorie = bio AT MOST 2 TIMES IN THE LAST 30 DAYS"
    )


def test_a_first_time_looks_at_the_instant_of_the_first_event() -> None:
    checked = check_rule("FIRST DID purchase WHERE amount > 5 IN THE LAST 30 DAYS", VOCABULARY)
    ((name, aggregate),) = checked.aggregates.items()
    assert aggregate == Aggregate("first", "purchase", "at", Compare(amount, ">", Number(5)))
    assert checked.rule == FirstIn(Column(name, "instant"), InTheLast(30, "day"))
    assert check_rule("FIRST DID purchase", VOCABULARY) == check_rule("DID purchase", VOCABULARY)


@pytest.mark.parametrize(
    ("text", "value_type"),
    [
        ("COUNT OF purchase", "number"),
        ("COUNT(category) OF purchase", "number"),
        ("RECENCY OF purchase", "number"),
        ("DISTINCT(category) OF purchase", "number"),
        ("AVG(hour) OF purchase", "number"),
        ("LAST(category) OF purchase", "text"),
        ("FIRST(is_promo) OF purchase", "boolean"),
        ("MAX(delivered_on) OF purchase", "date"),
        ("MIN(at) OF purchase", "instant"),
        ("(spend_90d + 1) / COUNT OF purchase", "number"),
        ("city", "text"),
    ],
)
def test_a_value_has_a_type(text: str, value_type: str) -> None:
    assert check_value(text, VOCABULARY).type == value_type


def test_arithmetic_wants_numbers() -> None:
    with pytest.raises(RuleError) as caught:
        check_value("1 + city", VOCABULARY)
    assert caught.value.span == (4, 8)


def test_a_condition_on_an_event_reads_its_properties() -> None:
    checked = check_where("Montant > 5 ET jour de semaine PAS DANS (6, 7)", "achat", VOCABULARY)
    assert checked.columns == {"amount", "weekday"}
    assert checked.rule == And(
        (Compare(amount, ">", Number(5)), Not(OneOf(Column("weekday", "number"), (Number(6), Number(7)))))
    )
    for text, event in [
        ("DID purchase", "achat"),
        ("vip", "achat"),
        ("COUNT OF achat > 1", "achat"),
        ("amount > 1", "sale"),
    ]:
        with pytest.raises(RuleError):
            check_where(text, event, VOCABULARY)


@pytest.mark.parametrize(
    "same",
    [
        ("COUNT OF achat > 1", "DID purchase AT LEAST 3 TIMES", "A FAIT achat"),
        ("SUM(amount) OF purchase > 1", "SOMME(montant) DE achat < 2"),
        ("DID purchase WHERE category = 'Bio' AND amount > 50", "A FAIT achat OÙ montant > 50.0 ET catégorie = BIO"),
        ("DID purchase IN THE LAST 2 WEEKS", "A FAIT achat DANS LES 14 DERNIERS JOURS"),
        ("DID purchase IN THE LAST YEAR", "A FAIT achat DANS LES 12 DERNIERS MOIS"),
        ("DID purchase WHERE category IN (a, b)", "A FAIT achat OÙ catégorie DANS (B, A, 'a ')"),
    ],
)
def test_equal_meaning_gives_one_aggregate(same: tuple[str, ...]) -> None:
    assert len({name for text in same for name in check_rule(text, VOCABULARY).aggregates}) == 1


def test_other_meaning_gives_another_aggregate() -> None:
    texts = [
        "DID purchase",
        "DID open_email",
        "DID purchase IN THE LAST 30 DAYS",
        "DID purchase IN THE LAST MONTH",
        "DID purchase WHERE amount > 50",
        "DID purchase WHERE amount > 50 OR category = bio",
        "DID purchase WHERE amount > 50 AND category = bio",
        "DID purchase WHERE paid_at = 1 hour",
        "DID purchase WHERE paid_at = 60 minutes",
        "SUM(amount) OF purchase > 1",
        "AVG(amount) OF purchase > 1",
        "COUNT(amount) OF purchase > 1",
    ]
    assert len({name for text in texts for name in check_rule(text, VOCABULARY).aggregates}) == len(texts)


def test_an_aggregates_name_fits_every_warehouse() -> None:
    name = aggregate_name(Aggregate("distinct", "e" * 63, "p" * 63))
    assert len(name) <= 63


def test_deep_rules_are_checked() -> None:
    depth = MAXIMUM_DEPTH // 2 - 2
    deep = "(is_promo AND NOT (" * depth + "is_promo" + "))" * depth
    assert check_where(deep, "purchase", VOCABULARY).columns == {"is_promo"}
    checked = check_rule(f"DID purchase WHERE {deep}", VOCABULARY)
    assert (
        check_rule(print_rule(checked.rule, "fr", VOCABULARY), VOCABULARY).aggregates.keys()
        == checked.aggregates.keys()
    )


# ── random rules ────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=80, deadline=None)
@given(rules(VOCABULARY))
def test_a_rule_means_the_same_in_both_languages(rule: object) -> None:
    checked = check_rule(print_rule(rule, "fr"), VOCABULARY)
    assert check_rule(print_rule(rule, "en", VOCABULARY), VOCABULARY) == checked
    for language in ("fr", "en"):
        assert check_rule(print_rule(checked.rule, language, VOCABULARY), VOCABULARY) == checked
        assert check_rule(print_rule(checked.rule, language), VOCABULARY) == checked


@settings(max_examples=40, deadline=None)
@given(values(VOCABULARY))
def test_a_value_means_the_same_in_both_languages(value: object) -> None:
    checked = check_value(value, VOCABULARY)
    assert check_value(print_value(checked.rule, "fr", VOCABULARY), VOCABULARY) == checked
