"""Cox's ratio of two sides: ties in any order, and what is known of it in other ways."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize_scalar

from trialimpact.estimators.cox import _Events, log_hazard_ratio


def people(n: int, seed: int, unit: int = 1) -> pd.DataFrame:
    """Waits in days, or in wider units so that many tie; some end without the event."""
    rng = np.random.default_rng(seed)
    treatment = rng.integers(0, 2, n)
    waits = rng.exponential(60 - 15 * treatment, n)
    until = rng.uniform(20, 90, n)
    days = np.ceil(np.minimum(waits, until) / unit).astype(int)
    frame = pd.DataFrame({"days": days, "happened": waits <= until, "treatment": treatment})
    return frame.assign(cluster=rng.integers(0, n // 8, n))


def efron(frame: pd.DataFrame, beta: float) -> float:
    """Minus the log partial likelihood, by plain loops."""
    total = 0.0
    for day in sorted(set(frame.loc[frame["happened"], "days"])):
        at_risk = np.exp(beta * frame.loc[frame["days"] >= day, "treatment"])
        tied = np.exp(beta * frame.loc[(frame["days"] == day) & frame["happened"], "treatment"])
        for draw in range(len(tied)):
            total += np.log(at_risk.sum() - draw / len(tied) * tied.sum())
        total -= np.log(tied).sum()
    return total


@pytest.mark.parametrize("unit", [1, 7, 30])
def test_the_ratio_is_the_likeliest_and_its_error_the_curvature(unit: int) -> None:
    frame = people(120, unit, unit)
    beta, error, p = log_hazard_ratio(frame)
    best = minimize_scalar(lambda b: efron(frame, b), bracket=(-1, 1), tol=1e-10).x
    assert beta == pytest.approx(best, abs=1e-6)
    curvature = (efron(frame, beta + 1e-4) - 2 * efron(frame, beta) + efron(frame, beta - 1e-4)) / 1e-8
    assert error == pytest.approx(curvature**-0.5, rel=1e-5)
    assert 0 < p < 1


@pytest.mark.parametrize("unit", [1, 7, 30])
def test_errors_by_cluster_do_not_depend_on_the_order_of_rows(unit: int) -> None:
    frame = people(200, 3, unit)
    orders = [np.arange(200), np.argsort(frame["treatment"], kind="stable"), np.random.default_rng(1).permutation(200)]
    found = {
        log_hazard_ratio(each, each["cluster"].to_numpy())[1].__round__(12)
        for each in (frame.iloc[order] for order in orders)
    }
    assert len(found) == 1


def test_residuals_are_of_the_score() -> None:
    frame = people(150, 5, 7)
    events = _Events(*(frame[name].to_numpy() for name in ("days", "happened")), frame["treatment"].to_numpy(bool))
    for beta in (-0.5, 0.0, 0.7):
        assert events.residuals(beta).sum() == pytest.approx(events.score_and_information(beta)[0])


def test_errors_by_person_are_those_of_lifelines_where_nobody_ties() -> None:
    lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed (it needs pandas below 3)")
    frame = people(90, 2).assign(days=np.random.default_rng(2).permutation(90) + 1)
    fitter = lifelines.CoxPHFitter().fit(
        frame, "days", "happened", cluster_col="cluster", fit_options={"precision": 1e-12, "r_precision": 1e-15}
    )
    beta, error, _ = log_hazard_ratio(frame, frame["cluster"].to_numpy())
    assert beta == pytest.approx(fitter.params_["treatment"], rel=1e-6)
    assert error == pytest.approx(fitter.standard_errors_["treatment"], rel=1e-6)


def test_no_ratio_where_a_side_has_no_event_or_the_likeliest_is_without_bound() -> None:
    one = pd.DataFrame({"days": [1, 2, 3, 4], "happened": [True, True, False, False], "treatment": [1, 1, 0, 0]})
    apart = one.assign(happened=True)
    for frame in (one, apart):
        assert np.isnan(log_hazard_ratio(frame)).all()
