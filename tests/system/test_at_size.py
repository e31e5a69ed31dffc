"""A hundred thousand claimants with every defect: five engines, the same whole numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from alike import assert_alike, in_memory, in_sqlite, run_in
from places import library_tables
from test_postgres import in_postgres

import trialimpact as ti
from trialimpact.engines import DuckDB, Spark, engine_job
from trialimpact.stages import TrialCounts
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.system

CLAIMANTS = 100_000


@pytest.fixture(scope="module")
def trial() -> Any:
    return simulate_trial(CLAIMANTS, seed=11)


@pytest.fixture(scope="module")
def memory(trial: Any) -> TrialCounts:
    return in_memory(trial.protocol, trial.tables)


def test_duckdb(trial: Any, memory: TrialCounts, tmp_path: Path) -> None:
    trial.write(tmp_path)
    protocol = ti.TrialProtocol.from_toml(tmp_path / "protocol.toml")
    with DuckDB(memory_limit="1GB", temp_directory=tmp_path / "spill", shards=3) as engine:
        assert_alike(engine_job(protocol, engine, tmp_path).run(), memory)


def test_sqlite(trial: Any, memory: TrialCounts) -> None:
    assert_alike(in_sqlite(trial.protocol, trial.tables), memory)


def test_postgres(postgres: Any, trial: Any, memory: TrialCounts) -> None:
    assert_alike(in_postgres(postgres, trial.protocol, trial.tables), memory)


def test_spark(spark: Any, trial: Any, memory: TrialCounts, tmp_path: Path) -> None:
    queries = {}
    for name, columns in library_tables(trial.protocol, trial.tables).items():
        frame = pd.DataFrame(columns)
        for column in frame:
            if column.endswith("_day"):
                frame[column] = frame[column].astype("Int64")
        frame.to_parquet(tmp_path / f"{name}.parquet")
        spark.read.parquet(str(tmp_path / f"{name}.parquet")).createOrReplaceTempView(f"place_{name}")
        queries[name] = f"select * from place_{name}"
    with Spark(spark, queries=queries) as engine:
        assert_alike(run_in(engine, trial.protocol), memory)
