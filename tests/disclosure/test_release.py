"""A leak hunt over everything that a release holds, under each pack."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import short_trial

import trialimpact as ti
from trialimpact.disclosure import pack_names, release_results, rule_pack
from trialimpact.disclosure.differencing import withdrawn_groups
from trialimpact.disclosure.packs import Rounder
from trialimpact.disclosure.people import GROUP, people_of
from trialimpact.disclosure.suppression import protect
from trialimpact.results import KEYS, plain

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

CONTROLLED = [name for name in pack_names() if name != "none"]
IN_CI = [pytest.param(name, marks=() if name in ("ons_10_5", "uk_llc") else pytest.mark.slow) for name in CONTROLLED]
"""One that shows zeros and one that does not; `make test-slow` tries the others."""
COUNTS = ("n", "n_treatment", "n_control", "missing_treatment", "missing_control", "n_complement", "n_at_risk",
          "n_events", "n_broken", "n_rows")  # fmt: skip


@pytest.fixture(scope="module")
def results() -> Any:
    return ti.analyse_trial(*short_trial(260, seed=5)).results()


@pytest.fixture(scope="module")
def released(results: Any) -> Any:
    """The release under a pack, made once."""
    return cache(lambda pack: release_results(results, pack))


@pytest.fixture(scope="module", params=IN_CI)
def release(request: pytest.FixtureRequest, released: Any) -> Any:
    return released(request.param)


def shown_counts(release: Any) -> dict[str, np.ndarray]:
    return {
        f"{name}: {column}": frame[column].dropna().to_numpy(dtype=float)
        for name, frame in release.frames.items()
        for column in COUNTS
        if column in frame.columns
    }


def test_every_count_that_is_shown_is_one_that_the_pack_shows(release: Any) -> None:
    pack = release.pack
    for where, counts in shown_counts(release).items():
        if pack.zeros == "suppressed":
            assert (counts > 0).all(), where
        small = counts[(counts > 0) & (counts < pack.smallest_count)]
        assert not small.size, (where, small)
        if pack.rounding in ("nearest", "random"):
            assert (counts % pack.base == 0).all(), where
        if pack.rounding == "midpoint":
            assert ((counts == 0) | (counts % pack.base == pack.base - pack.base // 2)).all(), where


def test_every_file_is_released_on_purpose(release: Any, results: Any) -> None:
    assert set(results.frames) - set(release.frames) == {"quarantined.csv"}
    assert "rows" not in release.frames["audit.csv"].columns
    assert not {"counts", "expected", "statistic", "where"} & set(release.frames["integrity.csv"].columns)


def test_no_number_has_the_digits_from_which_counts_could_be_worked_back(release: Any) -> None:
    for name, frame in release.frames.items():
        for column in frame.columns:
            if column in ("conf_level", "suppressed", "df") or not pd.api.types.is_numeric_dtype(frame[column].dtype):
                continue
            values = frame[column].dropna().to_numpy(dtype=float)
            np.testing.assert_allclose(values, np.round(values, 3), atol=1e-9, err_msg=f"{name}: {column}")


def test_a_suppressed_row_says_nothing_in_numbers(release: Any) -> None:
    said = ("estimate", "mean_treatment", "mean_control", "conf_low", "conf_high", "std_error", "p_value", "n")
    for name, frame in release.frames.items():
        gone = frame[frame["suppressed"]]
        for column in said:
            if column in gone.columns:
                assert gone[column].isna().all(), f"{name}: {column}"


def test_a_spreadsheet_reader_who_subtracts_finds_no_small_count(release: Any) -> None:
    """Total less the parts that are shown, wherever one part is missing: along every column of the flow."""
    pack = release.pack
    if pack.base > 1:
        return
    flow = release.frames["flow.csv"]
    labels = ["assigned_arm", "received_arm", "office", "reason"]
    for (_, _), here in flow.groupby(["stage", "kind"], sort=False):
        for label in labels[:3]:
            others = [each for each in labels if each != label]
            for _, group in here.groupby(others, sort=False):
                total = group.loc[group[label] == "all", "n"]
                parts = group.loc[group[label] != "all", "n"]
                if len(total) == 1 and len(parts) > 1 and parts.isna().sum() == 1 and not math.isnan(total.iloc[0]):
                    rest = total.iloc[0] - parts.sum()
                    assert rest >= pack.smallest_count


def test_stages_give_no_small_count_away(release: Any) -> None:
    """Who remained before, less who remained after, is who was removed."""
    if release.pack.base > 1:
        return
    flow = release.frames["flow.csv"]
    everyone = flow[(flow[["assigned_arm", "received_arm", "office", "reason"]] == "all").all(axis=1)]
    remaining = everyone[everyone["kind"] == "remaining"].set_index("stage")["n"]
    stages = [stage for stage in release.stages if stage != "records"]
    may_remove = set(everyone.loc[everyone["kind"] == "removed", "stage"])
    assert set(stages) - may_remove == {"analysed"}, "the last stage is a name for those who are left"
    for before, after in zip(stages[:-2], stages[1:-1], strict=True):
        removed = remaining[before] - remaining[after]
        assert math.isnan(removed) or removed >= release.pack.smallest_count


def test_groups_that_differ_by_a_few_are_withdrawn(results: Any, released: Any) -> None:
    """Female and male leave a few of unknown gender: by exact counts and means one could tell their days."""
    pack = rule_pack("uk_llc")
    members = results.moments.cells.members
    names = list(results.protocol.subgroup_names)
    women, men = (members[names.index(name)] for name in ("female", "male"))
    left = results.moments.cells.claimants[~women & ~men].sum()
    assert 0 < left < 2 * pack.smallest_group
    found = withdrawn_groups(results.moments, pack)
    assert {each.subgroup for each in found} & {"female", "male"}
    release = released(pack.name)
    for each in found:
        for name in ("estimates.csv", "subgroups.csv", "bands.csv"):
            frame = release.frames[name]
            rows = frame[frame["subgroup"] == each.subgroup]
            assert rows["suppressed"].all()
    assert not withdrawn_groups(results.moments, rule_pack("none"))


def test_a_group_whose_count_is_suppressed_has_no_numbers(results: Any, released: Any) -> None:
    """Suppressed not for its own size, but so that another count cannot be worked out."""
    raw = replace(results, frames={name: plain(frame) for name, frame in results.frames.items()})
    shown = protect(people_of(raw), Rounder(rule_pack("opensafely_midpoint_6"), ""))
    hidden = {(key[1], key[3]) for key in shown.secondary if key[0] == GROUP}
    assert hidden
    checked = 0
    for frame in released("opensafely_midpoint_6").frames.values():
        if {"contrast", "subgroup"} <= set(frame.columns):
            mine = [each in hidden for each in zip(frame["contrast"], frame["subgroup"], strict=True)]
            assert frame.loc[mine, "suppressed"].all()
            checked += sum(mine)
    assert checked


def test_rounding_is_the_same_in_every_file(released: Any) -> None:
    release = released("stats_nz_rr3")
    flow = release.frames["flow.csv"]
    analysed = flow[(flow["stage"] == "analysed") & (flow["kind"] == "remaining") & (flow["office"] == "all")]
    by_arm = analysed[(analysed["received_arm"] == "all")].set_index("assigned_arm")["n"]
    estimates = release.frames["estimates.csv"]
    shown = estimates["horizon_days"].notna() & ~estimates["suppressed"]
    row = estimates[(estimates["subgroup"] == "all") & shown].iloc[0]
    assert row["n_treatment"] == by_arm["IAP"]
    assert row["n_control"] == by_arm["BAU"]


def test_the_same_results_give_the_same_release(results: Any, released: Any) -> None:
    one, other = released("stats_nz_rr3"), release_results(results, "stats_nz_rr3")
    for name, frame in one.frames.items():
        pd.testing.assert_frame_equal(frame, other.frames[name])


def test_a_release_says_nothing_of_itself_that_is_raw(release: Any) -> None:
    said = repr(release) + release._repr_html_()
    assert not re.search(r"QQ\d{6}", said)
    assert release.pack.label.split(",")[0] in repr(release)


def test_balance_of_levels_is_of_shown_counts_and_means_are_as_coarse(released: Any) -> None:
    """Nothing in a row of the balance can tell more than the counts that are shown."""
    balance = released("ons_10_5").frames["balance.csv"]
    levels = balance[(balance["kind"] == "categorical") & ~balance["suppressed"]]
    assert len(levels)
    for row in levels.to_dict("records"):
        n, m = row["n_treatment"], row["n_control"]
        on, off = row["value_treatment"] * n, row["value_control"] * m
        assert abs(on - 5 * round(on / 5)) < 0.1
        assert abs(off - 5 * round(off / 5)) < 0.1
        pooled = (round(on) + round(off)) / (n + m)
        z = (on / n - off / m) / math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
        assert row["p_value"] == pytest.approx(math.erfc(abs(z) / math.sqrt(2)), abs=0.02)
    means = balance[(balance["kind"] == "numeric") & ~balance["suppressed"]]
    assert len(means)
    for column in ("value_treatment", "value_control"):
        np.testing.assert_allclose(means[column], means[column].round(1))
    for column in ("standardised_difference", "p_value"):
        np.testing.assert_array_equal(balance[column], balance[column].round(2))


def test_what_is_lost_is_not_in_the_width_of_bounds(results: Any, released: Any) -> None:
    for name in ("ons_10_5", "uk_llc"):
        bounds = released(name).frames["bounds.csv"]
        raw = results.frames["bounds.csv"]
        row = raw[raw["method"] == "lee_daily"].iloc[0]
        lost = [row[f"n_{side}"] / row[f"retained_{side}"] - row[f"n_{side}"] for side in ("treatment", "control")]
        assert any(0.5 < n < 10 for n in lost)
        assert bounds["suppressed"].all()


def test_no_effect_of_a_hidden_group_is_in_its_siblings_row(release: Any, results: Any) -> None:
    shown = release.frames["subgroups.csv"].set_index(["outcome", "subgroup"])
    raw = results.frames["subgroups.csv"].set_index(["outcome", "subgroup"])
    siblings = {"female": "male", "aged_18_to_24": "aged_25_or_over", "repeat_claimant": "non_repeat_claimant"}
    siblings |= {other: one for one, other in siblings.items()}
    for (outcome, group), row in shown.iterrows():
        if (outcome, siblings[group]) not in shown.index:
            assert math.isnan(row["complement_estimate"])
            assert math.isnan(row["difference"])
            assert not math.isnan(raw.loc[(outcome, group), "difference"])


def test_integrity_gives_levels_and_no_p_value(release: Any) -> None:
    assert set(release.frames["integrity.csv"].columns) == {
        "check", "basis", "n_places", "level", "n_at_level", "says", "suppressed",
    }  # fmt: skip


def test_people_of_unknown_group_are_not_the_rest_of_a_complement(release: Any, results: Any) -> None:
    raw = results.frames["subgroups.csv"]
    unknown = (
        raw["n_treatment"].max() * 0
        + sum(results.moments.n_claimants("all", (arm,)) for arm in results.protocol.arms)
        - (raw["n_treatment"] + raw["n_control"] + raw["n_complement"])
    )
    few = (unknown > 0) & (unknown < release.pack.smallest_count)
    assert few.any() or release.pack.smallest_count == 1
    keys = ["outcome", "subgroup"]
    shown = raw.loc[few, keys].merge(release.frames["subgroups.csv"], on=keys)
    assert shown["n_complement"].isna().all()


def test_where_a_group_is_hidden_no_adjusted_p_value_may_be_its_own(release: Any, results: Any) -> None:
    shown, raw = release.frames["subgroups.csv"], results.frames["subgroups.csv"]
    for _, rows in shown.groupby("family"):
        if rows["suppressed"].any():
            assert rows[["p_bh", "difference_p_bh"]].isna().all(axis=None)
            own = (raw.loc[rows.index, "p_value"] * raw.loc[rows.index, "family_size"]).clip(upper=1)
            told = rows.loc[~rows["suppressed"], "p_holm"]
            np.testing.assert_allclose(told, own[told.index].round(3))


@pytest.mark.parametrize("name", ["placebo.csv", "pretrend.csv", "subgroups.csv", "adjusted.csv", "compliance.csv"])
def test_what_methods_estimate_is_shown_as_it_is_but_for_its_decimals(release: Any, results: Any, name: str) -> None:
    shown, raw = release.frames[name], results.frames[name]
    keys = [key for key in KEYS[name] if key in shown]
    both = shown.merge(raw, on=keys, suffixes=("", "_raw"), validate="one_to_one")
    told = both[~both["suppressed"] & both["estimate"].notna()]
    assert len(told) or release.pack.name != "none"
    # No more than half of the last decimal: tenths of days, thousandths of shares, and coarser where people are few.
    apart = (told["estimate"].astype(float) - told["estimate_raw"].astype(float)).abs()
    assert (apart <= 0.5).all()


def test_survival_is_shown_in_steps(release: Any) -> None:
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    durations = release.frames["durations.csv"]
    steps = durations.loc[durations["measure"] == "survival", "day"].astype(int)
    assert len(steps)
    assert (steps % 7 == 0).all()


def test_bounds_are_no_finer_than_counts(release: Any) -> None:
    bounds = release.frames["bounds.csv"]
    shown = bounds[~bounds["suppressed"] & bounds["horizon_days"].notna()]
    people = shown[["n_treatment", "n_control"]].min(axis=1)
    moved_by_one = shown["horizon_days"].astype(float) / people
    whole = shown["lower"] == shown["lower"].round()
    assert (np.where(whole, 1.0, 0.1) >= release.pack.base * moved_by_one).all()


def test_many_moves_of_a_few_people_are_not_shown(release: Any, results: Any) -> None:
    raw, shown = results.frames["moves.csv"], release.frames["moves.csv"]
    raw = raw[raw["horizon_days"] == 112].reset_index(drop=True)
    few = (
        (raw[["movers_treatment", "movers_control"]] > 0)
        & (raw[["movers_treatment", "movers_control"]] < release.pack.smallest_group)
    ).any(axis=1)
    assert few.any() and not few.all()
    keys = ["from_state", "to_state"]
    assert raw.loc[few, keys].merge(shown, on=keys).empty
    assert shown["p_value"].isna().all(), "three decimals of a test of counts give them back"
    if release.pack.zeros == "suppressed":
        nobody = (raw[["movers_treatment", "movers_control"]] == 0).any(axis=1)
        assert raw.loc[nobody, keys].merge(shown, on=keys).empty


def test_an_outcome_of_one_person_before_the_trial_is_not_in_its_tests() -> None:
    """One person on before day 0: the estimate would be its own standard error, and give that person's days."""
    protocol, tables = short_trial(400, seed=3, subgroups=0)
    first = tables["claimants"]["claimant_id"].iloc[0]
    before = pd.to_datetime(tables["employment"]["start_date"]) < pd.Timestamp("2015-03-16")
    jobs = tables["employment"]
    own = pd.DataFrame({"claimant_id": [first], "start_date": ["2015-02-20"], "end_date": ["2015-03-10"]})
    results = ti.analyse_trial(protocol, tables | {"employment": pd.concat([jobs[~before], own])}).results()
    raw = results.frames["pretrend.csv"]
    assert len(raw[raw["outcome"] == "employed"])
    for name in CONTROLLED:
        shown = release_results(results, name).frames["pretrend.csv"]
        assert shown.loc[shown["outcome"] == "employed", "suppressed"].all()
    assert not {"movers_treatment", "movers_control"} & set(shown.columns)


def test_numbers_at_risk_are_not_given_and_states_stand_or_fall_together(release: Any) -> None:
    assert release.frames["durations.csv"][["n_at_risk", "n_events"]].isna().all(axis=None)
    states = release.frames["states.csv"].groupby("contrast")["suppressed"].agg(["all", "any"])
    assert (states["all"] == states["any"]).all()


def test_methods_that_leave_a_few_people_out_are_kept_back(release: Any, results: Any) -> None:
    raw = results.frames["adjusted.csv"]
    key = ["outcome", "subgroup", "horizon_days", "method"]
    intake = raw[(raw["method"] == "common_intake") & (raw["horizon_days"] == 112)].set_index(key)
    plain = results.frames["estimates.csv"]
    plain = plain[(plain["subgroup"] == "all") & (plain["horizon_days"] == 112)].set_index("outcome")
    shown = release.frames["adjusted.csv"].set_index(key).index
    for about in intake.index:
        left_out = [
            plain.loc[about[0], f"n_{side}"] - intake.loc[about, f"n_{side}"] for side in ("treatment", "control")
        ]
        if any(0 < n < release.pack.smallest_group for n in left_out):
            assert about not in shown


def test_group_sizes_are_the_same_wherever_they_stand(released: Any) -> None:
    """What one file keeps back no other shows."""
    for name in CONTROLLED:
        frames = released(name).frames
        flow = frames["flow.csv"]
        here = flow[(flow["stage"] == "analysed") & (flow["kind"] == "remaining") & (flow["office"] == "all")]
        arms = here[(here["received_arm"] == "all")].set_index("assigned_arm")["n"]
        estimates = frames["estimates.csv"]
        shown = estimates["horizon_days"].notna() & ~estimates["suppressed"]
        row = estimates[(estimates["subgroup"] == "all") & shown].iloc[0]
        assert row["n_treatment"] == arms["IAP"]
        assert row["n_control"] == arms["BAU"]
        assert frames["audit.csv"]["n_rows"].isna().all()


def test_without_control_checks_are_summed_up_all_the_same(released: Any, results: Any) -> None:
    checks = released("none").frames["integrity.csv"]
    raw = results.frames["integrity.csv"]
    assert set(checks["check"]) == set(raw["check"])
    assert checks["n_places"].sum() == len(raw)
