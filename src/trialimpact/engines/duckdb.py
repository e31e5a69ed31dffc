"""DuckDB (extra `duckdb`): in this process, past memory; reads CSV and Parquet files by itself."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from trialimpact.engines.duckdb_files import file_query, refuse_broken_file
from trialimpact.engines.engine import Engine, EngineError, Rows, T
from trialimpact.engines.words import literal
from trialimpact.errors import ProtocolError, worded
from trialimpact.loaders.schema import source_of
from trialimpact.protocol import TrialProtocol


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
    remedy = "correct the query or the file; where memory ran out, set memory_limit, temp_directory or shards"

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
        self._files: list[tuple[TrialProtocol, str, Path]] = []
        settings: dict[str, Any] = {"memory_limit": memory_limit, "threads": threads}
        settings["temp_directory"] = None if temp_directory is None else str(temp_directory)
        try:
            self._connection = self._duckdb.connect(str(database or ":memory:"), read_only=database is not None)
            for setting, value in settings.items():
                if value is not None:
                    self._connection.execute(f"set {setting} = {literal(str(value))}")
        except self._duckdb.Error as error:
            remedy = "correct the database, memory_limit or temp_directory"
            raise ProtocolError(worded(f"duckdb did not open ({type(error).__name__}).", remedy=remedy)) from None

    def table(self, name: str, sql: str) -> None:
        """Make a temporary table."""
        # The order of rows matters where they are read, and nowhere after.
        self._run(f"set preserve_insertion_order = {'true' if name.startswith('ti_raw_') else 'false'}")
        self._run(f"create or replace temp table {name} as {sql}")

    def fetch(self, sql: str) -> Rows:
        """The rows of a query."""
        columns = self.attempt(lambda: self._connection.execute(sql).fetchnumpy())
        return {name: _plain(values) for name, values in columns.items()}

    def scan(self, protocol: TrialProtocol, source: str, folder: Path) -> str:
        """A query over the source's CSV or Parquet file."""
        described = source_of(protocol, source)
        if described.file is None:
            return super().scan(protocol, source, folder)
        self._files.append((protocol, source, folder / described.file))
        return file_query(
            *self._files[-1],
            lambda sql: self.attempt(lambda: self._connection.execute(sql).fetchall()),
        )

    def close(self) -> None:
        """Close the connection; temporary tables vanish with it."""
        self._connection.close()

    def attempt(self, call: Callable[[], T]) -> T:
        """As in any engine, beside: DuckDB hears Ctrl-C when a query has ended, this thread at once.

        Where a file is broken, the error is the loader's.
        """

        def beside() -> T:
            with ThreadPoolExecutor(1) as threads:
                try:
                    return threads.submit(call).result()
                except BaseException:
                    self._connection.interrupt()
                    raise

        try:
            return super().attempt(beside)
        except EngineError:
            for each in self._files:
                refuse_broken_file(*each)
            raise

    def _run(self, sql: str) -> None:
        self.attempt(lambda: self._connection.execute(sql))


def _plain(values: Any) -> Any:
    """A masked array as one of objects, with None where null."""
    found = np.ma.asarray(values)
    missing = np.ma.getmaskarray(found)
    if not missing.any():
        return np.asarray(found.data)
    objects = found.data.astype(object)
    objects[missing] = None
    return objects
