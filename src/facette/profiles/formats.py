"""How values are read: text made uniform, then numbers, booleans, dates, instants, e-mail addresses, phone numbers.

Everything that can be is an expression over a column; e-mail addresses and phone numbers are read in Python, once for
each distinct text. What cannot be read is null.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import email_validator
import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import phonenumbers

from facette.warehouse.connect import instant_of, local_day, wall_clock

SPACE = r"[\x{0}-\x{20}\x{7f}-\x{a0}\pZ\x{200b}\x{feff}]+"  # control characters, all kinds of spaces, also of no width
UNTIDY = r"^ | $|  |[\x{0}-\x{1f}\x{7f}-\x{a0}\x{200b}\x{feff}]|[^ \PZ]"  # something that tidying would change
PLAIN_NUMBER = r"^[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?$"
FRENCH_NUMBER = r"^[+-]?(\d{1,3}( \d{3})+|\d+)([.,]\d+)?$"
TRUE = ("true", "yes", "oui", "vrai", "1")
FALSE = ("false", "no", "non", "faux", "0")
CLOCK = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d+)?)?"
WALL = rf"^[12]\d{{3}}-\d\d-\d\d([T ]{CLOCK})?$"
WITH_OFFSET = rf"^([12]\d{{3}}-\d\d-\d\d[T ]{CLOCK}) ?(Z|[+-]([01]\d|2[0-3])(:?[0-5]\d)?)$"
OFFSET_GROUP = 5  # of WITH_OFFSET, after the two of CLOCK that matter here
YEARS = (1000, 2999)  # a date outside them is a slip of the pen

NO_VALUE = """
    null none nil nan n/a na nc n.c. unknown inconnu inconnue undefined empty anonymous anonyme aucun aucune vide
    test tbd xxx - -- --- . ? /
"""
NOBODY = "test@test.com test@test.fr test@example.com example@example.com email@email.com a@a.com a@a.fr"
BLOCKED = frozenset((*NO_VALUE.split(), *NOBODY.split()))
"""Values (in lower case) that are not identifiers of anybody, whatever the kind. Besides these: text of zeros only."""
BLOCKED_PATTERN = r"^0+$|^(no-?reply|do-?not-?reply|ne-?pas-?repondre)@"
"""Likewise; and phone numbers of one repeated digit, which are read as no phone number."""

PLAIN_EMAIL = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+[a-z]{2,20}"
)  # beyond doubt, so that the slower validator need not look
PLAIN_EMAIL_LENGTH = 60


@ibis.udf.scalar.builtin(name="nfc_normalize", signature=((dt.string,), dt.string))
def nfc(text):  # type: ignore[no-untyped-def]
    """Unicode normalisation form C."""


@ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.string), dt.timestamp))
def wall_by_pattern(text, pattern):  # type: ignore[no-untyped-def]
    """A time without zone read by a strptime pattern, null if it does not fit."""


@ibis.udf.scalar.builtin(name="try_strptime", signature=((dt.string, dt.string), dt.Timestamp("UTC")))
def instant_by_pattern(text, pattern):  # type: ignore[no-untyped-def]
    """An instant read by a strptime pattern that has the offset (%z), null if it does not fit."""


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def text_of(column: ir.Value) -> ir.StringValue:
    """Any column as text, the same for a number whatever its type: 12, not 12.0; 10.5, not 10.50."""
    kind = column.type()
    if kind.is_string():
        return column
    if kind.is_floating() or kind.is_decimal():
        number = column.cast("float64")
        whole = number.try_cast("int64")  # rounded; null beyond its range
        is_whole = (whole.cast("float64") == number) & (number.abs() < 2**53)
        written = column.cast("string")
        if kind.is_decimal() and kind.scale:
            written = written.re_replace(r"\.?0+$", "")
        plain = ibis.ifelse(is_whole, whole.cast("string"), written)
        return ibis.ifelse(number.isnan() | number.isinf(), None, plain)
    return column.cast("string")


def tidy_text(column: ir.Value) -> ir.StringValue:
    """Any column as tidy text."""
    return tidy(column) if column.type().is_string() else text_of(column)


def tidy(text: ir.StringValue) -> ir.StringValue:
    """Unicode NFC, one space for every run of spaces and control characters, none at the ends; null for nothing."""
    composed = nfc(text)
    single = composed.re_replace(SPACE, " ").strip()
    return ibis.ifelse(composed.re_search(UNTIDY), single, composed).nullif("")


# ── types, each from tidy text or from a native column ──────────────────────────────────────────────────────────────


def number(value: ir.Value) -> ir.FloatingValue:
    """``1234.5``, ``1.2e3``, ``1 234,56``, ``1234,56``. A comma is always a decimal comma."""
    if value.type().is_numeric():
        read = value.cast("float64")
    else:
        french = value.replace(" ", "").replace(",", ".")
        spelled = ibis.cases((value.re_search(PLAIN_NUMBER), value), (value.re_search(FRENCH_NUMBER), french))
        read = spelled.try_cast("float64")
    return ibis.ifelse(read.isnan() | read.isinf(), None, read)


def boolean(value: ir.Value) -> ir.BooleanValue:
    """``true/false``, ``yes/no``, ``oui/non``, ``vrai/faux``, ``1/0``, in any case."""
    if value.type().is_boolean():
        return value
    word = value.lower()
    return ibis.cases((one_of(word, TRUE), True), (one_of(word, FALSE), False))


def instant(value: ir.Value, zone: str, pattern: str | None = None) -> ir.TimestampValue:
    """ISO 8601, or text by a strptime pattern; text without offset, and a date, is local time in ``zone``.

    A native timestamp without zone is in UTC.
    """
    kind = value.type()
    if kind.is_timestamp():
        return (
            value.cast(dt.Timestamp("UTC")) if kind.timezone else instant_of("UTC", value.cast(dt.Timestamp(scale=6)))
        )
    if kind.is_date():
        return instant_of(zone, value.cast("timestamp"))
    if pattern and "%z" in pattern.lower():
        return instant_by_pattern(value, pattern)
    if pattern:
        return instant_of(zone, _in_years(wall_by_pattern(value, pattern)))
    wall = ibis.ifelse(value.re_search(WALL), value, None).try_cast("timestamp")
    return ibis.cases((value.re_search(WITH_OFFSET), _with_offset(value)), else_=instant_of(zone, wall))


def day(value: ir.Value, zone: str, pattern: str | None = None) -> ir.DateValue:
    """The date of an ISO 8601 date or instant, or of text by a strptime pattern; local where there is an offset."""
    kind = value.type()
    if kind.is_date():
        return value
    if kind.is_timestamp():
        return local_day(value.cast(dt.Timestamp("UTC")), zone) if kind.timezone else value.date()
    if pattern:
        return wall_clock(zone, instant(value, zone, pattern)).date()
    wall = ibis.ifelse(value.re_search(WALL), value, None).try_cast("timestamp").date()
    return ibis.cases((value.re_search(WITH_OFFSET), local_day(_with_offset(value), zone)), else_=wall)


def one_of(text: ir.StringValue, values: tuple[str, ...]) -> ir.BooleanValue:
    """Whether a text is among a few; written out, since a list of texts is slow to look through in DuckDB."""
    return ibis.or_(*(text == value for value in values))


def _with_offset(text: ir.StringValue) -> ir.TimestampValue:
    wall = text.re_extract(WITH_OFFSET, 1).try_cast("timestamp")
    offset = text.re_extract(WITH_OFFSET, OFFSET_GROUP)
    hours = offset.substr(1, 2).try_cast("int64").fill_null(0)
    minutes = ibis.ifelse(offset.length() > 3, offset.right(2).try_cast("int64"), 0)
    total = (hours * 60 + minutes) * ibis.ifelse(offset.startswith("-"), -1, 1)
    return instant_of("UTC", wall - total.as_interval("m"))


def _in_years(wall: ir.TimestampValue) -> ir.TimestampValue:
    return ibis.ifelse(wall.year().between(*YEARS), wall, None)


# ── e-mail addresses and phone numbers ──────────────────────────────────────────────────────────────────────────────


def email(text: str) -> str | None:
    """An e-mail address in lower case, its domain in Unicode; None if the syntax is wrong. Nothing is looked up."""
    lower = text.lower()
    if len(lower) <= PLAIN_EMAIL_LENGTH and PLAIN_EMAIL.fullmatch(lower):
        return lower
    try:
        found = email_validator.validate_email(text, check_deliverability=False, globally_deliverable=False)
    except email_validator.EmailNotValidError:
        return None
    return found.normalized.lower() if "." in found.ascii_domain else None


def phone_in(country: str) -> Callable[[str], str | None]:
    """Reads phone numbers as E.164, those without a country code as numbers of ``country`` (ISO 3166, e.g. FR)."""

    def phone(text: str) -> str | None:
        try:
            found = phonenumbers.parse(text, country)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(found) or len(set(str(found.national_number))) == 1:
            return None
        return phonenumbers.format_number(found, phonenumbers.PhoneNumberFormat.E164)

    return phone
