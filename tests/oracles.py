"""The slow way, day by day and person by person; used only by tests, and sharing no code with the library."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2
from trials import SmallTrial


@dataclass
class Dense:
    """followed and on: bool arrays (people, days), for days first..first+n-1 from the index day."""

    arm: np.ndarray
    followed: np.ndarray
    on: np.ndarray
    first: int

    def window(self, low: int, high: int) -> Dense:
        cut = slice(low - self.first, high - self.first)
        return Dense(self.arm, self.followed[:, cut], self.on[:, cut], low)


def dense(trial: SmallTrial, outcome: str) -> Dense:
    """Go through every person and every day with plain loops."""
    first, n_days = -trial.pre_days, trial.pre_days + trial.horizon
    kinds = {"a": ["a"], "a_not_b": ["a", "b"], "a_or_b": ["a", "b"]}[outcome]
    people = trial.people
    followed = np.zeros((len(people), n_days), dtype=bool)
    on = np.zeros_like(followed)
    low = max(trial.covered[kind][0] for kind in kinds)
    high = min(trial.covered[kind][1] for kind in kinds)
    for row, person in enumerate(people.to_dict("records")):
        mine = trial.spells[trial.spells["claimant_id"] == person["claimant_id"]]
        state = {
            kind: {
                day
                for spell in mine[mine["kind"] == kind].to_dict("records")
                for day in range(max(spell["start"], low), min(spell["end"], high))
            }
            for kind in ("a", "b")
        }
        union = state["a"] | state["b"]
        bridged = set(union)
        for day in union:
            for gap in (1, 2):
                if day + gap + 1 in union:
                    bridged |= set(range(day, day + gap + 2))
        holds = {"a": state["a"], "a_not_b": state["a"] - state["b"], "a_or_b": bridged}[outcome]
        for column in range(n_days):
            calendar_day = person["index"] + first + column
            followed[row, column] = low <= calendar_day < high
            on[row, column] = calendar_day in holds and followed[row, column]
    return Dense(people["arm"].to_numpy(), followed, on, first)


def influence(data: Dense, arms: list[str]) -> np.ndarray:
    """obs (y - p)/n of each person of these arms, 0 for the others; NaN where n = 0."""
    mine = np.isin(data.arm, arms)
    n = data.followed[mine].sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        p = data.on[mine].sum(axis=0) / n
        values = data.followed * (data.on - p) / n
    return np.where(mine[:, None], values, 0.0)


def shares(data: Dense, arms: list[str]) -> np.ndarray:
    mine = np.isin(data.arm, arms)
    with np.errstate(invalid="ignore", divide="ignore"):
        return data.on[mine].sum(axis=0) / data.followed[mine].sum(axis=0)


def scatter_as_they_say(z: np.ndarray) -> None:
    """Errors in standard errors, one row a trial: none is biased, and none scatters more or less than it says."""
    runs = len(z)
    assert (np.abs(z.mean(axis=0)) < 4 / np.sqrt(runs)).all(), z.mean(axis=0)
    low, high = chi2.ppf([5e-5, 1 - 5e-5], runs)
    assert ((low < (z**2).sum(axis=0)) & ((z**2).sum(axis=0) < high)).all()
