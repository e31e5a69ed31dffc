"""Which of several drawn lives each person leads, so that sums over people fall into given windows.

A linear programme: every sum is linear in the choices, and the fewest people change. What it leaves
fractional (about one person a constraint) is rounded one person at a time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.optimize import linprog

SLACK_COST = 1e4


@dataclass
class Sums:
    """Quantities that are sums over people of what their chosen life contributes.

    parts: shape (sums, people, lives); base: shape (sums,), what does not depend on the choices.
    """

    parts: np.ndarray
    base: np.ndarray

    def of(self, choice: np.ndarray) -> np.ndarray:
        """The sums under a choice of one life a person."""
        return self.base + self.parts[:, np.arange(choice.size), choice].sum(axis=1)


@dataclass
class Bounds:
    """Linear combinations of the sums, each to lie in [low, high]; scale says what a miss of one costs."""

    weights: sparse.csr_matrix
    low: np.ndarray
    high: np.ndarray
    scale: np.ndarray

    def misses(self, sums: np.ndarray) -> np.ndarray:
        """By how much each combination lies outside."""
        values = self.weights @ sums
        return np.maximum(np.maximum(self.low - values, values - self.high), 0.0)


def choose(sums: Sums, bounds: Bounds, choice: np.ndarray) -> tuple[np.ndarray, float]:
    """The choice nearest to `choice` that keeps the bounds, and the cost of what they still miss."""
    n_sums, n_people, n_lives = sums.parts.shape
    people = np.arange(n_people)
    change = sums.parts - sums.parts[:, people, choice][:, :, None]
    others = np.array([np.delete(np.arange(n_lives), each) for each in choice])
    moves = np.take_along_axis(change, others[None], axis=2).reshape(n_sums, -1)
    n_moves, n_bounds = moves.shape[1], bounds.low.size
    now = sums.of(choice)
    # Unknowns: moves, the sums, slack below, slack above.
    defines = sparse.hstack(
        [sparse.csr_matrix(moves), -sparse.identity(n_sums), sparse.csr_matrix((n_sums, 2 * n_bounds))]
    )
    once = sparse.kron(sparse.identity(n_people), np.ones((1, n_lives - 1)))
    once = sparse.hstack([once, sparse.csr_matrix((n_people, n_sums + 2 * n_bounds))])
    none = sparse.csr_matrix((n_bounds, n_moves))
    eye = sparse.identity(n_bounds)
    above = sparse.hstack([none, bounds.weights, 0 * eye, -eye])
    below = sparse.hstack([none, -bounds.weights, -eye, 0 * eye])
    cost = np.concatenate([np.ones(n_moves), np.zeros(n_sums), np.tile(SLACK_COST * bounds.scale, 2)])
    limits = [(0, 1)] * n_moves + [(None, None)] * n_sums + [(0, None)] * (2 * n_bounds)
    found = linprog(
        cost,
        A_ub=sparse.vstack([above, below, once], format="csr"),
        b_ub=np.concatenate([bounds.high, -bounds.low, np.ones(n_people)]),
        A_eq=defines.tocsr(),
        b_eq=-now,
        bounds=limits,
        method="highs",
    )
    if found.status != 0:
        raise RuntimeError(f"the linear programme was not solved: {found.message}")
    share = np.zeros((n_people, n_lives))
    np.put_along_axis(share, others, found.x[:n_moves].reshape(n_people, -1), axis=1)
    share[people, choice] = 1 - share.sum(axis=1)
    slack = found.x[n_moves + n_sums :]
    return _rounded(sums, bounds, share), float(slack @ np.tile(bounds.scale, 2))


def _rounded(sums: Sums, bounds: Bounds, share: np.ndarray) -> np.ndarray:
    """Whole choices: first the likeliest, then one undecided person after another, twice over."""
    choice = share.argmax(axis=1)
    undecided = np.flatnonzero(share.max(axis=1) < 1 - 1e-6)
    now = sums.of(choice)
    for _ in range(3):
        for person in undecided:
            options = now[:, None] - sums.parts[:, person, choice[person]][:, None] + sums.parts[:, person]
            best = int(np.argmin([bounds.scale @ bounds.misses(option) for option in options.T]))
            now, choice[person] = options[:, best], best
    return choice
