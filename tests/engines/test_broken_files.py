"""Files that DuckDB cannot read: the error is the one that the loader has, of the same table, rule and rows."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import trialimpact as ti
from trialimpact.engines import DuckDB
from trialimpact.synthetic import simulate_trial

TRIAL = simulate_trial(60, seed=1)

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def told(protocol: Path) -> list[str]:
    """The first line of what memory and DuckDB say."""
    said = []
    for engine in (None, DuckDB()):
        with pytest.raises(ti.RecordError) as error:
            ti.analyse_trial(protocol, engine)
        said.append(str(error.value).splitlines()[0])
        assert error.value.__cause__ is None
    return said


BROKEN: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "latin": (lambda text: text.replace(b",", b",\xf8", 40), "", "is not UTF-8 text"),
    "utf16": (lambda text: text.decode().encode("utf-16"), "", "is not UTF-8 text"),
    "semicolons": (lambda text: text.replace(b",", b";"), "", "between semicolons, not commas"),
    "semicolons_and_decimal_commas": (
        lambda text: text.replace(b",", b";").replace(b"0;", b"0,5;"),
        "",
        "between semicolons, not commas",
    ),
    "header_of_commas": (
        lambda text: text.split(b"\n")[0] + b"\n" + b"\n".join(text.split(b"\n")[1:]).replace(b",", b";"),
        "",
        "between semicolons, not commas",
    ),
    "empty": (lambda text: b"", "", "is empty"),
    "ragged": (lambda text: text.replace(b"\n", b",more\n", 9).replace(b",more", b"", 1), "", "8 rows have too few or"),
    "quote": (lambda text: text.replace(b"\n", b'\n"', 4).replace(b'\n"', b"\n", 3), "", "row"),
    "text_called_gz": (lambda text: text, ".csv.gz", "is not gzip"),
    "gz_cut_short": (lambda text: gzip.compress(text)[:-40], ".csv.gz", "cut short"),
    "text_called_parquet": (lambda text: text, ".parquet", "cut short, or not what its ending says"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_duckdb_says_what_the_loader_says(tmp_path: Path, broken: str) -> None:
    change, ending, says = BROKEN[broken]
    TRIAL.write(tmp_path)
    name = TRIAL.protocol.sources.spells["benefit"].file or ""
    there = tmp_path / name
    content = change(there.read_bytes())
    there.unlink()
    named = name.removesuffix(".csv") + (ending or ".csv")
    (tmp_path / named).write_bytes(content)
    protocol = tmp_path / "protocol.toml"
    protocol.write_text(protocol.read_text().replace(f'"{name}"', f'"{named}"'))
    in_memory, in_duckdb = told(protocol)
    assert in_memory == in_duckdb
    assert says in in_memory and in_memory.startswith("benefit: ")


@pytest.mark.parametrize("written", ["numbers", "infinity", "infinite moments"])
def test_dates_of_databases_are_read_by_both(tmp_path: Path, written: str) -> None:
    duckdb = pytest.importorskip("duckdb")
    TRIAL.write(tmp_path)
    expected = ti.analyse_trial(tmp_path / "protocol.toml").to_frame()
    spells = TRIAL.tables["benefit"]
    protocol = tmp_path / "protocol.toml"
    name = TRIAL.protocol.sources.spells["benefit"].file or ""
    file = 'file = "benefit.parquet"'
    if written == "numbers":
        days = {
            each: pd.to_numeric(spells[each].str.replace("-", "")).astype("Int64")
            for each in ("start_date", "end_date")
        }
        spells.assign(**days).to_parquet(tmp_path / "benefit.parquet")
        file += '\ndate_format = "%Y%m%d"'
    else:
        kind = "date" if written == "infinity" else "timestamp"
        ends = f"coalesce(nullif(end_date, '')::{kind}, 'infinity'::{kind})"
        columns = f"* replace (start_date::{kind} as start_date, {ends} as end_date)"
        duckdb.sql(f"copy (select {columns} from spells) to '{tmp_path / 'benefit.parquet'}'")
    protocol.write_text(protocol.read_text().replace(f'file = "{name}"', file))
    for engine in (None, DuckDB()):
        pd.testing.assert_frame_equal(ti.analyse_trial(protocol, engine).to_frame(), expected)


def test_a_column_that_is_nearly_called_so_stops_both(tmp_path: Path) -> None:
    TRIAL.write(tmp_path)
    markers = tmp_path / (TRIAL.protocol.sources.markers.file if TRIAL.protocol.sources.markers else "")
    markers.write_text(markers.read_text().replace("status", "Status", 1))
    in_memory, in_duckdb = told(tmp_path / "protocol.toml")
    assert in_memory == in_duckdb
    assert "there is no column 'status', and one whose name differs in capitals" in in_memory
