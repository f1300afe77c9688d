"""A query's column in NumPy, where each of its operations is one that the warehouse and NumPy compute alike.

What models say is an expression, which a run asks of the warehouse. Of the few rows that a step is about, planning that
query takes many times as long as computing it. So what consists of nothing but sums, products, comparisons and choices
is computed here: each by the one rule of IEEE 754, in the order in which the query has them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import numpy as np

from facette.live.columnar.columns import Array, Column
from facette.live.columnar.printer import both_known

Make = Callable[..., Column]

ARITHMETIC: dict[type[ops.Node], Callable[..., Array]] = {
    ops.Add: np.add,
    ops.Subtract: np.subtract,
    ops.Multiply: np.multiply,
    ops.Divide: np.divide,
}
COMPARISONS: dict[type[ops.Node], Callable[..., Array]] = {
    ops.Less: np.less,
    ops.LessEqual: np.less_equal,
    ops.Greater: np.greater,
    ops.GreaterEqual: np.greater_equal,
    ops.Equals: np.equal,
    ops.NotEquals: np.not_equal,
}
EXTREMES: dict[type[ops.Node], Callable[..., Array]] = {ops.Least: np.minimum, ops.Greatest: np.maximum}


class UnlikeError(Exception):
    """The warehouse may compute it otherwise."""


class Formula:
    """One column of a query over one table.

    reads : the columns of the table that it needs
    """

    def __init__(self, query: ir.Table, name: str, con: ibis.BaseBackend) -> None:
        """``con`` says what it takes literals for. UnlikeError where NumPy could answer otherwise."""
        self._con = con
        self._steps: list[tuple[Make, tuple[int, ...]]] = []
        self._slots: dict[ops.Node, int] = {}
        self._kinds: list[str] = []
        self.reads: dict[str, int] = {}
        self._last = self._slot(query.op().values[name])
        if self._kinds[self._last] == "literal":
            raise UnlikeError

    def run(self, columns: Mapping[str, Column]) -> Column:
        """Its value of some rows; no number that is known may be infinite or none."""
        made: list[Any] = [None] * len(self._steps)
        for name, slot in self.reads.items():
            made[slot] = columns[name]
        with np.errstate(all="ignore"):  # what is unknown may have anything in its place
            for slot, (make, inputs) in enumerate(self._steps):
                if made[slot] is None:
                    made[slot] = make(*[made[place] for place in inputs])
        found: Column = made[self._last]
        return found

    def _slot(self, node: ops.Node) -> int:
        if node not in self._slots:
            kind, make, inputs = self._step(node)
            self._steps.append((make, inputs))
            self._kinds.append(kind)
            self._slots[node] = len(self._steps) - 1
        return self._slots[node]

    def _step(self, node: ops.Node) -> tuple[str, Make, tuple[int, ...]]:
        """What is made (``float``, ``int``, ``bool`` or ``literal``), how, and of what."""
        match node:
            case ops.Field():
                return self._field(node)
            case ops.Literal():
                return self._literal(node)
            case ops.Cast() | ops.Negate() | ops.Abs() | ops.Add() | ops.Subtract() | ops.Multiply() | ops.Divide():
                return self._number(node)
            case ops.Least() | ops.Greatest() | ops.Coalesce() | ops.IfElse() | ops.SearchedCase():
                return self._choice(node)
        return self._condition(node)

    def _number(self, node: Any) -> tuple[str, Make, tuple[int, ...]]:
        if type(node) in ARITHMETIC:
            inputs = self._of(node.left, node.right)
            self._must_be_floats(inputs)
            if isinstance(node, ops.Divide) and not (isinstance(node.right, ops.Literal) and node.right.value):
                raise UnlikeError  # what comes of dividing by zero is told by settings
            return "float", functools.partial(_both, ARITHMETIC[type(node)]), inputs
        inputs = self._of(node.arg)
        if not isinstance(node, ops.Cast):
            self._must(inputs, {"float"})
            return "float", functools.partial(_each, np.abs if isinstance(node, ops.Abs) else np.negative), inputs
        self._must(inputs, {"float", "int"})
        if not node.to.is_float64():
            raise UnlikeError
        return "float", _cast, inputs

    def _choice(self, node: Any) -> tuple[str, Make, tuple[int, ...]]:
        if isinstance(node, ops.IfElse):
            return self._cases((node.bool_expr,), (node.true_expr,), node.false_null_expr)
        if isinstance(node, ops.SearchedCase):
            return self._cases(node.cases, node.results, node.default)
        inputs = self._of(*node.arg)
        if isinstance(node, ops.Coalesce):
            return self._chosen(inputs), _first_known, inputs
        self._must_be_floats(inputs)
        return "float", functools.partial(_extreme, EXTREMES[type(node)]), inputs

    def _condition(self, node: ops.Node) -> tuple[str, Make, tuple[int, ...]]:
        match node:
            case ops.Comparison() if type(node) in COMPARISONS:
                inputs = self._of(node.left, node.right)
                if {self._kinds[each] for each in inputs} != {"int"}:
                    self._must_be_floats(inputs)
                return "bool", functools.partial(_both, COMPARISONS[type(node)]), inputs
            case ops.And() | ops.Or():
                inputs = self._of(node.left, node.right)
                self._must(inputs, {"bool"})
                return "bool", _and if isinstance(node, ops.And) else _or, inputs
            case ops.Not():
                inputs = self._of(node.arg)
                self._must(inputs, {"bool"})
                return "bool", functools.partial(_each, np.logical_not), inputs
            case ops.IsNull() | ops.NotNull():
                is_known = isinstance(node, ops.NotNull)
                return "bool", lambda column: Column(np.asarray(column.is_known == is_known)), self._of(node.arg)
        raise UnlikeError

    def _field(self, node: ops.Field) -> tuple[str, Make, tuple[int, ...]]:
        if isinstance(node.rel, ops.Project):
            inputs = self._of(node.rel.values[node.name])
            return self._kinds[inputs[0]], lambda column: column, inputs
        if not isinstance(node.rel, ops.UnboundTable):
            raise UnlikeError
        self.reads[node.name] = len(self._steps)
        if node.dtype.is_float64():
            return "float", _read, ()
        if node.dtype.is_integer() or node.dtype.is_boolean():
            return "int" if node.dtype.is_integer() else "bool", _read, ()
        raise UnlikeError

    def _literal(self, node: ops.Literal) -> tuple[str, Make, tuple[int, ...]]:
        if node.value is None or not (node.dtype.is_numeric() or node.dtype.is_boolean()):
            raise UnlikeError
        if node.dtype.is_boolean():
            value = Column(np.bool_(node.value))
            return "bool", lambda: value, ()
        written = self._con.compile(node.to_expr().name("x"))  # with a point it is a decimal number for the warehouse
        (number,) = self._con.con.execute(f"select x::double from ({written})").fetchone()
        value = Column(np.float64(number))
        return "literal", lambda: value, ()

    def _cases(
        self, conditions: tuple[ops.Node, ...], results: tuple[ops.Node, ...], default: ops.Node
    ) -> tuple[str, Make, tuple[int, ...]]:
        asked, given = self._of(*conditions), self._of(*results, default)
        self._must(asked, {"bool"})
        kind = self._chosen(given)
        return kind, functools.partial(_case, len(asked)), (*asked, *given)

    def _chosen(self, inputs: tuple[int, ...]) -> str:
        """The kind of what is one of several."""
        kinds = {self._kinds[each] for each in inputs}
        if kinds == {"literal"}:  # whole ones, or they would be decimal numbers
            nodes = {slot: node for node, slot in self._slots.items()}
            if all(nodes[each].dtype.is_integer() for each in inputs):
                return "int"
            raise UnlikeError
        if len(kinds - {"literal"}) != 1 or ("literal" in kinds and "float" not in kinds):
            raise UnlikeError
        return (kinds - {"literal"}).pop()

    def _of(self, *nodes: ops.Node) -> tuple[int, ...]:
        return tuple(map(self._slot, nodes))

    def _must(self, inputs: tuple[int, ...], kinds: set[str]) -> None:
        if not {self._kinds[each] for each in inputs} <= kinds:
            raise UnlikeError

    def _must_be_floats(self, inputs: tuple[int, ...]) -> None:
        """One of them at least is no literal: of two the warehouse makes a decimal number."""
        self._must(inputs, {"float", "literal"})
        if "float" not in {self._kinds[each] for each in inputs}:
            raise UnlikeError


def _read() -> Column:
    raise AssertionError("a column is read, not made")


def _cast(column: Column) -> Column:
    return Column(np.asarray(column.values, np.float64), column.known)


def _each(make: Callable[..., Array], column: Column) -> Column:
    return Column(make(column.values), column.known)


def _both(join: Callable[..., Array], left: Column, right: Column) -> Column:
    return Column(join(left.values, right.values), both_known(left, right))


def _extreme(better: Callable[..., Array], *columns: Column) -> Column:
    """Of those that are known."""
    return functools.reduce(
        lambda left, right: Column(
            np.where(
                left.is_known & right.is_known,
                better(left.values, right.values),
                np.where(left.is_known, left.values, right.values),
            ),
            None if left.known is None or right.known is None else left.known | right.known,
        ),
        columns,
    )


def _first_known(*columns: Column) -> Column:
    return functools.reduce(lambda left, right: _where(left.is_known, left, right), columns)


def _and(left: Column, right: Column) -> Column:
    """False if either is, whatever the other."""
    values = left.values & right.values
    if left.known is None and right.known is None:
        return Column(values)
    is_true = values & left.is_known & right.is_known
    return Column(is_true, is_true | (left.is_known & ~left.values) | (right.is_known & ~right.values))


def _or(left: Column, right: Column) -> Column:
    opposite = _and(_each(np.logical_not, left), _each(np.logical_not, right))
    return _each(np.logical_not, opposite)


def _case(n: int, *columns: Column) -> Column:
    """The result of the first of n conditions that is true, or the last."""
    conditions, results = columns[:n], columns[n:]
    found = results[-1]
    for condition, result in zip(reversed(conditions), reversed(results[:-1]), strict=True):
        found = _where(condition.where_known(condition.values), result, found)
    return found


def _where(condition: Any, left: Column, right: Column) -> Column:
    known = None
    if left.known is not None or right.known is not None:
        known = np.where(condition, left.is_known, right.is_known)
    return Column(np.where(condition, left.values, right.values), known)
