"""What a worker has done since it began, counted as it goes."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.live.columnar.columns import EPOCH
from facette.live.texts import are_instants

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)
"""Upper ends of the classes of durations."""

RECEIVED = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
"""Instants of receipt, as collectors write them; others are not counted."""


@dataclass
class Durations:
    """How many durations fell into each class.

    counts : per class the number; the last one is of those beyond all ends
    total  : their sum, in seconds
    """

    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    def add(self, seconds: float) -> None:
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.total += seconds

    def add_all(self, seconds: np.ndarray) -> None:
        places = np.searchsorted(SECONDS, seconds, side="left")
        more = np.bincount(places, minlength=len(self.counts))
        self.counts = [before + int(n) for before, n in zip(self.counts, more, strict=True)]
        self.total += float(seconds.sum())


@dataclass
class Figures:
    """What a worker has done since it began, and how far it is behind.

    waiting : records in the logs; None if only reading would tell
    behind  : seconds from the instant of the last step to the clock's, as long as more waits than a step takes
    seconds : spent in steps
    steps_took : how long steps took
    latency : from the receipt of a record to the end of the step that took it in
    sinks   : sink → changes that it lacks, when the worker ended
    """

    records: int = 0
    refused: int = 0
    changes: int = 0
    steps: int = 0
    waiting: int | None = None
    behind: float = 0.0
    seconds: float = 0.0
    steps_took: Durations = field(default_factory=Durations)
    latency: Durations = field(default_factory=Durations)
    sinks: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    def took(self, received_at: Sequence[str], seconds: float, now: datetime) -> None:
        """A step with records that were received at these instants ended now."""
        self.seconds += seconds
        self.steps_took.add(seconds)
        self.latency.add_all(ages(pa.array(received_at, pa.string()), now))


def ages(received_at: pa.Array, now: datetime) -> np.ndarray:
    """Seconds since each instant, of those that are instants; none is below 0."""
    at = _plain(received_at) if are_instants(received_at) else None
    return np.maximum((now - EPOCH).total_seconds() - (_any(received_at) if at is None else at) / 1e6, 0.0)


def _plain(texts: pa.Array) -> np.ndarray | None:
    """Microseconds of texts that look like instants; None if one of them is no day that there is."""
    try:
        found: np.ndarray = texts.cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return found


def _any(texts: pa.Array) -> np.ndarray:
    """Microseconds of those texts that are instants."""
    texts = texts.filter(pc.match_substring_regex(texts, RECEIVED.pattern))
    whole = pc.strptime(pc.utf8_slice_codeunits(texts, 0, 19), "%Y-%m-%dT%H:%M:%S", "us", error_is_null=True)
    micros = pc.cast(pc.utf8_slice_codeunits(texts, 20, 26), pa.int64())
    found: np.ndarray = pc.drop_null(pc.add(whole.cast(pa.int64()), micros)).to_numpy()
    return found
