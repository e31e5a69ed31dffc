"""Bands: never narrower than pointwise, the known quantile where it is known, and days as a result."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import norm
from strategies import small_trials
from trials import SmallTrial

from trialimpact import DesignError, estimate_bands, estimate_cumulative, estimate_daily
from trialimpact.estimators.bands import DRAWS, Band, Run, band_around, largest_draws
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module")
def moments():
    return simulate_trial(800, seed=5).moments()


@given(trial=small_trials(min_people=8))
@settings(max_examples=10)
def test_a_band_holds_its_pointwise_interval(trial: SmallTrial) -> None:
    bands = estimate_bands(trial.moments(), "a", "t")
    for band in (bands.daily, bands.cumulative):
        known = np.isfinite(band.effects.std_error)
        assert (band.low[known] <= band.effects.conf_low[known] + 1e-12).all()
        assert (band.high[known] >= band.effects.conf_high[known] - 1e-12).all()


def test_independent_days_have_sidaks_quantile_and_equal_days_the_pointwise_one(moments) -> None:
    protocol = moments.protocol
    for n_days, expected in ((5, norm.ppf((1 + 0.95 ** (1 / 5)) / 2)), (40, norm.ppf((1 + 0.95 ** (1 / 40)) / 2))):
        maxima, _ = largest_draws(np.diag(np.linspace(1, 3, n_days)), 0, protocol)
        assert np.quantile(maxima, 0.95) == pytest.approx(expected, abs=0.05)
    maxima, cumulative = largest_draws(np.ones((9, 9)), 0, protocol)
    assert np.quantile(maxima, 0.95) == pytest.approx(1.96, abs=0.05)
    np.testing.assert_allclose(maxima, cumulative, rtol=1e-5, atol=2e-5)


def test_days_without_variance_take_no_part(moments) -> None:
    covariance = np.zeros((4, 4))
    covariance[2, 2] = 2.0
    maxima, cumulative = largest_draws(covariance, 0, moments.protocol)
    assert maxima.size == cumulative.size == DRAWS
    assert np.quantile(maxima, 0.95) == pytest.approx(1.96, abs=0.05)
    assert largest_draws(np.zeros((3, 3)), 0, moments.protocol)[0].size == 0
    bands = estimate_bands(moments, "on_benefit")
    assert bands.daily.low[0] == bands.daily.high[0] == 0.0  # everyone is on benefit on day 0


def test_the_same_seed_gives_the_same_band_and_another_seed_nearly_the_same(moments) -> None:
    one, again = (estimate_bands(moments, "on_benefit").daily.critical for _ in range(2))
    assert one == again
    from dataclasses import replace

    other = replace(moments, protocol=moments.protocol.with_analysis(seed=77))
    assert estimate_bands(other, "on_benefit").daily.critical == pytest.approx(one, abs=0.06)


def test_a_stated_range_is_narrower_and_must_be_within_the_horizon(moments) -> None:
    whole, part = estimate_bands(moments, "on_benefit"), estimate_bands(moments, "on_benefit", days=(100, 120))
    assert part.daily.critical < whole.daily.critical
    assert part.daily.effects.at.tolist() == list(range(100, 121))
    assert part.cumulative.effects.at.tolist() == list(range(101, 122))
    for days in ((-1, 5), (0, 273), (9, 3)):
        with pytest.raises(DesignError, match="choose days from 0 to 272"):
            estimate_bands(moments, "on_benefit", days=days)


def test_runs_are_read_off_the_limits(moments) -> None:
    effects = estimate_daily(moments, "on_benefit").between(0, 6)
    low = np.array([-1.0, 0.1, 0.2, -1.0, -3.0, -2.0, 0.3])
    band = Band(effects=effects, critical=3.0, low=low, high=low + 1.5, p_value=np.ones(7))
    assert band.runs() == (
        Run(first=1, last=2, above=True),
        Run(first=4, last=5, above=False),
        Run(first=6, last=6, above=True),
    )


def test_rows_are_tidy_and_p_values_are_of_the_whole_range(moments) -> None:
    bands = estimate_bands(moments, "on_benefit")
    frame = bands.to_frame()
    assert set(frame["interval"]) == {"band"}
    assert list(frame.columns) == list(estimate_daily(moments, "on_benefit").to_frame().columns)
    pointwise = estimate_cumulative(moments, "on_benefit").p_value
    known = np.isfinite(pointwise)
    assert (bands.cumulative.p_value[known] >= pointwise[known] - 0.02).all()
    excluded = (frame["conf_low"] > 0) | (frame["conf_high"] < 0)
    assert (frame.loc[excluded, "p_value"] <= 0.0501).all()


def test_no_draws_no_widening(moments) -> None:
    band = band_around(estimate_daily(moments, "on_benefit").between(0, 0), np.empty(0))
    assert band.critical == pytest.approx(norm.ppf(0.975))
