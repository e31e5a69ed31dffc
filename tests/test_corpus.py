"""Every bad file of the corpus: a clear error by either door, or the answer that is expected; and a remedy that works."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import typer
from bad_input import (
    BASES,
    CORPUS,
    TABLES,
    Answer,
    Case,
    answer_of,
    assert_answer,
    base_answer,
    build,
    cases,
    remedied_answer,
)
from command_line import Done, run

import trialimpact as ti
from trialimpact import cli

MARKED = [
    pytest.param(case, id=str(case), marks=[] if place % 3 == 0 else [pytest.mark.slow])
    for place, case in enumerate(cases())
]
"""CI runs every third; `make test-slow` all."""
ERRORS = (ti.RecordError, ti.ProtocolError, ti.DesignError, ti.OutputError)
INTERNALS = re.compile(
    r"pandas|pyarrow|numpy|pydantic|pyreadstat|polars|Arrow[A-Z]|[a-z](Error|Exception)\b|Traceback|dtype|NoneType|"
    r"object at 0x|\.py\b|line \d+, in |errors\.pydantic|site-packages"
)
PERSON = re.compile(r"[A-Za-z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-Za-z]?\b|1000\d\d|1001\d\d")
DATE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}[/.]\d{1,2}[/.]\d{2,4}|\d{1,2}[ -][A-Z][a-z]{2,8}[ -]\d{4}")
CONTROL = re.compile(r"[^\n -~]+")
EXAMPLES = ("days since 1960-01-01", "1901-2200")
"""Dates that remedies and rules say, which are no record's."""


@pytest.mark.parametrize("case", MARKED)
def test_a_bad_file(case: Case, tmp_path: Path) -> None:
    protocol = build(case, tmp_path / "trial")
    said, found, error = by_both_doors(protocol, tmp_path / "out")
    if case.answer is not None:
        assert error is None, error
        check_answer(case, said, answer_of(found))
    else:
        check_error(case, said, error)
        assert not clear(case, error, protocol.parent)
        assert_answer(remedied_answer(case, tmp_path / "remedied"), case.then, case.base)
    assert {each.name for each in tmp_path.iterdir()} <= {"trial", "remedied"}


@cache
def command() -> Any:
    """The command line, put together once."""
    return typer.main.get_command(cli.app)


def by_both_doors(protocol: Path, out: Path) -> tuple[Done, Any, Exception | None]:
    """What the command line says of a trial, and what Python gave it or raised."""
    raised: list[Exception] = []

    def in_python(*given: Any, **options: Any) -> Any:
        try:
            return ti.analyse_trial(*given, **options)
        except Exception as error:
            raised.append(error)
            raise

    with (
        mock.patch("trialimpact.analysis.analyse_trial", in_python),
        mock.patch("trialimpact.cli.app", command()),
        mock.patch("trialimpact.output.write_analysis") as write,
    ):
        said = run("analyse", protocol, "--out", out, "--quick", "--quiet")
    return said, write.call_args and write.call_args.args[0], raised[0] if raised else None


def check_error(case: Case, said: Done, error: Exception | None) -> None:
    """An error of the library's own, with the words of the case; the command line says it, below its warnings."""
    assert isinstance(error, ERRORS), repr(error)
    for words in case.error:
        assert words in str(error)
    assert said.returncode == (1 if isinstance(error, ti.RecordError | ti.DesignError) else 2)
    warned, mark, told = said.stderr.partition("error: ")
    assert f"{mark}{told}".encode() == f"error: {error}\n".encode(errors="replace")
    assert all(line.startswith("warning: ") for line in warned.splitlines())
    assert not PERSON.search(warned)
    assert not said.stdout


def clear(case: Case, error: Exception | None, folder: Path) -> str:
    """What a message should not hold: library internals, control characters, a person, a date of birth."""
    said = str(error).replace(str(folder), "")
    if "remedy: " not in said:
        return "no remedy"
    found = [INTERNALS.search(said), None if said.replace("\n", "").isprintable() else CONTROL.search(said)]
    if case.table != "protocol":
        for example in EXAMPLES:
            said = said.replace(example, "")
        found += [PERSON.search(said), DATE.search(said)]
    return "".join(each[0] for each in found if each)


def check_answer(case: Case, said: Done, found: Answer) -> None:
    """The expected answer, and the rules that the file breaks counted."""
    assert_answer(found, case.answer, case.base)
    broken = {rule: n for (table, rule), n in found.broken.items() if table == case.table}
    for rule in case.audit:
        assert broken[rule] > base_answer(case.base).broken[case.table, rule]
    assert said.returncode == 0
    if case.answer != "same":
        assert case.answer.get("says", "") in said.stdout + said.stderr


def test_every_file_has_a_case_and_every_case_its_file() -> None:
    listed = [case.path for case in cases()]
    files = [path for path in CORPUS.rglob("*") if path.is_file() and path.parent.parent == CORPUS]
    assert sorted(listed) == sorted(path for path in files if path.name != "cases.toml")
    assert len(listed) >= 150
    assert max(path.stat().st_size for path in files if path.name != "cases.toml") < 20_000


def test_every_case_says_what_it_shows_and_one_thing_that_must_happen() -> None:
    for case in cases():
        assert case.shows and case.base in BASES and case.table in (*TABLES, "protocol"), case
        assert bool(case.error) != (case.answer is not None), case
        assert not case.error or case.remedy, case


@pytest.mark.parametrize("base", [each for each in BASES if each != "tiny"])
def test_other_bases_have_the_answer_of_the_tiny_trial(base: str) -> None:
    found: Any = base_answer(base)
    assert found.estimates.equals(base_answer("tiny").estimates)
    assert found.n_analysed == 7
