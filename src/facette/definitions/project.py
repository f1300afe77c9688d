"""A project: everything its folder declares, checked as a whole, with all problems found at once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import BaseModel

from facette.definitions.documents import read_documents
from facette.definitions.findings import Findings, KeyPath, Place, Places
from facette.definitions.language.tree import Aggregate, Checked, Rule
from facette.definitions.language.vocabulary import Property, Vocabulary
from facette.definitions.live import Live, liveness
from facette.definitions.model import Feature, Project, Segment, Threshold, can_fall_apart
from facette.definitions.models import Model, PropensityModel, outputs
from facette.definitions.naming import check_names, labels
from facette.definitions.resolution import Resolution
from facette.definitions.shape import validate
from facette.definitions.sink_checks import check_sinks, check_traits_kept
from facette.definitions.source_checks import check_settings, check_sources, events_of, traits_of
from facette.definitions.text_checks import check_texts, reads_of, tables_read
from facette.definitions.texts import AnyReading, readings
from facette.errors import DefinitionError, Problem

ONLY_WORDS = ("label", "description", "unit", "live")
"""Keys that change what people read or what is refused, never what is computed."""

ONLY_COLLECTING = ("write_keys", "rate_limit", "keep_days", "most_waiting", "most_megabytes")
"""Keys of sources that change what comes into a log from now on, never what is in it."""


@dataclass(frozen=True)
class Definitions:
    """A project that holds together. Every mapping goes from name to result.

    folder     : where the project's files are
    project    : what was written
    vocabulary : what rules may name; columns are identifiers (text), traits, features and model outputs
    traits     : the traits that sources give, without identifiers
    features   : names of all features, each after those it reads
    order      : names of all features and thresholds, each after those it needs
    values     : checked values of the features that have one, in that order
    rules      : checked rules of the segments, each after those it reads; being in the parent is part of the rule
    targets    : propensity model → checked condition on its event, or None
    inputs     : model → the columns of the wide row that it reads; of all models, each after those it reads
    aggregates : column → aggregate that values, rules and models need computed
    live       : feature or threshold → whether it can be kept up to date event by event
    warnings   : what holds together but is probably not meant
    """

    folder: Path
    project: Project
    vocabulary: Vocabulary
    traits: Mapping[str, Property]
    features: tuple[str, ...]
    values: Mapping[str, Checked]
    rules: Mapping[str, Checked]
    targets: Mapping[str, Rule | None]
    inputs: Mapping[str, tuple[str, ...]]
    aggregates: Mapping[str, Aggregate]
    order: tuple[str, ...]
    live: Mapping[str, Live]
    warnings: tuple[Problem, ...] = field(default=(), compare=False)

    def feature(self, name: str) -> Feature:
        return {item.name: item for item in self.project.features}[name]

    def threshold(self, name: str) -> Threshold:
        return {item.name: item for item in self.project.thresholds}[name]

    def model(self, name: str) -> Model:
        return {item.name: item for item in self.project.models}[name]

    # ── models and what they read ───────────────────────────────────────────────────────────────────────────────────

    @property
    def models(self) -> tuple[Model, ...]:
        """All models, each after those it reads."""
        return tuple(map(self.model, self.inputs))

    @property
    def makers(self) -> dict[str, Model]:
        """Column that a model gives → the model."""
        return {column: model for model in self.models for column in outputs(model)}

    def models_behind(self, columns: Iterable[str], there: Collection[str] = ()) -> list[Model]:
        """The models that give some of the columns, and those that these read, each after those it reads.

        there : columns for which no model is needed
        """
        wanted, found = set(columns).difference(there), []
        for model in reversed(self.models):
            if wanted.intersection(outputs(model)):
                found.append(model)
                wanted |= set(self.inputs[model.name]).difference(there)
        return found[::-1]

    def columns_behind(self, columns: Iterable[str], there: Collection[str] = ()) -> set[str]:
        """The columns, and those that the models behind them read."""
        wanted = set(columns)
        return wanted.union(*(self.inputs[model.name] for model in self.models_behind(wanted, there)))

    def segment(self, name: str) -> Segment:
        return {item.name: item for item in self.project.segments}[name]

    # ── what changed since a run ────────────────────────────────────────────────────────────────────────────────────
    # A checked tree shows only its meaning, and an aggregate's column is named by the aggregate's meaning.

    @property
    def sources_fingerprint(self) -> str:
        """Of all that decides profiles and events. Labels and descriptions never count, here or below."""
        project = self.project
        settings = (project.time_zone, project.country, project.population, project.survivorship)
        per_trait = sorted(project.trait_survivorship.items())
        texts = [self.text_fingerprint(name) for name in reads_of(project)]
        made = ["events with what placed them"] if can_fall_apart(project.identifiers) else []  # runs before had none
        meant = map(_meaning, (*project.identifiers, *project.sources))
        return _fingerprint(settings, per_trait, texts, *meant, *made)

    def text_reading(self, name: str) -> AnyReading:
        return readings(self.project.texts)[name]

    def text_fingerprint(self, name: str) -> str:
        """Of how one text is read; not of the texts that it learns from."""
        return _fingerprint(_meaning(self.text_reading(name)))

    @property
    def features_fingerprint(self) -> str:
        """Of all features and thresholds and of the aggregates that rules need; not of the sources below them."""
        return _fingerprint(sorted(self.aggregates), *(self.feature_fingerprint(name) for name in sorted(self.order)))

    def feature_fingerprint(self, name: str) -> str:
        """Of one feature or threshold and of those it reads; a trait counts by its name alone."""
        if name in self.vocabulary.thresholds:
            return self._threshold_fingerprint(name)
        if name not in self.features:
            return name
        definition, checked = self.feature(name), self.values.get(name)
        score = definition.quantiles or definition.cuts
        reads = [score.of] if score else sorted(checked.columns if checked else ())
        own = [_meaning(item) for item in definition if item[0] not in ("value", "bands", *ONLY_WORDS)]
        return _fingerprint(own, repr(checked and checked.rule), *(self.feature_fingerprint(read) for read in reads))

    def _threshold_fingerprint(self, name: str) -> str:
        """Of one threshold, of what it is of, and of the rules that choose the members it is computed from."""
        threshold = self.threshold(name)
        rules = self.rules_below(
            [threshold.quantile.segment] if threshold.quantile and threshold.quantile.segment else []
        )
        reads = sorted({threshold.of, *(column for rule in rules.values() for column in rule.columns)})
        own = [_meaning(item) for item in threshold if item[0] not in ONLY_WORDS]
        trees = [repr(rule.rule) for rule in rules.values()]
        return _fingerprint(own, trees, *(self.feature_fingerprint(read) for read in reads))

    def rules_below(self, segments: Iterable[str]) -> dict[str, Checked]:
        """The rules of some segments and of all that they refer to, each after those it reads."""
        wanted = set(segments)
        for name in reversed([*self.rules]):
            wanted |= self.rules[name].segments if name in wanted else set()
        return {name: rule for name, rule in self.rules.items() if name in wanted}

    def model_fingerprint(self, name: str) -> str:
        """Of one model, of its checked target and of what it reads; bands only name its output."""
        model = self.model(name)
        own = [_meaning(item) for item in model if item[0] not in ("where", "bands", *ONLY_WORDS)]
        return _fingerprint(own, repr(self.targets.get(name)), *map(self.column_fingerprint, self.inputs[name]))

    def column_fingerprint(self, name: str) -> str:
        """Of what makes a column of the wide row; of an aggregate its name, which tells its meaning."""
        maker = self.makers.get(name)
        return self.feature_fingerprint(name) if maker is None else self.model_fingerprint(maker.name)

    @property
    def segments_fingerprint(self) -> str:
        """Of all rules, parents included; not of the features and models they read."""
        return _fingerprint(sorted((name, repr(checked.rule)) for name, checked in self.rules.items()))


def load(folder: Path) -> Definitions:
    """Read and check the project in ``folder``.

    Raises DefinitionError with every problem found, each with its file and line.
    """
    places: dict[KeyPath, Place] = {}
    findings = Findings(Places(places))
    data, is_complete = read_documents(folder, places, findings)
    if not is_complete:
        data.setdefault("name", "unread")
    project = validate(data, findings)
    if not is_complete:  # half a project is full of unknown names
        raise DefinitionError(findings.errors)
    return _checked(project, folder, findings)


def define(project: Project, folder: Path = Path()) -> Definitions:
    """Check a project that was built in Python; the places of its problems are not known.

    Raises DefinitionError with every problem found.
    """
    return _checked(project, folder, Findings(Places()))


def _checked(project: Project, folder: Path, findings: Findings) -> Definitions:
    check_settings(project, findings)
    check_names(project, findings)
    check_sources(project, findings)
    check_texts(project, findings)
    check_sinks(project, findings)
    identifiers = {item.name: Property(item.name, "text", labels(item.label)) for item in project.identifiers}
    traits = traits_of(project, findings)
    resolution = Resolution(project, identifiers | traits, events_of(project, findings), findings)
    check_traits_kept(project, {*traits, *resolution.features, *_outputs(project)}, findings)
    _warn(project, findings)
    live = liveness(project, resolution.order, resolution.values)
    for i, feature in enumerate(project.features):
        if feature.live and feature.name in live and not live[feature.name].is_live:
            message = f"feature `{feature.name}` cannot be kept live: {live[feature.name].reason}"
            findings.error(("features", i, "live"), message, "leave `live` out, or compute it otherwise")
    if findings.errors:
        raise DefinitionError(findings.errors)
    return Definitions(
        folder=folder,
        project=project,
        vocabulary=resolution.vocabulary,
        traits=traits,
        features=resolution.features,
        values=resolution.values,
        rules=resolution.rules,
        targets=resolution.targets,
        inputs={name: resolution.inputs[name] for name in resolution.models},
        aggregates=_aggregates([*resolution.values.values(), *resolution.rules.values()]) | resolution.aggregates,
        order=resolution.order,
        live=live,
        warnings=tuple(findings.warnings),
    )


def _outputs(project: Project) -> set[str]:
    return {column for item in project.models for column in outputs(item)}


def _warn(project: Project, findings: Findings) -> None:
    """What is allowed, but seldom meant."""
    if any(isinstance(model, PropensityModel) for model in project.models):
        for i, source in enumerate(project.sources):
            if source.people and source.people.fields and source.people.known_at is None:
                message = f"source `{source.name}` does not say when its rows were known"
                remedy = "give `known_at`; without it a propensity model learns from the past with today's traits"
                findings.warning(("sources", i, "people"), message, remedy)
    for i, segment in enumerate(project.segments):
        if not labels(segment.label):
            message = f"segment `{segment.name}` has no label"
            findings.warning(("segments", i), message, "give one, for those who read the report")
    read = {lookup.source for source in project.sources for event in source.events for lookup in event.lookups}
    read |= {lookup.source for source in project.sources if source.people for lookup in source.people.lookups}
    read |= set(tables_read(project))
    for i, source in enumerate(project.sources):
        if source.table and source.name not in read:
            message = f"nothing looks anything up in `{source.name}`"
            findings.warning(("sources", i), message, "add a lookup, or remove the source")


def _aggregates(checked: Iterable[Checked]) -> dict[str, Aggregate]:
    return {name: aggregate for item in checked for name, aggregate in item.aggregates.items()}


def _meaning(value: object) -> object:
    """Definitions as plain data, without what only people read, at any depth."""
    if isinstance(value, BaseModel):
        return {key: _meaning(item) for key, item in value if key not in ONLY_WORDS + ONLY_COLLECTING}
    if isinstance(value, dict):
        return {key: _meaning(item) for key, item in value.items()}
    return [_meaning(item) for item in value] if isinstance(value, tuple) else value


def _fingerprint(*parts: object) -> str:
    """A short stable hash of plain data."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
