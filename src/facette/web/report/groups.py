"""The report's sections about groups that were found rather than defined: clusterings, and recency × frequency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facette.definitions.model import Feature
from facette.definitions.models import ClustersModel
from facette.models.clusters.fitted import NOBODY, ClustersMetrics, FittedClusters
from facette.web.report.compared import comparison, dendrogram, method_name, shift
from facette.web.report.curve_pictures import choice
from facette.web.report.people import badge, traits
from facette.web.report.pictures import GREY, PALETTE, Cells, Picture, Scale, heat_map
from facette.web.report.point_pictures import cloud
from facette.web.report.portrait import portrait
from facette.web.report.reading import Reading, Row


def clusterings(reading: Reading) -> list[Row]:
    """Per clustering: what it was made from, its map, how the number was chosen, its groups and its verdict."""
    models = [item for item in reading.definitions.project.models if item.kind == "clusters"]
    return [_clustering(reading, model) for model in models]


def _clustering(reading: Reading, model: ClustersModel) -> Row:
    words, fitted = reading.words, reading.clustering(model.name)
    section: Row = {
        "label": reading.column(model.name),
        "description": reading.description(model),
        "is_fitted": fitted is not None,
    }
    if fitted is None:
        return section
    metrics = fitted.metrics
    return section | {
        "facts": words.say(
            "clustering_facts",
            groups=words.count(metrics.clusters, "group"),
            method=method_name(reading, metrics.method),
            features=words.listed([reading.column(name) for name in fitted.preparation.features]),
            rows=words.count(metrics.rows, "profile"),
        ),
        "verdict": badge(reading, "clustering", model.name),
        "map": _map(reading, metrics),
        "choice": _choice(reading, model, metrics),
        "hierarchy": dendrogram(reading, metrics),
        "comparison": comparison(reading, metrics),
        "shift": shift(reading, metrics.shift),
        "groups": _groups(reading, model.name, fitted),
    }


def _map(reading: Reading, metrics: ClustersMetrics) -> Picture:
    words = reading.words
    groups = []
    for cluster in metrics.profile:
        places = [place for place in metrics.map if place.number == cluster.number]
        name = words.say("group", number=cluster.number)
        groups.append((name, [place.x for place in places], [place.y for place in places]))
    if strangers := [place for place in metrics.map if place.number == NOBODY]:
        groups.append((words.say("no_group"), [place.x for place in strangers], [place.y for place in strangers]))
    return Picture(
        title=words.say("map"),
        caption=words.say("map_caption", explained=words.percent(sum(metrics.explained_variance[:2]))),
        alt=words.say("map_alt", points=words.number(len(metrics.map)), groups=words.count(len(groups), "group")),
        height=440,
        figure=cloud(groups),
    )


def _choice(reading: Reading, model: ClustersModel, metrics: ClustersMetrics) -> Picture | None:
    """How the number of groups was chosen; None if it was not chosen among several."""
    words, trials = reading.words, metrics.trials
    if len(trials) < 2 or not metrics.suggested:
        return None
    counts = [trial.clusters for trial in trials]
    widths = [words.fixed(trial.silhouette or 0.0, 2) for trial in trials]
    by = next((item.choose for item in model.methods if item.method == metrics.method), None)
    by = by or ("bic" if metrics.method == "gaussian_mixture" else "silhouette")
    why, bend = words.say(f"choice_by_{by}"), metrics.suggested.get("elbow")
    if by != "elbow" and bend is not None:
        why += words.say("choice_elbow_same" if bend == metrics.clusters else "choice_elbow", elbow=bend)
    if metrics.suggested.get("gap") == 1:
        why += words.say("choice_no_gap")
    curves = [
        (
            words.say("silhouette"),
            [trial.silhouette or 0.0 for trial in trials],
            [words.labelled(words.count(n, "group"), width) for n, width in zip(counts, widths, strict=True)],
        ),
        (
            words.say("inertia"),
            [trial.inertia or 0.0 for trial in trials],
            [
                words.labelled(words.count(trial.clusters, "group"), words.number(trial.inertia or 0.0))
                for trial in trials
            ],
        ),
    ]
    listed = ", ".join(words.labelled(n, width) for n, width in zip(counts, widths, strict=True))
    return Picture(
        title=words.say("choice"),
        caption=words.say("choice_caption", chosen=words.count(metrics.clusters, "group").capitalize(), why=why),
        alt=words.say("choice_alt", listed=listed),
        height=300,
        narrow_height=480,
        figure=choice(counts, curves, metrics.clusters, words.say("number_of_groups")),
    )


def _groups(reading: Reading, model: str, fitted: FittedClusters) -> list[Row]:
    """The clusters as they are now, with their sizes, means at the fit, and distinguishing traits."""
    words, sizes = reading.words, _sizes_now(reading, model)
    everybody = sum(sizes.values())
    found = []
    for place, cluster in enumerate(fitted.metrics.profile):
        members = sizes.get(cluster.number, 0)
        means = [
            f"{reading.column(feature)} {reading.quantity(feature, mean)}"
            for feature, mean in cluster.means.items()
            if mean is not None
        ]
        found.append(
            {
                "label": words.say("group", number=cluster.number),
                "portrait": portrait(reading, f"{model}:{cluster.number}"),
                "stability": _steadiness(reading, cluster.stability),
                "colour": PALETTE[place % len(PALETTE)],
                "members": words.count(members, "profile"),
                "share": words.percent(members / everybody if everybody else None),
                "means": words.typeset(words.say("average", listed=" · ".join(means))),
                "traits": traits(reading, f"{model}:{cluster.number}"),
            }
        )
    if sizes.get(NOBODY):
        found.append(_strangers(reading, model, sizes[NOBODY], everybody))
    return found


def _strangers(reading: Reading, model: str, members: int, everybody: int) -> Row:
    """Those in no group, as if they were one."""
    words = reading.words
    return {
        "label": words.say("no_group"),
        "portrait": portrait(reading, f"{model}:{NOBODY}"),
        "stability": "",
        "colour": GREY,
        "members": words.count(members, "profile"),
        "share": words.percent(members / everybody),
        "means": words.say("no_group_note"),
        "traits": traits(reading, f"{model}:{NOBODY}"),
    }


def _steadiness(reading: Reading, stability: float | None) -> str:
    """How surely a group comes again from other people; the bounds are those of Hennig (2007)."""
    if stability is None:
        return ""
    word = "steady" if stability >= 0.75 else "shaky" if stability >= 0.5 else "dissolved"
    return reading.words.say(f"group_{word}", jaccard=reading.words.fixed(stability, 2))


def _sizes_now(reading: Reading, model: str) -> dict[int, int]:
    scored = reading.published.table("scored")
    counted = scored.group_by(number=scored[model]).agg(n=scored.count()).to_pyarrow().to_pylist()
    return {int(row["number"]): row["n"] for row in counted if row["number"] is not None}


# ── recency × frequency ─────────────────────────────────────────────────────────────────────────────────────────────


def recency_frequency(reading: Reading) -> Picture | None:
    """Profiles by recency score and frequency score; None if the project has no such pair of scores."""
    pair = _pair_of_scores(reading.definitions.project.features)
    if pair is None or not reading.has("features") or not reading.population:
        return None
    words = reading.words
    recency, frequency, groups = pair
    cells = _crossed(reading, recency, frequency)
    kpi_known = any(cell["kpi"] is not None for cell in cells.values())
    up = range(1, groups + 1)
    told = [[_told(reading, recency, frequency, r, f, cells.get((r, f))) for r in up] for f in up]
    shade = "kpi" if kpi_known else "n"
    shades = [[cells.get((r, f), {}).get(shade) for r in up] for f in up]
    colour = (
        words.say("rfm_colour_kpi", kpi=reading.column(reading.kpi or ""))
        if kpi_known
        else words.say("rfm_colour_members")
    )
    reading_of_corners = words.say(
        "rfm_reading", best=_count(reading, cells, (groups, groups)), lost=_count(reading, cells, (1, groups))
    )
    caption = words.say(
        "rfm_caption",
        recency=_quoted(reading, recency),
        frequency=_quoted(reading, frequency),
        groups=groups,
        colour=colour,
    )
    figure = heat_map(
        Cells(
            shades=shades,
            texts=[[_written(reading, cells.get((r, f))) for r in up] for f in up],
            told=told,
        ),
        [str(score) for score in up],
        [str(score) for score in up],
        x_title=words.say("rfm_across", score=reading.column(recency), groups=groups),
        y_title=words.say("rfm_up", score=reading.column(frequency), groups=groups),
        scale=_scale(reading, [value for row in shades for value in row if value is not None], is_kpi=kpi_known),
    )
    return Picture(
        title="",
        caption=f"{caption} {reading_of_corners}",
        alt=words.say("rfm_alt", groups=groups, members=words.count(reading.population, "profile")),
        height=136 + 64 * min(groups, 10),
        narrow_height=236 + 64 * min(groups, 10),
        width=120 + 50 * groups if groups > 5 else 0,
        figure=figure,
    )


def _pair_of_scores(features: tuple[Feature, ...]) -> tuple[str, str, int] | None:
    """The first quantile score where low is best (recency), and the next one of as many groups where high is."""
    for place, first in enumerate(features):
        if first.quantiles is None or not first.quantiles.reverse:
            continue
        for other in features[place + 1 :]:
            if other.quantiles and not other.quantiles.reverse and other.quantiles.groups == first.quantiles.groups:
                return first.name, other.name, first.quantiles.groups
    return None


def _crossed(reading: Reading, recency: str, frequency: str) -> dict[tuple[int, int], Row]:
    """(recency, frequency) → profiles, and the mean of the KPI where it is known."""
    table = reading.published.table("features")
    table = table.filter(table[recency].notnull() & table[frequency].notnull())
    measures = {"n": table.count()}
    if reading.kpi in table.columns:
        measures["kpi"] = table[reading.kpi].cast("float64").mean()
    counted = table.group_by(r=table[recency], f=table[frequency]).agg(**measures).to_pyarrow().to_pylist()
    return {(int(row["r"]), int(row["f"])): {"kpi": None} | row for row in counted}


def _written(reading: Reading, cell: Row | None) -> str:
    """In a cell: how many, and below it the mean of the KPI."""
    if cell is None:
        return ""
    count = reading.words.number(cell["n"])
    return count if cell["kpi"] is None else f"{count}\n{reading.quantity(reading.kpi or '', cell['kpi'])}"


def _scale(reading: Reading, values: Sequence[float], *, is_kpi: bool) -> Scale | None:
    """What the shades stand for; None if there is only one."""
    low, high = min(values, default=0), max(values, default=0)
    if low == high:
        return None
    name = reading.column(reading.kpi or "") if is_kpi else reading.words.say("rfm_scale_members")
    told = reading.kpi or "" if is_kpi else ""
    return Scale(name, [(value, reading.quantity(told, value)) for value in (low, (low + high) / 2, high)])


def _told(reading: Reading, recency: str, frequency: str, r: int, f: int, cell: Row | None) -> str:
    words = reading.words
    lines = [
        f"{reading.column(recency)} {r}, {reading.column(frequency)} {f}",
        words.count(cell["n"] if cell else 0, "profile"),
    ]
    if cell and reading.kpi and cell["kpi"] is not None:
        lines.append(words.labelled(reading.column(reading.kpi), reading.quantity(reading.kpi, cell["kpi"])))
    return "\n".join(lines)


def _count(reading: Reading, cells: Mapping[tuple[int, int], Row], corner: tuple[int, int]) -> str:
    return reading.words.count(cells[corner]["n"] if corner in cells else 0, "profile")


def _quoted(reading: Reading, column: str) -> str:
    name = reading.column(column)
    return reading.words.typeset(f"« {name} »") if reading.language == "fr" else f"“{name}”"
