"""Spark (extra `spark`; classic and Connect): tables are written and read again, never kept in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trialimpact.engines.engine import Engine, Rows


class Spark(Engine):
    """Counts in a Spark session that the caller made.

    Parameters
    ----------
    session : SparkSession
        Left running.
    queries : mapping of source to SELECT, optional
        In place of the protocol's `query`.
    folder : str, optional
        Where intermediate tables are written as Parquet, seen by every worker. Default: a temporary folder here,
        which suits a session on this machine. It is emptied on `close`.
    shards : int
        Split claimants so many ways and count one after the other.
    """

    name = "spark"
    double = "double"
    remedy = "correct the query; look at the session's own log"

    def __init__(
        self, session: Any, *, queries: Mapping[str, str] | None = None, folder: str | None = None, shards: int = 1
    ) -> None:
        self._session, self.queries, self.shards = session, dict(queries or {}), shards
        self._own = tempfile.mkdtemp(prefix="trialimpact-") if folder is None else None
        self._folder = self._own or folder
        self._written = 0

    def table(self, name: str, sql: str) -> None:
        """Write a query's rows as Parquet, and read them back under the name."""
        self._written += 1
        place = f"{self._folder}/{name}.{self._written}"
        self.attempt(lambda: self._session.sql(sql).write.mode("overwrite").parquet(place))
        self.attempt(lambda: self._session.read.parquet(place).createOrReplaceTempView(name))

    def fetch(self, sql: str) -> Rows:
        """The rows of a query."""
        arrow = self.attempt(lambda: self._session.sql(sql).toPandas())
        return {name.lower(): _plain(arrow[name].to_numpy()) for name in arrow.columns}

    def close(self) -> None:
        """Remove what was written."""
        if self._own is not None:
            shutil.rmtree(Path(self._own), ignore_errors=True)


def _plain(values: Any) -> Any:
    """Missing values as None."""
    if values.dtype.kind != "O":
        return values
    return np.array([None if value is None or value != value else value for value in values], dtype=object)
