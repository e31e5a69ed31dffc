from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from oracles import dense
from strategies import small_trials
from trials import SmallTrial

import trialimpact as ti
from trialimpact import DesignError, ProtocolError
from trialimpact.synthetic import simulate_trial


@given(small_trials())
@settings(max_examples=40)
def test_the_panel_is_the_day_by_day_truth(trial: SmallTrial) -> None:
    panel = trial.panel()
    for outcome in ("a", "a_not_b", "a_or_b"):
        expected, frame = dense(trial, outcome), panel.to_frame(outcome)
        assert np.array_equal(frame["followed"].to_numpy().reshape(expected.followed.shape), expected.followed)
        assert np.array_equal(frame["on"].to_numpy().reshape(expected.on.shape), expected.on)
        assert (frame["arm"].to_numpy().reshape(expected.on.shape)[:, 0] == expected.arm).all()


def one_person(**how: object) -> SmallTrial:
    people = pd.DataFrame({"claimant_id": ["p", "q"], "arm": ["T", "C"], "index": [0, 0]})
    spells = pd.DataFrame({"claimant_id": ["p"], "kind": ["a"], "start": [1], "end": [3]})
    return SmallTrial(people, spells, **how)


def test_a_frame_says_its_size_before_it_is_made_and_the_caller_may_raise_the_limit() -> None:
    panel = one_person().panel()
    with pytest.raises(DesignError, match=r"32 rows \(2 claimants × 16 days\)"):
        panel.to_frame("a", max_rows=10)
    frame = panel.to_frame("a", range(3), max_rows=6)
    assert frame["on"].tolist() == [False, True, True, False, False, False]


def test_a_column_of_strata_that_is_not_there() -> None:
    with pytest.raises(DesignError, match="names the column 'region', which the claimants do not have"):
        one_person(analysis={"strata": "region"}).panel()


def test_strata_of_two_columns_and_missing_labels() -> None:
    trial = one_person(analysis={"strata": ["x", "y"]})
    trial.people = trial.people.assign(x=["n", None], y=[1, 2])
    assert trial.panel().strata == ("(not stated) × 2", "n × 1")


def test_the_repr_counts_and_shows_nobody() -> None:
    assert repr(one_person().panel()).startswith("Panel(2 claimants; days -4 to 11; 1 a spells")


def test_follow_up_of_each_source() -> None:
    panel = one_person(covered={"a": (-2, 60), "b": (-50, 7)}).panel()
    assert [each.tolist() for each in panel.follow_up("a")] == [[-2, -2], [12, 12]]
    assert [each.tolist() for each in panel.follow_up("b")] == [[-4, -4], [7, 7]]
    both = panel.outcomes["a_not_b"]
    assert (both.followed_from[0], both.followed_to[0]) == (-2, 7)
    with pytest.raises(ProtocolError, match="no spell source 'c'"):
        panel.follow_up("c")


def test_sample_and_spells_are_of_the_same_load(tmp_path: Path) -> None:
    trial = simulate_trial(60, seed=1)
    records, turned = (
        ti.load_records(trial.protocol, {**trial.tables, "claimants": trial.tables["claimants"].iloc[::step]})
        for step in (1, -1)
    )
    with pytest.raises(ti.DesignError, match="of different loads: their row numbers"):
        ti.build_panel(ti.build_sample(records), ti.merge_spells(turned))
    for wrong in (
        lambda: ti.estimate_balance(ti.build_sample(records), ti.merge_spells(turned)),
        lambda: ti.estimate_integrity(
            ti.build_sample(records), ti.build_panel(ti.build_sample(turned), ti.merge_spells(turned))
        ),
    ):
        with pytest.raises(ti.DesignError, match="of different loads: their row numbers"):
            wrong()
    trial.write(tmp_path)
    once, again = (ti.load_records(trial.protocol, folder=tmp_path) for _ in range(2))
    assert ti.build_panel(ti.build_sample(once), ti.merge_spells(again)).outcomes
