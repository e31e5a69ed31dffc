"""Size and coverage: under no effect tests reject 5% of the time, bands and sets hold the truth 95%."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import (
    build_panel,
    build_sample,
    count_moments,
    estimate_adjusted,
    estimate_bands,
    estimate_bounds,
    estimate_compliance,
    estimate_heterogeneity,
    estimate_placebo,
    estimate_pretrend,
    estimate_randomisation,
    load_records,
    merge_spells,
)
from trialimpact.estimators.covariates import Covariates, pre_period_share
from trialimpact.estimators.integrity import estimate_integrity
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def holds(rejected: float, runs: int, level: float = 0.05) -> bool:
    """Within four Monte-Carlo errors of the level."""
    return bool(abs(rejected / runs - level) <= 4 * np.sqrt(level * (1 - level) / runs))


def trials_without_effect(runs: int) -> dict[str, int]:
    """How often each test says p < 0.05 although the programme does nothing."""
    names = (
        "daily band",
        "cumulative band",
        "sup-t",
        "wald",
        "before",
        "joint",
        "splits",
        "digits alike",
        "adjusted",
        "drift",
    )
    rejected = dict.fromkeys(names, 0)
    for seed in range(runs):
        trial = simulate_trial(600, seed=seed, first_spell_factor=1.0)
        trial = replace(trial, protocol=trial.protocol.with_analysis(pre_days=182))
        records = load_records(trial.protocol, trial.tables)
        sample = build_sample(records)
        panel = build_panel(sample, merge_spells(records))
        moments = count_moments(panel)
        bands, before = estimate_bands(moments, "on_benefit"), estimate_pretrend(moments, "on_benefit")
        placebo = estimate_placebo(panel, "on_benefit")
        share = np.nan_to_num(pre_period_share(panel, "on_benefit"))[:, None]
        adjusted = estimate_adjusted(panel, Covariates(names=("share",), matrix=share), "on_benefit", moments=moments)
        drift = [each for each in estimate_integrity(sample, panel).checks if each.check == "arm_share_drift"]
        p_values = (
            bands.daily.sup_p_value, bands.cumulative.sup_p_value, before.band.sup_p_value, before.wald.p_value,
            before.p_value, estimate_heterogeneity(panel, "on_benefit").joint.p_value, placebo.p_value,
            placebo.homogeneity.p_value, adjusted.cumulative.effect(273).p_value, drift[0].p_value,
        )  # fmt: skip
        for name, p in zip(names, p_values, strict=True):
            rejected[name] += p < 0.05
    return rejected


def test_size_in_a_few_trials() -> None:
    for name, n in trials_without_effect(3).items():
        assert holds(n, 3), (name, n)


@pytest.mark.slow
def test_size_in_many_trials() -> None:
    rejected = trials_without_effect(300)
    for name, n in rejected.items():
        assert holds(n, 300), (name, n, rejected)


def test_bands_hold_a_curve_that_is_known() -> None:
    assert holds(30 - band_coverage(30), 30)


@pytest.mark.slow
def test_bands_hold_a_curve_that_is_known_in_many_trials() -> None:
    assert holds(2_000 - band_coverage(2_000), 2_000)


def band_coverage(runs: int) -> int:
    """Geometric spells: the true difference on day d is 0.9^d - 0.93^d."""
    days = np.arange(1, 12)
    truth, covered = 0.9**days - 0.93**days, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        arm = np.where(rng.permutation(300) % 2 == 0, "T", "C")
        ends = rng.geometric(np.where(arm == "T", 0.1, 0.07))
        band = estimate_bands(one_spell(arm, ends).moments(), "a", "t").daily
        covered += bool(((band.low[1:] <= truth) & (truth <= band.high[1:])).all())
    return covered


def one_spell(arm: np.ndarray, ends: np.ndarray) -> SmallTrial:
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(arm.size)], "arm": arm, "index": 0})
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": np.minimum(ends, 50)})
    return SmallTrial(people, spells, pre_days=0, analysis={"small_sample": "hc2"})


def weak_receipt(runs: int) -> int:
    """Receipt hardly depends on assignment and outcomes on who receives: the true effect on compliers is -3."""
    kept = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        n = 300
        z = rng.permutation(n) % 2 == 0
        keen = rng.normal(size=n)
        received = keen + 0.25 * z > 0.3
        ends = np.clip(np.round(6 + 3 * keen - 3 * received + rng.normal(size=n)), 1, 12).astype(int)
        found = estimate_compliance(one_spell(np.where(z, "T", "C"), ends).panel(), "a", "t", received=received)
        # Spells shorter than a day are a day: of compliers near the threshold none is cut, so -3 holds for them.
        kept += -3.0 in found.anderson_rubin
    return kept


def test_anderson_rubin_holds_under_a_weak_instrument() -> None:
    kept = weak_receipt(30)
    assert holds(30 - kept, 30)


@pytest.mark.slow
def test_anderson_rubin_holds_under_a_weak_instrument_in_many_trials() -> None:
    kept = weak_receipt(2_000)
    assert holds(2_000 - kept, 2_000)


def lee_truth(runs: int) -> tuple[int, int]:
    """Treatment lets more be linked, of those with short spells above all; the effect on all is -1 day."""
    inside, covered = 0, 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        n = 600
        z = rng.permutation(n) % 2 == 0
        usual = rng.integers(2, 12, n)
        u = rng.random(n)
        linked = np.where(z, u < 0.9, u < np.where(usual < 6, 0.6, 0.85))
        ends = np.where(z, usual - 1, usual)
        trial = one_spell(np.where(z, "T", "C")[linked], ends[linked])
        eligible = {"T": int(z.sum()), "C": int((~z).sum())}
        bound = estimate_bounds(trial.panel(), eligible, "a", "t").bound("lee")
        low, high = bound.interval(0.95)
        inside += bound.lower - 3 * bound.lower_std_error <= -1.0 <= bound.upper + 3 * bound.upper_std_error
        covered += low <= -1.0 <= high
    return inside, covered


def test_lees_bounds_hold_the_truth() -> None:
    inside, covered = lee_truth(40)
    assert inside == 40
    assert covered >= 0.95 * 40 - 4 * np.sqrt(40 * 0.05 * 0.95)


def randomisation_rejections(runs: int) -> int:
    rejected = 0
    for seed in range(runs):
        rng = np.random.default_rng(seed)
        arm = np.where(rng.permutation(40) % 2 == 0, "T", "C")
        found = estimate_randomisation(one_spell(arm, rng.geometric(0.2, 40)).panel(), "a", "t", draws=199)
        rejected += found.p_value <= 0.05
    return rejected


def test_randomisation_tests_reject_at_most_as_often_as_they_say() -> None:
    assert holds(randomisation_rejections(30), 30)


@pytest.mark.slow
def test_randomisation_tests_reject_as_often_as_they_say_in_many_trials() -> None:
    assert holds(randomisation_rejections(2_000), 2_000)
