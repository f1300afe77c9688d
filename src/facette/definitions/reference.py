"""The two reference pages, generated so that they cannot lie: `python -m facette.definitions.reference docs/`.

docs/definitions.md comes from the pydantic models; docs/language.md from forms that are parsed while it is written.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from facette.definitions.language import parse_rule, parse_value, print_rule, print_value
from facette.definitions.language.json_form import (
    LITERALS,
    NODES,
    OPERANDS,
    RULES,
    kind_of,
    rule_schema,
    to_json,
    value_schema,
)
from facette.definitions.schema import json_schema

# ── docs/definitions.md ─────────────────────────────────────────────────────────────────────────────────────────────

BOUNDS = {
    "minimum": "at least",
    "exclusiveMinimum": "more than",
    "maximum": "at most",
    "exclusiveMaximum": "less than",
    "minItems": "at least",
    "minProperties": "at least",
}
TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
TYPES |= {"date-time": "instant", "date": "date"}

DEFINITIONS_HEAD = """\
# Definitions

A project is a folder: `facette.yml`, plus any other `.yml` or `.yaml` file below it (not in hidden folders, not in
`data/`). Every file may hold any of the keys of a [project](#project). Lists are joined over the files, `facette.yml`
first and then by path; any other key may be given once. Unknown keys, aliases, tags and doubled keys are refused.

`facette lint` finds every problem at once, with its file and line. This page is generated from the models in
`facette.definitions.model`; `facette schema` writes the same as JSON
Schema, for editors.
"""


def definitions_markdown() -> str:
    """The page about every model: its keys with type, default and description."""
    schema = json_schema()
    models = {"Project": schema, **schema["$defs"]}
    order = _order("Project", models)
    return "\n".join([DEFINITIONS_HEAD, *(_model_section(name, models[name]) for name in order)])


def _order(name: str, models: Mapping[str, Any]) -> list[str]:
    """The models in the order in which a reader meets them, each once."""
    found: dict[str, None] = {}

    def visit(name: str) -> None:
        if name not in found:
            found[name] = None
            for reference in re.findall(r"'\$ref': '#/\$defs/(\w+)'", repr(models[name].get("properties", {}))):
                visit(reference)

    visit(name)
    return list(found)


def _model_section(name: str, model: Mapping[str, Any]) -> str:
    required = {*model.get("required", ()), *(key for key, item in model["properties"].items() if "const" in item)}
    required |= {"name"} if name == "Project" else set()
    rows = [
        f"| `{key}` | {_type(item)} | {'required' if key in required else _default(item)} | {_cell(item)} |"
        for key, item in model["properties"].items()
    ]
    intro = f"{_markdown(model['description'])}\n\n" if model.get("description") and name != "Project" else ""
    head = "| key | type | default | |\n|---|---|---|---|\n"
    return f"## {_title(name)}\n\n{intro}{head}" + "\n".join(rows) + "\n"


def _title(name: str) -> str:
    """``PropensityModel`` → ``Propensity model``: class names in words."""
    words = re.findall(r"[A-Z][a-z]+|[A-Z]+(?![a-z])", name)
    return " ".join([words[0], *(word.lower() for word in words[1:])])


def _type(item: Mapping[str, Any]) -> str:
    """A JSON Schema type in words, models as links."""
    bounds = ", ".join(f"{words} {item[key]:g}" for key, words in BOUNDS.items() if key in item)
    return _bare_type(item) + (f", {bounds}" if bounds else "")


def _bare_type(item: Mapping[str, Any]) -> str:
    match item:
        case {"$ref": reference}:
            title = _title(reference.rpartition("/")[2])
            text = f"[{title}](#{title.lower().replace(' ', '-')})"
        case {"const": value}:
            text = f"`{value}`"
        case {"enum": values}:
            text = " or ".join(f"`{value}`" for value in values)
        case {"anyOf": parts} | {"oneOf": parts}:
            text = " or ".join(_type(part) for part in parts if part.get("type") != "null")
        case {"type": "array", "items": items}:
            text = f"list of {_type(items)}"
        case {"type": "object", "patternProperties": names}:
            text = f"name → {_type(*names.values())}"
        case {"type": "object", "required": ["kind"]}:
            text = "the same [as JSON](language.md#rules-as-json)"
        case {"type": "object", "additionalProperties": values}:
            text = f"text → {_type(values)}"
        case {"type": "string", "maxLength": 63}:
            text = "name"
        case _:
            text = TYPES[item.get("format", item["type"])]
    return text


def _default(item: Mapping[str, Any]) -> str:
    default = item.get("default")
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return "" if default in (None, "", []) or isinstance(default, dict) else f"`{default}`"


def _cell(item: Mapping[str, Any]) -> str:
    return _markdown(item.get("description", ""))


def _markdown(docstring: str) -> str:
    return docstring.replace("``", "`").replace("|", "\\|")


# ── docs/language.md ────────────────────────────────────────────────────────────────────────────────────────────────

LANGUAGE_HEAD = """\
# The rule language

A rule is true or false of every profile. It is written in English or in French, in any case, even mixed. Traits,
features, events and segments are named by their name or by their label in any language, without regard to case or
accents, spaces included; a name that holds a sign or a word of the language takes quotes: `"Came and left"`. The
French below is what Facette itself makes of the English.

`NOT` binds tightest, then `AND`, then `OR`; parentheses nest. A `WHERE` goes on as far as it can, so what follows `AND`
is about the same event; parentheses around the whole, `(DID … WHERE …) AND …`, end it. A comparison with an unknown
value is false, and its negation therefore true: a rule and its `NOT` always split the profiles in two. Text compares
without regard to case, after Unicode NFC and trimming; accents matter, and a letter has one lower case only, so that
`Σ` is `σ` and never `ς`. Counts and sums over no event are 0, every other measure of no event is unknown.

A rule is evaluated at an instant, from the events that had happened and were known (`known_at`) by then. Days are
those of the project's time zone. A window of N days starts at local midnight: N full days, and today so far. A week
is 7 days; a month goes back to the same day number or the month's last day; a year is 12 months. Windows and ages in
hours or minutes move in steps of 5 minutes, and no age is below 0. So between two midnights (or two steps, where
hours are spoken of) no membership changes unless an event or a trait arrives. A sender's clock that runs ahead by up
to 24 hours is corrected to the instant of receipt; an event further ahead is refused. Of several values of a trait
the project's `survivorship` decides; ties go to the most recent, then to the source listed first.

`THRESHOLD(name)` stands where a number may: it is the value that the run computed from the population at its moment.
It is compared with what is said of the person, in the same unit; not with a property of one event. An unknown
threshold, as of a population of whom nothing is known, makes a comparison false like any unknown value.
"""

JSON_EXAMPLE = "DID purchase WHERE amount > 50 IN THE LAST 30 DAYS AND NOT city = Nantes"
JSON_HEAD = """\
## Rules as JSON

Wherever a rule or a feature's value is written, its tree may stand instead: an object for every node, with its `kind`.
[The JSON Schema](rule.schema.json) is made from the same classes as this table. A rule is an `and`, `or`, `not`,
`compare`, `one_of`, `between`, `match`, `is_known`, `truth`, `did` or `in_segment`; an operand is a `name`,
`aggregate`, `arithmetic`, `number` or `threshold`; a value is a `text`, `number`, `boolean`, `date`, `instant`,
`relative_day`, `duration` or `threshold`. `{rule}` is

```json
{json}
```
"""

Forms = Mapping[str, str]
"""An example in English → what it means."""

RULE_FORMS: Mapping[str, Forms] = {
    "Values": {
        "city = Nantes": "equal; a bare word is text",
        "city = 'Le Mans'": "text with spaces or signs takes quotes",
        "city != Nantes": "different, or unknown",
        "basket >= 40.5": "likewise >, < and <=",
        "basket BETWEEN 20 AND 50": "both ends included",
        "basket NOT BETWEEN 20 AND 50": "outside, or unknown",
        "city IN (Nantes, Angers)": "one of several",
        "city NOT IN (Nantes, Angers)": "none of them, or unknown",
        "email CONTAINS example": "a part of the text",
        "email DOES NOT CONTAIN example": "not a part of it, or unknown",
        "city STARTS WITH Saint": "its start",
        "city DOES NOT START WITH Saint": "another start, or unknown",
        "email ENDS WITH '.fr'": "its end",
        "email DOES NOT END WITH '.fr'": "another end, or unknown",
        "city IS KNOWN": "there is a value",
        "city IS UNKNOWN": "there is none",
        "subscribed": "a boolean trait stands alone",
        "subscribed = yes": "the same; also true, oui, vrai",
        "score = high": "a band of a number, by its name or label",
        "basket > THRESHOLD(usual_basket)": "a threshold of the project, which every run computes anew",
    },
    "Dates and instants": {
        "born_on < 1990-01-01": "before that day",
        "contacted_on >= yesterday": "that day or later",
        "contacted_on < 7 DAYS": "less than 7 days ago",
        "contacted_at > 2026-11-22T08:30:00+01:00": "after that instant",
    },
    "Together": {
        "subscribed AND city = Nantes": "both",
        "subscribed OR city = Nantes": "one or both",
        "NOT subscribed": "not, or unknown",
        "subscribed AND (basket > 40 OR vip)": "nested; a segment can stand by its bare name",
        "IN SEGMENT vip": "a segment",
        "NOT IN SEGMENT vip": "not in it",
    },
    "Behaviour": {
        "DID purchase": "ever",
        "DID NOT purchase": "never",
        "DID purchase AT LEAST 3 TIMES IN THE LAST 30 DAYS": "often, lately",
        "DID purchase AT MOST 2 TIMES": "also true of those who never did",
        "DID purchase EXACTLY 2 TIMES": "no more, no less",
        "DID purchase MORE THAN 2 TIMES": "at least 3",
        "DID purchase LESS THAN 2 TIMES": "at most 1",
        "DID purchase WHERE category = bio AND amount > 50": "both of one and the same event",
        "(DID purchase WHERE category = bio) AND subscribed": "the second of the person",
        "FIRST DID purchase IN THE LAST 30 DAYS": "the first time ever lies in the window",
        "DID visit THEN purchase WITHIN 7 DAYS": "some visit, and a purchase at the same instant or within 7 days",
        "DID visit THEN NOT purchase WITHIN 7 DAYS": "some visit without one, more than 7 days ago",
        "DID add THEN NOT purchase ON basket WITHIN 2 DAYS": (
            "some basket added to that was not bought; an unknown basket is none"
        ),
        "DID add THEN purchase ON basket = order_id WHERE amount > 50 WITHIN 2 DAYS": (
            "the same value under another name"
        ),
        "DID visit WHERE page = cart THEN purchase WHERE amount > 50 WITHIN 2 HOURS IN THE LAST 30 DAYS": (
            "both lie in the window"
        ),
    },
    "Windows": {
        "DID visit IN THE LAST 7 DAYS": "7 full local days, and today so far",
        "DID visit IN THE 7 DAYS BEFORE THE LAST 7 DAYS": "the 7 full days before those",
        "DID visit IN THE LAST 2 WEEKS": "14 days",
        "DID visit IN THE LAST 3 MONTHS": "from the same day number on",
        "DID visit IN THE LAST YEAR": "12 months",
        "DID visit IN THE LAST 6 HOURS": "in steps of 5 minutes",
        "DID visit IN THE LAST 30 MINUTES": "in steps of 5 minutes",
        "DID visit SINCE 2026-01-01": "that day or later",
        "DID visit BEFORE yesterday": "earlier than that day",
        "DID visit BETWEEN 2026-01-01 AND 2026-03-31": "both days included",
    },
    "Measures of behaviour": {
        "SUM(amount) OF purchase IN THE LAST 90 DAYS > 100": "0 without events",
        "COUNT OF purchase > 3": "0 without events",
        "COUNT(amount) OF purchase > 3": "only those whose amount is known",
        "DISTINCT(category) OF purchase >= 3": "how many different values; 0 without events",
        "AVG(amount) OF purchase WHERE channel = web > 20": "mean; unknown without events, as are all below",
        "MIN(amount) OF purchase > 20": "smallest",
        "MAX(amount) OF purchase > 20": "largest",
        "FIRST(channel) OF purchase = web": "of the first event",
        "LAST(channel) OF purchase = web": "of the last event",
        "MODE(category) OF purchase = bio": "the most frequent one; of several the latest, then the smallest",
        "RECENCY OF purchase < 30": "days since the last event",
    },
}

VALUE_FORMS: Forms = {
    "SUM(amount) OF purchase IN THE LAST 90 DAYS": "a measure of behaviour",
    "spend_90d": "a trait or another feature",
    "spend_90d / n_orders_90d": "division by zero gives unknown",
    "(spend_90d + 10) * 2 - n_visits": "spaces around - between names",
    "spend_90d - THRESHOLD(usual_spend)": "a threshold of the project",
}

SPELLINGS: Mapping[str, tuple[str, ...]] = {
    "city != Nantes": ("city <> Nantes", "city ≠ Nantes", "city is not Nantes", "city n'est pas Nantes"),
    "city = 'Le Mans'": ('city = "Le Mans"', "city = « Le Mans »", "city is 'Le Mans'", "city est 'Le Mans'"),
    "basket >= 40.5": ("basket ≥ 40.5", "basket >= 40,5", "IF basket >= 40.5", "SI basket >= 40.5"),
    "city IN (Nantes, Angers)": ("city parmi (Nantes, Angers)", "city dans (Nantes, Angers)"),
    "DID NOT visit": ("didn't visit", "NOT did visit", "non a fait visit"),
}


def language_markdown() -> str:
    """The page about every form of the language.

    Raises RuleError if an example cannot be parsed, ValueError if its French or another spelling means something else.
    """
    sections = [
        _forms_section(title, forms, parse_rule, lambda text: print_rule(parse_rule(text), "fr"))
        for title, forms in RULE_FORMS.items()
    ]
    values = _forms_section(
        "The value of a feature", VALUE_FORMS, parse_value, lambda text: print_value(parse_value(text), "fr")
    )
    return "\n".join([LANGUAGE_HEAD, *sections, values, _spellings_section(), _json_section()])


def _forms_section(title: str, forms: Forms, parse: Callable[[str], object], french: Callable[[str], str]) -> str:
    rows = []
    for english, meaning in forms.items():
        _refuse_difference(parse, english, french(english))
        rows.append(f"| `{english}` | `{french(english)}` | {meaning} |")
    return "\n".join([f"## {title}\n", "| English | French | |", "|---|---|---|", *rows, ""])


def _spellings_section() -> str:
    rows = []
    for text, others in SPELLINGS.items():
        for other in others:
            _refuse_difference(parse_rule, text, other)
        rows.append(f"| `{text}` | {', '.join(f'`{other}`' for other in others)} |")
    return "\n".join(["## Other spellings\n", "| | is also read from |", "|---|---|", *rows, ""])


def _json_section() -> str:
    """How each kind of node looks: its keys and their types."""
    rows = []
    for schema in (rule_schema(), value_schema()):
        for model in schema["$defs"].values():
            kind = model["properties"]["kind"]["const"]
            required = model.get("required", ())
            keys = [
                f"`{key}`" + ("" if key in required else " (optional)") + f": {_node_type(item)}"
                for key, item in model["properties"].items()
                if key != "kind"
            ]
            rows.append(f"| `{kind}` | {'; '.join(keys)} |")
    example = json.dumps(to_json(parse_rule(JSON_EXAMPLE)), ensure_ascii=False, indent=1)
    lines = [JSON_HEAD.format(rule=JSON_EXAMPLE, json=example), "| kind | keys |", "|---|---|", *dict.fromkeys(rows)]
    return "\n".join([*lines, ""])


def _node_type(item: Mapping[str, Any]) -> str:
    match item:
        case {"anyOf": parts} | {"oneOf": parts}:
            parts = [part for part in parts if part.get("type") != "null"]
            nodes = frozenset(part["$ref"].rpartition("/")[2] for part in parts if "$ref" in part)
            return NODE_GROUPS.get(nodes) or " or ".join(_node_type(part) for part in parts)
        case {"type": "array", "items": items}:
            return f"list of {_node_type(items)}s"
        case {"$ref": reference}:
            return f"`{KINDS[reference.rpartition('/')[2]]}`"
    return _type(item)


KINDS = {node.__name__: kind_of(node) for node in NODES}
NODE_GROUPS = {
    frozenset(node.__name__ for node in nodes): name
    for name, nodes in (("rule", RULES), ("operand", OPERANDS), ("value", LITERALS))
}


def _refuse_difference(parse: Callable[[str], object], one: str, other: str) -> None:
    if parse(one) != parse(other):
        raise ValueError(f"these do not mean the same: {one} / {other}")


def rule_schema_text() -> str:
    """The JSON Schema of rules as JSON, as the text of a file."""
    return json.dumps(rule_schema(), ensure_ascii=False, indent=1) + "\n"


def write_pages(folder: Path) -> None:
    """Write both pages, and the JSON Schema of rules, into ``folder``."""
    (folder / "rule.schema.json").write_text(rule_schema_text(), encoding="utf-8")
    (folder / "definitions.md").write_text(definitions_markdown(), encoding="utf-8")
    (folder / "language.md").write_text(language_markdown(), encoding="utf-8")


if __name__ == "__main__":
    write_pages(Path(sys.argv[1]))
