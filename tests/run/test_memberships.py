"""Who is in a segment since when, over several runs: entering, staying, leaving, merging, parting, going back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from .projects import edit, memberships, published, rows, run

DEFINITIONS = """\
name: shop
identifiers:
  - {name: customer, limit: 1}
  - {name: email}
sources:
  - name: people
    kind: file
    path: people*.csv
    people:
      identifiers: {customer: id, email: mail}
  - name: purchases
    kind: file
    path: purchases*.csv
    events:
      - name: purchase
        identifiers: {customer: id}
        at: at
        fields: {amount: {type: number}}
  - name: visits
    kind: file
    path: visits*.csv
    events:
      - {name: visit, identifiers: {email: mail}, at: at}
segments:
  - {name: recent, rule: DID purchase IN THE LAST 5 DAYS}
  - {name: visitors, rule: DID visit IN THE LAST 30 DAYS}
  - {name: big, rule: SUM(amount) OF purchase >= 100}
validation: {minimum_size: 1}
"""


def day(number: int) -> date:
    return date(2026, 5, number)


def deliver(folder: Path, source: str, *lines: str) -> None:
    """One file more of a source; its first line are the columns."""
    columns = {"people": "id,mail", "purchases": "id,at,amount", "visits": "mail,at"}[source]
    number = len(list(folder.glob(f"{source}*.csv")))
    (folder / f"{source}-{number}.csv").write_text("\n".join([columns, *lines]) + "\n", encoding="utf-8")


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Ann has bought; somebody with Bob's address has visited; nobody knows whose address it is."""
    folder = tmp_path
    (folder / "facette.yml").write_text(DEFINITIONS, encoding="utf-8")
    deliver(folder, "people", "ann,", "bob,")
    deliver(folder, "purchases", "ann,2026-05-01,60")
    deliver(folder, "visits", "bob@shop.fr,2026-05-01")
    return folder


def owners(folder: Path) -> dict[str, int]:
    return {row["value"]: row["profile_id"] for row in rows(folder, "identities")}


def since(folder: Path) -> dict[tuple[int, str], int]:
    """Profile and segment → the day of May since when."""
    return {(row["profile_id"], row["segment"]): row["entered_at"].day for row in memberships(folder)}


def changes(folder: Path) -> list[tuple[int, int, str, str]]:
    """The day of May, profile, segment and what happened, in that order."""
    return sorted((row["at"].day, row["profile_id"], row["segment"], row["change"]) for row in rows(folder, "changes"))


def sizes(folder: Path, segment: str) -> list[tuple[int, int, int, int, int]]:
    """Per run: the day of May, members, entered, stayed, left."""
    found = [row for row in rows(folder, "sizes") if row["segment"] == segment]
    return sorted((row["as_of"].day, row["members"], row["entered"], row["stayed"], row["left"]) for row in found)


def test_entering_staying_leaving_and_coming_back(shop: Path) -> None:
    run(shop, day(2))
    ann = owners(shop)["ann"]
    run(shop, day(4))
    run(shop, day(9))
    deliver(shop, "purchases", "ann,2026-05-10,50")
    run(shop, day(11))
    assert since(shop)[ann, "recent"] == 11
    assert [row for row in changes(shop) if row[1] == ann] == [
        (2, ann, "recent", "entered"),
        (9, ann, "recent", "left"),
        (11, ann, "big", "entered"),
        (11, ann, "recent", "entered"),
    ]
    assert sizes(shop, "recent") == [(2, 1, 1, 0, 0), (4, 1, 0, 1, 0), (9, 0, 0, 0, 1), (11, 1, 1, 0, 0)]
    assert (
        published(shop).profile("ann")["memberships"][1]["entered_at"].isoformat() == "2026-05-11T23:59:59.999999+00:00"
    )


def test_whoever_stays_keeps_the_day_of_entering_whatever_is_computed_anew(shop: Path) -> None:
    run(shop, day(2))
    kept = since(shop)
    edit(shop / "facette.yml", "LAST 5 DAYS", "LAST 6 DAYS")
    run(shop, day(4))
    run(shop, day(5), is_full=True)
    assert since(shop) == kept
    assert {row[0] for row in changes(shop)} == {2}


@pytest.mark.parametrize("is_full", [False, True])
def test_two_who_turn_out_to_be_one_keep_the_history_of_both_under_the_older_id(shop: Path, is_full: bool) -> None:
    run(shop, day(2))
    before = owners(shop)
    bob, visitor = before["bob"], before["bob@shop.fr"]
    assert since(shop)[visitor, "visitors"] == 2
    deliver(shop, "purchases", "bob,2026-05-03,500")
    run(shop, day(3))
    assert since(shop)[bob, "big"] == 3

    deliver(shop, "people", "bob,bob@shop.fr")
    run(shop, day(4), is_full=is_full)
    one = min(bob, visitor)
    assert owners(shop)["bob"] == owners(shop)["bob@shop.fr"] == one
    assert {(segment, entered) for (owner, segment), entered in since(shop).items() if owner == one} == {
        ("visitors", 2),
        ("big", 3),
        ("recent", 3),
    }
    assert not [row for row in changes(shop) if row[0] == 4]  # nobody came, nobody went
    assert published(shop).find("bob@shop.fr") == one
    found = published(shop).profile("bob")
    assert [event["event"] for event in found["timeline"]] == ["purchase", "visit"]


def test_going_back_before_and_after_a_merge(shop: Path) -> None:
    run(shop, day(2))
    visitor = owners(shop)["bob@shop.fr"]
    deliver(shop, "people", "bob,bob@shop.fr")
    run(shop, day(4))
    run(shop, day(8))
    run(shop, day(3))  # what is known now, as of then: they are one already
    one = owners(shop)["bob"]
    assert one <= visitor
    assert since(shop) == {(owners(shop)["ann"], "recent"): 2, (one, "visitors"): 2}
    assert {row["as_of"].day for row in rows(shop, "sizes")} == {2, 3}


def test_a_link_that_takes_a_profile_apart(shop: Path) -> None:
    """An address that two customers share cannot be both's: the limit is one customer per profile."""
    deliver(shop, "people", "bob,bob@shop.fr")
    run(shop, day(2))
    together = owners(shop)
    assert together["bob"] == together["bob@shop.fr"]
    deliver(shop, "people", "ann,bob@shop.fr")
    outcome = run(shop, day(3))
    assert outcome.stages[-1].detail == "rebuild: new links took a profile apart"
    apart = owners(shop)
    assert apart["ann"] != apart["bob"]
    wide = {row["profile_id"]: row for row in rows(shop, "wide")}
    assert wide[apart["bob@shop.fr"]]["visitors"]
    assert sum(row["visitors"] for row in wide.values()) == 1


def test_a_changed_rule_at_the_same_instant_counts_last(shop: Path) -> None:
    run(shop, day(2))
    edit(shop / "facette.yml", "amount) OF purchase >= 100", "amount) OF purchase >= 50")
    run(shop, day(2))
    edit(shop / "facette.yml", "amount) OF purchase >= 50", "amount) OF purchase >= 90")
    run(shop, day(2))
    assert [row[3] for row in changes(shop) if row[2] == "big"] == ["entered", "left"]
    run(shop, day(9))
    run(shop, day(3))
    assert "big" not in {segment for _, segment in since(shop)}
    assert [row[3] for row in changes(shop) if row[2] == "big"] == ["entered", "left"]


def test_a_segment_that_goes_takes_its_members_along_and_a_new_one_begins(shop: Path) -> None:
    run(shop, day(2))
    edit(shop / "facette.yml", "{name: visitors, rule", "{name: guests, rule")
    run(shop, day(3))
    visitor = owners(shop)["bob@shop.fr"]
    assert since(shop) == {(owners(shop)["ann"], "recent"): 2, (visitor, "guests"): 3}
    assert {row["segment"] for row in published(shop).segments()} == {"recent", "guests", "big"}
