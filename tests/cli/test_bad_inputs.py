"""Files and definitions as people really have them: what stops a run, what is kept aside, and that it is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facette.errors import FacetteError
from facette.warehouse.published import Store
from tests.run.projects import copied, edit, rows, run, starter, truth

Spoil = Callable[[Path], None]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return starter(tmp_path_factory.mktemp("bad") / "shop", has_models=False)


@pytest.fixture
def project(pristine: Path, tmp_path: Path) -> Path:
    return copied(pristine, tmp_path / "shop", has_store=False)


def orders(pattern: str, text: str) -> Spoil:
    """Replace a pattern everywhere in the orders."""

    def spoil(folder: Path) -> None:
        file = folder / "data" / "orders.csv"
        file.write_text(re.sub(pattern, text, file.read_text(encoding="utf-8-sig")), encoding="utf-8")

    return spoil


def file(name: str, content: bytes | None) -> Spoil:
    """A file with this content, or no such file."""

    def spoil(folder: Path) -> None:
        path = folder / name
        if content is None:
            path.unlink()
        else:
            path.write_bytes(content)

    return spoil


def source(text: str) -> Spoil:
    """One source more."""
    return file("more.yml", f"sources: [{{name: more, {text}}}]".encode())


def both(*spoils: Spoil) -> Spoil:
    def spoil(folder: Path) -> None:
        for each in spoils:
            each(folder)

    return spoil


def rule(text: str) -> Spoil:
    return lambda folder: edit(folder / "segments.yml", "rule: DID purchase IN THE LAST 90 DAYS", f"rule: {text}")


PEOPLE = "people: {identifiers: {email: mail}}"

STOPPED: dict[str, tuple[Spoil, str, str]] = {
    "bytes that are no text": (
        file("data/customers.csv", bytes(range(256)) * 50),
        r"data/customers\.csv, line 1: the names of the columns are not cp1252 text",
        "Declare the file's `encoding`",
    ),
    "a column that is called otherwise": (
        orders("Montant", "Montants"),
        "Source orders has no column 'Montant'",
        "Did you mean Montants?",
    ),
    "two columns of one name": (
        orders("Canal", "Rayon"),
        r"data/orders\.csv, line 1: columns 5 and 6",
        "name of its own",
    ),
    "a file of no bytes": (
        file("data/orders.csv", b""),
        r"Source orders has no column 'N° commande'",
        "All its files are empty",
    ),
    "no file": (file("data/orders.csv", None), r"No file matches data/orders\*\.csv", "nearest files there are"),
    "an encoding that it has not": (
        lambda folder: edit(folder / "facette.yml", "customers.csv\n", "customers.csv\n    encoding: utf-8\n"),
        r"data/customers\.csv, line 1: .* not utf-8 text",
        "Declare the file's `encoding`",
    ),
    "an encoding that nobody has": (
        lambda folder: edit(folder / "facette.yml", "customers.csv\n", "customers.csv\n    encoding: klingon\n"),
        r"facette\.yml:\d+: .*there is no encoding called `klingon`",
        "utf-8 or cp1252",
    ),
    "an encoding that tells too little": (
        lambda folder: edit(folder / "facette.yml", "customers.csv\n", "customers.csv\n    encoding: utf-16\n"),
        r"data/customers\.csv is not utf-16 text",
        "utf-16-le",
    ),
    "a pattern that makes no sense": (
        lambda folder: edit(folder / "facette.yml", 'at_format: "%d/%m/%Y"', 'at_format: "%Q"'),
        "Source orders, column Date: the format '%Q' makes no sense",
        "strptime",
    ),
    "a Parquet file that is none": (
        both(file("data/more.parquet", b"PAR1 or so PAR1"), source(f"kind: file, path: data/more.parquet, {PEOPLE}")),
        r"data/more\.parquet cannot be read as Parquet",
        "Write the file again",
    ),
    "JSON lines that are none": (
        both(file("data/more.jsonl", b"nope\nno\n"), source(f"kind: file, path: data/more.jsonl, {PEOPLE}")),
        r"data/more\.jsonl: none of its 2 rows can be read; row 1: no JSON object",
        "Check the file",
    ),
    "a database that is not there": (
        source(f'kind: sql, url: "sqlite:///no.db", table_name: t, {PEOPLE}'),
        "Source more: there is no SQLite file",
        "Check its `url`",
    ),
    "a database that does not answer": (
        source(f'kind: sql, url: "postgresql+psycopg://me:s3cret@127.0.0.1:1/db", table_name: t, {PEOPLE}'),
        "Source more cannot be read: .*Connection refused",
        "running and reachable",
    ),
    "a password that is not set": (
        source(
            f'kind: sql, url: "postgresql+psycopg://me:${{FACETTE_NOT_SET}}@127.0.0.1:1/db", table_name: t, {PEOPLE}'
        ),
        "needs the environment variable FACETTE_NOT_SET",
        "export FACETTE_NOT_SET",
    ),
    "YAML that is none": (
        file("segments.yml", b"segments: [\n - {name: x"),
        r"segments\.yml:2: error: cannot be read",
        "→",
    ),
    "YAML in another encoding": (
        file("segments.yml", b"\xff\xfe\x00"),
        r"segments\.yml:1: error: is not UTF-8",
        "UTF-8",
    ),
    "an unknown event": (rule("DID purchse"), r"segments\.yml:5: .*“purchse” is not an event", "Nearest: purchase"),
    "segments in a circle": (
        rule("IN SEGMENT lapsed"),
        r"segments\.yml:3: .*in a circle: active → lapsed → active",
        "take one of the references out",
    ),
    "a window beyond the calendar": (
        rule("DID purchase IN THE LAST 3000 YEARS"),
        "longer than 200 years",
        "shorter one",
    ),
}


@pytest.mark.parametrize("name", STOPPED)
def test_a_run_that_cannot_go_on_says_why_and_publishes_nothing(project: Path, name: str) -> None:
    spoil, message, remedy = STOPPED[name]
    spoil(project)
    with pytest.raises(FacetteError, match=message) as caught:
        run(project)
    assert remedy in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert Store(project).published() is None


def test_what_is_published_stays_when_a_later_delivery_is_bad(project: Path) -> None:
    run(project)
    before = Store(project).published()
    (project / "data" / "orders-2.csv").write_bytes(b"\x00\x01\xff" * 100)
    with pytest.raises(FacetteError, match=r"data/orders-2\.csv"):
        run(project)
    assert Store(project).published() == before
    (project / "data" / "orders-2.csv").unlink()
    assert not run(project).is_published


# ── what does not stop a run ────────────────────────────────────────────────────────────────────────────────────────


def refused(folder: Path) -> dict[str, int]:
    counts: dict[str, int] = {}
    for row in rows(folder, "refused"):
        counts[row["reason"]] = counts.get(row["reason"], 0) + 1
    return counts


def test_amounts_that_are_no_numbers_are_unknown_and_that_is_told(project: Path) -> None:
    orders(r";\d+,\d+;", ";cher;")(project)
    outcome = run(project)
    assert outcome.warnings == [
        "Source orders.purchase: value unknown: not a number, in 119 of 120 rows (column Montant)."
    ]
    assert {row["amount"] for row in rows(project, "events_purchase")} == {None}
    assert refused(project)["value unknown: not a number"] == 119


def test_rows_that_are_all_refused_are_told(project: Path) -> None:
    orders(r"\d\d/\d\d/\d{4}", "hier")(project)
    outcome = run(project)
    assert outcome.warnings == [
        "Source orders.purchase: row refused: not an instant, in 120 of 120 rows (column Date)."
    ]
    assert rows(project, "events_purchase") == []
    assert {row["members"] for row in rows(project, "sizes") if row["segment"] != "to_win_back"} == {0}


def test_a_few_bad_rows_are_kept_aside_with_their_reason(project: Path) -> None:
    before = {row["event_id"] for row in rows(run_of(project), "events_purchase")}
    with (project / "data" / "orders.csv").open("ab") as out:
        out.write(b"F9001;C001;31/02/2026;3,00;bio;Web\n")  # no such day
        out.write(b"F9002;;01/02/2026;3,00;bio;Web\n")  # nobody
        out.write(b"F9003;C001;01/02/2026\n")  # too short
        out.write(b"F9004;C001;01/02/2026;-5,00;bio;Web\n")  # below the minimum
        out.write(b"F9005;C001;01/02/2026;5,00;bio\0;Web\n")
    outcome = run(project)
    assert outcome.warnings == []
    added = {
        row["event_id"]: row["amount"] for row in rows(project, "events_purchase") if row["event_id"] not in before
    }
    assert added == {"orders:F9004": None}
    counts = refused(project)
    assert counts["row refused: not an instant"] == counts["row refused: no identifier"] == 1
    assert sum(counts.values()) == 4
    assert {row["row"] for row in rows(project, "refused") if row["source"] == "orders"} >= {121, 122, 123, 125}


def run_of(folder: Path) -> Path:
    run(folder)
    return folder


def test_only_the_names_of_columns_everywhere(project: Path) -> None:
    for name, encoding in (("orders.csv", "utf-8-sig"), ("customers.csv", "cp1252")):
        path = project / "data" / name
        path.write_text(path.read_text(encoding=encoding).splitlines()[0] + "\n", encoding=encoding)
    outcome = run(project)
    assert outcome.is_published
    assert {row["members"] for row in rows(project, "sizes")} == {0}
    assert rows(project, "features") == []
    assert not run(project).is_published


def test_an_empty_file_among_others_is_no_matter(project: Path) -> None:
    expected = rows(run_of(project), "events_purchase")
    (project / "data" / "orders-empty.csv").write_bytes(b"")
    outcome = run(project)
    assert "data/orders-empty.csv is empty." in outcome.notes
    assert rows(project, "events_purchase") == expected


def test_a_file_that_lacks_a_column_that_others_have(project: Path, tmp_path: Path) -> None:
    """As JSON lines do when nobody had the property that day; read later or with the others, it is the same."""
    run(project)
    (project / "data" / "orders-2.csv").write_text("N° commande;N° CLIENT;DATE;Montant\nF9001; C001 ;01/02/2026;3,00\n")
    run(project)
    added = [row for row in rows(project, "events_purchase") if row["event_id"] == "orders:F9001"]
    assert [(row["amount"], row["category"], row["channel"]) for row in added] == [(3.0, None, None)]
    fresh = copied(project, tmp_path / "fresh", has_store=False)
    run(fresh)
    assert truth(fresh) == truth(project)


def test_one_key_twice_in_a_table_takes_the_first(project: Path) -> None:
    (project / "data" / "shops.csv").write_text("Canal;Region\nWeb;Nord\nBoutique;Est\nweb ;Sud\nBoutique;Sud\n")
    source("kind: file, path: data/shops.csv, table: {key: Canal}")(project)
    edit(
        project / "facette.yml",
        "        at: Date\n",
        "        at: Date\n        lookups: [{source: more, on: Canal}]\n",
    )
    edit(project / "facette.yml", "          category:", "          region: {column: Region}\n          category:")
    run(project)
    found = {row["region"] for row in rows(project, "events_purchase") if row["channel"] == "Boutique"}
    assert found == {"Est"}
    assert len(rows(project, "events_purchase")) == 119


def test_instants_and_numbers_at_the_ends_of_the_world(project: Path) -> None:
    with (project / "data" / "orders.csv").open("ab") as out:
        for number, (day, amount) in enumerate(
            [
                ("31/12/9999", "1"),
                ("01/01/0001", "2"),
                ("01/01/1066", "1e400"),
                ("01/02/2026", "NaN"),
                ("02/02/2026", "1e30"),
            ]
        ):
            out.write(f"G{number};C001;{day};{amount};bio;Web\n".encode())
    run(project)
    run(project, is_full=True)
    assert len(rows(project, "features")) == 29


def test_values_that_are_lists_and_objects_are_text(project: Path) -> None:
    table = pa.table({"mail": ["a@b.fr", "not one"], "city": [{"at": 1}, None], "tags": [["x", "y"], []]})
    pq.write_table(table, project / "data" / "more.parquet")
    source(
        "kind: file, path: data/more.parquet, people: {identifiers: {email: mail},"
        " fields: {place: {column: city}, tags: {}}}"
    )(project)
    run(project)
    found = [row for row in rows(project, "profiles") if row["place"]]
    assert len(found) == 1
    assert "x" in found[0]["tags"]
