"""Pre-trial tests against the ledger, scipy and days that were made to differ."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from scipy.stats import chi2, f, ttest_ind
from strategies import small_trials
from trials import SmallTrial

from trialimpact import DesignError, estimate_pretrend
from trialimpact.estimators.ledger import days_ledger
from trialimpact.estimators.pretrend import _periods
from trialimpact.estimators.target import day_weights
from trialimpact.estimators.wald import NOTHING_TO_TEST, wald_test
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@given(trial=small_trials(min_people=8))
@settings(max_examples=25)
def test_the_cumulative_difference_is_that_of_the_ledger(trial: SmallTrial) -> None:
    panel = trial.panel()
    try:
        found = estimate_pretrend(trial.moments(), "a", "t")
    except DesignError:
        return
    first = int(found.band.effects.at[0])
    assert found.band.effects.at.tolist() == list(range(first, 0))
    entry = days_ledger(panel, panel.outcome("a"), panel.protocol.contrast("t"), day_weights(panel.protocol, first, 0))
    assert found.days == pytest.approx(entry.estimate[0], abs=1e-12)
    if first == -trial.pre_days:
        assert found.std_error == pytest.approx(entry.std_error[0], abs=1e-7)


def test_with_clusters_too() -> None:
    from trialimpact import build_panel, build_sample, count_moments, load_records, merge_spells

    trial = simulate_trial(600, seed=2)
    protocol = trial.protocol.with_analysis(clusters="office")
    records = load_records(protocol, trial.tables)
    panel = build_panel(build_sample(records), merge_spells(records))
    found = estimate_pretrend(count_moments(panel), "on_benefit")
    entry = days_ledger(
        panel,
        panel.outcome("on_benefit"),
        protocol.contrasts[0],
        day_weights(protocol, int(found.band.effects.at[0]), 0),
    )
    assert found.std_error == pytest.approx(entry.std_error[0])


def test_periods_are_quarters_back_from_day_0_and_the_rest_joins_the_earliest() -> None:
    weights = _periods(200)
    assert weights.shape == (2, 200)
    assert (weights[0] > 0).nonzero()[0].tolist() == list(range(109, 200))
    assert (weights[1] > 0).nonzero()[0].tolist() == list(range(109))
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert _periods(30).shape == (1, 30)


def test_a_difference_before_the_trial_is_found() -> None:
    trial = simulate_trial(2_000, seed=4)
    benefit = trial.tables["benefit"].copy()
    digit = benefit["claimant_id"].str[7].astype(int)
    before = benefit["start_date"] < "2014-12-01"
    moved = trial.tables | {"benefit": benefit[~((digit >= 5) & before)]}
    from dataclasses import replace

    found = estimate_pretrend(replace(trial, tables=moved).moments(), "on_benefit")
    assert max(found.band.sup_p_value, found.wald.p_value, found.p_value) < 0.001
    assert found.days < -20
    frame = found.to_frame()
    assert frame["test"].tolist() == ["sup_t", "wald", "cumulative"]
    assert frame["df"].iloc[1] == 8


def test_no_pre_period_is_an_error_with_a_remedy() -> None:
    trial = simulate_trial(200, seed=1)
    from trialimpact import build_panel, build_sample, count_moments, load_records, merge_spells

    protocol = trial.protocol.with_analysis(pre_days=0)
    records = load_records(protocol, trial.tables)
    moments = count_moments(build_panel(build_sample(records), merge_spells(records)))
    with pytest.raises(DesignError, match=r"set analysis\.pre_days"):
        estimate_pretrend(moments, "on_benefit")


def test_wald_is_chi_square_or_hotellings_f() -> None:
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(2, 30, 3))
    estimate = x.mean(axis=0) - y.mean(axis=0)
    covariance = (np.cov(x, rowvar=False) + np.cov(y, rowvar=False)) / 30
    test = wald_test(estimate, covariance)
    statistic = estimate @ np.linalg.solve(covariance, estimate)
    assert test.statistic == pytest.approx(statistic)
    assert test.p_value == pytest.approx(chi2.sf(statistic, 3))
    hotelling = wald_test(estimate, covariance, 60)
    assert hotelling.p_value == pytest.approx(f.sf(statistic * (60 - 3 - 1) / (3 * 58), 3, 56))
    # One estimate: Hotelling's F is the square of the t-test.
    one = wald_test(estimate[:1], covariance[:1, :1], 60)
    assert one.p_value == pytest.approx(ttest_ind(x[:, 0], y[:, 0]).pvalue)


def test_wald_counts_dependent_estimates_once_and_leaves_out_what_is_not_known() -> None:
    doubled = np.array([[1.0, 2.0], [2.0, 4.0]])
    assert wald_test(np.array([1.0, 2.0]), doubled).df == 1
    assert wald_test(np.array([1.0, 2.0]), doubled).statistic == pytest.approx(1.0)
    assert wald_test(np.array([np.nan, 1.0]), np.diag([np.nan, 1.0])).df == 1
    assert wald_test(np.array([1.0]), np.zeros((1, 1))) is NOTHING_TO_TEST
