"""Puts a trial's tables where an engine finds them: the library's column names, dates as whole days."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from trialimpact import TrialProtocol
from trialimpact.loaders.schema import DATES, kind_of, source_of

EPOCH = pd.Timestamp("1970-01-01")
FAR = 2_932_896
"""9999-12-31."""


def whole_days(dates: pd.Series) -> list[int | None]:
    def day(text: Any) -> int | None:
        if pd.isna(text) or not str(text).strip():
            return None
        return FAR if str(text).startswith("9999") else (pd.Timestamp(text) - EPOCH).days

    return [day(text) for text in dates]


def library_tables(protocol: TrialProtocol, tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, list[Any]]]:
    """Each table as columns of plain Python values."""
    found = {}
    for name, frame in tables.items():
        ours = {theirs: mine for mine, theirs in source_of(protocol, name).columns.items()}
        columns: dict[str, list[Any]] = {}
        for theirs, values in frame.items():
            column = ours.get(theirs, theirs)
            if column in DATES[kind_of(name)]:
                columns[column.replace("_date", "_day")] = whole_days(values)
            elif column == column.lower() and " " not in column:
                columns[column] = [None if pd.isna(value) else value for value in values.tolist()]
        if name == "markers":
            columns["row_no"] = list(range(len(frame)))
        found[name] = columns
    return found


def sql_type(name: str, values: list[Any]) -> str:
    kinds = {type(value) for value in values if value is not None}
    if name.endswith("_day") or (kinds and kinds <= {int}):
        return "bigint"
    return "double precision" if kinds and kinds <= {int, float} else "varchar(250)"


def fill_database(
    run: Callable[[str], Any],
    run_many: Callable[[str, list[tuple[Any, ...]]], Any],
    tables: Mapping[str, dict[str, list[Any]]],
    mark: str = "?",
) -> dict[str, str]:
    """Create and fill one table a source; the query of each."""
    for name, columns in tables.items():
        run(f"drop table if exists place_{name}")
        run(f"create table place_{name} ({', '.join(f'{c} {sql_type(c, v)}' for c, v in columns.items())})")
        rows = list(zip(*columns.values(), strict=True))
        if rows:
            run_many(f"insert into place_{name} values ({', '.join([mark] * len(columns))})", rows)
    return {name: f"select * from place_{name}" for name in tables}
