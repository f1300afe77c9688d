"""The report's sections about versions of models, and about what has moved since they were fitted."""

from __future__ import annotations

from contextlib import closing
from itertools import groupby

from facette.models.drift import MOVED, WATCH
from facette.versions import main_figures
from facette.warehouse.ledger import Ledger
from facette.web.report.reading import Reading, Row

SHOWN_VERSIONS = 5


def versions(reading: Reading) -> list[Row]:
    """Per model its latest versions, newest first, with the one that was applied, and whether somebody chose it."""
    with closing(Ledger(reading.published.store.folder)) as ledger:
        rows = ledger.versions()
    words, chosen = reading.words, reading.published.snapshot.chosen
    found = []
    for item in reading.definitions.project.models:
        applied = reading.models.get(item.name, {}).get("version")
        mine = [row for row in rows if row["name"] == item.name]
        shown = [row for n, row in enumerate(mine) if n < SHOWN_VERSIONS or row["version"] == applied]
        if not shown:
            continue
        number = chosen.get(item.name)
        found.append(
            {
                "label": reading.column(item.name),
                "chosen": words.say("versions_chosen", version=number) if number is not None else "",
                "versions": [_version(reading, row, row["version"] == applied) for row in shown],
            }
        )
    return found


def _version(reading: Reading, row: Row, is_applied: bool) -> Row:
    words = reading.words
    figures = [words.labelled(_figure(reading, name), words.number(value)) for name, value in main_figures(row).items()]
    is_usable = row["fingerprint"] == reading.definitions.model_fingerprint(row["name"])
    return {
        "version": row["version"],
        "fitted_at": words.day(words.local_day(row["fitted_at"])),
        "rows": words.number(row["rows"]),
        "figures": " · ".join(figures),
        "is_applied": is_applied,
        "state": words.say("versions_applied") if is_applied else "" if is_usable else words.say("versions_other"),
    }


def _figure(reading: Reading, name: str) -> str:
    """What people call a figure of a model."""
    return reading.words.say(f"figure_{name}") if reading.words.has(f"figure_{name}") else name


def drift(reading: Reading) -> Row:
    """Per model what it looks at and says, what has moved most first, and how its promise was kept."""
    words = reading.words
    run = reading.published.snapshot.applied and _latest(reading)
    models = []
    for name, rows in groupby(run or [], key=lambda row: row["model"]):
        mine = list(rows)
        columns = [row for row in mine if row["what"] != "promise"]
        columns.sort(key=lambda row: -row["value"])
        models.append(
            {
                "label": reading.column(name),
                "columns": [_column(reading, row) for row in columns],
                "promises": [_promise(reading, row) for row in mine if row["what"] == "promise"],
            }
        )
    intro = words.say("drift_intro", watch=words.fixed(WATCH, 2), moved=words.fixed(MOVED, 2))
    return {"intro": intro, "models": models}


def _latest(reading: Reading) -> list[Row]:
    """What was found when the models were applied last."""
    rows = reading.rows("drift")
    last = max((row["run"] for row in rows), default="")
    return [row for row in rows if row["run"] == last]


def _column(reading: Reading, row: Row) -> Row:
    words = reading.words
    return {
        "name": _named(reading, row),
        "role": words.say(f"drift_{row['what']}"),
        "index": words.fixed(row["value"], 2),
        "level": words.say(f"drift_{row['level']}"),
        "key": row["level"],
    }


def _named(reading: Reading, row: Row) -> str:
    """What people call what a model looks at or says; a value model has inputs of its own, and further outputs."""
    words, name, model = reading.words, row["name"], row["model"]
    if row["what"] == "input":
        return words.say(f"input_{name}") if words.has(f"input_{name}") else reading.column(name)
    further = f"output_{name.removeprefix(model + '_')}"
    return words.say(further, model=reading.column(model)) if words.has(further) else reading.column(name)


def _promise(reading: Reading, row: Row) -> str:
    words = reading.words
    return words.say(
        "drift_promise",
        day=words.day(words.local_day(row["at"])),
        foretold=words.percent(row["foretold"]),
        observed=words.percent(row["observed"]),
        profiles=words.count(row["n"], "profile"),
        error=words.fixed(100 * row["value"], 1),
        promised=words.fixed(100 * row["promised"], 1),
        level=words.say(f"drift_{row['level']}"),
    )
