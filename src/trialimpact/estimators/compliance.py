"""Not everyone received the arm they were assigned: ITT, as-treated, CACE, Anderson-Rubin set (M11)."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.allocation import UNKNOWN
from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import critical_value, two_sided_p, wald_limits
from trialimpact.estimators.contrast import Floats, chosen, labels
from trialimpact.estimators.ledger import (
    Ledger,
    days_ledger,
    followed_within,
    joined,
    ledger_entry,
    side_influence,
)
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.target import Target, target_of
from trialimpact.intervals import Booleans, Intervals
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast, TrialProtocol

SetKind = Literal["interval", "two rays", "everything", "empty", "not known"]

COMPLIANCE_COLUMNS = [
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "day", "horizon_days", "estimand", "estimate"),
    *("std_error", "conf_low", "conf_high", "conf_level", "p_value", "interval", "set_kind", "says"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceSet:
    """An Anderson-Rubin set: an interval [low, high], two rays (-inf, low] and [high, inf), or everything.

    It is empty where nobody's receipt differs by assignment and the outcome does: assignment cannot
    have acted through receipt alone. It is not known where an estimate or its error is not.
    """

    kind: SetKind
    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Whether the set holds a value."""
        if self.kind not in ("interval", "two rays"):
            return self.kind == "everything"
        inside = self.low <= value <= self.high
        return inside if self.kind == "interval" else value <= self.low or value >= self.high


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Compliance:
    """Effect of being assigned, and of receiving, of one outcome, contrast and subgroup.

    Attributes
    ----------
    ledger : Ledger
        Two estimates: the effect of assignment on the outcome (intention to treat), and on
        receipt of the treatment.
    as_treated : Ledger
        The difference by the arm received: biased, shown beside.
    target : Target
        Days to a horizon, or the share on a day.
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    subgroup: str
    target: Target
    ledger: Ledger
    as_treated: Ledger

    @property
    def cace(self) -> tuple[float, float]:
        """Effect on those who receive it because they are assigned to it, and its delta-method standard error."""
        effect, receipt = self.ledger.estimate
        if receipt == 0:
            return math.nan, math.nan
        ratio = effect / receipt
        influence = (self.ledger.influence @ np.array([1.0, -ratio])) / receipt
        return float(ratio), float(np.sqrt((influence**2).sum()))

    @property
    def anderson_rubin(self) -> ConfidenceSet:
        """Every value of the CACE that the records do not reject, however weak the receipt."""
        z = critical_value(self.protocol)
        return _anderson_rubin(self.ledger.estimate, self.ledger.covariance, z)

    def to_frame(self) -> pd.DataFrame:
        """Rows itt, receipt, cace, cace_anderson_rubin, as_treated."""
        level, kept = self.protocol.analysis.conf_level, self.anderson_rubin
        common: dict[str, Any] = {
            **labels(self.outcome, self.contrast, self.subgroup),
            **self.target.columns(),
            "conf_level": level,
        }
        (itt, receipt), errors = self.ledger.estimate, self.ledger.std_error
        cace, cace_error = self.cace
        biased = "biased: those who received differ from those who did not, whatever the treatment did"
        points = (
            ("itt", itt, errors[0], "effect of being assigned; unbiased by design"),
            ("receipt", receipt, errors[1], "difference in the share who received the treatment"),
            ("cace", cace, cace_error, "effect on those who receive it because assigned; if assignment acts only so"),
            ("as_treated", self.as_treated.estimate[0], self.as_treated.std_error[0], biased),
        )
        rows = [{"estimand": name, "says": says, **self._numbers(*numbers)} for name, *numbers, says in points]
        rows.insert(
            3,
            {
                "estimand": "cace_anderson_rubin",
                "conf_low": kept.low,
                "conf_high": kept.high,
                "interval": "anderson_rubin",
                "set_kind": kept.kind,
                "says": "values of the CACE that are not rejected; valid however few comply",
            },
        )
        return as_table([common | row for row in rows], COMPLIANCE_COLUMNS)

    def _numbers(self, estimate: float, std_error: float) -> dict[str, Any]:
        one, error = np.array([estimate]), np.array([std_error])
        low, high = wald_limits(self.protocol, one, error)
        return {
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": float(low[0]),
            "conf_high": float(high[0]),
            "p_value": float(two_sided_p(one, error)[0]),
            "interval": "wald",
        }

    def __repr__(self) -> str:
        cace, error = self.cace
        kept, (itt, receipt) = self.anderson_rubin, self.ledger.estimate
        return (
            f"Compliance({self.outcome}, {self.contrast.name}, {self.subgroup}; {self.target.in_words()}; "
            f"receipt {receipt:+.3f}; itt {itt:.4g}; cace {cace:.4g} (se {error:.4g}); "
            f"anderson-rubin {kept.kind} {kept.low:.4g}, {kept.high:.4g})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_compliance(
    panel: Panel,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    horizon_days: int | None = None,
    day: int | None = None,
    received: Booleans | None = None,
) -> Compliance:
    """Effect of assignment, and of receipt on those who receive because they are assigned.

    Receipt is averaged over the same days and followed people as the outcome. The estimand of the
    CACE is the average effect on compliers: people who receive the treatment if assigned to it and
    not otherwise. It needs that assignment changes the outcome through receipt alone, and that
    nobody does the opposite of what they are assigned.

    Parameters
    ----------
    panel : Panel
    outcome, contrast, subgroup
        As `estimate_cumulative`.
    horizon_days : int, optional
        Days over [0, horizon); default the longest horizon.
    day : int, optional
        The share on this day, in place of days.
    received : bool array, shape (n,), optional
        Who received the treatment. Default: whose marker names an arm of the treatment side.

    Returns
    -------
    Compliance

    Raises
    ------
    ProtocolError, DesignError
        As `compare`; or the protocol has no markers, or someone's received arm is not known.

    Notes
    -----
    Joint influence values give the delta-method standard error; the Anderson-Rubin set inverts the
    test that effect - value × receipt is zero, and may be an interval, two rays or everything.
    Source: methods page, M11; Anderson and Rubin 1949. Cost: O(spells).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_compliance(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    Compliance(on_benefit, iap, all; days over the first 273 days; receipt ...)
    """
    name, contrast = chosen(panel.protocol, outcome, contrast)
    part = panel.outcome(name)
    target = target_of(panel, part, horizon_days=horizon_days, day=day)
    members = panel.membership(subgroup)
    receipt = _receipt(panel, contrast, members) if received is None else np.asarray(received)
    if receipt.dtype != bool or receipt.shape != (len(panel),):
        says = f"received is of {receipt.size:,} {receipt.dtype} values, not a truth value a claimant of the panel"
        raise DesignError(worded(f"{says} ({len(panel):,}).", remedy="give an array of True and False in their order"))
    compared = members & (panel.on_side(contrast.treatment) | panel.on_side(contrast.control))
    sides = (compared & receipt, compared & ~receipt)
    found = [side_influence(panel, part, side, target.weights) for side in sides]
    followed = followed_within(panel, part, target.weights)
    return Compliance(
        protocol=panel.protocol,
        outcome=name,
        contrast=contrast,
        subgroup=subgroup,
        target=target,
        ledger=joined(
            [
                days_ledger(panel, part, contrast, target.weights, members),
                _scaled(
                    days_ledger(panel, _received_days(part, receipt), contrast, target.weights, members),
                    1 / np.abs(target.weights).sum(),
                ),
            ]
        ),
        as_treated=ledger_entry(panel, sides, found, followed, 2 * int((target.weights != 0).sum())),
    )


def _received_days(outcome: OutcomePanel, receipt: Booleans) -> OutcomePanel:
    """Receipt as an outcome that holds on all followed days, so that it is averaged over the same days and people."""
    who = np.flatnonzero(receipt)
    spells = Intervals(who, outcome.followed_from[who], outcome.followed_to[who])
    return OutcomePanel(spells=spells, followed_from=outcome.followed_from, followed_to=outcome.followed_to)


def _scaled(ledger: Ledger, by: float) -> Ledger:
    parts = ("estimate", "mean_treatment", "mean_control", "influence")
    return replace(ledger, **{name: getattr(ledger, name) * by for name in parts})


def _receipt(panel: Panel, contrast: Contrast, members: Booleans) -> Booleans:
    """Who received an arm of the treatment side."""
    compared = members & (panel.on_side(contrast.treatment) | panel.on_side(contrast.control))
    n_unknown = int((panel.received[compared] == UNKNOWN).sum())
    if n_unknown and panel.protocol.sources.markers is None:
        says = "there are no markers, so it is not known who received which arm."
        raise DesignError(worded(says, remedy="pass received="))
    if n_unknown:
        raise DesignError(
            worded(
                f"{contrast.name}: {n_unknown:,} of {int(compared.sum()):,} claimants have no known received arm.",
                remedy="give markers for everyone analysed, or pass received=",
            )
        )
    arms = [panel.protocol.arms.index(arm) for arm in contrast.treatment]
    return np.asarray(np.isin(panel.received, arms))


def _anderson_rubin(estimate: Floats, covariance: Floats, z: float) -> ConfidenceSet:
    """Values b with (effect - b·receipt)² ≤ z² Var(effect - b·receipt): a quadratic in b.

    >>> _anderson_rubin(np.array([-8.0, 0.8]), np.diag([4.0, 0.0001]), 1.96).kind
    'interval'
    """
    if not np.isfinite([*estimate, *covariance.ravel()]).all():
        return ConfidenceSet(kind="not known", low=math.nan, high=math.nan)
    effect, receipt = estimate
    square = receipt**2 - z**2 * covariance[1, 1]
    middle = effect * receipt - z**2 * covariance[0, 1]
    constant = effect**2 - z**2 * covariance[0, 0]
    inside = middle**2 - square * constant
    if square == 0 and middle == 0 and constant > 0:
        return ConfidenceSet(kind="empty", low=math.nan, high=math.nan)
    if square <= 0 and inside <= 0:
        return ConfidenceSet(kind="everything", low=-math.inf, high=math.inf)
    if square == 0:
        edge = constant / (2 * middle)
        return ConfidenceSet(
            kind="interval", low=edge if middle > 0 else -math.inf, high=math.inf if middle > 0 else edge
        )
    # With receipt known to differ the point estimate is in the set: a negative root there is rounding.
    root = math.sqrt(max(inside, 0.0))
    one, other = sorted(((middle - root) / square, (middle + root) / square))
    return ConfidenceSet(kind="interval" if square > 0 else "two rays", low=float(one), high=float(other))
