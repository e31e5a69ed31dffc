"""Lives as daily moves among a few states, by kind of person: simulated, and their expected shares exactly.

The chances of a move do not look back, so expected shares are products of matrices: the truth of a simulated trial
needs no simulation. Nothing here knows an estimator.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trialimpact.synthetic.careers import Floats, States
from trialimpact.synthetic.histories import Integers

Chances = NDArray[np.float64]
"""Shape (kinds, states, states): the chance of each state tomorrow, by kind of person and state today."""


def draw_lives(rng: np.random.Generator, chances: Chances, kind: Integers, first: Integers, n_days: int) -> States:
    """One life a person, shape (people, n_days), from the states `first` on day 0."""
    reach = chances.cumsum(axis=2)
    lives = np.empty((kind.size, n_days), dtype=np.int8)
    lives[:, 0] = first
    for day in range(1, n_days):
        luck = rng.random((kind.size, 1))
        lives[:, day] = np.minimum((luck >= reach[kind, lives[:, day - 1]]).sum(axis=1), chances.shape[2] - 1)
    return lives


def expected_shares(chances: Chances, kind: Integers, first: Integers, n_days: int) -> Floats:
    """Expected share of the people in each state on each day, shape (n_days, states)."""
    n_kinds, n_states = chances.shape[:2]
    now = np.zeros((n_kinds, n_states))
    np.add.at(now, (kind, first), 1 / kind.size)
    shares = np.empty((n_days, n_states))
    for day in range(n_days):
        shares[day] = now.sum(axis=0)
        now = np.einsum("ks,kst->kt", now, chances)
    return shares


def with_staying(moves: Chances) -> Chances:
    """Chances of moving, shape (kinds, states, states), completed by the chance of staying."""
    chances = np.array(moves, dtype=float)
    places = np.arange(chances.shape[1])
    chances[:, places, places] = 0.0
    chances[:, places, places] = 1.0 - chances.sum(axis=2)
    return chances
