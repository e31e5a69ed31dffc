"""Trials of other designs than two arms by digit, all the way to what is published."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial, short_trial

import trialimpact as ti
from trialimpact.report.document import ImpactReport, build_report

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

THREE_ARMS = {
    "rule": "digit",
    "control": "BAU",
    "digits": {"BAU": [0, 1, 2, 3], "IAP": [4, 5, 6], "weekly": [7, 8, 9]},
}


def by_digit(n: int, more: dict[str, Any], **analysis: Any) -> ti.TrialAnalysis:
    protocol, tables = short_trial(n, seed=7, subgroups=0, **analysis)
    design = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    del design["contrasts"]
    return ti.analyse_trial(ti.TrialProtocol.from_dict(design | more), tables)


def given(weekly: bool, **more: Any) -> ti.TrialAnalysis:
    """Assigned arms, no markers, no birth dates, clusters and strata at hand; perhaps in spells of whole weeks."""
    rng = np.random.default_rng(3)
    n = 600
    people = pd.DataFrame(
        {
            "claimant_id": [f"p{each}" for each in range(n)],
            "arm": rng.choice(["T", "C"], n),
            "index": rng.integers(-14, 14, n),
            "household": rng.integers(0, 120, n),
            "site": rng.choice(["north", "south"], n),
        }
    )
    week = 7 if weekly else 1
    start = rng.integers(-30, 20, n) // week * week
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": rng.choice(["a", "b"], n), "start": start})
    spells["end"] = start + 7 * rng.integers(1, 5, n)
    trial = SmallTrial(people, spells, horizon=28, pre_days=14, analysis=more)
    return ti.analyse_trial(trial.protocol, trial.tables)


DESIGNS: dict[str, Callable[[], ti.TrialAnalysis]] = {
    "three arms, strata": lambda: by_digit(
        400, {"allocation": THREE_ARMS, "default_contrasts": "pairwise"}, strata=["office"]
    ),
    "clusters, weeks": lambda: given(weekly=True, clusters="household"),
    "strata of given arms": lambda: given(weekly=False, strata=["site"]),
    "without products": lambda: by_digit(300, {}, products=False),
}


@pytest.fixture(scope="module", params=DESIGNS)
def report(request: pytest.FixtureRequest) -> ImpactReport:
    results = DESIGNS[request.param]().results(methods=request.param == "clusters, weeks")
    return build_report(ti.release_results(results))


def test_its_page_names_every_contrast_and_no_number_is_missing(report: ImpactReport) -> None:
    page = report.to_html()
    for contrast in report.release.protocol.contrasts:
        assert contrast.treatment_words in page
        assert contrast.control_words in page
    for word in ("nan", "None", "inf days", "&lt;NA&gt;"):
        assert f">{word}<" not in page
    assert " nan" not in page


def test_its_estimates_are_shown_for_every_contrast(report: ImpactReport) -> None:
    estimates = report.release.frames["estimates.csv"]
    shown = estimates[~estimates["suppressed"] & (estimates["subgroup"] == "all") & estimates["horizon_days"].notna()]
    protocol = report.release.protocol
    assert set(shown["contrast"]) == {contrast.name for contrast in protocol.contrasts}
    assert (shown["n_treatment"] % 5 == 0).all()


def test_its_flow_gives_no_small_count(report: ImpactReport) -> None:
    n = report.release.frames["flow.csv"]["n"].dropna()
    assert ((n == 0) | (n >= 10)).all()
    assert (n % 5 == 0).all()
