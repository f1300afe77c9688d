"""How many of a public suite's conditions mean the same as rules: GrowthBook's, a file that its packages do not carry.

python benchmarks/conditions.py CASES.json [--json]

CASES.json is `packages/sdk-js/test/cases.json` of the repository growthbook/growthbook: its `evalCondition` is a list
of [name, condition, attributes, expected, saved groups]. Each condition becomes a rule, which DuckDB answers for one
row of the attributes. Refused, besides what no rule says, are attributes that no trait has (lists, objects), and rules
that compare a trait with a value of another type.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa

from facette.clock import Moment
from facette.definitions.language import Vocabulary, check_rule
from facette.definitions.language.mongo import from_mongo
from facette.definitions.language.tree import Name, Not, Rule
from facette.definitions.language.vocabulary import Property
from facette.errors import ConditionError, RuleError
from facette.warehouse.compiler import compile_rule
from facette.warehouse.connect import connect

MOMENT = Moment(datetime(2026, 1, 1, tzinfo=UTC), "UTC")
ARROW = {"text": pa.string(), "number": pa.float64(), "boolean": pa.bool_()}


@dataclass(frozen=True)
class Outcome:
    """verdict : alike, differs, or refused; why : of the last two"""

    name: str
    verdict: str
    why: str = ""


def outcome(name: str, condition: Any, attributes: Any, expected: bool, groups: Any = None) -> Outcome:
    try:
        rule = from_mongo(condition, groups=groups or {})
    except ConditionError as error:
        return Outcome(name, "refused", error.reason)
    row = {path: value_at(attributes, path) for path in names(rule)}
    if any(isinstance(value, list | dict) for value in row.values()):
        return Outcome(name, "refused", "attribute is a list or an object")
    try:
        answer = answered(rule, row)
    except RuleError:
        return Outcome(name, "refused", "attribute is of another type")
    if answer == expected:
        return Outcome(name, "alike")
    missing = any(value is None for value in row.values())
    return Outcome(name, "differs", "an absent number counts as 0" if missing else "text of another case")


def answered(rule: Rule, row: Mapping[str, Any]) -> bool:
    """What the engine says of the row. A trait's type is that of its value; of an absent one, any that fits the rule.

    Raises RuleError where none fits.
    """
    kinds = [[found] if (found := kind_of(value)) else list(ARROW) for value in row.values()]
    for chosen in product(*kinds):
        traits = [
            Property(f"column_{n}", kind, {"en": path}) for n, (path, kind) in enumerate(zip(row, chosen, strict=True))
        ]
        try:
            checked = check_rule(rule, Vocabulary(columns={trait.name: trait for trait in traits})).rule
        except RuleError as error:
            refused = error
            continue
        table = pa.table({t.name: pa.array([v], ARROW[t.type]) for t, v in zip(traits, row.values(), strict=True)})
        known = connect().create_table("attributes", table, temp=True)
        return bool(known.select(it=compile_rule(checked, known, MOMENT)).to_pyarrow()["it"][0].as_py())
    raise refused


def kind_of(value: Any) -> Any:
    kinds: dict[type, str] = {str: "text", bool: "boolean", int: "number", float: "number"}
    return kinds.get(type(value))


def names(node: Any) -> Iterator[str]:
    match node:
        case Name(text=text):
            yield text
        case Not(item=item):
            yield from names(item)
        case _ if hasattr(node, "items"):
            for item in node.items:
                yield from names(item)
        case _:
            yield from names(node.left)


def value_at(attributes: Any, path: str) -> Any:
    for step in path.split("."):
        attributes = attributes.get(step) if isinstance(attributes, dict) else None
    return attributes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", type=Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    data = json.loads(args.cases.read_text(encoding="utf-8"))
    outcomes = [outcome(*case) for case in data["evalCondition"]]
    counted: dict[str, dict[str, list[str]]] = {}
    for each in outcomes:
        counted.setdefault(each.verdict, {}).setdefault(each.why, []).append(each.name)
    figures = {
        "spec": data["specVersion"],
        "cases": len(outcomes),
        **{
            verdict: {why or "all": len(found) for why, found in sorted(whys.items(), key=lambda item: -len(item[1]))}
            for verdict, whys in counted.items()
        },
        "those that differ": counted.get("differs", {}),
    }
    print(json.dumps(figures, indent=1, ensure_ascii=False) if args.json else as_text(figures))


def as_text(figures: dict[str, Any]) -> str:
    lines = [f"{figures['cases']} cases of specification {figures['spec']}"]
    for verdict in ("alike", "differs", "refused"):
        whys = figures.get(verdict, {})
        lines.append(f"{verdict:<8}{sum(whys.values()):>5}")
        lines += [f"{n:>17}  {why}" for why, n in whys.items() if why != "all"]
    lines += [f"{why}: {', '.join(found)}" for why, found in figures["those that differ"].items()]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
