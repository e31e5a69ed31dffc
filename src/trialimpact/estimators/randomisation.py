"""Randomisation test: the estimate among all that the design could have given (M9)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.contrast import Floats, chosen, difference, labels
from trialimpact.estimators.ledger import sides_of
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.target import Target, target_of
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast

MAX_EXACT = 20_000
"""Up to so many assignments are all enumerated; above it they are drawn."""

DRAWS = 1_999
BLOCK_ROWS = 20_000
"""Claimants whose days are laid out at once."""

_TIE = 1e-9
"""Estimates this close are the same: they differ by rounding."""

PLACEBO_COLUMNS = [
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "target", "day", "horizon_days", "test"),
    *("estimate", "n_assignments", "exact", "statistic", "df", "p_value"),
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Randomisation:
    """The estimate, and what it would have been under other assignments if treatment changed nothing.

    Attributes
    ----------
    estimates : array, shape (n_assignments,)
        Where `exact`, one an assignment, the actual one among them; else the draws.
    unit : str
        What was assigned: "claimants", "clusters" or "digits".
    """

    outcome: str
    contrast: Contrast
    target: Target
    observed: float
    estimates: Floats
    exact: bool
    unit: str

    @property
    def p_value(self) -> float:
        """Share of assignments with an estimate at least as far from zero; two-sided.

        Assignments that leave a side without anybody followed on some day have no estimate and do
        not count: which they are depends on follow-up alone.
        """
        known = self.estimates[np.isfinite(self.estimates)]
        if math.isnan(self.observed) or not known.size:
            return math.nan
        far = int((np.abs(known) >= abs(self.observed) - _TIE * max(1.0, abs(self.observed))).sum())
        return far / known.size if self.exact else (1 + far) / (1 + known.size)

    def to_frame(self) -> pd.DataFrame:
        """One row, `PLACEBO_COLUMNS`."""
        row: dict[str, Any] = {
            **labels(self.outcome, self.contrast),
            "target": self.target.in_words(),
            **self.target.columns(),
            "test": f"assignment of {self.unit}",
            "estimate": self.observed,
            "n_assignments": int(np.isfinite(self.estimates).sum()),
            "exact": self.exact,
            "p_value": self.p_value,
        }
        return as_table([row], PLACEBO_COLUMNS)

    def __repr__(self) -> str:
        how = "all" if self.exact else "drawn"
        return (
            f"Randomisation({self.outcome}, {self.contrast.name}; {self.target.in_words()}: {self.observed:.4g}; "
            f"{self.estimates.size:,} assignments of {self.unit}, {how}; p {self.p_value:.4f})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_randomisation(
    panel: Panel,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
    day: int | None = None,
    pre_period: bool = False,
    draws: int = DRAWS,
) -> Randomisation:
    """Test that assignment changed nothing for anybody, by assigning again as the design did.

    Claimants (or, where clusters were assigned whole, clusters) are assigned anew within each
    stratum, keeping the number in each arm; the available-case estimate is computed each time.

    Parameters
    ----------
    panel : Panel
    outcome, contrast
        As `estimate_cumulative`.
    horizon_days, day, pre_period
        What is estimated: days to a horizon (default: the longest), the share on a day, or days
        before day 0.
    draws : int
        Assignments to draw where there are more than 20,000; with fewer, all are enumerated.

    Returns
    -------
    Randomisation

    Raises
    ------
    DesignError
        Arms were allocated by digit (`estimate_placebo` is that design's test); clusters hold
        claimants of both sides, so it is not known what was assigned; a stratum has one side only;
        on some day nobody of a side is followed.

    Notes
    -----
    Exact if all are enumerated; else p is (1 + as far) / (1 + draws), valid at any number of draws,
    seeded by the protocol. It assumes the same chance for everyone in a stratum: where intake
    differed between arms over time, add the period to `analysis.strata`. Source: methods page, M9.
    Cost: O(draws × claimants × days) in blocks.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_randomisation(simulate_trial(n_claimants=200, seed=1).panel(), "on_benefit")
    Traceback (most recent call last):
    ...
    trialimpact.errors.DesignError: arms were allocated by digit: claimants were not assigned one by one.
      remedy: use estimate_placebo, which assigns the digits anew
    """
    name, contrast = chosen(panel.protocol, outcome, contrast)
    if panel.protocol.allocation.rule == "digit":
        says = "arms were allocated by digit: claimants were not assigned one by one."
        raise DesignError(worded(says, remedy="use estimate_placebo, which assigns the digits anew"))
    treated, control = sides_of(panel, contrast)
    here = panel.where(treated | control)
    treated = treated[treated | control]
    part = here.outcome(name)
    target = target_of(here, part, horizon_days=horizon_days, day=day, pre_period=pre_period)
    unit_of, unit = _units(here, treated)
    assigned = np.zeros(unit_of.max() + 1, dtype=bool)
    assigned[unit_of[treated]] = True
    stratum = np.zeros(assigned.size, dtype=np.int64)
    stratum[unit_of] = here.stratum
    exact = _n_assignments(assigned, stratum) <= MAX_EXACT
    drawn = _enumerated(assigned, stratum) if exact else _drawn(assigned, stratum, draws, here.protocol.analysis.seed)
    estimates = np.concatenate(
        [
            _estimates(here, part, target.weights, block[:, unit_of])
            for block in itertools.chain([assigned[None]], drawn)
        ]
    )
    if not np.isfinite(estimates[0]):
        says = f"{name}, {contrast.name}: on some day nobody of a side is followed, so there is no estimate."
        raise DesignError(worded(says, remedy="choose a shorter horizon or an earlier day"))
    return Randomisation(
        outcome=name,
        contrast=contrast,
        target=target,
        observed=float(estimates[0]),
        estimates=estimates[1:],
        exact=exact,
        unit=unit,
    )


def weighted_counts(outcome: OutcomePanel, weights: NDArray[Any], days: Integers) -> tuple[Floats, Floats]:
    """Σ weight × followed and Σ weight × on, on some days, for each row of weights (rows, claimants)."""
    totals = np.zeros((2, len(weights), days.size))
    for start in range(0, outcome.followed_from.size, BLOCK_ROWS):
        keep = np.zeros(outcome.followed_from.size, dtype=bool)
        keep[start : start + BLOCK_ROWS] = True
        block = weights[:, keep].astype(np.float32)
        # Whole numbers below 2**24 are exact in single precision.
        totals += [block @ state.astype(np.float32) for state in outcome.where(keep).states(days)]
    followed, on = totals
    return followed, on


def _estimates(panel: Panel, outcome: OutcomePanel, weights: Floats, treated: Booleans) -> Floats:
    """The stratified available-case estimate under each assignment, shape (rows,).

    Over a stretch of days on which the same people are followed, a side's shares have one denominator, so days with
    the outcome are added up person by person first: where all are followed throughout there is one stretch.
    """
    days, used = np.arange(*panel.window)[weights != 0], weights[weights != 0]
    estimates = np.zeros(len(treated))
    for stratum in range(len(panel.strata)):
        mine = panel.stratum == stratum
        if not mine.any():
            continue
        part = outcome.where(mine)
        everyone = _counts_of_stretches(part, np.ones((1, int(mine.sum()))), days, used)
        one = _counts_of_stretches(part, treated[:, mine], days, used)
        with np.errstate(invalid="ignore", divide="ignore"):
            means = one[1] / one[0], (everyone[1] - one[1]) / (everyone[0] - one[0])
        estimates += mine.mean() * difference(*means).sum(axis=1)
    return estimates


def _counts_of_stretches(
    outcome: OutcomePanel, weights: NDArray[Any], days: Integers, used: Floats
) -> tuple[Floats, Floats]:
    """Σ weight × followed, and Σ weight × days on (day d counting used[d]), for each row of weights and stretch."""
    changes = np.searchsorted(days, np.unique([outcome.followed_from, outcome.followed_to]))
    starts = np.unique(np.concatenate([[0], changes[changes < days.size]]))
    totals = np.zeros((2, len(weights), starts.size))
    for start in range(0, outcome.followed_from.size, BLOCK_ROWS):
        keep = np.zeros(outcome.followed_from.size, dtype=bool)
        keep[start : start + BLOCK_ROWS] = True
        followed, on = outcome.where(keep).states(days)
        days_on = np.add.reduceat(on * used, starts, axis=1)
        block = weights[:, keep].astype(np.float64)
        totals += [block @ followed[:, starts], block @ days_on]
    return totals[0], totals[1]


def _units(panel: Panel, treated: Booleans) -> tuple[Integers, str]:
    """What was assigned: the unit of each claimant, numbered from 0, and its name."""
    if panel.protocol.analysis.clusters is None:
        return np.arange(len(panel)), "claimants"
    _, unit_of = np.unique(panel.cluster, return_inverse=True)
    n_treated = np.bincount(unit_of, weights=treated)
    mixed = int(((n_treated > 0) & (n_treated < np.bincount(unit_of))).sum())
    strata = len(np.unique(np.stack([unit_of, panel.stratum]), axis=1).T)
    if mixed or strata > n_treated.size:
        what = f"{mixed} clusters hold claimants of both sides" if mixed else "a cluster lies in several strata"
        raise DesignError(
            worded(
                f"{what}, so it is not known what was assigned.",
                remedy="leave clusters out if claimants were assigned one by one, or set strata within which they were",
            )
        )
    return unit_of.astype(np.int64), "clusters"


def _n_assignments(assigned: Booleans, stratum: Integers) -> int:
    sizes = [(assigned[stratum == each].size, int(assigned[stratum == each].sum())) for each in np.unique(stratum)]
    if any(k in (0, n) for n, k in sizes):
        raise DesignError(
            worded("a stratum has one side only: nothing was assigned there.", remedy="join small strata")
        )
    return math.prod(math.comb(n, k) for n, k in sizes)


def _enumerated(assigned: Booleans, stratum: Integers) -> Iterator[Booleans]:
    """Every assignment with the same numbers within strata, some hundred at a time."""
    members = [np.flatnonzero(stratum == each) for each in np.unique(stratum)]
    choices = [itertools.combinations(mine, int(assigned[mine].sum())) for mine in members]
    for some in _batched(itertools.product(*choices), 500):
        block = np.zeros((len(some), assigned.size), dtype=bool)
        for row, chosen_units in enumerate(some):
            block[row, np.concatenate([np.asarray(each) for each in chosen_units])] = True
        yield block


def _batched(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(itertools.islice(items, size)):
        yield batch


def _drawn(assigned: Booleans, stratum: Integers, draws: int, seed: int) -> Iterator[Booleans]:
    """Assignments drawn at random with the same numbers within strata, some hundred at a time."""
    rng = np.random.default_rng(seed)
    for start in range(0, draws, 500):
        block = np.zeros((min(500, draws - start), assigned.size), dtype=bool)
        for each in np.unique(stratum):
            mine = np.flatnonzero(stratum == each)
            block[:, mine] = rng.permuted(np.tile(assigned[mine], (len(block), 1)), axis=1)
        yield block
