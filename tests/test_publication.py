"""Folders that may be released: whole, with what was asked for, and without anything raw."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run
from trials import short_trial

import trialimpact as ti
from trialimpact.publication import write_publication, write_report
from trialimpact.results import plain, read_results

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module")
def analysis() -> ti.TrialAnalysis:
    """A small trial with two subgroups."""
    return ti.analyse_trial(*short_trial(320, seed=6, subgroups=2))


@pytest.fixture(scope="module")
def raw(analysis: ti.TrialAnalysis, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in a folder."""
    return ti.write_analysis(analysis, tmp_path_factory.mktemp("raw") / "out")


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trial without subgroups, main estimates only: quick to draw."""
    found = ti.analyse_trial(*short_trial(320, seed=6, subgroups=0))
    return ti.write_analysis(found, tmp_path_factory.mktemp("short") / "out", methods=False)


@pytest.fixture(scope="module")
def published(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    folder = tmp_path_factory.mktemp("published")
    write_publication(raw, folder / "out", for_checker=folder / "checker")
    return folder / "out", folder / "checker"


def test_results_read_back_are_those_of_the_analysis(analysis: ti.TrialAnalysis, raw: Path) -> None:
    results, back = analysis.results(), read_results(raw)
    assert back.moments == results.moments
    assert dict(back.stages) == dict(results.stages)
    assert list(back.stages) == list(results.stages)
    assert set(back.frames) == set(results.frames)
    for name, frame in back.frames.items():
        pd.testing.assert_frame_equal(frame, plain(results.frames[name]), check_dtype=False, rtol=1e-15, obj=name)


def test_a_folder_that_is_no_analysis_or_was_changed_is_refused(raw: Path, tmp_path: Path) -> None:
    with pytest.raises(ti.OutputError, match="holds no analysis"):
        read_results(tmp_path)
    for path in raw.glob("*.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    for text in (
        "[" * 200_000,
        *(
            json.dumps({name: value for name, value in manifest.items() if name != gone})
            for gone in ("versions", "stages")
        ),
        json.dumps(manifest | {"stages": {}}),
        json.dumps(manifest | {"files": {n: each for n, each in manifest["files"].items() if n != "flow.csv"}}),
    ):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(ti.OutputError, match="holds no analysis"):
            read_results(tmp_path)
    for name, gone in (("estimates.csv", "n_treatment"), ("flow.csv", "office")):
        shutil.copy(raw / name, tmp_path)
        pd.read_csv(raw / name).drop(columns=gone).to_csv(tmp_path / name, index=False)
        files = {**manifest["files"], name: hashlib.sha256((tmp_path / name).read_bytes()).hexdigest()}
        older = {**manifest["versions"], "trialimpact": "0.0.9"}
        (tmp_path / "manifest.json").write_text(json.dumps(manifest | {"files": files, "versions": older}))
        with pytest.raises(ti.OutputError, match=rf"has no column '{gone}' \(written by trialimpact 0\.0\.9"):
            read_results(tmp_path)
        shutil.copy(raw / name, tmp_path)
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    text = (tmp_path / "flow.csv").read_text()
    (tmp_path / "flow.csv").unlink()
    with pytest.raises(ti.OutputError, match=r"flow\.csv: is missing\."):
        read_results(tmp_path)
    (tmp_path / "flow.csv").write_text(text.replace("1", "2"))
    with pytest.raises(ti.OutputError, match=r"flow\.csv: not the file that was written"):
        read_results(tmp_path)


def test_what_is_published(published: tuple[Path, Path]) -> None:
    out, _ = published
    assert {path.name for path in out.iterdir()} == {
        "report.html", "tables.xlsx", "tables.ods", "tables", "figures", "data", "disclosure.md", "consort_2025.md",
        "manifest.json",
    }  # fmt: skip
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["mark"] == "released: publication"
    assert manifest["disclosure_control"]["name"] == "ons_10_5"
    assert "inputs" not in manifest
    alt_texts = json.loads((out / "figures" / "alt_text.json").read_text())
    pictures = {path.name for path in (out / "figures").glob("*.[sp][vn]g")}
    assert pictures == set(alt_texts)
    for path in (out / "figures").glob("*.png"):
        assert path.with_suffix(".csv").is_file()
        assert path.with_suffix(".svg").is_file()
    names = {path.stem for path in (out / "tables").iterdir()}
    for name in names:
        assert all((out / "tables" / f"{name}.{ending}").is_file() for ending in ("md", "tex", "csv"))


def test_no_raw_number_is_in_any_published_file(raw: Path, published: tuple[Path, Path]) -> None:
    """Every number of many digits of the raw files is looked for in every text that is published."""
    out, _ = published
    digits: set[str] = set()
    for name, frame in read_results(raw).frames.items():
        for column in frame.select_dtypes("number").columns:
            if (name, column) == ("balance.csv", "df"):
                continue
            values = frame[column].dropna().to_numpy(dtype=float)
            digits |= {repr(value) for value in values.tolist() if len(repr(value).replace(".", "").lstrip("-0")) > 6}
    assert len(digits) > 2_000
    for path in out.rglob("*"):
        if path.suffix in (".html", ".csv", ".md", ".tex", ".json", ".svg"):
            found = set(re.findall(r"-?\d+\.\d{4,}(?:e-?\d+)?", path.read_text(encoding="utf-8")))
            assert not found & digits, (path, list(found & digits)[:3])


def test_no_small_count_and_no_identifier_is_in_any_published_file(published: tuple[Path, Path]) -> None:
    out, _ = published
    for path in (out / "data").glob("*.csv"):
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        for column in frame.columns:
            if column == "n" or re.fullmatch(r"n_(treatment|control|complement|at_risk|events|broken)", column):
                counts = frame[column][~frame[column].isin(["", "[c]"])].astype(float)
                assert not ((counts > 0) & (counts < 10)).any(), (path.name, column)
                assert (counts % 5 == 0).all(), (path.name, column)
    for path in out.rglob("*"):
        if path.is_file():
            assert not re.search(rb"[A-Z]{2}\d{6}[A-D]\b", path.read_bytes()), path


def test_the_checker_gets_pairs_and_the_record(raw: Path, published: tuple[Path, Path]) -> None:
    out, checker = published
    names = {path.name for path in (out / "data").glob("*.csv")}
    for name in names:
        stem = name.removesuffix(".csv")
        assert (checker / f"{stem}_RAW.csv").is_file()
        assert (checker / f"{stem}_CONF.csv").read_bytes() == (out / "data" / name).read_bytes()
    record = (checker / "record.md").read_text()
    assert "not for release" in record
    assert "moments.npz" in record
    raw_flow, conf = (pd.read_csv(checker / f"flow_{kind}.csv", dtype=str) for kind in ("RAW", "CONF"))
    assert len(raw_flow) == len(conf)
    shown = conf["n"] != "[c]"
    apart = np.abs(conf.loc[shown, "n"].astype(float) - raw_flow.loc[shown, "n"].astype(float))
    assert (apart <= 2).all()


def test_labels_that_a_page_or_a_spreadsheet_would_run_are_text(tmp_path: Path) -> None:
    protocol, tables = short_trial(320, seed=6, subgroups=2)
    design = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["name"] = "</title><script>alert(1)</script>"
    design["characteristics"][0]["name"] = '=HYPERLINK("https://example.org","x")'
    design["characteristics"][1]["name"] = "-2+3+cmd|' /C calc'!A0"
    design["outcomes"][0]["label"] = "<img src=x onerror=alert(1)> aged <25"
    analysis = ti.analyse_trial(design, tables)
    summary = (ti.write_analysis(analysis, tmp_path / "out", methods=False) / "summary.md").read_text()
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    write_publication(tmp_path / "out", tmp_path / "published")
    pages = {
        path: path.read_text() for path in (tmp_path / "published").rglob("*.*") if path.suffix in (".md", ".html")
    }
    for page in (summary, *pages.values()):
        assert "<script>alert" not in page and "<img src=x" not in page
    assert "aged <25" in summary
    cells = [
        cell
        for path in (tmp_path / "published").rglob("*.csv")
        for cell in pd.read_csv(path, dtype=str, keep_default_na=False).to_numpy().ravel()
    ]
    assert any(cell.startswith("'=HYPERLINK") for cell in cells) and any(cell.startswith("'-2+3") for cell in cells)
    assert not any(cell.startswith(("=", "@", "-2+")) for cell in cells)


def test_a_house_presentation_is_added_where_asked_for(short: Path, tmp_path: Path) -> None:
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    result = run("publish", short, "--out", tmp_path / "out", "--presentation", "dwp_2016")
    assert result.returncode == 0
    table = pd.read_csv(tmp_path / "out" / "tables" / "dwp_2016_on_benefit_iap.csv")
    assert list(table.columns) == ["Group", "Central estimate", "Lower", "Upper"]
    assert table["Group"].iloc[0] == "All"
    assert "DWP 2016" in (tmp_path / "out" / "report.html").read_text()


def test_a_folder_for_acro(short: Path, tmp_path: Path) -> None:
    pytest.importorskip("acro", reason="ACRO is not installed (pip install acro)")
    result = run("publish", short, "--out", tmp_path / "out", "--acro", tmp_path / "acro")
    assert result.returncode == 0, result.stderr
    listed = json.loads((tmp_path / "acro" / "acro" / "results.json").read_text())["results"]
    named = {file["name"] for each in listed.values() for file in each["files"]}
    assert {path.name for path in (tmp_path / "out" / "data").glob("*.csv")} <= named
    assert {each["status"] for each in listed.values() if each["type"] == "custom"} == {"review"}


def test_a_report_is_one_page_and_replaces_only_itself(short: Path, tmp_path: Path) -> None:
    out = write_report(short, tmp_path / "report", pack="uk_llc")
    assert {path.name for path in out.iterdir()} == {"report.html", "manifest.json"}
    write_report(short, out, pack="none")
    assert "No disclosure control" in (out / "report.html").read_text()
    with pytest.raises(ti.OutputError, match="not only what trialimpact wrote"):
        write_publication(short, out)
    with pytest.raises(ti.OutputError, match="not only what trialimpact wrote"):
        write_report(short, short)


def test_the_command_line(short: Path, tmp_path: Path) -> None:
    result = run("report", short, "--out", tmp_path / "report", "--pack", "opensafely_midpoint_6")
    assert result.returncode == 0
    assert "OpenSAFELY midpoint 6" in result.stdout
    assert (tmp_path / "report" / "report.html").is_file()
    wrong = run("report", short, "--out", tmp_path / "other", "--pack", "nobody")
    assert wrong.returncode == 2
    assert "no rule pack 'nobody'" in wrong.stderr
    assert not (tmp_path / "other").exists()
    nothing = run("publish", tmp_path, "--out", tmp_path / "new")
    assert nothing.returncode == 2
    assert "holds no analysis" in nothing.stderr


def test_whoever_has_no_gptables_is_told(short: Path, tmp_path: Path, monkeypatch: Any) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, *more: Any) -> Any:
        if name == "gptables":
            raise ModuleNotFoundError(name)
        return real(name, *more)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(ti.OutputError, match=r"trialimpact\[publish\]"):
        write_publication(short, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_for_the_checker_lies_in_no_folder_that_leaves(short: Path, tmp_path: Path) -> None:
    for checker in (tmp_path / "out" / "checker", tmp_path / "out", tmp_path):
        with pytest.raises(ti.OutputError, match="cannot be, or lie in, another"):
            write_publication(short, tmp_path / "out", for_checker=checker)
        assert not (tmp_path / "out").exists()
