"""Rows that stand twice and spells that overlap: columns packed into whole numbers, and one sort of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.dates import NO_DAY

_WIDEST = 2**32


def repeated_rows(columns: Sequence[NDArray[np.integer[Any]]]) -> Booleans:
    """Rows that equal a row above them in every column.

    >>> repeated_rows([np.array([7, 8, 7, 7]), np.array([1, 1, 1, 2])]).tolist()
    [False, False, True, False]
    """
    keys = _packed([_compact(column) for column in columns])
    if keys is None:
        return pd.DataFrame(dict(enumerate(columns))).duplicated().to_numpy(dtype=bool)
    ordered = np.sort(keys)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    rows = np.flatnonzero(pd.Series(keys).isin(twice)) if twice.size else np.empty(0, dtype=np.int64)
    repeated = np.zeros(keys.size, dtype=bool)
    repeated[rows] = pd.Series(keys[rows]).duplicated().to_numpy(dtype=bool)
    return repeated


def overlapping_spells(owner: Integers, start: Integers, end: Integers) -> Booleans:
    """Spells that start before an earlier one of their owner has ended; of two that start alike, the later row.

    >>> overlapping_spells(np.array([0, 1, 0, 0]), np.array([5, 5, 0, 3]), np.array([9, 9, 4, 5])).tolist()
    [False, False, False, True]
    """
    owner, (start, end) = _compact(owner), np.split(_compact(np.concatenate([start, end])), 2)
    order = _in_order(owner, start)
    owner, start, end = owner[order], start[order], end[order]
    opens = np.r_[True, owner[1:] != owner[:-1]][: owner.size]
    # The owner in the high digits makes one running maximum restart at every owner.
    restart = np.cumsum(opens) * (int(end.max(initial=0)) + 1)
    reach = np.maximum.accumulate(restart + end)
    overlaps = np.zeros(owner.size, dtype=bool)
    overlaps[order[1:]] = ~opens[1:] & ((restart + start)[1:] < reach[:-1])
    return overlaps


def _in_order(owner: Integers, start: Integers) -> Integers:
    """Rows by owner, start and position."""
    keys = _packed([owner, start, np.arange(owner.size)])
    return np.lexsort((start, owner)) if keys is None else np.sort(keys) % max(owner.size, 1)


def _compact(column: NDArray[np.integer[Any]]) -> Integers:
    """Whole numbers from 0 in the same order; a blank day comes first."""
    numbers: Integers = column.astype(np.int64)
    if not numbers.size:
        return numbers
    low, high = int(numbers.min()), int(numbers.max())
    if low == NO_DAY < high:
        low = int(numbers[numbers != NO_DAY].min()) - 1
        np.maximum(numbers, low, out=numbers)
    if high - low >= _WIDEST:
        return pd.factorize(numbers, sort=True)[0].astype(np.int64)
    numbers -= low
    return numbers


def _packed(columns: Sequence[Integers]) -> Integers | None:
    """Columns of whole numbers from 0 as one that orders as they do; None where 63 bits do not hold them."""
    widths = [int(column.max(initial=0)) + 1 for column in columns]
    if np.prod(np.array(widths, dtype=object)) >= 2**63:
        return None
    keys = columns[0].copy()
    for column, width in zip(columns[1:], widths[1:], strict=True):
        keys *= width
        keys += column
    return keys
