"""Follow the logs, and keep memberships up to date after every few records.

This module owns the effects (logs, sinks, the machine's clock) and contains no meaning: that is in ``live``.
"""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol, Self

from facette.clock import Moment
from facette.definitions.documents import yaml_files
from facette.definitions.model import LogSource
from facette.definitions.project import Definitions, load
from facette.errors import FacetteError, LogError, RunError
from facette.live.changes import Change, Positions
from facette.live.couriers import Couriers
from facette.live.figures import RECEIVED, Figures
from facette.live.reading import Reading
from facette.live.records import Raw, raw_tables
from facette.live.sinks.sink import Sink, open_sinks
from facette.live.state import PORTION, State
from facette.live.worker import Worker, misfit
from facette.plan import by_the_gate
from facette.run import moment_of
from facette.sources.landing import Landing
from facette.sources.log import Log, LogPosition, Reader, has_reached, open_log
from facette.sources.logged import position_of, title_of
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Snapshot, Store

GROUP = "live"
"""As which the worker reads the logs."""

BATCH = 10_000
WAIT = 0.5  # seconds to wait for records before looking at the clock again
PATIENCE = 5.0  # seconds to wait for records that a log says it has
AGAIN = 2.0  # seconds after which a log that could not be read is tried again
NEARLY = timedelta(minutes=5)  # a step so soon after midnight does for it
CHECK = 2.0  # seconds between two looks at the definitions


class Watcher(Protocol):
    """Whoever watches a worker."""

    def show(self, figures: Figures) -> None: ...


@dataclass
class Desk:
    """Where others find the worker that is at work; nobody is there while it goes over to other definitions."""

    stream: Stream | None = None
    figures: Figures = field(default_factory=Figures)

    @property
    def sinks(self) -> list[str]:
        return self.stream.couriers.names if self.stream else []

    @contextmanager
    def open(self, stream: Stream) -> Iterator[None]:
        self.stream = stream
        try:
            yield
        finally:
            with stream.between_steps:  # whoever asks now is answered first
                self.stream = None


@dataclass(frozen=True)
class _Open:
    """A log, the sources that are in it, and who reads it."""

    log: Log
    sources: tuple[LogSource, ...]
    readers: list[Reader]


def follow(
    definitions: Definitions,
    watcher: Watcher,
    *,
    sinks: Sequence[Sink] = (),
    as_of: datetime | date | None = None,
    is_once: bool = False,
    most: int = BATCH,
    desk: Desk | None = None,
) -> Figures:
    """Keep memberships up to date until somebody interrupts, or with ``is_once`` until the logs are read to their end.

    as_of : the clock stands at this instant instead of going; by default as the project says, as of runs
    most  : records in a step
    desk  : where others find the worker
    """
    desk = desk or Desk()
    figures = desk.figures
    with _stopped_by_signals(), suppress(KeyboardInterrupt):
        while True:
            clock = _Clock(definitions, as_of)
            try:
                with Stream(definitions, clock(), sinks, figures) as stream, desk.open(stream), settled():
                    _follow(stream, watcher, clock, is_once, most)
                break
            except RefitError:
                definitions = load(definitions.folder)
    return figures


def _follow(stream: Stream, watcher: Watcher, clock: Callable[[], datetime], is_once: bool, most: int) -> None:
    files = _Files(stream.definitions.folder)
    figures = stream.figures
    figures.waiting = stream.waiting()
    while True:
        wait = _until_step(clock()) if not is_once else 0.0 if figures.waiting == 0 else PATIENCE
        try:
            n_read = stream.run_step(clock, most=most, wait=wait, tell=lambda: watcher.show(figures))
            figures.waiting = stream.waiting()
        except LogError as error:
            if is_once or not stream.is_behind:
                raise
            if str(error) not in figures.warnings[-1:]:
                figures.warnings.append(str(error))
            watcher.show(figures)
            time.sleep(AGAIN)
            continue
        watcher.show(figures)
        if is_once and not (n_read or figures.waiting):
            stream.end_sinks(is_whole=True)
            return
        stream.reload(files, clock)


@contextmanager
def settled() -> Iterator[None]:
    """What there is now is not looked through for garbage until the end: of millions of identifiers that takes long."""
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class RefitError(Exception):
    """A run was published with other sources or models than the worker's, or with segments the gate let through."""


@dataclass(frozen=True)
class _Clock:
    """The machine's, or an instant at which it stands still."""

    definitions: Definitions
    as_of: datetime | date | None

    def __call__(self) -> datetime:
        return moment_of(self.definitions, self.as_of, datetime.now(UTC)).as_of


@contextmanager
def _stopped_by_signals() -> Iterator[None]:
    """A signal to end is like an interruption by keyboard."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class Stream:
    """A worker with its logs. RunError if another one is at work, nothing is published, or there is no log."""

    def __init__(
        self, definitions: Definitions, now: datetime, sinks: Sequence[Sink] = (), figures: Figures | None = None
    ) -> None:
        self.store = Store(definitions.folder)
        self.asked = definitions
        self.definitions = definitions = by_the_gate(definitions, self.store.published())
        self.given = sinks
        self.between_steps = threading.Lock()
        self.figures = figures or Figures()
        self.is_behind = False
        """Readers of some logs may have handed out what no step took in, as another log could not be read."""
        self._trimmed_on: date | None = None
        self._closing = ExitStack()
        try:
            self.state = self._closing.enter_context(closing(State(self.store.folder)))
            self._logs = self._open_logs()
            self._closing.callback(self._stop_reading)
            self.worker = self._closing.enter_context(
                closing(Worker(definitions, self.store, self.state, self._replay, now))
            )
            self._read_on()
            self.couriers = Couriers(self.store.folder, self._sinks(definitions), self.figures.warnings.append)
            self._closing.callback(self.end_sinks)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._closing.close()

    def step(self, now: datetime, *, most: int = BATCH, wait: float = 0.0) -> int:
        """Take in the next records, let time pass until now, tell what changed; the number of records.

        wait : seconds to wait for a record where there is none; the instant is then that after the waiting if ``now``
               is a clock
        """
        return self.run_step(lambda: now, most=most, wait=wait)

    def run_step(
        self,
        clock: Callable[[], datetime],
        *,
        most: int = BATCH,
        wait: float = 0.0,
        tell: Callable[[], None] = lambda: None,
    ) -> int:
        """The same by a clock, which is asked once the records are there.

        While more records wait than were read, its instant is that at which the last of them was received, so that
        memberships go through what happened meanwhile as they would have.

        tell : called after each day that passed before the records were received

        LogError if a log cannot be read now; the next step reads all of them on from where the worker stands.
        """
        self._follow_published(clock)
        with self._found_gone():
            if self.is_behind:
                self._read_on()
                self.is_behind = False
            raw, positions, read_until = self._read(most, wait)
        now = clock()
        until = now if read_until is None else min(now, read_until)
        began = time.perf_counter()
        for midnight in self._midnights(min([until, *_received(raw)[:1]]), until):
            with self.between_steps:
                changes = self.worker.roll(midnight)
            self._count(Raw({}), changes)
            tell()
        with self.between_steps:
            changes = self.worker.step(raw, positions, until)
        self.figures.behind = (now - until).total_seconds()
        self._count(raw, changes)
        self.figures.took(raw.received_at, time.perf_counter() - began, datetime.now(UTC))
        self._forget()
        return raw.n_records

    def redefine(self, definitions: Definitions, now: datetime) -> None:
        """Go over to other definitions, and to the sinks that they name."""
        has_other_sinks = definitions.project.sinks != self.definitions.project.sinks
        sinks = self._sinks(definitions) if has_other_sinks else []
        self.asked = definitions
        definitions = by_the_gate(definitions, self.store.published())
        with self.between_steps:
            changes = self.worker.redefine(definitions, now)
            self.definitions = definitions
        if has_other_sinks:
            self.end_sinks()
            self.couriers = Couriers(self.store.folder, sinks, self.figures.warnings.append)
        self._count(Raw({}), changes)

    def reload(self, files: _Files, clock: Callable[[], datetime]) -> None:
        """Go over to the definitions in the project's files if they changed; what is wrong with them is a warning."""
        if not files.have_changed():
            return
        try:
            self.redefine(load(self.definitions.folder), clock())
        except FacetteError as error:
            self.figures.warnings.append(str(error))

    def waiting(self) -> int | None:
        """How many records wait in the logs; None if only reading would tell."""
        with self._found_gone():
            counts = [each.log.waiting(self.worker.positions.get(name)) for name, each in self._logs.items()]
        return None if None in counts else sum(count or 0 for count in counts)

    def end_sinks(self, *, is_whole: bool = False) -> None:
        """Give sinks what they lack, for some seconds, or until all that work have everything."""
        self.couriers.end(is_whole=is_whole)
        with Reading(self.store.folder) as reading:
            self.figures.sinks = {name: reading.lag(name) for name in self.couriers.names}

    def _sinks(self, definitions: Definitions) -> list[Sink]:
        return [*self.given, *open_sinks(definitions.project.sinks, definitions.project.name, definitions.folder)]

    # ── logs ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _found_gone(self) -> Iterator[None]:
        """After an error of a log all of them are read on from where the worker stands."""
        try:
            yield
        except LogError:
            self.is_behind = True
            raise

    def _open_logs(self) -> dict[str, _Open]:
        by_name: dict[str, list[LogSource]] = {}
        for source in self.definitions.project.sources:
            if isinstance(source, LogSource):
                by_name.setdefault(_name(source), []).append(source)
        if not by_name:
            raise RunError(
                "There is nothing to follow: no source of this project is a log.",
                remedy="Declare a source of kind `log` (docs/live.md), or use `facette run`.",
            )
        opened = {}
        for name, sources in by_name.items():
            log = self._closing.enter_context(closing(open_log(sources[0].log, self.definitions.folder)))
            opened[name] = _Open(log, tuple(sources), [])
        return opened

    def _replay(self, snapshot: Snapshot, until: Positions) -> Iterator[tuple[Raw, Positions]]:
        """What the logs hold beyond a snapshot, at least until these positions."""
        self._stop_reading()
        positions = {name: self._consumed(each, snapshot) or each.log.start() for name, each in self._logs.items()}
        yield Raw({}), dict(positions)
        for name, each in self._logs.items():
            reader = each.log.reader(GROUP, after=positions[name])
            try:
                reader.commit(positions[name])  # what came before it is in the snapshot
                while name in until and not has_reached(positions[name], until[name]):
                    raw, positions[name] = self._take(each, reader, BATCH, PATIENCE)
                    if not raw.n_records:
                        break
                    yield raw, dict(positions)
            finally:
                reader.close()

    def _read_on(self) -> None:
        """Read on from where the worker stands."""
        self._stop_reading()
        for name, each in self._logs.items():
            each.readers.append(each.log.reader(GROUP, after=self.worker.positions.get(name)))

    def _stop_reading(self) -> None:
        for each in self._logs.values():
            while each.readers:
                each.readers.pop().close()

    def _midnights(self, before: datetime, until: datetime) -> Iterator[datetime]:
        """The local midnights between the last step and an instant; not one with which this step nearly coincides."""
        moment = Moment(self.worker.known.as_of, self.worker.knowledge.snapshot.zone)
        while (midnight := moment.end_of(moment.today)) < min(before, until - NEARLY):
            yield midnight
            moment = Moment(midnight, moment.zone)

    def _read(self, most: int, wait: float) -> tuple[Raw, Positions, datetime | None]:
        """The next records of all logs together; waits only if there is none.

        Also the instant until which all logs have been read; None if they have been read to their ends.
        """
        until: list[datetime] = []
        positions: dict[str, LogPosition] = dict(self.worker.positions)
        tables: dict[str, Any] = {}
        received_at: list[str] = []
        n_records = n_refused = 0
        for name, each in self._logs.items():
            raw, positions[name] = self._take(each, each.readers[0], most, 0.0 if n_records else wait / len(self._logs))
            tables |= raw.tables
            received_at += raw.received_at
            if raw.n_records >= most or (raw.n_records and each.log.waiting(positions[name])):
                until += _received(raw)[-1:]
            n_records += raw.n_records
            n_refused += raw.n_refused
        return Raw(tables, received_at, n_records, n_refused), positions, min(until) if until else None

    def _take(self, each: _Open, reader: Reader, most: int, wait: float) -> tuple[Raw, LogPosition]:
        records = reader.read(most, wait=wait)
        if records.missed:
            self.figures.warnings.append(
                f"{title_of(each.sources[0].log)}: {records.missed:,} records were forgotten before they were read; "
                "the next run has them only if it read them in time."
            )
        return raw_tables(each.sources, records.bodies, "live"), records.after

    def _consumed(self, each: _Open, snapshot: Snapshot) -> LogPosition | None:
        """How far the snapshot has read a log: as far as the source of it that came least far."""
        found: LogPosition | None = None
        ledger = Ledger(self.store.folder)
        try:
            for source in each.sources:
                taken = snapshot.consumed.get(source.name, ())
                parts = [Landing(**row).part for row in ledger.landings(source.name) if row["landing"] in taken]
                position = position_of(parts)
                if position is None:
                    return None
                found = position if found is None or has_reached(found, position) else found
        finally:
            ledger.close()
        return found

    # ── what is published ───────────────────────────────────────────────────────────────────────────────────────────

    def _follow_published(self, clock: Callable[[], datetime]) -> None:
        """Build on a new published run; RefitError if it does not go with the definitions."""
        snapshot = self.store.must_be_published()
        if snapshot.run != self.worker.known.base:
            let_through = by_the_gate(self.asked, snapshot).segments_fingerprint
            if misfit(self.definitions, snapshot) or let_through != self.definitions.segments_fingerprint:
                raise RefitError
            with self.between_steps:
                changes = self.worker.rebase(snapshot, clock())
            self._read_on()
            self._count(Raw({}), changes)

    def _forget(self) -> None:
        """Let go of changes that were told long ago, once a day, some after each step."""
        now, snapshot = self.worker.known.as_of, self.worker.knowledge.snapshot
        today = Moment(now, snapshot.zone).today
        if today != self._trimmed_on:
            before = min(now - timedelta(days=self.definitions.project.live.keep_days), snapshot.moment.as_of)
            if self.state.trim(before, self.couriers.names) < PORTION:
                self._trimmed_on = today

    def _count(self, raw: Raw, changes: Sequence[Change]) -> None:
        self.figures.records += raw.n_records
        self.figures.refused += raw.n_refused
        self.figures.changes += len(changes)
        self.figures.steps += 1
        if changes or (raw.n_records and self.worker.kept):
            self.couriers.wake()


def _received(raw: Raw) -> list[datetime]:
    """When the first and the last of some records were received; none if no record says so."""
    known = raw.received_at
    if known and not all(map(RECEIVED.fullmatch, (min(known), max(known)))):  # what lies between the two is never asked
        known = [text for text in known if RECEIVED.fullmatch(text)]
    return [datetime.fromisoformat(text) for text in (min(known), max(known))] if known else []


class _Files:
    """The files with a project's definitions, looked at now and then."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = self._stamp()
        self._looked = time.monotonic()

    def have_changed(self) -> bool:
        if time.monotonic() - self._looked < CHECK:
            return False
        self._looked = time.monotonic()
        before, self._seen = self._seen, self._stamp()
        return self._seen != before

    def _stamp(self) -> list[tuple[str, int, int]]:
        return [(str(path), path.stat().st_mtime_ns, path.stat().st_size) for path in yaml_files(self.folder)]


def _name(source: LogSource) -> str:
    """The same for sources that are in one log."""
    return f"{source.log.kind}:{title_of(source.log)}"


def _until_step(now: datetime) -> float:
    """Seconds to wait for records: not beyond the next 5-minute step, with which windows roll."""
    passed = (now - Moment(now).step).total_seconds()
    return max(0.001, min(WAIT, 300 - passed))
