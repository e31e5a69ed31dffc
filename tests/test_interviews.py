"""Whom to interview: at random, by the seed, with quotas and exclusions kept, and no identifier."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run

import trialimpact as ti
from trialimpact.synthetic import SyntheticTrial, simulate_ics, simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module")
def trial() -> SyntheticTrial:
    return simulate_ics(500, seed=1)


@pytest.fixture(scope="module")
def analysis(trial: SyntheticTrial) -> ti.TrialAnalysis:
    return ti.analyse_trial(trial.protocol, trial.tables)


def people(trial: SyntheticTrial, sample: ti.InterviewSample) -> pd.DataFrame:
    return trial.tables["claimants"].iloc[sample.rows - 1]


def test_quotas_and_exclusions_are_kept(trial: SyntheticTrial, analysis: ti.TrialAnalysis) -> None:
    sample = ti.draw_interviews(
        analysis, 26, seed=3, arms=["ICS"], quotas={"pacific": 8, "naenae": 6, "maori": 5}, exclude=["rotorua"]
    )
    drawn = people(trial, sample)
    assert len(drawn) == len(set(sample.rows)) == 26
    assert (drawn["assigned_arm"] == "ICS").all()
    assert (drawn["office"] != "Rotorua").all()
    assert (drawn["pacific"] == "yes").sum() >= 8
    assert (drawn["office"] == "Naenae").sum() >= 6
    assert (drawn["obligations"] == "full-time").all(), "only those analysed"
    profile = sample.profile.set_index("group")
    assert profile.loc["pacific", "n_drawn"] == (drawn["pacific"] == "yes").sum()
    assert profile.loc["rotorua", "n_trial"] == 0
    assert profile.loc["naenae", "share_drawn"] > profile.loc["naenae", "share_trial"]
    assert sample.excluded["rotorua"] > 0


def test_the_seed_decides_and_more_people_are_added_behind(analysis: ti.TrialAnalysis) -> None:
    one, again, other = (ti.draw_interviews(analysis, 20, seed=seed).rows for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert set(one) != set(other)
    np.testing.assert_array_equal(ti.draw_interviews(analysis, 35, seed=1).rows[:20], one)


def test_everybody_has_the_same_chance(analysis: ti.TrialAnalysis) -> None:
    n = len(analysis.panel)
    counts: dict[int, int] = {}
    for seed in range(300):
        for row in ti.draw_interviews(analysis, 40, seed=seed).rows.tolist():
            counts[row] = counts.get(row, 0) + 1
    expected = 300 * 40 / n
    squares = sum((count - expected) ** 2 for count in counts.values()) + (n - len(counts)) * expected**2
    # Each count is binomial; the sum of squares over the expected is near n (1 - 40 / n).
    assert abs(squares / expected / (n * (1 - 40 / n)) - 1) < 5 * np.sqrt(2 / n)


def test_rows_are_those_of_the_file_when_rows_were_set_aside() -> None:
    trial = simulate_trial(300, seed=1)
    claimants = trial.tables["claimants"].copy()
    claimants.loc[:4, "birth_date"] = "31/31/2000"
    analysis = ti.analyse_trial(trial.protocol, trial.tables | {"claimants": claimants}, on_broken_rule="quarantine")
    # Those set aside have a marker still, and are analysed; they have no row in the table that was used.
    with pytest.raises(ti.DesignError, match="could be drawn"):
        ti.draw_interviews(analysis, len(analysis.panel), seed=1)
    only_markers = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    del only_markers["sources"]["claimants"], only_markers["subgroups"], only_markers["characteristics"]
    tables = {name: table for name, table in trial.tables.items() if name != "claimants"}
    with pytest.raises(ti.DesignError, match="nobody has a row"):
        ti.draw_interviews(ti.analyse_trial(only_markers, tables), 5, seed=1)
    sample = ti.draw_interviews(analysis, 100, seed=7, quotas={"female": 60})
    assert (claimants["gender"].iloc[sample.rows - 1] == "Female").sum() >= 60


def test_what_cannot_be_drawn_says_why(analysis: ti.TrialAnalysis) -> None:
    with pytest.raises(ti.DesignError, match="could be drawn"):
        ti.draw_interviews(analysis, 5_000, seed=1)
    with pytest.raises(ti.DesignError, match="in 'naenae'"):
        ti.draw_interviews(analysis, 300, seed=1, quotas={"naenae": 299})
    with pytest.raises(ti.DesignError, match="fill the quotas"):
        ti.draw_interviews(analysis, 20, seed=1, quotas={"naenae": 15, "manurewa": 15})
    with pytest.raises(ti.ProtocolError, match="atlantis"):
        ti.draw_interviews(analysis, 20, seed=1, quotas={"atlantis": 1})
    given: list[Any] = [analysis.panel, analysis]
    for wrong, says in ((given[0], "analysis is a Panel, not TrialAnalysis"), (given[1], "quotas is a list")):
        with pytest.raises(ti.DesignError, match=says):
            ti.draw_interviews(wrong, 20, seed=1, quotas=given)  # type: ignore[arg-type]
    plain = ti.draw_interviews(analysis, 20, seed=1, quotas={"maori": 3}, exclude=["porirua"])
    of_numpy: Any = np.int64(20), np.int64(1), {"maori": np.int64(3)}
    as_said = ti.draw_interviews(analysis, of_numpy[0], seed=of_numpy[1], quotas=of_numpy[2], exclude="porirua")
    assert as_said.to_frame().equals(plain.to_frame())
    with pytest.raises(ti.DesignError, match="not negative"):
        ti.draw_interviews(analysis, 20, seed=-1)
    both = ti.draw_interviews(analysis, 5, seed=1, arms="ICS", quotas={"maori": 5, "european": 5, "naenae": 0})
    profile = both.profile.set_index("group")
    assert profile.loc["maori", "n_drawn"] == profile.loc["european", "n_drawn"] == 5
    with pytest.raises(ti.ProtocolError, match="no arm"):
        ti.draw_interviews(analysis, 20, seed=1, arms=["weekly"])


def test_the_command_writes_rows_profile_and_how_they_were_drawn(tmp_path: Path, trial: SyntheticTrial) -> None:
    trial.write(tmp_path)
    done = run(
        "interviews", tmp_path / "protocol.toml", "--n", "26", "--seed", "5", "--quota", "maori=10", "--exclude", "porirua",
        "--out", tmp_path / "drawn",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = pd.read_csv(tmp_path / "drawn" / "rows.csv")
    assert len(rows) == 26
    manifest = (tmp_path / "drawn" / "manifest.json").read_text()
    assert '"seed": 5' in manifest and '"maori": 10' in manifest
    for path in (tmp_path / "drawn").iterdir():
        assert "client " not in path.read_text()
    assert run("interviews", tmp_path / "protocol.toml", "--n", "3", "--quota", "maori").returncode == 2
    again = run("interviews", tmp_path / "protocol.toml", "--n", "26", "--seed", "6", "--out", tmp_path / "drawn")
    assert again.returncode == 2 and "another draw is there" in again.stderr
    assert (tmp_path / "drawn" / "manifest.json").read_text() == manifest
