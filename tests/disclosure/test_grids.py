"""Curves that share people, subtracted from each other: arms, groups and outcomes, against people day by day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import day_by_day, short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.grids import contains

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

DIGITS = {"BAU": [0, 1, 2, 3], "IAP": [4, 5, 6], "weekly": [7, 8, 9]}
CONTRASTS = [
    {"name": "iap", "treatment": ["IAP"], "control": ["BAU"]},
    {"name": "weekly", "treatment": ["weekly"], "control": ["BAU"]},
    {"name": "both", "treatment": ["IAP", "weekly"], "control": ["BAU"]},
]


@pytest.fixture(scope="module")
def analysis() -> ti.TrialAnalysis:
    """Three arms, both pooled too, two groups that are nearly everybody, an outcome inside another."""
    protocol, tables = short_trial(900, seed=5, subgroups=4)
    design = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["subgroups"] = design["subgroups"][2:]
    design["allocation"]["digits"], design["contrasts"] = DIGITS, CONTRASTS
    design["outcomes"].append({"name": "any_work", "on": ["employment"]})
    return ti.analyse_trial(ti.TrialProtocol.from_dict(design), tables)


@pytest.fixture(scope="module", params=["uk_llc", "ons_10_5", "opensafely_midpoint_6", "stats_nz_rr3"])
def release(request: pytest.FixtureRequest, analysis: ti.TrialAnalysis) -> Any:
    return release_results(analysis.results(methods=False), request.param)


def curves(release: Any) -> Iterator[tuple[str, str, str, tuple[str, ...], list[int]]]:
    rows = release.frames["estimates.csv"]
    daily = rows[rows["day"].notna() & ~rows["suppressed"]]
    for (outcome, contrast, group), found in daily.groupby(["outcome", "contrast", "subgroup"], sort=False):
        which = release.protocol.contrast(contrast)
        for arms in (which.treatment, which.control):
            yield outcome, contrast, group, arms, found["day"].astype(int).tolist()


def days_by(release: Any, *, groups: bool) -> dict[tuple[str, str, tuple[str, ...]], list[int]]:
    """Every day on which a reader knows the counts of some people, by outcome, group and arms."""
    found: dict[tuple[str, str, tuple[str, ...]], set[int]] = {}
    for outcome, _, group, arms, days in curves(release):
        found.setdefault((outcome, group, arms), set()).update(days)
        if groups and group != "all":
            found.setdefault((outcome, f"not {group}", arms), set()).update(days)
    return {key: sorted(days) for key, days in found.items()}


def test_days_of_all_contrasts_together_leave_many_who_change(analysis: ti.TrialAnalysis, release: Any) -> None:
    checked, movers = 0, release.pack.movers
    for (outcome, group, arms), days in days_by(release, groups=False).items():
        _, on, first = day_by_day(analysis, outcome, group, arms)
        for one, other in pairwise(days):
            assert int((on[:, one - first] != on[:, other - first]).sum()) >= movers
            checked += 1
    assert checked > 100


def test_arms_and_groups_subtracted_leave_many_who_change_where_counts_are_exact(analysis: ti.TrialAnalysis) -> None:
    release = release_results(analysis.results(methods=False), "uk_llc")
    movers, checked, known = rule_pack("uk_llc").movers, 0, days_by(release, groups=True)
    for (outcome, group, arms), days in known.items():
        of_all, of_group = (day_by_day(analysis, outcome, name, arms) for name in ("all", group.removeprefix("not ")))
        net = {
            day: int(of_all[1][:, day - of_all[2]].sum()) - int(of_group[1][:, day - of_all[2]].sum()) for day in days
        }
        for one, other in pairwise(days):
            a, b = one - of_all[2], other - of_all[2]
            among = [int((each[1][:, a] != each[1][:, b]).sum()) for each in (of_all, of_group)]
            if group.startswith("not "):
                assert among[0] - among[1] >= movers, (outcome, group, arms, one, other, net[one] - net[other])
                checked += 1
    both, one, other = (known["on_benefit", "all", arms] for arms in (("IAP", "weekly"), ("IAP",), ("weekly",)))
    assert both == one == other
    assert checked > 10


def test_sizes_of_two_outcomes_do_not_tell_who_joined_within_a_few_days(analysis: ti.TrialAnalysis) -> None:
    rows = release_results(analysis.results(methods=False), "uk_llc").frames["estimates.csv"]
    daily = rows[rows["day"].notna() & ~rows["suppressed"]]
    for _, found in daily.groupby(["contrast", "subgroup"]):
        for side in ("n_treatment", "n_control"):
            sizes = {name: set(each[side]) for name, each in found.groupby("outcome")}
            for one, other in ((a, b) for a in sizes for b in sizes if a < b):
                apart = np.abs(np.subtract.outer(sorted(sizes[one]), sorted(sizes[other])))
                assert not ((apart > 0) & (apart < 10)).any()


def test_an_outcome_inside_another_does_not_tell_a_few(analysis: ti.TrialAnalysis) -> None:
    protocol = analysis.protocol
    assert contains(protocol.outcome("any_work"), protocol.outcome("employed"))
    assert not contains(protocol.outcome("employed"), protocol.outcome("any_work"))
    rows = release_results(analysis.results(methods=False), "uk_llc").frames["estimates.csv"]
    daily = rows[rows["day"].notna() & ~rows["suppressed"]]
    key, checked = ["contrast", "subgroup", "day"], 0
    inner, outer = (daily[daily["outcome"] == name].set_index(key) for name in ("employed", "any_work"))
    for about in inner.index.intersection(outer.index):
        for side in ("treatment", "control"):
            one, two = (round(f.loc[about, f"mean_{side}"] * f.loc[about, f"n_{side}"]) for f in (inner, outer))
            assert not 0 < two - one < 10
            checked += 1
    assert checked > 20


def test_random_rounding_is_that_of_the_people_whatever_is_asked(analysis: ti.TrialAnalysis) -> None:
    protocol, tables = short_trial(400, seed=2, subgroups=2)
    more = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    more["subgroups"] = more["subgroups"][:1]
    flows = [
        release_results(ti.analyse_trial(each, tables).results(methods=False), "stats_nz_rr3").frames["flow.csv"]
        for each in (protocol, ti.TrialProtocol.from_dict(more))
    ]
    pd.testing.assert_frame_equal(flows[0], flows[1])
