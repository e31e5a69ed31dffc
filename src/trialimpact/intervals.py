"""Interval arithmetic on whole days: merge, bridge, clip, subtract.

Every interval is half-open, [start, end), and belongs to an owner (a row number). Nothing here
knows what a day means: calendar days and days from the index day are the same to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trialimpact.kernel import packs, union

Integers: TypeAlias = NDArray[np.int64]
Booleans: TypeAlias = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """Half-open intervals [start, end) of owners, as three arrays of one length."""

    owner: Integers
    start: Integers
    end: Integers

    @classmethod
    def of(cls, owner: ArrayLike, start: ArrayLike, end: ArrayLike) -> Intervals:
        """Make intervals from anything like arrays of whole numbers."""
        return cls(*(np.asarray(each, dtype=np.int64) for each in (owner, start, end)))

    def __len__(self) -> int:
        return int(self.owner.size)

    def __repr__(self) -> str:
        return f"Intervals({len(self):,} of {np.unique(self.owner).size:,} owners)"

    def where(self, keep: NDArray[np.bool_] | Integers) -> Intervals:
        """The intervals that a mask or an index picks."""
        return Intervals(self.owner[keep], self.start[keep], self.end[keep])

    def shifted(self, by: Integers) -> Intervals:
        """Each interval moved by its owner's number of days; `by` has one entry per owner."""
        return Intervals(self.owner, self.start + by[self.owner], self.end + by[self.owner])


def merge(intervals: Intervals, bridge_days: int = 0) -> Intervals:
    """The union of each owner's intervals: disjoint, sorted, adjacent ones joined.

    Gaps of up to `bridge_days` days are filled too. Empty intervals vanish first, so that they
    bridge nothing. Cost: one sort of the intervals.

    >>> merge(Intervals.of([0, 0, 0], [5, 0, 2], [9, 3, 5])).end.tolist()
    [9]
    """
    if not len(intervals):
        return intervals
    days = int(intervals.start.min()), int(intervals.end.max()) + bridge_days
    if packs(int(intervals.owner.max()) + 1, *days):
        return Intervals(*union(intervals.owner, intervals.start, intervals.end, bridge_days))
    return _merge_any(intervals.where(intervals.end > intervals.start), bridge_days)


def _merge_any(kept: Intervals, bridge_days: int) -> Intervals:
    """The plain form of `union`, for any days: over more than 179 years the fast one refuses."""
    if not len(kept):
        return kept
    kept = kept.where(np.lexsort((kept.start, kept.owner)))
    lowest, highest = int(kept.start.min()), int(kept.end.max())
    span = highest - lowest + bridge_days + 1
    # The owner in the high digits makes one running maximum restart at every owner.
    reach = np.maximum.accumulate(kept.owner * span + (kept.end - lowest))
    position = kept.owner * span + (kept.start - lowest)
    opens = np.r_[True, (position[1:] > reach[:-1] + bridge_days) | (kept.owner[1:] != kept.owner[:-1])]
    last = np.r_[np.flatnonzero(opens)[1:] - 1, len(kept) - 1]
    return Intervals(kept.owner[opens], kept.start[opens], reach[last] % span + lowest)


def clip(intervals: Intervals, low: Integers, high: Integers) -> Intervals:
    """Each interval cut to [low, high) of its owner; what falls outside is dropped.

    `low` and `high` have one entry per owner.
    """
    start = np.maximum(intervals.start, low[intervals.owner])
    end = np.minimum(intervals.end, high[intervals.owner])
    keep = end > start
    return Intervals(intervals.owner[keep], start[keep], end[keep])


def subtract(on: Intervals, off: Intervals) -> Intervals:
    """The days of `on` that are not days of `off`, per owner; disjoint and sorted.

    All edges of an owner are walked in order of day, counting how deep each side is.
    """
    parts = [merge(on), merge(off)]
    owner = np.concatenate([np.r_[part.owner, part.owner] for part in parts])
    day = np.concatenate([np.r_[part.start, part.end] for part in parts])
    steps = [np.repeat([1, -1], len(part)).astype(np.int64) for part in parts]
    depth_on = np.r_[steps[0], np.zeros_like(steps[1])]
    depth_off = np.r_[np.zeros_like(steps[0]), steps[1]]
    order = np.lexsort((day, owner))
    owner, day = owner[order], day[order]
    is_on = np.cumsum(depth_on[order]) > 0
    is_off = np.cumsum(depth_off[order]) > 0
    state = is_on & ~is_off
    # Of several edges on one day only the last one tells the state that day begins with.
    is_last = np.r_[(owner[1:] != owner[:-1]) | (day[1:] != day[:-1]), np.ones(min(1, owner.size), bool)]
    owner, day, state = owner[is_last], day[is_last], state[is_last]
    before = np.r_[np.zeros(min(1, state.size), bool), state[:-1]]
    starts, ends = state & ~before, before & ~state
    return Intervals(owner[starts], day[starts], day[ends])


def length_by_owner(intervals: Intervals, n_owners: int) -> Integers:
    """Days in each owner's intervals (which must be disjoint), shape (n_owners,)."""
    lengths = np.bincount(intervals.owner, weights=intervals.end - intervals.start, minlength=n_owners)
    return lengths.astype(np.int64)
