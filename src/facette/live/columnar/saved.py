"""The live state in one file: written beside the last one and put in its place at once, so that a crash leaves one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from facette.clock import Moment
from facette.errors import RunError
from facette.live.columnar.columns import Array
from facette.live.columnar.engine import Engine

FORMAT = 1


def save(engine: Engine, path: Path, note: Mapping[str, Any] | None = None) -> None:
    """Write all that the engine holds.

    note : plain data to keep with it, such as the positions in the log up to which events are in it
    cost : a copy of the state on disk (NumPy's .npz, not compressed), written in about a second per GB
    """
    arrays = {name: _plain(array) for name, array in engine.arrays().items()}
    moment = engine.moment
    assert moment.known_at is not None
    about = {
        "format": FORMAT,
        "as_of": moment.as_of.isoformat(),
        "zone": moment.zone,
        "known_at": moment.known_at.isoformat(),
        "meaning": engine.meaning,
        "note": {**(note or {})},
    }
    beside = path.with_suffix(".writing")
    with beside.open("wb") as file:
        np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def restore(engine: Engine, path: Path) -> dict[str, Any]:
    """Make an engine without profiles what the one was that was saved; returns its note.

    Raises RunError if that one had other definitions.
    """
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    about = json.loads(arrays.pop("about").tobytes())
    if about["format"] != FORMAT or about["meaning"] != engine.meaning:
        raise RunError(
            f"{path} was saved by another version of Facette or of the definitions",
            remedy="Load the published snapshot, and read the events that came since from the log.",
        )
    as_of, known_at = (datetime.fromisoformat(about[name]) for name in ("as_of", "known_at"))
    engine.restore(arrays, Moment(as_of, about["zone"], known_at))
    note: dict[str, Any] = about["note"]
    return note


def _plain(array: Array) -> Array:
    """Bytes of any length as bytes of one length: NumPy writes objects with pickle only."""
    return array.astype("S") if array.dtype == object else array
