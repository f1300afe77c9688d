"""Features, thresholds, models and segments against the names that there are: checked, in the order of dependence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import cast

from facette.definitions.dependence import above, below, in_order
from facette.definitions.findings import Findings, KeyPath, suggestion
from facette.definitions.language import aggregate_name, check_rule, check_value, check_where, parse_value
from facette.definitions.language.tree import (
    Aggregate,
    And,
    Arithmetic,
    Checked,
    Column,
    Earlier,
    InSegment,
    InTheLast,
    Name,
    Operand,
    Or,
    Rule,
    ValueType,
)
from facette.definitions.language.vocabulary import Band, Event, Property, SegmentName, Vocabulary, fold
from facette.definitions.merged_groups import merged_groups
from facette.definitions.model import BandDefinition, Feature, Named, Project, Threshold, Trend
from facette.definitions.model_checks import check_parts, purchases
from facette.definitions.models import (
    METHODS_WITH,
    TREES,
    ClusterMethod,
    ClustersModel,
    CompositeModel,
    MapModel,
    Model,
    PropensityModel,
    ValueModel,
    features_of,
    merged_ends,
    outputs,
)
from facette.definitions.naming import Thing, check_answers, labels
from facette.definitions.preparing_checks import check_preparing
from facette.errors import RuleError


class Resolution:
    """Checks features, then models, then segments; each may name what comes before it, segments also each other.

    Thresholds may be named by features and segments, and be of them; only circles are refused. Afterwards every mapping
    goes from name to result, in the order of dependence. Whatever is wrong is in ``findings``.

    columns  : traits, features and model outputs
    features : names of all features
    order    : names of all features and thresholds, each after those it needs
    values   : checked values of the features that have one
    targets  : propensity model → checked condition on its event, if it has one
    models   : names of all models, each after those it reads
    inputs   : model → the columns of the wide row that it reads, and the aggregates among them that it needs computed
    rules    : checked rules of the segments
    """

    def __init__(
        self, project: Project, traits: Mapping[str, Property], events: Mapping[str, Event], findings: Findings
    ) -> None:
        self.project = project
        self.findings = findings
        self.events = events
        self.columns = dict(traits)
        self.features: tuple[str, ...] = ()
        self.values: dict[str, Checked] = {}
        self.targets: dict[str, Rule | None] = {}
        self.models: tuple[str, ...] = ()
        self.inputs: dict[str, tuple[str, ...]] = {}
        self.aggregates: dict[str, Aggregate] = {}
        self.rules: dict[str, Checked] = {}
        self.order: tuple[str, ...] = ()
        self.thresholds = self._thresholds()
        self._resolve_features()
        for i, threshold in enumerate(project.thresholds):
            self._check_threshold(threshold, ("thresholds", i))
        self._resolve_models()
        self._resolve_segments()
        self._order_thresholds()

    @property
    def vocabulary(self) -> Vocabulary:
        there = [item for item in self.project.segments if item.merged_into is None]
        segments = {item.name: SegmentName(item.name, labels(item.label)) for item in there}
        return Vocabulary(self.columns, self.events, segments, self.thresholds)

    # ── features ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _resolve_features(self) -> None:
        definitions = {feature.name: (("features", i), feature) for i, feature in enumerate(self.project.features)}
        needs = {name: self._needs(feature) for name, (_, feature) in definitions.items()}
        for name in self._in_order("features", needs, {name: path for name, (path, _) in definitions.items()}):
            path, feature = definitions[name]
            self._check_bands(feature.bands, (*path, "bands"))
            type_ = self._type_of(feature, path)
            if type_ is None:
                self.findings.give_up(name, *labels(feature.label).values())
                continue
            for key in ("default", "bands"):
                if type_ != "number" and getattr(feature, key):
                    message = f"`{key}` is for numbers, and `{name}` is {type_}"
                    self.findings.error((*path, key), message, f"leave `{key}` out")
            self.columns[name] = Property(name, type_, labels(feature.label), bands(feature.bands), feature.unit)
            self.features += (name,)

    def _needs(self, feature: Feature) -> list[str]:
        """The features that a feature reads; a value that cannot be parsed reads none."""
        if other := feature.quantiles or feature.cuts or feature.trend:
            return [other.of]
        try:
            written = list(names_in(parse_value(feature.value or "0"), feature.value or ""))
        except RuleError:
            return []  # reported when the value is checked
        answers = self._answers(self.project.features)
        return [answers[fold(name)] for name in written if fold(name) in answers]

    def _type_of(self, feature: Feature, path: KeyPath) -> ValueType | None:
        """The type of a feature's values; None if they cannot be computed."""
        kinds = [kind for kind in ("value", "quantiles", "cuts", "trend") if getattr(feature, kind) is not None]
        if len(kinds) != 1:
            message = f"feature `{feature.name}` needs one of `value`, `quantiles`, `cuts` and `trend`"
            self.findings.error(path, message, "say by one of the four how it is computed")
            return None
        if feature.cuts and list(feature.cuts.at) != sorted(set(feature.cuts.at)):
            message = f"the cuts of `{feature.name}` do not ascend"
            self.findings.error((*path, "cuts", "at"), message, "order them from low to high, each once")
        if score := feature.quantiles or feature.cuts:
            is_number = self._check_column(score.of, (*path, kinds[0], "of"), ("number",))
            return "number" if is_number else None
        if feature.trend:
            return self._type_of_trend(feature, feature.trend, (*path, "trend", "of"))
        assert feature.value is not None
        try:
            checked = check_value(feature.value, Vocabulary(self.columns, self.events, {}, self.thresholds))
        except RuleError as error:
            start, end = error.span
            outputs = self._answers([*self.project.models, *self.project.segments])
            if fold(error.text[start:end]) in outputs:
                message = "a feature cannot read a model or a segment: those are made from features"
                error = RuleError(message, text=error.text, span=error.span, remedy="use features and traits only")
            self.findings.rule_error((*path, "value"), f"feature `{feature.name}`", error)
            return None
        self.values[feature.name] = checked
        return checked.type

    def _type_of_trend(self, feature: Feature, trend: Trend, path: KeyPath) -> ValueType | None:
        """A trend is a value like any other: of its measure, and of the same measure in the window before."""
        if not self._check_column(trend.of, path, ("number",)):
            return None
        checked = self.values.get(trend.of)
        now = checked.rule if checked else None
        aggregate = checked.aggregates.get(now.name) if checked and isinstance(now, Column) else None
        if not (aggregate and isinstance(now, Column) and isinstance(aggregate.window, InTheLast)):
            message = f"`{trend.of}` is not one measure of the last days, weeks, months, hours …"
            self.findings.error(path, message, "name a feature such as SUM(amount) OF purchase IN THE LAST 30 DAYS")
            return None
        window = aggregate.window
        earlier = replace(aggregate, window=Earlier(window.amount, window.amount, window.unit))
        before = Column(aggregate_name(earlier), "number", earlier)
        change: Operand = Arithmetic("-", now, before)
        if trend.change == "ratio":
            change = Arithmetic("/", change, before)
        self.values[feature.name] = Checked(
            change, {now.name: aggregate, before.name: earlier}, frozenset(), frozenset(), "number"
        )
        return "number"

    def _check_bands(self, definitions: Sequence[BandDefinition], path: KeyPath) -> None:
        things = [Thing("band", band.name, band.label, (*path, i)) for i, band in enumerate(definitions)]
        check_answers(things, self.findings)
        previous = None
        for i, band in enumerate(definitions):
            is_last = i == len(definitions) - 1
            if is_last != (band.below is None):
                remedy = "leave out `below` of the last band, and only there"
                self.findings.error((*path, i), f"band `{band.name}` has the wrong end", remedy)
            elif previous is not None and band.below is not None and band.below <= previous:
                message = f"band `{band.name}` ends where or before the previous one does"
                self.findings.error((*path, i), message, "order the bands from low to high")
            previous = band.below

    # ── thresholds ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _thresholds(self) -> dict[str, Property]:
        """What rules and values may name; all are numbers, of the unit of what they are of."""
        units = {name: column.unit for name, column in self.columns.items()}
        units |= {feature.name: feature.unit for feature in self.project.features}
        return {
            item.name: Property(item.name, "number", labels(item.label), unit=units.get(item.of, ""))
            for item in self.project.thresholds
        }

    def _check_threshold(self, threshold: Threshold, path: KeyPath) -> None:
        kinds = [kind for kind in ("moving_average", "quantile", "cluster") if getattr(threshold, kind) is not None]
        if len(kinds) != 1:
            message = f"threshold `{threshold.name}` needs one of `moving_average`, `quantile` and `cluster`"
            self.findings.error(path, message, "say by one of the three how it is computed")
        self._check_column(threshold.of, (*path, "of"), ("number",))
        if threshold.cluster and threshold.cluster.cut >= threshold.cluster.groups:
            message = f"{threshold.cluster.groups} groups have {threshold.cluster.groups - 1} cuts between them"
            self.findings.error((*path, "cluster", "cut"), message, "name one of these, 1 for the lowest")

    def _order_thresholds(self) -> None:
        """Refuse circles through thresholds, and thresholds that need what comes after them."""
        paths: dict[str, KeyPath] = {item.name: ("features", i) for i, item in enumerate(self.project.features)}
        paths |= {item.name: ("thresholds", i) for i, item in enumerate(self.project.thresholds)}
        segments: dict[str, KeyPath] = {item.name: ("segments", i) for i, item in enumerate(self.project.segments)}
        needs = self._needs_of_all()
        order = self._in_order("features, thresholds and segments", needs, paths | segments)
        self.order = tuple(name for name in order if name not in segments)
        models = {name for item in self.project.models for name in outputs(item)}
        averages = {item.name for item in self.project.thresholds if item.moving_average}
        for item in self.project.thresholds:
            needed = below(item.name, needs)
            if needed & models and item.of not in models:
                message = f"threshold `{item.name}` needs a model ({', '.join(sorted(needed & models))})"
                remedy = "choose a segment that reads features and traits only: models are made after thresholds"
                self.findings.error(paths[item.name], message, remedy)
            if item.moving_average and needed & averages:
                message = f"threshold `{item.name}` is a moving average of another one ({', '.join(needed & averages)})"
                self.findings.error(paths[item.name], message, "take the average of a feature that reads none")

    def _needs_of_all(self) -> dict[str, list[str]]:
        """Feature, threshold, or segment that a threshold is about → the names it needs, as far as they are checked."""
        needs: dict[str, list[str]] = {}
        definitions = {feature.name: feature for feature in self.project.features}
        for name in self.features:
            checked = self.values.get(name)
            needs[name] = sorted(checked.columns) if checked else self._needs(definitions[name])
        segments = {item.name for item in self.project.segments if item.merged_into is None}
        waiting = []
        for i, threshold in enumerate(self.project.thresholds):
            needs[threshold.name] = [threshold.of]
            segment = threshold.quantile and threshold.quantile.segment
            if segment and segment not in segments:
                self.findings.unknown(("thresholds", i, "quantile", "segment"), "segment", segment, segments)
            elif segment:
                needs[threshold.name].append(segment)
                waiting.append(segment)
        while waiting:
            segment = waiting.pop()
            if segment in self.rules and segment not in needs:
                checked = self.rules[segment]
                needs[segment] = sorted(checked.columns | checked.segments)
                waiting += checked.segments
        return needs

    # ── models ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def _resolve_models(self) -> None:
        models = {model.name: (model, ("models", i)) for i, model in enumerate(self.project.models)}
        composites = [name for name, (model, _) in models.items() if isinstance(model, CompositeModel)]
        others = [place for name, place in models.items() if name not in composites]
        for model, path in others:
            self._check_model(model, path)
        self._check_validation()
        for i, model in enumerate(self.project.models):
            if isinstance(model, MapModel) and model.colour is not None:
                coloured = [item.name for item in self.project.models if isinstance(item, ClustersModel)]
                coloured += [item.name for item in self.project.segments]
                if model.colour not in coloured:
                    self.findings.unknown(("models", i, "colour"), "clustering or segment", model.colour, coloured)
        for model, _ in others:  # only now, so that no model can read another one, but for composites
            self._add_outputs(model)
        owners = {column: name for name, (model, _) in models.items() for column in outputs(model)}
        needs = {name: [owners[of] for of in features_of(models[name][0]) if of in owners] for name in composites}
        order = self._in_order("models", needs, {name: path for name, (_, path) in models.items()})
        for name in order:
            self._check_model(*models[name])
            self._add_outputs(models[name][0])
        self.models = (*(model.name for model, _ in others), *order)

    def _add_outputs(self, model: Model) -> None:
        """What rules may name of a model; the column of its name has its label, and its bands."""
        self.inputs.setdefault(model.name, features_of(model))
        scale = bands(getattr(model, "bands", ()))
        unit = self.project.currency if isinstance(model, ValueModel) else ""
        self.columns[model.name] = Property(model.name, "number", labels(model.label), scale, unit)
        for name in outputs(model)[1:]:
            self.columns[name] = Property(name, "number")

    def _check_validation(self) -> None:
        validation, path = self.project.validation, ("validation",)
        if validation.kpi is not None:
            self._check_column(validation.kpi, (*path, "kpi"), ("number",))
        for i, kpi in enumerate(validation.kpis):
            self._check_column(kpi, (*path, "kpis", i), ("number",))
        asked = validation.experiment
        if asked is None:
            return
        if sum(item is not None for item in (asked.kpi, asked.event, asked.rate)) != 1:
            message = "`experiment` needs one of `kpi`, `event` and `rate`"
            self.findings.error((*path, "experiment"), message, "say by one of the three what the test measures")
        if asked.kpi is not None:
            self._check_column(asked.kpi, (*path, "experiment", "kpi"), ("number",))
        if asked.event is not None and asked.event not in self.events:
            self.findings.unknown((*path, "experiment", "event"), "event", asked.event, self.events)

    def _check_model(self, model: Model, path: KeyPath) -> None:
        if isinstance(model, ValueModel):
            self._check_bands(model.bands, (*path, "bands"))
            found = purchases(model, self.events, path, self.findings)
            self.inputs[model.name] = tuple(found)
            self.aggregates |= found
            return
        if isinstance(model, CompositeModel):
            self._check_bands(model.bands, (*path, "bands"))
            check_parts(model, path, self.findings, self._check_column)
            return
        for j, name in enumerate(model.features):
            if name in model.features[:j]:
                self.findings.error((*path, "features", j), f"`{name}` is listed twice", "list it once")
            else:
                self._check_column(name, (*path, "features", j), ("number", "boolean", "text"))
        has_target = isinstance(model, PropensityModel)
        check_preparing(model, path, self.columns, self.findings, has_target=has_target)
        if isinstance(model, PropensityModel):
            self._check_bands(model.bands, (*path, "bands"))
            self._resolve_target(model, path)
            self._check_learning(model, path)
        elif isinstance(model, ClustersModel):
            self._check_clusters(model, path)

    def _check_clusters(self, model: ClustersModel, path: KeyPath) -> None:
        if model.minimum_clusters > model.maximum_clusters:
            message = "minimum_clusters is above maximum_clusters"
            self.findings.error((*path, "minimum_clusters"), message, "exchange the two")
        if round_ := sorted(model.merge.keys() - merged_ends(model.merge).keys()):
            message = f"groups {', '.join(map(str, round_))} are merged in a circle"
            self.findings.error((*path, "merge"), message, "let one of them be")
        for i, method in enumerate(model.methods):
            self._check_method(method, (*path, "methods", i))
        if model.search.objective == "effect" and self.project.validation.kpi is None:
            message = "the objective `effect` needs a KPI"
            self.findings.error((*path, "search", "objective"), message, "name one in validation: kpi")
        if model.search.objective == "stability" and not model.search.resamples:
            message = "the objective `stability` needs resamples"
            self.findings.error((*path, "search", "resamples"), message, "leave it out, for 20")

    def _check_method(self, method: ClusterMethod, path: KeyPath) -> None:
        for key, methods in METHODS_WITH.items():
            if getattr(method, key) is not None and method.method not in methods:
                message = f"the method `{method.method}` has no `{key}`"
                self.findings.error((*path, key), message, f"take it off; it belongs to {', '.join(methods)}")
        if method.choose == "bic" and method.method != "gaussian_mixture":
            message = f"the method `{method.method}` has no BIC"
            self.findings.error((*path, "choose"), message, "choose by silhouette, elbow or gap")
        if method.clusters is not None and method.distance_threshold is not None:
            message = "`clusters` and `distance_threshold` say the same thing twice"
            self.findings.error((*path, "distance_threshold"), message, "take off one of them")

    def _check_learning(self, model: PropensityModel, path: KeyPath) -> None:
        for j, algorithm in enumerate(model.algorithms):
            if algorithm in model.algorithms[:j]:
                self.findings.error((*path, "algorithms", j), f"`{algorithm}` is listed twice", "list it once")
        if model.select == "gain" and not {*model.algorithms} & {*TREES}:
            message = "no algorithm of the model is made of trees, whose splits could gain something"
            self.findings.error((*path, "select"), message, f"use importance, or one of {', '.join(TREES)}")
        for j, name in enumerate(model.trusted):
            if name not in model.features:
                remedy = suggestion(name, model.features)
                self.findings.error((*path, "trusted", j), f"`{name}` is not among the features of the model", remedy)

    def _resolve_target(self, model: PropensityModel, path: KeyPath) -> None:
        self.targets[model.name] = None
        if model.target not in self.events:
            self.findings.unknown((*path, "target"), "event", model.target, self.events)
        elif model.where is not None:
            try:
                checked = check_where(model.where, model.target, Vocabulary({}, self.events))
                self.targets[model.name] = cast(Rule, checked.rule)
            except RuleError as error:
                self.findings.rule_error((*path, "where"), f"model `{model.name}`", error)

    # ── segments ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _resolve_segments(self) -> None:
        vocabulary = self.vocabulary
        checked: dict[str, Checked] = {}
        needs: dict[str, list[str]] = {}
        paths: dict[str, KeyPath] = {}
        for i, segment in enumerate(self.project.segments):
            path: KeyPath = ("segments", i)
            paths[segment.name] = path
            needs[segment.name] = []
            try:
                checked[segment.name] = check_rule(segment.rule, vocabulary)
                needs[segment.name] += sorted(checked[segment.name].segments)
                for error in merged_groups(cast(Rule, checked[segment.name].rule), segment.rule, self.project.models):
                    self.findings.rule_warning((*path, "rule"), f"segment `{segment.name}`", error)
            except RuleError as error:
                self.findings.rule_error((*path, "rule"), f"segment `{segment.name}`", self._merged_since(error))
            if segment.parent is not None:
                needs[segment.name].append(segment.parent)
                self._check_segment(segment.parent, (*path, "parent"), vocabulary)
            if segment.merged_into is not None:
                self._check_segment(segment.merged_into, (*path, "merged_into"), vocabulary)
        self._order_segments(checked, needs, paths)

    def _order_segments(
        self, checked: Mapping[str, Checked], needs: dict[str, list[str]], paths: Mapping[str, KeyPath]
    ) -> None:
        """The rules in order; what is merged into another segment is an alternative of its rule, and no more itself."""
        segments = {segment.name: segment for segment in self.project.segments}
        within = {name: _within(segments[name].parent, rule) for name, rule in checked.items()}
        for name, segment in segments.items():
            into = segment.merged_into
            if into is None:
                continue
            needed = needs.pop(name)
            if into in needs and {into, name} <= within.keys() and into not in above(name, segments):
                needs[into] += needed
                within[into] = _either(within[into], within[name])
        order = self._in_order("segments", needs, paths)
        self.rules = {name: within[name] for name in order if name in within}

    def _check_segment(self, name: str, path: KeyPath, vocabulary: Vocabulary) -> None:
        """Report a name that is no segment's, or that of one which is merged into another."""
        into = {item.name: item.merged_into for item in self.project.segments}.get(name)
        if into is not None:
            self.findings.error(path, f"segment `{name}` is merged into `{into}`", f"name `{into}` instead")
        elif name not in vocabulary.segments:
            self.findings.unknown(path, "segment", name, vocabulary.segments)

    def _merged_since(self, error: RuleError) -> RuleError:
        """An error about an unknown name, said otherwise if it is that of a segment merged into another."""
        merged = {item.name: item for item in self.project.segments if item.merged_into is not None}
        start, end = error.span
        found = self._answers(merged.values()).get(fold(error.text[start:end]))
        if found is None:
            return error
        into = merged[found].merged_into
        message = f"segment `{found}` is merged into `{into}`"
        return RuleError(message, text=error.text, span=error.span, remedy=f"name `{into}` instead")

    # ── what the three share ────────────────────────────────────────────────────────────────────────────────────────

    def _check_column(self, name: str, path: KeyPath, types: tuple[ValueType, ...]) -> bool:
        """Whether ``name`` is a feature or trait of one of the types; it is an error if not."""
        column = self.columns.get(name)
        if column is None:
            self.findings.unknown(path, "feature or trait", name, self.columns)
        elif column.type not in types:
            wanted = " or ".join(types)
            near = suggestion("", [item.name for item in self.columns.values() if item.type in types])
            self.findings.error(path, f"`{name}` is {column.type}, and must be {wanted} here", near)
        return column is not None and column.type in types

    def _in_order(self, what: str, needs: Mapping[str, list[str]], paths: Mapping[str, KeyPath]) -> list[str]:
        """The names so that each comes after all it needs; those in a circle are left out and reported."""
        order, circles = in_order(needs)
        for circle in circles:
            message = f"{what} that refer to each other in a circle: {' → '.join(circle)}"
            self.findings.error(paths[circle[0]], message, "take one of the references out")
            self.findings.give_up(*circle)
        return order

    @staticmethod
    def _answers(items: Iterable[Named]) -> dict[str, str]:
        """Folded name or label → name."""
        return {fold(text): item.name for item in items for text in (*labels(item.label).values(), item.name)}


def _within(parent: str | None, checked: Checked) -> Checked:
    """The rule of a sub-segment: a member of the parent of whom its own rule is true."""
    if parent is None:
        return checked
    rule = And((InSegment(parent), cast(Rule, checked.rule)))
    return replace(checked, rule=rule, segments=checked.segments | {parent})


def _either(one: Checked, other: Checked) -> Checked:
    """A rule that is true where one of two is."""
    return replace(
        one,
        rule=Or((cast(Rule, one.rule), cast(Rule, other.rule))),
        aggregates=one.aggregates | other.aggregates,
        columns=one.columns | other.columns,
        segments=one.segments | other.segments,
    )


def bands(definitions: Sequence[BandDefinition]) -> tuple[Band, ...]:
    """Each band from the end of the one before it up to its own."""
    ends = [None, *(band.below for band in definitions)]
    return tuple(
        Band(band.name, low, band.below, tuple(labels(band.label).values()))
        for band, low in zip(definitions, ends, strict=False)
    )


def names_in(operand: Operand, text: str) -> Iterator[str]:
    """What may name a column in a feature's value, as written: also « nombre de visites », which reads like a count."""
    match operand:
        case Arithmetic(left=left, right=right):
            yield from names_in(left, text)
            yield from names_in(right, text)
        case Name(text=name):
            yield name
        case Aggregate(span=(start, end)):
            yield text[start:end]
