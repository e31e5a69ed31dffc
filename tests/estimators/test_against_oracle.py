"""Every estimate and standard error against influence values summed person by person (1e-12)."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import Dense, dense, influence, shares
from strategies import small_trials
from trials import SmallTrial

from trialimpact import Contrast, TrialWarning, estimate_covariance, estimate_cumulative, estimate_daily

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

POOLED = Contrast(name="pooled", treatment=("T", "U"), control=("C",))
SIDES = (["T", "U"], ["C"])
OUTCOMES = ("a", "a_not_b", "a_or_b")
CLOSE = {"rtol": 1e-12, "atol": 1e-12, "equal_nan": True}


def factor(rule: str, data: Dense, arms: list[str], days: slice) -> float:
    """m/(m-1) of one arm over some days, by hc2; NaN where one claimant is left."""
    if rule != "hc2":
        return 1.0
    m = int(data.followed[np.isin(data.arm, arms)][:, days].any(axis=1).sum())
    return m / (m - 1) if m > 1 else np.nan


def whole(rule: str, data: Dense, days: slice) -> float:
    if rule != "cr1":
        return 1.0
    seen = data.followed[np.isin(data.arm, SIDES[0] + SIDES[1])][:, days]
    groups, rows = int(seen.any(axis=1).sum()), int(seen.sum())
    terms = 2 * seen.shape[1]
    return groups / (groups - 1) * (rows - 1) / (rows - terms) if rows > terms and groups > 1 else np.nan


@pytest.mark.parametrize("rule", ["cr0", "hc2", "cr1"])
@given(trial=small_trials(min_people=6))
@settings(max_examples=25)
def test_daily_cumulative_and_covariance(trial: SmallTrial, rule: str) -> None:
    trial.analysis = {"small_sample": rule}
    moments = trial.moments()
    for outcome in OUTCOMES:
        data = dense(trial, outcome)
        values = [influence(data, arms) for arms in SIDES]
        daily = estimate_daily(moments, outcome, POOLED)
        np.testing.assert_allclose(daily.estimate, shares(data, SIDES[0]) - shares(data, SIDES[1]), **CLOSE)
        for column, day in enumerate(daily.at):
            this = slice(column, column + 1)
            variance = sum(
                (each[:, column] ** 2).sum() * factor(rule, data, arms, this)
                for each, arms in zip(values, SIDES, strict=True)
            )
            expected = np.sqrt(variance * whole(rule, data, this))
            np.testing.assert_allclose(daily.std_error[daily.at == day], expected, **CLOSE)
        after = data.window(0, trial.horizon)
        values = [influence(after, arms) for arms in SIDES]
        cumulative = estimate_cumulative(moments, outcome, POOLED)
        for horizon in (1, 5, trial.horizon):
            days = slice(0, horizon)
            variance = sum(
                (each[:, days].sum(axis=1) ** 2).sum() * factor(rule, after, arms, days)
                for each, arms in zip(values, SIDES, strict=True)
            )
            expected = np.sqrt(variance * whole(rule, after, days))
            place = horizon - 1
            np.testing.assert_allclose(cumulative.std_error[place], expected, rtol=1e-10, atol=1e-8, equal_nan=True)
            difference = (shares(after, SIDES[0]) - shares(after, SIDES[1]))[days].sum()
            np.testing.assert_allclose(cumulative.estimate[place], difference, **CLOSE)
        covariance = sum(
            each.T @ each * factor(rule, after, arms, slice(None)) for each, arms in zip(values, SIDES, strict=True)
        ) * whole(rule, after, slice(None))
        found = estimate_covariance(moments, outcome, POOLED).covariance
        np.testing.assert_allclose(found, covariance, **CLOSE)


def with_both_arms_in_both_sites(trial: SmallTrial) -> SmallTrial:
    people = trial.people.copy()
    people.loc[people.index[:5], "arm"] = ["T", "C", "T", "C", "U"]
    people.loc[people.index[:4], "site"] = ["x", "x", "y", "y"]
    trial.people = people
    return trial


@given(trial=small_trials(min_people=8))
@settings(max_examples=40)
def test_strata_are_weighted_by_their_claimants(trial: SmallTrial) -> None:
    trial = with_both_arms_in_both_sites(trial)
    trial.analysis = {"strata": "site"}
    moments = trial.moments()
    data = dense(trial, "a").window(0, trial.horizon)
    site = trial.people["site"].to_numpy()
    in_contrast = np.isin(data.arm, ["T", "U", "C"])
    estimate, variance = 0.0, 0.0
    for label in "xy":
        mine = site == label
        here = Dense(data.arm[mine], data.followed[mine], data.on[mine], 0)
        weight = (mine & in_contrast).sum() / in_contrast.sum()
        estimate = estimate + weight * (shares(here, SIDES[0]) - shares(here, SIDES[1])).sum()
        for arms in SIDES:
            variance = variance + weight**2 * (influence(here, arms).sum(axis=1) ** 2).sum()
    found = estimate_cumulative(moments, "a", POOLED, stratified=True)
    assert found.comparison.method == "stratified"
    np.testing.assert_allclose(found.estimate[-1], estimate, **CLOSE)
    np.testing.assert_allclose(found.std_error[-1] ** 2, variance, rtol=1e-10, atol=1e-12, equal_nan=True)


@pytest.mark.parametrize("rule", ["cr0", "hc2"])
@given(trial=small_trials(min_people=8))
@settings(max_examples=40)
def test_clusters_are_summed_over_both_arms_before_squaring(trial: SmallTrial, rule: str) -> None:
    trial.analysis = {"clusters": "team", "small_sample": rule}
    moments = trial.moments()
    data = dense(trial, "a").window(0, trial.horizon)
    treated, control = (influence(data, arms).sum(axis=1) for arms in SIDES)
    team = trial.people["team"].to_numpy()
    by_team = np.array([(treated - control)[team == label].sum() for label in np.unique(team)])
    seen = data.followed.any(axis=1) & np.isin(data.arm, SIDES[0] + SIDES[1])
    n = np.unique(team[seen]).size
    scale = 1.0 if rule == "cr0" else (n / (n - 1) if n > 1 else np.nan)
    found = estimate_cumulative(moments, "a", POOLED)
    alone = np.array(
        [
            min(np.unique(team[data.followed[:, d] & np.isin(data.arm, arms)]).size for arms in SIDES) < 2
            for d in range(trial.horizon)
        ]
    )  # with one cluster on a side its influence is 0 whatever happened: not a standard error
    expected = np.nan if alone.any() else (by_team**2).sum() * scale
    np.testing.assert_allclose(found.std_error[-1] ** 2, expected, rtol=1e-10, atol=1e-12)
    by_day = np.array([(influence(data, SIDES[0]) - influence(data, SIDES[1]))[team == t].sum(0) for t in set(team)])
    daily = estimate_daily(moments, "a", POOLED)
    seen_daily = [np.unique(team[data.followed[:, d] & np.isin(data.arm, ["T", "U", "C"])]).size for d in range(12)]
    scales = [1.0 if rule == "cr0" else (n / (n - 1) if n > 1 else np.nan) for n in seen_daily]
    np.testing.assert_allclose(
        daily.std_error[daily.at >= 0] ** 2,
        np.where(alone, np.nan, (by_day**2).sum(axis=0) * scales),
        rtol=1e-10,
        atol=1e-12,
    )
    matrix = estimate_covariance(moments, "a", POOLED).covariance
    matrix_expected = by_day.T @ by_day * scale
    matrix_expected[alone], matrix_expected[:, alone] = np.nan, np.nan
    np.testing.assert_allclose(matrix, matrix_expected, rtol=1e-10, atol=1e-12)


@given(trial=small_trials(min_people=8))
@settings(max_examples=30)
def test_jackknife_leaves_each_cluster_out(trial: SmallTrial) -> None:
    trial.analysis = {"clusters": "team", "cluster_variance": "jackknife"}
    data = dense(trial, "a").window(0, trial.horizon)
    team = trial.people["team"].to_numpy()
    labels = np.unique(team[np.isin(data.arm, SIDES[0] + SIDES[1])])

    def total(keep: np.ndarray) -> float:
        here = Dense(data.arm[keep], data.followed[keep], data.on[keep], 0)
        return float((shares(here, SIDES[0]) - shares(here, SIDES[1])).sum())

    everyone = total(np.ones(team.size, dtype=bool))
    without = np.array([total(team != label) for label in labels])
    seen = [np.unique(team[data.followed[:, d] & np.isin(data.arm, ["T", "U", "C"])]).size for d in range(12)]
    if set(seen) != {labels.size}:
        return  # some cluster is followed on some days only; its weight is then a matter of definition
    expected = (labels.size - 1) / labels.size * ((without - everyone) ** 2).sum()
    found = estimate_cumulative(trial.moments(), "a", POOLED).std_error[-1] ** 2
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12, equal_nan=True)


@given(trial=small_trials(min_people=6))
@settings(max_examples=30)
def test_accumulated_limits_are_the_running_sum_of_the_daily_limits(trial: SmallTrial) -> None:
    trial.analysis = {"cumulative_interval": "accumulated"}
    moments = trial.moments()
    daily, cumulative = estimate_daily(moments, "a", POOLED), estimate_cumulative(moments, "a", POOLED)
    window = daily.at >= 0
    np.testing.assert_allclose(cumulative.conf_low, daily.conf_low[window].cumsum(), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(cumulative.conf_high, daily.conf_high[window].cumsum(), rtol=1e-9, atol=1e-12)
    assert cumulative.interval == "accumulated"
    proper = small_copy(trial).moments()
    honest = estimate_cumulative(proper, "a", POOLED)
    wide = ~np.isnan(honest.std_error)
    assert (cumulative.std_error[wide] >= honest.std_error[wide] - 1e-9).all()


def small_copy(trial: SmallTrial) -> SmallTrial:
    return SmallTrial(trial.people, trial.spells, trial.covered, trial.arms)


@given(trial=small_trials(min_people=6))
@settings(max_examples=30)
def test_any_linear_form_of_the_covariance(trial: SmallTrial) -> None:
    moments = trial.moments()
    found = estimate_covariance(moments, "a", POOLED)
    cumulative = estimate_cumulative(moments, "a", POOLED)
    if np.isnan(found.estimate).any():
        return
    total, std_error = found.of(np.ones(trial.horizon))
    assert total == pytest.approx(cumulative.estimate[-1], abs=1e-12)
    assert std_error == pytest.approx(cumulative.std_error[-1], abs=1e-7)
    first, second = (found.day < 5).astype(float), (found.day >= 5).astype(float)
    assert found.of(first)[0] + found.of(second)[0] == pytest.approx(total)


def test_a_day_on_which_an_arm_has_nobody_makes_it_and_later_horizons_nan_and_says_so() -> None:
    import pandas as pd

    people = pd.DataFrame({"claimant_id": list("abcd"), "arm": list("TTCC"), "index": [0, 1, 10, 11]})
    spells = pd.DataFrame({"claimant_id": list("abcd"), "kind": "a", "start": [0, 1, 10, 11], "end": [5, 6, 12, 13]})
    trial = SmallTrial(people, spells, {"a": (-50, 16), "b": (-50, 60)}, pre_days=0)
    with pytest.warns(TrialWarning, match=r"a, t, all \(from day 6\): nobody is followed in an arm on some days"):
        cumulative = estimate_cumulative(trial.moments(), "a")
    assert np.isnan(cumulative.estimate).tolist() == [False] * 6 + [True] * 6
    assert np.isnan(cumulative.std_error[6:]).all()
    assert cumulative.notes
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        daily = estimate_daily(trial.moments(), "a")
    assert np.isnan(daily.estimate).tolist() == [False] * 6 + [True] * 6


def test_few_clusters_are_said() -> None:
    import pandas as pd

    people = pd.DataFrame({"claimant_id": list("abcd"), "arm": list("TTCC"), "index": 0, "team": list("klkl")})
    spells = pd.DataFrame({"claimant_id": list("abcd"), "kind": "a", "start": 0, "end": [5, 6, 7, 8]})
    trial = SmallTrial(people, spells, analysis={"clusters": "team"})
    with pytest.warns(TrialWarning, match=r"\(2 clusters\): few clusters"):
        estimate_cumulative(trial.moments(), "a")


def test_point_and_interval_are_in_order() -> None:
    from trialimpact.synthetic import simulate_trial

    moments = simulate_trial(600, seed=5).moments()
    for effects in (estimate_daily(moments, "employed"), estimate_cumulative(moments, "employed")):
        known = ~np.isnan(effects.conf_low)
        assert (effects.conf_low[known] <= effects.estimate[known]).all()
        assert (effects.estimate[known] <= effects.conf_high[known]).all()
