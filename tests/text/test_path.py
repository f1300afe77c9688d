"""What texts say on the path of the data: in a run, in the next one, and live."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facette.definitions.model import Project
from facette.definitions.project import load
from facette.definitions.texts import SentimentText, TextClass, ThemesText
from facette.errors import ModelError, RunError
from facette.live.cleaning import cleaners
from facette.live.records import raw_tables
from facette.profiles.clean import clean_events
from facette.sources.record import Record, encode, instant_text
from facette.stream import Stream
from facette.text import encoders
from facette.text.readers import TextReader
from facette.warehouse.connect import connect
from facette.web.report import render
from facette.web.report.reading import Reading
from facette.web.report.said import said as said_in_report
from facette.web.report.words import Words
from tests.live.projects import append
from tests.live.test_cleaning import _all, _rows
from tests.run.projects import actions, edit, published, rows, run
from tests.text.conftest import reader_of
from tests.web.pages import spaced

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)

PROJECT = """
name: shop
time_zone: Europe/Paris
identifiers: [{name: user}]
sources:
  - name: site
    kind: log
    events:
      - name: review
        label: {fr: avis}
        only: {kind: track, event: review}
        identifiers: {user: user_id}
        at: at
        known_at: received_at
        id: [message_id]
        fields:
          comment: {column: properties.text}
          topic: {column: properties.text, read: topic, label: {fr: sujet}}
          mood: {column: properties.text, read: mood, type: number, label: {fr: humeur}}
          feeling: {column: properties.text, read: mood}
          found: {column: properties.text, read: found}
          language: {column: properties.text, read: language}
  - name: labelled
    kind: file
    path: data/labelled.csv
    table: {key: id}
texts:
  - name: topic
    kind: themes
    method: words
    themes:
      - {name: delivery, label: {fr: livraison}, words: [colis, livr*]}
      - {name: price, label: {fr: prix}, words: [prix, cher]}
  - name: mood
    kind: sentiment
    method: tfidf
    learn: {source: labelled, text: text, label: stars}
  - name: found
    kind: themes
    discover: {source: labelled, text: text, themes: 2}
features:
  - {name: average_mood, label: {fr: humeur moyenne}, value: AVG(mood) OF review}
segments:
  - {name: upset, label: {fr: fâchés}, rule: A FAIT avis OÙ sujet = livraison ET humeur < 0}
  - {name: last_bad, label: {fr: fâchés à la fin}, rule: LAST(mood) OF review < 0}
  - {name: english, label: {fr: anglophones}, rule: DID review WHERE language = English}
"""
LABELLED = "id,text,stars\n" + "".join(
    f"{2 * i},{good},5\n{2 * i + 1},{bad},1\n"
    for i, (good, bad) in enumerate(
        [
            ("super colis rapide", "colis perdu nul"),
            ("super prix merci", "prix nul trop cher"),
            ("merci pour le colis", "colis cassé nul"),
            ("prix super bas merci", "prix trop haut nul"),
            ("colis super merci", "colis perdu encore"),
        ]
    )
)


def review(number: int, user: str, text: str | None, at: datetime = NOW) -> bytes:
    record = Record(
        message_id=f"m{number}",
        kind="track",
        event="review",
        at=instant_text(at),
        received_at=instant_text(at),
        user_id=user,
        properties={"text": text},
        protocol="segment",
        source="site",
    )
    return encode(record)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "facette.yml").write_text(PROJECT, encoding="utf-8")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "labelled.csv").write_text(LABELLED, encoding="utf-8")
    return tmp_path


def said(folder: Path) -> dict[str, dict[str, Any]]:
    return {row["event_id"].split(":")[1]: row for row in rows(folder, "events_review")}


def test_a_run_reads_texts_and_live_goes_on(project: Path) -> None:
    earlier = NOW - timedelta(hours=2)
    append(project, [review(1, "ann", "Colis perdu, nul !", earlier), review(2, "bob", "super  prix", earlier)])
    append(project, [review(3, "cid", None, earlier), review(4, "dan", "the parcel and nothing else", earlier)])
    run(project, earlier)
    first = said(project)
    assert (first["m1"]["topic"], first["m1"]["feeling"], first["m1"]["language"]) == ("delivery", "negative", "fr")
    assert (first["m2"]["topic"], first["m2"]["feeling"], first["m2"]["comment"]) == ("price", "positive", "super prix")
    assert -1 <= first["m1"]["mood"] < -1 / 3
    assert "nul" in first["m1"]["found"] and "super" in first["m2"]["found"]
    assert {first["m3"][name] for name in ("topic", "mood", "feeling", "found", "language")} == {None}
    assert first["m4"]["language"] == "en"
    members = {row["profile_id"]: row for row in rows(project, "wide")}
    assert [members[first[event]["profile_id"]]["upset"] for event in ("m1", "m2", "m3", "m4")] == [True, *[False] * 3]
    assert [row["name"] for row in rows(project, "text_models")] == ["found", "mood"]
    averages = {row["profile_id"]: row["average_mood"] for row in rows(project, "features")}
    assert averages[first["m1"]["profile_id"]] == first["m1"]["mood"]
    assert averages[first["m3"]["profile_id"]] is None

    topics, themes = said_in_report(Reading(published(project), Words("fr", "Europe/Paris")))
    assert (topics["label"], themes["label"]) == ("avis · sujet", "avis · found")
    told = spaced(topics["picture"].alt)
    assert told == "Textes : livraison : 1, prix : 1, sans thème reconnu : 1."
    (negative, neutral, positive) = topics["picture"].figure["data"]
    assert [trace["x"] for trace in (negative, neutral, positive)] == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]
    html = render(published(project), "en")
    assert "What texts say" in html and "Colis perdu" not in html

    with Stream(load(project), earlier) as stream:
        append(project, [review(5, "bob", " colis  PERDU, nul !"), review(6, "ann", "super prix, merci")])
        stream.step(NOW)
        told = {(change.segment, change.change) for _, change in stream.state.changes(0)}
        assert told == {("upset", "entered"), ("last_bad", "entered"), ("last_bad", "left")}
        live = stream.worker.knowledge.events("review", None).to_pyarrow().to_pylist()
    assert len(live) == 6
    outcome = run(project, NOW)
    assert actions(outcome)["clean"] == "add"
    second = said(project)
    assert second["m5"]["mood"] == first["m1"]["mood"]
    for row in live:
        batch = second[row["event_id"].split(":")[1]]
        assert {**row, "profile_id": 0} == {**batch, "profile_id": 0}
    assert rows(project, "text_models")[0]["fitted_at"] == earlier


def test_new_labels_read_everything_anew(project: Path) -> None:
    append(project, [review(1, "ann", "Colis perdu, nul !")])
    run(project, NOW)
    labelled = project / "data" / "labelled.csv"
    labelled.write_text(LABELLED.replace(",5\n", ",x\n").replace(",1\n", ",5\n").replace(",x\n", ",1\n"), "utf-8")
    before = said(project)["m1"]["mood"]
    assert actions(run(project, NOW))["clean"] == "rebuild"
    assert said(project)["m1"]["mood"] > 0 > before


def test_nothing_to_learn_from_is_told(project: Path) -> None:
    (project / "data" / "labelled.csv").write_text("id,text,stars\n", encoding="utf-8")
    append(project, [review(1, "ann", "Colis perdu")])
    with pytest.raises(ModelError, match="“found” finds no 2 themes: 0 texts"):
        run(project, NOW)


def test_another_encoder_is_told_and_read_anew_when_asked(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Vectors of two versions do not go together, so no text is read by a mixture of both."""
    edit(project / "facette.yml", "method: tfidf", "method: embedding")
    append(project, [review(1, "ann", "Colis perdu, nul !")])
    run(project, NOW)
    monkeypatch.setattr(encoders.Use, "identity", "another one")
    append(project, [review(2, "bob", "super prix")])
    with pytest.raises(RunError, match=r"was learned with fast-\S+ \S+, and there is another one now"):
        run(project, NOW)
    run(project, NOW, is_full=True)
    assert said(project)["m2"]["mood"] > 0


def test_what_another_version_learned_is_told_and_learned_anew_when_asked(project: Path) -> None:
    append(project, [review(1, "ann", "Colis perdu, nul !")])
    run(project, NOW)
    for file in (project / ".facette").rglob("*.parquet"):
        if "text_models" in str(file):
            table = pq.read_table(file, partitioning=None)
            place = table.column_names.index("parameters")
            pq.write_table(table.set_column(place, "parameters", pa.array(['{"of": "old"}'] * table.num_rows)), file)
    append(project, [review(2, "bob", "super prix")])
    with pytest.raises(RunError, match="was learned by another version of Facette") as caught:
        run(project, NOW)
    assert "facette run --full" in caught.value.remedy
    run(project, NOW, is_full=True)
    assert said(project)["m2"]["mood"] > 0


# ── cleaned live as by a run ────────────────────────────────────────────────────────────────────────────────────────

TEXTS = (
    "Colis arrivé, merci",
    " Trop   cher !",
    "Not bad",
    "E\u0301norme retard",
    "rien",
    "NONE",
    "n/a",
    "",
    None,
    "京都",
    "\u200b",
    "C’est « nul »…",
    "👍👍",
    "a|b\\c",
    "x" * 500,
)


def test_cleaned_live_as_by_a_run(sentiment: TextReader) -> None:
    fields = {
        "topic": {"column": "properties.text", "read": "topic", "missing": ["none"], "values": {"n/a": "Trop cher"}},
        "mood": {"column": "properties.text", "read": "words", "type": "number", "missing": ["none"]},
        "feeling": {"column": "properties.text", "read": "sentiment"},
        "score": {"column": "properties.text", "read": "sentiment", "type": "number", "required": True},
    }
    event = {"name": "review", "identifiers": {"user": "user_id"}, "at": "at", "id": ["message_id"], "fields": fields}
    declared = Project.model_validate(
        {
            "name": "shop",
            "identifiers": [{"name": "user"}],
            "sources": [{"name": "site", "kind": "log", "events": [event]}],
        }
    )
    (source,) = declared.sources
    classes = (TextClass(name="price", words=("cher",)), TextClass(name="delivery", words=("colis", "retard")))
    known = {
        "topic": reader_of(ThemesText(name="topic", kind="themes", method="words", themes=classes)),
        "words": reader_of(SentimentText(name="words", kind="sentiment", method="words")),
        "sentiment": sentiment,
    }
    settings = {
        "identifiers": declared.identifiers,
        "lookups": {},
        "zone": "UTC",
        "country": "FR",
        "fits": None,
        "readers": known,
    }
    con = connect()
    lines = [review(number, f"u{number}", text) for number, text in enumerate(TEXTS)]
    (cleaner,) = cleaners(con, [source], {key: settings for key, _ in source.readers()})
    table = con.create_table("raw_all", _all(source, lines))
    wanted = clean_events(table, "site", source.events[0], **settings).rows.to_pyarrow()
    raw = raw_tables([source], lines, "live").tables["site"]
    found = cleaner.new(raw)
    by_query = cleaner._by_query(raw, cleaner._query).drop("_row")
    assert cleaner._plain.knows
    assert found.schema == wanted.schema
    assert _rows(found) == _rows(wanted) == _rows(by_query)
    assert 8 < len(wanted) < len(TEXTS)
    con.disconnect()
