"""Changes to the records that must change nothing, or only the sign."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from strategies import small_trials
from trials import SmallTrial

from trialimpact import Contrast, estimate_cumulative, estimate_daily

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
FORWARD = Contrast(name="forward", treatment=("T",), control=("C",))
BACKWARD = Contrast(name="backward", treatment=("C",), control=("T",))


@given(small_trials(), st.integers(0, 10))
@settings(max_examples=30)
def test_splitting_spells_changes_nothing(trial: SmallTrial, overlap: int) -> None:
    spells = trial.spells
    middle = (spells["start"] + spells["end"]) // 2
    second = spells.assign(start=np.maximum(spells["start"], middle - overlap))
    extract = second["kind"].map({kind: high for kind, (_, high) in trial.covered.items()})
    second = second[second["start"] < extract]  # a spell may not start after the extract
    split = SmallTrial(trial.people, pd.concat([spells.assign(end=middle), second]), trial.covered, trial.arms)
    assert split.moments() == trial.moments()


@given(small_trials(), st.randoms())
@settings(max_examples=30)
def test_the_order_of_rows_changes_nothing(trial: SmallTrial, random) -> None:
    people, spells = list(range(len(trial.people))), list(range(len(trial.spells)))
    random.shuffle(people)
    random.shuffle(spells)
    shuffled = SmallTrial(trial.people.iloc[people], trial.spells.iloc[spells], trial.covered, trial.arms)
    assert shuffled.moments() == trial.moments()


@given(small_trials(), st.integers(-400, 400))
@settings(max_examples=30)
def test_shifting_every_date_changes_no_count(trial: SmallTrial, by: int) -> None:
    people = trial.people.assign(index=trial.people["index"] + by)
    spells = trial.spells.assign(start=trial.spells["start"] + by, end=trial.spells["end"] + by)
    covered = {kind: (low + by, high + by) for kind, (low, high) in trial.covered.items()}
    one, other = trial.moments(), SmallTrial(people, spells, covered, trial.arms).moments()
    assert one.counts == other.counts
    assert one.gram == other.gram


@given(small_trials())
@settings(max_examples=30)
def test_swapping_the_arms_turns_the_sign(trial: SmallTrial) -> None:
    moments = trial.moments()
    for estimate in (estimate_daily, estimate_cumulative):
        forward, backward = estimate(moments, "a", FORWARD), estimate(moments, "a", BACKWARD)
        np.testing.assert_allclose(forward.estimate, -backward.estimate, atol=1e-12)
        np.testing.assert_allclose(forward.std_error, backward.std_error, atol=1e-9)
        np.testing.assert_allclose(forward.conf_low, -backward.conf_high, atol=1e-9)
        np.testing.assert_array_equal(forward.n_treatment, backward.n_control)


@given(small_trials())
@settings(max_examples=30)
def test_people_of_no_arm_and_spells_of_nobody_change_nothing(trial: SmallTrial) -> None:
    assume((trial.spells["kind"] == "a").any())  # a source that links to nobody is an error
    stranger = pd.DataFrame({"claimant_id": ["nobody"], "kind": ["a"], "start": [0], "end": [9]})
    more = SmallTrial(trial.people, pd.concat([trial.spells, stranger]), trial.covered, trial.arms)
    assert more.moments() == trial.moments()


@given(small_trials())
@settings(max_examples=20)
def test_days_off_are_minus_days_on(trial: SmallTrial) -> None:
    outcomes = [{"name": "a", "on": ["a"]}, {"name": "off_a", "on": ["followed"], "off": ["a"]}]
    both = SmallTrial(trial.people, trial.spells, trial.covered, trial.arms, more={"outcomes": outcomes}).moments()
    on, off = estimate_cumulative(both, "a", FORWARD), estimate_cumulative(both, "off_a", FORWARD)
    np.testing.assert_allclose(on.estimate, -off.estimate, atol=1e-12)
    np.testing.assert_allclose(on.std_error, off.std_error, atol=1e-7)
