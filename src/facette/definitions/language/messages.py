"""What the language says when a rule is wrong, in the language that the rule seems written in."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal

from facette.definitions.language.tree import Column, Literal_, Name, Span
from facette.definitions.language.vocabulary import Event, Property, SegmentName, fold
from facette.errors import RuleError

Language = Literal["fr", "en"]
Entry = Property | Event | SegmentName
Node = Column | Name | Literal_


class Word(str):
    """A word of the messages themselves, by its English name: a key of ``WORDS``."""

    __slots__ = ()


class Refused(Exception):  # noqa: N818 - an exit inside the package; users get a RuleError
    """Something is wrong at a place in the rule. ``values`` fill the message of ``key``.

    A :class:`Word` is said in the rule's language, an entry of the vocabulary shows its label, a node of the tree what
    is written there; a tuple is listed.
    """

    def __init__(self, key: str, span: Span, **values: str | int | Entry | Node | tuple[str | Entry, ...]) -> None:
        super().__init__(key)
        self.key = key
        self.span = span
        self.values = values

    def for_user(self, text: str, language: Language | None = None) -> RuleError:
        """The error to show, in the rule's language."""
        language = language or language_of(text)
        values = {name: _shown(value, text, language) for name, value in self.values.items()}
        message, remedy = (sentence.format(**values) for sentence in MESSAGES[self.key][language])
        return RuleError(message, text=text, span=self.span, remedy=remedy)


def language_of(text: str, entries: Iterable[Entry] = ()) -> Language:
    """The language with more keywords in the text; without any, French if it has accents, « » or a French label.

    entries : whose labels count
    """
    outside = _QUOTED.sub(" ", text)
    n_french, n_english = len(_FRENCH.findall(outside)), len(_ENGLISH.findall(outside))
    if n_french or n_english:
        return "fr" if n_french >= n_english else "en"
    if _ACCENTS.search(text):
        return "fr"
    words = f" {fold(outside)} "
    labels = [(entry.labels.get("fr", ""), (entry.name, entry.labels.get("en", ""))) for entry in entries]
    only_french = [fold(label) for label, others in labels if label and fold(label) not in map(fold, others)]
    return "fr" if any(f" {label} " in words for label in only_french) else "en"


def is_keyword(word: str) -> bool:
    return bool(_FRENCH.fullmatch(word) or _ENGLISH.fullmatch(word))


def label_of(entry: Entry, language: Language) -> str:
    """The label in that language, else in another one, else the id."""
    return entry.labels.get(language) or next(filter(None, entry.labels.values()), entry.name)


_QUOTED = re.compile(r"""'(?:[^']|'')*'|"[^"]*"|«[^»]*»|“[^”]*”""")
_ACCENTS = re.compile(r"[à-öø-ÿœ«»]", re.IGNORECASE)
_FRENCH = re.compile(
    r"\b(?:et|ou|où|non|pas|si|est|dans|parmi|entre|contient|commence|finit|a\s+fait|fait|fois|seuil|somme|moyenne|nombre|"
    r"premi[eè]re?s?|derni[eè]re?s?|puis|sans|sous|depuis|avant|au|moins|plus|exactement|r[eé]cence|jours?|semaines?|mois|"
    r"ans?|ann[eé]es?|heures?|oui|vrai|faux|hier|aujourd['’]hui)\b",
    re.IGNORECASE,
)
_ENGLISH = re.compile(
    r"\b(?:and|or|not|if|is|in|between|contains?|starts?|ends?|with|did|didn['’]t|does|times?|threshold|sum|average|count|first|"
    r"last|then|without|within|since|before|where|at|least|most|exactly|more|less|than|recency|days?|weeks?|months?|"
    r"years?|hours?|yes|no|true|false|today|yesterday)\b",
    re.IGNORECASE,
)


def _shown(value: str | int | Entry | Node | tuple[str | Entry, ...], text: str, language: Language) -> str:
    match value:
        case str():
            return WORDS[value][language] if isinstance(value, Word) else value
        case int():
            return str(value)
        case tuple():
            return ", ".join(_shown(item, text, language) for item in value)
        case Property() | Event() | SegmentName():
            return label_of(value, language)
    return text[slice(*value.span)]


WORDS: dict[str, dict[Language, str]] = {
    "text": {"fr": "un texte", "en": "text"},
    "number": {"fr": "un nombre", "en": "a number"},
    "boolean": {"fr": "vrai ou faux (oui/non)", "en": "true or false (yes/no)"},
    "date": {"fr": "une date", "en": "a date"},
    "instant": {"fr": "un instant", "en": "an instant"},
    "duration": {"fr": "une durée", "en": "a duration"},
    "like text": {"fr": "= 'bio'", "en": "= 'bio'"},
    "like number": {"fr": "> 20", "en": "> 20"},
    "like boolean": {"fr": "= oui", "en": "= yes"},
    "like date": {"fr": "> 2026-11-22 ou < 7 jours", "en": "> 2026-11-22 or < 7 days"},
    "like instant": {"fr": "> 2026-11-22 ou < 7 jours", "en": "> 2026-11-22 or < 7 days"},
    "column": {"fr": "une caractéristique", "en": "a trait or feature"},
    "property": {"fr": "une propriété", "en": "a property"},
    "event": {"fr": "un événement", "en": "an event"},
    "segment": {"fr": "un segment", "en": "a segment"},
    "threshold": {"fr": "un seuil", "en": "a threshold"},
    "column or segment": {"fr": "une caractéristique ou un segment", "en": "a trait, a feature or a segment"},
    "nearest": {"fr": "Le plus proche", "en": "Nearest"},
    "existing": {"fr": "Il existe", "en": "There is"},
    "nothing": {"fr": "aucun pour l'instant", "en": "none yet"},
    "a name": {"fr": "un nom", "en": "a name"},
    "a value": {"fr": "une valeur", "en": "a value"},
    "a day": {"fr": "une date (2026-11-22, aujourd'hui, hier)", "en": "a date (2026-11-22, today, yesterday)"},
    "a comparison": {
        "fr": "une comparaison (=, !=, <, >, DANS (…), ENTRE … ET …, CONTIENT, EST CONNU)",
        "en": "a comparison (=, !=, <, >, IN (…), BETWEEN … AND …, CONTAINS, IS KNOWN)",
    },
    "a connective": {"fr": "ET ou OU", "en": "AND or OR"},
    "a modifier": {
        "fr": "OÙ …, AU MOINS 3 FOIS, DANS LES 30 DERNIERS JOURS, DEPUIS 2026-11-22, AVANT …, ENTRE … ET …, "
        "PUIS … SOUS 7 JOURS",
        "en": "WHERE …, AT LEAST 3 TIMES, IN THE LAST 30 DAYS, SINCE 2026-11-22, BEFORE …, BETWEEN … AND …, "
        "THEN … WITHIN 7 DAYS",
    },
    "an operator": {"fr": "+, -, * ou /", "en": "+, -, * or /"},
    "a unit": {
        "fr": "une unité (minutes, heures, jours, semaines, mois, ans)",
        "en": "a unit (minutes, hours, days, weeks, months, years)",
    },
    "AND": {"fr": "ET", "en": "AND"},
    "LAST": {"fr": "DERNIERS", "en": "LAST"},
    "TIMES": {"fr": "FOIS", "en": "TIMES"},
    "OF": {"fr": "DE et un événement", "en": "OF and an event"},
    "WITHIN": {"fr": "SOUS et un délai (SOUS 7 JOURS)", "en": "WITHIN and a delay (WITHIN 7 DAYS)"},
    "(": {"fr": "une parenthèse ouvrante", "en": "an opening parenthesis"},
    ")": {"fr": "une parenthèse fermante", "en": "a closing parenthesis"},
    ",": {"fr": "une virgule", "en": "a comma"},
    "the end": {"fr": "la fin", "en": "the end"},
}

QUOTES: dict[Language, str] = {
    "fr": "Si « {name} » est un nom ici, mettez-le entre guillemets : {quoted}.",
    "en": "If “{name}” is a name here, put it in quotes: {quoted}.",
}
"""What to do besides where a name that needs quotes stands without them."""

# key → language → (what is wrong, what to do)
MESSAGES: dict[str, dict[Language, tuple[str, str]]] = {
    "no_last": {
        "fr": (
            "Il manque « DERNIERS » à cette durée.",
            "Par exemple : DANS LES 30 DERNIERS JOURS, ou DANS LES 30 JOURS AVANT LES 30 DERNIERS JOURS.",
        ),
        "en": (
            "This length of time lacks “LAST”.",
            "For instance: IN THE LAST 30 DAYS, or IN THE 30 DAYS BEFORE THE LAST 30 DAYS.",
        ),
    },
    "unexpected": {
        "fr": ("« {found} » n'a pas sa place ici.", "À cet endroit peut venir : {expected}."),
        "en": ("“{found}” does not fit here.", "What can come here: {expected}."),
    },
    "unfinished": {
        "fr": ("Le texte s'arrête trop tôt.", "Il manque : {expected}."),
        "en": ("The text stops too early.", "What is missing: {expected}."),
    },
    "unquoted": {
        "fr": (
            "La valeur s'arrête avant « {found} ».",
            "Un texte avec des espaces ou des symboles se met entre guillemets : '…'.",
        ),
        "en": ("The value ends before “{found}”.", "Put text with spaces or symbols in quotes: '…'."),
    },
    "no_value": {
        "fr": (
            "Il manque une valeur avant « {found} ».",
            "Écrivez à quoi comparer ; si « {found} » est la valeur, mettez-la entre guillemets : '{found}'.",
        ),
        "en": (
            "A value is missing before “{found}”.",
            "Write what to compare with; if “{found}” is the value, put it in quotes: '{found}'.",
        ),
    },
    "after_number": {
        "fr": (
            "Le nombre s'arrête avant « {found} ».",
            "Écrivez-le sans signe ni unité ; un texte se met entre guillemets : '…'.",
        ),
        "en": ("The number ends before “{found}”.", "Write it without a sign or unit; put text in quotes: '…'."),
    },
    "unclosed": {
        "fr": ("Ces guillemets ne sont pas fermés.", "Fermez-les : '…', \"…\" ou « … »."),
        "en": ("This quote is not closed.", "Close it: '…', \"…\" or « … »."),
    },
    "no_nul": {
        "fr": ("Ce caractère (NUL) n'a pas sa place dans une règle.", "Retirez-le."),
        "en": ("This character (NUL) has no place in a rule.", "Remove it."),
    },
    "too_deep": {
        "fr": ("Plus de {limit} conditions emboîtées les unes dans les autres.", "Faites-en plusieurs segments."),
        "en": ("More than {limit} conditions nested in each other.", "Make several segments of it."),
    },
    "empty_name": {
        "fr": ("Ce nom est vide.", "Écrivez un nom entre les guillemets."),
        "en": ("This name is empty.", "Write a name between the quotes."),
    },
    "no_such_day": {
        "fr": ("{found} n'existe pas au calendrier.", "Une date s'écrit année-mois-jour : 2026-11-22."),
        "en": ("{found} is not in the calendar.", "Write a date as year-month-day: 2026-11-22."),
    },
    "no_offset": {
        "fr": ("Il manque à cet instant son décalage horaire.", "Ajoutez par exemple +01:00, ou Z pour UTC."),
        "en": ("This instant lacks its offset from UTC.", "Add for instance +01:00, or Z for UTC."),
    },
    "number_too_large": {
        "fr": ("Ce nombre est trop grand.", "Écrivez un nombre de moins de 300 chiffres."),
        "en": ("This number is too large.", "Write a number of fewer than 300 digits."),
    },
    "not_whole": {
        "fr": ("{found} n'est pas un nombre entier.", "Les durées et les nombres de fois sont entiers, à partir de 0."),
        "en": ("{found} is not a whole number.", "Durations and numbers of times are whole, from 0 up."),
    },
    "too_long_ago": {
        "fr": ("Cette durée dépasse {limit} ans.", "Écrivez une durée plus courte."),
        "en": ("This duration is longer than {limit} years.", "Write a shorter one."),
    },
    "one_unit": {
        "fr": ("Les deux périodes ne sont pas dans la même unité.", "Écrivez les deux en jours, par exemple."),
        "en": ("The two windows are not in the same unit.", "Write both in days, for instance."),
    },
    "said_twice": {
        "fr": ("Ceci est déjà dit pour cet événement.", "Gardez un seul nombre de fois et une seule période."),
        "en": ("This has already been said of this event.", "Keep one number of times and one window."),
    },
    "not_about_one_event": {
        "fr": (
            "OÙ parle des propriétés d'un seul événement.",
            "Si ceci n'en fait plus partie, fermez ce qui précède entre parenthèses : (A FAIT … OÙ …) ET …",
        ),
        "en": (
            "WHERE speaks of the properties of one event.",
            "If this is no longer part of it, close what comes before in parentheses: (DID … WHERE …) AND …",
        ),
    },
    "unknown": {
        "fr": ("« {name} » n'est pas {kind}.", "{lead} : {names}."),
        "en": ("“{name}” is not {kind}.", "{lead}: {names}."),
    },
    "no_fit_after": {
        "fr": ("« {found} » n'a pas sa place après « {name} ».", "À cet endroit peut venir : {expected}."),
        "en": ("“{found}” does not fit after “{name}”.", "What can come here: {expected}."),
    },
    "no_fit_before": {
        "fr": ("« {found} » n'a pas sa place avant « {name} ».", "Retirez ce mot, ou complétez ce qui le précède."),
        "en": ("“{found}” does not fit before “{name}”.", "Leave it out, or complete what stands before it."),
    },
    "unknown_property": {
        "fr": (
            "« {name} » n'est pas une propriété de l'événement « {event} ».",
            "{lead} : {names}. Si OÙ ne va pas jusqu'ici : (A FAIT … OÙ …) ET …",
        ),
        "en": (
            "“{name}” is not a property of the event “{event}”.",
            "{lead}: {names}. If WHERE does not go on to here: (DID … WHERE …) AND …",
        ),
    },
    "ambiguous": {
        "fr": (
            "« {name} » peut désigner {first} ({first_kind}) ou {second} ({second_kind}).",
            "Employez un nom qui n'en désigne qu'un, ou changez l'un des libellés.",
        ),
        "en": (
            "“{name}” may be {first} ({first_kind}) or {second} ({second_kind}).",
            "Use a name that means only one of them, or change one of the labels.",
        ),
    },
    "units_differ": {
        "fr": (
            "« {name} » est en {unit}, mais le seuil « {threshold} » est en {other}.",
            "Comparez avec un seuil de la même unité.",
        ),
        "en": (
            "“{name}” is in {unit}, but the threshold “{threshold}” is in {other}.",
            "Compare with a threshold of the same unit.",
        ),
    },
    "threshold_of_event": {
        "fr": (
            "Un seuil se compare à une caractéristique de la personne, pas à la propriété d'un événement.",
            "Faites-en une caractéristique, et comparez-la : MAX(…) DE … > SEUIL(…).",
        ),
        "en": (
            "A threshold is compared with a trait or feature of the person, not with a property of one event.",
            "Compare a measure instead: MAX(…) OF … > THRESHOLD(…).",
        ),
    },
    "not_boolean": {
        "fr": ("« {name} » est {type} : ce n'est ni vrai ni faux.", "Comparez sa valeur : {name} = …"),
        "en": ("“{name}” is {type}, not a yes or no.", "Compare its value: {name} = …"),
    },
    "types_differ": {
        "fr": ("« {name} » est {type}, mais {found} est {other}.", "Comparez avec {type}, par exemple {hint}."),
        "en": ("“{name}” is {type}, but {found} is {other}.", "Compare with {type}, for instance {hint}."),
    },
    "no_order": {
        "fr": ("« {name} » est {type} : {operator} n'a pas de sens.", "Employez =, != ou DANS (…)."),
        "en": ("“{name}” is {type}: {operator} makes no sense.", "Use =, != or IN (…)."),
    },
    "no_such_band": {
        "fr": ("« {found} » n'est pas un niveau de « {name} ».", "Ses niveaux : {bands} ; ou comparez avec un nombre."),
        "en": ("“{found}” is not a band of “{name}”.", "Its bands: {bands}; or compare with a number."),
    },
    "no_such_value": {
        "fr": ("« {name} » ne vaut jamais « {found} ».", "Ses valeurs : {bands}."),
        "en": ("“{name}” is never “{found}”.", "Its values: {bands}."),
    },
    "band_order": {
        "fr": ("{operator} ne va pas avec le niveau « {found} ».", "Employez = ou !=, ou comparez avec un nombre."),
        "en": ("{operator} does not go with the band “{found}”.", "Use = or !=, or compare with a number."),
    },
    "no_hour": {
        "fr": ("« {name} » est une date, sans heure.", "Comptez en jours, semaines, mois ou ans."),
        "en": ("“{name}” is a date, without an hour.", "Count in days, weeks, months or years."),
    },
    "mixed_range": {
        "fr": ("Un bout est une durée, l'autre non.", "Donnez deux durées, ou deux valeurs du même type."),
        "en": ("One end is a duration, the other is not.", "Give two durations, or two values of one type."),
    },
    "not_text": {
        "fr": ("« {name} » est {type} : on ne cherche que dans un texte.", "Employez =, <, > ou ENTRE … ET …"),
        "en": ("“{name}” is {type}: only text can be searched.", "Use =, <, > or BETWEEN … AND …"),
    },
    "not_number": {
        "fr": ("« {name} » est {type} : il faut un nombre ici.", "Employez une propriété ou une valeur numérique."),
        "en": ("“{name}” is {type}: a number is needed here.", "Use a property or value that is a number."),
    },
    "no_least": {
        "fr": ("« {name} » vaut oui ou non, sans minimum ni maximum.", "Employez NOMBRE DE … OÙ {name}."),
        "en": ("“{name}” is yes or no, without a minimum or maximum.", "Use COUNT OF … WHERE {name}."),
    },
    "then_times": {
        "fr": ("Une suite (PUIS, SANS) ne se compte pas, et n'a pas de première fois.", "Retirez le nombre de fois."),
        "en": ("A sequence (THEN) is not counted, and has no first time.", "Remove the number of times, or FIRST."),
    },
    "keys_differ": {
        "fr": ("« {name} » est {type}, mais « {second} » est {other}.", "Employez deux propriétés du même type."),
        "en": ("“{name}” is {type}, but “{second}” is {other}.", "Use two properties of one type."),
    },
    "merged_group": {
        "fr": (
            "Le groupe {group} de « {name} » fait partie du groupe {into} (`merge`) : plus personne n'a ce numéro.",
            "Nommez plutôt le groupe {into}.",
        ),
        "en": (
            "Group {group} of “{name}” is part of group {into} (`merge`): nobody has that number any more.",
            "Name group {into} instead.",
        ),
    },
    "first_times": {
        "fr": ("La première fois n'arrive qu'une fois.", "Retirez le nombre de fois."),
        "en": ("A first time happens only once.", "Remove the number of times."),
    },
}
