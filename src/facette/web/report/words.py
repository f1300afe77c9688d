"""How the report speaks: its texts, and numbers, dates and quantities as French and English write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from facette.definitions.model import Language
from facette.validation import quantities
from facette.validation.quantities import CURRENCIES, NARROW, NO_BREAK, SHARES
from facette.web.report.texts import PHRASES, REASONS, TEXTS

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

COUNTED: dict[str, dict[Language, tuple[str, str]]] = {
    "profile": {"fr": ("profil", "profils"), "en": ("profile", "profiles")},
    "segment": {"fr": ("segment", "segments"), "en": ("segment", "segments")},
    "axis": {"fr": ("axe", "axes"), "en": ("axis", "axes")},
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
        parts = re.split("(: |; )", told)
        return self.typeset("".join(f" {part}" if part in (": ", "; ") else self._part(part) for part in parts))

    def _part(self, told: str) -> str:
        """A part of a reason in French; what has no translation stays, but for dates and PHRASES."""
        if told in REASONS:
            return REASONS[told]
        for english, french in PHRASES.items():
            told = told.replace(english, french)
        return re.sub(r"\b(\d{4})-(\d\d)-(\d\d)\b", r"\3/\2/\1", told)

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
        return quantities.number(value, self.language)

    def fixed(self, value: float, digits: int) -> str:
        """A number with so many decimals."""
        return quantities.fixed(value, digits, self.language)

    def signed(self, value: int) -> str:
        """“+12”, “−3”, “0”."""
        return f"+{self.number(value)}" if value > 0 else self.number(value)

    def percent(self, share: float | None) -> str:
        return quantities.percent(share, self.language)

    def quantity(self, value: float | None, unit: str) -> str:
        """A number with its unit: “€45” / « 45 € », a share in per cent, “3 days” / « 3 jours »."""
        return quantities.quantity(value, unit, self.language)

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
