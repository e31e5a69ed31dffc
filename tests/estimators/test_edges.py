"""What happens where next to nothing is left, and that every result shows itself."""

from __future__ import annotations

import importlib
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial, short_trial

import trialimpact as ti
from trialimpact.errors import DesignError
from trialimpact.estimators import bands, compliance, cox, durations, integrity, ledger, placebo, segmentation
from trialimpact.estimators.covariates import Covariates, build_covariates
from trialimpact.estimators.states import declared_states
from trialimpact.estimators.target import day_weights

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def trial(n: int = 40, **more: Any) -> SmallTrial:
    rng = np.random.default_rng(3)
    people = pd.DataFrame(
        {"claimant_id": [f"p{place}" for place in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0}
    )
    people["site"] = np.where(np.arange(n) % 4 < 2, "x", "y")
    start = rng.integers(-6, 8, n)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": start, "end": start + 9})
    beside = spells.assign(kind="b", start=start + 3, end=start + 5)
    return SmallTrial(people, pd.concat([spells, beside], ignore_index=True), **more)


def three_arms() -> Any:
    contrasts = [{"name": arm.lower(), "treatment": [arm], "control": ["C"]} for arm in ("T", "X")]
    made = trial(60, arms=("T", "C", "X"), more={"contrasts": contrasts})
    made.people.loc[::3, "arm"] = "X"
    return made.panel()


@pytest.fixture(scope="module")
def panel() -> Any:
    return trial().panel()


def test_days_and_horizons_outside_the_window_are_refused_at_once() -> None:
    protocol, moments = trial().protocol, trial().moments()
    first, last = -protocol.analysis.pre_days, protocol.analysis.end_day - 1
    assert day_weights(protocol, first, last + 1).sum() == last + 1 - first
    for low, high in ((first - 1, 0), (0, last + 2), (3, 3)):
        with pytest.raises(DesignError, match="the window of the protocol"):
            day_weights(protocol, low, high)
    with pytest.raises(DesignError, match="99"):
        ti.estimate_subgroups(moments, "a", horizon_days=99)


def test_every_result_shows_itself(panel: Any) -> None:
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    states = {"in_order": [{"name": "in_a", "on": ["a"]}, {"name": "in_b", "on": ["b"]}]}
    analysed = ti.analyse_trial(*short_trial(320, seed=4, subgroups=2))
    with_states = trial(more={"states": states})
    records = ti.load_records(with_states.protocol, with_states.tables)
    of_states = ti.build_panel(ti.build_sample(records), ti.merge_spells(records), ti.merge_states(records))
    moments, known = trial().moments(), build_covariates(analysed.panel, "on_benefit")
    eligible = {"T": 24, "C": 22}
    found = [
        ti.estimate_daily(moments, "a"), ti.estimate_cumulative(moments, "a"), ti.estimate_covariance(moments, "a"),
        ti.estimate_bands(moments, "a").daily, ti.estimate_pretrend(moments, "a"), ti.estimate_bootstrap(panel, "a", draws=20),
        ti.estimate_bounds(panel, eligible, "a"), ti.estimate_durations(panel, "a"), ti.estimate_randomisation(panel, "a", draws=50),
        ti.estimate_states(of_states), ti.estimate_moves(of_states), analysed.counts.received, analysed.balance,
        ti.estimate_subgroups(analysed.moments, "on_benefit"), analysed.inference,
        ti.detectable_days(1_000, 50.0), ti.past_variation(panel, "a"),
        ti.estimate_segmentation(analysed.panel, known, "on_benefit", n_splits=3, n_groups=2), known,
        ti.estimate_arms(three_arms(), "a"),
    ]  # fmt: skip
    days = ti.estimate_covariance(moments, "a").to_frame()
    assert (days.index == days.columns).all()
    for field in fields(analysed.inference):
        value = getattr(analysed.inference, field.name)
        found += [each for each in (value if isinstance(value, tuple) else [value]) if hasattr(each, "_repr_html_")]
    for each in found:
        assert type(each).__name__ in repr(each)
        if hasattr(each, "_repr_html_"):
            assert "<" in each._repr_html_()


def test_draws_of_days_without_variance_and_of_nearly_equal_ones() -> None:
    protocol = trial().protocol
    nothing = bands.largest_draws(np.diag([1.0, 0.0]), 1, protocol)
    assert [each.size for each in nothing] == [0, 0]
    opposite = bands.largest_draws(np.array([[1.0, -1.0], [-1.0, 1.0]]), 1, protocol)
    assert opposite[0].size == bands.DRAWS and opposite[1].size == 0, "their sum does not vary"
    beyond = bands.largest_draws(np.array([[1.0, 1 + 1e-7], [1 + 1e-7, 1.0]]), 0, protocol)
    alone = bands.largest_draws(np.eye(1), 0, protocol)
    assert np.quantile(beyond[0], 0.95) == pytest.approx(np.quantile(alone[0], 0.95), rel=0.02), "as one day"


def test_with_clusters_bounds_have_no_errors_and_halves_are_of_clusters() -> None:
    made = trial(analysis={"clusters": "site", "small_sample": "cr1"})
    panel = made.panel()
    found = ti.estimate_bounds(panel, {"T": 24, "C": 22}, "a")
    assert np.isnan(found.bound("lee").lower_std_error) and np.isnan(found.bound("worst_case").upper_std_error)
    half = next(segmentation._halves(panel, (panel.arm == 0, panel.arm == 1), np.random.default_rng(1), 1))
    assert [len(set(half[panel.cluster == code])) for code in (0, 1)] == [1, 1]


def test_what_is_too_little_says_so(panel: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    late = trial(covered={"a": (-50, 5), "b": (-50, 5)})
    late.spells = late.spells[late.spells["start"] < 5]
    with pytest.raises(DesignError, match="followed"):
        ti.estimate_bounds(late.panel(), {"T": 24, "C": 22}, "a")
    with pytest.raises(DesignError, match="on some day nobody is followed"):
        ti.past_variation(late.panel(), "a")
    alone = trial(analysis={"clusters": "own", "small_sample": "cr1"})
    alone.people["own"] = [f"h{place}" if place % 2 else f"h{place // 4 * 4}" for place in range(40)]
    with pytest.raises(DesignError, match="too few clusters"):
        ti.past_variation(alone.panel(), "a")
    with pytest.raises(DesignError, match="nobody of a side is followed"):
        many = trial(400, covered=late.covered)
        many.spells = many.spells[many.spells["start"] < 5]
        scores = Covariates(names=("x",), matrix=np.random.default_rng(1).normal(size=(400, 1)))
        ti.estimate_segmentation(many.panel(), scores, "a", n_splits=3, n_groups=2)
    with pytest.raises(DesignError, match="no states"):
        ti.estimate_moves(panel)
    with pytest.raises(DesignError, match="no states"):
        declared_states(panel.protocol)
    with pytest.raises(DesignError):
        day_weights(panel.protocol, 0, 10_000)
    with pytest.raises(DesignError, match="standard deviation"):
        ti.detectable_days(1_000, 0.0)
    monkeypatch.setattr(importlib, "import_module", lambda name: (_ for _ in ()).throw(ImportError(name)))
    with pytest.raises(DesignError, match="lifelines is not installed"):
        durations._lifelines("")


def test_receipt_that_no_assignment_changes_has_no_effect_and_sets_of_every_kind(panel: Any) -> None:
    everybody = ti.estimate_compliance(panel, "a", received=np.ones(len(panel), dtype=bool))
    assert np.isnan(everybody.cace).all()
    z = 2.0
    for covariance, kind in (([[0.0, 0.25], [0.25, 1.0]], "interval"), ([[0.0, 1.5], [1.5, 1.0]], "interval")):
        found = compliance._anderson_rubin(np.array([1.0, 2.0]), np.array(covariance), z)
        assert found.kind == kind
        assert np.isinf([found.low, found.high]).sum() == 1, "bounded on one side"


def test_markers_that_some_lack() -> None:
    protocol, tables = short_trial(200, seed=4, subgroups=0)
    panel = ti.analyse_trial(protocol, tables).panel
    unknown = replace(panel, received=np.where(np.arange(len(panel)) < 3, -1, panel.received))
    with pytest.raises(DesignError, match=r"3 of [\d,]+ claimants have no known received arm"):
        ti.estimate_compliance(unknown, "on_benefit")


def test_newtons_steps_end(monkeypatch: pytest.MonkeyPatch) -> None:
    days = np.array([1, 2, 3, 4, 5, 6, 7, 8])
    frame = pd.DataFrame({"days": days, "happened": True, "treatment": [1, 1, 0, 1, 0, 0, 1, 0]})
    whole = cox.log_hazard_ratio(frame)
    monkeypatch.setattr(cox, "MOST_STEPS", 4)
    assert cox.log_hazard_ratio(frame) == pytest.approx(whole, abs=1e-3)


def test_clusters_without_a_designed_ratio_and_weeks_without_anybody() -> None:
    made = trial(analysis={"clusters": "place", "small_sample": "cr1"})
    made.people["place"] = made.people["arm"] + made.people["site"]
    records = ti.load_records(made.protocol, made.tables)
    sample = ti.build_sample(records)
    checks = integrity.estimate_integrity(sample, ti.build_panel(sample, ti.merge_spells(records))).checks
    assert checks[0].level == "not tested" and checks[0].where == "clusters analysed"
    gap = trial(
        more={"allocation": {"rule": "assigned", "control": "C", "arms": ["T", "C"], "ratio": {"T": 1, "C": 1}}}
    )
    gap.people["index"] = np.where(np.arange(40) < 20, 0, 21)
    records = ti.load_records(gap.protocol, gap.tables)
    sample = ti.build_sample(records)
    weeks = integrity.estimate_integrity(sample, ti.build_panel(sample, ti.merge_spells(records))).checks
    assert [each.where for each in weeks if each.check == "ratio_by_week"] == [
        "week from 2020-01-01",
        "week from 2020-01-22",
    ]


def test_strata_that_are_all_too_small() -> None:
    made = trial(8, analysis={"strata": ["each"], "headline": "stratified"})
    made.people["each"] = [f"s{place // 2}" for place in range(8)]
    panel = made.panel()
    contrast, outcome = panel.protocol.contrasts[0], panel.outcome("a")
    weights = day_weights(panel.protocol, 0, 12)
    assert np.isnan(ledger.headline_ledger(panel, outcome, contrast, weights).estimate).all()
    empty = replace(panel, strata=(*panel.strata, "nobody"))
    found = ti.estimate_randomisation(empty, "a", draws=20)
    assert found.observed == ti.estimate_randomisation(panel, "a", draws=20).observed


def test_one_digit_a_side_cannot_differ() -> None:
    digits = np.array([1, 6])
    panel = replace(trial().panel(), digit=np.array([1, 6] * 20))
    sides = [np.array([True, False]), np.array([False, True])]
    found = placebo._homogeneity(panel, digits, [(0.0, np.ones(40)), (1.0, np.ones(40))], sides)
    assert np.isnan(found.p_value)


def test_an_assignment_without_an_estimate_has_no_p_value(panel: Any) -> None:
    found = ti.estimate_randomisation(panel, "a", draws=20)
    assert np.isnan(replace(found, observed=float("nan")).p_value)
    assert np.isnan(replace(found, estimates=np.full(3, np.nan)).p_value)


def test_moments_are_equal_to_moments_alone(panel: Any) -> None:
    assert trial().moments() != "moments"
