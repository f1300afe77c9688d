"""What each stage of a plan reads from the snapshot, which functions it calls, and which tables it writes."""

from __future__ import annotations

from collections.abc import Callable

from facette.plan import Stage, Step
from facette.stages.features import features, partials
from facette.stages.models import models
from facette.stages.profiles import clean, events, people
from facette.stages.segments import segments, validation
from facette.stages.work import Work

STAGES: dict[Stage, Callable[[Step, Work], int]] = {
    "clean": clean,
    "people": people,
    "events": events,
    "partials": partials,
    "features": features,
    "models": models,
    "segments": segments,
    "validation": validation,
}


def perform(step: Step, work: Work) -> int:
    """Do one step; the number of rows it made."""
    return STAGES[step.stage](step, work)
