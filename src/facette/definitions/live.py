"""Which features can be kept up to date event by event, and why the others wait for the next run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facette.definitions.language import tree
from facette.definitions.model import Feature, Project, Threshold


@dataclass(frozen=True, slots=True)
class Live:
    """Whether a new event alone can bring a value up to date, and why, or at what cost."""

    is_live: bool
    reason: str


def liveness(project: Project, order: Iterable[str], values: Mapping[str, tree.Checked]) -> dict[str, Live]:
    """Every feature and threshold by its name.

    order  : names of all features and thresholds, each after those it reads
    values : the checked value of each feature that has one
    """
    known: dict[str, Feature | Threshold] = {item.name: item for item in project.features}
    known |= {item.name: item for item in project.thresholds}
    found: dict[str, Live] = {}
    for name in order:
        found[name] = _liveness(known[name], values.get(name), found)
    return found


def _liveness(item: Feature | Threshold, checked: tree.Checked | None, found: Mapping[str, Live]) -> Live:
    if isinstance(item, Threshold):
        return Live(False, "it is computed from the whole population by each run")
    if item.quantiles:
        return Live(False, "its cuts are computed from the whole population by each run")
    aggregates = checked.aggregates.values() if checked else ()
    reads = [item.cuts.of] if item.cuts else sorted(checked.columns) if checked else []
    late = [read for read in reads if read in found and not found[read].is_live]
    if late:
        return Live(False, f"it reads {', '.join(late)}, which waits for the next run")
    if any(aggregate.function == "mode" for aggregate in aggregates):
        return Live(True, "it is computed anew from all events of whoever has a new one")
    if any(aggregate.function == "distinct" for aggregate in aggregates):
        return Live(True, "its state is merged, and grows with every different value in the window")
    return Live(True, "its state is merged with that of every new event")
