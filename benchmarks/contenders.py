"""The main job on claimant-days: arrays of spells to 1,004 daily differences and cumulative ones, with standard errors.

Each contender is one function of the same arrays with the same answer, written as somebody who knows the tool
would. The `explode_...` give the cumulative standard error at three horizons, `dense` at every one.
"""

# ruff: noqa: S608 - the SQL is made of whole numbers and of names in this file

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from generate import Array, Arrays
from tables import (
    SOME_HORIZONS,
    Answer,
    estimates,
    followed_by_day,
    table_of,
    variance_of_totals,
    weight_of_days,
)

BLOCK = 8_192


def explode_pandas(arrays: Arrays) -> Answer:
    """A row for each claimant and day on benefit, repeated ones dropped; groupby."""
    import pandas as pd

    people = pd.DataFrame({"arm": arrays.arm, "index_day": arrays.index_day, "follow_up": arrays.follow_up})
    mine = people.take(arrays.owner)
    first = np.maximum(arrays.start - mine["index_day"].to_numpy(), -arrays.pre_days)
    last = np.minimum(arrays.end - mine["index_day"].to_numpy(), mine["follow_up"].to_numpy())
    length = np.maximum(last - first, 0)
    days = pd.DataFrame({"row": np.repeat(arrays.owner, length)})
    days["day"] = np.arange(length.sum()) - np.repeat(length.cumsum() - length - first, length)
    days = days[~(days["row"] * np.int64(arrays.n_days) + days["day"]).duplicated()]
    days["arm"] = people["arm"].to_numpy()[days["row"].to_numpy()]
    arm, day, n = cells(days.groupby(["arm", "day"]).size().reset_index())
    on = table_of(arrays.n_days, arm, day + arrays.pre_days, n)
    followed = followed_by_day(arrays, *cells(people.groupby(["arm", "follow_up"]).size().reset_index()))
    after = days[(days["day"] >= 0) & (days["day"] < arrays.horizon)]
    weight = 1 / followed[after["arm"].to_numpy(), after["day"].to_numpy() + arrays.pre_days]
    within = pd.DataFrame({horizon: np.where(after["day"] < horizon, weight, 0.0) for horizon in SOME_HORIZONS})
    totals = within.groupby(after["row"].to_numpy()).sum()
    variance = variance_of_totals(arrays, on, followed, totals.index.to_numpy(), totals.to_numpy().T)
    return estimates(arrays, on, followed, variance, SOME_HORIZONS)


def explode_polars(arrays: Arrays) -> Answer:
    """A row for each claimant and day on benefit, repeated ones dropped; lazy frames, streaming engine."""
    import polars as pl

    people = pl.LazyFrame({"arm": arrays.arm, "index_day": arrays.index_day, "follow_up": arrays.follow_up})
    people = people.with_columns(row=pl.int_range(pl.len(), dtype=pl.Int32))
    spells = pl.LazyFrame({"row": arrays.owner, "start": arrays.start, "end": arrays.end})
    first = (pl.col("start") - pl.col("index_day")).clip(lower_bound=-arrays.pre_days)
    last = pl.min_horizontal(pl.col("end") - pl.col("index_day"), "follow_up")
    days = (
        spells.join(people, on="row")
        .select("row", "arm", first=first, last=last)
        .filter(pl.col("last") > pl.col("first"))
        .select("row", "arm", day=pl.int_ranges("first", "last", dtype=pl.Int32))
        .explode("day")
        .unique()
        .collect(engine="streaming")
    )
    arm, day, n = cells(days.group_by("arm", "day").len())
    on = table_of(arrays.n_days, arm, day + arrays.pre_days, n)
    followed = followed_by_day(arrays, *cells(people.group_by("arm", "follow_up").len().collect()))
    within = [pl.col("weight").filter(pl.col("day") < horizon).sum().alias(f"{horizon}") for horizon in SOME_HORIZONS]
    weight = pl.LazyFrame(weight_of_days(arrays, followed))
    totals = days.lazy().join(weight, on=["arm", "day"]).group_by("row").agg(within).collect(engine="streaming")
    row, *by_horizon = cells(totals)
    variance = variance_of_totals(arrays, on, followed, row, np.array(by_horizon))
    return estimates(arrays, on, followed, variance, SOME_HORIZONS)


def explode_duckdb(arrays: Arrays) -> Answer:
    """A row for each claimant and day on benefit, repeated ones dropped; SQL."""
    connection = connected(arrays)
    connection.execute(
        f"""create temp table days as
        select distinct row, arm, unnest(range(first, last))::int as day
        from (
            select row, arm, greatest("start" - index_day, {-arrays.pre_days}) as first,
                least("end" - index_day, follow_up) as last
            from spells join people using (row)
        )
        where last > first"""
    )
    arm, day, n = fetched(connection, "select arm, day, count(*) as n from days group by arm, day")
    on = table_of(arrays.n_days, arm, day + arrays.pre_days, n)
    leavers = fetched(connection, "select arm, follow_up, count(*) as n from people group by arm, follow_up")
    followed = followed_by_day(arrays, *leavers)
    registered(connection, "weights", weight_of_days(arrays, followed))
    sums = ", ".join(f'coalesce(sum(weight) filter (day < {horizon}), 0) as "{horizon}"' for horizon in SOME_HORIZONS)
    row, *totals = fetched(connection, f"select row, {sums} from days join weights using (arm, day) group by row")
    variance = variance_of_totals(arrays, on, followed, row, np.array(totals))
    return estimates(arrays, on, followed, variance, SOME_HORIZONS)


def dense(arrays: Arrays) -> Answer:
    """A matrix of days × claimants in NumPy, filled and summed in blocks that stay in the cache."""
    lengths = np.arange(arrays.horizon + 2)
    n = np.bincount(arrays.arm * lengths.size + arrays.follow_up, minlength=2 * lengths.size)
    followed = followed_by_day(arrays, np.repeat([0, 1], lengths.size), np.tile(lengths, 2), n)
    on = np.zeros((2, arrays.n_days), dtype=np.int64)
    blocks = []
    for arm, claimants, states in dense_blocks(arrays, arrays.pre_days):
        on[arm] += np.count_nonzero(states, axis=1)
        blocks.append((arm, arrays.follow_up[claimants], states[arrays.pre_days : -1].copy()))
    after = np.s_[:, arrays.pre_days : -1]
    n, p = followed[after], (on / followed)[after]
    variance = np.zeros((2, arrays.horizon))
    for arm, follow_up, states in blocks:
        influence = np.zeros(follow_up.size)
        for day in range(arrays.horizon):
            influence += states[day] * (1 / n[arm, day])
            influence -= (follow_up > day) * (p[arm, day] / n[arm, day])
            variance[arm, day] += influence @ influence
    return estimates(arrays, on, followed, variance)


def dense_blocks(arrays: Arrays, pre_days: int) -> Iterator[tuple[int, Array, Array]]:
    """(arm, claimants, who is on benefit on each day) for some thousand claimants of one arm at a time."""
    column_of = np.empty_like(arrays.arm)
    ranked = np.argsort(arrays.arm, kind="stable")
    column_of[ranked] = np.arange(ranked.size, dtype=np.int32)
    order = np.argsort(column_of[arrays.owner])
    owner = arrays.owner[order]
    column, index_day, latest = column_of[owner], arrays.index_day[owner], arrays.follow_up[owner]
    edges = [np.clip(days[order] - index_day, -pre_days, latest) for days in (arrays.start, arrays.end)]
    n_control, n_days = int((arrays.arm == 0).sum()), pre_days + arrays.horizon + 1
    for arm, low, high in ((0, 0, n_control), (1, n_control, ranked.size)):
        for begin in range(low, high, BLOCK):
            width = min(BLOCK, high - begin)
            mine = slice(*np.searchsorted(column, [begin, begin + width]))
            depth = np.zeros((n_days + 1, width), dtype=np.int8)
            for days, step in zip(edges, (1, -1), strict=True):
                cell = (days[mine] + pre_days) * width + (column[mine] - begin)
                np.add.at(depth.ravel(), cell, np.int8(step))
            for day in range(1, n_days):
                depth[day] += depth[day - 1]
            yield arm, ranked[begin : begin + width], depth[:-1] > 0


def connected(arrays: Arrays) -> Any:
    """DuckDB with the arrays as the tables people and spells, without a copy."""
    import duckdb

    connection = duckdb.cursor()
    people = {"arm": arrays.arm, "index_day": arrays.index_day, "follow_up": arrays.follow_up}
    registered(connection, "people", {"row": np.arange(arrays.arm.size, dtype=np.int32), **people})
    registered(connection, "spells", {"row": arrays.owner, "start": arrays.start, "end": arrays.end})
    return connection


def registered(connection: Any, name: str, columns: dict[str, Array]) -> None:
    """Let DuckDB see columns as a table."""
    import pyarrow as pa

    connection.register(name, pa.table(columns))


def fetched(connection: Any, sql: str) -> list[Array]:
    """The columns of a query's result."""
    return list(connection.execute(sql).fetchnumpy().values())


def cells(frame: Any) -> list[Array]:
    """The columns of a pandas or Polars frame."""
    return [frame[name].to_numpy() for name in frame.columns]
