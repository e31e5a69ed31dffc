"""Daily shares and their difference (M2)."""

from __future__ import annotations

import warnings

import numpy as np

from trialimpact.errors import TrialWarning
from trialimpact.estimators.confidence import newcombe_limits, two_sided_p, wald_limits
from trialimpact.estimators.contrast import Comparison, compare, difference
from trialimpact.estimators.effects import Effects, caveats
from trialimpact.estimators.variance import daily_variance
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast


def estimate_daily(
    moments: Moments,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    stratified: bool = False,
) -> Effects:
    """Difference in the share with the outcome on each day, pre-trial days included.

    The estimand is D(d) = E[y(d) | assigned treatment] - E[y(d) | assigned control], by intention
    to treat, among claimants followed on day d.

    Parameters
    ----------
    moments : Moments
    outcome, contrast : str, optional
        May be left out where the protocol has only one. A `Contrast` of one's own is accepted.
    subgroup : str
        "all", or a subgroup of the protocol.
    stratified : bool
        Contrast within strata, weighted by the stratum's analysed claimants (M6).

    Returns
    -------
    Effects
        `at` is the day (index day = 0); means and estimates are shares (0-1).

    Raises
    ------
    ProtocolError, DesignError
        As `compare`.

    Notes
    -----
    Standard errors by `small_sample`; intervals by `analysis.interval`. Source: methods page, M2.
    Cost: O(days).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> effects = estimate_daily(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit")
    >>> effects.effect(0).estimate
    0.0
    """
    comparison = compare(moments, outcome, contrast, subgroup, stratified=stratified)
    treatment, control = comparison.shares()
    estimate = difference(treatment, control)
    std_error = np.sqrt(daily_variance(comparison))
    analysis = moments.protocol.analysis
    if analysis.interval == "newcombe":
        low, high = _newcombe(comparison)
    else:
        low, high = wald_limits(moments.protocol, estimate, std_error)
    days = np.arange(-analysis.pre_days, analysis.end_day)
    notes = caveats(comparison, days)
    for note in notes:
        warnings.warn(note, TrialWarning, stacklevel=2)
    n_treatment, n_control = comparison.n_followed()
    return Effects(
        kind="daily",
        comparison=comparison,
        at=days,
        n_treatment=n_treatment,
        n_control=n_control,
        mean_treatment=treatment,
        mean_control=control,
        estimate=estimate,
        std_error=std_error,
        conf_low=low,
        conf_high=high,
        p_value=two_sided_p(estimate, std_error),
        interval=analysis.interval,
        notes=notes,
    )


def _newcombe(comparison: Comparison) -> tuple[np.ndarray, np.ndarray]:
    (part,) = comparison.parts
    on = part.treatment.on.sum(axis=0), part.control.on.sum(axis=0)
    return newcombe_limits(comparison.moments.protocol, on, comparison.n_followed())
