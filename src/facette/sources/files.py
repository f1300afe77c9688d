"""Files: CSV, Parquet and JSON lines, found by a path or a pattern. Each file is a part of its own."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Iterator
from glob import glob, has_magic
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facette.definitions.model import FileSource
from facette.errors import SourceError
from facette.sources.delimited import read_csv
from facette.sources.source import Batch, Part, Position, Refusal

ENDINGS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
ROWS = 100_000  # rows of Parquet in a batch
LINES = 20_000  # lines of JSON in a batch
READER = "2"  # change it when files have to be read again because the reader reads them otherwise


class Files:
    """The files of one source that are new or have changed."""

    def __init__(self, source: FileSource, folder: Path) -> None:
        self.source, self.folder = source, folder

    def batches(self, position: Position) -> Iterator[Batch]:
        """Files in the order of their names; unchanged ones and those that have gone are told without rows."""
        found = self.parts(position)
        for name, part in found.items():
            if name in position and part.fingerprint == position[name].fingerprint:
                yield Batch(name, after=part)
            else:
                yield from self._read(part)
        for name in sorted(position.keys() - found.keys()):
            yield Batch(name, after=position[name], note=f"{name} is gone; what was read of it stays.")

    def parts(self, position: Position) -> dict[str, Part]:
        """The files there are now. The content is hashed only where size or time of change is new."""
        parts = {}
        for path in find_files(self.folder, self.source.path, must_exist=not position):
            name = path.relative_to(self.folder).as_posix() if path.is_relative_to(self.folder) else path.as_posix()
            _must_be_text(name)
            settings = self._settings(path)
            size, mtime_ns = _stat(path)
            before = position.get(name)
            is_same = before and before.fingerprint.startswith(settings) and before.size == size
            if before and is_same and before.mtime_ns == mtime_ns:
                parts[name] = before
            else:
                parts[name] = Part(name, f"{settings}-{_content_hash(path)}", size=size, mtime_ns=mtime_ns)
        return parts

    def _read(self, part: Part) -> Iterator[Batch]:
        """The rows of one file; SourceError if it changes while it is being read."""
        path = self.folder / part.name
        match self._format(path):
            case "parquet":
                reading = read_parquet_file(path, part.name)
            case "jsonl":
                reading = read_json_lines(path, part.name)
            case _:
                delimiter = self.source.delimiter or ("\t" if path.suffix.lower() == ".tsv" else None)
                reading = read_csv(path, part.name, encoding=self.source.encoding, delimiter=delimiter)
        yield from reading
        if _stat(path) != (part.size, part.mtime_ns):
            raise SourceError(
                f"{part.name} changed while it was being read.",
                remedy="Run again once it is complete; better, write it under another name and rename it at the end.",
            )
        yield Batch(part.name, after=part)

    def _format(self, path: Path) -> str:
        kind = self.source.format or ENDINGS.get(path.suffix.lower())
        if kind is None:
            raise SourceError(
                f"{path.name}: the ending {path.suffix!r} does not tell the format.",
                remedy="Declare the source's `format`: csv, parquet or jsonl.",
            )
        return kind

    def _settings(self, path: Path) -> str:
        settings = [READER, self._format(path), self.source.encoding, self.source.delimiter]
        return blake2b(json.dumps(settings).encode(), digest_size=4).hexdigest()


def find_files(folder: Path, pattern: str, *, must_exist: bool = True) -> list[Path]:
    """The files that a path or pattern names, relative to ``folder``, sorted; SourceError if one must exist."""
    literal = folder / pattern
    if literal.is_file():
        return [literal]
    names = glob(pattern, root_dir=folder, recursive=True)  # noqa: PTH207 (Path.glob takes no absolute pattern)
    found = sorted(folder / name for name in names if (folder / name).is_file())
    if not found and must_exist:
        near = _nearest(folder, pattern)
        remedy = f"The nearest files there are: {', '.join(near)}." if near else "There is no file near it either."
        what = "No file matches" if has_magic(pattern) else "There is no file"
        raise SourceError(f"{what} {pattern} in {folder}.", remedy=f"Check the source's `path`. {remedy}")
    return found


def _nearest(folder: Path, pattern: str, at_most: int = 1000) -> list[str]:
    """Up to three files whose names look like the pattern, in its folder or the nearest one above that exists."""
    start = (folder / pattern).parent
    while has_magic(str(start.relative_to(folder) if start.is_relative_to(folder) else start)) or not start.is_dir():
        start = start.parent
    files = [path for path, _ in zip(start.rglob("[!.]*"), range(at_most), strict=False) if path.is_file()]
    names = [path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.as_posix() for path in files]
    return difflib.get_close_matches(pattern, names, n=3, cutoff=0.3)


def _must_be_text(name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError:
        readable = os.fsencode(name).decode("utf-8", "backslashreplace")
        remedy = "Rename the file, or narrow the source's `path`."
        raise SourceError(f"The name of the file {readable} is not UTF-8 text.", remedy=remedy) from None


def _stat(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as error:
        raise SourceError(
            f"{path} cannot be read: {error.strerror}.", remedy="Check that it is still there."
        ) from error
    return stat.st_size, stat.st_mtime_ns


def _content_hash(path: Path) -> str:
    digest = blake2b(digest_size=12)
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.", remedy="Check that you may read it.") from error
    return digest.hexdigest()


# ── formats ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_parquet_file(path: Path, name: str) -> Iterator[Batch]:
    """The rows of a Parquet file in their own types."""
    n_rows = 0
    try:
        with pq.ParquetFile(path) as file:
            for rows in file.iter_batches(ROWS):
                numbers = pa.array(np.arange(n_rows + 1, n_rows + rows.num_rows + 1))
                yield Batch(name, rows=pa.Table.from_batches([rows]), numbers=numbers)
                n_rows += rows.num_rows
            if not n_rows:
                yield Batch(name, rows=file.schema_arrow.empty_table(), numbers=pa.array([], pa.int64()))
    except (pa.ArrowException, OSError) as error:
        raise SourceError(
            f"{name} cannot be read as Parquet: {error}",
            remedy="Write the file again, or declare the source's `format` if it is not Parquet.",
        ) from error


def read_json_lines(path: Path, name: str) -> Iterator[Batch]:
    """One JSON object per line, as text columns: texts as they are, other values as JSON writes them, null as null.

    A line that is not a JSON object is kept aside. A row's number is the number of its line.
    """
    rows: list[dict[str, str | None]] = []
    numbers: list[int] = []
    refused: list[Refusal] = []
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                rows.append(_texts(json.loads(line, parse_constant=_refuse_constant)))
                numbers.append(number)
            except (ValueError, RecursionError) as error:
                text = line.decode("utf-8", "backslashreplace").rstrip("\r\n")
                refused.append(Refusal(number, text, f"no JSON object: {error}", json.dumps(text, ensure_ascii=False)))
            if len(rows) + len(refused) >= LINES:
                yield _json_batch(name, rows, numbers, refused)
                rows, numbers, refused = [], [], []
    yield _json_batch(name, rows, numbers, refused)


def _texts(value: Any) -> dict[str, str | None]:
    if not isinstance(value, dict):
        raise ValueError(f"a {type(value).__name__}")
    texts = {key: item if item is None or isinstance(item, str) else json_text(item) for key, item in value.items()}
    for text in (*texts, *texts.values()):
        if text:
            text.encode("utf-8")  # half of a surrogate pair is valid JSON and no text
    return texts


def json_text(value: Any) -> str:
    """A value as JSON writes it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _json_batch(name: str, rows: list[dict[str, str | None]], numbers: list[int], refused: list[Refusal]) -> Batch:
    columns = dict.fromkeys(key for row in rows for key in row)
    table = pa.table({key: pa.array([row.get(key) for row in rows], pa.string()) for key in columns})
    return Batch(name, rows=table, numbers=pa.array(numbers, pa.int64()), refused=tuple(refused))
