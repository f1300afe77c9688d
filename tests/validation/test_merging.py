"""Which merges are proposed, in which order, and of which clusters."""

from __future__ import annotations

from typing import Any

import pytest

from facette.definitions.validation import Validation
from facette.validation.merging import Merge, ancestors, cluster_proposals, proposals

VALIDATION = Validation(kpi="spend")
PARENTS = {"top": None, "best": "top", "rest": "top", "other": None, "deep": "best"}


def verdict(name: str, members: int, said: str = "worth") -> dict[str, Any]:
    return {"kind": "segment", "name": name, "members": members, "verdict": said}


def beside(segment: str, relation: str, against: str, p: float, effect: float = 0.3) -> dict[str, Any]:
    return {
        "segment": segment,
        "relation": relation,
        "against": against,
        "kpi": "spend",
        "p_adjusted": p,
        "effect_size": effect**2,
        "effect": effect,
    }


def overlap(a: str, b: str, jaccard: float) -> list[dict[str, Any]]:
    return [{"segment_a": a, "segment_b": b, "jaccard": jaccard}, {"segment_a": b, "segment_b": a, "jaccard": jaccard}]


def proposed(*verdicts: dict[str, Any], effects: tuple[dict, ...] = (), overlaps: tuple[dict, ...] = ()) -> dict:
    return proposals(verdicts, effects, overlaps, VALIDATION, PARENTS)


ALL = [verdict("top", 500), verdict("best", 200), verdict("rest", 300), verdict("other", 400)]


def test_nothing_is_proposed_of_what_is_worth_having() -> None:
    effects = (beside("best", "parent", "top", 0.001), beside("best", "sibling", "rest", 0.001))
    assert proposed(*ALL, effects=effects, overlaps=(*overlap("top", "other", 0.4),)) == {}


def test_nearly_the_same_people() -> None:
    """The child goes into the parent whatever their sizes; of others the smaller into the larger."""
    found = proposed(*ALL, overlaps=(*overlap("top", "best", 0.95), *overlap("top", "other", 0.92)))
    assert found == {"best": Merge("best", "top", "same"), "other": Merge("other", "top", "same")}


@pytest.mark.parametrize(("said", "why"), [("small", "small"), ("empty", "small"), ("weak", "weak")])
def test_too_small_or_without_effect(said: str, why: str) -> None:
    found = proposed(verdict("top", 500), verdict("best", 20, said))
    assert found == {"best": Merge("best", "top", why)}  # type: ignore[arg-type]
    alone = (verdict("top", 500), verdict("other", 400, said))
    assert proposed(*alone, overlaps=(*overlap("top", "other", 0.3),)) == {}  # nobody is near
    assert proposed(*alone, overlaps=(*overlap("top", "other", 0.6),)) == {"other": Merge("other", "top", why)}  # type: ignore[arg-type]


def test_a_child_that_repeats_its_parent() -> None:
    slight = (beside("best", "parent", "top", 0.001, 0.05),)
    for effects in (slight, (beside("best", "parent", "top", 0.4),)):
        assert proposed(*ALL, effects=effects) == {"best": Merge("best", "top", "repeats")}
    either = (*slight, beside("best", "parent", "top", 0.001) | {"kpi": "visits"})
    assert proposed(*ALL, effects=either) == {}


def test_siblings_that_nothing_tells_apart() -> None:
    found = proposed(*ALL, effects=(beside("best", "sibling", "rest", 0.5, 0.01),))
    assert found == {"best": Merge("best", "rest", "alike")}
    assert proposed(*ALL, effects=(beside("top", "sibling", "other", 0.5),)) == {}  # they have no parent


def test_what_goes_into_another_that_goes_elsewhere_goes_there_at_once() -> None:
    found = proposed(verdict("top", 500), verdict("best", 200, "weak"), verdict("deep", 20, "small"))
    assert {name: item.into for name, item in found.items()} == {"best": "top", "deep": "top"}


def test_of_two_that_would_go_into_each_other_the_larger_stays() -> None:
    pair = (verdict("top", 500, "weak"), verdict("other", 400, "weak"))
    near = (*overlap("top", "other", 0.6),)
    assert proposed(*pair, overlaps=near) == {"other": Merge("other", "top", "weak")}
    child = verdict("best", 20, "small")
    assert proposed(*pair, child, overlaps=near) == {
        "other": Merge("other", "top", "weak"),
        "best": Merge("best", "top", "small"),
    }


def test_a_parent_of_its_own_is_nobody() -> None:
    assert ancestors("deep", PARENTS) == ["best", "top"]
    assert ancestors("a", {"a": "b", "b": "a"}) == ["b", "a"]


def test_clusters() -> None:
    """Too small, or like another in every KPI; the smaller into the larger, the nearest first."""
    effects = (
        beside("g:1", "cluster", "g:2", 0.001, 0.5),
        beside("g:1", "cluster", "g:3", 0.001, 0.2),
        beside("g:2", "cluster", "g:3", 0.6, 0.02),
    )
    sizes = {1: 500, 2: 300, 3: 200}
    assert cluster_proposals("g", sizes, effects, VALIDATION) == [Merge("g:3", "g:2", "alike")]
    small = cluster_proposals("g", {1: 500, 2: 300, 3: 60}, effects[:2], VALIDATION)
    assert small == [Merge("g:3", "g:1", "small")]
    assert cluster_proposals("g", sizes, effects[:2], VALIDATION) == []
