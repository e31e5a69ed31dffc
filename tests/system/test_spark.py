"""Spark against memory: a local session, classic and Connect."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from alike import assert_alike, in_memory, run_in
from places import library_tables, sql_type
from test_engines import SUBGROUPS
from trials import SmallTrial

from trialimpact.engines import Spark
from trialimpact.synthetic import simulate_iap

pytestmark = pytest.mark.system

SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
}


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    pyspark_sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    builder = pyspark_sql.SparkSession.builder.master("local[1]").appName("trialimpact")
    for setting, value in SETTINGS.items():
        builder = builder.config(setting, value)
    opened = builder.getOrCreate()
    yield opened
    opened.stop()


def in_spark(session: Any, protocol: Any, tables: Any, shards: int = 1) -> Any:
    types = {"bigint": "bigint", "double precision": "double", "varchar(250)": "string"}
    for name, columns in library_tables(protocol, tables).items():
        schema = ", ".join(f"{column} {types[sql_type(column, values)]}" for column, values in columns.items())
        rows = list(zip(*columns.values(), strict=True))
        session.createDataFrame(rows, schema).createOrReplaceTempView(f"place_{name}")
    queries = {name: f"select * from place_{name}" for name in tables}
    with Spark(session, queries=queries, shards=shards) as engine:
        return run_in(engine, protocol)


def test_a_whole_trial(session: Any) -> None:
    trial = simulate_iap(1_500, seed=3)
    assert_alike(in_spark(session, trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


@pytest.mark.parametrize("shards", [1, 2])
def test_overlaps_late_entry_strata_and_bridging(session: Any, shards: int) -> None:
    people = pd.DataFrame({"claimant_id": list("abcdef"), "arm": list("TCTCTU"), "index": [0, 3, -4, 9, 2, 1]})
    people = people.assign(site=list("xyxyxx"), team=list("klmklk"))
    rows = [
        ("a", "a", -20, 2),
        ("a", "a", 0, 5),
        ("a", "a", 5, 7),
        ("b", "b", 1, 30),
        ("b", "a", 4, 4),
        ("c", "a", 8, 12),
    ]
    rows += [("d", "a", 10, 11), ("d", "a", 13, 14), ("e", "b", -50, 60), ("e", "a", -50, 60), ("f", "a", 14, 40)]
    spells = pd.DataFrame(rows, columns=["claimant_id", "kind", "start", "end"])
    covered = {"a": (-3, 25), "b": (-30, 20)}
    trial = SmallTrial(people, spells, covered, arms=("T", "C", "U"), more={"subgroups": SUBGROUPS})
    assert_alike(in_spark(session, trial.protocol, trial.tables, shards), in_memory(trial.protocol, trial.tables))
