"""Dates that can be read and are mostly mistakes: exchanged, mistyped, filled in, or of an extract that ends early."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping

import numpy as np

from trialimpact.intervals import Integers
from trialimpact.loaders.dates import EARLIEST, NO_DAY, day_of, month_and_day
from trialimpact.loaders.identifiers import NOBODY
from trialimpact.loaders.rules_of_spells import of_a_tax_year
from trialimpact.loaders.schema import Table
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import SpellSource

A_FEW, MANY = 20, 100
"""Of fewer rows nothing is said of one date; of fewer spells, nothing but what is so of each."""

NEARLY_ALL, A_THIRD, A_QUARTER, TEN_YEARS, FIFTY_YEARS, OLDEST = 0.9, 1 / 3, 3, 3_653, 18_263, 105 * 365.25


def doubts_of_dates(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """Everything of the kind, a sentence each."""
    for name, column in (("markers", "marker_date"), ("claimants", "index_date")):
        if name in parsed and column in parsed[name].days:
            yield from _exchanged(protocol, name, parsed[name].days[column])
    if "markers" in parsed:
        yield from _one_day("markers", "marker_date", parsed["markers"].days["marker_date"], skipped=1)
    if "claimants" in parsed and "birth_date" in parsed["claimants"].days:
        yield from _births(protocol, parsed["claimants"].days["birth_date"])
    for name, source in protocol.sources.spells.items():
        yield from _mistyped(source, parsed[name])
        yield from _one_end(parsed[name])
        yield from _tax_years(source, parsed[name])
        yield from _ends_early(source, parsed[name])


def _exchanged(protocol: TrialProtocol, name: str, days: Integers) -> Iterator[str]:
    """A spreadsheet of another country exchanges day and month wherever it can."""
    first, last = protocol.recruitment.first_date, protocol.recruitment.last_date
    if first is None or last is None:
        return
    low, high = day_of(first), day_of(last)
    outside = days[(days != NO_DAY) & ((days < low) | (days > high))]
    turned = _turned(outside)
    within = outside[(turned >= low) & (turned <= high)]
    n, n_months = within.size, np.unique(month_and_day(within) // 100).size
    if n >= max(A_FEW, NEARLY_ALL * outside.size) and n_months > A_QUARTER:  # a pilot is of a month or two
        says = f"{name}: {n:,} dates outside the recruitment window are in it with day and month exchanged"
        yield f"{says}: see how the dates were written, and date_format"


def _turned(days: Integers) -> Integers:
    """Days with day and month exchanged; `NO_DAY` where there is no such day, or it is the same."""
    month, day = np.divmod(month_and_day(days), 100)
    year = days.astype("datetime64[D]").astype("datetime64[Y]")
    can = (day <= 12) & (day != month)
    turned = (year.astype("datetime64[M]") + (np.where(can, day, 1) - 1)).astype("datetime64[D]") + (month - 1)
    return np.where(can, turned.astype(np.int64), NO_DAY)


def _one_day(name: str, column: str, days: Integers, skipped: int = 0) -> Iterator[str]:
    """A form that fills in a day gives it to many, among others who have days of their own.

    The first days may be `skipped`: a trial may begin with everybody who is there.
    """
    known = days[days != NO_DAY]
    counts = np.unique(known, return_counts=True)[1][skipped:]
    if counts.size > A_FEW and counts.max() >= max(A_FEW, A_THIRD * known.size):
        yield f"{name}: {counts.max():,} of {known.size:,} rows have the same {column}: see whether it was filled in"


def _births(protocol: TrialProtocol, days: Integers) -> Iterator[str]:
    """A birth that is not known is mostly the first day of some century or of a computer's calendar."""
    yield from _one_day("claimants", "birth_date", days)
    n, known = int((month_and_day(days) == 101).sum()), int((days != NO_DAY).sum())
    if n >= max(A_FEW, A_THIRD * known):
        says = f"claimants: {n:,} of {known:,} were born on 1 January"
        yield f"{says}: see whether the year alone is known, and ages are those of the year"
    latest = max(day_of(source.extract_date) for source in protocol.sources.spells.values())
    if n := int(((days >= day_of(dt.date(EARLIEST, 1, 1))) & (days < latest - OLDEST)).sum()):
        says = f"claimants: of {n:,} the birth_date is more than {OLDEST / 365.25:.0f} years before the extract"
        yield f"{says}: leave blank a birth_date that is not known"


def _mistyped(source: SpellSource, table: Table) -> Iterator[str]:
    """A year that is wrong by a digit: 2105 for 2015, 1915 for 2015."""
    start, closed = table.days["start_date"], table.closed & (table.claimant != NOBODY)
    late = closed & (table.end_day > day_of(source.extract_date) + TEN_YEARS)
    if n := int(late.sum()):
        says = f"{table.name}: {n:,} spells end more than ten years after the extract date, and count as running"
        yield f"{says}: see whether they are mistyped, or placeholders for open_end_dates"
    if n := int((closed & ~late & (table.end_day - start > FIFTY_YEARS)).sum()):
        yield f"{table.name}: {n:,} spells last for more than fifty years: see whether a date is mistyped"


def _one_end(table: Table) -> Iterator[str]:
    """An end that is filled in stands alone: few spells have ends of their own."""
    counts = np.unique(table.end_day[table.closed & (table.claimant != NOBODY)], return_counts=True)[1]
    if counts.sum() >= MANY and counts.max() >= NEARLY_ALL * counts.sum():
        says = f"{table.name}: {counts.max():,} of {counts.sum():,} ends are one day"
        yield f"{says}: see whether it was filled in, or all ended then"


def _tax_years(source: SpellSource, table: Table) -> Iterator[str]:
    """Dates that an employer left blank are those of the tax year."""
    if source.tax_year_defaults:
        return
    mine = (table.claimant != NOBODY) & (table.days["start_date"] != NO_DAY)
    n = int((of_a_tax_year(table) & mine).sum())
    if n >= max(A_FEW, mine.sum() / 20):
        says = f"{table.name}: {n:,} of {mine.sum():,} spells start on 6 April or end on 5 April"
        yield f"{says}: set tax_year_defaults = true if those days are filled in"


def _ends_early(source: SpellSource, table: Table) -> Iterator[str]:
    """An older extract, or one whose days are counted from another day, has nothing to tell of the last months."""
    mine, extract = (table.claimant != NOBODY) & (table.days["start_date"] != NO_DAY), day_of(source.extract_date)
    if mine.sum() < MANY:
        return
    ends = table.end_day[mine & table.closed & (table.end_day <= extract)]
    to_go = extract - max(int(table.days["start_date"][mine].max()), int(ends.max(initial=NO_DAY)))
    if to_go > max(MANY, (extract - day_of(source.covered_from)) / 4):
        says = f"{table.name}: no spell starts or ends in the {to_go:,} days before the extract date"
        yield f"{says}: see whether the extract is older, or its days are counted from another day"
