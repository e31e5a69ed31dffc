"""Adjustment: Lin's regression by statsmodels day by day, covariates that are columns, and what is missing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from strategies import small_trials
from trials import SmallTrial

from trialimpact import (
    Contrast,
    DesignError,
    TrialProtocol,
    build_covariates,
    build_sample,
    estimate_adjusted,
    estimate_cumulative,
    estimate_daily,
    load_records,
    merge_spells,
)
from trialimpact.estimators.covariates import Covariates, pre_period_share
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

POOLED = Contrast(name="pooled", treatment=("T", "U"), control=("C",))


@pytest.fixture(scope="module")
def trial():
    return simulate_trial(700, seed=9)


def lin_by_statsmodels(y: np.ndarray, treated: np.ndarray, x: np.ndarray, cov_type: str) -> tuple[float, float]:
    """Coefficient and error of treatment in the fully interacted regression on centred covariates."""
    centred = x - x.mean(axis=0)
    design = np.column_stack([np.ones(y.size), treated, centred, centred * treated[:, None]])
    fit = sm.OLS(y, design).fit(cov_type=cov_type)
    return float(fit.params[1]), float(fit.bse[1])


@pytest.mark.parametrize(("rule", "cov_type"), [("hc2", "HC2"), ("cr0", "HC0")])
def test_every_day_is_lins_regression_among_those_followed(trial, rule: str, cov_type: str) -> None:
    panel = replace(trial, protocol=trial.protocol.with_analysis(small_sample=rule)).panel()
    rng = np.random.default_rng(1)
    x = np.column_stack(
        [pre_period_share(panel, "on_benefit"), rng.normal(size=len(panel)), rng.integers(0, 2, len(panel))]
    )
    x = np.nan_to_num(x)
    found = estimate_adjusted(panel, Covariates(names=("a", "b", "c"), matrix=x), "on_benefit")
    days = np.array([1, 64, 150, 260])
    followed, on = panel.outcome("on_benefit").states(days)
    treated = panel.on_side(("IAP",))
    for column, day in enumerate(days):
        here = followed[:, column]
        expected = lin_by_statsmodels(on[here, column].astype(float), treated[here].astype(float), x[here], cov_type)
        effect = found.daily.effect(int(day))
        assert (effect.estimate, effect.std_error) == pytest.approx(expected, rel=1e-8)


def test_days_under_full_follow_up_are_the_regression_of_the_total(trial) -> None:
    """With everyone followed the summed regressions are the regression of the sum."""
    panel = replace(trial, protocol=trial.protocol.with_analysis(small_sample="cr0")).panel()
    part = panel.outcome("on_benefit")
    panel = panel.where((part.followed_from <= 0) & (part.followed_to >= 91))
    x = np.random.default_rng(2).normal(size=(len(panel), 2))
    found = estimate_adjusted(panel, Covariates(names=("a", "b"), matrix=x), "on_benefit").cumulative.effect(91)
    _, on = panel.outcome("on_benefit").states(np.arange(91))
    expected = lin_by_statsmodels(on.sum(axis=1).astype(float), panel.on_side(("IAP",)).astype(float), x, "HC0")
    assert (found.estimate, found.std_error) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("clusters", [None, "team"])
@pytest.mark.parametrize("rule", ["cr0", "hc2"])
@given(trial=small_trials(min_people=8))
@settings(max_examples=8)
def test_a_covariate_that_explains_nothing_changes_nothing(trial: SmallTrial, rule: str, clusters: str | None) -> None:
    """A constant is no covariate: what is left are the estimates of the moments."""
    trial.analysis = {"small_sample": rule} | ({"clusters": clusters} if clusters else {})
    panel, moments = trial.panel(), trial.moments()
    nothing = Covariates(names=("one",), matrix=np.ones((len(panel), 1)))
    found = estimate_adjusted(panel, nothing, "a", POOLED, moments=moments)
    daily, cumulative = (
        estimate_daily(moments, "a", POOLED).between(0, trial.horizon),
        estimate_cumulative(moments, "a", POOLED),
    )
    np.testing.assert_allclose(found.daily.estimate, daily.estimate, atol=1e-9)
    np.testing.assert_allclose(found.cumulative.estimate, cumulative.estimate, atol=1e-9)
    if rule == "cr0":
        known = np.isfinite(cumulative.std_error) & np.isfinite(found.cumulative.std_error)
        np.testing.assert_allclose(found.cumulative.std_error[known], cumulative.std_error[known], atol=1e-7)


def test_hc2_counts_whoever_was_ever_followed_to_a_horizon() -> None:
    """m/(m - 1 - k), where m is a side's ten people, though the follow-up of the first of them ends early."""
    n = 20
    people = pd.DataFrame(
        {
            "claimant_id": [f"p{i}" for i in range(n)],
            "arm": ["T", "C"] * (n // 2),
            "index": np.where(np.arange(n) < 6, 8, 0),
        }
    )
    spells = pd.DataFrame(
        {"claimant_id": people["claimant_id"], "kind": "a", "start": people["index"], "end": 9 + np.arange(n) % 3}
    )
    errors = {}
    for rule in ("cr0", "hc2"):
        trial = SmallTrial(people, spells, {"a": (-50, 13), "b": (-50, 13)}, analysis={"small_sample": rule})
        panel = trial.panel()
        nothing = Covariates(names=("one",), matrix=np.ones((n, 1)))
        errors[rule] = estimate_adjusted(panel, nothing, "a", "t").cumulative.std_error
    assert (errors["cr0"][-3:] > 0).all()
    np.testing.assert_allclose(errors["hc2"], errors["cr0"] * np.sqrt(10 / 8))


def test_a_covariate_that_explains_everything_leaves_no_error() -> None:
    n = 40
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0})
    ends = np.repeat(np.arange(1, 11), 4)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    panel = SmallTrial(people, spells).panel()
    levels = (ends[:, None] == np.arange(2, 11)).astype(float)
    found = estimate_adjusted(panel, Covariates(names=tuple("bcdefghij"), matrix=levels), "a", "t")
    effect = found.cumulative.effect(12)
    assert effect.estimate == pytest.approx(0.0, abs=1e-9)
    assert effect.std_error == pytest.approx(0.0, abs=1e-7)
    assert found.gain() == pytest.approx(1.0)


def test_swapping_the_arms_turns_the_sign(trial) -> None:
    panel = trial.panel()
    covariates = build_covariates(panel, "on_benefit")
    one = estimate_adjusted(panel, covariates, "on_benefit")
    other = estimate_adjusted(panel, covariates, "on_benefit", Contrast(name="x", treatment=("BAU",), control=("IAP",)))
    np.testing.assert_allclose(one.cumulative.estimate, -other.cumulative.estimate, atol=1e-9)
    np.testing.assert_allclose(one.cumulative.std_error, other.cumulative.std_error, atol=1e-9)
    assert set(one.to_frame()["method"]) == {"adjusted", "difference"}


def with_characteristics(trial, **adjustment):
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["adjustment"] = {"characteristics": ["Gender", "Age", "Children"], **adjustment}
    protocol = TrialProtocol.from_dict(data)
    records = load_records(protocol, trial.tables)
    sample, spells = build_sample(records), merge_spells(records)
    from trialimpact import build_panel

    return build_panel(sample, spells), sample, spells


def test_categoricals_become_columns_and_missing_gets_an_indicator(trial) -> None:
    panel, sample, spells = with_characteristics(trial)
    covariates = build_covariates(panel, "on_benefit", sample, spells)
    assert covariates.names == (
        "share of days before day 0", "Gender: Male", "Gender: missing", "Age: 25 to 44", "Age: 45 or over", "Children",
    )  # fmt: skip
    gender = sample.people["gender"]
    column = covariates.matrix[:, 1]
    known = gender.isin(["Male", "Female"]).to_numpy()
    np.testing.assert_array_equal(column[known], (gender[known] == "Male").astype(float))
    assert np.unique(column[~known]).tolist() == [pytest.approx(column[known].mean())]
    np.testing.assert_array_equal(covariates.matrix[:, 2], ~known)
    assert np.isfinite(covariates.matrix).all()
    assert estimate_adjusted(panel, covariates, "on_benefit").gain() < 1


def test_missing_may_be_an_error_and_characteristics_need_the_sample(trial) -> None:
    panel, sample, spells = with_characteristics(trial, missing="error")
    with pytest.raises(DesignError, match="Gender is missing for"):
        build_covariates(panel, "on_benefit", sample, spells)
    with pytest.raises(DesignError, match="pass sample and spells"):
        build_covariates(panel, "on_benefit")


def test_the_pre_period_share_is_of_followed_days_only() -> None:
    people = pd.DataFrame({"claimant_id": ["p0", "p1", "p2", "p3"], "arm": ["T", "C", "T", "C"], "index": [0, 0, 2, 9]})
    spells = pd.DataFrame({"claimant_id": ["p0", "p2"], "kind": "a", "start": [-3, -5], "end": [1, 1]})
    trial = SmallTrial(people, spells, covered={"a": (0, 60), "b": (0, 60)})
    # Coverage begins on day 0 of the calendar: p0 and p1 have no followed day before day 0.
    share = pre_period_share(trial.panel(), "a")
    np.testing.assert_array_equal(share, [np.nan, np.nan, 0.5, 0.0])
    covariates = build_covariates(trial.panel(), "a")
    assert covariates.names == ("share of days before day 0", "days before day 0: missing")
    np.testing.assert_allclose(covariates.matrix, [[0.25, 1], [0.25, 1], [0.5, 0], [0.0, 0]])


def test_covariates_of_another_panel_are_refused(trial) -> None:
    panel = trial.panel()
    turned = replace(trial, tables={**trial.tables, "markers": trial.tables["markers"].iloc[::-1]}).panel()
    assert len(turned) == len(panel)
    for other in (build_covariates(turned, "on_benefit"), Covariates(names=("one",), matrix=np.ones((7, 1)))):
        with pytest.raises(DesignError, match=r"claimants of another panel\."):
            estimate_adjusted(panel, other, "on_benefit")
    assert estimate_adjusted(panel, build_covariates(panel, "on_benefit"), "on_benefit")
    panel, _, _ = with_characteristics(trial, missing="indicator")
    turned = replace(trial, tables={**trial.tables, "markers": trial.tables["markers"].iloc[::-1]})
    with pytest.raises(DesignError, match="are of different loads"):
        build_covariates(panel, "on_benefit", *with_characteristics(turned, missing="indicator")[1:])


def test_no_covariates_is_an_error(trial) -> None:
    panel = trial.panel()
    with pytest.raises(DesignError, match="no covariates"):
        estimate_adjusted(panel, Covariates(names=(), matrix=np.empty((len(panel), 0))), "on_benefit")


def test_unknown_values_are_missing_infinity_is_refused_and_nobody_known_is_no_covariate(trial) -> None:
    panel, sample, spells = with_characteristics(trial)
    sample.people["gender"] = None
    some, n_children = np.arange(len(sample)) % 7 == 0, sample.people["n_children"]
    sample.people["n_children"] = np.where(some, np.inf, n_children)
    with pytest.raises(DesignError, match="no finite amount, of 85 people"):
        build_covariates(panel, "on_benefit", sample, spells)
    sample.people["n_children"] = np.where(some, np.nan, n_children)
    covariates = build_covariates(panel, "on_benefit", sample, spells)
    assert not any(name.startswith("Gender") for name in covariates.names)
    assert "Children: missing" in covariates.names
    assert np.isfinite(covariates.matrix).all()
    assert np.isfinite(estimate_adjusted(panel, covariates, "on_benefit").cumulative.effect(273).std_error)


def test_a_day_on_which_nobody_differs_has_no_error_and_no_p(trial) -> None:
    panel = trial.panel()
    effect = estimate_adjusted(panel, build_covariates(panel, "on_benefit"), "on_benefit").daily.effect(0)
    assert effect.std_error == 0.0
    assert effect.estimate == pytest.approx(0.0, abs=1e-12)
    assert np.isnan(effect.p_value)
