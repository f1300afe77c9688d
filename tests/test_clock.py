"""Local days, months and steps, against searching through the instants themselves."""

from __future__ import annotations

import calendar
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.clock import Moment, months_before, start_of_day

SECOND = timedelta(seconds=1)
ZONES = sorted(available_timezones() - {"Factory", "localtime"})


def offset(at: datetime, zone: ZoneInfo) -> timedelta:
    return at.astimezone(zone).utcoffset()  # type: ignore[return-value]


def changes_of_clocks(zone: ZoneInfo, first: int, last: int) -> list[datetime]:
    """The instants from year to year at which the clocks change, to the second."""
    found = []
    at = datetime(first, 1, 1, tzinfo=UTC)
    while at.year < last:
        low, high = at, at + timedelta(days=6)
        if offset(low, zone) != offset(high, zone):
            while high - low > SECOND:
                middle = low + (high - low) // 2 // SECOND * SECOND
                low, high = (middle, high) if offset(middle, zone) == offset(low, zone) else (low, middle)
            found.append(high)
        at += timedelta(days=6)
    return found


def first_instant(day: date, zone: ZoneInfo, changes: list[datetime]) -> datetime:
    """The first instant whose local date is ``day`` or later.

    Between two changes of clocks local time is UTC plus an offset, so that it begins with a change, or at midnight by
    the offset of the change before.
    """
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    near = [at for at in changes if abs(at - noon) < timedelta(days=3)]
    begin = noon - timedelta(days=3)
    candidates = []
    for start, end in zip([begin, *near], [*near, noon + timedelta(days=3)], strict=True):
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC) - offset(start, zone)
        candidates += [at for at in (start, midnight) if start <= at < end and at.astimezone(zone).date() >= day]
    return min(candidates)


@pytest.mark.parametrize(("first", "last"), [(1918, 1921), (1968, 1971), (2010, 2027)])
def test_a_day_starts_with_its_first_instant_in_every_zone(first: int, last: int) -> None:
    n_days = 0
    for name in ZONES:
        zone = ZoneInfo(name)
        changes = changes_of_clocks(zone, first, last)
        for change in changes:
            local = (change - timedelta(days=1)).astimezone(zone).date()
            for day in (local + timedelta(days=n) for n in range(4)):
                assert start_of_day(day, name) == first_instant(day, zone, changes), (name, day)
                n_days += 1
    assert n_days > 500


@pytest.mark.parametrize(
    ("day", "zone", "start"),
    [
        (date(2018, 11, 4), "America/Sao_Paulo", "2018-11-04T03:00"),  # 0:00 became 1:00
        (date(2018, 2, 18), "America/Sao_Paulo", "2018-02-18T03:00"),  # 24:00 became 23:00
        (date(2024, 4, 26), "Africa/Cairo", "2024-04-25T22:00"),
        (date(2011, 12, 30), "Pacific/Apia", "2011-12-30T10:00"),  # never was: the 31st came at once
        (date(2011, 12, 31), "Pacific/Apia", "2011-12-30T10:00"),
        (date(1919, 3, 31), "America/Toronto", "1919-03-31T04:30"),  # 23:30 became 0:30
        (date(2010, 11, 7), "America/St_Johns", "2010-11-07T02:30"),  # 0:01 became 23:01: begins twice
        (date(2026, 3, 29), "Europe/Paris", "2026-03-28T23:00"),
    ],
)
def test_days_that_begin_strangely(day: date, zone: str, start: str) -> None:
    assert start_of_day(day, zone) == datetime.fromisoformat(start).replace(tzinfo=UTC)


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "Etc/GMT+12"])
def test_the_ends_of_the_calendar_are_instants(zone: str) -> None:
    moment = Moment(datetime(2026, 1, 1, tzinfo=UTC), zone)
    ends = [at(day) for day in (date.min, date.max) for at in (moment.start_of, moment.end_of)]
    assert ends == sorted(ends) and ends[1] < moment.as_of < ends[2]


@settings(deadline=None)
@given(
    as_of=st.datetimes(datetime(2012, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),  # no day begins twice
    zone=st.sampled_from(ZONES),
)
def test_today_lies_between_its_start_and_its_end(as_of: datetime, zone: str) -> None:
    moment = Moment(as_of, zone)
    assert moment.today == as_of.astimezone(ZoneInfo(zone)).date()
    assert moment.start_of(moment.today) <= as_of < moment.end_of(moment.today)


@given(st.datetimes(timezones=st.just(UTC)))
def test_a_step_is_five_minutes(as_of: datetime) -> None:
    step = Moment(as_of).step
    midnight = as_of.replace(hour=0, minute=0, second=0, microsecond=0)
    assert timedelta(0) <= as_of - step < timedelta(minutes=5)
    assert (step - midnight) % timedelta(minutes=5) == timedelta(0)


@pytest.mark.parametrize(("unit", "length"), [("minute", timedelta(minutes=1)), ("hour", timedelta(hours=1))])
def test_hours_are_counted_from_the_step_whatever_the_clocks_do(unit: str, length: timedelta) -> None:
    moment = Moment(datetime(2026, 3, 29, 3, 4, 59, 999_999, tzinfo=UTC), "Europe/Paris")
    assert moment.step_ago(7, unit) == datetime(2026, 3, 29, 3, 0, tzinfo=UTC) - 7 * length


@given(st.dates(date(1900, 1, 1), date(2100, 12, 31)), st.integers(0, 1_200))
def test_a_month_goes_back_to_the_same_day_number_or_the_last(day: date, months: int) -> None:
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year - 1, 12) if month == 1 else (year, month - 1)
    found = months_before(day, months)
    assert (found.year, found.month) == (year, month)
    assert found.day == min(day.day, calendar.monthrange(year, month)[1])


@pytest.mark.parametrize(
    ("amount", "unit", "day"),
    [
        (0, "day", date(2024, 3, 31)),
        (31, "day", date(2024, 2, 29)),
        (1, "week", date(2024, 3, 24)),
        (1, "month", date(2024, 2, 29)),
        (13, "month", date(2023, 2, 28)),
        (4, "month", date(2023, 11, 30)),
        (1, "year", date(2023, 3, 31)),
    ],
)
def test_days_ago(amount: int, unit: str, day: date) -> None:
    moment = Moment(datetime(2024, 3, 31, 21, 59, tzinfo=UTC), "Europe/Paris")
    assert moment.day_ago(amount, unit) == day


def test_a_year_after_a_leap_day() -> None:
    assert Moment(datetime(2024, 2, 29, 12, tzinfo=UTC)).day_ago(1, "year") == date(2023, 2, 28)


def test_a_moment_needs_an_offset_and_knows_what_was_known() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Moment(datetime(2026, 1, 1))
    as_of = datetime(2026, 1, 1, tzinfo=UTC)
    assert Moment(as_of).known_at == as_of
    assert Moment(as_of.astimezone(ZoneInfo("Asia/Kolkata"))) == Moment(as_of)
