"""Could an A/B test be read among the members of a segment, and after how many days?

How many people two groups need, so that a change as large as the one asked for is found with the power asked for:

of means   n₁ = (z₁₋α/₂ + z_power)² σ² (1 + 1/r) / Δ²                     (Cohen 1988, section 2.4; n₂ = r n₁)
of shares  n₁ = (z₁₋α/₂ √(p̄ q̄ (1 + 1/r)) + z_power √(p₁q₁ + p₂q₂ / r))² / (p₂ − p₁)²,  p̄ = (p₁ + r p₂) / (1 + r)
           (Fleiss, Levin, Paik 2003, eq. 4.18, without the correction for continuity)

Everybody who is a member today can be taken in at once; then as many a day as entered for the first time, on average,
since the history of the segment began. Whoever is taken in is observed for ``days``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import Literal

from scipy.special import ndtri

from facette.definitions.validation import Experiment

Reading = Literal["days", "never", "unknown"]


@dataclass(frozen=True)
class Readable:
    """Whether the test can be read.

    state   : days (after so many), never, or unknown (nothing tells how many enter)
    why     : of never: constant (the measure does not vary or is 0), large (the change leaves 0–1), nobody (too few are
              there and nobody enters), long (it would take longer than ``within_days``); of unknown: young (no history)
    needed  : people in both groups together; None if that cannot be said
    per_day : who enters for the first time, on average; None without history
    days    : from the start until the last has been observed; None if never or unknown
    """

    state: Reading
    why: str = ""
    needed: int | None = None
    per_day: float | None = None
    days: int | None = None


def needed_for_means(mean: float, variance: float, experiment: Experiment) -> float:
    """People in both groups together, to find that a mean has changed by the least effect."""
    change = abs(mean) * experiment.minimum_effect
    if not change or not variance > 0:
        return inf
    ratio = _ratio(experiment)
    old = _reach(experiment) ** 2 * variance * (1 + 1 / ratio) / change**2
    return _both(old, ratio)


def needed_for_shares(share: float, experiment: Experiment) -> float:
    """The same of a share; infinite if it is 0 or 1, or would leave 0–1."""
    after = share * (1 + experiment.minimum_effect)
    if not 0 < share < 1 or after >= 1:
        return inf
    ratio = _ratio(experiment)
    middle = (share + ratio * after) / (1 + ratio)
    by_chance = sqrt(middle * (1 - middle) * (1 + 1 / ratio))
    by_change = sqrt(share * (1 - share) + after * (1 - after) / ratio)
    significance, power = float(ndtri(1 - experiment.significance / 2)), float(ndtri(experiment.power))
    old = (significance * by_chance + power * by_change) ** 2 / (after - share) ** 2
    return _both(old, ratio)


def is_too_large(share: float, experiment: Experiment) -> bool:
    """Whether the least effect would lead a share that varies beyond 1."""
    return 0 < share < 1 <= share * (1 + experiment.minimum_effect)


def readable(
    needed: float, members: int, per_day: float | None, experiment: Experiment, *, why_never: str = "constant"
) -> Readable:
    """In how many days so many people are there and observed.

    members   : who is in the segment today;  per_day: who enters for the first time (None: nothing tells)
    why_never : what it is if infinitely many are needed
    """
    if needed == inf:
        return Readable("never", why_never, None, per_day)
    people = ceil(needed)
    if members >= people:
        return _within(people, per_day, experiment.days, experiment)
    if per_day is None:
        return Readable("unknown", "young", people)
    if per_day <= 0:
        return Readable("never", "nobody", people, per_day)
    return _within(people, per_day, ceil((people - members) / per_day) + experiment.days, experiment)


def _within(people: int, per_day: float | None, days: int, experiment: Experiment) -> Readable:
    if days > experiment.within_days:
        return Readable("never", "long", people, per_day)
    return Readable("days", "", people, per_day, days)


def _ratio(experiment: Experiment) -> float:
    """Size of the group with the new treatment, where the other one is 1."""
    return experiment.split / (1 - experiment.split)


def _reach(experiment: Experiment) -> float:
    return float(ndtri(1 - experiment.significance / 2) + ndtri(experiment.power))


def _both(old: float, ratio: float) -> float:
    return ceil(old) + ceil(old * ratio)
