"""The small working project that a new folder begins with."""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path

from facette.definitions.documents import yaml_files
from facette.errors import FacetteError


def write_starter(folder: Path) -> tuple[Path, ...]:
    """Copy the starter project (definitions, data, README) into ``folder``, which is made if need be.

    Returns the files written, sorted. Raises FacetteError, having written nothing, if a file would be overwritten or
    the folder already holds definitions; also if it cannot be written.
    """
    with as_file(files("facette.definitions") / "starter") as starter:
        originals = sorted(path for path in starter.rglob("*") if path.is_file())
        copies = {folder / path.relative_to(starter): path for path in originals}
        in_the_way = [path for path in copies if path.exists()]
        in_the_way += [path.parent for path in copies if path.parent.is_file()] or yaml_files(folder)
        if in_the_way:
            message = f"{in_the_way[0]} is already there"
            raise FacetteError(message, remedy="choose an empty folder, or one without definitions")
        try:
            for copy, original in copies.items():
                copy.parent.mkdir(parents=True, exist_ok=True)
                copy.write_bytes(original.read_bytes())
        except OSError as error:
            message = f"{folder} cannot be written: {error.strerror}"
            raise FacetteError(message, remedy="choose a folder that you may write to") from error
    return tuple(copies)
