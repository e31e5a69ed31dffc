"""Contrasts, pairwise and pooled; strata with an empty arm; what is asked for by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import (
    Contrast,
    DesignError,
    ProtocolError,
    TrialWarning,
    estimate_covariance,
    estimate_cumulative,
    estimate_daily,
    estimate_subgroups,
)

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

PEOPLE = pd.DataFrame({"claimant_id": list("abcdef"), "arm": list("TTCCUU"), "index": 0, "site": list("xyxyxx")})
SPELLS = pd.DataFrame({"claimant_id": list("abcdef"), "kind": "a", "start": 0, "end": [2, 4, 6, 8, 3, 7]})


def trial(**how: object) -> SmallTrial:
    return SmallTrial(PEOPLE, SPELLS, arms=("T", "C", "U"), **how)


def test_each_arm_against_control_and_pairwise() -> None:
    moments = trial().moments()
    assert estimate_cumulative(moments, "a", "t").effect(12).estimate == pytest.approx(3 - 7)
    assert estimate_cumulative(moments, "a", "u").effect(12).estimate == pytest.approx(5 - 7)
    pair = Contrast(name="t_v_u", treatment=("T",), control=("U",))
    assert estimate_cumulative(moments, "a", pair).effect(12).estimate == pytest.approx(3 - 5)
    pooled = Contrast(name="any", treatment=("T", "U"), control=("C",))
    assert estimate_cumulative(moments, "a", pooled).effect(12).estimate == pytest.approx(4 - 7)


def test_pairwise_contrasts_by_default_if_the_protocol_asks() -> None:
    protocol = trial(more={"default_contrasts": "pairwise"}).protocol
    assert [each.name for each in protocol.contrasts] == ["t_v_c", "u_v_c", "t_v_u"]
    assert protocol.contrasts[2].control == ("U",)


def test_names_that_are_not_there_or_not_given() -> None:
    moments = trial().moments()
    with pytest.raises(ProtocolError, match="the protocol has 3 outcomes"):
        estimate_daily(moments)
    with pytest.raises(ProtocolError, match="the protocol has 2 contrasts"):
        estimate_daily(moments, "a")
    with pytest.raises(ProtocolError, match="no subgroup 'women'"):
        estimate_daily(moments, "a", "t", "women")
    with pytest.raises(ProtocolError, match="no outcome 'b'"):
        estimate_daily(moments, "b", "t")


def test_a_day_or_horizon_outside() -> None:
    effects = estimate_cumulative(trial().moments(), "a", "t")
    with pytest.raises(DesignError, match="run from 1 to 12, not 13"):
        effects.effect(13)
    with pytest.raises(DesignError, match="n_days must be 1 to 12, not 0"):
        estimate_covariance(trial().moments(), "a", "t", n_days=0)
    with pytest.raises(DesignError, match=r"\(3,\) weights for 12 days"):
        estimate_covariance(trial().moments(), "a", "t").of([1, 1, 1])


def test_the_covariance_of_one_day_is_that_days() -> None:
    moments = trial().moments()
    found, day = estimate_covariance(moments, "a", "t", n_days=1), estimate_daily(moments, "a", "t").effect(0)
    assert found.of([1.0]) == pytest.approx((day.estimate, day.std_error))


def test_a_weight_turned_round_turns_the_estimate_and_not_its_error() -> None:
    found = estimate_covariance(trial().moments(), "a", "t")
    weights = np.linspace(-1, 1, 12)
    estimate, std_error = found.of(weights)
    assert found.of(-weights) == pytest.approx((-estimate, std_error))
    assert found.of(-np.ones(12))[0] == pytest.approx(-found.estimate.sum())


def test_rounding_below_zero_is_no_variance() -> None:
    found = replace(estimate_covariance(trial().moments(), "a", "t"), covariance=-1e-18 * np.eye(12))
    assert found.of(np.ones(12))[1] == 0


def test_a_stratum_with_an_empty_arm_is_an_error_with_a_remedy() -> None:
    moments = trial(analysis={"strata": "site"}).moments()
    assert estimate_cumulative(moments, "a", "t", stratified=True).effect(12).estimate == pytest.approx(-4)
    with pytest.raises(DesignError, match=r"1 of 2 strata have nobody.*\n  remedy: join small strata"):
        estimate_cumulative(moments, "a", "u", stratified=True)


def test_one_claimant_in_an_arm_has_no_corrected_standard_error() -> None:
    people = PEOPLE.iloc[[0, 2, 3, 4, 5]]
    found = SmallTrial(people, SPELLS, arms=("T", "C", "U"), analysis={"small_sample": "hc2"}).moments()
    effects = estimate_cumulative(found, "a", "t")
    assert np.isnan(effects.std_error[1:]).all()
    assert not np.isnan(effects.estimate).any()


def test_subgroups_by_name_and_in_the_tidy_columns() -> None:
    groups = [{"name": "site_x", "where": {"column": "site", "equals": "x"}}]
    moments = trial(more={"subgroups": groups}).moments()
    found = estimate_subgroups(moments, "a", "t", horizon_days=5)
    assert found.effect("site_x").estimate == pytest.approx(2 - 5)
    assert found.to_frame()[["subgroup", "horizon_days"]].to_numpy().tolist() == [["all", 5], ["site_x", 5]]
    assert found.to_frame().index.tolist() == [0, 1]


def test_a_row_has_a_day_or_a_horizon() -> None:
    moments = trial().moments()
    daily, cumulative = (estimate(moments, "a", "t").to_frame() for estimate in (estimate_daily, estimate_cumulative))
    assert daily["day"].tolist() == list(range(-4, 12))
    assert cumulative["horizon_days"].tolist() == list(range(1, 13))
    assert daily["horizon_days"].isna().all()
    assert cumulative["day"].isna().all()


def test_a_critical_value_overrides_the_level() -> None:
    moments = trial(analysis={"critical_value": 2.0}).moments()
    effect = estimate_cumulative(moments, "a", "t").effect(12)
    assert effect.conf_high - effect.estimate == pytest.approx(2 * effect.std_error)


@pytest.mark.parametrize(("treatment", "control"), [(("T", "T"), ("C",)), (("T", "C"), ("C",)), (("T",), ("C", "C"))])
def test_each_arm_stands_once_in_a_contrast(treatment: tuple[str, ...], control: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="each arm stands once, on one side"):
        Contrast(name="x", treatment=treatment, control=control)


def test_stratified_needs_strata() -> None:
    with pytest.raises(DesignError, match="declares no strata"):
        estimate_daily(trial().moments(), "a", "t", stratified=True)


def test_the_jackknife_is_named_and_not_corrected_again() -> None:
    people = pd.concat([PEOPLE.assign(claimant_id=PEOPLE["claimant_id"] + str(i), team=str(i)) for i in range(4)])
    spells = pd.concat(
        [SPELLS.assign(claimant_id=SPELLS["claimant_id"] + str(i), end=SPELLS["end"] + i) for i in range(4)]
    )
    found = []
    for rule in ("cr0", "cr1"):
        analysis = {"clusters": "team", "cluster_variance": "jackknife", "small_sample": rule}
        moments = SmallTrial(people, spells, arms=("T", "C", "U"), analysis=analysis).moments()
        effects = estimate_cumulative(moments, "a", "t")
        assert set(effects.to_frame()["small_sample"]) == {"jackknife"}
        found.append(effects.effect(12).std_error)
    assert found[0] == found[1]


def test_one_cluster_on_a_side_has_no_standard_error() -> None:
    people = PEOPLE.assign(region=["n", "n", "s", "s", "w", "w"])
    moments = SmallTrial(people, SPELLS, arms=("T", "C", "U"), analysis={"clusters": "region"}).moments()
    assert np.isnan(estimate_cumulative(moments, "a", "t").effect(12).std_error)


def test_labels_of_strata_do_not_depend_on_blanks_elsewhere() -> None:
    people = PEOPLE.assign(site=["1", "2", "1", "2", "03", ""])
    assert SmallTrial(people, SPELLS, arms=("T", "C", "U"), analysis={"strata": "site"}).panel().strata == (
        "(not stated)", "03", "1", "2",
    )  # fmt: skip
    numbers = PEOPLE.assign(site=[1, 2, 1, 2, 1, None])
    assert SmallTrial(numbers, SPELLS, arms=("T", "C", "U"), analysis={"strata": "site"}).panel().strata == (
        "(not stated)", "1", "2",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("team", "says"),
    [(list("abcdef"), "every claimant is a cluster"), ([*list("aabbc"), ""], "some claimants have no 'team'"),
     (["AB123456C", *"aabbb"], "holds a NINO")],
)  # fmt: skip
def test_clusters_that_are_none(team: list[str], says: str) -> None:
    with pytest.raises(DesignError, match=says):
        SmallTrial(PEOPLE.assign(team=team), SPELLS, arms=("T", "C", "U"), analysis={"clusters": "team"}).panel()


def test_index_days_outside_coverage_are_said() -> None:
    found = SmallTrial(PEOPLE, SPELLS, {"a": (2, 60), "b": (-50, 60)}, arms=("T", "C", "U")).moments()
    with pytest.warns(TrialWarning, match=r"a, t, all \(4 of 4\): some claimants are not followed on their index day"):
        estimate_cumulative(found, "a", "t")


def test_many_pooled_arms_are_named_shortly_or_by_a_label() -> None:
    arms = tuple("abcdef")
    assert Contrast(name="any_offer", treatment=arms, control=("C",)).treatment_words == "any offer"
    assert Contrast(name="any", treatment=("C",), control=arms).control_words == "6 arms pooled"
    assert Contrast(name="any", label="any bonus", treatment=arms, control=("C",)).treatment_words == "any bonus"
    assert Contrast(name="two", treatment=("a", "b"), control=("C",)).treatment_words == "a + b"
