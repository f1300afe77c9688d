"""Projects in folders, runs of them, and what their tables say, in a form that can be compared."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facette.definitions.project import load
from facette.definitions.project_starter import write_starter
from facette.queries import Published
from facette.run import Outcome
from facette.run import run as run_project
from facette.stages.work import Work
from facette.warehouse.connect import connect
from facette.warehouse.ledger import Ledger
from facette.warehouse.published import Draft, Snapshot, Store

STORE = ".facette"
LIVELY = ("ledger.db", "ledger.db-journal", "lock")
"""Files of the store that every run may write."""


class Silent:
    """Watches a run without a word."""

    def start(self, stage: str, detail: str) -> None:
        pass

    def end(self, stage: str, detail: str, rows: int | None, seconds: float) -> None:
        pass


# ── projects and runs ───────────────────────────────────────────────────────────────────────────────────────────────


def run(
    folder: Path, as_of: datetime | date | None = None, *, is_full: bool = False, refit: Collection[str] = ()
) -> Outcome:
    """Run the project in ``folder`` as the command line does."""
    return run_project(load(folder), Silent(), as_of=as_of, is_full=is_full, refit=refit)


def actions(outcome: Outcome) -> dict[str, str]:
    """Stage → skip, add or rebuild; without the stage that looks for what is new."""
    return {figures.stage: figures.detail.split(":")[0] for figures in outcome.stages if figures.stage != "extract"}


@contextmanager
def work(folder: Path) -> Iterator[Work]:
    """What a run at the published moment has in hand."""
    definitions, store = load(folder), Store(folder)
    snapshot = store.must_be_published()
    with closing(Ledger(store.folder)) as ledger:
        con = connect(folder)
        yield Work(definitions, store, ledger, con, Draft(store, snapshot), snapshot, snapshot.moment)


def published(folder: Path) -> Published:
    return Published(load(folder))


def starter(folder: Path, *, has_models: bool = True) -> Path:
    """The starter project, whose orders may come in several files; without its k-means model it runs faster."""
    write_starter(folder)
    edit(folder / "facette.yml", "path: data/orders.csv", "path: data/orders*.csv")
    if not has_models:
        file = folder / "facette.yml"
        text = file.read_text(encoding="utf-8")
        start, end = text.index("models:\n"), text.index("validation:\n")
        file.write_text(text[:start] + text[end:], encoding="utf-8")
    return folder


def another_day(folder: Path) -> date:
    """A file with the orders of one day more, and that day. C029 buys for the first time in a year."""
    (folder / "data" / "orders-2026-10-01.csv").write_text(
        "N° commande;N° client;Date;Montant;Rayon;Canal\n"
        "F0121;C001;01/10/2026;22,50;bio;Web\n"
        "F0122;C029;01/10/2026;310,00;maison;Boutique\n"
        "F0123;C099;01/10/2026;5,00;bio;Boutique\n",
        encoding="utf-8",
    )
    return date(2026, 10, 1)


def edit(file: Path, old: str, new: str) -> None:
    """Replace the one place where a text stands in a file."""
    text = file.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {file}"
    file.write_text(text.replace(old, new), encoding="utf-8")


def copied(folder: Path, to: Path, *, has_store: bool) -> Path:
    """A copy of a project, with what was made of it or without."""
    shutil.copytree(folder, to, ignore=None if has_store else shutil.ignore_patterns(STORE))
    return to


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file of the store that not every run writes, with its size and time of change."""
    store = folder / STORE
    found = [path for path in store.rglob("*") if path.is_file() and path.name not in LIVELY]
    return {path.relative_to(store).as_posix(): (path.stat().st_size, path.stat().st_mtime_ns) for path in found}


# ── what the tables say ─────────────────────────────────────────────────────────────────────────────────────────────

Content = dict[str, Counter[tuple[tuple[str, str], ...]]]
"""Table → its rows, each as pairs of column and value, in no order."""


def snapshot(folder: Path) -> Snapshot:
    return Store(folder).must_be_published()


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    """The rows of a published table; none if there is no such table."""
    store = Store(folder)
    parts = [pq.read_table(store.folder / file, partitioning=None) for file in snapshot(folder).tables.get(table, ())]
    return pa.concat_tables(parts, promote_options="permissive").to_pylist() if parts else []


def content(folder: Path, *, without: Collection[str] = (), but: Collection[str] = ()) -> Content:
    """Every table of the published snapshot; events under today's profile ids.

    without : tables to leave out; but : columns to leave out
    """
    now = {row["old_id"]: row["new_id"] for row in rows(folder, "merged")}
    found = {}
    for name in snapshot(folder).tables.keys() - set(without):
        table = rows(folder, name)
        if name.startswith("events_"):
            table = [{**row, "profile_id": now.get(row["profile_id"], row["profile_id"])} for row in table]
        found[name] = Counter(
            tuple(sorted((column, plain(value)) for column, value in row.items() if column not in but)) for row in table
        )
    return found


def plain(value: Any) -> str:
    """A value as text; lists are sets (a state of distinct values has no order)."""
    return repr(sorted(map(repr, value)) if isinstance(value, list) else value)


def differences(one: Content, other: Content) -> dict[str, Any]:
    """What two contents do not share; nothing if they are equal."""
    told: dict[str, Any] = dict.fromkeys(one.keys() ^ other.keys(), "only in one of them")
    for name in one.keys() & other.keys():
        if one[name] != other[name]:
            told[name] = {"first": list(one[name] - other[name])[:3], "second": list(other[name] - one[name])[:3]}
    return told


# ── what is true of people, whatever their numbers ──────────────────────────────────────────────────────────────────

Person = frozenset[str]
"""The identifiers of a profile, each as ``kind:value``."""


@dataclass(frozen=True)
class Truth:
    """What a snapshot says of people: who there is, whose the events are, and of those who count features, segments."""

    people: frozenset[Person]
    events: Mapping[str, Counter[tuple[Person, str]]]
    features: Mapping[Person, dict[str, str]]
    segments: Mapping[Person, frozenset[str]]


def memberships(folder: Path) -> list[dict[str, Any]]:
    """The published memberships, a row each: profile_id, segment, entered_at."""
    return [
        {"profile_id": row["profile_id"], "segment": name, "entered_at": entered_at}
        for row in rows(folder, "member_since")
        for name, entered_at in row.items()
        if name != "profile_id" and entered_at
    ]


def truth(folder: Path) -> Truth:
    """What the published snapshot says, by people's identifiers."""
    owners: dict[int, set[str]] = {}
    for row in rows(folder, "identities"):
        owners.setdefault(row["profile_id"], set()).add(f"{row['kind']}:{row['value']}")
    people = {profile_id: frozenset(values) for profile_id, values in owners.items()}
    now = {row["old_id"]: row["new_id"] for row in rows(folder, "merged")}
    members: dict[Person, set[str]] = {}
    for row in memberships(folder):
        members.setdefault(people[row["profile_id"]], set()).add(row["segment"])
    features = {
        people[row.pop("profile_id")]: {name: plain(value) for name, value in row.items()}
        for row in rows(folder, "features")
    }
    segments = {
        people[row.pop("profile_id")]: frozenset(name for name, is_member in row.items() if is_member)
        for row in rows(folder, "wide")
    }
    assert members == {person: names for person, names in segments.items() if names}
    events = {
        name: Counter(
            (people[now.get(row["profile_id"], row["profile_id"])], row["event_id"]) for row in rows(folder, name)
        )
        for name in snapshot(folder).tables
        if name.startswith("events_")
    }
    return Truth(frozenset(people.values()), events, features, segments)
