"""Any database with a Python driver (PEP 249): SQLite, PostgreSQL, SQL Server, Snowflake, Databricks SQL."""

from __future__ import annotations

import contextlib
import importlib
import re
import sqlite3
from collections.abc import Mapping
from typing import Any

from trialimpact.engines.engine import Engine, Rows, columns_of_rows
from trialimpact.engines.words import PREFIX


class Database(Engine):
    """Counts in a database, over a connection that the caller opened.

    Parameters
    ----------
    connection : PEP 249 connection
        Left open; nothing is committed but temporary tables, which end with it.
    queries : mapping of source to SELECT, optional
        In place of the protocol's `query`.
    dialect : {"standard", "sqlserver"}
        How temporary tables are made: `create temporary table ... as`, or `select ... into #...`.
    double : str
        The database's word for a floating-point number ("float" in SQL Server).
    shards : int
        Split claimants so many ways and count one part after the other.
    """

    name = "database"
    remedy = "correct the query, or look at the statement in what --print-sql shows"

    def __init__(
        self,
        connection: Any,
        *,
        queries: Mapping[str, str] | None = None,
        dialect: str = "standard",
        double: str = "double precision",
        shards: int = 1,
    ) -> None:
        self._connection = connection
        self._server = dialect == "sqlserver"
        self.queries, self.double, self.shards = dict(queries or {}), double, shards
        self.name = type(connection).__module__.split(".")[0]

    def table(self, name: str, sql: str) -> None:
        """Make a temporary table."""
        self._run(f"drop table if exists {self._named(name)}")
        self._run(self.worded(name, sql))
        if self.name == "psycopg":
            # Without statistics its planner takes a new table for a small one.
            self._run(f"analyze {name}")

    def fetch(self, sql: str) -> Rows:
        """The rows of a query."""
        cursor = self._run(self._named(sql))
        rows = self.attempt(cursor.fetchall)
        return columns_of_rows([column[0].lower() for column in cursor.description], rows)

    def worded(self, name: str, sql: str) -> str:
        """The statement that makes a table."""
        if self._server:
            return f"select * into #{name} from ({self._named(sql)}) made"
        return super().worded(name, sql)

    def _named(self, sql: str) -> str:
        """In SQL Server a temporary table's name begins with #; what stands in quotes is no name."""
        if not self._server:
            return sql
        parts = sql.split("'")
        parts[::2] = [re.sub(rf"\b({PREFIX}\w+)", r"#\1", part) for part in parts[::2]]
        return "'".join(parts)

    def _run(self, sql: str) -> Any:
        cursor = self.attempt(self._connection.cursor)
        self.attempt(lambda: cursor.execute(sql))
        return cursor


class OpenedDatabase(Database):
    """A database whose connection was opened for the engine, and ends with it."""

    def close(self) -> None:
        """Let go of the connection, if it is not lost already."""
        with contextlib.suppress(Exception):
            self._connection.close()


def open_database(driver: str, address: str) -> Any:
    """A connection by the name of a driver: "sqlite3" with a file (opened for reading), or any PEP 249 module."""
    if driver == "sqlite3":
        return sqlite3.connect(f"file:{address}?mode=ro", uri=True)
    return importlib.import_module(driver).connect(address)
