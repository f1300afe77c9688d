"""Is a segment, or a clustering, worth having? Judged by its size, its shape, and whether a KPI differs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from facette.definitions.model import Label, Language, Validation
from facette.models.clusters.fitted import NOBODY, FittedClusters
from facette.models.matrix import to_matrix
from facette.validation.differences import Comparison, Difference, adjust, among_groups
from facette.validation.masks import aligned, segments_of
from facette.validation.sentences import CENTRES, Probability, Quantity, Said, certainty, say, strength

Judgement = Literal["worth", "small", "weak", "empty", "unknown"]
MEASURES = {"kruskal": "ε²", "anova": "η²"}

SCHEMA = pa.schema(
    [
        ("kind", pa.string()),
        ("name", pa.string()),
        ("members", pa.int64()),
        ("share", pa.float64()),
        ("kpi_mean_in", pa.float64()),
        ("kpi_mean_out", pa.float64()),
        ("kpi_median_in", pa.float64()),
        ("kpi_median_out", pa.float64()),
        ("statistic", pa.float64()),
        ("p_value", pa.float64()),
        ("p_adjusted", pa.float64()),
        ("effect_size", pa.float64()),
        ("silhouette", pa.float64()),
        ("davies_bouldin", pa.float64()),
        ("verdict", pa.string()),
        ("reason_fr", pa.string()),
        ("reason_en", pa.string()),
    ]
)


@dataclass
class _Row:
    """A row of the verdicts, in the order of the schema but for the reasons."""

    kind: Literal["segment", "clustering"]
    name: str
    members: int
    share: float
    kpi_mean_in: float | None = None
    kpi_mean_out: float | None = None
    kpi_median_in: float | None = None
    kpi_median_out: float | None = None
    statistic: float | None = None
    p_value: float | None = None
    p_adjusted: float | None = None
    effect_size: float | None = None
    silhouette: float | None = None
    davies_bouldin: float | None = None


def segment_verdicts(
    wide: pa.Table,
    features: pa.Table,
    validation: Validation,
    *,
    clusterings: Sequence[FittedClusters] = (),
    labels: Mapping[str, Label] | None = None,
) -> pa.Table:
    """One row per segment, then one per clustering.

    wide        : ``profile_id`` and one boolean column per segment
    features    : ``profile_id``, the KPI if ``validation.kpi`` names one, and per clustering a column of its name with
                  the clusters' numbers, 0 for none (the features joined with the scored); profiles in any order
    labels      : what the sentences call the KPI
    returns     :
        kind        segment or clustering
        name        of the segment or of the model
        members     profiles in it; in some cluster, for a clustering
        share       of the population, 0–1
        kpi_mean_in, kpi_mean_out       mean of the KPI's known values inside and outside; null for a clustering
        kpi_median_in, kpi_median_out   their medians
        statistic   H of Kruskal–Wallis or F of the analysis of variance, members against all others (cluster against
                    cluster); null if it cannot be computed
        p_value     of the statistic;  p_adjusted: by Benjamini–Hochberg over all segments, and over all clusterings
        effect_size ε² or η², 0–1
        silhouette, davies_bouldin  of a clustering, from its fit
        verdict     empty (nobody), small (below minimum_size), unknown (nothing to compare by), weak (no difference
                    worth it, or blurred clusters), worth
        reason_fr, reason_en        why, in a sentence
    The KPI is ranked once, so 50 segments of 1,000,000 profiles take seconds. The verdict does not stop publishing:
    it is shown beside what is published.
    """
    kpi = validation.kpi
    label = _label(kpi, labels or {})
    features = aligned(features, wide)
    comparison = Comparison(to_matrix(features, [kpi])[:, 0], validation.test) if kpi is not None else None
    segments = [_segment(name, mask, comparison) for name, mask in segments_of(wide)]
    groupings = [features[fitted.name].to_numpy() for fitted in clusterings]
    clustered = [
        _clustering(fitted, numbers, comparison) for fitted, numbers in zip(clusterings, groupings, strict=True)
    ]
    for rows in (segments, clustered):
        for row, p in zip(rows, adjust([row.p_value for row in rows]), strict=True):
            row.p_adjusted = p
    judged = [(row, *_judge_segment(row, validation, label)) for row in segments]
    for row, fitted, numbers in zip(clustered, clusterings, groupings, strict=True):
        smallest = min(int((numbers == number).sum()) for number in fitted.numbers)
        judged.append((row, *_judge_clustering(row, fitted, smallest, validation, label)))
    return pa.Table.from_pylist(
        [
            asdict(row) | {"verdict": verdict, "reason_fr": reason["fr"], "reason_en": reason["en"]}
            for row, verdict, reason in judged
        ],
        schema=SCHEMA,
    )


def _segment(name: str, is_member: np.ndarray, comparison: Comparison | None) -> _Row:
    members = int(is_member.sum())
    row = _Row("segment", name, members, members / len(is_member) if len(is_member) else 0.0)
    if comparison is not None:
        row.kpi_mean_in, row.kpi_mean_out = comparison.means(is_member)
        row.kpi_median_in, row.kpi_median_out = comparison.medians(is_member)
        _note(row, comparison.of_members(is_member))
    return row


def _clustering(fitted: FittedClusters, numbers: np.ndarray, comparison: Comparison | None) -> _Row:
    members = int((numbers != NOBODY).sum())
    row = _Row(
        "clustering",
        fitted.name,
        members,
        members / len(numbers) if len(numbers) else 0.0,
        silhouette=fitted.metrics.silhouette,
        davies_bouldin=fitted.metrics.davies_bouldin,
    )
    if comparison is not None:
        if members < len(numbers):  # who is in no group has no part in how groups differ
            comparison = Comparison(among_groups(comparison.values, numbers), comparison.test)
        _note(row, comparison.of_groups(numbers))
    return row


def _note(row: _Row, difference: Difference | None) -> None:
    if difference is not None:
        row.statistic, row.p_value = difference.statistic, difference.p_value
        row.effect_size = difference.effect_size


def sentence(row: Mapping[str, Any], validation: Validation, *, kpi: Label, unit: str) -> dict[Language, str]:
    """Why a segment got its verdict, said again from its row of the table, with the unit of the KPI."""
    facts = _Row(**{key: row[key] for key in _Row.__dataclass_fields__})
    return _judge_segment(facts, validation, kpi, unit)[1]


def _judge_segment(
    row: _Row, validation: Validation, kpi: Label, unit: str = ""
) -> tuple[Judgement, dict[Language, str]]:
    if row.members == 0:
        return "empty", say("empty")
    if row.members < validation.minimum_size:
        return "small", say("small", members=row.members, minimum=validation.minimum_size)
    if validation.kpi is None:
        return "unknown", say("no_kpi")
    if row.share == 1:
        return "unknown", say("everybody")
    return _judge_difference(row, validation, kpi, unit=unit)


def _judge_clustering(
    row: _Row, fitted: FittedClusters, smallest: int, validation: Validation, kpi: Label
) -> tuple[Judgement, dict[Language, str]]:
    if is_blurred(fitted, validation):
        return "weak", say_shape("blurred", fitted, validation)
    if smallest < validation.minimum_size:
        return "small", say("small_cluster", members=smallest, minimum=validation.minimum_size)
    if validation.kpi is None:
        return "unknown", say("no_kpi")
    verdict, reason = _judge_difference(row, validation, kpi, prefix="clusters_")
    if verdict == "worth" and validation.kpi in fitted.preparation.features:
        beware = say("circular", kpi=kpi)
        reason = {language: f"{text} {beware[language]}" for language, text in reason.items()}
    return verdict, reason


def _judge_difference(
    row: _Row, validation: Validation, kpi: Label, *, unit: str = "", prefix: str = ""
) -> tuple[Judgement, dict[Language, str]]:
    p, effect = row.p_adjusted, row.effect_size
    if p is None or effect is None:
        return "unknown", say("kpi_unknown", kpi=kpi)
    is_chance = p >= validation.significance
    values: dict[str, Said] = {
        "kpi": kpi,
        "versus": _versus(row, validation, kpi, unit, is_chance),
        "p": Probability(p),
        "certainty": certainty(p),
        "measure": MEASURES[validation.test],
        "effect": effect,
        "strength": strength(effect),
        "least": validation.minimum_effect,
        "silhouette": row.silhouette,
    }
    if is_chance:
        return "weak", say(f"{prefix}chance", **values)
    if effect < validation.minimum_effect:
        return "weak", say(f"{prefix}slight", **values)
    return "worth", say(f"{prefix}worth", **values)


def _versus(row: _Row, validation: Validation, kpi: Label, unit: str, is_chance: bool) -> Label:
    """The KPI inside and outside, by the centre that goes with the test."""
    by_ranks = validation.test == "kruskal"
    inside, outside = (row.kpi_median_in, row.kpi_median_out) if by_ranks else (row.kpi_mean_in, row.kpi_mean_out)
    case = "versus" if inside != outside else "versus_same" if is_chance else "versus_spread"
    sides = {"inside": Quantity(inside, unit), "outside": Quantity(outside, unit)}
    return Label(**say(case, kpi=kpi, centre=CENTRES[validation.test], **sides))


def is_blurred(fitted: FittedClusters, validation: Validation) -> bool:
    """Whether the clusters' silhouette or Davies–Bouldin index misses what the project asks for."""
    metrics = fitted.metrics
    return (
        metrics.silhouette < validation.minimum_silhouette or metrics.davies_bouldin > validation.maximum_davies_bouldin
    )


def say_shape(case: str, fitted: FittedClusters, validation: Validation) -> dict[Language, str]:
    return say(
        case,
        silhouette=fitted.metrics.silhouette,
        davies_bouldin=fitted.metrics.davies_bouldin,
        least_silhouette=validation.minimum_silhouette,
        most_davies_bouldin=validation.maximum_davies_bouldin,
    )


def _label(kpi: str | None, labels: Mapping[str, Label]) -> Label:
    label = labels.get(kpi or "", Label())
    return label if label.fr or label.en else Label(fr=kpi, en=kpi)
