"""One test that several estimates are all zero, given their covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trialimpact.estimators.contrast import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class WaldTest:
    """Statistic, degrees of freedom (the rank of the covariance), p-value."""

    statistic: float
    df: int
    p_value: float


NOTHING_TO_TEST = WaldTest(statistic=float("nan"), df=0, p_value=float("nan"))


def wald_test(estimate: Floats, covariance: Floats, n_units: int | None = None) -> WaldTest:
    """Wald test that no estimate is other than zero; linear dependence lowers its degrees of freedom.

    With `n_units` (claimants or clusters of two samples) the p-value is that of Hotelling's F with
    n_units - df - 1 degrees of freedom below, which holds its size where df is not small beside
    n_units; without, chi-square. What has no variance, or is not known, is left out.

    >>> wald_test(np.array([1.96, 0.0]), np.eye(2)).df
    2
    """
    from scipy.special import chdtrc, fdtrc

    scale = np.sqrt(np.diag(covariance))
    moving = (scale > 0) & np.isfinite(estimate)
    if not moving.any():
        return NOTHING_TO_TEST
    correlation = covariance[np.ix_(moving, moving)] / np.outer(scale[moving], scale[moving])
    z = estimate[moving] / scale[moving]
    df = int(np.linalg.matrix_rank(correlation, tol=1e-10 * z.size, hermitian=True))
    statistic = float(z @ np.linalg.pinv(correlation, hermitian=True, rcond=1e-10) @ z)
    if n_units is None:
        return WaldTest(statistic=statistic, df=df, p_value=float(chdtrc(df, statistic)))
    below = n_units - df - 1
    if below < 1:
        return WaldTest(statistic=statistic, df=df, p_value=float("nan"))
    return WaldTest(
        statistic=statistic, df=df, p_value=float(fdtrc(df, below, statistic * below / (df * (n_units - 2))))
    )
