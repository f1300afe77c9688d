"""Do the sources hold together, and which traits and events do they give?"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import available_timezones

from phonenumbers import SUPPORTED_REGIONS

from facette.definitions.findings import Findings, KeyPath, suggestion
from facette.definitions.language.vocabulary import BUILT_IN_PROPERTIES, Event, Property
from facette.definitions.model import (
    Events,
    FileSource,
    LogSource,
    Lookup,
    People,
    Project,
    Source,
    SourceField,
    SqlSource,
)
from facette.definitions.naming import each_event, each_trait, labels
from facette.definitions.records import check_log
from facette.definitions.text_checks import check_read, values_of

NO_ZONES = {"Factory", "localtime"}
"""Names in the machine's list of time zones that name none: what they mean changes from one machine to the next."""


NO_DELIMITERS = '"\n\r\0'
"""Characters that mean something else in CSV."""


def check_settings(project: Project, findings: Findings) -> None:
    """Time zone, country, instant of evaluation, population and survivorship."""
    zones = available_timezones() - NO_ZONES
    if project.time_zone not in zones:
        near = suggestion(project.time_zone, sorted(zones))
        remedy = near if near.startswith("did") else "use an IANA name such as Europe/Paris"
        findings.error(("time_zone",), f"unknown time zone `{project.time_zone}`", remedy)
    if project.country not in SUPPORTED_REGIONS:
        remedy = "use a code of ISO 3166 such as FR"
        findings.error(("country",), f"nobody has phone numbers in a country `{project.country}`", remedy)
    as_of = project.as_of
    if as_of is not None and not 1970 <= as_of.year <= 2200:
        findings.error(("as_of",), f"as_of lies in the year {as_of.year}", "give a date such as 2026-11-22")
    if isinstance(as_of, datetime) and as_of.tzinfo is None:
        remedy = "write 2026-11-22T08:30:00+01:00, or a date"
        findings.error(("as_of",), "as_of is an instant without an offset", remedy)
    kinds = [identifier.name for identifier in project.identifiers]
    for i, kind in enumerate(project.population):
        if kind not in kinds:
            findings.unknown(("population", i), "kind of identifier", kind, kinds)
    traits = [name for _, name, _ in each_trait(project)]
    for name in project.trait_survivorship:
        if name not in traits:
            findings.unknown(("trait_survivorship", name), "trait", name, traits)


def check_sources(project: Project, findings: Findings) -> None:
    """Roles, identifiers, lookups and fields of every source."""
    used: set[str] = set()
    for i, source in enumerate(project.sources):
        path: KeyPath = ("sources", i)
        _check_role(source, path, findings)
        if isinstance(source, SqlSource) and (source.table_name is None) == (source.query is None):
            remedy = "give `table_name` or `query`, and not both"
            findings.error(path, f"source `{source.name}` does not say once what to read", remedy)
        if isinstance(source, FileSource):
            _check_text(source, path, findings)
        if isinstance(source, LogSource):
            check_log(source, path, findings)
        if source.people:
            used.update(source.people.identifiers)
            _check_reader(project, source.people, (*path, "people"), findings)
        for j, event in enumerate(source.events):
            used.update(event.identifiers)
            _check_reader(project, event, (*path, "events", j), findings)
            if event.at_format is not None:
                _check_pattern(event.at_format, (*path, "events", j, "at_format"), findings)
    _check_write_keys(project, findings)
    for i, identifier in enumerate(project.identifiers):
        if identifier.name not in used and project.sources:
            message = f"no source gives the identifier `{identifier.name}`"
            findings.warning(("identifiers", i), message, "name its column under `identifiers` of a source")


def is_text_encoding(name: str) -> bool:
    """Whether Python knows an encoding of this name, and it is one of text (base64 is not)."""
    text = "a;b,c\r\n"
    try:
        return text.encode(name).decode(name) == text
    except (LookupError, ValueError):
        return False


def _check_text(source: FileSource, path: KeyPath, findings: Findings) -> None:
    """Encoding and delimiter of text files."""
    if source.encoding is not None and not is_text_encoding(source.encoding):
        remedy = "use a name such as utf-8 or cp1252, or leave it out"
        findings.error((*path, "encoding"), f"there is no encoding called `{source.encoding}`", remedy)
    delimiter = source.delimiter
    if delimiter is not None and (len(delimiter) != 1 or not delimiter.isascii() or delimiter in NO_DELIMITERS):
        remedy = 'give one character such as ";" or "\\t", or leave it out'
        findings.error((*path, "delimiter"), f"{delimiter!r} cannot be a delimiter", remedy)


def _check_write_keys(project: Project, findings: Findings) -> None:
    """A key says whose a record is, so it is of one source. What two variables hold is seen when collecting begins."""
    owners: dict[str, str] = {}
    for i, source in enumerate(project.sources):
        for j, key in enumerate(source.write_keys if isinstance(source, LogSource) else ()):
            owner = owners.setdefault(key, source.name)
            if owner != source.name:
                message = (
                    f"sources `{owner}` and `{source.name}` share a write key, so that nobody knows whose a record is"
                )
                findings.error(("sources", i, "write_keys", j), message, "give each source its own")
            elif key in source.write_keys[:j]:  # type: ignore[union-attr]
                message = f"source `{source.name}` has a write key twice"
                findings.error(("sources", i, "write_keys", j), message, "keep one of the two")


def _check_role(source: Source, path: KeyPath, findings: Findings) -> None:
    if source.table and (source.people or source.events):
        remedy = "declare two sources over the same data, one with `table`"
        findings.error(path, f"source `{source.name}` is a table and something else besides", remedy)
    if not (source.table or source.people or source.events):
        remedy = "say what a row is: `people`, `events` or `table`"
        findings.error(path, f"source `{source.name}` provides nothing", remedy)


def _check_reader(project: Project, reader: People | Events, path: KeyPath, findings: Findings) -> None:
    """Identifiers, lookups and fields of what turns rows into people or events."""
    kinds = [identifier.name for identifier in project.identifiers]
    for kind in reader.identifiers:
        if kind not in kinds:
            findings.unknown((*path, "identifiers", kind), "kind of identifier", kind, kinds)
    for i, lookup in enumerate(reader.lookups):
        _check_lookup(project, lookup, (*path, "lookups", i), findings)
        if any(lookup.source == before.source for before in reader.lookups[:i]):
            message = f"`{lookup.source}` is looked up twice, and its columns can be added once only"
            findings.error((*path, "lookups", i), message, "keep one of the two")
    for name, field in reader.fields.items():
        _check_field(name, field, (*path, "fields", name), findings)
        if field.read is not None:
            check_read(project, name, field, (*path, "fields", name), findings)


def _check_lookup(project: Project, lookup: Lookup, path: KeyPath, findings: Findings) -> None:
    sources = {source.name: source for source in project.sources}
    tables = [name for name, source in sources.items() if source.table]
    if lookup.source not in sources:
        findings.unknown((*path, "source"), "source", lookup.source, tables)
    elif lookup.source not in tables:
        message = f"source `{lookup.source}` is not a table that rows can be looked up in"
        findings.error((*path, "source"), message, "give it `table: {key: …}`")


def _check_field(name: str, field: SourceField, path: KeyPath, findings: Findings) -> None:
    numeric = [key for key in ("minimum", "maximum", "outliers") if getattr(field, key) is not None]
    if numeric and field.type != "number":
        findings.error((*path, numeric[0]), f"`{numeric[0]}` makes no sense for {field.type}", "say `type: number`")
    if field.minimum is not None and field.maximum is not None and not field.minimum <= field.maximum:
        findings.error((*path, "minimum"), f"the minimum of `{name}` is above its maximum", "exchange the two")
    if field.format is None:
        return
    if field.type == "text" and field.format not in ("email", "phone"):
        remedy = "use `email` or `phone`, or say `type: date` if it is one"
        findings.error((*path, "format"), f"`{field.format}` is not a format of text", remedy)
    if field.type in ("date", "instant"):
        _check_pattern(field.format, (*path, "format"), findings)
    if field.type in ("number", "boolean"):
        findings.error((*path, "format"), f"`format` makes no sense for {field.type}", "leave it out")


def _check_pattern(pattern: str, path: KeyPath, findings: Findings) -> None:
    if "%" not in pattern:
        remedy = "write a strptime pattern such as %d/%m/%Y"
        findings.error(path, f"`{pattern}` is not a format of dates", remedy)


# ── what the sources give ───────────────────────────────────────────────────────────────────────────────────────────


def traits_of(project: Project, findings: Findings) -> dict[str, Property]:
    """The traits of all sources; one that two sources give must have one type in both."""
    traits: dict[str, Property] = {}
    for path, name, field in each_trait(project):
        given = Property(name, field.type, labels(field.label), values_of(project, field), field.unit)
        traits[name] = _merged(traits.get(name, given), given, path, findings)
    return traits


def events_of(project: Project, findings: Findings) -> dict[str, Event]:
    """The events of all sources, each with the properties that any source gives it and the built-in ones."""
    events: dict[str, Event] = {}
    for path, event in each_event(project):
        known = events.get(event.name, Event(event.name, {}, BUILT_IN_PROPERTIES))
        properties = dict(known.properties)
        for name, field in event.fields.items():
            if name not in BUILT_IN_PROPERTIES:  # found by check_names
                given = Property(name, field.type, labels(field.label), values_of(project, field), field.unit)
                properties[name] = _merged(properties.get(name, given), given, (*path, "fields", name), findings)
        events[event.name] = Event(event.name, {**labels(event.label), **known.labels}, properties)
    return events


def _merged(known: Property, given: Property, path: KeyPath, findings: Findings) -> Property:
    """What two sources say of one trait or property; the first source's words stand."""
    if known.type != given.type:
        message = f"`{given.name}` is {given.type} here and {known.type} in another source"
        findings.error(path, message, "give both the same type, or different names")
    return replace(known, labels={**given.labels, **known.labels}, unit=known.unit or given.unit)
