"""Conditions -> who meets them. Whoever has a missing value is in neither a group nor its complement."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Booleans, Integers, clip, length_by_owner
from trialimpact.loaders import NO_DAY
from trialimpact.loaders.dates import month_and_day
from trialimpact.loaders.values import as_numbers, as_text
from trialimpact.protocol import Condition
from trialimpact.protocol.conditions import AgeIs, AnyDays, AnyOf, ColumnIs, Not, Test
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
        if (sample.birth_day == NO_DAY).all():
            raise no_birth_dates()
        age = age_in_years(sample.birth_day, sample.index_day)
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


def no_birth_dates() -> DesignError:
    """An age is asked for, and nobody's is known."""
    says = "a condition asks for an age, and no claimant has a birth_date."
    return DesignError(worded(says, remedy="map birth_date"))


def age_in_years(birth_day: Integers, on_day: Integers) -> Integers:
    """Whole years of age, -1 where the birth date is blank.

    A person born on 29 February is a year older on 1 March of other years.
    """
    known = birth_day != NO_DAY
    birth = np.where(known, birth_day, on_day).astype("datetime64[D]")
    on = on_day.astype("datetime64[D]")
    years = on.astype("datetime64[Y]").astype(np.int64) - birth.astype("datetime64[Y]").astype(np.int64)
    before_birthday = month_and_day(on_day) < month_and_day(np.where(known, birth_day, on_day))
    return np.where(known, years - before_birthday, -1)


def _column(condition: ColumnIs, sample: TrialSample) -> Membership:
    values = sample.characteristic(condition.column, "a condition")
    compared: pd.Series[Any] | None
    if any(isinstance(value, str) for value in condition.wanted):
        is_number = pd.api.types.is_numeric_dtype(values.dtype)
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
