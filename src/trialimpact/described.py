"""`DescribedPeople`: some people, their day 0, birth and characteristics: what conditions look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Integers


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class DescribedPeople:
    """Some people of the records.

    Attributes
    ----------
    claimant : array, shape (n,)
        Row numbers in the records, ascending.
    index_day : array, shape (n,)
        Day 0 of each claimant, in days since 1970-01-01.
    birth_day : array, shape (n,)
        Days since 1970-01-01, `NO_DAY` where blank.
    people : DataFrame, n rows
        Characteristics, with `digit` and `office`; dates as days since 1970-01-01.
    """

    claimant: Integers
    index_day: Integers
    birth_day: Integers
    people: pd.DataFrame

    def characteristic(self, column: str, wanted_by: str) -> pd.Series[Any]:
        """A column of `people`; a `DesignError` that says who wanted it where there is none."""
        if column not in self.people:
            raise DesignError(
                worded(
                    f"{wanted_by} names the column {column!r}, which the claimants do not have.",
                    remedy="name a column of [sources.claimants], or office, or digit",
                )
            )
        return self.people[column]

    def __len__(self) -> int:
        return int(self.claimant.size)
