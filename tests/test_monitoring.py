"""A live trial looked at again and again: no false alarms, and faults are found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run
from scipy.special import gammaln

import trialimpact as ti
from trialimpact.estimators.sequential import SPREADS, anytime_p
from trialimpact.synthetic import simulate_ics, simulate_trial


def test_evidence_by_hand() -> None:
    counts, theta = np.array([7, 2]), np.array([0.6, 0.4])
    factors = []
    for spread in SPREADS:
        # The chance of the sequence under a Dirichlet alternative, person by person, over that under the design.
        chance, seen = 1.0, np.zeros(2)
        for category in [0] * 7 + [1] * 2:
            chance *= (spread * theta[category] + seen[category]) / (spread + seen.sum()) / theta[category]
            seen[category] += 1
        factors.append(chance)
    assert anytime_p(counts[None], theta)[0] == pytest.approx(min(1.0, 1 / np.mean(factors)))
    assert gammaln(1) == 0


def test_p_values_only_fall_and_do_not_depend_on_how_often_one_looks() -> None:
    rng = np.random.default_rng(1)
    counts = np.eye(3, dtype=np.int64)[rng.integers(0, 3, 500)].cumsum(axis=0)
    every, rare = anytime_p(counts, [1, 1, 1]), anytime_p(counts[49::50], [1, 1, 1])
    assert (np.diff(every) <= 0).all()
    assert every[0] == rare.max() == 1.0, "what speaks for the design is no evidence against it"
    assert (rare >= every[49::50] - 1e-12).all(), "who looks less often has no more evidence"


def false_alarms(n_trials: int, n_people: int, alpha: float) -> int:
    rng = np.random.default_rng(7)
    found = 0
    for _ in range(n_trials):
        arm = rng.random(n_people) < 2 / 3
        counts = np.column_stack([arm, ~arm]).cumsum(axis=0)
        found += anytime_p(counts, [2, 1])[-1] < alpha
    return found


def test_ever_a_false_alarm_is_rarer_than_said() -> None:
    """Every person is a look; a fixed-sample test at each would reject most of these trials."""
    assert false_alarms(300, 1_000, 0.05) <= 300 * 0.05 + 4 * np.sqrt(300 * 0.05 * 0.95)


@pytest.mark.slow
def test_ever_a_false_alarm_is_rarer_than_said_in_many_trials() -> None:
    n = false_alarms(20_000, 3_000, 0.05)
    assert n <= 20_000 * 0.05 + 4 * np.sqrt(20_000 * 0.05 * 0.95)
    assert n > 100, "a test that never rejects would pass too"


def marked(trial: Any) -> dict[str, pd.DataFrame]:
    return {name: trial.tables[name] for name in ("claimants", "markers")}


def test_all_checks_of_trials_run_as_designed(tmp_path: Path) -> None:
    alarms = 0
    for seed in range(10):
        trial = simulate_trial(600, seed=seed)
        monitor = ti.monitor_trial(trial.protocol, marked(trial), folder=tmp_path, alpha=0.05)
        alarms += len(monitor.alarms) > 0
        assert len(monitor.checks) == 1 + 3 + 3 + 1
    assert alarms <= 3
    assert any("not there yet" in each for each in monitor.sentences())


def test_an_office_that_leaves_one_arm_out_is_found_and_named() -> None:
    trial = simulate_trial(3_000, seed=2)
    markers = trial.tables["markers"]
    digit = markers["claimant_id"].str[7].astype(int)
    lost = (markers["office"] == "Norton") & (digit < 5) & (np.random.default_rng(1).random(len(markers)) < 0.4)
    tables = trial.tables | {"markers": markers[~lost]}
    monitor = ti.monitor_trial(trial.protocol, tables)
    assert ("arms_at_office", "Norton") in set(zip(monitor.alarms["check"], monitor.alarms["where"], strict=True))
    assert "Weston" not in set(monitor.alarms["where"])
    assert any(each.startswith("ALARM") and "Norton" in each for each in monitor.sentences())
    # As the file grows, an alarm once given stays.
    dates = pd.to_datetime(markers["marker_date"])
    alarmed = [
        len(ti.monitor_trial(trial.protocol, tables | {"markers": markers[~lost & (dates < cut)]}).alarms) > 0
        for cut in pd.to_datetime(["2015-05-01", "2015-07-01", "2015-08-01", "2015-09-01", "2015-10-01"])
    ]
    assert alarmed == sorted(alarmed) and alarmed[-1]


def test_exemptions_given_to_one_arm_are_found() -> None:
    trial = simulate_trial(3_000, seed=3)
    markers = trial.tables["markers"].copy()
    treated = markers["claimant_id"].str[7].astype(int) >= 5
    more = treated & (markers["status"] == "valid") & (np.random.default_rng(1).random(len(markers)) < 0.08)
    markers.loc[more, ["status", "reason"]] = ["exempt", "other provision"]
    alarms = ti.monitor_trial(trial.protocol, trial.tables | {"markers": markers}).alarms
    assert set(alarms["check"]) == {"exempt"}


def test_a_programme_that_works_is_no_alarm() -> None:
    """Fewer records after joining are an effect, not a fault."""
    trial = simulate_trial(2_000, seed=5, first_spell_factor=0.2)
    employment = trial.tables["employment"]
    treated = employment["claimant_id"].str[7].astype(int) >= 5
    monitor = ti.monitor_trial(trial.protocol, trial.tables | {"employment": employment[treated]})
    assert monitor.alarms.empty


def test_what_cannot_be_monitored_says_so() -> None:
    trial = simulate_ics(200, seed=1)
    with pytest.raises(ti.DesignError, match=r"allocation\.ratio"):
        ti.monitor_trial(trial.protocol, trial.tables)
    with pytest.raises(ti.DesignError, match="between 0 and 1"):
        ti.monitor_trial(trial.protocol, trial.tables, alpha=2)


def test_given_arms_are_monitored_by_their_ratio() -> None:
    trial = simulate_ics(900, seed=1)
    design = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["allocation"]["ratio"] = {"usual service": 1, "ICS": 1}
    monitor = ti.monitor_trial(design, trial.tables)
    assert monitor.alarms.empty
    assert set(monitor.checks["check"]) == {"arms", "arms_at_office", "no_record"}
    assert monitor.checks.loc[monitor.checks["check"] == "no_record", "p_holm"].isna().all()
    design["recruitment"]["offices"] = ["Naenae", "Porirua"]
    here = trial.tables["claimants"]["office"].isin(["Naenae", "Porirua"]).sum()
    assert ti.monitor_trial(design, trial.tables).checks["n"].iloc[0] == here
    design["allocation"]["ratio"] = {"usual service": 1, "ICS": 2}
    assert not ti.monitor_trial(design, trial.tables).alarms.empty


def test_the_command_writes_a_page_and_exits_1_on_an_alarm(tmp_path: Path) -> None:
    trial = simulate_trial(800, seed=1)
    trial.write(tmp_path)
    (tmp_path / "benefit_spells.csv").unlink()
    done = run("monitor", tmp_path / "protocol.toml", "--out", tmp_path / "look")
    assert done.returncode == 0, done.stderr
    assert "No alarm" in done.stdout and "'benefit' is not there yet" in done.stdout
    page = (tmp_path / "look" / "monitor.html").read_text()
    assert "monitoring" in page and "http://" not in page.replace("http://www.w3.org", "")
    assert {"monitor.html", "checks.csv", "weeks.csv", "received.csv"} <= {
        each.name for each in (tmp_path / "look").iterdir()
    }
    markers = trial.tables["markers"]
    markers[markers["claimant_id"].str[7].astype(int) >= 3].to_csv(tmp_path / "markers.csv", index=False)
    done = run("monitor", tmp_path / "protocol.toml")
    assert done.returncode == 1
    assert "ALARM: people by allocating digit" in done.stdout
