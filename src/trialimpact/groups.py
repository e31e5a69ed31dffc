"""Conditions -> who meets them. Whoever has a missing value is in neither a group nor its complement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Booleans, Integers, clip, length_by_owner
from trialimpact.loaders import NO_DAY
from trialimpact.protocol import Condition
from trialimpact.protocol.conditions import AgeIs, AnyDays, AnyOf, ColumnIs, Not, Scalar, Test
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells

Membership: TypeAlias = NDArray[np.int8]
"""1 in, 0 out, -1 not known; one entry a claimant."""

IN, OUT, MISSING = 1, 0, -1


def find_members(condition: Condition, sample: TrialSample, spells: Mapping[str, OutcomeSpells]) -> Membership:
    """Who of the sample meets a condition, shape (n,): 1 yes, 0 no, -1 not known.

    `any_of` is yes if one part is yes, whatever is missing; `all_of` is no if one part is no;
    `not` leaves the missing missing.

    Raises
    ------
    DesignError
        A column does not exist or holds text where the condition has a number, or the reverse.
    """
    if isinstance(condition, ColumnIs):
        return _column(condition, sample)
    if isinstance(condition, AgeIs):
        age = age_in_years(sample.people["birth_day"].to_numpy(), sample.index_day)
        return _coded(_passes(pd.Series(age), condition.age_at_index), known=age >= 0)
    if isinstance(condition, AnyDays):
        return _any_days(condition, sample, spells)
    if isinstance(condition, Not):
        inside = find_members(condition.not_, sample, spells)
        return np.where(inside == MISSING, MISSING, 1 - inside).astype(np.int8)
    parts = condition.any_of if isinstance(condition, AnyOf) else condition.all_of
    found = np.stack([find_members(part, sample, spells) for part in parts])
    decisive = IN if isinstance(condition, AnyOf) else OUT
    decided = (found == decisive).any(axis=0)
    unknown = (found == MISSING).any(axis=0)
    return np.where(decided, decisive, np.where(unknown, MISSING, 1 - decisive)).astype(np.int8)


def age_in_years(birth_day: Integers, on_day: Integers) -> Integers:
    """Whole years of age, -1 where the birth date is blank.

    A person born on 29 February is a year older on 1 March of other years.
    """
    known = birth_day != NO_DAY
    birth = np.where(known, birth_day, on_day).astype("datetime64[D]")
    on = on_day.astype("datetime64[D]")
    years = on.astype("datetime64[Y]").astype(np.int64) - birth.astype("datetime64[Y]").astype(np.int64)
    before_birthday = _month_and_day(on) < _month_and_day(birth)
    return np.where(known, years - before_birthday, -1)


def _month_and_day(dates: NDArray[np.datetime64]) -> Integers:
    months = dates.astype("datetime64[M]")
    month_of_year = months.astype(np.int64) % 12
    return np.asarray(month_of_year * 31 + (dates - months).astype(np.int64))


def _column(condition: ColumnIs, sample: TrialSample) -> Membership:
    values = sample.characteristic(condition.column, "a condition")
    is_text = not (pd.api.types.is_numeric_dtype(values.dtype) or pd.api.types.is_bool_dtype(values.dtype))
    wanted = condition.wanted
    if any(isinstance(value, str) != is_text for value in wanted):
        holds, compared = ("text", "a number") if is_text else ("numbers", "text")
        raise DesignError(
            worded(
                f"the column {condition.column!r} holds {holds}, and a condition compares it with {compared}.",
                remedy='write text in quotes ("1") and numbers without (1) in the protocol',
            )
        )
    missing = values.isna().to_numpy(dtype=bool)
    if condition.column == "digit":
        missing |= (values < 0).to_numpy(dtype=bool)
    return _coded(_passes(values, condition), known=~missing)


def _passes(values: pd.Series[Scalar], test: Test) -> Booleans:
    if test.between is not None:
        return np.asarray(values.between(*test.between).to_numpy(dtype=bool, na_value=False))
    return np.asarray(values.isin(list(test.wanted)).to_numpy(dtype=bool))


def _any_days(condition: AnyDays, sample: TrialSample, spells: Mapping[str, OutcomeSpells]) -> Membership:
    days, found = condition.any_days, spells[condition.any_days.outcome]
    n_people = int(sample.claimant.max(initial=-1)) + 1
    low, high = (np.full(n_people, NO_DAY, dtype=np.int64) for _ in range(2))
    low[sample.claimant] = sample.index_day + days.from_day
    high[sample.claimant] = sample.index_day + days.to_day
    of_sample = found.spells.where(found.spells.owner < n_people)
    on = length_by_owner(clip(of_sample, low, high), n_people)[sample.claimant] > 0
    covered = low[sample.claimant] >= found.covered_from
    covered &= high[sample.claimant] <= found.extract_day
    return _coded(on, known=covered)


def _coded(passes: Booleans, known: Booleans) -> Membership:
    return np.where(known, passes.astype(np.int8), MISSING).astype(np.int8)
