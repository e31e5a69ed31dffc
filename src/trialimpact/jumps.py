"""Panel -> jumps: when each claimant's follow-up and outcome change, and products of two changes.

A claimant changes on a few days only, so these lists are short where claimant-days are many.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trialimpact.intervals import Integers
from trialimpact.panel import OutcomePanel

ON_ON, ON_FOLLOWED, FOLLOWED_FOLLOWED = range(3)
"""Tables of products: dy·dy, dy·do, do·do."""


@dataclass(slots=True, eq=False)
class Jumps:
    """Changes of a step function: who, on which day, by how much; sorted by owner."""

    owner: Integers
    day: Integers
    step: Integers

    @classmethod
    def of(cls, owner: Integers, start: Integers, end: Integers, low: int, high: int) -> Jumps:
        """+1 at starts and -1 at ends, seen from [low, high): a state at `low` is a jump there."""
        start, end = np.clip(start, low, high), np.clip(end, low, high)
        lasting = end > start
        owner, start, end = owner[lasting], start[lasting], end[lasting]
        day = np.column_stack([start, end]).ravel()
        step = np.tile(np.array([1, -1], dtype=np.int64), start.size)
        inside = day < high
        owner = np.repeat(owner, 2)[inside]
        order = np.argsort(owner, kind="stable")
        return cls(owner[order], day[inside][order] - low, step[inside][order])


def jumps_of(outcome: OutcomePanel, window: tuple[int, int]) -> tuple[Jumps, Jumps]:
    """Jumps of follow-up and of the outcome, seen from a window of days."""
    everyone = np.arange(outcome.followed_from.size)
    followed = Jumps.of(everyone, outcome.followed_from, outcome.followed_to, *window)
    spells = outcome.spells
    return followed, Jumps.of(spells.owner, spells.start, spells.end, *window)


def products_of(
    outcome: OutcomePanel, window: tuple[int, int]
) -> Iterator[tuple[int, Integers, tuple[Integers, Integers], Integers]]:
    """For each table: who, on which two days, and the product of their jumps."""
    followed, on = jumps_of(outcome, window)
    for table, one, other in (
        (ON_ON, on, on),
        (ON_FOLLOWED, on, followed),
        (FOLLOWED_FOLLOWED, followed, followed),
    ):
        first, second = _pairs_within_owner(one.owner, other.owner, outcome.followed_from.size)
        yield table, one.owner[first], (one.day[first], other.day[second]), one.step[first] * other.step[second]


def _pairs_within_owner(one: Integers, other: Integers, n_owners: int) -> tuple[Integers, Integers]:
    """Positions of every pair (an entry of `one`, an entry of `other`) with one owner; both sorted."""
    n_other = np.bincount(other, minlength=n_owners)
    first_other = np.cumsum(n_other) - n_other
    partners = n_other[one]
    first = np.repeat(np.arange(one.size), partners)
    before = np.repeat(np.cumsum(partners) - partners, partners)
    return first, np.arange(first.size) - before + first_other[one[first]]
