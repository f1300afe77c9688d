"""Every name and label of a project means one thing, and none is a name that Facette needs itself."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from facette.definitions.findings import Findings, KeyPath
from facette.definitions.language import tree
from facette.definitions.language.parser import parse_value
from facette.definitions.language.quotes import is_bare, quoted, read_otherwise
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, fold
from facette.definitions.model import Events, Feature, Label, Named, Project, SourceField
from facette.definitions.models import PropensityModel, outputs
from facette.errors import RuleError

RESERVED_COLUMNS = ("profile_id", "is_counted", "n_identifiers", "record", "known_at")
RESERVED_PROPERTIES = ("profile_id", "event_id", "known_at", "source", *BUILT_IN_PROPERTIES)
RESERVED_START = "id_"
RESERVED_INPUTS = ("instant", "target")


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
    """Find names and labels that two things answer to or that rules misread, sources of one name, reserved names."""
    check_answers(list(_columns_and_events(project)), findings)
    _check_readable(project, findings)
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
    _check_inputs(project, findings)


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
    for i, threshold in enumerate(project.thresholds):
        yield _thing("threshold", threshold, ("thresholds", i))
    for i, model in enumerate(project.models):
        yield _thing("model", model, ("models", i))
        for column in outputs(model)[1:]:
            yield Thing("model", column, Label(), ("models", i))
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


def _check_inputs(project: Project, findings: Findings) -> None:
    """What a propensity model learns from stands in one table with columns of Facette's own."""
    for i, model in enumerate(project.models):
        for j, name in enumerate(model.features if isinstance(model, PropensityModel) else ()):
            if name in RESERVED_INPUTS:
                message = f"`{name}` cannot be an input of a propensity model: Facette uses that name itself"
                findings.error(("models", i, "features", j), message, f"choose another name, such as `the_{name}`")


# ── names that rules misread ────────────────────────────────────────────────────────────────────────────────────────

_PLACES = {
    "event": ("event", "did_event", "then_event"),
    "segment": ("truth", "segment"),
    "threshold": ("threshold_name",),
}
"""What → where its name stands in rules; columns stand before a comparison."""
_MISREAD_PLACES = {"event": ("event", "did_event"), "segment": ("truth", "segment"), "threshold": ()}
_OWN_COMPARISONS = {"name": 1, "event": 1}  # those that the rule for the place has beside the name
_Known = dict[str, dict[str, Thing]]


def _check_readable(project: Project, findings: Findings) -> None:
    """Find names and labels that need quotes in rules, and those that without quotes silently mean something else."""
    known = _known(project)
    seen: set[tuple[str, str, str]] = set()
    for thing in _columns_and_events(project):
        need_quotes = []
        for text in dict.fromkeys(" ".join(text.split()) for text in (thing.name, *labels(thing.label).values())):
            if not text or (thing.what, thing.name, text) in seen or _is_readable(thing, text, known):
                continue
            seen.add((thing.what, thing.name, text))
            others = _misread(thing, text, known)
            if others:
                meant = " and ".join(dict.fromkeys(str(other) for other in others))
                message = f"{thing} answers to `{text}`, which rules read as a condition on {meant}"
                findings.error(thing.path, message, "rename one of them")
                findings.give_up(text)
            else:
                need_quotes.append(quoted(text, '"'))
        if need_quotes:
            message = f"{thing} cannot be named in rules without quotes"
            findings.warning(thing.path, message, f"in rules it needs quotes: {', '.join(need_quotes)}")


def _is_readable(thing: Thing, text: str, known: _Known) -> bool:
    """Whether rules may name it so without quotes; « nombre de visites » reads like a count, of what is no event."""
    if all(is_bare(place, text) for place in _PLACES.get(thing.what, ("name",))):
        return True
    measured = _measured(read_otherwise("name", text)) if thing.what in _COLUMNS else None
    return measured is not None and fold(measured) not in known["event"]


def _measured(node: object) -> str | None:
    """The event of « nombre de visites », if the text before a comparison reads like that; the checker refuses both."""
    match node:
        case tree.Compare(left=tree.Aggregate("count" | "recency", event, None, None, None)):
            return event
    return None


def _misread(thing: Thing, text: str, known: _Known) -> list[Thing]:
    """What the text without quotes is about, if that is not the thing and the whole would be a rule.

    Whoever writes a comparison means one: a segment labelled `Score > 80` is in nobody's way.
    """
    for place in _MISREAD_PLACES.get(thing.what, ("name", "truth")):
        found = read_otherwise(place, text)
        if found is None or (place == "name" and _measured(found) is not None):
            continue
        references = list(_references(found))
        things = [known[kind].get(fold(name)) for kind, name in references if kind != "comparison"]
        n_comparisons = sum(kind == "comparison" for kind, _ in references)
        is_itself = isinstance(found, tree.Truth) and things[0] is not None and _is_same(thing, things[0])
        if n_comparisons <= _OWN_COMPARISONS.get(place, 0) and all(things) and not is_itself:
            return [other for other in things if other is not None]
    return []


def _references(node: object, kind: str = "column") -> Iterator[tuple[str, str]]:
    """The names in a tree as parsed, each with the kind of thing that it may name; and its comparisons."""
    match node:
        case tree.And(items=items) | tree.Or(items=items):
            for item in items:
                yield from _references(item, kind)
        case tree.Not(item=item):
            yield from _references(item, kind)
        case tree.Truth(left=tree.Name(text=text)):
            yield ("condition" if kind == "column" else kind), text
        case tree.Name(text=text):
            yield kind, text
        case tree.InSegment(segment=segment):
            yield "segment", segment
        case tree.Did(where=where, then=then):
            yield "event", node.event
            yield from _references(where, "property")
            yield from _references(then)
            if then is not None and then.on is not None:
                yield from (("property", name) for name in (then.on, then.other) if name)
        case tree.Then(event=event, where=where) | tree.Aggregate(event=event, where=where):
            yield "event", event
            yield from _references(where, "property")
        case tree.Compare() | tree.OneOf() | tree.Between() | tree.Match() | tree.IsKnown() | tree.Truth():
            yield "comparison", ""
            yield from _references(node.left, kind)


_COLUMNS = ("identifier", "trait", "feature", "model")


def _known(project: Project) -> _Known:
    """Kind of reference → folded name or label → the thing; a condition is what can stand alone: true or false."""
    known: _Known = {kind: {} for kind in ("column", "condition", "segment", "event", "property", "threshold")}
    booleans = {name for _, name, field in each_trait(project) if field.type == "boolean"}
    booleans |= {feature.name for feature in project.features if _may_be_boolean(feature)}
    for thing in _columns_and_events(project):
        kinds = ["column" if thing.what in _COLUMNS else thing.what]
        kinds += ["condition"] if thing.what == "segment" or thing.name in booleans else []
        for kind in kinds:
            known[kind] |= {fold(text): thing for text in (thing.name, *labels(thing.label).values())}
    for path, event in each_event(project):
        for name, field in event.fields.items():
            thing = Thing("property", name, field.label, (*path, "fields", name))
            known["property"] |= {fold(text): thing for text in (name, *labels(field.label).values())}
    return known


def _may_be_boolean(feature: Feature) -> bool:
    """Whether a feature's value is not a number for sure."""
    try:
        value = parse_value(feature.value or "0")
    except RuleError:
        return False
    return isinstance(value, tree.Name) or (
        isinstance(value, tree.Aggregate) and value.function in ("first", "last", "mode")
    )
