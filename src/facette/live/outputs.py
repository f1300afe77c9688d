"""What models say of profiles whose features are in memory, by the query of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions.models import outputs
from facette.definitions.project import Definitions
from facette.models.kinds import with_outputs

ROWS = "model_rows"


class Outputs:
    """The columns that models give to rules.

    names : these columns
    reads : the traits, features and aggregates that come of no model and that the models read
    """

    def __init__(
        self, definitions: Definitions, columns: Collection[str], fitted: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """columns : what rules read; fitted : model → its row of the table ``models``"""
        self._models, self._fitted = definitions.models_behind(columns), fitted
        made = {name for item in self._models for name in outputs(item)}
        self.names = tuple(sorted(made.intersection(columns)))
        self.reads = tuple(sorted({name for item in self._models for name in definitions.inputs[item.name]} - made))
        self._query: ir.Table | None = None
        self._translated: tuple[str, pa.Schema] | None = None

    def of(self, rows: pa.Table, con: ibis.BaseBackend) -> pa.Table:
        """profile_id, is_counted and the columns, of rows that have these two and what the models read."""
        con.con.register(ROWS, rows)
        try:
            if self._translated is not None:  # the rows of every later question have the same columns
                sql, schema = self._translated
                return con.con.execute(sql).to_arrow_table().cast(schema)
            table = con.table(ROWS)
            for item in self._models:
                table = with_outputs(item, self._fitted.get(item.name), table)
            self._query = table.select("profile_id", "is_counted", *self.names)  # kept, as what it names goes with it
            found = con.to_pyarrow(self._query)
            self._translated = str(con.compile(self._query)), found.schema
            return found
        finally:
            con.con.unregister(ROWS)
