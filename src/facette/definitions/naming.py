"""Every name and label of a project means one thing, and none is a name that Facette needs itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from facette.definitions.findings import Findings, KeyPath
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, fold
from facette.definitions.model import Events, Label, Named, Project, SourceField

RESERVED_COLUMNS = ("profile_id", "is_counted", "n_identifiers", "record", "known_at")
RESERVED_PROPERTIES = ("profile_id", "event_id", "known_at", "source", *BUILT_IN_PROPERTIES)
RESERVED_START = "id_"


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that rules can name."""

    what: str
    name: str
    label: Label
    path: KeyPath

    def __str__(self) -> str:
        return f"{self.what} `{self.name}`"


def labels(label: Label) -> dict[str, str]:
    """Language → label, for the languages that have one."""
    return {language: text for language, text in label.model_dump().items() if text}


def check_names(project: Project, findings: Findings) -> None:
    """Find names and labels that two things answer to, sources of one name, and reserved names."""
    check_answers(list(_columns_and_events(project)), findings)
    check_answers([_thing("source", item, ("sources", i)) for i, item in enumerate(project.sources)], findings)
    for thing in _columns_and_events(project):
        if thing.what != "event":
            _check_reserved(thing, RESERVED_COLUMNS, findings)
    for path, event in each_event(project):
        properties = [
            Thing("property", name, field.label, (*path, "fields", name)) for name, field in event.fields.items()
        ]
        check_answers(properties, findings)
        for thing in properties:
            _check_reserved(thing, RESERVED_PROPERTIES, findings)


def each_event(project: Project) -> Iterator[tuple[KeyPath, Events]]:
    """Every declaration of an event, with its place."""
    for i, source in enumerate(project.sources):
        for j, event in enumerate(source.events):
            yield ("sources", i, "events", j), event


def each_trait(project: Project) -> Iterator[tuple[KeyPath, str, SourceField]]:
    """Every declaration of a trait, with its place."""
    for i, source in enumerate(project.sources):
        for name, field in (source.people.fields if source.people else {}).items():
            yield ("sources", i, "people", "fields", name), name, field


def _columns_and_events(project: Project) -> Iterator[Thing]:
    """What a rule can name, in the order of the models; what several sources declare comes several times."""
    for i, identifier in enumerate(project.identifiers):
        yield _thing("identifier", identifier, ("identifiers", i))
    for path, name, field in each_trait(project):
        yield Thing("trait", name, field.label, path)
    for path, event in each_event(project):
        yield _thing("event", event, path)
    for i, feature in enumerate(project.features):
        yield _thing("feature", feature, ("features", i))
    for i, model in enumerate(project.models):
        yield _thing("model", model, ("models", i))
    for i, segment in enumerate(project.segments):
        yield _thing("segment", segment, ("segments", i))


def _thing(what: str, item: Named, path: KeyPath) -> Thing:
    return Thing(what, item.name, item.label, path)


def check_answers(things: list[Thing], findings: Findings) -> None:
    """Names first, so that of two things with one label the later one is to blame, and a label never beats a name."""
    names = [(thing.name, thing) for thing in things]
    all_labels = [(label, thing) for _, thing in names for label in labels(thing.label).values()]
    answers: dict[str, Thing] = {}
    for text, thing in names + all_labels:
        other = answers.setdefault(fold(text), thing)
        if not _is_same(thing, other):
            remedy = f"rename one of them; the other is at {_where(other, findings)}"
            findings.error(thing.path, f"{thing} and {other} both answer to `{text}`", remedy)
            findings.give_up(text)


def _is_same(one: Thing, other: Thing) -> bool:
    """Only traits and events may be declared by several sources."""
    return one is other or (one.what in ("trait", "event") and (one.what, one.name) == (other.what, other.name))


def _where(thing: Thing, findings: Findings) -> str:
    place = findings.places.at(thing.path)
    return f"{place.file}:{place.line}"


def _check_reserved(thing: Thing, reserved: tuple[str, ...], findings: Findings) -> None:
    if thing.name in reserved or thing.name.startswith(RESERVED_START):
        remedy = f"choose another name, such as `the_{thing.name}`"
        if thing.what in ("trait", "property"):
            remedy += f", and say `column: {thing.name}`"
        findings.error(thing.path, f"{thing} has a name that Facette uses itself", remedy)
