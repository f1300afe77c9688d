"""The ledger: what cannot be recomputed from the sources. SQLite in the store by default, PostgreSQL by URL.

runs     : every run that was started, how it ended, and how long each stage took
landings : every raw file that was landed (its record is the landing's own JSON)
model_versions : every fit of every model, of data and by libraries that may not be the same again
model_choices  : which version was to be applied from when on (null: the newest again); the last of a model holds
approvals : what people let through the gate: a version of a model, a definition of a segment
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from facette.errors import RunError
from facette.warehouse.connect import unwritable

metadata = sa.MetaData()

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run", sa.String, primary_key=True),
    sa.Column("as_of", sa.String, nullable=False),
    sa.Column("started_at", sa.String, nullable=False),
    sa.Column("ended_at", sa.String),
    sa.Column("status", sa.String, nullable=False),  # running, published, unchanged, failed, interrupted
    sa.Column("error", sa.Text),
    sa.Column("stages", sa.Text, nullable=False, default="[]"),
)

landings = sa.Table(
    "landings",
    metadata,
    sa.Column("source", sa.String, primary_key=True),
    sa.Column("landing", sa.String, primary_key=True),
    sa.Column("landed_at", sa.String, nullable=False),
    sa.Column("is_current", sa.Boolean, nullable=False),
    sa.Column("record", sa.Text, nullable=False),
)

model_versions = sa.Table(
    "model_versions",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("kind", sa.String, nullable=False),
    sa.Column("run", sa.String, nullable=False),
    sa.Column("recorded_at", sa.String, nullable=False),
    sa.Column("tracked_as", sa.String),  # the run in MLflow
    sa.Column("record", sa.Text, nullable=False),  # the row of the table models, as JSON
)

model_choices = sa.Table(
    "model_choices",
    metadata,
    sa.Column("n", sa.Integer, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("version", sa.Integer),
    sa.Column("chosen_at", sa.String, nullable=False),
)

approvals = sa.Table(
    "approvals",
    metadata,
    sa.Column("name", sa.String, primary_key=True),
    sa.Column("version", sa.String, primary_key=True),
    sa.Column("approved_at", sa.String, nullable=False),
)


class Ledger:
    """Reads and writes the ledger of one project. RunError wherever it cannot."""

    def __init__(self, store: Path, url: str | None = None) -> None:
        self._engine = sa.create_engine(url or f"sqlite:///{store / 'ledger.db'}")
        try:
            store.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(store, error) from error
        with self._transaction() as db:
            metadata.create_all(db)

    def close(self) -> None:
        self._engine.dispose()

    # ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, run: str, as_of: datetime, *, published: str | None = None) -> None:
        """Record the start of a run.

        Runs that never ended were killed: they are marked interrupted, but for the one that is published.
        """
        was_killed = runs.c.status == "running"
        with self._transaction() as db:
            db.execute(
                runs.update().where(was_killed, runs.c.run == published).values(status="published", ended_at=_now())
            )
            db.execute(runs.update().where(was_killed).values(status="interrupted", ended_at=_now()))
            db.execute(
                runs.insert().values(run=run, as_of=as_of.isoformat(), started_at=_now(), status="running", stages="[]")
            )

    def end(self, run: str, status: str, stages: Sequence[Mapping[str, Any]], error: str | None = None) -> None:
        with self._transaction() as db:
            db.execute(
                runs.update()
                .where(runs.c.run == run)
                .values(status=status, ended_at=_now(), stages=json.dumps(list(stages)), error=error)
            )

    def runs(self, limit: int = 50) -> list[dict[str, Any]]:
        """The latest runs, newest first."""
        with self._transaction() as db:
            rows = db.execute(runs.select().order_by(runs.c.run.desc()).limit(limit)).mappings()
            return [{**row, "stages": json.loads(row["stages"])} for row in rows]

    # ── landings ────────────────────────────────────────────────────────────────────────────────────────────────────

    def land(self, source: str, current: Mapping[str, Mapping[str, Any]], replaced: Sequence[str]) -> None:
        """Record the current landings of a source, and that others no longer are, in one transaction.

        The instant of landing is that of the first time, also of a part that has since been replaced, so that a
        correction takes the place of what it corrects; those of one call follow each other by a microsecond.
        """
        now = datetime.now(UTC)
        mine = landings.c.source == source
        with self._transaction() as db:
            there = db.execute(landings.select().where(mine)).all()
            known = {row.landing: row.landed_at for row in there}
            was = {json.loads(row.record).get("file"): row.landed_at for row in there if row.landing in replaced}
            was.pop(None, None)
            one = landings.c.landing == sa.bindparam("one")
            if replaced:
                gone = [{"one": landing} for landing in replaced]
                db.execute(landings.update().where(mine, one).values(is_current=False), gone)
            if current:
                db.execute(landings.delete().where(mine, one), [{"one": landing} for landing in current])
                rows = [
                    {
                        "source": source,
                        "landing": landing,
                        "landed_at": known.get(landing)
                        or was.get(dict(record).get("file"))
                        or _text(now + timedelta(microseconds=place)),
                        "is_current": True,
                        "record": json.dumps(dict(record), default=str),
                    }
                    for place, (landing, record) in enumerate(current.items())
                ]
                db.execute(landings.insert(), rows)

    def landings(self, source: str) -> list[dict[str, Any]]:
        """The records of the current landings of a source, in the order in which they were landed."""
        with self._transaction() as db:
            rows = db.execute(
                landings.select()
                .where(landings.c.source == source, landings.c.is_current)
                .order_by(landings.c.landed_at, landings.c.landing)
            ).mappings()
            return [json.loads(row["record"]) for row in rows]

    # ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def keep_versions(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Record fits that are not recorded yet: rows of the table ``models``."""
        with self._transaction() as db:
            there = {(row.name, row.version) for row in db.execute(sa.select(*model_versions.primary_key))}
            new = [
                {
                    **{key: row[key] for key in ("name", "version", "kind")},
                    "run": row.get("run") or "",
                    "recorded_at": _now(),
                    "record": json.dumps({**row, "fitted_at": row["fitted_at"].isoformat()}),
                }
                for row in rows
                if (row["name"], row["version"]) not in there
            ]
            if new:
                db.execute(model_versions.insert(), new)

    def versions(self) -> list[dict[str, Any]]:
        """Every fit as a row of the table ``models``, with recorded_at and tracked_as; by model, newest first."""
        order = (model_versions.c.name, model_versions.c.version.desc())
        with self._transaction() as db:
            rows = db.execute(model_versions.select().order_by(*order)).mappings()
            return [_version(dict(row)) for row in rows]

    def track(self, name: str, version: int, run: str) -> None:
        """Record that a version is known to MLflow, and as which run."""
        this = (model_versions.c.name == name, model_versions.c.version == version)
        with self._transaction() as db:
            db.execute(model_versions.update().where(*this).values(tracked_as=run))

    def choose(self, name: str, version: int | None) -> None:
        """From now on that version is to be applied; None: the newest again."""
        with self._transaction() as db:
            db.execute(model_choices.insert().values(name=name, version=version, chosen_at=_now()))

    def choices(self) -> dict[str, dict[str, Any]]:
        """Model → version and chosen_at, of those of which a version was chosen and not released."""
        with self._transaction() as db:
            rows = db.execute(model_choices.select().order_by(model_choices.c.n)).mappings()
            last = {row["name"]: {"version": row["version"], "chosen_at": row["chosen_at"]} for row in rows}
        return {name: choice for name, choice in last.items() if choice["version"] is not None}

    # ── approvals ───────────────────────────────────────────────────────────────────────────────────────────────────

    def approve(self, name: str, version: str) -> None:
        """Record that a version of a model or segment may be published although it failed its checks."""
        if not self.is_approved(name, version):
            with self._transaction() as db:
                db.execute(approvals.insert().values(name=name, version=version, approved_at=_now()))

    def is_approved(self, name: str, version: str) -> bool:
        with self._transaction() as db:
            there = approvals.select().where(approvals.c.name == name, approvals.c.version == version)
            return db.execute(there).first() is not None

    @contextmanager
    def _transaction(self) -> Iterator[sa.Connection]:
        try:
            with self._engine.begin() as db:
                yield db
        except sa.exc.DBAPIError as error:
            if "disk is full" in str(error.orig):
                raise RunError(
                    f"The disk is full: the ledger {self._engine.url} cannot be written.",
                    remedy="Free space on that disk and run again; what was published before is untouched.",
                ) from error
            raise RunError(
                f"The ledger {self._engine.url} cannot be used: {error.orig}.",
                remedy="Check that it is there and that you may write to it; what was published before is untouched.",
            ) from error


def _version(row: Mapping[str, Any]) -> dict[str, Any]:
    record = json.loads(row["record"])
    record["fitted_at"] = datetime.fromisoformat(record["fitted_at"])
    return {**record, "recorded_at": row["recorded_at"], "tracked_as": row["tracked_as"]}


def _now() -> str:
    return _text(datetime.now(UTC))


def _text(instant: datetime) -> str:
    return instant.isoformat(timespec="microseconds")
