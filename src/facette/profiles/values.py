"""From raw columns to typed values: lookups, text made uniform, types, absurd values, outliers.

Values are read in layers, each a select over the one before, so that nothing is computed twice. A declared column is
known by a key; for each key the result has ``v_<key>``, and where it applies ``bad_<key>`` (the text that could not be
read), ``is_absurd_<key>`` and ``is_outlier_<key>``.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import duckdb
import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions import model
from facette.definitions.base import FieldType
from facette.errors import SourceError
from facette.profiles import formats
from facette.profiles.updates import UPDATE

ADDED = ("_landing", "_row", "_event_id")
"""Columns that Facette added to the source's own and that cleaning needs."""

Bounds = Mapping[str, Sequence[float]]
"""Key → lowest and highest value that is no outlier."""


ReadText = Callable[[ir.StringValue], ir.Value]
"""Reads a column of uniform texts, e.g. as e-mail addresses."""


class TextReader(Protocol):
    """Reads what a text says."""

    def value(self, text: str, kind: FieldType) -> str | float | None:
        """As a value of a type of field; the same text always gives the same."""


TextReaders = Mapping[str, TextReader]
"""Name of a reading → how it is done."""


@dataclass(frozen=True)
class LookupTable:
    """A plain table that rows look things up in: its raw rows, and the column that holds the key."""

    rows: ir.Table
    key: str


def column_of(rows: ir.Table, name: str, source: str) -> ir.Value:
    """A column by name, in upper or lower case; SourceError that offers the nearest names if there is none."""
    if name in rows.columns:
        return rows[name]
    columns = [column for column in rows.columns if not column.startswith("_")]
    folded = {column.casefold(): column for column in columns}
    if name.casefold() in folded:
        return rows[folded[name.casefold()]]
    near = difflib.get_close_matches(name.casefold(), folded, n=3, cutoff=0.5)
    there = f"It has: {', '.join(columns)}." if columns else "All its files are empty."
    remedy = f"Did you mean {' or '.join(folded[each] for each in near)}?" if near else there
    raise SourceError(f"Source {source} has no column {name!r}.", remedy=remedy)


def look_up(
    rows: ir.Table, source: str, lookups: Sequence[model.Lookup], tables: Mapping[str, LookupTable]
) -> ir.Table:
    """The rows with the columns of the tables that they do not have themselves, and ``found_<table>`` per lookup.

    Keys compare as uniform text. Of several entries with one key the first in the table stands. The text of the columns
    added is uniform already: there are fewer entries than rows.
    """
    for lookup in lookups:
        table = tables[lookup.source]
        key = formats.tidy_text(column_of(table.rows, table.key, lookup.source))
        taken = {column.casefold() for column in rows.columns}
        added = [column for column in table.rows.columns if column.casefold() not in taken]
        uniform = {name: formats.tidy(table.rows[name]) for name in added if table.rows[name].type().is_string()}
        entries = table.rows.mutate(found_key=key, **uniform).filter(lambda each: each.found_key.notnull())
        place = ibis.row_number().over(group_by="found_key", order_by=[entries["_file"], entries["_row"]])
        entries = entries.mutate(place=place).filter(lambda each: each.place == 0).select("found_key", *added)
        on = formats.tidy_text(column_of(rows, lookup.on, source))
        joined = rows.left_join(entries, on == entries.found_key)
        rows = joined.mutate(**{f"found_{lookup.source}": joined.found_key.notnull()}).drop("found_key")
    return rows


def only(rows: ir.Table, source: str, wanted: Mapping[str, str]) -> ir.Table:
    """The rows that have these texts in these columns, in any case."""
    for name, text in wanted.items():
        rows = rows.filter(formats.tidy_text(column_of(rows, name, source)).lower() == uniform(text))
    return rows


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Reading:
    """How the values of one source are read.

    fields        : key → the column and what is declared of it
    zone, country : for instants without offset, for phone numbers without country code
    own           : the source's own columns; all others come from lookups and are uniform text already
    reads         : format (email, phone) or :func:`read_key` → how a column is read by an expression; unless given,
                    each distinct text is read in Python. With it nothing is computed while expressions are made, and
                    nothing is fitted.
    readers       : reading → how what a text says is found out, in Python
    """

    source: str
    fields: Mapping[str, model.SourceField]
    zone: str
    country: str
    own: frozenset[str]
    reads: Mapping[str, ReadText] | None = None
    readers: TextReaders | None = None

    def texts(self, rows: ir.Table) -> ir.Table:
        """``s_<key>``: the column as it is where its type is the declared one, else uniform text, after ``missing``
        and ``values``. ``r_<key>``: the text as found, where it may differ. Columns that Facette added stay."""
        found, spelled = {}, {}
        for key, field in self.fields.items():
            name = field.column or key
            column = column_of(rows, name, self.source)
            if _is_native(column, field):
                spelled[f"s_{key}"] = column
                continue
            text = formats.text_of(column)
            is_uniform = not column.type().is_string() or column.get_name() not in self.own
            spelled[f"s_{key}"] = _replaced(text if is_uniform else formats.tidy(text), field)
            if field.read is None and (not is_uniform or field.missing or field.values):
                found[f"r_{key}"] = text
        added = [name for name in rows.columns if name in ADDED or name.startswith("found_")]
        return rows.select(*added, **found, **spelled)

    def values(self, texts: ir.Table, temporary: list[ir.Table]) -> ir.Table:
        """``v_<key>`` and ``bad_<key>`` in place of texts, and ``n_tidied``: how many values tidying changed.

        Absurd numbers are unknown. E-mail addresses and phone numbers are read once for each distinct text; the tables
        made for that are added to ``temporary``.
        """
        if self.reads is None:
            self._check_patterns(ibis.get_backend(texts))
        for kind, read in (("email", formats.email), ("phone", formats.phone_in(self.country))):
            keys = [key for key, field in self.fields.items() if field.type == "text" and field.format == kind]
            if self.reads is None:
                texts = _join_read(texts, keys, read, temporary)
            elif keys:
                texts = texts.mutate(**{f"e_{key}": self.reads[kind](texts[f"s_{key}"]) for key in keys})
        texts = self._with_read(texts, temporary)
        n_tidied: ir.IntegerValue = ibis.literal(0, "int64")
        for key in self.fields:
            if f"r_{key}" in texts.columns:
                differs = texts[f"r_{key}"].nullif("") != texts[f"s_{key}"].fill_null("")
                n_tidied = n_tidied + differs.fill_null(False).cast("int64")
        values = {f"v_{key}": self._value(texts, key, field) for key, field in self.fields.items()}
        kept = [name for name in texts.columns if not name.startswith("r_")]
        return self._in_range(_with_bad(texts.select(*kept, n_tidied=n_tidied, **values), self.fields))

    def _with_read(self, texts: ir.Table, temporary: list[ir.Table]) -> ir.Table:
        """``e_<key>`` of the fields that say what a text says; each distinct text of a column is looked at once."""
        by_column: dict[str, dict[str, model.SourceField]] = {}
        for key, field in self.fields.items():
            if field.read is not None:
                by_column.setdefault(field.column or key, {})[key] = field
        for fields in by_column.values():
            if self.reads is None:
                known = self.readers or {}
                readers = {key: partial(known[each.read or ""].value, kind=each.type) for key, each in fields.items()}
                types = {key: pa.float64() if each.type == "number" else pa.string() for key, each in fields.items()}
                texts = _join_said(texts, readers, types, temporary)
            else:
                said = {f"e_{key}": self.reads[read_key(each)](texts[f"s_{key}"]) for key, each in fields.items()}
                texts = texts.mutate(**said)
        return texts

    def _check_patterns(self, connection: ibis.BaseBackend) -> None:
        """SourceError if a strptime pattern makes no sense."""
        for field in self.fields.values():
            if field.type in ("date", "instant") and field.format:
                try:
                    connection.to_pyarrow(formats.wall_by_pattern("", field.format).cast("string"))
                except duckdb.InvalidInputException as error:
                    raise SourceError(
                        f"Source {self.source}, column {field.column}: the format {field.format!r} makes no sense.",
                        remedy="Write a strptime pattern such as %d/%m/%Y or %Y-%m-%d %H:%M:%S%z.",
                    ) from error

    def _value(self, texts: ir.Table, key: str, field: model.SourceField) -> ir.Value:
        form = texts[f"s_{key}"]
        if field.read is not None:
            return texts[f"e_{key}"]
        match field.type:
            case "number":
                return formats.number(form)
            case "boolean":
                return formats.boolean(form)
            case "date":
                return formats.day(form, self.zone, field.format)
            case "instant":
                return formats.instant(form, self.zone, field.format)
        return texts[f"e_{key}"] if f"e_{key}" in texts.columns else form

    def _in_range(self, rows: ir.Table) -> ir.Table:
        """Numbers below the minimum or above the maximum become unknown, and ``is_absurd_<key>`` says so."""
        changes: dict[str, ir.Value] = {}
        for key, field in self.fields.items():
            if field.minimum is None and field.maximum is None:
                continue
            value = rows[f"v_{key}"]
            is_below = value < field.minimum if field.minimum is not None else ibis.literal(False)
            is_above = value > field.maximum if field.maximum is not None else ibis.literal(False)
            is_absurd = (is_below | is_above).fill_null(False) & ~self._is_added(rows)
            changes |= {f"is_absurd_{key}": is_absurd, f"v_{key}": ibis.ifelse(is_absurd, None, value)}
        return rows.mutate(**changes) if changes else rows

    def _is_added(self, rows: ir.Table) -> ir.BooleanValue:
        """Whether values are added to others: bounds are those of values that stand."""
        is_added: ir.BooleanValue = ibis.literal(False)
        return (rows[f"v_{UPDATE}"] == "add").fill_null(False) if UPDATE in self.fields else is_added

    def outliers(self, rows: ir.Table, bounds: Bounds, unjudged: Mapping[str, Sequence[str]]) -> ir.Table:
        """``is_outlier_<key>``; outliers are moved to the bound or become unknown where that is declared.

        unjudged : key → landings that came before there were bounds
        """
        changes: dict[str, ir.Value] = {}
        for key, field in self.fields.items():
            if field.outliers is None:
                continue
            if key not in bounds:
                changes[f"is_outlier_{key}"] = ibis.literal(False)
                continue
            low, high = bounds[key]
            value = rows[f"v_{key}"]
            is_outlier = ((value < low) | (value > high)).fill_null(False) & ~self._is_added(rows)
            if unjudged.get(key):
                is_outlier &= rows["_landing"].notin(unjudged[key])
            changes[f"is_outlier_{key}"] = is_outlier
            if field.outliers.action == "clip":
                changes[f"v_{key}"] = ibis.ifelse(is_outlier, value.clip(low, high), value)
            elif field.outliers.action == "drop":
                changes[f"v_{key}"] = ibis.ifelse(is_outlier, None, value)
        return rows.mutate(**changes) if changes else rows

    def fit(
        self, rows: ir.Table, given: Bounds, order: Sequence[str]
    ) -> tuple[dict[str, tuple[float, float]], dict[str, list[str]]]:
        """The bounds given, and for fields without those of the first landing that gives any; they stay from then on.

        order   : the landings in the order in which they came; that of their ids unless given
        returns : key → bounds, and key → the landings before those that it was fitted on

        One landing, and not all there are, so that the same rows are outliers however they come in over time.
        Tukey's fences (J. W. Tukey, Exploratory Data Analysis, 1977): the quartiles, minus and plus ``factor`` times
        the distance between them; or the mean, minus and plus ``factor`` standard deviations. Where all or most values
        are equal nothing can be said, and there are no bounds.
        """
        bounds = {key: (float(low), float(high)) for key, (low, high) in given.items()}
        unjudged: dict[str, list[str]] = {}
        if self.reads is not None:
            return bounds, unjudged
        wanted = {key: field.outliers for key, field in self.fields.items() if field.outliers and key not in bounds}
        measures: dict[str, ir.Value] = {}
        for key, outliers in wanted.items():
            value = ibis.ifelse(self._is_added(rows), None, rows[f"v_{key}"])
            if outliers.method == "iqr":
                measures |= {f"low_{key}": value.quantile(0.25), f"high_{key}": value.quantile(0.75)}
            else:
                measures |= {f"low_{key}": value.mean(), f"high_{key}": value.mean() + value.std(how="sample")}
        if not measures:
            return bounds, unjudged
        found = {each["_landing"]: each for each in rows.group_by("_landing").agg(**measures).to_pyarrow().to_pylist()}
        landings = [landing for landing in order or sorted(found) if landing in found]
        for key, outliers in wanted.items():
            for place, landing in enumerate(landings):
                low, high = found[landing][f"low_{key}"], found[landing][f"high_{key}"]
                if low is not None and high is not None and high > low:
                    reach = outliers.factor * (high - low)
                    bounds[key] = (low - reach, (high if outliers.method == "iqr" else low) + reach)
                    unjudged[key] = landings[:place]
                    break
        return bounds, unjudged


def _is_native(column: ir.Value, field: model.SourceField) -> bool:
    """Whether the column has the declared type already, and nothing is declared of its text."""
    kind = column.type()
    if field.missing or field.values or field.read is not None:
        return False
    match field.type:
        case "number":
            return kind.is_numeric()
        case "boolean":
            return kind.is_boolean()
        case "date" | "instant":
            return kind.is_timestamp() or kind.is_date()
    return False


def _replaced(text: ir.StringValue, field: model.SourceField) -> ir.StringValue:
    """Texts that mean unknown become null, then texts to be replaced are."""
    replacements: dict[str, str | None] = {uniform(missing): None for missing in field.missing}
    replacements |= {uniform(old): new for old, new in field.values.items()}
    if not replacements:
        return text
    folded = text.lower()
    return ibis.cases(*((folded == old, ibis.literal(new, "string")) for old, new in replacements.items()), else_=text)


def uniform(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split()).lower()


def _with_bad(rows: ir.Table, fields: Mapping[str, model.SourceField]) -> ir.Table:
    """``bad_<key>`` in place of ``s_<key>``: the text where there is one and no value."""
    bad = {}
    for key in fields:
        form = rows[f"s_{key}"]
        is_any_text = fields[key].read is not None or (fields[key].type == "text" and fields[key].format is None)
        if form.type().is_string() and not is_any_text:
            bad[f"bad_{key}"] = ibis.ifelse(rows[f"v_{key}"].isnull(), form, None)
    kept = [name for name in rows.columns if not name.startswith(("s_", "e_"))]
    return rows.select(*kept, **bad)


def _join_read(
    texts: ir.Table, keys: Sequence[str], read: Callable[[str], str | None], temporary: list[ir.Table]
) -> ir.Table:
    """``e_<key>``: what ``read`` makes of ``s_<key>``, called once for each distinct text of all the keys."""
    if not keys:
        return texts
    columns = [texts.select(text=texts[f"s_{key}"]) for key in keys]
    union = ibis.union(*columns, distinct=True) if len(columns) > 1 else columns[0].distinct()
    distinct = union.filter(union.text.notnull()).to_pyarrow()["text"]
    made = [read(text) for text in distinct.to_pylist()]
    table = pa.table({"text": distinct, "made": pa.array(made, pa.string())})
    known = ibis.get_backend(texts).create_table(ibis.util.gen_name("read"), table, temp=True)
    temporary.append(known)
    for key in keys:
        entries = known.select(**{f"k_{key}": known.text, f"e_{key}": known.made})
        texts = texts.left_join(entries, texts[f"s_{key}"] == entries[f"k_{key}"]).drop(f"k_{key}")
    return texts


def _join_said(
    texts: ir.Table,
    readers: Mapping[str, Callable[[str], str | float | None]],
    types: Mapping[str, pa.DataType],
    temporary: list[ir.Table],
) -> ir.Table:
    """``e_<key>``: what each key's reader makes of ``s_<key>``, with all readers called for a text before the next."""
    columns = [texts.select(text=texts[f"s_{key}"]) for key in readers]
    union = ibis.union(*columns, distinct=True) if len(columns) > 1 else columns[0].distinct()
    distinct = union.filter(union.text.notnull()).to_pyarrow()["text"]
    made: dict[str, list[str | float | None]] = {key: [] for key in readers}
    for text in distinct.to_pylist():
        for key, read in readers.items():
            made[key].append(read(text))
    table = pa.table({"text": distinct, **{key: pa.array(made[key], types[key]) for key in readers}})
    known = ibis.get_backend(texts).create_table(ibis.util.gen_name("read"), table, temp=True)
    temporary.append(known)
    for key in readers:
        entries = known.select(**{f"k_{key}": known.text, f"e_{key}": known[key]})
        texts = texts.left_join(entries, texts[f"s_{key}"] == entries[f"k_{key}"]).drop(f"k_{key}")
    return texts


def read_key(field: model.SourceField) -> str:
    """By what the reading of a field is known among others: as a number and as a text it is two."""
    return f"{field.read}_{field.type}"
