"""Doors fed with bytes by atheris, guided by coverage: whatever comes, an error of this library or an answer.

    python tools/fuzz.py protocol -max_total_time=600

A finding is an error of another kind, a message with the marked NINO in it, or a crash; its input is kept in
build/fuzz/.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["trialimpact"]):
    import pandas as pd

    import trialimpact as ti
    from trialimpact.loaders.dates import parse_days
    from trialimpact.loaders.identifiers import parse_ninos
    from trialimpact.protocol.read import parse_protocol

TINY = Path(__file__).parents[1] / "data" / "synthetic" / "tiny"
MARK = "QQ123456"
BASE = (TINY / "protocol.toml").read_text(encoding="utf-8")
TABLES = ("claimants", "markers", "benefit_spells", "employment_spells")


def found(holds: bool, says: str) -> None:
    """A finding, where something does not hold."""
    if not holds:
        raise AssertionError(says)


def protocol(data: bytes) -> None:
    """A protocol of any text, or the tiny trial's with some of it replaced."""
    text = data.decode("utf-8", "replace")
    at = len(data) * 31 % len(BASE)
    for each in (text, BASE[:at] + text + BASE[at + len(text) :]):
        with contextlib.suppress(ti.TrialImpactError):
            ti.explain_protocol(parse_protocol(each, "fuzz"))


def nino(data: bytes) -> None:
    """NINOs of any text: blank, invalid, or with a digit."""
    values = pd.Series(data.decode("utf-8", "replace").split("\n"), dtype=object)
    keys = parse_ninos(values)
    found(
        ((keys.digit >= 0) | keys.blank | keys.invalid).all(), "a NINO is neither blank nor invalid, and has no digit"
    )


def dates(data: bytes) -> None:
    """Dates of any text, in the formats that stand in protocols: a day, or not to be read."""
    values = pd.Series(data.decode("utf-8", "replace").split("\n"), dtype=object)
    for written in ("%Y-%m-%d", "%d/%m/%Y", "%d%b%Y", "days since 1960-01-01"):
        days, wrong = parse_days(values, written)
        found(len(days) == len(wrong) == len(values), "rows are lost")


def table(data: bytes) -> None:
    """One table of the tiny trial from any bytes, or with bytes put into it."""
    if not data:
        return
    name = TABLES[data[0] % len(TABLES)]
    good = (TINY / f"{name}.csv").read_bytes()
    at = len(good) * data[0] // 256
    with tempfile.TemporaryDirectory() as folder:
        for each in TABLES:
            (Path(folder) / f"{each}.csv").symlink_to(TINY / f"{each}.csv")
        (Path(folder) / f"{name}.csv").unlink()
        (Path(folder) / f"{name}.csv").write_bytes(good[:at] + data[1:] + good[at:])
        try:
            ti.load_records(parse_protocol(BASE, "tiny"), folder=folder)
        except ti.TrialImpactError as error:
            found(MARK not in str(error), "an identifier is in a message")


DOORS = {"protocol": protocol, "nino": nino, "dates": dates, "table": table}


def main() -> None:
    """The door by name; what follows is for atheris."""
    warnings.simplefilter("ignore")
    door = DOORS[sys.argv.pop(1)]
    kept = Path("build/fuzz")
    kept.mkdir(parents=True, exist_ok=True)
    atheris.Setup([*sys.argv, f"-artifact_prefix={kept}/"], door)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
