"""All events of one kind, found by profile."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from facette.live.columnar.columns import Array, Column, joined
from facette.live.columnar.kept import Picked
from facette.live.columnar.states import different, ranges

RUNS = 4
"""So many runs of about one size become one: each event is put in order once for each size."""


class Run:
    """Some events in the order of their profiles.

    rows    : the profile's row of each
    is_gone : which were moved or removed; None if none was
    """

    def __init__(self, rows: Array, columns: Mapping[str, Column]) -> None:
        order = np.argsort(rows, kind="stable")
        self.rows = rows[order]
        self.columns = {name: column[order] for name, column in columns.items()}
        self.is_gone: Array | None = None

    def __len__(self) -> int:
        return len(self.rows)

    def of(self, rows: Array) -> Array:
        """Where the events of some profiles are, all different."""
        firsts, afters = (np.searchsorted(self.rows, rows, side) for side in ("left", "right"))
        places = ranges(firsts, afters)
        return places if self.is_gone is None else places[~self.is_gone[places]]

    def remove(self, places: Array) -> None:
        if len(places):
            self.is_gone = np.zeros(len(self), np.bool_) if self.is_gone is None else self.is_gone
            self.is_gone[places] = True

    def there(self, condition: Array | None = None) -> Array:
        """The profiles' rows of the events that are there, or of those among them of which something is true."""
        if self.is_gone is not None:
            condition = ~self.is_gone if condition is None else condition & ~self.is_gone
        return self.rows if condition is None else self.rows[condition]


class Held:
    """Events in runs.

    names : the columns that are held
    """

    def __init__(self, names: Collection[str]) -> None:
        self.names = sorted(names)
        self._runs: list[Run] = []

    def add(self, rows: Array, columns: Mapping[str, Column]) -> None:
        """Take in events: the profile's row of each, and at least the columns that are held."""
        if not len(rows):
            return
        self._runs.append(Run(rows.astype(np.int32), {name: columns[name] for name in self.names}))
        while len(last := self._runs[-RUNS:]) == RUNS and RUNS * len(last[-1]) > max(map(len, last)):
            self._runs[-RUNS:] = [Run(*self._together([(run, run.of(different(run.rows))) for run in last]))]

    def of(self, rows: Array) -> Picked | None:
        """The events of some profiles, all different; None if there are none."""
        rows = different(rows).astype(np.int32)
        found = [(run, places) for run in self._runs if len(places := run.of(rows))]
        if not found:
            return None
        owners, columns = self._together(found)
        return Picked(owners.astype(np.intp), columns)

    def owners(self) -> Array:
        """The rows of profiles that have events."""
        return _different(run.there() for run in self._runs)

    def owners_between(self, axis: str, start: int, end: int) -> Array:
        """The rows of profiles that have events in an interval of ``day`` or ``at``."""
        values = ((run, run.columns[axis].values) for run in self._runs)
        return _different(run.there((each >= start) & (each < end)) for run, each in values)

    def remove(self, rows: Array) -> None:
        """Forget the events of some profiles, all different."""
        rows = different(rows).astype(np.int32)
        for run in self._runs:
            run.remove(run.of(rows))

    def move(self, gone: Array, into: Array) -> None:
        """Give the events of some profiles, all different, to others."""
        events = self.of(gone)
        if events is not None:
            self.remove(gone)
            order = np.argsort(gone)
            owners = into[order][np.searchsorted(gone[order], events.rows)]
            self.add(owners, {name: events[name] for name in self.names})

    def _together(self, found: Sequence[tuple[Run, Array]]) -> tuple[Array, dict[str, Column]]:
        """Some events of several runs: the profile's row of each, and columns."""
        columns = {name: joined([run.columns[name][places] for run, places in found]) for name in self.names}
        return np.concatenate([run.rows[places] for run, places in found]), columns


def _different(found: Iterator[Array]) -> Array:
    return different(np.concatenate([*found, np.empty(0, np.int32)])).astype(np.intp)
