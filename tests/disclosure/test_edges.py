"""Releases of next to nothing, and of results that an engine counted."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trials import SmallTrial, short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.differencing import Withdrawn, sets_left
from trialimpact.disclosure.grids import Grids
from trialimpact.disclosure.packs import Rounder

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def trial(n: int, arms: tuple[str, ...] = ("T", "C"), pre_days: int = 0, **more: object) -> SmallTrial:
    rng = np.random.default_rng(5)
    people = pd.DataFrame({"claimant_id": [f"p{place}" for place in range(n)], "index": rng.integers(0, 30, n)})
    people["arm"] = [arms[place % len(arms)] for place in range(n)]
    start = people["index"] + rng.integers(0, 20, n)
    spells = pd.DataFrame(
        {"claimant_id": people["claimant_id"], "kind": "a", "start": start, "end": start + rng.integers(1, 25, n)}
    )
    beside = pd.DataFrame({"claimant_id": ["p0"], "kind": ["b"], "start": [0], "end": [2]})
    covered = {"a": (-50, 120), "b": (-50, 120)}
    both = pd.concat([spells, beside], ignore_index=True)
    return SmallTrial(people, both, covered, arms=arms, horizon=50, pre_days=pre_days, more=dict(more))


def results(made: SmallTrial) -> ti.results.TrialResults:
    return ti.analyse_trial(made.protocol, made.tables).results(methods=False)


def test_without_days_before_day_0_and_with_a_pack_of_ones_own() -> None:
    raw = results(trial(200))
    own = rule_pack("ons_10_5").model_copy(update={"name": "own"})
    assert rule_pack(own) is own
    one, other = (release_results(raw, pack).frames["estimates.csv"] for pack in (own, "ons_10_5"))
    pd.testing.assert_frame_equal(one, other)
    assert (one["day"].dropna() >= 0).all() and len(one["day"].dropna())


@pytest.mark.parametrize("n_known", [0, 1])
def test_a_level_of_which_next_to_nobody_is_known_says_nothing(n_known: int) -> None:
    """Not even the degrees of freedom of the joint test, which leaves out what does not vary."""
    levels = [{"label": "woman", "where": {"column": "sex", "equals": "F"}}]
    made = trial(200, characteristics=[{"name": "sex", "levels": levels}])
    made.people["sex"] = pd.Series(["F"] * n_known + [None] * (200 - n_known), dtype=object)
    balance = release_results(results(made), "ons_10_5").frames["balance.csv"]
    assert balance["kind"].tolist() == ["categorical", "joint"] and balance["suppressed"].all()
    assert balance.select_dtypes("number").isna().all(axis=None)


def test_what_is_withdrawn_is_said_to_the_checker() -> None:
    assert Withdrawn("t", "north", "all - north among treatment", 3).in_words() == (
        "north (t): all - north among treatment leaves 3 people"
    )


def test_random_rounding_of_what_an_engine_counted_has_a_salt_too() -> None:
    raw = results(trial(200))
    counted = replace(raw, manifest={name: value for name, value in raw.manifest.items() if name != "people"})
    one, other = (release_results(each, "stats_nz_rr3").frames["flow.csv"]["n"] for each in (raw, counted))
    assert ((one % 3 == 0) | one.isna()).all() and ((other % 3 == 0) | other.isna()).all()


def test_days_of_pooled_sides_are_those_of_their_rest_too() -> None:
    """T and X together less T is X, which has no contrast of its own."""
    contrasts = [
        {"name": "t", "treatment": ["T"], "control": ["C"]},
        {"name": "tx", "treatment": ["T", "X"], "control": ["C"]},
    ]
    moments = trial(300, ("T", "C", "X"), contrasts=contrasts).moments()
    grids = Grids(moments, Rounder(rule_pack("uk_llc"), ""), frozenset())
    assert ("X",) in list(grids._arms("all"))


def test_days_of_a_group_are_among_those_of_the_next_larger() -> None:
    made = trial(48, subgroups=[{"name": "most", "where": {"column": "site", "equals": "x"}}])
    made.people["site"] = np.where(np.arange(48) < 26, "x", "y")
    grids = Grids(made.moments(), Rounder(rule_pack("uk_llc"), ""), frozenset())
    assert grids._days_before("a", "most") == grids.days("a", "all")
    assert set(grids.days("a", "most")) <= set(grids.days("a", "all"))
    alone = Grids(trial(8).moments(), Rounder(rule_pack("uk_llc"), ""), frozenset())
    assert alone.days("a", "all") == alone.horizons("a", "all") == ()


def test_a_characteristic_that_nobody_of_a_side_has_is_no_group() -> None:
    protocol, tables = short_trial(300, seed=2, subgroups=0)
    arm_of = tables["claimants"]["claimant_id"].str[7].astype(int) >= 5
    tables["claimants"]["gender"] = tables["claimants"]["gender"].where(arm_of)
    raw = ti.analyse_trial(protocol, tables).results(methods=False)
    balance = release_results(raw).frames["balance.csv"]
    assert len(balance)
    assert balance.loc[balance["n_control"].fillna(0) == 0, "p_value"].isna().all()


@given(
    st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=6),
    st.lists(st.integers(1, 9), min_size=5, max_size=5),
)
def test_sums_and_differences_of_groups_are_those_that_every_combination_tried_gives(rows, claimants) -> None:
    sets, n = np.array(rows, dtype=bool), np.array(claimants)
    tried = set()
    for size in (2, 3):
        for chosen in itertools.combinations(range(len(sets)), size):
            for signs in itertools.product((1, -1), repeat=size):
                left = sum(sign * sets[place].astype(int) for place, sign in zip(chosen, signs, strict=True))
                minus = [sets[place] for place, sign in zip(chosen, signs, strict=True) if sign < 0]
                plus = [sets[place] for place, sign in zip(chosen, signs, strict=True) if sign > 0]
                # Two less one that is in one of them: a pair, and the other two's people.
                apart = len(plus) == 2 and any(not (less & ~more).any() for less in minus for more in plus)
                is_set = not (left < 0).any() and not (left > 1).any() and (left > 0).any()
                if set(signs) == {1, -1} and is_set and not apart:
                    tried.add(frozenset(zip(chosen, signs, strict=True)))
    found = [frozenset(zip(chosen, signs, strict=True)) for chosen, signs in sets_left(sets, n)]
    assert len(found) == len(set(found))
    assert set(found) == tried
