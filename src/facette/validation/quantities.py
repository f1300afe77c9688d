"""Numbers, shares and quantities as French and English write them."""

from __future__ import annotations

from facette.definitions.model import Language

NO_BREAK = "\u00a0"
NARROW = "\u202f"
CURRENCIES = {"EUR": "€", "€": "€", "USD": "$", "$": "$", "GBP": "£", "£": "£"}
WHOLE_MONEY = 20
"""From here on cents are left out."""
LEAST = 1e-9
"""A smaller mean is what remains of rounding."""
SHARES = ("0–1", "0-1")
"""Units of a number that is a share, and is said in per cent."""

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


def number(value: float | None, language: Language) -> str:
    """1234 → « 1 234 » / “1,234”; 0.03456 → « 0,0346 » / “0.0346”: three significant digits, whole from 1,000 on."""
    if value is None:
        return "–"
    is_whole = isinstance(value, int) or abs(value) >= 999.5
    return _written(f"{value:,.0f}" if is_whole else _significant(value), language)


def fixed(value: float, digits: int, language: Language) -> str:
    """A number with so many decimals."""
    return _written(f"{value:,.{digits}f}", language)


def percent(share: float | None, language: Language) -> str:
    """0.123 → “12%” / « 12 % »; below 10 % with one decimal, and never 0 for what is not."""
    if share is None:
        return "–"
    hundredths = 100 * share if abs(share) >= LEAST else 0.0
    size = abs(hundredths)
    if 0 < size < 0.05:
        text = "<" + NO_BREAK + fixed(0.1, 1, language) if hundredths > 0 else fixed(0, 0, language)
    else:
        text = fixed(hundredths, 0 if size >= 9.95 or size == 0 else 1, language)
    return f"{text}{NARROW}%" if language == "fr" else f"{text}%"


def quantity(value: float | None, unit: str, language: Language) -> str:
    """A number with its unit: “€45” / « 45 € », a share in per cent, “3 days” / « 3 jours »."""
    if value is None:
        return "–"
    if unit in SHARES:
        return percent(value, language)
    value = 0.0 if abs(value) < LEAST else value
    if unit in CURRENCIES:
        return _money(value, CURRENCIES[unit], language)
    told = UNITS.get(unit, {}).get(language, unit)
    return f"{number(value, language)}{NO_BREAK}{told}" if told else number(value, language)


def _money(value: float, sign: str, language: Language) -> str:
    is_whole = value == round(value)
    text = number(value, language) if is_whole else fixed(value, 0 if abs(value) >= WHOLE_MONEY else 2, language)
    if language == "fr":
        return f"{text}{NO_BREAK}{sign}"
    return f"−{sign}{text[1:]}" if value < 0 else f"{sign}{text}"


def _significant(value: float) -> str:
    text = f"{value:.3g}"
    return f"{float(text):.10f}".rstrip("0").rstrip(".") if "e" in text and abs(value) >= 1e-10 else text


def _written(text: str, language: Language) -> str:
    text = text.replace("-", "−")
    return text.translate({ord(","): NARROW, ord("."): ","}) if language == "fr" else text
