"""The rules that records must keep: each is one named function that returns the rows that break it.

An error stops the load, or sets the row aside under quarantine. A warning and a note are counted.
"""

from __future__ import annotations

from datetime import date

import numpy as np

from trialimpact.intervals import Booleans
from trialimpact.loaders.dates import EARLIEST, LATEST, NO_DAY, date_of, day_of
from trialimpact.loaders.rule import ALL, CORRECT, Rules
from trialimpact.loaders.rules_of_people import RULES_OF_PEOPLE
from trialimpact.loaders.rules_of_spells import RULES_OF_SPELLS
from trialimpact.loaders.schema import DATES, Table, dates_of
from trialimpact.protocol.model import TrialProtocol

DAYS_0 = (day_of(date(1960, 1, 1)), day_of(date(1970, 1, 1)))
"""Day 0 of SAS and Stata, and of Unix."""

rule = _RULES_OF_EVERY_ROW = Rules()


@rule("error", ALL, "claimant_id", "every row says whose it is", CORRECT)
def claimant_id_is_given(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.blank_identifier


@rule(
    "error",
    ALL,
    "claimant_id",
    "identifiers have the declared form",
    "correct the extract (numbers are whole, no larger than a float tells apart, not rounded by a spreadsheet; "
    "no word such as unknown stands for people); "
    'or in [identifiers] kind = "opaque" (not NINOs), synthetic = true (prefix QQ)',
)
def claimant_id_is_valid(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.invalid_identifier


@rule(
    "error",
    ALL,
    "claimant_id",
    "an identifier is written alike in every row",
    "write identifiers alike: capitals, leading zeros, hyphens, points, commas, quotes and what is not seen count",
)
def claimant_id_is_written_alike(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.spelt_otherwise


@rule("error", ALL, "mixed", "a column holds values of one type", "make the column all text, all dates or all numbers")
def column_has_one_type(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(np.logical_or.reduce([np.zeros(table.n_rows, dtype=bool), *table.mixed.values()]))


@rule(
    "error",
    ALL,
    "dates",
    "dates can be read",
    "correct the extract (dates have no time of day and no zone; blank: there is none), "
    "or set or remove date_format in the source, "
    'as in "%d/%m/%Y" or "days since 1960-01-01"',
)
def date_is_readable(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(np.logical_or.reduce([np.zeros(table.n_rows, dtype=bool), *table.unreadable.values()]))


@rule(
    "error",
    ALL,
    "dates",
    f"dates lie in {EARLIEST}-{LATEST}",
    "correct the extract, or leave blank what is not known; "
    "placeholders for 'not ended' go in the spells' open_end_dates",
)
def date_is_plausible(table: Table, protocol: TrialProtocol) -> Booleans:
    low, high = (day_of(date_of(0).replace(year=year)) for year in (EARLIEST, LATEST + 1))
    wrong = np.zeros(table.n_rows, dtype=bool)
    for name in dates_of(protocol, table.kind):
        if name in table.days:
            days = table.days[name]
            open_ended = table.is_open if name == "end_date" else np.zeros(table.n_rows, dtype=bool)
            wrong |= (days != NO_DAY) & ~open_ended & ((days < low) | (days >= high))
    return wrong


@rule(
    "warning",
    ALL,
    "dates",
    "nothing starts on 1 January 1960 or 1970 (what programs write for no date)",
    "ask the supplier whether these dates are missing",
)
def date_is_not_day_0(table: Table, protocol: TrialProtocol) -> Booleans:
    beginning, *_ = DATES[table.kind]
    return np.isin(table.days.get(beginning, np.full(table.n_rows, NO_DAY)), DAYS_0)


RULES = (*_RULES_OF_EVERY_ROW, *RULES_OF_PEOPLE, *RULES_OF_SPELLS)
"""In the order of the audit."""
