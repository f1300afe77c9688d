"""What decided a segment for one person and what would flip it, asked of a published project."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from facette.console import show
from facette.console import to_json as shown
from facette.errors import FacetteError
from facette.queries import Published

from .projects import published, run, starter

NOW = datetime(2026, 3, 27, 10, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One person has visits under two identifiers that turn out to be hers; another has none."""
    folder = tmp_path_factory.mktemp("explained")
    (folder / "facette.yml").write_text(
        "name: shop\nlanguage: en\ntime_zone: Europe/Paris\nidentifiers: [{name: card}, {name: phone}]\n"
        "sources:\n"
        "  - name: people\n    kind: file\n    path: people*.csv\n"
        "    people: {identifiers: {card: card, phone: phone}, fields: {city: {}, left: {type: boolean}}}\n"
        "  - name: visits\n    kind: file\n    path: visits*.csv\n"
        "    events:\n"
        "      - name: visit\n        identifiers: {card: card, phone: phone}\n        at: at\n"
        "        fields: {spent: {type: number}}\n"
        "features:\n"
        "  - {name: spent_30d, label: {en: Spent, fr: Dépensé}, value: SUM(spent) OF visit IN THE LAST 30 DAYS}\n"
        "  - {name: spent_too, value: spent_30d}\n"
        "  - {name: per_visit, value: spent_30d / COUNT OF visit, default: 0}\n"
        "segments:\n"
        "  - {name: spender, rule: spent_30d > 100}\n"
        "  - {name: modest, rule: spent_too > 50 AND SUM(spent) OF visit IN THE LAST 30 DAYS < 60}\n"
        "  - {name: twice, rule: DID visit AT LEAST 4 TIMES IN THE LAST 30 DAYS AND NOT left}\n"
        "  - {name: hurried, rule: DID visit THEN visit WITHIN 2 DAYS}\n"
        '  - {name: good, rule: "IN SEGMENT spender OR city IN (Lyon, Paris)"}\n'
        "  - {name: mean, rule: per_visit IS KNOWN AND per_visit < 1}\n"
        "  - {name: nobody, rule: spent_30d > 5 AND spent_30d < 5}\n",
        encoding="utf-8",
    )
    (folder / "people.csv").write_text("card,phone,city,left\n1,,Nantes,yes\n,7,,\n2,,,no\n")
    (folder / "visits.csv").write_text(
        "card,phone,at,spent\n"
        "1,,2026-03-20T10:00:00Z,40.5\n"
        "1,,2026-03-21T09:00:00Z,\n"
        ",7,2026-03-10T10:00:00Z,32.7\n"
        "1,,2026-01-10T10:00:00Z,500\n"
        "1,,2026-03-28T10:00:00Z,900\n"
    )
    run(folder, datetime(2026, 3, 26, tzinfo=UTC))
    (folder / "people-2.csv").write_text("card,phone,city,left\n1,7,Nantes,yes\n")
    run(folder, NOW)
    return folder


@pytest.fixture
def asked(shop: Path) -> Published:
    return published(shop)


def answer(asked: Published, who: str, segment: str, language: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(shown(asked.explain(who, segment, language)))
    return found


def ways(told: dict[str, Any]) -> list[list[str]]:
    assert told["to_flip"]["is_complete"]
    return [[change["text"] for change in way] for way in told["to_flip"]["ways"]]


def test_a_sum_is_decided_by_the_events_that_it_counts(asked: Published) -> None:
    told = answer(asked, "card:1", "spender")
    (decisive,) = told["reason"]["decided_by"]
    assert decisive["aggregate"] == "SUM(spent) OF visit IN THE LAST 30 DAYS"
    assert (decisive["event"], decisive["property"], decisive["value"]) == ("visit", "spent", 73.2)
    assert [(one["at"], one["source"], one["value"]) for one in decisive["events"]] == [
        ("2026-03-20T11:00:00+01:00", "visits", 40.5),
        ("2026-03-10T11:00:00+01:00", "visits", 32.7),
    ]
    assert ways(told) == [["Spent > 100: at least 100.01 instead of 73.2"]]
    ((change,),) = told["to_flip"]["ways"]
    assert (change["column"], change["now"], change["value"]) == ("spent_30d", 73.2, 100.01)
    assert (change["at_least"], change["at_most"], change["is_by_hand"]) == (100.01, None, True)
    assert change["conditions"] == [{"text": "Spent > 100", "has_to_be": True}]


def test_a_sum_under_two_names_takes_one_value(asked: Published) -> None:
    told = answer(asked, "card:1", "modest")
    assert ways(told) == [["SUM(spent) OF visit IN THE LAST 30 DAYS < 60: from 50.01 to 59.99 instead of 73.2"]]
    assert len(told["reason"]["items"][0]["decided_by"]) == len(told["reason"]["items"][1]["decided_by"]) == 1
    assert ways(answer(asked, "card:2", "modest")) == [["spent_too > 50: from 50.01 to 59.99 instead of 0"]]


def test_counts_and_booleans(asked: Published) -> None:
    told = answer(asked, "card:1", "twice")
    assert ways(told) == [
        [
            "DID visit AT LEAST 4 TIMES IN THE LAST 30 DAYS: at least 4 instead of 3 (1 more)",
            "NOT left: no instead of yes",
        ]
    ]
    french = answer(asked, "card:1", "twice", "fr")
    assert ways(french) == [
        [
            "A FAIT visit AU MOINS 4 FOIS DANS LES 30 DERNIERS JOURS : au moins 4 au lieu de 3 (1 de plus)",
            "NON left : non au lieu de oui",
        ]
    ]
    assert french["reason"]["items"][0]["text"] == "A FAIT visit AU MOINS 4 FOIS DANS LES 30 DERNIERS JOURS"
    with pytest.raises(FacetteError, match="do not speak"):
        asked.explain("card:1", "twice", "de")


def test_a_sequence_is_decided_by_the_event_and_its_follower(asked: Published) -> None:
    (decisive,) = answer(asked, "card:1", "hurried")["reason"]["decided_by"]
    ((pair),) = decisive["events"]
    assert (pair["at"], pair["followed_by"]["at"]) == ("2026-03-20T11:00:00+01:00", "2026-03-21T10:00:00+01:00")
    assert pair["followed_by"]["event"] == "visit" and pair["followed_by"]["event_id"] != pair["event_id"]


def test_segments_of_segments_are_opened(asked: Published) -> None:
    assert ways(answer(asked, "card:1", "good")) == [
        ["Spent > 100: at least 100.01 instead of 73.2"],
        ["city IN (Lyon, Paris): instead of Nantes"],
    ]
    assert ways(answer(asked, "card:2", "good"))[1] == ["city IN (Lyon, Paris): unknown now"]


def test_what_a_default_makes_known_cannot_become_unknown(asked: Published) -> None:
    told = answer(asked, "card:2", "mean")
    assert told["is_member"] and told["reason"]["items"][0]["value"] == 0
    assert ways(told) == [["NOT per_visit < 1: at least 1 instead of 0"]]


def test_what_cannot_be_flipped_is_said(asked: Published, capsys: pytest.CaptureFixture[str]) -> None:
    told = asked.explain("card:1", "nobody")
    assert ways(told) == []
    show("explanation", told)
    assert "No change would make a difference." in capsys.readouterr().out


def test_people_read_the_events_and_the_changes(asked: Published, capsys: pytest.CaptureFixture[str]) -> None:
    show("explanation", asked.explain("card:1", "spender"))
    said = " ".join(capsys.readouterr().out.split())
    assert "Profile 1 is not a member of spender as of 2026-03-27 11:00 CET." in said
    assert "SUM(spent) OF visit IN THE LAST 30 DAYS = 73.2, by 2 events" in said
    assert "2026-03-20 11:00 visit" in said and "spent=40.5" in said
    assert "To enter it, this would do: • Spent > 100: at least 100.01 instead of 73.2" in said


def test_what_a_model_says_is_not_changed_by_hand(tmp_path: Path) -> None:
    folder = starter(tmp_path / "shop")
    (folder / "more.yml").write_text("segments: [{name: stylish, rule: styles = 1}, {name: other, rule: styles = 2}]\n")
    run(folder)
    asked = published(folder)
    answers = [answer(asked, "C001", name) for name in ("stylish", "other")]
    for told in answers:
        ((change,),) = told["to_flip"]["ways"]
        assert not change["is_by_hand"] and "c'est le modèle styles qui le dit" in change["text"]
    assert any(told["is_member"] for told in answers) or answers[0]["reason"]["value"] > 2
