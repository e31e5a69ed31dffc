"""Methods beside the main estimates on three real trials, against numbers computed apart from this library."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import trialimpact as ti
from trialimpact.estimators.ledger import mean_ledger

HERE = Path(__file__).parent
pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def penn_panel(penn: Path, small_sample: str = "cr0"):
    protocol = ti.TrialProtocol.from_toml(HERE / "penn_bonus.toml").with_analysis(small_sample=small_sample)
    records = ti.load_records(protocol, folder=penn)
    sample = ti.build_sample(records)
    return ti.build_panel(sample, ti.merge_spells(records)), sample, records


@pytest.fixture(scope="module")
def staggered(penn: Path):
    return penn_panel(penn)


BONUS6 = ti.Contrast(name="bonus6", treatment=("bonus6",), control=("control",))


def test_the_drift_of_bonus6_is_flagged_and_common_intake_puts_it_right(staggered) -> None:
    panel, sample, _ = staggered
    found = ti.estimate_integrity(sample, panel)
    drift = {each.where: each.level for each in found.checks if each.check == "arm_share_drift"}
    assert drift["bonus6"] == "red"
    sensitivity = ti.estimate_intake_sensitivity(panel, None, BONUS6)
    assert round(sensitivity.estimate("difference", 182), 2) == -4.86
    assert round(sensitivity.estimate("common_intake", 182), 2) == -6.56
    assert round(sensitivity.estimate("intake_stratified", 182), 1) == -6.5


def test_log_weeks_unadjusted_with_hc1_as_published(penn: Path) -> None:
    panel, sample, _ = penn_panel(penn, "cr1")
    people = pd.read_csv(penn / "people.csv").iloc[sample.claimant]
    entry = mean_ledger(panel, np.log(people["ui_weeks"].to_numpy(float)), panel.protocol.contrast("bonus4"))
    assert round(float(entry.estimate[0]), 8) == -0.08545541
    assert round(float(entry.std_error[0]), 8) == 0.03585569


def test_log_weeks_adjusted_as_published_and_by_lin(penn: Path) -> None:
    """The published adjusted number is ANCOVA on all pairs of covariates, HC1: here from our columns."""
    people = pd.read_csv(penn / "people.csv")
    people = people[people["arm"].isin(["bonus4", "control"])]
    treated, y = (people["arm"] == "bonus4").to_numpy(float), np.log(people["ui_weeks"].to_numpy(float))
    dummies = [people[name].to_numpy(float) for name in ("female", "black", "othrace")]
    dummies += [(people["dep"] == level).to_numpy(float) for level in (1, 2)]
    dummies += [(people["enrol_quarter"] == quarter).to_numpy(float) for quarter in range(2, 7)]
    dummies += [people[name].to_numpy(float) for name in ("agelt35", "agegt54", "durable", "lusd", "husd")]
    design = np.column_stack([np.ones(y.size), treated, *dummies, *(a * b for a, b in combinations(dummies, 2))])
    inverse = np.linalg.pinv(design.T @ design, hermitian=True, rcond=1e-12)
    beta = inverse @ (design.T @ y)
    residual, rank = y - design @ beta, np.linalg.matrix_rank(design)
    influence = (design @ inverse)[:, 1] * residual
    hc1 = np.sqrt((influence**2).sum() * y.size / (y.size - rank))
    assert round(float(beta[1]), 8) == -0.07968012
    assert round(float(hc1), 8) == 0.03559092


def test_adjusting_the_days_of_penn_for_its_covariates_changes_little_and_gains_a_little(penn: Path) -> None:
    protocol = ti.TrialProtocol.from_toml(HERE / "penn_bonus.toml")
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    names = ("female", "black", "agelt35", "agegt54", "dep", "enrol_quarter", "durable", "lusd", "husd")
    data["characteristics"] = [{"name": name, "column": name} for name in names]
    data["adjustment"] = {"characteristics": list(names)}
    protocol = ti.TrialProtocol.from_dict(data)
    records = ti.load_records(protocol, folder=penn)
    sample, spells = ti.build_sample(records), ti.merge_spells(records)
    panel = ti.build_panel(sample, spells)
    covariates = ti.build_covariates(panel, "on_ui", sample, spells)
    found = ti.estimate_adjusted(panel, covariates, "on_ui", "bonus4")
    before, after = found.unadjusted_cumulative.effect(182), found.cumulative.effect(182)
    assert round(before.estimate, 4) == -5.3979
    assert abs(after.estimate - before.estimate) < before.std_error / 2
    assert 0.02 < found.gain(182) < 0.2


def test_a_randomisation_test_of_penn_agrees_with_its_z(staggered) -> None:
    panel, _, _ = staggered
    exact = ti.estimate_randomisation(panel, None, "bonus4", horizon_days=182, draws=1_999)
    z = ti.estimate_cumulative(ti.count_moments(panel), None, "bonus4").effect(182)
    assert exact.p_value == pytest.approx(z.p_value, abs=0.012)


def test_the_bootstrap_of_penn_is_that_of_its_readme(penn: Path) -> None:
    protocol = ti.TrialProtocol.from_toml(HERE / "penn_bonus.toml")
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["sources"]["ui"]["extract_date"] = "1990-12-31"
    records = ti.load_records(ti.TrialProtocol.from_dict(data), folder=penn)
    panel = ti.build_panel(ti.build_sample(records), ti.merge_spells(records))
    found = ti.estimate_bootstrap(panel, None, "bonus4", horizon_days=182)
    assert found.std_error == pytest.approx(2.025, rel=0.08)


def nsw_trial(nsw: Path, sample: str):
    people = pd.read_csv(nsw / "people.csv")
    people = people[people["sample"] == sample].reset_index(drop=True)
    claimants = pd.DataFrame(
        {
            "claimant_id": [f"n{row}" for row in people.index],
            "assigned_arm": np.where(people["treat"] == 1, "training", "none"),
            "index_date": "1977-01-01",
        }
    ).join(people[["re78", "re75", "nodegree", "married", "black", "age"]])
    spells = pd.DataFrame({"claimant_id": ["n0"], "start_date": ["1977-01-05"], "end_date": ["1977-01-09"]})
    numeric = [{"name": name, "column": name, "kind": "numeric"} for name in ("re78", "re75", "age")]
    protocol = ti.TrialProtocol.from_dict(
        {
            "name": "National Supported Work",
            "allocation": {"rule": "assigned", "control": "none", "arms": ["none", "training"]},
            "index": {"rule": "given"},
            "sources": {
                "claimants": {},
                "jobs": {"end_date": "first_day_after", "covered_from": "1976-01-01", "extract_date": "1979-01-01"},
            },
            "outcomes": [{"name": "job", "on": ["jobs"]}],
            "characteristics": [
                *numeric,
                *({"name": name, "column": name} for name in ("nodegree", "married", "black")),
            ],
            "analysis": {"horizon_days": 30},
        }
    )
    records = ti.load_records(protocol, {"claimants": claimants, "jobs": spells})
    drawn = ti.build_sample(records)
    return drawn, ti.merge_spells(records), people


@pytest.mark.parametrize(
    ("sample", "dollars", "hc2"), [("lalonde_722", 886.3, 488), ("dehejia_wahba_445", 1794.3, 671)]
)
def test_nsw_earnings_and_its_missing_degrees(nsw: Path, sample: str, dollars: float, hc2: float) -> None:
    drawn, spells, people = nsw_trial(nsw, sample)
    rows = ti.estimate_balance(drawn, spells).to_frame().set_index(["characteristic", "level"])
    assert round(rows.loc[("re78", ""), "difference"], 1) == dollars
    assert rows.loc[("re78", ""), "difference"] / rows.loc[("re78", ""), "statistic"] == pytest.approx(hc2, abs=1)
    panel = ti.build_panel(drawn, spells)
    entry = mean_ledger(panel, people["re78"].to_numpy(float), panel.protocol.contrasts[0])
    assert round(float(entry.estimate[0]), 1) == dollars
    assert float(entry.std_error[0]) == pytest.approx(hc2, abs=1)
    # The trained had more often a degree: the imbalance that every user of these data knows.
    no_degree = rows.loc[("nodegree", "1")]
    assert no_degree["difference"] < -0.08
    assert no_degree["p_value"] < 0.01


def test_the_bootstrap_of_rossi_is_that_of_its_readme(rossi: Path) -> None:
    protocol = ti.TrialProtocol.from_toml(HERE / "rossi.toml")
    records = ti.load_records(protocol, folder=rossi)
    panel = ti.build_panel(ti.build_sample(records), ti.merge_spells(records))
    boot = ti.estimate_bootstrap(panel, draws=999)
    assert boot.estimate == pytest.approx(5.1757, abs=1e-4)
    assert boot.std_error / 7 == pytest.approx(1.854, rel=0.08)
