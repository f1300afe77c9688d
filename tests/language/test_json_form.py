"""Rules as JSON: the same tree, whatever way it came, and errors that name the key."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings

from facette.definitions.language import parse_rule, parse_value, print_rule
from facette.definitions.language.json_form import (
    rule_from_json,
    rule_schema,
    rule_text,
    to_json,
    value_from_json,
    value_schema,
    value_text,
)
from facette.definitions.language.parser import MAXIMUM_DEPTH
from facette.definitions.language.tree import Operand, Rule
from facette.errors import RuleError
from tests.language.strategies import rules, small_vocabulary, values

NAMES = small_vocabulary()


@settings(deadline=None)
@given(rules(NAMES))
def test_a_rule_comes_back_as_the_same_tree(rule: Rule) -> None:
    data = json.loads(json.dumps(to_json(rule)))
    assert rule_from_json(data) == rule
    assert parse_rule(rule_text(data)) == parse_rule(print_rule(rule, "fr"))


@settings(deadline=None)
@given(values(NAMES))
def test_a_value_comes_back_as_the_same_tree(value: Operand) -> None:
    data = json.loads(json.dumps(to_json(value)))
    assert value_from_json(data) == value
    assert parse_value(value_text(data)) == value


def test_what_a_rule_looks_like() -> None:
    assert to_json(parse_rule("DID view THEN NOT purchase WITHIN 7 DAYS SINCE 2026-11-22 OR NOT score = 80")) == {
        "kind": "or",
        "items": [
            {
                "kind": "did",
                "event": "view",
                "window": {"kind": "since", "day": {"kind": "date", "value": "2026-11-22"}},
                "then": {
                    "kind": "then",
                    "event": "purchase",
                    "delay": {"kind": "duration", "amount": 7, "unit": "day"},
                    "is_absent": True,
                },
            },
            {
                "kind": "not",
                "item": {
                    "kind": "compare",
                    "left": {"kind": "name", "text": "score"},
                    "operator": "=",
                    "right": {"kind": "number", "value": 80},
                },
            },
        ],
    }


NAME, ONE = {"kind": "name", "text": "x"}, {"kind": "number", "value": 1}
WRONG: list[tuple[Any, str]] = [
    ({}, "The whole: Unable to extract tag"),
    ({"kind": "column"}, "Input tag 'column'"),
    ({"kind": "compare", "left": NAME, "operator": "="}, "right: Field required"),
    ({"kind": "compare", "left": NAME, "operator": "~", "right": ONE}, "operator: Input should be '='"),
    ({"kind": "compare", "left": NAME, "operator": "=", "right": {"kind": "number", "value": "1"}}, "right.value"),
    ({"kind": "not", "item": {"kind": "truth", "left": NAME, "sql": "1"}}, "item.sql: Extra inputs"),
    ({"kind": "and", "items": []}, "items: Tuple should have at least 1 item"),
    ({"kind": "did", "event": "x", "where": {"kind": "did"}}, "where.event: Field required"),
]


@pytest.mark.parametrize(("data", "message"), WRONG)
def test_an_error_names_the_key(data: Any, message: str) -> None:
    with pytest.raises(RuleError, match="This is not a rule as JSON") as caught:
        rule_from_json(data)
    assert message in caught.value.message
    assert "docs/language.md" in str(caught.value)


def test_what_is_nested_without_end_is_refused() -> None:
    data: dict[str, Any] = {"kind": "truth", "left": NAME}
    for _ in range(100_000):
        data = {"kind": "not", "item": data}
    with pytest.raises(RuleError, match="nested too deeply"):
        rule_from_json(data)
    data = {"kind": "truth", "left": NAME}
    for _ in range(MAXIMUM_DEPTH):
        data = {"kind": "not", "item": data}
    with pytest.raises(RuleError, match="More than 100 conditions nested"):
        rule_from_json(data)


def test_the_schemas_know_every_kind() -> None:
    for schema, kinds in ((rule_schema(), {"Did", "And", "Then", "Aggregate"}), (value_schema(), {"Arithmetic"})):
        assert kinds <= schema["$defs"].keys()
        assert schema["discriminator"]["propertyName"] == "kind"
