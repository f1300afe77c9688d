"""CSV: which encoding and dialect a file has, and its rows as text, exactly as found.

Values are not trimmed, converted or made null. A row with too few or too many values, with bytes that the encoding does
not know, or with a NUL byte is kept aside. A file that makes no sense as a whole is a SourceError; so is a quote that
never closes, or that closes before other text on a later line: it would swallow the rows between.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import io
import json
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import charset_normalizer
import clevercsv
import numpy as np
import pyarrow as pa
import pyarrow.csv as arrow_csv

from facette.definitions.source_checks import is_text_encoding
from facette.errors import SourceError
from facette.sources.source import Batch, Refusal

DELIMITERS = (",", ";", "\t", "|")
BLOCK = 8 << 20  # bytes of text read at once; no row can be longer
SAMPLE = 256 << 10  # bytes by which encoding and dialect are told
CLEVER_SAMPLE = 16 << 10  # clevercsv takes time that grows faster than the text
csv.field_size_limit(BLOCK)  # of the whole process: Python's csv has no other
BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
ENCODINGS = ("cp1252", "cp1250", "cp1251", "cp1253", "mac_roman", "shift_jis", "gb18030", "big5", "cp949")
FEW_BYTES = 8  # fewer bytes beyond ASCII say nothing of the encoding; cp1252 is what Western systems write


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a file's text is cut into values."""

    encoding: str
    delimiter: str
    quote: str = '"'
    escape: str = ""


def read_csv(path: Path, name: str, *, encoding: str | None, delimiter: str | None) -> Iterator[Batch]:
    """The rows of a CSV file as batches of text columns named by its first line; the last has no ``after`` yet.

    name                : what the file is called in messages
    encoding, delimiter : as declared; found by looking at the file unless given
    """
    dialect = find_dialect(path, name, encoding, delimiter)
    header, n_blank, has_rows = read_header(path, name, dialect)
    if header is None:
        yield Batch(name, rows=pa.table({}), numbers=pa.array([], pa.int64()), note=f"{name} is empty.")
        return
    note = "" if encoding and delimiter else f"{name} was read as {dialect.encoding} with {dialect.delimiter!r}."
    reading = _Reading(path, name, dialect, header)
    for rows in reading.blocks(n_blank) if has_rows else [reading.no_rows]:
        yield replace(reading.batch(rows), note=note)
        note = ""
    reading.check_quotes()
    if reading.ragged:
        yield Batch(name, rows=reading.empty, numbers=pa.array([], pa.int64()), refused=reading.take_ragged())


# ── encoding and dialect ────────────────────────────────────────────────────────────────────────────────────────────


def find_dialect(path: Path, name: str, encoding: str | None, delimiter: str | None) -> Dialect:
    """The declared encoding and delimiter, and what the file itself tells of the rest."""
    encoding = encoding or find_encoding(path)
    if not is_text_encoding(encoding):
        raise SourceError(
            f"{name}: there is no encoding called {encoding!r}.", remedy="Use a name such as utf-8 or cp1252."
        )
    with path.open("rb") as file:
        head = file.read(SAMPLE)
    try:
        text = codecs.getincrementaldecoder(encoding)("replace").decode(head).replace("\0", "\ufffd")
    except UnicodeError as error:
        raise SourceError(
            f"{name} is not {encoding} text: {error}.",
            remedy="Declare the encoding that it has: `utf-16-le` or `utf-16-be` if no mark says which of the two.",
        ) from error
    if len(head) == SAMPLE:
        text = text[: text.rfind("\n") + 1] or text
    dialect = Dialect(encoding, delimiter, escape=_escape(text, delimiter)) if delimiter else _guess_delimiter(text)
    return replace(dialect, encoding=encoding)


def find_encoding(path: Path) -> str:
    """UTF-8 if most lines that are not plain ASCII are valid in it, else the encoding that gives the tidiest text.

    Looks through the whole file until it has seen enough of such lines, so that an accent after a million plain lines
    counts.
    """
    telling: list[bytes] = []
    n_bytes = 0
    with path.open("rb") as file:
        start = file.read(4)
        for mark, encoding in BYTE_ORDER_MARKS:
            if start.startswith(mark):
                return encoding
        file.seek(0)
        while n_bytes < SAMPLE and (lines := file.readlines(1 << 20)):
            telling += [line[:SAMPLE] for line in lines if not line.isascii()]
            n_bytes = sum(map(len, telling))
    if 2 * sum(map(_decodes, telling)) >= len(telling):
        return "utf-8"
    return _guess_encoding(b"".join(telling)[:SAMPLE])


def _decodes(text: bytes, encoding: str = "utf-8") -> bool:
    try:
        text.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _guess_encoding(sample: bytes) -> str:
    """The tidiest of the usual encodings, but cp1252 where that is as tidy or where there is little to go by."""
    n_telling = sum(byte > 127 for byte in sample)
    if n_telling < FEW_BYTES and _decodes(sample, "cp1252"):
        return "cp1252"
    matches = charset_normalizer.from_bytes(sample, cp_isolation=list(ENCODINGS))
    best = matches.best()
    if best is None:
        return "cp1252"
    for match in matches:
        if match.encoding == "cp1252" and match.chaos <= best.chaos and match.coherence >= best.coherence:
            return "cp1252"
    return best.encoding


def _guess_delimiter(text: str) -> Dialect:
    """The one usual delimiter by which all rows have equally many values, else what clevercsv makes of it."""
    widths = {delimiter: _width(text, delimiter) for delimiter in DELIMITERS}
    regular = {delimiter: width for delimiter, width in widths.items() if width > 1}
    if len(regular) == 1:
        [delimiter] = regular
        return Dialect("", delimiter, escape=_escape(text, delimiter))
    found = clevercsv.Detector().detect(text[:CLEVER_SAMPLE], delimiters=list(DELIMITERS)) if text.strip() else None
    if found is None or not found.delimiter:
        return Dialect("", max(regular, key=regular.__getitem__) if regular else ",")
    return Dialect("", found.delimiter, found.quotechar or '"', found.escapechar)


def _escape(text: str, delimiter: str) -> str:
    """A backslash if rows only make sense where it escapes quotes within quotes, else nothing."""
    is_needed = not _width(text, delimiter, strict=True) and _width(text, delimiter, strict=True, escapechar="\\")
    return "\\" if is_needed else ""


def _width(text: str, delimiter: str, **settings: Any) -> int:
    """Values per row if all rows have equally many, else 0."""
    try:
        widths = {len(row) for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, **settings) if row}
    except csv.Error:
        return 0
    return widths.pop() if len(widths) == 1 else 0


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_header(path: Path, name: str, dialect: Dialect) -> tuple[list[str] | None, int, bool]:
    """The names of the columns (None if the file is empty), how many blank lines stand before them, and whether any
    other line comes after.

    Names are trimmed; a column without a name is called by its place, ``column_3``.
    """
    n_blank = 0
    with _text_of(path, dialect) as text:
        try:
            for row in _rows(text, dialect):
                if row:
                    break
                n_blank += 1
            else:
                return None, n_blank, False
        except csv.Error as error:
            raise _broken_quote(name, n_blank + 1, error) from error
        has_rows = any(line.strip("\r\n") for line in text)
    header = [unicodedata.normalize("NFC", title).strip() or f"column_{i}" for i, title in enumerate(row, 1)]
    if any("\ufffd" in title for title in header):
        raise SourceError(
            f"{name}, line {n_blank + 1}: the names of the columns are not {dialect.encoding} text.",
            remedy="Declare the file's `encoding`, or its `format` if it is not CSV.",
        )
    seen: dict[str, int] = {}
    for i, title in enumerate(header, 1):
        if title.casefold() in seen:
            raise SourceError(
                f"{name}, line {n_blank + 1}: columns {seen[title.casefold()]} and {i} are both called {title!r}.",
                remedy="Give each column a name of its own (upper and lower case are the same), or remove one.",
            )
        seen[title.casefold()] = i
    return header, n_blank, has_rows


class _Reading:
    """One pass over a file: the blocks that Arrow parses, the numbers of their rows, and what was kept aside."""

    def __init__(self, path: Path, name: str, dialect: Dialect, header: Sequence[str]) -> None:
        self.path, self.name, self.dialect, self.header = path, name, dialect, list(header)
        self.empty = pa.table({title: pa.array([], pa.string()) for title in header})
        self.no_rows = pa.RecordBatch.from_pylist([], schema=pa.schema([(title, pa.binary()) for title in header]))
        self.ragged: list[Refusal] = []
        self._aside: list[int] = []  # numbers of ragged rows that numbering has not passed yet
        self._next = 1
        self._has_long_rows = any(map(_is_long, header))  # rows of more than one line

    def blocks(self, n_blank: int) -> Iterator[pa.RecordBatch]:
        """The well-formed rows in blocks, as bytes; at least one block, if only an empty one."""
        n_blocks = 0
        try:
            with _bytes_of(self.path, self.dialect) as file:
                reader = arrow_csv.open_csv(
                    file,
                    read_options=arrow_csv.ReadOptions(
                        use_threads=False,  # only then does Arrow number the rows; on a stream it is no slower
                        block_size=BLOCK,
                        column_names=self.header,
                        skip_rows=n_blank,
                        skip_rows_after_names=1,
                    ),
                    parse_options=arrow_csv.ParseOptions(
                        delimiter=self.dialect.delimiter,
                        quote_char=self.dialect.quote,
                        escape_char=self.dialect.escape or False,
                        newlines_in_values=True,
                        invalid_row_handler=lambda row: self._put_aside(row, 1 + n_blank),
                    ),
                    convert_options=arrow_csv.ConvertOptions(
                        column_types=dict.fromkeys(self.header, pa.binary()), strings_can_be_null=False
                    ),
                )
                for block in reader:
                    n_blocks += 1
                    yield block
        except pa.ArrowInvalid as error:
            raise self._unreadable(error) from error
        except UnicodeError as error:
            raise SourceError(
                f"{self.name} is not {self.dialect.encoding} text: {error}.",
                remedy="Declare the file's `encoding`.",
            ) from error
        if not n_blocks:
            yield self.no_rows

    def batch(self, block: pa.RecordBatch) -> Batch:
        """A block as text, with the rows that are no text kept aside."""
        numbers = self._number(block.num_rows)
        refused = self.take_ragged()
        self._has_long_rows = self._has_long_rows or any(map(_is_long_somewhere, block.columns))
        text = None if any(map(_has_nul, block.columns)) else _as_text(block)
        if text is None:
            is_text = [_is_text(row.values()) for row in block.to_pylist()]
            refused += tuple(
                self._undecodable(number, row)
                for number, row, good in zip(numbers.to_pylist(), block.to_pylist(), is_text, strict=True)
                if not good
            )
            numbers, text = numbers.filter(pa.array(is_text)), _as_text(block.filter(pa.array(is_text)))
        return Batch(self.name, rows=pa.Table.from_batches([text]), numbers=numbers, refused=refused)

    def take_ragged(self) -> tuple[Refusal, ...]:
        """The ragged rows met since the last call."""
        refused, self.ragged = tuple(self.ragged), []
        return refused

    def check_quotes(self) -> None:
        """SourceError if a row of several lines is none: its quote does not close, or closes before other text."""
        if self._has_long_rows and (broken := find_broken_quote(self.path, self.dialect)):
            raise _broken_quote(self.name, *broken)

    def _number(self, n_rows: int) -> pa.Array:
        """The numbers of the next rows, leaving out those of ragged ones."""
        candidates = np.arange(self._next, self._next + n_rows + len(self._aside), dtype=np.int64)
        numbers = candidates[~np.isin(candidates, self._aside)][:n_rows]
        if n_rows:
            self._next = int(numbers[-1]) + 1
        self._aside = [number for number in self._aside if number >= self._next]
        return pa.array(numbers)

    def _put_aside(self, row: arrow_csv.InvalidRow, n_before: int) -> str:
        number = row.number - n_before
        reason = f"{row.actual_columns} value{'s' * (row.actual_columns != 1)} instead of {row.expected_columns}"
        self._has_long_rows = self._has_long_rows or _is_long(row.text)
        self._aside.append(number)
        self.ragged.append(Refusal(number, row.text, reason, json.dumps(row.text, ensure_ascii=False)))
        return "skip"

    def _undecodable(self, number: int, row: dict[str, bytes]) -> Refusal:
        texts = {title: value.decode("utf-8", "backslashreplace") for title, value in row.items()}
        value = next(texts[title] for title, value in row.items() if not _is_text([value]))
        has_nul = any(b"\0" in value for value in row.values())
        reason = "a NUL byte in the text" if has_nul else f"bytes that are not {self.dialect.encoding} text"
        return Refusal(number, value, reason, json.dumps(texts, ensure_ascii=False))

    def _unreadable(self, error: pa.ArrowInvalid) -> SourceError:
        is_too_long = "straddl" in str(error)
        if is_too_long and (broken := find_broken_quote(self.path, self.dialect)):
            return _broken_quote(self.name, *broken)
        what = f"{self.name}: a row is longer than {BLOCK >> 20} MB." if is_too_long else ""
        return SourceError(
            what or f"{self.name} cannot be read as CSV: {error}",
            remedy="Open the file and check its first lines; declare `delimiter` and `encoding` if they are unusual.",
        )


# ── quotes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def find_broken_quote(path: Path, dialect: Dialect) -> tuple[int, csv.Error] | None:
    """The line on which the first row begins that is of several lines and not well-formed, and what is wrong with it.

    Arrow takes the text behind a closing quote for more of the value, so that one quote forgotten makes many rows one.
    Such text within a line is left alone.
    """
    with _text_of(path, dialect) as text, contextlib.suppress(csv.Error):
        deque(_rows(text, dialect, strict=True), maxlen=0)
        return None
    row: list[str] = []  # its lines
    n_before = 0

    def lines(text: Iterable[str]) -> Iterator[str]:
        for line in text:
            row.append(line)
            yield line

    with _text_of(path, dialect) as text:
        try:
            for _ in _rows(lines(text), dialect):
                if len(row) > 1:
                    list(_rows(row, dialect, strict=True))
                n_before += len(row)
                row.clear()
        except csv.Error as error:
            return n_before + 1, error
    return None


def _broken_quote(name: str, line: int, error: csv.Error) -> SourceError:
    if "expected after" in str(error):
        what = "the row that begins here has a quote that closes on a later line and is followed by other text"
    else:
        at_most = f"{BLOCK >> 20} MB"
        what = f"a quote opens here that does not close before the end of the file (or a row is longer than {at_most})"
    return SourceError(
        f"{name}, line {line}: {what}.", remedy='Close the quote, or double it ("") where it is part of the text.'
    )


def _is_long(value: str) -> bool:
    return "\n" in value or "\r" in value


def _is_long_somewhere(column: pa.Array) -> bool:
    data = column.buffers()[2]
    if data is None:
        return False
    text = data.to_pybytes()
    return b"\n" in text or b"\r" in text


# ── text and bytes ──────────────────────────────────────────────────────────────────────────────────────────────────


def _rows(text: Iterable[str], dialect: Dialect, *, strict: bool = False) -> Any:  # its type has no public name
    lines = (line.replace("\0", "\ufffd") for line in text)
    return csv.reader(
        lines, delimiter=dialect.delimiter, quotechar=dialect.quote, escapechar=dialect.escape or None, strict=strict
    )


def _text_of(path: Path, dialect: Dialect) -> io.TextIOWrapper:
    encoding = "utf-8-sig" if dialect.encoding == "utf-8" else dialect.encoding
    return path.open(encoding=encoding, errors="replace", newline="")


def _bytes_of(path: Path, dialect: Dialect) -> BinaryIO:
    """The file's bytes in UTF-8; bytes that its encoding does not know stay as they are, which is not UTF-8."""
    if codecs.lookup(dialect.encoding).name in ("utf-8", "utf-8-sig", "ascii"):
        return path.open("rb")
    return io.BufferedReader(_Transcoded(path, dialect.encoding), BLOCK)


class _Transcoded(io.RawIOBase):
    """A file in any encoding, read as UTF-8."""

    def __init__(self, path: Path, encoding: str) -> None:
        self._file = path.open("rb")
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogateescape")
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            raw = self._file.read(len(buffer))
            self._ready = self._decoder.decode(raw, final=not raw).encode("utf-8", "surrogateescape")
            if not raw:
                break
        n_bytes = min(len(buffer), len(self._ready))
        buffer[:n_bytes] = self._ready[:n_bytes]
        self._ready = self._ready[n_bytes:]
        return n_bytes

    def close(self) -> None:
        self._file.close()
        super().close()


def _as_text(block: pa.RecordBatch) -> pa.RecordBatch | None:
    """The block with its bytes as text; None if some are not UTF-8."""
    try:
        return block.cast(pa.schema([(title, pa.string()) for title in block.schema.names]))
    except pa.ArrowInvalid:
        return None


def _has_nul(column: pa.Array) -> bool:
    data = column.buffers()[2]
    return data is not None and data.size > 0 and int(np.frombuffer(data, np.uint8).min()) == 0


def _is_text(values: Iterable[bytes]) -> bool:
    return all(b"\0" not in value and _decodes(value) for value in values)
