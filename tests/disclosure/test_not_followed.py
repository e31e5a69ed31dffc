"""Who is not followed: before the records begin, once they have ended, or at all; under every pack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from releases import ONE, coming_and_going, horizons, moving, people, released, results
from trials import date

from trialimpact.disclosure import rule_pack
from trialimpact.disclosure.grids import planned_days
from trialimpact.disclosure.packs import Rounder
from trialimpact.disclosure.release import _salt
from trialimpact.results import TrialResults

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def test_numbers_followed_are_those_analysed_less_whole_steps_of_those_who_are_not() -> None:
    """Four of each arm join before the records of b begin: every day of b's curve would be of four fewer than a's."""
    some = people(300, 34, joined=(40, 100))
    some.loc[:7, "index"] = 5
    groups = [{"name": "north", "where": {"column": "place", "equals": "north"}}]
    some.loc[np.arange(0, 300, 3), "place"] = "south"
    spells = pd.concat([coming_and_going(some, 35), coming_and_going(some, 36).assign(kind="b")])
    outcomes = [*ONE, {"name": "b", "on": ["b"]}]
    covered = {"a": (-120, 160), "b": (20, 160)}
    found = results(some, spells, outcomes=outcomes, extract=160, covered=covered, subgroups=groups)
    for pack, frames in released(found):
        rows, rules = frames["estimates.csv"].query("day.notna()"), Rounder(rule_pack(pack), "")
        ours = rule_pack(pack).rounding != "random"
        for subgroup, n in (("all", 150), ("north", 100)):
            steps = {rules.shown(round(n * (1 - left / 150))) for left in range(0, 150, rule_pack(pack).movers)}
            here = rows[rows["subgroup"] == subgroup]
            assert not ours or set(here["n_treatment"]) <= steps, pack
        begins = rows[rows["subgroup"] == "all"].groupby("outcome")["n_treatment"].first()
        assert len({*begins}) == 1 and len(begins) == 2, pack


@pytest.mark.parametrize("late", [1, 9])
def test_numbers_followed_at_horizons_do_not_tell_how_many_never_were(late: int) -> None:
    """Of three hundred a side, so many of T joined when the records had ended.

    Means of groups, which make up everybody's by how many of each are followed, would tell it: none is shown.
    """
    some = people(600, 69, joined=(0, 3))
    some["gender"] = np.where(some.index % 4 < 2, "f", "m")
    some.loc[some.index[some["arm"] == "T"][:late], "index"] = 175
    groups = [{"name": each, "where": {"column": "gender", "equals": each}} for each in "fm"]
    found = moving(some, 70, extract=170, subgroups=groups)
    raw = found.frames["estimates.csv"].query("horizon_days == 100 and subgroup == 'all'")
    assert (raw["n_treatment"] == 300 - late).all() and len(raw)
    for pack, frames in released(found):
        rounder = Rounder(rule_pack(pack), _salt(found))
        if late >= rounder.pack.movers:  # a step
            continue
        for name in ("estimates.csv", "bands.csv", "subgroups.csv", "states.csv", "moves.csv"):
            rows = frames[name].query("horizon_days == 100")
            shown = set(rows["subgroup"]) if "subgroup" in rows else {"all"}
            assert shown == (set() if name == "subgroups.csv" else {"all"}) or rounder.suppresses(0), (pack, name)
            assert (rows["n_treatment"] == rounder.shown(300)).all(), (pack, name)


@pytest.mark.parametrize("late", [0, 1])
def test_effects_outside_groups_do_not_tell_who_was_never_followed(late: int) -> None:
    """One of region x joined when the records had ended: y and z leave somebody who was not followed, x does not.

    So no group is shown; where everybody is followed, all are.
    """
    some = people(900, 71, joined=(0, 3))
    some["region"] = np.array(["x", "y", "z"])[some.index % 3]
    some.loc[some.index[:late], "index"] = 175
    groups = [{"name": each, "where": {"column": "region", "equals": each}} for each in "xyz"]
    found = results(some, coming_and_going(some, 72), extract=170, methods=True, subgroups=groups)
    for pack, frames in released(found):
        rows = frames["subgroups.csv"].query("horizon_days == 100")
        assert set(rows["subgroup"]) == (set() if late else {"x", "y", "z"}), pack
        assert rows["complement_estimate"].notna().all() and rows["n_complement"].isna().all(), pack


@pytest.mark.parametrize("first", [-40, -100])
def test_days_before_day_0_do_not_begin_with_the_first_who_joined(first: int) -> None:
    some = people(400, 73, joined=(5, 60))
    some.loc[0, "index"] = 3
    covered = {"a": (first, 300), "b": (first, 300)}
    found = results(some, coming_and_going(some, 74, before=160), covered=covered, pre_days=60, methods=True)
    raw = found.frames["placebo.csv"]
    before = raw.loc[raw["day"].isna() & raw["horizon_days"].isna(), "target"]
    assert set(before) == {f"days from day {max(-60, first - 3)} to -1"}
    for pack, frames in released(found):
        shown = frames["placebo.csv"]["target"].isin(before)
        assert shown.any() == (first == -100), pack


def of_two_kinds(late: int, **more: Any) -> TrialResults:
    """Nine hundred, half of them f; the last `late` of each arm join thirty-five days before the rest of day 100."""
    some = people(900, 81, joined=(0, 3))
    some["gender"] = np.where(some.index % 4 < 2, "f", "m")
    some.loc[some.index[: 2 * late], "index"] = 65
    more.setdefault("subgroups", [{"name": each, "where": {"column": "gender", "equals": each}} for each in "fm"])
    return results(some, coming_and_going(some, 82), extract=130, **more)


@pytest.mark.parametrize("bounded", [True, False])
@pytest.mark.parametrize("late", [0, 2])
def test_groups_are_shown_to_horizons_to_which_all_are_followed_by_the_protocol(late: int, bounded: bool) -> None:
    """Past these all horizons or none: the first that is not shown would tell when a few were no longer followed."""
    window = {"recruitment": {"first_date": date(0), "last_date": date(65)}} if bounded else {}
    found = of_two_kinds(late, **window)
    assert planned_days(found.protocol, "a") == ((-92, 65) if bounded else (0, 0))
    for pack, frames in released(found):
        everyone = horizons(frames)
        assert {50, 100} <= set(everyone), pack
        expected = [each for each in everyone if not late or (bounded and each <= 65)]
        for group in "fm":
            assert horizons(frames, group) == expected, (pack, group)


@pytest.mark.parametrize("late", [0, 2])
@pytest.mark.parametrize("before", [False, True])
def test_sides_that_share_arms_do_not_tell_who_of_an_arm_is_not_followed(late: int, before: bool) -> None:
    some = people(900, 83, joined=(60, 63))
    some["arm"] = np.array(["T", "C", "X"])[some.index % 3]
    some.loc[some.index[: 3 * late], "index"] = 5 if before else 235
    contrasts = [{"name": "any", "treatment": ["T", "X"], "control": ["C"]}]
    contrasts += [{"name": "t", "treatment": ["T"], "control": ["C"]}]
    covered = {"a": (0, 230), "b": (0, 230)}
    spells = coming_and_going(some, 84, before=160)
    spells = spells[(spells["start"] >= 0) & (spells["start"] < 230)]
    more = {"allocation": {"rule": "assigned", "arms": ["C", "T", "X"], "control": "C"}, "covered": covered}
    for some_of_them in (contrasts, contrasts[:1]):
        found = results(some, spells, extract=230, contrasts=some_of_them, pre_days=50, methods=True, **more)
        for pack, frames in released(found):
            rows = frames["pretrend.csv" if before else "estimates.csv"].query("contrast == 'any' and estimate.notna()")
            shown = rows if before else rows[rows["horizon_days"].notna()]
            assert bool(len(shown)) is (not late or some_of_them == contrasts[:1]), pack
