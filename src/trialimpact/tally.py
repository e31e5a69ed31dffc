"""`Tally`: whole numbers in the cells of a table of many dimensions, kept only where not zero.

It is the integer arithmetic under `moments.py`: exact, the same under any order of rows, additive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Integers

_DENSE_PER_ENTRY = 8
"""Count into a dense table as long as it has at most this many cells an entry."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tally:
    """Sparse whole-number table: flat cell numbers, ascending, and what stands in them."""

    shape: tuple[int, ...]
    cell: Integers
    count: Integers

    @classmethod
    def of(cls, shape: tuple[int, ...], places: Sequence[NDArray[np.integer]], counts: Integers) -> Tally:
        """Add up `counts` at `places` (one array of positions a dimension)."""
        if math.prod(shape) > np.iinfo(np.int64).max:
            raise DesignError(
                worded(
                    f"a table of {' × '.join(f'{n:,}' for n in shape)} cells cannot be numbered.",
                    remedy="ask for fewer subgroups, strata, clusters or days at once",
                )
            )
        if not counts.size:
            return cls(shape, np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64))
        return cls(shape, *_added_up(np.ravel_multi_index(tuple(places), shape), counts))

    def __len__(self) -> int:
        return int(self.cell.size)

    def __add__(self, other: Tally) -> Tally:
        """Cell by cell; both must have one shape."""
        cells, counts = np.r_[self.cell, other.cell], np.r_[self.count, other.count]
        return Tally(self.shape, *_added_up(cells, counts)) if cells.size else self

    def dense(self, *leading: int) -> Integers:
        """The table under the given leading positions, zeros filled in."""
        inner = self.shape[len(leading) :]
        size = math.prod(inner)
        first = 0
        for position, n in zip(leading, self.shape, strict=False):
            first = first * n + position
        low, high = np.searchsorted(self.cell, [first * size, (first + 1) * size])
        table = np.zeros(size, dtype=np.int64)
        table[self.cell[low:high] - first * size] = self.count[low:high]
        return table.reshape(inner)

    def moved(self, shape: tuple[int, ...], positions: dict[int, Integers]) -> Tally:
        """The same counts in another shape; `positions[axis]` says where each old position goes."""
        places = list(np.unravel_index(self.cell, self.shape))
        for axis, new in positions.items():
            places[axis] = new[places[axis]]
        return Tally.of(shape, places, self.count)


class Collector:
    """Gathers places and counts for one tally, a batch at a time, so that memory stays small."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.parts: list[Tally] = []

    def add(self, places: tuple[int | Integers, ...], counts: Integers) -> None:
        """Add counts at places; a single number stands for all of a batch."""
        broad = [np.broadcast_to(np.asarray(place), counts.shape) for place in places]
        self.parts.append(Tally.of(self.shape, broad, counts))

    def tally(self) -> Tally:
        """Everything added so far; parts with ascending cells are simply joined."""
        empty = Tally.of(self.shape, [], np.empty(0, dtype=np.int64))
        parts = [empty, *self.parts]
        joined = Tally(
            self.shape,
            np.concatenate([part.cell for part in parts]),
            np.concatenate([part.count for part in parts]),
        )
        return joined + empty


def _added_up(cells: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Distinct cells, ascending, and the sums of their counts; zero sums are dropped."""
    low = int(cells.min())
    span = int(cells.max()) - low + 1
    if span <= _DENSE_PER_ENTRY * cells.size:
        # A float sum of whole numbers is exact below 2**53, far above any count of pairs.
        sums = np.bincount(cells - low, weights=counts, minlength=span).astype(np.int64)
        kept = np.flatnonzero(sums)
        return kept + low, sums[kept]
    order = np.argsort(cells, kind="stable")
    cells, counts = cells[order], counts[order]
    first = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
    sums = np.add.reduceat(counts, first)
    return cells[first][sums != 0], sums[sums != 0]
