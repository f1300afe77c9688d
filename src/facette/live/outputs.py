"""What models say of profiles whose features are in memory, by the query of a run."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa

from facette.definitions.models import outputs
from facette.definitions.project import Definitions
from facette.live.columnar.columns import arrow_of, column_of
from facette.live.columnar.formula import Formula, UnlikeError
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
        self._formulas: dict[str, Formula] = {}
        self._translated: tuple[str, pa.Schema] | None = None

    def of(self, rows: pa.Table, con: ibis.BaseBackend) -> pa.Table:
        """profile_id, is_counted and the columns, of rows that have these two and what the models read."""
        if self._query is None:  # the rows of every later question have the same columns
            self._query = self._asked(ibis.table(ibis.Schema.from_pyarrow(rows.schema), name=ROWS))
            with suppress(UnlikeError):
                self._formulas = {name: Formula(self._query, name, con) for name in self.names}
        found = self._computed(self._query, rows) if self._formulas else None
        return self._queried(rows, con) if found is None else found

    def _asked(self, rows: ir.Table) -> ir.Table:
        table = rows
        for item in self._models:
            table = with_outputs(item, self._fitted.get(item.name), table)
        return table.select("profile_id", "is_counted", *self.names)

    def _computed(self, query: ir.Table, rows: pa.Table) -> pa.Table | None:
        """None where some number is infinite, or none."""
        names = {name for formula in self._formulas.values() for name in formula.reads}
        columns = {name: column_of(rows[name]) for name in names}
        if not all(np.isfinite(each.values).all() for each in columns.values()):
            return None
        schema = query.schema().to_pyarrow()
        found = {name: rows[name] for name in ("profile_id", "is_counted")}
        for name, formula in self._formulas.items():
            found[name] = arrow_of(formula.run(columns), schema.field(name).type, len(rows))
        return pa.table(found).cast(schema)

    def _queried(self, rows: pa.Table, con: ibis.BaseBackend) -> pa.Table:
        con.con.register(ROWS, rows)
        try:
            if self._translated is None:
                bound = self._asked(con.table(ROWS))
                found = con.to_pyarrow(bound)  # which makes the functions known that it names
                self._query, self._translated = bound, (str(con.compile(bound)), found.schema)
                return found
            sql, schema = self._translated
            return con.con.execute(sql).to_arrow_table().cast(schema)
        finally:
            con.con.unregister(ROWS)
