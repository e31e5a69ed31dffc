"""The job from Parquet files with text identifiers and dates, and two floors under it."""

# ruff: noqa: S608 - the SQL is made of whole numbers and of names in this file

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from algebra import sums_in_duckdb, sums_in_polars
from contenders import fetched
from generate import ARMS, Window
from tables import Answer, followed_by_day


def floor(folder: Path) -> Answer:
    """Reading the two files with pyarrow, and no more."""
    import pyarrow.parquet as pq

    return {name: np.array(pq.read_table(folder / f"{name}.parquet").num_rows) for name in ("claimants", "spells")}


def pandas_merge(frames: dict[str, pd.DataFrame]) -> Answer:
    """One pandas merge of the spells with the claimants on the identifier, and no more."""
    return {"spells": np.array(len(frames["spells"].merge(frames["claimants"], on="claimant_id")))}


def polars_files(folder: Path) -> Answer:
    """Lazy scans joined on the identifier, then `algebra_polars`."""
    import polars as pl

    window = Window()
    index_day = pl.col("index_date").to_physical()
    people = (
        pl.scan_parquet(folder / "claimants.parquet")
        .select(
            "claimant_id",
            row=pl.int_range(pl.len(), dtype=pl.Int32),
            arm=(pl.col("assigned_arm") == ARMS[1]).cast(pl.Int32),
            index_day=index_day,
            follow_up=(window.extract_day - index_day).clip(0, window.horizon + 1),
        )
        .collect()
    )
    spells = (
        pl.scan_parquet(folder / "spells.parquet")
        .join(people.lazy().select("claimant_id", "row"), on="claimant_id")
        .select("row", start=pl.col("start_date").to_physical(), end=pl.col("end_date").to_physical())
    )
    return sums_in_polars(window, people, spells)


def duckdb_files(folder: Path) -> Answer:
    """SQL over the files, joined on the identifier, then `algebra_duckdb`."""
    import duckdb

    window, connection = Window(), duckdb.cursor()
    connection.execute(
        f"""create temp table people as
        select *, greatest(least({window.extract_day} - index_day, {window.horizon + 1}), 0) as follow_up
        from (
            select claimant_id, (row_number() over ())::int as row, (assigned_arm = '{ARMS[1]}')::int as arm,
                index_date - date '1970-01-01' as index_day
            from read_parquet('{folder / "claimants.parquet"}')
        )"""
    )
    connection.execute(
        f"""create temp view spells as
        select row, start_date - date '1970-01-01' as "start", end_date - date '1970-01-01' as "end"
        from read_parquet('{folder / "spells.parquet"}') join people using (claimant_id)"""
    )
    leavers = fetched(connection, "select arm, follow_up, count(*) as n from people group by arm, follow_up")
    return sums_in_duckdb(connection, window, followed_by_day(window, *leavers))
