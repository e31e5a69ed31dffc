"""The protocol's characteristics as columns of numbers: a level each, or a mean; never a code as a number.

`CharacteristicSums` is all that balance needs of them, by arm.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trialimpact.errors import DesignError, worded
from trialimpact.groups import IN, MISSING, find_members
from trialimpact.intervals import Integers
from trialimpact.loaders.records import require_one_load
from trialimpact.loaders.values import as_numbers, as_text, is_no_amount
from trialimpact.protocol import Characteristic
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells

Floats: TypeAlias = NDArray[np.float64]

MAX_LEVELS = 200
"""A categorical characteristic with more levels is refused: it would list people."""


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """Something known of claimants: values of everyone (NaN where missing), and how it is named."""

    characteristic: str
    level: str
    kind: str
    value: Floats


def columns_of(
    characteristic: Characteristic, sample: TrialSample, spells: Mapping[str, OutcomeSpells]
) -> Iterator[Column]:
    """The columns of one characteristic: a level each (1 in it, 0 not, NaN unknown), or its numbers.

    Raises
    ------
    DesignError
        It names a column that is not there, is numeric and holds text, or has as many levels as an
        identifier would.
    """
    name = characteristic.name
    for level in characteristic.levels:
        members = find_members(level.where, sample, spells)
        inside = np.where(members == MISSING, np.nan, (members == IN).astype(float))
        yield Column(name, level.label, "categorical", inside)
    if characteristic.column is None:
        return
    values = sample.characteristic(characteristic.column, f"characteristic {name!r}")
    if characteristic.kind == "numeric":
        numbers = as_numbers(values)
        if numbers is None:
            n = int(is_no_amount(values).sum())
            says = f"characteristic {name!r} is numeric, and {characteristic.column!r} holds text, or no finite amount"
            remedy = 'leave blank what is missing (NA, NULL and . are text); or set kind = "categorical"'
            raise DesignError(worded(f"{says}, of {n:,} people.", remedy=remedy))
        yield Column(name, "", "numeric", numbers.to_numpy(dtype=float))
        return
    labels = as_text(values)
    levels = sorted(labels.dropna().unique(), key=in_order)
    refuse_many_levels(name, len(levels))
    missing = labels.isna().to_numpy(dtype=bool)
    for label in levels:
        inside = (labels == label).to_numpy(dtype=float)
        yield Column(name, str(label), "categorical", np.where(missing, np.nan, inside))


def refuse_many_levels(name: str, n_levels: int) -> None:
    """A characteristic with as many levels as an identifier would list people."""
    if n_levels > MAX_LEVELS:
        raise DesignError(
            worded(
                f"characteristic {name!r} has {n_levels:,} levels: more than {MAX_LEVELS}, as an identifier has.",
                remedy='set kind = "numeric", or give levels by conditions',
            )
        )


def in_order(label: str) -> tuple[float, str]:
    """Numbers in order of size, then text in order of letters."""
    try:
        return float(label), label
    except ValueError:
        return math.inf, label


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CharacteristicSums:
    """Sums over the claimants of each arm, of values less a `centre`, which keeps their digits.

    Attributes
    ----------
    columns : tuple of (characteristic, level, kind)
    centre : array, shape (k,)
    claimants, complete : array, shape (arms,)
        Claimants, and those for whom nothing is missing.
    known, total, square : array, shape (arms, k)
        How many values are known, their sum, and the sum of their squares.
    complete_total, complete_products : arrays, shapes (arms, k) and (arms, k, k)
        Sums, and sums of products of two columns, over the complete.
    """

    columns: tuple[tuple[str, str, str], ...]
    centre: Floats
    claimants: Integers
    known: Integers
    total: Floats
    square: Floats
    complete: Integers
    complete_total: Floats
    complete_products: Floats


def sum_characteristics(sample: TrialSample, spells: Mapping[str, OutcomeSpells]) -> CharacteristicSums:
    """Sum every characteristic of the protocol over the claimants of each arm.

    Raises
    ------
    DesignError
        As `columns_of`; sample and spells are of different loads.
    """
    require_one_load(sample.load, *(each.load for each in spells.values()))
    columns = [column for each in sample.protocol.characteristics for column in columns_of(each, sample, spells)]
    values = np.column_stack([np.empty((len(sample), 0)), *(column.value for column in columns)])
    known = ~np.isnan(values)
    centre = np.array(
        [
            column.value[mine].mean() if column.kind == "numeric" and mine.any() else 0.0
            for column, mine in zip(columns, known.T, strict=True)
        ]
    )
    values = np.where(known, values - centre, 0.0)
    arms = [sample.assigned_arm == arm for arm in range(len(sample.protocol.arms))]
    whole = [values[arm & known.all(axis=1)] for arm in arms]
    return CharacteristicSums(
        columns=tuple((column.characteristic, column.level, column.kind) for column in columns),
        centre=centre,
        claimants=np.array([arm.sum() for arm in arms]),
        known=np.array([known[arm].sum(axis=0) for arm in arms]),
        total=np.array([values[arm].sum(axis=0) for arm in arms]),
        square=np.array([(values[arm] ** 2).sum(axis=0) for arm in arms]),
        complete=np.array([len(each) for each in whole]),
        complete_total=np.array([each.sum(axis=0) for each in whole]),
        complete_products=np.array([each.T @ each for each in whole]),
    )
