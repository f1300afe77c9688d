"""Which state an aggregate has: the twin of ``features/aggregates.py``.

A state takes events in, in any order and any number of times cut, and gives the value that the batch engine gives for
all of them. Sums can give events back, exactly; of other states a profile's part is cleared and made anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from facette.clock import DAYS_AS_BITS, days_at_most
from facette.definitions.language import tree
from facette.live.columnar.columns import Texts
from facette.live.columnar.extremes import Extreme, Ranked, TextExtreme
from facette.live.columnar.sets import DaysOfAShortWindow, Distinct
from facette.live.columnar.states import State
from facette.live.columnar.sums import Count, Total

Dtypes = Mapping[str, np.dtype[Any]]


def state_of(aggregate: tree.Aggregate, dtypes: Dtypes, texts: Mapping[str, Texts]) -> State:
    """An empty state.

    dtypes : of every property
    texts  : the dictionary of every text property
    """
    function, of = aggregate.function, aggregate.of or ""
    is_least = function in ("min", "first")
    match function:
        case "count":
            return Count()
        case "sum" | "avg":
            return Total(of, dtypes[of] == np.int64, function == "avg")
        case "recency":
            return Extreme("day", np.dtype(np.int32), is_least=False, is_recency=True)
        case "min" | "max" if of in texts:
            return TextExtreme(of, texts[of], is_least)
        case "min" | "max":
            return Extreme(of, dtypes[of], is_least)
        case "first" | "last" if of == "at":
            return Extreme(of, dtypes[of], is_least)
        case "first" | "last":
            return Ranked(of, dtypes[of], texts.get(of), is_least)
        case "distinct":
            return DaysOfAShortWindow() if of == "day" and _fits(aggregate.window) else Distinct(of, texts.get(of))
    raise TypeError(f"{function} has no state here")


def _fits(window: tree.Window | None) -> bool:
    return isinstance(window, tree.InTheLast) and days_at_most(window.amount, window.unit) <= DAYS_AS_BITS
