"""Did the arms differ before the trial? Sup-t, Wald and cumulative tests of the pre-trial days (M5)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, TrialWarning, of_its_kind, worded
from trialimpact.estimators.bands import Band, band_around, largest_draws
from trialimpact.estimators.confidence import adjusted_p, two_sided_p, wald_limits
from trialimpact.estimators.contrast import Comparison, Floats, compare, difference, labels
from trialimpact.estimators.daily import estimate_daily
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.variance import day_covariance
from trialimpact.estimators.wald import WaldTest, wald_test
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast

PERIOD_DAYS = 91
"""The Wald test is of average differences over periods of this many days, counted back from day 0."""


PRETREND_COLUMNS = [
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "first_day", "last_day", "test"),
    *("statistic", "df", "critical", "estimate", "std_error", "conf_low", "conf_high", "p_value"),
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class PreTrend:
    """Differences between the arms before day 0, and tests that there are none.

    Attributes
    ----------
    band : Band
        Daily differences on the pre-trial days that both arms are followed, with their band.
    wald : WaldTest
        Of the average differences over periods of `PERIOD_DAYS`.
    days, std_error, conf_low, conf_high, p_value : float
        Difference in days with the outcome over the whole pre-period.
    """

    comparison: Comparison
    band: Band
    wald: WaldTest
    days: float
    std_error: float
    conf_low: float
    conf_high: float
    p_value: float

    @property
    def adjusted_p_values(self) -> dict[str, float]:
        """p-values of the tests that can be made, adjusted for each other by Holm: sup_t, wald, cumulative."""
        p_values = {"sup_t": self.band.sup_p_value, "wald": self.wald.p_value, "cumulative": self.p_value}
        adjusted = adjusted_p(np.array(list(p_values.values())))
        return {test: float(p) for test, p in zip(p_values, adjusted, strict=True) if not np.isnan(p)}

    def to_frame(self) -> pd.DataFrame:
        """A row a test: sup_t, wald, cumulative."""
        at = self.band.effects.at
        which = self.comparison
        common = {**labels(which.outcome, which.contrast, which.subgroup), "first_day": at[0], "last_day": at[-1]}
        rows: list[dict[str, Any]] = [
            {
                "test": "sup_t",
                "statistic": self.band.sup_statistic,
                "critical": self.band.critical,
                "p_value": self.band.sup_p_value,
            },
            {"test": "wald", "statistic": self.wald.statistic, "df": self.wald.df, "p_value": self.wald.p_value},
            {
                "test": "cumulative",
                "statistic": self.days / self.std_error if self.std_error > 0 else np.nan,
                "estimate": self.days,
                "std_error": self.std_error,
                "conf_low": self.conf_low,
                "conf_high": self.conf_high,
                "p_value": self.p_value,
            },
        ]
        return as_table([common | row for row in rows], PRETREND_COLUMNS)

    def __repr__(self) -> str:
        which, at, sup_p = self.comparison, self.band.effects.at, self.band.sup_p_value
        return (
            f"PreTrend({which.outcome}, {which.contrast.name}; days {int(at[0])} to -1: sup-t p {sup_p:.3f}, "
            f"wald p {self.wald.p_value:.3f}, {self.days:.3g} days, p {self.p_value:.3f})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_pretrend(moments: Moments, outcome: str | None = None, contrast: str | Contrast | None = None) -> PreTrend:
    """Test that the arms did not differ on the outcome before day 0.

    Nothing that the trial did can have changed those days, so a difference is chance, or the arms
    were not alike: an allocation that went wrong, or a register that links one arm better.

    Parameters
    ----------
    moments, outcome, contrast
        As `estimate_daily`. The protocol needs `pre_days`.

    Returns
    -------
    PreTrend
        The sup-t test looks for a difference on any one day, the Wald test for any pattern over
        quarters of a year, the cumulative one for a difference in days over all of the pre-period.

    Raises
    ------
    ProtocolError, DesignError
        As `compare`; or there are no pre-trial days on which both arms are followed.

    Notes
    -----
    A Wald test of hundreds of days rejects too often in trials of any usual size; of period averages,
    with Hotelling's F, it holds its 5%. Source: methods page, M5. Cost: O(pre_days³).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_pretrend(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit")
    PreTrend(on_benefit, iap; days -730 to -1: ...)
    """
    comparison = compare(moments, outcome, contrast)
    protocol, pre_days = moments.protocol, moments.protocol.analysis.pre_days
    both = np.min(comparison.n_followed(), axis=0)[:pre_days] > 1
    lacking = np.flatnonzero(~both)
    first = int(lacking[-1]) + 1 if lacking.size else 0
    if first >= pre_days:
        raise DesignError(
            worded(
                f"{comparison.outcome}: no days before day 0 on which both arms are followed.",
                remedy="set analysis.pre_days, and covered_from of the sources to where they begin",
            )
        )
    covariance = day_covariance(comparison, pre_days, -pre_days)[first:, first:]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        effects = estimate_daily(moments, comparison.outcome, comparison.contrast).between(first - pre_days, -1)
    n_clusters = comparison.n_clusters
    n_claimants = int(np.sum(comparison.ever_followed(pre_days, -pre_days), axis=0)[-1])
    periods = _periods(pre_days - first)
    estimate = difference(*comparison.shares())[first:pre_days]
    variance = float(covariance.sum())
    total, std_error = np.array([estimate.sum()]), np.array([np.sqrt(max(variance, 0.0))])
    low, high = wald_limits(protocol, total, std_error)
    return PreTrend(
        comparison=comparison,
        band=band_around(effects, largest_draws(covariance, 0, protocol, n_clusters)[0]),
        wald=wald_test(periods @ estimate, periods @ covariance @ periods.T, n_clusters or n_claimants),
        days=float(total[0]),
        std_error=float(std_error[0]),
        conf_low=float(low[0]),
        conf_high=float(high[0]),
        p_value=_p_of_total(total, std_error, n_clusters),
    )


def _periods(n_days: int) -> Floats:
    """Weights of period averages, shape (periods, n_days); days left over join the earliest period."""
    n_periods = max(1, n_days // PERIOD_DAYS)
    period = np.minimum(np.arange(n_days)[::-1] // PERIOD_DAYS, n_periods - 1)
    weights = (period == np.arange(n_periods)[:, None]).astype(float)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _p_of_total(total: Floats, std_error: Floats, n_clusters: int | None) -> float:
    """Normal; with clusters that of t with one degree of freedom fewer than there are clusters."""
    if n_clusters is None or not std_error[0] > 0:
        return float(two_sided_p(total, std_error)[0])
    from scipy.special import stdtr

    return float(2 * stdtr(max(n_clusters - 1, 1), -abs(total[0] / std_error[0])))
