"""One call gives the whole integrity page, and writes it whole."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd
import pytest

from trialimpact import OutputError, audit_trial
from trialimpact.output import AUDIT_MARK, write_audit
from trialimpact.synthetic import simulate_trial
from trialimpact.whole import check_destination

TITLES = (
    "Was the trial run as designed?", "If the arms joined at different times", "Before the trial", "Other assignments",
    "Are the arms alike?", "Participant flow", "What loading found in the records",
)  # fmt: skip


@pytest.fixture(scope="module")
def audit():
    trial = simulate_trial(800, seed=1)
    return audit_trial(trial.protocol, trial.tables)


@pytest.fixture(scope="module")
def page(audit) -> str:
    return audit.to_html()


def test_every_part_is_there_and_nothing_needs_the_network(audit, page) -> None:
    for title in TITLES:
        assert f"<h2>{title}</h2>" in page
    assert page.count("<img ") == page.count(' alt="') == 2 + len(audit.placebos)
    assert "http" not in page and "<script" not in page
    assert "not for release" in page
    assert audit.level == "green"
    assert len(list(audit.sentences())) >= 8
    assert "worst check of the arms as assigned green" in audit._repr_html_()


def test_no_identifier_is_on_the_page(audit, page) -> None:
    assert not re.search(r"QQ ?\d{6}", page)
    assert not re.search(r"QQ ?\d{6}", " ".join(audit.sentences()))


def test_it_is_written_with_its_numbers(audit, tmp_path) -> None:
    out = write_audit(audit, tmp_path / "audit")
    names = {path.name for path in out.iterdir()}
    assert names == {
        "audit.html", "integrity.csv", "pretrend.csv", "placebo.csv", "intake.csv", "balance.csv", "flow.csv",
        "manifest.json", "NOT_FOR_RELEASE.txt",
    }  # fmt: skip
    frame = pd.read_csv(out / "integrity.csv")
    assert set(frame["level"]) <= {"red", "amber", "green", "not tested"}
    check_destination(out, AUDIT_MARK)  # its own folder may be replaced, by its own kind
    with pytest.raises(OutputError, match="written as audit"):
        check_destination(out)


def test_a_spoilt_trial_is_red_and_methods_that_it_does_not_allow_are_said(tmp_path) -> None:
    trial = simulate_trial(1_500, seed=1)
    benefit = trial.tables["benefit"]
    lost = (benefit["claimant_id"].str[7].astype(int) >= 8).to_numpy()
    spoilt = replace(trial, tables=trial.tables | {"benefit": benefit[~lost]})
    protocol = trial.protocol.with_analysis(pre_days=0)
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    found = audit_trial(data, spoilt.tables)
    assert found.level == "red"
    assert any("pre-trial test" in line for line in found.left_out)
    assert any(line.startswith("Red: differential loss") for line in found.sentences())
