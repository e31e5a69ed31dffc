"""Who is in the trial, by conditions on day 0: edge birthdays, leap days, what is not known."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pandas as pd
import pytest
from trials import SmallTrial, date

import trialimpact as ti
from trialimpact import build_sample, load_records
from trialimpact.engines import DuckDB
from trialimpact.sample import TrialSample

DAY_0 = date(0)
"""1 January 2020."""


def sample_of(people: list[dict[str, Any]], rules: list[dict[str, Any]], **spells: list[Any]) -> TrialSample:
    """A trial of some people, and of four more whom the rules let in, so that no arm is empty."""
    frame = pd.DataFrame(people).assign(claimant_id=[f"p{n}" for n in range(len(people))])
    if "arm" not in frame:
        frame["arm"] = ["T", "C"] * (len(frame) // 2) + ["T"] * (len(frame) % 2)
    if "index" not in frame:
        frame["index"] = 0
    found = pd.DataFrame(spells or {"claimant_id": [], "kind": [], "start": [], "end": []})
    trial = SmallTrial(frame, found, covered={"a": (-800, 60), "b": (-800, 60)}, more={"eligibility": rules})
    return build_sample(load_records(trial.protocol, trial.tables))


def in_trial(sample: TrialSample) -> list[int]:
    return sample.claimant.tolist()


def test_a_birthday_counts_from_its_own_day() -> None:
    births = ["2002-01-01", "2002-01-02", "1990-01-01", "1990-01-02", "1989-12-31", None]
    rule = {"name": "age", "label": "aged 18 to 29", "where": {"age_at_index": {"between": [18, 29]}}}
    sample = sample_of([{"birth_date": birth} for birth in births], [rule])
    # 18 on day 0; 17 until tomorrow; 30 today; 29 until tomorrow; 30; not known.
    assert in_trial(sample) == [0, 3]
    assert sample.flow.n("eligible_age", "removed") == 4
    assert sample.flow.n("eligible_age", "removed", reason="not_known") == 1
    assert sample.flow.n("eligible_age", "removed", reason="not_met") == 3
    assert sample.flow.stages["eligible_age"] == "Eligible: aged 18 to 29"


def test_who_was_born_on_a_leap_day_is_a_year_older_on_the_first_of_march() -> None:
    rule = {"name": "young", "where": {"age_on": {"date": "first_benefit", "between": [0, 17]}}}
    firsts = ["2018-02-28", "2018-03-01", "2016-02-29", "2016-02-28", "1999-01-01", None]
    people = [{"birth_date": "2000-02-29", "first_benefit": first} for first in firsts]
    sample = sample_of([*people, {"birth_date": None, "first_benefit": "2010-01-01"}], [rule])
    # 17; 18; 16; 15; before birth is not known; blank is not known.
    assert in_trial(sample) == [0, 2, 3]
    assert sample.flow.n("eligible_young", "removed", reason="not_known") == 3


def test_current_benefit_and_history_are_of_day_0_and_the_days_before() -> None:
    rules = [
        {"name": "now", "where": {"any_days": {"outcome": "a", "from_day": 0, "to_day": 1}}},
        {"name": "long", "where": {"days": {"outcome": "a", "from_day": -100, "to_day": 0, "between": [50, 100]}}},
    ]
    sample = sample_of(
        [{} for _ in range(6)],
        rules,
        claimant_id=["p0", "p1", "p2", "p3", "p4", "p4", "p5"],
        kind=["a"] * 7,
        start=[-50, -50, -49, -200, -90, -10, -300],
        end=[5, 0, 5, 5, -50, 2, 1],
    )
    # p1's spell ends the day before; p2 has 49 days before day 0.
    assert in_trial(sample) == [0, 3, 4, 5]
    assert sample.flow.n("eligible_now", "removed") == 1
    assert sample.flow.n("eligible_long", "removed") == 1
    assert [sample.flow.n(stage) for stage in ("individuals", "eligible_now", "eligible_long", "analysed")] == [
        6, 5, 4, 4,
    ]  # fmt: skip


def test_days_before_the_register_began_make_a_history_unknown() -> None:
    rule = {"name": "long", "where": {"days": {"outcome": "a", "from_day": -801, "to_day": 0, "between": [0, 801]}}}
    people = [{"index": index} for index in (0, 0, 1, 1)]
    sample = sample_of(people, [rule])
    assert in_trial(sample) == [2, 3]


def test_a_date_that_cannot_be_read_is_named() -> None:
    rule = {"name": "young", "where": {"age_on": {"date": "first_benefit", "between": [0, 17]}}}
    with pytest.raises(ti.RecordError, match="dates can be read"):
        sample_of([{"birth_date": "2000-02-29", "first_benefit": "31/02/2018"}] * 4, [rule])
    with pytest.raises(ti.RecordError, match="first_benefit"):
        sample_of([{"birth_date": "2000-02-29", "first_benefit": "0018-01-01"}] * 4, [rule])


def test_a_date_column_is_no_value_and_a_real_date_column_is_read() -> None:
    where = {"age_on": {"date": "first_benefit", "between": [0, 17]}}
    value = {"column": "first_benefit", "equals": "2018-01-01"}
    with pytest.raises(ValueError, match="as a date by one condition"):
        sample_of([{"birth_date": "2000-01-01"}], [{"name": "x", "where": {"all_of": [where, value]}}])
    for name in ("office", "digit"):
        with pytest.raises(ValueError, match="is no date"):
            sample_of([{}] * 4, [{"name": "x", "where": {"age_on": {"date": name, "between": [0, 17]}}}])
    people = [{"birth_date": dt.datetime(2000, 1, 1), "first_benefit": dt.datetime(2017, 12, 31)}] * 4
    assert in_trial(sample_of(people, [{"name": "young", "where": where}])) == [0, 1, 2, 3]


def test_nobody_eligible_is_a_design_error_with_the_flow() -> None:
    rule = {"name": "old", "where": {"age_at_index": {"between": [90, 99]}}}
    with pytest.raises(ti.DesignError, match=r"nobody is left(.|\n)*eligible_old 0"):
        sample_of([{"birth_date": "2000-01-01"}] * 4, [rule])


def test_engines_say_that_they_cannot() -> None:
    people = pd.DataFrame({"claimant_id": ["p0", "p1"], "arm": ["T", "C"], "index": [0, 0]})
    none = pd.DataFrame({"claimant_id": [], "kind": [], "start": [], "end": []})
    rule = {"name": "now", "where": {"any_days": {"outcome": "a", "from_day": 0, "to_day": 1}}}
    trial = SmallTrial(people, none, more={"eligibility": [rule]})
    with DuckDB() as engine, pytest.raises(ti.DesignError, match=r"does not know \[\[eligibility\]\](.|\n)*in memory"):
        ti.analyse_trial(trial.protocol, engine)


def test_the_protocol_says_it_in_words() -> None:
    rules = [
        {
            "name": "young",
            "label": "first on benefit under 18",
            "where": {"age_on": {"date": "first", "between": [0, 17]}},
        },
        {"name": "long", "where": {"days": {"outcome": "a", "from_day": -100, "to_day": 0, "between": [50, 100]}}},
    ]
    people = pd.DataFrame({"claimant_id": ["p0"], "arm": ["T"], "index": [0]})
    said = ti.explain_protocol(
        SmallTrial(people, people.assign(kind="a", start=0, end=1), more={"eligibility": rules}).protocol
    )
    assert "Eligible: first on benefit under 18: age in whole years on first is between 0 and 17" in said
    assert "Eligible: long: a on 50 to 100 of the days -100 to -1." in said
