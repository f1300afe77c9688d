"""The past, taken apart: what is learned from, what calibrates, what judges, and what is left out.

Time runs from left to right. Whatever overlaps the judged future is left out (purged), so that nothing of it leaks:

    fit ─── fit ─── calibrate ─── (purged: their windows end after the first test instant) ─── test ─── test
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions import models as definitions
from facette.errors import ModelError
from facette.models.matrix import Levels, levels_of, to_matrix
from facette.models.representation import drawn

TEST_SHARE = 0.2  # of the instants, the newest ones; at least one
FEWEST_TO_FIT = 100  # of each outcome
FEWEST_TO_JUDGE = 30  # of each outcome, on the test instants and on one that calibrates


@dataclass(frozen=True)
class Rows:
    """The training table as arrays: rows × features, microseconds, outcomes, and a number per person.

    levels : text → its values that are told apart, whose places are in ``raw``
    """

    raw: np.ndarray
    levels: Levels
    instants: np.ndarray
    target: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
class Split:
    """One boolean per row and part."""

    fit: np.ndarray
    calibrate: np.ndarray
    test: np.ndarray
    purged: np.ndarray
    calibrated_by: Literal["instant", "folds"]

    @property
    def learned(self) -> np.ndarray:
        """The rows from which weights are learned."""
        return self.fit | self.calibrate if self.calibrated_by == "folds" else self.fit


def rows_of(model: definitions.PropensityModel, training: pa.Table) -> Rows:
    """ModelError if an instant or an outcome is unknown."""
    for column in ("instant", "target"):
        if training[column].null_count:
            raise ModelError(f"“{model.name}” was given training rows without {column}.", remedy="Leave them out.")
    instants = pc.cast(pc.cast(training["instant"], pa.timestamp("us", "UTC")), pa.int64()).to_numpy()
    if "profile_id" in training.column_names:
        people = np.unique(training["profile_id"].to_numpy(), return_inverse=True)[1]
    else:
        people = np.arange(training.num_rows)
    target = pc.cast(training["target"], pa.bool_()).to_numpy().astype(bool)
    levels = levels_of(training, model.features)
    return Rows(to_matrix(training, model.features, levels), levels, instants, target, people)


def split(model: definitions.PropensityModel, rows: Rows) -> Split:
    """Newest fifth of the instants: test. Windows that end after its first: purged. Of the rest the newest calibrates
    if that leaves enough.

    Windows are whole local days, so the days between two instants are rounded: a change of clocks does not purge.
    Raises ModelError if the past is too short, or either outcome too rare.
    """
    known = np.unique(rows.instants)
    if not len(known):
        raise ModelError(f"“{model.name}” has no past to learn from.", remedy="Load a longer history of events.")
    first = known[-max(1, round(TEST_SHARE * len(known)))]
    test = rows.instants >= first
    days = np.rint((first - known) / 86_400e6)
    usable = known[days >= model.horizon_days]
    if not len(usable):
        raise ModelError(
            f"“{model.name}” has too short a past: no instant lies {model.horizon_days} days before the newest one.",
            remedy="Raise instants or step_days, lower horizon_days, or load a longer history.",
        )
    before = np.isin(rows.instants, usable)
    _need(model, rows.target[before], FEWEST_TO_FIT, "to learn from")
    _need(model, rows.target[test], FEWEST_TO_JUDGE, "to judge by, at the newest instant")
    newest = rows.instants == usable[-1]
    older = before & ~newest
    enough = _has(rows.target[older], FEWEST_TO_FIT) and _has(rows.target[newest], FEWEST_TO_JUDGE)
    return Split(
        fit=older, calibrate=newest, test=test, purged=~before & ~test, calibrated_by="instant" if enough else "folds"
    )


def instants_of(microseconds: np.ndarray) -> tuple[datetime, ...]:
    """The different instants, ascending."""
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    return tuple(epoch + timedelta(microseconds=int(value)) for value in np.unique(microseconds))


def _has(target: np.ndarray, fewest: int) -> bool:
    return min(int(target.sum()), int((~target).sum())) >= fewest


def reweighted(rows: Rows, parts: Split, weights: np.ndarray, seed: int) -> tuple[Rows, Split]:
    """As many rows to learn from and to calibrate by, drawn by their weights; those of the test stay as they are."""
    random = np.random.default_rng(seed)
    learned = [
        drawn(np.flatnonzero(part), weights[part], random) for part in (parts.fit, parts.calibrate) if part.any()
    ]
    places = np.concatenate([*learned, np.flatnonzero(parts.test | parts.purged)])
    chosen = {name: getattr(rows, name)[places] for name in ("raw", "instants", "target", "people")}
    masks = {name: getattr(parts, name)[places] for name in ("fit", "calibrate", "test", "purged")}
    return replace(rows, **chosen), replace(parts, **masks)


def _need(model: definitions.PropensityModel, target: np.ndarray, fewest: int, what_for: str) -> None:
    if _has(target, fewest):
        return
    positives = int(target.sum())
    raise ModelError(
        f"“{model.name}” has {positives} rows that did {model.target} and {len(target) - positives} that did not "
        f"{what_for}; it takes {fewest} of each.",
        remedy="Lengthen horizon_days, loosen the condition on the event, raise instants, or wait for more events.",
    )
