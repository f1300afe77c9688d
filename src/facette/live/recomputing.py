"""Values and memberships from all events of some profiles, by the functions of a run: exact, and without state."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.language import tree
from facette.definitions.project import Definitions
from facette.live.knowledge import Knowledge
from facette.segments.evaluation import Known, rule_row
from facette.segments.membership import wide_memberships


class Recomputing:
    """Evaluates from all events of the profiles asked about, at every question."""

    def __init__(self, definitions: Definitions, knowledge: Knowledge) -> None:
        self.definitions, self.knowledge = definitions, knowledge
        self.fitted = knowledge.fitted()
        self.given = {item.name for item in definitions.project.identifiers} | definitions.traits.keys()

    def memberships(self, moment: Moment, whose: Collection[int] | None) -> pa.Table:
        """profile_id, one boolean per segment, of those who count; of everybody where nobody is named."""
        rules = self.definitions.rules
        try:
            row = rule_row(self._known(moment, whose), self.definitions, rules.values())
            return wide_memberships(row, rules, moment).to_pyarrow()
        finally:
            self.knowledge.let_go()

    def columns(self, names: Sequence[str], moment: Moment, whose: Collection[int] | None) -> pa.Table:
        """profile_id, is_counted, and columns that rules may name, unknown for who does not count if not a trait.

        names : traits, identifiers, features, outputs of models, and names of the definitions' aggregates
        whose : the profiles asked about; None for everybody
        """
        fixed = [name for name in names if name in self.given]
        if fixed == [*names] and whose is None:
            return self.knowledge.everybody(names, moment)
        if fixed == [*names] and whose is not None:
            return self.knowledge.profiles_of(whose, moment).select(["profile_id", "is_counted", *names])
        try:
            known = self._known(moment, whose)
            found = known.profiles.select("profile_id", "is_counted", *fixed)
            made = [name for name in names if name not in fixed]
            if made:
                of_row = rule_row(known, self.definitions, [self._asking(made)]).select("profile_id", *made)
                found = found.left_join(of_row, "profile_id").select("profile_id", "is_counted", *names)
            return found.to_pyarrow()
        finally:
            self.knowledge.let_go()

    def _asking(self, names: Sequence[str]) -> tree.Checked:
        """What asks for columns as a rule does."""
        aggregates = {name: self.definitions.aggregates[name] for name in names if name in self.definitions.aggregates}
        return tree.Checked(tree.And(()), aggregates, frozenset(names) - aggregates.keys(), frozenset())

    def _known(self, moment: Moment, whose: Collection[int] | None) -> Known:
        if whose is None:
            profiles = self.knowledge.profiles(moment)
        else:
            profiles = self.knowledge.keep(self.knowledge.profiles_of(whose, moment))
        return Known(
            moment,
            profiles,
            partial(self._events, whose, {}),
            self.fitted,
            self.knowledge.keep,
            cuts=self.knowledge.snapshot.cuts,
        )

    def _events(self, whose: Collection[int] | None, read: dict[str, ir.Table], kind: str) -> ir.Table:
        if kind not in read:
            read[kind] = self.knowledge.events(kind, whose)
        return read[kind]
