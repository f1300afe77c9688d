"""Groups of profiles as boolean arrays, ranks and medians, and tables brought into one order of profiles."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from facette.errors import RunError

PROFILE = "profile_id"


def aligned(table: pa.Table, like: pa.Table) -> pa.Table:
    """The rows of ``table`` in the order of the profiles of ``like``. Raises RunError if a profile is missing."""
    if table[PROFILE].equals(like[PROFILE]):
        return table
    places = pc.index_in(like[PROFILE], value_set=table[PROFILE].combine_chunks())
    if places.null_count:
        raise RunError(
            f"{places.null_count} profiles have a membership but no features.",
            remedy="Run again from the features on: `facette run`.",
        )
    return table.take(places)


class Ascending:
    """A number over all profiles (NaN where unknown), sorted once, so that no group's median needs sorting again."""

    def __init__(self, values: np.ndarray) -> None:
        self._profiles = np.argsort(values)[: np.count_nonzero(~np.isnan(values))]  # NaN sorts last
        self._values = values[self._profiles]

    def medians(self, is_member: np.ndarray) -> tuple[float | None, float | None]:
        """Median of the known values of members, and of all others; None where there are none."""
        is_inside = is_member[self._profiles]
        return self._median(is_inside), self._median(~is_inside)

    def _median(self, is_meant: np.ndarray) -> float | None:
        n = int(np.count_nonzero(is_meant))
        if not n:
            return None
        bits = np.packbits(is_meant)
        before = np.cumsum(np.bitwise_count(bits), dtype=np.int64)  # how many are meant up to the end of each byte
        middle = [_place(bits, before, rank) for rank in ((n - 1) // 2, n // 2)]
        return float(self._values[middle].mean())


def _place(bits: np.ndarray, before: np.ndarray, rank: int) -> int:
    """The place of the set bit of that rank (0 is the first)."""
    byte = int(np.searchsorted(before, rank, side="right"))
    set_bits = np.flatnonzero(np.unpackbits(bits[byte : byte + 1]))
    return 8 * byte + int(set_bits[rank - int(before[byte - 1] if byte else 0)])


def ranked(values: np.ndarray) -> np.ndarray:
    """The rank of each value, from 1; equal values share the mean of their ranks. None may be unknown."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[place]


def segments_of(wide: pa.Table) -> Iterator[tuple[str, np.ndarray]]:
    """Name and membership (boolean per profile) of each boolean column, and of each value of each integer column.

    A cluster is called by its column and number: ``groups:3``. Unknown is nobody's membership.
    """
    for name in wide.column_names:
        column = wide[name]
        if name == PROFILE:
            continue
        if pa.types.is_boolean(column.type):
            yield name, pc.fill_null(column, False).to_numpy().astype(bool)
        elif pa.types.is_integer(column.type):
            for number in sorted(pc.unique(column).drop_null().to_pylist()):
                yield f"{name}:{number}", pc.fill_null(pc.equal(column, number), False).to_numpy().astype(bool)
