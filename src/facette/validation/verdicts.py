"""Is a segment, or a clustering, worth having? Judged by its size, its shape, and whether a KPI differs in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import pyarrow as pa

from facette.definitions.model import Label, Language, Validation
from facette.models.clusters.fitted import NOBODY, FittedClusters
from facette.validation.effects import effects
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
        ("kpi", pa.string()),
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
    kpi: str | None = None
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
    found: pa.Table | None = None,
    clusterings: Sequence[FittedClusters] = (),
    labels: Mapping[str, Label] | None = None,
) -> pa.Table:
    """One row per segment, then one per clustering.

    wide        : ``profile_id`` and one boolean column per segment
    features    : ``profile_id``, every KPI, and per clustering a column of its name with the clusters' numbers, 0 for
                  none (the features joined with the scored); the same profiles, in any order
    found       : the effects, if they are known (see :func:`facette.validation.effects.effects`)
    labels      : what the sentences call the KPIs
    returns     :
        kind        segment or clustering
        name        of the segment or of the model
        members     profiles in it; in some cluster, for a clustering
        share       of the population, 0–1
        kpi         by which it is judged: the main one if it makes a difference worth having, else the one that makes
                    it most surely, else the main one; null without any
        kpi_mean_in, kpi_mean_out       mean of this KPI's known values inside and outside; null for a clustering
        kpi_median_in, kpi_median_out   their medians
        statistic   H of Kruskal–Wallis or F of the analysis of variance, members against all others (cluster against
                    cluster); null if it cannot be computed
        p_value     of the statistic;  p_adjusted: by Benjamini–Hochberg over all that is compared, whatever the KPI
        effect_size ε² or η², 0–1
        silhouette, davies_bouldin  of a clustering, from its fit
        verdict     empty (nobody), small (below minimum_size), unknown (nothing to compare by), weak (no difference
                    worth it, or blurred clusters), worth
        reason_fr, reason_en        why, in a sentence
    """
    features = aligned(features, wide)
    if found is None:
        found = effects(wide, features, validation, clusterings=[item.name for item in clusterings])
    compared = _compared(found, validation)
    judged = []
    for name, mask in segments_of(wide):
        row = _row("segment", name, int(mask.sum()), len(mask), compared.get(name))
        judged.append((row, *_judge_segment(row, validation, _label(row.kpi, labels or {}))))
    for fitted in clusterings:
        numbers = features[fitted.name].to_numpy()
        members = int((numbers != NOBODY).sum())
        row = _row("clustering", fitted.name, members, len(numbers), compared.get(fitted.name))
        row.silhouette, row.davies_bouldin = fitted.metrics.silhouette, fitted.metrics.davies_bouldin
        smallest = min(int((numbers == number).sum()) for number in fitted.names)
        judged.append((row, *_judge_clustering(row, fitted, smallest, validation, _label(row.kpi, labels or {}))))
    return pa.Table.from_pylist(
        [
            asdict(row) | {"verdict": verdict, "reason_fr": reason["fr"], "reason_en": reason["en"]}
            for row, verdict, reason in judged
        ],
        schema=SCHEMA,
    )


def _compared(found: pa.Table, validation: Validation) -> dict[str, dict[str, Any]]:
    """Segment or clustering → the effect by which it is judged."""
    chosen: dict[str, dict[str, Any]] = {}
    rows = [row for row in found.to_pylist() if row["relation"] in ("others", "clusters")]
    for row in rows:  # the main KPI comes first
        best = chosen.setdefault(row["segment"], row)
        is_worth = is_difference(row, validation)
        if is_worth and (not is_difference(best, validation) or _is_surer(row, best, validation)):
            chosen[row["segment"]] = row
    return chosen


def is_difference(row: Mapping[str, Any], validation: Validation) -> bool:
    """Whether an effect is surely none of chance, and large enough to be worth having."""
    p, effect = row["p_adjusted"], row["effect_size"]
    return p is not None and effect is not None and p < validation.significance and effect >= validation.minimum_effect


def _is_surer(row: Mapping[str, Any], best: Mapping[str, Any], validation: Validation) -> bool:
    return best["kpi"] != validation.kpi and row["p_adjusted"] < best["p_adjusted"]


def _row(
    kind: Literal["segment", "clustering"], name: str, members: int, population: int, effect: dict[str, Any] | None
) -> _Row:
    row = _Row(kind, name, members, members / population if population else 0.0)
    if effect is not None:
        row.kpi = effect["kpi"]
        row.kpi_mean_in, row.kpi_mean_out = effect["mean_in"], effect["mean_out"]
        row.kpi_median_in, row.kpi_median_out = effect["median_in"], effect["median_out"]
        row.statistic, row.p_value, row.p_adjusted = effect["statistic"], effect["p_value"], effect["p_adjusted"]
        row.effect_size = effect["effect_size"]
    return row


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
    if not validation.every_kpi:
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
    if not validation.every_kpi:
        return "unknown", say("no_kpi")
    verdict, reason = _judge_difference(row, validation, kpi, prefix="clusters_")
    if verdict == "worth" and row.kpi in fitted.preparation.features:
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
