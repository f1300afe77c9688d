"""What the live worker says of random stories, cut and shuffled, is what the plain evaluator and a run say."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from facette.definitions.language import print_rule
from facette.definitions.language.tree import Rule
from facette.run import run
from tests.cases import COMPARED, random_cases
from tests.language.strategies import rules
from tests.run.projects import Silent, truth
from tests.timelines.engine import Found
from tests.timelines.live import Live
from tests.timelines.random_stories import TRAITS, random_story
from tests.timelines.story import Moment, Step
from tests.timelines.test_timelines import Teller

N_RULES = 8


class PlainTeller(Teller):
    """Compares with the plain evaluator alone."""

    def _compare(self, step: Step, moment: Moment, found: Found) -> None:
        self._compare_plainly(moment, found)


KNOWN = random_story(random.Random(0), {"everybody": "NOT (city = nowhere)"}).define([], Path()).vocabulary
NAMES = replace(KNOWN, columns={name: KNOWN.columns[name] for name in TRAITS})
"""Without identifiers: which of several somebody has is not for the plain evaluator to say."""


@random_cases(1)
@given(made=st.lists(rules(NAMES), min_size=N_RULES, max_size=N_RULES), seed=st.integers(0, 2**32))
def test_live_is_plainly_right(made: list[Rule], seed: int) -> None:
    rng = random.Random(seed)
    written = {"everybody": "NOT (city = nowhere)"}
    written |= {f"rule_{n}": print_rule(rule, "en") for n, rule in enumerate(made)}
    story = random_story(rng, written)
    with TemporaryDirectory() as folder:
        engine = Live(Path(folder), seed, runs=("once", "before", "after")[seed % 3])
        teller = PlainTeller(story, engine, Path(folder), f"seed {seed}")
        try:
            teller.tell()
            _same_as_a_run(engine, story.moments[-1].at)
        finally:
            engine.close()
    COMPARED["random stories, live"] += 1


def _same_as_a_run(engine: Live, at: datetime) -> None:
    """A run at the end says of everybody what the worker says, and the worker builds on it without telling anything."""
    before = engine.look(at)
    run(engine.definitions, Silent(), as_of=at)
    assert engine.stream is not None
    engine.stream.step(at)
    after = engine.look(at)
    assert after.changes == frozenset()
    assert (after.people, after.members) == (before.people, before.members)
    published = truth(engine.folder)
    named = {" + ".join(sorted(each.partition(":")[2] for each in who)): who for who in published.people}
    for segment, members in after.members.items():
        found = {named[" + ".join(sorted(name.split(" + ")))] for name in members}
        assert found == {who for who, segments in published.segments.items() if segment in segments}
        COMPARED["memberships of live and of runs"] += len(published.segments)
