"""Rows of estimates as they are shown: from shown counts, and nothing where nothing is known or may be shown."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.methods import _adjusted_without_hidden, _as_blurred_as_counts, release_audit
from trialimpact.disclosure.packs import Rounder
from trialimpact.disclosure.rows import around_estimate, release_bands
from trialimpact.disclosure.shown import Publication
from trialimpact.estimators.confidence import newcombe_limits
from trialimpact.estimators.heterogeneity import family_of
from trialimpact.results import plain

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def trial(n: int, *, n_control: int | None = None, **analysis: object) -> SmallTrial:
    """As many in each of two arms, or fewer of control; those of treatment in four teams, those of control in one."""
    place = np.arange(2 * n)
    place = place[(place % 2 == 1) | (place < 2 * (n_control or n))]
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in place], "arm": np.where(place % 2, "T", "C"), "index": 0})
    people["team"] = np.where(place % 2, (place % 8).astype(str), "0")
    ends = 7 * np.where(place % 2, place % 9, place % 11) + 1
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    return SmallTrial(people, spells, horizon=80, analysis=analysis)


def daily(trial: SmallTrial) -> pd.DataFrame:
    results = ti.analyse_trial(trial.protocol, trial.tables).results(methods=False)
    rows = release_results(results, "ons_10_5").frames["estimates.csv"]
    return rows[rows["day"].notna() & (rows["outcome"] == "a") & ~rows["suppressed"]]


def test_newcombes_limits_are_of_the_counts_that_are_shown() -> None:
    small = trial(203, n_control=131, interval="newcombe")
    rows = daily(small)
    assert len(rows) > 4
    n = [rows[f"n_{side}"].to_numpy(dtype=int) for side in ("treatment", "control")]
    shares = [rows[f"mean_{side}"].to_numpy() for side in ("treatment", "control")]
    on = [(5 * np.round(share * of / 5)).astype(int) for share, of in zip(shares, n, strict=True)]
    low, high = newcombe_limits(small.protocol, (on[0], on[1]), (n[0], n[1]))
    np.testing.assert_allclose(rows["conf_low"], low.round(3))
    np.testing.assert_allclose(rows["conf_high"], high.round(3))


def test_no_error_is_shown_where_none_is_known() -> None:
    rows = daily(trial(203, clusters="team"))
    assert len(rows) > 4
    assert rows["estimate"].notna().all()
    assert rows[["std_error", "conf_low", "conf_high"]].isna().all(axis=None)


def test_of_a_few_people_no_row_is_left() -> None:
    moments = trial(8).moments()
    frame = plain(ti.estimate_bands(moments, "a").to_frame())
    assert len(frame)
    shown = release_bands(frame, Publication(moments, Rounder(rule_pack("ons_10_5"), ""), frozenset()))
    assert shown.empty
    assert shown.columns.tolist() == [*frame.columns, "suppressed"]


@pytest.mark.parametrize(("movers", "left"), [(0, 37), (1, 37), (10, 30), (38, 0)])
def test_those_followed_are_everyone_less_whole_steps_and_of_a_group_as_many_in_proportion(
    movers: int, left: int
) -> None:
    """Of 200 on a side 37 joined when the records end, all of them in the group of 150: it does not tell of them."""
    place = np.arange(400)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in place], "arm": np.where(place % 2, "T", "C")})
    people["index"] = np.where(place < 74, 80, 0)
    people["team"] = np.where(place < 300, "k", "l")
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": 10})
    group = [{"name": "k", "where": {"column": "team", "equals": "k"}}]
    covered = dict.fromkeys("ab", (-50, 80))
    moments = SmallTrial(people, spells, covered, horizon=20, more={"subgroups": group}).moments()
    pack = rule_pack("ons_10_5").model_copy(update={"movers": movers})
    rows = pd.DataFrame({"outcome": "a", "contrast": "t", "subgroup": ["all", "k", "k"], "horizon_days": 20})
    rows["n_treatment"] = rows["n_control"] = [163, 113, 0]
    shown = Publication(moments, Rounder(pack, ""), frozenset()).n_followed(rows)
    kept = [5 * round(n * (1 - left / 200) / 5) for n in (200, 150)]
    assert all(each.tolist() == [*kept, 0] for each in shown.values())


def test_in_a_family_of_which_all_is_shown_adjusted_p_values_stay_and_else_each_looks_at_its_own() -> None:
    small = trial(203)
    small.people["team"] = np.where(np.arange(len(small.people)) < 200, "k", "l")
    groups = [{"name": name, "where": {"column": "team", "equals": name}} for name in "kl"]
    about = Publication(
        replace(small, more={"subgroups": groups}).moments(), Rounder(rule_pack("ons_10_5"), ""), frozenset()
    )
    raw = pd.DataFrame({"outcome": "a", "contrast": "t", "subgroup": ["k", "l"], "p_value": [0.01, 0.04]})
    raw["family"] = [family_of(about.protocol, row) for row in raw.to_dict("records")]
    raw = raw.assign(p_holm=[0.02, 0.04], p_bh=[0.02, 0.04])
    raw = raw.assign(**{f"difference_{name}": raw[name] for name in ("p_value", "p_holm", "p_bh")})
    for hidden, holm, bh in (
        ([False, False], [0.02, 0.04], [0.02, 0.04]),
        ([False, True], [0.02, np.nan], [np.nan] * 2),
    ):
        found = _adjusted_without_hidden(raw.assign(suppressed=hidden), raw, about)
        for stem in ("", "difference_"):
            np.testing.assert_array_equal(found[f"{stem}p_holm"], holm)
            np.testing.assert_array_equal(found[f"{stem}p_bh"], bh)
    only_second = _adjusted_without_hidden(raw.assign(suppressed=[True, False]), raw, about)
    np.testing.assert_array_equal(only_second["p_holm"], [np.nan, 0.08])


def test_a_person_moves_a_bound_by_the_horizon_over_the_people_of_a_side() -> None:
    about = Publication(trial(8).moments(), Rounder(rule_pack("ons_10_5"), ""), frozenset())
    n, horizons = [99, 101, 999, 1_001], [None, None, 10, 10]  # a day is a horizon of one
    frame = pd.DataFrame({"n_treatment": n, "n_control": 9_000, "horizon_days": pd.array(horizons, dtype="Int64")})
    assert _as_blurred_as_counts(frame, 1, about).tolist() == [False, True, False, True]


def test_limits_around_an_estimate_are_as_far_apart_as_they_were() -> None:
    rows = pd.DataFrame(
        {"estimate": [2.0, 2.0, -0.1], "conf_low": [-1.31, -1.31, -0.3], "conf_high": [5.27, 5.27, 0.1]}
    )
    found = around_estimate(rows, np.array([True, False, True]))
    assert found["conf_low"].tolist() == [-1.3, -1.31, -0.3]
    assert found["conf_high"].tolist() == [5.3, 5.27, 0.1]


def test_what_was_done_about_rows_that_broke_a_rule_is_said_where_they_are_many() -> None:
    moments = trial(203).moments()
    audit = {
        "table": "a",
        "rule": "any",
        "n_rows": 900,
        "n_broken": [0, 7, 240],
        "action": "left out",
        "rows": ["", "1", "2"],
    }
    shown = release_audit(pd.DataFrame(audit), Publication(moments, Rounder(rule_pack("ons_10_5"), ""), frozenset()))
    assert shown["action"].tolist() == ["left out", "", "left out"]
    assert shown["n_broken"].fillna(-1).tolist() == [0, -1, 200]
    assert shown["n_rows"].isna().all() and "rows" not in shown
