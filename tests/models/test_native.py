"""A function on batches of rows, as an expression: what is unknown goes in and comes out as such."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from facette.models.native import from_batches
from facette.warehouse.connect import connect


def test_what_is_unknown_comes_out_as_null() -> None:
    con = connect()
    table = con.create_table("some", pa.table({"n": [1, 2, 3], "a": [1.0, None, 3.0], "b": [True, False, None]}))

    def total(matrix: np.ndarray) -> np.ndarray:
        return matrix.sum(axis=1)

    rows = table.select("n", both=from_batches("total_of_both", total, table, ("a", "b"))).order_by("n").to_pyarrow()
    assert rows["both"].to_pylist() == [2.0, None, None]
    known = rows.schema.field("both").type
    assert known == pa.float64()
