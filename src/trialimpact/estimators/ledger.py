"""Influence values claimant by claimant: for what moments cannot hold, such as groups that overlap.

An entry of a ledger is one estimate (days over a window, a mean) with the influence of every unit
on it, scaled by the small-sample rule so that covariance = influenceᵀ influence (methods page, M3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trialimpact.estimators.contrast import Floats, difference
from trialimpact.estimators.small_sample import cluster_factor, side_factor, whole_factor
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ledger:
    """Several estimates with the influence of every unit (claimant or cluster) on each.

    Attributes
    ----------
    estimate, mean_treatment, mean_control : array, shape (k,)
    n_treatment, n_control : array, shape (k,)
        Claimants who count in each estimate.
    influence : array, shape (units, k)
    """

    estimate: Floats
    mean_treatment: Floats
    mean_control: Floats
    n_treatment: Integers
    n_control: Integers
    influence: Floats

    @property
    def covariance(self) -> Floats:
        """Covariance of the estimates, shape (k, k)."""
        return np.asarray(self.influence.T @ self.influence)

    @property
    def std_error(self) -> Floats:
        """Standard errors, shape (k,)."""
        return np.asarray(np.sqrt((self.influence**2).sum(axis=0)))

    def of(self, weights: Floats) -> tuple[Floats, Floats]:
        """Linear combinations of the estimates, and their covariance; weights of shape (rows, k)."""
        combined = self.influence @ weights.T
        return np.asarray(weights @ self.estimate), np.asarray(combined.T @ combined)


def joined(ledgers: Sequence[Ledger]) -> Ledger:
    """Several ledgers of the same units side by side."""
    names = ("estimate", "mean_treatment", "mean_control", "n_treatment", "n_control")
    columns = {name: np.concatenate([getattr(each, name) for each in ledgers]) for name in names}
    return Ledger(**columns, influence=np.column_stack([each.influence for each in ledgers]))


def days_ledger(
    panel: Panel,
    outcome: OutcomePanel,
    contrast: Contrast,
    weights: Floats,
    members: Booleans | None = None,
) -> Ledger:
    """A weighted sum of daily differences Σ w(d) D(d), available case, with its influence values.

    Parameters
    ----------
    weights : array, one entry a day of the panel's window
    members : bool array, shape (n,), optional
        Who counts; default everyone.

    Notes
    -----
    With weights 1 on [0, H) this is C(H) of `estimate_cumulative`, and its standard error, from
    claimants. Cost: O(spells + days).
    """
    sides = sides_of(panel, contrast, members)
    found = [side_influence(panel, outcome, side, weights) for side in sides]
    followed = followed_within(panel, outcome, weights)
    if any(_one_cluster_on_a_day(panel, outcome, side, weights) for side in sides):
        found = [(mean, np.full(len(panel), np.nan)) for mean, _ in found]
    return ledger_entry(panel, sides, found, followed, 2 * int((weights != 0).sum()))


def headline_ledger(
    panel: Panel,
    outcome: OutcomePanel,
    contrast: Contrast,
    weights: Floats,
    members: Booleans | None = None,
) -> Ledger:
    """`days_ledger` as `analysis.headline` says: of all, or within strata, weighted by their people of the contrast.

    Strata that have not two people of each side among the members are left out.
    """
    if panel.protocol.analysis.headline == "difference":
        return days_ledger(panel, outcome, contrast, weights, members)
    sides = sides_of(panel, contrast, members)
    n = [np.bincount(panel.stratum[side], minlength=len(panel.strata)) for side in sides]
    used = np.flatnonzero(np.minimum(*n) > 1)
    if not used.size:
        return days_ledger(panel, outcome, contrast, np.full_like(weights, np.nan), members)
    inside = np.ones(len(panel), dtype=bool) if members is None else members
    blocks = joined(
        [days_ledger(panel, outcome, contrast, weights, inside & (panel.stratum == place)) for place in used]
    )
    parts = (n[0] + n[1])[used] / (n[0] + n[1])[used].sum()
    means = {name: np.array([parts @ getattr(blocks, name)]) for name in ("estimate", "mean_treatment", "mean_control")}
    return Ledger(
        **means,
        n_treatment=blocks.n_treatment.sum(keepdims=True),
        n_control=blocks.n_control.sum(keepdims=True),
        influence=(blocks.influence @ parts)[:, None],
    )


def _one_cluster_on_a_day(panel: Panel, outcome: OutcomePanel, side: Booleans, weights: Floats) -> bool:
    """Whether a side has fewer than two clusters on a day that counts: its influence is 0 whatever happened."""
    if panel.protocol.analysis.clusters is None:
        return False
    followed, _ = outcome.counts_by(np.where(side, panel.cluster, -1), len(panel.clusters), panel.window)
    return bool(((followed > 0).sum(axis=0)[weights != 0] < 2).any())


def mean_ledger(panel: Panel, values: Floats, contrast: Contrast, members: Booleans | None = None) -> Ledger:
    """A difference in means of something known of each claimant, with its influence values."""
    sides = sides_of(panel, contrast, members)
    found = []
    for side in sides:
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = float(np.divide(values[side].sum(), side.sum()))
            found.append((mean, np.where(side, (values - mean) / side.sum(), 0.0)))
    return ledger_entry(panel, sides, found, np.ones(len(panel), dtype=np.int64), 2)


def sides_of(panel: Panel, contrast: Contrast, members: Booleans | None = None) -> tuple[Booleans, Booleans]:
    """Who is in treatment and in control, among some members or everyone."""
    inside = np.ones(len(panel), dtype=bool) if members is None else members
    return inside & panel.on_side(contrast.treatment), inside & panel.on_side(contrast.control)


def followed_within(panel: Panel, outcome: OutcomePanel, weights: Floats) -> Integers:
    """Days of follow-up of each claimant between the first and the last day that has a weight, shape (n,)."""
    used = np.flatnonzero(weights) + panel.window[0]
    latest, earliest = np.minimum(outcome.followed_to, used[-1] + 1), np.maximum(outcome.followed_from, used[0])
    return np.asarray(np.clip(latest - earliest, 0, None))


def side_influence(panel: Panel, outcome: OutcomePanel, side: Booleans, weights: Floats) -> tuple[float, Floats]:
    """Σ w(d) p(d) of some claimants, and each one's influence on it, unscaled; NaN if nobody is there on a day."""
    first = panel.window[0]
    (followed,), (on,) = outcome.counts_by(np.where(side, 0, -1), 1, panel.window)
    used = weights != 0
    if (followed[used] == 0).any():
        return float("nan"), np.full(len(panel), np.nan)
    counted = np.maximum(followed, 1)
    share, per_day = np.where(used, on / counted, 0.0), weights / counted
    on_sums, share_sums = (np.r_[0.0, each.cumsum()] for each in (per_day, per_day * share))
    spells = outcome.spells.where(side[outcome.spells.owner])
    on_days = on_sums[spells.end - first] - on_sums[spells.start - first]
    influence = np.bincount(spells.owner, weights=on_days, minlength=len(panel)).astype(float)
    influence -= share_sums[outcome.followed_to - first] - share_sums[outcome.followed_from - first]
    return float((weights * share).sum()), np.where(side, influence, 0.0)


def ledger_entry(
    panel: Panel,
    sides: tuple[Booleans, Booleans],
    found: Sequence[tuple[float, Floats]],
    followed: Integers,
    n_parameters: int,
    *,
    corrected: bool = False,
) -> Ledger:
    """One estimate: treatment minus control, of means with influence values, scaled by `small_sample`.

    Parameters
    ----------
    found : (mean, influence of each claimant) of treatment and of control
    followed : array, shape (n,)
        Days of follow-up that each claimant gives; those with none do not count.
    corrected : bool
        The influence of claimants already carries the correction of their side.
    """
    analysis = panel.protocol.analysis
    rule, counted = analysis.small_sample, [side & (followed > 0) for side in sides]
    n = [int(each.sum()) for each in counted]
    values = [influence for _, influence in found]
    if analysis.clusters is None:
        n_units = sum(n)
        factors = [1.0 if corrected else side_factor(rule, m) for m in n]
        influence = difference(*(each * np.sqrt(factor) for each, factor in zip(values, factors, strict=True)))
    else:
        n_clusters = [np.unique(panel.cluster[each]).size for each in counted]
        n_units = np.unique(panel.cluster[counted[0] | counted[1]]).size
        # With one cluster on a side its influence is 0 whatever happened, so nothing is known.
        scale = float(np.sqrt(cluster_factor(rule, n_units))) if min(n_clusters) > 1 else np.nan
        weights = difference(*values)
        influence = scale * np.bincount(panel.cluster, weights=weights, minlength=len(panel.clusters)).astype(float)
    n_rows = int(followed[sides[0] | sides[1]].sum())
    means = np.array([[mean] for mean, _ in found])
    return Ledger(
        estimate=difference(*means),
        mean_treatment=means[0],
        mean_control=means[1],
        n_treatment=np.array(n[:1]),
        n_control=np.array(n[1:]),
        influence=(influence * np.sqrt(whole_factor(rule, n_units, n_rows, n_parameters)))[:, None],
    )
