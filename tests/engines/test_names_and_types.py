"""Names that mean something in SQL or to us, kinds of values, files: where an engine could differ unnoticed."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from alike import FilledDuckDB, assert_alike, in_duckdb, in_memory, in_sqlite
from pyarrow import parquet as pq
from trials import SmallTrial

import trialimpact as ti
from trialimpact.engines import DuckDB, engine_job
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

ENGINES = {"sqlite": in_sqlite, "duckdb": in_duckdb}


def people(n: int = 24, **more: Any) -> pd.DataFrame:
    frame = {
        "claimant_id": [f"p{place}" for place in range(n)],
        "arm": ["T", "C"] * (n // 2),
        "index": [0, 1, 2] * (n // 3),
    }
    return pd.DataFrame(frame | more)


def spells(n: int = 24) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    start = rng.integers(-20, 12, 3 * n)
    who = [f"p{place}" for place in rng.integers(0, n, start.size)]
    return pd.DataFrame(
        {"claimant_id": who, "kind": rng.choice(["a", "b"], start.size), "start": start, "end": start + 4}
    )


OURS = ["age", "received", "truncated", "dated", "in_window", "assigned", "cid", "blank_id", "error", "exempt", "marker",
        "status", "considered", "person", "birth_year", "days_0", "valid_id", "cell"]  # fmt: skip


@pytest.mark.parametrize("engine", ENGINES)
def test_characteristics_may_be_called_as_columns_of_ours(engine: str) -> None:
    rng = np.random.default_rng(4)
    described = {name: rng.choice(["u", "v", None], 24) for name in OURS}
    more = {
        "subgroups": [{"name": f"u_{name}", "where": {"column": name, "equals": "u"}} for name in OURS],
        "characteristics": [{"name": name, "column": name} for name in OURS[:4]],
    }
    trial = SmallTrial(people(**described), spells(), analysis={"strata": "cid"}, more=more)
    assert_alike(ENGINES[engine](trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))


def test_a_word_of_sql_is_given_by_another_name_or_read_from_a_file(tmp_path: Path) -> None:
    frame = people(group=["u", "v"] * 12)
    more = {"subgroups": [{"name": "u", "where": {"column": "group", "equals": "u"}}]}
    trial = SmallTrial(frame, spells(), more=more)
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for name, table in trial.tables.items():
        table.to_csv(tmp_path / f"{name}.csv", index=False)
        data["sources"][name]["file"] = f"{name}.csv"
    protocol = ti.TrialProtocol.from_dict(data)
    with DuckDB() as engine:
        assert_alike(engine_job(protocol, engine, tmp_path).run(), in_memory(trial.protocol, trial.tables))


@pytest.mark.parametrize("engine", ENGINES)
def test_age_beside_a_column_called_age_and_births_after_day_0(engine: str) -> None:
    births = ["1990-05-01", "2020-06-01", None] * 8
    more = {
        "subgroups": [
            {"name": "old", "where": {"age_at_index": {"between": [20, 60]}}},
            {"name": "not_adult", "where": {"not": {"age_at_index": {"between": [18, 99]}}}},
            {"name": "by_column", "where": {"column": "age", "between": [0, 40]}},
        ]
    }
    trial = SmallTrial(people(birth_date=births, age=list(range(24))), spells(), more=more)
    assert_alike(ENGINES[engine](trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))
    nobody = SmallTrial(people(birth_date=[None] * 24, age=1), spells(), more=more)
    for run in (in_memory, ENGINES[engine]):
        with pytest.raises(ti.DesignError, match="no claimant has a birth_date"):
            run(nobody.protocol, nobody.tables)


@pytest.mark.parametrize("engine", ENGINES)
def test_names_that_begin_alike_do_not_mix(engine: str) -> None:
    """Sources `a` and `a_old`, outcomes `x`, `x_net` and `net_x`, a source called `claimants_x`."""
    source = {"end_date": "first_day_after", "covered_from": "2019-11-01", "extract_date": "2020-03-01"}
    names = ["a", "a_old", "claimants_x"]
    protocol = ti.TrialProtocol.from_dict(
        {
            "name": "alike",
            "allocation": {"rule": "assigned", "control": "C", "arms": ["C", "T"]},
            "index": {"rule": "given"},
            "sources": {"claimants": {}, **dict.fromkeys(names, source)},
            "outcomes": [
                {"name": "x", "on": ["a"], "off": ["a_old"]},
                {"name": "x_net", "on": ["a_old"], "bridge_gap_days": 2},
                {"name": "net_x", "on": ["claimants_x", "a"]},
            ],
            "analysis": {"horizon_days": 10, "pre_days": 5},
        }
    )
    trial = SmallTrial(people(), spells())
    claimants = trial.tables["claimants"]
    one, other = trial.tables["a"], trial.tables["b"]
    tables = {"claimants": claimants, "a": one, "a_old": pd.concat([other, other]), "claimants_x": other}
    assert_alike(ENGINES[engine](protocol, tables), in_memory(protocol, tables))


@pytest.mark.parametrize("shards", [5])
def test_clusters_and_strata_are_those_of_everybody_whatever_the_shards(shards: int) -> None:
    frame = people(team=["k", "l", "m", "k"] * 6, wave=[1.0, 2.5, 1.0] * 8)
    for analysis in ({"clusters": "team"}, {"strata": "wave"}):
        trial = SmallTrial(frame, spells(), analysis=analysis)
        assert_alike(in_duckdb(trial.protocol, trial.tables, shards=shards), in_memory(trial.protocol, trial.tables))


def test_parquet_with_nan_booleans_floats_and_zones(tmp_path: Path) -> None:
    frame = people(
        score=[0.5, np.nan, 2.0, 7.0] * 6,
        flag=[True, False, True] * 8,
        yes=[True, False, False, None] * 6,
        wave=[1.0, 2.0, np.nan, 3.0] * 6,
        code=["1.0", "02", "x"] * 8,
    )
    more = {
        "subgroups": [
            {"name": "low", "where": {"column": "score", "between": [0, 2]}},
            {"name": "not_low", "where": {"not": {"column": "score", "between": [0, 2]}}},
            {"name": "answers_yes", "where": {"column": "yes", "equals": 1}},
        ],
        "characteristics": [
            {"name": "score", "column": "score", "kind": "numeric"},
            *({"name": name, "column": name} for name in ("flag", "wave", "code")),
        ],
    }
    trial = SmallTrial(frame, spells(), analysis={"strata": "wave"}, more=more)
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for name, table in trial.tables.items():
        table.to_parquet(tmp_path / f"{name}.parquet")
        data["sources"][name]["file"] = f"{name}.parquet"
    protocol = ti.TrialProtocol.from_dict(data)
    with DuckDB() as engine:
        assert_alike(engine_job(protocol, engine, tmp_path).run(), in_memory(trial.protocol, trial.tables))
    zoned = trial.tables["claimants"]
    zoned["index_date"] = pd.to_datetime(zoned["index_date"]).dt.tz_localize("Europe/London")
    zoned.to_parquet(tmp_path / "claimants.parquet")
    with DuckDB() as engine, pytest.raises(ti.RecordError, match="date_is_readable"):
        engine_job(protocol, engine, tmp_path).run()


@pytest.mark.parametrize(
    "odd, rule",
    [(1.5, "claimant_id_is_valid"), (2.0**60, "claimant_id_is_valid"), (1e30, "claimant_id_is_valid"),
     (float("inf"), "claimant_id_is_valid"), (float("nan"), "claimant_id_is_given"), (24.0, "")],
)  # fmt: skip
def test_numbers_of_parquet_as_identifiers(tmp_path: Path, odd: float, rule: str) -> None:
    """NaN as values, not as nulls: of these a file's statistics, which DuckDB trusts, know nothing."""
    trial = SmallTrial(people(wave=[1.0, float("nan"), 3.0] * 8), spells(), analysis={"strata": "wave"})
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for name, table in trial.tables.items():
        number = [odd if each == "p7" else float(each[1:]) for each in table["claimant_id"]]
        columns = {column: pa.array(table[column], from_pandas=False) for column in table}
        pq.write_table(pa.table(columns | {"claimant_id": number}), tmp_path / f"{name}.parquet")
        data["sources"][name]["file"] = f"{name}.parquet"
    protocol = ti.TrialProtocol.from_dict(data)
    with DuckDB() as engine:
        if not rule:
            assert_alike(engine_job(protocol, engine, tmp_path).run(), in_memory(trial.protocol, trial.tables))
            return
        with pytest.raises(ti.RecordError, match=f"claimants: 1 of 24 .*{rule}") as told:
            engine_job(protocol, engine, tmp_path).run()
    with pytest.raises(ti.RecordError, match=f"claimants: 1 of 24 .*{rule}") as in_python:
        ti.analyse_trial(protocol, folder=tmp_path)
    for each in ("claimant_id_is_valid", "claimant_id_is_given"):
        assert (each in str(told.value)) == (each in str(in_python.value))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("order", [[0, 1, 2], [1, 0, 2], [2, 1, 0]])
def test_a_spell_without_a_day_overlaps_none_however_rows_are_sorted(engine: str, order: list[int]) -> None:
    whole, empty = ("p0", "a", 2, 9), ("p0", "a", 2, 2)
    rows = pd.DataFrame([whole, empty, whole], columns=["claimant_id", "kind", "start", "end"]).iloc[order]
    trial = SmallTrial(people(), rows)
    found = in_memory(trial.protocol, trial.tables)
    assert {line.n_broken for line in found.audit.lines if line.rule == "spells_do_not_overlap"} == {0, 1}
    assert_alike(ENGINES[engine](trial.protocol, trial.tables), found)


@pytest.mark.parametrize("engine", ENGINES)
def test_dates_that_stand_for_none_are_counted(engine: str) -> None:
    trial = simulate_trial(60, seed=1)
    tables = {name: table.copy() for name, table in trial.tables.items()}
    tables["benefit"].loc[:2, "start_date"] = ["1970-01-01", "1960-01-01", "1970-01-02"]
    tables["claimants"].loc[:1, "birth_date"] = ["2015-07-01", "1990-01-01"]
    found = in_memory(trial.protocol, tables)
    counted = {(line.table, line.rule): line.n_broken for line in found.audit.lines}
    assert counted["benefit", "date_is_not_day_0"] == 2
    assert counted["claimants", "birth_is_before_the_trial"] == 1
    assert_alike(ENGINES[engine](trial.protocol, tables), found)


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(("kind", "person", "label"), [
    ("nino", "AB123456C", "ab 12 34 56"), ("opaque", "523457062", "spouse 523-45-7062"), ("opaque", "ab12cd34", "AB12CD34"),
])  # fmt: skip
@pytest.mark.parametrize("column", ["gender", "reason", "office"])
def test_identifiers_in_labels_stop_an_engine_too(engine: str, kind: str, person: str, label: str, column: str) -> None:
    trial = simulate_trial(60, seed=1)
    tables = {name: table.copy() for name, table in trial.tables.items()}
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    if kind == "opaque":
        data["identifiers"] = {"kind": "opaque"}
        tables["claimants"]["digit"] = tables["claimants"]["claimant_id"].str[7]
    data["recruitment"].pop("offices", None)
    somebody = tables["claimants"]["claimant_id"].iloc[5]
    tables = {name: table.replace({"claimant_id": {somebody: person}}) for name, table in tables.items()}
    whose = tables["claimants" if column == "gender" else "markers"]
    whose[column] = whose[column].astype(object)
    whose.loc[3, column] = label
    if column == "reason":
        whose.loc[3, "status"] = "exempt"
    protocol = ti.TrialProtocol.from_dict(data)
    for run in (in_memory, ENGINES[engine]):
        with pytest.raises(ti.RecordError, match="identifier") as told:
            run(protocol, tables)
        assert "523" not in str(told.value) and "12" not in str(told.value).replace("row 12", "")
    whose.loc[3, column] = "another word 4711"
    assert_alike(ENGINES[engine](protocol, tables), in_memory(protocol, tables))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("word", ["UNKNOWN", " n/a ", "-"])
def test_a_word_for_people_who_are_not_known_is_nobody(engine: str, word: str) -> None:
    trial = SmallTrial(people(), spells())
    tables = dict(trial.tables)
    name = next(each for each in tables if each != "claimants")
    tables[name] = tables[name].assign(claimant_id=[word, *tables[name]["claimant_id"][1:]])
    for run in (in_memory, ENGINES[engine]):
        with pytest.raises(ti.RecordError, match=f"{name}: 1 of .*claimant_id_is_valid"):
            run(trial.protocol, tables)


TWICE = ("office", "marker", "")
MAPPED_AND_ABSENT = ("status", "Status", 'columns = { status = "status" }')


@pytest.mark.parametrize("ending", [".csv", ".csv.gz"])
@pytest.mark.parametrize("renamed, new_name, mapping", [TWICE, MAPPED_AND_ABSENT])
def test_columns_of_files_are_refused(tmp_path: Path, ending: str, renamed: str, new_name: str, mapping: str) -> None:
    simulate_trial(200, seed=1).write(tmp_path)
    text = (tmp_path / "markers.csv").read_text().replace(renamed, new_name, 1)
    compressed = gzip.compress(text.encode()) if ending == ".csv.gz" else text.encode()
    (tmp_path / f"markers{ending}").write_bytes(compressed)
    protocol = (tmp_path / "protocol.toml").read_text().replace("markers.csv", f"markers{ending}")
    if mapping:
        protocol = protocol.replace("[sources.markers]", f"[sources.markers]\n{mapping}", 1)
    (tmp_path / "protocol.toml").write_text(protocol)
    with DuckDB() as engine, pytest.raises(ti.RecordError, match="column_is_there_once"):
        ti.analyse_trial(tmp_path / "protocol.toml", engine)


def test_quotes_and_commas_in_fields_of_a_csv_file(tmp_path: Path) -> None:
    trial = simulate_trial(200, seed=1)
    trial.write(tmp_path)
    markers = pd.read_csv(tmp_path / "markers.csv", dtype=str, keep_default_na=False)
    markers.loc[::3, "reason"] = "'single', \"double\""
    markers.to_csv(tmp_path / "markers.csv", index=False)
    with DuckDB() as engine:
        counted = ti.analyse_trial(tmp_path / "protocol.toml", engine)
    assert_alike(counted.counts, ti.analyse_trial(tmp_path / "protocol.toml").counts)


def test_what_an_engine_cannot_do_is_said_before_it_runs() -> None:
    trial = SmallTrial(people(site="x"), spells(), analysis={"products": False})
    with pytest.raises(ti.DesignError, match="an engine counts products"):
        engine_job(trial.protocol, FilledDuckDB(trial.protocol, trial.tables))
    both = [
        {"name": "one", "where": {"column": "site", "equals": "1"}},
        {"name": "two", "where": {"column": "site", "equals": 1}},
    ]
    trial = SmallTrial(people(site="x"), spells(), more={"subgroups": both})
    with pytest.raises(ti.DesignError, match="with text and with a number"):
        engine_job(trial.protocol, FilledDuckDB(trial.protocol, trial.tables))


def test_an_error_of_an_engine_keeps_no_message_of_the_driver() -> None:
    query = "select cast('QQ123456A' as integer) as claimant_id"
    trial = simulate_trial(100, seed=1)
    with DuckDB(queries=dict.fromkeys(["claimants", "markers", "benefit", "employment"], query)) as engine:
        with pytest.raises(ti.RecordError) as error:
            engine_job(trial.protocol, engine)
        assert error.value.__cause__ is None
        assert error.value.__context__ is None
