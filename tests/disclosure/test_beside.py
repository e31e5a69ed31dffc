"""Means beside the headline's: of other people, other days or other weights, under every pack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from releases import ONE, STATES, coming_and_going, horizons, moving, people, released, results
from trials import short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.methods import release_bounds
from trialimpact.disclosure.outcomes import are_apart, contains
from trialimpact.disclosure.packs import Rounder
from trialimpact.disclosure.shown import Publication
from trialimpact.protocol import Outcome
from trialimpact.report.release_figures import daily_figure
from trialimpact.results import TrialResults, plain

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

TWO_OUT = [*ONE, {"name": "b_only", "on": ["b"], "off": ["a"]}]


def one_spell(some: pd.DataFrame, end: Any, kind: str = "a", start: Any = 0) -> pd.DataFrame:
    """From so many days after day 0 to so many."""
    found = some[["claimant_id"]].assign(kind=kind, start=some["index"] + start, end=some["index"] + end)
    return found[found["end"] > found["start"]]


def test_outcomes_of_every_day_that_is_followed_contain_others() -> None:
    """Days off b, and days in a off b, leave those of people in neither."""
    off_b = Outcome(name="off_b", on=("followed",), off=("b",))
    assert contains(off_b, Outcome(name="a_not_b", on=("a",), off=("b",)), {})
    assert not contains(Outcome(name="a_not_b", on=("a",), off=("b",)), off_b, {})
    assert are_apart(off_b, Outcome(name="b", on=("b",)), {})
    assert not are_apart(off_b, Outcome(name="a", on=("a",)), {})
    some = people(300, 1)
    on = pd.Series(np.where(np.arange(300) % 50 < 2, 30, 100))  # six of each arm are in neither from day 30
    spells = pd.concat([one_spell(some, on), one_spell(some, 20, "b")])
    outcomes = [{"name": "off_b", "on": ["followed"], "off": ["b"]}, {"name": "a_not_b", "on": ["a"], "off": ["b"]}]
    for pack, frames in released(results(some, spells, outcomes=outcomes)):
        rows = frames["estimates.csv"].query("horizon_days.notna()")
        assert set(rows.query("horizon_days > 30")["outcome"]) == {"off_b"}, pack


@pytest.mark.parametrize("off", [["a"], ["a:JSA", "a:ESA"]])
def test_outcomes_that_exclude_each_other_do_not_tell_the_few_in_neither(off: list[str]) -> None:
    some = people(300, 2)
    leaves = pd.Series(np.random.default_rng(3).integers(20, 80, 300))
    begins = leaves + np.where(np.arange(300) % 50 < 2, 15, 0)  # six of each arm are in neither for fifteen days
    spells = pd.concat([one_spell(some, leaves), one_spell(some, 100, "b", begins)])
    outcomes = [*ONE, {"name": "b_only", "on": ["b"], "off": off}]
    for pack, frames in released(results(some, spells, outcomes=outcomes, codes={"a": ["JSA", "ESA"]})):
        rows = frames["estimates.csv"].query("horizon_days.notna()")
        assert "b_only" not in set(rows["outcome"]), pack
        assert "a" in set(rows["outcome"]) or rule_pack(pack).zeros == "suppressed", pack


def test_curves_of_outcomes_that_exclude_each_other_do_not_tell_how_many_are_in_neither() -> None:
    """Counts of the two, rounded on a hundred days, add up to everybody but a few."""
    some = people(300, 32, joined=(0, 5))
    leaves = pd.Series(np.random.default_rng(33).integers(2, 95, 300))
    spells = pd.concat([one_spell(some, leaves), one_spell(some, 120, "b", leaves)])
    spells = spells[~spells["claimant_id"].isin(some.loc[:7, "claimant_id"])]
    for pack, frames in released(results(some, spells, outcomes=TWO_OUT)):
        days = frames["estimates.csv"].query("day >= 0")
        assert set(days["outcome"]) == {"a"}, pack


def few_stay(arms: int = 2) -> TrialResults:
    """Nearly everybody leaves by day 50, a few stay on to the end; then most are in b."""
    some = people(240, 4)
    rng = np.random.default_rng(5)
    days = pd.Series(rng.integers(2, 50, 240))
    days[:8] = 100
    spells = pd.concat([one_spell(some, days), one_spell(some, 140, "b", days + rng.integers(1, 30, 240))])
    more: dict[str, Any] = {"states": STATES, "outcomes": TWO_OUT}
    if arms == 3:
        some.loc[rng.permutation(240)[:60], "arm"] = "X"
        contrasts = [{"name": "t", "treatment": ["T"], "control": ["C"]}]
        contrasts.append({"name": "any", "treatment": ["T", "X"], "control": ["C"]})
        more |= {"contrasts": contrasts, "allocation": {"rule": "assigned", "arms": ["C", "T", "X"], "control": "C"}}
    return results(some, spells, methods=True, **more)


def test_states_are_not_shown_where_an_outcome_at_the_longest_horizon_is_not() -> None:
    found = few_stay()
    assert len(found.frames["states.csv"])
    for pack, frames in released(found):
        shown = horizons(frames)
        assert 100 not in shown, pack
        assert not len(frames["states.csv"]), pack


def test_states_of_sides_that_share_arms_do_not_tell_those_of_an_arm() -> None:
    """X has nobody in b but two: T and X together less T tells their days."""
    some = people(360, 6)
    some.loc[np.arange(0, 360, 3), "arm"] = "X"
    rng = np.random.default_rng(7)
    in_b = pd.Series((some["arm"] != "X") | (np.arange(360) < 7))
    leaves = pd.Series(rng.integers(5, 95, 360))
    b = one_spell(some, leaves + 30, "b", leaves)
    spells = pd.concat([one_spell(some, leaves), b[b["claimant_id"].isin(some.loc[in_b, "claimant_id"])]])
    contrasts = [{"name": "t", "treatment": ["T"], "control": ["C"]}]
    contrasts.append({"name": "any", "treatment": ["T", "X"], "control": ["C"]})
    allocation = {"rule": "assigned", "arms": ["C", "T", "X"], "control": "C"}
    shared = results(some, spells, methods=True, states=STATES, contrasts=contrasts, allocation=allocation)
    alone = results(some, spells, methods=True, states=STATES, contrasts=contrasts[:1], allocation=allocation)
    n_shown = 0
    for (pack, frames), (_, without) in zip(released(shared), released(alone), strict=True):
        assert not len(frames["states.csv"]), pack
        n_shown += len(without["states.csv"]) > 0
    assert n_shown, "of T alone they are shown"


def late_joiners(rare: bool = False) -> TrialResults:
    """Twenty of T join after C has closed; `rare`: next to none of them has the outcome."""
    some = people(260, 8, joined=(0, 60))
    late = some.index[some["arm"] == "T"][:20]
    some.loc[late, "index"] = 90
    spells = coming_and_going(some, 9)
    if rare:
        spells = spells[~spells["claimant_id"].isin(some.loc[late[3:], "claimant_id"])]
    return results(some, spells, methods=True)


@pytest.mark.parametrize("rare", [False, True])
def test_those_who_joined_when_both_arms_did_are_not_shown_beside_everybody_in_a_small_trial(rare: bool) -> None:
    found = late_joiners(rare)
    raw = found.frames["adjusted.csv"].query("method == 'common_intake' and horizon_days == 100")
    assert (raw["n_treatment"] < found.frames["estimates.csv"]["n_treatment"].max()).all()
    for pack, frames in released(found):
        assert set(frames["adjusted.csv"]["method"]) <= {"difference"}, pack


def large(**more: Any) -> TrialResults:
    """So short a horizon that a few hundred people are many: of 20 × 10 a tenth of a day is a person's whole time."""
    some = people(900, 10, joined=(0, 30))
    some["level"] = np.random.default_rng(11).choice(["one", "other"], 900)
    some.loc[more.pop("few", []), "level"] = "third"
    spells = coming_and_going(some, 12)
    analysis = {"horizon_days": [10, 20], "last_day": 29} | more.pop("analysis", {})
    asked = {"pre_period": False, "characteristics": ["Level"]}
    design = {"characteristics": [{"name": "Level", "column": "level"}], "adjustment": asked, **more}
    return results(some, spells, methods=True, pre_days=30, analysis=analysis, **design)


def test_of_large_sides_other_means_stand_beside_the_headline_without_finer_digits() -> None:
    found, n_shown = large(), 0
    for pack, frames in released(found):
        beside = frames["adjusted.csv"].query("method != 'difference'")
        assert set(beside["method"]) <= {"adjusted", "common_intake"}, pack
        assert beside[["std_error", "p_value"]].isna().all(axis=None), pack
        assert beside[["mean_treatment", "mean_control"]].isna().all(axis=None), pack
        assert (beside["estimate"].round(1) == beside["estimate"]).all(), pack
        middle = ((beside["conf_low"] + beside["conf_high"]) / 2).round(2)
        assert (middle == beside["estimate"]).all(), "limits tell nothing more of the estimate"
        restricted = frames["durations.csv"].query("measure == 'restricted_mean_difference'")
        assert set(restricted["event"]) <= {"first_exit"}, pack
        assert restricted[["std_error", "p_value"]].isna().all(axis=None), pack
        large_enough = max(rule_pack(pack).smallest_group, 15) * 20 <= 440
        assert ("adjusted" in set(beside["method"])) == large_enough, pack
        n_shown += large_enough
    assert n_shown >= 3


def test_of_large_sides_too_a_level_of_a_few_is_not_adjusted_for_aloud() -> None:
    for pack, frames in released(large(few=[0, 1, 2, 3, 4, 5])):
        assert not (frames["adjusted.csv"]["method"] == "adjusted").any(), pack


def test_of_several_contrasts_no_other_mean_is_shown_however_large() -> None:
    contrasts = [
        {"name": "t", "treatment": ["T"], "control": ["C"]},
        {"name": "c", "treatment": ["C"], "control": ["T"]},
    ]
    for pack, frames in released(large(contrasts=contrasts)):
        assert not (frames["adjusted.csv"]["method"] != "difference").any(), pack
        assert not (frames["durations.csv"]["measure"] == "restricted_mean_difference").any(), pack


def crossed(n: int, seed: int) -> TrialResults:
    """Some of control were put in treatment; nobody the other way."""
    some = people(n, seed)
    control = some.index[some["arm"] == "C"][:30]
    received = some["arm"].mask(some.index.isin(control), "T")
    return results(some, coming_and_going(some, seed + 1), methods=True, received=received)


def test_by_the_arm_received_nothing_is_shown_beside_the_arm_assigned_in_a_small_trial() -> None:
    found = crossed(300, 13)
    assert "as_treated" in set(found.frames["compliance.csv"]["estimand"])
    n_shown = 0
    for pack, frames in released(found):
        assert "as_treated" not in set(frames["compliance.csv"]["estimand"]), pack
        n_shown += "cace" in set(frames["compliance.csv"]["estimand"])
    assert n_shown


def test_no_test_statistic_is_in_any_file() -> None:
    for pack, frames in released(few_stay()):
        of_tests = frames["durations.csv"].query("measure == 'log_rank'")
        assert of_tests["estimate"].isna().all(), pack
        assert of_tests["p_value"].notna().all(), pack


def test_bounds_show_no_horizon_that_the_main_table_keeps_back() -> None:
    found = ti.analyse_trial(*short_trial(3_000, seed=3)).results()
    pack = rule_pack("ons_10_5").model_copy(update={"name": "own", "base": 2, "smallest_count": 2, "smallest_group": 3})
    about = Publication(found.moments, Rounder(pack, ""), frozenset())
    bounds = release_bounds(plain(found.frames["bounds.csv"]), about)
    shown, raw = bounds[~bounds["suppressed"]], found.frames["bounds.csv"].loc[~bounds["suppressed"].to_numpy()]
    assert len(shown) and (shown["lower"] == raw["lower"].astype(float).round() + 0.0).all()
    kept_back = Publication(found.moments, Rounder(pack, ""), frozenset())
    for outcome in found.protocol.outcomes:
        kept_back.grids._horizons[outcome.name, "all"] = ()
    assert release_bounds(plain(found.frames["bounds.csv"]), kept_back)["suppressed"].all()


def test_tests_before_day_0_are_not_made_of_few_who_are_followed_then() -> None:
    """Records begin 60 days before all but a few join: of the first days before day 0 only these are followed."""
    some = people(300, 16, joined=(0, 3))
    some.loc[[0, 1, 2, 3, 4, 5], "index"] = 71
    few = results(some, coming_and_going(some, 17, before=200), methods=True, pre_days=190)
    some.loc[[0, 1, 2, 3, 4, 5], "index"] = 1
    none = results(some, coming_and_going(some, 17, before=200), methods=True, pre_days=100)
    for (pack, frames), (_, as_well) in zip(released(few), released(none), strict=True):
        assert not len(frames["pretrend.csv"]), pack
        assert len(as_well["pretrend.csv"]), pack


def test_the_effect_in_others_is_shown_where_they_are_everybody_else_or_a_group_that_is_shown() -> None:
    some = people(600, 18)
    some["sex"] = np.random.default_rng(19).choice(["f", "m"], 600)
    groups = [{"name": name, "where": {"column": "sex", "equals": name}} for name in "fm"]
    spells = coming_and_going(some, 20)
    all_known = results(some, spells, methods=True, subgroups=groups[:1])
    some.loc[np.arange(0, 600, 7), "sex"] = ""
    two_known = results(some, spells, methods=True, subgroups=groups)
    one_known = results(some, spells, methods=True, subgroups=groups[:1])
    for pack in ("ons_10_5", "opensafely_7_5"):
        shown, alike, not_shown = (
            release_results(found, pack).frames["subgroups.csv"].query("~suppressed")["difference"]
            for found in (all_known, two_known, one_known)
        )
        assert len(shown) and shown.notna().all(), pack
        assert len(alike) and alike.notna().all(), pack
        assert len(not_shown) and not_shown.isna().all(), pack


def test_numbers_of_sides_that_leave_others_are_not_tested_aloud() -> None:
    some = people(600, 21)
    some.loc[np.arange(0, 600, 3), "arm"] = "X"
    some["age"] = np.random.default_rng(22).integers(18, 60, 600)
    contrasts = [{"name": "t", "treatment": ["T"], "control": ["C"]}]
    contrasts.append({"name": "any", "treatment": ["T", "X"], "control": ["C"]})
    design = {
        "characteristics": [{"name": "Age", "column": "age", "kind": "numeric"}],
        "allocation": {"rule": "assigned", "arms": ["C", "T", "X"], "control": "C"},
    }
    spells = coming_and_going(some, 23)
    shared, alone = (results(some, spells, contrasts=chosen, **design) for chosen in (contrasts, contrasts[:1]))
    for pack in ("ons_10_5", "stats_nz_rr3"):
        for found, is_shown in ((shared, False), (alone, True)):
            row = release_results(found, pack).frames["balance.csv"].query("kind == 'numeric'")
            assert len(row) and (row["p_value"].notna() == is_shown).all(), pack


@pytest.mark.parametrize("rare", [True, False])
def test_groups_of_different_sides_leave_a_side_too(rare: bool) -> None:
    """X is offered in the north alone: T, and T and X in the north, less T and X, are T in the north."""
    n_of = {("T", "north"): 24, ("T", "south"): 150, ("X", "north"): 90, ("C", "north"): 5, ("C", "south"): 160}
    n_of |= {("D", "north"): 100, ("D", "south"): 50}
    places = pd.DataFrame([key for key, n in n_of.items() for _ in range(n)], columns=["arm", "place"])
    some = people(len(places), 24).assign(arm=places["arm"], place=places["place"])
    spells = coming_and_going(some, 25)
    if rare:  # two of T in the north ever have the outcome
        spells = spells[~spells["claimant_id"].isin(some.loc[2:23, "claimant_id"])]
    design = {
        "subgroups": [{"name": "north", "where": {"column": "place", "equals": "north"}}],
        "allocation": {"rule": "assigned", "arms": ["C", "D", "T", "X"], "control": "C"},
        "contrasts": [
            {"name": "t", "treatment": ["T"], "control": ["C"]},
            {"name": "any", "treatment": ["T", "X"], "control": ["C", "D"]},
        ],
    }
    for pack, frames in released(results(some, spells, **design)):
        assert 100 in horizons(frames), pack
        rows = frames["estimates.csv"].query("horizon_days == 100 and subgroup == 'north'")
        of_few = rare or rule_pack(pack).smallest_group == 20  # of 24, as many on as off on few days
        assert set(rows["contrast"]) == (set() if of_few else {"any"}), pack


def test_times_of_two_outcomes_of_which_one_contains_the_other_do_not_tell_the_few_between() -> None:
    """Two log-rank tests of the same people but for a few differ by what these few did."""
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    some = people(400, 26)
    leaves = pd.Series(np.random.default_rng(27).integers(5, 90, 400))
    goes_on = one_spell(some, leaves + 5, "b", leaves)[:6]  # three of each arm go on from a to b
    outcomes = [*ONE, {"name": "either", "on": ["a", "b"]}]
    found = results(some, pd.concat([one_spell(some, leaves), goes_on]), outcomes=outcomes, methods=True)
    assert {"a", "either"} == set(found.frames["durations.csv"]["outcome"])
    for pack, frames in released(found):
        assert set(frames["durations.csv"]["outcome"]) == {"a"}, pack


def test_two_kinds_of_exit_do_not_tell_the_few_who_left_for_a_while() -> None:
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    some = people(400, 28)
    leaves = pd.Series(np.random.default_rng(29).integers(5, 60, 400))
    back = one_spell(some, leaves + 20, start=leaves + 10)[:6]
    found = results(some, pd.concat([one_spell(some, leaves), back]), methods=True)
    assert {"first_exit", "sustained_exit"} <= set(found.frames["durations.csv"]["event"])
    for pack, frames in released(found):
        assert set(frames["durations.csv"]["event"]) == {"first_exit"}, pack


def test_which_horizons_are_shown_tells_no_day() -> None:
    """Of horizons that the protocol asks for day by day, no two within a week are tried."""
    some = people(400, 30)
    asked = [*range(30, 101)]
    for pack, frames in released(results(some, coming_and_going(some, 31), analysis={"horizon_days": asked})):
        shown = horizons(frames)
        assert 100 in shown and len(shown) > 1, pack
        assert min(np.diff(shown)) >= 7, pack
        assert {(100 - each) % 7 for each in shown if each >= 30} == {0}, pack


def test_a_picture_claims_nothing_of_a_horizon_that_is_not_shown() -> None:
    release = release_results(few_stay(), "ons_10_5")
    rows = release.frames["estimates.csv"].query("outcome == 'a' and subgroup == 'all'")
    assert rows.query("horizon_days == 100")["suppressed"].all() and rows["day"].notna().sum() > 1
    figure = daily_figure(release, rows, "a")
    assert figure is not None and figure.title.endswith("the difference is not shown")


def test_moves_of_days_on_which_few_are_followed_are_not_shown() -> None:
    """One of each arm joins first: on the last fifty days nobody else is followed."""
    some = people(300, 61, joined=(110, 130))
    some.loc[:1, "index"] = 60
    found = moving(some, 62, extract=170)
    assert len(found.frames["moves.csv"])
    for pack, frames in released(found):
        assert not len(frames["moves.csv"]), pack


@pytest.mark.parametrize("late", [0, 1, 3])
def test_that_moves_are_shown_does_not_tell_whether_somebody_joined_on_the_last_day(late: int) -> None:
    some = people(600, 63, joined=(0, 3))
    some.loc[some.index[:late], "index"] = 169  # followed on one day, on which nobody can have moved
    found = moving(some, 64, extract=170)
    assert len(found.frames["moves.csv"])
    for pack, frames in released(found):
        assert len(frames["moves.csv"]), pack


@pytest.mark.parametrize("crossed", [4, 60])
def test_effects_by_receipt_are_not_shown_where_few_received_another_arm(crossed: int) -> None:
    some = people(600, 65)
    received = some["arm"].where(some.index >= 2 * crossed, some["arm"].map({"T": "C", "C": "T"}))
    found = results(some, coming_and_going(some, 66), methods=True, received=received)
    for pack, frames in released(found):
        shown = set(frames["compliance.csv"]["estimand"])
        assert ("receipt" in shown) is (crossed == 60), pack
        assert "itt" in shown, pack


@pytest.mark.parametrize("men", [True, False])
def test_an_effect_in_those_known_to_be_outside_a_group_is_shown_where_they_are_one(men: bool) -> None:
    """It is not known of sixty people: women's complement is men, if these are shown."""
    some = people(900, 67)
    some["gender"] = np.where(some.index < 60, None, np.where(some.index % 4 < 2, "f", "m"))
    names = ["f", "m"] if men else ["f"]
    groups = [{"name": each, "where": {"column": "gender", "equals": each}} for each in names]
    found = results(some, coming_and_going(some, 68), methods=True, subgroups=groups)
    assert found.frames["subgroups.csv"]["complement_estimate"].notna().all()
    for pack, frames in released(found):
        women = frames["subgroups.csv"].query("subgroup == 'f' and horizon_days == 100")
        others_are_shown = "m" in set(frames["subgroups.csv"]["subgroup"])
        assert others_are_shown is (men and pack != "stats_nz_rr3"), (
            pack
        )  # of thirty a side who are not known, few are on
        assert len(women) and bool(women["complement_estimate"].notna().all()) is others_are_shown, pack


def test_states_of_records_that_end_for_a_few_before_an_outcomes_are_not_shown() -> None:
    some = people(300, 75, joined=(0, 3))
    some.loc[:3, "index"] = 68
    a, b = (coming_and_going(some, 76 + each, stay=12).assign(kind=kind) for each, kind in enumerate("ab"))
    for end in (170, 165):
        covered = {"a": (-120, 170), "b": (-120, end)}
        spells = pd.concat([a, b[b["start"] < end]])
        spells["end"] = np.where(spells["kind"] == "b", spells["end"].clip(upper=end), spells["end"])
        found = results(some, spells, extract=170, covered=covered, methods=True, states=STATES)
        for pack, frames in released(found):
            assert bool(len(frames["states.csv"])) is (end == 170 and rule_pack(pack).zeros == "shown"), (pack, end)
