"""Digit placebo: the actual split of the digits among all 252, and digits that should be alike (M9)."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.contrast import Floats, chosen, difference
from trialimpact.estimators.ledger import side_influence
from trialimpact.estimators.randomisation import PLACEBO_COLUMNS, Randomisation
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.small_sample import side_factor
from trialimpact.estimators.target import target_of
from trialimpact.estimators.wald import NOTHING_TO_TEST, WaldTest
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Placebo:
    """The estimate under every split of the digits, and a test that digits within an arm are alike.

    Attributes
    ----------
    randomisation : Randomisation
        The estimate of the actual split among those of all splits.
    digits : array, shape (n_digits,)
        The digits of both sides of the contrast.
    splits : bool array, shape (n_splits, n_digits)
        Which digits are on the treatment side; rows as `randomisation.estimates`.
    mean : array, shape (n_digits,)
        Days (or the share) of each digit.
    homogeneity : WaldTest
        That the digits of one side have the same mean, both sides together.
    """

    randomisation: Randomisation
    digits: Integers
    splits: Booleans
    mean: Floats
    homogeneity: WaldTest

    @property
    def p_value(self) -> float:
        """Exact two-sided p-value; with 5 and 5 digits never below 2/252."""
        return self.randomisation.p_value

    def to_frame(self) -> pd.DataFrame:
        """Two rows, `PLACEBO_COLUMNS`: the splits, and homogeneity."""
        row: dict[Any, Any] = self.randomisation.to_frame().iloc[0].to_dict()
        blank = dict.fromkeys(("estimate", "n_assignments", "exact"), pd.NA)
        test = {"test": "digits alike within arms", "statistic": self.homogeneity.statistic}
        test |= {"df": self.homogeneity.df, "p_value": self.homogeneity.p_value}
        return as_table([row, row | blank | test], PLACEBO_COLUMNS)

    def __repr__(self) -> str:
        found, alike = self.randomisation, self.homogeneity
        return (
            f"Placebo({found.outcome}, {found.contrast.name}; {found.target.in_words()}: {found.observed:.4g}; "
            f"{len(self.splits)} splits, p {self.p_value:.4f}; digits alike within arms, p {alike.p_value:.3f})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_placebo(
    panel: Panel,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
    day: int | None = None,
    pre_period: bool = False,
) -> Placebo:
    """Where the actual split of the digits stands among all splits that could have been chosen.

    A digit is a cluster: there are ten, and however many claimants, no more than 252 ways to give
    five of them the treatment. Before day 0 this is a placebo (nothing should be found); after it, an exact
    test that the trial changed nothing, as far as ten digits can tell. Digits of one arm had the
    same treatment, so they should be alike: if not, the last digit predicts something.

    Parameters
    ----------
    panel, outcome, contrast, horizon_days, day, pre_period
        As `estimate_randomisation`.

    Returns
    -------
    Placebo

    Raises
    ------
    DesignError
        Arms were not allocated by digit, or a digit of the contrast has nobody.

    Notes
    -----
    Source: methods page, M9. Cost: O(spells + splits × days).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_placebo(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    Placebo(on_benefit, iap; days over the first 273 days: ...; 252 splits, p ...; digits alike within arms, p ...)
    """
    protocol = panel.protocol
    name, contrast = chosen(protocol, outcome, contrast)
    if protocol.allocation.rule != "digit":
        raise DesignError(worded("arms were not allocated by digit.", remedy="use estimate_randomisation"))
    part = panel.outcome(name)
    target = target_of(panel, part, horizon_days=horizon_days, day=day, pre_period=pre_period)
    of_side = [[digit for arm in arms for digit in protocol.allocation.digits[arm]] for arms in contrast.sides]
    digits = np.array(sorted(of_side[0] + of_side[1]))
    place = np.full(11, -1)
    place[digits] = np.arange(digits.size)
    counts = part.counts_by(place[panel.digit], digits.size, panel.window)
    splits, estimates = _every_split(counts, len(of_side[0]), target.weights)
    actual = int(np.flatnonzero((splits == np.isin(digits, of_side[0])).all(axis=1))[0])
    found = [side_influence(panel, part, panel.digit == digit, target.weights) for digit in digits]
    return Placebo(
        randomisation=Randomisation(
            outcome=name,
            contrast=contrast,
            target=target,
            observed=float(estimates[actual]),
            estimates=estimates,
            exact=True,
            unit="digits",
        ),
        digits=digits,
        splits=splits,
        mean=np.array([mean for mean, _ in found]),
        homogeneity=_homogeneity(panel, digits, found, [np.isin(digits, side) for side in of_side]),
    )


def _every_split(counts: tuple[Integers, Integers], n_treatment: int, weights: Floats) -> tuple[Booleans, Floats]:
    """Every choice of `n_treatment` digits, and the estimate under it, from counts by digit and day."""
    used = weights != 0
    followed, on = (each[:, used] for each in counts)
    if (followed == 0).any():
        raise DesignError(
            worded("a digit has nobody on some day.", remedy="choose an earlier day or a shorter horizon")
        )
    places = range(len(followed))
    splits = np.array([np.isin(places, some) for some in combinations(places, n_treatment)])
    shares = [(side @ on) / (side @ followed) for side in (splits.astype(int), 1 - splits)]
    return splits, np.asarray(difference(*shares) @ weights[used])


def _homogeneity(panel: Panel, digits: Integers, found: list[tuple[float, Floats]], sides: list[Booleans]) -> WaldTest:
    """Welch's test that the digits of a side have one mean, both sides together.

    Weighted sums of squares about each side's mean, divided by Welch's correction and added up; p from
    F with his degrees of freedom added up. Chi-square would reject too often with fifty people a digit.
    """
    from scipy.special import fdtrc

    rule = panel.protocol.analysis.small_sample
    n = np.bincount(panel.digit, minlength=10)[digits]
    variance = np.array([(influence**2).sum() for _, influence in found]) * side_factor(rule, n)
    mean, statistic, df, below = np.array([each for each, _ in found]), 0.0, 0, 0.0
    for side in sides:
        n_digits = int(side.sum())
        if n_digits < 2:
            continue
        if not (variance[side] > 0).all() or n[side].min() < 2:
            return NOTHING_TO_TEST
        weight = 1 / variance[side]
        centre = (weight * mean[side]).sum() / weight.sum()
        spread = ((1 - weight / weight.sum()) ** 2 / (n[side] - 1)).sum()
        correction = 1 + 2 * (n_digits - 2) / (n_digits**2 - 1) * spread
        statistic += float((weight * (mean[side] - centre) ** 2).sum() / correction)
        df += n_digits - 1
        below += float((n_digits**2 - 1) / (3 * spread))
    if not df:
        return NOTHING_TO_TEST
    return WaldTest(statistic=statistic, df=df, p_value=float(fdtrc(df, below, statistic / df)))
