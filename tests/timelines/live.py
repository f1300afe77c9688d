"""The live engine: what is delivered goes to a log, which a worker follows in small steps, in any order.

A run over nothing is published first; everything after comes through the log.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from facette.clock import Moment
from facette.definitions import model
from facette.definitions.project import Definitions, define
from facette.live.recomputing import Recomputing
from facette.run import run
from facette.sources.log import Log, open_log
from facette.sources.record import Record as Logged
from facette.sources.record import encode, instant_text
from facette.stream import Stream
from tests.run.projects import Silent
from tests.timelines.engine import Change, Found
from tests.timelines.story import Happening, Record

Runs = Literal["once", "before", "after"]

LOG = model.EmbeddedLog()


class Live:
    """A worker that is asked after every step of a story.

    runs : when runs are published, on which the worker builds from then on: "before" every look, with all that was
           delivered; "after" it, so that what is delivered next is about published people; or "once", at the start
    """

    def __init__(self, folder: Path, seed: int, *, runs: Runs = "once") -> None:
        self.folder, self.rng, self.runs = folder, random.Random(seed), runs
        self.waiting: list[bytes] = []
        self.stream: Stream | None = None
        self.log: Log = open_log(LOG, folder)
        self.before: dict[str, set[int]] = {}
        self.told = 0

    def define(self, definitions: Definitions) -> None:
        self.definitions = logged(definitions, self.folder)
        self.is_redefined = self.stream is not None

    def arrive(self, records: Sequence[Record], happenings: Sequence[Happening]) -> None:
        delivered = [record_of_person(each) for each in records] + [record_of_event(each) for each in happenings]
        self.rng.shuffle(delivered)
        self.waiting += delivered

    def correct(self, happening: Happening) -> None:
        raise NotImplementedError("what is in a log is not corrected")

    def look(self, at: datetime) -> Found:
        if self.stream is None:
            run(self.definitions, Silent(), as_of=at)
            self.stream = Stream(self.definitions, at)
            self.is_redefined = False
        if self.is_redefined:
            self.stream.redefine(self.definitions, at)
            self.is_redefined = False
        self._deliver(at)
        if self.runs == "before":
            self._build_on_a_run(at)
        found = self._found(at)
        if self.runs == "after":
            self._build_on_a_run(at)
            assert self._found(at) == replace(found, changes=frozenset())
        return found

    def _build_on_a_run(self, at: datetime) -> None:
        assert self.stream is not None
        run(self.definitions, Silent(), as_of=at)
        self.stream.step(at)

    def close(self) -> None:
        if self.stream:
            self.stream.close()
        self.log.close()

    def _deliver(self, at: datetime) -> None:
        """What waits, in pieces; the worker sees it in other pieces, and is started anew now and then."""
        assert self.stream is not None
        while self.waiting:
            size = self.rng.randint(1, 9)
            piece, self.waiting = self.waiting[:size], self.waiting[size:]
            self.log.append(piece)
            if self.rng.random() < 0.5:
                self.stream.step(at, most=self.rng.randint(2, 6))
            if self.rng.random() < 0.1:
                self.stream.close()
                self.stream = Stream(self.definitions, at)
        while self.stream.step(at, most=self.rng.randint(3, 9)):
            pass

    def _found(self, at: datetime) -> Found:
        assert self.stream is not None
        worker = self.stream.worker
        names = self._names()
        exact = Recomputing(worker.definitions, worker.knowledge)
        moment = Moment(at, self.definitions.project.time_zone)
        wide = exact.memberships(moment, None).sort_by("profile_id")
        people = frozenset(names[profile_id] for profile_id in wide["profile_id"].to_pylist())
        now = worker.memberships.members()
        assert now == {name: set(wide.filter(wide[name])["profile_id"].to_pylist()) for name in now}
        assert worker.engine.wide().sort_by("profile_id").equals(wide)
        members = {segment: frozenset(names[profile_id] for profile_id in ids) for segment, ids in now.items()}
        return Found(people, members, self._values(exact, moment, names), self._changes(now, names))

    def _names(self) -> dict[int, str]:
        assert self.stream is not None
        order = [kind.name for kind in self.definitions.project.identifiers]
        owned: dict[int, list[tuple[int, str]]] = {}
        for row in self.stream.worker.knowledge.identities().to_pyarrow().to_pylist():
            owned.setdefault(row["profile_id"], []).append((order.index(row["kind"]), row["value"]))
        return {profile: " + ".join(value for _, value in sorted(values)) for profile, values in owned.items()}

    def _changes(self, now: dict[str, set[int]], names: dict[int, str]) -> frozenset[Change]:
        """Who came and who went in the end. What was told since the last look must lead from then to now."""
        assert self.stream is not None
        before = {segment: set(self.before.get(segment, ())) for segment in now}
        replayed = {segment: set(ids) for segment, ids in before.items()}
        for told, change in self.stream.state.changes(self.told):
            self.told = told
            if change.change == "merged":
                for members in (*before.values(), *replayed.values()):
                    if change.profile_id in members:
                        members.remove(change.profile_id)
                        members.add(change.into or 0)
            else:
                members = replayed[change.segment]
                assert (change.profile_id in members) == (change.change == "left"), change
                members ^= {change.profile_id}
        assert replayed == now
        self.before = now
        came = {(names[one], segment, "entered") for segment, ids in now.items() for one in ids - before[segment]}
        went = {(names[one], segment, "left") for segment, ids in now.items() for one in before[segment] - ids}
        return frozenset(came | went)  # type: ignore[arg-type]

    def _values(self, exact: Recomputing, moment: Moment, names: dict[int, str]) -> dict[str, dict[str, Any]]:
        rows = exact.columns(self.definitions.features, moment, None).to_pylist()
        return {
            feature: {names[row["profile_id"]]: row[feature] for row in rows if row["is_counted"]}
            for feature in self.definitions.features
        }


# ── a story as records of a log ─────────────────────────────────────────────────────────────────────────────────────


def logged(definitions: Definitions, folder: Path) -> Definitions:
    """The same project with a log in place of files."""
    sources = []
    for source in definitions.project.sources:
        people = source.people and source.people.model_copy(update=_columns(source.people, "traits"))
        events = [
            each.model_copy(update={**_columns(each, "properties"), "at": "at", "id": ("message_id",)})
            for each in source.events
        ]
        sources.append(model.LogSource(kind="log", name=source.name, people=people, events=tuple(events), log=LOG))
    return define(definitions.project.model_copy(update={"sources": tuple(sources)}), folder)


def _columns(reader: model.People | model.Events, prefix: str) -> dict[str, Any]:
    return {
        "identifiers": {kind: f"context.{kind}" for kind in reader.identifiers},
        "known_at": "received_at",
        "fields": {
            name: field.model_copy(update={"column": f"{prefix}.{name}"}) for name, field in reader.fields.items()
        },
    }


def record_of_person(record: Record) -> bytes:
    return encode(
        Logged(
            message_id=_digest(record),
            kind="identify",
            at=instant_text(record.known_at),
            received_at=instant_text(record.known_at),
            traits=_plain(record.traits),
            context=dict(record.identifiers),
            protocol="story",
            source=record.source,
        )
    )


def record_of_event(happening: Happening) -> bytes:
    return encode(
        Logged(
            message_id=happening.id or _digest(happening),
            kind="track",
            event=happening.event,
            at=instant_text(happening.at),
            received_at=instant_text(happening.known_at),
            properties=_plain(happening.properties),
            context=dict(happening.identifiers),
            protocol="story",
            source=f"from_{happening.event}",
        )
    )


def _digest(told: Record | Happening) -> str:
    return blake2b(repr(told).encode(), digest_size=8).hexdigest()


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if hasattr(value, "isoformat") else value for name, value in values.items()}
