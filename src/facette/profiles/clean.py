"""Cleaning: raw rows become people's records and events, and every raw row is accounted for.

One wide table is computed in one pass over the raw rows: for each declared column its text made uniform, its typed
value, and what went wrong. Everything else (the rows that stay, and the account of all rows, see
:mod:`facette.profiles.accounting`) is read off that table. What happens to a value, in this order: text made uniform,
``missing``, ``values``, the type, ``minimum`` and ``maximum``, outliers. A value that cannot be read becomes unknown
and is listed; a row is refused only where it is of no use: no instant, no identifier, or no valid value in a required
field.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions import model
from facette.profiles import formats
from facette.profiles.accounting import Account, is_empty
from facette.profiles.updates import UNSET, UPDATE, UPDATES
from facette.profiles.values import Bounds, LookupTable, Reading, ReadText, TextReaders, column_of, look_up, only
from facette.sources.source import PROVENANCE
from facette.warehouse.connect import local_day, local_hour, local_weekday

CLOCK_TOLERANCE = timedelta(hours=24)
"""A sender's clock may run ahead of the receipt by this much; the instant of receipt is taken then."""


class _Names:
    """Names of temporary tables, the same again once they are dropped: what is asked of them is then the same too."""

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def take(self) -> str:
        name = next(name for name in (f"cleaning_{n}" for n in itertools.count()) if name not in self._taken)
        self._taken.add(name)
        return name

    def give_back(self, name: str) -> None:
        self._taken.discard(name)


_NAMES = _Names()


@dataclass(frozen=True)
class Cleaned:
    """What cleaning gave; tables are on the connection of the raw rows.

    rows    : ``records_<source>`` or ``cleaned_<event>`` of docs/path.md
    account : what became of each raw row; asked for before :meth:`drop`
    fits    : field → bounds of outliers, those given and those fitted now
    temporary : the tables behind the others
    """

    rows: ir.Table
    account: Account
    fits: dict[str, tuple[float, float]]
    temporary: list[ir.Table]

    def drop(self) -> None:
        """Free the temporary tables behind the rows and the account."""
        for table in self.temporary:
            name = table.op().name
            ibis.get_backend(table).drop_table(name)
            _NAMES.give_back(name)


def clean_people(  # noqa: PLR0913 - what a run knows, each by its name
    raw: ir.Table,
    source_name: str,
    people: model.People,
    identifiers: Sequence[model.Identifier],
    *,
    lookups: Mapping[str, LookupTable],
    zone: str,
    country: str,
    fits: Bounds | None = None,
    existing: ir.Table | None = None,
    order: Sequence[str] = (),
    readers: TextReaders | None = None,
) -> Cleaned:
    """Rows that describe people, as ``record``, ``id_<kind>``…, one column per trait, ``known_at``.

    raw     : ``raw_<source>``, one landing or several; what these do not have and others of the source do has type null
    lookups : source → the table that it provides
    zone    : for instants and dates without offset; country : for phone numbers without country code
    fits    : field → bounds of outliers fitted before; fields without bounds are fitted on the first landing that
              gives any, and the landings before that one are not judged
    existing : the source's records cleaned before, which are not taken twice
    order    : the landings in the order in which they came; that of their ids unless given
    readers  : name → how what a text says is found out, for the fields that ``read``

    Of rows that are the same in every cleaned column the first stays. SourceError if a declared column is missing.
    """
    reading = Reading(
        source_name, fields_of(people, identifiers), zone, country, frozenset(raw.columns), None, readers or {}
    )
    work = _Work(raw, reading, people, identifiers, lookups, order)
    judged = _judged_people(work, people, fits or {})
    described = described_by(work.reading.fields)
    wide = work.keep(judged.mutate(content=_digest(judged, described, prefix="v_")))
    known = None if existing is None else existing.select(content=_digest(existing, described))
    duplicates = work.duplicates(wide, "content", known)
    kept = _kept(wide, duplicates)
    return work.cleaned(kept.select(**_people_columns(kept, source_name, people)), wide, duplicates)


def clean_events(  # noqa: PLR0913
    raw: ir.Table,
    source_name: str,
    events: model.Events,
    identifiers: Sequence[model.Identifier],
    *,
    lookups: Mapping[str, LookupTable],
    zone: str,
    country: str,
    fits: Bounds | None = None,
    existing: ir.Table | None = None,
    order: Sequence[str] = (),
    readers: TextReaders | None = None,
    elsewhere: Mapping[str, str] | None = None,
) -> Cleaned:
    """Rows that are events, as ``event_id``, ``at``, ``known_at``, ``day``, ``hour``, ``weekday``, ``source``,
    ``id_<kind>``…, one column per property.

    existing  : a table with the ``event_id`` of events cleaned before, which are not taken twice
    elsewhere : columns that such events have in other sources (see ``profiles/events.py``); unknown where this source
                does not give them

    Other arguments as in :func:`clean_people`. Rows without what ``only`` asks for are none of this event's business.
    The id of an event is its source and its declared ``id`` columns, else a hash of all its raw values; of rows with
    one id the first stays.
    """
    reading = Reading(
        source_name, fields_of(events, identifiers), zone, country, frozenset(raw.columns), None, readers or {}
    )
    work = _Work(raw, reading, events, identifiers, lookups, order)
    wide = work.keep(_judged_events(work, events, fits or {}))
    duplicates = work.duplicates(wide, "_event_id", None if existing is None else existing.select(_event_id="event_id"))
    kept = _kept(wide, duplicates)
    columns = _event_columns(kept, source_name, events, zone, elsewhere or {})
    return work.cleaned(kept.select(**columns), wide, duplicates)


def rows_that_stay(
    raw: ir.Table,
    source_name: str,
    reader: model.People | model.Events,
    identifiers: Sequence[model.Identifier],
    *,
    lookups: Mapping[str, LookupTable],
    zone: str,
    country: str,
    fits: Bounds | None = None,
    reads: Mapping[str, ReadText],
    elsewhere: Mapping[str, str] | None = None,
) -> ir.Table:
    """The rows of :func:`clean_people` or :func:`clean_events` with their ``_row``, those that come twice included.

    It is one query, and nothing is computed while it is made: it may be made once and asked again whenever there are
    other rows in ``raw``. So nothing is fitted (fields without bounds have no outliers), nothing is accounted for, and
    ``reads`` says how e-mail addresses, phone numbers and what texts say are read by an expression: format → function
    of a text.
    """
    reading = Reading(source_name, fields_of(reader, identifiers), zone, country, frozenset(raw.columns), reads)
    work = _Work(raw, reading, reader, identifiers, lookups, ())
    if isinstance(reader, model.People):
        stays = _kept(_judged_people(work, reader, fits or {}), None)
        return stays.select("_row", **_people_columns(stays, source_name, reader))
    stays = _kept(_judged_events(work, reader, fits or {}), None)
    return stays.select("_row", **_event_columns(stays, source_name, reader, zone, elsewhere or {}))


def columns_read(reader: model.People | model.Events) -> list[str]:
    """The columns of a source that describe people or events, those of lookups included."""
    instants = [reader.at, reader.known_at] if isinstance(reader, model.Events) else [reader.known_at]
    columns = [field.column or name for name, field in reader.fields.items()]
    update = reader.update if isinstance(reader, model.People) else None
    return [*reader.identifiers.values(), *(column for column in (*instants, update) if column), *columns]


def fields_of(
    reader: model.People | model.Events, identifiers: Sequence[model.Identifier]
) -> dict[str, model.SourceField]:
    """Everything that is read of a row, by key: traits or properties, ``id_<kind>``, and instants."""
    fields = {name: each.model_copy(update={"column": each.column or name}) for name, each in reader.fields.items()}
    formats_of_kinds = {kind.name: None if kind.format == "text" else kind.format for kind in identifiers}
    for kind, column in reader.identifiers.items():
        fields[f"id_{kind}"] = model.SourceField(column=column, format=formats_of_kinds[kind])
    if isinstance(reader, model.Events):
        fields["at"] = model.SourceField(column=reader.at, type="instant", format=reader.at_format)
    elif reader.update:
        fields[UPDATE] = model.SourceField(column=reader.update)
    if reader.known_at:
        fields["known_at"] = model.SourceField(column=reader.known_at, type="instant")
    return fields


def described_by(fields: Iterable[str]) -> list[str]:
    """The columns of a person's record by which it is known again: all that it says."""
    return [*fields, UNSET] if UPDATE in fields else [*fields]


def blocked_of(kind: model.Identifier, country: str) -> frozenset[str]:
    """The identifiers of a kind that are nobody's, in lower case; those that the project declares as written, and as
    they look once the format has made them uniform.
    """
    read = {"email": formats.email, "phone": formats.phone_in(country)}.get(kind.format)
    uniform = {read(text) or "" for text in kind.blocked} if read else set()
    return (formats.BLOCKED | {text.strip().lower() for text in (*kind.blocked, *uniform)}) - {""}


# ── what a row is worth ─────────────────────────────────────────────────────────────────────────────────────────────

Refusal = tuple[ir.BooleanValue, str, str | None, ir.StringValue]
"""When a row is refused, why, because of which raw column, and what stood there."""


def _judged_people(work: _Work, people: model.People, fits: Bounds) -> ir.Table:
    values = work.values(work.raw, fits)
    refusals = [_nobody(values, people), *_required_missing(values, people)]
    if people.update:
        update = values[f"v_{UPDATE}"]
        is_unheard_of = update.notnull() & update.notin(UPDATES)
        refusals.append((is_unheard_of, f"does to traits none of {', '.join(UPDATES)}", people.update, update))
    if people.known_at:
        bad = _bad(values, "known_at")
        refusals.insert(
            0, (bad.notnull(), "not an instant, so that nobody knows when it was known", people.known_at, bad)
        )
    return _judged(values, refusals)


def _judged_events(work: _Work, events: model.Events, fits: Bounds) -> ir.Table:
    raw = work.raw.mutate(_event_id=_event_id(work.raw, work.source, events))
    values = _on_time(work.values(raw, fits))
    bad = _bad(values, "at")
    refusals = [
        (values.v_at.isnull() & bad.isnull(), "no instant", events.at, bad),
        (values.v_at.isnull(), "not an instant", events.at, bad),
        (values.is_too_early, "happened more than a day after it was received", events.at, values.v_at.cast("string")),
        _nobody(values, events),
        *_required_missing(values, events),
    ]
    return _judged(values, refusals)


def _nobody(values: ir.Table, reader: model.People | model.Events) -> Refusal:
    known = [values[f"v_id_{kind}"].notnull() for kind in reader.identifiers]
    return ~ibis.or_(*known), "no identifier", None, ibis.null("string")


def _required_missing(values: ir.Table, reader: model.People | model.Events) -> Iterable[Refusal]:
    for name, declared in reader.fields.items():
        if declared.required:
            yield (
                values[f"v_{name}"].isnull(),
                "no valid value, and one is required",
                declared.column or name,
                _bad(values, name),
            )


def _taken_back(texts: ir.Table, traits: Iterable[str]) -> ir.Table:
    """``v__unset``: the traits for which a row that takes them back has anything, between bars; and no values there."""
    is_unset = (texts[f"s_{UPDATE}"] == "unset").fill_null(False)
    named: ir.StringValue = ibis.literal("|")
    values: dict[str, ir.Value] = {}
    for trait in traits:
        value = texts[f"s_{trait}"]
        named = named + ibis.ifelse(value.notnull(), f"{trait}|", "")
        for name in (f"s_{trait}", f"r_{trait}"):
            if name in texts.columns:
                values[name] = ibis.ifelse(is_unset, None, texts[name])
    return texts.mutate(**{f"v_{UNSET}": ibis.ifelse(is_unset, named, None)}, **values)


def _bad(values: ir.Table, key: str) -> ir.StringValue:
    """The text that could not be read as a value."""
    return values[f"bad_{key}"] if f"bad_{key}" in values.columns else ibis.null("string")


def _judged(values: ir.Table, refusals: Sequence[Refusal]) -> ir.Table:
    """``reason``, ``wrong_column`` and ``wrong_value`` of the first refusal that applies; null for rows that stay."""
    return values.mutate(
        reason=ibis.cases(*((when, ibis.literal(reason)) for when, reason, _, _ in refusals)),
        wrong_column=ibis.cases(*((when, ibis.literal(column, "string")) for when, _, column, _ in refusals)),
        wrong_value=ibis.cases(*((when, value) for when, _, _, value in refusals)),
    )


def _on_time(values: ir.Table) -> ir.Table:
    """``at`` and ``known_at`` as the clock rule has them, ``is_ahead`` where it was applied, ``is_too_early``."""
    if "v_known_at" not in values.columns:
        never = ibis.literal(False)
        return values.mutate(at=values.v_at, known_at=values.v_at, is_ahead=never, is_too_early=never)
    known_at = ibis.coalesce(values.v_known_at, values.v_at)
    latest = known_at + ibis.interval(hours=CLOCK_TOLERANCE // timedelta(hours=1))
    is_too_early = (values.v_at > latest).fill_null(False)
    is_ahead = (values.v_at > known_at).fill_null(False) & ~is_too_early
    at = ibis.ifelse(is_ahead, known_at, values.v_at)
    return values.mutate(at=at, known_at=known_at, is_ahead=is_ahead, is_too_early=is_too_early)


def _event_id(raw: ir.Table, source: str, events: model.Events) -> ir.StringValue:
    own = [name for name in raw.columns if name not in PROVENANCE]
    content = _digest(raw, own, salt=source)
    if not events.id:
        return content
    texts = [formats.tidy_text(column_of(raw, name, source)) for name in events.id]
    escaped = [text.fill_null("").replace("\\", "\\\\").replace("|", "\\|") for text in texts]
    joined = ibis.literal("|").join(escaped) if len(texts) > 1 else texts[0]
    return ibis.ifelse(ibis.and_(*(text.isnull() for text in texts)), content, ibis.literal(f"{source}:") + joined)


def _digest(rows: ir.Table, columns: Iterable[str], *, salt: str = "", prefix: str = "") -> ir.StringValue:
    """MD5 of the values of some columns (``<prefix><name>``) with their names; an empty or null one is absent."""
    text: ir.StringValue = ibis.literal(salt)
    for name in sorted(columns):
        value = formats.text_of(rows[f"{prefix}{name}"])
        text = text + (ibis.literal(f"\x1e{name}\x1f") + value.nullif("")).fill_null("")
    return text.hexdigest("md5")


def _kept(wide: ir.Table, duplicates: ir.Table | None) -> ir.Table:
    kept = wide.filter(wide.reason.isnull())
    return kept if duplicates is None else kept.anti_join(duplicates, ["_landing", "_row"])


def _people_columns(kept: ir.Table, source: str, people: model.People) -> dict[str, ir.Value]:
    return {
        "record": ibis.literal(f"{source}:") + kept["_landing"] + ":" + kept["_row"].cast("string"),
        **_identifier_columns(kept, people),
        **({name: kept[f"v_{name}"] for name in (UPDATE, UNSET)} if people.update else {}),
        **_field_columns(kept, people.fields),
        "known_at": kept.v_known_at if people.known_at else ibis.null(dt.Timestamp("UTC")),
    }


def _event_columns(
    kept: ir.Table, source: str, events: model.Events, zone: str, elsewhere: Mapping[str, str]
) -> dict[str, ir.Value]:
    given = {**_identifier_columns(kept, events), **_field_columns(kept, events.fields)}
    return {
        "event_id": kept["_event_id"],
        "at": kept.at,
        "known_at": kept.known_at,
        "day": local_day(kept.at, zone),
        "hour": local_hour(kept.at, zone),
        "weekday": local_weekday(kept.at, zone),
        "source": ibis.literal(source),
        **{name: given[name] if name in given else ibis.null(type_) for name, type_ in elsewhere.items()},
        **{name: value for name, value in given.items() if name not in elsewhere},
    }


def _identifier_columns(kept: ir.Table, reader: model.People | model.Events) -> dict[str, ir.Value]:
    return {f"id_{kind}": kept[f"v_id_{kind}"] for kind in reader.identifiers}


def _field_columns(kept: ir.Table, fields: Mapping[str, model.SourceField]) -> dict[str, ir.Value]:
    columns: dict[str, ir.Value] = {}
    for name, field in fields.items():
        columns[name] = kept[f"v_{name}"]
        if field.outliers and field.outliers.action == "flag":
            columns[f"{name}_is_outlier"] = kept[f"is_outlier_{name}"]
    return columns


# ── the work on one set of raw rows ─────────────────────────────────────────────────────────────────────────────────


class _Work:
    """What people and events have in common: reading, keeping the wide table, finding duplicates, accounting."""

    def __init__(
        self,
        raw: ir.Table,
        reading: Reading,
        reader: model.People | model.Events,
        identifiers: Sequence[model.Identifier],
        lookups: Mapping[str, LookupTable],
        order: Sequence[str],
    ) -> None:
        self.raw, self.reading, self.reader, self.lookups = raw, reading, reader, lookups
        self.order = order
        self.source = reading.source
        self.kinds = {kind.name: kind for kind in identifiers if kind.name in reader.identifiers}
        self.fits: dict[str, tuple[float, float]] = {}
        self.temporary: list[ir.Table] = []

    def values(self, rows: ir.Table, fits: Bounds) -> ir.Table:
        """The values of the rows that count, with blocked identifiers made unknown (``is_blocked_id_<kind>``)."""
        rows = look_up(rows, self.source, self.reader.lookups, self.lookups)
        rows = only(rows, self.source, self.reader.only)
        texts = self.reading.texts(rows)
        if UPDATE in self.reading.fields:
            texts = _taken_back(texts, self.reader.fields)
        values = self.reading.values(texts, self.temporary)
        self.fits, unjudged = self.reading.fit(values, fits, self.order)
        values = self.reading.outliers(values, self.fits, unjudged)
        changes: dict[str, ir.Value] = {}
        for name, kind in self.kinds.items():
            key = f"id_{name}"
            value = values[f"v_{key}"]
            bad = _bad(values, key)
            folded = ibis.coalesce(bad, value).lower()
            listed = sorted(blocked_of(kind, self.reading.country))
            is_blocked = (folded.isin(listed) | folded.re_search(formats.BLOCKED_PATTERN)).fill_null(False)
            changes |= {f"is_blocked_{key}": is_blocked, f"v_{key}": ibis.ifelse(is_blocked, None, value)}
            if f"bad_{key}" in values.columns:
                changes[f"bad_{key}"] = ibis.ifelse(is_blocked, None, bad)
        return values.mutate(**changes)

    def keep(self, table: ir.Table) -> ir.Table:
        """Compute a table once."""
        kept = ibis.get_backend(self.raw).create_table(_NAMES.take(), table, temp=True)
        self.temporary.append(kept)
        return kept

    def duplicates(self, wide: ir.Table, key: str, existing: ir.Table | None) -> ir.Table | None:
        """``_landing``, ``_row`` of rows that stay but have the key of an earlier row or an existing one."""
        valid = wide.filter(wide.reason.isnull())
        counts = valid.group_by(key).aggregate(n_rows=valid.count())
        repeated = self.keep(counts.filter(counts.n_rows > 1).select(key))
        if existing is None and is_empty(repeated):
            return None
        rows = valid.semi_join(repeated, key)
        came = rows["_landing"]
        if self.order:
            places = pa.table({"_landing": list(self.order), "_came": range(len(self.order))})
            rows = rows.inner_join(ibis.memtable(places), "_landing")
            came = rows["_came"]
        place = ibis.row_number().over(group_by=key, order_by=[came, rows["_row"]])
        found = rows.mutate(place=place).filter(lambda each: each.place > 0).select("_landing", "_row")
        if existing is not None:
            # Asked this way round, DuckDB leaves out the row groups whose keys lie outside those of the new rows
            taken = existing.semi_join(valid, key)
            again = valid.semi_join(taken, key).select("_landing", "_row")
            found = ibis.union(found, again, distinct=True)
        found = self.keep(found)
        return None if is_empty(found) else found

    def cleaned(self, rows: ir.Table, wide: ir.Table, duplicates: ir.Table | None) -> Cleaned:
        account = Account(self.raw, wide, duplicates, self.reading, self.reader, self.keep)
        return Cleaned(rows, account, self.fits, self.temporary)
