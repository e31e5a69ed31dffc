"""Dates that can be read and are mostly mistakes are said, and dates as they should be are not."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

import trialimpact as ti
from trialimpact.synthetic import simulate_trial

TRIAL = simulate_trial(400, seed=1)


def said_of(protocol: ti.TrialProtocol | None = None, **tables: pd.DataFrame) -> list[str]:
    """What loading warns of."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ti.TrialWarning)
        return [*ti.load_records(protocol or TRIAL.protocol, {**TRIAL.tables, **tables}).doubts]


def some(frame: pd.DataFrame, column: str, value: str | Callable[[pd.Series[Any]], Any], rows: Any) -> pd.DataFrame:
    """A frame with another value in some rows of a column."""
    changed = value(frame[column]) if callable(value) else value
    return frame.assign(**{column: frame[column].mask(rows, changed)})


def exchanged(days: pd.Series[Any]) -> pd.Series[Any]:
    """As another country's spreadsheet reads them, where it can."""
    return days.where(days.str[8:] > "12", days.str[:5] + days.str[8:] + "-" + days.str[5:7])


def test_days_and_months_that_were_exchanged() -> None:
    markers = TRIAL.tables["markers"]
    (said,) = said_of(markers=markers.assign(marker_date=exchanged(markers["marker_date"])))
    assert said.startswith("markers: ")
    assert "dates outside the recruitment window are in it with day and month exchanged" in said
    a_year_early = some(markers, "marker_date", lambda days: "2014" + days.str[4:], markers.index % 4 == 0)
    assert not said_of(markers=a_year_early), "those are not in the window in any order"
    pilot = some(markers, "marker_date", "2015-01-07", markers.index % 4 == 0)
    assert not said_of(markers=pilot), "of one month"


@pytest.mark.parametrize("share, told", [(2, True), (9, False)])
def test_a_day_that_a_form_filled_in(share: int, told: bool) -> None:
    markers, people = TRIAL.tables["markers"], TRIAL.tables["claimants"]
    filled = some(markers, "marker_date", "2015-04-02", markers.index % share == 0)
    assert ("rows have the same marker_date" in "".join(said_of(markers=filled))) == told
    at_once = some(markers, "marker_date", markers["marker_date"].min(), markers.index % share == 0)
    assert not said_of(markers=at_once), "a trial may begin with everybody who is there"
    unknown = some(people, "birth_date", "1970-01-01", people.index % share == 0)
    assert ("rows have the same birth_date" in "".join(said_of(claimants=unknown))) == told


def test_births_of_which_the_year_alone_is_known() -> None:
    people = TRIAL.tables["claimants"]
    (said,) = said_of(claimants=people.assign(birth_date=people["birth_date"].str[:4] + "-01-01"))
    assert "were born on 1 January: see whether the year alone is known" in said


def test_births_of_another_century() -> None:
    people = TRIAL.tables["claimants"]
    (said,) = said_of(claimants=some(people, "birth_date", "1901-01-01", people.index < 7))
    assert said == (
        "claimants: of 7 the birth_date is more than 105 years before the extract: "
        "leave blank a birth_date that is not known"
    )


@pytest.mark.parametrize(
    ("column", "year", "words"),
    [
        ("end_date", "2105", "benefit: 12 spells end more than ten years after the extract date"),
        ("start_date", "1915", "benefit: 12 spells last for more than fifty years"),
    ],
)
def test_years_that_are_wrong_by_a_digit(column: str, year: str, words: str) -> None:
    spells = TRIAL.tables["benefit"]
    closed = spells.index[spells["end_date"].fillna("") != ""][:12]
    (said,) = said_of(benefit=some(spells, column, lambda days: year + days.str[4:], spells.index.isin(closed)))
    assert said.startswith(words)


@pytest.mark.parametrize(("end", "words"), [("", "none of"), ("2016-01-17", "ends are one day: see whether it was")])
def test_ends_that_are_all_blank_or_all_one_day(end: str, words: str) -> None:
    jobs = TRIAL.tables["employment"]
    early = jobs[jobs["start_date"] < "2016-01-01"]
    said = said_of(employment=early.assign(end_date=end))
    assert any(words in each for each in said)


def test_tax_years_that_the_protocol_does_not_know_of() -> None:
    jobs = TRIAL.tables["employment"]
    filled = some(jobs, "start_date", "2015-04-06", (jobs.index % 4 == 0) & (jobs["end_date"].fillna("9") > "2015-05"))
    design = TRIAL.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    assert design["sources"]["employment"]["tax_year_defaults"]
    assert not said_of(employment=filled), "a rule counts them"
    design["sources"]["employment"]["tax_year_defaults"] = False
    (said,) = said_of(ti.TrialProtocol.from_dict(design), employment=filled)
    assert "start on 6 April or end on 5 April: set tax_year_defaults = true" in said
    assert not said_of(ti.TrialProtocol.from_dict(design)), "a few of every year's starts are then"


def test_registers_that_end_long_before_the_extract() -> None:
    jobs = TRIAL.tables["employment"]
    older = jobs[jobs["start_date"] < "2015-01-01"]
    older = older.assign(end_date=older["end_date"].where(older["end_date"].fillna("9") < "2015-01-01", ""))
    (said,) = said_of(employment=older)
    assert said.startswith("employment: no spell starts or ends in the ")

    def early(days: pd.Series[Any]) -> pd.Series[Any]:
        moved = pd.to_datetime(days.replace("", None)) - pd.Timedelta(days=1_462)  # Excel of a Mac, read as of Windows
        return moved.dt.strftime("%Y-%m-%d").fillna("")

    shifted = jobs.assign(start_date=early(jobs["start_date"]), end_date=early(jobs["end_date"]))
    assert any("its days are counted from another day" in each for each in said_of(employment=shifted))


def test_exchanged_days_are_those_of_the_calendar() -> None:
    from trialimpact.loaders.dates import NO_DAY, date_of, day_of
    from trialimpact.loaders.doubts_of_dates import _turned

    days = np.arange(day_of(dt.date(2015, 1, 1)), day_of(dt.date(2017, 1, 1)))
    for day, turned in zip(days, _turned(days), strict=True):
        date = date_of(day)
        if date.day > 12 or date.day == date.month:
            assert turned == NO_DAY
        else:
            assert date_of(turned) == dt.date(date.year, date.day, date.month)
