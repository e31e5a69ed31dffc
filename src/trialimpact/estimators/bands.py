"""Simultaneous bands: limits that hold on every day of a range together (M5)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import critical_value
from trialimpact.estimators.contrast import Floats, compare
from trialimpact.estimators.cumulative import estimate_cumulative
from trialimpact.estimators.daily import estimate_daily
from trialimpact.estimators.effects import FEW_CLUSTERS, Effects
from trialimpact.estimators.variance import day_covariance
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast, TrialProtocol

DRAWS = 10_000
"""Draws of the largest of all |z|."""

DRAWS_AT_A_TIME = 2_500

_NUDGE = 1e-11
_RANK = 1e-9
"""Directions with less than this share of the largest eigenvalue are rounding."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Consecutive days (or horizons) on which a band excludes zero, and on which side it lies."""

    first: int
    last: int
    above: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Band:
    """Effects on a range of days or horizons, with limits that hold on all of them together.

    Attributes
    ----------
    effects : Effects
        The same rows with their pointwise limits.
    critical : float
        What multiplies each standard error; never below the pointwise value.
    low, high : array, shape (n,)
    p_value : array, shape (n,)
        Chance, were there no effect on any day, that the largest absolute z is as large as this row's.
    """

    effects: Effects
    critical: float
    low: Floats
    high: Floats
    p_value: Floats

    def runs(self) -> tuple[Run, ...]:
        """Where the band excludes zero, as runs of consecutive days or horizons."""
        effects = self.effects
        known = (effects.std_error > 0) & (np.minimum(effects.n_treatment, effects.n_control) > 1)
        side = np.where(known & (self.low > 0), 1, np.where(known & (self.high < 0), -1, 0))
        edges = np.flatnonzero(np.diff(side, prepend=0, append=0))
        at = self.effects.at
        return tuple(
            Run(first=int(at[start]), last=int(at[end - 1]), above=bool(side[start] > 0))
            for start, end in pairwise(edges)
            if side[start]
        )

    @property
    def sup_statistic(self) -> float:
        """The largest |z| of the range; NaN where no row has a standard error."""
        known = self.effects.std_error > 0
        z = np.abs(self.effects.estimate[known] / self.effects.std_error[known])
        return float(z.max()) if z.size else float("nan")

    @property
    def sup_p_value(self) -> float:
        """p-value of no effect on any of the days: the smallest of `p_value`."""
        return float(np.nanmin(self.p_value)) if np.isfinite(self.p_value).any() else float("nan")

    def to_frame(self) -> pd.DataFrame:
        """The tidy columns; `interval` is "band", `p_value` is that of the whole range."""
        limits = {"conf_low": self.low, "conf_high": self.high, "p_value": self.p_value}
        return self.effects.to_frame().assign(**limits, interval="band")

    def __repr__(self) -> str:
        which, at = self.effects.comparison, self.effects.at
        runs = ", ".join(f"{run.first} to {run.last}" for run in self.runs()) or "nowhere"
        rows = f"{int(at[0])} to {int(at[-1])}" if at.size else "no rows"
        return (
            f"Band({self.effects.kind}: {which.outcome}, {which.contrast.name}, {which.subgroup}; {rows}; "
            f"critical {self.critical:.3f}; excludes zero {runs})"
        )

    def _repr_html_(self) -> str:
        from html import escape

        return f"<p>{escape(repr(self))}</p>"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bands:
    """The band of the daily differences, and that of the cumulative one."""

    daily: Band
    cumulative: Band

    def to_frame(self) -> pd.DataFrame:
        """Both, in the tidy columns."""
        return pd.concat([self.daily.to_frame(), self.cumulative.to_frame()], ignore_index=True)


@of_its_kind
def estimate_bands(
    moments: Moments,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    days: tuple[int, int] | None = None,
    stratified: bool = False,
) -> Bands:
    """Limits of the daily and of the cumulative difference that hold on all days of a range together.

    If there were no effect on any day of the range, the band would exclude zero somewhere in it
    in 5% of trials (at 95%), where pointwise limits do so in many more. The daily and the
    cumulative curve have a band each.

    Parameters
    ----------
    moments, outcome, contrast, subgroup, stratified
        As `estimate_daily`.
    days : (int, int), optional
        First and last day, both included. Default: day 0 to the last day of the longest horizon.
        The cumulative band is over the horizons first + 1 to last + 1, each counted from day 0.

    Returns
    -------
    Bands
        `runs()` of each says from which day to which its band excludes zero.

    Raises
    ------
    ProtocolError, DesignError
        As `compare`; or the range is not within the longest horizon.

    Notes
    -----
    Sup-t: the quantile of the largest absolute Z, for Z normal with the correlation of the estimates, from 10,000
    draws seeded by the protocol. Days without variance take no part. With clusters the draws are
    of t, and under 30 clusters there is no band (NaN): no draws would hold. Source: methods page, M5;
    Montiel Olea and Plagborg-Møller 2019. Cost: O(days³ + draws × days × rank), whatever the claimants.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> bands = estimate_bands(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit")
    >>> bool((bands.daily.low <= bands.daily.effects.conf_low).all())
    True
    """
    comparison = compare(moments, outcome, contrast, subgroup, stratified=stratified)
    longest = moments.protocol.analysis.max_horizon
    first, last = (0, longest - 1) if days is None else days
    if not 0 <= first <= last < longest:
        raise DesignError(
            worded(f"a band over days {first} to {last}.", remedy=f"choose days from 0 to {longest - 1}, in order")
        )
    which = (moments, comparison.outcome, comparison.contrast, subgroup)
    daily = estimate_daily(*which, stratified=stratified).between(first, last)
    cumulative = estimate_cumulative(*which, stratified=stratified, interval="wald").between(first + 1, last + 1)
    covariance = day_covariance(comparison, last + 1)
    maxima = largest_draws(covariance, first, moments.protocol, comparison.n_clusters)
    return Bands(daily=band_around(daily, maxima[0]), cumulative=band_around(cumulative, maxima[1]))


def band_around(effects: Effects, maxima: Floats) -> Band:
    """The band that draws of the largest |z| (sorted) give."""
    protocol = effects.protocol
    quantile = float(np.quantile(maxima, protocol.analysis.conf_level)) if maxima.size else 0.0
    critical = quantile if np.isnan(quantile) else max(quantile, critical_value(protocol))
    half = critical * effects.std_error
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(effects.std_error > 0, np.abs(effects.estimate) / effects.std_error, np.nan)
    as_large = maxima.size - np.searchsorted(maxima, z)
    return Band(
        effects=effects,
        critical=critical,
        low=effects.estimate - half,
        high=effects.estimate + half,
        p_value=np.where(np.isnan(z) | np.isnan(critical), np.nan, (1 + as_large) / (1 + maxima.size)),
    )


def largest_draws(
    covariance: Floats, first: int, protocol: TrialProtocol, n_clusters: int | None = None
) -> tuple[Floats, Floats]:
    """Sorted draws of max |Z| over the days from `first`, of the daily and of the cumulative differences.

    Clusters make the draws those of t with one degree of freedom fewer; under `FEW_CLUSTERS` no
    draws hold, and both are NaN.
    """
    if n_clusters is not None and n_clusters < FEW_CLUSTERS:
        return np.full(1, np.nan), np.full(1, np.nan)
    variance = np.diag(covariance)
    moving = np.flatnonzero(np.nan_to_num(variance) > 0)
    moving = moving[np.isfinite(covariance[np.ix_(moving, moving)]).all(axis=1)] if moving.size else moving
    if not moving.size:
        return np.empty(0), np.empty(0)
    scale = np.sqrt(variance[moving])
    moved = covariance[np.ix_(moving, moving)]
    total_scale = np.sqrt(np.maximum(_variance_of_sums(moved), 0.0))
    for row, one in zip(moved, scale, strict=True):
        np.divide(row, one * scale, out=row)
    root = _root(moved).astype(np.float32)
    del moved
    inside = moving >= first
    counted = inside & (total_scale > 0)
    daily, cumulative = [], []
    for low in range(0, DRAWS, DRAWS_AT_A_TIME):
        some = slice(low, low + DRAWS_AT_A_TIME)
        z: NDArray[np.float32] = _normals(protocol.analysis.seed, covariance.shape[0])[some, : root.shape[0]] @ root
        if n_clusters is not None:
            z /= np.sqrt(_chi_squares(protocol.analysis.seed, n_clusters - 1)[some] / (n_clusters - 1))[:, None]
        daily.append(_largest(z[:, inside]))
        z *= scale.astype(np.float32)
        sums = np.cumsum(z, axis=1)[:, counted]
        cumulative.append(_largest(np.asarray(sums / total_scale[counted], dtype=np.float32)))
    return np.sort(np.concatenate(daily)), np.sort(np.concatenate(cumulative))


def _variance_of_sums(covariance: Floats) -> Floats:
    """Variance of the sum of the first k, for every k."""
    added = [2 * float(row[:k].sum()) + float(row[k]) for k, row in enumerate(covariance)]
    return np.cumsum(added)


def _largest(z: NDArray[np.float32]) -> Floats:
    """The largest |z| of each draw."""
    if not z.shape[1]:
        return np.empty(0)
    return np.asarray(np.maximum(z.max(axis=1), -z.min(axis=1)), dtype=float)


def _root(correlation: Floats) -> Floats:
    """R with RᵀR the correlation, a row a draw that it needs; the same matrix gives the same R.

    The matrix that is given is used up. By Cholesky where a nudge of the diagonal, far below what draws can show,
    makes it definite; else by eigenvalues, which take many times as long for a thousand days.
    """
    diagonal = np.einsum("ii->i", correlation)  # a view
    kept_diagonal = diagonal.copy()
    diagonal += _NUDGE
    try:
        return np.asarray(np.linalg.cholesky(correlation).T)
    except np.linalg.LinAlgError:
        diagonal[:] = kept_diagonal
        values, vectors = np.linalg.eigh(correlation)
    kept = values > _RANK * values[-1]
    vectors = vectors[:, kept][:, ::-1]
    largest = np.abs(vectors).argmax(axis=0)
    signs = np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return np.asarray((vectors * signs * np.sqrt(values[kept][::-1])).T)


def _chi_squares(seed: int, df: int) -> NDArray[np.float32]:
    return np.random.default_rng([seed, df]).chisquare(df, DRAWS).astype(np.float32)


@lru_cache(maxsize=2)
def _normals(seed: int, n_days: int) -> NDArray[np.float32]:
    """One set of normal draws, shared by every outcome and subgroup of a range.

    In single precision: its rounding is ten thousand times smaller than the error of the draws.
    """
    return np.random.default_rng(seed).standard_normal((DRAWS, n_days), dtype=np.float32)
