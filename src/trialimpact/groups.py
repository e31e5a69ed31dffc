"""Conditions -> who meets them. Whoever has a missing value is in neither a group nor its complement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.described import DescribedPeople
from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Booleans, Integers, clip, length_by_owner
from trialimpact.loaders import NO_DAY
from trialimpact.loaders.dates import month_and_day
from trialimpact.loaders.values import as_numbers, as_text
from trialimpact.protocol import Condition
from trialimpact.protocol.conditions import AgeIs, AgeOn, AnyDays, AnyOf, ColumnIs, DaysBetween, DaysOn, Not, Test
from trialimpact.spells import OutcomeSpells

Membership: TypeAlias = NDArray[np.int8]
"""1 in, 0 out, -1 not known; one entry a claimant."""

IN, OUT, MISSING = 1, 0, -1


def find_members(condition: Condition, people: DescribedPeople, spells: Mapping[str, OutcomeSpells]) -> Membership:
    """Who of some people meets a condition, shape (n,): 1 yes, 0 no, -1 not known.

    `any_of` is yes if one part is yes, whatever is missing; `all_of` is no if one part is no;
    `not` leaves the missing missing.

    Raises
    ------
    DesignError
        A column does not exist or holds text where the condition has a number, or the reverse.
    """
    if isinstance(condition, ColumnIs):
        return _column(condition, people)
    if isinstance(condition, AgeIs):
        return _age(people, people.index_day, condition.age_at_index)
    if isinstance(condition, AgeOn):
        on_day = people.characteristic(condition.age_on.date, "a condition").fillna(NO_DAY)
        return _age(people, on_day.to_numpy(dtype=np.int64), condition.age_on)
    if isinstance(condition, AnyDays):
        n_on, known = _days_on(condition.any_days, people, spells)
        return _coded(n_on > 0, known)
    if isinstance(condition, DaysBetween):
        n_on, known = _days_on(condition.days, people, spells)
        low, high = condition.days.between
        return _coded((n_on >= low) & (n_on <= high), known)
    if isinstance(condition, Not):
        inside = find_members(condition.not_, people, spells)
        return np.where(inside == MISSING, MISSING, 1 - inside).astype(np.int8)
    parts = condition.any_of if isinstance(condition, AnyOf) else condition.all_of
    found = np.stack([find_members(part, people, spells) for part in parts])
    decisive = IN if isinstance(condition, AnyOf) else OUT
    decided = (found == decisive).any(axis=0)
    unknown = (found == MISSING).any(axis=0)
    return np.where(decided, decisive, np.where(unknown, MISSING, 1 - decisive)).astype(np.int8)


def no_birth_dates() -> DesignError:
    """An age is asked for, and nobody's is known."""
    says = "a condition asks for an age, and no claimant has a birth_date."
    return DesignError(worded(says, remedy="map birth_date"))


def _age(people: DescribedPeople, on_day: Integers, test: Test) -> Membership:
    if (people.birth_day == NO_DAY).all():
        raise no_birth_dates()
    age = age_in_years(people.birth_day, on_day)
    return _coded(_passes(pd.Series(age), test), known=age >= 0)


def age_in_years(birth_day: Integers, on_day: Integers) -> Integers:
    """Whole years of age, -1 where the birth date or the day is blank, or the day before the birth.

    A person born on 29 February is a year older on 1 March of other years.
    """
    known = (birth_day != NO_DAY) & (on_day != NO_DAY)
    birth_day, on_day = (np.where(known, day, 0) for day in (birth_day, on_day))
    birth, on = (day.astype("datetime64[D]") for day in (birth_day, on_day))
    years = on.astype("datetime64[Y]").astype(np.int64) - birth.astype("datetime64[Y]").astype(np.int64)
    before_birthday = month_and_day(on_day) < month_and_day(birth_day)
    return np.where(known, np.maximum(years - before_birthday, -1), -1)


def _column(condition: ColumnIs, people: DescribedPeople) -> Membership:
    values = people.characteristic(condition.column, "a condition")
    compared: pd.Series[Any] | None
    if any(isinstance(value, str) for value in condition.wanted):
        is_number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
        holds, asks, compared = "numbers", "text", None if is_number and values.notna().any() else as_text(values)
    else:
        holds, asks, compared = "text", "a number", as_numbers(values)
    if compared is None or len({isinstance(value, str) for value in condition.wanted}) > 1:
        raise DesignError(
            worded(
                f"the column {condition.column!r} holds {holds}, and a condition compares it with {asks}.",
                remedy='write text in quotes ("1") and numbers without (1) in the protocol',
            )
        )
    return _coded(_passes(compared, condition), known=compared.notna().to_numpy(dtype=bool))


def _passes(values: pd.Series[Any], test: Test) -> Booleans:
    if test.between is not None:
        return np.asarray(values.between(*test.between).to_numpy(dtype=bool, na_value=False))
    return np.asarray(values.isin(list(test.wanted)).to_numpy(dtype=bool))


def _days_on(days: DaysOn, people: DescribedPeople, spells: Mapping[str, OutcomeSpells]) -> tuple[Integers, Booleans]:
    """On how many of the days the outcome holds for each person, and whether all of them are followed."""
    found, n_people = spells[days.outcome], int(people.claimant.max(initial=-1)) + 1
    low, high = (np.full(n_people, NO_DAY, dtype=np.int64) for _ in range(2))
    low[people.claimant] = people.index_day + days.from_day
    high[people.claimant] = people.index_day + days.to_day
    of_people = found.spells.where(found.spells.owner < n_people)
    n_on = length_by_owner(clip(of_people, low, high), n_people)[people.claimant]
    covered = low[people.claimant] >= found.covered_from
    covered &= high[people.claimant] <= found.extract_day
    return n_on, covered


def _coded(passes: Booleans, known: Booleans) -> Membership:
    return np.where(known, passes.astype(np.int8), MISSING).astype(np.int8)
