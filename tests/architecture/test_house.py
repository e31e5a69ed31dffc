"""The house rules that a machine can keep: data goes one way, files and functions stay small."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "trialimpact"

ORDER = [
    "errors", "toml", "protocol", "kernel", "intervals", "loaders", "spells", "allocation", "flow", "described", "groups", "facts", "filters", "sample", "characteristics", "panel",
    "joining", "cells", "tally", "jumps", "horizons", "moments", "whole", "archive", "stages", "doubts", "engines", "estimators", "inference", "results", "disclosure", "economics",
    "report", "estimates", "analysis", "audit", "monitoring", "interim", "interviews", "summary", "output", "publication", "baseline", "reproduce",
    "synthetic", "cli_running", "cli_simulate", "cli_power", "cli_moments", "cli_monitor", "cli_economics", "cli_interviews", "cli_report", "cli",
    "__main__",
]  # fmt: skip
INSIDE = {
    "protocol": ["conditions", "sources", "methods", "consistency", "model", "read", "explain"],
    "loaders": ["values", "dates", "identifiers", "spelling", "in_labels", "repeats", "signatures", "files", "schema", "rule", "rules_of_people", "rules_of_spells", "rules", "records", "doubts_of_dates", "doubts", "linking", "load"],
    "estimators": [
        "contrast", "rows", "small_sample", "variance", "confidence", "wald", "effects", "daily", "cumulative", "covariance",
        "bands", "pretrend", "target", "ledger", "subgroups", "heterogeneity", "compliance", "randomisation",
        "placebo", "sequential", "arms", "bootstrap", "balance", "covariates", "adjusted", "segmentation", "intake", "checks", "integrity", "bounds", "cox", "durations", "states", "moves",
        "power", "past",
    ],
    "report": ["rounding", "grammar", "words", "sentences", "tables", "method_tables", "curves", "figures", "method_figures", "findings", "flowchart", "checklist", "inline", "page", "presentations", "release_tables", "release_figures", "document", "workbook", "opendocument", "latex"],
    "engines": ["words", "engine", "sources", "spells", "people", "conditions", "counting", "factors", "rules", "job", "duckdb_files", "duckdb", "dbapi", "spark", "opening"],
    "reproduce": [
        "windows", "published", "relations", "comparison", "lint", "iap", "reproduction", "figures", "document", "run",
    ],
    "disclosure": ["packs", "few", "suppression", "people", "differencing", "outcomes", "curves", "grids", "shown", "rows", "balance", "methods", "durations", "states", "release"],
    "synthetic": ["histories", "careers", "tables", "people", "registers", "trial", "iap", "chains", "extracts", "ics", "progression"],
}  # fmt: skip
LATE = {("protocol", "model", "read"), ("protocol", "consistency", "model")}
"""Imports inside a function or for types only, that go up within a room: said here, by name."""

FILES = sorted(SOURCE.rglob("*.py"))


def names_of(path: Path) -> tuple[str, str]:
    """The room and the file, as in ("estimators", "daily"); ("moments", "") for a file alone."""
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return (parts[0], parts[1] if len(parts) > 1 else "")


def imports_of(path: Path) -> set[tuple[str, str]]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative import"
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("trialimpact"):
            _, _, rest = node.module.partition(".")
            room, _, file = rest.partition(".")
            found |= {(room, file)} if room else {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("trialimpact") for alias in node.names), path
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_file_imports_only_what_stands_above_it(path: Path) -> None:
    room, file = names_of(path)
    if room == "__init__":
        return
    for other, other_file in imports_of(path):
        if other == room:
            if file in ("__init__", "") or (room, file, other_file) in LATE:
                continue
            order = INSIDE[room]
            assert order.index(other_file) < order.index(file), f"{room}.{file} imports {other_file}"
        else:
            assert ORDER.index(other) < ORDER.index(room), f"{path.name} imports {other}"


def test_every_file_has_its_place_in_the_order() -> None:
    for path in FILES:
        room, file = names_of(path)
        if room != "__init__":
            assert room in ORDER, room
        if file and file != "__init__":
            assert file in INSIDE[room], (room, file)


def test_no_stage_knows_the_synthetic_trial_and_it_knows_no_estimator() -> None:
    for path in FILES:
        rooms = {room for room, _ in imports_of(path)}
        if names_of(path)[0] == "synthetic":
            assert not rooms & {"estimators", "report", "estimates", "analysis", "output", "baseline"}
        elif names_of(path)[0] != "cli_simulate":
            assert "synthetic" not in rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_files_have_at_most_400_lines_and_functions_40(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            assert lines <= 40, f"{node.name}: {lines} lines"
            arguments = node.args
            n = len(arguments.args) + len(arguments.kwonlyargs) + len(arguments.posonlyargs)
            n -= bool(arguments.args) and arguments.args[0].arg in ("self", "cls")
            # Of a command of the command line, each argument is an option.
            is_command = any("command" in ast.unparse(decorator) for decorator in node.decorator_list)
            is_command |= path.stem == f"cli_{node.name}"  # the command that the file is of
            assert n <= 7 or is_command, f"{node.name}: {n} arguments"


def test_no_file_has_a_name_that_says_nothing() -> None:
    assert not {path.stem for path in FILES} & {"utils", "helpers", "misc", "common", "manager"}


def test_the_sign_lives_in_one_place() -> None:
    """Only contrast.py subtracts control from treatment."""
    for path in (SOURCE / "estimators").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
                text = ast.unparse(node)
                sides = "treatment" in ast.unparse(node.left) and "control" in ast.unparse(node.right)
                assert not sides or path.name == "contrast.py", f"{path.name}: {text}"


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = ["scipy", "statsmodels", "lifelines", "matplotlib", "duckdb", "jinja2", "typer", "tqdm", "pyarrow.parquet"]
    code = f"import sys, trialimpact; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_is_documented() -> None:
    import trialimpact

    for name in trialimpact.__all__:
        assert getattr(trialimpact, name).__doc__, name


def test_no_tracked_text_names_a_registry() -> None:
    texts = [ROOT / "constraints.txt", ROOT / "pyproject.toml", ROOT / "Makefile"]
    for path in texts:
        assert "http" not in path.read_text(), path.name


def test_what_is_tracked_has_a_place() -> None:
    """No folder of results is committed by accident: what is tracked stands in a known folder, and is not raw."""
    if not (ROOT / ".git").exists():
        pytest.skip("no git checkout: an unpacked archive tracks nothing")
    done = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = [Path(line) for line in done.stdout.splitlines()]
    folders = {path.parts[0] for path in tracked if len(path.parts) > 1}
    assert folders == {".ci", "benchmarks", "data", "docs", "notebooks", "src", "tests", "tools"}
    assert not [path for path in tracked if path.name == "NOT_FOR_RELEASE.txt"]
