"""Files written piece by piece: CSV, JSON lines and Parquet, by their ending."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

SHOP = "truth/shop.json"
"""What the files in a folder were made with."""


class Writer(Protocol):
    def append(self, table: pa.Table) -> None: ...

    def close(self) -> None: ...


class Files:
    """Files under one folder; each is replaced when first appended to, and stays open until closed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._open: dict[str, Writer] = {}
        self.n_written = 0

    def must_be_of(self, shop: dict[str, int | None]) -> None:
        """Leave if the folder holds the files of another shop, which would be mixed with ours."""
        path = self.folder / SHOP
        told = json.dumps(shop)
        if path.exists() and (there := path.read_text(encoding="utf-8")) != told:
            sys.exit(f"{self.folder} holds another shop ({there}).\n  → Remove it, or name another folder with --out.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(told, encoding="utf-8")

    def append(self, path: str, table: pa.Table, **options: Any) -> None:
        """options : delimiter and encoding of CSV"""
        if path not in self._open:
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            self._open[path] = WRITERS[target.suffix](target, **options)
            self.n_written += 1
        self._open[path].append(table)

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()


class CsvWriter:
    def __init__(self, path: Path, delimiter: str = ",", encoding: str = "utf-8") -> None:
        self._file = path.open("wb")
        self._delimiter, self._encoding, self._is_first = delimiter, encoding, True

    def append(self, table: pa.Table) -> None:
        options = pacsv.WriteOptions(
            include_header=self._is_first, delimiter=self._delimiter, quoting_style="needed", quoting_header="needed"
        )
        text = io.BytesIO()
        pacsv.write_csv(table, text, options)
        self._file.write(text.getvalue().decode("utf-8").encode(self._encoding))
        self._is_first = False

    def close(self) -> None:
        self._file.close()


class JsonLinesWriter:
    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="\n")

    def append(self, table: pa.Table) -> None:
        """Text columns must hold neither quotes nor control characters, as our own do."""
        parts: list[pa.Array | str] = []
        for position, name in enumerate(table.column_names):
            values = table[name].combine_chunks()
            mark = '"' if pa.types.is_string(values.type) else ""
            parts += [f'{", " if position else "{"}"{name}": {mark}', values.cast(pa.string()), mark]
        lines = pc.binary_join_element_wise(*parts, "}\n", "")
        self._file.writelines(lines.to_pylist())

    def close(self) -> None:
        self._file.close()


class ParquetWriter:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._writer: pq.ParquetWriter | None = None

    def append(self, table: pa.Table) -> None:
        self._writer = self._writer or pq.ParquetWriter(self._path, table.schema, compression="zstd")
        self._writer.write_table(table)

    def close(self) -> None:
        if self._writer:
            self._writer.close()


WRITERS = {".csv": CsvWriter, ".jsonl": JsonLinesWriter, ".parquet": ParquetWriter}
