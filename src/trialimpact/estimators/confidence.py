"""Intervals and p-values: Wald, Newcombe, accumulated; p-values adjusted for their number."""

from __future__ import annotations

import importlib
from typing import Literal

import numpy as np

from trialimpact.estimators.contrast import Floats
from trialimpact.intervals import Integers
from trialimpact.protocol import TrialProtocol


def critical_value(protocol: TrialProtocol) -> float:
    """The normal quantile of the protocol's level, or the value that it sets."""
    given = protocol.analysis.critical_value
    if given is not None:
        return given
    from scipy.special import ndtri

    return float(ndtri(0.5 + protocol.analysis.conf_level / 2))


def wald_limits(protocol: TrialProtocol, estimate: Floats, std_error: Floats) -> tuple[Floats, Floats]:
    """Estimate ± z · standard error."""
    half = critical_value(protocol) * std_error
    return estimate - half, estimate + half


def newcombe_limits(
    protocol: TrialProtocol, on: tuple[Integers, Integers], followed: tuple[Integers, Integers]
) -> tuple[Floats, Floats]:
    """Newcombe's hybrid score limits for treatment minus control, by statsmodels; NaN where n = 0.

    The protocol's `conf_level` is used, not its `critical_value`.
    """
    proportion = importlib.import_module("statsmodels.stats.proportion")
    some = (followed[0] > 0) & (followed[1] > 0)
    low, high = np.full(some.shape, np.nan), np.full(some.shape, np.nan)
    low[some], high[some] = proportion.confint_proportions_2indep(
        on[0][some],
        followed[0][some],
        on[1][some],
        followed[1][some],
        method="newcomb",
        compare="diff",
        alpha=1 - protocol.analysis.conf_level,
    )
    return low, high


def two_sided_p(estimate: Floats, std_error: Floats) -> Floats:
    """p-value of no difference, from the normal distribution; NaN where the standard error is 0."""
    from scipy.special import ndtr

    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(std_error > 0, np.abs(estimate) / std_error, np.nan)
    return np.asarray(2 * ndtr(-z))


def adjusted_p(p_values: Floats, method: Literal["holm", "fdr_bh"] = "holm") -> Floats:
    """p-values adjusted for their number by Holm, or by Benjamini and Hochberg; by statsmodels.

    What is not known stays so and does not count.
    """
    multitest = importlib.import_module("statsmodels.stats.multitest")
    known = ~np.isnan(p_values)
    adjusted = np.full(p_values.shape, np.nan)
    if known.any():
        adjusted[known] = multitest.multipletests(p_values[known], method=method)[1]
    return adjusted
