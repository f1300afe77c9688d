"""Profiles as rows: their ids, who has become part of whom, and what is known of them besides their events."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pyarrow as pa

from facette.errors import RunError
from facette.live.columnar.columns import Array, Column, Texts, column_of, dtype_of, is_text
from facette.live.columnar.index import Index, extended


class People:
    """Each profile has a row, in the order in which they came.

    schema : profile_id, is_counted, and columns that are given
    names  : the columns that are wanted
    """

    def __init__(self, schema: pa.Schema, names: Collection[str]) -> None:
        missing = sorted({*names} - {*schema.names})
        if missing:
            raise RunError(
                f"the live engine is not given {', '.join(missing)}",
                remedy="Give traits, outputs of models and the aggregates that are not kept with the profiles.",
            )
        self._index = Index()
        self._into = np.empty(0, np.int32)
        self.is_counted = np.empty(0, np.bool_)
        self._columns: dict[str, tuple[Array, Array, Texts | None]] = {}
        for name in sorted(names):
            kind = schema.field(name).type
            texts = Texts() if is_text(kind) else None
            self._columns[name] = (np.empty(0, dtype_of(kind)), np.empty(0, np.bool_), texts)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def ids(self) -> Array:
        """The profile_id of each row."""
        return self._index.keys

    @property
    def room(self) -> int:
        """How many rows there is room for."""
        return len(self._into)

    def find(self, profile_id: int) -> int | None:
        """The row of a profile, of the one that it is part of today; None if it never came."""
        (row,) = self._index.find(np.array([profile_id], np.int64))
        return int(self._into[row]) if row >= 0 else None

    def rows(self, profile_ids: Array) -> Array:
        """The row of each profile, new ones where they have none; of the profile that it is part of today."""
        rows = self._index.add(profile_ids.astype(np.int64, copy=False))
        n = len(self._index)
        if len(self._into) < n:
            before = len(self._into)
            self._into = extended(self._into, n)
            self._into[before:] = np.arange(before, len(self._into))
            self.is_counted = extended(self.is_counted, len(self._into), False, spare=0)
            self._columns = {
                name: (
                    extended(values, len(self._into), 0, spare=0),
                    extended(known, len(self._into), False, spare=0),
                    texts,
                )
                for name, (values, known, texts) in self._columns.items()
            }
        return self.canonical(rows)

    def separate(self, profile_ids: Array) -> Array:
        """Each of these is a profile of its own from now on; returns their rows."""
        own = self._index.find(profile_ids.astype(np.int64, copy=False))
        self._into[own] = own
        return own

    def canonical(self, rows: Array) -> Array:
        """Of each row, that of the profile that it is part of today."""
        return self._into[rows].astype(np.intp)

    def put(self, profiles: pa.Table) -> Array:
        """Set the given columns of some profiles; returns their rows."""
        rows = self.rows(profiles["profile_id"].to_numpy())
        self.is_counted[rows] = column_of(profiles["is_counted"]).values
        for name, (values, known, texts) in self._columns.items():
            if name in profiles.column_names:
                column = column_of(profiles[name], texts)
                values[rows], known[rows] = column.values, column.is_known
        return rows

    def column(self, name: str) -> Column:
        """A given column of all rows."""
        values, known, texts = self._columns[name]
        return Column(values, known, texts)

    def merge(self, gone: Array, into: Array) -> None:
        """Some profiles become part of others."""
        moved = np.arange(len(self._into), dtype=np.int32)
        moved[gone] = into
        self._into = moved[self._into]
        self.is_counted[gone] = False
