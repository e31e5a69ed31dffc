"""The covariance of all 273 daily differences in other ways: regressions clustered on claimants, and BLAS.

The regression is on a row for each claimant and day followed: on benefit on days and days × arm, no constant. Its
covariance without small-sample factors is cr0. A matrix of 546 columns for every claimant-day limits its size.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from contenders import dense_blocks
from generate import Arrays
from tables import Answer


def pyfixest(arrays: Arrays) -> Answer:
    """Days absorbed, days × arm estimated, errors clustered on claimants."""
    from pyfixest import feols, ssc

    fit = feols(
        "on ~ i(day, arm) | day", claimant_days(arrays), vcov={"CRV1": "row"}, ssc=ssc(k_adj=False, G_adj=False)
    )
    return {"covariance": np.asarray(fit._vcov)}


def statsmodels(arrays: Arrays) -> Answer:
    """A saturated regression with its dummies written out, errors clustered on claimants."""
    import statsmodels.api as sm

    days = claimant_days(arrays)
    columns = np.zeros((len(days), 2 * arrays.horizon))
    everyone = np.arange(len(days))
    columns[everyone, days["day"]] = 1
    columns[everyone, arrays.horizon + days["day"]] = days["arm"]
    clusters = {"groups": days["row"].to_numpy(), "use_correction": False}
    fit = sm.OLS(days["on"].to_numpy(), columns).fit(method="qr", cov_type="cluster", cov_kwds=clusters)
    return {"covariance": fit.cov_params()[arrays.horizon :, arrays.horizon :]}


def blas(arrays: Arrays) -> Answer:
    """Products of the days of a dense matrix in float32, a block of claimants at a time; the sums are exact."""
    days = arrays.horizon
    both = np.zeros((2, days, days))
    by_length = np.zeros((2, days, days + 2))
    n_by_length = np.zeros((2, days + 2))
    for arm, claimants, states in dense_blocks(arrays, 0):
        on = states[:days].astype(np.float32)
        lengths, which = np.unique(arrays.follow_up[claimants], return_inverse=True)
        both[arm] += on @ on.T
        by_length[arm][:, lengths] += on @ np.eye(lengths.size, dtype=np.float32)[which]
        n_by_length[arm][lengths] += np.bincount(which)
    # Of those on benefit on one day, the ones followed on another: whose follow-up is longer.
    on_followed = by_length[:, :, ::-1].cumsum(axis=2)[:, :, -2:0:-1]
    followed = n_by_length[:, ::-1].cumsum(axis=1)[:, -2:0:-1]
    share = np.diagonal(both, axis1=1, axis2=2) / followed
    upper = np.triu((both - share[:, None, :] * on_followed) / (followed[:, :, None] * followed[:, None, :])).sum(
        axis=0
    )
    return {"covariance": upper + np.triu(upper, 1).T}


def claimant_days(arrays: Arrays) -> Any:
    """A frame with a row for each claimant and day followed: row, arm, day, on."""
    import pandas as pd

    parts = []
    for arm, claimants, states in dense_blocks(arrays, 0):
        day, column = np.nonzero(np.arange(arrays.horizon)[:, None] < arrays.follow_up[claimants])
        parts.append(
            pd.DataFrame({"row": claimants[column], "arm": arm, "day": day, "on": states[day, column].astype(float)})
        )
    return pd.concat(parts, ignore_index=True)
