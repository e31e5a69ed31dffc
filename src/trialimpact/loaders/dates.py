"""Dates of any kind -> whole days since 1970-01-01, in one place."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.values import Coded, as_text
from trialimpact.protocol import conditions

NO_DAY = int(np.iinfo(np.int64).min) // 4
"""The day of a blank date."""

FOREVER = 2**31 - 1
"""The day of "infinity" in PostgreSQL and DuckDB, and of the last moment that pandas knows."""

_LAST_OF_PANDAS = np.datetime64("2262-04-11T23:47:16")

EARLIEST, LATEST = conditions.EARLIEST + 1, conditions.LATEST
"""Dates outside these years are errors: 1 January 1900 is what databases write for nothing."""

_EPOCH = dt.date(1970, 1, 1).toordinal()
DAYS_SINCE = re.compile(r"days since ([0-9]{4}-[0-9]{2}-[0-9]{2})")
_RUN_TOGETHER = re.compile("%[dmYyj]%[dmYyj]")
_DIGITS_ALONE = re.compile("(?:%[dmYyj])+")
_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def day_of(date: dt.date) -> int:
    """Days from 1970-01-01 to a date.

    >>> day_of(dt.date(1970, 1, 3))
    2
    """
    return date.toordinal() - _EPOCH


def date_of(day: int) -> dt.date:
    """The date that is `day` days after 1970-01-01."""
    return dt.date.fromordinal(day + _EPOCH)


def month_and_day(days: Integers) -> Integers:
    """Month × 100 + day of the month of each day; 0 where blank.

    >>> month_and_day(np.array([0, 95, NO_DAY])).tolist()
    [101, 406, 0]
    """
    codes, distinct = pd.factorize(days)
    dates = np.where(distinct == NO_DAY, 0, distinct).astype("datetime64[D]")
    months = dates.astype("datetime64[M]")
    numbers = (months.astype(np.int64) % 12 + 1) * 100 + (dates - months).astype(np.int64) + 1
    return np.where(distinct == NO_DAY, 0, numbers)[codes]


def parse_days(values: pd.Series[Any] | Coded, date_format: str = "%Y-%m-%d") -> tuple[Integers, Booleans]:
    """Days of a column (`NO_DAY` where blank) and a mask of what is no date at all.

    Text follows `date_format`; a time of day is accepted only if it is midnight. Times with a zone are not dates, nor
    are numbers, except whole ones where `date_format` is "days since 1960-01-01" (as SAS counts) or of another day, or
    has digits alone, as "%Y%m%d". Each distinct value is parsed once.
    """
    counted_from = DAYS_SINCE.fullmatch(date_format)
    if not isinstance(values, Coded):
        if holds_datetimes(values):
            return _days_of_datetimes(values)
        values = Coded.of(values)
    if counted_from:
        days, bad = _counted_days(values.distinct, dt.date.fromisoformat(counted_from[1]))
    else:
        parsed = [_parse_one(value, date_format) for value in values.distinct]
        days = np.array([NO_DAY if day is None else day for day in parsed], dtype=np.int64)
        bad = np.array([day is None for day in parsed], dtype=bool)
    return values.spread(days, NO_DAY), values.spread(bad, False)


def holds_datetimes(values: pd.Series[Any]) -> bool:
    """Whether a column is of NumPy's own date-times, which need no parsing."""
    return isinstance(values.dtype, np.dtype) and values.dtype.kind == "M"


def _days_of_datetimes(values: pd.Series[Any]) -> tuple[Integers, Booleans]:
    exact = values.to_numpy()
    day = exact.astype("datetime64[D]")
    missing = np.isnat(day)
    endless = (exact.view(np.int64) == np.iinfo(np.int64).max) | (exact.astype("datetime64[s]") == _LAST_OF_PANDAS)
    return np.select([missing, endless], [NO_DAY, FOREVER], day.view(np.int64)), ~missing & ~endless & (exact != day)


def _counted_days(values: pd.Series[Any], origin: dt.date) -> tuple[Integers, Booleans]:
    """Days of whole numbers that count from `origin`."""
    text = as_text(values)
    numbers = pd.to_numeric(text, errors="coerce").astype(float).to_numpy()
    numbers = np.where(np.isfinite(numbers), numbers, 0.5)  # what is no number is no whole number
    whole = (np.abs(numbers) < 1e7) & (numbers % 1 == 0)
    bad = text.notna().to_numpy(dtype=bool) & ~whole
    return np.where(whole, np.where(whole, numbers, 0).astype(np.int64) + day_of(origin), NO_DAY), bad


def _parse_one(value: Any, date_format: str) -> int | None:
    """The day of one value, `NO_DAY` for blank text, None for what is no date."""
    if isinstance(value, dt.datetime):
        return day_of(value.date()) if value.tzinfo is None and value.time() == dt.time() else None
    if isinstance(value, dt.date):
        return day_of(value)
    if _DIGITS_ALONE.fullmatch(date_format) and isinstance(value, int | float | np.number) and float(value) % 1 == 0:
        value = f"{value:.0f}"
    if not isinstance(value, str):
        return None
    text = value.strip().removesuffix(" 00:00:00").removesuffix("T00:00:00")
    if not text:
        return NO_DAY
    try:
        if date_format == "%Y-%m-%d":
            return day_of(dt.date.fromisoformat(text)) if _ISO.fullmatch(text) else None
        found = dt.datetime.strptime(text, date_format)
    except ValueError:
        return None
    if _RUN_TOGETHER.search(date_format) and found.strftime(date_format) != text:
        return None  # a zero that was lost makes another date
    return day_of(found.date())
