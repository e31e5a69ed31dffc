"""Spark against memory, classic and Connect."""

from __future__ import annotations

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

TYPES = {"bigint": "bigint", "double precision": "double", "varchar(250)": "string"}


def in_spark(session: Any, protocol: Any, tables: Any, shards: int = 1) -> Any:
    for name, columns in library_tables(protocol, tables).items():
        schema = ", ".join(f"{column} {TYPES[sql_type(column, values)]}" for column, values in columns.items())
        rows = list(zip(*columns.values(), strict=True))
        session.createDataFrame(rows, schema).createOrReplaceTempView(f"place_{name}")
    queries = {name: f"select * from place_{name}" for name in tables}
    with Spark(session, queries=queries, shards=shards) as engine:
        return run_in(engine, protocol)


def test_a_whole_trial(spark: Any) -> None:
    trial = simulate_iap(1_500, seed=3)
    assert_alike(in_spark(spark, trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


@pytest.mark.parametrize("shards", [1, 2])
def test_overlaps_late_entry_strata_and_bridging(spark: Any, shards: int) -> None:
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
    spells = spells[spells["start"] < 20]
    covered = {"a": (-3, 25), "b": (-30, 20)}
    trial = SmallTrial(people, spells, covered, arms=("T", "C", "U"), more={"subgroups": SUBGROUPS})
    assert_alike(in_spark(spark, trial.protocol, trial.tables, shards), in_memory(trial.protocol, trial.tables))
