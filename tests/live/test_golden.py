"""The golden record of a few people in columns is that of a run."""

from __future__ import annotations

import random
from datetime import timedelta

import ibis
import pyarrow as pa
from hypothesis import given, settings

from facette.clock import Moment
from facette.live.golden import Golden
from facette.profiles.golden import profiles_at
from tests.profiles.test_golden import (
    KINDS,
    NODES,
    NOW,
    SOURCES,
    START,
    WORLDS,
    identity_table,
    naive,
    project,
    record_table,
)

RENAMED = {f"id_{kind.name}": kind.name for kind in KINDS}


@settings(deadline=None, max_examples=50)
@given(*WORLDS)
def test_survivors_are_those_of_the_naive_twin(
    records: dict, drawn: list[int], rule: str, by_trait: dict, population: tuple
) -> None:
    owners = dict(zip(NODES, drawn, strict=True))
    definition = project(survivorship=rule, trait_survivorship=by_trait, population=population)
    told = [
        {RENAMED.get(name, name): value for name, value in row.items()}
        for row in naive(records, owners, definition, NOW).values()
    ]
    found = _golden(records, owners, definition, NOW).to_pylist()
    assert sorted(found, key=_who) == sorted(told, key=_who)


def test_what_is_not_known_yet_is_not_there() -> None:
    """Identifiers that become known later, sources that lack columns: as the query has it, types and all."""
    rng = random.Random(3)
    ages = [None, *(START + timedelta(days=day) for day in range(6))]
    identities = identity_table({node: rng.randrange(1, 5) for node in NODES}).to_pyarrow()
    since = pa.array([rng.choice(ages) for _ in NODES], pa.timestamp("us", "UTC"))
    identities = identities.set_column(3, "known_from", since)
    rows = [{"id_card": f"c{n % 3}", "city": rng.choice("abB"), "known_at": rng.choice(ages)} for n in range(20)]
    crm = record_table(rows, {"city": pa.string()}, ["card"]).to_pyarrow()
    web = record_table([{"id_email": "e1", "age": 3.0}], {"age": pa.float64()}, ["email"]).to_pyarrow()
    definition, con = project(survivorship="frequent", population=("email",)), ibis.duckdb.connect()
    golden = Golden(con, definition, {"web": web.schema, "crm": crm.schema}, identities.schema)
    tables = {"crm": ibis.memtable(crm), "web": ibis.memtable(web)}
    for day in range(7):
        moment = Moment(START + timedelta(days=9), known_at=START + timedelta(days=day))
        told = profiles_at(tables, ibis.memtable(identities), definition, moment).to_pyarrow().sort_by("profile_id")
        assert golden.of({"crm": crm, "web": web}, identities, moment).equals(told)


def _golden(records: dict, owners: dict, definition: object, moment: Moment) -> pa.Table:
    tables = {source: record_table(rows).to_pyarrow() for source, rows in records.items()}
    identities = identity_table(owners).to_pyarrow()
    schemas = {source: tables[source].schema for source in SOURCES}
    return Golden(ibis.duckdb.connect(), definition, schemas, identities.schema).of(tables, identities, moment)


def _who(row: dict) -> int:
    return row["profile_id"]
