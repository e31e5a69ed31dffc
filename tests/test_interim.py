"""Interim analyses: each is the analysis of an earlier extract, and moves have the scatter that they say."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pandas as pd
import pytest
from oracles import scatter_as_they_say

import trialimpact as ti
from trialimpact.interim import protocol_as_of
from trialimpact.stages import run_stages
from trialimpact.synthetic import simulate_ics_x, simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

EARLY = dt.date(2015, 10, 15)


def extracted(trial: object, date: dt.date) -> dict[str, pd.DataFrame]:
    """The tables as they were on a date: later spells not begun, later ends not known, later markers not set."""
    tables = dict(trial.tables)
    day = pd.Timestamp(date)
    for name in ("benefit", "employment"):
        table = tables[name][pd.to_datetime(tables[name]["start_date"]) < day].copy()
        later = pd.to_datetime(table["end_date"], errors="coerce") >= day
        table.loc[later, "end_date"] = ""
        tables[name] = table
    tables["markers"] = tables["markers"][pd.to_datetime(tables["markers"]["marker_date"]) < day]
    return tables


def test_an_interim_analysis_is_the_analysis_of_the_earlier_extract() -> None:
    trial = simulate_trial(900, seed=3)
    rows = ti.interim_analyses(trial.protocol, trial.tables, as_of=[EARLY]).rows
    earlier = ti.analyse_trial(protocol_as_of(trial.protocol, EARLY), extracted(trial, EARLY)).to_frame()
    last = ti.analyse_trial(trial.protocol, trial.tables).to_frame()
    for date, frame in ((EARLY, earlier), (dt.date(2016, 1, 31), last)):
        found = rows[rows["as_of"] == date].set_index(["outcome", "horizon_days"])
        whole = frame[(frame["subgroup"] == "all") & frame["horizon_days"].isin([91, 182, 273])]
        for row in whole.to_dict("records"):
            mine = found.loc[(row["outcome"], row["horizon_days"])]
            for name in ("estimate", "std_error", "conf_low", "n_treatment", "n_control"):
                assert mine[name] == pytest.approx(row[name], nan_ok=True), (date, name)


def test_stratified_headlines_are_stratified() -> None:
    trial = simulate_ics_x(1_200, seed=2)
    rows = ti.interim_analyses(trial.protocol, trial.tables, as_of=[dt.date(2020, 7, 1)]).rows
    moments = run_stages(trial.protocol, trial.tables, ".").moments
    effect = ti.estimate_cumulative(moments, "off_benefit", stratified=True).effect(365)
    mine = rows[(rows["outcome"] == "off_benefit") & (rows["horizon_days"] == 365)].iloc[-1]
    assert (mine["estimate"], mine["std_error"]) == pytest.approx((effect.estimate, effect.std_error))


def moves(n_trials: int, n: int) -> np.ndarray:
    z = []
    for seed in range(n_trials):
        trial = simulate_trial(n, seed=seed, first_spell_factor=0.8)
        rows = ti.interim_analyses(trial.protocol, trial.tables, as_of=[dt.date(2015, 8, 15), EARLY]).rows
        rows = rows[(rows["outcome"] == "on_benefit") & (rows["horizon_days"] == 91)].dropna(subset=["moved"])
        z.append((rows["moved"] / rows["moved_std_error"]).to_numpy())
    return np.array(z)


def test_moves_scatter_as_their_errors_say() -> None:
    z = moves(12, 400)
    assert z.shape == (12, 2)
    scatter_as_they_say(z)


@pytest.mark.slow
def test_moves_scatter_as_their_errors_say_in_many_trials() -> None:
    z = moves(300, 700)
    assert (np.abs(z.mean(axis=0)) < 4 / np.sqrt(300)).all()
    assert (np.abs(z.std(axis=0) - 1) < 4 / np.sqrt(2 * 300)).all()


def test_what_nobody_has_reached_yet_is_unknown_and_dates_too_early_are_refused() -> None:
    trial = simulate_trial(500, seed=1)
    found = ti.interim_analyses(trial.protocol, trial.tables, as_of=[dt.date(2015, 7, 1)])
    early = found.rows[found.rows["as_of"] == dt.date(2015, 7, 1)].set_index(["outcome", "horizon_days"])
    assert np.isnan(early.loc[("on_benefit", 273), "estimate"])
    assert not np.isnan(early.loc[("on_benefit", 91), "estimate"])
    assert any("2015-07-01" in each for each in found.sentences())
    for wrong, says in (
        ("2015-07-01", "no date"),
        ([dt.datetime(2015, 7, 1)], "no date"),
        (dt.date(2030, 1, 1), "after the last"),
    ):
        with pytest.raises(ti.DesignError, match=says):
            ti.interim_analyses(trial.protocol, trial.tables, as_of=wrong)
    with pytest.raises(ti.DesignError, match="nobody recruited"):
        ti.interim_analyses(trial.protocol, trial.tables, as_of=[dt.date(2015, 3, 16)])
