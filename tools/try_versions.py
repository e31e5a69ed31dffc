"""Run the tests on other versions: lowest of what pyproject.toml admits, newest on each Python there is, pandas 3.

    python tools/try_versions.py all|lowest|newest|pandas3 [tests ...]

Environments are built with uv, which must be installed; a Python that is not there is said to be so.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".venv-versions"
PYTHONS = ("3.11", "3.12", "3.13", "3.14")
TOOLS = [
    "pytest",
    "pytest-xdist",
    "hypothesis",
    "polars",
    "jsonschema",
    "sqlglot",
    "openpyxl",
    "odfpy",
    "pyyaml",
    "setuptools",
]
EXTRAS = ("pyreadstat", "duckdb")
"""gptables needs a newer pandas than the lowest; tests of workbooks are skipped without it."""


def uv(*arguments: str) -> bool:
    """Run uv in the checkout; whether it succeeded."""
    program = Path(sys.executable).with_name("uv")
    return subprocess.run([str(program), *arguments], cwd=ROOT).returncode == 0  # noqa: PLW1510, S603


def program_of(python: str) -> str:
    """A Python that pyenv installed, which uv does not find unless it is switched on; else the version, for uv."""
    home = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    there = sorted(home.glob(f"versions/{python}.*/bin/python"))
    return str(there[-1]) if there else python


def prepare(case: str, python: str) -> Path | None:
    """An environment for a case; None where there is no such Python, or the versions do not go together."""
    home = FOLDER / f"{case}-{python}"
    shutil.rmtree(home, ignore_errors=True)
    if not uv("venv", "--quiet", "--no-python-downloads", "--python", program_of(python), str(home)):
        return None
    into = ("pip", "install", "--quiet", "--python", str(home / "bin" / "python"))
    extras = [f"--extra={extra}" for extra in EXTRAS]
    if case == "newest":
        return home if uv(*into, "-e", ".[dev]", "pyyaml") else None
    pins = home / "pins.txt"
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if case == "pandas3":
        lines = lines.replace('    "lifelines>=', '    # "lifelines>=').replace('"pandas>=2.2"', '"pandas>=3"')
    project = home / "pyproject.toml"
    project.write_text(lines, encoding="utf-8")
    which = "lowest-direct" if case == "lowest" else "highest"
    done = (
        uv(
            *["pip", "compile", "--quiet", "--resolution"],
            which,
            "--python",
            python,
            *extras,
            str(project),
            "-o",
            str(pins),
        )
        and uv(*into, "-r", str(pins), *TOOLS)
        and uv(*into, "--no-deps", "-e", ".")
    )
    return home if done else None


def attempt(case: str, python: str, tests: list[str]) -> str:
    """Run the tests; what came of it in a word."""
    home = prepare(case, python)
    if home is None:
        return "not run: no such Python, or the versions do not go together"
    # What an old version of one package says of a new one of another is for neither of them ours to mend.
    command = [
        str(home / "bin" / "pytest"),
        "-n",
        "2",
        "--dist",
        "loadscope",
        "-W",
        "ignore::DeprecationWarning",
        *tests,
    ]
    return "passed" if subprocess.run(command, cwd=ROOT).returncode == 0 else "FAILED"  # noqa: PLW1510, S603


def main() -> int:
    """Run what was asked for, and say what came of each."""
    asked, *tests = sys.argv[1:] or ["all"]
    cases = [("lowest", "3.11"), *(("newest", python) for python in PYTHONS), ("pandas3", "3.11")]
    came = {(case, python): attempt(case, python, tests) for case, python in cases if asked in ("all", case)}
    for (case, python), says in came.items():
        print(f"{case} on Python {python}: {says}")
    return "FAILED" in came.values() or "passed" not in came.values()


if __name__ == "__main__":
    sys.exit(main())
