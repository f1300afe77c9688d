"""Accounting for raw rows: what each step of cleaning did to them, and which rows and values were kept aside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions import model
from facette.profiles.values import Reading
from facette.sources.source import PROVENANCE

QUALITY = pa.schema(
    [
        ("source", pa.string()),
        ("landing", pa.string()),
        ("step", pa.string()),
        ("rows_in", pa.int64()),
        ("rows_out", pa.int64()),
        ("changed", pa.int64()),
        ("refused", pa.int64()),
    ]
)
"""What each step did to the rows of a landing: rows in and out, values changed, values or rows refused."""

WRONG = {
    "number": "not a number",
    "boolean": "neither yes nor no",
    "date": "not a date",
    "instant": "not an instant",
    "email": "not an e-mail address",
    "phone": "not a phone number",
}
"""What is said of a text that cannot be read as its type or format."""


@dataclass(frozen=True)
class Account:
    """What became of each raw row of a source; read off when asked for.

    raw        : the rows as found
    wide       : those that are the reader's business, judged: see :mod:`facette.profiles.clean`
    duplicates : ``_landing``, ``_row`` of those that stay but came before; None if there are none
    reading, reader : how they were read
    keep       : computes a table once
    """

    raw: ir.Table
    wide: ir.Table
    duplicates: ir.Table | None
    reading: Reading
    reader: model.People | model.Events
    keep: Callable[[ir.Table], ir.Table]

    @cached_property
    def _measures(self) -> dict[str, ir.Value]:
        """Rows, rows that stay, and how often each thing was found."""
        wide = self.wide
        measures: dict[str, ir.Value] = {
            "rows": wide.count(),
            "stays": wide.reason.isnull().sum(),
            "tidied": wide.n_tidied.sum(),
        }
        for name in wide.columns:
            if name.startswith(("found_", "is_")):
                measures[name] = wide[name].sum()
            elif name.startswith("bad_"):
                measures[name] = wide[name].count()
        return measures

    @cached_property
    def _measured(self) -> dict[str, dict[str, int]]:
        """The same per landing, of those that have rows."""
        return _by_landing(self.wide.group_by("_landing").aggregate(**self._measures))

    @cached_property
    def quality(self) -> pa.Table:
        """Schema QUALITY, in the order of the landings and of the steps."""
        read, repeated = self._measured, {}
        if self.reader.only:
            read = _by_landing(self.raw.group_by("_landing").aggregate(rows=self.raw.count()))
        if self.duplicates is not None:
            repeated = _by_landing(self.duplicates.group_by("_landing").aggregate(rows=self.duplicates.count()))
        nothing = dict.fromkeys(self._measures, 0)
        lines = []
        for landing in sorted(read):
            count = {**nothing, **self._measured.get(landing, {})}
            n_repeated = repeated.get(landing, {"rows": 0})["rows"]
            for step, *numbers in self._steps(read[landing]["rows"], count, n_repeated):
                lines.append((self.reading.source, landing, step, *numbers))
        columns = zip(*lines, strict=True) if lines else ([] for _ in QUALITY)
        return pa.table([pa.array(each, kind.type) for each, kind in zip(columns, QUALITY, strict=True)], QUALITY)

    @cached_property
    def refused(self) -> ir.Table | None:
        """Schema REFUSED: rows refused, values unknown though there was something, instants put right; None if none."""
        wide, found = self.wide, {name for count in self._measured.values() for name, number in count.items() if number}
        stays = wide.reason.isnull()
        listed = []
        if any(count["rows"] != count["stays"] for count in self._measured.values()):
            reason = ibis.literal("row refused: ") + wide.reason
            listed.append(_aside(wide, ~stays, wide.wrong_column, wide.wrong_value, reason))
        for key, field in self.reading.fields.items():
            if f"bad_{key}" in found:
                what = WRONG[field.format if field.type == "text" and field.format else field.type]
                bad = wide[f"bad_{key}"]
                listed.append(_aside(wide, stays & bad.notnull(), field.column, bad, f"value unknown: {what}"))
        if "is_ahead" in found:
            at = wide.v_at.cast("string")
            reason = "clock corrected: happened after it was received, which is taken instead"
            listed.append(_aside(wide, stays & wide.is_ahead, self.reading.fields["at"].column, at, reason))
        if not listed:
            return None
        aside = self.keep(ibis.union(*listed) if len(listed) > 1 else listed[0])
        rows = aside.inner_join(self.raw, ["_landing", "_row"])
        left_out = {*PROVENANCE, *(name for name, kind in self.raw.schema().items() if kind.is_null())}
        own = {name: rows[name] for name in self.raw.columns if name not in left_out}
        as_found = ibis.struct(own).cast("json").cast("string") if own else ibis.literal("{}")
        return rows.select(
            source=ibis.literal(self.reading.source),
            landing=rows["_landing"],
            row=rows["_row"],
            column=rows["_refused_column"],
            value=rows["_refused_value"],
            reason=rows["_refused_reason"],
            raw=as_found,
        )

    def _steps(
        self, n_read: int, count: Mapping[str, int], n_repeated: int
    ) -> Iterable[tuple[str, int, int, int, int]]:
        """Step, rows in, rows out, changed, refused: first what happens to values, then what happens to rows."""
        rows, stays = count["rows"], count["stays"]
        if self.reader.only:
            yield "only", n_read, rows, 0, 0
        for lookup in self.reader.lookups:
            yield f"lookup {lookup.source}", rows, rows, count[f"found_{lookup.source}"], 0
        yield "text", rows, rows, count["tidied"], 0
        for label, prefix in (("type", "bad_"), ("range", "is_absurd_"), ("outlier", "is_outlier_")):
            for key in self.reading.fields:
                if f"{prefix}{key}" in count:
                    number = count[f"{prefix}{key}"]
                    yield (
                        f"{label} {key}",
                        rows,
                        rows,
                        number if label != "type" else 0,
                        number if label == "type" else 0,
                    )
        for name in count:
            if name.startswith("is_blocked_"):
                yield f"blocked {name.removeprefix('is_blocked_')}", rows, rows, count[name], 0
        if "known_at" in self.reading.fields and "is_ahead" in count:
            yield "clock", rows, rows, count["is_ahead"], 0
        yield "refused", rows, stays, 0, rows - stays
        yield "duplicates", stays, stays - n_repeated, 0, 0


def _aside(
    wide: ir.Table, when: ir.BooleanValue, column: ir.Value | str | None, value: ir.Value, reason: ir.Value | str
) -> ir.Table:
    told = {"_refused_column": column, "_refused_value": value, "_refused_reason": reason}
    literals = {name: ibis.literal(each, "string") for name, each in told.items() if not isinstance(each, ir.Value)}
    return wide.filter(when).select("_landing", "_row", **{**told, **literals})


def is_empty(table: ir.Table) -> bool:
    """Whether a table has no row."""
    return not table.count().to_pyarrow().as_py()


def _by_landing(counts: ir.Table) -> dict[str, dict[str, int]]:
    return {
        row.pop("_landing"): {name: int(value or 0) for name, value in row.items()}
        for row in counts.to_pyarrow().to_pylist()
    }
