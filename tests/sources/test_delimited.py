"""Reading CSV: compared with Python's own csv module on random tables, and a zoo of malformed files."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facette.errors import SourceError
from facette.sources import delimited
from facette.sources.delimited import find_encoding, read_csv
from facette.sources.source import Refusal

CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\ufeff"), max_size=8) | st.sampled_from(
    ['"', ",", ";", "\n", "\r\n", "a,b;c", "é\n€", " ", "1,5"]
)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    width = draw(st.integers(2, 5))
    header = [f"c{i}" for i in range(width)]
    return header, draw(st.lists(st.lists(CELLS, min_size=width, max_size=width), max_size=12))


@given(table=tables(), delimiter=st.sampled_from(delimited.DELIMITERS), encoding=st.sampled_from(["utf-8", "utf-16"]))
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_reads_what_the_csv_module_reads(
    tmp_path: Path, table: tuple[list[str], list[list[str]]], delimiter: str, encoding: str
) -> None:
    header, rows = table
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\n").writerows([header, *rows])
    path = tmp_path / "x.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    found, numbers, refused = read(path, encoding=encoding, delimiter=delimiter)
    expected = list(csv.reader(io.StringIO(text.getvalue(), newline=""), delimiter=delimiter))[1:]
    assert [list(row.values()) for row in found] == expected == rows
    assert numbers == list(range(1, len(rows) + 1))
    assert not refused


@given(widths=st.lists(st.sampled_from([1, 2, 2, 2, 2, 3]), min_size=1, max_size=60))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_numbers_rows_across_blocks_and_ragged_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, widths: list[int]
) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 64)
    path = tmp_path / "x.csv"
    rows = [",".join(f'"{i}\n"' for _ in range(width)) for i, width in enumerate(widths, 1)]
    path.write_text("a,b\n" + "\n".join(rows))
    found, numbers, refused = read(path, encoding="utf-8", delimiter=",")
    assert numbers == [i for i, width in enumerate(widths, 1) if width == 2]
    assert [int(row["a"]) for row in found] == numbers
    assert [row.row for row in refused] == [i for i, width in enumerate(widths, 1) if width != 2]


@pytest.mark.parametrize(
    ("content", "rows", "refused"),
    [
        (b"a,b\n1,2\n", [("1", "2")], []),
        (b"a;b\n1,5;2\n", [("1,5", "2")], []),
        (b"a\tb\n1\t2\n", [("1", "2")], []),
        (b"a|b\n1|2", [("1", "2")], []),
        (b"a,b\r1,2\r3,4\r", [("1", "2"), ("3", "4")], []),
        (b"\n\n\na;b\n\n1;2\n\n", [("1", "2")], []),
        (b"a;b;\n1;2;\n", [("1", "2", "")], []),
        (b'a,b\n"x\r\ny",1\nz,"q""r"\n', [("x\r\ny", "1"), ("z", 'q"r')], []),
        (b"a,b\n'x,y',2\n'z,t',3\n", [("x,y", "2"), ("z,t", "3")], []),
        (b'a,b\n"x\\"y",1\n"z\\"y, t",2\n', [('x"y', "1"), ('z"y, t', "2")], []),
        (b'a,b\n"x\\"y",1\nz,2\n', [('x"y', "1"), ("z", "2")], []),
        (b'a,b\n"C:\\x\\",1\nz,2\n', [("C:\\x\\", "1"), ("z", "2")], []),
        (b'a,b\n5" screen,1\n', [('5" screen', "1")], []),
        (b'a,b\n"x"y,1\n"z\n",2\n', [("xy", "1"), ("z\n", "2")], []),
        (b'a,b\n1,"x\ny"\nTotal\n', [("1", "x\ny")], [2]),
        (b'a,b\n1,"x\ny"\n2" or so,"z\n",3\n', [("1", "x\ny")], [2]),
        (b"a,b\n", [], []),
        (b"a,b", [], []),
        (b"\n\na,b\r\n\r\n", [], []),
        (b"", [], []),
        (b"\n\n", [], []),
        (b"a,b\n1,2\n3\n4,5,6\n7,8", [("1", "2"), ("7", "8")], [2, 3]),
        (b"a,b\n1,2\n3\n", [("1", "2")], [2]),
        (b"a,b\n1,\xff\n\xc3\xa9,2\n", [("é", "2")], [1]),
        (b"a,b\n1,2\0\n3,4\n", [("3", "4")], [1]),
        ("é;b\nà;ê\n".encode("utf-8-sig"), [("à", "ê")], []),
        ("é;b\nà;ê\n".encode("utf-16"), [("à", "ê")], []),
        ("prénom;ville\nHélène;Besançon\n".encode("cp1252"), [("Hélène", "Besançon")], []),
    ],
)
def test_zoo(tmp_path: Path, content: bytes, rows: list[tuple[str, ...]], refused: list[int]) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    found, _, aside = read(path)
    assert [tuple(row.values()) for row in found] == rows
    assert [row.row for row in aside] == refused


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b,A\n1,2,3\n", "line 1: columns 1 and 3 are both called 'A'"),
        ("a;b\n1;2\n".encode("utf-16-le"), "line 1: the names of the columns are not"),
        (b'a,b\n1,2\n3,"x\n4,5\n', "line 3: a quote opens here that does not close"),
        (b'a,b,c\n1,2,3\n\n4,"x\n5,6,7\n', "line 4: a quote opens here that does not close"),
        (b'a,"b\n1,2\n3,4\n', "line 1: a quote opens here that does not close"),
        (b'a,b\r1,2\r3,"x\r4,5\r', "line 3: a quote opens here that does not close"),
        (b'a,"b\n1,2\n3,"x"\n4,5\n', "line 1: the row that begins here has a quote that closes on a later line"),
        (b'a,b,c\n\n1,"x,y\n2,z,t\n3,"u",v\n4,w,\n', "line 3: the row that begins here has a quote that closes"),
        (b'a,b\n1,"x\n2,5" screen\n3,y\n', "line 2: the row that begins here has a quote that closes"),
        (b'a,b,c\n1,"x,y\n2,z,t\n3,"u,u",v\n4,w,\n', "line 2: the row that begins here has a quote that closes"),
    ],
)
def test_files_that_make_no_sense(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError) as caught:
        read(path)
    assert message in caught.value.message
    assert caught.value.remedy


def test_a_quote_that_never_closes_in_a_long_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "BLOCK", 4096)
    path = tmp_path / "x.csv"
    path.write_text("a,b\n" + "1,2\n" * 500 + '3,"x\n' + "4,5\n" * 5000)
    with pytest.raises(SourceError, match="line 502: a quote opens here"):
        read(path)


def test_a_header_and_values_of_any_length(tmp_path: Path) -> None:
    """Python's csv stops at 128 KB unless told otherwise."""
    path = tmp_path / "x.csv"
    path.write_text('a,b\n1,"' + "x\n" * 100_000 + '"\n')
    [row], _, _ = read(path)
    assert len(row["b"]) == 200_000
    path.write_text('a,"b\n' + "1,2\n" * 3_000_000)
    with pytest.raises(SourceError, match="line 1: a quote opens here"):
        read(path)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("nom;ville\nHélène;Saint-Étienne\nBenoît;Besançon\n", "utf-8"),
        ("nom;ville\nHélène;Saint-Étienne\nBenoît;Besançon\n", "cp1252"),
        ("prix\n12 €\nL’été\n", "cp1252"),
        ("Müller;Straße\nJörg;Größe\n", "cp1252"),
        ("имя;город\nИван;Москва\nПётр;Казань\n", "cp1251"),
        ("όνομα;πόλη\nΓιώργος;Αθήνα\n", "cp1253"),
        ("姓名;城市\n王伟;北京\n李娜;上海\n", "gb18030"),
    ],
)
def test_finds_the_encoding(tmp_path: Path, text: str, encoding: str) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(text.encode(encoding))
    assert find_encoding(path) == encoding


def test_an_accent_after_a_million_plain_lines_counts(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"a;b\n" + b"1;2\n" * 1_000_000 + "é;ü\n".encode("cp1252"))
    assert find_encoding(path) == "cp1252"


def test_what_is_declared_wins(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes("a;b\né,x;2\n".encode())
    found, _, _ = read(path, encoding="latin-1", delimiter=",")
    assert found == []  # one column in the header, two in the row
    found, _, _ = read(path, encoding="latin-1", delimiter=";")
    assert found == [{"a": "Ã©,x", "b": "2"}]
    with pytest.raises(SourceError, match="line 1: the names of the columns are not ascii text"):
        path.write_bytes("é;b\n1;2\n".encode())
        read(path, encoding="ascii")
    for encoding in ("utf-9", "base64"):
        with pytest.raises(SourceError, match=f"no encoding called '{encoding}'"):
            read(path, encoding=encoding)
    with pytest.raises(SourceError, match=r"is not utf-16 text: .* does not start with BOM") as caught:
        read(path, encoding="utf-16")
    assert "utf-16-le" in caught.value.remedy
    with pytest.raises(SourceError, match="is not utf-7 text"):
        path.write_bytes(b"a;b\n1;+2AA-x\n")  # half of a surrogate pair
        read(path, encoding="utf-7")


def read(
    path: Path, *, encoding: str | None = None, delimiter: str | None = None
) -> tuple[list[dict[str, str]], list[int], list[Refusal]]:
    rows: list[dict[str, str]] = []
    numbers: list[int] = []
    refused: list[Refusal] = []
    for batch in read_csv(path, path.name, encoding=encoding, delimiter=delimiter):
        assert batch.rows is not None
        assert batch.numbers is not None
        assert batch.rows.num_rows == len(batch.numbers)
        rows += batch.rows.to_pylist()
        numbers += batch.numbers.to_pylist()
        refused += batch.refused
    return rows, numbers, refused
