"""Who is who: against networkx, in any order of rows, in one go or bit by bit, and with ids that last."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import ibis
import ibis.expr.types as ir
import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.oracles.components import components, people

from facette.definitions import model
from facette.profiles import identity

START = datetime(2026, 1, 1, tzinfo=UTC)
NAMES = ("card", "email", "cookie")
FREE = tuple(model.Identifier(name=name) for name in NAMES)


def kinds(*limits: int | None) -> tuple[model.Identifier, ...]:
    return tuple(model.Identifier(name=name, limit=limit) for name, limit in zip(NAMES, limits, strict=True))


def table(rows: list[dict]) -> ir.Table:
    columns = {f"id_{name}": pa.array([row.get(name) for row in rows], pa.string()) for name in NAMES}
    source = pa.array([row.get("source", "crm") for row in rows], pa.string())
    seen_at = pa.array([row.get("seen_at") for row in rows], pa.timestamp("us", "UTC"))
    return ibis.memtable(pa.table({**columns, "source": source, "seen_at": seen_at}))


def rows_of(expression: ir.Table) -> list[dict]:
    return expression.to_pyarrow().to_pylist()


def stored(result: identity.Identities) -> identity.Identities:
    """The result as it comes back from where it was written."""
    return identity.Identities(
        *(ibis.memtable(t.to_pyarrow()) for t in (result.identities, result.links, result.merged, result.split))
    )


def profiles(result: identity.Identities) -> dict[int, frozenset[tuple[str, str]]]:
    members: dict[int, set] = {}
    for row in rows_of(result.identities):
        members.setdefault(row["profile_id"], set()).add((row["kind"], row["value"]))
    return {profile_id: frozenset(nodes) for profile_id, nodes in members.items()}


def refused(result: identity.Identities) -> set[frozenset[tuple[str, str]]]:
    return {
        frozenset({(row["kind_a"], row["value_a"]), (row["kind_b"], row["value_b"])})
        for row in rows_of(result.links)
        if row["is_refused"]
    }


def ids(result: identity.Identities) -> dict[tuple[str, str], int]:
    return {(row["kind"], row["value"]): row["profile_id"] for row in rows_of(result.identities)}


def value(prefix: str, n: int) -> st.SearchStrategy[str | None]:
    return st.none() | st.integers(0, n - 1).map(lambda number: f"{prefix}{number}")


OBSERVED = st.lists(
    st.fixed_dictionaries(
        {
            "card": value("c", 4),
            "email": value("e", 5),
            "cookie": value("k", 6),
            "source": st.sampled_from(["crm", "web"]),
            "seen_at": st.none() | st.integers(0, 4).map(lambda day: START + timedelta(days=day)),
        }
    ).filter(lambda row: any(row[name] for name in NAMES)),
    max_size=25,
)
LIMITS = st.tuples(*(st.sampled_from([None, 1, 2]) for _ in NAMES))
few = settings(deadline=None, max_examples=40)


@few
@given(OBSERVED)
def test_without_limits_profiles_are_connected_components(rows: list[dict]) -> None:
    result = identity.resolve(table(rows), None, FREE)
    assert set(profiles(result).values()) == components(rows, NAMES)
    assert not refused(result)


@few
@given(OBSERVED, LIMITS, st.randoms(use_true_random=False))
def test_limits_hold_and_refuse_what_the_naive_twin_refuses(rows: list[dict], limits: tuple, random) -> None:
    result = identity.resolve(table(rows), None, kinds(*limits))
    bound = dict(zip(NAMES, limits, strict=True))
    expected, expected_refused = people(rows, bound)
    assert set(profiles(result).values()) == expected
    assert refused(result) == expected_refused
    for members in profiles(result).values():
        count = Counter(kind for kind, _ in members)
        assert all(limit is None or count[kind] <= limit for kind, limit in bound.items())
    where = ids(result)
    assert all(len({where[node] for node in pair}) == 2 for pair in refused(result))

    shuffled = random.sample(rows, len(rows)) + rows[:3]
    again = identity.resolve(table(shuffled), None, kinds(*limits))
    assert ids(again) == where
    assert sorted(map(str, rows_of(again.links))) == sorted(map(str, rows_of(result.links)))


@settings(few, max_examples=20)
@given(st.lists(OBSERVED, min_size=2, max_size=3), LIMITS)
def test_bit_by_bit_gives_what_one_go_gives(portions: list[list[dict]], limits: tuple) -> None:
    bounded = kinds(*limits)
    everything = [row for portion in portions for row in portion]
    whole = identity.resolve(table(everything), None, bounded)
    result = stored(identity.resolve(table(portions[0]), None, bounded))
    for portion in portions[1:]:
        before = profiles(result)
        step = identity.resolve(table(portion), result.identities, bounded, links=result.links)
        check_moves(before, step)
        told = identity.news(table(portion), result.identities, result.links, bounded)
        again = identity.resolve(told, result.identities, bounded, links=result.links)
        for name in ("identities", "links", "merged", "split"):
            assert sorted(map(str, rows_of(getattr(again, name)))) == sorted(map(str, rows_of(getattr(step, name))))
        result = stored(step)
    assert set(profiles(result).values()) == set(profiles(whole).values())
    assert sorted(map(str, rows_of(result.links))) == sorted(map(str, rows_of(whole.links)))
    assert len(rows_of(result.identities)) == len(ids(result))


def test_what_was_said_before_or_later_is_no_news() -> None:
    day = timedelta(days=1)
    rows = [{"card": "c1", "email": "e1", "seen_at": START}, {"cookie": "k1", "seen_at": START}]
    result = stored(identity.resolve(table(rows), None, FREE))
    later = [row | {"seen_at": START + day} for row in rows]
    assert rows_of(identity.news(table(rows + later), result.identities, result.links, FREE)) == []
    new = [
        {"card": "c1", "email": "e1", "seen_at": START - day},
        {"card": "c1", "email": "e1", "seen_at": None},
        {"card": "c1", "email": "e1", "seen_at": START, "source": "web"},
        {"card": "c1", "cookie": "k1", "seen_at": START},
        {"card": "c1", "cookie": "k2", "seen_at": START},
        {"email": "e2", "seen_at": START},
    ]
    for row in new:
        assert len(rows_of(identity.news(table([*rows, row]), result.identities, result.links, FREE))) == 1, row


def check_moves(before: dict[int, frozenset], step: identity.Identities) -> None:
    """``merged`` and ``split`` say exactly what became of the profiles that were known."""
    now = ids(step)
    places = {old: {now[node] for node in nodes if node in now} for old, nodes in before.items()}
    merged = {(row["old_id"], row["new_id"]) for row in rows_of(step.merged)}
    assert merged == {(old, *new) for old, new in places.items() if len(new) == 1 and new != {old}}
    assert {row["profile_id"] for row in rows_of(step.split)} == {old for old, new in places.items() if len(new) > 1}


@settings(few, max_examples=20)
@given(OBSERVED, OBSERVED, st.data())
def test_ids_last_from_run_to_run(first: list[dict], second: list[dict], data) -> None:
    one = stored(identity.resolve(table(first), None, FREE))
    kept = [row for row in first if data.draw(st.booleans())]
    two = stored(identity.resolve(table(kept + second), one.identities, FREE))
    check_moves(profiles(one), two)

    had, has = profiles(one), profiles(two)
    assert set(has) - set(had) <= set(range(max(had, default=0) + 1, 100)), "new ids lie above all old ones"
    for profile_id, members in has.items():
        old = {p for p, nodes in had.items() if nodes & members}
        alone = [p for p in old if not any(had[p] & others for q, others in has.items() if q != profile_id)]
        assert not alone or profile_id <= min(alone), "a merge keeps the older id"

    again = identity.resolve(table(kept + second), two.identities, FREE)
    assert ids(again) == ids(two), "nothing new, nothing changes"
    assert not rows_of(again.merged) and not rows_of(again.split)


def test_undoing_a_merge_restores_both_ids() -> None:
    apart = [{"email": "z@x.fr", "card": "2"}, {"email": "a@x.fr", "card": "1"}]
    one = identity.resolve(table(apart), None, FREE)
    assert ids(one) == {("card", "1"): 1, ("email", "a@x.fr"): 1, ("card", "2"): 2, ("email", "z@x.fr"): 2}
    bridge = {"card": "1", "email": "z@x.fr", "cookie": "k"}
    two = identity.resolve(table([bridge]), one.identities, FREE, links=one.links)
    assert set(ids(two).values()) == {1}
    assert rows_of(two.merged) == [{"old_id": 2, "new_id": 1}]
    three = identity.resolve(table(apart), two.identities, FREE)
    assert ids(three) == ids(one)
    assert rows_of(three.split) == [{"profile_id": 1}]


def test_the_part_with_the_first_identifier_keeps_the_id() -> None:
    together = [{"card": "9", "email": "a@x.fr"}, {"cookie": "k", "email": "a@x.fr"}]
    one = identity.resolve(table(together), None, FREE)
    two = identity.resolve(table([{"card": "9"}, {"cookie": "k", "email": "a@x.fr"}]), one.identities, FREE)
    assert ids(two) == {("card", "9"): 1, ("email", "a@x.fr"): 2, ("cookie", "k"): 2}
    three = identity.resolve(table([{"cookie": "k", "email": "a@x.fr"}]), two.identities, FREE)
    assert set(ids(three).values()) == {2}, "an id lost in a split does not come back when the other part is gone"


def test_new_profiles_are_numbered_in_the_order_in_which_they_were_first_seen() -> None:
    rows = [
        {"card": "a"},
        {"card": "b", "seen_at": START + timedelta(days=2)},
        {"cookie": "c", "seen_at": START},
        {"email": "d"},
    ]
    assert ids(identity.resolve(table(rows), None, FREE)) == {
        ("cookie", "c"): 1,
        ("card", "b"): 2,
        ("card", "a"): 3,
        ("email", "d"): 4,
    }


def test_a_shared_email_stays_with_the_card_it_was_first_seen_with() -> None:
    rows = [
        {"card": "2", "email": "family@x.fr", "seen_at": START},
        {"card": "1", "email": "family@x.fr", "seen_at": START + timedelta(days=1), "source": "till"},
    ]
    result = identity.resolve(table(rows), None, kinds(1, None, None))
    assert ids(result)["email", "family@x.fr"] == ids(result)["card", "2"] != ids(result)["card", "1"]
    (link,) = [row for row in rows_of(result.links) if row["is_refused"]]
    assert link == {
        "kind_a": "card",
        "value_a": "1",
        "kind_b": "email",
        "value_b": "family@x.fr",
        "source": "till",
        "seen_at": START + timedelta(days=1),
        "is_refused": True,
        "reason": "more than 1 card in one profile",
    }


def test_an_identifier_is_known_from_the_first_row_that_has_it() -> None:
    """Always, where a record says nothing of when it was known; and the same when rows come bit by bit."""
    second, third = START + timedelta(days=1), START + timedelta(days=2)
    first = [{"card": "1", "cookie": "k", "seen_at": second}, {"card": "2", "seen_at": START}]
    then = [{"cookie": "k", "email": "a@x.fr", "seen_at": third}, {"card": "1", "seen_at": START}, {"card": "2"}]
    expected = {("card", "1"): START, ("card", "2"): None, ("cookie", "k"): second, ("email", "a@x.fr"): third}
    one = stored(identity.resolve(table(first), None, FREE))
    two = identity.resolve(table(then), one.identities, FREE, links=one.links)
    for result in (two, identity.resolve(table(first + then), None, FREE)):
        assert {(row["kind"], row["value"]): row["known_from"] for row in rows_of(result.identities)} == expected


def test_nothing_at_all_gives_nothing_at_all() -> None:
    result = identity.resolve(identity.observations({}, {}, FREE), None, FREE)
    assert not rows_of(result.identities) and not rows_of(result.links)
    again = identity.resolve(table([]), result.identities, FREE, links=result.links)
    assert not rows_of(again.identities) and not rows_of(again.merged)


def test_a_link_counts_once_however_many_rows_and_values_repeat_it() -> None:
    rows = [{"card": "c", "email": f"{number}@x.fr"} for number in range(256)]
    rows += [{"cookie": "k", "email": f"{number}@x.fr"} for number in range(256)] * 2
    assert set(ids(identity.resolve(table(rows), None, FREE)).values()) == {1}


@pytest.mark.parametrize("limit", [None, 3])
def test_many_people_against_networkx(limit: int | None) -> None:
    random = np.random.default_rng(7)
    n = 30_000
    columns = {name: random.integers(0, n, n) for name in NAMES}
    absent = random.random((3, n)) < 0.4
    rows = pa.table(
        {
            **{
                f"id_{name}": pa.array(columns[name].astype(str), pa.string(), mask=absent[i])
                for i, name in enumerate(NAMES)
            },
            "source": pa.repeat("web", n),
            "seen_at": pa.nulls(n, pa.timestamp("us", "UTC")),
        }
    )
    result = identity.resolve(ibis.memtable(rows), None, kinds(limit, None, None))
    graph = nx.Graph()
    graph.add_nodes_from((row["kind"], row["value"]) for row in rows_of(result.identities))
    links = rows_of(result.links)
    graph.add_edges_from(
        ((row["kind_a"], row["value_a"]), (row["kind_b"], row["value_b"])) for row in links if not row["is_refused"]
    )
    assert set(profiles(result).values()) == {frozenset(part) for part in nx.connected_components(graph)}
    assert any(row["is_refused"] for row in links) == (limit is not None)


def test_observations_are_the_distinct_combinations_with_their_first_instant() -> None:
    later = START + timedelta(days=1)
    instants = pa.timestamp("us", "UTC")
    records = ibis.memtable(
        pa.table(
            {
                "record": ["1", "2", "3", "4"],
                "id_card": ["7", "7", None, "8"],
                "known_at": pa.array([later, START, START, None], instants),
            }
        )
    )
    views = ibis.memtable(
        pa.table(
            {
                "id_cookie": ["k", "k", "k"],
                "id_card": ["7", "7", None],
                "known_at": pa.array([later, START, later], instants),
                "source": ["web", "web", "app"],
            }
        )
    )
    found = rows_of(identity.observations({"crm": records}, {"view": views}, FREE))
    expected = [
        {"id_card": "7", "id_email": None, "id_cookie": None, "source": "crm", "seen_at": START},
        {"id_card": "8", "id_email": None, "id_cookie": None, "source": "crm", "seen_at": None},
        {"id_card": "7", "id_email": None, "id_cookie": "k", "source": "web", "seen_at": START},
        {"id_card": None, "id_email": None, "id_cookie": "k", "source": "app", "seen_at": later},
    ]
    assert len(found) == len(expected)
    assert all(row in found for row in expected)
