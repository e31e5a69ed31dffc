"""Limits and p-values against tables of the normal distribution, and rules worked on paper."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact.estimators.confidence import adjusted_p, critical_value, newcombe_limits, two_sided_p, wald_limits
from trialimpact.protocol import TrialProtocol


def protocol(**analysis: object) -> TrialProtocol:
    return SmallTrial(pd.DataFrame(), pd.DataFrame(), analysis=analysis).protocol


@pytest.mark.parametrize(("level", "z"), [(0.9, 1.6449), (0.95, 1.96), (0.99, 2.5758)])
def test_limits_are_of_the_level_of_the_protocol(level: float, z: float) -> None:
    low, high = wald_limits(protocol(conf_level=level), np.array([1.0]), np.array([2.0]))
    assert (low[0], high[0]) == pytest.approx((1 - 2 * z, 1 + 2 * z), abs=1e-4)
    assert two_sided_p(np.array([-z, z]), np.ones(2)) == pytest.approx([1 - level] * 2, abs=1e-4)
    assert critical_value(protocol(conf_level=level, critical_value=2.0)) == 2.0


def test_no_error_has_no_p() -> None:
    assert np.isnan(two_sided_p(np.array([0.0, 1.0]), np.zeros(2))).all()


def test_newcombes_example() -> None:
    """56 of 70 against 48 of 80: Newcombe (1998), table II, method 10."""
    numbers = (np.array([56, 0, 1]), np.array([48, 0, 0])), (np.array([70, 0, 3]), np.array([80, 4, 0]))
    low, high = newcombe_limits(protocol(), *numbers)
    assert (low[0], high[0]) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert np.isnan(low[1:]).all()
    assert np.isnan(high[1:]).all()


def test_p_values_are_adjusted_for_those_that_are_known() -> None:
    p = np.array([0.03, np.nan, 0.01, 0.02])
    assert adjusted_p(p)[[0, 2, 3]] == pytest.approx([0.04, 0.03, 0.04])
    assert adjusted_p(p, "fdr_bh")[[0, 2, 3]] == pytest.approx([0.03, 0.03, 0.03])
    assert np.isnan(adjusted_p(p)[1])
    assert np.isnan(adjusted_p(p[1:2])).all()
