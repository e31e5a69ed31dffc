"""Marked people go through every public name and every failure: no mark comes out anywhere.

The marks are NINOs, birth dates and surnames. Looked through are results, files of every kind (unpacked), what is said,
warnings, logs, errors with all that they came from, pickles, SQL, and what is left in the folder for temporary files.
"""

from __future__ import annotations

import datetime as dt
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run
from marks import BORN, SURNAME, marks_below, marks_in, overheard, said_by, shown

import trialimpact as ti
from trialimpact.engines import open_engine
from trialimpact.engines.duckdb import DuckDB
from trialimpact.synthetic import simulate_progression, simulate_trial
from trialimpact.synthetic.tables import write_tables

Tables = dict[str, pd.DataFrame]


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    """A trial of people with names."""
    made = simulate_trial(220, seed=3).tables
    rng = np.random.default_rng(1)
    for name, table in made.items():
        made[name] = table.assign(surname=[f"{SURNAME}{each}" for each in rng.integers(0, 999, len(table))])
    assert all(marks_in(table.to_csv().encode()) for table in made.values())
    assert BORN.search(made["claimants"].to_csv().encode())
    return made


@pytest.fixture(scope="module")
def protocol() -> ti.TrialProtocol:
    found = ti.shipped_protocol("example").model_dump(by_alias=True, exclude_unset=True, mode="json")
    found["outcomes"] = found["outcomes"][:1]
    found["analysis"] |= {"pre_days": 28, "horizon_days": [56], "last_day": 56}
    return ti.TrialProtocol.model_validate(found)


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


NO_PEOPLE = {
    *("Contrast", "CostBenefit", "DesignError", "Inference", "InterimAnalyses", "InterviewSample", "OutputError"),
    *("PowerDesign", "ProtocolError", "RecordError", "TrialAnalysis", "TrialAudit", "TrialImpactError", "TrialMonitor"),
    *("TrialProtocol", "TrialWarning", "Valuation", "detectable_days", "detectable_share", "explain_protocol"),
    *("read_valuation", "required_for_days", "required_for_share", "rule_pack", "shipped_protocol", "simulate_power"),
    "valuation_template",
}
"""Public names that take no people: classes of results, which others make, and what is of designs alone."""


def valuation() -> ti.Valuation:
    dated: dict[str, Any] = {"date": dt.date(2018, 4, 1), "source": "invented"}
    return ti.Valuation.model_validate(
        {
            "name": "invented", "currency": "GBP", "perspectives": ["all"], "discount_rate": 0.03,
            "programme": {"per_start": {"value": 9.0, **dated}, "to": {"all": -1}, "starts": 1.0},
            "unit_values": [
                {"name": "b", "outcome": "on_benefit", "per_day": {"value": 4.0, **dated}, "to": {"all": -1}}
            ],
        }
    )  # fmt: skip


Calls = dict[str, Callable[[], Any]]


def arms_of_three() -> Any:
    """The family of a trial of three arms by NINO."""
    records = simulate_progression(200, seed=1).records()
    return ti.estimate_arms(ti.build_panel(ti.build_sample(records), ti.merge_spells(records)), "employed")


def to_panels(tables: Tables, protocol: ti.TrialProtocol) -> Calls:
    """From records to panel and moments."""
    records = ti.load_records(protocol, tables)
    sample, spells = ti.build_sample(records), ti.merge_spells(records)
    panel = ti.build_panel(sample, spells, ti.merge_states(records))
    moments = ti.count_moments(panel)
    covariates, arms = ti.build_covariates(panel, "on_benefit", sample, spells), arms_of_three()
    return {
        "load_records": lambda: (records, ti.load_records(protocol, tables, on_broken_rule="quarantine")),
        "build_sample": lambda: sample,
        "merge_spells": lambda: (spells, *spells.values()),
        "merge_states": lambda: ti.merge_states(records),
        "build_panel": lambda: panel,
        "build_covariates": lambda: covariates,
        "count_moments": lambda: moments,
        "past_variation": lambda: ti.past_variation(panel, "on_benefit"),
        "estimate_balance": lambda: ti.estimate_balance(sample, spells),
        "estimate_integrity": lambda: ti.estimate_integrity(sample, panel),
        "estimate_adjusted": lambda: ti.estimate_adjusted(panel, covariates, "on_benefit"),
        "estimate_bounds": lambda: ti.estimate_bounds(panel, sample.flow),
        "estimate_segmentation": lambda: ti.estimate_segmentation(panel, covariates, "on_benefit", n_groups=2, n_splits=3),
        "estimate_cost_benefit": lambda: ti.estimate_cost_benefit(panel, valuation()),
        "tabulate_balance": lambda: ti.tabulate_balance(ti.estimate_balance(sample, spells), protocol),
        "tabulate_flow": lambda: ti.tabulate_flow(sample.flow, protocol),
        "tabulate_integrity": lambda: ti.tabulate_integrity(ti.estimate_integrity(sample, panel), everything=True),
        "plot_tipping": lambda: ti.plot_tipping(ti.estimate_bounds(panel, sample.flow)),
        "plot_tornado": lambda: ti.plot_tornado(ti.estimate_cost_benefit(panel, valuation()), "all"),
        **{name: lambda name=name: getattr(ti, name)(panel) for name in OF_PANELS},
        **{name: lambda name=name: getattr(ti, name)(moments) for name in OF_MOMENTS},
        **{name: lambda name=name, made=made: getattr(ti, name)(getattr(ti, made)(panel))
           for name, made in OF_RESULTS.items()},
        "estimate_arms": lambda: arms,
        "tabulate_arms": lambda: ti.tabulate_arms(arms),
        "plot_placebo": lambda: ti.plot_placebo(ti.estimate_placebo(panel), protocol),
        "plot_daily": lambda: ti.plot_daily(ti.estimate_daily(moments)),
        "plot_cumulative": lambda: ti.plot_cumulative(ti.estimate_cumulative(moments)),
        "plot_subgroups": lambda: ti.plot_subgroups(ti.estimate_subgroups(moments)),
        "tabulate_horizons": lambda: ti.tabulate_horizons(ti.estimate_cumulative(moments)),
        "tabulate_subgroups": lambda: ti.tabulate_subgroups(ti.estimate_subgroups(moments)),
        "headline": lambda: ti.headline(ti.estimate_cumulative(moments)),
    }  # fmt: skip


OF_PANELS = [
    *("estimate_bootstrap", "estimate_compliance", "estimate_durations", "estimate_heterogeneity"),
    *("estimate_intake_sensitivity", "estimate_moves", "estimate_placebo", "estimate_states"),
]
OF_MOMENTS = [
    *("estimate_bands", "estimate_covariance", "estimate_cumulative", "estimate_daily", "estimate_pretrend"),
    "estimate_subgroups",
]
OF_RESULTS = {
    "tabulate_compliance": "estimate_compliance",
    "tabulate_durations": "estimate_durations",
    "tabulate_heterogeneity": "estimate_heterogeneity",
    "tabulate_moves": "estimate_moves",
    "tabulate_states": "estimate_states",
    "plot_states": "estimate_states",
    "plot_survival": "estimate_durations",
}


def refused(call: Callable[[], Any]) -> list[str]:
    """What the error says of a call that the design does not allow."""
    with pytest.raises(ti.DesignError) as caught:
        call()
    return [repr(blob) for blob in said_by(caught.value)]


def whole_jobs(tables: Tables, protocol: ti.TrialProtocol, folder: Path) -> Calls:
    """What takes records, or an analysis of them, and writes."""
    analysis = ti.analyse_trial(protocol, tables)
    results, moments = folder / "results", folder / "moments.npz"

    def published() -> None:
        more: dict[str, Any] = {"for_checker": folder / "checker", "house": "dwp_2016"}
        ti.write_publication(results, folder / "publication", **more)

    return {
        "analyse_trial": lambda: analysis,
        "infer_trial": lambda: ti.infer_trial(analysis.stages, ["on_benefit"]),
        "estimate_randomisation": lambda: refused(lambda: ti.estimate_randomisation(analysis.panel)),
        "audit_trial": lambda: ti.audit_trial(protocol, tables),
        "monitor_trial": lambda: ti.monitor_trial(protocol, tables),
        "interim_analyses": lambda: ti.interim_analyses(protocol, tables, as_of=[dt.date(2015, 12, 1)]),
        "draw_interviews": lambda: ti.draw_interviews(analysis, 12, seed=1),
        "release_results": lambda: ti.release_results(analysis.results()),
        "write_analysis": lambda: ti.write_analysis(analysis, results),
        "read_results": lambda: ti.read_results(results),
        "check_against": lambda: ti.check_against(results, shutil.copytree(results, folder / "baseline")),
        "write_report": lambda: ti.write_report(results, folder / "report"),
        "write_publication": published,
        "save_moments": lambda: ti.save_moments(analysis.moments, moments),
        "load_moments": lambda: ti.load_moments(moments),
    }


@pytest.mark.slow
def test_no_mark_comes_out_of_any_public_name(
    tables: Tables, protocol: ti.TrialProtocol, tmp_path: Path, temporary: Path
) -> None:
    with overheard() as heard:
        calls = to_panels(tables, protocol) | whole_jobs(tables, protocol, tmp_path)
        assert set(calls) | NO_PEOPLE == set(ti.__all__), set(ti.__all__) ^ (set(calls) | NO_PEOPLE)
        for name, call in calls.items():
            for blob in shown(call()):
                assert not marks_in(blob), (name, marks_in(blob)[:3])
        assert not marks_in(heard()), marks_in(heard())[:3]
    assert len(list(tmp_path.rglob("*"))) > 100
    assert not marks_below(tmp_path)
    assert list(temporary.iterdir()) == []


WRONG = [f"{SURNAME} QQ654321C", "31/02/1967", "1967-03-12; drop table people"]
"""Values that stand where they should not."""


def broken(tables: Tables, name: str, column: str, value: str) -> Tables:
    table = tables[name].astype({column: object}).copy()
    table.loc[table.index[3], column] = value
    return tables | {name: table}


@pytest.mark.parametrize("value", [WRONG[0], *(pytest.param(each, marks=pytest.mark.slow) for each in WRONG[1:])])
def test_no_mark_is_in_an_error_of_any_column(
    tables: Tables, protocol: ti.TrialProtocol, temporary: Path, value: str
) -> None:
    n_errors = 0
    for name, table in tables.items():
        for column in table.columns.drop("surname"):
            blobs = []
            with overheard() as heard:
                try:
                    ti.build_sample(ti.load_records(protocol, broken(tables, name, column, value)))
                except ti.TrialImpactError as error:
                    n_errors += 1
                    blobs = list(said_by(error))
                found = [mark for blob in [*blobs, heard()] for mark in marks_in(blob)]
            assert not found, (name, column, found[:3])
    assert n_errors > 5
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize(("name", "column"), [("markers", "claimant_id"), ("benefit", "start_date")])
def test_no_mark_is_said_or_left_by_the_command_line(
    tables: Tables, protocol: ti.TrialProtocol, tmp_path: Path, temporary: Path, name: str, column: str
) -> None:
    (tmp_path / "in").mkdir()
    simulate_trial(20, seed=1).write(tmp_path / "in")
    write_tables(protocol, broken(tables, name, column, WRONG[0]), tmp_path / "in")
    for more in ([], ["--engine", "duckdb"], ["--on-broken-rule", "quarantine"]):
        out = tmp_path / "out"
        done = run("analyse", tmp_path / "in" / "protocol.toml", "--out", out, "--quick", *more)
        assert done.returncode == (0 if "quarantine" in more else 1), done.stderr
        assert not marks_in((done.stdout + done.stderr).encode())
        assert out.exists() == (done.returncode == 0)
        assert not marks_below(out)
    assert list(temporary.iterdir()) == []


def test_no_mark_is_in_the_sql_of_an_engine(
    tables: Tables, protocol: ti.TrialProtocol, tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("duckdb", reason="DuckDB is not installed")
    said, run_sql = [], DuckDB._run
    monkeypatch.setattr(DuckDB, "_run", lambda engine, sql: (said.append(sql), run_sql(engine, sql))[1])
    write_tables(protocol, tables, tmp_path)
    with open_engine("duckdb", {}) as engine:
        analysis = ti.analyse_trial(protocol, engine, folder=tmp_path)
        assert not [mark for blob in shown(analysis.moments) for mark in marks_in(blob)]
    assert len(said) > 10
    assert not marks_in(" ".join(said).encode())
    assert list(temporary.iterdir()) == []
