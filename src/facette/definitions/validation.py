"""What a user writes about validation: by which KPIs segments are judged, which experiment they are for, the gate."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from facette.definitions.base import DefinedName, Definition

Policy = Literal["publish", "hold", "ask"]


class Gate(Definition):
    """What becomes of what fails its checks: `publish` it with the reason beside it, `hold` it back so that the version
    before stays, or `ask`: held until `facette approve` lets it through. One word is for all three kinds."""

    segments: Policy = Field(
        default="publish", description="Definitions that are new or changed, and not worth having."
    )
    clusters: Policy = Field(default="hold", description="Clusterings that are blurred.")
    scores: Policy = Field(default="hold", description="Scores that rank no better than chance.")


def _one_for_all(written: Any) -> Any:
    return dict.fromkeys(Gate.model_fields, written) if isinstance(written, str) else written


class Experiment(Definition):
    """An A/B test that is planned: can its effect be read among the members of a segment, and in how many days?

    What is measured is one of `kpi`, `event` and `rate`.
    """

    kpi: DefinedName | None = Field(default=None, description="A number, whose mean among members is to move.")
    event: DefinedName | None = Field(
        default=None, description="An event: the share of members who do it within `days` is to move."
    )
    rate: float | None = Field(default=None, gt=0, lt=1, description="A share that is known from elsewhere, 0–1.")
    minimum_effect: float = Field(
        gt=0, description="Smallest relative change that is worth finding: 0.1 from 5 % to 5.5 %, or from €50 to €55."
    )
    power: float = Field(default=0.8, gt=0, lt=1, description="How surely such a change is to be found.")
    significance: float = Field(default=0.05, gt=0, lt=1, description="How often chance may look like one, two-sided.")
    split: float = Field(default=0.5, gt=0, lt=1, description="Share of the members who get the new treatment.")
    days: int = Field(default=30, ge=1, description="How long each member is observed after having entered the test.")
    within_days: int = Field(default=365, ge=1, description="What would take longer than this is said to be never.")


class Validation(Definition):
    """When a segment or a clustering is worth publishing."""

    kpi: DefinedName | None = Field(default=None, description="Feature by which segments are compared before others.")
    kpis: tuple[DefinedName, ...] = Field(
        default=(), description="Further features by which they are compared; a difference in one is enough."
    )
    test: Literal["kruskal", "anova"] = Field(
        default="kruskal",
        description="`kruskal`: Kruskal–Wallis and Mann–Whitney, which compare ranks; `anova`: analysis of variance "
        "and Welch's test, which compare means.",
    )
    minimum_size: int = Field(default=100, ge=1)
    minimum_effect: float = Field(default=0.01, ge=0, description="Smallest effect size (η² or ε²) worth having.")
    significance: float = Field(
        default=0.05, gt=0, lt=1, description="Share of false ones among all differences found, at most."
    )
    minimum_silhouette: float = 0.5
    maximum_davies_bouldin: float = 0.5
    experiment: Experiment | None = None
    gate: Annotated[Gate, BeforeValidator(_one_for_all)] = Gate()

    @property
    def every_kpi(self) -> tuple[str, ...]:
        """All KPIs, the main one first, each once."""
        return tuple(dict.fromkeys((*([self.kpi] if self.kpi else []), *self.kpis)))
