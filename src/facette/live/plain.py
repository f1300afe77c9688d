"""Rows whose values are all in the plainest form, read column by column without a query.

What a value means is said in ``profiles/values.py``. Here is only known when there is no doubt about it: texts that are
uniform, numbers of digits, instants in UTC, values within their bounds, rows with all that they need. Whatever is not
plain is told, and goes the way of a run; so this module may know less than that one, but never otherwise.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.definitions import model
from facette.live.texts import Texts, are_instants
from facette.profiles import formats
from facette.profiles.clean import CLOCK_TOLERANCE, blocked_of, fields_of
from facette.profiles.updates import UNSET, UPDATE
from facette.profiles.values import Bounds, read_key, uniform

Array = np.ndarray

YEAR = r"(19(7[3-9]|[89]\d)|20[0-3]\d)"
NUMBER = r"^-?\d{1,15}(\.\d{1,15})?$"
DATE = rf"^{YEAR}-\d\d-\d\d$"
INSTANT = rf"^{YEAR}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{{1,6}})?Z$"
INSTANTS = pa.timestamp("us", "UTC")
TOLERANCE = pa.scalar(CLOCK_TOLERANCE, pa.duration("us"))
DAY = 86_400_000_000
HOUR = 3_600_000_000
MONDAY = 3
"""1970 began on a Thursday."""


@dataclass(frozen=True)
class Plain:
    """Reads the plain rows of one reader.

    source : name of the source
    reader : what it says of people or of events
    kinds  : identifiers of the project, most trusted first
    fits   : field → bounds of outliers
    schema : of what comes out, as a run has it
    """

    source: str
    reader: model.People | model.Events
    kinds: tuple[model.Identifier, ...]
    country: str
    fits: Bounds
    texts: Texts
    schema: pa.Schema

    @property
    def knows(self) -> bool:
        """Whether any of these rows could be plain."""
        fields = fields_of(self.reader, self.kinds).values()
        has_ids = isinstance(self.reader, model.People) or bool(self.reader.id)
        is_read = all(
            field.type == "text" or field.read or not (field.format or field.values or field.missing)
            for field in fields
        )
        return has_ids and is_read and not self.reader.lookups

    def read(self, raw: pa.Table) -> tuple[pa.Table, Array, Array]:
        """The cleaned rows that are plain, their places in ``raw``, and the places of the rows that are not.

        raw : rows that ``only`` lets through. A plain row that a run refuses is in neither.
        """
        values: dict[str, pa.Array] = {}
        is_plain = np.ones(len(raw), bool)
        for key, field in fields_of(self.reader, self.kinds).items():
            column = column_of(raw, field.column or key)
            values[key], known = self._value(key, field, column)
            is_plain &= known if key != UPDATE else ~_is_valid(column)
        for kind in self.kinds:
            if kind.name in self.reader.identifiers:
                values[f"id_{kind.name}"] = self._not_blocked(values[f"id_{kind.name}"], kind)
        columns = (
            self._events(raw, values, is_plain) if isinstance(self.reader, model.Events) else self._people(raw, values)
        )
        stays = np.zeros(len(raw), bool)
        for name in self.reader.identifiers:
            stays |= _is_valid(values[f"id_{name}"])
        for name, field in self.reader.fields.items():
            if field.required:
                stays &= _is_valid(values[name])
        unknown = {each.name: pa.nulls(len(raw), each.type) for each in self.schema if each.name not in columns}
        table = pa.table({name: (columns | unknown)[name] for name in self.schema.names})
        kept = np.flatnonzero(is_plain & stays)
        table = table if len(kept) == len(raw) else table.take(kept)
        return table.cast(self.schema), kept, np.flatnonzero(~is_plain)

    # ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _value(self, key: str, field: model.SourceField, column: pa.Array) -> tuple[pa.Array, Array]:
        """The values of a column, and where they are plain."""
        if column.null_count == len(column):
            return column.cast(_TYPES.get(field.type, pa.string())), np.ones(len(column), bool)
        if field.read is not None:
            text, is_plain = self._texts(field, column)
            return self.texts.read(read_key(field), text, _TYPES.get(field.type)), is_plain
        match field.type:
            case "number":
                return self._numbers(key, field, column)
            case "boolean":
                folded = self.texts.fold(column)
                is_true, is_false = (pc.is_in(folded, pa.array(words)) for words in (formats.TRUE, formats.FALSE))
                value = pc.if_else(pc.or_(is_true, is_false), is_true, pa.scalar(None, pa.bool_()))
                return value, _is_valid(value) | ~_is_valid(column)
            case "date":
                return _parsed(column, DATE, pa.date32())
            case "instant":
                return _parsed(column, INSTANT, INSTANTS)
        text, is_plain = self._texts(field, column)
        return (self.texts.read(field.format, text) if field.format else text), is_plain

    def _texts(self, field: model.SourceField, column: pa.Array) -> tuple[pa.Array, Array]:
        """The texts of a column made uniform; plain are those that mean themselves."""
        text = self.texts.tidy(column)
        replaced = [*field.missing, *field.values]
        if not replaced:
            return text, np.ones(len(column), bool)
        special = pa.array([uniform(each) for each in replaced], pa.string())
        return text, ~_truth(pc.is_in(self.texts.fold(text), special)) | ~_is_valid(text)

    def _numbers(self, key: str, field: model.SourceField, column: pa.Array) -> tuple[pa.Array, Array]:
        value, is_plain = _parsed(column, NUMBER, pa.float64())
        bounds = [(field.minimum, field.maximum)]
        if field.outliers and key in self.fits:
            bounds.append((self.fits[key][0], self.fits[key][1]))
        for low, high in bounds:
            if low is not None:
                is_plain &= ~_truth(pc.less(value, float(low)))
            if high is not None:
                is_plain &= ~_truth(pc.greater(value, float(high)))
        return value, is_plain

    def _not_blocked(self, value: pa.Array, kind: model.Identifier) -> pa.Array:
        if value.null_count == len(value):
            return value
        folded = self.texts.fold(value)
        is_blocked = pc.or_(
            pc.is_in(folded, pa.array(sorted(blocked_of(kind, self.country)), pa.string())),
            pc.match_substring_regex(folded, formats.BLOCKED_PATTERN),
        )
        return pc.if_else(is_blocked, pa.scalar(None, pa.string()), value) if pc.any(is_blocked).as_py() else value

    # ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _people(self, raw: pa.Table, values: Mapping[str, pa.Array]) -> dict[str, pa.Array]:
        record = pc.binary_join_element_wise(
            self.source, raw["_landing"].combine_chunks(), raw["_row"].combine_chunks().cast(pa.string()), ":"
        )
        known_at = values.get("known_at", pa.nulls(len(raw), INSTANTS))
        changes = {UNSET: pa.nulls(len(raw), pa.string())} if UPDATE in values else {}
        return {**self._fields(values, len(raw)), **changes, "record": record, "known_at": known_at}

    def _events(self, raw: pa.Table, values: Mapping[str, pa.Array], is_plain: Array) -> dict[str, pa.Array]:
        assert isinstance(self.reader, model.Events)
        at = values["at"]
        known_at = pc.coalesce(values["known_at"], at) if "known_at" in values else at
        event_id = self._event_id(raw, self.reader)
        is_plain &= _is_valid(at) & _is_valid(event_id) & ~_truth(pc.greater(at, pc.add(known_at, TOLERANCE)))
        at = pc.if_else(pc.greater(at, known_at), known_at, at)
        instants = pc.fill_null(at.cast(pa.int64()), 2 * DAY).to_numpy()
        wall = self.texts.wall(instants)
        day = wall // DAY
        return {
            **self._fields(values, len(raw)),
            "event_id": event_id,
            "at": at,
            "known_at": known_at,
            "day": pa.array(day.astype(np.int32)).cast(pa.date32()),
            "hour": pa.array((wall % DAY // HOUR).astype(np.int8)),
            "weekday": pa.array(((day + MONDAY) % 7 + 1).astype(np.int8)),
            "source": pa.repeat(self.source, len(raw)),
        }

    def _event_id(self, raw: pa.Table, events: model.Events) -> pa.Array:
        """Null where all that a record has decides."""
        texts = [self.texts.tidy(column_of(raw, name)) for name in events.id]
        if len(texts) == 1:
            return pc.binary_join_element_wise(self.source, texts[0], ":")
        is_one = np.any([_is_valid(text) for text in texts], axis=0)
        escaped = [
            pc.replace_substring(pc.replace_substring(pc.fill_null(text, ""), "\\", "\\\\"), "|", "\\|")
            for text in texts
        ]
        joined = pc.binary_join_element_wise(self.source, pc.binary_join_element_wise(*escaped, "|"), ":")
        return pc.if_else(pa.array(is_one), joined, pa.scalar(None, pa.string()))

    def _fields(self, values: Mapping[str, pa.Array], n: int) -> dict[str, pa.Array]:
        flags = {
            f"{name}_is_outlier": pa.repeat(False, n)
            for name, field in self.reader.fields.items()
            if field.outliers and field.outliers.action == "flag"
        }
        return {**values, **flags}


_TYPES = {"number": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(), "instant": INSTANTS}


def _parsed(column: pa.Array, pattern: str, kind: pa.DataType) -> tuple[pa.Array, Array]:
    """Texts of a pattern as values of a type; none is plain if one of them is not of it (30 February)."""
    if pattern == INSTANT and are_instants(column):
        is_alike = pa.repeat(True, len(column))
    else:
        is_alike = pc.fill_null(pc.match_substring_regex(column, pattern), True)
    found = column if pc.all(is_alike).as_py() else pc.if_else(is_alike, column, pa.scalar(None, pa.string()))
    try:
        return found.cast(kind), _truth(is_alike)
    except pa.ArrowInvalid:
        return pa.nulls(len(column), kind), ~_is_valid(column)


def column_of(raw: pa.Table, name: str) -> pa.Array:
    names = raw.column_names
    own = name if name in names else {each.casefold(): each for each in names}[name.casefold()]
    return raw[own].combine_chunks()


def _truth(mask: pa.Array) -> Array:
    return pc.fill_null(mask, False).to_numpy(zero_copy_only=False).copy()


def _is_valid(values: pa.Array) -> Array:
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False))
