"""Do the stages of a plan for one instant, and publish what they made in one step.

This module owns the effects (files, ledger, the machine's clock) and contains no meaning. Whatever happens before
``Store.publish`` is invisible to readers; a run that is killed leaves raw landings, which the next run picks up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4
from zoneinfo import ZoneInfo

from facette.clock import Moment, start_of_day
from facette.definitions.cost import History, costs
from facette.definitions.project import Definitions
from facette.definitions.redefined import in_force, rule_version, written
from facette.errors import DefinitionError, FacetteError, RunError
from facette.plan import Step, fingerprints, plan, redefinitions
from facette.stages import perform
from facette.stages.landing import expect, extract
from facette.stages.profiles import IdentitySplitError
from facette.stages.segments import SegmentsHeldError
from facette.stages.tracking import track
from facette.stages.versions import chosen_versions, keep_versions
from facette.stages.work import Work
from facette.validation.gate import Gate
from facette.validation.sentences import say
from facette.warehouse.connect import connect
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Draft, Snapshot, Store

FIRST_YEAR, LAST_YEAR = 1000, 9000


class Progress(Protocol):
    """Whoever watches a run."""

    def start(self, stage: str, detail: str) -> None: ...

    def end(self, stage: str, detail: str, rows: int | None, seconds: float) -> None: ...


@dataclass
class StageFigures:
    """How a stage went: rows made, seconds taken, and what it did and why."""

    stage: str
    detail: str
    rows: int | None = None
    seconds: float = 0.0


@dataclass
class Outcome:
    """What a run came to.

    is_published : False when nothing had changed and the published run stands
    warnings     : what may not be as the user wants it
    notes        : what was found out while reading, such as encodings
    redefined    : segment → why it no longer means what it meant in the run before
    """

    run: str
    as_of: datetime
    is_published: bool
    stages: list[StageFigures]
    warnings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    redefined: dict[str, str] = field(default_factory=dict)


def moment_of(definitions: Definitions, as_of: datetime | date | None, now: datetime) -> Moment:
    """The moment a run is for: as asked, else as the project says, else now; local time if it has no offset.

    A date means its last microsecond.

    RunError if it is so far away that windows or later moments would leave the calendar.
    """
    zone = definitions.project.time_zone
    asked = as_of if as_of is not None else definitions.project.as_of
    if asked is None:
        return Moment(now, zone)
    if not FIRST_YEAR <= asked.year <= LAST_YEAR:
        raise RunError(
            f"There is nothing to evaluate as of {asked.isoformat()}.",
            remedy=f"Choose an instant of the years {FIRST_YEAR} to {LAST_YEAR}.",
        )
    if isinstance(asked, datetime):
        return Moment(asked if asked.tzinfo else asked.replace(tzinfo=ZoneInfo(zone)), zone)
    return Moment(start_of_day(asked + timedelta(days=1), zone) - timedelta(microseconds=1), zone)


def run(
    definitions: Definitions,
    progress: Progress,
    *,
    as_of: datetime | date | None = None,
    is_full: bool = False,
    refit: Collection[str] = (),
) -> Outcome:
    """Bring the published segments up to date.

    as_of   : evaluate at this instant instead of the project's or the present
    is_full : compute everything anew, whatever is published
    refit   : models to fit anew, however young they are; the gate judges what comes of it as ever
    Raises RunError at once if another run is under way.
    """
    started = datetime.now(UTC)
    store = Store(definitions.folder)
    with store.lock():
        store.sweep()
        with closing(Ledger(store.folder)) as ledger:
            watch = _Watch(progress)
            moment = moment_of(definitions, as_of, started)
            name = f"{started:%Y%m%dT%H%M%S%f}-{uuid4().hex[:4]}"
            published = store.published()
            ledger.start(name, moment.as_of, published=published.run if published else None)
            try:
                outcome = _run(definitions, store, ledger, watch, moment, name, is_full=is_full, refit=frozenset(refit))
            except BaseException as error:
                store.sweep()  # first of all, for the disk may be full
                told = str(error) if isinstance(error, FacetteError) else repr(error)
                with suppress(RunError):  # what went wrong is told; the next run marks this one interrupted
                    ledger.end(name, "failed", [asdict(figures) for figures in watch.stages], told)
                raise
            status = "published" if outcome.is_published else "unchanged"
            ledger.end(name, status, [asdict(figures) for figures in watch.stages])
            return outcome


def planned(definitions: Definitions, *, as_of: datetime | date | None = None, is_full: bool = False) -> dict[str, Any]:
    """What a run would do now, and why, without doing it: the same tuple of steps that a run executes."""
    store = Store(definitions.folder)
    moment = moment_of(definitions, as_of, datetime.now(UTC))
    published = store.published()
    ledger = Ledger(store.folder)
    try:
        arrivals = expect(definitions, store, ledger, published)
        chosen, approved = chosen_versions(definitions, ledger), _approved(ledger, published)
    finally:
        ledger.close()
    steps = plan(definitions, published, moment, arrivals, chosen=chosen, is_full=is_full, approved=approved)
    return {
        "as_of": moment.local,
        "published": published.run if published else None,
        "sources": {name: asdict(arrival) for name, arrival in arrivals.items()},
        "cost": costs(definitions, _history(definitions, store, published)),
        "steps": [asdict(step) for step in steps],
        "redefined": redefinitions(definitions, published),
    }


def _history(definitions: Definitions, store: Store, published: Snapshot | None) -> dict[str, History]:
    """What is published of each kind of event that has any."""
    found: dict[str, History] = {}
    if published is None:
        return found
    for event in definitions.vocabulary.events:
        table = f"events_{event}"
        rows, profiles = published.rows.get(table, 0), published.rows.get(f"partials_{event}", 0)
        span = store.span(published, table, "day")
        if rows and profiles and span:
            found[event] = History(rows, profiles, (span[1] - span[0]).days + 1)
    return found


def _run(
    definitions: Definitions,
    store: Store,
    ledger: Ledger,
    watch: _Watch,
    moment: Moment,
    name: str,
    *,
    is_full: bool,
    refit: frozenset[str],
) -> Outcome:
    published = store.published()
    with watch.stage("extract", "look for what is new") as figures:
        arrivals, figures.rows, notes = extract(definitions, store, ledger, published)
    chosen = chosen_versions(definitions, ledger)

    def steps_for(now: Definitions) -> tuple[Step, ...]:
        approved = _approved(ledger, published)
        return plan(now, published, moment, arrivals, chosen=chosen, is_full=is_full, approved=approved, refit=refit)

    if published is not None and all(step.action == "skip" for step in steps_for(definitions)):
        return Outcome(published.run, published.moment.local, False, watch.stages, notes=notes)

    fits: dict[tuple[str, str], tuple[dict[str, Any], list[str]]] = {}

    def work(now: Definitions) -> Work:
        base = published or Snapshot(run="", as_of="", zone="")
        snapshot = replace(base, run=name, as_of=moment.as_of.isoformat(), zone=moment.zone, chosen=chosen)
        draft = Draft(store, snapshot)
        return Work(now, store, ledger, connect(now.folder), draft, published, moment, refit, fits)

    def performed(now: Definitions) -> Work:
        state = work(now)
        try:
            _perform(steps_for(now), state, watch)
        except IdentitySplitError:
            fits.clear()
            state = work(now)
            anew = plan(now, None, moment, arrivals)
            _perform(tuple(replace(step, reason="new links took a profile apart") for step in anew), state, watch)
        return state

    state = _let_through(definitions, published, performed)
    snapshot = state.draft.snapshot
    snapshot = replace(snapshot, fingerprints=fingerprints(state.definitions), definitions=written(state.definitions))
    keep_versions(state)
    store.publish(replace(snapshot, published_at=datetime.now(UTC).isoformat()))
    store.sweep()
    track(state)
    return Outcome(name, moment.local, True, watch.stages, state.warnings, notes, state.redefined)


def _approved(ledger: Ledger, published: Snapshot | None) -> set[str]:
    """What the published run held back and somebody has let through since."""
    held = published.held if published else {}
    return {name for name, item in held.items() if ledger.is_approved(name, item["version"])}


def _let_through(
    definitions: Definitions, published: Snapshot | None, performed: Callable[[Definitions], Work]
) -> Work:
    """What was made with the definitions that the gate lets through: of a segment that it holds, the one before."""
    held: dict[str, tuple[Gate, str]] = {}
    now = definitions
    while True:
        try:
            state = performed(now)
            break
        except SegmentsHeldError as error:
            held |= error.judged
        before = published.definitions if published else {}
        held |= _referring(definitions, held, {item["name"] for item in before.get("segments", ())})
        try:
            now = in_force(definitions, before, held)
        except DefinitionError as error:
            raise RunError(
                f"The gate holds {', '.join(held)} back, and the definitions before do not go with the others: {error}",
                remedy="Take back what needs them, improve them, or set `validation.gate.segments: publish`.",
            ) from error
    state.let_go("segment")
    policy = definitions.project.validation.gate.segments
    for name, (judged, version) in held.items():
        state.hold("segment", name, judged, policy, version)
        kept = "the definition before stays in force" if name in now.rules else "it is not published"
        asked = f"; `facette approve {name}` lets it through" if policy == "ask" else ""
        state.warnings.append(f"Segment “{name}” is held back ({kept}{asked}). {judged.reason['en']}")
    return state


def _referring(
    definitions: Definitions, held: Mapping[str, tuple[Gate, str]], before: Collection[str]
) -> dict[str, tuple[Gate, str]]:
    """The segments that refer to one that is held and was not there before: they are held with it."""
    gone, found = {*held} - {*before}, {}
    for name, checked in definitions.rules.items():  # each after those it refers to
        missing = sorted(checked.segments & gone)
        if missing and name not in held:
            found[name] = (Gate(False, say("refers", segments=", ".join(missing))), rule_version(name, definitions))
            gone |= {name} - {*before}
    return found


def _perform(steps: tuple[Step, ...], work: Work, watch: _Watch) -> None:
    for step in steps:
        with watch.stage(step.stage, f"{step.action}: {step.reason}") as figures:
            if step.action != "skip":
                figures.rows = perform(step, work)


class _Watch:
    """Times the stages and passes them on."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.stages: list[StageFigures] = []

    @contextmanager
    def stage(self, name: str, detail: str) -> Iterator[StageFigures]:
        figures = StageFigures(name, detail)
        self.progress.start(name, detail)
        began = time.perf_counter()
        yield figures
        figures.seconds = time.perf_counter() - began
        self.stages.append(figures)
        self.progress.end(name, detail, figures.rows, figures.seconds)
