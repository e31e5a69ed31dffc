"""Input that is too much: of answers and clear errors, never of time."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pandas as pd
import pytest
from bad_input import BASES, TABLES, answer_of, assert_answer

import trialimpact as ti

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")]
TINY = BASES["tiny"]
MANY = 10**6
BYTES_A_SPELL = 1_000


def with_spells(n: int, start: Any, end: Any) -> pd.DataFrame:
    """The benefit spells of the tiny trial, and many more of one person who is not analysed (exempt)."""
    more = pd.DataFrame({"claimant_id": "QQ100078A", "benefit": "CA", "start_date": start, "end_date": end}, range(n))
    dates = pd.read_csv(TINY / TABLES["benefit"], dtype=str)
    dates[["start_date", "end_date"]] = dates[["start_date", "end_date"]].apply(pd.to_datetime)
    return pd.concat([dates, more], ignore_index=True)


def analysed(spells: pd.DataFrame) -> ti.TrialAnalysis:
    tracemalloc.start()
    found = ti.analyse_trial(TINY / "protocol.toml", {"benefit": spells})
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < BYTES_A_SPELL * len(spells)
    return found


def n_broken(found: ti.TrialAnalysis, rule: str) -> int:
    lines = {line.rule: line.n_broken for line in found.counts.audit.lines if line.table == "benefit"}
    return lines[rule]


def test_a_person_with_a_million_spells() -> None:
    days = pd.Timestamp("1950-01-01") + pd.to_timedelta(np.arange(MANY) % 20_000, unit="D")
    found = analysed(with_spells(MANY, days, days))
    assert_answer(answer_of(found), "same", "tiny")
    assert n_broken(found, "row_is_not_repeated") == MANY - 20_000


def test_a_million_spells_that_overlap() -> None:
    start = pd.Timestamp("1950-01-01") + pd.to_timedelta(np.arange(MANY) % 20_000, unit="D")
    found = analysed(with_spells(MANY, start, start + pd.Timedelta(days=400)))
    assert_answer(answer_of(found), "same", "tiny")
    assert n_broken(found, "spells_do_not_overlap") == MANY - 1


def test_a_million_rows_that_break_a_rule_are_told_in_few_words() -> None:
    spells = with_spells(MANY, pd.Timestamp("2020-01-05"), pd.Timestamp("2020-01-04"))
    with pytest.raises(ti.RecordError) as caught:
        ti.analyse_trial(TINY / "protocol.toml", {"benefit": spells})
    said = str(caught.value)
    assert "1,000,000 of 1,000,013 rows break 'end_not_before_start'" in said
    assert "and 999,990 more" in said
    assert len(said) < 1_000


def test_a_hundred_thousand_subgroups_are_refused_in_words() -> None:
    protocol = ti.TrialProtocol.from_toml(TINY / "protocol.toml").model_dump(by_alias=True, exclude_unset=True)
    where = {"column": "gender", "equals": "Female"}
    protocol["subgroups"] = [{"name": f"s{number}", "where": where} for number in range(10**5)]
    with pytest.raises(ti.ProtocolError, match=r"subgroups: .* at most 1000 items") as caught:
        ti.TrialProtocol.from_dict(protocol)
    assert "remedy: " in str(caught.value)
