"""Daily shares and their difference (M2)."""

from __future__ import annotations

import numpy as np

from trialimpact.errors import of_its_kind
from trialimpact.estimators.confidence import newcombe_limits
from trialimpact.estimators.contrast import Comparison, Floats, compare
from trialimpact.estimators.effects import Effects, finish_effects
from trialimpact.estimators.variance import daily_variance
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast


@of_its_kind
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
    interval = moments.protocol.analysis.interval
    return finish_effects(
        comparison,
        "daily",
        means=comparison.shares(),
        n=comparison.n_followed(),
        std_error=np.sqrt(daily_variance(comparison)),
        interval=interval,
        limits=_newcombe(comparison) if interval == "newcombe" else None,
    )


def _newcombe(comparison: Comparison) -> tuple[Floats, Floats]:
    (part,) = comparison.parts
    on = part.treatment.on.sum(axis=0), part.control.on.sum(axis=0)
    return newcombe_limits(comparison.moments.protocol, on, comparison.n_followed())
