"""The same rows give the same answer however they come in over time: a run that adds, and everything anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from .projects import content, copied, differences, memberships, rows, run, snapshot

NOW = datetime(2026, 9, 30, 12, tzinfo=UTC)
HISTORY = {"changes", "sizes", "quality", "drift", "worth"}


def shop(folder: Path, *sources: str, identifiers: str = "{name: id}", more: str = "") -> Path:
    folder.mkdir()
    listed = "\n".join(f"  - {source}" for source in sources)
    text = f"name: shop\ntime_zone: Europe/Paris\nidentifiers: [{identifiers}]\nsources:\n{listed}\n{more}"
    (folder / "facette.yml").write_text(text, encoding="utf-8")
    return folder


ORDERS = (
    "{name: orders, kind: file, path: 'orders*', events: [{name: order, identifiers: {id: id}, at: at, "
    "fields: {amount: {type: number}}}]}"
)


def orders(file: Path, amounts: pa.Array, at: pa.Array) -> None:
    pq.write_table(pa.table({"id": pa.array(["a"] * len(amounts)), "amount": amounts, "at": at}), file)


def same_anew(folder: Path) -> dict[str, Any]:
    anew = copied(folder, folder.with_name("anew"), has_store=True)
    run(anew, NOW, is_full=True)
    return differences(content(folder, without=HISTORY), content(anew, without=HISTORY))


DAYS = pa.array([datetime(2026, 9, 1, 23, 30), datetime(2026, 9, 2)], pa.timestamp("us"))


def test_a_row_is_the_same_row_in_whatever_type_its_number_comes(tmp_path: Path) -> None:
    """Delivered twice: whole numbers, then the same with decimals because one row more has some."""
    folder = shop(tmp_path / "shop", ORDERS)
    orders(folder / "orders1.parquet", pa.array([10, 20]), DAYS)
    run(folder, NOW)
    kinds = pa.decimal128(12, 2), pa.float64(), pa.decimal128(20, 6)
    for n, kind in enumerate(kinds, 2):
        amounts = pa.array([10.0, 20.0, 30.5]).cast(kind)
        orders(folder / f"orders{n}.parquet", amounts, pa.array([*DAYS.to_pylist(), datetime(2026, 9, 3)]))
        run(folder, NOW)
        assert sorted(row["amount"] for row in rows(folder, "events_order")) == [10.0, 20.0, 30.5]
    assert same_anew(folder) == {}


def test_an_instant_is_read_as_what_it_is_in_its_own_file(tmp_path: Path) -> None:
    """A native timestamp is in UTC, a text is local time; that of one file does not turn into the other's."""
    folder = shop(tmp_path / "shop", ORDERS)
    orders(folder / "orders1.parquet", pa.array([10, 20]), DAYS)
    run(folder, NOW)
    orders(folder / "orders2.parquet", pa.array([1.5]), pa.array(["2026-09-01 23:30"]))
    run(folder, NOW)
    found = {row["amount"]: row["at"] for row in rows(folder, "events_order")}
    assert found[10.0] == datetime(2026, 9, 1, 23, 30, tzinfo=UTC)
    assert found[1.5] == datetime(2026, 9, 1, 21, 30, tzinfo=UTC)
    assert same_anew(folder) == {}


def test_what_is_an_outlier_does_not_depend_on_when_it_was_asked(tmp_path: Path) -> None:
    people = (
        "{name: crm, kind: file, path: 'crm*.csv', people: {identifiers: {id: id}, fields: {age: {type: number, "
        "outliers: {method: iqr, factor: 1.5, action: drop}}}}}"
    )
    folder = shop(tmp_path / "shop", people)
    for n, first in enumerate((20, 63), 1):
        ages = "".join(f"p{n}{i},{first + i}\n" for i in range(8))
        (folder / f"crm{n}.csv").write_text(f"id,age\n{ages}", encoding="utf-8")
        run(folder, NOW)
    assert sum(row["age"] is None for row in rows(folder, "profiles")) == 8
    assert same_anew(folder) == {}


def test_a_profile_id_is_never_given_twice(tmp_path: Path) -> None:
    crm = "{name: crm, kind: file, path: 'crm*.csv', people: {identifiers: {id: id}}}"
    folder = shop(tmp_path / "shop", crm)
    for text in ("id\n1\n2\n3\n", "id\n1\n2\n", "id\n1\n2\n77\n"):
        (folder / "crm.csv").write_text(text, encoding="utf-8")
        run(folder, NOW)
    assert {row["value"]: row["profile_id"] for row in rows(folder, "identities")} == {"1": 1, "2": 2, "77": 4}
    assert snapshot(folder).highest_profile_id == 4


@pytest.mark.parametrize(
    ("kind", "format_", "blocked", "written"),
    [("tel", "phone", "01 23 45 67 89", "+33 1 23 45 67 89"), ("mail", "email", "Info@Shop.FR", "info@shop.fr")],
)
def test_a_blocked_value_is_blocked_however_it_is_written(
    tmp_path: Path, kind: str, format_: str, blocked: str, written: str
) -> None:
    crm = f"{{name: crm, kind: file, path: crm.csv, people: {{identifiers: {{id: id, {kind}: x}}}}}}"
    kinds = f"{{name: id}}, {{name: {kind}, format: {format_}, blocked: ['{blocked}']}}"
    folder = shop(tmp_path / "shop", crm, identifiers=kinds)
    (folder / "crm.csv").write_text(f"id,x\n1,{written}\n2,{blocked}\n", encoding="utf-8")
    run(folder, NOW)
    assert len(rows(folder, "profiles")) == 2


def test_nobody_counts_before_anything_is_known_of_them(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", ORDERS, more="segments: [{name: idle, rule: DID NOT order}]\n")
    (folder / "orders.csv").write_text("id,at,amount\na,2026-09-01,1\nb,2026-09-05,1\n", encoding="utf-8")
    for day, counted in ((3, ["a"]), (6, ["a", "b"]), (2, ["a"])):
        outcome = run(folder, datetime(2026, 9, day, tzinfo=UTC))
        assert sorted(row["id"] for row in rows(folder, "features")) == counted
        assert any("is forgotten" in warning for warning in outcome.warnings) is (day == 2)
    assert memberships(folder) == []


def test_nobody_is_in_the_population_before_what_puts_them_there_is_known(tmp_path: Path) -> None:
    visits = "{name: v, kind: file, path: v.csv, events: [{name: go, identifiers: {cookie: k, email: mail}, at: at}]}"
    kinds = "{name: email, format: email}, {name: cookie}"
    folder = shop(tmp_path / "shop", visits, identifiers=kinds, more="population: [email]\n")
    (folder / "v.csv").write_text("k,mail,at\n1,,2026-09-01\n2,b@x.fr,2026-09-01\n1,a@x.fr,2026-09-05\n", "utf-8")
    for day, counted in ((3, ["b@x.fr"]), (6, ["a@x.fr", "b@x.fr"])):
        run(folder, datetime(2026, 9, day, tzinfo=UTC))
        assert sorted(row["email"] for row in rows(folder, "features")) == counted
        assert len(rows(folder, "profiles")) == 2


def test_a_column_that_a_later_file_lacks_and_a_source_without_rows_are_told(tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", ORDERS)
    (folder / "orders1.csv").write_text("id,at,amount\na,2026-09-01,1\n", encoding="utf-8")
    assert run(folder, NOW).warnings == []
    (folder / "orders2.csv").write_text("id,at,price\nb,2026-09-01,1\n", encoding="utf-8")
    assert run(folder, NOW).warnings == [
        "Source orders: orders2.csv has no column amount; its values are unknown there."
    ]
    (folder / "orders2.csv").write_text("id,at,amount\n", encoding="utf-8")  # nothing happened that day
    assert run(folder, NOW).warnings == []
    (folder / "orders1.csv").write_text("id,at,amount\n", encoding="utf-8")
    assert run(folder, NOW).warnings == ["Source orders has no rows."]
