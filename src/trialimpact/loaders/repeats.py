"""Rows that stand twice and spells that overlap: columns packed into whole numbers, and one sort of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.dates import NO_DAY

_WIDEST = 2**31


def repeated_rows(columns: Sequence[NDArray[np.integer[Any]]]) -> Booleans:
    """Rows that equal a row above them in every column.

    >>> repeated_rows([np.array([7, 8, 7, 7]), np.array([1, 1, 1, 2])]).tolist()
    [False, False, True, False]
    """
    compact = [_compact(column) for column in columns]
    keys = _packed(compact, [_bits(column) for column in compact])
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

    One without a day overlaps none.

    >>> overlapping_spells(np.array([0, 1, 0, 0]), np.array([5, 5, 0, 3]), np.array([9, 9, 4, 5])).tolist()
    [False, False, False, True]
    """
    owner, days = _compact(owner), _compact(np.concatenate([start, end]))
    start, end = np.split(days, 2)
    bits, row_bits = _bits(days), owner.size.bit_length()
    keys = _packed([owner, start, np.arange(owner.size)], [_bits(owner), bits, row_bits])
    if keys is None:
        order = np.lexsort((start, owner))
        position = owner[order] << bits | start[order]
    else:
        keys.sort()
        order, position = keys & (2**row_bits - 1), keys >> row_bits
    # The owner in the high digits makes one running maximum restart at every owner.
    reach = np.maximum.accumulate(position >> bits << bits | end[order])
    overlaps = np.zeros(owner.size, dtype=bool)
    overlaps[order[1:][position[1:] < reach[:-1]]] = True
    return overlaps & (start < end)


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


def _packed(columns: Sequence[Integers], bits: Sequence[int]) -> Integers | None:
    """Columns of whole numbers of so many bits as one that orders as they do; None where 63 bits do not hold them."""
    if sum(bits) > 63:
        return None
    keys = np.zeros(columns[0].size, dtype=np.int64)
    for column, width in zip(columns, bits, strict=True):
        keys <<= width
        keys |= column
    return keys


def _bits(column: Integers) -> int:
    return int(column.max(initial=0)).bit_length()
