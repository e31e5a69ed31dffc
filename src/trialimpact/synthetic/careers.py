"""Careers after a claim: every day on benefit, in work, or neither, by daily chances of moving.

The chances do not look back, so the expected shares are exact sums over days: the truth of a
simulated trial needs no simulation. Nothing here knows an estimator.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trialimpact.synthetic.histories import Integers

Floats = NDArray[np.float64]
States = NDArray[np.int8]
"""Shape (people, days), day 0 first: BENEFIT, WORK or NEITHER."""

BENEFIT, WORK, NEITHER = 0, 1, 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chances:
    """Daily chances of moving, for n people. Everyone is on benefit on day 0.

    Attributes
    ----------
    leave : array, shape (n, days)
        Of leaving benefit on that day; `leave_to_work` of those go to work.
    leave_to_work, lose_work, work_to_benefit, find_work, return_to_benefit : array, shape (n,)
        `lose_work` is to neither, `find_work` and `return_to_benefit` are from neither.
    """

    leave: Floats
    leave_to_work: Floats
    lose_work: Floats
    work_to_benefit: Floats
    find_work: Floats
    return_to_benefit: Floats


def draw_careers(rng: np.random.Generator, chances: Chances, first: States | None = None) -> States:
    """One career a person, from benefit, or from the states `first`, on the first day."""
    n, days = chances.leave.shape
    states = np.zeros((n, days), dtype=np.int8)
    if first is not None:
        states[:, 0] = first
    for day in range(1, days):
        before = states[:, day - 1]
        luck = rng.random(size=(n,))
        leave, to_work = chances.leave[:, day], chances.leave[:, day] * chances.leave_to_work
        moved = np.select(
            [before == BENEFIT, before == WORK],
            [
                np.where(luck < to_work, WORK, np.where(luck < leave, NEITHER, BENEFIT)),
                _moves(luck, chances.work_to_benefit, BENEFIT, chances.lose_work, NEITHER, WORK),
            ],
            _moves(luck, chances.return_to_benefit, BENEFIT, chances.find_work, WORK, NEITHER),
        )
        states[:, day] = moved
    return states


def _moves(luck: Floats, one: Floats, there: int, other: Floats, elsewhere: int, here: int) -> Integers:
    return np.where(luck < one, there, np.where(luck < one + other, elsewhere, here))


def expected_shares(chances: Chances) -> Floats:
    """Expected share of the people in each state on each day, shape (days, 3)."""
    n, days = chances.leave.shape
    benefit, work, neither = np.ones(n), np.zeros(n), np.zeros(n)
    shares = np.empty((days, 3))
    shares[0] = 1.0, 0.0, 0.0
    for day in range(1, days):
        left = benefit * chances.leave[:, day]
        lost, back = work * chances.lose_work, work * chances.work_to_benefit
        found, returned = neither * chances.find_work, neither * chances.return_to_benefit
        benefit = benefit - left + back + returned
        work = work - lost - back + left * chances.leave_to_work + found
        neither = neither - found - returned + left * (1 - chances.leave_to_work) + lost
        shares[day] = benefit.mean(), work.mean(), neither.mean()
    return shares


def spells_in(states: States, state: int) -> tuple[Integers, Integers, Integers]:
    """The runs of days in a state: person, first day, first day after it."""
    n = len(states)
    inside = np.zeros((n, states.shape[1] + 2), dtype=np.int8)
    inside[:, 1:-1] = states == state
    jumps = np.diff(inside, axis=1)
    person, start = np.nonzero(jumps == 1)
    _, end = np.nonzero(jumps == -1)
    return person, start, end
