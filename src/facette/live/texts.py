"""Columns of texts, by what cleaning makes of each text: asked of the warehouse once, and remembered."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import ibis
import ibis.expr.types as ir
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.profiles import formats
from facette.warehouse.connect import wall_clock

UNIFORM = "^[!-~¡-ʯ]+( [!-~¡-ʯ]+)*$"
"""Texts that are tidy as they are, beyond doubt: letters of Latin scripts, composed, and single spaces between them."""

Said = str | float | None
"""What comes of a text."""

MOST = 100_000
"""So many texts are remembered, for each thing that is asked of them."""

SLOT = 900_000_000
"""Microseconds of a quarter of an hour: since 1973 clocks change between two of them only."""


class Asked:
    """A function of the warehouse on single values, which remembers.

    expression : the function, of a column ``x``
    kind       : the type of that column
    """

    def __init__(self, con: ibis.BaseBackend, name: str, kind: str, expression: Callable[[ir.Value], ir.Value]) -> None:
        self.con, self.name = con.con, f"asked_{name}"
        table = ibis.table({"x": kind}, name=self.name)
        self._query = str(ibis.to_sql(table.select("x", y=expression(table["x"])), dialect="duckdb"))
        self._known: dict[object, object] = {}

    def __call__(self, values: pa.Array) -> list[object]:
        """What comes of each value; the same values are asked once."""
        known, found = self._known, values.to_pylist()
        unknown = [value for value in dict.fromkeys(found) if value not in known]
        if unknown:
            if len(known) + len(unknown) > MOST:
                known.clear()
                unknown = list(dict.fromkeys(found))
            self.con.register(self.name, pa.table({"x": pa.array(unknown, values.type)}))
            answers = self.con.execute(self._query).to_arrow_table()
            self.con.unregister(self.name)
            known.update(zip(answers["x"].to_pylist(), answers["y"].to_pylist(), strict=True))
        return [known[value] for value in found]


class Texts:
    """How texts are made uniform, folded and read, and what clocks on the wall show, as cleaning has it."""

    def __init__(
        self, con: ibis.BaseBackend, zone: str, country: str, said: Mapping[str, Callable[[str], Said]] | None = None
    ) -> None:
        """``said`` : by :func:`facette.profiles.values.read_key`, how what a text says is found out."""
        self._tidy = Asked(con, "tidy", "string", formats.tidy)
        self._fold = Asked(con, "fold", "string", lambda text: formats.tidy(text).lower())
        self._wall = Asked(con, "wall", "int64", lambda slot: _wall(slot, zone))
        reads = {"email": formats.email, "phone": formats.phone_in(country), **(said or {})}
        self._reads = {kind: _remembered(read) for kind, read in reads.items()}

    def tidy(self, texts: pa.Array) -> pa.Array:
        """Each text as cleaning makes it uniform; null where nothing is left."""
        if _are_plain(texts):
            return texts
        untidy = pc.invert(pc.fill_null(pc.match_substring_regex(texts, UNIFORM), True))
        if not pc.any(untidy).as_py():
            return texts
        return pc.replace_with_mask(texts, untidy, pa.array(self._tidy(texts.filter(untidy)), pa.string()))

    def fold(self, texts: pa.Array) -> pa.Array:
        """Each text as it compares: uniform, in lower case."""
        if pc.all(pc.string_is_ascii(texts)).as_py() is not False:
            return pc.ascii_lower(self.tidy(texts))
        coded = texts.dictionary_encode()
        return pa.array(self._fold(coded.dictionary), pa.string()).take(coded.indices)

    def read(self, kind: str, uniform: pa.Array, type_: pa.DataType | None = None) -> pa.Array:
        """Uniform texts as e-mail addresses, as phone numbers, or what they say; null where they are none of that."""
        read = self._reads[kind]
        return pa.array([read(text) for text in uniform.to_pylist()], type_ or pa.string())

    def reader(self, kind: str) -> Callable[[str | None], Said]:
        """The same for single texts."""
        return self._reads[kind]

    def wall(self, at: np.ndarray) -> np.ndarray:
        """Microseconds that a clock on the wall shows at instants (microseconds, of 1973 or later)."""
        slots, place = np.unique(at // SLOT, return_inverse=True)
        walls = np.array(self._wall(pa.array(slots)), np.int64)
        return walls[place] + at % SLOT


def _wall(slot: ir.IntegerValue, zone: str) -> ir.IntegerValue:
    instant = formats.instant_of("UTC", ibis.timestamp("1970-01-01T00:00:00") + (slot * 900).as_interval("s"))
    return wall_clock(zone, instant).epoch_seconds() * 1_000_000


def _are_plain(texts: pa.Array) -> bool:
    """Whether all are of plain characters without spaces, none of them empty: seen at a glance."""
    if texts.null_count == len(texts):
        return True
    if pc.any(pc.equal(pc.binary_length(texts), 0)).as_py():
        return False
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32, len(texts) + 1, texts.offset * 4)
    characters = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return not len(characters) or bool(characters.min() > ord(" ") and characters.max() < 127)


INSTANT = np.frombuffer(b"0000-00-00T00:00:00.000000Z", np.uint8)
IS_DIGIT = ord("0") == INSTANT


def are_instants(texts: pa.Array) -> bool:
    """Whether all are instants as records have them, of years from 1973 to 2039; days and hours are not looked at."""
    if texts.null_count or not len(texts):
        return False
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32, len(texts) + 1, texts.offset * 4)
    if (np.diff(ends) != len(INSTANT)).any():
        return False
    rows = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]].reshape(-1, len(INSTANT))
    digits = rows[:, IS_DIGIT] - ord("0")  # whatever comes before 0 is large
    years = digits[:, :4] @ np.array([1000, 100, 10, 1], np.int64)
    is_alike = (rows[:, ~IS_DIGIT] == INSTANT[~IS_DIGIT]).all() and digits.max() < 10
    return bool(is_alike and years.min() >= 1973 and years.max() < 2040)


def _remembered(read: Callable[[str], Said]) -> Callable[[str | None], Said]:
    known: dict[str, Said] = {}

    def found(text: str | None) -> Said:
        if text is None:
            return None
        if text not in known:
            if len(known) >= MOST:
                known.clear()
            known[text] = read(text)
        return known[text]

    return found
