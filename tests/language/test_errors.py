"""What a wrong rule is told: the caret under the place, what is wrong, what would be right, in the rule's language."""

from __future__ import annotations

import pytest

from facette.definitions.language import check_rule, language_of
from facette.errors import RuleError
from tests.language.strategies import small_vocabulary

VOCABULARY = small_vocabulary()

# rule, caret, what is wrong, how the remedy starts
WRONG = [
    (
        'city = ',
        '       ^',
        'The text stops too early.',
        'What is missing: a value.',
    ),
    (
        'ville =',
        '       ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : une valeur.',
    ),
    (
        'city = Le Mans',
        '          ^^^^',
        'The value ends before “Mans”.',
        'Put text with spaces or symbols',
    ),
    (
        'ville = Le Mans ET score > 3',
        '           ^^^^',
        "La valeur s'arrête avant « Mans ».",
        'Un texte avec des espaces ou des',
    ),
    (
        'score > AND city = Nantes',
        '        ^^^',
        'A value is missing before “AND”.',
        'Write what to compare with; if “AND”',
    ),
    (
        'score >= ou 3',
        '         ^^',
        'Il manque une valeur avant « ou ».',
        'Écrivez à quoi comparer ; si « ou »',
    ),
    (
        'ville == Nantes',
        '       ^',
        "« = » n'a pas sa place ici.",
        'À cet endroit peut venir : une',
    ),
    (
        "city = 'Nantes",
        '       ^^^^^^^',
        'This quote is not closed.',
        'Close it: \'…\', "…" or « … ».',
    ),
    (
        'ville = « Nantes',
        '        ^^^^^^^^',
        'Ces guillemets ne sont pas fermés.',
        'Fermez-les : \'…\', "…" ou « … ».',
    ),
    (
        'score > abc',
        '        ^^^',
        '“abc” is not a band of “score”.',
        'Its bands: faible / low, moyen /',
    ),
    (
        'score > élevé',
        '^^^^^^^^^^^^^',
        '> ne va pas avec le niveau « élevé ».',
        'Employez = ou !=, ou comparez',
    ),
    (
        'score = énorme',
        '        ^^^^^^',
        "« énorme » n'est pas un niveau de « score ».",
        'Ses niveaux : faible / low, moyen',
    ),
    (
        'score = huge',
        '        ^^^^',
        '“huge” is not a band of “score”.',
        'Its bands: faible / low, moyen /',
    ),
    (
        'city > Nantes',
        '^^^^^^^^^^^^^',
        '“city” is text: > makes no sense.',
        'Use =, != or IN (…).',
    ),
    (
        'ville > Nantes ET score > 3',
        '^^^^^^^^^^^^^^',
        "« ville » est un texte : > n'a pas de sens.",
        'Employez =, != ou DANS (…).',
    ),
    (
        'ville ET score > 3',
        '^^^^^',
        "« ville » est un texte : ce n'est ni vrai ni faux.",
        'Comparez sa valeur : ville = …',
    ),
    (
        'DID purchse',
        '    ^^^^^^^',
        '“purchse” is not an event.',
        'Nearest: purchase.',
    ),
    (
        'A FAIT achatt',
        '       ^^^^^^',
        "« achatt » n'est pas un événement.",
        'Le plus proche : achat.',
    ),
    (
        'DID purchase AT LEAST TIMES',
        '             ^^^^^^^^^^^^^^',
        '“AT LEAST TIMES” does not fit after “purchase”.',
        'What can come here: WHERE …, AT',
    ),
    (
        'DID purchase AT LEAST 3',
        '                       ^',
        'The text stops too early.',
        'What is missing: TIMES.',
    ),
    (
        'A FAIT achat AU MOINS 3',
        '                       ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : FOIS.',
    ),
    (
        'A FAIT achat AU MOINS trois FOIS',
        '             ^^^^^^^^^^^^^^^^^^^',
        "« AU MOINS trois FOIS » n'a pas sa place après « achat ».",
        'À cet endroit peut venir : OÙ …,',
    ),
    (
        'DID purchase AT LEAST 2.5 TIMES',
        '                      ^^^',
        '2.5 is not a whole number.',
        'Durations and numbers of times',
    ),
    (
        'A FAIT achat AU MOINS 2,5 FOIS',
        '                      ^^^',
        "2,5 n'est pas un nombre entier.",
        'Les durées et les nombres de fois',
    ),
    (
        'A FAIT achat DANS LES 30 JOURS',
        '                         ^^^^^',
        'Il manque « DERNIERS » à cette durée.',
        'Par exemple : DANS LES 30 DERNIERS JOURS',
    ),
    (
        'DID purchase IN THE 30 DAYS AND vip',
        '                       ^^^^',
        'This length of time lacks “LAST”.',
        'For instance: IN THE LAST 30 DAYS',
    ),
    (
        'A FAIT achat DANS LES 30 DERNIERS',
        '                                 ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : une unité (minutes,',
    ),
    (
        'DID purchase IN THE LAST 30 DAYS IN THE LAST 3 DAYS',
        '                                 ^^^^^^^^^^^^^^^^^^',
        'This has already been said of this event.',
        'Keep one number of times and one',
    ),
    (
        'A FAIT achat DEPUIS 2026-02-30',
        '                    ^^^^^^^^^^',
        "2026-02-30 n'existe pas au calendrier.",
        "Une date s'écrit année-mois-jour",
    ),
    (
        'DID purchase SINCE lundi',
        '             ^^^^^^^^^^^',
        '“SINCE lundi” does not fit after “purchase”.',
        'What can come here: WHERE …, AT',
    ),
    (
        'A FAIT achat DEPUIS lundi',
        '             ^^^^^^^^^^^^',
        "« DEPUIS lundi » n'a pas sa place après « achat ».",
        'À cet endroit peut venir : OÙ …,',
    ),
    (
        'DID purchase WHERE amont > 3',
        '                   ^^^^^',
        '“amont” is not a property of the event “purchase”.',
        'Nearest: montant, paiement. If',
    ),
    (
        'A FAIT achat OÙ montan > 3',
        '                ^^^^^^',
        "« montan » n'est pas une propriété de l'événement « achat ».",
        'Le plus proche : montant,',
    ),
    (
        'DID purchase WHERE amount = bio',
        '                            ^^^',
        '“amount” is a number, but bio is text.',
        'Compare with a number, for',
    ),
    (
        'A FAIT achat OÙ montant = bio',
        '                          ^^^',
        '« montant » est un nombre, mais bio est un texte.',
        'Comparez avec un nombre, par',
    ),
    (
        'DID purchase WHERE DID open_email',
        '                   ^^^^^^^^^^^^^^',
        'WHERE speaks of the properties of one event.',
        'If this is no longer part of it,',
    ),
    (
        'DID purchase WHERE amount > 3 AND score > 3',
        '                                  ^^^^^',
        '“score” is not a property of the event “purchase”.',
        'There is: instant, day, hour,',
    ),
    (
        'SOMME(catégorie) DE achat > 3',
        '      ^^^^^^^^^',
        '« catégorie » est un texte : il faut un nombre ici.',
        'Employez une propriété ou une',
    ),
    (
        'SUM(amount) purchase > 3',
        '            ^^^^^^^^',
        '“purchase” does not fit here.',
        'What can come here: OF and an',
    ),
    (
        'SOMME(montant) achat > 3',
        '               ^^^^^',
        "« achat » n'a pas sa place ici.",
        'À cet endroit peut venir : DE et',
    ),
    (
        'SUM() OF purchase > 3',
        '    ^',
        '“)” does not fit here.',
        'What can come here: a name.',
    ),
    (
        'MIN(is_promo) OF purchase = yes',
        '    ^^^^^^^^',
        '“is_promo” is yes or no, without a minimum or maximum.',
        'Use COUNT OF … WHERE is_promo.',
    ),
    (
        'A FAIT achat PUIS open_email',
        '                            ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : SOUS et un délai',
    ),
    (
        'DID purchase AT LEAST 2 TIMES THEN open_email WITHIN 3 DAYS',
        '             ^^^^^^^^^^^^^^^^',
        'A sequence (THEN) is not counted, and has no first time.',
        'Remove the number of times, or',
    ),
    (
        'A FAIT POUR LA PREMIÈRE FOIS achat AU MOINS 2 FOIS',
        '                                   ^^^^^^^^^^^^^^^',
        "La première fois n'arrive qu'une fois.",
        'Retirez le nombre de fois.',
    ),
    (
        '(city = Nantes',
        '              ^',
        'The text stops too early.',
        'What is missing: a closing',
    ),
    (
        '(ville = Nantes OU score > 3',
        '                            ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : une parenthèse',
    ),
    (
        'ville = Nantes OU score > 3)',
        '                           ^',
        "« ) » n'a pas sa place ici.",
        'À cet endroit peut venir : la fin.',
    ),
    (
        'city IN Nantes',
        '     ^^^^^^^^^',
        '“IN Nantes” does not fit after “city”.',
        'What can come here: a comparison',
    ),
    (
        'ville DANS Nantes',
        '      ^^^^^^^^^^^',
        "« DANS Nantes » n'a pas sa place après « ville ».",
        'À cet endroit peut venir : une',
    ),
    (
        'city IN (Nantes',
        '               ^',
        'The text stops too early.',
        'What is missing: a closing',
    ),
    (
        'city IN ()',
        '         ^',
        '“)” does not fit here.',
        'What can come here: a value.',
    ),
    (
        'ville DANS (Nantes Angers)',
        '                   ^^^^^^',
        "« Angers » n'a pas sa place ici.",
        'À cet endroit peut venir : une',
    ),
    (
        'birthday < 3 HOURS',
        '           ^^^^^^^',
        '“birthday” is a date, without an hour.',
        'Count in days, weeks, months or',
    ),
    (
        'date de naissance < 3 heures',
        '                    ^^^^^^^^',
        '« date de naissance » est une date, sans heure.',
        'Comptez en jours, semaines, mois',
    ),
    (
        "birthday = 'x'",
        '           ^^^',
        "“birthday” is a date, but 'x' is text.",
        'Compare with a date, for instance',
    ),
    (
        'birthday BETWEEN 2026-01-01 AND 3 DAYS',
        '^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^',
        'One end is a duration, the other is not.',
        'Give two durations, or two values',
    ),
    (
        'dernière interaction > 2026-01-01T08:00',
        '                       ^^^^^^^^^^^^^^^^',
        'Il manque à cet instant son décalage horaire.',
        'Ajoutez par exemple +01:00, ou Z',
    ),
    (
        'last_seen > 2026-13-01T08:00Z',
        '            ^^^^^^^^^^^^^^^^^',
        '2026-13-01T08:00Z is not in the calendar.',
        'Write a date as year-month-day:',
    ),
    (
        'cty = Nantes',
        '^^^',
        '“cty” is not a trait or feature.',
        'Nearest: City.',
    ),
    (
        'vile = Nantes ET score > 3',
        '^^^^',
        "« vile » n'est pas une caractéristique.",
        'Le plus proche : Ville.',
    ),
    (
        'NOT',
        '   ^',
        'The text stops too early.',
        'What is missing: a name, an',
    ),
    (
        'NON',
        '   ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : un nom, une',
    ),
    (
        'city = Nantes OR',
        '                ^',
        'The text stops too early.',
        'What is missing: a name, an',
    ),
    (
        'ville = Nantes OU',
        '                 ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : un nom, une',
    ),
    (
        'AND city = Nantes',
        '^^^',
        '“AND” does not fit before “city”.',
        'Leave it out, or complete what',
    ),
    (
        'city = Nantes AND AND score > 3',
        '                  ^^^',
        '“AND” does not fit before “score”.',
        'Leave it out, or complete what',
    ),
    (
        'score BETWEEN 3',
        '               ^',
        'The text stops too early.',
        'What is missing: AND.',
    ),
    (
        'score ENTRE 3 ET',
        '                ^',
        "Le texte s'arrête trop tôt.",
        'Il manque : une valeur.',
    ),
    (
        'city CONTAINS',
        '             ^',
        'The text stops too early.',
        'What is missing: a name.',
    ),
    (
        'score CONTAINS 3',
        '^^^^^',
        '“score” is a number: only text can be searched.',
        'Use =, <, > or BETWEEN … AND …',
    ),
    (
        'DANS LE SEGMENT vipp',
        '                ^^^^',
        "« vipp » n'est pas un segment.",
        'Le plus proche : Meilleurs',
    ),
    (
        'score > 10%',
        '          ^',
        'The number ends before “%”.',
        'Write it without a sign or unit;',
    ),
    (
        'mail = ann@example.org',
        '          ^',
        'The value ends before “@”.',
        'Put text with spaces or symbols',
    ),
    (
        'score > 3 days',
        '        ^^^^^^',
        '“score” is a number, but 3 days is a duration.',
        'Compare with a number, for',
    ),
    (
        'city = Orléans AND score >',
        '                          ^',
        'The text stops too early.',
        'What is missing: a value.',
    ),
    (
        "n'a pas fait achat au moins",
        '                   ^^^^^^^^',
        "« au moins » n'a pas sa place après « achat ».",
        'À cet endroit peut venir : OÙ …,',
    ),
    (
        'Engagement récent = 3',
        '                    ^',
        '« Engagement récent » est vrai ou faux (oui/non), mais 3 est un nombre.',
        'Comparez avec vrai ou faux',
    ),
    (
        'is_engaged = peut-être',
        '             ^^^^^^^^^',
        '« is_engaged » est vrai ou faux (oui/non), mais peut-être est un texte.',
        'Comparez avec vrai ou faux',
    ),
    (
        'DID purchase IN THE LAST 3000 YEARS',
        '                         ^^^^^^^^^^',
        'This duration is longer than 200 years.',
        'Write a shorter one.',
    ),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "caret", "message", "remedy"), WRONG, ids=[rule for rule, *_ in WRONG])
def test_a_wrong_rule_is_told(rule: str, caret: str, message: str, remedy: str) -> None:
    with pytest.raises(RuleError) as caught:
        check_rule(rule, VOCABULARY)
    told, shown, under, *rest = str(caught.value).splitlines()
    assert (told, shown, under) == (message, f"  {rule}", f"  {caret}")
    assert " ".join(rest).startswith(f"  → {remedy}")


def test_the_caret_stands_under_its_line_of_several_whatever_indents_it() -> None:
    with pytest.raises(RuleError) as caught:
        check_rule("city = Nantes\n\tAND scoree > 3\n\tOR is_engaged", VOCABULARY)
    assert str(caught.value).splitlines()[1:3] == ["   AND scoree > 3", "       ^^^^^^"]


@pytest.mark.parametrize(
    ("rule", "language"),
    [
        ("ville = Nantes ET score > 3", "fr"),
        ("city = Orléans AND score > 3", "en"),
        ("city = 'Pas de Calais' AND score > 3", "en"),
        ("ville = 'in and out' OU score > 3", "fr"),
        ("score = élevé", "fr"),
        ("ville = « Nantes »", "fr"),
        ("score > 3", "en"),
        ("ville > 3", "fr"),
        ("city > 3", "en"),
        ("A FAIT open_email AU MOINS 3 FOIS", "fr"),
        ("DID achat AT LEAST 3 TIMES", "en"),
    ],
)
def test_the_language_of_a_rule(rule: str, language: str) -> None:
    entries = [*VOCABULARY.columns.values(), *VOCABULARY.events.values(), *VOCABULARY.segments.values()]
    assert language_of(rule, entries) == language
