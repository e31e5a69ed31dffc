"""`small_sample`: the one table of corrections, used by every standard error.

========  ====================  ===================================  ====================
          daily                 cumulative, covariance               clusters
========  ====================  ===================================  ====================
``cr0``   p(1-p)/n              1                                    1
``hc2``   p(1-p)/(n-1)          m/(m-1) per arm, m = claimants with  G/(G-1)
                                any follow-up in the range
``cr1``   G/(G-1)·(N-1)/(N-K) on all: G units, N observed claimant-days of the row's own range,
          K = parameters of the saturated regression (2 a day and stratum)
========  ====================  ===================================  ====================
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from trialimpact.estimators.contrast import Floats
from trialimpact.protocol import SmallSample


def side_factor(rule: SmallSample, n_claimants: ArrayLike) -> Floats:
    """What multiplies the variance of one arm (of one stratum); NaN where it has one claimant."""
    claimants = np.asarray(n_claimants, dtype=float)
    if rule != "hc2":
        return np.ones_like(claimants)
    return _ratio(claimants, claimants - 1)


def cluster_factor(rule: SmallSample, n_clusters: ArrayLike) -> Floats:
    """What multiplies a variance made of clusters, before `whole_factor`."""
    clusters = np.asarray(n_clusters, dtype=float)
    return _ratio(clusters, clusters - 1) if rule == "hc2" else np.ones_like(clusters)


def whole_factor(rule: SmallSample, units: ArrayLike, observations: ArrayLike, parameters: ArrayLike) -> Floats:
    """What multiplies the whole variance, to match regression software (`cr1`)."""
    groups, rows, terms = (np.asarray(each, dtype=float) for each in (units, observations, parameters))
    if rule != "cr1":
        return np.ones_like(groups)
    return _ratio(groups, groups - 1) * _ratio(rows - 1, rows - terms)


def _ratio(above: Floats, below: Floats) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(below > 0, above / below, np.nan)
