"""The events that time may still move into or out of a window, as columns in blocks, in the order of arrival."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from facette.live.columnar.columns import Array, Column, joined

BLOCK = 1 << 18
"""Events in a block: about as many as come on one day."""


class Picked:
    """Some of many events: the profile's row of each, and columns by name, cut when asked for.

    places : which of them; None for all
    """

    def __init__(self, rows: Array, columns: Mapping[str, Column] | Picked, places: Array | None = None) -> None:
        self._columns, self._places = columns, places
        self._cut: dict[str, Column] = {}
        self.rows = rows if places is None else rows[places]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, name: str) -> Column:
        if self._places is None:
            return self._columns[name]
        if name not in self._cut:
            self._cut[name] = self._columns[name][self._places]
        return self._cut[name]

    @property
    def columns(self) -> dict[str, Column]:
        """All of them, by name."""
        names = self._columns.columns if isinstance(self._columns, Picked) else self._columns
        return {name: self[name] for name in names}

    def where(self, condition: Array) -> Picked:
        """Those of them for which it is true."""
        if condition.all():
            return self
        places = np.flatnonzero(condition)
        return Picked(self.rows, self, places)


@dataclass
class Block:
    """Events that came one after another, in pieces until somebody asks for them.

    least, most : of ``day`` and of ``at``, over its events
    """

    pieces: list[tuple[Array, dict[str, Column]]] = field(default_factory=list)
    n: int = 0
    least: dict[str, int] = field(default_factory=dict)
    most: dict[str, int] = field(default_factory=dict)

    def add(self, rows: Array, columns: dict[str, Column]) -> None:
        self.pieces.append((rows, columns))
        self.n += len(rows)
        for axis in ("day", "at"):
            values = columns[axis].values
            least, most = int(values.min()), int(values.max())
            self.least[axis] = min(self.least.get(axis, least), least)
            self.most[axis] = max(self.most.get(axis, most), most)

    def whole(self) -> tuple[Array, dict[str, Column]]:
        if len(self.pieces) > 1:
            rows = np.concatenate([rows for rows, _ in self.pieces])
            names = self.pieces[0][1]
            self.pieces = [(rows, {name: joined([columns[name] for _, columns in self.pieces]) for name in names})]
        return self.pieces[0]


class Kept:
    """Events of one kind, with the columns that states are made from.

    names : those columns; ``day`` and ``at`` are always kept
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = sorted({*names, "day", "at"})
        self.blocks: list[Block] = []

    def __len__(self) -> int:
        return sum(block.n for block in self.blocks)

    def add(self, events: Picked) -> None:
        if not len(events):
            return
        if not self.blocks or self.blocks[-1].n >= BLOCK:
            if self.blocks:
                self.blocks[-1].whole()
            self.blocks.append(Block())
        self.blocks[-1].add(events.rows.astype(np.int32), {name: events[name] for name in self.names})

    def between(self, axis: str, intervals: Sequence[tuple[int, int]]) -> Iterator[tuple[Array, dict[str, Column]]]:
        """The events of the blocks that may have some in one of the intervals of ``day`` or ``at``."""
        for block in self.blocks:
            if any(block.least[axis] < end and block.most[axis] >= start for start, end in intervals):
                rows, columns = block.whole()
                yield rows.astype(np.intp), columns

    def events(self) -> Iterator[tuple[Array, dict[str, Column]]]:
        """All of them, a block at a time."""
        for block in self.blocks:
            rows, columns = block.whole()
            yield rows.astype(np.intp), columns

    def remove(self, gone: Array, canonical: Callable[[Array], Array]) -> None:
        """Remove all events of some profiles."""
        blocks, self.blocks = self.blocks, []
        for block in blocks:
            rows, columns = block.whole()
            stay = ~np.isin(canonical(rows), gone)
            if stay.all():
                self.blocks.append(block)
            elif stay.any():
                left = Block()
                left.add(rows[stay], {name: column[stay] for name, column in columns.items()})
                self.blocks.append(left)

    def forget(self, before: Mapping[str, int]) -> None:
        """Drop the blocks whose every event is before the day and before the instant from which events are needed."""
        self.blocks = [
            block for block in self.blocks if any(block.most[axis] >= start for axis, start in before.items())
        ]
