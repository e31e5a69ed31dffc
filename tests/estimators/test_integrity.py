"""Integrity checks: the report's own numbers, scipy's tests, and trials that were spoilt on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, chi2_contingency, chisquare, fisher_exact
from trials import SmallTrial

from trialimpact import (
    DesignError,
    ProtocolError,
    TrialProtocol,
    build_panel,
    build_sample,
    estimate_integrity,
    load_records,
    merge_spells,
)
from trialimpact.estimators.checks import SIMULATED, WORDS, differential_loss, sample_ratio
from trialimpact.synthetic import simulate_trial

FAIR = {"IAP": 1.0, "BAU": 1.0}


def integrity_of(trial):
    records = load_records(trial.protocol, trial.tables)
    sample = build_sample(records)
    return estimate_integrity(sample, build_panel(sample, merge_spells(records)))


def test_the_counts_of_the_2016_report() -> None:
    as_put = sample_ratio({"IAP": 5_720, "BAU": 6_423}, FAIR)
    analysed = sample_ratio({"IAP": 4_806, "BAU": 5_285}, FAIR)
    loss = differential_loss({"IAP": 1_052, "BAU": 1_000}, {"IAP": 5_858, "BAU": 6_285})
    assert f"{as_put.p_value:.1e}" == "1.8e-10"
    assert f"{analysed.p_value:.1e}" == "1.9e-06"
    assert loss.p_value == pytest.approx(0.0025, abs=0.0002)
    assert loss.counts == "IAP 18.0% of 5,858, BAU 15.9% of 6,285"
    assert [each.level for each in (as_put, analysed, loss)] == ["red", "red", "amber"]


def test_ratios_are_scipys_and_small_ones_exact() -> None:
    found = sample_ratio({"a": 700, "b": 400, "c": 350}, {"a": 2, "b": 1, "c": 1})
    expected = chisquare([700, 400, 350], [725, 362.5, 362.5])
    assert (found.statistic, found.p_value, found.df) == pytest.approx((expected.statistic, expected.pvalue, 2))
    small = sample_ratio({"a": 3, "b": 12}, {"a": 1, "b": 1})
    assert small.test == "exact binomial"
    assert small.p_value == pytest.approx(binomtest(3, 15, 0.5).pvalue)
    third = sample_ratio({"a": 30, "b": 20}, {"a": 1, "b": 2})
    assert third.p_value == pytest.approx(binomtest(30, 50, 1 / 3).pvalue)


def test_loss_is_a_chi_square_of_removed_and_left() -> None:
    found = differential_loss({"a": 30, "b": 10, "c": 5}, {"a": 100, "b": 80, "c": 60})
    expected = chi2_contingency([[30, 10, 5], [70, 70, 55]], correction=False)
    assert (found.statistic, found.df, found.p_value) == pytest.approx((expected[0], 2, expected[1]))
    nobody = differential_loss({"a": 0, "b": 0}, {"a": 10, "b": 10})
    assert nobody.level == "not tested"
    without = differential_loss({"a": 1, "b": 0}, {"a": 2, "b": 0})
    assert (without.counts, without.expected) == ("a 50.0% of 2, b 0.0% of 0", "50.0% of each")


def test_wrong_arms_are_an_error() -> None:
    with pytest.raises(DesignError, match="name each arm once"):
        sample_ratio({"a": 1, "b": 2}, {"a": 1, "c": 1})


def test_a_sound_trial_is_green_and_says_what_that_is_not() -> None:
    found = integrity_of(simulate_trial(2_000, seed=11))
    assert not found.at("red")
    frame = found.to_frame()
    assert set(frame["check"]) == set(WORDS)
    assert (frame.loc[frame["level"] == "green", "says"] == "no sign of it").all()


def without(trial, table: str, lost: np.ndarray):
    return replace(trial, tables=trial.tables | {table: trial.tables[table][~lost]})


def test_lost_treatment_claims_are_found_where_they_were_lost() -> None:
    trial = simulate_trial(3_000, seed=11)
    benefit = trial.tables["benefit"]
    treated = (benefit["claimant_id"].str[7].astype(int) >= 5).to_numpy()
    lost = treated & (benefit["claimant_id"].str[6].astype(int) < 2).to_numpy()
    found = integrity_of(without(trial, "benefit", lost))
    red = {(each.check, each.where) for each in found.at("red")}
    assert ("differential_loss", "lost at: Matched to a claim") in red
    assert ("sample_ratio", "Matched to a claim") in red
    assert not any(check == "sample_ratio" and where == "Individuals with a marker" for check, where in red)
    assert not any(check == "arm_share_drift" for check, _ in red)


def test_an_office_that_hides_treatment_claimants_is_found_and_the_others_are_not() -> None:
    trial = simulate_trial(3_000, seed=11)
    markers = trial.tables["markers"]
    treated = (markers["claimant_id"].str[7].astype(int) >= 5).to_numpy()
    lost = (
        treated
        & (markers["office"] == "Easton").to_numpy()
        & (markers["claimant_id"].str[6].astype(int) < 5).to_numpy()
    )
    found = integrity_of(without(trial, "markers", lost))
    office = [each for each in found.checks if each.check == "ratio_by_office" and each.level != "green"]
    assert [each.where for each in office] == ["Easton"]
    assert office[0].p_holm == pytest.approx(3 * office[0].p_value)


def test_an_arm_that_stopped_recruiting_is_drift_and_shorter_follow_up() -> None:
    trial = simulate_trial(3_000, seed=11)
    markers = trial.tables["markers"]
    treated = (markers["claimant_id"].str[7].astype(int) >= 5).to_numpy()
    found = integrity_of(without(trial, "markers", treated & (markers["marker_date"] >= "2015-07-15").to_numpy()))
    red = {each.check for each in found.at("red")}
    assert {"arm_share_drift", "follow_up", "ratio_by_week"} <= red


def test_what_was_expected_is_said_in_numbers() -> None:
    """Two of five in treatment in either period; follow-up is one comparison of two means."""
    people = pd.DataFrame(
        {"claimant_id": [f"p{i}" for i in range(200)], "arm": ["T", "C", "C", "T", "C"] * 40, "index": [0, 40] * 100}
    )
    spells = pd.DataFrame({"claimant_id": ["p0"], "kind": "a", "start": 0, "end": 3})
    covered = dict.fromkeys("ab", (-50, 45))
    found = {each.check: each for each in integrity_of(SmallTrial(people, spells, covered)).checks}
    assert found["arm_share_drift"].counts == "40% to 40% in treatment over 2 periods"
    assert found["arm_share_drift"].expected == "40% in every one"
    assert (found["follow_up"].df, found["follow_up"].test) == (1, "welch z")
    assert found["follow_up"].counts == "treatment 8.5 days, control 8.5"


def test_without_a_designed_ratio_it_is_said_not_to_be_tested() -> None:
    trial = simulate_trial(500, seed=1)
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["allocation"] = {"rule": "assigned", "control": "BAU", "arms": ["BAU", "IAP"]}
    claimants = trial.tables["claimants"]
    arm = np.where(claimants["claimant_id"].str[7].astype(int) >= 5, "IAP", "BAU")
    tables = trial.tables | {"claimants": claimants.assign(assigned_arm=arm)}
    found = integrity_of(replace(trial, protocol=TrialProtocol.from_dict(data), tables=tables))
    untested = {each.says for each in found.at("not tested")}
    assert "put_in_arm" not in {each.check for each in found.checks}
    assert untested == {"the designed ratio is not given: set allocation.ratio"}
    data["allocation"]["ratio"] = {"BAU": 1, "IAP": 3}
    found = integrity_of(replace(trial, protocol=TrialProtocol.from_dict(data), tables=tables))
    assert {each.check for each in found.at("red")} >= {"sample_ratio"}
    data["allocation"]["ratio"] = {"BAU": 1}
    with pytest.raises(ProtocolError, match=r"allocation\.ratio must name each arm once"):
        TrialProtocol.from_dict(data)


def test_the_p_value_of_draws_counts_what_was_found_among_them() -> None:
    """Nine people where next to nobody should be: no draw has as many, so 1/(1 + draws), which is never 0."""
    never = sample_ratio({"a": 1_000, "b": 1_000, "c": 9}, {"a": 1e9, "b": 1e9, "c": 1.0})
    assert (never.test, never.p_value) == ("simulated", 1 / (1 + SIMULATED))


def test_small_counts_are_tested_exactly_or_by_simulation() -> None:
    loss = differential_loss({"T": 1, "C": 0}, {"T": 5, "C": 1_000})
    assert loss.test == "fisher exact"
    assert loss.p_value == pytest.approx(fisher_exact([[1, 0], [4, 1_000]]).pvalue)
    one = sample_ratio({"a": 1, "b": 0, "c": 0}, {"a": 1, "b": 1, "c": 18})
    assert one.test == "simulated"
    # One person in a or b happens in 10% of draws, and is as far from expectation in either.
    assert one.p_value == pytest.approx(0.1, abs=0.005)
    three = differential_loss({"a": 3, "b": 0, "c": 0}, {"a": 40, "b": 40, "c": 40})
    assert three.test == "simulated"
    # All three of one arm: 3 * C(40,3) / C(120,3), and nothing is further from independence.
    assert three.p_value == pytest.approx(3 * 9_880 / 280_840, abs=0.02)


def test_arms_as_put_are_a_check_of_their_own() -> None:
    trial = simulate_trial(3_000, seed=11)
    markers = trial.tables["markers"].copy()
    moved = (markers["marker"] == "IAP") & (markers["claimant_id"].str[6].astype(int) < 3)
    markers.loc[moved, "marker"] = "BAU"
    found = integrity_of(replace(trial, tables=trial.tables | {"markers": markers}))
    assert [each.check for each in found.at("red")] == ["put_in_arm"]
    assert "offices put people in arms" in found.at("red")[0].says


def test_clusters_assigned_whole_are_counted_as_clusters() -> None:
    trial = simulate_trial(800, seed=2)
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["allocation"] = {"rule": "assigned", "control": "BAU", "arms": ["BAU", "IAP"], "ratio": {"BAU": 1, "IAP": 1}}
    data["analysis"]["clusters"] = "team"
    team = np.arange(len(trial.tables["claimants"])) % 40
    claimants = trial.tables["claimants"].assign(
        team=[f"t{i}" for i in team], assigned_arm=np.where(team % 2, "IAP", "BAU")
    )
    found = integrity_of(
        replace(trial, protocol=TrialProtocol.from_dict(data), tables=trial.tables | {"claimants": claimants})
    )
    ratio = found.checks[0]
    assert (ratio.where, ratio.counts, ratio.level) == ("clusters analysed", "BAU 20, IAP 20", "green")
    assert all(each.level == "not tested" and "assigned whole" in each.says for each in found.checks[1:])


def test_a_certain_difference_is_red_and_one_period_is_said_to_be_one() -> None:
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(40)], "arm": ["T", "C"] * 20, "index": [0, 50] * 20})
    spells = pd.DataFrame({"claimant_id": ["p0"], "kind": "a", "start": [0], "end": [3]})
    trial = SmallTrial(people, spells, analysis={"small_sample": "hc2"})
    found = {each.check: each for each in integrity_of(trial).checks if "a_" not in each.where}
    assert found["follow_up"].level == "red"
    people["index"] = 0
    found = {each.check: each for each in integrity_of(trial).checks}
    assert found["arm_share_drift"].level == "not tested"
    assert "too few joined for two periods of intake" in found["arm_share_drift"].says
