"""Extract: what the sources have that the published snapshot has not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from facette.definitions.model import LogSource
from facette.definitions.project import Definitions
from facette.plan import Arrivals
from facette.sources.landing import Landing, land, survey
from facette.warehouse.connect import put_in_place, unwritable
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Snapshot, Store

RAW = "raw"
"""Folder of the store with the rows as found."""


def extract(
    definitions: Definitions, store: Store, ledger: Ledger, published: Snapshot | None
) -> tuple[dict[str, Arrivals], int, list[str]]:
    """Land what is new in every source; what the published snapshot lacks of each, the rows landed, and notes.

    SourceError if a source cannot be read, RunError if a file cannot be written.
    """
    arrivals: dict[str, Arrivals] = {}
    rows = 0
    notes: list[str] = []
    for source in definitions.project.sources:
        known = [Landing(**record) for record in ledger.landings(source.name)]
        result = land(source, folder=definitions.folder, raw=store.folder / RAW, known=known)
        for item in result.landed:
            rows += item.rows
            if item.refused:
                refused = result.refused.filter(pc.equal(result.refused["landing"], item.landing))
                _write(refused, refused_file(store, item))
        current = {item.landing: asdict(item) for item in result.current}
        ledger.land(source.name, current, [item.landing for item in known if item.landing not in current])
        notes += result.notes
        arrivals[source.name] = arrivals_of(published, source.name, [item.landing for item in result.current])
    return arrivals, rows, notes


def expect(definitions: Definitions, store: Store, ledger: Ledger, published: Snapshot | None) -> dict[str, Arrivals]:
    """What :func:`extract` would find, without landing anything."""
    arrivals = {}
    for source in definitions.project.sources:
        known = [Landing(**record) for record in ledger.landings(source.name)]
        new, changed = survey(source, folder=definitions.folder, raw=store.folder / RAW, known=known)
        waiting = arrivals_of(published, source.name, [item.landing for item in known])
        records = new or 0 if isinstance(source, LogSource) else 0
        if records:
            new = 1  # they will be one landing
        total = None if new is None or waiting.new is None else new + waiting.new
        arrivals[source.name] = Arrivals(total, changed + waiting.replaced, records)
    return arrivals


def arrivals_of(published: Snapshot | None, source: str, current: Sequence[str]) -> Arrivals:
    """What the published snapshot lacks of a source's current landings, and has that is no longer current."""
    consumed = set(published.consumed.get(source, ())) if published else set()
    return Arrivals(len(set(current) - consumed), len(consumed - set(current)))


def refused_file(store: Store, landing: Landing) -> Path:
    """The rows of a landing that could not be read."""
    return store.folder / RAW / landing.source / f"{landing.landing}.refused.parquet"


def _write(table: pa.Table, path: Path) -> None:
    """Write a file that is there completely or not at all."""
    unfinished = path.with_name(f".{path.name}.{uuid4().hex[:8]}")
    try:
        pq.write_table(table, unfinished)
        put_in_place(unfinished, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        unfinished.unlink(missing_ok=True)
