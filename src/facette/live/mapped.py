"""What took long to find out, kept in files that are mapped into memory: nothing of it is read before it is needed.

Objects say in ``STORED`` which attributes they consist of: NumPy's arrays, Arrow's texts, whole numbers, lists of
texts, and such objects. What is mapped may be written to; that stays in memory.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from facette.live.columnar.columns import Array
from facette.warehouse.connect import put_in_place, unwritable

OFFSETS, BYTES, JSON = ".offsets", ".bytes", ".json"


def arrays_of(name: str, value: Any) -> Iterator[tuple[str, Array]]:
    """What an object consists of, with names that begin like its own."""
    match value:
        case np.ndarray():
            yield name, value
        case pa.LargeStringArray():
            _, offsets, texts = value.buffers()
            yield name + OFFSETS, np.frombuffer(offsets, np.int64, len(value) + 1, value.offset * 8)
            yield name + BYTES, np.frombuffer(texts or b"", np.uint8)
        case int() | list():
            yield name + JSON, np.frombuffer(json.dumps(value).encode(), np.uint8)
        case _:
            for attribute in value.STORED:
                yield from arrays_of(f"{name}.{attribute}", getattr(value, attribute))


def restored(name: str, value: Any, arrays: Mapping[str, Array]) -> Any:
    """What :func:`arrays_of` was given, from what it gave, into an object that is new.

    value : that object, or anything of the type of what is neither array nor object
    """
    match value:
        case np.ndarray():
            return arrays[name]
        case pa.LargeStringArray():
            buffers = [None, *(pa.py_buffer(arrays[name + part]) for part in (OFFSETS, BYTES))]
            return pa.Array.from_buffers(pa.large_string(), len(arrays[name + OFFSETS]) - 1, buffers)
        case int() | list():
            return json.loads(arrays[name + JSON].tobytes())
    for attribute in value.STORED:
        setattr(value, attribute, restored(f"{name}.{attribute}", getattr(value, attribute), arrays))
    return value


def read(folder: Path) -> dict[str, Array] | None:
    """The arrays in a folder; None if it is not there, or damaged: they are found out again then."""
    if not folder.is_dir():
        return None
    try:
        return {path.stem: np.asarray(np.load(path, mmap_mode="c")) for path in folder.glob("*.npy")}
    except (OSError, ValueError):
        return None


def write(folder: Path, arrays: Mapping[str, Array]) -> None:
    """Put arrays into a folder that is there completely or not at all, in place of others of its kind.

    folder : its kind is what its name has before the last hyphen

    RunError if it cannot be written.
    """
    kind = folder.name.rpartition("-")[0]
    unfinished = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}")
    try:
        for other in (*folder.parent.glob(f"{kind}-*"), *folder.parent.glob(f".{kind}-*")):
            shutil.rmtree(other)
        unfinished.mkdir(parents=True)
        for name, array in arrays.items():
            with (unfinished / f"{name}.npy").open("wb") as file:
                np.save(file, array)
                file.flush()
                os.fsync(file.fileno())
        put_in_place(unfinished, folder)
    except OSError as error:
        raise unwritable(folder, error) from error
