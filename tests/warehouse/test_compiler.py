"""Rules and values as expressions: the edges of text, of numbers and of the calendar."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import ibis
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions.language import check_rule, check_value
from facette.definitions.language.vocabulary import Property, Vocabulary
from facette.warehouse.compiler import compile_rule, compile_value
from facette.warehouse.connect import connect

MOMENT = Moment(datetime(2026, 3, 15, 12, tzinfo=UTC), "Europe/Paris")
COLUMNS = {
    "name": ("text", pa.string()),
    "score": ("number", pa.float64()),
    "n": ("number", pa.int8()),
    "born": ("date", pa.date32()),
    "seen": ("instant", pa.timestamp("us", "UTC")),
}
NAMES = Vocabulary(columns={name: Property(name, kind) for name, (kind, _) in COLUMNS.items()})  # type: ignore[arg-type]


def row(**values: Any) -> ibis.Table:
    """A row with these values; the other columns are unknown."""
    columns = {name: pa.array([values.get(name)], kind) for name, (_, kind) in COLUMNS.items()}
    return connect().create_table("row", pa.table(columns), temp=True)


def holds(rule: str, moment: Moment = MOMENT, **values: Any) -> bool:
    table = row(**values)
    return table.select(it=compile_rule(check_rule(rule, NAMES).rule, table, moment)).to_pyarrow()["it"][0].as_py()  # type: ignore[arg-type]


def value(text: str, **values: Any) -> Any:
    table = row(**values)
    return table.select(it=compile_value(check_value(text, NAMES).rule, table)).to_pyarrow()["it"][0].as_py()  # type: ignore[arg-type]


# ── text ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", ["Été", "ΟΔΟΣ", "İstanbul", "ǅ", "Straße", "ﬁn", "100 %_\\", "l'été", "𐐀"])
def test_a_text_equals_itself_in_any_case(text: str) -> None:
    quoted = f'"{text}"'
    for rule in ("name = {}", "name IN (x, {})", "name CONTAINS {}", "name STARTS WITH {}", "name ENDS WITH {}"):
        assert holds(rule.format(quoted), name=text), rule
        assert holds(rule.format(quoted), name=text.swapcase()) or text in "ΟΔΟΣ İstanbul ǅ Straße ﬁn", rule


def test_accents_matter_and_wildcards_are_plain_characters() -> None:
    assert not holds("name = ete", name="Été")
    assert not holds('name CONTAINS "a%c"', name="abc")
    assert not holds('name STARTS WITH "_"', name="abc")
    assert holds('name CONTAINS ""', name="abc")
    assert not holds('name CONTAINS ""')


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "answer"),
    [("n * 100", 10_000), ("n + 100", 200), ("100 * 100", 10_000), ("n - 0.5", 99.5), ("n / 8", 12.5), ("n / 0", None)],
)
def test_small_whole_numbers_do_not_overflow(text: str, answer: float | None) -> None:
    assert value(text, n=100) == answer


def test_a_number_of_any_size_can_be_compared() -> None:
    assert holds("n < 300 AND n != 12.5 AND n > -100000000000000000000000", n=100)
    assert holds("score > 9223372036854775807 AND score < 1e20", score=2.0**64)


# ── the calendar ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia", "America/New_York"])
def test_the_first_and_the_last_day_that_can_be_written(zone: str) -> None:
    moment = Moment(MOMENT.as_of, zone)
    values = {"born": date(2026, 1, 1), "seen": datetime(2026, 1, 1, tzinfo=UTC)}
    for name in values:
        rule = f"{name} > 0001-01-01 AND {name} < 9999-12-31 AND {name} BETWEEN 0001-01-01 AND 9999-12-31"
        assert holds(f"{rule} AND {name} != 9999-12-31", moment, **values), name


# ── unknown values ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("sign", ["=", "<", "<=", ">", ">="])
@pytest.mark.parametrize("right", ["0 minutes", "1 minute", "0 hours", "3 hours", "0 days", "2 years", "today"])
def test_nothing_that_is_asked_of_an_unknown_instant_is_true(sign: str, right: str) -> None:
    assert not holds(f"seen {sign} {right}")
    assert holds(f"NOT seen {sign} {right}")


def test_an_age_is_never_below_zero() -> None:
    for seen in (MOMENT.as_of, datetime(2026, 3, 15, 13, tzinfo=UTC), datetime(2026, 3, 14, tzinfo=UTC)):
        assert not holds("seen < 0 minutes", seen=seen)
        assert holds("seen >= 0 minutes", seen=seen)
