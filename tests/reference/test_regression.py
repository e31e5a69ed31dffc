"""Equal to statsmodels: saturated OLS on claimant-days, clustered on claimants (1e-12)."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from statsmodels.stats.proportion import confint_proportions_2indep

from trialimpact import estimate_covariance, estimate_cumulative, estimate_daily
from trialimpact.moments import Moments, count_moments
from trialimpact.panel import Panel
from trialimpact.synthetic import simulate_trial

DAYS = 40


@pytest.fixture(scope="module")
def panel() -> Panel:
    trial = simulate_trial(220, seed=11)
    protocol = trial.protocol.with_analysis(horizon_days=DAYS, last_day=DAYS - 1, small_sample="cr1")
    # An early extract, so that follow-up is unequal within the horizon.
    from trialimpact import build_panel, build_sample, load_records, merge_spells

    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["sources"]["benefit"]["extract_date"] = "2015-09-20"
    data["sources"]["employment"]["extract_date"] = "2015-09-15"
    protocol = type(protocol).model_validate(data)
    tables = dict(trial.tables)
    for name, day in (("benefit", "2015-09-20"), ("employment", "2015-09-15")):
        tables[name] = tables[name][tables[name]["start_date"] < day]
    records = load_records(protocol, tables)
    return build_panel(build_sample(records), merge_spells(records))


@pytest.fixture(scope="module")
def moments(panel: Panel) -> Moments:
    return count_moments(panel)


@pytest.fixture(scope="module", params=["on_benefit", "employed"])
def regression(request: pytest.FixtureRequest, panel: Panel):
    """y ~ day dummies + day × treatment, over observed claimant-days of [0, DAYS)."""
    frame = panel.to_frame(request.param, range(DAYS))
    frame = frame[frame["followed"]]
    day = np.eye(DAYS)[frame["day"].to_numpy()]
    treated = (frame["arm"] == "IAP").to_numpy()[:, None]
    fit = sm.OLS(frame["on"].to_numpy(float), np.hstack([day, day * treated])).fit(
        cov_type="cluster", cov_kwds={"groups": frame["row"].to_numpy(), "use_correction": True}
    )
    return request.param, fit, frame


def test_covariance_and_cumulative_equal_the_clustered_regression(regression, moments: Moments) -> None:
    outcome, fit, frame = regression
    assert frame.groupby("day")["row"].nunique().nunique() > 1  # follow-up is unequal
    found = estimate_covariance(moments, outcome)
    np.testing.assert_allclose(found.estimate, fit.params[DAYS:], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(found.covariance, fit.cov_params()[DAYS:, DAYS:], rtol=1e-9, atol=1e-12)
    total = estimate_cumulative(moments, outcome).effect(DAYS)
    ones = np.ones(DAYS)
    assert total.estimate == pytest.approx(fit.params[DAYS:].sum(), abs=1e-12)
    expected = np.sqrt(ones @ fit.cov_params()[DAYS:, DAYS:] @ ones)
    assert total.std_error == pytest.approx(expected, rel=1e-12)


def test_the_factor_between_cr0_and_cr1_is_the_named_one(regression, panel: Panel, moments: Moments) -> None:
    from dataclasses import replace

    outcome, _, frame = regression
    plain = replace(panel, protocol=panel.protocol.with_analysis(small_sample="cr0"))
    groups, rows, terms = frame["row"].nunique(), len(frame), 2 * DAYS
    factor = groups / (groups - 1) * (rows - 1) / (rows - terms)
    corrected = estimate_cumulative(moments, outcome).effect(DAYS).std_error ** 2
    uncorrected = estimate_cumulative(count_moments(plain), outcome).effect(DAYS).std_error ** 2
    assert corrected / uncorrected == pytest.approx(factor, rel=1e-12)


@pytest.mark.parametrize(("rule", "kind"), [("hc2", "HC2"), ("cr0", "HC0"), ("cr1", "HC1")])
def test_daily_errors_equal_the_regression_of_one_day(panel: Panel, rule: str, kind: str) -> None:
    from dataclasses import replace

    other = replace(panel, protocol=panel.protocol.with_analysis(small_sample=rule))
    daily = estimate_daily(count_moments(other), "on_benefit")
    for day in (5, DAYS - 1):
        frame = panel.to_frame("on_benefit", range(day, day + 1))
        frame = frame[frame["followed"]]
        treated = (frame["arm"] == "IAP").to_numpy(float)
        fit = sm.OLS(frame["on"].to_numpy(float), sm.add_constant(treated)).fit(cov_type=kind)
        assert daily.effect(day).std_error == pytest.approx(fit.bse[1], rel=1e-12)


def test_newcombe_is_newcombes(panel: Panel) -> None:
    """Newcombe 1998, method 10, written out from the two Wilson intervals; and statsmodels one by one."""
    from dataclasses import replace

    from scipy.stats import norm

    other = replace(panel, protocol=panel.protocol.with_analysis(interval="newcombe"))
    daily = estimate_daily(count_moments(other), "on_benefit")
    z = norm.ppf(0.975)

    def wilson(p: float, n: int) -> tuple[float, float]:
        centre, half = p + z**2 / (2 * n), z * np.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
        return (centre - half) / (1 + z**2 / n), (centre + half) / (1 + z**2 / n)

    for day in (-100, 0, 20, DAYS - 1):
        effect = daily.effect(day)
        p, q, m, n = effect.mean_treatment, effect.mean_control, effect.n_treatment, effect.n_control
        (l1, u1), (l2, u2) = wilson(p, m), wilson(q, n)
        assert effect.conf_low == pytest.approx(p - q - np.hypot(p - l1, u2 - q), abs=1e-12)
        assert effect.conf_high == pytest.approx(p - q + np.hypot(u1 - p, q - l2), abs=1e-12)
        single = confint_proportions_2indep(round(p * m), m, round(q * n), n, method="newcomb", compare="diff")
        assert (effect.conf_low, effect.conf_high) == pytest.approx(single, abs=1e-12)
