"""How the report speaks: its texts, and numbers, dates and quantities as French and English write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from facette.definitions.model import Language
from facette.validation.sentences import spoken
from facette.web.report.texts import REASONS, TEXTS

NO_BREAK = "\u00a0"
NARROW = "\u202f"
CURRENCIES = {"EUR": "€", "€": "€", "USD": "$", "$": "$", "GBP": "£", "£": "£"}
WHOLE_MONEY = 20
"""From here on cents are left out."""
LEAST = 1e-9
"""A smaller mean is what remains of rounding."""
SHARES = ("0–1", "0-1")
"""Units of a number that is a share, and is said in per cent."""


MONTHS: dict[Language, tuple[str, ...]] = {
    "fr": (
        "janvier", "février", "mars", "avril", "mai", "juin",
        "juillet", "août", "septembre", "octobre", "novembre", "décembre",
    ),
    "en": (
        "January", "February", "March", "April", "May", "June",
        "July", "August", "September", "October", "November", "December",
    ),
}  # fmt: skip

UNITS: dict[str, dict[Language, str]] = {
    "d": {"fr": "jours", "en": "days"},
    "day": {"fr": "jours", "en": "days"},
    "days": {"fr": "jours", "en": "days"},
    "jours": {"fr": "jours", "en": "days"},
    "hours": {"fr": "heures", "en": "hours"},
    "months": {"fr": "mois", "en": "months"},
    "years": {"fr": "ans", "en": "years"},
    "persons": {"fr": "personnes", "en": "people"},
}
"""Usual units in both languages; any other is written as it was given."""

COUNTED: dict[str, dict[Language, tuple[str, str]]] = {
    "profile": {"fr": ("profil", "profils"), "en": ("profile", "profiles")},
    "segment": {"fr": ("segment", "segments"), "en": ("segment", "segments")},
    "group": {"fr": ("groupe", "groupes"), "en": ("group", "groups")},
    "observation": {"fr": ("observation", "observations"), "en": ("observation", "observations")},
    "day": {"fr": ("jour", "jours"), "en": ("day", "days")},
    "run": {"fr": ("calcul", "calculs"), "en": ("run", "runs")},
}


@dataclass(frozen=True)
class Words:
    """One language, in one time zone."""

    language: Language
    zone: str

    # ── texts ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def say(self, key: str, **values: object) -> str:
        """A fixed text of the report, with values put in as they are."""
        return self.typeset(TEXTS[key][self.language]).format(**values)

    def has(self, key: str) -> bool:
        return key in TEXTS

    def count(self, amount: int, thing: str) -> str:
        """“1 profile”, “2 profiles”; “0 profil”, “1 profil”, “2 profils”."""
        one, many = COUNTED[thing][self.language]
        is_one = amount == 1 or (amount == 0 and self.language == "fr")
        return f"{self.number(amount)}{NO_BREAK}{one if is_one else many}"

    def typeset(self, text: str) -> str:
        """French sets its high punctuation apart with spaces that never break; English text stays as it is."""
        if self.language == "en":
            return text
        text = re.sub(r" (?=[;!?%])", NARROW, text)
        return re.sub(r"(?<=«) | (?=[:»€])", NO_BREAK, text)

    def reason(self, told: str) -> str:
        """Why something was done, of which the tables say in English: “what: why”."""
        if self.language == "en":
            return told
        parts = [REASONS.get(part, part.replace("new from ", "nouveautés de ")) for part in told.split(": ")]
        return self.typeset(" : ".join(parts))

    def listed(self, items: list[str], last: str = "and") -> str:
        """“a, b and c”, or “a, b or c”."""
        if len(items) < 2:
            return "".join(items)
        return f"{', '.join(items[:-1])} {self.say(last)} {items[-1]}"

    def labelled(self, name: object, value: str) -> str:
        """“name: value”, with the space that French puts before a colon."""
        return f"{name}{NO_BREAK}: {value}" if self.language == "fr" else f"{name}: {value}"

    # ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def number(self, value: float | None) -> str:
        """Three significant digits, whole from 1,000 on; a dash for unknown."""
        return spoken(value, self.language).replace("-", "−") if value is not None else "–"

    def fixed(self, value: float, digits: int) -> str:
        """A number with so many decimals."""
        text = f"{value:,.{digits}f}".replace("-", "−")
        return text.translate({ord(","): NARROW, ord("."): ","}) if self.language == "fr" else text

    def signed(self, value: int) -> str:
        """“+12”, “−3”, “0”."""
        return f"+{self.number(value)}" if value > 0 else self.number(value)

    def percent(self, share: float | None) -> str:
        """0.123 → “12%” / « 12 % »; below 10 % with one decimal, and never 0 for what is not."""
        if share is None:
            return "–"
        hundredths = 100 * share
        if 0 < hundredths < 0.05:
            text = "<" + NO_BREAK + self.fixed(0.1, 1)
        else:
            text = self.fixed(hundredths, 0 if hundredths >= 9.95 or hundredths == 0 else 1)
        return f"{text}{NARROW}%" if self.language == "fr" else f"{text}%"

    def quantity(self, value: float | None, unit: str) -> str:
        """A number with its unit: “€45” / « 45 € », a share in per cent, “3 days” / « 3 jours »."""
        if value is None:
            return "–"
        if unit in SHARES:
            return self.percent(value)
        value = 0.0 if abs(value) < LEAST else value
        if unit in CURRENCIES:
            text = (
                self.number(value)
                if value == round(value)
                else self.fixed(value, 0 if abs(value) >= WHOLE_MONEY else 2)
            )
            sign = CURRENCIES[unit]
            if self.language == "fr":
                return f"{text}{NO_BREAK}{sign}"
            return f"−{sign}{text[1:]}" if value < 0 else f"{sign}{text}"
        text = self.number(value)
        told = UNITS.get(unit, {}).get(self.language, unit)
        return f"{text}{NO_BREAK}{told}" if told else text

    def quantities(self, one: float | None, other: float | None, unit: str) -> tuple[str, str]:
        """Two numbers to be said one after the other: a unit that is a word is said once, with the second."""
        is_word = unit not in CURRENCIES and unit not in SHARES
        return self.quantity(one, "" if is_word else unit), self.quantity(other, unit)

    # ── time ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def day(self, day: date) -> str:
        """« 1er mars 2026 », “1 March 2026”."""
        number = "1er" if self.language == "fr" and day.day == 1 else str(day.day)
        return f"{number}{NO_BREAK}{MONTHS[self.language][day.month - 1]}{NO_BREAK}{day.year}"

    def short_day(self, day: date) -> str:
        return f"{day:%d/%m/%Y}" if self.language == "fr" else f"{day.day} {MONTHS['en'][day.month - 1][:3]} {day.year}"

    def local_day(self, instant: datetime) -> date:
        return instant.astimezone(ZoneInfo(self.zone)).date()

    def instant(self, instant: datetime) -> str:
        """An instant in the project's time zone; a day's last microsecond is said to be its end."""
        local = instant.astimezone(ZoneInfo(self.zone))
        if (local + timedelta(microseconds=1)).date() > local.date():
            return self.say("end_of_day", day=self.day(local.date()))
        time = f"{local:%H}{NO_BREAK}h{NO_BREAK}{local:%M}" if self.language == "fr" else f"{local:%H:%M}"
        return self.say("day_and_time", day=self.day(local.date()), time=time)

    def seconds(self, seconds: float) -> str:
        return (
            f"{self.fixed(seconds, 1)}{NO_BREAK}s" if seconds >= 0.05 else f"<{NO_BREAK}{self.fixed(0.1, 1)}{NO_BREAK}s"
        )
