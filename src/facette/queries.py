"""Questions answered from the published snapshot: segments, one person, why, and how many a rule would match.

Nothing here writes. The command line and the pages are thin layers over these functions; every answer is plain data.
Definitions that were edited since the run are answered for as they are today, at the published moment and from the
published profiles and events: what the run did not compute is computed here. Only sources and models take a run.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, cast

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions.error_texts import listed, said, suggested
from facette.definitions.language import check_rule, print_rule, tree
from facette.definitions.language.json_form import rule_text
from facette.definitions.language.names import answering
from facette.definitions.model import Language
from facette.definitions.models import Model, outputs
from facette.definitions.project import Definitions
from facette.errors import FacetteError, NotFoundError, RuleError, RunError
from facette.features.partials import by_event, kinds_needed, prepare
from facette.features.past import Past
from facette.features.table import FeaturePlan, feature_plan, needed
from facette.features.thresholds import cuts_at
from facette.plan import changed_parts
from facette.profiles.events import PLACED_BY, remap
from facette.segments.evaluation import Known, columns_of, events_scanned, rule_row, rules_below
from facette.segments.membership import CAUSES, wide_memberships, wide_row
from facette.segments.sentences import LANGUAGES, Words
from facette.warehouse.compiler import compile_rule, visible
from facette.warehouse.connect import connect
from facette.warehouse.moments import Moments
from facette.warehouse.published import Snapshot, Store

if TYPE_CHECKING:
    from facette.segments.person import Person

TIMELINE = 50
"""The latest events shown of one person."""

FEATURES = frozenset({"aggregates", "features"})
MEMBERSHIPS = FEATURES | {"models", "segments"}
"""The parts of the definitions that decide features, and those that decide memberships; sources decide both."""


@dataclass(frozen=True)
class Published:
    """The published snapshot of a project, open for questions.

    given : a snapshot to ask instead of the published one
    """

    definitions: Definitions
    given: Snapshot | None = None

    @cached_property
    def store(self) -> Store:
        return Store(self.definitions.folder)

    @cached_property
    def snapshot(self) -> Snapshot:
        return self.given or self.store.must_be_published()

    @cached_property
    def con(self) -> ibis.BaseBackend:
        return connect(self.definitions.folder)

    @cached_property
    def moment(self) -> Moment:
        return self.snapshot.moment

    def close(self) -> None:
        """Let go of the connection, if there was need for one."""
        if "con" in self.__dict__:
            self.con.disconnect()

    def table(self, name: str) -> ir.Table:
        return self.store.table(self.con, self.snapshot, name)

    def optional(self, name: str) -> ir.Table | None:
        """A table that there may not be."""
        return self.store.optional_table(self.con, self.snapshot, name)

    def events(self, event: str) -> ir.Table:
        """The events of a kind that are visible at the published moment, under the published profile ids."""
        table = self.all_events(event)
        return table.filter(visible(table, self.moment))

    def all_events(self, event: str) -> ir.Table:
        """All events of a kind, also those not visible yet, under the published profile ids."""
        table = self.table(f"events_{event}")
        merged = self.optional("merged")
        return table if merged is None else remap(table, merged)

    def _events_of(self, event: str, profile_id: int) -> ir.Table:
        """The same of one profile; only what stands under its id, or under one that became part of it, is read."""
        table = self.table(f"events_{event}")
        merged = self.optional("merged")
        if merged is None:
            table = _of(table, profile_id)
        else:
            olds = merged.filter(merged.new_id == profile_id).old_id.to_pyarrow().to_pylist()
            table = _of(remap(table.filter(table.profile_id.isin([profile_id, *olds])), merged), profile_id)
        return table.filter(visible(table, self.moment))

    @cached_property
    def changed(self) -> set[str]:
        """The parts of the definitions that are not as they were in the published run."""
        return changed_parts(self.definitions, self.snapshot)

    # ── segments ────────────────────────────────────────────────────────────────────────────────────────────────────

    def segments(self) -> list[dict[str, Any]]:
        """Every published segment: name, label, members, share, entered, left, verdict, reason; largest first.

        Of one that the run redefined also how many entered and left by its definition, and how many by events and time.
        """
        language = self.definitions.project.language
        latest = self.sizes_now()
        judged = self.table("verdicts").to_pyarrow().to_pylist()
        verdicts = {row["name"]: row for row in judged if row["kind"] == "segment"}
        found = []
        for row in sorted(latest, key=lambda row: (-row["members"], row["segment"])):
            verdict = verdicts.get(row["segment"], {})
            found.append(
                {
                    "segment": row["segment"],
                    "label": label_of(self.definitions, row["segment"]),
                    "members": row["members"],
                    "share": row["members"] / row["population"] if row["population"] else 0.0,
                    "entered": row["entered"],
                    "left": row["left"],
                    **{cause: row.get(cause) for cause in CAUSES},
                    "verdict": verdict.get("verdict"),
                    "reason": verdict.get(f"reason_{language}"),
                }
            )
        return found

    def sizes_now(self) -> list[dict[str, Any]]:
        """The rows of ``sizes`` by the latest run that evaluated the segments; later ones may only have judged."""
        last = replace(self.snapshot, tables={"sizes": self.snapshot.tables.get("sizes", ())[-1:]})
        sizes = self.store.table(self.con, last, "sizes")
        return sizes.filter(sizes.run == sizes.run.max()).to_pyarrow().to_pylist()

    def preview(self, rule: str) -> dict[str, Any]:
        """How many profiles a rule matches at the published moment, without a run; it may be written as JSON."""
        checked = check_rule(self.text_of(rule), self.definitions.vocabulary)
        row = self._row(checked)
        matches = compile_rule(checked.rule, row, self.moment)  # type: ignore[arg-type]
        answer = row.aggregate(n=matches.cast("int64").sum().fill_null(0).cast("int64"), population=row.count())
        n, population = self.con.raw_sql(self.con.compile(answer)).fetchone()  # not by pandas, which takes long to load
        return {
            "rule": {language: print_rule(checked.rule, language) for language in ("fr", "en")},  # type: ignore[arg-type]
            "members": n,
            "population": population,
            "share": n / population if population else 0.0,
            "as_of": self.moment.local,
        }

    def _row(self, checked: tree.Checked) -> ir.Table:
        """What a rule is evaluated on: the columns and segments that it names, by today's definitions."""
        self.refuse_changed_sources()
        rules = rules_below(self.definitions.rules, checked.segments) if self.changed & MEMBERSHIPS else {}
        concerned = (checked, *rules.values())
        columns = columns_of(concerned)
        models = sorted(columns.intersection(name for item in self.models_in(columns) for name in outputs(item)))
        known = self.table("profiles") if self.changed & FEATURES else self.table("features").mutate(is_counted=True)
        if models:
            known = wide_row(known, self.table("scored").select("profile_id", *models))
        row = rule_row(Known(self.moment, known, self.events, {}, rows_at=self.rows_at), self.definitions, concerned)
        if checked.segments:
            wide = wide_memberships(row, rules, self.moment) if rules else self.table("wide")
            row = wide_row(row, wide.select("profile_id", *checked.segments))
        return row

    def _partials(self, plan: FeaturePlan) -> dict[str, ir.Table]:
        return {
            event: prepare(
                self.events(event),
                aggregates,
                self.moment,
                {kind: self.events(kind) for kind in kinds_needed(aggregates)},
            )
            for event, aggregates in by_event(plan.aggregates).items()
        }

    def rows_at(self, plan: FeaturePlan, moment: Moment) -> ir.Table:
        """The feature table of a plan at an earlier moment, from what was known then."""
        sources = [source.name for source in self.definitions.project.sources if source.people]
        records = {name: self.table(f"records_{name}") for name in sources}
        return Past(self.definitions.project, records, self.table("identities"), self.events).rows_at(plan, moment)

    def models_in(self, columns: Collection[str]) -> list[Model]:
        """The models behind some columns; RunError if the run had another definition of one."""
        found = self.definitions.models_behind(columns)
        for item in found:
            if not self._is_fitted(item):
                raise said(RunError, "not_fitted", model=item.name, run=self.snapshot.run)
        return found

    def _is_fitted(self, item: Model) -> bool:
        """Whether what was published of a model is what today's definitions ask for."""
        if not self.changed & (FEATURES | {"models"}):
            return True
        row = self.fitted.get(item.name)
        return row is not None and row["fingerprint"] == self.definitions.model_fingerprint(item.name)

    @cached_property
    def fitted(self) -> dict[str, dict[str, Any]]:
        """Model → its row of the table ``models``."""
        return {row["name"]: row for row in self.table("models").to_pyarrow().to_pylist()}

    def refuse_changed_sources(self) -> None:
        """RunError if today's definitions read the sources otherwise than the published run did."""
        if "sources" in self.changed:
            raise RunError(
                f"The sources changed since the published run {self.snapshot.run}.",
                remedy="Run `facette run`, which reads them; `facette plan` shows what it will do.",
            )

    def warning(self, parts: Collection[str], told: str) -> str:
        """What to say with an answer that such parts of the definitions concern; empty while they are the run's."""
        changed = [part for part in ("sources", "features", "models", "segments") if part in self.changed & set(parts)]
        since = f"The definitions have changed since the published run {self.snapshot.run} ({', '.join(changed)})"
        return f"{since}; {told}" if changed else ""

    @staticmethod
    def text_of(rule: str) -> str:
        """A rule's text; it may be written as JSON."""
        try:
            data = json.loads(rule) if rule.lstrip().startswith("{") else rule
        except json.JSONDecodeError as error:
            message = f"This is not JSON: {error.msg}, line {error.lineno}, column {error.colno}."
            raise RuleError(message, text="", span=(0, 0), remedy="Check the quotes and brackets.") from error
        return rule_text(data)

    # ── one person ──────────────────────────────────────────────────────────────────────────────────────────────────

    def find(self, asked: str) -> int:
        """The profile that an identifier, ``kind:value``, a profile id or ``profile_id:number`` stands for.

        Case matters only between identifiers that differ in nothing else.
        """
        identities = self.table("identities")
        kind, colon, value = asked.partition(":")
        is_kind = bool(colon) and kind in {item.name for item in self.definitions.project.identifiers}
        text = value if is_kind else asked
        wanted = identities.value.lower() == ibis.literal(text).lower()
        if is_kind:
            wanted &= identities.kind == kind
        found = identities.filter(wanted).select("kind", "value", "profile_id").to_pyarrow().to_pylist()
        found = [row for row in found if row["value"] == text] or found
        people = {row["profile_id"] for row in found}
        if len(people) > 1:
            shown = ", ".join(sorted(f"{row['kind']}:{row['value']}" for row in found))
            raise NotFoundError(f"“{asked}” could be several people.", remedy=f"Say which: {shown}.")
        if people:
            return people.pop()
        profiles = self.table("profiles")
        number = value if kind == "profile_id" else asked
        if number.isdecimal() and profiles.filter(profiles.profile_id == int(number)).count().to_pyarrow().as_py():
            return int(number)
        examples = identities.order_by("profile_id", "kind", "value").limit(3).to_pyarrow().to_pylist()
        shown = ", ".join(f"{row['kind']}:{row['value']}" for row in examples)
        remedy = f"Give an identifier or a profile id, as {shown}." if examples else "There is nobody in this project."
        raise NotFoundError(f"Nobody answers to “{asked}”.", remedy=remedy)

    def profile(self, asked: str) -> dict[str, Any]:
        """One person: identifiers, traits, features, memberships, what makes the scores, latest events."""
        profile_id = self.find(asked)
        identities = self.table("identities")
        mine = identities.filter(identities.profile_id == profile_id).order_by("kind", "value")
        person = _one(self.table("profiles"), profile_id)
        row = self._row_of(profile_id)
        features = row.to_pyarrow().to_pylist()[0] if person["is_counted"] else {}
        since = self._since(profile_id) if person["is_counted"] else {}
        return {
            "profile_id": profile_id,
            "language": self.definitions.project.language,
            "as_of": self.moment.local,
            **self.told_by,
            "is_counted": person["is_counted"],
            "identifiers": mine.select("kind", "value").to_pyarrow().to_pylist(),
            "traits": {name: person[name] for name in self.definitions.traits if name in person},
            "features": {
                name: features.get(name)
                for name in (*self.definitions.features, *self.definitions.makers)
                if name in row.columns
            },
            "composites": self._compositions([*self.fitted], row) if person["is_counted"] else {},
            "memberships": [
                {
                    "segment": segment,
                    "label": label_of(self.definitions, segment),
                    "entered_at": self._local(since[segment]),
                }
                for segment in sorted(since)
            ],
            "scores": self._pushes([*self.fitted], row) if person["is_counted"] else [],
            "timeline": self._timeline(profile_id)[:TIMELINE],
            "warning": self.warning({"sources", *MEMBERSHIPS}, "this is the person as published."),
        }

    @property
    def told_by(self) -> dict[str, str]:
        """Who knows what is answered: ``run`` or ``worker``; and the run, or the one that the worker builds on."""
        return {"told_by": "run", "run": self.snapshot.run}

    def _row_of(self, profile_id: int) -> ir.Table:
        """The features of a profile, and what models say of it."""
        return _of(wide_row(self.table("features"), self.table("scored")), profile_id)

    def _since(self, profile_id: int) -> dict[str, datetime]:
        """The segments of a profile, and since when."""
        rows = _of(self.table("member_since"), profile_id).drop("profile_id").to_pyarrow().to_pylist()
        return {segment: since for row in rows for segment, since in row.items() if since}

    def explain(self, asked: str, segment: str, language: str | None = None) -> dict[str, Any]:
        """Why a person is or is not in a segment: the rule as a tree with what each condition saw, the events that
        decided it and when its verdict flips by itself; the smallest changes that would flip the segment; and what
        pushes the scores that it reads up and down.

        segment  : its name, or its label in any language
        language : of the texts; the project's unless given
        """
        from facette.segments.explain import explain_person, flips_as_dict  # noqa: PLC0415

        rules = self.definitions.rules
        speaks = self.speaks(language)
        segment = self.segment_named(segment)
        self.refuse_changed_sources()
        profile_id = self.find(asked)
        if not _one(self.table("profiles"), profile_id)["is_counted"]:
            raise said(NotFoundError, "not_counted", profile=profile_id)
        concerned = {item: rules[item] for item in _with_references(segment, rules)}
        columns, models = self._behind(concerned.values())
        every = feature_plan(self.definitions)
        plan = needed(every, columns, is_fitted=True)
        person = self._with_cuts(needed(every, columns))._person(profile_id, plan)
        concerned = {
            name: replace(rule, rule=tree.valued(cast(tree.Rule, rule.rule), person.cuts))
            for name, rule in concerned.items()
        }
        words = Words(speaks, self.definitions.vocabulary, self.moment.zone)
        answer = explain_person(person, segment, concerned, self.moment, words, ask=self.con.to_pyarrow)
        now = person.rows_at(Moments((self.moment,), tree.durations([*plan.aggregates.values()])))
        parts = {"segments", *(FEATURES if plan.features else ()), *(["models"] if models else ())}
        was = {True: "a member", False: "not a member", None: "unknown, for that run does not have the segment"}[
            _one(self.table("wide"), profile_id).get(segment)
        ]
        return {
            "profile_id": profile_id,
            "segment": segment,
            "label": label_of(self.definitions, segment, speaks),
            "language": speaks,
            "as_of": self.moment.local,
            **self.told_by,
            "is_member": answer.reason.is_met,
            "changes_at": answer.reason.changes_at,
            "looked_until": answer.looked_until,
            "rule": words.rule(cast(tree.Rule, rules[segment].rule)),
            "reason": answer.reason.as_dict(),
            "to_flip": flips_as_dict(answer.flips, words),
            "composites": self._compositions([item.name for item in models], now),
            "scores": self._pushes([item.name for item in models], now, speaks),
            "warning": self.warning(parts, f"this is what they say now. The published membership is: {was}."),
        }

    def _compositions(self, models: Collection[str], person: ir.Table) -> dict[str, list[dict[str, Any]]]:
        """Composite among some models → what each of its parts adds for one person, most first.

        person : one row with what the models read
        """
        from facette.models.composite import FittedComposite, explained  # noqa: PLC0415
        from facette.models.kinds import stored  # noqa: PLC0415

        fitted = {name: stored(self.fitted[name]) for name in models if name in self.fitted}
        return {
            name: explained(item, person)
            for name, item in fitted.items()
            if isinstance(item, FittedComposite) and {part.of for part in item.parts} <= {*person.columns}
        }

    def _pushes(
        self, models: Iterable[str], person: ir.Table, language: Language | None = None
    ) -> list[dict[str, Any]]:
        """What the scores among some models are made of: see :func:`facette.segments.contributions.pushes`.

        person : one row with what the models read
        """
        from facette.segments.contributions import pushes  # noqa: PLC0415

        spoken = language or self.definitions.project.language
        fitted = [self.fitted[name] for name in models if name in self.fitted]
        scores = [row for row in fitted if row["kind"] == "propensity"]
        seen = self.con.to_pyarrow(person).to_pylist()[0] if scores else {}
        found = [pushes(model, seen, self.definitions.vocabulary, spoken) for model in scores]
        return [each for each in found if each is not None]

    def kinds_behind(self, segment: str) -> set[str]:
        """The kinds of events that explaining a segment needs."""
        rules = self.definitions.rules
        columns, _ = self._behind(rules[name] for name in _with_references(segment, rules))
        return events_scanned(needed(feature_plan(self.definitions), columns, is_fitted=True))

    def _behind(self, rules: Iterable[tree.Checked]) -> tuple[set[str], list[Model]]:
        """The columns that rules need, those of models included, and these models."""
        columns = columns_of(rules)
        models = self.models_in(columns)
        return self.definitions.columns_behind(columns), models

    def speaks(self, language: str | None) -> Language:
        asked = language or self.definitions.project.language
        if asked not in LANGUAGES:
            raise said(FacetteError, "no_language", language=asked, languages=partial(listed, words=LANGUAGES))
        return asked

    def segment_named(self, asked: str) -> str:
        """The segment that answers to a name or label, as in a rule."""
        found = [entry.name for entry in answering(asked, self.definitions.vocabulary.segments)]
        if not found:
            known = partial(suggested, name=asked, known=self.definitions.vocabulary.segments)
            raise said(NotFoundError, "no_segment", segment=asked, suggestion=known)
        if len(found) > 1:
            raise said(NotFoundError, "several_segments", segment=asked, segments=", ".join(found))
        return found[0]

    def _with_cuts(self, plan: FeaturePlan) -> Published:
        """The same snapshot, with the cuts that scores have, and the values of thresholds, by today's definitions."""
        if not self.changed & FEATURES:
            return self
        cuts = cuts_at(self.table("profiles"), self._partials(plan), plan, self.moment, self.rows_at)
        return replace(self, given=replace(self.snapshot, cuts=cuts))

    def _person(self, profile_id: int, plan: FeaturePlan) -> Person:
        """One profile, with its events of the kinds that a plan is about, in memory."""
        from facette.segments.person import Person  # noqa: PLC0415

        kinds = by_event(plan.aggregates).keys() | kinds_needed(plan.aggregates)
        made = self._model_outputs(plan)
        return Person(
            self._kept(_of(self.table("profiles"), profile_id), "person"),
            {kind: self._kept(self._events_of(kind, profile_id), f"mine_{kind}") for kind in kinds},
            plan,
            self.snapshot.cuts,
            made,
            {name: self.definitions.inputs[self.definitions.makers[name].name] for name in made},
        )

    def _model_outputs(self, plan: FeaturePlan) -> dict[str, Any]:
        """Column → function from a row to its value, for the models whose inputs the plan computes, in order."""
        from facette.models.kinds import model_output  # noqa: PLC0415

        there = {feature.name for feature in plan.features} | set(self.definitions.traits) | set(plan.aggregates)
        made: dict[str, Any] = {}
        for item in self.definitions.models:
            if there.issuperset(self.definitions.inputs[item.name]) and self._is_fitted(item):
                there.update(outputs(item))
                row = self.fitted.get(item.name)
                made |= {column: partial(model_output, item, row, column=column) for column in outputs(item)}
        return made

    def _local(self, at: datetime) -> datetime:
        return Moment(at, self.moment.zone).local

    def _kept(self, table: ir.Table, name: str) -> ir.Table:
        """A small table computed once, in memory."""
        return self.con.create_table(name, table.to_pyarrow(), temp=True, overwrite=True)

    def _timeline(self, profile_id: int) -> list[dict[str, Any]]:
        """The person's events, latest first: event, at, and the properties that are known."""
        found = []
        for event in self.definitions.vocabulary.events:
            if not self.snapshot.tables.get(f"events_{event}"):
                continue
            latest = self._events_of(event, profile_id).order_by(ibis.desc("at")).limit(TIMELINE)
            for row in (
                latest.drop("profile_id", "event_id", "known_at", "day", "hour", "weekday").to_pyarrow().to_pylist()
            ):
                properties = {
                    name: value
                    for name, value in row.items()
                    if name not in ("at", "source", PLACED_BY) and value is not None
                }
                at = self._local(row["at"])
                found.append({"event": event, "at": at, "source": row["source"], "properties": properties})
        return sorted(found, key=lambda row: row["at"], reverse=True)


def label_of(definitions: Definitions, segment: str, language: Language | None = None) -> str:
    """What people call a segment, in the project's language unless another one is given."""
    label = definitions.segment(segment).label if segment in definitions.rules else None
    return (label and (getattr(label, language or definitions.project.language) or label.fr or label.en)) or segment


def _one(table: ir.Table, profile_id: int) -> dict[str, Any]:
    return _of(table, profile_id).to_pyarrow().to_pylist()[0]


def _of(table: ir.Table, profile_id: int) -> ir.Table:
    return table.filter(table.profile_id == profile_id)


def _with_references(segment: str, rules: Mapping[str, tree.Checked]) -> Iterator[str]:
    """The segment and those that its rule refers to, in whatever depth; each once."""
    found = {segment: None}
    waiting = [segment]
    while waiting:
        others = [name for name in sorted(rules[waiting.pop()].segments) if name not in found]
        found |= dict.fromkeys(others)
        waiting += others
    yield from found
