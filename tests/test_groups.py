from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter
from trials import SmallTrial

from trialimpact import DesignError, build_sample, load_records, merge_spells
from trialimpact.groups import age_in_years, find_members
from trialimpact.loaders import NO_DAY, day_of
from trialimpact.protocol import Condition

PEOPLE = pd.DataFrame(
    {
        "claimant_id": list("abcdef"),
        "arm": list("TCTCTC"),
        "index": [0, 1, 2, 3, 4, 5],
        "sex": ["F", "M", None, "F", "", "M"],
        "kids": [0, 1, 2, np.nan, 4, 5],
    }
)
SPELLS = pd.DataFrame({"claimant_id": list("abc"), "kind": "a", "start": [-9, -30, 2], "end": [-5, -20, 9]})


def members(where: dict[str, object], people: pd.DataFrame = PEOPLE) -> list[int]:
    named = {"subgroups": [{"name": "g", "where": where}]}
    trial = SmallTrial(people, SPELLS, {"a": (-12, 60), "b": (-50, 60)}, more=named)
    records = load_records(trial.protocol, trial.tables)
    condition = TypeAdapter(Condition).validate_python(where)
    return find_members(condition, build_sample(records), merge_spells(records)).tolist()


def test_a_missing_value_is_in_neither_the_group_nor_its_complement() -> None:
    female = {"column": "sex", "equals": "F"}
    assert members(female) == [1, 0, -1, 1, -1, 0]
    assert members({"not": female}) == [0, 1, -1, 0, -1, 1]


def test_between_includes_both_ends() -> None:
    assert members({"column": "kids", "between": [1, 4]}) == [0, 1, 1, -1, 1, 0]


def test_any_of_and_all_of_follow_three_valued_logic() -> None:
    female, parent = {"column": "sex", "equals": "F"}, {"column": "kids", "between": [1, 99]}
    assert members({"any_of": [female, parent]}) == [1, 1, 1, 1, 1, 1]
    assert members({"all_of": [female, parent]}) == [0, 0, -1, -1, -1, 0]


def test_any_days_needs_coverage_of_the_whole_look_back() -> None:
    looked = {"any_days": {"outcome": "a", "from_day": -12, "to_day": 0}}
    assert members(looked) == [1, 0, 0, 0, 0, 0]
    longer = {"any_days": {"outcome": "a", "from_day": -14, "to_day": 0}}
    assert members(longer) == [-1, -1, 0, 0, 0, 0]


def test_any_days_is_half_open() -> None:
    assert members({"any_days": {"outcome": "a", "from_day": -5, "to_day": 0}})[0] == 0
    assert members({"any_days": {"outcome": "a", "from_day": -6, "to_day": 0}})[0] == 1
    assert members({"any_days": {"outcome": "a", "from_day": 0, "to_day": 1}})[2] == 1


@pytest.mark.parametrize(
    ("born", "on", "age"),
    [
        ((2000, 1, 10), (2020, 1, 9), 19),
        ((2000, 1, 10), (2020, 1, 10), 20),
        ((2000, 2, 29), (2021, 2, 28), 20),
        ((2000, 2, 29), (2021, 3, 1), 21),
        ((2000, 2, 29), (2020, 2, 29), 20),
        ((1999, 12, 31), (2020, 1, 1), 20),
        ((1960, 6, 1), (1959, 6, 1), -1),
    ],
)
def test_age_in_whole_years(born: tuple[int, int, int], on: tuple[int, int, int], age: int) -> None:
    days = (np.array([day_of(dt.date(*each))]) for each in (born, on))
    assert age_in_years(*days)[0] == age


def test_an_unknown_birth_date_has_no_age() -> None:
    assert age_in_years(np.array([NO_DAY]), np.array([0]))[0] == -1
    born = PEOPLE.assign(birth_date=["2000-01-01", "", "", "", "", "1990-01-01"])
    assert members({"age_at_index": {"between": [0, 200]}}, born) == [1, -1, -1, -1, -1, 1]
    with pytest.raises(DesignError, match="no claimant has a birth_date"):
        members({"age_at_index": {"between": [0, 200]}})


def test_a_column_that_is_not_there() -> None:
    with pytest.raises(DesignError, match="the column 'height', which the claimants do not have"):
        members({"column": "height", "equals": 1})


def test_text_is_not_compared_with_numbers() -> None:
    with pytest.raises(DesignError, match="'sex' holds text, and a condition compares it with a number"):
        members({"column": "sex", "equals": 1})
    with pytest.raises(DesignError, match="'kids' holds numbers, and a condition compares it with text"):
        members({"column": "kids", "equals": "1"})


@pytest.mark.parametrize("dtype", ["bool", "boolean", "object"])
@pytest.mark.parametrize("wanted", [True, "True", 1])
def test_yes_and_no_are_words_and_numbers(dtype: str, wanted: Any) -> None:
    answers = [True, False, None] if dtype != "bool" else [True, False, False]
    people = PEOPLE.iloc[:3].assign(agreed=pd.Series(answers, index=PEOPLE.index[:3]).astype(dtype))
    groups = [{"name": "agreed", "where": {"column": "agreed", "equals": wanted}}]
    trial = SmallTrial(people, SPELLS[SPELLS["claimant_id"].isin(people["claimant_id"])], more={"subgroups": groups})
    assert trial.panel().members[1].tolist() == [True, False, False]


def test_overlapping_groups_are_each_estimated() -> None:
    groups = [
        {"name": "female", "where": {"column": "sex", "equals": "F"}},
        {"name": "has_kids", "where": {"column": "kids", "between": [1, 99]}},
    ]
    panel = SmallTrial(PEOPLE, SPELLS, more={"subgroups": groups}).panel()
    assert panel.members.astype(int).tolist() == [[1] * 6, [1, 0, 0, 1, 0, 0], [0, 1, 1, 0, 1, 1]]
