"""Many keys at once have the places that a dictionary would give them."""

from __future__ import annotations

import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from facette.live.columnar.index import Index

KEYS = st.one_of(st.integers(0, 50), st.integers(-(2**63), 2**63 - 1), st.integers(0, 30).map(lambda n: n << 32))


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(KEYS, max_size=60), max_size=12))
def test_places_are_those_of_a_dictionary(batches: list[list[int]]) -> None:
    index, expected = Index(), {}
    for batch in batches:
        keys = np.array(batch, np.int64)
        assert index.find(keys).tolist() == [expected.get(key, -1) for key in batch]
        places = [expected.setdefault(key, len(expected)) for key in batch]
        assert index.add(keys).tolist() == places
    assert index.keys.tolist() == [*expected]
    assert len(index) == len(expected)


def test_it_grows_and_finds_what_it_had() -> None:
    rng = random.Random(1)
    keys = np.array(rng.sample(range(-(10**12), 10**12), 20_000), np.int64)
    index = Index()
    for part in np.array_split(keys, 7):
        index.add(part)
    assert (index.find(keys) == np.arange(len(keys))).all()
    assert (index.find(keys + 1)[~np.isin(keys + 1, keys)] == -1).all()
