"""Training sets: what was known of every profile at past instants, and what it did within the horizon after."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta

import ibis
import ibis.expr.types as ir

from facette.clock import Moment
from facette.definitions import models as definitions
from facette.definitions.language import tree
from facette.errors import ModelError
from facette.warehouse.compiler import compile_rule, visible

HORIZONS = 3
"""So many horizons the history has at least."""


def past_moments(model: definitions.PropensityModel, now: Moment, first_day: date) -> tuple[Moment, ...]:
    """The ends of the days from which a model learns, latest first.

    The horizon after the latest of them is over; the earliest has at least one horizon of history since ``first_day``.
    Raises ModelError if the history is shorter than three horizons, or fewer than three instants remain.
    """
    history = (now.today - first_day).days
    if history < HORIZONS * model.horizon_days:
        raise ModelError(
            f"“{model.name}” has {history} days of history since {first_day}, less than {HORIZONS} horizons of"
            f" {model.horizon_days} days: one to look back on, one to learn from, one to judge by.",
            remedy=f"Load older events, or shorten horizon_days to {max(1, history // HORIZONS)}.",
        )
    latest = now.today - timedelta(days=model.horizon_days + 1)
    days = [latest - timedelta(days=model.step_days * i) for i in range(model.instants)]
    kept = [day for day in days if day - timedelta(days=model.horizon_days) >= first_day]
    if len(kept) < 3:
        raise ModelError(
            f"“{model.name}” needs three past instants with {model.horizon_days} days before and after each;"
            f" the events begin on {first_day}, which leaves {len(kept)}.",
            remedy="Shorten horizon_days or step_days, or load older events.",
        )
    return tuple(end_of(day, now) for day in kept)


def training_set(
    model: definitions.PropensityModel,
    where: tree.Rule | None,
    events: ir.Table,
    row_at: Callable[[Moment], ir.Table],
    moments: tuple[Moment, ...],
    now: Moment,
) -> ir.Table:
    """One row per profile and past instant.

    events  : all events of the target's kind
    row_at  : the feature table at a moment, from what was known then
    returns : profile_id, instant, the model's features, the columns of its weights, target (did it in the
              ``horizon_days`` days after)
    """
    parts = []
    seen = events.filter(visible(events, now))
    for moment in moments:
        horizon = seen.filter(
            (seen.day > moment.today) & (seen.day <= moment.today + timedelta(days=model.horizon_days))
        )
        if where is not None:
            horizon = horizon.filter(compile_rule(where, horizon, moment))
        did = horizon.select(_did="profile_id").distinct()
        columns = tuple(dict.fromkeys((*model.features, *model.weights)))
        row = row_at(moment).select("profile_id", *columns)
        joined = row.left_join(did, row.profile_id == did._did)
        parts.append(
            joined.select(
                "profile_id",
                *columns,
                instant=ibis.literal(moment.as_of, type="timestamp('UTC', 6)"),
                target=joined._did.notnull(),
            )
        )
    return ibis.union(*parts)


def end_of(day: date, now: Moment) -> Moment:
    """The last microsecond of a local day."""
    return Moment(now.start_of(day + timedelta(days=1)) - timedelta(microseconds=1), now.zone)


def horizon_after(
    events: ir.Table, where: tree.Rule | None, amount: str, moment: Moment, days: int, now: Moment
) -> ir.Table:
    """What each profile bought in the days after a moment: profile_id, purchases (local days), value (amount)."""
    seen = events.filter(visible(events, now))
    seen = seen.filter((seen.day > moment.today) & (seen.day <= moment.today + timedelta(days=days)))
    if where is not None:
        seen = seen.filter(compile_rule(where, seen, now))
    return seen.group_by("profile_id").agg(
        purchases=seen.day.nunique().cast("float64"), value=seen[amount].cast("float64").sum()
    )


def is_due(fitted_at: datetime, refit_days: int, now: Moment) -> bool:
    """Whether a model is to be fitted again: it is old enough, or it has learnt from what lies ahead of ``now``."""
    return fitted_at > now.as_of or (now.today - Moment(fitted_at, now.zone).today).days >= refit_days
