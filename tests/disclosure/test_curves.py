"""Published points of curves against people followed day by day: no single exit can be seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import day_by_day, short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.curves import Side, _enough_change, changes_daily
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
    assert checked > 20


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
        if any(tables for tables, _ in side.together):
            end = (0 if day < 0 else analysis.protocol.analysis.max_horizon) - day - 1
            np.testing.assert_array_equal(found[:end], truth[:end])


@pytest.mark.parametrize(("changes", "leave", "daily"), [(12, 0, True), (12, 15, True), (3, 0, False), (12, 2, False)])
def test_a_curve_is_of_days_only_where_many_change_and_leave_on_nearly_every_day(
    changes: int, leave: int, daily: bool
) -> None:
    """Else a day that is shown after one that is not would be that of one person."""
    every, none = np.full(50, 500), np.zeros(50, dtype=int)
    counts = Counts(followed=every, on=every // 2, entries=none, exits=none + leave, starts=none + changes // 2,
                    stops=none + (changes + 1) // 2, first_day=0)  # fmt: skip
    rounder = Rounder(rule_pack("ons_10_5"), "")
    assert changes_daily([Side(counts)], rounder) == daily
    still = Side(replace(counts, starts=np.where(np.arange(50) % 25 == 9, 0, counts.starts), stops=counts.starts))
    assert changes_daily([still], rounder) == daily, "on two days of fifty nobody starts"
    assert changes_daily([Side(counts), still], rounder) == daily


@pytest.mark.parametrize(("day", "told"), [(9, False), (10, True), (19, True), (20, False)])
def test_between_two_horizons_lie_the_days_from_the_first_to_before_the_second(day: int, told: bool) -> None:
    """Horizons of 10 and 20 days end on days 9 and 19."""
    every, on = np.full(30, 500), np.where(np.arange(30) < day, 200, 212)
    starts = np.where(np.arange(30) == day, 12, 0)
    counts = Counts(
        followed=every, on=on, entries=every * 0, exits=every * 0, starts=starts, stops=every * 0, first_day=0
    )
    assert _enough_change([Side(counts)], 10, 20, 10) == told


def test_without_control_every_day_is_published(analysis: ti.TrialAnalysis) -> None:
    results = analysis.results(methods=False)
    rows = release_results(results, "none").frames["estimates.csv"].drop(columns="suppressed")
    pd.testing.assert_frame_equal(rows, plain(results.frames["estimates.csv"]))


@pytest.mark.parametrize("pack", ["ons_10_5", "uk_llc", "opensafely_midpoint_6", "stats_nz_rr3"])
def test_groups_subtracted_leave_many_on_and_off_who_change(pack: str) -> None:
    """Rounding averages out over days: what everyone less a group leaves obeys the rules of a side."""
    analysis = ti.analyse_trial(*short_trial(2_000, seed=1))
    rules, checked = rule_pack(pack), 0
    days_of = {}
    for rows, _ in each_curve(analysis, pack):
        shown, key = rows[~rows["suppressed"]], tuple(rows[["outcome", "contrast", "subgroup"]].iloc[0])
        days_of[key] = shown["day"].dropna().astype(int).tolist(), shown["horizon_days"].dropna().astype(int).tolist()
    for (outcome, contrast, group), (days, horizons) in days_of.items():
        if group == "all":
            continue
        assert set(days) <= set(days_of[outcome, contrast, "all"][0])
        for side in ("treatment", "control"):
            arms = getattr(analysis.protocol.contrast(contrast), side)
            followed, on, first = day_by_day(analysis, outcome, group, arms, outside=True)
            if not len(followed):
                continue
            for one, other in zip(days, days[1:], strict=False):
                assert int((on[:, one - first] != on[:, other - first]).sum()) >= rules.movers, (group, side)
                n, n_on = (int(each[:, one - first].sum()) for each in (followed, on))
                assert all(x >= rules.smallest_count or x == 0 for x in (n_on, n - n_on))
                checked += 1
            for horizon in horizons:
                n = followed[:, -first : horizon - first].sum(axis=0)
                assert not ((n > 0) & (n < rules.smallest_group)).any()
    assert checked > 20


@pytest.mark.parametrize(("pack", "nobody_may_be_shown"), [("ons_10_5", True), ("uk_llc", False), ("none", True)])
def test_a_mean_of_days_is_of_many_or_where_zeros_are_shown_of_nobody(pack: str, nobody_may_be_shown: bool) -> None:
    def spread(on: list[int]) -> bool:
        days = np.array(on)
        jumps = dict.fromkeys(("entries", "exits", "starts", "stops"), days * 0)
        counts = Counts(followed=days * 0 + 50, on=days, first_day=0, **jumps)
        return Side(counts).is_spread(len(on), Rounder(rule_pack(pack), ""))

    assert spread([50, 30, 20])
    assert spread([0, 10, 40])
    assert spread([40, 50, 50])
    assert spread([0, 9, 0]) == spread([50, 41, 50]) == (pack == "none")
    assert spread([0, 0, 0]) == spread([50, 50, 50]) == nobody_may_be_shown
