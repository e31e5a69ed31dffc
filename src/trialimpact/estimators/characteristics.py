"""The protocol's characteristics as columns of numbers: a level each, or a mean; never a code as a number."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trialimpact.errors import DesignError, worded
from trialimpact.estimators.contrast import Floats
from trialimpact.groups import IN, MISSING, find_members
from trialimpact.loaders.values import as_numbers, as_text
from trialimpact.protocol import Characteristic
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells

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
            remedy = 'set kind = "categorical", or correct the extract'
            raise DesignError(worded(f"characteristic {name!r} is numeric and its column holds text.", remedy=remedy))
        yield Column(name, "", "numeric", numbers.to_numpy(dtype=float))
        return
    labels = as_text(values)
    levels = sorted(labels.dropna().unique(), key=_in_order)
    if len(levels) > MAX_LEVELS:
        raise DesignError(
            worded(
                f"characteristic {name!r} has {len(levels):,} levels: more than {MAX_LEVELS}, as an identifier has.",
                remedy='set kind = "numeric", or give levels by conditions',
            )
        )
    missing = labels.isna().to_numpy(dtype=bool)
    for label in levels:
        inside = (labels == label).to_numpy(dtype=float)
        yield Column(name, str(label), "categorical", np.where(missing, np.nan, inside))


def _in_order(label: str) -> tuple[float, str]:
    """Numbers in order of size, then text in order of letters."""
    try:
        return float(label), label
    except ValueError:
        return math.inf, label
