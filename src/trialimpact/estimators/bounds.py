"""People whose records could not be linked: Lee's bounds, worst-case bounds, tipping point (M12)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import critical_value
from trialimpact.estimators.contrast import Floats, chosen, difference, labels
from trialimpact.estimators.ledger import days_ledger, side_influence, sides_of
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.small_sample import side_factor
from trialimpact.estimators.target import day_weights
from trialimpact.flow import ParticipantFlow
from trialimpact.intervals import Booleans, clip, length_by_owner
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast, TrialProtocol

LINKING = "matched"
"""The stage of the flow at which people are lost because they are not found in the records."""

BOUNDS_COLUMNS = [
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "horizon_days", "method", "lower", "upper"),
    *("lower_std_error", "upper_std_error", "conf_low", "conf_high", "conf_level", "shift_treatment"),
    *("retained_treatment", "retained_control", "n_treatment", "n_control", "says"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The lowest and highest effect that are possible, in days, with standard errors (NaN: not known)."""

    method: str
    lower: float
    upper: float
    lower_std_error: float
    upper_std_error: float
    n_treatment: int
    n_control: int
    says: str

    def interval(self, level: float) -> tuple[float, float]:
        """Imbens and Manski's interval: holds the effect, wherever between the bounds it is."""
        from scipy.optimize import brentq
        from scipy.special import ndtr

        widest = max(self.lower_std_error, self.upper_std_error)
        if not widest > 0:
            return float("nan"), float("nan")
        apart = (self.upper - self.lower) / widest
        c = brentq(lambda z: ndtr(z + apart) - ndtr(-z) - level, 0.0, 10.0)
        return self.lower - c * self.lower_std_error, self.upper + c * self.upper_std_error


@dataclass(frozen=True, slots=True, kw_only=True)
class TippingPoint:
    """How unlike the linked the lost would have to be, for the conclusion to change.

    Attributes
    ----------
    estimate, std_error : float
        Days among the linked.
    lost_treatment, lost_control : float
        Shares of the eligible that were lost.
    mean_treatment, mean_control : float
        Days of the linked.
    """

    horizon_days: int
    estimate: float
    std_error: float
    lost_treatment: float
    lost_control: float
    mean_treatment: float
    mean_control: float
    critical: float

    @property
    def has_interval(self) -> bool:
        """Whether a standard error is known, and is not zero."""
        return self.std_error > 0

    def effect(self, shift_treatment: Floats | float, shift_control: Floats | float) -> Floats:
        """Effect on all eligible if the lost had so many days more than the linked of their side."""
        lost = np.asarray(shift_treatment) * self.lost_treatment, np.asarray(shift_control) * self.lost_control
        return np.asarray(self.estimate + difference(*lost))

    def shift_to(self, effect: float, shift_control: float = 0.0) -> float:
        """The treatment side's shift that makes the effect this; NaN if nobody there was lost."""
        if not self.lost_treatment:
            return float("nan")
        return (effect - self.estimate + self.lost_control * shift_control) / self.lost_treatment

    @property
    def to_zero(self) -> float:
        """Shift of the treatment side's lost that makes the effect zero."""
        return self.shift_to(0.0)

    @property
    def to_not_clear(self) -> float:
        """Shift that makes the interval reach zero; 0 where it already does."""
        half = self.critical * self.std_error
        if abs(self.estimate) <= half:
            return 0.0
        return self.shift_to(half if self.estimate > 0 else -half)

    def is_possible(self, shift: float) -> bool:
        """Whether the lost of the treatment side can have so many days: between none and all of them."""
        return 0 <= self.mean_treatment + shift <= self.horizon_days


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Bounds:
    """Bounds on the cumulative effect, and the tipping point, of one outcome and contrast.

    Attributes
    ----------
    retained_treatment, retained_control : float
        Shares of the eligible who are linked.
    bounds : tuple of Bound
        "lee" (people followed to the horizon), "lee_daily" (daily, then summed), "worst_case".
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    horizon_days: int
    retained_treatment: float
    retained_control: float
    bounds: tuple[Bound, ...]
    tipping: TippingPoint

    def bound(self, method: str) -> Bound:
        """The bounds of one method."""
        return next(each for each in self.bounds if each.method == method)

    def to_frame(self) -> pd.DataFrame:
        """A row a method, `BOUNDS_COLUMNS`, then the tipping point."""
        level = self.protocol.analysis.conf_level
        common: dict[str, Any] = {
            **labels(self.outcome, self.contrast),
            "horizon_days": self.horizon_days,
            "conf_level": level,
            "retained_treatment": self.retained_treatment,
            "retained_control": self.retained_control,
        }
        rows = []
        for each in self.bounds:
            low, high = each.interval(level)
            numbers = {name: getattr(each, name) for name in Bound.__dataclass_fields__}
            rows.append(common | numbers | {"conf_low": low, "conf_high": high})
        for method, shift in (("tipping_zero", self.tipping.to_zero), ("tipping_interval", self.tipping.to_not_clear)):
            possible = "possible" if self.tipping.is_possible(shift) else "not possible within the horizon"
            what = "the effect is zero" if method == "tipping_zero" else "the interval reaches zero"
            says = f"if the lost of the treatment side had so many days more than its linked, {what}: {possible}"
            rows.append(common | {"method": method, "shift_treatment": shift, "says": says})
        return as_table(rows, BOUNDS_COLUMNS)

    def __repr__(self) -> str:
        found = ", ".join(f"{each.method} {each.lower:.4g} to {each.upper:.4g}" for each in self.bounds)
        return (
            f"Bounds({self.outcome}, {self.contrast.name}; {self.horizon_days} days; linked "
            f"{100 * self.retained_treatment:.1f}% and {100 * self.retained_control:.1f}%; {found})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_bounds(
    panel: Panel,
    flow: ParticipantFlow | Mapping[str, int],
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
) -> Bounds:
    """What the effect in days could be, given those whose records were not found.

    Worst case: the lost had no days, or all of them, whichever is worse; the estimand is the
    effect on all eligible. Lee: whoever is linked in one arm would be in the other if that arm
    links more (monotonicity); the estimand is the effect on those linked either way. Tipping
    point: how many days more the lost would need, for the effect to vanish.

    Parameters
    ----------
    panel : Panel
    flow : ParticipantFlow, or mapping of arm to number eligible
        Eligible are those before the stage "matched", by assigned arm.
    outcome, contrast, horizon_days
        As `estimate_cumulative`.

    Returns
    -------
    Bounds

    Raises
    ------
    DesignError
        The flow has no stage of linking; more are analysed than were eligible; nobody of a side is
        followed to the horizon.

    Notes
    -----
    With clusters the bounds have no standard errors: the clusters of the lost are not known. "lee"
    uses people followed on every day to the horizon; "lee_daily" uses each day's followed and adds
    the daily bounds up, which is usually wider and has no standard error here. Ties at the cut are
    trimmed by weight. Source: methods page, M12; Lee 2009; Imbens and Manski 2004.
    Cost: O(claimants log claimants).

    Examples
    --------
    >>> from trialimpact import build_panel, build_sample, load_records, merge_spells
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> records = load_records(trial.protocol, trial.tables)
    >>> sample = build_sample(records)
    >>> estimate_bounds(build_panel(sample, merge_spells(records)), sample.flow, "on_benefit")
    Bounds(on_benefit, iap; 273 days; linked ...)
    """
    protocol = panel.protocol
    name, contrast = chosen(protocol, outcome, contrast)
    horizon = protocol.analysis.max_horizon if horizon_days is None else horizon_days
    weights = day_weights(protocol, 0, horizon)
    sides = sides_of(panel, contrast)
    n_eligible = [sum(_eligible(flow, protocol)[arm] for arm in arms) for arms in contrast.sides]
    if any(side.sum() > n for side, n in zip(sides, n_eligible, strict=True)) or min(side.sum() for side in sides) == 0:
        raise DesignError(
            worded("more are analysed than were eligible, or nobody is.", remedy="give the eligible of each arm")
        )
    retained = [float(side.sum() / n) for side, n in zip(sides, n_eligible, strict=True)]
    part = panel.outcome(name)
    entry = days_ledger(panel, part, contrast, weights)
    return Bounds(
        protocol=protocol,
        outcome=name,
        contrast=contrast,
        horizon_days=horizon,
        retained_treatment=retained[0],
        retained_control=retained[1],
        bounds=(
            _lee(panel, part, sides, n_eligible, horizon),
            _lee_daily(part, sides, retained, horizon),
            _worst_case(panel, part, sides, n_eligible, horizon),
        ),
        tipping=TippingPoint(
            horizon_days=horizon,
            estimate=float(entry.estimate[0]),
            std_error=float(entry.std_error[0]),
            lost_treatment=1 - retained[0],
            lost_control=1 - retained[1],
            mean_treatment=float(entry.mean_treatment[0]),
            mean_control=float(entry.mean_control[0]),
            critical=critical_value(protocol),
        ),
    )


def _eligible(flow: ParticipantFlow | Mapping[str, int], protocol: TrialProtocol) -> Mapping[str, int]:
    if not isinstance(flow, ParticipantFlow):
        return flow
    if LINKING not in flow.stages:
        raise DesignError(
            worded("the flow has no stage at which people are linked.", remedy="give the eligible as {arm: number}")
        )
    return {
        arm: flow.n(LINKING, assigned_arm=arm) + flow.n(LINKING, "removed", assigned_arm=arm) for arm in protocol.arms
    }


def trimmed_mean(values: Floats, share: float, *, top: bool) -> tuple[float, float, float]:
    """Mean without the top (or bottom) share, the value at the cut, and the variance of what is kept.

    A value that the cut falls on counts by the part of it that is kept.

    >>> trimmed_mean(np.array([1.0, 2.0, 3.0, 4.0]), 0.25, top=True)[:2]
    (2.0, 3.0)
    """
    ordered = np.sort(values) if top else -np.sort(-values)
    kept = (1 - share) * ordered.size
    weight = np.clip(kept - np.arange(ordered.size), 0.0, 1.0)
    mean = float((weight * ordered).sum() / kept)
    variance = float((weight * (ordered - mean) ** 2).sum() / kept)
    return mean, float(ordered[max(int(np.ceil(kept - 1e-9)) - 1, 0)]), variance


def _lee(
    panel: Panel, outcome: OutcomePanel, sides: tuple[Booleans, Booleans], n_eligible: list[int], horizon: int
) -> Bound:
    complete = (outcome.followed_from <= 0) & (outcome.followed_to >= horizon)
    low, high = np.zeros(len(panel), dtype=np.int64), np.full(len(panel), horizon)
    days = length_by_owner(clip(outcome.spells, low, high), len(panel)).astype(float)
    values = [days[side & complete] for side in sides]
    if min(each.size for each in values) < 2:
        raise DesignError(
            worded(
                f"hardly anybody of a side is followed for all of {horizon} days.", remedy="choose a shorter horizon"
            )
        )
    linked = np.array([side.sum() for side in sides])
    retained = linked / np.array(n_eligible)
    trimmed, other = (0, 1) if retained[0] >= retained[1] else (1, 0)
    kept = retained[other] / retained[trimmed]
    share_variance = kept**2 * sum((1 - r) / n for r, n in zip(retained, linked, strict=True))
    mean_other, n_other = float(values[other].mean()), values[other].size
    found = []
    for top in (True, False):
        mean, cut, variance = trimmed_mean(values[trimmed], 1 - kept, top=top)
        n_kept = values[trimmed].size * kept
        error = (
            variance / n_kept + (cut - mean) ** 2 * (1 - kept) / n_kept + ((cut - mean) / kept) ** 2 * share_variance
        )
        error += values[other].var(ddof=1) / n_other
        means = (mean, mean_other) if trimmed == 0 else (mean_other, mean)
        found.append((difference(*means), float(np.sqrt(error))))
    (lower, lower_error), (upper, upper_error) = sorted(found)
    if panel.protocol.analysis.clusters is not None:
        lower_error = upper_error = float("nan")
    n = [each.size for each in values]
    return Bound(
        method="lee",
        lower=lower,
        upper=upper,
        lower_std_error=lower_error,
        upper_std_error=upper_error,
        n_treatment=n[0],
        n_control=n[1],
        says=f"effect on those linked in either arm, among people followed for all of {horizon} days",
    )


def _lee_daily(outcome: OutcomePanel, sides: tuple[Booleans, Booleans], retained: list[float], horizon: int) -> Bound:
    """On each day the share of ones (or zeros) trimmed; then added up over the days."""
    counts = outcome.counts_by(np.where(sides[0], 0, np.where(sides[1], 1, -1)), 2, (0, horizon))
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts[1] / counts[0]
    trimmed = 0 if retained[0] >= retained[1] else 1
    kept = min(retained) / max(retained)
    low, high = share.copy(), share.copy()
    low[trimmed] = np.maximum(0.0, (share[trimmed] - (1 - kept)) / kept)
    high[trimmed] = np.minimum(1.0, share[trimmed] / kept)
    return Bound(
        method="lee_daily",
        lower=float(difference(low[0], high[1]).sum()),
        upper=float(difference(high[0], low[1]).sum()),
        lower_std_error=float("nan"),
        upper_std_error=float("nan"),
        n_treatment=int(sides[0].sum()),
        n_control=int(sides[1].sum()),
        says="the same day by day, among those followed that day, added up: usually wider; no standard error",
    )


def _worst_case(
    panel: Panel, outcome: OutcomePanel, sides: tuple[Booleans, Booleans], n_eligible: list[int], horizon: int
) -> Bound:
    """The lost had 0 days, or all of them: retained × mean, plus lost × horizon at the most."""
    rule = panel.protocol.analysis.small_sample
    weights = day_weights(panel.protocol, 0, horizon)
    low, high, low_error, high_error = [], [], [], []
    for side, n in zip(sides, n_eligible, strict=True):
        linked = int(side.sum())
        r = linked / n
        mean, influence = side_influence(panel, outcome, side, weights)
        of_mean, of_share = (influence**2).sum() * float(side_factor(rule, linked)), r * (1 - r) / n
        low.append(r * mean)
        high.append(r * mean + (1 - r) * horizon)
        low_error.append(r**2 * of_mean + mean**2 * of_share)
        high_error.append(r**2 * of_mean + (mean - horizon) ** 2 * of_share)
    if panel.protocol.analysis.clusters is not None:
        low_error, high_error = [np.nan, np.nan], [np.nan, np.nan]
    return Bound(
        method="worst_case",
        lower=difference(low[0], high[1]),
        upper=difference(high[0], low[1]),
        lower_std_error=float(np.sqrt(low_error[0] + high_error[1])),
        upper_std_error=float(np.sqrt(high_error[0] + low_error[1])),
        n_treatment=int(sides[0].sum()),
        n_control=int(sides[1].sum()),
        says="effect on all eligible, if the lost had no days or all of them, whichever is worse",
    )
