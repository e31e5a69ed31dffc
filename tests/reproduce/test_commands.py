"""`trialimpact reproduce` and `lint-report`: what they say, and their exit codes."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import run

from trialimpact.synthetic import simulate_iap

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Records that come along are found from there."""
    monkeypatch.chdir(ROOT)


def test_reproduce_says_the_headline_beside_the_print_and_replaces_its_own_folder(tmp_path: Path) -> None:
    done = run("reproduce", "iap", "--out", tmp_path / "out", "--strict", "--quiet")
    assert done.returncode == 0, done.stderr
    assert "printed −11 (−5.5, −17), computed −11 (−5.5, −17); valid 95% interval −15 to" in done.stdout
    assert "258 of 262 published numbers print alike; 4 differ for a known reason, 0 unexplained" in done.stdout
    assert not done.stderr
    (tmp_path / "out" / "mine.txt").write_text("keep")
    again = run("reproduce", "iap", "--out", tmp_path / "out")
    assert again.returncode == 2
    assert (tmp_path / "out" / "mine.txt").read_text() == "keep"


def test_other_records_are_unexplained_and_strict_says_so(tmp_path: Path) -> None:
    simulate_iap(1_500, seed=3).write(tmp_path)
    done = run("reproduce", "iap", "--out", tmp_path / "out", "--data", tmp_path, "--strict", "--quiet")
    assert done.returncode == 1
    assert "unexplained: flow.records: printed 18,486" in done.stdout
    page = (tmp_path / "out" / "reproduction.html").read_text()
    assert "records given" in page
    assert "do not exist" not in page


def test_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("reproduce", "iap", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "no such folder of records" in done.stderr and "remedy" in done.stderr
    monkeypatch.chdir(ROOT)
    done = run("reproduce", "icecream", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "'iap'" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("report", "code", "says"), [("iap_2016", 1, "37 inconsistent"), ("weekly_wsr_2018", 0, "0 inconsistent")]
)
def test_lint_of_what_comes_along(report: str, code: int, says: str) -> None:
    done = run("lint-report", report)
    assert done.returncode == code
    assert says in done.stdout


def test_lint_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "numbers.csv"
    path.write_text("id,printed,relation\na,2,\nb,3,\ntotal,6,a + b\n")
    done = run("lint-report", path, "--all")
    assert done.returncode == 0  # 2.4 + 3.4 prints as 6
    assert "consistent: relation: total: printed 6; a + b gives 4 to 6" in done.stdout
    path.write_text("id,printed,unit,relation\na,2,n,\nb,3,n,\ntotal,6,n,a + b\n")
    assert run("lint-report", path).returncode == 1
    assert run("lint-report", tmp_path / "gone.csv").returncode == 2
    assert run("lint-report", tmp_path).returncode == 2
    assert run("lint-report", "gone").returncode == 2


@pytest.mark.slow
def test_the_records_are_built_by_one_seeded_command(tmp_path: Path) -> None:
    """The same bytes, uncompressed, with the versions of constraints.txt; another seed gives other people."""
    data = ROOT / "data" / "synthetic" / "iap"
    build = [sys.executable, ROOT / "tools" / "iap" / "build.py", "--out", tmp_path]
    subprocess.run([*build, "--seed", "2015"], check=True)
    for path in data.glob("*.csv.gz"):
        assert gzip.decompress((tmp_path / path.name).read_bytes()) == gzip.decompress(path.read_bytes()), path.name
