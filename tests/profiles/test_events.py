"""Whose event it is."""

from __future__ import annotations

import ibis
import ibis.expr.types as ir
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.definitions import model
from facette.profiles.events import remap, resolve_events

KINDS = tuple(model.Identifier(name=name) for name in ("card", "email", "cookie"))
OWNERS = {
    ("card", "1"): 1,
    ("card", "2"): 2,
    ("email", "1"): 2,
    ("email", "2"): 3,
    ("cookie", "1"): 4,
    ("cookie", "2"): 1,
}
IDENTITIES = ibis.memtable(
    pa.Table.from_pylist(
        [
            {"kind": kind, "value": value, "profile_id": owner, "first_id": owner}
            for (kind, value), owner in OWNERS.items()
        ]
    )
)


def event_table(rows: list[dict], present: list[str]) -> ir.Table:
    columns = {f"id_{name}": pa.array([row.get(name) for row in rows], pa.string()) for name in present}
    events = {"event_id": pa.array([str(number) for number in range(len(rows))], pa.string())}
    properties = {name: pa.array([name] * len(rows), pa.string()) for name in ("kind", "value", "old_id", "new_id")}
    return ibis.memtable(pa.table({**events, **columns, **properties}))


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.dictionaries(st.sampled_from(["card", "email", "cookie"]), st.sampled_from(["1", "2"])), max_size=10),
    st.lists(st.sampled_from(["card", "email", "cookie"]), min_size=1, unique=True),
)
def test_the_most_trusted_identifier_decides(rows: list[dict], present: list[str]) -> None:
    resolved = resolve_events(event_table(rows, present), IDENTITIES, KINDS)
    assert resolved.columns == ("profile_id", "event_id", "kind", "value", "old_id", "new_id")
    expected = {}
    for number, row in enumerate(rows):
        first = next(((kind.name, row[kind.name]) for kind in KINDS if kind.name in present and kind.name in row), None)
        if first is not None:
            expected[str(number)] = OWNERS[first]
    found = resolved.to_pyarrow().to_pylist()
    assert {row["event_id"]: row["profile_id"] for row in found} == expected
    assert len(found) == len(expected)
    assert all(row["kind"] == "kind" and row["value"] == "value" for row in found)


def test_events_follow_their_merged_profile() -> None:
    events = resolve_events(
        event_table([{"card": "1"}, {"card": "2"}, {"cookie": "1"}], ["card", "cookie"]), IDENTITIES, KINDS
    )
    merged = ibis.memtable(pa.table({"old_id": [2, 9], "new_id": [1, 3]}))
    moved = remap(events, merged)
    assert moved.columns == events.columns
    rows = moved.order_by("event_id").to_pyarrow().to_pylist()
    assert [(row["event_id"], row["profile_id"]) for row in rows] == [("0", 1), ("1", 1), ("2", 4)]
    assert {row["new_id"] for row in rows} == {"new_id"}
