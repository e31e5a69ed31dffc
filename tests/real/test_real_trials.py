"""Two real trials. The expected numbers were computed apart from this library (R: estimatr, sandwich)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

import trialimpact as ti

HERE = Path(__file__).parent


def protocol_of(name: str, extract_date: str | None = None) -> ti.TrialProtocol:
    protocol = ti.TrialProtocol.from_toml(HERE / f"{name}.toml")
    if extract_date is None:
        return protocol
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["sources"]["ui"]["extract_date"] = extract_date
    return ti.TrialProtocol.model_validate(data)


@pytest.fixture(scope="module")
def staggered(penn: Path) -> ti.TrialAnalysis:
    return ti.analyse_trial(protocol_of("penn_bonus"), folder=penn)


@pytest.fixture(scope="module")
def full(penn: Path) -> ti.TrialAnalysis:
    return ti.analyse_trial(protocol_of("penn_bonus", "1990-12-31"), folder=penn)


def row(analysis: ti.TrialAnalysis, contrast: str, **at: int) -> tuple[str, str]:
    """Estimate and standard error as printed, from the tidy columns."""
    frame = analysis.to_frame()
    ((name, value),) = at.items()
    chosen = frame[(frame["contrast"] == contrast) & (frame["subgroup"] == "all") & (frame[name] == value)]
    (only,) = chosen.to_dict("records")
    return f"{only['estimate']:.4f}", f"{only['std_error']:.4f}"


def test_penn_has_thirteen_thousand_claimants_in_seven_arms(full: ti.TrialAnalysis) -> None:
    assert len(full.sample) == 13_913
    assert len(full.protocol.arms) == 7


@pytest.mark.parametrize(
    ("horizon", "estimate", "std_error"),
    [(182, "-5.5176", "2.0140"), (273, "-5.8349", "2.1468"), (364, "-5.8265", "2.1736")],
)
def test_penn_full_follow_up(full: ti.TrialAnalysis, horizon: int, estimate: str, std_error: str) -> None:
    assert row(full, "bonus4", horizon_days=horizon) == (estimate, std_error)


@pytest.mark.parametrize(
    ("horizon", "estimate", "std_error"),
    [(182, "-5.3979", "2.0308"), (273, "-5.7199", "2.1797"), (364, "-5.7067", "2.2148")],
)
def test_penn_staggered_available_case(
    staggered: ti.TrialAnalysis, horizon: int, estimate: str, std_error: str
) -> None:
    assert row(staggered, "bonus4", horizon_days=horizon) == (estimate, std_error)


def test_penn_any_bonus_pools_six_arms(full: ti.TrialAnalysis) -> None:
    assert row(full, "any_bonus", horizon_days=364) == ("-3.9013", "1.4691")


def test_penn_point_in_time(full: ti.TrialAnalysis) -> None:
    assert row(full, "bonus4", day=91) == ("-0.0442", "0.0145")


def test_penn_an_arm_that_stopped_recruiting_early_moves_the_staggered_estimate(
    staggered: ti.TrialAnalysis, full: ti.TrialAnalysis
) -> None:
    assert row(staggered, "bonus6", horizon_days=182)[0].startswith("-4.86")
    assert row(full, "bonus6", horizon_days=182)[0].startswith("-6.03")


def test_penn_without_declared_arms_only_the_contrast_is_analysed(penn: Path) -> None:
    data = protocol_of("penn_bonus").model_dump(by_alias=True, exclude_unset=True)
    del data["allocation"]["arms"]
    data["contrasts"] = data["contrasts"][:1]
    analysis = ti.analyse_trial(ti.TrialProtocol.model_validate(data), folder=penn)
    assert analysis.sample.flow.n("arm_known", "removed") == 8_814
    assert row(analysis, "bonus4", horizon_days=182) == ("-5.3979", "2.0308")


def test_penn_from_parquet_polars_and_arrow(penn: Path, tmp_path: Path, staggered: ti.TrialAnalysis) -> None:
    polars = pytest.importorskip("polars", reason="polars is not installed")
    import pyarrow as pa

    people, spells = pd.read_csv(penn / "people.csv"), pd.read_csv(penn / "spells.csv", parse_dates=["start_date"])
    people.to_parquet(tmp_path / "people.parquet")
    for tables in (
        {"claimants": tmp_path / "people.parquet", "ui": spells},
        {"claimants": polars.from_pandas(people), "ui": pa.Table.from_pandas(spells)},
    ):
        again = ti.analyse_trial(protocol_of("penn_bonus"), tables)
        assert again.moments == staggered.moments


@pytest.mark.parametrize(
    ("weeks", "estimate", "std_error"),
    [(13, -0.4092, 0.4632), (26, -0.6617, 0.8976), (39, -0.2174, 1.3273), (52, 0.7394, 1.7880)],
)
def test_rossi_weeks_in_work(rossi: Path, weeks: int, estimate: float, std_error: float) -> None:
    analysis = ti.analyse_trial(protocol_of("rossi"), folder=rossi)
    effect = ti.estimate_cumulative(analysis.moments).effect(7 * weeks)
    assert round(effect.estimate / 7, 4) == estimate
    assert round(effect.std_error / 7, 4) == std_error


def test_rossi_days_in_work(rossi: Path) -> None:
    analysis = ti.analyse_trial(protocol_of("rossi"), folder=rossi)
    assert row(analysis, "aid", horizon_days=364) == ("5.1757", "12.5160")
