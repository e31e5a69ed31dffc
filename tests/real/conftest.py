"""Real trials are read where they are and never copied; without them these tests are skipped, and say so."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

DATA = Path(os.environ.get("TRIALIMPACT_REAL_DATA", Path(__file__).parents[3] / "shared" / "data"))


def folder_of(name: str) -> Path:
    folder = DATA / name
    if not folder.is_dir():
        pytest.skip(f"the real trial {name!r} is not on this machine (set TRIALIMPACT_REAL_DATA to its parent folder)")
    return folder


@pytest.fixture(scope="module")
def penn() -> Path:
    return folder_of("penn_bonus")


@pytest.fixture(scope="module")
def rossi() -> Path:
    return folder_of("rossi")


@pytest.fixture(scope="module")
def nsw() -> Path:
    return folder_of("nsw")
