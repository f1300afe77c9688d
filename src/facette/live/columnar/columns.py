"""Columns of rows as NumPy: values, and which of them are known.

Numbers are int64 or float64, instants int64 microseconds since 1970 (UTC), dates int32 days since 1970, texts int32
codes of a dictionary that grows. What an unknown value has in its place means nothing.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Array = np.ndarray[Any, Any]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Column:
    """values, and whether each is known (None: all are); ``texts`` is what codes stand for.

    Of a constant, both are of one element without dimension; NumPy makes them as long as what they meet.
    """

    values: Any
    known: Any = None
    texts: Texts | None = None

    def __getitem__(self, rows: Any) -> Column:
        """Some of the rows: numbers, a mask or a slice."""
        return Column(self.values[rows], None if self.known is None else self.known[rows], self.texts)

    @property
    def is_known(self) -> Any:
        return np.True_ if self.known is None else self.known

    def where_known(self, condition: Any) -> Any:
        """What is true of an unknown value is false."""
        return condition if self.known is None else condition & self.known


class Texts:
    """All texts that a column has had, each with a code from 1; 0 stands for the unknown.

    What is asked of texts is answered once for each different text, not for each row.
    """

    def __init__(self) -> None:
        self.texts: list[str] = [""]
        self._codes: dict[str, int] = {}
        self._answers: dict[object, Array] = {}
        self._lowered: dict[str, int] = {}
        self._comparable = np.zeros(1, np.int32)

    def __len__(self) -> int:
        return len(self.texts)

    def code(self, text: str) -> int:
        """The code of a text, a new one where it has none."""
        found = self._codes.setdefault(text, len(self.texts))
        if found == len(self.texts):
            self.texts.append(text)
        return found

    def encode(self, column: pa.Array | pa.ChunkedArray) -> Array:
        """The codes of the texts of a column, 0 where it is null."""
        column = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        codes = np.fromiter((self.code(text) for text in column.dictionary.to_pylist()), np.int32)
        places = column.indices.fill_null(len(codes)).to_numpy(zero_copy_only=False)
        return np.append(codes, np.int32(0))[places]

    def answers(self, question: object, test: Callable[[str], bool]) -> Array:
        """For each code, whether ``test`` is true of its text in lower case; ``question`` is equal for equal tests."""
        found = self._answers.get(question)
        known = 1 if found is None else len(found)
        if found is None or known < len(self.texts):
            more = np.fromiter((test(lowered(text)) for text in self.texts[known:]), np.bool_)
            found = np.append(np.zeros(1, np.bool_) if found is None else found, more)
            self._answers[question] = found
        return found

    @property
    def comparable(self) -> Array:
        """For each code, a number that is the same for texts that differ in case only; 0 of the unknown."""
        known = len(self._comparable)
        if known < len(self.texts):
            more = (self._lowered.setdefault(lowered(text), len(self._lowered) + 1) for text in self.texts[known:])
            self._comparable = np.append(self._comparable, np.fromiter(more, np.int32))
        return self._comparable

    def ranks(self, codes: Array) -> Array:
        """A number for each of the codes in the order of their texts: without regard to case, then upper case first."""
        different, places = np.unique(codes, return_inverse=True)
        texts = [self.texts[code] for code in different]
        order = sorted(range(len(texts)), key=lambda place: (lowered(texts[place]), texts[place]))
        ranks = np.empty(len(texts), np.int64)
        ranks[order] = np.arange(len(texts))
        return ranks[places]


def lowered(text: str) -> str:
    """Lower case as DuckDB makes it: letter by letter, so that a final Σ is like any other; İ loses its dot."""
    return text.replace("İ", "i").replace("Σ", "σ").lower()


def folded(text: str) -> str:
    """A text of a rule as it is compared: NFC, trimmed, lower case."""
    return lowered(unicodedata.normalize("NFC", text).strip())


def microseconds(instant: datetime) -> int:
    """Since 1970, UTC."""
    return (instant - EPOCH) // MICROSECOND


def days(day: date) -> int:
    """Since 1970."""
    return day.toordinal() - EPOCH.toordinal()


def column_of(array: pa.Array | pa.ChunkedArray, texts: Texts | None = None) -> Column:
    """A column of Arrow.

    array : text, integers, floating-point numbers, booleans, dates, or instants
    texts : the dictionary to use and extend, of a text
    """
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    if is_text(array.type):
        texts = texts or Texts()
        codes = texts.encode(array)
        return Column(codes, codes != 0 if array.null_count else None, texts)
    known = array.is_valid().to_numpy(zero_copy_only=False) if array.null_count else None
    plain = array.cast(pa.timestamp("us", array.type.tz)) if pa.types.is_timestamp(array.type) else array
    if pa.types.is_timestamp(array.type):
        plain = plain.view(pa.int64())
    elif pa.types.is_date(array.type):
        plain = plain.cast(pa.date32()).view(pa.int32())
    elif pa.types.is_decimal(array.type):
        plain = plain.cast(pa.float64())
    if array.null_count:
        plain = pc.fill_null(plain, False if pa.types.is_boolean(plain.type) else 0)
    values = plain.to_numpy(zero_copy_only=False)
    return Column(values.astype(dtype_of(array.type), copy=False), known)


def arrow_of(column: Column, kind: pa.DataType, n: int) -> pa.Array:
    """The other way round: ``n`` rows as Arrow of a type that :func:`column_of` takes."""
    values, unknown = np.broadcast_to(column.values, n), ~np.broadcast_to(column.is_known, n)
    if is_text(kind):
        assert column.texts is not None
        codes = pa.array(values, mask=unknown | (values == 0))
        return pa.DictionaryArray.from_arrays(codes, pa.array(column.texts.texts, pa.string())).cast(kind)
    array = pa.array(values, mask=unknown)
    return array.view(kind) if pa.types.is_timestamp(kind) or pa.types.is_date32(kind) else array.cast(kind)


LONGEST_OF_FIXED = 64


def encoded(array: pa.Array | pa.ChunkedArray) -> Array:
    """Texts as UTF-8, whose order is that of the code points: bytes of one length, or objects where some are long."""
    array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
    plain = array.cast(pa.large_binary()) if not pa.types.is_large_binary(array.type) else array
    offsets = np.frombuffer(plain.buffers()[1], np.int64, len(plain) + 1, plain.offset * 8)
    lengths = np.diff(offsets)
    longest = int(lengths.max(initial=1))
    if longest > LONGEST_OF_FIXED:
        return np.array(plain.to_pylist(), object)
    data = np.frombuffer(plain.buffers()[2] or b"", np.uint8)[offsets[0] : offsets[-1]]
    padded = np.zeros((len(plain), longest), np.uint8)
    padded[np.arange(longest) < lengths[:, None]] = data
    return padded.view(f"S{longest}").ravel()


def joined(columns: Sequence[Column]) -> Column:
    """The rows of several columns, one after another."""
    if len(columns) == 1:
        return columns[0]
    known = None
    if any(column.known is not None for column in columns):
        known = np.concatenate([np.broadcast_to(column.is_known, len(column.values)) for column in columns])
    return Column(np.concatenate([column.values for column in columns]), known, columns[0].texts)


def is_text(kind: pa.DataType) -> bool:
    """Whether Arrow holds texts of this type, perhaps as a dictionary."""
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def dtype_of(kind: pa.DataType) -> np.dtype[Any]:
    """How NumPy holds the values of an Arrow type here."""
    if is_text(kind) or pa.types.is_date(kind):
        return np.dtype(np.int32)
    if pa.types.is_boolean(kind):
        return np.dtype(np.bool_)
    is_whole = pa.types.is_integer(kind) or pa.types.is_timestamp(kind)
    return np.dtype(np.int64 if is_whole else np.float64)
