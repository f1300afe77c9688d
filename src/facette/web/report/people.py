"""The report's sections about segments: how large, how different, who is in them, and who is in two."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facette.definitions.language.tree import ValueType
from facette.validation.portraits import MINIMUM_KNOWN
from facette.web.report.pictures import (
    BLUE,
    GREEN,
    GREY,
    Bar,
    Cells,
    Line,
    Picture,
    bars,
    heat_map,
    lines,
    sparkline,
)
from facette.web.report.reading import Reading, Row

COLOURS = {"worth": GREEN, "weak": "#e69f00", "small": "#56b4e9", "empty": GREY, "unknown": BLUE}
SHOWN_LINES = 8
SHOWN_OVERLAPS = 40
TOLD_OVERLAPS = 6
SHOWN_TRAITS = 6
WIDEST_EFFECT = 2.0
"""A difference of so many standard deviations fills half of a trait's bar."""
SAME_PEOPLE = 0.9
STRENGTHS = ((0.8, "large"), (0.5, "medium"), (0.2, "small"), (0.0, "slight"))
"""Cohen (1988), "Statistical power analysis for the behavioral sciences": large, medium and small d."""
NEARLY_ALL = 0.9
"""Of how many a value must be known for nothing to be said of it."""
BOOLEANS = {"true": "yes", "false": "no"}


@dataclass(frozen=True)
class Trait:
    """What sets a group apart: a name, both values in words, and a bar from the middle of 0–100 %."""

    name: str
    versus: str
    title: str
    start: float
    width: float
    is_higher: bool


def badge(reading: Reading, kind: str, name: str) -> Row | None:
    """A verdict in words: key, text, reason; None if nothing was judged."""
    row = reading.verdicts.get((kind, name))
    if row is None:
        return None
    return {
        "key": row["verdict"],
        "text": reading.words.say(f"verdict_{row['verdict']}"),
        "reason": reading.reason(row),
    }


def glance(reading: Reading) -> Row:
    """Every segment in a row, and pictures of their sizes."""
    rows = [_line(reading, size) for size in reading.sizes]
    return {
        "rows": rows,
        "has_past": len(reading.runs) > 1,
        "kpi": reading.words.say(f"kpi_{reading.centre}", kpi=reading.column(reading.kpi)) if reading.kpi else None,
        "sizes": _sizes(reading) if rows else None,
        "history": _history(reading) if rows else None,
    }


def _line(reading: Reading, size: Row) -> Row:
    words, name = reading.words, size["segment"]
    past = [row["members"] for row in reading.history[name]]
    moved = {"entered": words.number(size["entered"]), "left": words.number(size["left"])}
    told = words.say(
        "evolution_alt", first=words.number(past[0]), last=words.number(past[-1]), runs=words.count(len(past), "run")
    )
    return {
        "name": name,
        "label": reading.segment(name),
        "rule": reading.rule(name),
        "members": words.number(size["members"]),
        "share": _share(reading, size),
        "moved": moved if len(past) > 1 else None,
        "trend": {"points": sparkline(past), "told": told} if len(past) > 1 else None,
        "verdict": badge(reading, "segment", name),
        "kpi": _kpi(reading, reading.kpi, reading.main_effects.get(name, {})) if reading.kpi else None,
    }


def _kpi(reading: Reading, kpi: str, effect: Row) -> tuple[str, str]:
    """The main KPI inside and outside."""
    sides = [reading.quantity(kpi, effect.get(f"{reading.centre}_{side}")) for side in ("in", "out")]
    return sides[0], sides[1]


def _sizes(reading: Reading) -> Picture:
    words = reading.words
    items = []
    for size in reading.sizes:
        verdict = badge(reading, "segment", size["segment"])
        items.append(
            Bar(
                name=reading.segment(size["segment"]),
                length=size["members"],
                told=f"{words.number(size['members'])} ({_share(reading, size)})",
                kind=verdict["text"] if verdict else words.say("verdict_unknown"),
                colour=COLOURS[verdict["key"]] if verdict else GREY,
            )
        )
    return Picture(
        title=words.say("sizes"),
        caption=words.say("sizes_caption"),
        alt=words.say("sizes_alt", listed=", ".join(f"{item.name} {item.told}" for item in items)),
        height=110 + 30 * len(items),
        narrow_height=110 + 44 * len(items),
        figure=bars(items, words.say("members")),
    )


def _share(reading: Reading, size: Row) -> str:
    return reading.words.percent(size["members"] / size["population"] if size["population"] else None)


def _history(reading: Reading) -> Picture | None:
    """Size curves, until now where a worker is at work; None with a single instant."""
    words, live = reading.words, reading.live
    now = [live.as_of] if live else []
    instants = sorted({*(row["as_of"] for rows in reading.history.values() for row in rows), *now})
    if len(instants) < 2:
        return None
    items = []
    for place, (name, rows) in enumerate(reading.history.items()):
        latest = {row["as_of"]: row["members"] for row in rows}  # of several runs for one instant, the last
        latest |= {live.as_of: live.members.get(name, 0)} if live else {}
        days = [words.say("live_now") if at in now else words.short_day(words.local_day(at)) for at in latest]
        counts = [words.count(n, "profile") for n in latest.values()]
        told = [words.labelled(day, count) for day, count in zip(days, counts, strict=True)]
        items.append(Line(reading.segment(name), list(latest), list(latest.values()), told, place < SHOWN_LINES))
    step = -(-len(instants) // 8)
    ticks = [(instant, words.short_day(words.local_day(instant))) for instant in instants[::step]]
    shown = min(SHOWN_LINES, len(items))
    return Picture(
        title=words.say("history"),
        caption=words.say("history_caption", shown=words.number(shown)),
        alt=words.say(
            "history_alt", segments=words.count(len(items), "segment"), runs=words.count(len(reading.runs), "run")
        ),
        height=420,
        narrow_height=340 + 20 * len(items),
        figure=lines(items, ticks, words.say("members")),
    )


# ── who each segment is ─────────────────────────────────────────────────────────────────────────────────────────────


def cards(reading: Reading) -> list[Row]:
    """Per segment: label, description, place in the hierarchy, and distinguishing traits."""
    shown = {size["segment"] for size in reading.sizes}  # not what is merged, or held back
    parents = {item.name: item.parent for item in reading.definitions.project.segments if item.name in shown}
    found = []
    for size in reading.sizes:
        name = size["segment"]
        parent = parents.get(name)
        found.append(
            {
                "name": name,
                "label": reading.segment(name),
                "description": _description(reading, name),
                "members": reading.words.count(size["members"], "profile"),
                "share": _share(reading, size),
                "parent": _link(reading, parent) if parent and parent in shown else None,
                "children": [_link(reading, child) for child, above in parents.items() if above == name],
                "traits": traits(reading, name),
                "no_traits": reading.words.say("no_traits", n=MINIMUM_KNOWN),
            }
        )
    return found


def traits(reading: Reading, group: str) -> list[Trait]:
    """The traits that set a segment or a cluster apart, most distinguishing first."""
    return [_trait(reading, row) for row in reading.traits.get(group, [])[:SHOWN_TRAITS]]


def _trait(reading: Reading, row: Row) -> Trait:
    words, feature, effect = reading.words, row["feature"], row["effect"]
    name = reading.column(feature)
    if row["level"] is not None:
        name = words.labelled(name, level_of(reading, feature, row["level"]))
    inside, outside = sides(reading, row)
    versus = words.say("versus", inside=inside, outside=outside)
    if min(row["known_inside"], row["known_outside"]) < NEARLY_ALL:
        known = {side: words.percent(row[f"known_{side}"]) for side in ("inside", "outside")}
        versus = f"{versus} ({words.say('known_of', **known)})"
    strength = next(name for least, name in STRENGTHS if abs(effect) >= least)
    start, width = diverging(effect, WIDEST_EFFECT)
    return Trait(
        name=name,
        versus=versus,
        title=words.say("trait_title", strength=words.say(f"strength_{strength}"), effect=words.number(effect)),
        start=start,
        width=width,
        is_higher=effect > 0,
    )


def sides(reading: Reading, row: Row) -> tuple[str, str]:
    """A trait's value inside and outside, in words."""
    if row["level"] is None:
        return reading.words.quantities(row["inside"], row["outside"], reading.unit(row["feature"]))
    return reading.words.percent(row["inside"]), reading.words.percent(row["outside"])


def diverging(value: float, widest: float) -> tuple[float, float]:
    """Where a bar from the middle starts, and how wide it is, both in per cent of its row."""
    width = 50 * min(1.0, abs(value) / widest)
    return (50.0 if value > 0 else 50 - width), width


def level_of(reading: Reading, feature: str, level: str) -> str:
    column = reading.definitions.vocabulary.columns.get(feature)
    kind: ValueType = column.type if column else "text"
    return reading.words.say(BOOLEANS[level]) if kind == "boolean" and level in BOOLEANS else level


def _description(reading: Reading, name: str) -> str:
    found = (item for item in reading.definitions.project.segments if item.name == name)
    return next((reading.description(item) for item in found), "")


def _link(reading: Reading, name: str) -> Row:
    return {"name": name, "label": reading.segment(name)}


# ── overlaps ────────────────────────────────────────────────────────────────────────────────────────────────────────


def overlaps(reading: Reading) -> Row | None:
    """Who is in two segments; None with fewer than two segments."""
    rows = {(row["segment_a"], row["segment_b"]): row for row in reading.rows("overlaps")}
    names = [size["segment"] for size in reading.sizes if size["members"]]
    rows = {pair: row for pair, row in rows.items() if set(pair) <= set(names)}
    if len(names) < 2 or not rows:
        return None
    shown = names[:SHOWN_OVERLAPS]
    return {
        "picture": _overlap_map(reading, shown, rows),
        "left_out": _left_out(reading, len(names) - len(shown), len(reading.sizes) - len(names)),
        "largest": _largest(reading, rows),
    }


def _left_out(reading: Reading, smallest: int, empty: int) -> str:
    """How many segments the map leaves out, and why."""
    words = reading.words
    told = [words.say("overlaps_empty", segments=words.count(empty, "segment"))] if empty else []
    if smallest:
        told.insert(0, words.say("overlaps_smallest", segments=words.count(smallest, "segment"), most=SHOWN_OVERLAPS))
    return words.say("overlaps_left_out", listed=words.listed(told)) if told else ""


def _overlap_map(reading: Reading, names: Sequence[str], rows: dict[tuple[str, str], Row]) -> Picture:
    words = reading.words
    labels = [reading.segment(name) for name in names]
    upward = list(reversed(names))
    cells = Cells(
        shades=[[rows[a, b]["share_of_a"] if (a, b) in rows else None for b in names] for a in upward],
        texts=[[_rounded(rows.get((a, b))) for b in names] for a in upward],
        told=[[_overlap(reading, rows[a, b]) if (a, b) in rows else "" for b in names] for a in upward],
    )
    return Picture(
        title="",
        caption=words.say("overlaps_caption"),
        alt=words.say("overlaps_alt", segments=words.count(len(names), "segment")),
        height=200 + 27 * len(names),
        width=240 + 24 * len(names),
        figure=heat_map(cells, labels, list(reversed(labels))),
    )


def _rounded(row: Row | None) -> str:
    """Per cent without its sign, which every cell would repeat; nothing for nobody."""
    return f"{100 * row['share_of_a']:.0f}" if row and row["both"] else ""


def _overlap(reading: Reading, row: Row) -> str:
    words = reading.words
    of_b = row["both"] / next(size["members"] for size in reading.sizes if size["segment"] == row["segment_b"])
    return words.say(
        "overlap",
        a=reading.segment(row["segment_a"]),
        b=reading.segment(row["segment_b"]),
        both=words.count(row["both"], "profile"),
        of_a=words.percent(row["share_of_a"]),
        of_b=words.percent(of_b),
    )


def _largest(reading: Reading, rows: dict[tuple[str, str], Row]) -> list[str]:
    """The pairs with most in common, without those that the hierarchy explains."""
    parents = {item.name: item.parent for item in reading.definitions.project.segments}
    pairs = [row for (a, b), row in rows.items() if a < b and row["both"] and not _is_within(a, b, parents)]
    pairs.sort(key=lambda row: (-row["jaccard"], row["segment_a"], row["segment_b"]))
    same = reading.words.say("same_people")
    return [
        f"{_overlap(reading, row)} {same}" if row["jaccard"] >= SAME_PEOPLE else _overlap(reading, row)
        for row in pairs[:TOLD_OVERLAPS]
    ]


def _is_within(a: str, b: str, parents: dict[str, str | None]) -> bool:
    """Whether one of two segments is an ancestor of the other."""
    for name, other in ((a, b), (b, a)):
        above = parents.get(name)
        while above:
            if above == other:
                return True
            above = parents.get(above)
    return False
