"""Whom models are about to learn from: gaps in their features, and how groups stand beside a reference population."""

from __future__ import annotations

from collections.abc import Sequence

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions.preparing import Learning
from facette.errors import ModelError
from facette.models.representation import MISSINGNESS, REPRESENTATION, missingness, representation
from facette.stages.work import Work

MANY_UNKNOWN = 0.5
"""From this share of unknown values on, a run says so."""


def gaps(due: Sequence[Learning], table: ir.Table, work: Work) -> None:
    """Look at everybody before any model is fitted → ``missingness``, ``representation``.

    due : the models that are about to be fitted; what was found for the others stays
    """
    missing, shares = [], []
    for item in due:
        rows = table.select(*dict.fromkeys((*item.features, *item.group_columns))).to_pyarrow()
        missing.append(missingness(item, rows))
        work.warnings += _large(item, missing[-1])
        try:
            shares.append(representation(item, rows)[0])
        except ModelError as error:
            work.warnings.append(str(error))
    _put("missingness", MISSINGNESS, missing, due, work)
    _put("representation", REPRESENTATION, shares, due, work)


def _large(item: Learning, missing: pa.Table) -> list[str]:
    return [
        f"“{item.name}”: {row['feature']} is unknown of {row['unknown_share']:.0%} of the profiles."
        for row in missing.to_pylist()
        if row["group"] is None and row["unknown_share"] >= MANY_UNKNOWN
    ]


def _put(name: str, schema: pa.Schema, found: list[pa.Table], due: Sequence[Learning], work: Work) -> None:
    """Write what was found, and what stays of the models that are not looked at."""
    others = {item.name for item in work.project.models} - {item.name for item in due}
    before = work.optional(name)
    if before is not None and others:
        kept = before.to_pyarrow().cast(schema)
        found = [kept.filter(pc.is_in(kept["model"], pa.array([*others]))), *found]
    work.replace(name, pa.concat_tables([schema.empty_table(), *found]))
