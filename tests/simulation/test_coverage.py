"""Coverage: 95% intervals hold the truth 95% of the time, under staggered follow-up and messy records."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import estimate_cumulative, estimate_daily
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

POPULATION = simulate_trial(400_000, seed=99).truth


def within_monte_carlo_error(covered: int, runs: int) -> bool:
    """Within four standard errors of 95%."""
    return bool(abs(covered / runs - 0.95) < 4 * np.sqrt(0.95 * 0.05 / runs))


def coverage_of_simulated_trials(runs: int) -> dict[str, int]:
    covered = {"on_benefit": 0, "employed": 0, "day 60": 0}
    for seed in range(runs):
        moments = simulate_trial(500, seed=seed).moments()
        for outcome in ("on_benefit", "employed"):
            effect = estimate_cumulative(moments, outcome).effect(273)
            covered[outcome] += effect.conf_low <= POPULATION.cumulative(outcome, 273) <= effect.conf_high
        day = estimate_daily(moments, "on_benefit").effect(60)
        truth = POPULATION.shares["treatment"]["on_benefit"][60] - POPULATION.shares["control"]["on_benefit"][60]
        covered["day 60"] += day.conf_low <= truth <= day.conf_high
    return covered


def test_coverage_in_a_few_trials() -> None:
    for name, covered in coverage_of_simulated_trials(12).items():
        assert within_monte_carlo_error(covered, 12), name


@pytest.mark.slow
def test_coverage_in_many_trials() -> None:
    for name, covered in coverage_of_simulated_trials(1_000).items():
        assert within_monte_carlo_error(covered, 1_000), (name, covered)


def late_entry_trial(rng: np.random.Generator) -> SmallTrial:
    """Follow-up that begins after the index day for some and ends early for others; returns; overlaps."""
    n = 160
    arm = np.where(rng.permutation(n) % 2 == 0, "T", "C")
    index = rng.integers(0, 25, n)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": index})
    first = rng.geometric(np.where(arm == "T", 1 / 8, 1 / 12))
    gap, second = rng.integers(1, 6, n), rng.geometric(1 / 5, n)
    back = index + first + gap
    spells = pd.concat(
        [
            pd.DataFrame({"claimant_id": people["claimant_id"], "start": index, "end": index + first}),
            pd.DataFrame({"claimant_id": people["claimant_id"], "start": back, "end": back + second}),
            pd.DataFrame({"claimant_id": people["claimant_id"], "start": back + 1, "end": back + second}),
        ]
    ).assign(kind="a")
    covered = {"a": (8, 40), "b": (8, 40)}
    spells = spells[spells["start"] < 40]
    return SmallTrial(people, spells, covered, horizon=30, pre_days=0, analysis={"small_sample": "hc2"})


def late_entry_truth() -> float:
    rng, n = np.random.default_rng(123), 400_000
    days = np.arange(30)
    total = 0.0
    for sign, mean in ((1, 8), (-1, 12)):
        first, gap, second = rng.geometric(1 / mean, n), rng.integers(1, 6, n), rng.geometric(1 / 5, n)
        back = first + gap
        total += sign * sum(((day < first) | ((day >= back) & (day < back + second))).mean() for day in days)
    return total


def late_entry_coverage(runs: int) -> int:
    truth, covered = late_entry_truth(), 0
    for seed in range(runs):
        effect = estimate_cumulative(late_entry_trial(np.random.default_rng(seed)).moments(), "a").effect(30)
        covered += effect.conf_low <= truth <= effect.conf_high
    return covered


def test_coverage_under_late_entry_in_a_few_trials() -> None:
    assert within_monte_carlo_error(late_entry_coverage(16), 16)


@pytest.mark.slow
def test_coverage_under_late_entry_in_many_trials() -> None:
    covered = late_entry_coverage(1_500)
    assert within_monte_carlo_error(covered, 1_500), covered
