"""`trialimpact audit` and `trialimpact power` at the command line."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import run

ROOT = Path(__file__).parents[1]
TINY = ROOT / "data" / "synthetic" / "tiny" / "protocol.toml"


def test_audit_writes_its_page_and_says_every_sentence(tmp_path: Path) -> None:
    done = run("audit", TINY, "--out", tmp_path / "audit", "--strict")
    assert done.returncode == 0, done.stderr
    assert "checks are green" in done.stdout
    assert (tmp_path / "audit" / "audit.html").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("power", "days", "--people", 10_091, "--sd", 106), "10,091 people detect a difference of 5.91 days"),
        (("power", "days", "--effect", 6, "--sd", 106), "9,799 people detect a difference of 6.00 days"),
        (("power", "share", "--effect", -0.035, "--control", 0.55), "6,373 people detect a difference of 3.50 points"),
        (
            (
                "power",
                "share",
                "--people",
                500,
                "--control",
                0.5,
                "--design",
                "icc=0.02",
                "--design",
                "cluster-size=11",
            ),
            "multiplied by 1.200",
        ),
    ],
)
def test_power_answers(arguments: tuple[object, ...], says: str) -> None:
    done = run(*arguments)
    assert done.returncode == 0, done.stderr
    assert says in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("power", "days", "--people", 100), 2, "--sd is needed here"),
        (("power", "days", "--sd", 10), 2, "give --people or --effect"),
        (("power", "days", "--people", 100, "--effect", 3, "--sd", 10), 2, "and not both"),
        (("power", "days", "--people", 100, "--sd", 10, "--design", "luck=3"), 2, "is not NAME=NUMBER"),
        (("power", "days", "--people", 100, "--sd", 10, "--design", "icc=3"), 1, "not possible: icc"),
        (("power", "days", "--people", 100, "--sd", 10, "--design", "icc=0.1"), 2, "icc alone changes nothing"),
        (("power", "days", "--people", 9, "--sd", 1, "--design", "icc=0", "--design", "icc=1"), 2, "is given twice"),
        (("power", "days", "--people", 100, "--past", TINY), 2, "give --outcome"),
        (("power", "share", "--people", 100), 2, "--control is needed here"),
        (("audit", "nowhere.toml"), 2, "the protocol cannot be read"),
    ],
)
def test_mistakes_have_a_remedy(arguments: tuple[object, ...], code: int, says: str) -> None:
    done = run(*arguments)
    assert done.returncode == code, (done.stdout, done.stderr)
    assert says in done.stderr and "remedy" in done.stderr


def test_power_from_past_records_is_checked_by_simulation(tmp_path: Path) -> None:
    assert run("simulate", "--out", tmp_path / "trial", "--claimants", "300", "--seed", "2").returncode == 0
    done = run(
        "power", "days", "--people", 600, "--past", tmp_path / "trial" / "protocol.toml", "--outcome", "on_benefit"
    )
    assert done.returncode == 0, done.stderr
    assert "check, by drawing past claimants into arms 500 times: power 0." in done.stdout
    asked = (
        "power",
        "days",
        "--people",
        600,
        "--past",
        tmp_path / "trial" / "protocol.toml",
        "--outcome",
        "on_benefit",
    )
    assert "standard deviation 80 days (--sd; that of the past is " in run(*asked, "--sd", 80).stdout
