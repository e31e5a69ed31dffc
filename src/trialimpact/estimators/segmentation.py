"""Who responds more? Groups found in one half of the people and judged in the other, over and over (M18)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import two_sided_p
from trialimpact.estimators.contrast import Floats, chosen
from trialimpact.estimators.covariates import Covariates
from trialimpact.estimators.ledger import Ledger, headline_ledger, joined, sides_of
from trialimpact.estimators.target import day_weights
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast, TrialProtocol

SPLITS, GROUPS = 40, 4
CLEAR = 0.05
FEWEST = 20
"""People of each side in a group, at least."""
PENALTIES = 10.0 ** np.arange(-2, 5)
"""Of the ridge, as parts of the mean square of a covariate's interaction; which one is taken is cross-validated."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Segmentation:
    """Effects in groups of people sorted by how much they were expected to respond; each number a median over splits.

    Attributes
    ----------
    groups : DataFrame
        `group` (1 is expected to gain the fewest days), `n`, `estimate`, `conf_low`, `conf_high`.
    difference, conf_low, conf_high, p_value : float
        Last group minus first.
    profiles : DataFrame
        `characteristic`, `first_group`, `last_group`: means.
    n_splits : int
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    horizon_days: int
    groups: pd.DataFrame
    difference: float
    conf_low: float
    conf_high: float
    p_value: float
    profiles: pd.DataFrame
    n_splits: int

    def sentence(self) -> str:
        """What may be said."""
        words = self.protocol.outcome(self.outcome).words
        scope = f"days {words} over {self.horizon_days} days, by the characteristics declared"
        explored = "This is exploration: groups were found in the data, so another trial must confirm them."
        if not self.p_value < CLEAR:
            return f"No evidence that people respond differently in {scope} (p {self.p_value:.2f}). {explored}"
        apart = f"{self.difference:.1f} days ({self.conf_low:.1f} to {self.conf_high:.1f}; p {self.p_value:.3f})"
        between = f"the last group's effect less the first's is {apart}"
        return f"Some people respond differently in {scope}: {between}. {explored}"

    def to_frame(self) -> pd.DataFrame:
        """A row a group."""
        return self.groups.copy()

    def __repr__(self) -> str:
        return f"Segmentation({self.outcome}, {self.contrast.name}; {len(self.groups)} groups; p {self.p_value:.3f})"

    def _repr_html_(self) -> str:
        from html import escape

        tables = (self.groups.round(2).to_html(index=False), self.profiles.round(2).to_html(index=False))
        return f"<p>{escape(self.sentence())}</p>{''.join(tables)}"


@of_its_kind
def estimate_segmentation(
    panel: Panel,
    covariates: Covariates,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
    n_groups: int = GROUPS,
    n_splits: int = SPLITS,
) -> Segmentation:
    """Sort people by expected response, found in half of them, and estimate the effects in groups of the other half.

    The estimands are C(H) in each group so sorted, and last minus first. Expected response is a ridge regression of
    days on covariates times assignment, centred (an R-learner), within strata where `analysis.headline` says so.
    Nobody's own days decide the group they are judged in. Over random halves the medians are taken, and twice the
    median p-value, which is valid whatever the halves, so that the test rejects at most 5% of trials in which all
    respond alike.

    Parameters
    ----------
    panel : Panel
    covariates : Covariates
        Declared before: `build_covariates`.
    outcome, contrast
        As `estimate_cumulative`.
    horizon_days : int, optional
        Default: the longest horizon.
    n_groups, n_splits : int

    Returns
    -------
    Segmentation

    Raises
    ------
    DesignError
        There are no covariates, or too few people for so many groups.

    Notes
    -----
    Source: Chernozhukov, Demirer, Duflo and Fernández-Val (2018), sorted group effects; Nie and Wager (2021); methods
    page, M18. Halves are drawn within arms (by cluster where there are clusters) from `analysis.seed`. Cost: O(spells)
    a group and split.

    Examples
    --------
    >>> from trialimpact import build_covariates
    >>> from trialimpact.synthetic import simulate_trial
    >>> panel = simulate_trial(n_claimants=900, seed=1).panel()
    >>> estimate_segmentation(panel, build_covariates(panel, "on_benefit"), "on_benefit", n_splits=4)
    Segmentation(on_benefit, iap; 4 groups; p ...)
    """
    protocol = panel.protocol
    outcome, contrast = chosen(protocol, outcome, contrast)
    horizon = protocol.analysis.max_horizon if horizon_days is None else horizon_days
    if not (n_groups > 1 and n_splits > 0 and 0 < horizon <= protocol.analysis.max_horizon):
        remedy = f"two groups or more, one split or more, a horizon of 1 to {protocol.analysis.max_horizon} days"
        raise DesignError(worded("these groups, splits or days cannot be had.", remedy=remedy))
    if not covariates.names:
        raise DesignError(worded("there are no covariates to tell people apart by.", remedy="declare [adjustment]"))
    matrix, sides, found = covariates.of(panel), sides_of(panel, contrast), panel.outcome(outcome)
    if min(int(side.sum()) for side in sides) < 2 * n_groups * FEWEST:
        says = f"{n_groups} groups in half of the people need {2 * n_groups * FEWEST} people on each side."
        raise DesignError(worded(says, remedy="ask for fewer groups"))
    weights = day_weights(protocol, 0, horizon)
    days = weighted_days(panel, found, sides, weights)
    stratum = panel.stratum if protocol.analysis.headline == "stratified" else np.zeros(len(panel), dtype=np.int64)
    rng = np.random.default_rng(protocol.analysis.seed)
    splits = []
    for half in _halves(panel, sides, rng, n_splits):
        score = learn_response(matrix, days, sides, half, stratum)
        groups = _sorted_groups(score, sides, half, n_groups)
        ledger = joined([headline_ledger(panel, found, contrast, weights, groups == each) for each in range(n_groups)])
        splits.append(_Split(groups, ledger))
    return _summary(protocol, outcome, contrast, horizon, covariates, splits)


@dataclass(frozen=True, slots=True, eq=False)
class _Split:
    """The groups of one half, as places (-1: not judged), and their effects."""

    groups: Integers
    ledger: Ledger

    @property
    def apart(self) -> tuple[float, float]:
        """Last group minus first, and its standard error."""
        n_groups = self.ledger.estimate.size
        estimate, variance = self.ledger.of(np.array([[-1.0, *np.zeros(n_groups - 2), 1.0]]))
        return float(estimate[0]), float(np.sqrt(variance[0, 0]))


def _summary(
    protocol: TrialProtocol,
    outcome: str,
    contrast: Contrast,
    horizon: int,
    covariates: Covariates,
    splits: list[_Split],
) -> Segmentation:
    """Medians over the splits."""
    estimates, errors = (
        np.array([getattr(each.ledger, name) for each in splits]) for name in ("estimate", "std_error")
    )
    if not np.isfinite(estimates).all():
        remedy = "ask for fewer groups, or a shorter horizon"
        raise DesignError(worded("in a group nobody of a side is followed on some day.", remedy=remedy))
    apart, apart_error = np.array([each.apart for each in splits]).T
    critical, n_groups = _critical(protocol), estimates.shape[1]
    members = [[each.groups == place for each in splits] for place in range(n_groups)]
    first, last = (
        np.median([covariates.matrix[inside].mean(axis=0) for inside in members[place]], axis=0) for place in (0, -1)
    )
    return Segmentation(
        protocol=protocol,
        outcome=outcome,
        contrast=contrast,
        horizon_days=horizon,
        groups=pd.DataFrame(
            {
                "group": range(1, n_groups + 1),
                "n": [int(np.median([inside.sum() for inside in each])) for each in members],
                "estimate": np.median(estimates, axis=0),
                "conf_low": np.median(estimates - critical * errors, axis=0),
                "conf_high": np.median(estimates + critical * errors, axis=0),
            }
        ),
        difference=float(np.median(apart)),
        conf_low=float(np.median(apart - critical * apart_error)),
        conf_high=float(np.median(apart + critical * apart_error)),
        p_value=float(min(1.0, 2 * np.median(two_sided_p(apart, apart_error)))),
        profiles=pd.DataFrame({"characteristic": covariates.names, "first_group": first, "last_group": last}),
        n_splits=len(splits),
    )


def _critical(protocol: TrialProtocol) -> float:
    """Half of what is left to chance: medians of limits at this level hold at the protocol's."""
    from scipy.stats import norm

    return float(norm.isf((1 - protocol.analysis.conf_level) / 4))


def weighted_days(panel: Panel, outcome: OutcomePanel, sides: tuple[Booleans, Booleans], weights: Floats) -> Floats:
    """Each person's days with the outcome, each day over the share of their side that is followed on it.

    Its mean over a side is C(H) of that side, whoever joined late.
    """
    first, found = panel.window[0], np.zeros(len(panel))
    for side in sides:
        (followed,), _ = outcome.counts_by(np.where(side, 0, -1), 1, panel.window)
        per_day = np.where(followed > 0, weights * side.sum() / np.maximum(followed, 1), 0.0)
        sums = np.r_[0.0, per_day.cumsum()]
        spells = outcome.spells.where(side[outcome.spells.owner])
        on = sums[spells.end - first] - sums[spells.start - first]
        found += np.bincount(spells.owner, weights=on, minlength=len(panel))
    return found


def learn_response(
    x: Floats, days: Floats, sides: tuple[Booleans, Booleans], half: Booleans, stratum: Integers
) -> Floats:
    """Expected response of everybody, learnt from one half: days left on (treated - share) × covariates."""
    learnt = half & (sides[0] | sides[1])
    centre, spread = x[learnt].mean(axis=0), x[learnt].std(axis=0)
    z = (x - centre) / np.where(spread > 0, spread, 1.0)
    blocks = (stratum[learnt][:, None] == np.unique(stratum[learnt])[None, :]).astype(float)
    treated = sides[0][learnt].astype(float)
    treated -= blocks @ (blocks.T @ treated / blocks.sum(axis=0))
    design = np.column_stack([blocks, z[learnt]])
    left = days[learnt] - design @ np.linalg.lstsq(design, days[learnt], rcond=None)[0]
    left = left - treated * (treated @ left) / (treated @ treated)
    return np.asarray(z @ _ridge(treated[:, None] * z[learnt], left))


def _ridge(design: Floats, values: Floats) -> Floats:
    """Coefficients of the penalty that predicts best when each person is left out in turn."""
    u, s, vt = np.linalg.svd(design, full_matrices=False)
    projected, best = u.T @ values, (np.inf, np.zeros(design.shape[1]))
    for penalty in PENALTIES * float((s**2).mean()):
        shrunk = s**2 / (s**2 + penalty)
        left = (values - u @ (shrunk * projected)) / (1 - (u**2) @ shrunk)
        error = float(left @ left)
        if error < best[0]:
            best = error, vt.T @ (s / (s**2 + penalty) * projected)
    return best[1]


def _halves(
    panel: Panel, sides: tuple[Booleans, Booleans], rng: np.random.Generator, n_splits: int
) -> Iterator[Booleans]:
    """Random halves of each side, or of the clusters."""
    for _ in range(n_splits):
        half = np.zeros(len(panel), dtype=bool)
        if panel.protocol.analysis.clusters is not None:
            drawn = rng.permutation(len(panel.clusters)) < len(panel.clusters) / 2
            yield drawn[panel.cluster]
            continue
        for side in sides:
            people = rng.permutation(np.flatnonzero(side))
            half[people[: people.size // 2]] = True
        yield half


def _sorted_groups(score: Floats, sides: tuple[Booleans, Booleans], half: Booleans, n_groups: int) -> Integers:
    """Places 0 to n_groups - 1 by expected response among the other half, of as many people; -1 for all else."""
    judged = np.flatnonzero(~half & (sides[0] | sides[1]))
    order = judged[np.argsort(score[judged], kind="stable")]
    groups = np.full(half.size, -1, dtype=np.int64)
    groups[order] = np.arange(order.size) * n_groups // order.size
    return groups
