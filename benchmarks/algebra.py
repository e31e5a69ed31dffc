"""The main job without claimant-days, in dataframe libraries: union of the spells, then sums at its edges.

This is the algebra of this library (methods page, M4; every horizon at once) in the words of pandas, Polars and
DuckDB. In pandas and Polars claimant, start and end are packed in one whole number, which sorts fastest; a running
maximum of packed ends, over all claimants at once, then says where each spell begins to be new.
"""

# ruff: noqa: S608 - the SQL is made of whole numbers and of names in this file

from __future__ import annotations

from typing import Any

import numpy as np
from contenders import cells, connected, fetched, registered
from generate import Array, Arrays, Window
from tables import Answer, estimates_at_edges, followed_by_day, weight_until


def algebra_pandas(arrays: Arrays) -> Answer:
    """Sort, cummax, groupby at the edges."""
    import pandas as pd

    people = pd.DataFrame({"arm": arrays.arm, "index_day": arrays.index_day, "follow_up": arrays.follow_up})
    followed = followed_by_day(arrays, *cells(people.groupby(["arm", "follow_up"]).size().reset_index()))
    spells = _disjoint_in_pandas(arrays, people)
    weight = weight_until(arrays, followed).ravel()
    side = spells["arm"].to_numpy() * (arrays.n_days + 1)
    at_start = weight[side + spells["start"].to_numpy()]
    spells["w"] = weight[side + spells["end"].to_numpy()] - at_start
    summed = spells["w"].cumsum() - spells["w"]
    spells["v"] = summed - summed.where(spells["row"].diff() != 0).ffill() - at_start
    edges = (cells(spells.groupby(["arm", edge])["v"].agg(["size", "sum"]).reset_index()) for edge in ("start", "end"))
    leavers = cells(spells.groupby(["arm", "follow_up"])["w"].sum().reset_index())
    return estimates_at_edges(arrays, followed, *edges, leavers)


def _disjoint_in_pandas(arrays: Arrays, people: Any) -> Any:
    """Sorted disjoint spells, days from the window's first: row, arm, follow_up, start, end."""
    import pandas as pd

    mine = people.take(arrays.owner)
    opens = mine["index_day"].to_numpy() - arrays.pre_days
    latest = mine["follow_up"].to_numpy() + arrays.pre_days
    bits, row = day_bits(arrays), arrays.owner.astype(np.int64)
    start, end = (np.clip(days - opens, 0, latest) for days in (arrays.start, arrays.end))
    key = pd.Series((row << 2 * bits) + (start << bits) + end).sort_values(ignore_index=True)
    row = key // 4**bits
    last = row * 2**bits + key % 2**bits
    reach = last.cummax().shift(fill_value=0)
    first = (key // 2**bits).clip(lower=reach).clip(upper=last)
    claimant = people[["arm", "follow_up"]].take(row).reset_index(drop=True)
    return claimant.assign(row=row, start=first % 2**bits, end=last % 2**bits)


def algebra_polars(arrays: Arrays) -> Answer:
    """Sort, cum_max, group_by at the edges."""
    import polars as pl

    people = pl.DataFrame({"arm": arrays.arm, "index_day": arrays.index_day, "follow_up": arrays.follow_up})
    spells = pl.LazyFrame({"row": arrays.owner, "start": arrays.start, "end": arrays.end})
    return sums_in_polars(arrays, people, spells)


def sums_in_polars(window: Window, people: Any, spells: Any) -> Answer:
    """The same from a frame of claimants and a lazy frame of spells: row, start, end."""
    import polars as pl

    followed = followed_by_day(window, *cells(people.group_by("arm", "follow_up").len()))
    weight = pl.lit(pl.Series(weight_until(window, followed).ravel()))
    side = pl.col("arm") * (window.n_days + 1)
    at_start, at_end = (weight.gather(side + pl.col(edge)) for edge in ("start", "end"))
    summed = pl.col("w").cum_sum() - pl.col("w")
    carried = pl.when(pl.col("row") != pl.col("row").shift(fill_value=2**32 - 1)).then(summed).forward_fill()
    edges = (
        _disjoint_in_polars(window, people, spells)
        .with_columns(at_start=at_start, w=at_end - at_start)
        .with_columns(v=summed - carried - pl.col("at_start"))
        .collect()
        .lazy()
    )
    starts, ends = (edges.group_by("arm", edge).agg(n=pl.len(), v=pl.col("v").sum()) for edge in ("start", "end"))
    leavers = edges.group_by("arm", "follow_up").agg(pl.col("w").sum())
    return estimates_at_edges(window, followed, *(cells(each) for each in pl.collect_all([starts, ends, leavers])))


def _disjoint_in_polars(window: Window, people: Any, spells: Any) -> Any:
    """Sorted disjoint spells, days from the window's first: row, arm, follow_up, start, end."""
    import polars as pl

    days, index_day, follow_up = 2 ** day_bits(window), pl.lit(people["index_day"]), pl.lit(people["follow_up"])
    opens = index_day.gather("row") - window.pre_days
    latest = follow_up.gather("row") + window.pre_days
    start, end = (
        pl.max_horizontal(pl.min_horizontal(pl.col(edge) - opens, latest), pl.lit(0, dtype=pl.Int32)).cast(pl.UInt64)
        for edge in ("start", "end")
    )
    key = (pl.col("row").cast(pl.UInt64) * days + start) * days + end
    spells = spells.select(key=key).sort("key").select("key", row=pl.col("key") // days**2)
    spells = spells.with_columns(last=pl.col("row") * days + (pl.col("key") & days - 1))
    reach = pl.col("last").cum_max().shift(fill_value=0)
    first = pl.min_horizontal(pl.max_horizontal(pl.col("key") // days, reach), "last")
    return spells.select(
        pl.col("row").cast(pl.UInt32),
        arm=pl.lit(people["arm"]).gather("row"),
        follow_up=follow_up.gather("row"),
        start=(first & days - 1).cast(pl.Int32),
        end=(pl.col("last") & days - 1).cast(pl.Int32),
    )


def algebra_duckdb(arrays: Arrays) -> Answer:
    """Window functions, group by at the edges; SQL."""
    connection = connected(arrays)
    leavers = fetched(connection, "select arm, follow_up, count(*) as n from people group by arm, follow_up")
    return sums_in_duckdb(connection, arrays, followed_by_day(arrays, *leavers))


def sums_in_duckdb(connection: Any, window: Window, followed: Array) -> Answer:
    """The rest of `algebra_duckdb`, from the tables people and spells of a connection."""
    weight, days = weight_until(window, followed), 2 ** day_bits(window)
    cell = np.arange(weight.size, dtype=np.int32)
    registered(connection, "weights", {"cell": cell, "until": weight.ravel()})
    day = f"greatest(least({{}} - index_day, follow_up) + {window.pre_days}, 0)"
    connection.execute(
        f"""create temp table keys as
        select (row::bigint * {days} + {day.format("start")}) * {days} + {day.format('"end"')} as key
        from spells join people using (row)
        order by key"""
    )
    # A window without an order runs over a sorted table as it stands, in one pass.
    connection.execute(
        f"""create temp table disjoint as
        with packed as (select key // {days} as first, key // {days**2} * {days} + key % {days} as last from keys),
        reached as (
            select *, coalesce(max(last) over (rows between unbounded preceding and 1 preceding), 0) as reach
            from packed
        )
        select (last // {days})::int as row, (last % {days})::int as last,
            (least(greatest(first, reach), reached.last) % {days})::int as first
        from reached"""
    )
    connection.execute(
        f"""create temp table edges as
        with weighed as (
            select row, arm, follow_up, first, last, b.until as at_first, a.until - b.until as w
            from disjoint join people using (row)
                join weights b on b.cell = arm * {weight.shape[1]} + first
                join weights a on a.cell = arm * {weight.shape[1]} + last
        )
        select *, sum(w) over (partition by row order by first, last) - w - at_first as v from weighed"""
    )
    starts, ends = (
        fetched(connection, f"select arm, {edge}, count(*) as n, sum(v) as v from edges group by arm, {edge}")
        for edge in ("first", "last")
    )
    leavers = fetched(connection, "select arm, follow_up, sum(w) as w from edges group by arm, follow_up")
    return estimates_at_edges(window, followed, starts, ends, leavers)


def day_bits(window: Window) -> int:
    """Bits that hold a day of the window, or the day after its last."""
    return int(window.n_days).bit_length()
