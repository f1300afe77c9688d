"""Can texts be read as it is declared?"""

from __future__ import annotations

from facette.definitions.findings import Findings, KeyPath
from facette.definitions.language.vocabulary import Band
from facette.definitions.model import Project, SourceField
from facette.definitions.naming import Thing, check_answers, each_event, each_trait, labels
from facette.definitions.texts import (
    NEUTRAL_WITHIN,
    AnyReading,
    IntentsText,
    Labelled,
    Sample,
    SentimentText,
    TextClass,
    ThemesText,
    classes_of,
    readings,
)

NOT_OF_READ = ("format", "unit", "minimum", "maximum", "outliers")
"""Keys of a field that say something about a text or a number as it stands in the source."""


def check_texts(project: Project, findings: Findings) -> None:
    """Names that two readings have, classes that nothing tells, tables that are none, methods that lack something."""
    names: set[str] = set()
    tables = [source.name for source in project.sources if source.table]
    used = reads_of(project)
    for i, item in enumerate(project.texts):
        path: KeyPath = ("texts", i)
        if item.name in names:
            findings.error((*path, "name"), f"two texts are called `{item.name}`", "rename one of them")
        names.add(item.name)
        if item.name not in used:
            findings.warning(path, f"no field reads `{item.name}`", f"say `read: {item.name}` of a field, or remove it")
        _check_classes(item, path, findings)
        _check_method(item, path, findings)
        samples = {"learn": item.learn, "discover": item.discover if isinstance(item, ThemesText) else None}
        for key, sample in samples.items():
            if sample is not None and sample.source not in tables:
                findings.unknown((*path, key, "source"), "source with `table`", sample.source, tables)


def _check_classes(item: AnyReading, path: KeyPath, findings: Findings) -> None:
    declared = [key for key in ("themes", "learn", "discover") if getattr(item, key, None)]
    if isinstance(item, ThemesText) and (not declared or ("discover" in declared and len(declared) > 1)):
        remedy = "give `themes`, `learn` from labelled texts (or both), or `discover` alone"
        findings.error(path, f"`{item.name}` does not say once which themes there are", remedy)
    key, classes = (
        ("intents", item.intents) if isinstance(item, IntentsText) else ("themes", getattr(item, "themes", ()))
    )
    things = [Thing(key.removesuffix("s"), each.name, each.label, (*path, key, j)) for j, each in enumerate(classes)]
    check_answers(things, findings)
    if len(classes) == 1:
        findings.error((*path, key), f"`{item.name}` has one of its {key} only", "give two or more")
    for j, each in enumerate(classes):
        if not item.learn and not (each.words or each.examples):
            message = f"nothing tells `{each.name}`"
            findings.error(
                (*path, key, j), message, "give it `words` or `examples`, or the text something to `learn` from"
            )


def _check_method(item: AnyReading, path: KeyPath, findings: Findings) -> None:
    """What a method needs to be told."""
    if isinstance(item, SentimentText) and item.negative_to >= item.positive_from:
        message = "`negative_to` is not below `positive_from`"
        findings.error((*path, "negative_to"), message, "labels between the two are neutral")
    if isinstance(item, ThemesText) and item.discover:
        if item.method is not None:
            findings.error((*path, "method"), "themes that are found need no method", "leave `method` out")
        return
    if item.method == "words" and item.learn:
        findings.error((*path, "method"), "words learn nothing", "leave `learn` out, or take another method")
    if item.method == "tfidf" and not item.learn:
        remedy = "give it `learn`, or take `words` or `embedding`"
        findings.error((*path, "method"), "TF-IDF knows only the words of labelled texts", remedy)
    for j, each in enumerate(classes_of(item)):
        if item.learn or item.method == "tfidf":
            continue
        lacks = not each.words if item.method == "words" else not each.examples
        if (each.words or each.examples) and lacks:
            key = "words" if item.method == "words" else "examples"
            place = "intents" if isinstance(item, IntentsText) else "themes"
            message = f"`{each.name}` has no {key}, which the method needs"
            findings.error((*path, place, j), message, f"give it {key}, or take another method")


def check_read(project: Project, name: str, field: SourceField, path: KeyPath, findings: Findings) -> None:
    """A field that is read of a text."""
    known = readings(project.texts)
    reading = known.get(field.read or "")
    if reading is None:
        findings.unknown((*path, "read"), "text", field.read or "", known)
        return
    if field.column is None:
        findings.error(path, f"`{name}` does not say which column is read", "give `column`")
    types = ("text", "number") if isinstance(reading, SentimentText) else ("text",)
    if field.type not in types:
        remedy = "say `type: text` or `type: number`" if len(types) > 1 else "leave `type` out"
        findings.error((*path, "type"), f"what `{field.read}` says is no {field.type}", remedy)
    for key in NOT_OF_READ:
        if getattr(field, key) not in (None, ""):
            findings.error((*path, key), f"`{key}` makes no sense for what is read of a text", "leave it out")


# ── what is read ────────────────────────────────────────────────────────────────────────────────────────────────────


def reads_of(project: Project) -> list[str]:
    """The readings that fields name, each once, by name."""
    fields = [field for _, _, field in each_trait(project)]
    fields += [field for _, event in each_event(project) for field in event.fields.values()]
    known = readings(project.texts)
    return sorted({field.read for field in fields if field.read in known})


def tables_read(project: Project) -> list[str]:
    """The sources with labelled texts, or with texts among which themes are found."""
    samples: list[Labelled | Sample | None] = [item.learn for item in project.texts]
    samples += [item.discover for item in project.texts if isinstance(item, ThemesText)]
    return [sample.source for sample in samples if sample is not None]


def values_of(project: Project, field: SourceField) -> tuple[Band, ...]:
    """What rules may call the values of a field that is read of a text; none of any other field."""
    reading = readings(project.texts).get(field.read) if field.read else None
    if reading is None:
        return ()
    classes = classes_of(reading)
    if field.type == "number" and isinstance(reading, SentimentText):
        negative, neutral, positive = classes
        low, high = -NEUTRAL_WITHIN, NEUTRAL_WITHIN
        return _band(negative, None, low), _band(neutral, low, high), _band(positive, high, None)
    return tuple(_band(item) for item in classes)


def _band(item: TextClass, low: float | None = None, high: float | None = None) -> Band:
    return Band(item.name, low, high, tuple(labels(item.label).values()))
