"""The ledger is the moments' estimate, claimant by claimant: same numbers, any rule, clusters too."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from strategies import small_trials
from trials import SmallTrial

from trialimpact import Contrast, estimate_covariance, estimate_cumulative, estimate_daily
from trialimpact.estimators.ledger import days_ledger, joined, mean_ledger
from trialimpact.estimators.target import day_weights

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

POOLED = Contrast(name="pooled", treatment=("T", "U"), control=("C",))
CLOSE = {"rtol": 1e-9, "atol": 1e-9, "equal_nan": True}


@pytest.mark.parametrize("clusters", [None, "team"])
@pytest.mark.parametrize("rule", ["cr0", "hc2", "cr1"])
@given(trial=small_trials(min_people=6))
@settings(max_examples=25)
def test_the_ledger_gives_the_estimates_of_the_moments(trial: SmallTrial, rule: str, clusters: str | None) -> None:
    trial.analysis = {"small_sample": rule} | ({"clusters": clusters} if clusters else {})
    panel, moments = trial.panel(), trial.moments()
    for outcome in ("a", "a_not_b"):
        cumulative = estimate_cumulative(moments, outcome, POOLED)
        daily = estimate_daily(moments, outcome, POOLED)
        for horizon in (1, 5, trial.horizon):
            entry = days_ledger(panel, panel.outcome(outcome), POOLED, day_weights(panel.protocol, 0, horizon))
            effect = cumulative.effect(horizon)
            np.testing.assert_allclose(entry.estimate, effect.estimate, **CLOSE)
            known = np.isfinite(effect.estimate)
            np.testing.assert_allclose(
                entry.std_error if known else np.nan, effect.std_error if known else np.nan, **CLOSE
            )
            assert (entry.n_treatment.tolist(), entry.n_control.tolist()) == ([effect.n_treatment], [effect.n_control])
            np.testing.assert_allclose(
                (entry.mean_treatment, entry.mean_control) if known else np.nan,
                ([effect.mean_treatment], [effect.mean_control]) if known else np.nan,
                **CLOSE,
            )
        effect = daily.effect(-2)
        entry = days_ledger(panel, panel.outcome(outcome), POOLED, day_weights(panel.protocol, -2, -1))
        np.testing.assert_allclose(entry.estimate, effect.estimate, **CLOSE)
        if np.isfinite(effect.estimate):
            np.testing.assert_allclose(entry.std_error, effect.std_error, **CLOSE)


@given(trial=small_trials(min_people=8))
@settings(max_examples=20)
def test_joined_ledgers_have_the_covariance_of_the_days(trial: SmallTrial) -> None:
    panel, found = trial.panel(), estimate_covariance(trial.moments(), "a", POOLED)
    days = (0, 3, 7)
    ledger = joined(
        [days_ledger(panel, panel.outcome("a"), POOLED, day_weights(panel.protocol, day, day + 1)) for day in days]
    )
    expected = found.covariance[np.ix_(days, days)]
    if np.isfinite(expected).all():
        np.testing.assert_allclose(ledger.covariance, expected, atol=1e-12)
        apart, variance = ledger.of(np.array([[1.0, -1.0, 0.0]]))
        assert apart[0] == pytest.approx(found.estimate[0] - found.estimate[3])
        assert variance[0, 0] == pytest.approx(expected[0, 0] + expected[1, 1] - 2 * expected[0, 1], abs=1e-12)


@given(trial=small_trials(min_people=8))
@settings(max_examples=20)
def test_a_difference_in_means_is_welchs(trial: SmallTrial) -> None:
    trial.analysis = {"small_sample": "hc2"}
    panel = trial.panel()
    values = np.arange(len(panel), dtype=float) ** 2
    sides = panel.on_side(("T", "U")), panel.on_side(("C",))
    entry = mean_ledger(panel, values, POOLED)
    one, other = (values[side] for side in sides)
    assert entry.estimate[0] == pytest.approx(one.mean() - other.mean())
    if min(one.size, other.size) > 1:
        assert entry.std_error[0] ** 2 == pytest.approx(one.var(ddof=1) / one.size + other.var(ddof=1) / other.size)
