"""The simulator of the IAP trial: its registers say what its people lived, and its truth is the truth."""

from __future__ import annotations

import numpy as np
import pytest
from oracles import scatter_as_they_say

from trialimpact import build_panel, build_sample, estimate_cumulative, load_records, merge_spells
from trialimpact.errors import DesignError
from trialimpact.protocol import shipped_protocol
from trialimpact.synthetic import simulate_iap
from trialimpact.synthetic.careers import BENEFIT, WORK, draw_careers, expected_shares
from trialimpact.synthetic.iap import chances_of, draw_people, in_programme, truth_for
from trialimpact.synthetic.people import deal
from trialimpact.synthetic.registers import draw_pasts, fill_registers
from trialimpact.synthetic.tables import fake_ninos

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
OUTCOMES = ("on_benefit", "employed")


def test_the_same_seed_gives_the_same_records_and_another_seed_others() -> None:
    one, again, other = (simulate_iap(200, seed=seed) for seed in (1, 1, 2))
    for name, table in one.tables.items():
        assert table.equals(again.tables[name])
        assert not table.equals(other.tables[name])


def test_no_defect_of_the_registers_changes_a_day_after_the_claim() -> None:
    """The panel of the records holds exactly the days that people lived, and exactly those who can be linked."""
    rng = np.random.default_rng(5)
    protocol = shipped_protocol("iap")
    people = draw_people(rng, 3_000)
    states = draw_careers(rng, chances_of(people, in_programme(people)))
    tables = fill_registers(rng, protocol, people, draw_pasts(rng, people), states, 800)
    records = load_records(protocol, tables)
    sample = build_sample(records)
    linked = people["status"].isin(["valid", "valid_too"]) & people["linkage"].eq("claim")
    assert len(sample) == linked.sum()
    panel = build_panel(sample, merge_spells(records))
    day = np.arange(273)
    index_day = people["index_day"].to_numpy()[linked]
    for outcome, state in zip(OUTCOMES, (BENEFIT, WORK), strict=True):
        frame = panel.to_frame(outcome, days=range(273))
        held = frame.groupby("day")[["on", "followed"]].sum()
        extract = protocol.sources.spells["benefit" if outcome == "on_benefit" else "employment"].extract_date
        followed = index_day[:, None] + day < np.datetime64(extract, "D").astype(int)
        lived = (states[linked.to_numpy()][:, :273] == state) & followed
        assert held["on"].tolist() == lived.sum(axis=0).tolist()
        assert held["followed"].tolist() == followed.sum(axis=0).tolist()


def test_expected_shares_are_those_of_many_careers() -> None:
    rng = np.random.default_rng(3)
    people = draw_people(rng, 200)
    chances = chances_of(people, np.ones(200, dtype=bool))
    drawn = np.stack([[(draw_careers(rng, chances) == state).mean(axis=0) for state in range(3)] for _ in range(25)])
    apart = drawn.mean(axis=0).T - expected_shares(chances)
    assert np.abs(apart).max() < 5 * 0.5 / np.sqrt(25 * 200)


def test_the_truth_is_the_same_for_every_seed_to_half_a_day() -> None:
    truths = np.array([[simulate_truth(seed, outcome) for outcome in OUTCOMES] for seed in range(6)])
    assert np.ptp(truths, axis=0).max() < 0.6
    assert truths.mean(axis=0) == pytest.approx([-10.8, 9.7], abs=0.5)


def simulate_truth(seed: int, outcome: str) -> float:
    return truth_for(draw_people(np.random.default_rng(seed), 5_000), 273).cumulative(outcome, 273)


def scatter(runs: int, n_people: int) -> np.ndarray:
    """Standardised errors of many trials, shape (runs, outcomes)."""
    errors = []
    for seed in range(runs):
        trial = simulate_iap(n_people, seed=1_000 + seed)
        moments = trial.moments()
        row = []
        for outcome in OUTCOMES:
            effect = estimate_cumulative(moments, outcome, interval="wald").effect(273)
            row.append((effect.estimate - trial.truth.cumulative(outcome, 273)) / effect.std_error)
        errors.append(row)
    return np.array(errors)


def test_estimates_scatter_as_their_standard_errors_say() -> None:
    """Standard errors twice too large or too small would not pass; the slow one below is finer."""
    scatter_as_they_say(scatter(8, 700))


@pytest.mark.slow
def test_estimates_scatter_as_their_standard_errors_say_in_many_trials() -> None:
    scatter_as_they_say(scatter(400, 1_500))


def test_dealing_gives_exactly_the_counts_and_prefers_the_highest_scores() -> None:
    rng = np.random.default_rng(1)
    score = np.repeat([5.0, 0.0], 500)
    dealt = deal(rng, {"yes": 500, "no": 500}, score)
    assert (dealt == "yes").sum() == 500
    assert (dealt[:500] == "yes").mean() > 0.9
    with pytest.raises(ValueError, match="counts for 3 people"):
        deal(rng, {"yes": 3}, score)


def test_the_smallest_trials_have_records_too_and_what_is_too_small_or_large_is_said() -> None:
    for seed in range(4):
        assert len(simulate_iap(20, seed=seed).tables["claimants"]) == 20
    with pytest.raises(DesignError, match="20 or more"):
        simulate_iap(19, seed=1)
    with pytest.raises(DesignError, match="at most 900,000"):
        fake_ninos(np.random.default_rng(1), np.full(100_001, 3))


def test_no_nino_is_two_peoples() -> None:
    ninos = fake_ninos(np.random.default_rng(1), np.repeat(np.arange(10), 3_000))
    assert len({nino[:8] for nino in ninos}) == 30_000
    assert [int(nino[7]) for nino in ninos] == np.repeat(np.arange(10), 3_000).tolist()
