"""A tiny trial under every assignment: the estimator's mean is the true effect, whoever is late or lost."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import estimate_cumulative, estimate_daily

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

N, TREATED, HORIZON = 8, 4, 6
INDEX = np.arange(N) % 2
LENGTH = {"C": np.array([6, 1, 3, 5, 2, 4, 6, 3]), "T": np.array([2, 1, 2, 5, 1, 6, 3, 1])}
BACK = {"C": np.array([0, 2, 0, 0, 2, 0, 0, 1]), "T": np.array([2, 0, 1, 0, 3, 0, 1, 0])}


def spells_of(arms: np.ndarray) -> pd.DataFrame:
    """Each person's own spell and return under the arm that they got."""
    rows = []
    for person, arm in enumerate(arms):
        start, end = INDEX[person], INDEX[person] + LENGTH[arm][person]
        rows.append((f"p{person}", "a", start, end))
        rows.append((f"p{person}", "a", end + 1, end + 1 + BACK[arm][person]))
    return pd.DataFrame(rows, columns=["claimant_id", "kind", "start", "end"])


def on_days(arm: str) -> np.ndarray:
    table = np.zeros((N, HORIZON))
    for person in range(N):
        end = LENGTH[arm][person]
        table[person, :end] = 1
        table[person, end + 1 : end + 1 + BACK[arm][person]] = 1
    return table


def every_estimate(extract: int, strata: bool = False) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Estimates of C(H), their variances, and daily estimates, over all assignments of 4 of 8."""
    totals, variances, daily = [], [], []
    covered = {"a": (-10, extract), "b": (-10, 90)}
    analysis = {"small_sample": "hc2"} | ({"strata": "site"} if strata else {})
    for chosen in combinations(range(N), TREATED):
        arms = np.array(["T" if person in chosen else "C" for person in range(N)])
        if strata and len({sum(arms[:4] == "T"), 2}) > 1:
            continue
        people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(N)], "arm": arms, "index": INDEX})
        people = people.assign(site=["x"] * 4 + ["y"] * 4)
        trial = SmallTrial(people, spells_of(arms), covered, horizon=HORIZON, pre_days=0, analysis=analysis)
        moments = trial.moments()
        effect = estimate_cumulative(moments, "a", stratified=strata).effect(HORIZON)
        totals.append(effect.estimate)
        variances.append(effect.std_error**2)
        daily.append(estimate_daily(moments, "a", stratified=strata).estimate)
    return np.array(totals), np.array(variances), np.array(daily)


def test_unbiased_for_every_day_and_the_total_under_full_follow_up() -> None:
    truth = (on_days("T") - on_days("C")).mean(axis=0)
    totals, _, daily = every_estimate(extract=60)
    assert totals.size == 70
    np.testing.assert_allclose(daily.mean(axis=0), truth, atol=1e-12)
    assert totals.mean() == pytest.approx(truth.sum(), abs=1e-12)


def test_neymans_variance_is_conservative_on_average() -> None:
    totals, variances, _ = every_estimate(extract=60)
    assert variances.mean() >= totals.var()
    # Neyman: the excess is the variance of the individual effects over N.
    individual = (on_days("T") - on_days("C")).sum(axis=1)
    assert variances.mean() - totals.var() == pytest.approx(individual.var(ddof=1) / N, abs=1e-12)


def test_stratified_is_unbiased_over_assignments_within_strata() -> None:
    truth = (on_days("T") - on_days("C")).mean(axis=0)
    totals, _, daily = every_estimate(extract=60, strata=True)
    assert totals.size == 36
    np.testing.assert_allclose(daily.mean(axis=0), truth, atol=1e-12)


def test_with_staggered_follow_up_each_day_is_unbiased_for_those_followed_that_day() -> None:
    """Half of the people are a day later; the last day is seen for the others only.

    Conditional on how many of those followed are treated, the difference on that day is unbiased
    for their mean effect.
    """
    extract = HORIZON
    truth = (on_days("T") - on_days("C"))[INDEX == 0, HORIZON - 1].mean()
    by_split: dict[int, list[float]] = {}
    for chosen in combinations(range(N), TREATED):
        arms = np.array(["T" if person in chosen else "C" for person in range(N)])
        split = int((arms[INDEX == 0] == "T").sum())
        if split in (0, 4):
            continue
        people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(N)], "arm": arms, "index": INDEX})
        spells = spells_of(arms)
        spells = spells[spells["start"] < extract]
        trial = SmallTrial(people, spells, {"a": (-10, extract), "b": (-10, 90)}, horizon=HORIZON, pre_days=0)
        by_split.setdefault(split, []).append(estimate_daily(trial.moments(), "a").estimate[-1])
    assert sorted(by_split) == [1, 2, 3]
    for found in by_split.values():
        assert np.mean(found) == pytest.approx(truth, abs=1e-12)
