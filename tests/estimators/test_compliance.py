"""Compliance: the Wald estimator, its delta method against IV software, and every kind of set."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import DesignError, estimate_compliance, estimate_cumulative
from trialimpact.estimators.compliance import ConfidenceSet, _anderson_rubin
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def full_follow_up(n: int = 80) -> tuple[SmallTrial, np.ndarray]:
    """Assigned in turn; a few cross over; one spell from day 0."""
    rng = np.random.default_rng(2)
    arm = np.array(["T", "C"] * (n // 2))
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": 0})
    received = (arm == "T") ^ (rng.random(n) < 0.2)
    ends = np.clip(rng.integers(1, 12, n) - 2 * received, 1, 12)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    return SmallTrial(people, spells), received


def test_cace_and_its_error_are_two_stage_least_squares() -> None:
    trial, received = full_follow_up()
    found = estimate_compliance(trial.panel(), "a", "t", received=received)
    y, z = trial.spells["end"].to_numpy(float), (trial.people["arm"] == "T").to_numpy(float)
    design, instruments = (np.column_stack([np.ones(len(y)), each]) for each in (received.astype(float), z))
    beta = np.linalg.solve(instruments.T @ design, instruments.T @ y)
    bread = np.linalg.inv(instruments.T @ design)
    meat = (instruments * (y - design @ beta)[:, None] ** 2).T @ instruments
    hc0 = np.sqrt((bread @ meat @ bread.T)[1, 1])
    cace, error = found.cace
    assert cace == pytest.approx(beta[1])
    assert error == pytest.approx(hc0)  # small_sample is cr0: exactly the robust IV error
    frame = found.to_frame().set_index("estimand")
    assert frame.loc["itt", "estimate"] == pytest.approx(y[z == 1].mean() - y[z == 0].mean())
    assert frame.loc["receipt", "estimate"] == pytest.approx(received[z == 1].mean() - received[z == 0].mean())
    shares = [received[z == side].mean() for side in (1, 0)]
    variance = sum(share * (1 - share) / (z == side).sum() for share, side in zip(shares, (1, 0), strict=True))
    assert frame.loc["receipt", "std_error"] == pytest.approx(np.sqrt(variance))
    assert frame.loc["as_treated", "estimate"] == pytest.approx(y[received].mean() - y[~received].mean())
    assert "biased" in frame.loc["as_treated", "says"]


def test_the_anderson_rubin_set_is_where_the_test_does_not_reject() -> None:
    trial, received = full_follow_up()
    found = estimate_compliance(trial.panel(), "a", "t", received=received)
    kept, z = found.anderson_rubin, 1.959963985
    for value in np.linspace(-12, 12, 241):
        effect = found.ledger.estimate @ [1, -value]
        error = np.sqrt(((found.ledger.influence @ [1, -value]) ** 2).sum())
        assert (value in kept) == (abs(effect) <= z * error), value


@pytest.mark.parametrize(
    ("estimate", "variances", "kind"),
    [
        ((-8.0, 0.8), (4.0, 1e-4), "interval"),
        ((-8.0, 0.01), (1.0, 1e-4), "two rays"),
        ((-1.0, 0.01), (4.0, 1e-2), "everything"),
        ((-1.0, 0.0), (4.0, 0.0), "everything"),
        ((-1.0, 0.0), (0.4, 0.0), "everything"),
        ((-9.0, 0.0), (4.0, 0.0), "empty"),
        ((np.nan, 0.5), (1.0, 1.0), "not known"),
        ((0.1, 0.3), (0.0, 0.0), "interval"),
    ],
)
def test_kinds_of_set(estimate: tuple[float, float], variances: tuple[float, float], kind: str) -> None:
    covariance = np.diag(variances)
    kept = _anderson_rubin(np.array(estimate), covariance, 1.96)
    assert kept.kind == kind
    for value in (-1e6, -900.0, -20.0, -10.0, 0.0, 3.0, 1e6):
        effect = estimate[0] - value * estimate[1]
        error = np.sqrt(variances[0] + value**2 * variances[1])
        if np.isfinite(effect):
            assert (value in kept) == (abs(effect) <= 1.96 * error), value


@pytest.mark.parametrize(("effect", "low", "high"), [(0.5, 0.25, np.inf), (-0.5, -np.inf, -0.25)])
def test_where_receipt_is_at_its_limit_the_set_is_a_ray(effect: float, low: float, high: float) -> None:
    """|effect - b| <= 2·0.5·|b|: from the middle of the effect outwards."""
    kept = _anderson_rubin(np.array([effect, 1.0]), np.diag([0.0, 0.25]), 2.0)
    assert (kept.kind, kept.low, kept.high) == ("interval", low, high)


def test_receipt_is_of_the_same_days_and_people_as_the_outcome() -> None:
    """Early joiners comply and late ones hardly; late ones are followed for half of the horizon only."""
    n = 4_000
    rng = np.random.default_rng(5)
    late = np.arange(n) % 2 == 1
    arm = np.where(rng.permutation(n) % 2 == 0, "T", "C")
    received = (arm == "T") & (rng.random(n) < np.where(late, 0.2, 0.9))
    index = np.where(late, 6, 0)
    ends = np.where(received, 6, 12)  # receipt takes six days off, for whoever is followed to see it
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": index})
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": index, "end": index + ends})
    panel = SmallTrial(people, spells, {"a": (-50, 12), "b": (-50, 12)}).panel()
    found = estimate_compliance(panel, "a", "t", received=received)
    share = [0.0] * 12
    for day in range(12):
        here = ~late if day >= 6 else np.ones(n, dtype=bool)
        share[day] = received[here & (arm == "T")].mean()
    assert found.ledger.estimate[1] == pytest.approx(np.mean(share))


def test_nobody_crosses_over_cace_is_itt_and_days_or_shares() -> None:
    trial, _ = full_follow_up()
    received = (trial.people["arm"] == "T").to_numpy()
    days = estimate_compliance(trial.panel(), "a", "t", received=received)
    assert days.cace[0] == pytest.approx(days.ledger.estimate[0])
    assert days.cace[1] == pytest.approx(estimate_cumulative(trial.moments(), "a", "t").effect(12).std_error)
    share = estimate_compliance(trial.panel(), "a", "t", day=3, received=received)
    assert share.to_frame()["day"].tolist() == [3] * 5
    on = trial.spells["end"].to_numpy() > 3
    assert share.cace[0] == pytest.approx(on[received].mean() - on[~received].mean())


def test_markers_tell_who_received_and_without_them_it_is_an_error() -> None:
    panel = simulate_trial(500, seed=3).panel()
    found = estimate_compliance(panel, "on_benefit")
    assert 0.9 < found.ledger.estimate[1] < 1
    trial, _ = full_follow_up()
    with pytest.raises(DesignError, match="there are no markers"):
        estimate_compliance(trial.panel(), "a", "t")


def test_membership_of_a_set() -> None:
    rays = ConfidenceSet(kind="two rays", low=-5.0, high=2.0)
    assert -6.0 in rays and 3.0 in rays and 0.0 not in rays


def test_receipt_that_is_no_truth_value_a_claimant() -> None:
    panel = simulate_trial(200, seed=1).panel()
    for wrong in (np.ones(5, dtype=bool), np.arange(len(panel)), np.full(len(panel), np.nan)):
        with pytest.raises(DesignError, match=r"received is of .* values, not a truth value a claimant of the panel"):
            estimate_compliance(panel, "on_benefit", received=wrong)
    with pytest.raises(DesignError, match=r"at is a list, not Integral\.\n  remedy: give one day"):
        estimate_cumulative(simulate_trial(200, seed=1).moments(), "on_benefit").effect([91])
