"""Variances of a contrast's daily shares and of their sums (methods page, M2, M3, M4, M6).

Without clusters the unit is the claimant and products come from the gram; with clusters the unit
is the cluster, whose influence is summed over both arms and all strata before it is squared.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from trialimpact.estimators.contrast import Comparison, Floats, Part, difference, share
from trialimpact.estimators.small_sample import cluster_factor, side_factor, whole_factor
from trialimpact.intervals import Integers
from trialimpact.jumps import FOLLOWED_FOLLOWED, ON_FOLLOWED, ON_ON
from trialimpact.moments import Counts, Gram

Number = TypeVar("Number", np.int64, np.float64)

ROWS_AT_A_TIME = 512
"""Days of a covariance that are formed together: of decades, one table of days × days is a gigabyte."""

_ROUNDING = 1e-13
"""Share of the size of its terms that rounding may leave of a sum."""


def daily_variance(comparison: Comparison) -> Floats:
    """Variance of D(d) on each day of the window, shape (n_days,)."""
    rule = comparison.moments.protocol.analysis.small_sample
    followed = comparison.n_followed_together()
    parameters = np.full(followed.shape, 2 * len(comparison.parts))
    if comparison.moments.clustered:
        squares = (cluster_influence(comparison) ** 2).sum(axis=0)
        return np.asarray(squares * _cluster_scale(comparison, _clusters_seen(comparison), followed, parameters))
    variance = np.zeros(followed.shape)
    for part in comparison.parts:
        for side in part.sides:
            n, p = side.followed.sum(axis=0), share(side)
            with np.errstate(divide="ignore", invalid="ignore"):
                variance = variance + part.weight**2 * p * (1 - p) / n * side_factor(rule, n)
    return np.asarray(variance * whole_factor(rule, followed, followed, parameters))


def cumulative_variance(comparison: Comparison, n_days: int) -> Floats:
    """Variance of C(H) for H = 1..n_days, shape (n_days,)."""
    rule = comparison.moments.protocol.analysis.small_sample
    followed = _from_day(comparison, comparison.n_followed_together(), n_days).cumsum()
    parameters = 2 * len(comparison.parts) * np.arange(1, n_days + 1)
    if comparison.moments.clustered:
        summed = _from_day(comparison, cluster_influence(comparison), n_days).cumsum(axis=-1)
        units = _clusters_ever_followed(comparison, n_days)
        return np.asarray((summed**2).sum(axis=0) * _cluster_scale(comparison, units, followed, parameters))
    units = comparison.ever_followed_together(n_days)
    variance = np.zeros(n_days)
    for part in comparison.parts:
        for arms, side in _sides(comparison, part):
            running = _running_variance(comparison, part, arms, side)
            factor = side_factor(rule, side.ever_followed(n_days).sum(axis=0))
            variance = variance + part.weight**2 * running * factor
    # Rounding can leave -1e-18 where everybody is on the outcome; a variance is not negative.
    return np.asarray(np.maximum(variance, 0.0) * whole_factor(rule, units, followed, parameters))


def day_covariance(comparison: Comparison, n_days: int, first: int = 0) -> Floats:
    """Covariance of D(d) and D(d') on [first, first + n_days), shape (n_days, n_days).

    `first` is 0, or (without clusters) the first day of the window and n_days the days before 0.
    """
    rule = comparison.moments.protocol.analysis.small_sample
    followed = _from_day(comparison, comparison.n_followed_together(), n_days, first).sum()
    parameters = 2 * len(comparison.parts) * n_days
    if comparison.moments.clustered:
        influence = _from_day(comparison, cluster_influence(comparison), n_days, first)
        units = _clusters_ever_followed(comparison, n_days, first)[-1:]
        scale = _cluster_scale(comparison, units, np.array([followed]), np.array([parameters]))
        return np.asarray(influence.T @ influence * scale)
    units = comparison.ever_followed_together(n_days, first)[-1]
    covariance = np.zeros((n_days, n_days))
    for part in comparison.parts:
        for arms, side in _sides(comparison, part):
            factor = side_factor(rule, side.ever_followed(n_days, first).sum(axis=0)[-1])
            mine = _side_covariance(comparison, part, arms, side, n_days, first)
            mine *= part.weight**2
            mine *= factor
            covariance += mine
    covariance *= whole_factor(rule, units, followed, parameters)
    return covariance


def cluster_influence(comparison: Comparison) -> Floats:
    """Influence of each cluster on D(d), shape (n_clusters, n_days of the window).

    Under `cluster_variance = "jackknife"`, the scaled change when the cluster is left out. NaN on
    a day when a side has fewer than two clusters: their influence adds up to 0 whatever they did.
    """
    influence = _left_out if comparison.jackknifed else _linear
    rows = np.zeros(comparison.parts[0].treatment.followed.shape)
    for part in comparison.parts:
        rows = rows + part.weight * difference(influence(part.treatment), influence(part.control))
        alone = np.logical_or.reduce([(side.followed > 0).sum(axis=0) < 2 for side in part.sides])
        rows[:, alone] = np.nan
    if comparison.jackknifed:
        n_clusters = _clusters_seen(comparison)
        with np.errstate(divide="ignore", invalid="ignore"):
            rows = rows * np.sqrt((n_clusters - 1) / n_clusters)
    return rows


def _linear(counts: Counts) -> Floats:
    """Σ over the cluster of (y - p)/n."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((counts.on - share(counts) * counts.followed) / counts.followed.sum(axis=0))


def _left_out(counts: Counts) -> Floats:
    """The share without the cluster, less the share; NaN where that leaves nobody."""
    with np.errstate(divide="ignore", invalid="ignore"):
        others_on = counts.on.sum(axis=0) - counts.on
        others_followed = counts.followed.sum(axis=0) - counts.followed
        return np.asarray(others_on / others_followed - share(counts))


def _cluster_scale(
    comparison: Comparison, n_clusters: Integers, observations: Integers, parameters: Integers
) -> Floats:
    """The correction for clusters; the jackknife carries its own."""
    if comparison.jackknifed:
        return np.ones(np.shape(n_clusters))
    rule = comparison.moments.protocol.analysis.small_sample
    return cluster_factor(rule, n_clusters) * whole_factor(rule, n_clusters, observations, parameters)


def _clusters_seen(comparison: Comparison) -> Integers:
    """Clusters with anybody followed on each day of the window."""
    present = [side.followed > 0 for part in comparison.parts for side in part.sides]
    return np.asarray(np.logical_or.reduce(present).sum(axis=0))


def _clusters_ever_followed(comparison: Comparison, n_days: int, first: int = 0) -> Integers:
    """Clusters with any follow-up in [first, first + k), k = 1..n_days."""
    present = [side.ever_followed(n_days, first) > 0 for part in comparison.parts for side in part.sides]
    return np.asarray(np.logical_or.reduce(present).sum(axis=0))


def _sides(comparison: Comparison, part: Part) -> tuple[tuple[tuple[str, ...], Counts], ...]:
    contrast = comparison.contrast
    return (contrast.treatment, part.treatment), (contrast.control, part.control)


def _side_covariance(
    comparison: Comparison, part: Part, arms: tuple[str, ...], side: Counts, n_days: int, first: int = 0
) -> Floats:
    """Covariance of p(d) and p(d') of one side (M4), before any correction."""
    which = (comparison.outcome, comparison.subgroup, arms, part.stratum)
    gram = comparison.moments.gram_of(*which, before=first < 0)
    followed, on = side.from_day(first, n_days)
    return share_covariance(gram, followed.sum(axis=0), on.sum(axis=0), n_days)


def share_covariance(gram: Gram, followed: Integers, on: Integers, n_days: int) -> Floats:
    """[A - p(d')·B(d,d') - p(d)·B(d',d) + p(d)p(d')·O] / (n(d) n(d')), shape (n_days, n_days)."""
    found, days = np.empty((n_days, n_days)), slice(n_days)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = on / followed
        for low in range(0, n_days, ROWS_AT_A_TIME):
            rows = slice(low, min(low + ROWS_AT_A_TIME, n_days))
            cross, other = gram.on_followed[rows, days], gram.on_followed[days, rows].T
            centred = gram.on_on[rows, days] - p[None, :] * cross - p[rows, None] * other
            centred += np.outer(p[rows], p) * gram.followed_followed[rows, days]
            found[rows] = centred / np.outer(followed[rows], followed)
    return found


def _running_variance(comparison: Comparison, part: Part, arms: tuple[str, ...], side: Counts) -> Floats:
    """Variance of Σ p(d) over the first H days of one side, for every H, before any correction (M4).

    A claimant's influence is Σ dy(t)·(W(H) - W(t)) - do(t)·(M(H) - M(t)) over their jumps, W and M the sums of
    1/n and p/n. Its square is a sum over products of two jumps, each of which counts from the later day on: so
    one pass over the products gives every horizon, and no matrix of days is made.
    """
    n_days = comparison.moments.protocol.analysis.max_horizon
    if comparison.moments.horizons is not None:
        return comparison.moments.horizons.of((comparison.outcome, comparison.subgroup, arms, part.stratum))
    (table, one, other), count = comparison.moments.products_of(
        comparison.outcome, comparison.subgroup, arms, part.stratum
    )
    followed, on = (each.sum(axis=0) for each in side.from_day(0, n_days))
    seen = np.where(followed > 0, followed, np.nan)
    w, m = (np.r_[0.0, np.cumsum(each)] for each in (1.0 / seen, on / seen**2))
    variance, size = np.zeros(n_days), np.zeros(n_days)
    for which, left, right, sign in ((ON_ON, w, w, 1), (ON_FOLLOWED, w, m, -2), (FOLLOWED_FOLLOWED, m, m, 1)):
        mine = table == which
        t, u = one[mine], other[mine]
        # The tables of like with like keep each pair of days once.
        times = count[mine] * np.where((t == u) | (which == ON_FOLLOWED), sign, 2 * sign)
        from_t, from_u = left[t], right[u]
        both, with_u, with_t, with_both = (
            np.bincount(np.maximum(t, u), weights=each, minlength=n_days).cumsum()
            for each in (times, times * from_u, times * from_t, times * from_t * from_u)
        )
        terms = (left[1:] * right[1:] * both, -left[1:] * with_u, -right[1:] * with_t, with_both)
        variance += sum(terms)
        size += sum(map(np.abs, terms))
    # What is no more than the rounding of its terms is no variance: nobody differs.
    return np.where(variance < _ROUNDING * size, 0.0, variance)


def _from_day(comparison: Comparison, values: NDArray[Number], n_days: int, first: int = 0) -> NDArray[Number]:
    """The days [first, first + n_days) of something over the whole window (last axis)."""
    start = first - comparison.first_day
    return values[..., start : start + n_days]
