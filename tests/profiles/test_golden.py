"""One row per person: survivorship against a plain twin, and who counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.clock import Moment
from facette.definitions import model
from facette.profiles.golden import golden_record

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = Moment(START + timedelta(days=3))
KINDS = (model.Identifier(name="card"), model.Identifier(name="email"))
TRAITS = {
    "city": pa.string(),
    "age": pa.float64(),
    "is_member": pa.bool_(),
    "born_on": pa.date32(),
    "value": pa.string(),
}
SOURCES = ("till", "crm", "web")  # most trusted first, not in alphabetical order


def project(**settings) -> model.Project:
    sources = tuple(model.FileSource(name=name, path="any.csv") for name in SOURCES)
    return model.Project(name="shop", identifiers=KINDS, sources=sources, **settings)


def record_table(rows: list[dict], traits: Mapping[str, pa.DataType] = TRAITS, ids=("card", "email")) -> ir.Table:
    types = {"record": pa.string(), **{f"id_{kind}": pa.string() for kind in ids}, **traits}
    types["known_at"] = pa.timestamp("us", "UTC")
    columns = {name: pa.array([row.get(name) for row in rows], kind) for name, kind in types.items()}
    columns["record"] = pa.array([str(number) for number in range(len(rows))])
    return ibis.memtable(pa.table(columns))


def identity_table(owners: Mapping[tuple[str, str], int]) -> ir.Table:
    rows = [{"kind": kind, "value": value, "profile_id": owner} for (kind, value), owner in owners.items()]
    table = pa.Table.from_pylist(rows)
    return ibis.memtable(table.append_column("known_from", pa.nulls(len(rows), pa.timestamp("us", "UTC"))))


def by_profile(profiles: ir.Table) -> dict[int, dict]:
    rows = profiles.to_pyarrow().to_pylist()
    assert len({row["profile_id"] for row in rows}) == len(rows)
    return {row["profile_id"]: row for row in rows}


def naive(records: dict[str, list[dict]], owners: dict, definition: model.Project, moment: Moment) -> dict[int, dict]:
    """Survivorship by sorting, one profile and one column at a time."""

    def age(row: dict) -> float:
        return float("inf") if row["known_at"] is None else -row["known_at"].timestamp()

    mine: dict[int, list[tuple[int, dict]]] = {owner: [] for owner in owners.values()}
    for source, rows in records.items():
        for row in rows:
            first = next(((kind, row[f"id_{kind}"]) for kind in ("card", "email") if row[f"id_{kind}"]), None)
            if first and not (row["known_at"] and row["known_at"] > moment.known_at):
                mine[owners[first]].append((SOURCES.index(source), row))

    def survivor(entries: list[tuple[int, dict]], column: str, rule: str) -> object:
        known = [(rank, row) for rank, row in entries if row[column] is not None]
        count = Counter(row[column] for _, row in known)
        order = {
            "recent": lambda rank, row: (age(row), rank, row[column]),
            "trusted": lambda rank, row: (rank, age(row), row[column]),
            "frequent": lambda rank, row: (-count[row[column]], age(row), rank, row[column]),
        }[rule]
        return min(((order(*entry), entry[1][column]) for entry in known), default=(None, None))[1]

    result = {}
    for owner, entries in mine.items():
        row: dict = {"profile_id": owner}
        for kind in ("card", "email"):
            column = f"id_{kind}"
            own = [entry for entry in entries if owners.get((kind, entry[1][column])) == owner]
            smallest = min((value for (k, value), who in owners.items() if k == kind and who == owner), default=None)
            row[column] = survivor(own, column, "recent") or smallest
        for trait in TRAITS:
            row[trait] = survivor(entries, trait, definition.trait_survivorship.get(trait, definition.survivorship))
        row["n_identifiers"] = sum(who == owner for who in owners.values())
        row["is_counted"] = not definition.population or any(row[f"id_{kind}"] for kind in definition.population)
        result[owner] = row
    return result


CARDS, EMAILS = ("c0", "c1", "c2"), ("e0", "e1", "e2")
RECORD = st.fixed_dictionaries(
    {
        "id_card": st.none() | st.sampled_from(CARDS),
        "id_email": st.none() | st.sampled_from(EMAILS),
        "known_at": st.none() | st.integers(0, 5).map(lambda day: START + timedelta(days=day)),
        "city": st.none() | st.sampled_from(["Lyon", "Nice", "Élancourt"]),
        "age": st.none() | st.sampled_from([20.0, 30.5]),
        "is_member": st.none() | st.booleans(),
        "born_on": st.none() | st.sampled_from([START.date(), NOW.today]),
        "value": st.none() | st.sampled_from(["a", "b"]),
    }
)
RULES = st.sampled_from(["recent", "trusted", "frequent"])


WORLDS = (
    st.fixed_dictionaries({source: st.lists(RECORD, max_size=8) for source in SOURCES}),
    st.lists(st.integers(1, 3), min_size=6, max_size=6),
    RULES,
    st.dictionaries(st.sampled_from(list(TRAITS)), RULES),
    st.sampled_from([(), ("card",), ("card", "email")]),
)
NODES = [("card", card) for card in CARDS] + [("email", email) for email in EMAILS]
"""All identifiers."""


@settings(deadline=None, max_examples=25)
@given(*WORLDS)
def test_survivors_are_those_of_the_naive_twin(
    records: dict, drawn: list[int], rule: str, by_trait: dict, population: tuple
) -> None:
    owners = dict(zip(NODES, drawn, strict=True))
    definition = project(survivorship=rule, trait_survivorship=by_trait, population=population)
    tables = {source: record_table(rows) for source, rows in records.items()}
    found = by_profile(golden_record(tables, identity_table(owners), definition, NOW, KINDS))
    assert found == naive(records, owners, definition, NOW)


def test_sources_need_not_have_the_same_columns() -> None:
    crm = record_table([{"id_email": "e", "city": "Lyon"}], {"city": pa.string()}, ids=("email",))
    till = record_table(
        [{"id_card": "c", "recent": 1.0, "n_city": 2.0}], {"recent": pa.float64(), "n_city": pa.float64()}, ["card"]
    )
    owners = identity_table({("card", "c"): 1, ("email", "e"): 1, ("email", "only_browsed"): 2})
    definition = project(survivorship="frequent")
    profiles = golden_record({"crm": crm, "till": till}, owners, definition, NOW, KINDS)
    assert profiles.columns == (
        "profile_id",
        "is_counted",
        "id_card",
        "id_email",
        "n_identifiers",
        "recent",
        "n_city",
        "city",
    )
    assert by_profile(profiles) == {
        1: dict(zip(profiles.columns, (1, True, "c", "e", 2, 1.0, 2.0, "Lyon"), strict=True)),
        2: dict(zip(profiles.columns, (2, True, None, "only_browsed", 1, None, None, None), strict=True)),
    }


def test_without_any_record_there_are_still_profiles() -> None:
    owners = identity_table({("email", "e"): 4})
    (row,) = by_profile(golden_record({}, owners, project(population=("card",)), NOW, KINDS)).values()
    assert row == {"profile_id": 4, "is_counted": False, "id_card": None, "id_email": "e", "n_identifiers": 1}


@pytest.mark.parametrize(("day", "city"), [(0, "Lyon"), (1, "Nice"), (2, "Nice"), (3, "Brest")])
def test_only_what_was_known_then_counts(day: int, city: str) -> None:
    rows = [
        {"id_card": "c", "city": "Lyon"},
        {"id_card": "c", "city": "Nice", "known_at": START + timedelta(days=1)},
        {"id_card": "c", "city": "Brest", "known_at": START + timedelta(days=3)},
    ]
    moment = Moment(START + timedelta(days=9), known_at=START + timedelta(days=day))
    profiles = golden_record({"crm": record_table(rows)}, identity_table({("card", "c"): 1}), project(), moment, KINDS)
    assert by_profile(profiles)[1]["city"] == city
