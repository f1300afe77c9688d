"""The live worker: after every step the memberships are what a run at that instant would publish, and all is saved.

It builds on the published snapshot, whose models, cuts and thresholds it takes as they are, and reads from the logs
what came after it. It has no clock: every step is told its instant.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import pyarrow as pa

from facette.clock import Moment
from facette.definitions.project import Definitions
from facette.errors import RunError
from facette.live.changes import Change, Positions, What, Why, name_of
from facette.live.columnar.columns import microseconds
from facette.live.keeping import Keeping
from facette.live.knowledge import PROVISIONAL, Arrived, Due, Knowledge
from facette.live.memberships import Memberships, Moves
from facette.live.records import NOTHING, Raw
from facette.live.state import Known, Saved, State
from facette.live.values import columns_kept
from facette.plan import as_published, fingerprints, uses_the_clock
from facette.warehouse.published import Snapshot, Store

Replay = Callable[[Snapshot, Positions], Iterator[tuple[Raw, Positions]]]
"""What the logs hold beyond a snapshot, until positions are reached; each with the positions after it."""


class Worker:
    """Keeps the memberships of one project up to date.

    known       : how far it has come
    knowledge   : people and events
    engine      : evaluates rules
    memberships : who is where
    pending     : what begins to count later, soonest first
    kept        : what sinks keep of profiles besides memberships, and what they kept at the last step
    """

    known: Known
    knowledge: Knowledge
    engine: Keeping
    memberships: Memberships
    pending: list[Due]

    def __init__(self, definitions: Definitions, store: Store, state: State, replay: Replay, now: datetime) -> None:
        """Go on where the state was left, on the snapshot that is published now.

        RunError if nothing is published, or if the sources are not those of the published run.
        """
        self.store, self.state, self.replay = store, state, replay
        self.kept_before = state.kept()
        snapshot = store.must_be_published()
        problem = misfit(definitions, snapshot)
        if problem:
            raise RunError(problem, remedy="Run `facette run` first.")
        self._define(definitions)
        known = state.known()
        if known is None or known.base != snapshot.run:
            begin = max(snapshot.moment.as_of, known.as_of) if known else snapshot.moment.as_of
            self.rebase(snapshot, min(now, begin))  # what happened since is caught up with by steps
        else:
            self._restore(snapshot, known)

    def close(self) -> None:
        self.knowledge.close()

    @property
    def positions(self) -> Positions:
        return self.known.positions

    # ── steps ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def step(self, raw: Raw, positions: Positions, now: datetime) -> list[Change]:
        """Take in what was read of the logs up to some positions, let time pass until now; what changed.

        When it returns all of it is on disk. Where nothing arrived and time changes nothing, nothing is written.
        """
        now = max(now, self.known.as_of)
        moment = Moment(now, self.knowledge.snapshot.zone)
        arrived = self.knowledge.absorb(raw.tables, now)
        self._await(arrived, now)
        told = self._merges(arrived.merged)
        ripe = self._ripe(now)
        is_redefined = self.known.definitions != self.fingerprint
        is_other = is_redefined or self.kept != self.kept_before
        if not (is_other or arrived.touched or ripe or self._is_rolling(moment) or positions != self.positions):
            return []
        self.engine.take_in(arrived, ripe, moment)
        moved = self.memberships.move(self.engine.moves(is_everybody=is_redefined), now)
        otherwise: Why = "definition" if is_redefined else "time"
        known = replace(
            self.known,
            definitions=self.fingerprint,
            positions=positions,
            as_of=now,
            highest=self.knowledge.highest,
            n_steps=self.known.n_steps + 1,
        )
        changes = _told(known, moved, told, self.engine.decided(moved), arrived, otherwise)
        concerned = {*arrived.merged, *arrived.merged.values()}
        since = microseconds(now)
        entered = ((profile_id, segment, since) for profile_id, segment in moved.by_segment(is_member=True))
        members = [*self.memberships.rows(concerned), *entered]
        left = [*moved.by_segment(is_member=False)]
        valued = {*arrived.touched, *ripe, *concerned, *self._valued_anew()}
        segments = self.memberships.segments if is_redefined else None
        merged, traits = self.knowledge.merged, self.engine.traits(self.kept, valued)
        step = Saved(known, [arrived], merged, changes, concerned, members, segments, left, traits, self.kept)
        self.state.save(step)
        self.known, self.kept_before = known, self.kept
        return changes

    def roll(self, now: datetime) -> list[Change]:
        """Let time pass; what changed."""
        return self.step(NOTHING, self.positions, now)

    def redefine(self, definitions: Definitions, now: datetime) -> list[Change]:
        """Evaluate everybody by other definitions, and go over to them at once; what changed.

        RunError if they need what only a run can give; those before stay.
        """
        problem = misfit(definitions, self.knowledge.snapshot)
        if problem:
            raise RunError(problem, remedy="Run `facette run`; until then the definitions before go on.")
        self._define(definitions)
        self.knowledge.definitions = definitions
        self.memberships = Memberships.of_columns(self.memberships.columns(), tuple(definitions.rules))
        self.engine = self._engine(self.known.as_of)
        return self.roll(now)

    def rebase(self, snapshot: Snapshot, now: datetime) -> list[Change]:
        """Build on another published snapshot, with what the logs hold beyond it; what changed.

        Memberships are compared with those that were told, so nobody leaves and comes back; profiles that only the
        worker knew take the ids that the run gave them.
        """
        before = self.state.known()
        now = max(now, before.as_of) if before else now
        highest = before.highest if before else PROVISIONAL
        knowledge = Knowledge(self.definitions, self.store, snapshot, highest=highest)
        arrived: list[Arrived] = []
        positions: Positions = {}
        for raw, after in self.replay(snapshot, before.positions if before else {}):
            arrived.append(knowledge.absorb(raw.tables, now))
            positions = after
        segments = tuple(self.definitions.rules)
        if before is None:
            memberships, now_called = Memberships.of_table(knowledge.member_since(), segments), {}
        else:
            now_called = self._called_now(knowledge)
            memberships = Memberships.of_columns(self.state.members(), segments)
        told = _told_of(memberships, now_called)
        memberships = memberships.follow(now_called)
        if before is not None and hasattr(self, "knowledge"):
            self.knowledge.close()
        self.knowledge, self.memberships = knowledge, memberships
        self.engine = self._engine(now)
        moved = memberships.move(self.engine.moves(is_everybody=True), now)
        self.known = Known(
            snapshot.run,
            self.fingerprint,
            positions,
            now,
            knowledge.highest,
            before.n_steps + 1 if before else 1,
        )
        decided = self.engine.decided(moved)
        changes = _told(self.known, moved, told, decided, Arrived(), "run" if before else "time")
        valued = {knowledge.merged.get(one, one) for each in arrived for one in each.touched}
        traits, everybody = self.engine.traits(self.kept, valued), memberships.columns()
        merged = knowledge.merged
        step = Saved(self.known, arrived, merged, changes, None, traits=traits, kept=self.kept, everybody=everybody)
        self.state.save(step)
        self.kept_before = self.kept
        self.pending = self.knowledge.due(now)
        return changes

    def _valued_anew(self) -> set[int]:
        """The profiles of which other columns are kept than at the last step."""
        if self.kept == self.kept_before:
            return set()
        return {*self.state.with_traits(), *self.knowledge.concerned()}

    # ── inside ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _restore(self, snapshot: Snapshot, known: Known) -> None:
        self.known = known
        with self.state.members_meanwhile() as members:
            self.knowledge = Knowledge(self.definitions, self.store, snapshot, highest=known.highest)
            parts = self.state.parts()
            self.knowledge.restore(
                {name.removeprefix("events_"): table for name, table in parts.items() if name.startswith("events_")},
                {name.removeprefix("records_"): table for name, table in parts.items() if name.startswith("records_")},
                self.state.identities(self.knowledge.schema("identities")),
                self.state.links(self.knowledge.schema("links")),
                self.state.merged(),
            )
            self.pending = self.knowledge.due(known.as_of)
            self.memberships = Memberships.of_columns(members(), tuple(self.definitions.rules))
        self.engine = self._engine(known.as_of)

    def _define(self, definitions: Definitions) -> None:
        self.definitions, self.fingerprint = definitions, fingerprint(definitions)
        self.kept = columns_kept(definitions.project)

    def _engine(self, now: datetime) -> Keeping:
        moment = Moment(now, self.knowledge.snapshot.zone)
        return Keeping(self.definitions, self.knowledge, self.memberships, moment)

    def _await(self, arrived: Arrived, now: datetime) -> None:
        """Remember what begins to count later."""
        if arrived.split:
            self.pending = self.knowledge.due(now)
        for due in arrived.due:
            heapq.heappush(self.pending, due)

    def _ripe(self, now: datetime) -> frozenset[int]:
        """The profiles of which something begins to count."""
        found = []
        while self.pending and self.pending[0][0] <= now:
            _, profile_id = heapq.heappop(self.pending)
            found.append(self.knowledge.merged.get(profile_id, profile_id))
        return frozenset(found)

    def _is_rolling(self, moment: Moment) -> bool:
        """Whether time alone may change any membership since the last step."""
        before = Moment(self.known.as_of, moment.zone)
        return moment.today != before.today or (moment.step != before.step and uses_the_clock(self.definitions))

    def _merges(self, merged: Mapping[int, int]) -> list[tuple[int, int]]:
        """Memberships follow profiles that were merged; those of which somebody has been told."""
        told = _told_of(self.memberships, merged)
        self.memberships.merge(merged)
        return told

    def _called_now(self, knowledge: Knowledge) -> dict[int, int]:
        """Profiles that have another id in a new snapshot, with what came after it, than they had before."""
        called = knowledge.called_now()
        for profile_id, identifiers in self.state.identifiers(PROVISIONAL).items():
            found = knowledge.owner(identifiers)
            if found is not None:
                called[profile_id] = found
        return called


def misfit(definitions: Definitions, snapshot: Snapshot) -> str:
    """Why definitions cannot go on with what a run has fitted and read; empty if they can."""
    now = fingerprints(definitions)
    if now["sources"] != snapshot.fingerprints.get("sources"):
        return f"The sources changed since the published run {snapshot.run}, or this version reads them otherwise."
    then = as_published(definitions, snapshot)
    fitted = [item.name for item in definitions.project.features if item.quantiles]
    fitted += [item.name for item in definitions.project.thresholds]
    models = [item.name for item in definitions.project.models]
    if not fitted and not models:
        return ""
    if then is None:
        return f"The published run {snapshot.run} does not say what its models and thresholds were computed by."
    changed = [name for name in fitted if not _is_same_feature(name, definitions, then)]
    known = {item.name for item in then.project.models}
    changed += [
        name
        for name in models
        if name not in known or then.model_fingerprint(name) != definitions.model_fingerprint(name)
    ]
    return f"Only a run can fit {', '.join(sorted(changed))}." if changed else ""


def _is_same_feature(name: str, now: Definitions, then: Definitions) -> bool:
    return name in then.order and now.feature_fingerprint(name) == then.feature_fingerprint(name)


def fingerprint(definitions: Definitions) -> str:
    """Of all that decides memberships, once people and events are known."""
    parts = fingerprints(definitions)
    return "-".join(parts[name] for name in ("aggregates", "features", "models", "segments"))


def _told_of(memberships: Memberships, merged: Mapping[int, int]) -> list[tuple[int, int]]:
    """Of the merges those of profiles that are members of something."""
    if not merged:
        return []
    members = {profile_id for profile_id, _, _ in memberships.rows(merged)}
    return sorted((old, new) for old, new in merged.items() if old in members and old != new)


def _told(
    known: Known,
    moved: Moves,
    merged: Sequence[tuple[int, int]],
    decided: pa.ListArray | None,
    arrived: Arrived,
    otherwise: Why,
) -> list[Change]:
    """Changes with their ids and causes, merges first."""
    name, at = name_of(f"{known.base} {known.n_steps}", known.positions, known.as_of), known.as_of
    why: Why = "events" if arrived.merged else "run"
    changes = [
        Change(f"{name}-{n}", old, "", "merged", at, why, into=into) for n, (old, into) in enumerate(merged, start=1)
    ]
    by_events = arrived.touched if otherwise == "time" else frozenset()
    deciding = itertools.repeat((), len(moved)) if decided is None else map(tuple, decided.to_pylist())
    for n, (one, events) in enumerate(zip(moved, deciding, strict=True), start=len(merged) + 1):
        what: What = "entered" if one.is_member else "left"
        why = "events" if one.profile_id in by_events else otherwise
        changes.append(Change(f"{name}-{n}", one.profile_id, one.segment, what, at, why, events))
    return changes
