"""One definition, one answer: whatever came in whatever order, added bit by bit or computed anew, people are the same.

Random shops live for a while, with a run after each step. Then everything is computed anew, once in the same store
and once from the files alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .projects import content, copied, differences, run, truth
from .world import World

SEEDS = range(3)
STEPS = 4


@pytest.mark.parametrize("seed", SEEDS)
def test_bit_by_bit_is_the_same_as_all_at_once(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if seed % 3 == 0:  # as with more rows than are cleaned at once
        monkeypatch.setattr("facette.stages.profiles.PORTION", 10)
    world = World(tmp_path / "world", seed)
    run(world.folder, world.now)
    lived = [world.live_and(run) for _ in range(STEPS)]

    anew = copied(world.folder, tmp_path / "anew", has_store=True)
    run(anew, world.now, is_full=True)
    of_the_way = {"changes", "sizes", "merged", "drift", "worth"}
    assert differences(content(world.folder, without=of_the_way), content(anew, without=of_the_way)) == {}, lived

    fresh = copied(world.folder, tmp_path / "fresh", has_store=False)
    run(fresh, world.now)
    bit_by_bit, at_once = truth(world.folder), truth(fresh)
    assert bit_by_bit.people == at_once.people, lived
    assert bit_by_bit.events == at_once.events, lived
    assert bit_by_bit.features == at_once.features, lived
    assert bit_by_bit.segments == at_once.segments, lived
