"""SQLite and DuckDB against memory, on every kind of mess: whole numbers equal, bit for bit."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlglot
from alike import FilledDuckDB, assert_alike, in_duckdb, in_memory, in_sqlite
from hypothesis import given, settings
from strategies import small_trials
from trials import SmallTrial

import trialimpact as ti
from trialimpact.engines import Database, DuckDB, engine_job
from trialimpact.engines.engine import columns_of_rows
from trialimpact.groups import age_in_years
from trialimpact.synthetic import simulate_iap, simulate_trial

ENGINES = {"sqlite": in_sqlite, "duckdb": in_duckdb}

SUBGROUPS = [
    {"name": "x", "where": {"column": "site", "equals": "x"}},
    {"name": "not_k", "where": {"not": {"column": "team", "one_of": ["k"]}}},
    {"name": "before", "where": {"any_days": {"outcome": "a", "from_day": -3, "to_day": 0}}},
    {"name": "either", "where": {"any_of": [{"column": "site", "equals": "y"},
                                            {"any_days": {"outcome": "a_or_b", "from_day": -6, "to_day": -2}}]}},
    {"name": "both", "where": {"all_of": [{"column": "site", "equals": "y"},
                                          {"any_days": {"outcome": "a_not_b", "from_day": -2, "to_day": 1}}]}},
]  # fmt: skip


KINDS_OF_ANALYSIS = [{}, {"strata": ["site", "team"]}, {"clusters": "team"}]


def assert_alike_on_messy_trials(engine: str, analysis: dict[str, Any], n_trials: int) -> None:
    @given(trial=small_trials())
    @settings(max_examples=n_trials)
    def on_one(trial: SmallTrial) -> None:
        trial.analysis, trial.more = analysis, {"subgroups": SUBGROUPS}
        assert_alike(ENGINES[engine](trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))

    on_one()


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("analysis", KINDS_OF_ANALYSIS)
def test_messy_trials_give_the_same_whole_numbers(engine: str, analysis: dict[str, Any]) -> None:
    assert_alike_on_messy_trials(engine, analysis, n_trials=4)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("analysis", KINDS_OF_ANALYSIS)
def test_many_messy_trials(engine: str, analysis: dict[str, Any]) -> None:
    assert_alike_on_messy_trials(engine, analysis, n_trials=40)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("simulate", [simulate_trial, simulate_iap])
def test_markers_claims_and_characteristics(engine: str, simulate: Any) -> None:
    """Statuses, misallocation, claims matched, ages, Repeat, levels by conditions, numbers: all through SQL."""
    trial = simulate(600, seed=3)
    assert_alike(ENGINES[engine](trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


def test_shards_add_up() -> None:
    trial = simulate_trial(500, seed=4)
    assert_alike(in_duckdb(trial.protocol, trial.tables, shards=3), in_memory(trial.protocol, trial.tables))


def test_shards_by_whole_number_keys() -> None:
    people, spells = _numbered_people()
    trial = SmallTrial(people, spells)
    assert_alike(in_sqlite(trial.protocol, trial.tables, shards=3), in_memory(trial.protocol, trial.tables))


def _numbered_people() -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng(5)
    n = 40
    people = pd.DataFrame(
        {"claimant_id": np.arange(n), "arm": np.tile(["T", "C"], n // 2), "index": rng.integers(0, 9, n)}
    )
    start = rng.integers(-20, 20, 120)
    spells = pd.DataFrame(
        {"claimant_id": rng.integers(0, n, 120), "kind": rng.choice(["a", "b"], 120), "start": start,
         "end": start + rng.integers(0, 9, 120)}
    )  # fmt: skip
    return people, spells


def test_duckdb_reads_the_files_itself(tmp_path: Path) -> None:
    simulate_trial(600, seed=6).write(tmp_path)
    with DuckDB() as engine:
        counted = ti.analyse_trial(tmp_path / "protocol.toml", engine)
    memory = ti.analyse_trial(tmp_path / "protocol.toml")
    assert_alike(counted.counts, memory.counts)
    pd.testing.assert_frame_equal(counted.to_frame(), memory.to_frame())
    with pytest.raises(ti.DesignError, match="an engine counted"):
        _ = counted.panel


def test_duckdb_reads_parquet_with_real_dates(tmp_path: Path) -> None:
    trial = simulate_trial(600, seed=7)
    sources = {}
    for name, frame in trial.tables.items():
        dates = [column for column in frame if "date" in column]
        for date in dates:
            frame[date] = pd.to_datetime(frame[date].replace("", None), errors="coerce")
        frame.to_parquet(tmp_path / f"{name}.parquet")
        sources[name] = f"{name}.parquet"
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for name, file in sources.items():
        data["sources"][name]["file"] = file
    protocol = ti.TrialProtocol.from_dict(data)
    with DuckDB() as engine:
        counted = engine_job(protocol, engine, tmp_path).run()
    assert_alike(counted, ti.analyse_trial(protocol, folder=tmp_path).counts)


@pytest.mark.parametrize("text", ["2015-02-30", "15/03/2015", "soon"])
def test_a_date_that_cannot_be_read_stops_the_run(tmp_path: Path, text: str) -> None:
    simulate_trial(200, seed=1).write(tmp_path)
    path = tmp_path / "benefit_spells.csv"
    lines = path.read_text().splitlines()
    cells = lines[5].split(",")
    cells[2] = text
    path.write_text("\n".join([*lines[:5], ",".join(cells), *lines[6:]]) + "\n")
    with DuckDB() as engine, pytest.raises(ti.RecordError, match="date_is_readable") as error:
        ti.analyse_trial(tmp_path / "protocol.toml", engine)
    assert text not in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"start": [9], "end": [3]}, "end_not_before_start"),
        ({"start": [99], "end": [101]}, "start_before_extract"),
        ({"claimant_id": [None]}, "claimant_id_is_given"),
        ({"claimant_id": ["stranger"]}, "spells_link_to_people"),
    ],
)
def test_broken_rules_stop_an_engine_too(engine: str, change: dict[str, list[Any]], rule: str) -> None:
    people = pd.DataFrame({"claimant_id": ["p", "q"], "arm": ["T", "C"], "index": [0, 0]})
    row = pd.DataFrame({"claimant_id": ["p"], "kind": ["a"], "start": [1], "end": [4]} | change)
    whole = [] if rule == "spells_link_to_people" else [pd.DataFrame([("p", "a", 1, 4)], columns=list(row))]
    trial = SmallTrial(people, pd.concat([row, *whole], ignore_index=True))
    for run in (in_memory, ENGINES[engine]):
        with pytest.raises(ti.RecordError, match=rule) as error:
            run(trial.protocol, trial.tables)
        assert "stranger" not in str(error.value)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_claimant_twice_and_an_unknown_arm(engine: str) -> None:
    people = pd.DataFrame({"claimant_id": ["p", "q", "q", "r"], "arm": ["T", "C", "C", "X"], "index": [0, 0, 0, 1]})
    trial = SmallTrial(people, pd.DataFrame({"claimant_id": ["p"], "kind": ["a"], "start": [1], "end": [4]}))
    for run in (in_memory, ENGINES[engine]):
        with pytest.raises(ti.RecordError) as error:
            run(trial.protocol, trial.tables)
        assert "2 of 4" in str(error.value)
        assert "assigned_arm_is_known" in str(error.value)


def test_ages_by_whole_number_arithmetic_are_those_of_the_calendar() -> None:
    """Every birthday around leap days, and random dates over two centuries."""
    from trialimpact.engines.conditions import _ages
    from trialimpact.loaders import day_of

    rng = np.random.default_rng(1)
    birth = np.r_[rng.integers(day_of(dt.date(1900, 1, 1)), day_of(dt.date(2010, 1, 1)), 4_000),
                  [day_of(dt.date(year, month, day)) for year in (1996, 2000) for month, day in ((2, 28), (2, 29), (3, 1))]]  # fmt: skip
    index = np.r_[birth[:4_000] + rng.integers(0, 36_000, 4_000), np.full(6, day_of(dt.date(2014, 2, 28)))]
    index[:40] = birth[:40] + 366
    frame = pd.DataFrame({"cid": range(birth.size), "birth_day": birth, "index_day": index})
    with DuckDB() as engine:
        engine._connection.register("ti_part", frame)
        found = engine.fetch(f"select age from ({_ages()}) q order by cid")["age"]
    assert np.array_equal(found, age_in_years(birth, index))


DIALECTS = ["duckdb", "postgres", "databricks", "snowflake", "tsql", "redshift", "trino"]


@pytest.fixture(scope="module")
def job() -> Any:
    """A job whose statements are only looked at."""
    trial = simulate_iap(200, seed=1)
    return engine_job(trial.protocol, FilledDuckDB(trial.protocol, trial.tables))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_statement_parses_in_other_dialects(dialect: str, job: Any) -> None:
    statements = [step.sql for step in job.steps()]
    assert len(statements) > 20
    for sql in statements:
        sqlglot.parse_one(sql, read=dialect, error_level=sqlglot.ErrorLevel.RAISE)


def test_the_statements_can_be_read_before_anything_runs(job: Any) -> None:
    text = job.sql()
    assert text.count("create temporary table") == sum(step.kind == "table" for step in job.steps())
    assert text.count("comes back") == sum(step.kind == "fetch" for step in job.steps())
    # What comes back is counted: no statement that is fetched hands out a claimant.
    for step in job.steps():
        if step.kind == "fetch":
            select = sqlglot.parse_one(step.sql, read="duckdb").selects
            assert not {each.alias_or_name for each in select} & {"cid", "claimant_id"}


def test_only_sums_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """No identifier is among what an engine hands over."""
    trial = simulate_trial(300, seed=2)
    keys = {str(nino)[:8] for nino in trial.tables["claimants"]["claimant_id"]}
    seen: list[str] = []
    plain = DuckDB.fetch

    def watched(self: DuckDB, sql: str) -> Any:
        rows = plain(self, sql)
        seen.extend(str(value) for values in rows.values() for value in values.tolist())
        return rows

    monkeypatch.setattr(DuckDB, "fetch", watched)
    with FilledDuckDB(trial.protocol, trial.tables) as engine:
        engine_job(trial.protocol, engine).run()
    assert seen
    assert not keys & {value[:8] for value in seen}


def test_a_missing_column_is_named() -> None:
    trial = simulate_trial(100, seed=1)
    with DuckDB(queries={"claimants": "select 'QQ000001A' as claimant_id"}) as engine:
        with pytest.raises(ti.TrialImpactError):
            engine_job(trial.protocol, engine)
        engine.queries = dict.fromkeys(["claimants", "markers", "benefit", "employment"], "select 1 as claimant_id")
        with pytest.raises(ti.RecordError, match="start_day"):
            engine_job(trial.protocol, engine)


def test_wrong_queries_tell_no_record() -> None:
    trial = simulate_trial(100, seed=1)
    query = "select cast('QQ123456A' as integer) as claimant_id"
    with DuckDB(queries=dict.fromkeys(["claimants", "markers", "benefit", "employment"], query)) as engine:
        with pytest.raises(ti.RecordError) as error:
            engine_job(trial.protocol, engine)
        assert "QQ" not in str(error.value)
        assert error.value.__cause__ is None


def test_an_unknown_source_and_quarantine_are_refused() -> None:
    trial = simulate_trial(100, seed=1)
    with DuckDB(queries={"benefits": "select 1"}) as engine:
        with pytest.raises(ti.ProtocolError, match="no source 'benefits'"):
            engine_job(trial.protocol, engine)
        with pytest.raises(ti.ProtocolError, match="sets no rows aside"):
            ti.analyse_trial(trial.protocol, engine, on_broken_rule="quarantine")


def test_sqlserver_words() -> None:
    engine = Database(object(), dialect="sqlserver", double="float")
    made = engine.worded("ti_part", "select * from ti_analysed")
    assert made == "select * into #ti_part from (select * from #ti_analysed) made"


def test_rows_of_a_cursor() -> None:
    rows = columns_of_rows(["n", "label"], [(1, "a"), (2, None)])
    assert rows["n"].dtype == np.int64
    assert rows["label"].tolist() == ["a", None]
    assert columns_of_rows(["n"], [])["n"].size == 0
