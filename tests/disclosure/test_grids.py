"""Curves that share people, subtracted from each other: arms, groups and outcomes, against people day by day."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from trials import day_by_day, short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.grids import Grids
from trialimpact.disclosure.outcomes import are_apart, contains
from trialimpact.disclosure.packs import Rounder
from trialimpact.protocol import Outcome, SpellSource

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

SOURCES = {
    name: SpellSource.model_validate(
        {"file": file, "counted_codes": codes, "end_date": "first_day_after"}
        | {"covered_from": "2020-01-01", "extract_date": "2021-01-01"}
    )
    for name, file, codes in [
        ("b", "b.csv", ["JSA", "ESA"]),
        ("jsa", "b.csv", ["JSA"]),
        ("c", "c.csv", ["X", "Y"]),
    ]
}
SPELLS = ["b:JSA", "b:ESA", "c:X", "c:Y"]
TERMS = ["b", "c", "followed", *SPELLS]
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


def test_days_of_all_contrasts_together_leave_many_who_change(analysis: ti.TrialAnalysis, release: Any) -> None:
    found: dict[tuple[str, str, tuple[str, ...]], set[int]] = {}
    for outcome, _, group, arms, days in curves(release):
        found.setdefault((outcome, group, arms), set()).update(days)
    checked, movers = 0, release.pack.movers
    for (outcome, group, arms), days in found.items():
        _, on, first = day_by_day(analysis, outcome, group, arms)
        for one, other in pairwise(sorted(days)):
            assert int((on[:, one - first] != on[:, other - first]).sum()) >= movers
            checked += 1
    both, one, other = (found["on_benefit", "all", arms] for arms in (("IAP", "weekly"), ("IAP",), ("weekly",)))
    assert both == one == other
    assert checked > 90


def test_smaller_groups_give_way_to_larger_ones(analysis: ti.TrialAnalysis) -> None:
    moments = analysis.results(methods=False).moments
    grids = Grids(moments, Rounder(rule_pack("ons_10_5"), ""), frozenset())
    sizes = [moments.n_claimants(name, analysis.protocol.arms) for name in grids._order]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) > 2
    assert grids._order[0] == "all"


def test_an_outcome_inside_another_does_not_tell_a_few(analysis: ti.TrialAnalysis, release: Any) -> None:
    """On days that both show, those who are in one only are none or many; where they are always few, one is shown."""
    protocol, rules, checked = analysis.protocol, release.pack, 0
    sources = protocol.sources.spells
    assert contains(protocol.outcome("any_work"), protocol.outcome("employed"), sources)
    assert not contains(protocol.outcome("employed"), protocol.outcome("any_work"), sources)
    days = {(outcome, group, arms): set(found) for outcome, _, group, arms, found in curves(release)}
    for (outcome, group, arms), inner in days.items():
        if outcome == "employed":
            pair = [day_by_day(analysis, name, group, arms)[1] for name in ("employed", "any_work")]
            first = -protocol.analysis.pre_days
            both = sorted(inner & days.get(("any_work", group, arms), set()))
            apart = [int((pair[1] & ~pair[0])[:, day - first].sum()) for day in both]
            assert all(n == 0 or n >= rules.smallest_count for n in apart)
            checked += len(apart)
    assert checked > 3 or not any(outcome == "any_work" for outcome, _, _ in days)


@pytest.mark.parametrize(
    ("one", "other", "holds"),
    [
        ({"on": ["b"]}, {"on": ["b:JSA"]}, True),
        ({"on": ["b:JSA"]}, {"on": ["b"]}, False),
        ({"on": ["b"]}, {"on": ["b"], "off": ["c:X"]}, True),
        ({"on": ["b"], "off": ["c:X"]}, {"on": ["b"], "off": ["c"]}, True),
        ({"on": ["b"], "off": ["c"]}, {"on": ["b"], "off": ["c:X"]}, False),
        ({"on": ["b"], "bridge_gap_days": 7}, {"on": ["b:JSA"]}, True),
        ({"on": ["b"]}, {"on": ["b"], "bridge_gap_days": 7}, False),
        ({"on": ["b:JSA", "b:ESA"]}, {"on": ["b"], "off": ["c"]}, True),
        ({"on": ["b:JSA"]}, {"on": ["b"], "off": ["b:ESA"]}, True),
        ({"on": ["c"]}, {"on": ["b", "c"], "off": ["b"]}, True),
        ({"on": ["b"], "off": ["c"]}, {"on": ["c"], "off": ["c:X"]}, False),
        ({"on": ["b"]}, {"on": ["jsa"]}, True),
        ({"on": ["jsa"]}, {"on": ["b"]}, False),
    ],
)
def test_what_contains_what(one: dict[str, Any], other: dict[str, Any], holds: bool) -> None:
    assert contains(*(Outcome.model_validate({"name": "any"} | each) for each in (one, other)), SOURCES) is holds


@given(*[st.tuples(*[st.frozensets(st.sampled_from(TERMS)) for _ in ("on", "off")]) for _ in ("one", "other")])
def test_what_is_related_is_so_for_whatever_spells_somebody_has(
    one: tuple[frozenset[str], ...], other: tuple[frozenset[str], ...]
) -> None:
    """Against everybody there can be on a day: each with some of the spells that there are."""
    assume(one[0] and other[0])
    outcomes = [Outcome(name="any", on=tuple(on), off=tuple(off)) for on, off in (one, other)]
    everybody = [frozenset(some) for n in range(5) for some in combinations(SPELLS, n)]
    on, also_on = ([_is_on(each, spells) for spells in everybody] for each in outcomes)
    assert contains(*outcomes, SOURCES) is all(here or not there for here, there in zip(on, also_on, strict=True))
    assert are_apart(*outcomes, SOURCES) is not any(here and there for here, there in zip(on, also_on, strict=True))


def _is_on(outcome: Outcome, spells: frozenset[str]) -> bool:
    """By the definition: some spell of a term that is on, and none of a term that is off."""
    has = {*spells, *(each.partition(":")[0] for each in spells), "followed"}
    return bool(has & {*outcome.on}) and not has & {*outcome.off}


def test_random_rounding_is_that_of_the_people_whatever_is_asked(analysis: ti.TrialAnalysis) -> None:
    protocol, tables = short_trial(400, seed=2, subgroups=2)
    more = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    more["subgroups"] = more["subgroups"][:1]
    flows = [
        release_results(ti.analyse_trial(each, tables).results(methods=False), "stats_nz_rr3").frames["flow.csv"]
        for each in (protocol, ti.TrialProtocol.from_dict(more))
    ]
    pd.testing.assert_frame_equal(flows[0], flows[1])
