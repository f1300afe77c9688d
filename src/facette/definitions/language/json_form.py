"""The tree of a rule as JSON, for pages and programs: one object per node, its ``kind`` and the fields of its class.

    {"kind": "compare", "left": {"kind": "name", "text": "score"}, "operator": ">", "right": …}

The shapes, their validation and their JSON Schema all come from the dataclasses of ``tree.py``. What only a checked
tree has (columns, lifted clauses) has no JSON: a rule is exchanged as it was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields
from datetime import date, datetime
from functools import cache
from types import UnionType
from typing import Annotated, Any, Literal, Union, cast, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Discriminator, Field, TypeAdapter, ValidationError, create_model

from facette.definitions.language import tree
from facette.definitions.language.messages import Refused
from facette.definitions.language.parser import MAXIMUM_DEPTH, refuse_depth
from facette.definitions.language.printer import print_rule, print_value
from facette.errors import RuleError

RULES: tuple[type[Any], ...] = (
    *(tree.And, tree.Or, tree.Not, tree.Compare, tree.OneOf, tree.Between, tree.Match, tree.IsKnown, tree.Truth),
    *(tree.Did, tree.InSegment),
)
OPERANDS: tuple[type[Any], ...] = (tree.Name, tree.Aggregate, tree.Arithmetic, tree.Number, tree.Threshold)
LITERALS: tuple[type[Any], ...] = (
    *(tree.Text, tree.Number, tree.Boolean, tree.Date, tree.Instant, tree.RelativeDay, tree.Duration, tree.Threshold),
)
NODES: tuple[type[Any], ...] = (
    *RULES,
    *OPERANDS,
    *(literal for literal in LITERALS if literal not in OPERANDS),
    *(tree.InTheLast, tree.Earlier, tree.Since, tree.Before, tree.BetweenDays, tree.Times, tree.Then),
)


def to_json(node: tree.Rule | tree.Operand) -> dict[str, Any]:
    """A tree as parsed, as plain data for ``json.dumps``; what is not said (None, false) is left out."""
    return cast(dict[str, Any], _plain(node))


def rule_from_json(data: Mapping[str, Any]) -> tree.Rule:
    """The tree that :func:`to_json` made plain. Raises RuleError, which names the key that is wrong."""
    return cast(tree.Rule, _read(data, "rule"))


def value_from_json(data: Mapping[str, Any]) -> tree.Operand:
    """The same of a feature's value."""
    return cast(tree.Operand, _read(data, "value"))


def rule_text(rule: str | Mapping[str, Any]) -> str:
    """A rule's text, whether it was written as text or as JSON. Raises RuleError."""
    return rule if isinstance(rule, str) else print_rule(rule_from_json(rule), "en")


def value_text(value: str | Mapping[str, Any]) -> str:
    """A feature's value as text, whether it was written as text or as JSON. Raises RuleError."""
    return value if isinstance(value, str) else print_value(value_from_json(value), "en")


def rule_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of rules as JSON."""
    return _adapter("rule").json_schema()


def value_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of features' values as JSON."""
    return _adapter("value").json_schema()


def kind_of(node_class: type) -> str:
    """``InTheLast`` → ``in_the_last``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", node_class.__name__).lower()


# ── to JSON ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # and datetime
        return value.isoformat()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not isinstance(value, NODES):
        return value
    told = {field.name: getattr(value, field.name) for field in fields(value) if field.compare}
    said = {name: _plain(item) for name, item in told.items() if item is not None and item is not False}
    if isinstance(value, tree.Boolean):
        said = {"value": value.value}
    return {"kind": kind_of(type(value)), **said}


# ── from JSON ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(data: Mapping[str, Any], what: Literal["rule", "value"]) -> Any:
    if _depth(data) > 4 * MAXIMUM_DEPTH:  # each condition is a few levels of JSON
        raise _wrong("It is nested too deeply.", "Make several segments of it.")
    try:
        model = _adapter(what).validate_python(data)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        kinds = {kind_of(node) for node in NODES}
        place = ".".join(str(step) for step in first["loc"] if step not in kinds)  # what pydantic adds: the kind chosen
        raise _wrong(f"{place or 'The whole'}: {first['msg']}.", "See “Rules as JSON” in docs/language.md.") from None
    node = _node(model)
    try:
        refuse_depth(node)
    except Refused as refused:
        raise refused.for_user("") from None
    return node


def _depth(data: object) -> int:
    level, depth = [data], 0
    while level:
        inner: list[object] = []
        for part in level:
            inner += part.values() if isinstance(part, Mapping) else part if isinstance(part, list) else ()
        level = [item for item in inner if isinstance(item, Mapping | list)]
        depth += 1
    return depth


def _wrong(message: str, remedy: str) -> RuleError:
    return RuleError(f"This is not a rule as JSON. {message}", text="", span=(0, 0), remedy=remedy)


def _node(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_node(item) for item in value)
    if not isinstance(value, BaseModel):
        return value
    (node_class,) = (node for node in NODES if kind_of(node) == value.kind)  # type: ignore[attr-defined]
    return node_class(**{name: _node(getattr(value, name)) for name in type(value).model_fields if name != "kind"})


# ── the models, made from the dataclasses ───────────────────────────────────────────────────────────────────────────


@cache
def _adapter(what: Literal["rule", "value"]) -> TypeAdapter[Any]:
    models = {node: _model(node) for node in NODES}
    names = {model.__name__: model for model in models.values()}
    for model in models.values():
        model.model_rebuild(_types_namespace=names)
    chosen = RULES if what == "rule" else OPERANDS
    return TypeAdapter(_one_of([models[node] for node in chosen]))


def _model(node: type[Any]) -> type[BaseModel]:
    """``Compare`` → a pydantic model with ``kind: "compare"`` and its fields, which refuses other keys."""
    hints = get_type_hints(node)
    shown: dict[str, Any] = {"kind": (Literal[kind_of(node)], ...)}
    for field in fields(node):
        if field.compare:
            default = ... if field.default is MISSING else field.default
            shown[field.name] = (_shape(hints[field.name]), default)
    doc = (node.__doc__ or "").strip() if not (node.__doc__ or "").startswith(f"{node.__name__}(") else None
    return create_model(node.__name__, __config__=CONFIG, __doc__=doc, **shown)


CONFIG = ConfigDict(frozen=True, extra="forbid", strict=True)


def _shape(hint: Any) -> Any:
    """A field's type with models in place of dataclasses; those that only checked trees have are left out."""
    if hint == tree.Measure:
        return tree.Function
    if hint in (date, datetime):
        return Annotated[hint, Field(strict=False)]
    if get_origin(hint) is tuple:
        several = tuple.__class_getitem__((_shape(get_args(hint)[0]), ...))
        return Annotated[several, Field(strict=False, min_length=1)]
    if get_origin(hint) not in (Union, UnionType):
        return hint.__name__ if hint in NODES else hint
    nodes = [part.__name__ for part in get_args(hint) if part in NODES]
    plain = [part for part in get_args(hint) if part in (type(None), str, int, float, bool)]
    return _any_of([*([_one_of(nodes)] if nodes else []), *plain])


def _one_of(models: Sequence[Any]) -> Any:
    """Any of several models (or their names), told apart by their ``kind``."""
    return models[0] if len(models) == 1 else Annotated[_any_of(models), Discriminator("kind")]


def _any_of(types: Sequence[Any]) -> Any:
    return Union.__getitem__(tuple(types))
