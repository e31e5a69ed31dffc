"""DuckDB (extra `duckdb`): in this process, past memory; reads CSV and Parquet files by itself."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trialimpact.engines.conditions import numeric_columns
from trialimpact.engines.engine import Engine, Rows
from trialimpact.engines.sources import characteristics
from trialimpact.engines.words import quoted
from trialimpact.errors import ProtocolError, RecordError, worded
from trialimpact.loaders import day_of
from trialimpact.loaders.dates import DAYS_SINCE
from trialimpact.loaders.schema import DATES, LABELS, kind_of, source_of
from trialimpact.protocol import TrialProtocol
from trialimpact.protocol.sources import Source

_READERS = {
    ".csv": "read_csv({}, all_varchar = true, header = true, strict_mode = true)",
    ".csv.gz": "read_csv({}, all_varchar = true, header = true, strict_mode = true)",
    ".parquet": "read_parquet({})",
}


class DuckDB(Engine):
    """Counts in DuckDB.

    Parameters
    ----------
    database : path, optional
        A database file to read from; nothing is written into it. Default: none, for files.
    queries : mapping of source to SELECT, optional
        In place of the protocol's `query` or `file`.
    memory_limit, temp_directory : str, optional
        As DuckDB's settings: "2GB", and where to spill.
    threads : int, optional
    shards : int
        Claimants are split so many ways and counted one part after the other, in less memory.
    """

    name = "duckdb"
    double = "double"

    def __init__(
        self,
        database: str | Path | None = None,
        *,
        queries: Mapping[str, str] | None = None,
        memory_limit: str | None = None,
        temp_directory: str | Path | None = None,
        threads: int | None = None,
        shards: int = 1,
    ) -> None:
        try:
            self._duckdb: Any = importlib.import_module("duckdb")
        except ModuleNotFoundError:
            raise ProtocolError(
                worded("the engine duckdb needs the package duckdb.", remedy="pip install 'trialimpact[duckdb]'")
            ) from None
        self.queries, self.shards = dict(queries or {}), shards
        settings: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        settings["temp_directory"] = None if temp_directory is None else str(temp_directory)
        try:
            self._connection = self._duckdb.connect(str(database or ":memory:"), read_only=database is not None)
            for setting, value in settings.items():
                if value is not None:
                    self._connection.execute(f"set {setting} = {quoted(str(value))}")
        except self._duckdb.Error as error:
            remedy = "correct the database, memory_limit or temp_directory"
            raise ProtocolError(worded(f"duckdb did not open ({type(error).__name__}).", remedy=remedy)) from None

    def table(self, name: str, sql: str) -> None:
        """Make a temporary table."""
        # The order of rows matters where they are read, and nowhere after.
        self._connection.execute(f"set preserve_insertion_order = {'true' if name.startswith('ti_in_') else 'false'}")
        self._run(f"create or replace temp table {name} as {sql}")

    def fetch(self, sql: str) -> Rows:
        """The rows of a query."""
        columns = self._run(sql).fetchnumpy()
        return {name: _plain(values) for name, values in columns.items()}

    def scan(self, protocol: TrialProtocol, source: str, folder: Path) -> str:
        """A query over the source's CSV or Parquet file."""
        described = source_of(protocol, source)
        if described.file is None:
            return super().scan(protocol, source, folder)
        path = folder / described.file
        ending = next((each for each in _READERS if path.name.lower().endswith(each)), None)
        if ending is None or not path.is_file():
            says = "there is no file" if ending else "duckdb reads .csv, .csv.gz and .parquet, not"
            raise RecordError(worded(f"{source}: {says} {path}", remedy="correct the file, or give a query"))
        reader = _READERS[ending].format(quoted(str(path)))
        found = self._run(f"describe select * from {reader}").fetchall()
        return _reading(protocol, source, reader, {row[0]: row[1] for row in found})

    def close(self) -> None:
        """Close the connection; temporary tables vanish with it."""
        self._connection.close()

    def _run(self, sql: str) -> Any:
        try:
            return self._connection.execute(sql)
        except self._duckdb.Error as error:
            # Its message may quote a record, so only its kind is told.
            raise DuckDBError(type(error).__name__) from None


class DuckDBError(RecordError):
    """A statement that DuckDB did not run."""

    def __init__(self, kind: str) -> None:
        remedy = "correct the query or the file; where memory ran out, set memory_limit, temp_directory or shards"
        super().__init__(worded(f"duckdb stopped with {kind}.", remedy=remedy))


def _plain(values: Any) -> Any:
    """A masked array as one of objects, with None where null."""
    found = np.ma.asarray(values)
    missing = np.ma.getmaskarray(found)
    if not missing.any():
        return np.asarray(found.data)
    objects = found.data.astype(object)
    objects[missing] = None
    return objects


def _reading(protocol: TrialProtocol, name: str, reader: str, types: dict[str, str]) -> str:
    """The library's columns, from a file's: text and numbers as they are, dates as whole days."""
    source, kind = source_of(protocol, name), kind_of(name)
    columns, unreadable = [], []

    def theirs(column: str) -> str | None:
        found = source.columns.get(column, column)
        return '"' + found.replace('"', '""') + '"' if found in types else None

    for column in ("claimant_id", *LABELS[kind], *(characteristics(protocol) if kind == "claimants" else ())):
        found = theirs(column)
        if found is None:
            continue
        if column in numeric_columns(protocol):
            columns.append(f"try_cast({found} as double) as {column}")
            unreadable.append(f"(trim(cast({found} as varchar)) <> '' and try_cast({found} as double) is null)")
        else:
            columns.append(f"trim({found}) as {column}" if _is_key(column, types, source) else f"{found} as {column}")
    for column in DATES[kind]:
        found = theirs(column)
        if found is None:
            continue
        day, bad = _day(found, types[source.columns.get(column, column)], source.date_format)
        columns.append(f"{day} as {column.replace('_date', '_day')}")
        unreadable.append(bad)
    columns.append(f"case when {' or '.join(unreadable) or 'false'} then 1 else 0 end as unreadable")
    if kind == "markers":
        columns.append("row_number() over () as row_no")
    return f"select {', '.join(columns)} from {reader}"


def _is_key(column: str, types: dict[str, str], source: Source) -> bool:
    """Outer spaces are not part of a text identifier."""
    return column == "claimant_id" and types[source.columns.get(column, column)] == "VARCHAR"


def _day(column: str, kind: str, date_format: str) -> tuple[str, str]:
    """Whole days since 1970-01-01 of a column, null where blank; and whether a value cannot be read."""
    epoch = "date '1970-01-01'"
    text = f"trim(cast({column} as varchar))"
    given = f"({column} is not null and {text} <> '')"
    if counted_from := DAYS_SINCE.fullmatch(date_format):
        import datetime as dt

        offset = day_of(dt.date.fromisoformat(counted_from[1]))
        number = f"try_cast(try_cast({text} as double) as bigint)"
        return f"{number} + {offset}", f"({given} and ({number} is null or {number} <> try_cast({text} as double)))"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        late = f"cast({column} as timestamp) <> cast(cast({column} as date) as timestamp)"
        return f"date_diff('day', {epoch}, cast({column} as date))", f"({column} is not null and {late})"
    plain = f"regexp_replace({text}, '[ T]00:00:00$', '')"
    parsed = f"try_strptime({plain}, {quoted(date_format)})"
    well = f"regexp_full_match({plain}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')" if date_format == "%Y-%m-%d" else "true"
    return (
        f"date_diff('day', {epoch}, cast({parsed} as date))",
        f"({given} and ({parsed} is null or not {well}))",
    )
