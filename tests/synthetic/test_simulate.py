from __future__ import annotations

import numpy as np
import pytest

from trialimpact import estimate_cumulative
from trialimpact.synthetic import simulate_trial


def test_the_same_seed_gives_the_same_records_and_another_seed_others() -> None:
    one, again, other = (simulate_trial(100, seed=seed) for seed in (1, 1, 2))
    for name, table in one.tables.items():
        assert table.equals(again.tables[name])
        assert not table.equals(other.tables[name])


def test_no_effect_means_none() -> None:
    assert simulate_trial(200, seed=1, first_spell_factor=1.0).truth.cumulative("on_benefit", 273) == 0


@pytest.mark.parametrize("outcome", ["on_benefit", "employed"])
def test_a_large_trial_finds_its_truth(outcome: str) -> None:
    trial = simulate_trial(30_000, seed=9)
    effect = estimate_cumulative(trial.moments(), outcome).effect(273)
    assert abs(effect.estimate - trial.truth.cumulative(outcome, 273)) < 3.5 * effect.std_error


def test_every_nino_has_the_never_issued_prefix() -> None:
    ninos = simulate_trial(500, seed=1).tables["claimants"]["claimant_id"]
    assert ninos.str.fullmatch(r"QQ[0-9]{6}[A-D]").all()
    digits = ninos.str[7].astype(int)
    assert np.bincount(digits, minlength=10).min() > 20
