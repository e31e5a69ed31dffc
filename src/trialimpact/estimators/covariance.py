"""The covariance of the daily differences: every window, average or test is a linear form in it (M4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.contrast import Comparison, Floats, compare, difference
from trialimpact.estimators.variance import day_covariance
from trialimpact.intervals import Integers
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class DayCovariance:
    """Daily differences on [0, n_days) and their covariance.

    Attributes
    ----------
    day : array, shape (n_days,)
    estimate : array, shape (n_days,)
    covariance : array, shape (n_days, n_days)
    """

    comparison: Comparison
    day: Integers
    estimate: Floats
    covariance: Floats

    def of(self, weights: Floats) -> tuple[float, float]:
        """A weighted sum of the daily differences, and its standard error.

        >>> from trialimpact.synthetic import simulate_trial
        >>> found = estimate_covariance(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit")
        >>> second_month = (found.day >= 30) & (found.day < 60)
        >>> days, std_error = found.of(second_month.astype(float))
        """
        weights = np.asarray(weights, dtype=float)
        if weights.shape != self.day.shape:
            shapes = f"{weights.shape} weights for {self.day.size} days"
            raise DesignError(worded(f"{shapes}.", remedy=f"give {self.day.size} weights, one a day"))
        used = weights != 0
        variance = weights[used] @ self.covariance[np.ix_(used, used)] @ weights[used]
        return float(weights[used] @ self.estimate[used]), float(np.sqrt(max(variance, 0.0)))

    def to_frame(self) -> pd.DataFrame:
        """The covariance as a square frame, days as rows and columns."""
        return pd.DataFrame(self.covariance, index=pd.Index(self.day, name="day"), columns=self.day)

    def __repr__(self) -> str:
        which = self.comparison
        return f"DayCovariance({which.outcome}, {which.contrast.name}, {which.subgroup}; {self.day.size} days)"


@of_its_kind
def estimate_covariance(
    moments: Moments,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    n_days: int | None = None,
    stratified: bool = False,
) -> DayCovariance:
    """Covariance of the daily differences D(d) on the days [0, n_days).

    Parameters
    ----------
    moments, outcome, contrast, subgroup, stratified
        As `estimate_daily`.
    n_days : int, optional
        Default: the longest horizon. The small-sample correction is that of this range.

    Returns
    -------
    DayCovariance

    Notes
    -----
    With ``small_sample = "cr1"`` this is the covariance that a saturated regression of the outcome
    on days and days × treatment gives, clustered on claimants. Source: methods page, M4.
    Cost: O(n_days²).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_covariance(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit", n_days=91)
    DayCovariance(on_benefit, iap, all; 91 days)
    """
    comparison = compare(moments, outcome, contrast, subgroup, stratified=stratified)
    longest = moments.protocol.analysis.max_horizon
    n_days = longest if n_days is None else n_days
    if not 1 <= n_days <= longest:
        raise DesignError(worded(f"n_days must be 1 to {longest}, not {n_days}.", remedy="add a longer horizon"))
    window = slice(-comparison.first_day, n_days - comparison.first_day)
    return DayCovariance(
        comparison=comparison,
        day=np.arange(n_days),
        estimate=difference(*comparison.shares())[window],
        covariance=day_covariance(comparison, n_days),
    )
