"""Clean, people, events: raw landings become records, profiles, and events that belong to them."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.definitions import model
from facette.definitions.records import columns_of_objects
from facette.plan import Step
from facette.profiles.clean import Cleaned, clean_events, clean_people, columns_read
from facette.profiles.events import resolve_events
from facette.profiles.identity import news, observations, resolve
from facette.sources.landing import Landing
from facette.sources.source import REFUSED
from facette.stages.landing import refused_file
from facette.stages.texts import learn_texts
from facette.stages.work import Work
from facette.warehouse.connect import read_parquet


class IdentitySplitError(Exception):
    """New links took a profile apart, so events that were assigned before have to be assigned anew."""


def clean(step: Step, work: Work) -> int:
    """Raw landings → ``records_<source>`` and cleaned events, with what was refused and why."""
    if step.action == "rebuild":
        for name in list(work.draft.snapshot.tables):
            if name.startswith(MADE_FROM_RAW):
                work.draft.drop(name)
        work.draft.note(consumed={}, fits={})
    learn_texts(work)
    consumed = dict(work.draft.snapshot.consumed)
    rows = 0
    for source in work.project.sources:
        landings = work.landings(source.name)
        new = [item for item in landings if item.landing not in consumed.get(source.name, ())]
        work.warnings += _lacking(work, source, new)
        for part in _portions(work, new):
            rows += _clean_portion(work, source, part)
        consumed[source.name] = tuple(item.landing for item in landings)
    work.draft.note(consumed=consumed)
    return rows


MADE_FROM_RAW = ("records_", "events_", "refused", "quality", "links", "merged", "partials_", "text_models")
PORTION = 10_000_000
"""Raw rows cleaned at once: bounds memory and the disk that sorting out duplicates spills to."""


def _portions(work: Work, landings: list[Landing]) -> list[list[Landing]]:
    """Landings in groups of bounded size, in their order; in one group all have the same columns, of the same types.

    So a value is read as what it is in its own landing, however many others there are with another type.
    """
    portions: list[list[Landing]] = []
    room = 0
    for item in landings:
        is_alike = bool(portions) and work.columns_of(item) == work.columns_of(portions[-1][0])
        if not is_alike or item.rows > room:
            portions.append([])
            room = PORTION
        portions[-1].append(item)
        room -= item.rows
    return portions


def _lacking(work: Work, source: model.Source, landings: list[Landing]) -> list[str]:
    """What new landings lack that the definitions read and other landings have; or that there are no rows at all."""
    read = {column.casefold(): column for _, reader in source.readers() for column in columns_read(reader)}
    every = {name.casefold() for item in work.landings(source.name) for name, _ in work.columns_of(item)}
    warnings = []
    for item in [] if isinstance(source, model.LogSource) else landings:
        own = {name.casefold() for name, _ in work.columns_of(item)}
        lacking = [column for folded, column in read.items() if folded in every - own]
        if lacking and item.rows:
            shown = ", ".join(lacking)
            warnings.append(f"Source {source.name}: {item.file} has no column {shown}; its values are unknown there.")
    if landings and not any(item.rows for item in work.landings(source.name)):
        warnings.append(f"Source {source.name} has no rows.")
    return warnings


def _clean_portion(work: Work, source: model.Source, landings: list[Landing]) -> int:
    """Clean some landings of a source into the tables that it provides; the rows that came out."""
    raw = _with_columns_named(work.raw(landings), source)
    order = [item.landing for item in landings]
    for item in landings:
        if item.refused:
            work.draft.append(work.con, "refused", read_parquet(work.con, [refused_file(work.store, item)]))
    rows = 0
    if source.people:
        name = f"records_{source.name}"
        settings = work.settings(source.people, source.name)
        cleaned = clean_people(raw, source.name, source.people, existing=work.optional(name), order=order, **settings)
        added, n_added = _keep(work, cleaned, name, source.name)
        before = work.records_in.get(source.name)
        work.records_in[source.name] = added if before is None else ibis.union(before, added)
        rows += n_added
    for key, events in source.readers():
        if not isinstance(events, model.Events):
            continue
        name = f"cleaned_{events.name}"
        seen = [
            table.select("event_id")
            for table in map(work.optional, (f"events_{events.name}", name))
            if table is not None
        ]
        existing = ibis.union(*seen) if len(seen) > 1 else seen[0] if seen else None
        cleaned = clean_events(raw, source.name, events, existing=existing, order=order, **work.settings(events, key))
        _, n_added = _keep(work, cleaned, name, key)
        work.events_in[events.name] = work.table(name)
        rows += n_added
    return rows


def _with_columns_named(raw: ir.Table, source: model.Source) -> ir.Table:
    """What no record of a log has had so far is unknown; what no row of a file or a query has is an error later."""
    if not isinstance(source, model.LogSource):
        return raw
    there = {name.casefold() for name in raw.columns}
    named = [*columns_of_objects(source), "update"]  # which records of earlier versions did not have
    unseen = {name: ibis.null("string") for name in named if name.casefold() not in there}
    return raw.mutate(**unseen)


def _keep(work: Work, cleaned: Cleaned, name: str, key: str) -> tuple[ir.Table, int]:
    """Write what cleaning gave; the rows it added, and how many."""
    before = work.draft.snapshot.rows.get(name, 0)
    added = work.draft.append(work.con, name, cleaned.rows)
    work.draft.append(work.con, "quality", cleaned.account.quality)
    refused = cleaned.account.refused
    if refused is not None:
        work.warnings += _warnings(work.draft.append(work.con, "refused", refused), cleaned.account.quality, key)
    elif "refused" not in work.draft.snapshot.tables:
        work.draft.append(work.con, "refused", REFUSED.empty_table())
    work.draft.note(fits={**work.draft.snapshot.fits, key: cleaned.fits})
    cleaned.drop()
    return added, work.draft.snapshot.rows[name] - before


def _warnings(refused: ir.Table, quality: pa.Table, key: str) -> list[str]:
    """What is wrong with more than half of the rows, so that something else must be wrong."""
    total = sum(row["rows_in"] for row in quality.to_pylist() if row["step"] == "refused")
    counts = refused.group_by("reason", "column").agg(n=refused.count()).order_by(ibis.desc("n"), "reason", "column")
    return [
        f"Source {key}: {row['reason']}, in {row['n']:,} of {total:,} rows"
        + (f" (column {row['column']})." if row["column"] else ".")
        for row in counts.to_pyarrow().to_pylist()
        if 2 * row["n"] > total
    ]


def people(step: Step, work: Work) -> int:
    """Identifiers → ``identities`` and ``links``; the golden record → ``profiles``."""
    is_anew = step.action == "rebuild"
    if is_anew or work.records_in or work.events_in:
        records = work.records() if is_anew else work.records_in
        seen = observations(records, work.events_in, work.project.identifiers)
        links = None if is_anew else work.optional("links")
        previous = work.optional("identities")
        if previous is not None and links is not None:
            seen = work.temporary(news(seen, previous, links, work.project.identifiers))
        if links is None or seen.count().to_pyarrow().as_py():
            _join(seen, previous, links, work)
    return work.replace("profiles", work.profiles_at(work.moment))


def _join(seen: ir.Table, previous: ir.Table | None, links: ir.Table | None, work: Work) -> None:
    """Observations → ``identities``, ``links`` and ``merged``; with links these are what is new, else everything."""
    highest = work.draft.snapshot.highest_profile_id
    found = resolve(seen, previous, work.project.identifiers, links=links, highest=highest)
    if links is not None and found.split.count().to_pyarrow().as_py():
        raise IdentitySplitError
    merged = work.con.create_table("merged_now", found.merged.to_pyarrow(), temp=True)
    work.replace("links", found.links)
    work.replace("identities", found.identities)
    ids = work.table("identities")
    now = ids.aggregate(highest=ids.profile_id.max()).to_pyarrow()["highest"][0].as_py() or 0
    work.draft.note(highest_profile_id=max(highest, now))
    if links is not None and merged.count().to_pyarrow().as_py():
        work.merged = merged
        earlier = work.optional("merged")
        work.replace("merged", merged if earlier is None else ibis.union(_follow(earlier, merged), merged))


def events(step: Step, work: Work) -> int:
    """Cleaned events → ``events_<event>``: each with its profile."""
    identities = work.table("identities")
    rows = 0
    for event, cleaned in work.events_in.items():
        resolved = resolve_events(cleaned, identities, work.project.identifiers)
        name = f"events_{event}"
        before = work.draft.snapshot.rows.get(name, 0)
        work.arrived[event] = work.draft.append(work.con, name, resolved)
        work.draft.drop(f"cleaned_{event}")
        rows += work.draft.snapshot.rows[name] - before
    return rows


def _follow(earlier: ir.Table, merged: ir.Table) -> ir.Table:
    """Earlier merges, where the profile merged into has now itself been merged."""
    later = merged.select(_old="old_id", _new="new_id")
    joined = earlier.left_join(later, earlier.new_id == later._old)
    return joined.select("old_id", new_id=ibis.coalesce(joined._new, joined.new_id))
