"""Engines by name, with their settings as text: what the command line knows of them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from trialimpact.engines.dbapi import OpenedDatabase, open_database
from trialimpact.engines.duckdb import DuckDB
from trialimpact.engines.engine import Engine
from trialimpact.engines.spark import Spark
from trialimpact.errors import ProtocolError, unknown_name, worded

SETTINGS: dict[str, tuple[str, ...]] = {
    "duckdb": ("database", "memory_limit", "temp_directory", "threads", "shards"),
    "spark": ("remote", "master", "folder", "shards"),
    "dbapi": ("driver", "address", "dialect", "double", "shards"),
}
"""What each engine takes, by name."""


def open_engine(name: str, settings: Mapping[str, str]) -> Engine:
    """An engine by its name ("duckdb", "spark", "dbapi") and settings.

    Raises
    ------
    ProtocolError
        There is no such engine or setting, a setting is missing or wrong, or it did not open.

    Examples
    --------
    >>> open_engine("duckdb", {"memory_limit": "1GB", "shards": "4"})
    DuckDB()
    """
    if name not in SETTINGS:
        raise unknown_name("engine", name, SETTINGS, where="trialimpact")
    for setting in settings:
        if setting not in SETTINGS[name]:
            raise unknown_name("setting", setting, SETTINGS[name], where=f"the engine {name}")
    given: dict[str, Any] = dict(settings)
    for number in ("shards", "threads"):
        if number in given:
            given[number] = _whole(number, given[number])
    if name == "duckdb":
        return DuckDB(given.pop("database", None), **given)
    if name == "dbapi":
        return _database(given)
    return _spark(given)


def _whole(setting: str, text: str) -> int:
    if not text.isdecimal() or not int(text):
        raise ProtocolError(worded(f"{setting}={text}: not a whole number above 0.", remedy=f"as in {setting}=4"))
    return int(text)


def _database(given: dict[str, Any]) -> Engine:
    driver, address = given.pop("driver", None), given.pop("address", None)
    if driver is None or address is None:
        remedy = "driver=sqlite3 address=records.db, or driver=psycopg address='host=... dbname=...'"
        raise ProtocolError(worded("the engine dbapi needs driver and address.", remedy=remedy))
    try:
        connection = open_database(driver, address)
    except Exception as error:
        # An address may hold a password, and a driver's message the address.
        says = f"the driver {driver} did not open its address ({type(error).__name__})."
        raise ProtocolError(worded(says, remedy="install the driver; correct the address")) from None
    return OpenedDatabase(connection, **given)


def _spark(given: dict[str, Any]) -> Engine:
    try:
        builder = importlib.import_module("pyspark.sql").SparkSession.builder.appName("trialimpact")
    except ModuleNotFoundError:
        remedy = "pip install 'trialimpact[spark]'"
        raise ProtocolError(worded("the engine spark needs the package pyspark.", remedy=remedy)) from None
    remote, master = given.pop("remote", None), given.pop("master", None)
    try:
        builder = builder.remote(remote) if remote else builder
        session = (builder.master(master) if master else builder).getOrCreate()
    except Exception as error:
        says = f"no Spark session ({type(error).__name__})."
        raise ProtocolError(worded(says, remedy="correct remote or master; Spark needs Java")) from None
    return Spark(session, **given)
