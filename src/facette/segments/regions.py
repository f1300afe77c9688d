"""The values that a column may take, cut into regions within which every condition on it keeps its verdict.

Between two neighbouring values that conditions compare with nothing changes, so one value of each such gap and the
values themselves stand for all. What holds for them is asked of the engine, so it cannot be otherwise than in a run.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import combinations
from typing import Any

import ibis
import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import CALENDAR, CALENDAR_UNITS, Moment
from facette.definitions.language import tree
from facette.segments.trees import column_of, compared, literals_of, numbers_in
from facette.warehouse.compiler import compile_rule, day_of

ARROW = {
    "number": pa.float64(),
    "text": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "instant": pa.timestamp("us", "UTC"),
}
CENTS = 2
"""Numbers that are not whole are proposed with so many decimals, or as many as a condition has."""
WHOLE = (-(2**63), 2**63 - 1)
TICK = timedelta(microseconds=1)
MOST_PARTS = 6
"""Of so many parts of a text that conditions ask for, any may be together in one text; of more, one or all."""
NEUTRAL = "…·—¤§¶"

Ask = Callable[[ir.Table], pa.Table]


@dataclass(frozen=True)
class Domain:
    """The values that a column can have.

    is_whole        : of numbers
    can_be_unknown  : not a count, a sum, or a feature with a default
    least, most     : ends that no value passes (None: open)
    is_given        : a model says it: no change by hand
    """

    type: tree.ValueType
    is_whole: bool = False
    can_be_unknown: bool = True
    least: Any = None
    most: Any = None
    is_given: bool = False


@dataclass(frozen=True)
class Region:
    """Values of a column for which each condition on it has one and the same verdict.

    met       : the verdict of each condition on the column, in their order
    value     : the one that is nearest to the present value
    is_run    : the known values are neighbours, so that ``low`` and ``high`` say which they are
    low, high : the ends, both included (None: open)
    """

    met: tuple[bool, ...]
    value: Any
    is_run: bool = False
    low: Any = None
    high: Any = None


def regions(
    on: Mapping[str, Sequence[tree.Rule]],
    domains: Mapping[str, Domain],
    now: Mapping[str, Any],
    moment: Moment,
    *,
    ask: Ask,
) -> dict[str, list[Region]]:
    """Column → its regions, that of the present value first.

    on      : column → the checked conditions on it, under whatever name
    domains : column → the values that it can have
    now     : the wide row of the profile
    ask     : runs a query
    """
    values = {name: _values(domains[name], group, now[name], moment) for name, group in on.items()}
    met = _met(on, values, domains, moment, ask)
    return {name: _regions(domains[name], values[name], met[name], now[name], moment) for name in on}


def _met(
    on: Mapping[str, Sequence[tree.Rule]],
    values: Mapping[str, Sequence[Any]],
    domains: Mapping[str, Domain],
    moment: Moment,
    ask: Ask,
) -> dict[str, list[tuple[bool, ...]]]:
    """Column → the verdicts of its conditions for each of its values, in one query: a row for each value."""
    n = sum(map(len, values.values()))
    columns: dict[str, pa.Array] = {"_place": pa.array(range(n), pa.int64())}
    places: dict[str, slice] = {}
    before = 0
    for name, some in values.items():
        places[name] = slice(before, before + len(some))
        kind = pa.int64() if domains[name].is_whole else ARROW[domains[name].type]
        column = pa.array([None] * before + [*some] + [None] * (n - before - len(some)), kind)
        columns |= dict.fromkeys((called.name for called in map(column_of, on[name]) if called), column)
        before += len(some)
    table = ibis.memtable(pa.table(columns))
    groups = {name: [f"c{i}_{j}" for j in range(len(group))] for i, (name, group) in enumerate(on.items())}
    verdicts = {
        verdict: compile_rule(condition, table, moment)
        for name, group in on.items()
        for verdict, condition in zip(groups[name], group, strict=True)
    }
    found = ask(table.select("_place", **verdicts)).sort_by("_place").to_pydict()
    return {
        name: list(zip(*(found[verdict][places[name]] for verdict in group), strict=True))
        for name, group in groups.items()
    }


def _regions(
    domain: Domain, values: Sequence[Any], met: Sequence[tuple[bool, ...]], now: Any, moment: Moment
) -> list[Region]:
    """The values with equal verdicts together; values stand in order, unknown last."""
    places: dict[tuple[bool, ...], list[int]] = {}
    for place, verdicts in enumerate(met):
        places.setdefault(verdicts, []).append(place)
    present = met[values.index(now)]
    last = len(values) - (2 if values[-1] is None else 1)
    origin = _origin(domain, moment) if now is None else now
    found = []
    for verdicts, some in places.items():
        known = [place for place in some if values[place] is not None]
        nearest = min(known, key=lambda place: _distance(values[place], origin), default=None)
        is_run = bool(known) and domain.type not in ("text", "boolean") and known[-1] - known[0] == len(known) - 1
        low = values[known[0]] if is_run and known[0] > 0 else None
        high = values[known[-1]] if is_run and known[-1] < last else None
        value = now if verdicts == present else None if nearest is None else values[nearest]
        found.append(Region(verdicts, value, is_run, low, high))
    return sorted(found, key=lambda region: region.met != present)


def _origin(domain: Domain, moment: Moment) -> Any:
    """Where the nearest value is looked for if there is none now."""
    return {"number": 0, "date": moment.today, "instant": moment.as_of}.get(domain.type)


def _distance(value: Any, origin: Any) -> Any:
    """How far a value is from the present one; of texts and booleans the first does."""
    if isinstance(value, bool | str):
        return 0
    return abs(value - origin)


# ── the values that stand for all ───────────────────────────────────────────────────────────────────────────────────


def _values(domain: Domain, conditions: Sequence[tree.Rule], now: Any, moment: Moment) -> list[Any]:
    """One value of every region at least, in order; unknown is the last, where it can be."""
    match domain.type:
        case "number" if domain.is_whole:
            found = _whole_numbers(conditions)
        case "number":
            found = _numbers(conditions)
        case "boolean":
            found = [True, False]
        case "date":
            found = _days(conditions, moment)
        case "instant":
            found = _instants(conditions, moment)
        case _:
            found = _texts(conditions)
    ends = [end for end in (domain.least, domain.most) if end is not None]
    found = [value for value in (*found, *ends) if _is_within(value, domain)]
    if now is not None:
        found.append(now)
    found = list(dict.fromkeys(found)) if domain.type in ("text", "boolean") else sorted(set(found))
    return [*found, None] if domain.can_be_unknown or now is None else found


def _is_within(value: Any, domain: Domain) -> bool:
    return (domain.least is None or value >= domain.least) and (domain.most is None or value <= domain.most)


def _whole_numbers(conditions: Iterable[tree.Rule]) -> list[Any]:
    found: set[int] = set()
    for number in _all_numbers(conditions):
        if WHOLE[0] < number < WHOLE[1]:
            found |= {math.floor(number) - 1, math.floor(number), math.ceil(number), math.ceil(number) + 1}
        else:
            found.add(WHOLE[number > 0])
    return [min(max(number, WHOLE[0]), WHOLE[1]) for number in found] or [0]


def _numbers(conditions: Iterable[tree.Rule]) -> list[Any]:
    """The numbers that are compared with, and one or two round ones of every gap between them."""
    ends = sorted({float(number) for number in _all_numbers(conditions)})
    if not ends:
        return [0.0]
    found = [*ends]
    for low, high in zip([-math.inf, *ends], [*ends, math.inf], strict=True):
        finest = max(_decimals(low), _decimals(high))
        near = [
            next((value for n in (_decimals(end), finest) if low < (value := _beside(end, sign, n)) < high), None)
            for end, sign in ((low, 1), (high, -1))
        ]
        inside = [value for value in near if value is not None]
        found += inside or ([low + (high - low) / 2] if low < low + (high - low) / 2 < high else [])
    return found


def _decimals(number: float) -> int:
    return max(CENTS, -int(Decimal(repr(number)).normalize().as_tuple().exponent)) if math.isfinite(number) else CENTS


def _beside(end: float, sign: int, decimals: int) -> float:
    """The next number with so many decimals; of large ones, the next there is."""
    if not math.isfinite(end):
        return end
    near = round(end + sign * 10.0**-decimals, decimals)
    return near if near != end else math.nextafter(end, sign * math.inf)


def _all_numbers(conditions: Iterable[tree.Rule]) -> set[float]:
    return {number for condition in conditions for number in numbers_in(condition)}


def _days(conditions: Iterable[tree.Rule], moment: Moment) -> list[Any]:
    days = {day for condition in conditions for day in _named_days(condition, moment)} or {moment.today}
    return [day + timedelta(days=n) for day in days for n in (-1, 0, 1) if CALENDAR[0] < day < CALENDAR[1]]


def _instants(conditions: Iterable[tree.Rule], moment: Moment) -> list[Any]:
    ends: set[datetime] = set()
    for condition in conditions:
        for day in _named_days(condition, moment):
            ends |= {moment.start_of(day), moment.end_of(day)}
        for literal in compared(condition):
            match literal:
                case tree.Instant(value):
                    ends.add(value.astimezone(UTC))
                case tree.Duration(amount, unit) | tree.InTheLast(amount, unit) if unit not in CALENDAR_UNITS:
                    ends |= {moment.step_ago(amount, unit), moment.step_ago(amount + 1, unit)}
    ends = {end for end in ends if CALENDAR[0].year <= end.year <= CALENDAR[1].year}
    return [end + n * TICK for end in ends or {moment.as_of} for n in (-1, 0, 1)]


def _named_days(condition: tree.Rule, moment: Moment) -> Iterator[date]:
    for literal in compared(condition):
        match literal:
            case tree.Date() | tree.RelativeDay():
                yield day_of(literal, moment)
            case tree.Duration(amount, unit) | tree.InTheLast(amount, unit) if unit in CALENDAR_UNITS:
                yield moment.day_ago(amount, unit)


def _texts(conditions: Sequence[tree.Rule]) -> list[Any]:
    """Every text that is asked for, one that nobody asks for, and those made of the parts that are."""
    whole = [literal.value for one in conditions for literal in literals_of(one) if isinstance(literal, tree.Text)]
    parts: dict[str, list[str]] = {"starts": [], "contains": [], "ends": []}
    for condition in conditions:
        if isinstance(condition, tree.Match):
            parts[condition.how].append(_tidy(condition.text))
    used = "".join([*whole, *parts["starts"], *parts["contains"], *parts["ends"]])
    apart = next((char for char in NEUTRAL if char not in used), "\ue000")
    some = sorted(set(parts["contains"]))
    sizes = range(len(some) + 1) if len(some) <= MOST_PARTS else (0, 1, len(some))
    middles = [apart.join(("", *chosen, "")) or apart for n in sizes for chosen in combinations(some, n)]
    made = [
        f"{start}{middle}{end}"
        for middle in middles
        for start in ("", *dict.fromkeys(parts["starts"]))
        for end in ("", *dict.fromkeys(parts["ends"]))
    ]
    return [*map(_tidy, whole), *(part for group in parts.values() for part in group), *made]


def _tidy(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()
