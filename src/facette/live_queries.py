"""Questions answered from the live state: who is where now, what was told, and why.

All but explanations read the state's file, as the last whole step left it, whether a worker is at work or not. For an
explanation the worker that is at work is asked for one person between two steps. Every answer is plain data.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from facette.clock import Moment
from facette.definitions.error_texts import said
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.errors import FacetteError, NotFoundError, RunError
from facette.features.table import feature_plan, needed
from facette.live.changes import Change
from facette.live.person import Together
from facette.live.reading import Member, NoStateError, Reading
from facette.live.state import instant_of
from facette.live.worker import fingerprint, misfit
from facette.profiles.formats import email, phone_in
from facette.queries import Published, label_of
from facette.stream import Desk
from facette.warehouse.compiler import visible
from facette.warehouse.moments import Moments
from facette.warehouse.published import Snapshot, Store

MOST = 10_000
"""Rows in an answer, at most; who wants more asks for those after the last."""

MOST_ASKING = 8
"""So many explanations may be asked for at once, most of which wait."""


class BusyError(RunError):
    """No worker can be asked just now; it is worth trying again."""


@dataclass(frozen=True)
class SinceRun:
    """What a worker has told since a run.

    as_of   : its instant
    members : segment → how many are in it at that instant; one that nobody is in is missing
    entered : how many entries it told since the run; those of a profile into several segments are several
    left    : how many exits
    """

    as_of: datetime
    members: Mapping[str, int]
    entered: int
    left: int


@dataclass
class Current:
    """The live state of a project, open for questions from any number of threads.

    given : the definitions, as long as no worker is at the desk
    desk  : where the worker is found that is at work
    """

    given: Definitions
    desk: Desk = field(default_factory=Desk)
    _asking: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(MOST_ASKING))
    _one_at_a_time: threading.Lock = field(default_factory=threading.Lock)

    @property
    def definitions(self) -> Definitions:
        stream = self.desk.stream
        return stream.definitions if stream else self.given

    @property
    def store(self) -> Store:
        return Store(self.given.folder)

    # ── who is where ────────────────────────────────────────────────────────────────────────────────────────────────

    def segments(self) -> dict[str, Any]:
        """Every segment with its number of members; largest first."""
        with self.reading() as reading:
            counts = reading.counts()
            as_of = self._as_of(reading)
        names = sorted(self.definitions.rules, key=lambda name: (-counts.get(name, 0), name))
        rows = [{"segment": name, "label": self._label(name), "members": counts.get(name, 0)} for name in names]
        return {"as_of": as_of, "segments": rows}

    def segments_of(self, profile_id: int) -> dict[str, Any]:
        """The segments of a profile, and since when; of one that became part of another those of that one."""
        with self.reading() as reading:
            now = self._profile(reading, profile_id)
            rows = [
                {"segment": each.segment, "label": self._label(each.segment), "since": self._local(each)}
                for each in reading.segments_of(now)
            ]
            return {**_called(now, profile_id), "as_of": self._as_of(reading), "segments": rows}

    def members_of(self, asked: str, after: int = 0, most: int = 1_000) -> dict[str, Any]:
        """The members of a segment with ids above one, since when, and how many there are in all.

        next : what to give as ``after`` for those that follow; None if there are no more
        """
        segment = self._segment(asked)
        with self.reading() as reading:
            found = reading.members_of(segment, after, most + 1)
            rows = [{"profile_id": each.profile_id, "since": self._local(each)} for each in found[:most]]
            return {
                "segment": segment,
                "label": self._label(segment),
                "as_of": self._as_of(reading),
                "count": reading.count(segment),
                "profiles": rows,
                "next": found[most - 1].profile_id if len(found) > most else None,
            }

    def with_identifier(self, kind: str, value: str) -> dict[str, Any]:
        """The profile of an identifier, with its segments."""
        kinds = {item.name: item for item in self.definitions.project.identifiers}
        if kind not in kinds:
            raise said(FacetteError, "no_kind", kind=kind, kinds=", ".join(kinds))
        readers = {"email": email, "phone": phone_in(self.definitions.project.country), "text": str.strip}
        uniform = readers[kinds[kind].format](value)
        with self.reading() as reading:
            profile_id = reading.owner(kind, uniform) if uniform else None
            if profile_id is None and uniform:
                profile_id = self._published_owner(self.base(reading), kind, uniform)
            if profile_id is None:
                raise said(NotFoundError, "nobody_has", kind=kind, value=value)
            profile_id = reading.called_now(profile_id)
        return self.segments_of(profile_id)

    # ── what was told ───────────────────────────────────────────────────────────────────────────────────────────────

    def changes(
        self, after: int = 0, most: int = 1_000, *, profile_id: int | None = None, asked: str | None = None
    ) -> dict[str, Any]:
        """What was told since the state began, in order; of a profile, of a segment, or of all.

        next : what to give as ``after`` for those that follow; None if there are no more
        """
        segment = None if asked is None else self._segment(asked)
        with self.reading() as reading:
            now = None if profile_id is None else self._profile(reading, profile_id)
            found = reading.changes_of(after, most + 1, profile_id=now, segment=segment)
            rows = [{"seq": seq, **change.as_dict()} for seq, change in found[:most]]
            return {
                **({} if now is None or profile_id is None else _called(now, profile_id)),
                **({} if segment is None else {"segment": segment}),
                "as_of": self._as_of(reading),
                "changes": rows,
                "next": rows[-1]["seq"] if len(found) > most else None,
            }

    # ── why ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def explain(self, profile_id: int, asked: str, language: str | None = None) -> dict[str, Any]:
        """Why a profile is or is not in a segment, at the worker's instant: see ``Published.explain``.

        BusyError if no worker is at work in this process, or too many ask.
        """
        with self.reading() as reading:
            now = self._profile(reading, profile_id)
        if not self._asking.acquire(blocking=False):
            raise said(BusyError, "too_many_ask")
        try:
            with self._one_at_a_time, closing(self._asked_of(now, self._segment(asked))) as person:
                return {**person.explain(str(now), asked, language), **_called(now, profile_id)}
        finally:
            self._asking.release()

    def _asked_of(self, profile_id: int, segment: str) -> OnePerson:
        stream = self.desk.stream
        if stream is None:
            raise said(BusyError, "not_ready")
        with stream.between_steps:
            if self.desk.stream is not stream:
                raise said(BusyError, "not_ready")
            worker = stream.worker
            knowledge, definitions = worker.knowledge, stream.definitions
            moment = Moment(worker.known.as_of, knowledge.snapshot.zone)
            with closing(Published(definitions, knowledge.snapshot)) as published:
                kinds = published.kinds_behind(segment)
            profile = knowledge.profiles_of([profile_id], moment)
            events = {kind: knowledge.events_of(kind, [profile_id]) for kind in kinds}
            since = worker.memberships.since(profile_id, segment)
        memberships = {} if since is None else {segment: instant_of(since)}
        return OnePerson(definitions, knowledge.snapshot, profile, events, moment, memberships)

    # ── one person, whether a worker is at work or not ──────────────────────────────────────────────────────────────

    def person(self, asked: str, segment: str | None = None) -> OnePerson | None:
        """What the live state has of a person: an identifier or a profile id. It is read from the state's file.

        None if no worker has been at work since the published run, or if it goes by other definitions than these.

        segment : by its name or label, to be explained; None for all that there is
        """
        published = self.store.must_be_published()
        try:
            with self.reading() as reading:
                base = self._built_on(reading, published)
                if base is None:
                    return None
                with closing(Published(self.given, base)) as of_run:
                    return _read(of_run, reading, asked, segment)
        except NoStateError:
            return None

    def since(self, published: Snapshot) -> SinceRun | None:
        """What became of memberships since a run; None where :meth:`person` would not answer either."""
        try:
            with self.reading() as reading:
                as_of = reading.as_of()
                if as_of is None or self._built_on(reading, published) is None:
                    return None
                moves = reading.moves(published)
                return SinceRun(as_of, reading.counts(), moves.get("entered", 0), moves.get("left", 0))
        except NoStateError:
            return None

    def _built_on(self, reading: Reading, published: Snapshot) -> Snapshot | None:
        """The run that the state builds on, if it is newer than what is published, and goes by these definitions."""
        meta, at = reading.meta(), reading.as_of()
        base = next((one for one in (published, *self.store.snapshots()) if one.run == meta.get("base")), None)
        if base is None or at is None:
            return None
        begins = published.moment.as_of
        is_newer = at >= begins if base.run == published.run else at > begins
        is_same = meta["definitions"] == fingerprint(self.given) and not misfit(self.given, base)
        return base if is_newer and is_same else None

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def reading(self) -> Iterator[Reading]:
        """The state at one instant. NoStateError before a first step: nobody is told to be nowhere."""
        with Reading(self.store.folder) as reading, reading.at_once():
            if reading.as_of() is None:
                raise said(NoStateError, "not_ready")
            yield reading

    def _as_of(self, reading: Reading) -> str | None:
        at = reading.as_of()
        return Moment(at, self.definitions.project.time_zone).local.isoformat() if at else None

    def _local(self, member: Member) -> str:
        return Moment(member.since, self.definitions.project.time_zone).local.isoformat()

    def _label(self, segment: str) -> str:
        return label_of(self.definitions, segment)

    def _segment(self, asked: str) -> str:
        return Published(self.definitions).segment_named(asked)

    def _profile(self, reading: Reading, profile_id: int) -> int:
        """What a profile is called now; NotFoundError if there is none."""
        now = reading.called_now(profile_id)
        is_known = now != profile_id or reading.segments_of(now) or reading.has_profile(now)
        if not is_known and not self._is_published(self.base(reading), now):
            raise said(NotFoundError, "no_profile", profile=profile_id)
        return now

    def base(self, reading: Reading) -> Snapshot:
        """The published run that the state builds on."""
        run = reading.meta().get("base")
        for snapshot in (self.store.must_be_published(), *self.store.snapshots()):
            if snapshot.run == run:
                return snapshot
        raise said(RunError, "base_gone", run=run)

    def _published_owner(self, snapshot: Snapshot, kind: str, value: str) -> int | None:
        rows = self._rows(snapshot, "identities", "profile_id", [("kind", "=", kind), ("value", "=", value)])
        return rows[0]["profile_id"] if rows else None

    def _is_published(self, snapshot: Snapshot, profile_id: int) -> bool:
        return bool(self._rows(snapshot, "profiles", "profile_id", [("profile_id", "=", profile_id)]))

    def _rows(self, snapshot: Snapshot, table: str, column: str, wanted: list[tuple[str, str, Any]]) -> list[Any]:
        files = [self.store.folder / file for file in snapshot.tables.get(table, ())]
        try:
            found = [pq.read_table(file, columns=[column], filters=wanted, partitioning=None) for file in files]
        except OSError as error:
            raise said(RunError, "unreadable", table=table, why=error) from error
        return [row for each in found for row in each.to_pylist()]


@dataclass(frozen=True)
class OnePerson(Published):
    """What a worker knows of one person at an instant; it answers as what is published does.

    row        : of its profile; none if there is no such profile
    own        : kind → its events
    at         : the worker's instant
    since      : its segments, and since when
    identities : its identifiers, as the table ``identities`` has them
    """

    row: pa.Table = field(default_factory=lambda: pa.table({}))
    own: Mapping[str, pa.Table] = field(default_factory=dict)
    at: Moment | None = None
    since: Mapping[str, datetime] = field(default_factory=dict)
    identities: pa.Table = field(default_factory=lambda: pa.table({}))

    @cached_property
    def moment(self) -> Moment:
        assert self.at is not None
        return self.at

    @cached_property
    def changed(self) -> set[str]:
        """Nothing: what a worker goes by is what it answers for."""
        return set()

    @property
    def told_by(self) -> dict[str, str]:
        return {"told_by": "worker", "run": self.snapshot.run}

    def table(self, name: str) -> ir.Table:
        if name == "profiles":
            return self._in_memory("live_profiles", self.row)
        if name == "identities":
            return self._in_memory("live_identities", self.identities)
        if name == "wide":
            wide = {"profile_id": self.row["profile_id"]}
            return self._in_memory(
                "live_wide", pa.table(wide | {key: [key in self.since] for key in self.definitions.rules})
            )
        return super().table(name)

    def _in_memory(self, name: str, rows: pa.Table) -> ir.Table:
        """Of this connection: tables that belong to none are computed by one that all threads share."""
        return self.con.create_table(name, rows, temp=True, overwrite=True)

    def find(self, asked: str) -> int:
        """The person that this is about, however it is called."""
        if not len(self.row):
            raise said(NotFoundError, "nothing_known", profile=asked)
        return int(self.row["profile_id"][0].as_py())

    def _row_of(self, profile_id: int) -> ir.Table:
        columns = self.definitions.columns_behind({*self.definitions.features, *self.definitions.makers})
        plan = needed(feature_plan(self.definitions), columns, is_fitted=True)
        return self._person(profile_id, plan).rows_at(
            Moments((self.moment,), tree.durations([*plan.aggregates.values()]))
        )

    def _since(self, profile_id: int) -> dict[str, datetime]:
        return dict(self.since)

    def _events_of(self, event: str, profile_id: int) -> ir.Table:
        table = self._in_memory(f"live_{event}", self.own[event])
        return table.filter(visible(table, self.moment))


def _read(of_run: Published, reading: Reading, asked: str, segment: str | None) -> OnePerson:
    """A person from the state's file and the run that it builds on."""
    definitions, snapshot = of_run.definitions, of_run.snapshot
    profile_id = _profile_asked(of_run, reading, asked)
    at = reading.as_of()
    assert at is not None
    moment = Moment(at, snapshot.zone)
    kinds = (
        {kind for kind in definitions.vocabulary.events if snapshot.tables.get(f"events_{kind}")}
        if segment is None
        else of_run.kinds_behind(of_run.segment_named(segment))
    )
    together = Together(of_run.con, of_run.optional, reading, definitions.project)
    person = together.person(profile_id, kinds, moment)
    since = {member.segment: member.since for member in reading.segments_of(profile_id)}
    return OnePerson(definitions, snapshot, person.profile, person.events, moment, since, person.identities)


def _called(now: int, asked: int) -> dict[str, int]:
    """The profile, and as what it was asked for if that became part of it."""
    return {"profile_id": now, **({"asked": asked} if now != asked else {})}


def history(definitions: Definitions, asked: str | None, segment: str | None, most: int) -> list[dict[str, Any]]:
    """The last changes of memberships, oldest first: those that runs found between two of them, and those that the
    live worker told. What both noticed is there twice, at the instant of each.

    asked   : a person (an identifier or a profile id), None for everybody
    segment : its name or label, None for all
    returns : at, profile_id, segment, change, into, told_by (``run`` or ``worker``), why (the run's, or the worker's),
              events
    """
    published = Published(definitions)
    name = None if segment is None else published.segment_named(segment)
    live: list[tuple[int, Change]] = []
    profile_id: int | None = None
    try:
        with Current(definitions).reading() as reading:
            profile_id = None if asked is None else _profile_asked(published, reading, asked)
            live = reading.latest_changes(most, profile_id=profile_id, segment=name)
    except NoStateError:
        profile_id = None if asked is None else published.find(asked)
    table = published.table("changes")
    table = table if profile_id is None else table.filter(table.profile_id == profile_id)
    table = table if name is None else table.filter(table.segment == name)
    rows = table.order_by(table["at"].desc(), "profile_id", "segment").limit(most).to_pyarrow().to_pylist()
    nothing: dict[str, Any] = {"into": None, "events": []}
    found = [{**row, **nothing, "told_by": "run", "why": row.pop("run")} for row in rows]
    for _, change in live:
        told = {key: value for key, value in change.as_dict().items() if key != "id"}
        found.append({**told, "at": change.at, "told_by": "worker"})
    zone = definitions.project.time_zone
    ordered = sorted(found, key=lambda row: row["at"])[-most:]
    return [{**row, "at": Moment(row["at"], zone).local} for row in ordered]


def _profile_asked(published: Published, reading: Reading, asked: str) -> int:
    """Somebody whom a run has published, or whom only the worker knows."""
    kind, colon, value = asked.partition(":")
    kinds = [item.name for item in published.definitions.project.identifiers]
    pairs = [(kind, value)] if colon and kind in kinds else [(each, asked) for each in kinds]
    for each in pairs:
        if (found := reading.owner(*each)) is not None:
            return reading.called_now(found)
    number = value if kind == "profile_id" else asked
    if number.isdecimal() and (reading.has_profile(int(number)) or reading.called_now(int(number)) != int(number)):
        return reading.called_now(int(number))
    return reading.called_now(published.find(asked))
