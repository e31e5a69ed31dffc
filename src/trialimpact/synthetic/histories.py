"""What happens to each person under each arm: spells by construction disjoint, so the truth is known.

Nothing here knows an estimator. Days are relative to the index day; both arms use the same draws,
so each person's effect is the difference between two histories of one person.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]
CYCLES = 4
LAST_DAY = 1_200
"""Histories run to this day at most."""


@dataclass(frozen=True, slots=True, eq=False)
class Draws:
    """Everything random about people's futures and pasts, drawn once."""

    on_days: Integers
    off_days: Integers
    works: NDArray[np.bool_]
    job_delay: Integers
    past_start: Integers
    past_days: Integers
    straight_from: Integers


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """Disjoint spells under one arm, arrays of shape (n, cycles); empty where end <= start."""

    benefit_start: Integers
    benefit_end: Integers
    job_start: Integers
    job_end: Integers

    def daily_shares(self, n_days: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """True shares on benefit, and employed and not on benefit, on days 0..n_days-1."""
        return (
            _share(self.benefit_start, self.benefit_end, n_days),
            _share(self.job_start, self.job_end, n_days),
        )


def draw_people(rng: np.random.Generator, n_people: int) -> Draws:
    """Draw first spells (mean about 15 weeks), returns, jobs in between, and two years before."""
    shape = (n_people, CYCLES)
    mean_on = np.array([105.0, 60.0, 60.0, 60.0]) * rng.gamma(4.0, 0.25, size=(n_people, 1))
    past_start = -rng.integers(15, 1_400, size=(n_people, 4))
    past_days = np.ceil(rng.exponential(90.0, size=(n_people, 4))).astype(np.int64)
    past_days = np.where(rng.random((n_people, 4)) < 0.7, past_days, 0)
    return Draws(
        on_days=np.ceil(rng.exponential(mean_on, size=shape)).astype(np.int64),
        off_days=np.ceil(rng.exponential(150.0, size=shape)).astype(np.int64),
        works=rng.random(shape) < 0.6,
        job_delay=rng.integers(0, 8, size=shape),
        past_start=past_start,
        past_days=np.minimum(past_days, -past_start - rng.integers(1, 15, size=(n_people, 4))),
        straight_from=np.where(rng.random(n_people) < 0.14, rng.integers(20, 200, size=n_people), 0),
    )


def live_through(draws: Draws, first_spell_factor: float) -> History:
    """Histories when every first spell is `first_spell_factor` times as long as drawn."""
    on_days = draws.on_days.copy()
    on_days[:, 0] = np.maximum(1, np.round(on_days[:, 0] * first_spell_factor)).astype(np.int64)
    lengths = np.stack([on_days, draws.off_days], axis=2).reshape(len(on_days), 2 * CYCLES)
    ends = np.minimum(lengths.cumsum(axis=1), LAST_DAY)
    starts = np.column_stack([np.zeros(len(on_days), dtype=np.int64), ends[:, :-1]])
    off_start, off_end = starts[:, 1::2], ends[:, 1::2]
    job_start = np.minimum(off_start + draws.job_delay, off_end)
    return History(
        benefit_start=starts[:, 0::2],
        benefit_end=ends[:, 0::2],
        job_start=job_start,
        job_end=np.where(draws.works, off_end, job_start),
    )


def _share(start: Integers, end: Integers, n_days: int) -> NDArray[np.float64]:
    days = np.arange(n_days)
    began = np.searchsorted(np.sort(start, axis=None), days, side="right")
    over = np.searchsorted(np.sort(end, axis=None), days, side="right")
    return (began - over) / len(start)
