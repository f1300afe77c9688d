"""The planted behaviours: how often each kind of person buys, visits, opens, and when — the truth to be found.

Days are numbers: 0 is the shop's opening. All rates are per person and year before season; see ``seasons``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

OPENING = date(2024, 11, 1)
DAILY_FROM = date(2026, 10, 1)  # earlier days are exported by month, later ones day by day
REFERENCE = (date(2026, 10, 31) - OPENING).days  # the day on which the behaviours are as labelled
DEVICES = ("mobile", "desktop", "tablet")
NEVER = 30_000

# Local hours of the day, 0 to 23: how much happens then.
DAYTIME = (1, 1, 0.3, 0.3, 0.3, 0.5, 1, 3, 5, 6, 7, 7, 9, 8, 6, 6, 6, 7, 8, 8, 9, 8, 5, 2)
LUNCH = (0.5, 0.3, 0.2, 0.2, 0.2, 0.5, 1, 3, 4, 4, 5, 8, 20, 16, 7, 4, 4, 5, 6, 6, 5, 4, 3, 1)
EVENING = (1, 0.5, 0.2, 0.2, 0.2, 0.3, 0.5, 1, 2, 3, 3, 3, 4, 4, 3, 3, 4, 5, 8, 12, 16, 18, 10, 4)
OPEN_HOURS = (0,) * 10 + (6, 8, 7, 5, 7, 9, 10, 10, 8) + (0,) * 5


@dataclass(frozen=True)
class Behaviour:
    """share of the people; yearly orders, visits, ad clicks; chances between 0 and 1; weights over categories."""

    name: str
    share: float
    orders: float
    visits: float
    ads: float
    online: float  # chance that an order is placed in the web shop by somebody who is in both
    devices: tuple[float, float, float]
    categories: tuple[float, ...]
    hours: tuple[float, ...]
    lines: float  # mean number of lines of an order beyond the first
    subscribed: float
    opens: float
    clicks: float  # given an open
    satisfaction: float


BEHAVIOURS = (
    Behaviour(
        "fidèles", 0.17, 24, 12, 1, 0.6, (0.75, 0.2, 0.05), (55, 40, 2, 0, 3, 0, 0, 0), DAYTIME,
        0.7, 0.8, 0.55, 0.3, 8.8,
    ),
    Behaviour(
        "chasseurs de promos", 0.16, 9, 12, 3, 0.9, (0.25, 0.7, 0.05), (2, 3, 50, 42, 3, 0, 0, 0), LUNCH,
        0.4, 0.85, 0.4, 0.35, 6.5,
    ),
    Behaviour(
        "occasionnels", 0.18, 6, 5, 1.5, 0.6, (0.45, 0.45, 0.1), (0, 0, 10, 10, 50, 30, 0, 0), DAYTIME,
        0.3, 0.5, 0.25, 0.15, 7.5,
    ),
    Behaviour(
        "dormants", 0.13, 7, 6, 1, 0.6, (0.4, 0.55, 0.05), (5, 5, 40, 40, 5, 5, 0, 0), DAYTIME,
        0.5, 0.6, 0.3, 0.1, 5.5,
    ),
    Behaviour(
        "nouveaux", 0.11, 8, 24, 5, 0.95, (0.85, 0.1, 0.05), (15, 70, 15, 0, 0, 0, 0, 0), EVENING,
        0.2, 0.65, 0.45, 0.25, 8,
    ),
    Behaviour(
        "premium", 0.11, 9, 9, 0.5, 0.4, (0.2, 0.35, 0.45), (0, 0, 0, 0, 8, 2, 45, 45), EVENING,
        0.8, 0.55, 0.35, 0.2, 9,
    ),
    Behaviour(
        "prospects", 0.06, 0.5, 10, 4, 1, (0.7, 0.25, 0.05), (5, 60, 30, 5, 0, 0, 0, 0), EVENING,
        0, 0.7, 0.3, 0.15, 7,
    ),
    Behaviour(
        "visiteurs", 0.08, 0, 3, 2, 1, (0.6, 0.35, 0.05), (1, 1, 1, 1, 1, 1, 1, 1), DAYTIME, 0, 0, 0, 0, 7,
    ),
)  # fmt: skip
NAMES = tuple(behaviour.name for behaviour in BEHAVIOURS)
PROMO_HUNTERS, DORMANT, NEW, PROSPECTS, VISITORS = (
    NAMES.index(name) for name in ("chasseurs de promos", "dormants", "nouveaux", "prospects", "visiteurs")
)


def each(attribute: str) -> np.ndarray:
    """One attribute of all behaviours, indexed by behaviour."""
    return np.array([getattr(behaviour, attribute) for behaviour in BEHAVIOURS])


def cumulated(attribute: str) -> np.ndarray:
    """Weights of all behaviours as cumulated chances, behaviour by choice."""
    weights = np.cumsum(each(attribute), axis=1)
    return weights / weights[:, -1:]


def day_number(day: date) -> int:
    return (day - OPENING).days


def date_of(day: int) -> date:
    return OPENING + timedelta(days=int(day))


def is_promotion(day: int) -> bool:
    """The first six days of each month, the sales of January and July, and the week of Black Friday."""
    when = date_of(day)
    return (
        when.day <= 6
        or (when.month == 1 and 7 <= when.day <= 20)
        or (when.month == 7 and when.day <= 15)
        or (when.month == 11 and 22 <= when.day <= 30)
    )


def seasons(day: int) -> np.ndarray:
    """Multiplier of the order rates that day, per behaviour: month, weekday, promotions."""
    when = date_of(day)
    month = (0.9, 0.85, 0.95, 0.95, 1.0, 1.0, 1.0, 0.8, 1.0, 1.0, 1.15, 1.4)[when.month - 1]
    weekday = (0.85, 0.9, 1.0, 0.95, 1.05, 1.35, 0.9)[when.weekday()]
    multiplier = np.full(len(BEHAVIOURS), month * weekday)
    multiplier[PROMO_HUNTERS] *= 3.6 if is_promotion(day) else 0.08
    return multiplier
