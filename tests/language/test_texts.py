"""Text → tree → text, in both languages."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.definitions.language import parse_rule, parse_value, print_rule, print_value
from facette.definitions.language.parser import MAXIMUM_DEPTH
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
    InSegment,
    Instant,
    InTheLast,
    IsKnown,
    Match,
    Name,
    Not,
    Number,
    OneOf,
    Or,
    RelativeDay,
    Since,
    Text,
    Then,
    Times,
    Truth,
)
from facette.definitions.language.vocabulary import SegmentName, Vocabulary
from facette.errors import RuleError
from tests.language.strategies import rules, small_vocabulary, values

x, one = Name("x"), Number(1)
engaged = Compare(Name("Engagement récent"), "=", Text("oui"))

TEXTS = {
    # the two texts that marketers gave
    "(Engagement récent = oui) AND (Score = élevé) AND NOT (Désabonné)": And(
        (engaged, Compare(Name("Score"), "=", Text("élevé")), Not(Truth(Name("Désabonné"))))
    ),
    "IF (Score > 80 AND Dernière interaction < 7 jours) OR (Nouveaux prospects sans clics)": Or(
        (
            And(
                (
                    Compare(Name("Score"), ">", Number(80)),
                    Compare(Name("Dernière interaction"), "<", Duration(7, "day")),
                )
            ),
            Truth(Name("Nouveaux prospects sans clics")),
        )
    ),
    # connectives
    "a ou b et non c": Or((Truth(Name("a")), And((Truth(Name("b")), Not(Truth(Name("c"))))))),
    "Si (a OR b) Et c": And((Or((Truth(Name("a")), Truth(Name("b")))), Truth(Name("c")))),
    "(a AND b) AND c": And((And((Truth(Name("a")), Truth(Name("b")))), Truth(Name("c")))),
    "PAS x = 1": Not(Compare(x, "=", one)),
    "NOT NOT x != 1": Not(Not(Not(Compare(x, "=", one)))),
    # conditions
    "x ≤ -12.5": Compare(x, "<=", Number(-12.5)),
    "x >= 12,5": Compare(x, ">=", Number(12.5)),
    "x IN (12,5)": OneOf(x, (Number(12), Number(5))),
    "x est oui": Compare(x, "=", Text("oui")),
    "x n’est pas élevé": Not(Compare(x, "=", Text("élevé"))),
    "x <> 1": Not(Compare(x, "=", one)),
    "x PARMI ('a b', « c d », \"l'été\", e)": OneOf(x, (Text("a b"), Text("c d"), Text("l'été"), Text("e"))),
    "x pas dans (1)": Not(OneOf(x, (one,))),
    "x IS NOT IN (2 jours, hier)": Not(OneOf(x, (Duration(2, "day"), RelativeDay(1)))),
    "x ENTRE 1 ET 2 ET y": And((Between(x, one, Number(2)), Truth(Name("y")))),
    "x NOT BETWEEN 2026-01-01 AND today": Not(Between(x, Date(date(2026, 1, 1)), RelativeDay(0))),
    "x contient 2024": Match(x, "contains", "2024"),
    "x NE CONTIENT PAS 'l''été'": Not(Match(x, "contains", "l'été")),
    "x commence par a": Match(x, "starts", "a"),
    "x doesn't start with a": Not(Match(x, "starts", "a")),
    "x FINIT PAR a": Match(x, "ends", "a"),
    "x est connue": IsKnown(x),
    "x IS UNKNOWN": Not(IsKnown(x)),
    "x n'est pas connu": Not(IsKnown(x)),
    "x > aujourd’hui": Compare(x, ">", RelativeDay(0)),
    "x < 2026-11-22T08:30:00+01:00": Compare(x, "<", Instant(datetime(2026, 11, 22, 7, 30, tzinfo=UTC))),
    "IN SEGMENT vip": InSegment("vip"),
    "pas dans le segment Nouveaux prospects sans clics": Not(InSegment("Nouveaux prospects sans clics")),
    # behaviour
    "DID purchase AT LEAST 3 TIMES IN THE LAST 30 DAYS": Did(
        "purchase", times=Times(">=", 3), window=InTheLast(30, "day")
    ),
    "A FAIT achat DANS LES 30 DERNIERS JOURS AU MOINS 3 FOIS": Did(
        "achat", times=Times(">=", 3), window=InTheLast(30, "day")
    ),
    "DID purchase WHERE category = 'bio' AND amount > 50": Did(
        "purchase", And((Compare(Name("category"), "=", Text("bio")), Compare(Name("amount"), ">", Number(50))))
    ),
    "A FAIT achat AU PLUS 1 fois où catégorie = 'bio' depuis le 2026-01-01 et Désabonné": And(
        (
            Did("achat", Compare(Name("catégorie"), "=", Text("bio")), Times("<=", 1), Since(Date(date(2026, 1, 1)))),
            Truth(Name("Désabonné")),
        )
    ),
    "a fait achat ou Désabonné": Or((Did("achat"), Truth(Name("Désabonné")))),
    "(A FAIT achat OÙ promo) ET c": And((Did("achat", Truth(Name("promo"))), Truth(Name("c")))),
    "N'A PAS FAIT ouverture DANS LES 14 DERNIERS JOURS": Not(Did("ouverture", window=InTheLast(14, "day"))),
    "DID NOT e-mail ouvert BEFORE yesterday": Not(Did("e-mail ouvert", window=Before(RelativeDay(1)))),
    "DID view THEN purchase WITHIN 7 DAYS": Did("view", then=Then("purchase", Duration(7, "day"))),
    "A FAIT vue PUIS achat SOUS 7 JOURS": Did("vue", then=Then("achat", Duration(7, "day"))),
    "a fait vue sans achat sous 2 heures depuis hier": Did(
        "vue", window=Since(RelativeDay(1)), then=Then("achat", Duration(2, "hour"), is_absent=True)
    ),
    "DID view WHERE page = cart AND hour < 8 THEN NOT purchase WHERE amount > 50 WITHIN 1 MONTH AND x = 1": And(
        (
            Did(
                "view",
                And((Compare(Name("page"), "=", Text("cart")), Compare(Name("hour"), "<", Number(8)))),
                then=Then("purchase", Duration(1, "month"), Compare(Name("amount"), ">", Number(50)), is_absent=True),
            ),
            Compare(x, "=", one),
        )
    ),
    "FIRST DID purchase IN THE LAST MONTH": Did("purchase", window=InTheLast(1, "month"), is_first=True),
    "A FAIT POUR LA PREMIERE FOIS achat ENTRE LE 2026-01-01 ET hier": Did(
        "achat", window=BetweenDays(Date(date(2026, 1, 1)), RelativeDay(1)), is_first=True
    ),
    "SUM(amount) OF purchase IN THE LAST 90 DAYS > 100": Compare(
        Aggregate("sum", "purchase", "amount", window=InTheLast(90, "day")), ">", Number(100)
    ),
    "SOMME(montant) D'achat DANS LES 2 DERNIÈRES SEMAINES > 100": Compare(
        Aggregate("sum", "achat", "montant", window=InTheLast(2, "week")), ">", Number(100)
    ),
    "récence d’achat < 30": Compare(Aggregate("recency", "achat"), "<", Number(30)),
    "NOMBRE DE achat ENTRE 1 ET 3": Between(Aggregate("count", "achat"), one, Number(3)),
    "COUNT OF purchase BETWEEN 2026-01-01 AND 2026-01-31 BETWEEN 1 AND 3": Between(
        Aggregate("count", "purchase", window=BetweenDays(Date(date(2026, 1, 1)), Date(date(2026, 1, 31)))),
        one,
        Number(3),
    ),
    "(MAX(paid_at) OF purchase) BETWEEN 2026-01-01 AND 2026-01-31": Between(
        Aggregate("max", "purchase", "paid_at"), Date(date(2026, 1, 1)), Date(date(2026, 1, 31))
    ),
    "COUNT(amount) OF purchase > 3": Compare(Aggregate("count", "purchase", "amount"), ">", Number(3)),
    "nombre (montant) d'achat = 1": Compare(Aggregate("count", "achat", "montant"), "=", one),
    "nombre distinct(produit) de achat est inconnu": Not(IsKnown(Aggregate("distinct", "achat", "produit"))),
    "DERNIER(promo) DE achat OÙ montant > 5 ET AVG(montant) OF achat > 3": None,
    # names that hold words of the language
    "Dépense dans les 90 derniers jours > 5": Compare(Name("Dépense dans les 90 derniers jours"), ">", Number(5)),
    "Temps depuis premier contact au moins est connu": IsKnown(Name("Temps depuis premier contact au moins")),
    "Sum > 3 AND First = 1": And((Compare(Name("Sum"), ">", Number(3)), Compare(Name("First"), "=", one))),
    "Magasin où il achète de jour = a": Compare(Name("Magasin où il achète de jour"), "=", Text("a")),
    '"Entre et sort" = 1': Compare(Name("Entre et sort"), "=", one),
}


@pytest.mark.parametrize("text", [text for text, tree in TEXTS.items() if tree is not None])
def test_a_text_means_its_tree(text: str) -> None:
    assert parse_rule(text) == TEXTS[text]
    assert parse_rule(unicodedata.normalize("NFD", text)) == TEXTS[text]
    if not re.search(r"'.* .*'|\".* .*\"", text):  # spaces inside quotes are part of the text
        assert parse_rule(text.replace(" ", "\u00a0")) == parse_rule(text.replace(" ", "\n  ")) == TEXTS[text]


@pytest.mark.parametrize("language", ["fr", "en"])
@pytest.mark.parametrize("text", [text for text, tree in TEXTS.items() if tree is not None])
def test_a_tree_prints_as_a_text_of_that_tree(text: str, language: str) -> None:
    printed = print_rule(parse_rule(text), language)
    assert parse_rule(printed) == TEXTS[text]
    assert print_rule(parse_rule(printed), language) == printed


@pytest.mark.parametrize(
    ("french", "english"),
    [
        ("Score = élevé ET NON Désabonné", "Score = élevé AND NOT Désabonné"),
        ("(a OU b) ET c != 'x y'", "(a OR b) AND c != 'x y'"),
        ("a ET b OU c PAS DANS (1, oui)", "a AND b OR c NOT IN (1, oui)"),
        ("vu < 7 jours OU vu = 1 an", "vu < 7 days OR vu = 1 year"),
        (
            "A FAIT achat OÙ catégorie = bio AU MOINS 3 FOIS DANS LES 30 DERNIERS JOURS ET c",
            "DID achat WHERE catégorie = bio AT LEAST 3 TIMES IN THE LAST 30 DAYS AND c",
        ),
        (
            "A FAIT achat OÙ catégorie = bio ET montant > 50",
            "DID achat WHERE catégorie = bio AND montant > 50",
        ),
        ("(N'A PAS FAIT achat OÙ promo) OU c", "(DID NOT achat WHERE promo) OR c"),
        (
            "A FAIT POUR LA PREMIÈRE FOIS achat DANS LA DERNIÈRE SEMAINE",
            "FIRST DID achat IN THE LAST WEEK",
        ),
        (
            "SOMME(montant) DE achat OÙ (promo) ENTRE hier ET aujourd'hui > 100",
            "SUM(montant) OF achat WHERE (promo) BETWEEN yesterday AND today > 100",
        ),
        ("NOMBRE(montant) DE achat > 3", "COUNT(montant) OF achat > 3"),
        (
            'A FAIT "Ne clique pas" ENTRE 2026-06-01 ET hier',
            'DID "Ne clique pas" BETWEEN 2026-06-01 AND yesterday',
        ),
        (
            'A FAIT "ce qui est" ENTRE 2026-06-01 ET hier',
            'DID "ce qui est" BETWEEN 2026-06-01 AND yesterday',
        ),
        ('A FAIT x PUIS "non" SOUS 1 jour', 'DID x THEN "non" WITHIN 1 day'),
        ('A FAIT "pour la première fois x"', 'DID "pour la première fois x"'),
        ('"Entre et sort" EST INCONNU', '"Entre et sort" IS UNKNOWN'),
        ("x NE COMMENCE PAS PAR 'l''été \"'", "x DOES NOT START WITH 'l''été \"'"),
    ],
)
def test_canonical_texts(french: str, english: str) -> None:
    assert print_rule(parse_rule(english), "fr") == french
    assert print_rule(parse_rule(french), "en") == english


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("spend / n - 1", Arithmetic("-", Arithmetic("/", Name("spend"), Name("n")), one)),
        ("a - (b - c)", Arithmetic("-", Name("a"), Arithmetic("-", Name("b"), Name("c")))),
        ("taux d'ouverture * 12,5", Arithmetic("*", Name("taux d'ouverture"), Number(12.5))),
        ("panier-moyen", Name("panier-moyen")),
        (
            "SUM(amount) OF purchase WHERE a = 1 OR b / (1 + COUNT OF purchase)",
            Arithmetic(
                "/",
                Aggregate("sum", "purchase", "amount", Or((Compare(Name("a"), "=", one), Truth(Name("b"))))),
                Arithmetic("+", one, Aggregate("count", "purchase")),
            ),
        ),
        ("Durée entre achats + 1", Arithmetic("+", Name("Durée entre achats"), one)),
    ],
)
def test_values(text: str, tree: object) -> None:
    assert parse_value(text) == tree
    assert parse_value(print_value(parse_value(text), "fr")) == tree
    assert parse_value(print_value(parse_value(text), "en")) == tree


# ── random trees ────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=100, deadline=None)
@given(rules(small_vocabulary()))
def test_any_rule_goes_through_both_languages_unchanged(rule: object) -> None:
    french = print_rule(rule, "fr")
    english = print_rule(parse_rule(french), "en")
    assert parse_rule(french) == parse_rule(english) == rule
    assert print_rule(parse_rule(english), "fr") == french


@settings(max_examples=60, deadline=None)
@given(values(small_vocabulary()))
def test_any_value_goes_through_both_languages_unchanged(value: object) -> None:
    french = print_value(value, "fr")
    assert parse_value(french) == value
    assert parse_value(print_value(parse_value(french), "en")) == value


words = st.sampled_from(
    re.findall(
        r"\S+",
        "et ou où non pas si in dans is est not entre between depuis since avant hier 2026-01-01 3 fois jours les "
        "derniers a fait did first sum somme de of nombre récence n'est x y-z l'été contient commence par au moins "
        "segment le",
    )
)
odd_names = st.one_of(
    st.lists(words, min_size=1, max_size=5).map(" ".join),
    st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z", "M")), min_size=1, max_size=8),
).map(lambda name: unicodedata.normalize("NFC", name))


@settings(max_examples=100, deadline=None)
@given(odd_names, odd_names, odd_names, st.sampled_from(["fr", "en"]))
def test_any_name_can_be_written(name: str, other: str, text: str, language: str) -> None:
    trait, event = Name(name), Name(other)
    rule = And(
        (
            Truth(trait),
            Did(other, Or((Match(trait, "ends", text), Truth(event)))),
            Compare(Aggregate("max", name, other), "=", Text(text)),
            Not(OneOf(trait, (Text(text), Text(name)))),
            Not(OneOf(Aggregate("last", name, other, Truth(trait)), (Text(text),))),
            Not(Between(event, one, Number(2))),
            InSegment(name),
            Did(name, window=BetweenDays(Date(date(2026, 1, 1)), RelativeDay(0))),
            Did(other, then=Then(name, Duration(1, "day")), window=BetweenDays(RelativeDay(1), RelativeDay(0))),
            Compare(Aggregate("count", name, other), "=", one),
        )
    )
    assert parse_rule(print_rule(rule, language)) == rule
    value = Arithmetic("-", trait, event)
    assert parse_value(print_value(value, language)) == value


def without_labels(vocabulary: Vocabulary) -> Vocabulary:
    events = {
        name: replace(
            event, labels={}, properties={key: replace(of, labels={}) for key, of in event.properties.items()}
        )
        for name, event in vocabulary.events.items()
    }
    return Vocabulary(
        {key: replace(of, labels={}) for key, of in vocabulary.columns.items()}, events, {"vip": SegmentName("vip")}
    )


KEYWORDS = re.compile(
    r"\b(?:ET|AND|OU|OR|OÙ|WHERE|NON|NOT|A FAIT|N'A PAS FAIT|DID|DERNI\w+|POUR LA PREMIÈRE FOIS|DEPUIS|AVANT|FOIS|"
    r"TIMES|CONTIENT|COMMENCE PAR|EST CONNU|IS UNKNOWN|RÉCENCE|SOMME|SUM|IN|DANS|ENTRE|BETWEEN|SINCE|AU MOINS)\b"
)


@settings(max_examples=50, deadline=None)
@given(rules(without_labels(small_vocabulary())), st.sampled_from(["fr", "en"]), st.randoms(use_true_random=False))
def test_case_and_accents_of_keywords_do_not_matter(rule: object, language: str, random: object) -> None:
    def respelt(keyword: re.Match[str]) -> str:
        word = keyword[0]
        if word != "OÙ":
            word = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
        return "".join(random.choice((c.lower(), c.upper())) for c in word.replace("'", random.choice("'’")))

    assert parse_rule(KEYWORDS.sub(respelt, print_rule(rule, language))) == rule


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────────────────────

WRONG = {
    "": ("", "name"),
    "Score >": ("", "a value"),
    "(Score > 3": ("", "closing parenthesis"),
    "Score > 3)": (")", "the end"),
    "city = New York": ("York", "quotes"),
    "city = 'New York": ("'New York", "Close it"),
    "DID purchase AT LEAST 3": ("", "TIMES"),
    "DID purchase AT LEAST 1.5 TIMES": ("1.5", "whole"),
    "x < 1.5 days": ("1.5", "whole"),
    "x < 300 years": ("300 years", "shorter"),
    "x = 2026-02-30": ("2026-02-30", "year-month-day"),
    "x = 2026-02-20T08:00": ("2026-02-20T08:00", "+01:00"),
    "x = 1e999": ("1e999", "300 digits"),
    '"" = 1': ('""', "name"),
    "DID a IN THE LAST 3 DAYS SINCE today": ("SINCE today", "one window"),
    "DID a AT LEAST 1 TIME WHERE b AT MOST 2 TIMES": ("AT MOST 2 TIMES", "one number of times"),
    "DID a WHERE b AND DID c": ("DID c", "parentheses"),
    "DID a THEN b": ("", "WITHIN 7 DAYS"),
    "A FAIT a PUIS b OÙ c": ("", "SOUS 7 JOURS"),
    "DID a WITHIN 7 DAYS": ("WITHIN", "AND or OR"),
    "DID a THEN b WITHIN 1.5 DAYS": ("1.5", "whole"),
    "DID a WHERE NOT (b OR IN SEGMENT c)": ("IN SEGMENT c", "parentheses"),
    "Score élevé et": ("", "un nom"),
    "Score > élevé haut": ("haut", "guillemets"),
    "A FAIT achat AU MOINS 3": ("", "FOIS"),
    "A FAIT achat DANS LES 3 DERNIERS": ("", "une unité"),
    "x DANS (1 2)": ("2", "une virgule"),
    "SOMME(montant) > 3": (">", "DE et un événement"),
    "x ENTRE 1": ("", "ET"),
}


@pytest.mark.parametrize("text", WRONG)
def test_an_error_points_at_the_place_and_says_what_would_be_right(text: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rule(text)
    error, (place, remedy) = caught.value, WRONG[text]
    assert error.text[slice(*error.span)] == place
    assert remedy in error.remedy
    assert place or error.span[0] == len(text)


def test_nesting_is_bounded_only_by_what_python_can_walk() -> None:
    deep = "(a AND NOT (" * (MAXIMUM_DEPTH // 2 - 1) + "a" + "))" * (MAXIMUM_DEPTH // 2 - 1)
    assert print_rule(parse_rule(deep), "en")
    assert parse_rule("(" * 2000 + "a" + ")" * 2000) == Truth(Name("a"))
    with pytest.raises(RuleError, match="nested"):
        parse_rule("NOT " * MAXIMUM_DEPTH + "a")


pieces = st.sampled_from(
    re.findall(
        r"\S+",
        "( ) = != < 'a' \"b\" « » ' 1 1,5 2026-01-01 2026-99-99 jours days a é DID A FAIT N'A PAS WHERE OÙ IN THE "
        "LAST 3 SUM( OF ENTRE ET AND OR NOT AT LEAST TIMES SEGMENT EST CONNU CONTIENT - + * / , "
        "9999999999999999 @ e\u0301",
    )
)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.lists(pieces, max_size=12).map(" ".join), st.text(max_size=20)),
    st.sampled_from([parse_rule, parse_value]),
)
def test_anything_is_a_rule_or_a_rule_error_with_a_place(text: str, parse: Callable[[str], object]) -> None:
    try:
        parse(text)
    except RuleError as error:
        start, end = error.span
        assert 0 <= start <= end <= len(error.text)
        assert error.text == unicodedata.normalize("NFC", text)
        assert error.message and error.remedy and str(error)
