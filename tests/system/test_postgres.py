"""PostgreSQL against memory, on a real server that the tests start and stop."""

from __future__ import annotations

import threading
import traceback
from typing import Any

import pytest
from alike import assert_alike, in_memory, run_in
from hypothesis import HealthCheck, given, settings
from places import fill_database, library_tables
from strategies import small_trials
from test_engines import SUBGROUPS
from trials import SmallTrial

import trialimpact as ti
from trialimpact.engines import Database
from trialimpact.synthetic import simulate_iap, simulate_trial

pytestmark = pytest.mark.system


def filled(connection: Any, tables: Any) -> dict[str, str]:
    """The queries of tables that are put into a server."""
    cursor = connection.cursor()

    def copy(sql: str, rows: list[tuple[Any, ...]]) -> None:
        with cursor.copy(f"copy {sql.split()[2]} from stdin") as stream:
            for row in rows:
                stream.write_row(row)

    return fill_database(cursor.execute, copy, tables)


def in_postgres(connection: Any, protocol: Any, tables: Any) -> Any:
    queries = filled(connection, library_tables(protocol, tables))
    return run_in(Database(connection, queries=queries), protocol)


@given(trial=small_trials())
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_messy_trials_give_the_same_whole_numbers(postgres: Any, trial: SmallTrial) -> None:
    trial.more = {"subgroups": SUBGROUPS}
    assert_alike(in_postgres(postgres, trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


@pytest.mark.parametrize("simulate", [simulate_trial, simulate_iap])
def test_a_whole_trial(postgres: Any, simulate: Any) -> None:
    trial = simulate(3_000, seed=3)
    assert_alike(in_postgres(postgres, trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


def test_a_server_that_ends_the_session(postgres: Any) -> None:
    psycopg = pytest.importorskip("psycopg")
    trial = simulate_trial(2_000, seed=3)
    whole = in_memory(trial.protocol, trial.tables)
    tables, n_lost = library_tables(trial.protocol, trial.tables), 0
    for wait in (0.05, 0.2, 0.4, 0.8):
        info = postgres.info
        with psycopg.connect(host=info.host, user=info.user, dbname=info.dbname, autocommit=True) as another:
            queries = filled(another, tables)
            ending = threading.Timer(
                wait, postgres.execute, ("select pg_terminate_backend(%s)", [another.info.backend_pid])
            )
            ending.start()
            try:
                for _ in range(20):
                    run_in(Database(another, queries=queries), trial.protocol)
            except ti.RecordError as error:
                said = "".join(traceback.format_exception(error))
                n_lost += "psycopg stopped with " in said and "run again" in said
                assert "terminating connection" not in said
            ending.join()
    assert n_lost == 4
    assert_alike(in_postgres(postgres, trial.protocol, trial.tables), whole)
