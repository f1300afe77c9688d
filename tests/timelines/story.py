"""The format of a told story: what there is, what happens to people over time, and who is then in which segment.

Everything unknown is refused: keys, names, values of another type, instants that do not exist or come twice, time that
goes back, a segment that nothing is expected of.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from facette.definitions import model
from facette.definitions.project import Definitions, define

Row = dict[str, Any]
TYPES: dict[str, tuple[type, ...]] = {
    "text": (str,),
    "number": (int, float),
    "boolean": (bool,),
    "date": (date,),
    "instant": (datetime, str),
}
CLOCK_UNITS = ("microsecond", "second", "minute", "hour")


class Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _short(key: str) -> BeforeValidator:
    """A text alone stands for an object with this one key."""
    return BeforeValidator(lambda written: {key: written} if isinstance(written, str) else written)


# ── what there is ───────────────────────────────────────────────────────────────────────────────────────────────────


class Trait(Strict):
    """A trait of people, or a property of an event; its type alone will do."""

    type: model.FieldType
    label: model.Label = model.Label()


class Kind(Strict):
    """A kind of event."""

    label: model.Label = model.Label()
    fields: dict[model.DefinedName, Annotated[Trait, _short("type")]] = {}


class Known(Strict):
    """A kind of identifier."""

    limit: int | None = None


class Computed(Strict):
    """A feature; its value alone will do."""

    value: str | None = None
    quantiles: model.Quantiles | None = None
    default: float | None = None
    bands: tuple[model.BandDefinition, ...] = ()
    label: model.Label = model.Label()


class Group(Strict):
    """A segment; its rule alone will do."""

    rule: str
    parent: str | None = None
    label: model.Label = model.Label()


class Defaults(Strict):
    """What the stories of a file share; a story may add to it, or say otherwise."""

    time_zone: str = "UTC"
    identifiers: dict[model.DefinedName, Known] = {"who": Known()}
    population: tuple[str, ...] = ()
    survivorship: Literal["recent", "trusted", "frequent"] = "recent"
    sources: tuple[str, ...] = Field(default=("people",), description="Where people come from, most trusted first.")
    traits: dict[model.DefinedName, Annotated[Trait, _short("type")]] = {}
    events: dict[model.DefinedName, Kind] = {}


class Redefined(Strict):
    """Features and segments that read otherwise from now on."""

    features: dict[model.DefinedName, Annotated[Computed, _short("value")]] = {}
    segments: dict[model.DefinedName, Annotated[Group, _short("rule")]] = {}


# ── what happens ────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Record:
    """What somebody tells of a person: identifiers by kind, traits, and since when it is known."""

    source: str
    identifiers: dict[str, str]
    traits: Row
    known_at: datetime


@dataclass(frozen=True)
class Happening:
    """An event of a person; two with one ``id`` are one."""

    event: str
    id: str | None
    identifiers: dict[str, str]
    at: datetime
    known_at: datetime
    properties: Row


class Step(Strict):
    """Time passes, then definitions change, then something arrives, then somebody looks."""

    at: Any = None
    advance: str | None = None
    redefine: Redefined | None = None
    people: list[Row] = []
    events: list[Row] = []
    correct: list[Row] = Field(default=[], description="Events by `id`, with the properties that were wrong.")
    expect: dict[str, list[str] | dict[str, Any]] = Field(
        default={}, description="Segment → all its members, or feature → value by person."
    )
    enters: dict[str, list[str]] = Field(default={}, description="Segment → who came since somebody last looked.")
    leaves: dict[str, list[str]] = Field(default={}, description="Segment → who went since somebody last looked.")

    @property
    def is_looked_at(self) -> bool:
        return bool(self.expect or self.enters or self.leaves)


@dataclass(frozen=True)
class Moment:
    """A step with its instant, and its rows as what they tell."""

    at: datetime
    step: Step
    records: list[Record]
    happenings: list[Happening]


class Story(Defaults):
    """One story: a sentence that tells it, the definitions it needs, and its steps."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")]
    tells: Annotated[str, Field(min_length=10)]
    features: dict[model.DefinedName, Annotated[Computed, _short("value")]] = {}
    segments: dict[model.DefinedName, Annotated[Group, _short("rule")]] = {}
    steps: list[Step]
    xfail: str | None = Field(default=None, description="Why it does not hold yet.")

    @model_validator(mode="after")
    def _holds_together(self) -> Story:
        moments, looked = self.moments, [step for step in self.steps if step.is_looked_at]
        if not looked:
            raise ValueError("nothing is expected of this story")
        segments, features = set(self.segments), set(self.features)
        for step in self.steps:
            segments |= set(step.redefine.segments if step.redefine else ())
            features |= set(step.redefine.features if step.redefine else ())
            for name, expected in step.expect.items():
                if name not in (segments if isinstance(expected, list) else features):
                    raise ValueError(f"`{name}` is no {'segment' if isinstance(expected, list) else 'feature'} here")
            if unknown := (set(step.enters) | set(step.leaves)) - segments:
                raise ValueError(f"nobody enters or leaves {sorted(unknown)}: there is no such segment")
        if silent := segments - {name for step in looked for name in step.expect}:
            raise ValueError(f"nothing is expected of segment {sorted(silent)}")
        told = {value for moment in moments for row in _rows(moment) for value in row.identifiers.values()}
        if strangers := {part for name in _named(looked) for part in name.split(" + ")} - told:
            raise ValueError(f"nothing was told of {sorted(strangers)}")
        return self

    @cached_property
    def moments(self) -> list[Moment]:
        """The steps with their instants."""
        found: list[Moment] = []
        for step in self.steps:
            at = self._instant_of(step, found[-1].at if found else None)
            records = [_Reader(self, at, row).record() for row in step.people]
            happenings = [_Reader(self, at, row).happening() for row in step.events]
            for row in step.correct:
                if row.get("id") not in {each.id for moment in found for each in moment.happenings}:
                    raise ValueError(f"there is no event {row.get('id')!r} to correct")
            found.append(Moment(at, step, records, happenings))
        return found

    def _instant_of(self, step: Step, before: datetime | None) -> datetime:
        if step == Step():
            raise ValueError("a step in which nothing happens")
        if step.at is not None and step.advance is not None:
            raise ValueError("a step has `at` or `advance`, not both")
        if step.at is not None:
            now = instant(step.at, self.time_zone)
        elif before is None:
            raise ValueError("the first step says `at` which instant the story begins")
        else:
            now = _advanced(before, step.advance, self.time_zone) if step.advance else before
        if before is not None and now < before:
            raise ValueError(f"time goes back, from {before} to {now}")
        return now

    def corrected(self, row: Row, of: Happening) -> Happening:
        """The event as it reads once corrected."""
        written = {"did": of.event, **of.identifiers, "at": of.at, "known_at": of.known_at, **of.properties}
        return _Reader(self, of.at, written | row).happening()

    def define(self, redefined: list[Redefined], folder: Path) -> Definitions:
        """The project that the story is about, with what was redefined."""
        features, segments = dict(self.features), dict(self.segments)
        for each in redefined:
            features |= each.features
            segments |= each.segments
        columns = {kind: kind for kind in self.identifiers}
        people = model.People(identifiers=columns, fields=_fields(self.traits), known_at="known_at")
        sources = [model.FileSource(name=name, path=f"{name}-*.parquet", people=people) for name in self.sources]
        for name, kind in self.events.items():
            event = model.Events(
                name=name,
                label=kind.label,
                identifiers=columns,
                at="at",
                known_at="known_at",
                id=("id",),
                fields=_fields(kind.fields),
            )
            sources.append(model.FileSource(name=f"from_{name}", path=f"from_{name}-*.parquet", events=(event,)))
        project = model.Project(
            name="story",
            time_zone=self.time_zone,
            population=self.population,
            survivorship=self.survivorship,
            identifiers=tuple(model.Identifier(name=name, limit=kind.limit) for name, kind in self.identifiers.items()),
            sources=tuple(sources),
            features=tuple(model.Feature(name=name, **dict(each)) for name, each in features.items()),
            segments=tuple(model.Segment(name=name, **dict(each)) for name, each in segments.items()),
            validation=model.Validation(minimum_size=1),
        )
        return define(project, folder)


def _fields(traits: dict[str, Trait]) -> dict[str, model.SourceField]:
    return {name: model.SourceField(type=trait.type, label=trait.label) for name, trait in traits.items()}


def _rows(moment: Moment) -> list[Record | Happening]:
    return [*moment.records, *moment.happenings]


def _named(steps: list[Step]) -> Iterator[str]:
    """Everybody of whom something is expected."""
    for step in steps:
        for people in (*step.expect.values(), *step.enters.values(), *step.leaves.values()):
            yield from people


# ── rows ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class _Reader:
    """Reads one row of a step, key by key; what is left is unknown."""

    story: Story
    now: datetime
    written: Row
    left: Row = field(init=False)

    def __post_init__(self) -> None:
        self.left = dict(self.written)

    def record(self) -> Record:
        source = self.left.pop("from", self.story.sources[0])
        if source not in self.story.sources:
            raise ValueError(f"{self.written}: there is no source {source!r}")
        known_at = self._instant("known_at", self.now)
        return self._only(Record(source, self._identifiers(), self._values(self.story.traits), known_at))

    def happening(self) -> Happening:
        event = self.left.pop("did", None)
        if event not in self.story.events:
            raise ValueError(f"{self.written}: `did` is one of {sorted(self.story.events)}")
        at = self._instant("at", self.now)
        known_at = self._instant("known_at", at)
        own = self.left.pop("id", None)
        properties = self._values(self.story.events[event].fields)
        return self._only(Happening(event, own, self._identifiers(), at, known_at, properties))

    def _only(self, made: Any) -> Any:
        if self.left:
            raise ValueError(f"{self.written}: nothing is called {sorted(self.left)}")
        return made

    def _identifiers(self) -> dict[str, str]:
        found = {kind: self.left.pop(kind) for kind in self.story.identifiers if kind in self.left}
        if not found or not all(isinstance(value, str) for value in found.values()):
            raise ValueError(f"{self.written}: about whom? {sorted(self.story.identifiers)} are texts")
        return found

    def _instant(self, key: str, otherwise: datetime) -> datetime:
        return instant(self.left.pop(key), self.story.time_zone) if key in self.left else otherwise

    def _values(self, traits: dict[str, Trait]) -> Row:
        return {name: self._value(name, trait) for name, trait in traits.items()}

    def _value(self, name: str, trait: Trait) -> Any:
        value = self.left.pop(name, None)
        if value is None:
            return None
        is_other = isinstance(value, bool) != (trait.type == "boolean")
        is_other |= isinstance(value, datetime) and trait.type == "date"
        if is_other or not isinstance(value, TYPES[trait.type]):
            raise ValueError(f"{self.written}: {value!r} is no {trait.type}")
        return instant(value, self.story.time_zone) if trait.type == "instant" else value


def instant(written: Any, zone: str) -> datetime:
    """A point in time; without an offset it is local, and must come exactly once."""
    read = datetime.fromisoformat(written) if isinstance(written, str) else written
    if not isinstance(read, datetime) or (isinstance(written, str) and ":" not in written):
        raise ValueError(f"{written} is a day; say at what time")
    if read.tzinfo is not None:
        return read.astimezone(UTC)
    first, second = (read.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1))
    if first != second:
        raise ValueError(f"{written} does not come exactly once in {zone}; write its offset")
    return first


def _advanced(before: datetime, by: str, zone: str) -> datetime:
    """Days and weeks keep the local clock; shorter units are exact."""
    read = re.fullmatch(r"(\d+) (microsecond|second|minute|hour|day|week)s?", by)
    if read is None:
        raise ValueError(f"`advance: {by}` is no number of microseconds, seconds, minutes, hours, days or weeks")
    length = timedelta(**{f"{read[2]}s": int(read[1])})
    if read[2] in CLOCK_UNITS:
        return before + length
    return instant((before.astimezone(ZoneInfo(zone)) + length).replace(tzinfo=None), zone)


# ── files ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class File(Defaults):
    """A file of stories on one theme."""

    about: str
    stories: list[Row]


def read(path: Path) -> list[Story]:
    """The stories of a file, each with what the file's stories share."""
    file = File.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    shared = {key: getattr(file, key) for key in Defaults.model_fields.keys() & file.model_fields_set}
    stories = []
    for written in file.stories:
        joined = {**shared, **written}
        for key in ("traits", "events"):
            if key in shared and key in written:
                joined[key] = {**shared[key], **written[key]}
        try:
            stories.append(Story.model_validate(joined))
        except ValidationError as error:
            raise ValueError(f"{path.name}::{written.get('name')}: {error}") from error
    names = [story.name for story in stories]
    if doubled := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{path.name} has two stories named {sorted(doubled)}")
    return stories
