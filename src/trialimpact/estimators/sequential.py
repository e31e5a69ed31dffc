"""Counts against a design, looked at as often as one likes: p-values that hold at any time (M10)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trialimpact.estimators.contrast import Floats
from trialimpact.intervals import Integers

SPREADS = (10.0, 100.0, 1_000.0)
"""How near the design the alternatives lie: parameters of the Dirichlet distributions that are mixed."""


def anytime_p(counts: Integers, ratio: Sequence[float]) -> Floats:
    """p-values of counts that grow: at whatever look one stops, each is below a with probability at most a.

    The estimand is whether each person who comes falls into category i with the designed probability, whatever came
    before. Bayes factors of Dirichlet alternatives around the design are averaged; under the design their average is a
    martingale that starts at 1, so (Ville) it ever reaches 1/a with probability at most a. The p-value is one over the
    highest so far.

    Parameters
    ----------
    counts : array, shape (looks, categories)
        Cumulative: each row holds the row above.
    ratio : sequence of float
        Designed parts of the categories.

    Returns
    -------
    array, shape (looks,)

    Notes
    -----
    Source: Lindon and Malek (2022), anytime-valid inference for multinomial count data; methods page, M10.
    Cost: O(looks × categories).

    Examples
    --------
    >>> anytime_p(np.array([[5, 5], [48, 52], [400, 600]]), [1, 1]).round(3).tolist()
    [1.0, 1.0, 0.0]
    """
    from scipy.special import gammaln, logsumexp

    theta = np.asarray(ratio, dtype=float) / np.sum(ratio)
    n = counts.sum(axis=1)
    logs = []
    for spread in SPREADS:
        prior = spread * theta
        of_counts = (gammaln(prior + counts) - gammaln(prior)).sum(axis=1)
        logs.append(gammaln(spread) - gammaln(spread + n) + of_counts - counts @ np.log(theta))
    evidence = logsumexp(logs, axis=0) - np.log(len(SPREADS))
    return np.asarray(np.exp(-np.maximum.accumulate(np.maximum(evidence, 0.0))))
