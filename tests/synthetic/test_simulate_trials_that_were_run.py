"""Records like those of ICS, ICS-X and a trial of three arms: who is eligible, and that analyses find their truth."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run
from oracles import scatter_as_they_say

import trialimpact as ti
from trialimpact.protocol.methods import REST
from trialimpact.stages import run_stages
from trialimpact.synthetic import SyntheticTrial, simulate_ics, simulate_ics_x, simulate_progression
from trialimpact.synthetic.chains import expected_shares
from trialimpact.synthetic.ics import HEALTH, WORK_READY, chances_of_sites

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@cache
def ics() -> tuple[SyntheticTrial, ti.TrialAnalysis]:
    trial = simulate_ics(900, seed=3)
    return trial, ti.analyse_trial(trial.protocol, trial.tables)


def test_who_is_not_eligible_is_counted_by_what_they_fail() -> None:
    trial, analysis = ics()
    flow, people = analysis.flow, trial.tables["claimants"]
    assert flow.n("eligible_full_time_obligations", "removed") == (people["obligations"] != "full-time").sum()
    assert 0 < flow.n("eligible_work_ready", "removed") < 0.1 * len(people)
    assert flow.n("eligible_cohort", "removed", reason="not_known") > 0
    assert flow.n("eligible_cohort", "removed", reason="not_met") > 0.05 * len(people)
    assert flow.n("analysed") == len(analysis.sample)
    age = (analysis.sample.index_day - analysis.sample.birth_day) / 365.2425
    assert age.min() >= 18 and age.max() < 40


def test_cohorts_are_all_and_ethnicities_overlap() -> None:
    _, analysis = ics()
    members = dict(zip(analysis.protocol.subgroup_names, analysis.panel.members, strict=True))
    np.testing.assert_array_equal(members["early_entrants"] ^ members["entrenched_beneficiaries"], members["all"])
    assert (members["maori"] & members["european"]).any()
    sites = np.array([members[name] for name in ("manurewa", "naenae", "porirua", "invercargill", "rotorua")])
    np.testing.assert_array_equal(sites.sum(axis=0), 1)


def z_of(trial: SyntheticTrial, *, stratified: bool) -> list[float]:
    moments = run_stages(trial.protocol, trial.tables, ".").moments
    horizons = trial.protocol.analysis.horizon_days
    found = ti.estimate_cumulative(moments, "off_benefit", stratified=stratified)
    return [
        (found.effect(h).estimate - trial.truth.cumulative("off_benefit", h)) / found.effect(h).std_error
        for h in horizons
    ]


def test_estimates_of_ics_scatter_about_the_truth() -> None:
    scatter_as_they_say(np.array([z_of(simulate_ics(400, seed=seed), stratified=False) for seed in range(3)]))


def test_estimates_of_ics_x_by_site_scatter_about_the_truth_and_others_do_not() -> None:
    trials = [simulate_ics_x(900, seed=seed) for seed in range(5)]
    scatter_as_they_say(np.array([z_of(trial, stratified=True) for trial in trials]))
    plain = np.array([z_of(trial, stratified=False) for trial in trials])
    assert plain[:, -1].mean() > 0.5, "sites that treat more are sites that people leave sooner"


def z_of_arms(trial: SyntheticTrial) -> list[float]:
    """Every contrast of three arms, for each outcome, over a year."""
    moments = run_stages(trial.protocol, trial.tables, ".").moments
    found = []
    for outcome in trial.protocol.outcomes:
        for contrast in trial.protocol.contrasts:
            effect = ti.estimate_cumulative(moments, outcome.name, contrast.name).effect(365)
            true = trial.truth.cumulative(outcome.name, 365, contrast.treatment[0], contrast.control[0])
            found.append((effect.estimate - true) / effect.std_error)
    return found


def test_estimates_of_three_arms_scatter_about_the_truth() -> None:
    trials = [simulate_progression(400, seed=seed) for seed in range(3)]
    assert trials[0].truth.cumulative("employed", 365, "frequent", "minimal") > 15
    scatter_as_they_say(np.array([z_of_arms(trial) for trial in trials]))


def test_who_no_longer_works_or_claims_is_not_in_the_trial_of_three_arms() -> None:
    trial = simulate_progression(600, seed=3)
    analysis = ti.analyse_trial(trial.protocol, trial.tables, outcomes=["employed"])
    assert 5 < analysis.flow.n("eligible_in_work", "removed") < 40
    assert 2 < analysis.flow.n("eligible_on_universal_credit", "removed") < 30
    shares = np.bincount(analysis.panel.arm) / len(analysis.sample)
    np.testing.assert_allclose(shares, [0.4, 0.3, 0.3], atol=0.07)


@pytest.mark.slow
def test_estimates_of_all_scatter_about_the_truth_in_many_trials() -> None:
    scatter_as_they_say(np.array([z_of_arms(simulate_progression(800, seed=seed)) for seed in range(200)]))
    scatter_as_they_say(np.array([z_of(simulate_ics(800, seed=seed), stratified=False) for seed in range(200)]))
    scatter_as_they_say(np.array([z_of(simulate_ics_x(1_500, seed=seed), stratified=True) for seed in range(200)]))


def test_the_headline_of_ics_x_is_by_site() -> None:
    trial = simulate_ics_x(6_000, seed=1)
    analysis = ti.analyse_trial(trial.protocol, trial.tables)
    assert {daily.comparison.method for daily, _ in analysis.everyone()} == {"stratified"}
    release = ti.release_results(analysis.results(methods=False))
    stratified = {effects.comparison.outcome: effects for _, effects in analysis.everyone()}
    for finding, outcome in zip(ti.report.findings.main_findings(release), trial.protocol.outcomes, strict=True):
        assert finding.estimate == round(stratified[outcome.name].effect(730).estimate, 1)


def test_days_in_states_are_those_of_the_chain() -> None:
    trial = simulate_ics_x(3_000, seed=2)
    stages = run_stages(trial.protocol, trial.tables, ".")
    found, names = ti.estimate_states(stages.panel).cumulative[365], trial.protocol.states.names
    errors = found.std_error
    everyone = stages.sample.people
    kind = 2 * (everyone["office"].str[-2:].astype(int) - 1) + everyone["stream"].eq("HCD")
    for side, mean in (("treatment", found.mean_treatment), ("control", found.mean_control)):
        people = stages.panel.on_side(getattr(trial.protocol.contrasts[0], side))
        health = everyone["stream"].eq("HCD").to_numpy()[people]
        first = np.where(health, HEALTH, WORK_READY)
        shares = expected_shares(chances_of_sites(treated=side == "treatment"), kind.to_numpy()[people], first, 365)
        expected = dict(
            zip(("work_ready_benefit", "health_benefit", "training", "work", REST), shares.sum(axis=0), strict=True)
        )
        for name, days, error in zip(names, mean, errors, strict=True):
            assert abs(days - expected[name]) < 4 * error, (side, name, days, expected[name])


def test_the_command_writes_them(tmp_path: Path) -> None:
    for like in ("ics", "ics_x", "progression"):
        done = run("simulate", "--like", like, "--claimants", "700", "--out", tmp_path / like)
        assert done.returncode == 0, done.stderr
        assert ti.analyse_trial(tmp_path / like / "protocol.toml").flow.n("analysed") > 100


@pytest.mark.parametrize(
    ("name", "simulate"),
    [
        ("ics", lambda: simulate_ics(1_500, seed=2015)),
        ("ics_x", lambda: simulate_ics_x(3_000, seed=2018)),
        ("progression", lambda: simulate_progression(3_000, seed=2015)),
    ],
)
def test_the_stored_records_are_what_the_simulator_writes(name: str, simulate: Any, tmp_path: Path) -> None:
    simulate().write(tmp_path)
    stored = Path(__file__).parents[2] / "data" / "synthetic" / name
    for path in tmp_path.iterdir():
        if path.suffix == ".gz":
            assert gzip.decompress((stored / path.name).read_bytes()) == gzip.decompress(path.read_bytes()), path.name
        elif path.suffix == ".toml":
            assert (stored / path.name).read_text() == path.read_text()
    truth, mine = (pd.read_csv(folder / "truth.csv") for folder in (stored, tmp_path))
    pd.testing.assert_frame_equal(truth, mine, rtol=1e-9)
