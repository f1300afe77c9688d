"""The report's header, and its section about the run."""

from __future__ import annotations

import functools
import hashlib
import json
import operator
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import datetime
from importlib.metadata import version

import ibis

from facette.definitions.models import Model
from facette.warehouse.ledger import Ledger
from facette.web.report.reading import Reading, Row

LISTING = re.compile(r"(new from |.*changed: )(.+)")
"""A reason that ends in a list of sources."""


def header(reading: Reading) -> Row:
    """Whose segments, of what moment, and the key figures."""
    words, project = reading.words, reading.definitions.project
    name = reading.label(project.label, project.name)
    return {
        "project": name,
        "as_of": words.say("as_of", instant=words.instant(reading.published.moment.as_of)),
        "zone": words.say("time_zone", zone=reading.published.snapshot.zone),
        "figures": [figure for figure in _figures(reading) if figure],
    }


def _figures(reading: Reading) -> Iterable[Row | None]:
    words = reading.words
    yield _figure(words.say("population"), words.number(reading.population), _population(reading))
    judged = [reading.verdicts.get(("segment", size["segment"]), {}).get("verdict") for size in reading.sizes]
    note = (
        words.say("segments_worth", n=words.number(judged.count("worth")))
        if reading.kpi
        else words.say("segments_unjudged")
    )
    yield _figure(words.say("segments_figure"), words.number(len(reading.sizes)), note)
    yield _covered(reading)
    yield _moves(reading)
    yield _live_moves(reading)
    yield _kpi(reading)


def _figure(name: str, value: str, note: str) -> Row:
    return {"name": name, "value": value, "note": note}


def _population(reading: Reading) -> str:
    """Of whom the report speaks."""
    words, project = reading.words, reading.definitions.project
    if not project.population or not reading.has("profiles"):
        return words.say("population_all")
    kinds = [reading.label_in(project.identifiers, kind) for kind in project.population]
    total = reading.published.table("profiles").count().to_pyarrow().as_py()
    return words.say("population_of", kinds=words.listed(kinds, "or"), total=words.number(total))


def _covered(reading: Reading) -> Row | None:
    if not reading.has("wide") or not reading.population:
        return None
    words = reading.words
    wide = reading.published.table("wide")
    segments = (wide[name] for name in wide.columns if name != "profile_id")
    is_in_any = functools.reduce(operator.or_, segments, ibis.literal(False))
    members = wide.filter(is_in_any).count().to_pyarrow().as_py()
    is_everybody = members == reading.population
    note = words.say("covered_all" if is_everybody else "covered_note", members=words.count(members, "profile"))
    return _figure(words.say("covered"), words.percent(members / reading.population), note)


def _moves(reading: Reading) -> Row:
    words = reading.words
    if len(reading.runs) < 2:
        return _figure(words.say("moves"), "–", words.say("first_run"))
    entered, left = (sum(size[key] for size in reading.sizes) for key in ("entered", "left"))
    value = f"{words.signed(entered)} / {words.signed(-left)}"
    return _figure(words.say("moves"), value, words.say("moves_note"))


def _live_moves(reading: Reading) -> Row | None:
    words, live = reading.words, reading.live
    if live is None:
        return None
    value = f"{words.signed(live.entered)} / {words.signed(-live.left)}"
    return _figure(words.say("live_moves"), value, words.say("live_moves_note", instant=words.instant(live.as_of)))


def _kpi(reading: Reading) -> Row | None:
    if reading.kpi is None or not reading.has("features"):
        return None
    words, column = reading.words, reading.published.table("features")[reading.kpi]
    known = column.cast("float64")
    middle = (known.median() if reading.centre == "median" else known.mean()).to_pyarrow().as_py()
    name = words.say(f"kpi_{reading.centre}", kpi=reading.column(reading.kpi))
    return _figure(name, reading.quantity(reading.kpi, middle), words.say("kpi_note"))


# ── the run ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def facts(reading: Reading) -> Row:
    """Which run this is, how long its stages took, and how old its models are."""
    words, snapshot = reading.words, reading.published.snapshot
    entries = [
        (words.say("run"), snapshot.run),
        (words.say("evaluated_at"), words.instant(reading.published.moment.as_of)),
        (words.say("zone"), snapshot.zone),
        (words.say("definitions"), _fingerprint(snapshot.fingerprints)),
        (words.say("version"), version("facette")),
    ]
    if snapshot.published_at:
        entries.insert(2, (words.say("published_at"), words.instant(datetime.fromisoformat(snapshot.published_at))))
    stages = _stages_of(reading)
    return {
        "entries": entries,
        "is_outdated": bool(reading.changed),
        "stages": [_stage(reading, stage) for stage in stages],
        "total": words.seconds(sum(stage["seconds"] for stage in stages)),
        "models": [_model(reading, item) for item in reading.definitions.project.models if item.name in reading.models],
    }


def _fingerprint(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _stages_of(reading: Reading) -> Sequence[Row]:
    with closing(Ledger(reading.published.store.folder)) as ledger:
        runs = {row["run"]: row for row in ledger.runs()}
    return runs[reading.published.snapshot.run]["stages"] if reading.published.snapshot.run in runs else []


def _stage(reading: Reading, stage: Row) -> Row:
    words = reading.words
    return {
        "name": _stage_name(reading, stage["stage"]),
        "detail": _detail(reading, stage["detail"]),
        "rows": words.number(stage["rows"]),
        "seconds": words.seconds(stage["seconds"]),
    }


def _stage_name(reading: Reading, stage: str) -> str:
    key = f"stage_{stage}"
    return reading.words.say(key) if reading.words.has(key) else stage


def _detail(reading: Reading, detail: str) -> str:
    """“rebuild: after clean”, in words; stages and sources by what people call them."""
    words = reading.words
    what, _, why = detail.partition(": ")
    after = re.fullmatch(r"after (\w+)(?:, (.+))?", why)
    if after:
        told = words.say("after", stage=_stage_name(reading, after[1]))
        told += f", {words.reason(after[2])}" if after[2] else ""
        return words.labelled(words.reason(what), told)
    listing = LISTING.match(why)
    if listing:
        called = {source.name: reading.source(source.name) for source in reading.sources}
        listed = re.sub(r"[a-z]\w*", lambda name: called.get(name[0], name[0]), listing[2])
        detail = f"{what}: {listing[1]}{listed}"
    return words.reason(detail)


def _model(reading: Reading, model: Model) -> Row:
    words, row = reading.words, reading.models[model.name]
    age = (reading.published.moment.today - words.local_day(row["fitted_at"])).days
    return {
        "label": reading.column(model.name),
        "version": row["version"],
        "fitted_at": words.day(words.local_day(row["fitted_at"])),
        "age": words.count(age, "day"),
        "refit": words.count(model.refit_days, "day"),
    }
