"""Covariate adjustment day by day: Lin's regressions within arms, and what they gain (M7)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, TrialWarning, of_its_kind, worded
from trialimpact.estimators.contrast import Comparison, Floats, compare
from trialimpact.estimators.covariates import Covariates
from trialimpact.estimators.cumulative import estimate_cumulative
from trialimpact.estimators.daily import estimate_daily
from trialimpact.estimators.effects import Effects, finish_effects
from trialimpact.estimators.ledger import sides_of
from trialimpact.estimators.small_sample import cluster_factor, whole_factor
from trialimpact.intervals import Booleans, Integers
from trialimpact.moments import Moments, count_moments
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast

BLOCK_CELLS = 4_000_000
"""Claimant-days laid out at once."""

_LEAST = 1e-10
"""Smaller parts than this of the largest are rounding: directions of covariates, and 1 - leverage."""

_ROUNDING = 1e-26
"""A variance below this is that of rounding."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Adjusted:
    """Adjusted effects beside the unadjusted ones.

    Attributes
    ----------
    daily, cumulative : Effects
        Adjusted, from day 0; `method` is "adjusted", means are of arms with everyone's covariates.
    unadjusted_daily, unadjusted_cumulative : Effects
        The same rows without covariates, Wald.
    covariates : tuple of str
    """

    daily: Effects
    cumulative: Effects
    unadjusted_daily: Effects
    unadjusted_cumulative: Effects
    covariates: tuple[str, ...]

    def gain(self, horizon_days: int | None = None) -> float:
        """By what share adjustment lowers the variance of the days to a horizon; negative if it raises it."""
        horizon = self.cumulative.protocol.analysis.max_horizon if horizon_days is None else horizon_days
        with_, without = (each.effect(horizon).std_error for each in (self.cumulative, self.unadjusted_cumulative))
        return float("nan") if not without > 0 else 1 - (with_ / without) ** 2

    def to_frame(self) -> pd.DataFrame:
        """The tidy columns: adjusted and unadjusted daily rows, then every horizon."""
        results = (self.daily, self.unadjusted_daily, self.cumulative, self.unadjusted_cumulative)
        return pd.concat([each.to_frame() for each in results], ignore_index=True)

    def __repr__(self) -> str:
        which = self.cumulative.comparison
        effect = self.cumulative.effect(self.cumulative.protocol.analysis.max_horizon)
        return (
            f"Adjusted({which.outcome}, {which.contrast.name}, {which.subgroup}; {len(self.covariates)} covariates; "
            f"{effect.estimate:.4g} days (se {effect.std_error:.4g}); variance lower by {100 * self.gain():.0f}%)"
        )

    def _repr_html_(self) -> str:
        return self.cumulative._repr_html_()


@of_its_kind
def estimate_adjusted(
    panel: Panel,
    covariates: Covariates,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    moments: Moments | None = None,
) -> Adjusted:
    """Daily and cumulative differences adjusted for what was known before day 0.

    The estimand is that of `estimate_daily` and `estimate_cumulative`. On each day, among those
    followed, the outcome is regressed on the covariates within each side; the difference is that
    of the two regressions at the mean of the covariates of both sides together. Chance imbalance
    before the trial is taken out, and what the covariates explain no longer adds to the error.

    Parameters
    ----------
    panel : Panel
    covariates : Covariates
        From `build_covariates`.
    outcome, contrast, subgroup
        As `estimate_daily`.
    moments : Moments, optional
        Of this panel; counted where they are not given.

    Returns
    -------
    Adjusted

    Raises
    ------
    ProtocolError, DesignError
        As `compare`; or there are no covariates.

    Notes
    -----
    Under `hc2` daily errors are HC2 and cumulative ones use the influence of the residuals, times
    m/(m - 1 - k) on each side. Not stratified. Source: methods page, M7; Lin 2013.
    Cost: O(days × claimants × covariates²), in blocks of days; memory of claimants × covariates².

    Examples
    --------
    >>> from trialimpact.estimators.covariates import build_covariates
    >>> from trialimpact.synthetic import simulate_trial
    >>> panel = simulate_trial(n_claimants=400, seed=1).panel()
    >>> estimate_adjusted(panel, build_covariates(panel, "on_benefit"), "on_benefit")
    Adjusted(on_benefit, iap, all; 1 covariates; ...)
    """
    comparison = compare(count_moments(panel) if moments is None else moments, outcome, contrast, subgroup)
    if not covariates.names:
        raise DesignError(
            worded("there are no covariates.", remedy="set analysis.pre_days, or adjustment.characteristics")
        )
    part = panel.outcome(comparison.outcome)
    if not all(side.any() for side in sides_of(panel, comparison.contrast, panel.membership(subgroup))):
        raise DesignError(worded(f"nobody of an arm is in {subgroup!r}.", remedy="choose another subgroup"))
    members = panel.membership(subgroup)
    found = _adjust(panel, part, sides_of(panel, comparison.contrast, members), covariates.of(panel))
    which, last = (comparison.moments, comparison.outcome, comparison.contrast, subgroup), panel.window[1] - 1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        daily, cumulative = _effects(comparison, found)
        unadjusted = estimate_daily(*which), estimate_cumulative(*which, interval="wald")
    # Clusters are never left out one by one here, so that is not what the rows say.
    named: dict[str, Any] = {"method": "adjusted", "small_sample": panel.protocol.analysis.small_sample}
    return Adjusted(
        daily=replace(daily.between(0, last), **named),
        cumulative=replace(cumulative, **named),
        unadjusted_daily=unadjusted[0].between(0, last),
        unadjusted_cumulative=unadjusted[1],
        covariates=covariates.names,
    )


def _effects(comparison: Comparison, found: _Adjustment) -> tuple[Effects, Effects]:
    """Daily effects over the window (NaN before day 0) and cumulative ones, from adjusted means."""
    analysis = comparison.moments.protocol.analysis
    before, n_days = np.full(analysis.pre_days, np.nan), analysis.max_horizon
    daily = finish_effects(
        comparison,
        "daily",
        means=(np.r_[before, found.means[0]], np.r_[before, found.means[1]]),
        n=comparison.n_followed(),
        std_error=np.r_[before, np.sqrt(found.daily_variance)],
        interval="wald",
    )
    cumulative = finish_effects(
        comparison,
        "cumulative",
        means=(found.means[0][:n_days].cumsum(), found.means[1][:n_days].cumsum()),
        n=comparison.ever_followed(n_days),
        std_error=np.sqrt(found.cumulative_variance[:n_days]),
        interval="wald",
    )
    return daily, cumulative


@dataclass(frozen=True, slots=True, eq=False)
class _Adjustment:
    """Adjusted means of both sides, shape (2, days), and variances of their difference, on the days from 0."""

    means: Floats
    daily_variance: Floats
    cumulative_variance: Floats


def _adjust(panel: Panel, outcome: OutcomePanel, sides: tuple[Booleans, Booleans], covariates: Floats) -> _Adjustment:
    """Go through the days once, a block at a time, carrying each claimant's summed influence."""
    compared = sides[0] | sides[1]
    here, part, end = panel.where(compared), outcome.where(compared), panel.window[1]
    treated = sides[0][compared]
    centred = covariates[compared] - covariates[compared].mean(axis=0)
    design = np.column_stack([np.ones(len(here)), centred])
    products = (design[:, :, None] * design[:, None, :]).reshape(len(here), -1)
    found = _Adjustment(np.full((2, end), np.nan), np.full(end, np.nan), np.full(end, np.nan))
    running, seen, n_rows = np.zeros(len(here)), np.zeros(len(here), dtype=bool), 0
    n_at_once = max(1, BLOCK_CELLS // len(here))
    for start in range(0, end, n_at_once):
        days = np.arange(start, min(start + n_at_once, end))
        followed, on = part.states(days)
        daily, influence = np.zeros(followed.shape), np.zeros(followed.shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            at = followed.T.astype(float) @ design / followed.sum(axis=0)[:, None]
        for place, side in enumerate((treated, ~treated)):
            block = _regressions(design[side], products[side], followed[side], on[side], at)
            found.means[place, days], value, leverage = block
            influence[side] = value if place == 0 else -value
            daily[side] = influence[side] / np.sqrt(_spread(panel, leverage))
        alone = _too_few(here, treated, followed, design.shape[1])
        influence[:, alone], daily[:, alone] = np.nan, np.nan
        running_sums = running[:, None] + influence.cumsum(axis=1)
        ever = seen[:, None] | np.logical_or.accumulate(followed, axis=1)
        rows = n_rows + followed.sum(axis=0).cumsum()
        scale = _Scale(here, treated, 2 * design.shape[1])
        found.daily_variance[days] = scale.variance(
            daily, followed, followed.sum(axis=0), np.ones(days.size), daily=True
        )
        found.cumulative_variance[days] = scale.variance(running_sums, ever, rows, days + 1, daily=False)
        running, seen, n_rows = running_sums[:, -1], ever[:, -1], int(rows[-1])
    return found


def _regressions(
    design: Floats, products: Floats, followed: Booleans, on: Booleans, at: Floats
) -> tuple[Floats, Floats, Floats]:
    """Fitted value at `at` on each day of one side, each claimant's influence on it, and their leverage."""
    n_days, n_terms = at.shape
    counted, outcome = followed.astype(float), on.astype(float)
    gram = (counted.T @ products).reshape(n_days, n_terms, n_terms)
    inverse = np.linalg.pinv(gram, rcond=_LEAST, hermitian=True)
    beta = np.einsum("dij,dj->di", inverse, outcome.T @ design)
    weight = np.einsum("dij,dj->di", inverse, at)
    influence = (design @ weight.T) * (outcome - design @ beta.T) * counted
    leverage = (products @ inverse.reshape(n_days, -1).T) * counted
    mean = np.where(followed.any(axis=0), np.einsum("di,di->d", beta, at), np.nan)
    influence[:, ~followed.any(axis=0)] = np.nan
    return mean, influence, leverage


def _too_few(panel: Panel, treated: Booleans, followed: Booleans, n_terms: int) -> Booleans:
    """Days on which a side has no more people than its regression has terms, or fewer than two clusters."""
    n_people = np.min([followed[side].sum(axis=0) for side in (treated, ~treated)], axis=0)
    too_few = np.asarray(n_people <= n_terms)
    if panel.protocol.analysis.clusters is not None:
        for side in (treated, ~treated):
            present = np.zeros((len(panel.clusters), followed.shape[1]), dtype=bool)
            np.logical_or.at(present, panel.cluster[side], followed[side])
            too_few |= present.sum(axis=0) < 2
    return too_few


def _spread(panel: Panel, leverage: Floats) -> Floats:
    """1 - leverage under unclustered hc2, NaN where that is 0; else 1."""
    analysis = panel.protocol.analysis
    if analysis.small_sample != "hc2" or analysis.clusters is not None:
        return np.ones_like(leverage)
    return np.where(1 - leverage > _LEAST, 1 - leverage, np.nan)


@dataclass(frozen=True, slots=True, eq=False)
class _Scale:
    """Squares influence by claimant or by cluster, and scales it by the small-sample rule."""

    panel: Panel
    treated: Booleans
    n_terms: int

    def variance(
        self, values: Floats, counted: Booleans, rows: Integers, days: Floats | Integers, *, daily: bool
    ) -> Floats:
        """Variance of the difference, a column a day (or a horizon)."""
        rule, cluster = self.panel.protocol.analysis.small_sample, self.panel.cluster
        if self.panel.protocol.analysis.clusters is not None:
            order = np.argsort(cluster, kind="stable")
            first = np.flatnonzero(np.r_[True, np.diff(cluster[order]) > 0])
            n_units = (np.add.reduceat(counted[order], first, axis=0) > 0).sum(axis=0)
            squares = (np.add.reduceat(values[order], first, axis=0) ** 2).sum(axis=0) * cluster_factor(rule, n_units)
        else:
            n_units, squares = counted.sum(axis=0), np.zeros(values.shape[1])
            for side in (self.treated, ~self.treated):
                factor = np.ones(values.shape[1]) if daily else self._side_factor(counted[side].sum(axis=0))
                squares = squares + (values[side] ** 2).sum(axis=0) * factor
        variance = squares * whole_factor(rule, n_units, rows, self.n_terms * np.asarray(days))
        # Where nobody's outcome differs only the rounding of the regression is left.
        return np.where(variance < _ROUNDING, 0.0, variance)

    def _side_factor(self, m: Integers) -> Floats:
        """m/(m - 1 - k) under hc2: m/(m - 1) of the unadjusted estimate, less the covariates."""
        if self.panel.protocol.analysis.small_sample != "hc2":
            return np.ones(m.shape)
        left = m - self.n_terms // 2
        return np.where(left > 0, m / np.maximum(left, 1), np.nan)
