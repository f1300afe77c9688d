"""What came live, as tables of the warehouse: rows wait in memory until somebody asks for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.live.linked import Groups

WAITING = "rows_waiting"


class LiveTables:
    """Tables that grow with every step."""

    def __init__(self, con: ibis.BaseBackend) -> None:
        self.con = con
        self._waiting: dict[str, list[pa.Table]] = {}
        self._tables: dict[str, ir.Table] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._tables or name in self._waiting

    def names(self, start: str) -> list[str]:
        """The tables whose names start so."""
        return sorted(name for name in {*self._tables, *self._waiting} if name.startswith(start))

    def append(self, name: str, rows: pa.Table) -> None:
        """Rows of the schema that the table has, or will have."""
        self._waiting.setdefault(name, []).append(rows)

    def replace(self, name: str, rows: pa.Table) -> None:
        """These rows and no others."""
        self._waiting.pop(name, None)
        self._tables[name] = self.con.create_table(f"live_{name}", rows, overwrite=True)

    def table(self, name: str) -> ir.Table:
        """All rows that came."""
        waiting = self._waiting.pop(name, None)
        if waiting is not None:
            rows = pa.concat_tables(waiting)
            if name not in self._tables:
                self._tables[name] = self.con.create_table(f"live_{name}", rows)
            else:
                self.con.con.register(WAITING, rows)
                self.con.raw_sql(f'insert into "live_{name}" by name select * from {WAITING}')
                self.con.con.unregister(WAITING)
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
        self._later.append(rows.select(self._rows.column_names).cast(self._rows.schema))

    def of(self, codes: np.ndarray[Any, Any]) -> pa.Table:
        """The records that have one of these identifiers."""
        found = np.unique(np.concatenate([groups.of(codes) for groups in self._groups]))
        n = len(self._rows)
        later = found[found >= n] - n
        parts = [self._rows.take(found[found < n])]
        if len(later):
            parts.append(pa.concat_tables(self._later).take(later))
        return pa.concat_tables(parts)
