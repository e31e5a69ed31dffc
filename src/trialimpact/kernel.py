"""The fast forms of five jobs on plain arrays: union of spells, edges in a window, adding up, pairs, all horizons.

What each computes stands in its docstring; how, only here. Everything else calls these by name. Spells are
packed into one whole number (owner, start, end), sorted as such, and walked in blocks that stay in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Integers: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Keys: TypeAlias = NDArray[np.uint64]

_DAY_BITS, _OWNER_BITS = 16, 32
_DAYS, _OWNERS = 1 << _DAY_BITS, 1 << _OWNER_BITS
_DAY_MASK, _PLACE = np.uint64(_DAYS - 1), np.uint64(_DAY_BITS)
_BLOCK = 1 << 14
"""Rows that are walked at a time: their arrays stay in a core's own cache."""
_DENSE_PER_ENTRY = 8
"""Add up in a dense table as long as it has at most this many cells an entry."""


def packs(n_owners: int, low: int, high: int) -> bool:
    """Whether owners under `n_owners` and days of [low, high] fit the packed range (65,535 days, 2³² owners)."""
    return n_owners <= _OWNERS and 0 <= high - low < _DAYS


def union(owner: Integers, start: Integers, end: Integers, bridge_days: int = 0) -> tuple[Integers, Integers, Integers]:
    """The union of each owner's half-open intervals: disjoint, sorted, joined over gaps of `bridge_days`.

    Raises
    ------
    ValueError
        The days or owners do not fit the packed range: nothing wraps round.
    """
    lasting = end > start
    if not lasting.all():
        owner, start, end = owner[lasting], start[lasting], end[lasting]
    if not owner.size:
        return owner, start, end
    low, high = int(start.min()), int(end.max())
    if owner.min() < 0 or not packs(int(owner.max()) + 1, low, high + bridge_days):
        raise ValueError(f"spells over {high - low:,} days do not fit {_DAY_BITS} bits a day")
    keys = _sorted_keys(owner, start - low, end - low)
    parts = list(_joined(keys, np.uint64(bridge_days)))
    opened, closed = (np.concatenate([part[side] for part in parts]) for side in (0, 1))
    days = np.int64(low)
    return (
        (opened >> _PLACE).astype(np.int64),
        (opened & _DAY_MASK).astype(np.int64) + days,
        (closed & _DAY_MASK).astype(np.int64) + days,
    )


def _sorted_keys(owner: Integers, start: Integers, end: Integers) -> Keys:
    """One number (owner, start, end) a spell, ascending: sorting the numbers sorts the table."""
    keys = owner.astype(np.uint64)
    keys <<= _PLACE
    keys |= start.view(np.uint64)
    keys <<= _PLACE
    keys |= end.view(np.uint64)
    keys.sort()
    return keys


def _joined(keys: Keys, bridge: np.uint64) -> Iterator[tuple[Keys, Keys]]:
    """Block by block, owner | start and owner | end of every joined interval.

    The owner in the high bits makes one running maximum restart at every owner. An interval closes where the
    next one opens, so each block leaves its last reach to the next.
    """
    reach = np.zeros(1, dtype=np.uint64)
    begun = False
    for first in range(0, keys.size, _BLOCK):
        block = keys[first : first + _BLOCK]
        starts = block >> _PLACE
        ends = ((starts >> _PLACE) << _PLACE) | (block & _DAY_MASK)
        reaches = np.maximum.accumulate(np.concatenate([reach, ends]))
        opens = starts > reaches[:-1] + bridge
        opens[0] |= not begun
        places = np.flatnonzero(opens)
        closed = reaches[:-1][places]
        yield starts[places], closed if begun else closed[1:]
        reach, begun = reaches[-1:], True
    yield keys[:0], reach


def add_up(cells: Integers, counts: Integers) -> tuple[Integers, Integers]:
    """Distinct cells, ascending, and the sums of their counts; zero sums are dropped."""
    if not cells.size:
        return cells, np.empty(0, dtype=np.int64)
    low = int(cells.min())
    span = int(cells.max()) - low + 1
    if span <= _DENSE_PER_ENTRY * cells.size:
        # A float sum of whole numbers is exact below 2**53, far above any count of pairs.
        sums = np.bincount(cells - low, weights=counts, minlength=span).astype(np.int64)
        kept = np.flatnonzero(sums)
        return kept + low, sums[kept]
    if np.abs(counts).max() == 1 and span < 1 << 60:
        packed = np.sort((cells - low) * 4 + (counts + 1))
        cells, counts = (packed >> 2) + low, (packed & 3) - 1
    else:
        order = np.argsort(cells, kind="stable")
        cells, counts = cells[order], counts[order]
    first = np.flatnonzero(np.r_[True, cells[1:] != cells[:-1]])
    sums = np.add.reduceat(counts, first)
    return cells[first][sums != 0], sums[sums != 0]


def pairs_by_lag(owner: Integers) -> Iterator[tuple[Integers, Integers]]:
    """Positions of every pair of rows of one owner, each pair once and a row with itself; `owner` is sorted."""
    first = np.arange(owner.size)
    lag = 0
    while first.size:
        yield first, first + lag
        lag += 1
        first = first[: np.searchsorted(first, owner.size - lag)]
        first = first[owner[first + lag] == owner[first]]


def edges(start: Integers, end: Integers, low: int, high: int) -> tuple[NDArray[np.bool_], Integers, Integers]:
    """Intervals seen from [low, high): which last within it, and where they begin and end, counted from `low`."""
    start, end = np.maximum(start, low), np.minimum(end, high)
    start -= low
    end -= low
    return end > start, start, end


def horizon_variance(
    owner: Integers, start: Integers, end: Integers, followed: tuple[Integers, Integers], n_days: int
) -> Floats:
    """Sum of squared influences on Σ p(d) over the first H days, H = 1..n_days: one pass, flat in the days.

    Parameters
    ----------
    owner, start, end : array, shape (spells,)
        Disjoint, sorted by owner then day; days in [0, n_days], and empty ones have no effect.
    followed : two arrays, shape (claimants,)
        Follow-up [from, to) in [0, n_days].
    """
    first, last = followed

    def running(at: Integers, weights: Floats | None = None) -> Floats:
        return np.bincount(at, weights=weights, minlength=n_days + 1).cumsum()

    n, on = running(first) - running(last), running(start) - running(end)
    n = np.where(n > 0, n, np.nan)
    p = on / n
    w, m = (np.r_[0.0, np.cumsum(each[:-1])] for each in (1.0 / n, p / n))
    gained = w[end] - w[start]
    before = np.cumsum(gained) - gained
    opens = np.r_[True, owner[1:] != owner[:-1]][: owner.size]
    # What an owner gained before a spell: the sum so far less what it was at the owner's first spell.
    mine = before - np.maximum.accumulate(np.where(opens, before, 0.0))
    entered = m[first]
    value = mine - w[start] + entered[owner]
    on_sum = running(start, value) - running(end, value) + w * on
    followed_sum = np.r_[0.0, np.cumsum(p[:-1])] - running(last[owner], gained)
    followed_sum += running(first, entered) - running(last, entered)
    steps = (p * (1 - p) + 2 * (on_sum - p * followed_sum)) / n
    return np.asarray(np.cumsum(steps[:-1]))
