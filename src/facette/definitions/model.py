"""What a user writes: the pydantic models of a project's YAML, and nothing about how it is computed.

Every model is frozen and refuses unknown keys. JSON Schema, documentation and error messages come from here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator
from pydantic_core import PydanticKnownError

from facette.definitions.base import (
    BandDefinition,
    DefinedName,
    Definition,
    FieldType,
    Label,
    Language,
    Named,
    Outliers,
    RuleText,
    ValueText,
)
from facette.definitions.models import Model
from facette.definitions.texts import TextReading
from facette.definitions.validation import Validation


def _day_or_instant(written: Any) -> Any:
    """A day in quotes is that day. A number is no instant: pydantic would count seconds from 1970."""
    for kind in (date, datetime):
        if isinstance(written, str):
            with suppress(ValueError):
                written = kind.fromisoformat(written)
    if written is None or isinstance(written, date):
        return written
    raise PydanticKnownError("date_type")


# ── identifiers ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Identifier(Named):
    """A kind of identifier by which records are recognised as one person."""

    format: Literal["text", "email", "phone"] = Field(
        default="text", description="How values are made uniform: trimmed text, e-mail address, or E.164 phone number."
    )
    blocked: tuple[str, ...] = Field(
        default=(), description="Values that identify nobody, besides the built-in ones (null, 0000, test@test.com, …)."
    )
    limit: int | None = Field(
        default=None, ge=1, description="At most this many values per profile; a link that would exceed it is refused."
    )


def can_fall_apart(identifiers: Iterable[Identifier]) -> bool:
    """Whether one person can turn out to be two: only a limit refuses what has joined identifiers before."""
    return any(kind.limit is not None for kind in identifiers)


# ── sources ─────────────────────────────────────────────────────────────────────────────────────────────────────────


class SourceField(Definition):
    """One column of a source that becomes a trait or an event's property."""

    column: str | None = Field(default=None, description="Column in the source; the field's name unless given.")
    type: FieldType = "text"
    label: Label = Label()
    unit: str = ""
    format: str | None = Field(
        default=None,
        description="'email' or 'phone' for text; a strptime pattern such as %d/%m/%Y for dates and instants.",
    )
    missing: tuple[str, ...] = Field(default=(), description="Texts that mean unknown, besides the empty text.")
    values: dict[str, str] = Field(default_factory=dict, description="Raw text → text to use instead.")
    minimum: float | None = Field(default=None, description="A number below it is absurd and becomes unknown.")
    maximum: float | None = Field(default=None, description="A number above it is absurd and becomes unknown.")
    outliers: Outliers | None = None
    required: bool = Field(default=False, description="A row without a valid value is refused.")
    read: DefinedName | None = Field(
        default=None,
        description="Not the text itself but what it says: `sentiment`, `intent`, `language`, or one of the `texts`.",
    )


class Lookup(Definition):
    """Join a plain table to the rows of this source, before anything else reads them."""

    source: DefinedName = Field(description="A source that provides a table.")
    on: str = Field(description="Column of this source that holds the table's key.")


class People(Definition):
    """Each row (or each row that matches ``only``) describes a person."""

    identifiers: dict[DefinedName, str] = Field(min_length=1, description="Kind of identifier → column.")
    fields: dict[DefinedName, SourceField] = Field(default_factory=dict, description="Trait → column.")
    known_at: str | None = Field(
        default=None, description="Column with the instant at which the row was known; without it, always known."
    )
    update: str | None = Field(
        default=None,
        description="Column that says what a row does to traits: `set` them, as when it is empty, `set_once`, `add` to "
        "them, or `unset` those for which it has anything. Of logs `update`.",
    )
    only: dict[str, str] = Field(default_factory=dict, description="Column → text the row must have.")
    lookups: tuple[Lookup, ...] = ()


class Events(Named):
    """Each row (or each row that matches ``only``) is an event named ``name``."""

    identifiers: dict[DefinedName, str] = Field(min_length=1, description="Kind of identifier → column.")
    at: str = Field(description="Column with the instant (or local date) at which it happened.")
    at_format: str | None = Field(default=None, description="strptime pattern when it is text that is not ISO 8601.")
    known_at: str | None = Field(default=None, description="Column with the instant of receipt; `at` unless given.")
    id: tuple[str, ...] = Field(
        default=(), description="Columns that identify the event; all columns unless given (exact duplicates go)."
    )
    only: dict[str, str] = Field(default_factory=dict, description="Column → text the row must have.")
    fields: dict[DefinedName, SourceField] = Field(default_factory=dict, description="Property → column.")
    lookups: tuple[Lookup, ...] = ()


class Table(Definition):
    """Each row is an entry of a plain table, found by its key."""

    key: str


class BaseSource(Named):
    people: People | None = None
    events: tuple[Events, ...] = ()
    table: Table | None = None

    def readers(self) -> Iterator[tuple[str, People | Events]]:
        """What reads its rows, each by a name of its own: ``shop`` its people, ``shop.purchase`` its purchases; where
        several read events of one kind, ``shop.purchase.2`` the second of them."""
        if self.people:
            yield self.name, self.people
        counts: Counter[str] = Counter()
        for events in self.events:
            counts[events.name] += 1
            n = counts[events.name]
            yield f"{self.name}.{events.name}" + (f".{n}" if n > 1 else ""), events


class FileSource(BaseSource):
    """Files: CSV (dialect and encoding are detected), Parquet or JSON lines. New and changed files are landed."""

    kind: Literal["file"] = "file"
    path: str = Field(description="Path or glob pattern, relative to the project.")
    format: Literal["csv", "parquet", "jsonl"] | None = Field(
        default=None, description="By the file's ending unless given."
    )
    encoding: str | None = Field(default=None, description="Detected unless given.")
    delimiter: str | None = Field(default=None, description="Detected unless given.")


class SqlSource(BaseSource):
    """A table or query of a SQL database through SQLAlchemy."""

    kind: Literal["sql"]
    url: str = Field(
        description="SQLAlchemy URL; ${NAME} comes from the environment. SQLite paths are relative to the project."
    )
    table_name: str | None = None
    query: str | None = Field(default=None, description="SELECT to read instead of a whole table.")
    cursor: str | None = Field(
        default=None,
        description="Column that only grows; later runs read what lies above, or came later with the same.",
    )
    lag: float = Field(default=0, ge=0, description="Read again this much below the cursor (seconds, or units of it).")


class EmbeddedLog(Definition):
    """A log in a SQLite file of this machine, for any number of processes that write."""

    kind: Literal["embedded"] = "embedded"
    path: str = Field(default=".facette/log.db", description="File, relative to the project.")
    keep_days: float | None = Field(
        default=30, gt=0, description="What all readers have read is forgotten after this; null: never."
    )
    most_waiting: int | None = Field(
        default=None, ge=1, description="Refuse records while more than this wait for the slowest reader."
    )
    most_megabytes: float | None = Field(default=None, gt=0, description="Refuse records while the file holds more.")


class KafkaLog(Definition):
    """A log in a topic of Kafka, which is made with one partition if it is not there."""

    kind: Literal["kafka"]
    servers: str = Field(description="host:port of one or more brokers, with commas between them.")
    topic: str
    settings: dict[str, str] = Field(
        default_factory=dict, description="Settings of librdkafka; ${NAME} comes from the environment."
    )
    most_waiting: int | None = Field(
        default=None,
        ge=1,
        description="Refuse records while more than this wait for the slowest reader; counted once a second.",
    )


class RabbitLog(Definition):
    """A log in a stream of RabbitMQ (3.9 or later), which is made if it is not there."""

    kind: Literal["rabbitmq"]
    url: str = Field(description="amqp://user:${PASSWORD}@host/vhost; ${NAME} comes from the environment.")
    queue: str = Field(description="Name of the stream.")
    keep_days: float | None = Field(default=None, gt=0, description="Retention of a stream that is made.")
    most_megabytes: float | None = Field(
        default=None, gt=0, description="Size of a stream that is made, beyond which it forgets its oldest records."
    )


class FileLog(Definition):
    """A file of JSON lines, to be read again and written to by processes of this machine."""

    kind: Literal["file"]
    path: str = Field(description="File, relative to the project.")
    most_megabytes: float | None = Field(default=None, gt=0, description="Refuse records while the file is larger.")


LogKind = Annotated[EmbeddedLog | KafkaLog | RabbitLog | FileLog, Field(discriminator="kind")]


class LogSource(BaseSource):
    """What trackers reported, from the log in which collectors keep it. Objects within a record become dotted columns:
    `properties.revenue`, `traits.email`, `context.page.url`; lists are JSON text."""

    kind: Literal["log"]
    log: LogKind = EmbeddedLog()
    write_keys: tuple[str, ...] = Field(
        default=(), description="Keys by which collectors know that a record is of this source; ${NAME} as in URLs."
    )
    rate_limit: float | None = Field(
        default=None, gt=0, description="Records per second that collectors accept for each key."
    )

    @field_validator("people")
    @classmethod
    def _with_update(cls, people: People | None) -> People | None:
        return people and people.model_copy(update={"update": people.update or "update"})


Source = Annotated[FileSource | SqlSource | LogSource, Field(discriminator="kind")]


# ── features ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Quantiles(Definition):
    """Score a feature by the quantiles of the population: 1 (lowest) to ``groups`` (highest)."""

    of: DefinedName
    groups: int = Field(default=5, ge=2, le=100)
    reverse: bool = Field(default=False, description="Highest score for the lowest values, as for recency.")


class Cuts(Definition):
    """Score a feature by fixed cuts: 1 up to the first of them, and one more for each cut that the value exceeds."""

    of: DefinedName
    at: tuple[float, ...] = Field(min_length=1, description="The cuts, ascending; a value at a cut is still below it.")
    reverse: bool = Field(default=False, description="Highest score for the lowest values, as for recency.")


class Trend(Definition):
    """A measure against what it was in the window of the same length just before."""

    of: DefinedName = Field(description="A feature whose value is one measure IN THE LAST n units, a number.")
    change: Literal["ratio", "difference"] = Field(
        default="ratio",
        alias="as",
        description="Relative change, (now - before) / before, unknown where before is 0; or now - before.",
    )


class Feature(Named):
    """A column computed for every profile: an expression of the rule language, a score, or a trend."""

    value: ValueText | None = Field(
        default=None, description="e.g. SUM(amount) OF purchase IN THE LAST 90 DAYS, or spend_90d / n_orders_90d"
    )
    quantiles: Quantiles | None = None
    cuts: Cuts | None = None
    trend: Trend | None = None
    unit: str = ""
    live: Literal["required"] | None = Field(
        default=None, description="`required`: refuse a definition that cannot be kept up to date event by event."
    )
    default: float | None = Field(default=None, description="Value instead of unknown.")
    bands: tuple[BandDefinition, ...] = ()


# ── thresholds ──────────────────────────────────────────────────────────────────────────────────────────────────────


class MovingAverage(Definition):
    """The mean, over the last whole days, of the population's mean at the end of each of them."""

    days: int = Field(default=30, ge=1, le=366, description="How many days before today.")


class QuantileLevel(Definition):
    """The value that a share of the population does not exceed."""

    q: float = Field(gt=0, lt=1, description="The share: 0.75 for the upper quartile.")
    segment: DefinedName | None = Field(
        default=None, description="Among its members; in the whole population unless given."
    )


class NaturalBreak(Definition):
    """A cut between groups of like values (Fisher-Jenks): midway between the nearest values of two neighbours."""

    groups: int = Field(default=3, ge=2, le=20)
    cut: int = Field(default=1, ge=1, description="Which cut, from the lowest: 1 to groups - 1.")


class Threshold(Named):
    """A number that every run computes anew from the population: `of` and one of the three kinds.

    Rules and values name it: `spend > threshold(big_spender)`. Its unit is that of the feature.
    """

    of: DefinedName = Field(description="Feature or trait, a number.")
    moving_average: MovingAverage | None = None
    quantile: QuantileLevel | None = None
    cluster: NaturalBreak | None = None


# ── segments ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Segment(Named):
    """A group of profiles: everybody of whom the rule is true (and who is in the parent, if one is given)."""

    rule: RuleText
    parent: DefinedName | None = None
    merged_into: DefinedName | None = Field(
        default=None,
        description="Another segment that takes its members in: that one holds whom either rule is true of, and this "
        "one is kept for the record alone.",
    )


# ── where the live worker's results go ──────────────────────────────────────────────────────────────────────────────


class FileSink(Named):
    """A file of JSON lines, one change each."""

    kind: Literal["file"]
    path: str = Field(description="File, relative to the project.")


class KafkaSink(Named):
    """Topics of Kafka: a message for each change, with the profile's id as its key."""

    kind: Literal["kafka"]
    servers: str = Field(description="host:port of one or more brokers, with commas between them.")
    topic: str = Field(
        default="facette.changes",
        description="One that is not there is made, with one partition. `{segment}` in it stands for the segment, and "
        "for `_merged` where a profile became part of another.",
    )
    settings: dict[str, str] = Field(
        default_factory=dict, description="Settings of librdkafka; ${NAME} comes from the environment."
    )


class RabbitSink(Named):
    """An exchange of RabbitMQ: a message for each change; the routing key is the segment, or `_merged`."""

    kind: Literal["rabbitmq"]
    url: str = Field(description="amqp://user:${PASSWORD}@host/vhost; ${NAME} comes from the environment.")
    exchange: str = Field(default="facette", description="One that is not there is made, of type `topic`.")
    queue: str | None = Field(
        default=None,
        description="A queue that gets every message; made if it is not there. Without it RabbitMQ drops what nobody "
        "has bound a queue to.",
    )


class RedisSink(Named):
    """Redis or Valkey: the segments of every profile, and the members of every segment, as they are now; and traits."""

    kind: Literal["redis"]
    url: str = Field(description="redis://:${PASSWORD}@host/0; ${NAME} comes from the environment.")
    prefix: str = Field(default="facette:", min_length=1, description="With what all its keys begin.")
    traits: tuple[DefinedName, ...] = Field(
        default=(),
        description="Traits, features and what models say (the number of a cluster, a score) to keep of every profile.",
    )


class WebhookSink(Named):
    """An address to which changes are posted as JSON, some at a time, signed."""

    kind: Literal["webhook"]
    url: str = Field(description="http:// or https://; ${NAME} comes from the environment.")
    secret: str = Field(description="Key of the signature, as ${NAME} from the environment.")
    most: int = Field(default=500, ge=1, le=10_000, description="Changes in one request, at most.")


Sink = Annotated[FileSink | KafkaSink | RabbitSink | RedisSink | WebhookSink, Field(discriminator="kind")]


class Answers(Definition):
    """What the live worker answers over HTTP."""

    keys: tuple[str, ...] = Field(
        default=(),
        description="Who asks gives one of them as `Authorization: Bearer …`; ${NAME} comes from the environment. "
        "Without any, only this machine may ask.",
    )


class Live(Definition):
    """What the live worker keeps, and what it tells of a change."""

    keep_days: float = Field(
        default=400,
        ge=0,
        description="For so long it keeps the changes that it told. What a sink has not got yet, or no run has taken "
        "over, it keeps however old that is.",
    )
    deciding_events: bool = Field(
        default=True,
        description="Whether changes carry the events that decided them. For it the published events of the kinds that "
        "rules ask of are put in the order of their profiles, once for each run, in `.facette/live`.",
    )


class Tracking(Definition):
    """An MLflow server that is told of every new version of a model."""

    tracking_uri: str = Field(description="URL of the server, or of a database; ${NAME} comes from the environment.")
    experiment: str | None = Field(default=None, description="The project's name unless given; made if need be.")


class Project(Definition):
    """A folder: ``facette.yml`` plus any YAML beside it, all with these keys; lists are joined."""

    name: DefinedName
    label: Label = Label()
    language: Language = Field(default="fr", description="Language of reports and messages about this project.")
    time_zone: str = Field(default="UTC", description="IANA name; days begin at its midnight.")
    country: str = Field(default="FR", pattern="^[A-Z]{2}$", description="For phone numbers without a country code.")
    currency: str = "EUR"
    as_of: Annotated[datetime | date | None, BeforeValidator(_day_or_instant)] = Field(
        default=None, description="Evaluate at this instant (a date means its last microsecond); now unless given."
    )
    population: tuple[DefinedName, ...] = Field(
        default=(), description="Only profiles with one of these kinds of identifier count; all unless given."
    )
    survivorship: Literal["recent", "trusted", "frequent"] = Field(
        default="recent", description="Which of several values of a trait stands; trusted follows the order of sources."
    )
    trait_survivorship: dict[DefinedName, Literal["recent", "trusted", "frequent"]] = Field(
        default_factory=dict, description="The same for one trait."
    )
    identifiers: tuple[Identifier, ...] = Field(default=(), description="Most trusted first.")
    sources: tuple[Source, ...] = Field(default=(), description="Most trusted first.")
    texts: tuple[TextReading, ...] = Field(default=(), description="How texts are read: themes, sentiment, intents.")
    features: tuple[Feature, ...] = ()
    thresholds: tuple[Threshold, ...] = ()
    models: tuple[Model, ...] = ()
    segments: tuple[Segment, ...] = ()
    validation: Validation = Validation()
    sinks: tuple[Sink, ...] = Field(default=(), description="Where the live worker tells who entered and who left.")
    live: Live = Live()
    answers: Answers = Answers()
    mlflow: Tracking | None = Field(default=None, description="Where new versions of models are logged.")
