"""Sentences of the methods: none contradicts the numbers that it is made of."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialimpact import (
    build_covariates,
    build_panel,
    build_sample,
    estimate_adjusted,
    estimate_bands,
    estimate_bounds,
    estimate_compliance,
    estimate_heterogeneity,
    estimate_intake_sensitivity,
    estimate_integrity,
    estimate_placebo,
    estimate_pretrend,
    load_records,
    merge_spells,
    tabulate_heterogeneity,
    tabulate_integrity,
)
from trialimpact.report.sentences import (
    adjusted_sentence,
    band_sentences,
    bounds_sentence,
    compliance_sentence,
    heterogeneity_sentence,
    intake_sentence,
    integrity_sentences,
    placebo_sentence,
    pretrend_sentence,
    subgroup_sentence,
)
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

TRIAL = simulate_trial(700, seed=4)
NUMBERS = st.floats(-300, 300, allow_nan=False)


@pytest.fixture(scope="module")
def stages():
    records = load_records(TRIAL.protocol, TRIAL.tables)
    sample = build_sample(records)
    return sample, build_panel(sample, merge_spells(records)), TRIAL.moments()


@given(NUMBERS, st.floats(0.01, 80), NUMBERS, st.floats(0.01, 80), st.floats(0, 1), st.integers(1, 26))
@settings(max_examples=300)
def test_no_subgroup_sentence_contradicts_its_intervals(
    estimate: float, half: float, apart: float, half_apart: float, p_holm: float, size: int
) -> None:
    row = {
        "subgroup": "female", "outcome": "on_benefit",
        "estimate": estimate, "conf_low": estimate - half, "conf_high": estimate + half,
        "difference": apart, "difference_low": apart - half_apart, "difference_high": apart + half_apart,
        "difference_p_holm": p_holm, "family_size": size,
    }  # fmt: skip
    text = subgroup_sentence(row, TRIAL.protocol)
    own, other = text.split("; ", 1) if ("more days" in text or "fewer days" in text) else text.split("); ", 1)
    assert ("more days" in own) == (row["conf_low"] > 0)
    assert ("fewer days" in own) == (row["conf_high"] < 0)
    assert ("no clear difference in days" in own) == (row["conf_low"] <= 0 <= row["conf_high"])
    excludes = row["difference_low"] > 0 or row["difference_high"] < 0
    assert ("no clear difference from the others" in other) == (not excludes)
    assert ("higher than among the others" in other) == (excludes and p_holm < 0.05 and apart > 0)
    assert ("lower than among the others" in other) == (excludes and p_holm < 0.05 and apart < 0)
    assert ("not clear among so many" in other) == (excludes and p_holm >= 0.05)
    if excludes:
        assert f"adjusted for {size}" in other


def test_every_row_of_the_table_has_its_sentence(stages) -> None:
    _, panel, _ = stages
    found = estimate_heterogeneity(panel, "on_benefit")
    table = tabulate_heterogeneity(found)
    for name, words in zip(table["Subgroup"], table["In words"], strict=True):
        assert words.startswith(f"{name}: ")
    assert "Holm p (of 6)" in table.columns
    assert ("do not clearly differ" in heterogeneity_sentence(found)) == (found.joint.p_value >= 0.05)


def test_bands_are_read_off_their_limits(stages) -> None:
    _, _, moments = stages
    bands = estimate_bands(moments, "on_benefit")
    daily, cumulative = band_sentences(bands)
    runs = bands.cumulative.runs()
    if runs:
        first = runs[0]
        assert f"{first.first}" in cumulative and ("(above)" in cumulative or "(below)" in cumulative)
    low = np.full(bands.daily.low.shape, -1.0)
    nowhere = replace(bands.daily, low=low, high=low + 2)
    assert next(iter(band_sentences(replace(bands, daily=nowhere)))).endswith("excludes zero nowhere.")
    unknown = replace(bands.daily, critical=float("nan"))
    assert "cannot be given: there are fewer than 30 clusters" in next(
        iter(band_sentences(replace(bands, daily=unknown)))
    )
    low[5], low[9:12] = 0.5, 0.5
    twice = replace(bands.daily, low=low, high=low + 2)
    text = next(iter(band_sentences(replace(bands, daily=twice))))
    assert text.endswith("on day 5 (above) and from day 9 to 11 (above).")
    assert "days 0 to 272" in daily


def test_the_others_say_their_numbers(stages) -> None:
    sample, panel, moments = stages
    before = estimate_pretrend(moments, "on_benefit")
    assert ": no clear difference; " in pretrend_sentence(before)
    unlike = replace(before, p_value=0.03)
    assert ": no clear difference; " in pretrend_sentence(unlike)  # of three tests one has p 0.03
    unlike = replace(before, p_value=0.01)
    assert ": a difference, by the test of their total; " in pretrend_sentence(unlike)
    assert "adjusted for 3 tests" in pretrend_sentence(unlike)
    placebo = estimate_placebo(panel, "on_benefit", day=30)
    assert "all 252 splits" in placebo_sentence(placebo, TRIAL.protocol) and "%" in placebo_sentence(
        placebo, TRIAL.protocol
    )
    intake = intake_sentence(estimate_intake_sensitivity(panel, "on_benefit"))
    assert "in the common intake (0 people left out)" in intake
    adjusted = adjusted_sentence(
        estimate_adjusted(panel, build_covariates(panel, "on_benefit"), "on_benefit", moments=moments)
    )
    assert re.search(r"the variance is (\d+% (lower|higher) than|the same as) without", adjusted)
    assert "which is biased" in compliance_sentence(estimate_compliance(panel, "on_benefit"))
    assert "Lee bounds" in bounds_sentence(estimate_bounds(panel, sample.flow, "on_benefit"))
    integrity = estimate_integrity(sample, panel)
    lines = list(integrity_sentences(integrity))
    assert f"{len(integrity.at('green'))} checks are green" in " ".join(lines)
    assert "No check is green." in list(integrity_sentences(replace(integrity, checks=())))
    assert len(tabulate_integrity(integrity, everything=True)) == len(integrity.checks)


def test_red_says_what_it_may_mean_and_what_it_does_not(stages) -> None:
    from trialimpact.estimators.checks import sample_ratio
    from trialimpact.estimators.integrity import Integrity

    red = sample_ratio({"IAP": 5_720, "BAU": 6_423}, {"IAP": 1, "BAU": 1}, where="Not exempt", basis="received")
    line = next(iter(integrity_sentences(Integrity(checks=(red,)))))
    assert line.startswith("Red: sample ratio (Not exempt, arms as received): IAP 5,720, BAU 6,423")
    assert "p = 2e-10" in line and "it does not say which, nor that effects are biased" in line


def test_a_set_that_is_two_rays_or_everything_is_said_to_be(stages) -> None:
    _, panel, _ = stages
    rng = np.random.default_rng(1)
    found = estimate_compliance(panel, "on_benefit", received=rng.random(len(panel)) < 0.5)
    kind, text = found.anderson_rubin.kind, compliance_sentence(found)
    assert {"interval": " to ", "two rays": "or above", "everything": "any value"}[kind] in text


def test_what_has_no_interval_is_not_judged() -> None:
    row = {
        "subgroup": "female", "outcome": "on_benefit", "estimate": -6.0, "conf_low": -6.0, "conf_high": -6.0,
        "difference": float("nan"), "difference_low": float("nan"), "difference_high": float("nan"),
        "difference_p_holm": float("nan"), "family_size": 3,
    }  # fmt: skip
    text = subgroup_sentence(row, TRIAL.protocol)
    assert text == "Women: days on benefit cannot be judged; whether it differs from the others cannot be judged."
