"""What an explanation says to people, in French and in English."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from facette.clock import Moment
from facette.definitions.language import print_rule, print_value, tree
from facette.definitions.language.vocabulary import Vocabulary
from facette.definitions.model import Language

if TYPE_CHECKING:
    from facette.segments.flips import Change
    from facette.segments.regions import Region

DECIMALS = 6
LEAST_ROUNDED = 1e-3
"""Numbers are shown with so many decimals; smaller ones with as many digits."""
LANGUAGES: tuple[Language, ...] = ("fr", "en")

SENTENCES: dict[str, dict[Language, str]] = {
    "member": {
        "fr": "Le profil {profile} est dans {segment}, au {as_of}.",
        "en": "Profile {profile} is a member of {segment} as of {as_of}.",
    },
    "no_member": {
        "fr": "Le profil {profile} n'est pas dans {segment}, au {as_of}.",
        "en": "Profile {profile} is not a member of {segment} as of {as_of}.",
    },
    "told_by_run": {"fr": "selon l'exécution {run}", "en": "as of run {run}"},
    "told_by_worker": {"fr": "en direct, à {at} (depuis l'exécution {run})", "en": "live at {at} (since run {run})"},
    "saw": {"fr": "vu : {value}", "en": "saw {value}"},
    "until": {"fr": "jusqu'au {at}", "en": "until {at}"},
    "changes": {
        "fr": "S'il ne se passe rien, cela change le {at}.",
        "en": "If nothing happens, this changes at {at}.",
    },
    "looked": {
        "fr": "Le temps seul n'y change rien avant le {at}.",
        "en": "Time alone does not change this before {at}.",
    },
    "stays": {"fr": "Le temps seul n'y change rien.", "en": "Time alone does not change this."},
    "one_event": {"fr": "{aggregate} = {value}, par un événement", "en": "{aggregate} = {value}, by one event"},
    "events": {"fr": "{aggregate} = {value}, par {n} événements", "en": "{aggregate} = {value}, by {n} events"},
    "more": {"fr": "… et {n} de plus (avec --json)", "en": "… and {n} more (with --json)"},
    "above": {"fr": "{aggregate} : comme plus haut", "en": "{aggregate}: as above"},
    "then": {"fr": "puis", "en": "then"},
    "enter": {"fr": "Il suffirait, pour y entrer :", "en": "To enter it, this would do:"},
    "leave": {"fr": "Il suffirait, pour en sortir :", "en": "To leave it, this would do:"},
    "other_way": {"fr": "ou bien :", "en": "or else:"},
    "ways_more": {"fr": "… et {n} autres façons (avec --json)", "en": "… and {n} more ways (with --json)"},
    "ways_unsure": {
        "fr": "Il y a peut-être d'autres façons : la recherche a été arrêtée.",
        "en": "There may be other ways: the search was cut short.",
    },
    "no_way": {"fr": "Aucun changement n'y ferait rien.", "en": "No change would make a difference."},
    "pushed": {
        "fr": "{score} vaut {value} ; ce qui le pousse vers le haut (+) et vers le bas (−) :",
        "en": "{score} is {value}; what pushes it up (+) and down (−):",
    },
    "pushed_more": {"fr": "… et {n} de moins de poids (avec --json)", "en": "… and {n} of less weight (with --json)"},
    "unknown": {"fr": "inconnu", "en": "unknown"},
    "yes": {"fr": "oui", "en": "yes"},
    "no": {"fr": "non", "en": "no"},
    "and": {"fr": "ET", "en": "AND"},
    "or": {"fr": "OU", "en": "OR"},
    "not": {"fr": "NON", "en": "NOT"},
    "told": {"fr": "{conditions} : {amount}", "en": "{conditions}: {amount}"},
    "instead": {"fr": "au lieu de {now}", "en": "instead of {now}"},
    "unknown_now": {"fr": "inconnu aujourd'hui", "en": "unknown now"},
    "at_least": {"fr": "au moins {low}", "en": "at least {low}"},
    "at_most": {"fr": "au plus {high}", "en": "at most {high}"},
    "from_to": {"fr": "de {low} à {high}", "en": "from {low} to {high}"},
    "any": {"fr": "une valeur", "en": "a value"},
    "count_more": {"fr": " ({n} de plus)", "en": " ({n} more)"},
    "count_fewer": {"fr": " ({n} de moins)", "en": " ({n} fewer)"},
    "given": {
        "fr": " — c'est le modèle {column} qui le dit, on n'y change rien à la main",
        "en": " — the model {column} says so, nobody changes it by hand",
    },
}


def say(key: str, language: Language, **values: object) -> str:
    """A sentence with values put in."""
    return SENTENCES[key][language].format(**values)


def value_text(value: Any, language: Language) -> str:
    """A value as people read it: instants to the minute with their zone, numbers with the decimals they have."""
    if value is None:
        return say("unknown", language)
    if isinstance(value, bool):
        return say("yes" if value else "no", language)
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} {value.tzname()}"
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float) and (abs(value) >= LEAST_ROUNDED or value == 0):
        return f"{round(value, DECIMALS):.15g}"
    return f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Words:
    """A language, with the labels and the time zone of a project."""

    language: Language
    vocabulary: Vocabulary
    zone: str

    def rule(self, rule: tree.Rule) -> str:
        return print_rule(rule, self.language, self.vocabulary)

    def operand(self, column: tree.Column) -> str:
        """An aggregate, or the behaviour that a condition counts."""
        if isinstance(column.written, tree.Did):
            told = replace(column.written, times=None)
            return self.rule(replace(told, window=None) if told.is_first else told)  # the first of all is looked up
        return print_value(column, self.language, self.vocabulary)

    def local(self, value: Any) -> Any:
        """Instants in the project's time zone, everything else as it is."""
        return Moment(value, self.zone).local if isinstance(value, datetime) else value

    def change(self, change: Change) -> str:
        """What has to become true, and by which value: “spend > 100: at least 100.01 instead of 73.2”."""
        wanted = [condition if is_met else tree.Not(condition) for condition, is_met in change.conditions]
        conditions = f" {self._say('and')} ".join(map(self.rule, wanted))
        told = self._say("told", conditions=conditions, amount=self._amount(change))
        return told + (self._say("given", column=change.column.name) if change.is_given else "")

    def _amount(self, change: Change) -> str:
        instead = self._say("unknown_now") if change.now is None else self._say("instead", now=self._value(change.now))
        if change.column.type == "text" and change.region.value is not None:
            return instead
        comma = ", " if change.now is None else " "
        return f"{self._range(change.region)}{comma}{instead}{self._difference(change)}"

    def _range(self, region: Region) -> str:
        low, high = (None if end is None else self._value(end) for end in (region.low, region.high))
        if not region.is_run or (low is not None and low == high):
            return self._value(region.value)
        if low is None and high is None:
            return self._say("any")
        key = "at_least" if high is None else "at_most" if low is None else "from_to"
        return self._say(key, low=low, high=high)

    def _difference(self, change: Change) -> str:
        """For numbers of times, how many more or fewer."""
        match change.column.written:
            case tree.Did() | tree.Aggregate(function="count") if change.column.type == "number":
                pass
            case _:
                return ""
        more = change.region.value - change.now
        return self._say("count_more" if more > 0 else "count_fewer", n=abs(more))

    def _value(self, value: Any) -> str:
        return value_text(self.local(value), self.language)

    def _say(self, key: str, **values: object) -> str:
        return say(key, self.language, **values)
