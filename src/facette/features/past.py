"""Profiles and features as they were: the tables of a snapshot, asked about any moment up to its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions import model
from facette.features.partials import by_event, kinds_needed, prepare
from facette.features.table import FeaturePlan, feature_table
from facette.features.thresholds import cuts_at
from facette.profiles.golden import profiles_at
from facette.profiles.updates import without_idle


@dataclass(frozen=True)
class Past:
    """What profiles and features of a moment are made of.

    records    : source of people → its cleaned records
    identities : kind, value, profile_id …
    events     : kind → all its events, under today's profile ids
    keep       : makes a table that is used several times be computed once; it may leave it as it is
    """

    project: model.Project
    records: Mapping[str, ir.Table]
    identities: ir.Table
    events: Callable[[str], ir.Table]
    keep: Callable[[ir.Table], ir.Table] = lambda table: table

    def profiles_at(self, moment: Moment) -> ir.Table:
        """Profiles with the traits that were known at a moment."""
        return profiles_at(without_idle(self.records), self.identities, self.project, moment)

    def rows_at(self, plan: FeaturePlan, moment: Moment) -> ir.Table:
        """The feature table of a plan at a moment, from what was known then; cuts and thresholds are those of then."""
        profiles = self.keep(self.profiles_at(moment))
        partials = {
            event: self.keep(
                prepare(
                    self.events(event),
                    aggregates,
                    moment,
                    {kind: self.events(kind) for kind in kinds_needed(aggregates)},
                )
            )
            for event, aggregates in by_event(plan.aggregates).items()
        }
        cuts = cuts_at(
            profiles, partials, plan, moment, Past(self.project, self.records, self.identities, self.events).rows_at
        )
        return feature_table(profiles, partials, plan, moment, cuts)
