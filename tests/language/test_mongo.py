"""MongoDB's and GrowthBook's conditions as rules: what each operator becomes, and what is refused where and why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.definitions.language import parse_rule, print_rule
from facette.definitions.language.mongo import CONNECTIVES, REFUSED, TRANSLATED, condition_of, from_mongo
from facette.definitions.language.mongo_messages import REASONS
from facette.definitions.language.parser import MAXIMUM_DEPTH
from facette.errors import ConditionError

GROUPS: dict[str, Any] = {"cities": ["Nantes", "Le Mans"], "vip": {"type": "list", "values": [7, None]}, "none": []}
SAYS: list[tuple[Any, str]] = [
    # equality
    ({"city": "Nantes"}, "city = Nantes"),
    ({"city": {"$eq": "Le Mans"}}, "city = 'Le Mans'"),
    ({"city": {"$ne": "Nantes"}}, "city != Nantes"),
    ({"n": 3, "city": "Nantes"}, "n = 3 AND city = Nantes"),
    ({"n": -2.5}, "n = -2.5"),
    ({"n": 12345678901234567890}, "n = 1.2345678901234567e+19"),
    ({"user.address.city": "Nantes"}, "user.address.city = Nantes"),
    ({"first name": "Ann"}, "first name = Ann"),
    ({"in": "x"}, "in = x"),
    ({"not": "x"}, '"not" = x'),
    ({"city": " Le\n  Mans "}, "city = 'Le Mans'"),
    ({"city": "e\u0301te\u0301"}, "city = été"),
    # presence
    ({"city": None}, "city IS UNKNOWN"),
    ({"city": {"$eq": None}}, "city IS UNKNOWN"),
    ({"city": {"$ne": None}}, "city IS KNOWN"),
    ({"city": {"$exists": True}}, "city IS KNOWN"),
    ({"city": {"$exists": 0}}, "city IS UNKNOWN"),
    # booleans
    ({"paid": True}, "paid"),
    ({"paid": False}, "paid IS KNOWN AND NOT paid"),
    ({"paid": {"$ne": True}}, "NOT paid"),
    ({"paid": {"$ne": False}}, "NOT (paid IS KNOWN AND NOT paid)"),
    ({"paid": {"$in": [True, None]}}, "paid OR paid IS UNKNOWN"),
    # order
    ({"age": {"$gt": 18, "$lte": 65}}, "age > 18 AND age <= 65"),
    ({"age": {"$gte": 18, "$lt": 65.5}}, "age >= 18 AND age < 65.5"),
    ({"born": {"$lt": {"$date": "1990-01-01"}}}, "born < 1990-01-01"),
    ({"seen": {"$gte": {"$date": "2026-11-22T08:30:00.5+01:00"}}}, "seen >= 2026-11-22T07:30:00.500000+00:00"),
    ({"born": {"$date": "1990-01-01"}}, "born = 1990-01-01"),
    # lists
    ({"n": {"$in": [1, 2]}}, "n IN (1, 2)"),
    ({"city": {"$nin": ["Nantes", "Le Mans"]}}, "city NOT IN (Nantes, 'Le Mans')"),
    ({"city": {"$in": ["Nantes", None]}}, "city IN (Nantes) OR city IS UNKNOWN"),
    ({"city": {"$nin": ["Nantes", None]}}, "NOT (city IN (Nantes) OR city IS UNKNOWN)"),
    ({"city": {"$ini": ["NANTES"]}}, "city IN (NANTES)"),
    ({"city": {"$nini": ["NANTES"]}}, "city NOT IN (NANTES)"),
    ({"city": {"$inGroup": "cities"}}, "city IN (Nantes, 'Le Mans')"),
    ({"city": {"$notInGroup": "cities"}}, "city NOT IN (Nantes, 'Le Mans')"),
    ({"n": {"$inGroup": "vip"}}, "n IN (7) OR n IS UNKNOWN"),
    # patterns
    ({"city": {"$regex": "ant"}}, "city CONTAINS ant"),
    ({"city": {"$regex": "^Saint"}}, "city STARTS WITH Saint"),
    ({"mail": {"$regex": r"@example\.org$"}}, "mail ENDS WITH '@example.org'"),
    ({"city": {"$regex": "^Nantes$"}}, "city = Nantes"),
    ({"city": {"$regex": ".*ant.*"}}, "city CONTAINS ant"),
    ({"city": {"$regex": "^Saint.*"}}, "city STARTS WITH Saint"),
    ({"city": {"$regex": "^a|b$"}}, "city STARTS WITH a OR city ENDS WITH b"),
    ({"city": {"$regex": "^(?:Saint|Sainte)-(A|B)"}}, " OR ".join(
        f"city STARTS WITH {start}-{end}" for start in ("Saint", "Sainte") for end in "AB"
    )),
    ({"city": {"$notRegex": "ant"}}, "city DOES NOT CONTAIN ant"),
    ({"city": {"$regexi": "ANT"}}, "city CONTAINS ANT"),
    ({"city": {"$notRegexi": "^ANT"}}, "city DOES NOT START WITH ANT"),
    ({"city": {"$regex": "ant", "$options": "i"}}, "city CONTAINS ant"),
    # negation and connectives
    ({"city": {"$not": {"$regex": "s$"}}}, "city DOES NOT END WITH s"),
    ({"city": {"$not": "Nantes"}}, "city != Nantes"),
    ({"n": {"$not": {"$gt": 1, "$lt": 5}}}, "NOT (n > 1 AND n < 5)"),
    ({"n": {"$not": {"$not": {"$gt": 1}}}}, "n > 1"),
    ({"$not": {"n": {"$gte": 1}}}, "NOT n >= 1"),
    ({"$nor": [{"n": 1}, {"city": "Nantes"}]}, "NOT (n = 1 OR city = Nantes)"),
    ({"$or": [{"n": 1}]}, "n = 1"),
    ({"$or": [{"n": 1, "m": 2}, {"$or": [{"n": 2}, {"n": 3}]}]}, "(n = 1 AND m = 2) OR n = 2 OR n = 3"),
    ({"$and": [{"n": 1}, {"$or": [{"m": 1}, {"m": 2}]}], "k": 3}, "n = 1 AND (m = 1 OR m = 2) AND k = 3"),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "text"), SAYS)
def test_what_a_condition_becomes(condition: Any, text: str) -> None:
    rule = from_mongo(condition, groups=GROUPS)
    assert rule == parse_rule(text), print_rule(rule, "en")
    assert all(parse_rule(print_rule(rule, language)) == rule for language in ("fr", "en"))  # type: ignore[arg-type]


def test_in_french() -> None:
    condition = {"ville": {"$nin": ["Nantes"]}, "$or": [{"abonné": True}, {"âge": {"$exists": False}}]}
    assert print_rule(from_mongo(condition), "fr") == "ville PAS DANS (Nantes) ET (abonné OU âge EST INCONNU)"


DEEP: Any = {"n": 1}
for _ in range(MAXIMUM_DEPTH):
    DEEP = {"$nor": [DEEP, {"m": 1}]}
BOTTOMLESS: Any = {"n": 1}
for _ in range(3000):
    BOTTOMLESS = {"$not": BOTTOMLESS}
BOTTOMLESS_VALUE: Any = 1
for _ in range(3000):
    BOTTOMLESS_VALUE = {"$not": BOTTOMLESS_VALUE}

REFUSALS: list[tuple[Any, str, str]] = [
    ([], "no_object", ""),
    ({"$and": [{"n": 1}, 3]}, "no_object", "/$and/1"),
    ({"$not": "x"}, "no_object", "/$not"),
    ({}, "nothing", ""),
    ({"n": 1, "$or": []}, "nothing", "/$or"),
    ({"$and": []}, "nothing", "/$and"),
    ({"$and": [{}]}, "nothing", "/$and/0"),
    ({"n": {"$in": []}}, "nothing", "/n/$in"),
    ({"n": {"$inGroup": "none"}}, "nothing", "/n/$inGroup"),
    ({"$or": {"n": 1}}, "no_list", "/$or"),
    ({"n": {"$nin": 1}}, "no_list", "/n/$nin"),
    (DEEP, "too_deep", ""),
    (BOTTOMLESS, "too_deep", "/$not" * 201),
    ({"n": BOTTOMLESS_VALUE}, "too_deep", "/n" + "/$not" * 200),
    ({"n": {"$regx": "a"}}, "unknown", "/n/$regx"),
    ({"$where": "this.n"}, "unknown", "/$where"),
    ({"$or": [{"$gt": 1}]}, "misplaced", "/$or/0/$gt"),
    ({"n": {"$and": [1]}}, "misplaced", "/n/$and"),
    ({"a/b": {"~c": {"$size": 1}}}, "object", "/a~1b"),
    ({"a/b~": {"$size": 1}}, "list", "/a~1b~0/$size"),
    ({"tags": {"$all": ["a"]}}, "list", "/tags/$all"),
    ({"tags": {"$not": {"$elemMatch": {"$eq": "a"}}}}, "list", "/tags/$not/$elemMatch"),
    ({"tags": ["a", "b"]}, "list_value", "/tags"),
    ({"tags": {"$in": [["a"]]}}, "list_value", "/tags/$in/0"),
    ({"tags": {"$gt": [1]}}, "list_value", "/tags/$gt"),
    ({"address": {"city": "Nantes"}}, "object", "/address"),
    ({"address": {}}, "object", "/address"),
    ({"n": {"$gt": 1, "city": 2}}, "object", "/n"),
    ({"address": {"$eq": {"city": "Nantes"}}}, "object_value", "/address/$eq"),
    ({"n": {"$in": [1, {"$date": "2026-11-22", "x": 1}]}}, "object_value", "/n/$in/1"),
    ({"n": {"$type": "string"}}, "type", "/n/$type"),
    ({"$or": [{"n": 1}, {"v": {"$vgte": "1.2.3"}}]}, "version", "/$or/1/v/$vgte"),
    ({"city": {"$gt": "M"}}, "text_order", "/city/$gt"),
    ({"born": {"$lt": "1990-01-01"}}, "text_order", "/born/$lt"),
    ({"n": {"$gte": None}}, "no_order", "/n/$gte"),
    ({"n": {"$lt": True}}, "no_order", "/n/$lt"),
    ({"n": {"$exists": "yes"}}, "no_truth", "/n/$exists"),
    ({"city": {"$regex": 3}}, "no_pattern", "/city/$regex"),
    ({"city": {"$regex": ""}}, "empty_pattern", "/city/$regex"),
    ({"city": {"$regex": ".*"}}, "empty_pattern", "/city/$regex"),
    ({"city": {"$regex": "a|"}}, "empty_pattern", "/city/$regex"),
    ({"city": {"$regex": "^ a"}}, "outer_spaces", "/city/$regex"),
    ({"city": {"$regex": "a", "$options": "m"}}, "options", "/city/$options"),
    ({"city": {"$options": "i"}}, "options_alone", "/city/$options"),
    ({"city": ""}, "empty_text", "/city"),
    ({"city": {"$in": ["a", " "]}}, "empty_text", "/city/$in/1"),
    ({"n": {"$inGroup": ["cities"]}}, "no_group_name", "/n/$inGroup"),
    ({"n": {"$notInGroup": "towns"}}, "unknown_group", "/n/$notInGroup"),
    ({"born": {"$date": 12}}, "no_date", "/born/$date"),
    ({"born": {"$lt": {"$date": "2026-02-30"}}}, "no_date", "/born/$lt/$date"),
    ({"born": {"$lt": {"$date": "2026-02-20T08:00:00"}}}, "no_date", "/born/$lt/$date"),
    ({"born": {"$lt": {"$date": "20260220"}}}, "no_date", "/born/$lt/$date"),
    ({"born": {"$lt": {"$date": "0001-01-01T00:00:00+14:00"}}}, "no_date", "/born/$lt/$date"),
    ({"city": "a\0"}, "no_text", "/city"),
    ({"city": {"$regex": "\ud800"}}, "no_text", "/city/$regex"),
    ({"n": float("inf")}, "no_number", "/n"),
    ({"n": {"$gt": 10**400}}, "no_number", "/n/$gt"),
    ({" ": 1}, "empty_name", "/ "),
]  # fmt: skip


@pytest.mark.parametrize(("condition", "reason", "pointer"), REFUSALS, ids=[reason for _, reason, _ in REFUSALS])
def test_what_is_refused_says_where_and_why(condition: Any, reason: str, pointer: str) -> None:
    said = set()
    for language in ("fr", "en"):
        with pytest.raises(ConditionError) as caught:
            from_mongo(condition, groups=GROUPS, language=language)  # type: ignore[arg-type]
        assert (caught.value.reason, caught.value.pointer) == (reason, pointer)
        assert pointer in caught.value.message
        assert caught.value.remedy
        said.add((caught.value.message, caught.value.remedy))
    assert len(said) == 2


@pytest.mark.parametrize(
    "pattern",
    ["a.b", "^.*a", "a.*$", "a.*b", "[ab]", r"\d", r"\bcat", "a+", "a*", "a?", "a{2}", "(a", "a)", "^^a", "a$b", "a\\",
     "(?i)a", "(?!a)", "(^a)", "(a)+", r"(a)\1", r"\n", "(a|b)" * 7, "(" * 300 + "a" + ")" * 300],
)  # fmt: skip
def test_patterns_that_say_more_than_a_rule(pattern: str) -> None:
    with pytest.raises(ConditionError) as caught:
        from_mongo({"city": {"$regex": pattern}})
    assert (caught.value.reason, caught.value.pointer) == ("pattern", "/city/$regex")


def test_every_reason_and_every_operator_is_met_above() -> None:
    written = repr([SAYS, [condition for condition, reason, _ in REFUSALS if reason != "too_deep"]])
    assert {reason for _, reason, _ in REFUSALS} == set(REASONS) - {"json", "no_groups", "pattern"}
    assert [operator for operator in TRANSLATED if f"'{operator}'" not in written] == []
    versions = {"$veq", "$vne", "$vlt", "$vlte", "$vgt"}  # as $vgte
    assert {operator for operator in REFUSED if f"'{operator}'" not in written} == {*versions, "$alli"}


def test_a_misspelt_operator_is_told_its_neighbour() -> None:
    with pytest.raises(ConditionError, match=r"/n/\$gtt: “\$gtt” is not a known operator") as caught:
        from_mongo({"n": {"$gtt": 1}})
    assert caught.value.remedy.startswith("What can stand here: $gt")


def test_text_that_is_no_json() -> None:
    for text in ('{"n": 1', "[" * 100_000, "1" * 5_000):
        with pytest.raises(ConditionError, match="The whole condition: this is not JSON") as caught:
            condition_of(text)
        assert caught.value.reason == "json"
    assert condition_of('{"n": 1}') == {"n": 1}


def test_groups_that_are_none() -> None:
    with pytest.raises(ConditionError) as caught:
        from_mongo({"n": {"$inGroup": "0"}}, groups=["0"])  # type: ignore[arg-type]
    assert caught.value.reason == "no_groups"


def test_the_conditions_of_the_documentation() -> None:
    page = Path("docs/conditions.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\{.+?\})`.* \| `([^{`]+)` \|$", page, re.MULTILINE)
    assert len(rows) == 12
    for condition, rule in rows:
        written = condition_of(condition.replace("\\|", "|"))
        assert print_rule(from_mongo(written), "en") == rule


KEYS = st.sampled_from((*CONNECTIVES, *TRANSLATED, "$date", "$size", "city", "a.b", "not", "")) | st.text(max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=6) | st.sampled_from(("^a|b$", "(a")),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(KEYS, JSON, min_size=1, max_size=3))
def test_whatever_is_given_is_a_rule_or_told_why_not(condition: dict[str, Any]) -> None:
    try:
        rule = from_mongo(condition, groups={"": condition})
    except ConditionError as error:
        assert error.remedy
    else:
        assert all(parse_rule(print_rule(rule, language)) == rule for language in ("fr", "en"))  # type: ignore[arg-type]
