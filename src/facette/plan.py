"""What a run will do, and why: a tuple of stages that ``plan`` prints and ``run`` executes.

The tuple follows from the definitions, the published snapshot, the moment, and what arrived from the sources.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Literal, get_args

from facette.clock import CLOCK_UNITS, Moment
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.definitions.redefined import in_force, redefined, rewritten
from facette.errors import DefinitionError
from facette.warehouse.published import Snapshot

Stage = Literal["clean", "people", "events", "partials", "features", "models", "segments", "validation"]
Action = Literal["skip", "add", "rebuild"]


@dataclass(frozen=True)
class Arrivals:
    """What one source has that the published snapshot has not.

    new      : landings to add; None when it cannot be known without reading (a query)
    replaced : landings whose file changed: their rows are no longer true
    waiting  : of a log that has not been read yet, the records that wait in it
    """

    new: int | None
    replaced: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        if self.waiting:
            return f"{self.waiting:,} records wait"
        return "to be read" if self.new is None else str(self.new)


@dataclass(frozen=True)
class Step:
    """One stage of a run: what it will do, and why."""

    stage: Stage
    action: Action
    reason: str


def plan(
    definitions: Definitions,
    published: Snapshot | None,
    moment: Moment,
    arrivals: Mapping[str, Arrivals],
    *,
    chosen: Mapping[str, int] | None = None,
    is_full: bool = False,
    approved: Collection[str] = (),
    refit: Collection[str] = (),
) -> tuple[Step, ...]:
    """The steps of a run, in order. Every stage is there; those with nothing to do say "skip".

    chosen   : model → the version that somebody chose for it
    is_full  : compute everything anew, whatever is published
    approved : what the gate held back and somebody has let through since
    refit    : the models to be fitted anew, however young they are
    """
    if published is None or is_full:
        reason = "first run" if published is None else "everything anew, as asked"
        kept = "; those fitted are kept while they are young" if published else ""
        return tuple(Step(stage, "rebuild", reason + (kept if stage == "models" else "")) for stage in get_args(Stage))
    changed = changed_parts(definitions, published)
    data = _data(definitions, changed, arrivals)
    passed = _time_passed(definitions, published, moment)
    clean = Step("clean", *data)
    moved = data[0] == "skip" and passed  # traits that were not known yet may be now
    people = Step("people", "add", passed) if moved else Step("people", *data)
    events = Step("events", *data)
    if data[0] == "rebuild":
        partials = Step("partials", "rebuild", data[1])
    elif "aggregates" in changed:
        partials = Step("partials", "rebuild", "aggregates of the features or rules changed")
    elif passed == BACK:
        partials = Step("partials", "rebuild", BACK)
    elif data[0] == "add" or passed:
        partials = Step("partials", "add", data[1] if data[0] == "add" else passed)
    else:
        partials = Step("partials", "skip", "no new event, no window moved")
    features = _after("features", partials, "features" in changed, "features changed")
    models = _after("models", features, "models" in changed, "models changed")
    if models.action == "skip" and {**published.chosen} != {**(chosen or {})}:
        models = Step("models", "rebuild", "another version was chosen")
    held = {name for name, item in published.held.items() if item["what"] == "model"}
    if models.action == "skip" and held and (held & {*approved} or "validation" in changed):
        models = Step("models", "rebuild", "what was held back is judged again")
    if models.action == "skip" and refit:
        models = Step("models", "rebuild", f"fitted anew, as asked: {', '.join(sorted(refit))}")
    segments = _after("segments", models, "segments" in changed, "segments changed")
    validation = _after("validation", segments, "validation" in changed, "validation or labels changed")
    return clean, people, events, partials, features, models, segments, validation


def fingerprints(definitions: Definitions) -> dict[str, str]:
    """The hash of each part of the definitions that a plan looks at, and the version that computes with them."""
    models = [definitions.model_fingerprint(item.name) for item in definitions.project.models]
    aggregates = sorted((name, repr(aggregate)) for name, aggregate in definitions.aggregates.items())
    words = definitions.project.model_dump_json(
        exclude={
            **dict.fromkeys(("as_of", "sinks", "live", "answers", "mlflow"), True),
            "sources": {"__all__": {"path", "url"}},
        }
    )
    return {
        "version": version("facette"),
        "sources": definitions.sources_fingerprint,
        "aggregates": _hash(aggregates),
        "features": definitions.features_fingerprint,
        "models": _hash(models),
        "segments": definitions.segments_fingerprint,
        "validation": _hash([words, *models]),
    }


def changed_parts(definitions: Definitions, published: Snapshot) -> set[str]:
    """The parts of the definitions that are not as they were when the snapshot was made."""
    before = published.fingerprints
    return {part for part, now in fingerprints(definitions).items() if before.get(part) != now}


def as_published(definitions: Definitions, published: Snapshot) -> Definitions | None:
    """Today's project with the features, models and segments that a snapshot was made with.

    None if the snapshot does not say, or if they do not go together with today's sources.
    """
    if not published.definitions:
        return None
    try:
        return rewritten(definitions, published.definitions)
    except DefinitionError:
        return None


def by_the_gate(definitions: Definitions, published: Snapshot | None) -> Definitions:
    """Today's definitions; where the project holds segments back that fail the checks, with those of the published run.

    Only a run judges: whoever goes on from one, as the live worker does, goes by its segments until the next.
    DefinitionError if these do not go together with the rest of today's definitions.
    """
    if definitions.project.validation.gate.segments == "publish" or published is None or not published.definitions:
        return definitions
    return in_force(definitions, published.definitions, {item.name for item in definitions.project.segments})


def redefinitions(definitions: Definitions, published: Snapshot | None) -> dict[str, str]:
    """Segment → why it no longer means what it meant in a snapshot; empty where that is not known."""
    before = as_published(definitions, published) if published else None
    return redefined(definitions, before) if before else {}


def _hash(parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def _data(definitions: Definitions, changed: set[str], arrivals: Mapping[str, Arrivals]) -> tuple[Action, str]:
    """What is to be done with the rows of the sources."""
    if "version" in changed:
        return "rebuild", "another version of Facette made the tables"
    if "sources" in changed:
        return "rebuild", "sources, identifiers or people settings changed"
    replaced = sorted(name for name, arrival in arrivals.items() if arrival.replaced)
    if replaced:
        return "rebuild", f"files that were read before have changed: {', '.join(replaced)}"
    new = {name: arrival for name, arrival in arrivals.items() if arrival.new != 0}
    if not new:
        return "skip", "no source has anything new"
    tables = [source.name for source in definitions.project.sources if source.table and source.name in new]
    if tables:
        return "rebuild", f"tables that events look things up in have changed: {', '.join(tables)}"
    told = [f"{name} ({new[name]})" for name in sorted(new)]
    return "add", f"new from {', '.join(told)}"


BACK = "the instant lies before the published one, and the history after it is forgotten"


def _time_passed(definitions: Definitions, published: Snapshot, moment: Moment) -> str:
    """Why time alone may have changed an answer; empty when it cannot have."""
    before = published.moment
    if moment.as_of < before.as_of:
        return BACK
    if moment.today != before.today:
        return f"time passed: {before.today} → {moment.today}"
    if published.pending_from and published.pending_from <= moment.as_of.isoformat():
        return "time passed: what lay in the future has happened"
    if moment.step != before.step and uses_the_clock(definitions):
        return f"time passed: {before.step:%H:%M} → {moment.step:%H:%M} UTC"
    return ""


def uses_the_clock(definitions: Definitions) -> bool:
    """Whether any rule or feature speaks of hours or minutes, so that it can change within a day."""
    trees = [checked.rule for checked in definitions.rules.values()] + [*definitions.aggregates.values()]
    return any(unit in CLOCK_UNITS for _, unit in tree.durations(trees))


def _after(stage: Stage, before: Step, is_changed: bool, reason: str) -> Step:
    if is_changed:
        return Step(stage, "rebuild", reason)
    if before.action != "skip":
        return Step(stage, "rebuild", f"after {before.stage}")
    return Step(stage, "skip", "nothing before it changed")
