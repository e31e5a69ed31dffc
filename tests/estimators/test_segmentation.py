"""Segmentation: nobody is judged by their own days, alike people give no evidence, unlike ones do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import DesignError, count_moments, estimate_cumulative, estimate_segmentation
from trialimpact.estimators.covariates import Covariates
from trialimpact.estimators.ledger import sides_of
from trialimpact.estimators.segmentation import _halves, learn_response, weighted_days
from trialimpact.estimators.target import day_weights
from trialimpact.panel import Panel

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def trial(seed: int, n: int, effects: tuple[float, float], **analysis: Any) -> tuple[Panel, Covariates]:
    """One spell each; treatment multiplies the chance of leaving, by the first of three covariates."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    arm = np.where(rng.permutation(n) % 2 == 0, "T", "C")
    push = np.where(arm == "T", np.where(x[:, 0] > 0, *effects), 1.0)
    ends = np.minimum(rng.geometric(np.clip(0.08 * np.exp(0.3 * x[:, 1]) * push, 0, 1)), 60)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": rng.integers(0, 48, n)})
    people["household"] = rng.integers(0, n // 4, n)
    spells = pd.DataFrame(
        {"claimant_id": people["claimant_id"], "kind": "a", "start": people["index"], "end": people["index"] + ends}
    )
    panel = SmallTrial(people, spells, covered={"a": (-50, 62), "b": (-50, 62)}, horizon=28, analysis=analysis).panel()
    return panel, Covariates(names=("one", "two", "three"), matrix=x)


def test_weighted_days_have_the_cumulative_estimate_as_their_difference() -> None:
    panel, _ = trial(1, 600, (1.5, 1.0))
    contrast = panel.protocol.contrasts[0]
    sides = sides_of(panel, contrast)
    days = weighted_days(panel, panel.outcomes["a"], sides, day_weights(panel.protocol, 0, 28))
    effect = estimate_cumulative(count_moments(panel), "a").effect(28)
    assert days[sides[0]].mean() == pytest.approx(effect.mean_treatment)
    assert days[sides[1]].mean() == pytest.approx(effect.mean_control)


def test_what_is_learnt_does_not_look_at_the_other_half() -> None:
    panel, covariates = trial(2, 400, (2.0, 1.0))
    sides = sides_of(panel, panel.protocol.contrasts[0])
    rng = np.random.default_rng(1)
    days, half = rng.normal(size=400), rng.random(400) < 0.5
    other = np.where(half, days, days + rng.normal(size=400) * 100)
    one, two = (
        learn_response(covariates.matrix, each, sides, half, np.zeros(400, dtype=int)) for each in (days, other)
    )
    np.testing.assert_array_equal(one, two)


def test_the_ridge_finds_the_slope_of_the_effect() -> None:
    rng = np.random.default_rng(3)
    x = rng.normal(size=(4_000, 3))
    treated = rng.random(4_000) < 0.4
    days = 5 * x[:, 1] + treated * (2 * x[:, 0] + 7) + rng.normal(size=4_000)
    score = learn_response(x, days, (treated, ~treated), np.ones(4_000, dtype=bool), np.zeros(4_000, dtype=int))
    slope = np.linalg.lstsq(np.column_stack([np.ones(4_000), x]), score, rcond=None)[0]
    np.testing.assert_allclose(slope[1:], [2, 0, 0], atol=0.15)


def test_people_who_respond_differently_are_found_and_described() -> None:
    panel, covariates = trial(4, 2_400, (4.0, 1.0))
    found = estimate_segmentation(panel, covariates, "a", n_splits=10)
    assert found.p_value < 0.01
    # Those with the larger covariate leave sooner under treatment: fewer days, so the first group.
    profile = found.profiles.set_index("characteristic")
    assert profile.loc["one", "first_group"] > 0.7 > -0.7 > profile.loc["one", "last_group"]
    assert abs(profile.loc["three"]).max() < 0.4
    assert found.groups["estimate"].iloc[0] < found.groups["estimate"].iloc[-1]
    assert found.groups["n"].tolist() == [300] * 4
    assert "Some people respond differently" in found.sentence() and "exploration" in found.sentence()
    assert found.conf_low < found.difference < found.conf_high


def test_halves_keep_clusters_whole() -> None:
    panel, _ = trial(7, 400, (2.0, 1.0), clusters="household")
    for half in _halves(panel, sides_of(panel, panel.protocol.contrasts[0]), np.random.default_rng(1), 5):
        assert {len(set(half[panel.cluster == each])) for each in range(len(panel.clusters))} == {1}
        assert 0.4 < half.mean() < 0.6


def rejected(n_trials: int, n: int, **analysis: Any) -> int:
    return sum(
        estimate_segmentation(*trial(1_000 + seed, n, (1.6, 1.6), **analysis), "a", n_splits=8, n_groups=3).p_value
        < 0.05
        for seed in range(n_trials)
    )


def test_people_who_respond_alike_give_no_evidence() -> None:
    assert rejected(12, 400) <= 3
    panel, covariates = trial(5, 500, (1.6, 1.6))
    found = estimate_segmentation(panel, covariates, "a", n_splits=6, n_groups=3)
    assert "No evidence" in found.sentence()


def unequal_strata(seed: int) -> tuple[Panel, Covariates]:
    """No effect; one of two strata treats more and leaves sooner, and the covariate tells the strata apart."""
    rng, n = np.random.default_rng(seed), 600
    fast = rng.random(n) < 0.5
    arm = np.where(rng.random(n) < np.where(fast, 0.7, 0.3), "T", "C")
    ends = np.minimum(rng.geometric(np.where(fast, 0.2, 0.05)), 40)
    people = pd.DataFrame(
        {"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": 0, "site": np.where(fast, "a", "b")}
    )
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    panel = SmallTrial(people, spells, horizon=28, analysis={"strata": "site", "headline": "stratified"}).panel()
    return panel, Covariates(names=("fast",), matrix=fast[:, None] + rng.normal(size=(n, 1)))


def test_strata_with_unequal_shares_are_no_evidence() -> None:
    found = [estimate_segmentation(*unequal_strata(seed), "a", n_splits=6, n_groups=2) for seed in range(15)]
    assert sum(each.p_value < 0.05 for each in found) <= 3


def test_options_that_cannot_be_are_refused() -> None:
    panel, covariates = trial(1, 200, (1.0, 1.0))
    for options in ({"n_groups": 1}, {"n_splits": 0}, {"horizon_days": 0}, {"horizon_days": 400}):
        with pytest.raises(DesignError, match="cannot be had"):
            estimate_segmentation(panel, covariates, "a", **options)


@pytest.mark.slow
def test_people_who_respond_alike_give_no_evidence_in_many_trials() -> None:
    n = 600
    assert rejected(n, 500) <= 0.05 * n + 4 * np.sqrt(n * 0.05 * 0.95)
    assert rejected(200, 600, clusters="household") <= 0.05 * 200 + 4 * np.sqrt(200 * 0.05 * 0.95)


def test_the_seed_gives_the_same_groups_and_what_cannot_be_done_says_so() -> None:
    panel, covariates = trial(6, 400, (2.0, 1.0))
    one, two = (estimate_segmentation(panel, covariates, "a", n_splits=3, n_groups=2) for _ in range(2))
    pd.testing.assert_frame_equal(one.to_frame(), two.groups)
    split = estimate_segmentation(panel, covariates, "a", n_splits=1, n_groups=2)
    first, last = split.groups["estimate"]
    assert split.difference == pytest.approx(last - first)
    with pytest.raises(DesignError, match="320 people on each side"):
        estimate_segmentation(panel, covariates, "a", n_groups=8)
    with pytest.raises(DesignError, match="no covariates"):
        estimate_segmentation(panel, Covariates(names=(), matrix=np.empty((400, 0))), "a")
