"""States: exactly one each day, contrasts that sum to zero, and the same numbers as outcomes have."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from oracles import dense
from strategies import small_trials
from trials import SmallTrial

from trialimpact import (
    Contrast,
    DesignError,
    ProtocolError,
    TrialProtocol,
    build_panel,
    build_sample,
    count_moments,
    estimate_cumulative,
    estimate_daily,
    estimate_moves,
    estimate_states,
    load_records,
    merge_spells,
    merge_states,
)
from trialimpact.estimators.moves import moves_of
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

STATES = {
    "in_order": [
        {"name": "both", "on": ["a"], "and_on": ["b"]},
        {"name": "a_only", "on": ["a"]},
        {"name": "b_only", "on": ["b"]},
    ]
}
POOLED = Contrast(name="pooled", treatment=("T", "U"), control=("C",))


def panel_of(trial):
    records = load_records(trial.protocol, trial.tables)
    return build_panel(build_sample(records), merge_spells(records), merge_states(records))


@given(trial=small_trials())
@settings(max_examples=30)
def test_everyone_is_in_one_state_each_followed_day(trial: SmallTrial) -> None:
    trial.more = {"states": STATES}
    panel = panel_of(trial)
    days = np.arange(*panel.window)
    states = np.array([panel.states[name].states(days)[1] for name in panel.states])
    followed, _ = panel.states["both"].states(days)
    np.testing.assert_array_equal(states.sum(axis=0), followed)
    # "a and not b" is an outcome of its own in these trials.
    np.testing.assert_array_equal(states[1], dense(trial, "a_not_b").on)
    found = estimate_states(panel, POOLED)
    known = np.isfinite(found.estimate).all(axis=0)
    np.testing.assert_allclose(found.share_treatment.sum(axis=0)[known], 1.0)
    np.testing.assert_allclose(found.estimate.sum(axis=0)[known], 0.0, atol=1e-12)
    total = found.cumulative[12].estimate.sum()
    assert np.isnan(total) or total == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "analysis", [{}, {"small_sample": "cr1"}, {"clusters": "office"}, {"clusters": "office", "small_sample": "cr1"}]
)
def test_a_state_that_is_an_outcome_has_its_numbers(analysis: dict[str, str]) -> None:
    trial = simulate_trial(600, seed=3)
    trial = replace(trial, protocol=trial.protocol.with_analysis(**analysis))
    panel = panel_of(trial)
    moments, found = count_moments(panel), estimate_states(panel)
    daily, cumulative = estimate_daily(moments, "employed"), estimate_cumulative(moments, "employed")
    np.testing.assert_allclose(found.estimate[2], daily.estimate)
    np.testing.assert_allclose(found.std_error[2], daily.std_error, atol=1e-12)
    entry, effect = found.cumulative[273], cumulative.effect(273)
    assert (entry.estimate[2], entry.std_error[2]) == pytest.approx((effect.estimate, effect.std_error))
    frame = found.to_frame()
    assert frame["outcome"].drop_duplicates().tolist() == ["benefit_and_work", "benefit_only", "work_only", "rest"]
    assert frame["horizon_days"].notna().sum() == 4 * 3


def test_clusters_where_nobody_is_in_a_state_count_as_clusters() -> None:
    """A team of control alone, none of whom is ever on: it is one of the G of G/(G - 1)."""
    n = 24
    team = np.repeat(["k", "l", "m", "n"], 6)
    people = pd.DataFrame(
        {"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0, "team": team}
    )
    people.loc[people["team"] == "n", "arm"] = "C"
    on = people.loc[:17, "claimant_id"]
    spells = pd.DataFrame({"claimant_id": on, "kind": "a", "start": 0, "end": 1 + np.arange(18) % 11})
    trial = SmallTrial(people, spells, analysis={"clusters": "team", "small_sample": "cr1"}, more={"states": STATES})
    panel = panel_of(trial)
    daily = estimate_daily(count_moments(panel), "a_not_b").between(0, 12)
    assert (daily.std_error > 0).any()
    np.testing.assert_allclose(estimate_states(panel).std_error[1][-12:], daily.std_error, atol=1e-12)


def test_without_states_it_is_an_error_and_strangers_are_named() -> None:
    trial = simulate_trial(200, seed=1)
    with pytest.raises(DesignError, match=r"declare \[states\]"):
        estimate_states(trial.panel())
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["states"] = {"in_order": [{"name": "trained", "on": ["training"]}]}
    with pytest.raises(ProtocolError, match="states: 'training' is not a spell source"):
        TrialProtocol.from_dict(data)


@given(trial=small_trials())
@settings(max_examples=30)
def test_moves_are_counted_as_day_by_day(trial: SmallTrial) -> None:
    trial.more = {"states": STATES}
    panel = panel_of(trial)
    found = estimate_moves(panel, POOLED)
    days = np.arange(0, 12)
    names = list(panel.states)
    where = np.array([panel.states[name].states(days)[1] for name in names])
    followed = panel.states["both"].states(days)[0]
    for place, (before, after) in enumerate(found.pairs):
        moved = where[names.index(before)][:, :-1] & where[names.index(after)][:, 1:]
        for side, mean in (
            ("treatment", found.cumulative[12].mean_treatment),
            ("control", found.cumulative[12].mean_control),
        ):
            people = panel.on_side(getattr(POOLED, side))
            n = followed[people][:, 1:].sum(axis=0)
            if (n == 0).any():
                assert np.isnan(mean[place])
            else:
                assert mean[place] == pytest.approx((moved[people].sum(axis=0) / n).sum())


@given(trial=small_trials())
@settings(max_examples=15)
def test_nobody_moves_on_the_first_day_of_the_window(trial: SmallTrial) -> None:
    trial.more = {"states": STATES}
    panel = panel_of(trial)
    assert all((each.spells.start > panel.window[0]).all() for each in moves_of(panel).values())


def test_horizons_of_one_day_have_no_moves_and_those_of_two_days_those_of_one() -> None:
    trial = simulate_trial(200, seed=4)
    two = replace(trial, protocol=trial.protocol.with_analysis(horizon_days=2, last_day=30))
    assert set(estimate_moves(panel_of(two)).to_frame()["horizon_days"]) == {2}
    trial = replace(trial, protocol=trial.protocol.with_analysis(horizon_days=1, last_day=30))
    found = estimate_moves(panel_of(trial))
    assert found.to_frame().empty
    assert "no horizon" in repr(found)


def test_what_enters_a_state_less_what_leaves_it_is_what_is_there_more() -> None:
    trial = simulate_trial(500, seed=4)
    trial = replace(trial, protocol=trial.protocol.with_analysis(horizon_days=91, last_day=91))
    panel = panel_of(trial)
    moves, states = estimate_moves(panel), estimate_states(panel)
    entry = moves.cumulative[91]
    first, last = (int(np.flatnonzero(states.days == day)[0]) for day in (0, 90))
    for place, name in enumerate(states.names):
        net = sum(
            sign * entry.mean_treatment[at]
            for at, pair in enumerate(moves.pairs)
            for sign, end in ((1, pair[1]), (-1, pair[0]))
            if end == name
        )
        # Everybody is followed to day 90, so that the two are the same people.
        assert (panel.states[name].followed_to >= 91).all()
        assert net == pytest.approx(states.share_treatment[place, last] - states.share_treatment[place, first])
    frame = moves.to_frame()
    assert len(frame) == 12
    assert (frame["n_treatment"] == states.n_treatment[first]).all()


def z_of_moves(runs: int) -> list[float]:
    """The commonest move, in trials without an effect."""
    z = []
    for seed in range(runs):
        trial = simulate_trial(300, seed=seed, first_spell_factor=1.0)
        entry = estimate_moves(panel_of(trial)).cumulative[182]
        at = int(np.argmax(entry.mean_control))
        z.append(entry.estimate[at] / entry.std_error[at])
    return z


def test_moves_have_the_scatter_that_their_errors_say() -> None:
    z = z_of_moves(14)
    assert 0.5 < np.std(z) < 1.7
    assert abs(np.mean(z)) < 1.1


@pytest.mark.slow
def test_moves_have_the_scatter_that_their_errors_say_in_many_trials() -> None:
    z = z_of_moves(200)
    assert 0.8 < np.std(z) < 1.2
    assert abs(np.mean(z)) < 0.29
