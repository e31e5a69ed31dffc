"""Claimant bootstrap: a check of the standard errors that shares no formula with them."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, require_kind, worded
from trialimpact.estimators.contrast import Floats, chosen, difference, labels
from trialimpact.estimators.ledger import sides_of
from trialimpact.estimators.randomisation import weighted_counts
from trialimpact.estimators.target import Target, target_of
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast

DRAWS = 999
BLOCK_DRAWS = 250
"""Draws laid out at once."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Bootstrap:
    """Estimates from claimants (or clusters) drawn anew with replacement, within each side.

    Attributes
    ----------
    estimate : float
        From everyone once.
    estimates : array, shape (draws,)
    """

    outcome: str
    contrast: Contrast
    target: Target
    conf_level: float
    estimate: float
    estimates: Floats

    @property
    def std_error(self) -> float:
        """Standard deviation of the draws."""
        return float(self.estimates.std(ddof=1))

    @property
    def percentile_interval(self) -> tuple[float, float]:
        """The middle of the draws at the protocol's level."""
        tail = (1 - self.conf_level) / 2
        low, high = np.quantile(self.estimates, [tail, 1 - tail])
        return float(low), float(high)

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        low, high = self.percentile_interval
        row: dict[str, Any] = {
            **labels(self.outcome, self.contrast),
            **self.target.columns(),
            "estimate": self.estimate,
            "std_error": self.std_error,
            "conf_low": low,
            "conf_high": high,
            "draws": self.estimates.size,
            "method": "bootstrap",
        }
        return pd.DataFrame([row])

    def __repr__(self) -> str:
        return (
            f"Bootstrap({self.outcome}, {self.contrast.name}; {self.target.in_words()}: {self.estimate:.4g}, "
            f"standard error {self.std_error:.4g} from {self.estimates.size:,} draws)"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_bootstrap(
    panel: Panel,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
    day: int | None = None,
    draws: int = DRAWS,
) -> Bootstrap:
    """Standard error of an unstratified estimate by drawing claimants with replacement within each side.

    A claimant drawn twice counts twice. With clusters, clusters are drawn whole.

    Parameters
    ----------
    panel, outcome, contrast, horizon_days, day
        As `estimate_randomisation`.
    draws : int

    Returns
    -------
    Bootstrap

    Notes
    -----
    A cross-check of the closed form, which needs no draws. Seeded by the protocol.
    Cost: O(draws × claimants × days) in blocks.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_bootstrap(simulate_trial(n_claimants=200, seed=1).panel(), "on_benefit", draws=99)
    Bootstrap(on_benefit, iap; days over the first 273 days: ..., standard error ... from 99 draws)
    """
    require_kind(draws, Integral, "draws", "give a whole number, such as 999")
    if draws < 2:
        raise DesignError(worded(f"{draws} draws have no standard error.", remedy="draw 999 or more"))
    name, contrast = chosen(panel.protocol, outcome, contrast)
    part = panel.outcome(name)
    target = target_of(panel, part, horizon_days=horizon_days, day=day)
    rng = np.random.default_rng(panel.protocol.analysis.seed)
    sides = sides_of(panel, contrast)
    once = np.ones((1, len(panel)), dtype=np.int64)
    weights = itertools.chain(
        [[once, once]],
        (multiplicities(rng, panel, sides, min(BLOCK_DRAWS, draws - done)) for done in range(0, draws, BLOCK_DRAWS)),
    )
    estimates = np.concatenate([_estimates(panel, part, sides, times, target) for times in weights])
    return Bootstrap(
        outcome=name,
        contrast=contrast,
        target=target,
        conf_level=panel.protocol.analysis.conf_level,
        estimate=float(estimates[0]),
        estimates=estimates[1:],
    )


def multiplicities(
    rng: np.random.Generator, panel: Panel, sides: tuple[Booleans, Booleans], n_draws: int
) -> list[Integers]:
    """How often each claimant is drawn, for treatment and for control, each shape (n_draws, n).

    Claimants, or clusters that lie on one side, are drawn within their side; clusters that hold
    claimants of both sides are drawn together.
    """
    clustered = panel.protocol.analysis.clusters is not None
    unit = panel.cluster if clustered else np.arange(len(panel))
    if clustered and np.intersect1d(unit[sides[0]], unit[sides[1]]).size:
        times = _times_drawn(rng, unit, sides[0] | sides[1], n_draws)
        return [times, times]
    return [_times_drawn(rng, unit, side, n_draws) for side in sides]


def _times_drawn(rng: np.random.Generator, unit: Integers, among: Booleans, n_draws: int) -> Integers:
    names, place = np.unique(unit[among], return_inverse=True)
    times = np.zeros((n_draws, unit.size), dtype=np.int64)
    times[:, among] = rng.multinomial(names.size, np.full(names.size, 1 / names.size), size=n_draws)[:, place]
    return times


def _estimates(
    panel: Panel,
    outcome: OutcomePanel,
    sides: tuple[Booleans, Booleans],
    weights: Sequence[Integers],
    target: Target,
) -> Floats:
    """The available-case estimate for each row of weights."""
    used = target.weights != 0
    days, shares = np.arange(*panel.window)[used], []
    for side, times in zip(sides, weights, strict=True):
        followed, on = weighted_counts(outcome.where(side), times[:, side], days)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares.append(on / followed)
    return np.asarray(difference(*shares) @ target.weights[used])
