"""Which columns a record of the log can have, and what a source's definition reads of it."""

from __future__ import annotations

from facette.definitions.findings import Findings, KeyPath, suggestion
from facette.definitions.model import Events, LogSource, People

OBJECTS = ("properties", "traits", "context")
"""Keys of a record that hold objects; what is in them becomes dotted columns, ``traits.address.city``."""

TEXTS = (
    "message_id",
    "kind",
    "event",
    "at",
    "received_at",
    "user_id",
    "anonymous_id",
    "previous_id",
    "group_id",
    "update",
    "protocol",
    "source",
)
"""Keys of a record that hold texts; each is a column of its own."""


def columns_named(reader: People | Events) -> list[tuple[KeyPath, str]]:
    """The columns that describe people or events, with where each is named below the reader."""
    named: list[tuple[KeyPath, str]] = []
    named += [(("identifiers", kind), column) for kind, column in reader.identifiers.items()]
    named += [(("only", column), column) for column in reader.only]
    named += [(("fields", name), field.column or name) for name, field in reader.fields.items()]
    named += [(("lookups", i, "on"), lookup.on) for i, lookup in enumerate(reader.lookups)]
    named += [(("known_at",), reader.known_at)] if reader.known_at else []
    if isinstance(reader, People) and reader.update:
        named.append((("update",), reader.update))
    if isinstance(reader, Events):
        named += [(("at",), reader.at), *((("id", i), column) for i, column in enumerate(reader.id))]
    return named


def columns_of_objects(source: LogSource) -> list[str]:
    """The dotted columns that a source reads; no record need have them."""
    named = [column for _, reader in source.readers() for _, column in columns_named(reader)]
    return list(dict.fromkeys(column for column in named if column.partition(".")[0] in OBJECTS))


def check_log(source: LogSource, path: KeyPath, findings: Findings) -> None:
    """Columns that no record can have; what makes records count twice, or as known before they were."""
    if source.table:
        remedy = "give people or events, and take tables from files or a database"
        findings.error((*path, "table"), f"source `{source.name}` is a log, whose records are no table", remedy)
    if source.people:
        _check_reader(source.people, (*path, "people"), findings)
    for i, events in enumerate(source.events):
        _check_reader(events, (*path, "events", i), findings)
        if events.id != ("message_id",):
            message = f"the event `{events.name}` counts twice when its sender sends it again"
            findings.warning((*path, "events", i), message, "say `id: [message_id]`")


def _check_reader(reader: People | Events, path: KeyPath, findings: Findings) -> None:
    for below, column in columns_named(reader):
        start, dot, rest = column.partition(".")
        if column in TEXTS or (dot and start in OBJECTS) or (reader.lookups and below[0] == "fields"):
            continue
        guesses = [*TEXTS, *(f"{each}.{rest or column}" for each in OBJECTS)]
        message = f"a record of a log has no column `{column}`"
        findings.error((*path, *below), message, suggestion(column, guesses))
    if reader.known_at is None:
        what = f"the event `{reader.name}` counts" if isinstance(reader, Events) else "what is known of people counts"
        message = f"{what} as known before it was received"
        findings.warning(path, message, "say `known_at: received_at`")
