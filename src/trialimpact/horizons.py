"""Panel -> variances to every horizon in one pass over the spells: for horizons too long for products of jumps.

They are of the sides of the protocol's contrasts, and not whole numbers: they do not add over parts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from trialimpact.errors import DesignError, worded
from trialimpact.intervals import Booleans
from trialimpact.kernel import Floats, horizon_variance
from trialimpact.panel import OutcomePanel, Panel

Which: TypeAlias = tuple[str, str, tuple[str, ...], str | None]
"""Outcome, subgroup, arms, and a stratum or None for all."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HorizonVariances:
    """Sums of squared influences on Σ p(d) over the first H days, H = 1..longest, of each side, uncorrected."""

    which: tuple[Which, ...]
    variance: Floats
    """One row for each of `which`, a column for each horizon."""

    def of(self, which: Which) -> Floats:
        """The variances of one side.

        Raises
        ------
        DesignError
            It is not a side of one of the protocol's contrasts.
        """
        if which not in self.which:
            raise DesignError(
                worded(
                    "without products of jumps only the protocol's own contrasts can be estimated.",
                    remedy="declare the contrast, or set analysis.products = true",
                )
            )
        return np.asarray(self.variance[self.which.index(which)])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, HorizonVariances):
            return NotImplemented
        return self.which == other.which and np.array_equal(self.variance, other.variance, equal_nan=True)

    __hash__ = None  # type: ignore[assignment]


def count_horizons(panel: Panel) -> HorizonVariances:
    """The variances of every side of every contrast, by outcome, subgroup and stratum.

    Notes
    -----
    Cost: O(spells + horizon) a side. Source: docs, methods page, M4.
    """
    protocol = panel.protocol
    sides = dict.fromkeys(side for each in protocol.contrasts for side in each.sides)
    strata = (None, *(panel.strata if protocol.analysis.strata else ()))
    which = tuple(itertools.product(panel.outcomes, protocol.subgroup_names, sides, strata))
    rows = []
    for outcome, subgroup, arms, stratum in which:
        inside = panel.membership(subgroup) & panel.on_side(arms)
        if stratum is not None:
            inside &= panel.stratum == panel.strata.index(stratum)
        rows.append(_of_side(panel.outcome(outcome), inside, protocol.analysis.max_horizon))
    return HorizonVariances(which, np.maximum(rows, 0.0))  # below it by rounding errors where nobody differs


def _of_side(outcome: OutcomePanel, inside: Booleans, n_days: int) -> Floats:
    followed = tuple(np.clip(each, 0, n_days)[inside] for each in (outcome.followed_from, outcome.followed_to))
    spells = outcome.spells.where(np.flatnonzero(inside[outcome.spells.owner]))
    row = np.cumsum(inside) - 1
    start, end = np.clip(spells.start, 0, n_days), np.clip(spells.end, 0, n_days)
    return horizon_variance(row[spells.owner], start, end, (followed[0], followed[1]), n_days)
