"""Whether an engine says what memory says: the same whole numbers, the same tables."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from places import fill_database, library_tables

from trialimpact import TrialProtocol
from trialimpact.engines import Database, DuckDB, Engine, engine_job
from trialimpact.estimators.balance import balance_of
from trialimpact.estimators.integrity import integrity_of
from trialimpact.stages import TrialCounts, run_stages


def in_memory(protocol: TrialProtocol, tables: Mapping[str, pd.DataFrame]) -> TrialCounts:
    return run_stages(protocol, tables, ".").counts()


def in_sqlite(protocol: TrialProtocol, tables: Mapping[str, pd.DataFrame], shards: int = 1) -> TrialCounts:
    with closing(sqlite3.connect(":memory:")) as connection:
        queries = fill_database(connection.execute, connection.executemany, library_tables(protocol, tables))
        return engine_job(protocol, Database(connection, queries=queries, shards=shards)).run()


class FilledDuckDB(DuckDB):
    """DuckDB with a trial's tables in it."""

    def __init__(self, protocol: TrialProtocol, tables: Mapping[str, pd.DataFrame], shards: int = 1) -> None:
        super().__init__(shards=shards)
        run: duckdb.DuckDBPyConnection = self._connection

        def copy(sql: str, rows: list[tuple[Any, ...]]) -> None:
            # A whole table at once: DuckDB is slow row by row.
            name = sql.split()[2]
            schema = [row[0] for row in run.execute(f"describe {name}").fetchall()]
            columns = zip(schema, zip(*rows, strict=True), strict=True)
            run.register("given", pa.table({column: pa.array(list(values)) for column, values in columns}))
            run.execute(f"insert into {name} select * from given")

        self.queries = fill_database(run.execute, copy, library_tables(protocol, tables))


def in_duckdb(protocol: TrialProtocol, tables: Mapping[str, pd.DataFrame], shards: int = 1) -> TrialCounts:
    with FilledDuckDB(protocol, tables, shards) as engine:
        return engine_job(protocol, engine).run()


def run_in(engine: Engine, protocol: TrialProtocol) -> TrialCounts:
    return engine_job(protocol, engine).run()


def assert_alike(engine: TrialCounts, memory: TrialCounts) -> None:
    assert engine.moments == memory.moments
    pd.testing.assert_frame_equal(engine.flow.to_frame(), memory.flow.to_frame())
    pd.testing.assert_frame_equal(engine.received.to_frame(), memory.received.to_frame())
    balances = [balance_of(each.protocol, each.characteristics).to_frame() for each in (engine, memory)]
    pd.testing.assert_frame_equal(*balances, rtol=1e-9, atol=1e-12)
    checks = [integrity_of(each.protocol, each.flow, each.joining).to_frame() for each in (engine, memory)]
    pd.testing.assert_frame_equal(*checks)
    audits = [each.audit.to_frame().drop(columns="rows") for each in (engine, memory)]
    pd.testing.assert_frame_equal(*audits)


__all__ = ["assert_alike", "in_duckdb", "in_memory", "in_sqlite", "run_in"]
