"""The corpus of bad input: a small trial in which one file is replaced, and what must come of it.

`tests/corpus/README.md` says what a case holds.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import tomllib
import warnings
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

import trialimpact as ti

CORPUS = Path(__file__).parent / "corpus"
BASES = {"tiny": Path(__file__).parents[1] / "data" / "synthetic" / "tiny"} | {
    each.name: each for each in (CORPUS / "bases").iterdir()
}
TABLES = {
    "claimants": "claimants.csv",
    "markers": "markers.csv",
    "benefit": "benefit_spells.csv",
    "employment": "employment_spells.csv",
}


@dataclass(frozen=True)
class Case:
    """One bad file."""

    path: Path
    table: str
    shows: str
    base: str = "tiny"
    set: dict[str, Any] = field(default_factory=dict)
    error: tuple[str, ...] = ()
    answer: Any = None
    audit: tuple[str, ...] = ()
    remedy: dict[str, Any] = field(default_factory=dict)
    then: Any = "same"

    def __str__(self) -> str:
        return f"{self.path.parent.name}/{self.path.name}"


@dataclass(frozen=True)
class Answer:
    """What an analysis says."""

    estimates: pd.DataFrame
    balance: pd.DataFrame
    n_analysed: int
    broken: dict[tuple[str, str], int]


def cases() -> list[Case]:
    """Every case of the corpus."""
    found = []
    for listing in sorted(CORPUS.glob("*/cases.toml")):
        for case in tomllib.loads(listing.read_text(encoding="utf-8"))["case"]:
            path = listing.parent / case.pop("file")
            words = {key: tuple(case.pop(key, ())) for key in ("error", "audit")}
            found.append(Case(path=path, **words, **case))
    return found


def build(case: Case, folder: Path, *, remedied: bool = False) -> Path:
    """Write the trial with the bad file in it, remedied or not; return its protocol."""
    remedy, content = case.remedy if remedied else {}, case.path.read_bytes()
    if remedied:
        content = mended(content, remedy, BASES[case.base] / TABLES.get(case.table, "protocol.toml"))
    folder.mkdir()
    protocol = folder / "protocol.toml"
    if case.table == "protocol":
        for file in TABLES.values():
            (folder / file).write_bytes((BASES[case.base] / file).read_bytes())
        protocol.write_bytes(content)
        return protocol
    file = remedy.get("name", case.path.name)
    (folder / file).write_bytes(content)
    design = tomllib.loads((BASES[case.base] / "protocol.toml").read_text(encoding="utf-8"))
    for name, source in design["sources"].items():
        source["file"] = file if name == case.table else str(BASES[case.base] / source["file"])
    for key, value in {**case.set, **remedy.get("set", {})}.items():
        change(design, key.split("."), value)
    protocol.write_text("".join(f"{key} = {toml(value)}\n" for key, value in design.items()), encoding="utf-8")
    return protocol


def mended(content: bytes, remedy: dict[str, Any], good: Path) -> bytes:
    """What the remedy makes of a bad file."""
    if remedy.get("extract_again"):
        return good.read_bytes()
    if not {"from", "drop", "replace", "separator", "header"} & set(remedy):
        return content
    text = content.decode(remedy.get("from", "utf-8"))
    for old, new in remedy.get("replace", []):
        assert old in text, f"the remedy replaces {old!r}, which is not there"
        text = text.replace(old, new)
    if "separator" in remedy:
        written = io.StringIO()
        csv.writer(written, lineterminator="\n").writerows(
            csv.reader(io.StringIO(text, newline=""), delimiter=remedy["separator"])
        )
        text = written.getvalue()
    lines = text.splitlines(keepends=True)
    kept = [line for number, line in enumerate(lines, start=1) if number not in remedy.get("drop", [])]
    return "".join([f"{remedy['header']}\n" if "header" in remedy else "", *kept]).encode()


def change(design: Any, keys: list[str], value: Any) -> None:
    """Set a dotted key; a number is a place in a list."""
    *path, last = [int(key) if key.isdigit() else key for key in keys]
    for key in path:
        design = design[key] if isinstance(key, int) else design.setdefault(key, {})
    design[last] = value


def toml(value: Any) -> str:
    """A value as TOML on one line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{toml(key)} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(toml(each) for each in value) + "]"
    return value.isoformat() if isinstance(value, dt.date) else json.dumps(value, ensure_ascii=False)


def analyse(protocol: Path, *, quarantine: bool = False) -> Answer:
    """The answer of a trial by way of Python."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ti.TrialWarning)
        return answer_of(ti.analyse_trial(protocol, on_broken_rule="quarantine" if quarantine else "error"))


_REMEDIED: dict[Any, Answer] = {}


def remedied_answer(case: Case, folder: Path) -> Answer:
    """The answer after the remedy. What is the good trial again, byte by byte, is not analysed again."""
    remedy, good = case.remedy, BASES[case.base] / TABLES.get(case.table, "protocol.toml")
    content = mended(case.path.read_bytes(), remedy, good)
    changes, quarantine = {**case.set, **remedy.get("set", {})}, remedy.get("quarantine", False)
    ending = "".join(Path(remedy.get("name", case.path.name)).suffixes[-2:])
    if content == good.read_bytes() and not changes and ending in (".csv", ".toml"):
        return base_answer(case.base)
    key = (case.base, case.table, content, ending, toml(changes), quarantine)
    if key not in _REMEDIED:
        _REMEDIED[key] = analyse(build(case, folder, remedied=True), quarantine=quarantine)
    return _REMEDIED[key]


def answer_of(analysis: ti.TrialAnalysis) -> Answer:
    """What is compared of an analysis."""
    return Answer(
        estimates=analysis.to_frame(),
        balance=analysis.balance.to_frame(),
        n_analysed=analysis.flow.n("analysed"),
        broken={(line.table, line.rule): line.n_broken for line in analysis.counts.audit.lines},
    )


@cache
def base_answer(base: str) -> Answer:
    """The answer of a trial without fault."""
    return analyse(BASES[base] / "protocol.toml")


def assert_answer(found: Answer, wanted: Any, base: str) -> None:
    """An answer is the same as that of the base, or has the numbers that the case says."""
    same = base_answer(base)
    if wanted == "same":
        pd.testing.assert_frame_equal(found.estimates, same.estimates, check_exact=True)
        pd.testing.assert_frame_equal(found.balance, same.balance, check_exact=True)
        assert found.n_analysed == same.n_analysed
        return
    assert found.n_analysed == wanted["analysed"]
    if "on_benefit" in wanted:
        rows = found.estimates.query("outcome == 'on_benefit' and subgroup == 'all' and horizon_days == 10")
        means = rows[["mean_treatment", "mean_control"]].to_numpy().round(6).tolist()
        assert means == [[round(each, 6) for each in wanted["on_benefit"]]]
