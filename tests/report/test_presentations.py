"""House presentations: what an office prints of an effect."""

from __future__ import annotations

import pandas as pd
import pytest

import trialimpact as ti
from trialimpact.report.presentations import house_names, present_effects
from trialimpact.synthetic import simulate_trial

PROTOCOL = simulate_trial(200, seed=1).protocol


def rows(*effects: tuple[float, float, float]) -> pd.DataFrame:
    names = ["all", "female", "male"][: len(effects)]
    found = pd.DataFrame(effects, columns=["estimate", "conf_low", "conf_high"])
    return found.assign(subgroup=names, n_treatment=4_806.0, n_control=5_285.0)


def test_dwp_2016_prints_as_the_report_did() -> None:
    """Tables 6.2 and 6.3: −11, −5.5, −17; −6.5, 15, −28; 9.7, 4.2, 15."""
    table = present_effects(rows((-11.2, -17.0, -5.5), (-6.5, -28.1, 15.2), (9.7, 4.2, 15.1)), PROTOCOL, "dwp_2016")
    assert list(table.columns) == ["Group", "Central estimate", "Lower", "Upper"]
    assert table.iloc[:, 1:].to_numpy().tolist() == [
        ["−11", "−5.5", "−17"],
        ["−6.5", "15", "−28"],
        ["9.7", "4.2", "15"],
    ]
    assert table["Group"].tolist() == ["All", "Women", "Men"]


def test_days_with_their_margin() -> None:
    table = present_effects(rows((9.7, 4.2, 15.2)), PROTOCOL, "days_margin")
    assert table.to_numpy().tolist() == [["All", "9.7 ± 5.5", "4,806 / 5,285"]]


def test_what_is_kept_back_is_marked() -> None:
    hidden = rows((float("nan"),) * 3).assign(suppressed=True)
    assert present_effects(hidden, PROTOCOL, "dwp_2016").to_numpy().tolist() == [["All", "[c]", "[c]", "[c]"]]
    assert present_effects(hidden, PROTOCOL, "days_margin").iloc[0, 2] == "[c] / [c]"


def test_names() -> None:
    assert house_names() == ("dwp_2016", "days_margin")
    with pytest.raises(ti.ProtocolError, match="no presentation 'dwp'"):
        present_effects(rows((1, 0, 2)), PROTOCOL, "dwp")
