"""Rules and values as expressions: the edges of text, of numbers and of the calendar."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import ibis
import pyarrow as pa
import pytest

from facette.clock import Moment
from facette.definitions.language import check_rule, check_value, parse_rule
from facette.definitions.language.parser import MAXIMUM_DEPTH
from facette.definitions.language.vocabulary import Property, Vocabulary
from facette.errors import RuleError
from facette.warehouse.compiler import LONGEST_OF_ORS, compile_rule, compile_value
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


# ── size ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("n", [3, LONGEST_OF_ORS + 1, 1000])
def test_long_lists_and_long_rules_are_within_what_python_can_walk(n: int) -> None:
    for rule, values in {
        f"name IN ({', '.join(f'Text{i}' for i in range(n))})": {"name": f"tEXT{n - 1}"},
        f"score IN ({', '.join(map(str, range(n)))})": {"score": n - 1},
        " OR ".join(f"n = {i % 100}" for i in range(n)): {"n": min(n - 1, 99)},
        " AND ".join(f"n != {i % 100}" for i in range(n)): {"n": 100},
    }.items():
        assert holds(rule, **values)
        assert not holds(f"NOT ({rule})", **values)
    none = f"name NOT IN ({', '.join(f'text{i}' for i in range(n))})"
    assert holds(none) and holds(none, name="text") and not holds(none, name="TEXT1")


def below(frames: int, ask: Callable[[], bool]) -> bool:
    return below(frames - 1, ask) if frames else ask()


@pytest.mark.parametrize("level", ["n = 1 AND (n = 2 OR {})", "n = 1 OR NOT {}", "NOT {}", "(n = 1 OR n = 2 AND {})"])
def test_whatever_is_not_too_deep_to_read_is_not_too_deep_to_run(level: str) -> None:
    rule, deeper = "seen = 3 hours", level.replace("{}", "({})")
    while True:
        try:
            parse_rule(deeper.format(rule))
        except RuleError:
            break
        rule = deeper.format(rule)
    assert below(150, lambda: holds(rule) in (True, False))


@pytest.mark.parametrize("sign", "+-*/")
def test_whatever_value_can_be_read_can_be_run(sign: str) -> None:
    text = f" {sign} ".join(["score"] * MAXIMUM_DEPTH)
    assert below(150, lambda: value(text, score=1.0) is not None)
