"""Engines by name and on the command line; a run that is killed leaves nothing, and can be started again."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
from command_line import run
from places import fill_database, library_tables

import trialimpact as ti
from trialimpact.engines import open_engine
from trialimpact.synthetic import simulate_trial


@pytest.mark.parametrize(
    ("name", "settings", "says"),
    [
        ("oracle", {}, "no engine 'oracle'"),
        ("duckdb", {"memory": "2GB"}, "no setting 'memory'"),
        ("duckdb", {"memory_limit": "much"}, "duckdb did not open"),
        ("duckdb", {"database": "/nowhere/at.all"}, "duckdb did not open"),
        ("duckdb", {"shards": "0"}, "not a whole number above 0"),
        ("duckdb", {"threads": "two"}, "not a whole number above 0"),
        ("dbapi", {}, "needs driver and address"),
        ("dbapi", {"driver": "sqlite3", "address": "/nowhere/at.all"}, "did not open its address"),
        ("dbapi", {"driver": "no_such_driver", "address": "password=secret"}, "did not open its address"),
    ],
)
def test_what_cannot_be_opened_says_why(name: str, settings: dict[str, str], says: str) -> None:
    with pytest.raises(ti.ProtocolError, match=says) as error:
        open_engine(name, settings)
    assert "secret" not in str(error.value)
    assert "remedy" in str(error.value)


def test_settings_reach_duckdb() -> None:
    with open_engine("duckdb", {"memory_limit": "300MB", "threads": "1", "shards": "3"}) as engine:
        assert engine.fetch("select current_setting('threads') as n")["n"].tolist() == [1]
        assert engine.shards == 3


def simulated(folder: Path) -> Path:
    simulate_trial(500, seed=9).write(folder)
    return folder / "protocol.toml"


def with_queries(folder: Path) -> tuple[Path, Path]:
    """The same trial in a SQLite file, and a protocol whose sources are queries."""
    protocol = simulated(folder)
    trial = simulate_trial(500, seed=9)
    database = folder / "records.db"
    connection = sqlite3.connect(database)
    queries = fill_database(connection.execute, connection.executemany, library_tables(trial.protocol, trial.tables))
    connection.commit()
    connection.close()
    text = protocol.read_text()
    for name, query in queries.items():
        text = text.replace(f"[sources.{name}]\n", f'[sources.{name}]\nquery = "{query}"\n')
    protocol.write_text(text)
    return protocol, database


def test_engines_on_the_command_line_write_the_same_files(tmp_path: Path) -> None:
    protocol, database = with_queries(tmp_path)
    engines = {
        "memory": (),
        "duckdb": ("--engine", "duckdb", "--engine-setting", "shards=2"),
        "dbapi": ("--engine", "dbapi", "--engine-setting", "driver=sqlite3", "--engine-setting", f"address={database}"),
    }
    files = tmp_path / "from_files.toml"
    files.write_text("\n".join(line for line in protocol.read_text().splitlines() if not line.startswith("query")))
    for name, options in engines.items():
        asked = files if name == "duckdb" else protocol
        done = run("analyse", asked, "--out", tmp_path / name, "--quick", "--quiet", *options)
        assert done.returncode == 0, done.stderr
    for name in ("duckdb", "dbapi"):
        for file in ("estimates.csv", "flow.csv", "allocation.csv", "quarantined.csv", "summary.md"):
            assert (tmp_path / name / file).read_text() == (tmp_path / "memory" / file).read_text(), (name, file)
        balances = [pd.read_csv(tmp_path / each / "balance.csv") for each in (name, "memory")]
        pd.testing.assert_frame_equal(*balances, rtol=1e-9)
        moments = [ti.load_moments(tmp_path / each / "moments.npz") for each in (name, "memory")]
        assert moments[0] == moments[1]
        manifest = json.loads((tmp_path / name / "manifest.json").read_text())
        assert manifest["options"]["engine"] in ("duckdb", "sqlite3")


def test_statements_are_printed_and_nothing_is_written(tmp_path: Path) -> None:
    protocol = simulated(tmp_path)
    done = run("analyse", protocol, "--out", tmp_path / "out", "--engine", "duckdb", "--print-sql")
    assert done.returncode == 0, done.stderr
    assert "create temporary table ti_part" in done.stdout
    assert "comes back: cells" in done.stdout
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--print-sql",), "without an engine"),
        (("--engine-setting", "shards=2"), "without an engine"),
        (("--engine", "duckdb", "--engine-setting", "shards"), "no value"),
        (("--engine", "duckdb", "--on-broken-rule", "quarantine"), "sets no rows aside"),
    ],
)
def test_options_that_do_not_fit(tmp_path: Path, options: tuple[str, ...], says: str) -> None:
    done = run("analyse", simulated(tmp_path), "--out", tmp_path / "out", "--quiet", *options)
    assert done.returncode == 2
    assert says in done.stderr


@pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
def test_methods_that_need_claimants_are_left_out_and_say_so(tmp_path: Path) -> None:
    with open_engine("duckdb", {}) as engine:
        analysis = ti.analyse_trial(simulated(tmp_path), engine, outcomes="on_benefit")
    found = analysis.inference
    assert any("needs claimants" in reason for reason in found.left_out)
    frames = found.frames()
    assert len(frames["bands.csv"]) > 500
    assert len(frames["pretrend.csv"])
    assert len(frames["adjusted.csv"]) == 0
    assert {"arm_share_drift", "follow_up", "ratio_by_week"} <= set(frames["integrity.csv"]["check"])


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_and_can_be_started_again(tmp_path: Path) -> None:
    protocol = simulated(tmp_path)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "trialimpact", "analyse", str(protocol), "--out", str(out), "--quick", "--quiet",
               "--engine", "duckdb", "--engine-setting", "shards=40"]  # fmt: skip
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(2.5)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert not out.exists()
    done = run("analyse", protocol, "--out", out, "--quick", "--quiet", "--engine", "duckdb")
    assert done.returncode == 0, done.stderr
    assert (out / "estimates.csv").exists()
