"""The bootstrap keeps multiplicity and agrees with the closed form; a broken one would not."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import DesignError, estimate_bootstrap, estimate_cumulative
from trialimpact.estimators.bootstrap import multiplicities
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module")
def trial():
    return simulate_trial(900, seed=12)


def test_draws_are_with_replacement_within_sides_and_everyone_drawn_twice_counts_twice(trial) -> None:
    panel = trial.panel()
    sides = panel.on_side(("IAP",)), panel.on_side(("BAU",))
    times = multiplicities(np.random.default_rng(1), panel, sides, 50)
    for side, weights in zip(sides, times, strict=True):
        assert (weights.sum(axis=1) == side.sum()).all()
        assert (weights[:, ~side] == 0).all()
        assert weights.max() > 2
        # Of those drawn at least once there are 1 - 1/e, which dropping duplicates would make all.
        assert (weights[:, side] > 0).mean() == pytest.approx(1 - np.exp(-1), abs=0.02)


def test_the_bootstrap_error_is_the_closed_forms(trial) -> None:
    found = estimate_bootstrap(trial.panel(), "on_benefit", draws=999)
    effect = estimate_cumulative(trial.moments(), "on_benefit").effect(273)
    assert found.estimate == pytest.approx(effect.estimate)
    # The error of a standard deviation from 999 draws is about 2.2%.
    assert found.std_error == pytest.approx(effect.std_error, rel=0.09)
    low, high = found.percentile_interval
    assert (low, high) == pytest.approx((effect.conf_low, effect.conf_high), abs=0.2 * effect.std_error + 1)
    # Drawing without multiplicity (each drawn person once) would use 63% of them: too wide by a quarter.
    assert found.std_error < 1.15 * effect.std_error


def test_the_same_seed_gives_the_same_draws(trial) -> None:
    one, again = (estimate_bootstrap(trial.panel(), "on_benefit", draws=20).estimates for _ in range(2))
    np.testing.assert_array_equal(one, again)


@pytest.mark.parametrize("mixed", [False, True])
def test_clusters_are_drawn_whole(mixed: bool) -> None:
    rng = np.random.default_rng(3)
    n_teams, size = 40, 5
    team = np.repeat(np.arange(n_teams), size)
    arm = np.where((np.arange(n_teams * size) if mixed else team) % 2, "T", "C")
    ends = np.clip(rng.integers(2, 10, n_teams)[team] + rng.integers(-1, 2, team.size), 1, 12)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(team.size)], "arm": arm, "index": 0, "team": team})
    people["team"] = people["team"].astype(str)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    trial = SmallTrial(people, spells, analysis={"clusters": "team"})
    panel = trial.panel()
    sides = panel.on_side(("T",)), panel.on_side(("C",))
    for side, weights in zip(sides, multiplicities(rng, panel, sides, 30), strict=True):
        if not mixed:
            assert (weights.sum(axis=1) == side.sum()).all(), "as many of each side as there are"
        for each in range(n_teams):
            mine = side & (panel.cluster == each)
            if mine.any():
                assert (weights[:, mine] == weights[:, mine][:, :1]).all()
    found = estimate_bootstrap(panel, "a", "t", draws=999)
    assert found.std_error == pytest.approx(
        estimate_cumulative(trial.moments(), "a", "t").effect(12).std_error, rel=0.15
    )


def test_days_that_are_not_asked_for_do_not_matter() -> None:
    people = pd.DataFrame({"claimant_id": list("abcd"), "arm": list("TTCC"), "index": [0, 1, 2, 3]})
    spells = pd.DataFrame({"claimant_id": list("abcd"), "kind": "a", "start": [0, 1, 2, 3], "end": [2, 5, 5, 9]})
    trial = SmallTrial(people, spells, {"a": (-50, 11), "b": (-50, 60)})
    found = estimate_bootstrap(trial.panel(), "a", horizon_days=8, draws=20)
    assert found.estimate == pytest.approx(estimate_cumulative(trial.moments(), "a").effect(8).estimate)
    assert np.isfinite(found.std_error)


@pytest.mark.parametrize("draws", [1, 0, -1, 2.5, "99"])
def test_draws_that_have_no_error(trial, draws) -> None:
    with pytest.raises(DesignError, match=r"have no standard error|draws is a (float|str), not Integral"):
        estimate_bootstrap(trial.panel(), "a", draws=draws)
