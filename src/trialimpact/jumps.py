"""Panel -> jumps: when each claimant's follow-up and outcome change, and products of two changes.

A claimant changes on a few days only, so these lists are short where claimant-days are many. The two jumps of
follow-up, in and out, are one each a claimant; those of the outcome are a list.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trialimpact.intervals import Integers
from trialimpact.kernel import edges, pairs_by_lag
from trialimpact.panel import OutcomePanel

ON_ON, ON_FOLLOWED, FOLLOWED_FOLLOWED = range(3)
"""Tables of products: dy·dy, dy·do, do·do. The first and the last hold each pair of days once, the earlier first."""


@dataclass(frozen=True, slots=True, eq=False)
class Jumps:
    """Changes of a step function: who, on which day of a window, by how much; sorted by owner, then day."""

    owner: Integers
    day: Integers
    step: Integers


def jumps_of(outcome: OutcomePanel, window: tuple[int, int]) -> tuple[Jumps, Jumps]:
    """Jumps of follow-up and of the outcome, seen from a window [low, high): a state at `low` is a jump there."""
    spells = outcome.spells
    everyone = np.arange(outcome.followed_from.size)
    return (
        _seen_from(everyone, outcome.followed_from, outcome.followed_to, *window),
        _seen_from(spells.owner, spells.start, spells.end, *window),
    )


def _seen_from(owner: Integers, start: Integers, end: Integers, low: int, high: int) -> Jumps:
    """+1 at starts and -1 at ends."""
    lasting, start, end = edges(start, end, low, high)
    owner, start, end = owner[lasting], start[lasting], end[lasting]
    if owner.size and (owner[1:] < owner[:-1]).any():
        order = np.lexsort((start, owner))
        owner, start, end = owner[order], start[order], end[order]
    day = np.column_stack([start, end]).ravel()
    inside = day < high - low
    step = np.tile(np.array([1, -1], dtype=np.int64), start.size)
    return Jumps(np.repeat(owner, 2)[inside], day[inside], step[inside])


def products_of(
    outcome: OutcomePanel, window: tuple[int, int]
) -> Iterator[tuple[int, Integers, Integers, Integers, Integers]]:
    """Batches of products of one claimant's jumps: the table, then who, the two days, and the product of each."""
    followed, on = jumps_of(outcome, window)
    for table, jumps in ((ON_ON, on), (FOLLOWED_FOLLOWED, followed)):
        for one, other in pairs_by_lag(jumps.owner):
            yield table, jumps.owner[one], jumps.day[one], jumps.day[other], jumps.step[one] * jumps.step[other]
    first = np.searchsorted(followed.owner, on.owner)
    for place in (first, first + 1):
        # In and, for those who leave within the window, out; one past the last stands for nobody.
        both = place < followed.owner.size
        both[both] = followed.owner[place[both]] == on.owner[both]
        mine, theirs = on.owner[both], place[both]
        yield ON_FOLLOWED, mine, on.day[both], followed.day[theirs], on.step[both] * followed.step[theirs]
