"""Cumulative days to every horizon, each day among those followed that day (M3)."""

from __future__ import annotations

from typing import get_args

import numpy as np

from trialimpact.errors import of_its_kind, unknown_name
from trialimpact.estimators.contrast import compare
from trialimpact.estimators.effects import Effects, finish_effects
from trialimpact.estimators.variance import cumulative_variance, daily_variance
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast, CumulativeInterval


@of_its_kind
def estimate_cumulative(
    moments: Moments,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    stratified: bool = False,
    interval: CumulativeInterval | None = None,
) -> Effects:
    """Difference in days with the outcome over the first H days, for every H.

    The estimand is C(H) = Σ D(d) over d = 0..H-1, by intention to treat. Later joiners are
    followed for fewer days: each day uses the claimants followed that day (available case), and
    the variance is that of the sum of influence values of each claimant (or cluster), so that
    one person's days are not counted as independent.

    Parameters
    ----------
    moments : Moments
    outcome, contrast : str, optional
        May be left out where the protocol has only one. A `Contrast` of one's own is accepted.
    subgroup : str
        "all", or a subgroup of the protocol.
    stratified : bool
        Contrast within strata, weighted by the stratum's analysed claimants (M6).
    interval : {"wald", "accumulated"}, optional
        In place of the protocol's `cumulative_interval`.

    Returns
    -------
    Effects
        `at` is the horizon H = 1..longest; means are expected days, estimates are days.

    Raises
    ------
    ProtocolError, DesignError
        As `compare`; or there is no such interval.

    Notes
    -----
    "wald" is the valid interval. "accumulated" adds up the daily limits instead: conservative, too
    wide (methods page, M3), and for comparison with publications that did so.
    Source: methods page, M3 and M4. Cost: O(horizon²), whatever the number of claimants.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> effects = estimate_cumulative(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit")
    >>> effects.effect(1).estimate
    0.0
    """
    comparison = compare(moments, outcome, contrast, subgroup, stratified=stratified)
    analysis = moments.protocol.analysis
    n_days = analysis.max_horizon
    window = slice(-comparison.first_day, n_days - comparison.first_day)
    treatment, control = (each[window].cumsum() for each in comparison.shares())
    interval = analysis.cumulative_interval if interval is None else interval
    if interval not in get_args(CumulativeInterval):
        raise unknown_name("interval", str(interval), get_args(CumulativeInterval), where="estimate_cumulative")
    if interval == "accumulated":
        std_error = np.sqrt(daily_variance(comparison))[window].cumsum()
    else:
        std_error = np.sqrt(cumulative_variance(comparison, n_days))
    return finish_effects(
        comparison,
        "cumulative",
        means=(treatment, control),
        n=comparison.ever_followed(n_days),
        std_error=std_error,
        interval=interval,
    )
