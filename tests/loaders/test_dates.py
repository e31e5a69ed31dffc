from __future__ import annotations

import datetime as dt

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialimpact.loaders.dates import NO_DAY, date_of, day_of, parse_days


@given(st.dates())
def test_every_date_in_every_dress(date: dt.date) -> None:
    for value in (date, date.isoformat(), dt.datetime(date.year, date.month, date.day), f"{date} 00:00:00"):
        days, bad = parse_days(pd.Series([value], dtype=object))
        assert (date_of(int(days[0])), bool(bad[0])) == (date, False)
    assert day_of(date) == (date - dt.date(1970, 1, 1)).days


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_datetime_columns(unit: str) -> None:
    values = pd.Series(["2020-02-29", None]).astype(f"datetime64[{unit}]")
    days, bad = parse_days(values)
    assert days.tolist() == [18321, NO_DAY]
    assert not bad.any()


@pytest.mark.parametrize(
    "value",
    ["31/12/2020", "2020-02-30", "2020-1-1", "20200101", "0000-01-01", "yesterday", 43831, 43831.0, True,
     "2020-01-01 12:00:00", dt.datetime(2020, 1, 1, 12), dt.datetime(2020, 1, 1, tzinfo=dt.UTC), b"2020-01-01"],
)  # fmt: skip
def test_what_is_no_date(value: object) -> None:
    days, bad = parse_days(pd.Series([value], dtype=object))
    assert bad[0]
    assert days[0] == NO_DAY


def test_times_of_day_and_zones_in_datetime_columns_are_no_dates() -> None:
    _, bad = parse_days(pd.Series(pd.to_datetime(["2020-01-01 12:00", "2020-01-02 00:00"])))
    assert bad.tolist() == [True, False]
    _, bad = parse_days(pd.Series(pd.to_datetime(["2020-01-01"]).tz_localize("Europe/London")))
    assert bad.tolist() == [True]


def test_a_format_of_the_protocols() -> None:
    days, bad = parse_days(pd.Series(["31/12/2020", "2020-12-31", ""]), "%d/%m/%Y")
    assert days.tolist() == [day_of(dt.date(2020, 12, 31)), NO_DAY, NO_DAY]
    assert bad.tolist() == [False, True, False]


def test_blank_is_not_wrong() -> None:
    days, bad = parse_days(pd.Series([None, "", " ", float("nan"), pd.NaT], dtype=object))
    assert (days == NO_DAY).all()
    assert not bad.any()


@pytest.mark.parametrize("values", [[21915, 0, None], [21915.0, 0.0, None], ["21915", "0", ""]])
def test_days_counted_from_a_day_as_sas_does(values: list[object]) -> None:
    days, bad = parse_days(pd.Series(values), "days since 1960-01-01")
    assert days.tolist() == [day_of(dt.date(2020, 1, 1)), day_of(dt.date(1960, 1, 1)), NO_DAY]
    assert not bad.any()
    assert parse_days(pd.Series(["2020-01-01", "1.5", "inf"]), "days since 1960-01-01")[1].all()


@pytest.mark.parametrize(
    ("date_format", "text", "date"),
    [
        ("%d%m%Y", "01032015", dt.date(2015, 3, 1)),
        ("%d%m%Y", "1032015", None),  # 1 March without its zero would be 10 March
        ("%Y%m%d", "20150111", dt.date(2015, 1, 11)),
        ("%Y%m%d", "2015111", None),
        ("%Y%j", "2015011", dt.date(2015, 1, 11)),
        ("%Y%j", "201511", None),
        ("%d%b%Y", "1MAR2015", dt.date(2015, 3, 1)),
        ("%d/%m/%Y", "1/3/2015", dt.date(2015, 3, 1)),
    ],
)
def test_a_date_of_digits_without_separators_has_all_of_them(date_format: str, text: str, date: dt.date | None) -> None:
    days, bad = parse_days(pd.Series([text]), date_format)
    assert bad.tolist() == [date is None]
    assert days.tolist() == [NO_DAY if date is None else day_of(date)]
