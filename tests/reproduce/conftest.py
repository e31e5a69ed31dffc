from __future__ import annotations

from pathlib import Path

import pytest

from trialimpact.reproduce import Reproduction, reproduce_report, write_reproduction

DATA = Path(__file__).parents[2] / "data" / "synthetic" / "iap"


@pytest.fixture(scope="session")
def data() -> Path:
    return DATA


@pytest.fixture(scope="session")
def iap() -> Reproduction:
    return reproduce_report("iap", DATA)


@pytest.fixture(scope="session")
def written(iap: Reproduction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reproduction(iap, tmp_path_factory.mktemp("reproduce") / "iap")
