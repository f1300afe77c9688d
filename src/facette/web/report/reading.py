"""A published snapshot read for a report: rows of its tables, and what people call the things in them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast

from facette.definitions.base import BandDefinition
from facette.definitions.language import print_rule
from facette.definitions.language.tree import Rule
from facette.definitions.model import Definition, Feature, Label, Language, Named, Source
from facette.definitions.models import Model
from facette.definitions.project import Definitions
from facette.models.clusters.fitted import FittedClusters
from facette.models.maps import FittedMap
from facette.models.scores import FittedPropensity
from facette.plan import changed_parts
from facette.queries import Published
from facette.validation.quantities import NO_BREAK
from facette.validation.verdicts import sentence
from facette.web.report.rules import Ends, with_bands
from facette.web.report.words import Words

if TYPE_CHECKING:
    from facette.live_queries import SinceRun

Row = dict[str, Any]


@dataclass(frozen=True)
class Reading:
    """What the sections of the report share."""

    published: Published
    words: Words

    @property
    def definitions(self) -> Definitions:
        return self.published.definitions

    @property
    def sources(self) -> tuple[Source, ...]:
        return self.definitions.project.sources

    @property
    def language(self) -> Language:
        return self.words.language

    # ── tables ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def has(self, table: str) -> bool:
        return bool(self.published.snapshot.tables.get(table))

    def rows(self, table: str) -> list[Row]:
        """All rows of a small table; none if the snapshot has no such table."""
        return self.published.table(table).to_pyarrow().to_pylist() if self.has(table) else []

    @cached_property
    def runs(self) -> list[str]:
        """The runs whose sizes are known, by the instant they were for."""
        return list(dict.fromkeys(row["run"] for row in self._sizes_by_run))

    @cached_property
    def sizes(self) -> list[Row]:
        """Size of each published segment, largest first."""
        latest = self.published.sizes_now() if self.has("sizes") else []
        return sorted(latest, key=lambda row: (-row["members"], row["segment"]))

    @cached_property
    def history(self) -> dict[str, list[Row]]:
        """Segment → its sizes, oldest first."""
        found: dict[str, list[Row]] = {row["segment"]: [] for row in self.sizes}
        for row in self._sizes_by_run:
            if row["segment"] in found:
                found[row["segment"]].append(row)
        return found

    @cached_property
    def live(self) -> SinceRun | None:
        """What a worker has told since the run."""
        if not (self.published.store.folder / "live" / "state.db").is_file():
            return None  # nor need there be what live takes to be installed
        from facette.live_queries import Current  # noqa: PLC0415

        return Current(self.definitions).since(self.published.snapshot)

    @cached_property
    def _sizes_by_run(self) -> list[Row]:
        return sorted(self.rows("sizes"), key=lambda row: (row["as_of"], row["run"]))

    @cached_property
    def verdicts(self) -> dict[tuple[str, str], Row]:
        """(kind, name) → verdict."""
        return {(row["kind"], row["name"]): row for row in self.rows("verdicts")}

    @cached_property
    def main_effects(self) -> dict[str, Row]:
        """Segment → its members beside everybody else, in the main KPI."""
        rows = (row for row in self.rows("effects") if row["relation"] == "others" and row["kpi"] == self.kpi)
        return {row["segment"]: row for row in rows}

    @cached_property
    def traits(self) -> dict[str, list[Row]]:
        """Segment, or ``clustering:number`` → its most distinguishing traits, in order."""
        found: dict[str, list[Row]] = {}
        for row in sorted(self.rows("portraits"), key=lambda row: row["position"]):
            found.setdefault(row["segment"], []).append(row)
        return found

    @cached_property
    def population(self) -> int:
        """Profiles counted."""
        if self.sizes:
            return self.sizes[0]["population"]
        return int(self.published.table("features").count().to_pyarrow().as_py()) if self.has("features") else 0

    # ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def models(self) -> dict[str, Row]:
        return {row["name"]: row for row in self.rows("models")}

    def clustering(self, name: str) -> FittedClusters | None:
        row = self.models.get(name)
        return FittedClusters.from_json(row["parameters"], row["metrics"]) if row else None

    def propensity(self, name: str) -> FittedPropensity | None:
        row = self.models.get(name)
        return FittedPropensity.from_json(row["parameters"], row["metrics"]) if row else None

    def map(self, name: str) -> FittedMap | None:
        row = self.models.get(name)
        return FittedMap.from_json(row["parameters"], row["metrics"]) if row else None

    # ── names ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def label(self, label: Label, name: str) -> str:
        """The label in the report's language, else in the other one, else the name."""
        other: Language = "en" if self.language == "fr" else "fr"
        return getattr(label, self.language) or getattr(label, other) or name

    def description(self, item: Named) -> str:
        """In the report's language, where there is one per language."""
        return item.description if isinstance(item.description, str) else self.label(item.description, "")

    def label_in(self, items: tuple[Definition, ...], name: str) -> str:
        """The label of the definition of that name."""
        for item in items:
            if getattr(item, "name", None) == name:
                return self.label(item.label, name)  # type: ignore[attr-defined]
        return name

    def segment(self, name: str) -> str:
        return _capital(self.label_in(self.definitions.project.segments, name))

    def called(self, name: str) -> str:
        """What people call a segment, a trait, a feature, a threshold or a model."""
        project = self.definitions.project
        for items in (project.segments, project.features, project.thresholds, project.models):
            if any(item.name == name for item in items):
                return self.label_in(items, name)
        return self.column(name)

    def source(self, name: str) -> str:
        return self.label_in(self.definitions.project.sources, name)

    def event(self, name: str) -> str:
        event = self.definitions.vocabulary.events.get(name)
        return self._of(event.labels, name) if event else name

    def column(self, name: str) -> str:
        """What people call a trait, a feature or a model's output, with a capital."""
        column = self.definitions.vocabulary.columns.get(name)
        return _capital(self._of(column.labels, name)) if column else name

    def field(self, name: str) -> str:
        """What people call a trait, an identifier, or the property of some event."""
        for event in self.definitions.vocabulary.events.values():
            if name in event.properties and name not in self.definitions.vocabulary.columns:
                return _capital(self._of(event.properties[name].labels, name))
        return self.column(name)

    def unit(self, column: str) -> str:
        found = self.definitions.vocabulary.columns.get(column)
        return found.unit if found else ""

    def quantity(self, column: str, value: float | None) -> str:
        return self.words.quantity(value, self.unit(column))

    def rule(self, segment: str) -> str:
        checked = self.definitions.rules.get(segment)
        if checked is None:
            return ""
        return print_rule(with_bands(cast(Rule, checked.rule), self._bands), self.language, self.definitions.vocabulary)

    @cached_property
    def _bands(self) -> dict[str, dict[Ends, str]]:
        """Column → ends of each of its bands → its label."""
        project = self.definitions.project
        found: dict[str, dict[Ends, str]] = {}
        for item in (*project.features, *project.models):
            low = None
            for band in bands_of(item):
                found.setdefault(item.name, {})[low, band.below] = self.label(band.label, band.name)
                low = band.below
        return found

    def reason(self, row: Mapping[str, Any]) -> str:
        """Why a verdict is what it is, without repeating the verdict; with the KPI's unit where it is told."""
        told = row[f"reason_{self.language}"] or ""
        if row["kind"] == "segment" and row["kpi"] and "validation" not in self.changed:
            column = self.definitions.vocabulary.columns[row["kpi"]]
            name = Label.model_validate({self.language: self._of(column.labels, column.name)})
            told = sentence(row, self.definitions.project.validation, kpi=name, unit=column.unit)[self.language]
        text = re.sub(r" ([<=]) (?=\d)", rf"{NO_BREAK}\1{NO_BREAK}", self.words.typeset(told))
        said = self.words.say(f"verdict_{row['verdict']}")
        return _capital(re.sub(rf"^{re.escape(said)}\s*:\s*", "", text))

    # ── the KPI ─────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def kpi(self) -> str | None:
        return self.definitions.project.validation.kpi

    @property
    def centre(self) -> Literal["median", "mean"]:
        """What goes with the test of the project: the test of Kruskal and Wallis compares ranks, and knows no mean."""
        return "median" if self.definitions.project.validation.test == "kruskal" else "mean"

    @cached_property
    def changed(self) -> set[str]:
        """The parts of the definitions that have changed since the run."""
        return changed_parts(self.definitions, self.published.snapshot)

    def _of(self, labels: Mapping[str, str], name: str) -> str:
        return labels.get(self.language) or next(iter(labels.values()), name)


def bands_of(item: Feature | Model) -> tuple[BandDefinition, ...]:
    """The named bands of a feature or of what a model says; most kinds of models have none."""
    return getattr(item, "bands", ())


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
