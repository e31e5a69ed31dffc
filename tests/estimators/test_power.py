"""Power against statsmodels, against the formula's own inverse, and by simulation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import power_proportions_2indep
from trials import SmallTrial

from trialimpact import (
    DesignError,
    PowerDesign,
    detectable_days,
    detectable_share,
    estimate_cumulative,
    past_variation,
    required_for_days,
    required_for_share,
    simulate_power,
)
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@given(st.integers(50, 20_000), st.floats(1, 200), st.floats(0.2, 0.8), st.floats(0.5, 0.95))
@settings(max_examples=30)
def test_days_are_statsmodels_and_the_two_questions_answer_each_other(
    n: int, sd: float, share: float, power: float
) -> None:
    design = PowerDesign(treatment_share=share, power=power)
    effect = detectable_days(n, sd, design).effect
    n_control = n * (1 - share)
    found = NormalIndPower().power(effect / sd, n_control, 0.05, ratio=share / (1 - share), alternative="two-sided")
    assert found == pytest.approx(power, abs=1e-3 if power > 0.6 else 3e-3)
    assert required_for_days(effect, sd, design).n_claimants in (n, n + 1)
    assert required_for_days(-effect, sd, design).n_claimants in (n, n + 1)


@pytest.mark.parametrize(("n", "control"), [(400, 0.1), (2_000, 0.55), (10_091, 0.8)])
def test_shares_are_statsmodels_with_unpooled_variance(n: int, control: float) -> None:
    result = detectable_share(n, control)
    rise = result.effect if control < 0.5 else -result.effect  # the way towards one half needs more
    p1 = control + rise
    error = np.sqrt((p1 * (1 - p1) + control * (1 - control)) / (n / 2))
    found = NormalIndPower().power(abs(rise) / error, 1, 0.05, ratio=0, alternative="two-sided")
    assert found == pytest.approx(0.8, abs=1e-4)
    pooled = power_proportions_2indep(rise, control, n / 2, return_results=False)
    assert pooled == pytest.approx(0.8, abs=0.02)
    assert abs(required_for_share(rise, control).n_claimants - n) <= 1
    assert required_for_share(-rise, control).n_claimants <= n  # the other way needs no more


def test_clusters_covariates_and_lost_follow_up_change_the_variance() -> None:
    plain = required_for_days(6.0, 100.0).n_claimants
    assert required_for_days(6.0, 100.0, PowerDesign(cluster_size=21, icc=0.05)).n_claimants == pytest.approx(
        2 * plain, abs=2
    )
    assert required_for_days(6.0, 100.0, PowerDesign(explained=0.5)).n_claimants == pytest.approx(plain / 2, abs=2)
    assert required_for_days(6.0, 100.0, PowerDesign(followed_share=0.5)).n_claimants == pytest.approx(2 * plain, abs=2)


def test_past_spells_give_the_error_that_a_trial_of_them_has() -> None:
    trial = simulate_trial(3_000, seed=7)
    past = past_variation(trial.panel(), "on_benefit", arms=("IAP", "BAU"))
    effect = estimate_cumulative(trial.moments(), "on_benefit").effect(273)
    assert (past.cluster_size, past.icc) == (1, 0), "a person is the unit"
    planned = detectable_days(past.n_claimants, past.std_dev)
    assert planned.std_error == pytest.approx(effect.std_error, rel=0.03)
    control = past_variation(trial.panel(), "on_benefit")
    assert control.n_claimants == effect.n_control
    assert control.mean == pytest.approx(effect.mean_control)


def test_power_by_simulation_is_the_formulas() -> None:
    past = past_variation(simulate_trial(1_500, seed=7).panel(), "on_benefit")
    design = PowerDesign(power=0.7)
    planned = detectable_days(400, past.std_dev, design)
    found = simulate_power(past, planned.effect, design, 400, draws=1_500)
    assert found == pytest.approx(0.7, abs=4 * np.sqrt(0.7 * 0.3 / 1_500))
    assert simulate_power(past, 0.0, design, 400, draws=1_500) == pytest.approx(
        0.05, abs=4 * np.sqrt(0.05 * 0.95 / 1_500)
    )


def in_teams(icc: float) -> SmallTrial:
    rng = np.random.default_rng(8)
    n_teams, size = 150, 8
    team = np.repeat(np.arange(n_teams), size)
    z = np.sqrt(icc) * rng.normal(size=n_teams)[team] + np.sqrt(1 - icc) * rng.normal(size=team.size)
    ends = np.clip(np.round(6 + 2 * z), 1, 12).astype(int)
    people = pd.DataFrame(
        {"claimant_id": [f"p{i}" for i in range(team.size)], "arm": "C", "index": 0, "team": [f"t{i}" for i in team]}
    )
    people.loc[people.index[-2 * size :], "arm"] = "T"
    people["site"] = np.where(ends > 6, "long", "short")
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    return SmallTrial(people, spells)


def test_the_intracluster_correlation_and_the_strata_of_past_spells() -> None:
    for icc in (0.0, 0.2):
        trial = in_teams(icc)
        trial.analysis = {"clusters": "team"}
        past = past_variation(trial.panel(), "a")
        assert past.cluster_size == pytest.approx(8)
        assert past.icc == pytest.approx(icc, abs=0.06)
        ends, team = trial.spells["end"][:-16], trial.people["team"][:-16]
        between = 8 * ((ends.groupby(team).mean() - ends.mean()) ** 2).sum() / 147
        within = ((ends - ends.groupby(team).transform("mean")) ** 2).sum() / (ends.size - 148)
        assert past.icc == pytest.approx(max(0, (between - within) / (between + 7 * within)))
        assert past.design(power=0.9).inflation == pytest.approx(1 + 7 * past.icc)
    # Teams that are all alike have a negative ANOVA correlation, which is planned for as none.
    trial = in_teams(0.0)
    trial.spells["end"] = np.tile(np.arange(1, 9), 150)
    trial.analysis = {"clusters": "team"}
    assert past_variation(trial.panel(), "a").icc == 0.0
    trial = in_teams(0.0)
    trial.analysis = {"strata": "site"}
    past = past_variation(trial.panel(), "a")
    ends = trial.spells["end"][:-16]
    within = ends.groupby(trial.people["site"][:-16]).transform("mean")
    expected = 1 - ((ends - within) ** 2).sum() / (ends.size - 2) / ends.var()
    assert past.explained == pytest.approx(expected)


@pytest.mark.parametrize(
    "wrong",
    [{"treatment_share": 0}, {"treatment_share": 1}, {"power": 1.2}, {"icc": -0.1}, {"explained": 1}, {"followed_share": 0}, {"cluster_size": 0}],
)  # fmt: skip
def test_what_cannot_be_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(DesignError, match=next(iter(wrong))):
        PowerDesign(**wrong)


def test_questions_without_an_answer_are_errors() -> None:
    with pytest.raises(DesignError, match="each arm needs two people"):
        detectable_days(3, 10.0)
    with pytest.raises(DesignError, match="each arm needs two people"):
        detectable_days(100, 10.0, PowerDesign(treatment_share=0.001))
    with pytest.raises(DesignError, match="not above chance"):
        PowerDesign(power=0.02)
    for effect in (float("nan"), float("inf")):
        with pytest.raises(DesignError, match="must not be 0"):
            required_for_days(effect, 10.0)
    for std_dev in (-0.5, 0.0):
        with pytest.raises(DesignError, match="the standard deviation above 0"):
            required_for_days(3.0, std_dev)
    with pytest.raises(DesignError, match="thousand million"):
        required_for_days(1e-300, 10.0)
    with pytest.raises(DesignError, match="however large"):
        detectable_share(4, 0.5)
    with pytest.raises(DesignError, match="must lie"):
        detectable_share(100, 1.0)
    with pytest.raises(DesignError, match="must not be 0"):
        required_for_days(0.0, 10.0)
    with pytest.raises(DesignError, match="give shares, not per cent"):
        required_for_share(3.5, 0.5)
    with pytest.raises(DesignError, match="thousand million"):
        required_for_days(1e-6, 100.0)
    with pytest.raises(DesignError, match="fewer than two"):
        past_variation(replace(simulate_trial(100, seed=1)).panel(), "on_benefit", arms=())


def test_what_is_no_number_is_said() -> None:
    past = past_variation(simulate_trial(200, seed=1).panel(), "on_benefit")
    for nothing in ({"effect": float("nan")}, {"draws": 0}, {"n_claimants": 1}):
        with pytest.raises(DesignError, match=r"show nothing|each arm needs two people"):
            simulate_power(past, **{"effect": 20.0, "design": PowerDesign(), "n_claimants": 200, **nothing})
    with pytest.raises(DesignError, match="each arm needs two people"):
        detectable_share(float("nan"), 0.5)
    for wrong in (
        lambda: detectable_days("600", 80.0),
        lambda: required_for_share(None, 0.5),
        lambda: PowerDesign(icc="0.05"),
        lambda: detectable_share(600, 0.5, {"power": 0.9}),
        lambda: simulate_power(past, "20", PowerDesign(), 200),
    ):
        with pytest.raises(DesignError, match=r" is a (str|NoneType|dict), not (Real|PowerDesign)\.\n  remedy: give "):
            wrong()
