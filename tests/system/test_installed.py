"""The wheel in a fresh environment, run from a folder with no checkout: needs the package registry."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an environment in `.venv`, where the wheel is installed as a stranger would."""
    folder = tmp_path_factory.mktemp("home")
    build = [sys.executable, str(ROOT / "tools" / "build.py"), "--out", str(folder / "dist")]
    subprocess.run(build, check=True, capture_output=True)
    subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
    pip = [str(folder / ".venv" / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    hashed = [
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-binary",
        "autograd-gamma",
        "-r",
        str(ROOT / "requirements-hashed.txt"),
    ]
    done = subprocess.run([*pip, *hashed], check=False, capture_output=True, text=True)
    if done.returncode:
        assert "DO NOT MATCH" not in done.stderr, done.stderr
        pytest.skip(f"libraries cannot be fetched: {done.stderr.splitlines()[-1]}")
    (wheel,) = (folder / "dist").glob("*.whl")
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return folder


def run(home: Path, *arguments: str, code: int = 0) -> str:
    program = home / ".venv" / "bin" / "trialimpact"
    done = subprocess.run([str(program), *arguments], check=False, cwd=home, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout


def test_from_records_to_a_page(home: Path) -> None:
    assert run(home, "--version").startswith("trialimpact ")
    run(home, "simulate", "--out", "trial", "--claimants", "2000")
    run(home, "analyse", "trial/protocol.toml", "--out", "results", "--quick", "--quiet")
    run(home, "report", "results", "--out", "report")
    assert "</html>" in (home / "report" / "report.html").read_text(encoding="utf-8")


def test_it_is_whole_and_typed(home: Path) -> None:
    code = "import trialimpact as t, pathlib; p = pathlib.Path(t.__file__).parent; print(p, (p / 'py.typed').is_file())"
    done = subprocess.run(
        [str(home / ".venv/bin/python"), "-c", code], cwd=home, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(str(home))
    assert done.stdout.strip().endswith("True")
    subprocess.run([str(home / ".venv/bin/pip"), "check"], check=True, capture_output=True)


def test_the_reproduction_from_records_elsewhere(home: Path) -> None:
    run(
        home,
        "reproduce",
        "iap",
        "--data",
        str(ROOT / "data" / "synthetic" / "iap"),
        "--out",
        "demo",
        "--strict",
        "--quiet",
    )
    assert (home / "demo" / "reproduction.html").is_file()
    said = run(home, "lint-report", "iap_2016", code=1)
    assert "inconsistent" in said, "what was printed in 2016 does not all agree, and the exit code says so"
