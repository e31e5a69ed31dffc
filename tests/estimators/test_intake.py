"""Arms that joined at different times: what it does to the estimate, and the two remedies."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from oracles import dense
from trials import SmallTrial

from trialimpact import DesignError, estimate_cumulative, estimate_intake_sensitivity
from trialimpact.estimators.intake import intake_periods
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def drifting(n: int = 400, seed: int = 1) -> SmallTrial:
    """Nothing works, but who joins late stays longer, and treatment stopped recruiting early."""
    rng = np.random.default_rng(seed)
    index = rng.integers(0, 140, n)
    treated = (rng.random(n) < 0.5) & (index < 84)
    people = pd.DataFrame(
        {"claimant_id": [f"p{i}" for i in range(n)], "arm": np.where(treated, "T", "C"), "index": index}
    )
    length = np.minimum(rng.geometric(1 / (10 + index / 5)), 60)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": index, "end": index + length})
    spells = spells[spells["start"] < 160]
    return SmallTrial(people, spells, covered={"a": (-50, 160), "b": (-50, 160)}, horizon=56)


def test_common_intake_leaves_out_periods_in_which_one_side_did_not_join() -> None:
    trial = drifting()
    found = estimate_intake_sensitivity(trial.panel(), "a", "t")
    kept = trial.people["index"] < 84
    assert found.n_left_out == int((~kept).sum())
    people = trial.people[kept]
    alone = SmallTrial(
        people, trial.spells[trial.spells["claimant_id"].isin(people["claimant_id"])], trial.covered, horizon=56
    )
    effect = estimate_cumulative(alone.moments(), "a", "t").effect(56)
    row = found.to_frame().set_index("method").loc["common_intake"]
    assert (row["estimate"], row["std_error"]) == pytest.approx((effect.estimate, effect.std_error))
    limits = found.limits("common_intake", 56)
    assert limits == pytest.approx((effect.estimate, effect.conf_low, effect.conf_high))
    assert found.estimate("difference", 56) == pytest.approx(
        estimate_cumulative(trial.moments(), "a", "t").effect(56).estimate
    )


def test_stratified_by_intake_is_a_weighted_sum_of_contrasts_within_periods_on_each_day() -> None:
    trial = drifting()
    panel = trial.panel()
    period, data = intake_periods(panel, panel.protocol.contrast("t")), dense(trial, "a").window(0, 56)
    treated = data.arm == "T"
    total = 0.0
    for day in range(56):
        parts = []
        for each in range(period.max() + 1):
            sides = [data.followed[:, day] & (period == each) & side for side in (treated, ~treated)]
            if all(side.any() for side in sides):
                apart = data.on[sides[0], day].mean() - data.on[sides[1], day].mean()
                parts.append((sides[0].sum() + sides[1].sum(), apart))
        weights, apart = np.array(parts).T
        total += (weights * apart).sum() / weights.sum()
    found = estimate_intake_sensitivity(panel, "a", "t")
    assert found.estimate("intake_stratified", 56) == pytest.approx(total)


def test_both_remedies_take_out_what_drift_puts_in() -> None:
    """Treatment does nothing; over many trials only the remedies are near zero."""
    found = [estimate_intake_sensitivity(drifting(400, seed).panel(), "a", "t") for seed in range(25)]
    means = {
        m: np.mean([f.estimate(m, 56) for f in found]) for m in ("difference", "common_intake", "intake_stratified")
    }
    spread = np.std([f.estimate("common_intake", 56) for f in found]) / 5
    assert means["difference"] < -3 * spread
    assert abs(means["common_intake"]) < 3 * spread
    assert abs(means["intake_stratified"]) < 3 * spread


def test_with_one_period_stratified_is_the_difference() -> None:
    trial = drifting()
    trial.people["index"] = trial.people["index"] % 20
    trial.spells = trial.spells.assign(start=0, end=trial.spells["end"] - trial.spells["start"])
    found = estimate_intake_sensitivity(trial.panel(), "a", "t").to_frame().set_index("method")
    assert found.loc["intake_stratified", "estimate"] == pytest.approx(found.loc["difference", "estimate"])
    assert found.loc["intake_stratified", "std_error"] == pytest.approx(found.loc["difference", "std_error"])


def test_periods_are_joined_until_both_sides_can_be_expected_in_them() -> None:
    panel = simulate_trial(300, seed=2).panel()
    period = intake_periods(panel, panel.protocol.contrasts[0])
    sizes = np.bincount(period)
    assert sizes.size == period.max() + 1 > 3
    assert sizes.min() >= 10  # five expected on a side of half


def test_sides_that_never_joined_together_are_an_error() -> None:
    people = pd.DataFrame({"claimant_id": list("pqrs"), "arm": ["T", "T", "C", "C"], "index": [0, 1, 40, 41]})
    spells = pd.DataFrame({"claimant_id": ["p"], "kind": "a", "start": 0, "end": 3})
    with pytest.raises(DesignError, match="never joined at the same time"):
        estimate_intake_sensitivity(SmallTrial(people, spells).panel(), "a", "t")
