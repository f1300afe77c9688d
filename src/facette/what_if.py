"""What if a segment had another rule: who would enter, who would leave, and which segments would follow.

Nothing is written and nothing is approximated: both rules go through the functions of a run, at the published moment or
at an instant before it, from what was known then. Models are applied as they were published; the answer names them.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from functools import cached_property
from typing import Any, cast

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions.cost import state_bytes
from facette.definitions.language import check_rule, print_rule, tree
from facette.definitions.language.names import answering
from facette.definitions.language.vocabulary import SegmentName
from facette.definitions.naming import labels
from facette.definitions.project import Definitions, define
from facette.definitions.redefined import redefined, same_features
from facette.errors import DefinitionError, NotFoundError, RuleError, RunError
from facette.features.partials import by_event
from facette.features.thresholds import is_fitted
from facette.plan import as_published
from facette.profiles.golden import profiles_at
from facette.profiles.updates import without_idle
from facette.queries import FEATURES, Published, label_of
from facette.run import Progress, moment_of
from facette.segments.evaluation import (
    Known,
    columns_of,
    events_scanned,
    row_plan,
    rule_row,
    rules_above,
    rules_below,
)
from facette.segments.membership import wide_memberships

SAMPLE = 5
"""Profiles shown of those who would enter, and of those who would leave."""


def what_if(
    published: Published,
    segment: str,
    progress: Progress,
    *,
    rule: str | None = None,
    as_of: datetime | date | None = None,
    known_at: datetime | date | None = None,
) -> dict[str, Any]:
    """Who would enter and who would leave a segment by another rule, and the segments that would change with it.

    segment  : its name, or its label in any language
    rule     : text or JSON, in place of the one that today's files have; without it, the published definitions are
               compared with those of today's files
    as_of    : the instant of both memberships; the published one unless given
    known_at : what had been received by then counts; ``as_of`` unless given

    Raises NotFoundError for a segment that is not there or an instant before the first data, RuleError for the rule,
    RunError for what takes a run first.
    """
    began = time.perf_counter()
    published.snapshot  # noqa: B018 — before anything else, whether there is one
    name = _segment(published, segment)
    published.refuse_changed_sources()
    before, after = _definitions(published, name, rule)
    comparison = _Comparison(published, name, before, after, _moment(published, as_of, known_at), progress)
    comparison.models  # noqa: B018 — before the work, whether they are fitted
    answer = comparison.answer(is_published=rule is None)
    answer["cost"]["seconds"] = time.perf_counter() - began
    return answer


# ── the question ────────────────────────────────────────────────────────────────────────────────────────────────────


def _segment(published: Published, asked: str) -> str:
    models = published.definitions.project.models
    names = {item.name: SegmentName(item.name, labels(item.label)) for item in models}
    if answering(asked, names) and not answering(asked, published.definitions.vocabulary.segments):
        model = published.definitions.model(answering(asked, names)[0].name)
        what = "clusters" if model.kind == "clusters" else "scores"
        readers = [name for name, rule in published.definitions.rules.items() if model.name in rule.columns]
        such = f" such as {readers[0]}" if readers else ""
        raise RunError(
            f"{model.name} is a model that gives {what}, not a segment with a rule; nobody enters it by a rule.",
            remedy=f"Ask about a segment whose rule reads it{such}, or change the model and run `facette run`.",
        )
    return published.segment_named(asked)


def _definitions(published: Published, segment: str, rule: str | None) -> tuple[Definitions, Definitions]:
    """The definitions to compare."""
    now = published.definitions
    if rule is None:
        then = as_published(now, published.snapshot)
        if then is None:
            raise RunError(
                f"The published run {published.snapshot.run} does not say by which definitions it was made,"
                " or they do not go together with today's sources.",
                remedy="Give a rule with --rule, or run `facette run` once.",
            )
        return then, now
    text = published.text_of(rule)
    check_rule(text, now.vocabulary)
    segments = tuple(
        item.model_copy(update={"rule": text}) if item.name == segment else item for item in now.project.segments
    )
    try:
        return now, define(now.project.model_copy(update={"segments": segments}), now.folder)
    except DefinitionError as error:
        problem = error.problems[0]
        raise RuleError(
            f"With this rule: {problem.message}", text=text, span=(0, len(text)), remedy=problem.remedy
        ) from error


def _moment(published: Published, as_of: datetime | date | None, known_at: datetime | date | None) -> Moment:
    """The moment asked for, which must lie within what the published snapshot knows."""
    latest = published.moment
    asked = latest if as_of is None else moment_of(published.definitions, as_of, datetime.now(UTC))
    moment = replace(latest, as_of=asked.as_of, known_at=None)
    if known_at is not None:
        known = moment_of(published.definitions, known_at, datetime.now(UTC))
        moment = replace(moment, known_at=known.as_of)
    for instant in (moment.as_of, cast(datetime, moment.known_at)):
        if instant > latest.as_of:
            raise RunError(
                f"{_told(instant, latest)} lies after the published run, which knows things up to"
                f" {_told(latest.as_of, latest)}.",
                remedy="Ask for an earlier instant, or run `facette run` first.",
            )
    first = _first_instant(published) if moment != latest else None
    if first is not None and min(moment.as_of, cast(datetime, moment.known_at)) < first:
        raise NotFoundError(
            f"Nothing is known of {_told(moment.as_of, latest)}: the data begins at {_told(first, latest)}.",
            remedy="Ask for a later instant.",
        )
    return moment


def _first_instant(published: Published) -> datetime | None:
    """When the first event or record was known; None if there is neither an event nor a dated record."""
    firsts = []
    for name in published.snapshot.tables:
        if name.startswith(("events_", "records_")):
            table = published.table(name)
            known = ibis.greatest(table["at"], table.known_at) if name.startswith("events_") else table.known_at
            firsts.append(table.aggregate(first=known.min()).to_pyarrow().to_pylist()[0]["first"])
    return min((first for first in firsts if first), default=None)


def _told(instant: datetime, like: Moment) -> str:
    local = replace(like, as_of=instant, known_at=None).local
    return f"{local:%Y-%m-%d %H:%M} {local.tzname()}"


# ── the answer ──────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Comparison:
    """Two definitions of a segment at one moment."""

    published: Published
    segment: str
    before: Definitions
    after: Definitions
    moment: Moment
    progress: Progress

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The segment, and those that refer to it."""
        return (self.segment, *rules_above(self.after.rules, self.segment))

    @cached_property
    def is_one_row(self) -> bool:
        """Whether both definitions have the same features and models, so that one row serves both."""
        return (self.before.project.features, self.before.project.models) == (
            self.after.project.features,
            self.after.project.models,
        )

    @cached_property
    def models(self) -> list[dict[str, Any]]:
        """The fitted models that the rules read; RunError if today's definitions have another one than was published.

        is_later : it was fitted after the moment, so that it has learnt from what then lay ahead
        """
        sides = (self.before, self.after)
        read = {item.name for side in sides for item in side.models_behind(columns_of(self._rules(side)))}
        self.published.models_in(columns_of(self._rules(self.after)))
        return [
            {
                "name": name,
                "version": row["version"],
                "fitted_at": replace(self.moment, as_of=row["fitted_at"], known_at=None).local,
                "is_later": row["fitted_at"] > self.moment.as_of,
            }
            for name, row in self.published.fitted.items()
            if name in read
        ]

    def answer(self, *, is_published: bool) -> dict[str, Any]:
        with self._stage("profiles"):
            known = self._known
        with self._stage("rules"):
            both = self._keep(self._both(known))
            counts = self._counts(both)
        with self._stage("samples"):
            samples = {side: self._sample(known, both, side) for side in ("entering", "leaving")}
        reasons = redefined(self.after, self.before) if is_published else {}
        return {
            "segment": self.segment,
            "label": label_of(self.published.definitions, self.segment),
            "language": self.published.definitions.project.language,
            "as_of": self.moment.local,
            "known_at": replace(self.moment, as_of=cast(datetime, self.moment.known_at)).local,
            "is_published": is_published,
            "reason": reasons.get(self.segment),
            "rule": {"before": self._printed(self.before), "after": self._printed(self.after)},
            **counts[0],
            "samples": samples,
            "downstream": [row for row in counts[1:] if row["entering"] or row["leaving"]],
            "models": self.models,
            "cost": self._cost(known),
            "warning": self._warning(is_published),
        }

    def _rules(self, definitions: Definitions) -> Collection[tree.Checked]:
        names = [name for name in self.names if name in definitions.rules]
        return rules_below(definitions.rules, names).values()

    @cached_property
    def _known(self) -> Known:
        published = self.published
        return Known(
            self.moment, self._profiles(), published.all_events, published.fitted, self._keep, published.rows_at
        )

    def _profiles(self) -> ir.Table:
        """Profiles at the moment; at the published one with all features that mean the same in both definitions."""
        published = self.published
        if self.moment != published.moment:
            sources = published.definitions.project.sources
            records = {item.name: published.table(f"records_{item.name}") for item in sources if item.people}
            identities = published.table("identities")
            return self._keep(
                profiles_at(without_idle(records), identities, published.definitions.project, self.moment)
            )
        made = as_published(published.definitions, published.snapshot)
        if made is None and published.changed & FEATURES:
            return published.table("profiles")
        made = made or published.definitions
        changed = set(made.features) - same_features(self.after, made)
        return published.table("features").drop(*changed).mutate(is_counted=True)

    def _both(self, known: Known) -> ir.Table:
        """profile_id of everybody counted, and of each segment ``before_<name>`` and ``after_<name>``."""
        before, after = self._wide(known, self.before, "before"), self._wide(known, self.after, "after")
        return before.join(after, "profile_id")

    def _wide(self, known: Known, definitions: Definitions, prefix: str) -> ir.Table:
        names = [name for name in self.names if name in definitions.rules]
        rules = rules_below(definitions.rules, names)
        wide = wide_memberships(self._row(known, definitions), rules, known.moment)
        columns = {name: wide[name] if name in names else ibis.literal(False) for name in self.names}
        return wide.select("profile_id", **{f"{prefix}_{name}": column for name, column in columns.items()})

    def _row(self, known: Known, definitions: Definitions) -> ir.Table:
        if self.is_one_row:
            return self._shared_row
        return self._narrow(known, definitions, self._rules(definitions))

    @cached_property
    def _shared_row(self) -> ir.Table:
        return self._narrow(self._known, self.after, (*self._rules(self.before), *self._rules(self.after)))

    def _narrow(self, known: Known, definitions: Definitions, rules: Collection[tree.Checked]) -> ir.Table:
        """The row of some rules, with only the columns that they name, computed once."""
        return self._keep(rule_row(known, definitions, rules).select("profile_id", *sorted(columns_of(rules))))

    def _counts(self, both: ir.Table) -> list[dict[str, Any]]:
        """Of each segment how many are in it by either definition, enter, leave and stay, and of how many people."""
        counted = {"population": both.count()}
        for name in self.names:
            is_before, is_after = both[f"before_{name}"], both[f"after_{name}"]
            conditions = (is_before, is_after, ~is_before & is_after, is_before & ~is_after, is_before & is_after)
            counted |= {f"{kind} {name}": when.sum() for kind, when in zip(KINDS, conditions, strict=True)}
        row = both.aggregate(**counted).to_pyarrow().to_pylist()[0]
        found = []
        people = int(row["population"])
        for name in self.names:
            figures = {kind: int(row[f"{kind} {name}"] or 0) for kind in KINDS}
            shares = {
                share: figures[kind] / people if people else 0.0
                for share, kind in (("share", "members"), ("would_be_share", "would_be"))
            }
            label = label_of(self.published.definitions, name)
            found.append({"segment": name, "label": label, "population": people, **figures, **shares})
        return found

    def _sample(self, known: Known, both: ir.Table, side: str) -> list[dict[str, Any]]:
        """The first profiles by id of those who would enter or leave: identifiers, traits, and what the rules read."""
        is_before, is_after = both[f"before_{self.segment}"], both[f"after_{self.segment}"]
        when = ~is_before & is_after if side == "entering" else is_before & ~is_after
        ids = both.filter(when).order_by("profile_id").limit(SAMPLE).profile_id.to_pyarrow().to_pylist()
        if not ids:
            return []
        project = self.published.definitions.project
        row = self._row(known, self.after)
        given = [*(item.name for item in project.identifiers), *self.published.definitions.traits]
        rules = [item.rules[self.segment] for item in (self.before, self.after) if self.segment in item.rules]
        read = {column for rule in rules for column in rule.columns}.intersection(row.columns)
        shown = {
            "identifiers": [item.name for item in project.identifiers],
            "traits": [*self.published.definitions.traits],
            "read": sorted(read.difference(given)),
        }
        people = known.profiles.select("profile_id", *(name for name in given if name in known.profiles.columns))
        row = row.select("profile_id", *shown["read"])
        chosen = people.filter(people.profile_id.isin(ids)).join(row, "profile_id").order_by("profile_id")
        return [
            {
                "profile_id": found["profile_id"],
                **{kind: {name: found[name] for name in names if name in found} for kind, names in shown.items()},
            }
            for found in chosen.to_pyarrow().to_pylist()
        ]

    def _cost(self, known: Known) -> dict[str, Any]:
        """rows : read of the events and of the people; memory_bytes : forecast of what is held of them at once.

        At most, where sets of values are kept; a text counts as the 16 bytes of its place.
        """
        rows = self.published.snapshot.rows
        scanned = people = rows["profiles"]
        groups = [(self.after, [*self._rules(self.before), *self._rules(self.after)])]
        if not self.is_one_row:
            groups = [(definitions, [*self._rules(definitions)]) for definitions in (self.before, self.after)]
        columns = 1 + 2 * len(self.names)
        if self.moment != self.published.moment:
            columns += len(known.profiles.columns)
        memory = people * 8 * columns
        for definitions, rules in groups:
            plan = row_plan(known, definitions, rules)
            scanned += sum(rows.get(f"events_{event}", 0) for event in events_scanned(plan))
            for event, aggregates in by_event(plan.aggregates).items():
                fixed, growing = state_bytes(aggregates.values(), definitions)
                memory += people * (8 + fixed) + rows.get(f"events_{event}", 0) * growing
            scores = sum(map(is_fitted, plan.features))
            memory += people * 8 * (scores + len(columns_of(rules)))
        return {"rows": scanned, "memory_bytes": memory}

    def _printed(self, definitions: Definitions) -> dict[str, str] | None:
        checked = definitions.rules.get(self.segment)
        if checked is None:
            return None
        rule = cast(tree.Rule, checked.rule)
        return {"fr": print_rule(rule, "fr"), "en": print_rule(rule, "en")}

    def _warning(self, is_published: bool) -> str:
        if is_published:
            return ""
        return self.published.warning({"features", "models", "segments"}, "both rules are evaluated by today's.")

    def _keep(self, table: ir.Table) -> ir.Table:
        return self.published.con.create_table(ibis.util.gen_name("what_if"), table, temp=True)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        detail = DETAILS[self.published.definitions.project.language][name]
        self.progress.start(name, detail)
        began = time.perf_counter()
        yield
        self.progress.end(name, detail, None, time.perf_counter() - began)


KINDS = ("members", "would_be", "entering", "leaving", "staying")
DETAILS = {
    "fr": {
        "profiles": "qui était connu",
        "rules": "les deux règles pour tous",
        "samples": "quelques-uns de ceux qui entreraient ou sortiraient",
    },
    "en": {
        "profiles": "who was known",
        "rules": "both rules for everybody",
        "samples": "some of those who would enter or leave",
    },
}
