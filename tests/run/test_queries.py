"""Questions to the published snapshot: previews, people, explanations, and what explanations say of the future."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from facette.console import to_json as shown
from facette.definitions.language import parse_rule
from facette.definitions.language.json_form import to_json
from facette.errors import NotFoundError, RuleError
from facette.queries import Published

from .projects import copied, memberships, published, rows, run, starter


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter, and a segment made of clusters."""
    folder = starter(tmp_path_factory.mktemp("queries") / "shop")
    (folder / "more.yml").write_text("segments: [{name: stylish, label: {fr: à la mode}, rule: styles = 1}]\n")
    run(folder)
    return folder


@pytest.fixture(scope="module")
def answers(shop: Path) -> Published:
    return published(shop)


@pytest.fixture(scope="module")
def wide(shop: Path) -> dict[int, dict[str, bool]]:
    return {row.pop("profile_id"): row for row in rows(shop, "wide")}


# ── previews ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_preview_counts_the_members_of_every_segment(answers: Published, wide: dict[int, dict[str, bool]]) -> None:
    for name in answers.definitions.rules:
        segment = answers.definitions.segment(name)
        rule = f"({segment.rule}) AND IN SEGMENT {segment.parent}" if segment.parent else segment.rule
        answer = answers.preview(rule)
        members = sum(row[name] for row in wide.values())
        assert (answer["members"], answer["population"]) == (members, len(wide)), name
        assert answer["share"] == members / len(wide)
        for text in answer["rule"].values():
            assert answers.preview(text)["members"] == members, text


def test_a_preview_of_a_rule_as_json(answers: Published) -> None:
    rule = "DID purchase WHERE category = bio IN THE LAST 90 DAYS"
    as_json = json.dumps(to_json(parse_rule(rule)))
    assert answers.preview(as_json) == answers.preview(rule)
    for wrong in ('{"kind": "did"}', "{", '{"kind": "did", "event": "purchas"}'):
        with pytest.raises(RuleError):
            answers.preview(wrong)


def test_a_preview_computes_what_no_feature_has(answers: Published, shop: Path) -> None:
    events = rows(shop, "events_purchase")
    spent: dict[int, float] = {}
    for row in events:
        if row["category"] == "bio" and row["day"].isoformat() >= "2026-08-01":
            spent[row["profile_id"]] = spent.get(row["profile_id"], 0) + row["amount"]
    wanted = sum(value > 30 for value in spent.values())
    assert wanted
    assert answers.preview("SUM(amount) OF purchase WHERE category = bio SINCE 2026-08-01 > 30")["members"] == wanted
    assert answers.preview("NOT SUM(amount) OF purchase WHERE category = bio SINCE 2026-08-01 > 30")["members"] == (
        len(rows(shop, "wide")) - wanted
    )
    assert answers.preview("styles = 1")["members"] == sum(row["styles"] == 1 for row in rows(shop, "scored"))


@pytest.mark.parametrize(
    "rule", ["DID", "spend > 3", "amount > 3", "city > 3", "IN SEGMENT nobody", "", "DID purchase AND"]
)
def test_a_preview_of_a_wrong_rule_says_where(answers: Published, rule: str) -> None:
    with pytest.raises(RuleError) as caught:
        answers.preview(rule)
    assert caught.value.message


# ── finding people ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_people_are_found_by_any_identifier_in_any_case(answers: Published, shop: Path) -> None:
    owners = {(row["kind"], row["value"]): row["profile_id"] for row in rows(shop, "identities")}
    for (kind, value), profile_id in owners.items():
        assert answers.find(value) == answers.find(f"{kind}:{value.upper()}") == profile_id
    assert answers.find(str(owners["customer_id", "C001"])) == owners["customer_id", "C001"]


@pytest.mark.parametrize(
    "asked", ["nobody@example.org", "email:C001", "0", "999999", "99999999999999999999999", "", "kind:"]
)
def test_nobody_is_an_error_with_examples(answers: Published, asked: str) -> None:
    with pytest.raises(NotFoundError, match="Nobody answers") as caught:
        answers.find(asked)
    assert "customer_id:C0" in caught.value.remedy


def test_one_text_for_two_people_asks_which(tmp_path: Path) -> None:
    (tmp_path / "facette.yml").write_text(
        "name: shop\n"
        "identifiers: [{name: card}, {name: phone}]\n"
        "sources:\n"
        "  - {name: a, kind: file, path: a.csv, people: {identifiers: {card: card, phone: phone}}}\n"
    )
    (tmp_path / "a.csv").write_text("card,phone\n7,1\n8,2\n2,9\n5,\nab,\nAB,\n")
    run(tmp_path)
    asked = published(tmp_path)
    with pytest.raises(NotFoundError, match="could be several people") as caught:
        asked.find("2")
    assert "card:2, phone:2" in caught.value.remedy
    assert asked.find("card:2") == asked.find("phone:9") != asked.find("phone:2") == asked.find("8")
    assert asked.find("9") == asked.find("card:2")
    assert asked.find("5") == asked.find("card:5") != asked.find("profile_id:5") == 5
    assert asked.find("ab") != asked.find("AB")
    with pytest.raises(NotFoundError, match="could be several people") as caught:
        asked.find("Ab")
    assert "card:AB, card:ab" in caught.value.remedy


# ── one person ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_profile_shows_what_the_tables_say(answers: Published, shop: Path) -> None:
    features = {row["profile_id"]: row for row in rows(shop, "features")}
    for profile_id, row in features.items():
        answer = json.loads(shown(answers.profile(row["customer_id"])))
        assert answer["profile_id"] == profile_id
        assert answer["is_counted"] is True
        assert {"kind": "customer_id", "value": row["customer_id"]} in answer["identifiers"]
        assert answer["traits"].keys() == {"first_name", "city", "born_on", "is_subscribed"}
        assert {name: answer["features"][name] for name in answers.definitions.features} == {
            name: row[name] for name in answers.definitions.features
        }
        mine = [event for event in rows(shop, "events_purchase") if event["profile_id"] == profile_id]
        assert [event["at"] for event in answer["timeline"]] == sorted(
            (answers._local(event["at"]).isoformat() for event in mine), reverse=True
        )
        kept = {m["segment"] for m in memberships(shop) if m["profile_id"] == profile_id}
        assert {item["segment"] for item in answer["memberships"]} == kept


def test_segments_are_listed_with_their_verdicts(answers: Published, shop: Path) -> None:
    listed = answers.segments()
    assert [row["members"] for row in listed] == sorted((row["members"] for row in listed), reverse=True)
    assert {row["segment"] for row in listed} == set(answers.definitions.rules)
    assert all(row["verdict"] and row["reason"] and 0 < row["share"] < 1 for row in listed)
    json.loads(shown(listed))


# ── why ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def nodes(reason: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield reason
    for item in reason["items"]:
        yield from nodes(item)


def test_an_explanation_never_disagrees_with_the_membership(
    answers: Published, wide: dict[int, dict[str, bool]]
) -> None:
    """Those of four segments, in which the verdicts of all seven stand."""
    names = {
        f"DANS LE SEGMENT {answers.definitions.segment(name).label.fr}": name for name in answers.definitions.rules
    }
    seen = set()
    for number, (profile_id, row) in enumerate(wide.items()):
        for segment in ("to_win_back", "stylish") if number % 3 else ("to_win_back", "loyal", "organic_lovers"):
            answer = json.loads(shown(answers.explain(str(profile_id), segment)))
            assert answer["is_member"] == row[segment] == answer["reason"]["is_met"]
            for node in nodes(answer["reason"]):
                if node["kind"] == "segment":
                    assert node["is_met"] == row[names[node["text"]]]
                    seen.add(names[node["text"]])
                if node["kind"] == "and":
                    assert node["is_met"] == all(item["is_met"] for item in node["items"])
                if node["kind"] == "not":
                    assert node["is_met"] is not node["items"][0]["is_met"]
    assert seen == {"active", "lapsed", "vip"}


def test_what_hides_in_a_formula_or_a_model_is_not_promised_for_ever(answers: Published, timely: Path) -> None:
    asked = published(timely)
    assert asked.explain("e", "s15")["looked_until"].isoformat() == "2026-05-01T00:00:00+02:00"
    assert asked.explain("e", "s7")["looked_until"] is None
    assert asked.explain("e", "s20")["changes_at"].isoformat() == "2026-05-07T00:00:00+02:00"  # 51 days after
    assert asked.explain("e", "s20")["looked_until"].isoformat() == "2026-06-16T00:00:00+02:00"
    assert asked.explain("f", "s20")["looked_until"].isoformat() == "2026-05-01T00:00:00+02:00"  # who never visited
    assert answers.explain("C001", "stylish")["looked_until"].isoformat() == "2027-03-10T00:00:00+01:00"
    assert answers.explain("C001", "active")["looked_until"] is None


def test_segments_that_refer_to_each_other_many_times_are_explained(tmp_path: Path) -> None:
    rule = "IN SEGMENT s{0} AND (IN SEGMENT s{0} OR city = Lyon)"
    layers = "".join(f"  - {{name: s{n}, rule: {rule.format(n - 1)}}}\n" for n in range(1, 20))
    (tmp_path / "facette.yml").write_text(
        "name: shop\nidentifiers: [{name: id}]\n"
        "sources:\n  - {name: a, kind: file, path: a.csv, people: {identifiers: {id: id}, fields: {city: {}}}}\n"
        "segments:\n  - {name: s0, rule: city = Paris}\n" + layers
    )
    (tmp_path / "a.csv").write_text("id,city\na,Paris\nb,Lyon\n")
    run(tmp_path)
    asked = published(tmp_path)
    for who, is_member in (("a", True), ("b", False)):
        answer = asked.explain(f"id:{who}", "s19")
        found = list(nodes(answer["reason"]))
        assert len(found) == 5 * 19 + 1
        assert all(node["is_met"] is is_member for node in found if node["kind"] == "segment")


def test_questions_about_what_is_not_there(answers: Published, shop: Path, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="There is no segment activ"):
        answers.explain("C001", "activ")
    with pytest.raises(NotFoundError, match="Nobody answers"):
        answers.explain("C777", "active")
    fresh = published(copied(shop, tmp_path / "fresh", has_store=False))
    for ask in (fresh.segments, lambda: fresh.find("C001"), lambda: fresh.preview("DID purchase")):
        with pytest.raises(NotFoundError, match="Nothing has been published") as caught:
            ask()
        assert "facette run" in caught.value.remedy


# ── what time alone will do ─────────────────────────────────────────────────────────────────────────────────────────

NOW = datetime(2026, 3, 27, 10, 2, tzinfo=UTC)  # two days before the clocks change in Paris
RULES = [
    "DID visit IN THE LAST 2 HOURS",
    "DID NOT visit IN THE LAST 3 DAYS",
    "DID visit AT LEAST 2 TIMES IN THE LAST 1 WEEKS",
    "FIRST DID visit IN THE LAST 26 HOURS",
    "FIRST DID visit IN THE LAST 1 MONTHS",
    "DID visit WHERE at < 20 HOURS",
    "DID visit WHERE day >= yesterday",
    "RECENCY OF visit BETWEEN 2 AND 6",
    "RECENCY OF visit > 50",
    "LAST(at) OF visit < 5 HOURS",
    "LAST(at) OF visit >= 3 DAYS",
    "born_on <= 40 YEARS",
    "COUNT OF visit BEFORE yesterday > 1",
    "DID visit BETWEEN yesterday AND today",
    "visits_per_day < 0.04",
    "visits_per_day < 0.02",
    "IN SEGMENT s0 OR IN SEGMENT s12",
    "DID visit THEN NOT visit WITHIN 3 DAYS",
    "DID visit THEN NOT visit WITHIN 90 MINUTES",
    "DID visit THEN visit WITHIN 2 DAYS IN THE LAST 5 DAYS",
    "visits_per_day < 0.02 OR (born_on > 2020-01-01 AND DID visit IN THE LAST 90 DAYS)",
    "RECENCY OF visit WHERE event = late > 30",
    "early = 20 DAYS",
]
LATER = [
    timedelta(minutes=3),
    timedelta(hours=1),
    timedelta(hours=7),
    timedelta(hours=15),
    timedelta(days=1, hours=14),
    timedelta(days=3),
    timedelta(days=8),
    timedelta(days=36),
    timedelta(days=60),
]


@pytest.fixture(scope="module")
def timely(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """People of whom nothing more will be heard, and every way in which a rule can depend on time."""
    folder = tmp_path_factory.mktemp("timely")
    segments = "\n".join(f"  - {{name: s{i}, rule: {json.dumps(rule)}}}" for i, rule in enumerate(RULES))
    (folder / "facette.yml").write_text(
        "name: shop\ntime_zone: Europe/Paris\nidentifiers: [{name: id}]\n"
        "sources:\n"
        "  - name: people\n    kind: file\n    path: people.csv\n"
        "    people: {identifiers: {id: id}, fields: {born_on: {type: date}}}\n"
        "  - name: visits\n    kind: file\n    path: visits.csv\n"
        "    events: [{name: visit, identifiers: {id: id}, at: at, fields: {event: {}}}]\n"
        "features:\n"
        "  - {name: days_ago, value: RECENCY OF visit}\n"
        "  - {name: visits_per_day, value: 1 / days_ago}\n"
        "  - {name: earliest, value: MIN(day) OF visit IN THE LAST 30 DAYS}\n"
        "  - {name: early, value: earliest}\n"
        f"segments:\n{segments}\n"
    )
    ago = {"a": [0.2, 1, 30], "b": [2, 5, 26], "c": [20, 60, 150], "d": [24 * 40], "e": [24 * 12, 24 * 10], "f": []}
    visits = [
        f"{who},{(NOW - timedelta(hours=h)).isoformat()},{'late' if h > 24 else 'soon'}"
        for who, hours in ago.items()
        for h in hours
    ]
    (folder / "visits.csv").write_text("\n".join(["id,at,event", *visits]) + "\n")
    born = {"a": "1986-03-29", "b": "1985-12-31", "c": "1986-05-02", "d": "", "e": "1950-01-01", "f": "1986-03-27"}
    (folder / "people.csv").write_text("\n".join(["id,born_on", *(f"{k},{v}" for k, v in born.items())]) + "\n")
    run(folder, NOW)
    return folder


def test_what_an_explanation_foretells_is_what_happens(timely: Path, tmp_path: Path) -> None:
    """Each verdict holds until ``changes_at`` and is another one then; runs at later instants are the witness."""
    asked = published(timely)
    people = {row["profile_id"]: row["id"] for row in rows(timely, "profiles")}
    now = {row["profile_id"]: row for row in rows(timely, "wide")}
    foretold = {
        (profile_id, name): asked.explain(f"id:{who}", name)
        for profile_id, who in people.items()
        for name in asked.definitions.rules
    }
    changing = sorted({answer["changes_at"] for answer in foretold.values() if answer["changes_at"]})
    assert len(changing) >= 20
    chosen = changing[:: len(changing) // 5]
    instants = [NOW + after for after in LATER] + chosen + [at - timedelta(microseconds=1) for at in chosen]
    later = copied(timely, tmp_path / "later", has_store=True)
    wrong = []
    for at in sorted(instants):
        run(later, at)
        then = {row["profile_id"]: row for row in rows(later, "wide")}
        for (profile_id, name), answer in foretold.items():
            before, after = now[profile_id][name], then[profile_id][name]
            changes_at, until = answer["changes_at"], answer["looked_until"]
            if changes_at is None or at < changes_at:
                is_right = before == after or (changes_at is None and until is not None and at > until)
            else:
                is_right = before != after or at > changes_at
            if not is_right:
                wrong.append((people[profile_id], RULES[int(name[1:])], before, after, str(at), str(changes_at), until))
    assert not wrong, "\n".join(map(str, wrong[:20]))
