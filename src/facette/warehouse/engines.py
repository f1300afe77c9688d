"""What engines express differently: chosen here by the engine that a value lives on, with the same answers on each.

Everything else of Facette is one expression for all engines. A table in memory belongs to DuckDB.
"""

from __future__ import annotations

from collections.abc import Sequence

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.operations as ops
import ibis.expr.types as ir

from facette.errors import RunError

POSTGRES = "postgres"
SPARK = "pyspark"
REFUSED = {POSTGRES: ("mode", "opening")}
"""Engine → the functions that it cannot compute: PostgreSQL has no lists of rows, which MODE and OPENING need."""


def engine_of(value: ir.Value) -> str:
    """The engine that a column lives on: ``duckdb``, ``postgres``, ``pyspark`` …"""
    (relation,) = value.op().relations
    for table in relation.find((ops.DatabaseTable, ops.SQLQueryResult), filter=ops.Relation):
        return str(table.source.name)
    return "duckdb"


def expressible(function: str, column: ir.Column) -> ir.Column:
    """The column, where its engine can compute the function; RunError where it cannot."""
    engine = engine_of(column)
    if function in REFUSED.get(engine, ()):
        raise RunError(
            f"{function.upper()} cannot be computed on {engine}.",
            remedy="Use another function, LAST for instance, or compute these features on DuckDB.",
        )
    return column


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@ibis.udf.scalar.builtin(name="convert_to", signature=((dt.string, dt.string), dt.binary))
def _encoded(text, encoding):  # type: ignore[no-untyped-def]
    """Text as bytes (PostgreSQL)."""


def ordered(text: ir.StringColumn) -> ir.Column:
    """Text as something that is ordered by code points.

    PostgreSQL orders text as people of some country do; bytes of UTF-8 are in the order of the code points.
    """
    return _encoded(text, "UTF8") if engine_of(text) == POSTGRES else text


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def to_decimal(column: ir.NumericColumn, precision: int, scale: int) -> ir.DecimalColumn:
    """A number in fixed point, null where it has more digits before the point than there are places.

    Only DuckDB tries a cast. PostgreSQL would keep 15 digits of a floating-point number; by way of text it keeps all.
    """
    kind = dt.Decimal(precision, scale)
    engine = engine_of(column)
    if engine == "duckdb":
        return column.try_cast(kind)
    fitting = ibis.ifelse(column.abs() < 10 ** (precision - scale), column, ibis.null(column.type()))
    return (fitting.cast("string") if engine == POSTGRES else fitting).cast(kind)


def total_of(column: ir.DecimalColumn, scale: int) -> ir.DecimalScalar:
    """The sum of fixed-point numbers, 38 digits wide.

    Spark makes it ten digits wider than the column only, which Ibis does not see; widened first, the others are slower.
    """
    widest = dt.Decimal(38, scale)
    return column.cast(widest).sum() if engine_of(column) == SPARK else column.sum().cast(widest)


def bit(place: ir.IntegerColumn) -> ir.IntegerColumn:
    """A number of 64 bits in which that bit is set (0 is the last).

    PostgreSQL and Spark read a plain 1 as a number of 32 bits, and shift by a number of 32 bits only.
    """
    if engine_of(place) in (POSTGRES, SPARK):
        return ibis.literal("1").cast("int64") << place.cast("int32")
    return ibis.literal(1, "int64") << place


@ibis.udf.agg.builtin(name="bit_or", signature=((dt.int64,), dt.int64))
def _bit_or(bits):  # type: ignore[no-untyped-def]
    """The bits that are set in any of the numbers (Spark, where Ibis knows none)."""


def any_bit(bits: ir.IntegerColumn) -> ir.IntegerScalar:
    """The bits that are set in any of the numbers; null where there is none."""
    return _bit_or(bits) if engine_of(bits) == SPARK else bits.bit_or()


@ibis.udf.scalar.builtin(name="bit_count", signature=((dt.int64,), dt.int8))
def _bit_count(number):  # type: ignore[no-untyped-def]
    """How many bits of a number are set."""


@ibis.udf.scalar.builtin(name="bit_count", signature=((dt.binary,), dt.int64))
def _bit_count_of_bytes(data):  # type: ignore[no-untyped-def]
    """How many bits of bytes are set (PostgreSQL, which counts in nothing else)."""


@ibis.udf.scalar.builtin(name="int8send", signature=((dt.int64,), dt.binary))
def _as_bytes(number):  # type: ignore[no-untyped-def]
    """A number of 64 bits as its eight bytes (PostgreSQL)."""


def n_bits(number: ir.IntegerColumn) -> ir.IntegerColumn:
    """How many bits of a number of 64 bits are set."""
    if engine_of(number) == POSTGRES:
        return _bit_count_of_bytes(_as_bytes(number))
    return _bit_count(number).cast("int64")


# ── sets ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _as_json(column: ir.Column) -> ir.JSONColumn:
    """Any value as JSON (PostgreSQL)."""

    @ibis.udf.scalar.builtin(name="to_jsonb", signature=((column.type(),), dt.JSON(binary=True)))
    def as_json(value):  # type: ignore[no-untyped-def]
        """The value as JSON."""

    return as_json(column)


@ibis.udf.agg.builtin(name="jsonb_agg", signature=((dt.Array(dt.JSON(binary=True)),), dt.JSON(binary=True)))
def _lists(sets):  # type: ignore[no-untyped-def]
    """A list of lists (PostgreSQL)."""


@ibis.udf.scalar.builtin(
    name="jsonb_path_query_array", signature=((dt.JSON(binary=True), dt.string), dt.JSON(binary=True))
)
def _found(lists, path):  # type: ignore[no-untyped-def]
    """What a path finds in JSON, as one list (PostgreSQL)."""


def set_of(column: ir.Column) -> ir.ArrayScalar:
    """The different values of a column; nothing, or null, where there is none."""
    if engine_of(column) == POSTGRES:
        return _as_json(column).collect(distinct=True)
    return column.collect(distinct=True)


def set_among(column: ir.StringColumn, texts: Sequence[str]) -> ir.ArrayScalar:
    """Likewise of a column that has only these values, at most 63: as bits, far cheaper than a set (DuckDB)."""
    found = column.cases(*((text, 1 << place) for place, text in enumerate(texts)), else_=ibis.null("int64"))
    bits = found.cast("int64").bit_or()
    chosen = ibis.array(list(texts)).filter(lambda _, place: (bits >> place) & 1 == 1)
    return ibis.ifelse(bits.notnull(), chosen, ibis.null(chosen.type()))


def union_of(sets: ir.ArrayColumn) -> ir.ArrayScalar:
    """The different values in any of the sets that :func:`set_of` made.

    PostgreSQL joins lists of different lengths into one list as JSON only.
    """
    if engine_of(sets) == POSTGRES:
        return _found(_lists(sets), "$[*][*] ? (@ != null)").array.unique()
    return sets.collect().flatten().unique()
