"""What came live, as tables in memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.live.linked import Groups
from facette.live.ordered import Growing, put


class LiveTables:
    """Tables that grow with every step."""

    def __init__(self, con: ibis.BaseBackend) -> None:
        self.con = con
        self._rows: dict[str, Growing] = {}
        self._tables: dict[str, ir.Table] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._rows

    def __getitem__(self, name: str) -> Growing:
        return self._rows[name]

    def names(self, start: str) -> list[str]:
        """The tables whose names start so."""
        return sorted(name for name in self._rows if name.startswith(start))

    def append(self, name: str, rows: pa.Table) -> None:
        """Rows of the schema that the table has, or will have."""
        self._rows.setdefault(name, Growing()).append(rows)
        self._tables.pop(name, None)

    def replace(self, name: str, rows: pa.Table) -> None:
        """These rows and no others."""
        del self._rows[name]
        self.append(name, rows)

    def table(self, name: str) -> ir.Table:
        """All rows that came, for the warehouse."""
        if name not in self._tables:
            self.con.con.register(f"live_{name}", self._rows[name].all())
            self._tables[name] = self.con.table(f"live_{name}")
        return self._tables[name]


class Records:
    """The records of one source of people, found by their identifiers.

    codes : per kind, the code of each row's identifier; negative for none
    """

    def __init__(self, rows: pa.Table, codes: Sequence[np.ndarray[Any, Any]]) -> None:
        self._rows = rows.combine_chunks()
        self._later: list[pa.Table] = []
        self._groups = [Groups(each) for each in codes]
        self._n = len(rows)

    @property
    def schema(self) -> pa.Schema:
        return self._rows.schema

    def append(self, rows: pa.Table, codes: Sequence[np.ndarray[Any, Any]]) -> None:
        for groups, each in zip(self._groups, codes, strict=True):
            groups.add(each, self._n)
        self._n += len(rows)
        put(self._later, rows.select(self._rows.column_names).cast(self._rows.schema))

    def of(self, codes: np.ndarray[Any, Any]) -> pa.Table:
        """The records that have one of these identifiers."""
        found = np.unique(np.concatenate([groups.of(codes) for groups in self._groups]))
        n = len(self._rows)
        later = found[found >= n] - n
        parts = [self._rows.take(found[found < n])]
        if len(later):
            parts.append(pa.concat_tables(self._later).take(later))
        return pa.concat_tables(parts)
