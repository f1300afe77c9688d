"""The report's section about the data that came in: what cleaning did to it, and what it put aside or made unknown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from facette.definitions.model import Source, SourceField
from facette.web.report.reading import Reading, Row

STEPS = ("only", "lookup", "text", "type", "range", "outlier", "blocked", "clock", "refused", "duplicates")
"""What cleaning does, in its order."""
TOLD = {
    "text": "tidied",
    "range": "made_unknown",
    "blocked": "made_unknown",
    "clock": "corrected",
    "flag": "flagged",
    "clip": "clipped",
    "drop": "made_unknown",
}
"""Step, or what is done with outliers → what became of the values counted as changed."""
WHY = {"range": "out of bounds", "outlier": "too far from the others", "blocked": "identifies nobody"}
UNKNOWN, CORRECTED = "value unknown", "clock corrected"
"""How the reasons begin for which no row was refused."""
SHOWN_REASONS = 40
SAMPLES = 3
LONGEST_SAMPLE = 40


@dataclass
class Step:
    """What one step of cleaning did to a source, all of its landings and readers added up.

    kind : of STEPS;  what : the source, the field or the identifier (id_…) that it is about
    """

    source: str
    kind: str
    what: str
    rows_in: int = 0
    rows_out: int = 0
    changed: int = 0
    refused: int = 0


def quality(reading: Reading) -> Row:
    """Rows by source and step, what was put aside or made unknown and why, and what identifiers made people."""
    steps = _steps(reading)
    reasons = _refused(reading) + _made_unknown(reading, steps)
    reasons.sort(key=lambda row: (-row["n"], row["source"], row["column"], row["reason"]))
    return {
        "steps": [_told(reading, step) for step in steps if _has_done_something(step)],
        "summary": _summary(reading, steps, reasons) if reasons else "",
        "reasons": [_reason(reading, row) for row in reasons[:SHOWN_REASONS]],
        "identities": _identities(reading),
    }


# ── the steps ───────────────────────────────────────────────────────────────────────────────────────────────────────


def _steps(reading: Reading) -> list[Step]:
    """By the order of the project's sources, of the steps, and of the fields."""
    found: dict[tuple[str, str], Step] = {}
    chosen_from: set[tuple[str, str]] = set()  # source and landing
    for row in reading.rows("quality"):
        kind, _, what = row["step"].partition(" ")
        step = found.setdefault((row["source"], row["step"]), Step(row["source"], kind, what))
        landing = (row["source"], row["landing"])
        if kind != "only" or landing not in chosen_from:  # each event of a source chooses from the same rows
            step.rows_in += row["rows_in"]
        if kind == "only":
            chosen_from.add(landing)
        step.rows_out += row["rows_out"]
        step.changed += row["changed"] or 0
        step.refused += row["refused"] or 0
    sources = {source.name: (place, list(_columns(source))) for place, source in enumerate(reading.sources)}

    def order(step: Step) -> tuple[int, str, int, int, str]:
        place, names = sources.get(step.source, (len(sources), []))
        kind = STEPS.index(step.kind) if step.kind in STEPS else len(STEPS)
        return place, step.source, kind, names.index(step.what) if step.what in names else len(names), step.what

    return sorted(found.values(), key=order)


def _has_done_something(step: Step) -> bool:
    return step.kind == "refused" or bool(step.rows_in != step.rows_out or step.changed or step.refused)


def _told(reading: Reading, step: Step) -> Row:
    words = reading.words
    name = reading.source(step.what) if step.kind == "lookup" else reading.field(step.what.removeprefix("id_"))
    key = f"step_{step.kind}"
    return {
        "source": reading.source(step.source),
        "step": words.say(key, what=name) if words.has(key) else f"{step.kind} {step.what}".strip(),
        "rows_in": words.number(step.rows_in),
        "rows_out": words.number(step.rows_out),
        "effect": ", ".join(
            words.labelled(words.say(f"was_{effect}"), words.number(n)) for effect, n in _effects(reading, step)
        ),
    }


def _effects(reading: Reading, step: Step) -> Iterable[tuple[str, int]]:
    """What became of rows or values, and of how many."""
    match step.kind:
        case "only":
            yield "left_out", step.rows_in - step.rows_out
        case "lookup":
            yield "matched", step.changed
            yield "unmatched", step.rows_in - step.changed
        case "type":
            yield "made_unknown", step.refused
        case "refused":
            yield "refused", step.refused
        case "duplicates":
            yield "removed", step.rows_in - step.rows_out
        case _:
            yield TOLD.get(_fate(reading, step), "changed"), step.changed


def _fate(reading: Reading, step: Step) -> str:
    """The step, but of outliers what is done with them."""
    if step.kind != "outlier":
        return step.kind
    field = _fields(next(source for source in reading.sources if source.name == step.source)).get(step.what)
    return field.outliers.action if field and field.outliers else "flag"


def _fields(source: Source) -> dict[str, SourceField]:
    return {name: field for _, reader in source.readers() for name, field in reader.fields.items()}


def _columns(source: Source) -> Mapping[str, str]:
    """What a step may be about → the column of the source that it is read from."""
    readers = [reader for _, reader in source.readers()]
    looked_up = {lookup.source: lookup.on for reader in readers for lookup in reader.lookups}
    identifiers = {f"id_{kind}": column for reader in readers for kind, column in reader.identifiers.items()}
    return looked_up | identifiers | {name: field.column or name for name, field in _fields(source).items()}


# ── what was put aside ──────────────────────────────────────────────────────────────────────────────────────────────


def _refused(reading: Reading) -> list[Row]:
    """Rows and values kept aside: source, column, reason, n."""
    if not reading.has("refused"):
        return []
    table = reading.published.table("refused")
    keys = ("source", "column", "reason")
    counted = table.group_by(*keys).agg(n=table.count()).to_pyarrow().to_pylist()
    return [row | {"column": row["column"] or "", "samples": row} for row in counted]


def _made_unknown(reading: Reading, steps: list[Step]) -> list[Row]:
    """Values made unknown of which only the number is kept: source, column, reason, n."""
    columns = {source.name: _columns(source) for source in reading.sources}
    return [
        {
            "source": step.source,
            "column": columns.get(step.source, {}).get(step.what, step.what),
            "reason": f"{UNKNOWN}: {WHY[step.kind]}",
            "n": step.changed,
            "samples": None,
        }
        for step in steps
        if step.changed and TOLD.get(_fate(reading, step)) == "made_unknown"
    ]


def _summary(reading: Reading, steps: list[Step], reasons: list[Row]) -> str:
    words = reading.words
    unknown = sum(row["n"] for row in reasons if row["reason"].startswith(UNKNOWN))
    refused = sum(row["n"] for row in reasons if not row["reason"].startswith((UNKNOWN, CORRECTED)))
    return words.say("put_aside", refused=words.number(refused), unknown=words.number(unknown))


def _reason(reading: Reading, row: Row) -> Row:
    return {
        "source": reading.source(row["source"]),
        "column": row["column"],
        "reason": reading.words.reason(row["reason"]),
        "n": reading.words.number(row["n"]),
        "samples": _samples(reading, row["samples"]) if row["samples"] else [],
    }


def _samples(reading: Reading, row: Row) -> list[Row]:
    """Some refused values and where they stood; never the whole row, which tells more of a person than is needed."""
    table = reading.published.table("refused")
    same = table.filter([table[key].identical_to(row[key]) for key in ("source", "column", "reason")])
    first = same.select("landing", "row", "value").order_by("landing", "row").limit(SAMPLES).to_pyarrow().to_pylist()
    return [
        {
            "value": _cut(item["value"] or ""),
            "row": reading.words.say("row_number", row=reading.words.number(item["row"])),
        }
        for item in first
    ]


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_SAMPLE else f"{text[: LONGEST_SAMPLE - 1]}…"


def _identities(reading: Reading) -> str:
    if not reading.has("identities"):
        return ""
    words, table = reading.words, reading.published.table("identities")
    counted = table.aggregate(n=table.count(), people=table.profile_id.nunique()).to_pyarrow().to_pylist()[0]
    refused = 0
    if reading.has("links"):
        links = reading.published.table("links")
        refused = links.filter(links.is_refused).count().to_pyarrow().as_py()
    return words.say(
        "identities",
        identifiers=words.number(counted["n"]),
        profiles=words.count(counted["people"], "profile"),
        refused=words.say("links_refused", n=words.number(refused)) if refused else "",
    )
