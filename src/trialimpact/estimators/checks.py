"""Tests of counts against a design, and what each may mean (M10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trialimpact.errors import DesignError, worded

RED, AMBER = 0.001, 0.01
"""p below which a check is red, or amber."""

EXACT_BELOW = 1_000
"""With fewer people a two-arm ratio is tested by the exact binomial test."""

Level = Literal["red", "amber", "green", "not tested"]
WORDS = {
    "sample_ratio": (
        "the arms are not in the designed ratio: recording, filtering or linking may depend on the arm; "
        "it does not say which, nor that effects are biased, but the arms may no longer be alike"
    ),
    "put_in_arm": (
        "offices put people in arms in another ratio than the design: people were moved, or one arm was recorded less; "
        "the arms as assigned are what is analysed, and their ratio is a check of its own"
    ),
    "ratio_by_office": "the ratio departs from the design at some offices: look at how they set markers",
    "ratio_by_week": "the ratio departs from the design in some weeks of intake: look at what changed then",
    "differential_loss": (
        "a filter removed different shares of the arms: those left may differ; bounds say by how much it could matter"
    ),
    "arm_share_drift": (
        "the arms joined at different times, so late days compare different mixes: "
        "look at the estimates in the common intake and stratified by intake"
    ),
    "follow_up": "one arm is followed for longer: look at the estimates in the common intake",
}
"""What it may mean when a check is red or amber."""

GREEN = "no sign of it"
UNKNOWN_RATIO = "the designed ratio is not given: set allocation.ratio"
ONE_PERIOD = "too few joined for two periods of intake in which five are expected on the smaller side"
WHOLE_CLUSTERS = "clusters were assigned whole, so people are not independent: the ratio of the clusters is tested"
TOO_FEW = "too few people to test"

SMALL_EXPECTED = 5.0
"""Where fewer are expected in a cell, p-values are exact, or from simulated tables."""

SIMULATED = 99_999
SEED = 1


def level_of(p_value: float) -> Level:
    """Red at p < 0.001, amber at p < 0.01."""
    return "red" if p_value < RED else "amber" if p_value < AMBER else "green"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityCheck:
    """One test of how the trial was run.

    Attributes
    ----------
    check : str
        A key of `WORDS`.
    where : str
        The stage, office, week, contrast or outcome.
    basis : str
        "assigned" or "received" arms.
    counts, expected : str
        What was found, and what the design (or the other arm) leads one to expect.
    n_smallest : int
        People (or clusters) of the arm or side that has fewest.
    p_holm : float
        Among checks of one kind at many places, adjusted for their number; else `p_value`.
    untested : str
        Why, where there is no p-value.
    """

    check: str
    where: str
    basis: str
    counts: str
    expected: str = ""
    n_smallest: int = 0
    statistic: float = float("nan")
    df: int = 0
    p_value: float = float("nan")
    p_holm: float = float("nan")
    test: str = ""
    untested: str = TOO_FEW

    @property
    def level(self) -> Level:
        """Red at p < 0.001, amber at p < 0.01, by the adjusted p-value."""
        if np.isnan(self.p_holm):
            return "not tested"
        return level_of(self.p_holm)

    @property
    def says(self) -> str:
        """What it may mean, and what it need not."""
        if self.level == "not tested":
            return self.untested
        return GREEN if self.level == "green" else WORDS[self.check]


def sample_ratio(
    counts: Mapping[str, int],
    ratio: Mapping[str, float],
    *,
    check: str = "sample_ratio",
    where: str = "",
    basis: str = "assigned",
) -> IntegrityCheck:
    """Test that counts by arm are in the designed ratio.

    >>> found = sample_ratio({"IAP": 5720, "BAU": 6423}, {"IAP": 1, "BAU": 1})
    >>> f"{found.p_value:.1e}", found.level
    ('1.8e-10', 'red')
    """
    from scipy.special import chdtrc
    from scipy.stats import binomtest

    if set(counts) != set(ratio) or sum(counts.values()) == 0 or len(ratio) < 2:
        raise DesignError(worded("counts and ratio must name the same two or more arms.", remedy="name each arm once"))
    arms = list(ratio)
    found = np.array([counts[arm] for arm in arms], dtype=float)
    design = np.array([ratio[arm] for arm in arms])
    expected = found.sum() * design / design.sum()
    statistic = float(((found - expected) ** 2 / expected).sum())
    if len(arms) == 2 and found.sum() < EXACT_BELOW:
        test, p = "exact binomial", float(binomtest(int(found[0]), int(found.sum()), design[0] / design.sum()).pvalue)
    elif expected.min() < SMALL_EXPECTED:
        drawn = np.random.default_rng(SEED).multinomial(int(found.sum()), design / design.sum(), size=SIMULATED)
        test, p = "simulated", _share_as_large(((drawn - expected) ** 2 / expected).sum(axis=1), statistic)
    else:
        test, p = "chi-square", float(chdtrc(len(arms) - 1, statistic))
    return IntegrityCheck(
        check=check,
        where=where,
        basis=basis,
        counts=in_words(arms, found),
        expected=in_words(arms, expected),
        n_smallest=int(found.min()),
        statistic=statistic,
        df=len(arms) - 1,
        p_value=p,
        p_holm=p,
        test=test,
    )


def differential_loss(removed: Mapping[str, int], before: Mapping[str, int], *, where: str = "") -> IntegrityCheck:
    """Test that a filter removed the same share of every arm.

    >>> found = differential_loss({"IAP": 1052, "BAU": 1000}, {"IAP": 5858, "BAU": 6285})
    >>> f"{found.p_value:.4f}", found.counts
    ('0.0026', 'IAP 18.0% of 5,858, BAU 15.9% of 6,285')
    """
    arms = list(before)
    gone, there = (np.array([each[arm] for arm in arms], dtype=float) for each in (removed, before))
    statistic, df, p, test = independence(np.stack([gone, there - gone]))
    shares = [f"{arm} {100 * g / max(n, 1):.1f}% of {n:,.0f}" for arm, g, n in zip(arms, gone, there, strict=True)]
    return IntegrityCheck(
        check="differential_loss",
        where=where,
        basis="assigned",
        counts=", ".join(shares),
        expected=f"{100 * gone.sum() / max(there.sum(), 1):.1f}% of each",
        n_smallest=int(there.min()),
        statistic=statistic,
        df=df,
        p_value=p,
        p_holm=p,
        test=test,
    )


def in_words(arms: Sequence[str], counts: np.ndarray) -> str:
    """Counts by arm, as in "IAP 5,720, BAU 6,423"."""
    return ", ".join(f"{arm} {n:,.0f}" for arm, n in zip(arms, counts, strict=True))


def _share_as_large(drawn: np.ndarray, statistic: float) -> float:
    return float((1 + (drawn >= statistic * (1 - 1e-9)).sum()) / (1 + drawn.size))


def independence(table: np.ndarray) -> tuple[float, int, float, str]:
    """Pearson's chi-square of a table, its df, p and how p was found; NaN if nothing is left to test.

    Empty rows and columns are left out. Where few are expected in a cell p is Fisher's (two by two),
    or from tables with the same margins, drawn at random.
    """
    from scipy.special import chdtrc
    from scipy.stats import fisher_exact, random_table

    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    if df < 1:
        return float("nan"), 0, float("nan"), ""
    margins = table.sum(axis=1), table.sum(axis=0)
    expected = np.outer(*margins) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    if expected.min() >= SMALL_EXPECTED:
        return statistic, df, float(chdtrc(df, statistic)), "chi-square"
    if table.shape == (2, 2):
        return statistic, df, float(fisher_exact(table.astype(int)).pvalue), "fisher exact"
    whole = [margin.astype(int) for margin in margins]
    drawn = random_table(*whole, seed=SEED).rvs(SIMULATED // 10)
    p = _share_as_large(((drawn - expected) ** 2 / expected).sum(axis=(1, 2)), statistic)
    return statistic, df, p, "simulated"
