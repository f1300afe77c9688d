"""Who is who live, mostly at a glance, is what joining all identifiers by the functions of a run gives."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import ibis
import pyarrow as pa
import pytest

from facette.definitions.model import Identifier
from facette.live.people import Found, People
from facette.profiles.events import resolve_events
from facette.profiles.identity import observations, resolve, touched_profiles

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
FREE = (Identifier(name="user"), Identifier(name="mail"), Identifier(name="device"))
ONE_USER = (Identifier(name="user", limit=1), Identifier(name="mail"), Identifier(name="device"))
TIGHT = (Identifier(name="user", limit=1), Identifier(name="mail", limit=2), Identifier(name="device", limit=4))
FIRST_ID = 100
STEPS = 12

Parts = dict[str, pa.Table]


class Exactly:
    """The functions of a run, for the people concerned at every step."""

    def __init__(self, kinds: tuple[Identifier, ...]) -> None:
        self.kinds, self.highest = kinds, FIRST_ID
        nothing = resolve(observations({}, {}, kinds), None, kinds)
        self.identities, self.links = nothing.identities.to_pyarrow(), nothing.links.to_pyarrow()

    def take(self, parts: Parts) -> tuple[set[int], dict[int, int], set[int]]:
        """touched, merged, split"""
        records = {name: ibis.memtable(table) for name, table in parts.items() if "event_id" not in table.column_names}
        events = {
            name: ibis.memtable(table.append_column("source", pa.repeat(name, len(table))))
            for name, table in parts.items()
            if name not in records
        }
        seen = observations(records, events, self.kinds)
        before, links = ibis.memtable(self.identities), ibis.memtable(self.links)
        touched = touched_profiles(seen.to_pyarrow(), before, links, self.kinds).tolist()
        found = resolve(seen, before, self.kinds, links=links, highest=self.highest)
        were = _profiles(self.identities)
        self.identities, self.links = found.identities.to_pyarrow(), found.links.to_pyarrow()
        now = {one for key, one in _profiles(self.identities).items() if were.get(key) in (None, *touched)}
        self.highest = max([self.highest, *self.identities["profile_id"].to_pylist()])
        merged = {row["old_id"]: row["new_id"] for row in found.merged.to_pyarrow().to_pylist()}
        return {*touched, *now}, merged, set(found.split.to_pyarrow()["profile_id"].to_pylist())

    def owners(self, table: pa.Table) -> list[dict[str, int]]:
        numbered = table.append_column("n", pa.array(range(len(table))))
        found = resolve_events(ibis.memtable(numbered), ibis.memtable(self.identities), self.kinds)
        return found.select("n", "profile_id").order_by("n").to_pyarrow().to_pylist()


def steps(rng: random.Random, kinds: tuple[Identifier, ...]) -> Iterator[Parts]:
    """Records and events of a few people who share devices, with and without an instant, in any order."""
    for _ in range(STEPS):
        parts: Parts = {}
        for name, has in (("crm", kinds), ("visit", kinds[1:]), ("purchase", kinds[:1]), ("shop", kinds)):
            if rng.random() < 0.7:
                parts[name] = _part(rng, name, has)
        if parts:
            yield parts


def _part(rng: random.Random, name: str, kinds: tuple[Identifier, ...]) -> pa.Table:
    n = rng.randint(1, 7)
    rows = []
    for _ in range(n):
        person = rng.randrange(14)
        row = {kind.name: f"{kind.name}{person if rng.random() < 0.93 else rng.randrange(14)}" for kind in kinds}
        there = rng.sample(list(row), rng.randint(1, len(row)))
        is_timeless = name == "crm" or (name == "shop" and rng.random() < 0.3)
        at = None if is_timeless else BEGIN + timedelta(hours=rng.randrange(48))
        rows.append(({key: value for key, value in row.items() if key in there}, at))
    table = {f"id_{kind.name}": pa.array([ids.get(kind.name) for ids, _ in rows], pa.string()) for kind in kinds}
    table["known_at"] = pa.array([at for _, at in rows], pa.timestamp("us", "UTC"))
    if name in ("visit", "purchase"):
        table["event_id"] = pa.array([f"{name}{rng.random()}" for _ in rows])
    return pa.table(table)


@pytest.mark.parametrize("kinds", [FREE, ONE_USER, TIGHT], ids=["free", "one_user", "tight"])
@pytest.mark.parametrize("seed", range(4))
def test_people_at_a_glance_are_those_of_a_run(kinds: tuple[Identifier, ...], seed: int) -> None:
    exact = Exactly(kinds)
    people = People(kinds, FIRST_ID)
    identities: dict[tuple[str, str], dict[str, object]] = {}
    links: dict[tuple[str, ...], dict[str, object]] = {}
    for number, parts in enumerate(steps(random.Random(seed), kinds)):
        rows = {name: people.rows(table, name) for name, table in parts.items()}
        found = people.take(list(rows.values()))
        touched, merged, split = exact.take(parts)
        assert (set(found.touched.tolist()), found.merged, set(found.split)) == (touched, merged, split)
        for name, table in parts.items():
            assert people.owners(rows[name]).tolist() == [row["profile_id"] for row in exact.owners(table)]
        _note(found, identities, links)
        assert _sorted(identities) == _sorted_rows(exact.identities)
        assert _sorted(links) == _sorted_rows(exact.links)
        assert people.highest == exact.highest
        assert {one for one in touched if one not in found.changed} <= {*exact.identities["profile_id"].to_pylist()}
        if number % 4 == 3:  # as after a restart
            people = People(kinds, people.highest)
            people.put(exact.identities, exact.links)


def _note(
    found: Found, identities: dict[tuple[str, str], dict[str, object]], links: dict[tuple[str, ...], dict[str, object]]
) -> None:
    """What is told as new or changed, after what was told before; nothing is told that is as it was."""
    for row in found.identities.to_pylist():
        assert identities.get((row["kind"], row["value"])) != row
        identities[row["kind"], row["value"]] = row
    for row in found.links.to_pylist():
        key = tuple(row[name] for name in ("kind_a", "value_a", "kind_b", "value_b", "source"))
        assert links.get(key) != row
        links[key] = row


def _profiles(identities: pa.Table) -> dict[tuple[str, str], int]:
    return {(row["kind"], row["value"]): row["profile_id"] for row in identities.to_pylist()}


def _sorted(rows: dict[tuple[str, ...], dict[str, object]]) -> list[str]:
    return sorted(str(sorted(row.items())) for row in rows.values())


def _sorted_rows(table: pa.Table) -> list[str]:
    return sorted(str(sorted(row.items())) for row in table.to_pylist())
