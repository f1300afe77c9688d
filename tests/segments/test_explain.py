"""Time alone changes an answer only at the moments that explanations ask about."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from facette.clock import Moment
from facette.definitions.language.tree import Column, Compare, Duration
from facette.segments.explain import turning_points
from tests.oracles.rules import compares

ENDS_OF_MONTHS = (date(2026, 1, 31), date(2026, 2, 28), date(2027, 11, 30), date(2028, 2, 29), date(2026, 3, 15))
LENGTHS = (Duration(0, "day"), Duration(3, "day"), Duration(2, "week"), Duration(1, "month"), Duration(1, "year"))


@pytest.mark.parametrize("seen", ENDS_OF_MONTHS)
@pytest.mark.parametrize("length", LENGTHS, ids=lambda length: f"{length.amount} {length.unit}")
@pytest.mark.parametrize("sign", ["=", "<", "<=", ">", ">="])
def test_an_age_passes_a_length_at_a_moment_that_is_asked_about(seen: date, length: Duration, sign: str) -> None:
    moment = Moment(datetime(seen.year, seen.month, seen.day, 12, tzinfo=UTC), "Europe/Paris")
    rule = Compare(Column("seen", "date"), sign, length)  # type: ignore[arg-type]
    asked = {later.as_of for later in turning_points([rule], [], [], {"seen": seen}, moment)}
    midnights = [moment.start_of(moment.today + timedelta(days=n)) for n in range(1, 500)]
    answers = [compares(seen, sign, length, (), Moment(at, moment.zone)) for at in (moment.as_of, *midnights)]
    flips = {at for at, before, after in zip(midnights, answers, answers[1:], strict=False) if before != after}
    assert flips <= asked
