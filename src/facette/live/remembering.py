"""Queries that are asked again and again are translated to SQL once."""

from __future__ import annotations

from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
from ibis.backends.sql.compilers.duckdb import DuckDBCompiler

MOST = 500
"""So many queries are remembered; those that have not been asked for longest are forgotten first."""


class Remembering(DuckDBCompiler):
    """Translates as DuckDB's compiler does, and remembers what came of it by the query itself.

    Two thirds of the time of a small query are its translation. One with data of its own in it is not remembered.
    """

    def __init__(self) -> None:
        super().__init__()
        self._known: dict[tuple[ops.Node, Any], Any] = {}

    def to_sqlglot(self, expr: ir.Expr, *, limit: Any = None, params: Any = None) -> Any:
        key = (expr.op(), limit)
        if params or key[0].find(ops.InMemoryTable):
            return super().to_sqlglot(expr, limit=limit, params=params)
        found = self._known.pop(key, None)
        if found is None:
            found = super().to_sqlglot(expr, limit=limit)
            if len(self._known) >= MOST:
                del self._known[next(iter(self._known))]
        self._known[key] = found
        return found.copy()


def remember(con: ibis.BaseBackend) -> ibis.BaseBackend:
    """The connection, which from now on remembers."""
    con.compiler = Remembering()
    return con
