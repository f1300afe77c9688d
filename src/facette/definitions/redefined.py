"""What became of the definitions since a run: those it was made with, and which segments no longer mean the same."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Any

from facette.definitions.model import Project, Segment
from facette.definitions.project import Definitions, define

KEPT = ("features", "models", "segments")
"""What a snapshot keeps of the definitions: what decides memberships, once people and events are known."""


def written(definitions: Definitions) -> dict[str, Any]:
    """The features, models and segments of a project as plain data."""
    return definitions.project.model_dump(mode="json", include=set(KEPT), exclude_defaults=True)


def rewritten(definitions: Definitions, kept: Mapping[str, Any]) -> Definitions:
    """Today's project, with the features, models and segments that :func:`written` gave at another time.

    DefinitionError if they do not go together with today's sources.
    """
    project = Project.model_validate({"name": definitions.project.name, **kept})
    parts = {part: getattr(project, part) for part in KEPT}
    return define(definitions.project.model_copy(update=parts), definitions.folder)


def in_force(now: Definitions, kept: Mapping[str, Any], held: Collection[str]) -> Definitions:
    """Now's definitions, but those of some segments as they were; without those that were not there.

    kept : what :func:`written` gave of the definitions before; empty if there were none
    DefinitionError if they do not go together.
    """
    before = {item["name"]: Segment.model_validate(item) for item in kept.get("segments", ())}
    segments = [before.get(item.name) if item.name in held else item for item in now.project.segments]
    there = tuple(item for item in segments if item is not None)
    return define(now.project.model_copy(update={"segments": there}), now.folder)


def rule_version(name: str, definitions: Definitions) -> str:
    """A short text that is the same as long as the own rule of a segment means the same."""
    return hashlib.sha256(repr(definitions.rules[name].rule).encode()).hexdigest()[:16]


def redefined(now: Definitions, before: Definitions) -> dict[str, str]:
    """Segment → why it does not mean what it meant before, each after those it refers to."""
    reasons: dict[str, str] = {}
    for name, checked in now.rules.items():
        read = [column for column in sorted(checked.columns) if not _is_same(column, now, before)]
        others = [other for other in sorted(checked.segments) if other in reasons]
        if name not in before.rules:
            reasons[name] = "new"
        elif repr(checked.rule) != repr(before.rules[name].rule):
            reasons[name] = "its rule changed"
        elif read:
            reasons[name] = f"it reads {', '.join(read)}, which changed"
        elif others:
            reasons[name] = f"it refers to {', '.join(others)}, which changed"
    return reasons


def same_features(now: Definitions, before: Definitions) -> set[str]:
    """The features that are computed now as they were before."""
    return {name for name in now.features if name in before.features and _is_same(name, now, before)}


def _is_same(column: str, now: Definitions, before: Definitions) -> bool:
    """Whether a trait, a feature or the output of a model is what it was."""
    return now.column_fingerprint(column) == before.column_fingerprint(column)
