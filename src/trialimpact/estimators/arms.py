"""Several contrasts at once: arms against one control, or every pair, with joint p-values and intervals (M8)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.bands import largest_draws
from trialimpact.estimators.confidence import adjusted_p, critical_value, two_sided_p, wald_limits
from trialimpact.estimators.contrast import Floats, chosen
from trialimpact.estimators.ledger import Ledger, headline_ledger, joined
from trialimpact.estimators.target import day_weights
from trialimpact.panel import Panel
from trialimpact.protocol import TrialProtocol

ARMS_COLUMNS = [
    "outcome", "contrast", "treatment_arm", "control_arm", "horizon_days", "n_treatment", "n_control", "mean_treatment",
    "mean_control", "estimate", "std_error", "conf_low", "conf_high", "p_value", "p_holm", "p_joint", "joint_low",
    "joint_high", "critical",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ArmFamily:
    """Cumulative effects of all contrasts of a trial on one outcome, judged together.

    Attributes
    ----------
    ledger : Ledger
        One estimate a contrast; arms shared between contrasts make them correlated.
    critical : float
        Standard errors of a joint interval.
    p_joint : array
        Adjusted for all contrasts by the largest of their correlated absolute z (Dunnett's and Tukey's idea).
    """

    protocol: TrialProtocol
    outcome: str
    horizon_days: int
    ledger: Ledger
    critical: float
    p_joint: Floats

    def to_frame(self) -> pd.DataFrame:
        """A row a contrast, `ARMS_COLUMNS`."""
        ledger, contrasts = self.ledger, self.protocol.contrasts
        error = ledger.std_error
        low, high = wald_limits(self.protocol, ledger.estimate, error)
        p = two_sided_p(ledger.estimate, error)
        names = ("n_treatment", "n_control", "mean_treatment", "mean_control", "estimate")
        return pd.DataFrame(
            {
                "outcome": self.outcome,
                "contrast": [each.name for each in contrasts],
                "treatment_arm": [" + ".join(each.treatment) for each in contrasts],
                "control_arm": [" + ".join(each.control) for each in contrasts],
                "horizon_days": self.horizon_days,
                **{name: getattr(ledger, name) for name in names},
                "std_error": error,
                "conf_low": low,
                "conf_high": high,
                "p_value": p,
                "p_holm": adjusted_p(p, "holm"),
                "p_joint": self.p_joint,
                "joint_low": ledger.estimate - self.critical * error,
                "joint_high": ledger.estimate + self.critical * error,
                "critical": self.critical,
            }
        )[ARMS_COLUMNS]

    def __repr__(self) -> str:
        found = zip(self.protocol.contrasts, self.ledger.estimate, self.p_joint, strict=True)
        told = ", ".join(f"{each.name} {days:+.1f} (joint p {p:.3f})" for each, days, p in found)
        return f"ArmFamily({self.outcome}; {self.horizon_days} days: {told})"

    def _repr_html_(self) -> str:
        return self.to_frame().round(3).to_html(index=False)


@of_its_kind
def estimate_arms(panel: Panel, outcome: str | None = None, *, horizon_days: int | None = None) -> ArmFamily:
    """Days to a horizon for every contrast of the protocol, with p-values and intervals that hold for all at once.

    With contrasts against one control this is Dunnett's procedure for these estimates, with all pairs Tukey's: the
    critical value is a quantile of the largest absolute value of as many normal variables, correlated as the
    estimates are.

    Parameters
    ----------
    panel : Panel
    outcome : str, optional
        As `estimate_cumulative`.
    horizon_days : int, optional
        Default: the longest horizon.

    Returns
    -------
    ArmFamily

    Raises
    ------
    DesignError
        There is one contrast only.

    Notes
    -----
    The quantile is of 10,000 seeded draws. Source: Dunnett (1955); Hothorn, Bretz and Westfall (2008); methods page,
    M8. Cost: O(spells) a contrast.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_arms(simulate_trial(n_claimants=200, seed=1).panel())
    Traceback (most recent call last):
    ...
    trialimpact.errors.DesignError: one contrast has no family...
    """
    protocol = panel.protocol
    if len(protocol.contrasts) < 2:
        raise DesignError(worded("one contrast has no family.", remedy="use its own p-value"))
    outcome, _ = chosen(protocol, outcome or protocol.outcomes[0].name, protocol.contrasts[0])
    horizon = protocol.analysis.max_horizon if horizon_days is None else horizon_days
    weights = day_weights(protocol, 0, horizon)
    ledger = joined([headline_ledger(panel, panel.outcomes[outcome], each, weights) for each in protocol.contrasts])
    n_clusters = len(panel.clusters) if protocol.analysis.clusters else None
    maxima, _ = largest_draws(ledger.covariance, 0, protocol, n_clusters)
    quantile = float(np.quantile(maxima, protocol.analysis.conf_level)) if maxima.size else float("nan")
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(ledger.std_error > 0, np.abs(ledger.estimate) / ledger.std_error, np.nan)
    p_joint = (1 + maxima.size - np.searchsorted(maxima, z)) / (1 + maxima.size)
    p_joint = np.where(np.isnan(z) | np.isnan(quantile), np.nan, p_joint)
    critical = max(quantile, critical_value(protocol)) if quantile == quantile else quantile
    return ArmFamily(
        protocol=protocol, outcome=outcome, horizon_days=horizon, ledger=ledger, critical=critical, p_joint=p_joint
    )
