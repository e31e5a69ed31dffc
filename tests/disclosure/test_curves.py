"""Published points of curves against people followed day by day: no single exit can be seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial, day_by_day, short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.curves import Side, leaves_few
from trialimpact.disclosure.packs import Rounder
from trialimpact.moments import Counts
from trialimpact.results import plain

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module", params=[{}, {"products": False}])
def analysis(request: pytest.FixtureRequest) -> ti.TrialAnalysis:
    return ti.analyse_trial(*short_trial(500, seed=8, subgroups=3, **request.param))


def each_curve(analysis: ti.TrialAnalysis, pack: str) -> Any:
    """Released rows of every curve, with the people behind both sides."""
    release = release_results(analysis.results(methods=False), pack)
    rows = release.frames["estimates.csv"]
    for (outcome, contrast, subgroup), found in rows.groupby(["outcome", "contrast", "subgroup"], sort=False):
        which = analysis.protocol.contrast(contrast)
        sides = [day_by_day(analysis, outcome, subgroup, arms) for arms in (which.treatment, which.control)]
        yield found, sides


@pytest.mark.parametrize("pack", ["ons_10_5", "uk_llc", "opensafely_midpoint_6"])
def test_between_two_published_days_enough_people_change(analysis: ti.TrialAnalysis, pack: str) -> None:
    movers, checked = rule_pack(pack).movers, 0
    for rows, sides in each_curve(analysis, pack):
        days = rows.loc[rows["day"].notna(), "day"].to_numpy(dtype=int)
        for followed, on, first in sides:
            for one, other in zip(days, days[1:], strict=False):
                a, b = one - first, other - first
                assert int((on[:, a] != on[:, b]).sum()) >= movers
                left = abs(int(followed[:, a].sum()) - int(followed[:, b].sum()))
                assert left == 0 or left >= movers
                checked += 1
    assert checked > 40


@pytest.mark.parametrize("pack", ["ons_10_5", "uk_llc"])
def test_shares_are_of_many_on_and_many_off(analysis: ti.TrialAnalysis, pack: str) -> None:
    rules = rule_pack(pack)
    for rows, sides in each_curve(analysis, pack):
        daily = rows[rows["day"].notna() & ~rows["suppressed"]]
        for day in daily["day"].astype(int):
            for followed, on, first in sides:
                counts = int(on[:, day - first].sum()), int((followed & ~on)[:, day - first].sum())
                assert all(n >= rules.smallest_count or (n == 0 and rules.zeros == "shown") for n in counts)


def test_between_two_published_horizons_enough_people_change(analysis: ti.TrialAnalysis) -> None:
    for rows, sides in each_curve(analysis, "ons_10_5"):
        shown = rows[rows["horizon_days"].notna() & ~rows["suppressed"]]
        horizons = sorted(shown["horizon_days"].astype(int))
        for _, on, first in sides:
            for one, other in zip(horizons, horizons[1:], strict=False):
                assert int((on[:, one - 1 - first] != on[:, other - 1 - first]).sum()) >= 10


def test_who_changed_is_counted_exactly_from_products_and_never_too_high(analysis: ti.TrialAnalysis) -> None:
    which = analysis.protocol.contrasts[0]
    side = Side.of(analysis.moments, "employed", "all", which.treatment)
    _, on, first = day_by_day(analysis, "employed", "all", which.treatment)
    for day in (-70, -30, -1, 0, 40, 111):
        truth = (on[:, [day - first]] != on[:, day + 1 - first :]).sum(axis=0)
        found = side.changed_since(day)
        assert (found <= truth).all()
        if side.together:
            end = (0 if day < 0 else analysis.protocol.analysis.max_horizon) - day - 1
            np.testing.assert_array_equal(found[:end], truth[:end])


def test_without_control_every_day_is_published(analysis: ti.TrialAnalysis) -> None:
    results = analysis.results(methods=False)
    rows = release_results(results, "none").frames["estimates.csv"].drop(columns="suppressed")
    pd.testing.assert_frame_equal(rows, plain(results.frames["estimates.csv"]))


def test_exact_counts_of_groups_subtracted_leave_no_few() -> None:
    """Shares times people give counts back; those of everyone less those of a group are of the others."""
    analysis = ti.analyse_trial(*short_trial(2_000, seed=1))
    rows = release_results(analysis.results(methods=False), "uk_llc").frames["estimates.csv"]
    daily = rows[rows["day"].notna() & ~rows["suppressed"]]
    checked = 0
    for side in ("treatment", "control"):
        counts = daily.assign(on=(daily[f"mean_{side}"] * daily[f"n_{side}"]).round(), n=daily[f"n_{side}"])
        everyone = counts[counts["subgroup"] == "all"].set_index(["outcome", "contrast", "day"])[["on", "n"]]
        for _, group in counts[counts["subgroup"] != "all"].groupby(["outcome", "contrast", "subgroup"]):
            mine = group.set_index(["outcome", "contrast", "day"])[["on", "n"]]
            left = everyone.loc[everyone.index.intersection(mine.index)].sub(mine, axis=0).dropna()
            for counted in (left["on"], left["n"] - left["on"]):
                assert (counted >= 10).all()
                checked += len(counted)
    assert checked > 100


@pytest.mark.parametrize(("pack", "nobody_may_be_shown"), [("ons_10_5", True), ("uk_llc", False), ("none", True)])
def test_a_mean_of_days_is_of_many_or_where_zeros_are_shown_of_nobody(pack: str, nobody_may_be_shown: bool) -> None:
    def spread(on: list[int]) -> bool:
        days = np.array(on)
        jumps = dict.fromkeys(("entries", "exits", "starts", "stops"), days * 0)
        counts = Counts(followed=days * 0 + 50, on=days, first_day=0, **jumps)
        return Side(counts, {}, len(on)).is_spread(len(on), Rounder(rule_pack(pack), ""))

    assert spread([50, 30, 20])
    assert spread([0, 10, 40])
    assert spread([40, 50, 50])
    assert spread([0, 9, 0]) == spread([50, 41, 50]) == (pack == "none")
    assert spread([0, 0, 0]) == spread([50, 50, 50]) == nobody_may_be_shown


def test_days_on_which_the_rest_of_everyone_are_few_are_kept_back() -> None:
    n, site = 60, np.array(["x"] * 38 + ["y"] * 22)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T"] * 59 + ["C"], "index": 0})
    ends = np.where(site == "x", 6, np.arange(n) % 12)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    groups = [{"name": name, "where": {"column": "site", "equals": name[-1]}} for name in ("in_x", "in_y")]
    moments = SmallTrial(people.assign(site=site), spells, pre_days=0, more={"subgroups": groups}).moments()
    rest = (site == "y") & (people["arm"] == "T")
    on = np.array([(rest & (ends > day)).sum() for day in range(12)])
    few = (on < 10) | (rest.sum() - on < 10)
    assert 0 < few.sum() < 12
    for pack, found in (("uk_llc", few), ("ons_10_5", few & False), ("none", few & False)):
        rounder = Rounder(rule_pack(pack), "")
        kept_back = leaves_few(moments, "a", "in_x", ("T",), ["all", "in_x"], rounder)
        np.testing.assert_array_equal(kept_back, found)
        assert not leaves_few(moments, "a", "in_y", ("T",), ["all", "in_x"], rounder).any()
