"""Bounds by hand and against brute force, and the tipping point that they imply."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import ndtr
from trials import SmallTrial

from trialimpact import (
    DesignError,
    build_panel,
    build_sample,
    estimate_bounds,
    load_records,
    merge_spells,
    plot_tipping,
)
from trialimpact.estimators.bounds import Bound, trimmed_mean
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

DAYS = {"T": [2, 4, 6, 8, 10], "C": [3, 5, 7, 9]}


def ten_people() -> SmallTrial:
    arms = ["T"] * 5 + ["C"] * 4
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(9)], "arm": arms, "index": 0})
    ends = DAYS["T"] + DAYS["C"]
    return SmallTrial(
        people, pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    )


def test_by_hand() -> None:
    """Five of five and four of five are linked: a fifth of treatment's linked are trimmed."""
    found = estimate_bounds(ten_people().panel(), {"T": 5, "C": 5}, "a", "t")
    assert (found.retained_treatment, found.retained_control) == (1.0, 0.8)
    lee = found.bound("lee")
    assert (lee.lower, lee.upper) == pytest.approx((np.mean([2, 4, 6, 8]) - 6, np.mean([4, 6, 8, 10]) - 6))
    worst = found.bound("worst_case")
    # The lost control person had 0 days, or all 12.
    assert (worst.lower, worst.upper) == pytest.approx((6 - (24 + 12) / 5, 6 - 24 / 5))
    with pytest.raises(DesignError, match="no interval to map"):
        plot_tipping(replace(found, tipping=replace(found.tipping, std_error=np.nan)))
    tipping = found.tipping
    assert np.isnan(tipping.to_zero)  # nobody of treatment was lost
    assert tipping.effect(0, 5.0) == pytest.approx(0 - 0.2 * 5.0)


def test_the_other_side_is_trimmed_when_it_links_more() -> None:
    found = estimate_bounds(ten_people().panel(), {"T": 10, "C": 4}, "a", "t").bound("lee")
    # Half of treatment is linked, all of control: half of control's linked are trimmed.
    assert (found.lower, found.upper) == pytest.approx((6 - np.mean([7, 9]), 6 - np.mean([3, 5])))


def test_daily_bounds_added_up_are_wider_and_have_no_error() -> None:
    found = estimate_bounds(ten_people().panel(), {"T": 5, "C": 5}, "a", "t")
    lee, daily = found.bound("lee"), found.bound("lee_daily")
    assert daily.lower <= lee.lower + 1e-9 and daily.upper >= lee.upper - 1e-9
    assert np.isnan(daily.lower_std_error)
    share = {arm: np.array([(np.array(days) > day).mean() for day in range(12)]) for arm, days in DAYS.items()}
    low = np.maximum(0, (share["T"] - 0.2) / 0.8) - share["C"]
    assert daily.lower == pytest.approx(low.sum())


def test_nobody_lost_bounds_are_the_estimate() -> None:
    found = estimate_bounds(ten_people().panel(), {"T": 5, "C": 4}, "a", "t")
    for each in found.bounds:
        assert (each.lower, each.upper) == pytest.approx((0.0, 0.0), abs=1e-12)


@given(st.lists(st.integers(0, 9), min_size=2, max_size=20), st.floats(0, 0.9), st.booleans())
def test_trimming_is_the_extreme_mean_of_what_could_be_kept(values: list[int], share: float, top: bool) -> None:
    """Among all ways to keep 1 - share of the weight, the kept mean is the lowest (or highest)."""
    y = np.array(values, dtype=float)
    mean, cut, variance = trimmed_mean(y, share, top=top)
    copies = np.repeat(np.sort(y), 1_000)
    kept = round((1 - share) * copies.size)
    brute = copies[:kept] if top else copies[copies.size - kept :]
    assert mean == pytest.approx(brute.mean(), abs=0.05)
    assert variance == pytest.approx(brute.var(), abs=0.1)
    assert y.min() <= cut <= y.max()


@pytest.mark.parametrize("runs", [50, pytest.param(500, marks=pytest.mark.slow)])
def test_the_error_of_lee_is_that_of_many_trials(runs: int) -> None:
    """Simulated: links depend on arm only; the standard errors are those of the scatter."""
    rng, estimates, errors = np.random.default_rng(5), [], []
    for _ in range(runs):
        n = 300
        arm = np.where(rng.permutation(n) % 2 == 0, "T", "C")
        linked = rng.random(n) < np.where(arm == "T", 0.95, 0.8)
        ends = rng.integers(1, 13, n)
        people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": 0})[linked]
        spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends[linked]})
        trial = SmallTrial(people, spells, analysis={"small_sample": "hc2"})
        bound = estimate_bounds(
            trial.panel(), {"T": int((arm == "T").sum()), "C": int((arm == "C").sum())}, "a", "t"
        ).bound("lee")
        estimates.append((bound.lower, bound.upper))
        errors.append((bound.lower_std_error, bound.upper_std_error))
    ratio = np.std(estimates, axis=0) / np.mean(errors, axis=0)
    assert (np.abs(ratio - 1) < 4 * np.sqrt(1 / (2 * runs))).all(), ratio


def test_imbens_and_manskis_interval_is_between_one_and_two_sided() -> None:
    def interval(lower: float, upper: float, level: float = 0.95) -> tuple[float, float]:
        bound = Bound(
            method="lee",
            lower=lower,
            upper=upper,
            lower_std_error=1.0,
            upper_std_error=1.0,
            n_treatment=9,
            n_control=9,
            says="",
        )
        return bound.interval(level)

    assert interval(0.0, 0.0) == pytest.approx((-1.96, 1.96), abs=1e-3)
    assert interval(-50.0, 50.0) == pytest.approx((-51.645, 51.645), abs=1e-3)
    for level in (0.5, 0.95):
        c = -interval(0.0, 1.0, level)[0]
        assert ndtr(c + 1) - ndtr(-c) == pytest.approx(level)


def test_the_tipping_point_is_where_the_effect_vanishes() -> None:
    trial = simulate_trial(1_500, seed=3)
    records = load_records(trial.protocol, trial.tables)
    sample = build_sample(records)
    found = estimate_bounds(build_panel(sample, merge_spells(records)), sample.flow, "on_benefit")
    tipping = found.tipping
    assert tipping.effect(tipping.to_zero, 0.0) == pytest.approx(0.0, abs=1e-9)
    edge = float(tipping.effect(tipping.to_not_clear, 0.0))
    if abs(tipping.estimate) > tipping.critical * tipping.std_error:
        assert abs(edge) == pytest.approx(tipping.critical * tipping.std_error)
    assert not tipping.is_possible(1_000.0)
    frame = found.to_frame()
    assert frame["method"].tolist() == ["lee", "lee_daily", "worst_case", "tipping_zero", "tipping_interval"]
    worst = found.bound("worst_case")
    corners = [
        float(tipping.effect(t, c))
        for t in (-tipping.mean_treatment, 273 - tipping.mean_treatment)
        for c in (-tipping.mean_control, 273 - tipping.mean_control)
    ]
    assert (worst.lower, worst.upper) == pytest.approx((min(corners), max(corners)))


def test_wrong_numbers_and_flows_without_linking_are_errors() -> None:
    panel = ten_people().panel()
    with pytest.raises(DesignError, match="more are analysed than were eligible"):
        estimate_bounds(panel, {"T": 3, "C": 5}, "a", "t")
    trial = ten_people()
    sample = build_sample(load_records(trial.protocol, trial.tables))
    with pytest.raises(DesignError, match="no stage at which people are linked"):
        estimate_bounds(panel, sample.flow, "a", "t")
