"""PostgreSQL against memory, on a real server that the tests start and stop."""

from __future__ import annotations

from typing import Any

import pytest
from alike import assert_alike, in_memory, run_in
from hypothesis import HealthCheck, given, settings
from places import fill_database, library_tables
from strategies import small_trials
from test_engines import SUBGROUPS
from trials import SmallTrial

from trialimpact.engines import Database
from trialimpact.synthetic import simulate_iap, simulate_trial

pytestmark = pytest.mark.system


def in_postgres(connection: Any, protocol: Any, tables: Any) -> Any:
    cursor = connection.cursor()

    def copy(sql: str, rows: list[tuple[Any, ...]]) -> None:
        with cursor.copy(f"copy {sql.split()[2]} from stdin") as stream:
            for row in rows:
                stream.write_row(row)

    queries = fill_database(cursor.execute, copy, library_tables(protocol, tables))
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
