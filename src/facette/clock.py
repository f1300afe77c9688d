"""Time as a value: the instant of evaluation, and the local days and steps that follow from it.

Nothing below ``cli``, ``run`` and ``web`` asks the system for the time; they receive a :class:`Moment`.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

CALENDAR_UNITS = ("day", "week", "month", "year")
CLOCK_UNITS = ("minute", "hour")
CALENDAR = (date(2, 1, 1), date(9998, 12, 31))
"""Days whose local midnights can be written as instants in every time zone."""

DAYS_AS_BITS = 63
"""Days that have bits of their own in a positive 64-bit number."""


@dataclass(frozen=True)
class Moment:
    """An instant of evaluation (``as_of``, UTC) in the project's time zone, with what was known then.

    as_of    : timezone-aware instant
    zone     : IANA name of the project's time zone
    known_at : only what had been received by then counts; ``as_of`` unless given
    """

    as_of: datetime
    zone: str = "UTC"
    known_at: datetime | None = None

    def __post_init__(self) -> None:
        if self.as_of.tzinfo is None:
            raise ValueError("as_of must carry a time zone")
        object.__setattr__(self, "as_of", self.as_of.astimezone(UTC))
        object.__setattr__(self, "known_at", (self.known_at or self.as_of).astimezone(UTC))

    @property
    def local(self) -> datetime:
        """``as_of`` with the offset of the project's time zone, for people to read."""
        return self.as_of.astimezone(ZoneInfo(self.zone))

    @cached_property
    def today(self) -> date:
        """The local date of ``as_of``."""
        return self.local.date()

    @cached_property
    def step(self) -> datetime:
        """``as_of`` rounded down to 5 minutes: windows in hours and minutes end in these steps."""
        return self.as_of.replace(minute=self.as_of.minute - self.as_of.minute % 5, second=0, microsecond=0)

    def day_ago(self, amount: int, unit: str) -> date:
        """The local date ``amount`` calendar units before today.

        A month goes back to the same day number, or to the month's last day; a year is 12 months.
        """
        match unit:
            case "day":
                return self.today - timedelta(days=amount)
            case "week":
                return self.today - timedelta(days=7 * amount)
            case "month":
                return months_before(self.today, amount)
            case "year":
                return months_before(self.today, 12 * amount)
        raise ValueError(f"not a calendar unit: {unit}")

    def step_ago(self, amount: int, unit: str) -> datetime:
        """The 5-minute step ``amount`` hours or minutes before the current one."""
        return self.step - timedelta(minutes=amount * {"minute": 1, "hour": 60}[unit])

    def start_of(self, day: date) -> datetime:
        """The first instant (UTC) of a local date, also where the clock change skips midnight."""
        return start_of_day(day, self.zone)

    def end_of(self, day: date) -> datetime:
        """The first instant (UTC) after a local date."""
        return start_of_day(min(day, CALENDAR[1]) + timedelta(days=1), self.zone)

    def of(self, table: object) -> Moment:
        """The moment for the rows of a table: the same for all (see ``warehouse.moments`` for one per row)."""
        return self


def days_at_most(amount: int, unit: str) -> int:
    """The most local dates that a window of this length touches, the date of its end among them."""
    return amount * {"minute": 1, "hour": 1, "day": 1, "week": 7, "month": 31, "year": 366}[unit] + 1


def start_of_day(day: date, zone: str) -> datetime:
    """The first instant (UTC) whose local date in ``zone`` is ``day`` or later; exact within ``CALENDAR``."""
    midnight = datetime.combine(min(max(day, CALENDAR[0]), CALENDAR[1]), time.min, ZoneInfo(zone))
    # Of a midnight that comes twice, fold=0 is the first. Where clocks jump over midnight, it is at or after the jump
    # and fold=1 is before: the jump lies between.
    late, early = midnight.astimezone(UTC), midnight.replace(fold=1).astimezone(UTC)
    while late - early > timedelta.resolution:
        middle = early + (late - early) / 2
        if middle.astimezone(midnight.tzinfo).date() < day:
            early = middle
        else:
            late = middle
    return late


def months_before(day: date, months: int) -> date:
    """``day`` moved back by whole months, to the same day number or the month's last day."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
