"""PostgreSQL against memory, on a real server that the test starts and stops."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alike import assert_alike, in_memory, run_in
from hypothesis import HealthCheck, given, settings
from places import fill_database, library_tables
from strategies import small_trials
from test_engines import SUBGROUPS
from trials import SmallTrial

from trialimpact.engines import Database
from trialimpact.synthetic import simulate_iap

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def connection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("there is no PostgreSQL server on this machine (Debian: apt install postgresql)")
    binaries, folder = programs[-1].parent, tmp_path_factory.mktemp("postgres")
    as_other: list[str] = []
    if os.geteuid() == 0:
        # The server refuses to run as root.
        if shutil.which("runuser") is None:
            pytest.skip("as root, PostgreSQL needs runuser")
        as_other = ["runuser", "-u", "postgres", "--"]
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        shutil.chown(folder, "postgres")
    data = folder / "data"
    run = [*as_other, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"]
    subprocess.run(run, check=True, capture_output=True, cwd=folder)
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    control = [*as_other, str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
    try:
        with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as opened:
            yield opened
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)


def in_postgres(connection: Any, protocol: Any, tables: Any) -> Any:
    cursor = connection.cursor()
    queries = fill_database(cursor.execute, cursor.executemany, library_tables(protocol, tables), mark="%s")
    return run_in(Database(connection, queries=queries), protocol)


@given(trial=small_trials())
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_messy_trials_give_the_same_whole_numbers(connection: Any, trial: SmallTrial) -> None:
    trial.more = {"subgroups": SUBGROUPS}
    assert_alike(in_postgres(connection, trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


def test_a_whole_trial(connection: Any) -> None:
    trial = simulate_iap(3_000, seed=3)
    assert_alike(in_postgres(connection, trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))
