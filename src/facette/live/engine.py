"""What the worker asks of an engine for state and rules, and the exact one: the functions of a run on some profiles."""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Protocol

import ibis.expr.types as ir
import pyarrow as pa

from facette.clock import Moment
from facette.definitions.project import Definitions
from facette.live.knowledge import Arrived, Knowledge
from facette.segments.evaluation import Known, rule_row
from facette.segments.membership import wide_memberships


class Engine(Protocol):
    """Evaluates all rules for some profiles. It may keep state of its own, which follows from what it is told."""

    def arrived(self, arrived: Arrived) -> None:
        """Take in what came, which its knowledge holds already."""
        ...

    def memberships(self, moment: Moment, whose: Collection[int] | None) -> pa.Table:
        """profile_id, one boolean per segment, of those who count; of everybody where nobody is named."""
        ...


class Recomputing:
    """Evaluates from all events of the profiles asked about, at every question: exact, and without state."""

    def __init__(self, definitions: Definitions, knowledge: Knowledge) -> None:
        self.definitions, self.knowledge = definitions, knowledge
        self.fitted = knowledge.fitted()

    def arrived(self, arrived: Arrived) -> None:
        pass

    def memberships(self, moment: Moment, whose: Collection[int] | None) -> pa.Table:
        rules = self.definitions.rules
        try:
            row = rule_row(self._known(moment, whose), self.definitions, rules.values())
            return wide_memberships(row, rules, moment).to_pyarrow()
        finally:
            self.knowledge.let_go()

    def _known(self, moment: Moment, whose: Collection[int] | None) -> Known:
        asked = None if whose is None else self.knowledge.whose(whose)
        return Known(
            moment,
            self.knowledge.profiles(moment, asked),
            partial(self._events, asked, {}),
            self.fitted,
            self.knowledge.keep,
            cuts=self.knowledge.snapshot.cuts,
        )

    def _events(self, whose: ir.Table | None, read: dict[str, ir.Table], kind: str) -> ir.Table:
        if kind not in read:
            read[kind] = self.knowledge.events(kind, whose)
        return read[kind]
