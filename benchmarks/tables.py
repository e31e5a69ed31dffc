"""From small tables by arm and day to the answer: what the contenders share once the claimants are counted.

Tables have the shape (2, days). A list of cells is (arm, column, value, ...), as a group-by gives it. Standard
errors are cr0. n(d) are followed, c(d) on benefit, p = c/n; W(t) and M(t) are the sums of 1/n(d) and of p(d)/n(d)
over the days 0 <= d < t.
"""

from __future__ import annotations

import numpy as np
from generate import Array, Arrays, Window

Answer = dict[str, Array]
SOME_HORIZONS = np.array([91, 182, 273])


def estimates(window: Window, on: Array, followed: Array, variance: Array, horizons: Array | None = None) -> Answer:
    """The answer from counts by arm and day, and the variance by arm at some horizons (none named: at all)."""
    horizons = np.arange(1, window.horizon + 1) if horizons is None else horizons
    share = on / followed
    difference = share[1] - share[0]
    return {
        "difference": difference,
        "std_error": np.sqrt((share * (1 - share) / followed).sum(axis=0)),
        "cumulative": difference[window.pre_days :].cumsum()[horizons - 1],
        "cumulative_error": np.sqrt(np.maximum(variance.sum(axis=0), 0)),
        "horizons": horizons,
    }


def table_of(n_columns: int, arm: Array, column: Array, value: Array) -> Array:
    """A table from a list of cells."""
    table = np.zeros((2, n_columns), dtype=float if value.dtype.kind == "f" else np.int64)
    table[arm, column] = value
    return table


def followed_by_day(window: Window, arm: Array, follow_up: Array, n: Array) -> Array:
    """n(d) on each day of the window, from the claimants by arm and length of follow-up."""
    left = table_of(window.horizon + 2, arm, follow_up, n).cumsum(axis=1)
    everyone = np.repeat(left[:, -1:], window.pre_days, axis=1)
    return np.concatenate([everyone, left[:, -1:] - left[:, :-1]], axis=1)


def weight_until(window: Window, followed: Array) -> Array:
    """W by day of the window, from its first day to the day after its last; 0 until the index day."""
    summed = _sums_before(1 / followed[:, window.pre_days : -1])
    return np.concatenate([np.zeros((2, window.pre_days)), summed, summed[:, -1:]], axis=1)


def weight_of_days(window: Window, followed: Array) -> dict[str, Array]:
    """The columns arm, day and weight, 1/n(d), on the days of the longest horizon."""
    days = np.arange(window.horizon, dtype=np.int32)
    weight = 1 / followed[:, window.pre_days : -1].ravel()
    return {"arm": np.repeat(np.arange(2, dtype=np.int32), days.size), "day": np.tile(days, 2), "weight": weight}


def variance_of_totals(arrays: Arrays, on: Array, followed: Array, row: Array, totals: Array) -> Array:
    """The variance at `SOME_HORIZONS`.

    `totals`, shape (3, rows), sums 1/n(d) over the days on benefit within each horizon; `row` says whose they are.
    """
    expected = _sums_before((on / followed**2)[:, arrays.pre_days : -1])
    variance = np.empty((2, SOME_HORIZONS.size))
    for place, horizon in enumerate(SOME_HORIZONS):
        influence = -expected[arrays.arm, np.minimum(arrays.follow_up, horizon)]
        influence[row] += totals[place]
        variance[:, place] = np.bincount(arrays.arm, weights=influence**2)
    return variance


def estimates_at_edges(
    window: Window, followed: Array, starts: list[Array], ends: list[Array], leavers: list[Array]
) -> Answer:
    """The answer from sums at the edges of disjoint spells, with the variance at every horizon.

    Of each spell w = W(end) - W(start), and v = the w of the claimant's earlier spells - W(start). `starts` and `ends`
    are cells (arm, day from the window's first, number of spells, sum of v); `leavers` are (arm, follow_up, sum of w).
    """
    width, after = window.n_days + 1, np.s_[:, window.pre_days : -1]
    counted, summed = (
        table_of(width, *starts[:2], starts[which]) - table_of(width, *ends[:2], ends[which]) for which in (2, 3)
    )
    on = counted.cumsum(axis=1)[:, :-1]
    n, c = followed[after], on[after]
    p = c / n
    w = weight_until(window, followed)[:, :-1]
    gone = table_of(window.horizon + 2, *leavers).cumsum(axis=1)[:, : window.horizon]
    on_before = summed.cumsum(axis=1)[:, :-1][after] + w[after] * c
    followed_before = _sums_before(p)[:, :-1] - gone
    steps = (p * (1 - p) + 2 * (on_before - p * followed_before)) / n
    return estimates(window, on, followed, steps.cumsum(axis=1))


def _sums_before(values: Array) -> Array:
    return np.concatenate([np.zeros((2, 1)), values.cumsum(axis=1)], axis=1)
