"""A shop and its calendar: draws that depend on the seed, the people and the day alone, and local time made UTC."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from shop.behaviours import PROSPECTS, VISITORS, date_of, each, seasons
from shop.people import People

PARIS = ZoneInfo("Europe/Paris")
INSTANT = pa.timestamp("us", tz="UTC")
LAST_SECOND = 24 * 3600 - 1
FIRST_ORDER = 2.5  # expected orders on the day a customer joins: nearly everybody places one
STREAMS = ("orders", "lines", "sessions", "emails", "survey", "ads", "records")


@dataclass(frozen=True)
class Shop:
    """intensity multiplies every rate; 1 gives about 65 events per person in 730 days."""

    seed: int
    people: People
    intensity: float = 1.0

    def random(self, stream: str, day: int) -> np.random.Generator:
        return np.random.default_rng([self.seed, 1 + STREAMS.index(stream), 10_000 + day])

    def is_active(self, day: int) -> np.ndarray:
        return (self.people.joined <= day) & (day < self.people.stopped)

    def daily(self, attribute: str) -> np.ndarray:
        """A yearly rate of the behaviours as each person's daily rate, before eagerness and season."""
        return each(attribute)[self.people.behaviour] / 365 * self.intensity

    def order_rates(self, day: int) -> np.ndarray:
        """Expected number of orders of each person that day."""
        people = self.people
        rates = self.daily("orders") * people.eagerness * self.is_active(day) * seasons(day)[people.behaviour]
        return rates + FIRST_ORDER * ((people.joined == day) & ~np.isin(people.behaviour, (PROSPECTS, VISITORS)))


def drawn(rng: np.random.Generator, rates: np.ndarray) -> np.ndarray:
    """Rows to which something happens, once per happening: Poisson, each row at its own rate."""
    reach = np.cumsum(rates, dtype=np.float64)
    return np.searchsorted(reach, rng.random(rng.poisson(reach[-1])) * reach[-1], side="right")


def chosen(rng: np.random.Generator, cumulated: np.ndarray) -> np.ndarray:
    """One choice per row of cumulated chances."""
    return (rng.random(len(cumulated))[:, None] > cumulated).sum(axis=1)


def wall_seconds(rng: np.random.Generator, cumulated_hours: np.ndarray) -> np.ndarray:
    """A second of the local day per row of cumulated chances of the 24 hours."""
    return chosen(rng, cumulated_hours) * 3600 + rng.integers(0, 3600, len(cumulated_hours))


def instants(day: int, seconds: np.ndarray) -> np.ndarray:
    """UTC instants (microseconds) at which a clock in Paris shows ``seconds`` after midnight on ``day``.

    French clocks change between 2 and 3 o'clock: an hour that does not exist becomes the next one, and of an hour that
    comes twice the first is meant.
    """
    midnight, noon = (datetime.combine(date_of(day), time(hour), tzinfo=PARIS) for hour in (0, 12))
    late = noon.astimezone(UTC).timestamp() - 12 * 3600
    start = np.where(seconds < 3 * 3600, midnight.astimezone(UTC).timestamp(), late)
    return ((start + seconds) * 1_000_000).astype("datetime64[us]")


def moments(at: np.ndarray) -> pa.Array:
    return pa.array(at).cast(INSTANT)


def iso(at: np.ndarray) -> pa.Array:
    """Instants as text such as 2026-10-31T08:30:00Z."""
    return pa.array(np.char.add(np.datetime_as_string(at.astype("datetime64[s]")), "Z").astype(object), pa.string())


def sent_twice(rng: np.random.Generator, table: pa.Table, share: float) -> pa.Table:
    """The table with a share of its rows repeated, as a sender that tries again does."""
    return table.take(np.repeat(np.arange(len(table)), 1 + (rng.random(len(table)) < share)))
