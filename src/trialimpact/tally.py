"""`Tally`: whole numbers in the cells of a table of many dimensions, kept only where not zero.

It is the integer arithmetic under `moments.py`: exact, the same under any order of rows, additive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Integers
from trialimpact.kernel import add_up

_MANY = 1 << 22
"""Entries that may gather before they are added up."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Tally:
    """Sparse whole-number table: flat places, ascending, and what stands in them."""

    shape: tuple[int, ...]
    place: Integers
    count: Integers

    @classmethod
    def of(cls, shape: tuple[int, ...], place: Integers, count: Integers) -> Tally:
        """Add up counts at flat places in any order."""
        if math.prod(shape) > np.iinfo(np.int64).max:
            raise DesignError(
                worded(
                    f"a table of {' × '.join(f'{n:,}' for n in shape)} places cannot be numbered.",
                    remedy="ask for fewer subgroups, strata, clusters or days at once",
                )
            )
        return cls(shape, *add_up(place, count))

    def __len__(self) -> int:
        return int(self.place.size)

    def __add__(self, other: Tally) -> Tally:
        """Place by place; both must have one shape."""
        return Tally.of(self.shape, np.r_[self.place, other.place], np.r_[self.count, other.count])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tally):
            return NotImplemented
        same = self.shape == other.shape and np.array_equal(self.place, other.place)
        return same and np.array_equal(self.count, other.count)

    __hash__ = None  # type: ignore[assignment]

    def summed(self, first: int, second: Integers, into: Integers | None = None, n_sums: int = 1) -> Integers:
        """Sums over some positions of the second dimension, under one of the first, zeros filled in.

        `second` is ascending; `into` says which of `n_sums` sums each adds to. Shape (n_sums, *rest).
        """
        size = math.prod(self.shape[2:])
        place, count, into_sum = self._under(first, second, np.zeros_like(second) if into is None else into)
        # A float sum of whole numbers is exact below 2**53.
        sums = np.bincount(place + into_sum * size, weights=count, minlength=n_sums * size)
        return sums.astype(np.int64).reshape(n_sums, *self.shape[2:])

    def entries(self, first: int, second: Integers) -> tuple[tuple[Integers, ...], Integers]:
        """Positions in the dimensions after the second, and counts, under some positions of the first two."""
        place, count, _ = self._under(first, second, second)
        return np.unravel_index(place, self.shape[2:]), count

    def _under(self, first: int, second: Integers, label: Integers) -> tuple[Integers, Integers, Integers]:
        """Flat places under each of some positions, what stands in them, and the label of the position."""
        size = math.prod(self.shape[2:])
        edges = (first * self.shape[1] + np.column_stack([second, second + 1])) * size
        low, high = np.searchsorted(self.place, edges).T
        lengths = high - low
        at = np.arange(lengths.sum()) + np.repeat(low - (np.cumsum(lengths) - lengths), lengths)
        return self.place[at] - np.repeat(edges[:, 0], lengths), self.count[at], np.repeat(label, lengths)

    def moved(self, n_second: int, goes_to: Integers) -> Tally:
        """The same counts where the second dimension has `n_second` positions; `goes_to` says where each went."""
        size = math.prod(self.shape[2:])
        leading, rest = np.divmod(self.place, max(size, 1))
        first, second = np.divmod(leading, self.shape[1])
        place = (first * n_second + goes_to[second]) * size + rest
        return Tally.of((self.shape[0], n_second, *self.shape[2:]), place, self.count)


class Collector:
    """Gathers places and counts for one tally; added up whenever many have gathered, so that memory stays small."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        self.places: list[Integers] = []
        self.counts: list[Integers] = []
        self.gathered = 0

    def add(self, places: tuple[int | Integers, ...], count: Integers | None = None) -> None:
        """Add counts (default: 1 each) at places, one array of positions a dimension or a number for all of them."""
        flat: int | Integers = 0
        for place, n in zip(places, self.shape, strict=True):
            flat = flat * n + place
        flat = np.asarray(flat, dtype=np.int64)
        self.places.append(flat)
        self.counts.append(np.ones_like(flat) if count is None else count)
        self.gathered += flat.size
        if self.gathered > _MANY:
            found = self.tally()
            self.places, self.counts, self.gathered = [found.place], [found.count], 0

    def tally(self) -> Tally:
        """Everything added so far."""
        nothing = np.empty(0, dtype=np.int64)
        return Tally.of(self.shape, np.concatenate([nothing, *self.places]), np.concatenate([nothing, *self.counts]))
