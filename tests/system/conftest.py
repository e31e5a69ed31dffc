"""A PostgreSQL server and a Spark session, for the tests of this folder; skipped with a reason where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SPARK_SETTINGS = {
    "spark.ui.enabled": "false",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.driver.memory": "4g",
}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A connection to a server that runs for these tests alone."""
    psycopg = pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not programs:
        pytest.skip("there is no PostgreSQL server on this machine (Debian: apt install postgresql)")
    binaries, folder = programs[-1].parent, tmp_path_factory.mktemp("postgres")
    as_other: list[str] = []
    if os.geteuid() == 0:
        # The server refuses to run as root.
        if shutil.which("runuser") is None:
            pytest.skip("as root, PostgreSQL needs runuser")
        as_other = ["runuser", "-u", "postgres", "--"]
        for path in (folder, *folder.parents[:2]):
            path.chmod(0o755)
        shutil.chown(folder, "postgres")
    data = folder / "data"
    run = [*as_other, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "postgres"]
    subprocess.run(run, check=True, capture_output=True, cwd=folder)
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    control = [*as_other, str(binaries / "pg_ctl"), "-D", str(data), "-l", str(folder / "log"), "-w"]
    subprocess.run([*control, "-o", options, "start"], check=True, capture_output=True, cwd=folder)
    try:
        with psycopg.connect(host=str(folder), user="postgres", dbname="postgres", autocommit=True) as opened:
            yield opened
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd=folder)


@pytest.fixture(scope="session", params=["classic", "connect"])
def spark(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A local session, classic or through Spark Connect."""
    pyspark_sql = pytest.importorskip("pyspark.sql", reason="pyspark is not installed")
    if shutil.which("java") is None:
        pytest.skip("Spark needs Java")
    builder = pyspark_sql.SparkSession.builder.appName("trialimpact")
    builder = builder.master("local[1]") if request.param == "classic" else builder.remote("local[1]")
    for setting, value in SPARK_SETTINGS.items():
        builder = builder.config(setting, value)
    with warnings.catch_warnings():
        # Connect starts its server with all settings, and then warns of those that only a server can take.
        warnings.filterwarnings("ignore", message="Failed to set spark")
        opened = builder.getOrCreate()
    yield opened
    opened.stop()
