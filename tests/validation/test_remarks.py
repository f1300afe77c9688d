"""Remarks say the same in both languages, and the table that they are of says what was found."""

from __future__ import annotations

from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from facette.definitions.validation import Experiment, Validation
from facette.validation.effects import effects
from facette.validation.experiment import Readable
from facette.validation.portraits import overlaps
from facette.validation.remarks import REMARKS, of_experiment, of_merge, of_place, of_stability
from facette.validation.stability import Stability
from facette.validation.verdicts import segment_verdicts
from facette.validation.worth import SCHEMA, worth

N = 2000


@pytest.mark.parametrize("case", REMARKS)
def test_both_languages_say_the_same_things(case: str) -> None:
    fields = [{name for _, name, _, _ in Formatter().parse(text) if name} for text in REMARKS[case].values()]
    assert fields[0] == fields[1]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    """`rich` and its child `echo`, which only repeats it; `twin`, nearly the same people; `few` within it."""
    random = np.random.default_rng(0)
    rich = np.arange(N) % 2 == 0
    twin = rich & (np.arange(N) % 40 != 0)
    wide = pa.table(
        {
            "profile_id": np.arange(N),
            "rich": rich,
            "echo": rich & (random.random(N) < 0.4),
            "twin": twin,
            "few": twin & (np.arange(N) < 100),
        }
    )
    features = pa.table({"profile_id": np.arange(N), "spend": random.normal(40, 10, N) + 20 * rich})
    parents: dict[str, str | None] = {"echo": "rich"}
    validation = Validation(kpi="spend")
    compared = effects(wide, features, validation, parents=parents)
    table = worth(
        segment_verdicts(wide, features, validation, found=compared),
        compared,
        overlaps(wide),
        validation,
        parents=parents,
        follows={"rich": ["score"], "twin": ["kinds"]},
        models=["kinds"],
        stability={"rich": Stability(0.91, 0.85, 0.97, 40)},
        sizes=[
            {"segment": "few", "stayed": 0, "entered": 45, "left": 0},
            {"segment": "few", "stayed": 40, "entered": 5, "left": 5},
        ],
        experiments={"rich": Readable("days", "", 800, 4.5, 44), "few": Readable("never", "long", 9000, 0.25)},
    )
    assert table.schema == SCHEMA
    return {row["segment"]: row for row in table.to_pylist()}


def test_the_table(found: dict[str, dict[str, Any]]) -> None:
    rich, echo, twin, few = (found[name] for name in ("rich", "echo", "twin", "few"))
    assert (rich["kind"], rich["stability"], rich["stability_low"]) == ("follows", 0.91, 0.85)
    assert (rich["experiment"], rich["days"], rich["needed"]) == ("days", 44, 800)
    assert (echo["kind"], echo["stability"], echo["adds"]) == ("fixed", 1.0, "repeats")
    assert (echo["merge_into"], echo["merge_why"]) == ("rich", "repeats")
    assert (twin["kind"], twin["stability"]) == ("learned", None)
    assert (twin["nearest"], twin["finding"], twin["merge_into"]) == ("rich", "same", "rich")
    assert twin["nearest_jaccard"] == pytest.approx(0.95)
    assert (few["stayed"], few["stayed_runs"]) == (0.8, 1)
    assert (few["finding"], few["nearest"]) == ("within", "twin")
    assert rich["stayed"] is None and rich["adds"] is None and rich["merge_into"] is None


def test_in_words(found: dict[str, dict[str, Any]]) -> None:
    asked = Experiment(rate=0.1, minimum_effect=0.1)
    rich, echo, twin, few = (found[name] for name in ("rich", "echo", "twin", "few"))
    assert of_stability(rich, "en", str.upper)[0].startswith(
        "It follows the population (SCORE): were that drawn again, 91%"
    )
    assert "modèle (KINDS)" in of_stability(twin, "fr", str.upper)[0]
    assert (
        of_stability(few, "en", str)[1]
        == "From one run to the next 80% of the profiles stay (80% to 80%, over one step)."
    )
    assert of_stability(echo, "fr", str)[0].startswith("Règle fixe")
    assert of_place(echo, "en", str.upper, "rich")[0].startswith("It adds nothing to “RICH”")
    assert of_place(twin, "fr", str, None) == ["Presque les mêmes personnes que « rich » (en commun : 95\u202f%)."]
    assert of_merge(echo, "en", str) == ["To be merged into “rich”: it adds nothing to it."]
    assert of_merge(rich, "en", str) == []
    assert of_experiment(rich, "en", asked) == ["An A/B test could be read after 44 days (800 profiles)."]
    assert "jamais : il faut 9\u202f000 profils, et il en entre 0,25 par jour" in of_experiment(few, "fr", asked)[0]
    assert of_experiment(rich, "en", None) == of_experiment(twin, "en", asked) == []
