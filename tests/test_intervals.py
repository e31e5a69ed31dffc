from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import intervals

from trialimpact.intervals import Intervals, clip, length_by_owner, merge, subtract

LOW, OWNERS = -40, 3


def days(of: Intervals) -> np.ndarray:
    table = np.zeros((OWNERS, 100), dtype=bool)
    for owner, start, end in zip(of.owner, of.start, of.end, strict=True):
        table[owner, start - LOW : end - LOW] = True
    return table


def assert_disjoint(of: Intervals, gap: int = 0) -> None:
    assert (of.end > of.start).all()
    same = of.owner[1:] == of.owner[:-1]
    assert (of.owner[1:] >= of.owner[:-1]).all()
    assert (of.start[1:][same] > of.end[:-1][same] + gap).all()


@given(intervals())
def test_merge_is_the_union_and_disjoint(some: Intervals) -> None:
    merged = merge(some)
    assert_disjoint(merged)
    assert np.array_equal(days(merged), days(some))


@given(intervals(), st.integers(0, 5))
def test_bridging_fills_gaps_up_to_its_length_and_no_others(some: Intervals, gap: int) -> None:
    bridged = merge(some, gap)
    assert_disjoint(bridged, gap)
    plain = days(some)
    for owner in range(OWNERS):
        on = np.flatnonzero(plain[owner])
        for before, after in zip(on[:-1], on[1:], strict=True):
            filled = days(bridged)[owner, before:after].all()
            assert filled == (after - before - 1 <= gap)


@given(intervals(), intervals())
def test_subtract_is_the_difference_of_sets(one: Intervals, other: Intervals) -> None:
    left = subtract(one, other)
    assert_disjoint(left)
    assert np.array_equal(days(left), days(one) & ~days(other))


@given(intervals(), st.integers(-15, 15), st.integers(0, 10))
def test_clip_keeps_what_is_inside(some: Intervals, low: int, length: int) -> None:
    cut = clip(some, np.full(OWNERS, low), np.full(OWNERS, low + length))
    inside = np.zeros((OWNERS, 100), dtype=bool)
    inside[:, low - LOW : low + length - LOW] = True
    assert np.array_equal(days(cut), days(some) & inside)


@given(intervals())
def test_lengths_add_up(some: Intervals) -> None:
    assert np.array_equal(length_by_owner(merge(some), OWNERS), days(some).sum(axis=1))


def test_an_empty_interval_bridges_nothing() -> None:
    merged = merge(Intervals.of([0, 0, 0], [0, 3, 6], [2, 3, 8]), bridge_days=2)
    assert merged.start.tolist() == [0, 6]


def test_nothing_in_nothing_out() -> None:
    nothing = Intervals.of([], [], [])
    assert len(merge(nothing)) == len(subtract(nothing, nothing)) == 0


@pytest.mark.parametrize("shift", [-(10**6), 10**6])
def test_dates_far_away_are_no_different(shift: int) -> None:
    some = Intervals.of([0, 0, 1], [5, 0, 2], [9, 6, 5])
    moved = merge(some.shifted(np.full(2, shift)))
    assert np.array_equal(moved.start - shift, merge(some).start)


def test_the_repr_counts_and_shows_no_rows() -> None:
    assert repr(Intervals.of([0, 0, 1], [5, 0, 2], [9, 6, 5])) == "Intervals(3 of 2 owners)"
