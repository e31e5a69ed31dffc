"""The 2016 evaluation, reproduced: every number, from records, by the ordinary calls."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trialimpact
from trialimpact import check_against
from trialimpact.errors import OutputError, ProtocolError
from trialimpact.reproduce import Reproduction, read_published, reproduce_report
from trialimpact.reproduce.iap import cell_id
from trialimpact.reproduce.windows import printed_window
from trialimpact.synthetic import simulate_iap

SOURCE = Path(trialimpact.__file__).parent


def rows_of(iap: Reproduction, *starts: str) -> list[bool]:
    return [row.matches for row in iap.comparison.rows if row.id.startswith(starts)]


def test_every_published_number_prints_alike_or_is_a_known_slip(iap: Reproduction) -> None:
    assert len(iap.comparison.rows) == 262
    assert not iap.comparison.unexplained
    assert {row.id for row in iap.comparison.explained} == {
        "fig64.wk5", "fig64.wk5_pm", "follow.benefit_data", "follow.lms",
    }  # fmt: skip
    assert all(row.note for row in iap.comparison.explained)


def test_all_84_cells_of_tables_6_2_and_6_3(iap: Reproduction) -> None:
    cells = rows_of(iap, "t62.", "t63.")
    assert len(cells) == 84 and all(cells)


def test_all_28_centres_with_the_valid_interval_and_it_is_narrower(iap: Reproduction) -> None:
    frame = iap.intervals()
    assert len(frame) == 2 * 28 * 3
    frame = frame[frame["horizon_days"] == 273]
    both = frame[frame["interval"] == "accumulated"].merge(
        frame[frame["interval"] == "wald"], on=["outcome", "subgroup"], suffixes=("", "_valid"), validate="1:1"
    )
    assert len(both) == 28
    assert (both["estimate"] == both["estimate_valid"]).all()
    assert both.eval("std_error / std_error_valid").between(1.25, 1.6).all()
    everyone = both[both["subgroup"] == "all"].set_index("outcome")
    assert everyone["std_error_valid"].between(2.0, 2.2).all()


def test_table_6_1_with_its_stars(iap: Reproduction) -> None:
    rows = rows_of(iap, "t61.")
    assert len(rows) == 82 + 40 and all(rows)
    stars = [row.id for row in iap.comparison.rows if row.computed_printed == "*"]
    assert stars == [
        "t61.number_of_children.2_children.iap.star",
        "t61.age_of_youngest_child.0_to_2.iap.star",
        "t61.sought_occupations.professional.iap.star",
    ]


def test_the_flow_as_allocated_and_as_put(iap: Reproduction) -> None:
    n = iap.analysis.sample.flow.n
    stages = ["records", "individuals", "not_error", "in_scope", "not_exempt", "matched", "analysed"]
    assert [n(stage) for stage in stages] == [18486, 14508, 14468, 13456, 12143, 10091, 10091]
    assert n("not_error") - n("in_scope", "with_marker") + 203 == n("in_scope")
    assert [n("not_exempt", assigned_arm=arm) for arm in ("IAP", "BAU")] == [5858, 6285]
    assert [n("not_exempt", received_arm=arm) for arm in ("IAP", "BAU")] == [5720, 6423]
    assert [n("analysed", assigned_arm=arm) for arm in ("IAP", "BAU")] == [4806, 5285]
    # As put, the matched would be others: the analysis keeps people where their digit says.
    assert [n("analysed", received_arm=arm) for arm in ("IAP", "BAU")] != [4806, 5285]


def test_cells_worked_out_day_by_day_without_the_library(iap: Reproduction, data: Path) -> None:
    """Plain pandas on the CSV files: everyone, both outcomes, centre and both ends."""
    read = {name: pd.read_csv(data / f"{name}.csv.gz", dtype=str, keep_default_na=False) for name in (
        "markers", "benefit_spells", "employment_spells")}  # fmt: skip
    markers, spells, jobs = read["markers"], read["benefit_spells"], read["employment_spells"]
    exempt = set(markers.loc[markers["status"] == "exempt", "claimant_id"])
    valid = markers[(markers["status"] == "valid") & ~markers["claimant_id"].isin(exempt)]
    first = pd.to_datetime(valid.groupby("claimant_id")["marker_date"].min())
    for frame, extract in ((spells, "2016-01-31"), (jobs, "2016-01-18")):
        frame["start"] = pd.to_datetime(frame["start_date"])
        frame["last"] = pd.to_datetime(frame["end_date"].where(frame["end_date"] != "", "2016-03-01"))
        frame["last"] = frame["last"].clip(upper=pd.Timestamp(extract) - pd.Timedelta(days=1))
    claims = spells[spells["benefit"] == "JSA"].merge(first.rename("marker"), left_on="claimant_id", right_index=True)
    inside = (claims["start"] <= claims["marker"]) & (claims["marker"] <= claims["last"])
    index = claims[inside & (claims["marker"] - claims["start"] <= pd.Timedelta(days=28))]
    # A claim may be written in two rows: the earlier one began it.
    index = index.groupby("claimant_id")["start"].min()
    assert len(index) == 10091
    people = {who: place for place, who in enumerate(index.index)}
    days = 273
    on, work = np.zeros((len(people), days), dtype=bool), np.zeros((len(people), days), dtype=bool)
    for frame, grid in ((spells[spells["benefit"] != "UC"], on), (jobs, work)):
        mine = frame[frame["claimant_id"].isin(index.index)]
        begin = index.loc[mine["claimant_id"]].to_numpy()
        low = (mine["start"].to_numpy() - begin) // np.timedelta64(1, "D")
        high = (mine["last"].to_numpy() - begin) // np.timedelta64(1, "D") + 1
        for who, a, b in zip(mine["claimant_id"], low, high, strict=True):
            grid[people[who], max(a, 0) : max(b, 0)] = True
    treated = np.array([int(who[7]) >= 5 for who in people])
    for outcome, held, extract in (("on_benefit", on, "2016-01-31"), ("employed", work & ~on, "2016-01-18")):
        room = ((pd.Timestamp(extract) - index) // pd.Timedelta(days=1)).to_numpy()
        followed = np.arange(days)[None, :] < room[:, None]
        p = [(held & followed)[arm].sum(axis=0) / followed[arm].sum(axis=0) for arm in (treated, ~treated)]
        variance = sum(
            share * (1 - share) / followed[arm].sum(axis=0) for share, arm in zip(p, (treated, ~treated), strict=True)
        )
        centre, half = float((p[0] - p[1]).sum()), float(1.96 * np.sqrt(variance).sum())
        effect = iap.printed_effects()[outcome].effect("all")
        assert [effect.estimate, effect.conf_low, effect.conf_high] == pytest.approx(
            [centre, centre - half, centre + half], abs=1e-9
        )


def test_the_analysis_never_reads_a_published_number(iap: Reproduction, data: Path, tmp_path: Path) -> None:
    """A copy of the package without the published numbers, and all that compares, gives the same estimates."""
    copy = tmp_path / "trialimpact"
    shutil.copytree(SOURCE, copy, ignore=shutil.ignore_patterns("reproduce", "synthetic", "__pycache__"))
    code = (
        "import sys, warnings; warnings.simplefilter('ignore'); sys.path.insert(0, sys.argv[1])\n"
        "import trialimpact as ti; assert ti.__file__.startswith(sys.argv[1])\n"
        "analysis = ti.analyse_trial(ti.shipped_protocol('iap'), folder=sys.argv[2])\n"
        "analysis.to_frame().to_csv(sys.argv[3], index=False)"
    )
    out = tmp_path / "estimates.csv"
    subprocess.run([sys.executable, "-c", code, tmp_path, data, out], check=True, cwd=tmp_path)
    found = pd.read_csv(out)
    expected = tmp_path / "expected.csv"
    iap.analysis.to_frame().to_csv(expected, index=False)
    assert found.equals(pd.read_csv(expected))


def test_the_analysis_opens_only_records(data: Path) -> None:
    """The one call, and the numbers that are compared, too."""
    code = (
        "import sys, warnings; warnings.simplefilter('ignore')\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, given: opened.append(str(given[0])) if event == 'open' else None)\n"
        "import trialimpact as ti; from trialimpact.reproduce.iap import compute_iap\n"
        "protocol = ti.shipped_protocol('iap')\n"
        "analysis = ti.analyse_trial(protocol, folder=sys.argv[1])\n"
        "assert len(compute_iap(analysis)) > 250\n"
        "print([name for name in opened if name.endswith('.csv') or 'published/' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code, data], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_records_that_were_changed_do_not_print_alike(data: Path, tmp_path: Path) -> None:
    for path in data.glob("*.csv.gz"):
        shutil.copy(path, tmp_path)
    spells = pd.read_csv(tmp_path / "benefit_spells.csv.gz", dtype=str, keep_default_na=False)
    ends = pd.to_datetime(spells["end_date"], errors="coerce")
    later = (ends > "2015-05-01") & (ends < "2015-11-01") & (np.arange(len(spells)) % 10 == 0)
    spells.loc[later, "end_date"] = (ends[later] + pd.Timedelta(days=20)).dt.strftime("%Y-%m-%d")
    spells.to_csv(tmp_path / "benefit_spells.csv.gz", index=False)
    found = reproduce_report("iap", tmp_path)
    assert len(found.comparison.unexplained) > 10
    assert next(row for row in found.comparison.rows if row.id == "flow.records").matches


def test_the_baseline_holds_and_a_moved_number_is_named(written: Path, data: Path, tmp_path: Path) -> None:
    assert check_against(written, data / "baseline", rtol=1e-9) == []
    shutil.copytree(written, tmp_path / "moved")
    for name, column in (("comparison.csv", "computed"), ("analysis/flow.csv", "n"), ("curves.csv", "estimate")):
        frame = pd.read_csv(tmp_path / "moved" / name)
        frame[column] = frame[column].where(frame.index != 7, frame[column] + 1)
        frame.to_csv(tmp_path / "moved" / name, index=False)
    curves = pd.read_csv(tmp_path / "moved" / "curves.csv").astype({"estimate": object})
    curves.loc[9, "estimate"] = "n/a"  # the others are numbers still
    curves.to_csv(tmp_path / "moved" / "curves.csv", index=False)
    (tmp_path / "moved" / "intervals.csv").unlink()
    lint = pd.read_csv(tmp_path / "moved" / "lint.csv")
    lint.loc[0, "verdict"] = "what"
    lint.to_csv(tmp_path / "moved" / "lint.csv", index=False)
    audit = tmp_path / "moved" / "analysis" / "audit.csv"
    pd.read_csv(audit).assign(more=1).to_csv(audit, index=False)
    moved = check_against(tmp_path / "moved", data / "baseline")
    assert {each.file for each in moved} == {
        "comparison.csv", "analysis/flow.csv", "analysis/audit.csv", "curves.csv", "intervals.csv", "lint.csv",
    }  # fmt: skip
    assert len(moved) == 7


def test_moments_are_compared_wherever_they_lie(written: Path, tmp_path: Path) -> None:
    shutil.copytree(written, tmp_path / "moved")
    trialimpact.save_moments(simulate_iap(300, seed=1).moments(), tmp_path / "moved" / "analysis" / "moments.npz")
    assert [each.file for each in check_against(tmp_path / "moved", written)] == ["analysis/moments.npz"]


def test_a_baseline_that_is_not_ours_is_an_error(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "flow.csv").write_text("a,b\n1,2\n")
    with pytest.raises(OutputError, match=r"flow.csv: its rows cannot be told apart"):
        check_against(tmp_path / "one", tmp_path / "other")
    for tolerances in ({"rtol": float("inf")}, {"rtol": -1.0}, {"atol": float("nan")}):
        with pytest.raises(OutputError, match="let everything pass, or nothing"):
            check_against(tmp_path / "one", tmp_path / "other", **tolerances)


def test_an_interval_that_is_not_there_is_an_error(iap: Reproduction) -> None:
    for wrong in ("Accumulated", "newcombe", "", 0):
        with pytest.raises(ProtocolError, match="accumulated"):
            trialimpact.estimate_cumulative(iap.analysis.moments, "on_benefit", interval=wrong)
        with pytest.raises(ProtocolError, match="accumulated"):
            trialimpact.estimate_subgroups(iap.analysis.moments, "on_benefit", interval=wrong)


def test_what_is_written(written: Path) -> None:
    assert {path.name for path in written.iterdir()} == {
        "reproduction.html", "comparison.csv", "intervals.csv", "curves.csv", "lint.csv", "figures", "analysis",
        "manifest.json",
    }  # fmt: skip
    assert len(pd.read_csv(written / "comparison.csv")) == 262
    assert len(pd.read_csv(written / "curves.csv")) == 2 * (730 + 274)
    alt = json.loads((written / "figures" / "alt_text.json").read_text())
    assert {path.name for path in (written / "figures").glob("*.png")} == set(alt)
    assert (written / "analysis" / "estimates.csv").is_file()


def test_the_page_stands_alone_and_can_be_read_by_a_machine(written: Path) -> None:
    page = (written / "reproduction.html").read_text()
    assert "do not exist" in page and "inferred from\ntheir widths" in page and "p = 1.9e-06" in page
    assert not re.findall(r"""(?:src|href)=["'](?!data:|#)""", page)
    assert "<script" not in page
    tables = [
        [
            re.findall(r"<t[dh][^>]*>(.*?)</t[dh]>", row, re.DOTALL)
            for row in re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
        ]
        for table in re.findall(r"<table>(.*?)</table>", page, re.DOTALL)
    ]
    assert page.count("<caption>") == len(tables) == 8
    assert len(tables[-1]) == 1 + 262
    assert [row[1:3] for row in tables[0][1:]] == [["−11 (−5.5, −17)"] * 2, ["9.7 (4.2, 15)"] * 2]
    for table in tables[1:3]:
        assert table[0][2:4] == ["Printed", "Computed, daily limits added up"]
        assert len(table) == 1 + 14
        assert all(row[2] == row[3] for row in table[1:])
    assert all(len(text) > 40 for text in re.findall(r'alt="([^"]*)"', page))


def test_no_identifier_is_in_anything_written(written: Path) -> None:
    for path in written.rglob("*"):
        if path.is_file():
            assert not re.search(rb"QQ[0-9]{6}", path.read_bytes()), path.name


@pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
def test_untuned_records_have_added_up_limits_of_the_printed_width_and_no_valid_ones() -> None:
    """What speaks for the report's formula: the exact match of tuned records does not."""
    moments = simulate_iap(seed=0).moments()
    published = {number.id: number for number in read_published("iap_2016")}
    fits = {"accumulated": 0, "wald": 0}
    for outcome in ("on_benefit", "employed"):
        for interval in fits:
            found = trialimpact.estimate_subgroups(moments, outcome, interval=interval)
            for name in found.by_subgroup:
                row = published[cell_id(outcome, moments.protocol.subgroup_words(name))]
                ends = sorted(printed_window(text, "whole_from_10") for text in (row.lower, row.upper))
                effect = found.effect(name)
                width = effect.conf_high - effect.conf_low
                fits[interval] += ends[1][0] - ends[0][1] <= width <= ends[1][1] - ends[0][0]
    assert fits["accumulated"] >= 15
    assert fits["wald"] == 0


def test_the_integrity_of_the_trial_as_its_report_counts_it(iap: Reproduction) -> None:
    """As put 5,720 to 6,423, analysed 4,806 to 5,285, and 18% against 16% not linked: each is found."""
    checks = trialimpact.estimate_integrity(iap.analysis.sample, iap.analysis.panel).checks
    (put,) = (each for each in checks if each.check == "put_in_arm")
    assert (f"{put.p_value:.1e}", put.counts, put.level) == ("1.8e-10", "BAU 6,423, IAP 5,720", "red")
    (analysed,) = (each for each in checks if each.check == "sample_ratio" and each.where == "Analysed")
    assert (f"{analysed.p_value:.1e}", analysed.counts, analysed.level) == ("1.9e-06", "BAU 5,285, IAP 4,806", "red")
    (loss,) = (each for each in checks if each.check == "differential_loss" and "Matched" in each.where)
    assert loss.counts == "BAU 15.9% of 6,285, IAP 18.0% of 5,858"
    assert loss.p_value == pytest.approx(0.0025, abs=2e-4)
