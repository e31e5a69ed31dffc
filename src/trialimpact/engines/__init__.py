"""The same counts where the records live: DuckDB, Spark, or any database with a Python driver."""

from trialimpact.engines.dbapi import Database, open_database
from trialimpact.engines.duckdb import DuckDB
from trialimpact.engines.engine import Engine
from trialimpact.engines.job import EngineJob, engine_job
from trialimpact.engines.opening import open_engine
from trialimpact.engines.spark import Spark

__all__ = ["Database", "DuckDB", "Engine", "EngineJob", "Spark", "engine_job", "open_database", "open_engine"]
