"""The command line as a user meets it: what is written, what is said, and the exit codes."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from command_line import run

from trialimpact.baseline import KEYS
from trialimpact.synthetic import simulate_trial

TINY = Path(__file__).parents[1] / "data" / "synthetic" / "tiny"
METHOD_FILES = {
    "bands.csv", "integrity.csv", "pretrend.csv", "placebo.csv", "adjusted.csv", "subgroups.csv", "compliance.csv",
    "bounds.csv", "durations.csv", "states.csv", "moves.csv", "arms.csv",
}  # fmt: skip
FILES = {
    "estimates.csv", "flow.csv", "allocation.csv", "balance.csv", "audit.csv", "quarantined.csv", "moments.npz",
    "figures", "manifest.json", "summary.md", "NOT_FOR_RELEASE.txt", *METHOD_FILES,
}  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "results"
    done = run("analyse", TINY / "protocol.toml", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "no clear difference in days on benefit over 10 days" in done.stdout
    assert "warning: nobody in an arm is in this subgroup" in done.stderr
    assert "on_benefit, iap, repeat_claimant" in done.stderr
    assert "estimating" in done.stderr
    return out


def test_analyse_writes_every_file_of_the_contract(results: Path) -> None:
    assert {path.name for path in results.iterdir()} == FILES
    assert not list(results.parent.glob(".results*"))
    manifest = json.loads((results / "manifest.json").read_text())
    assert manifest["mark"] == "raw: not for release"
    assert {each["table"] for each in manifest["inputs"]} == {"claimants", "markers", "benefit", "employment"}
    assert all(len(each["sha256"]) == 64 for each in manifest["inputs"])
    assert {"protocol", "versions", "seed", "options", "files"} <= manifest.keys()
    alt = json.loads((results / "figures" / "alt_text.json").read_text())
    assert {path.name for path in (results / "figures").glob("*.png")} == set(alt)
    assert all(len(text) > 40 for text in alt.values())


def test_every_method_has_its_rows_and_what_was_left_out_is_said(results: Path) -> None:
    assert {name for name in FILES if name.endswith(".csv")} <= {*KEYS}  # `check` compares each of them
    frames = {name: pd.read_csv(results / name) for name in METHOD_FILES}
    assert set(frames["bands.csv"]["interval"]) == {"band"}
    assert set(frames["compliance.csv"]["estimand"]) == {"itt", "receipt", "cace", "cace_anderson_rubin", "as_treated"}
    assert set(frames["placebo.csv"]["test"]) <= {"assignment of digits", "digits alike within arms"}
    assert len(frames["states.csv"]) == 0  # the tiny protocol declares no states
    summary = (results / "summary.md").read_text()
    assert "## Not done, and why" in summary and "states: the panel has no states" in summary
    assert "## Was the trial run as designed?" in summary
    inside = frames["bands.csv"].dropna(subset=["std_error"])
    assert (inside["conf_low"] <= inside["estimate"]).all() and (inside["estimate"] <= inside["conf_high"]).all()


def test_estimates_hold_every_outcome_contrast_subgroup_day_and_horizon(results: Path) -> None:
    frame = pd.read_csv(results / "estimates.csv")
    assert list(frame.columns) == ["outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "day", "horizon_days", "n_treatment", "n_control", "mean_treatment", "mean_control", "estimate", "std_error", "conf_low", "conf_high", "conf_level", "p_value", "interval", "small_sample", "method"]  # fmt: skip
    assert len(frame) == 2 * 3 * (15 + 10)
    assert set(frame["subgroup"]) == {"all", "female", "repeat_claimant"}
    daily = frame[frame["day"].notna()]
    assert sorted(daily["day"].unique()) == list(range(-5, 10))
    assert sorted(frame["horizon_days"].dropna().unique()) == list(range(1, 11))
    assert (frame["day"].isna() != frame["horizon_days"].isna()).all()


def test_the_same_command_gives_the_same_bytes(results: Path, tmp_path: Path) -> None:
    assert run("analyse", TINY / "protocol.toml", "--out", tmp_path / "again", "--quiet").returncode == 0
    for path in sorted(results.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "again" / path.relative_to(results)).read_bytes(), path.name


def test_check_says_nothing_moved_and_names_what_did(results: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(results, other)
    same = run("check", other, "--against", results)
    assert (same.returncode, same.stdout) == (0, "nothing moved\n")
    path = other / "estimates.csv"
    text = path.read_text().replace(",-0.33333333333333", ",-0.33333233333333")
    assert text != path.read_text()
    path.write_text(text)
    moved = run("check", other, "--against", results)
    assert moved.returncode == 1
    assert "estimates.csv: outcome on_benefit, contrast iap," in moved.stdout
    assert "horizon_days 10" in moved.stdout
    assert "estimate was -0.3333333333333" in moved.stdout
    assert run("check", other, "--against", results, "--rtol", "1e-4").returncode == 0
    (other / "flow.csv").unlink()
    assert "flow.csv: file: file was there, is missing" in run("check", other, "--against", results).stdout


def test_only_some_outcomes_and_other_horizons(tmp_path: Path) -> None:
    out = tmp_path / "r"
    arguments = ("analyse", TINY / "protocol.toml", "--out", out, "--outcome", "employed", "--horizon", 7, "--quick")
    assert run(*arguments).returncode == 0
    frame = pd.read_csv(out / "estimates.csv")
    assert set(frame["outcome"]) == {"employed"}
    assert frame["horizon_days"].max() == 7
    assert not METHOD_FILES & {path.name for path in out.iterdir()}  # --quick: the main estimates only
    assert "## Was the trial run as designed?" not in (out / "summary.md").read_text()


def test_a_broken_record_is_exit_1_and_writes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "trial"
    folder.mkdir()
    for path in TINY.iterdir():
        (folder / path.name).write_text(path.read_text().replace("2020-01-09,2020-01-12", "2020-01-12,2020-01-09"))
    done = run("analyse", folder / "protocol.toml", "--out", tmp_path / "out", "--quiet")
    assert done.returncode == 1
    assert "benefit: 1 of 13 row breaks 'end_not_before_start'" in done.stderr
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["trial"]
    remedy = (
        "analyse",
        folder / "protocol.toml",
        "--out",
        tmp_path / "out",
        "--quick",
        "--on-broken-rule",
        "quarantine",
    )
    assert run(*remedy).returncode == 0
    assert (tmp_path / "out" / "quarantined.csv").read_text() == "table,row,rule\nbenefit,3,end_not_before_start\n"


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("analyse", "nowhere.toml", "--out", "x"), 2, "the protocol cannot be read"),
        (("analyse", TINY / "protocol.toml"), 2, "Missing option '--out'"),
        (("analyse", TINY / "protocol.toml", "--out", "x", "--outcome", "days"), 2, "no outcome 'days'"),
        (("analyse", TINY / "protocol.toml", "--out", TINY), 2, "not empty, and not only what trialimpact wrote"),
        (("analyse", TINY / "claimants.csv", "--out", "x"), 2, "not TOML"),
        (("check", "nowhere", "--against", TINY), 2, "nowhere: no such folder"),
        (("nothing",), 2, "No such command"),
    ],
)
def test_usage_errors_are_exit_2_and_say_what_to_do(
    arguments: tuple[object, ...], code: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run(*arguments)
    assert done.returncode == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_protocol_check_explains_and_protocol_schema_prints() -> None:
    said = run("protocol", "check", TINY / "protocol.toml")
    assert said.returncode == 0
    assert "Day 0 is the first day of the benefit claim (JSA)" in said.stdout
    schema = run("protocol", "schema")
    assert json.loads(schema.stdout)["title"] == "TrialProtocol"


def test_simulate_then_analyse(tmp_path: Path) -> None:
    assert run("simulate", "--out", tmp_path / "trial", "--claimants", "150", "--seed", "2").returncode == 0
    truth = pd.read_csv(tmp_path / "trial" / "truth.csv")
    assert list(truth.columns) == ["outcome", "day", "treatment", "control"]
    done = run("analyse", tmp_path / "trial" / "protocol.toml", "--out", tmp_path / "out", "--quick")
    assert done.returncode == 0, done.stderr
    turned = run("simulate", "--out", tmp_path / "tri\u202eal", "--claimants", "150", "--seed", "2")
    assert "\\u202e" in turned.stdout and "\u202e" not in turned.stdout, "a path cannot steer a terminal"
    again = run("simulate", "--out", tmp_path / "trial", "--claimants", "150", "--seed", "3")
    assert again.returncode == 0


def test_it_says_its_version() -> None:
    from importlib.metadata import version

    assert run("--version").stdout == f"trialimpact {version('trialimpact')}\n"


def test_help_teaches_exit_codes_and_an_example() -> None:
    for arguments in ((), ("analyse",), ("check",)):
        said = run(*arguments, "--help").stdout
        assert "Exit codes:" in said
        assert "1  the records break rules" in said
    assert "Example: trialimpact analyse" in run("analyse", "--help").stdout


def test_no_identifier_appears_in_anything_written_or_said(results: Path) -> None:
    identifiers = pd.read_csv(TINY / "claimants.csv", dtype=str)["claimant_id"]
    everything = b"".join(path.read_bytes() for path in results.rglob("*") if path.is_file())
    for each in identifiers:
        assert each[2:8].encode() not in everything


def test_a_defect_tells_its_place_and_never_its_message(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from trialimpact import cli

    def stumble() -> None:
        raise ValueError("AB123456C")

    monkeypatch.setattr(cli, "app", stumble)
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 3
    said = capsys.readouterr().err
    assert "unexpected ValueError" in said
    assert "AB123456C" not in said


def test_a_terminal_that_cannot_show_a_minus_is_no_error(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "trialimpact",
        "analyse",
        str(TINY / "protocol.toml"),
        "--out",
        str(tmp_path / "r"),
        "--quick",
    ]
    import os

    environment = {**os.environ, "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, check=False, env=environment)
    assert done.returncode == 0


def test_an_asked_for_outcome_stands_once(tmp_path: Path) -> None:
    out = tmp_path / "r"
    twice = ("--outcome", "employed", "--outcome", "employed", "--horizon", 5, "--horizon", 5)
    assert run("analyse", TINY / "protocol.toml", "--out", out, "--quick", *twice).returncode == 0
    frame = pd.read_csv(out / "estimates.csv")
    assert not frame.duplicated(["outcome", "subgroup", "day", "horizon_days"]).any()


def test_check_of_a_damaged_file_is_exit_2(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "r")
    (tmp_path / "r" / "flow.csv").write_bytes(b"")
    done = run("check", tmp_path / "r", "--against", results)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (("analyse", "protocol.toml", "--out", ""), "an argument is empty"),
        (("analyse", "protocol.toml", "–out", "x"), "begins with a dash that is no hyphen"),
        (("check", ".", "--against", "."), "is compared with itself"),
        (("moments", "estimate", ".", "--out", "e.csv"), "name the moments.npz in it"),
        (("analyse", "protocol.toml", "--out", "there"), r"not only what trialimpact wrote \(Thumbs.db\)"),
        (("analyse", "protocol.toml", "--out", "new", "--horizon", "9999"), "with horizon_days as asked"),
    ],
)
def test_slips_of_the_hand(
    arguments: tuple[str, ...], says: str, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    simulate_trial(200, seed=1).write(tmp_path)
    shutil.copytree(results, tmp_path / "there")
    (tmp_path / "there" / "Thumbs.db").write_bytes(b"x")
    before = sorted(tmp_path.rglob("*"))
    done = run(*arguments)
    assert done.returncode == 2 and re.search(says, done.stderr) and "remedy: " in done.stderr
    assert sorted(tmp_path.rglob("*")) == before


def test_a_minus_is_a_minus_in_any_encoding(tmp_path: Path) -> None:
    simulate_trial(200, seed=5).write(tmp_path)
    command = [sys.executable, "-m", "trialimpact", "analyse", tmp_path / "protocol.toml", "--out", tmp_path / "out"]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(command, capture_output=True, env=environment, check=True)
    assert b" -" in done.stdout and b"?" not in done.stdout


def test_an_error_that_is_not_known_has_no_map_and_loses_no_analysis(tmp_path: Path) -> None:
    """Clusters that are the two arms: of one a side, no variance is known."""
    trial = simulate_trial(200, seed=5)
    trial.write(tmp_path)
    people = pd.read_csv(tmp_path / "claimants.csv", dtype=str)
    people.assign(team=people["claimant_id"].str[7].ge("5")).to_csv(tmp_path / "claimants.csv", index=False)
    text = (tmp_path / "protocol.toml").read_text()
    (tmp_path / "protocol.toml").write_text(text.replace("[analysis]", '[analysis]\nclusters = "team"', 1))
    done = run("analyse", tmp_path / "protocol.toml", "--out", tmp_path / "out")
    assert done.returncode == 0 and "of unknown precision" in done.stdout, done.stderr
    assert not list((tmp_path / "out").rglob("tipping*")) and (tmp_path / "out" / "bounds.csv").is_file()
