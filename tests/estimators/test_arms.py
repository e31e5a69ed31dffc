"""Several arms judged together: Dunnett's values, the shared control, and rejections under no effect."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import dunnett
from trials import SmallTrial

import trialimpact as ti
from trialimpact import count_moments, estimate_arms, estimate_cumulative
from trialimpact.estimators.confidence import critical_value
from trialimpact.panel import Panel

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def trial(seed: int, n: int, chances: tuple[float, float, float] = (0.1, 0.1, 0.1), **more: object) -> Panel:
    """Three arms of one spell each, which for some began before day 0; everybody followed."""
    rng = np.random.default_rng(seed)
    arm = np.array(["T", "U", "C"])[rng.permutation(n) % 3]
    chance = dict(zip(("T", "U", "C"), chances, strict=True))
    ends = np.minimum(rng.geometric([chance[each] for each in arm]), 40)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": 0})
    spells = pd.DataFrame(
        {"claimant_id": people["claimant_id"], "kind": "a", "start": -rng.integers(3, size=n), "end": ends}
    )
    return SmallTrial(people, spells, arms=("T", "U", "C"), horizon=28, more=more).panel()


def test_each_estimate_is_its_own_and_the_shared_control_correlates_them() -> None:
    panel = trial(1, 300, (0.16, 0.1, 0.1))
    found, moments = estimate_arms(panel, "a"), count_moments(panel)
    assert [each.name for each in panel.protocol.contrasts] == ["t", "u"]
    for place, name in enumerate(("t", "u")):
        effect = estimate_cumulative(moments, "a", name).effect(28)
        assert found.ledger.estimate[place] == pytest.approx(effect.estimate)
        assert found.ledger.std_error[place] == pytest.approx(effect.std_error)
    covariance = found.ledger.covariance
    days = pd.Series(panel.outcomes["a"].states(np.arange(28))[1].sum(axis=1))
    control = days[panel.on_side(("C",))]
    assert covariance[0, 1] == pytest.approx(control.var(ddof=0) / len(control))


def test_it_is_of_the_outcome_that_was_asked_for() -> None:
    panel = trial(1, 90)
    assert estimate_arms(panel).outcome == "a"
    other = estimate_arms(panel, "a_not_b")
    assert other.outcome == other.to_frame()["outcome"].unique().item() == "a_not_b"


def test_the_joint_limits_are_never_narrower_than_each_contrasts_own() -> None:
    """Of a contrast and its mirror the quantile of draws falls now below 1.96 and now above; the limits do not."""
    there_and_back = [{"name": one.lower(), "treatment": [one], "control": [other]} for one, other in ("TC", "CT")]
    panel = trial(4, 90, contrasts=there_and_back)
    drawn = [replace(panel, protocol=panel.protocol.with_analysis(seed=seed)) for seed in range(6)]
    critical = [estimate_arms(each, "a").critical for each in drawn]
    assert min(critical) == pytest.approx(critical_value(panel.protocol), abs=1e-12)
    assert max(critical) > min(critical)


def test_joint_p_values_are_those_of_dunnett() -> None:
    panel = trial(2, 1_800, (0.112, 0.104, 0.1))
    found = estimate_arms(panel, "a")
    days = panel.outcomes["a"].states(np.arange(28))[1].sum(axis=1)
    samples = [days[panel.on_side((arm,))] for arm in ("T", "U", "C")]
    expected = dunnett(*samples[:2], control=samples[2], random_state=np.random.default_rng(1)).pvalue
    np.testing.assert_allclose(found.p_joint, expected, atol=0.025)
    frame = found.to_frame()
    assert (frame["p_value"] <= frame["p_joint"]).all()
    assert frame["p_joint"].min() < frame["p_holm"].min(), "the shared control makes Holm's too wide"
    assert (frame["joint_low"] < frame["conf_low"]).all()
    assert 2.15 < found.critical < 2.28, "two arms against one control: 2.21 by Dunnett's table"


def test_pairwise_contrasts_are_singular_and_still_judged() -> None:
    panel = trial(3, 600, default_contrasts="pairwise")
    found = estimate_arms(panel, "a")
    assert len(found.to_frame()) == 3
    assert np.linalg.matrix_rank(found.ledger.covariance, tol=1e-12) == 2
    assert 2.28 < found.critical < 2.42, "three pairs: 2.34 by Tukey's table"


def rejected(n_trials: int) -> int:
    return sum((estimate_arms(trial(seed, 240), "a").p_joint < 0.05).any() for seed in range(n_trials))


def test_the_family_rejects_no_more_often_than_it_says() -> None:
    assert rejected(40) <= 40 * 0.05 + 4 * np.sqrt(40 * 0.05 * 0.95)


@pytest.mark.slow
def test_the_family_rejects_no_more_often_than_it_says_in_many_trials() -> None:
    n = rejected(1_000)
    assert abs(n / 1_000 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 1_000)


def test_one_contrast_has_no_family_and_a_pooled_one_may_be_among_them() -> None:
    contrasts = [
        {"name": "t", "treatment": ["T"], "control": ["C"]},
        {"name": "any", "treatment": ["T", "U"], "control": ["C"]},
    ]
    found = estimate_arms(trial(4, 300, contrasts=contrasts), "a")
    assert found.to_frame()["treatment_arm"].tolist() == ["T", "T + U"]
    with pytest.raises(ti.DesignError, match="no family"):
        estimate_arms(trial(4, 300, contrasts=contrasts[:1]), "a")
