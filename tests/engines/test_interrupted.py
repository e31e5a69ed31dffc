"""An engine that is stopped, or whose connection is lost, at any statement: a clear error, and the next run is whole."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from alike import FilledDuckDB, assert_alike, in_memory, run_in
from command_line import run
from places import fill_database, library_tables

import trialimpact as ti
from trialimpact.engines import Database
from trialimpact.synthetic import SyntheticTrial, simulate_trial

SECRET = "connection lost while reading QQ123456A"


class LostError(Exception):
    """As a driver's own error: its message quotes a record."""


class LostConnection:
    """A connection that is lost at its nth call, of those that run statements or bring rows."""

    def __init__(self, connection: sqlite3.Connection, at: int) -> None:
        self.connection, self.left = connection, at

    def cursor(self) -> LostCursor:
        return LostCursor(self, self.connection.cursor())

    def close(self) -> None:
        self.connection.close()

    def call(self, what: Callable[..., Any], *given: Any) -> Any:
        self.left -= 1
        if self.left < 0:
            raise LostError(SECRET)
        return what(*given)


class LostCursor:
    """A cursor of it."""

    def __init__(self, owner: LostConnection, cursor: sqlite3.Cursor) -> None:
        self.owner, self.cursor = owner, cursor

    @property
    def description(self) -> Any:
        return self.cursor.description

    def execute(self, sql: str) -> None:
        self.owner.call(self.cursor.execute, sql)

    def fetchall(self) -> list[Any]:
        try:
            return list(self.owner.call(self.cursor.fetchall))
        finally:
            self.cursor.close()


@pytest.fixture(scope="module")
def trial() -> SyntheticTrial:
    return simulate_trial(60, seed=4)


@pytest.mark.parametrize("step", [pytest.param(1, marks=pytest.mark.slow), 9])
def test_a_connection_lost_at_any_call(trial: SyntheticTrial, step: int) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        tables = library_tables(trial.protocol, trial.tables)
        queries = fill_database(connection.execute, connection.executemany, tables)
        watched = LostConnection(connection, 10**6)
        whole = run_in(Database(watched, queries=queries), trial.protocol)
        assert_alike(whole, in_memory(trial.protocol, trial.tables))
        n_calls = 10**6 - watched.left
        assert n_calls > 60
        named = 0
        for at in range(0, n_calls, step):
            with pytest.raises(ti.RecordError, match=r"stopped with LostError\.\n.*remedy: .*run again") as error:
                run_in(Database(LostConnection(connection, at), queries=queries), trial.protocol)
            assert "QQ" not in "".join(traceback.format_exception(error.value))
            named += str(error.value).startswith("ti_")
        assert named
        # Tables that the lost runs left in the database do not matter to the next.
        assert_alike(run_in(Database(connection, queries=queries), trial.protocol), whole)


def test_a_query_stopped_by_somebody_else(trial: SyntheticTrial) -> None:
    whole = in_memory(trial.protocol, trial.tables)
    with FilledDuckDB(trial.protocol, trial.tables) as engine:
        ended = threading.Event()

        def stop_every_query() -> None:
            while not ended.is_set():
                engine._connection.interrupt()
                time.sleep(0.0001)

        stopping = threading.Thread(target=stop_every_query)
        stopping.start()
        try:
            with pytest.raises(ti.RecordError, match=r"duckdb stopped with InterruptException\.\n.*run again"):
                for _ in range(20):
                    run_in(engine, trial.protocol)
        finally:
            ended.set()
            stopping.join()
        assert_alike(run_in(engine, trial.protocol), whole)
    with pytest.raises(ti.RecordError, match="stopped with ConnectionException"):
        run_in(engine, trial.protocol)


def test_ctrl_c_while_a_query_runs() -> None:
    code = """
from trialimpact.engines import DuckDB
with DuckDB() as engine:
    print("begun", flush=True)
    engine.fetch("select sum(hash(range)) as n from range(1000000000000)")
"""
    begun = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert begun.stdout is not None
    assert begun.stdout.readline() == "begun\n"
    time.sleep(0.5)
    begun.send_signal(signal.SIGINT)
    said = begun.communicate(timeout=60)[1]
    assert "KeyboardInterrupt" in said
    assert "EngineError" not in said


def test_a_run_that_loses_its_database_writes_nothing(
    trial: SyntheticTrial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(sqlite3.connect(tmp_path / "records.db")) as connection:
        tables = library_tables(trial.protocol, trial.tables)
        queries = fill_database(connection.execute, connection.executemany, tables)
        connection.commit()
    trial.write(tmp_path)
    protocol = tmp_path / "protocol.toml"
    for name, query in queries.items():
        text = protocol.read_text()
        protocol.write_text(text.replace(f"[sources.{name}]\n", f'[sources.{name}]\nquery = "{query}"\n'))
    driver = SimpleNamespace(connect=lambda address: LostConnection(sqlite3.connect(address), 50))
    monkeypatch.setitem(sys.modules, "losing", driver)
    settings = ("driver=losing", f"address={tmp_path / 'records.db'}")
    options = [part for setting in settings for part in ("--engine-setting", setting)]
    before = set(tmp_path.iterdir())
    done = run("analyse", protocol, "--out", tmp_path / "out", "--quick", "--quiet", "--engine", "dbapi", *options)
    assert done.returncode == 1
    assert "stopped with LostError" in done.stderr
    assert "run again" in done.stderr
    assert "Traceback" not in done.stderr
    assert "QQ" not in done.stderr
    assert set(tmp_path.iterdir()) == before
