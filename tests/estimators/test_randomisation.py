"""Randomisation tests and digit placebo: exact where enumerated, errors where the design is another."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from oracles import dense
from strategies import small_trials
from trials import SmallTrial

from trialimpact import Contrast, DesignError, estimate_cumulative, estimate_placebo, estimate_randomisation
from trialimpact.estimators.randomisation import MAX_EXACT
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def available_case(data, treated: np.ndarray, control: np.ndarray) -> float:
    after = data.window(0, data.on.shape[1] + data.first)
    with np.errstate(invalid="ignore", divide="ignore"):
        one, other = (after.on[side].sum(axis=0) / after.followed[side].sum(axis=0) for side in (treated, control))
    return float((one - other).sum())


@given(trial=small_trials(min_people=6, max_people=8))
@settings(max_examples=10)
def test_every_assignment_of_a_small_trial_against_plain_loops(trial: SmallTrial) -> None:
    arm = trial.people["arm"].to_numpy()
    among = np.flatnonzero(np.isin(arm, ["T", "C"]))
    observed = estimate_cumulative(trial.moments(), "a", "t").effect(trial.horizon).estimate
    if np.isnan(observed):
        with pytest.raises(DesignError, match="nobody of a side is followed"):
            estimate_randomisation(trial.panel(), "a", "t")
        return
    found = estimate_randomisation(trial.panel(), "a", "t")
    data = dense(trial, "a")
    expected = []
    for chosen in combinations(among, int((arm == "T").sum())):
        treated = np.isin(np.arange(arm.size), chosen)
        expected.append(available_case(data, treated, np.isin(np.arange(arm.size), among) & ~treated))
    assert found.exact and found.unit == "claimants"
    np.testing.assert_allclose(np.sort(found.estimates), np.sort(expected), atol=1e-9, equal_nan=True)
    assert found.observed == pytest.approx(observed, abs=1e-9)
    known = np.array(expected)[np.isfinite(expected)]
    assert found.p_value == pytest.approx((np.abs(known) >= abs(observed) - 1e-9).mean())
    assert found.to_frame()["n_assignments"].item() == known.size


def in_strata(n: int = 8) -> SmallTrial:
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0})
    people["site"] = ["x"] * 4 + ["y"] * (n - 4)
    people["team"] = [f"team {i // 2}" for i in range(n)]
    ends = [3, 9, 1, 11, 5, 6, 2, 12] * (n // 8)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    return SmallTrial(people, spells, analysis={"strata": "site"})


def test_assignments_stay_within_strata_and_the_estimate_is_stratified() -> None:
    trial = in_strata()
    found = estimate_randomisation(trial.panel(), "a", "t")
    ends = trial.spells["end"].to_numpy()
    expected = []
    for one, other in product(combinations(range(4), 2), combinations(range(4, 8), 2)):
        parts = []
        for chosen, members in ((one, range(4)), (other, range(4, 8))):
            rest = [i for i in members if i not in chosen]
            parts.append(ends[list(chosen)].mean() - ends[rest].mean())
        expected.append(np.mean(parts))
    assert found.estimates.size == 36
    np.testing.assert_allclose(np.sort(found.estimates), np.sort(expected))
    stratified = estimate_cumulative(trial.moments(), "a", "t", stratified=True).effect(12).estimate
    assert found.observed == pytest.approx(stratified)


def test_clusters_assigned_whole_are_assigned_whole_again() -> None:
    trial = in_strata()
    trial.people["arm"] = ["T", "T", "C", "C", "C", "C", "T", "T"]
    trial.analysis = {"clusters": "team"}
    found = estimate_randomisation(trial.panel(), "a", "t")
    assert found.unit == "clusters"
    assert found.estimates.size == 6  # two of four teams


def test_unknown_and_wrong_designs_are_errors() -> None:
    trial = in_strata()
    trial.analysis = {"clusters": "team"}  # every team holds both arms
    with pytest.raises(DesignError, match="not known what was assigned"):
        estimate_randomisation(trial.panel(), "a", "t")
    trial.analysis = {"strata": "team"}
    trial.people["team"] = ["k", "k", "l", "l", "l", "l", "m", "m"]
    trial.people["arm"] = ["T", "C", "T", "C", "T", "C", "T", "T"]
    with pytest.raises(DesignError, match="one side only"):
        estimate_randomisation(trial.panel(), "a", "t")
    by_digit = simulate_trial(200, seed=1).panel()
    with pytest.raises(DesignError, match="use estimate_placebo"):
        estimate_randomisation(by_digit, "on_benefit")
    with pytest.raises(DesignError, match="use estimate_randomisation"):
        estimate_placebo(in_strata().panel(), "a", "t")
    with pytest.raises(DesignError, match="several targets"):
        estimate_placebo(by_digit, "on_benefit", day=3, pre_period=True)


def larger(n: int = 40) -> SmallTrial:
    rng = np.random.default_rng(n)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0})
    spells = pd.DataFrame(
        {"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": rng.integers(1, 12, n)}
    )
    return SmallTrial(people, spells)


def test_drawn_assignments_repeat_with_the_seed_and_p_is_never_zero() -> None:
    trial = larger()
    one, again = (estimate_randomisation(trial.panel(), "a", "t", draws=700) for _ in range(2))
    assert not one.exact
    np.testing.assert_array_equal(one.estimates, again.estimates)
    assert one.p_value >= 1 / 701
    extreme = replace(one, observed=99.0)
    assert extreme.p_value == pytest.approx(1 / 701)


def test_drawn_agrees_with_all_and_with_the_normal_p(monkeypatch: pytest.MonkeyPatch) -> None:
    trial = larger(14)  # 3,432 assignments
    exact = estimate_randomisation(trial.panel(), "a", "t")
    assert exact.exact and exact.estimates.size == 3_432 < MAX_EXACT
    monkeypatch.setattr("trialimpact.estimators.randomisation.MAX_EXACT", 10)
    drawn = estimate_randomisation(trial.panel(), "a", "t", draws=4_000)
    assert not drawn.exact
    assert drawn.p_value == pytest.approx(exact.p_value, abs=0.03)
    effect = estimate_cumulative(larger(40).moments(), "a", "t").effect(12)
    monkeypatch.undo()
    assert estimate_randomisation(larger(40).panel(), "a", "t").p_value == pytest.approx(effect.p_value, abs=0.06)


@pytest.fixture(scope="module")
def by_digit():
    return simulate_trial(1_200, seed=6)


def test_the_252_splits_are_those_of_plain_regrouping(by_digit) -> None:
    panel = by_digit.panel()
    found = estimate_placebo(panel, "on_benefit", horizon_days=91)
    assert found.splits.shape == (252, 10)
    part = panel.outcome("on_benefit")
    followed, on = part.states(np.arange(91))
    rng = np.random.default_rng(1)
    for place in rng.choice(252, 6, replace=False):
        treated = np.isin(panel.digit, found.digits[found.splits[place]])
        shares = [on[side].sum(axis=0) / followed[side].sum(axis=0) for side in (treated, ~treated)]
        assert found.randomisation.estimates[place] == pytest.approx((shares[0] - shares[1]).sum())
    observed = estimate_cumulative(by_digit.moments(), "on_benefit").effect(91).estimate
    assert found.randomisation.observed == pytest.approx(observed)
    assert found.p_value == (np.abs(found.randomisation.estimates) >= abs(observed) - 1e-9).mean()
    assert found.p_value >= 2 / 252
    # A split and its mirror image are opposite.
    np.testing.assert_allclose(found.randomisation.estimates, -found.randomisation.estimates[::-1], atol=1e-9)


def test_homogeneity_is_welchs_test_within_each_arm(by_digit) -> None:
    from statsmodels.stats.oneway import anova_oneway

    panel = by_digit.panel()
    found = estimate_placebo(panel, "on_benefit", day=30)
    _, on = panel.outcome("on_benefit").states(np.array([30]))
    by_arm = [
        anova_oneway([on[panel.digit == digit, 0].astype(float) for digit in arm], use_var="unequal")
        for arm in (range(5), range(5, 10))
    ]
    assert found.homogeneity.df == 8
    assert found.homogeneity.statistic == pytest.approx(sum(4 * each.statistic for each in by_arm))
    from scipy.stats import f

    below = sum(each.df_denom for each in by_arm)
    assert found.homogeneity.p_value == pytest.approx(f.sf(found.homogeneity.statistic / 8, 8, below))


def test_a_digit_that_differs_is_found(by_digit) -> None:
    benefit = by_digit.tables["benefit"]
    of_seven = benefit["claimant_id"].str[7] == "7"
    before = benefit["start_date"] < "2015-01-01"
    panel = replace(by_digit, tables=by_digit.tables | {"benefit": benefit[~(of_seven & before)]}).panel()
    found = estimate_placebo(panel, "on_benefit", pre_period=True)
    assert found.homogeneity.p_value < 0.001
    assert found.to_frame()["test"].tolist() == ["assignment of digits", "digits alike within arms"]
    assert estimate_placebo(by_digit.panel(), "on_benefit", pre_period=True).homogeneity.p_value > 0.001


def test_a_contrast_of_some_digits_has_fewer_splits(by_digit) -> None:
    data = by_digit.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["allocation"]["digits"] = {"BAU": [0, 1, 2, 3], "IAP": [4, 5, 6], "X": [7, 8, 9]}
    data.pop("contrasts", None)
    from trialimpact import TrialProtocol

    protocol = TrialProtocol.from_dict(data)
    tables = by_digit.tables
    panel = replace(by_digit, protocol=protocol, tables=tables).panel()
    found = estimate_placebo(panel, "on_benefit", Contrast(name="x", treatment=("X",), control=("BAU",)))
    assert found.splits.shape == (35, 7)


def test_one_digit_of_a_side_is_like_itself_and_two_are_compared(by_digit) -> None:
    from scipy.stats import ttest_ind

    data = by_digit.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["allocation"]["digits"] = {"BAU": [0, 1], "IAP": [5], "X": [2, 3, 4, 6, 7, 8, 9]}
    data.pop("contrasts", None)
    from trialimpact import TrialProtocol

    panel = replace(by_digit, protocol=TrialProtocol.from_dict(data)).panel()
    found = estimate_placebo(panel, "on_benefit", Contrast(name="x", treatment=("IAP",), control=("BAU",)), day=30)
    _, on = panel.outcome("on_benefit").states(np.array([30]))
    welch = ttest_ind(*(on[panel.digit == digit, 0].astype(float) for digit in (0, 1)), equal_var=False)
    assert found.homogeneity.df == 1
    assert found.homogeneity.statistic == pytest.approx(welch.statistic**2)
    assert found.homogeneity.p_value == pytest.approx(welch.pvalue)
