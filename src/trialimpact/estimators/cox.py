"""Cox's hazard ratio of two sides, ties by Efron's weights, with errors that are robust to clusters (M13).

Our own because the residuals behind lifelines' robust errors leave ties out, and days are full of ties: its errors
depend on the order of rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from trialimpact.estimators.confidence import two_sided_p
from trialimpact.estimators.contrast import Floats
from trialimpact.intervals import Booleans, Integers

MOST_STEPS, LARGEST = 50, 30.0
"""Newton's steps; a log hazard ratio beyond is taken as without bound."""

UNKNOWN = (float("nan"), float("nan"), float("nan"))


def log_hazard_ratio(frame: pd.DataFrame, clusters: Integers | None = None) -> tuple[float, float, float]:
    """Log hazard ratio of treatment, its standard error, two-sided p; NaN where no finite ratio is likeliest.

    `frame` has a row a person at risk: `days`, `happened`, `treatment` (0 or 1).
    """
    happened, treated = frame["happened"].to_numpy(dtype=bool), frame["treatment"].to_numpy(dtype=bool)
    if not happened[treated].any() or not happened[~treated].any():
        return UNKNOWN
    steps, beta = _Events(frame["days"].to_numpy(), happened, treated), 0.0
    for _ in range(MOST_STEPS):
        score, information = steps.score_and_information(beta)
        step = score / information if information > 0 else np.inf
        beta += step
        if not abs(beta) < LARGEST:
            return UNKNOWN
        if abs(step) < 1e-13 * max(1.0, abs(beta)):
            break
    information = steps.score_and_information(beta)[1]
    variance = 1 / information
    if clusters is not None:
        by_cluster = np.bincount(np.unique(clusters, return_inverse=True)[1], weights=steps.residuals(beta))
        variance = float(by_cluster @ by_cluster) / information**2
    error = float(np.sqrt(variance))
    return float(beta), error, float(two_sided_p(np.array(beta), np.array(error)))


class _Events:
    """The days with events, and who is at risk and who has the event on each.

    Each of d events of a day is one of d draws without order: of draw l, those with the event weigh 1 - l/d.
    """

    def __init__(self, days: Integers, happened: Booleans, treated: Booleans) -> None:
        self.days, self.happened, self.treated = days, happened, treated
        self.on, n_events = np.unique(days[happened], return_counts=True)
        sides = (~treated, treated)
        self.at_risk = [side.sum() - np.searchsorted(np.sort(days[side]), self.on) for side in sides]
        place = np.searchsorted(self.on, days)
        self.events = [np.bincount(place[side & happened], minlength=self.on.size) for side in sides]
        self.draw_of = np.repeat(np.arange(self.on.size), n_events)
        first = np.cumsum(n_events) - n_events
        self.part = (np.arange(self.draw_of.size) - first[self.draw_of]) / n_events[self.draw_of]

    def _draws(self, beta: float) -> tuple[Floats, Floats]:
        """Σ of the weights of all, and the treated share of it, at each draw."""
        weights = 1.0, np.exp(beta)
        control, treated = (
            weight * (risk[self.draw_of] - self.part * events[self.draw_of])
            for weight, risk, events in zip(weights, self.at_risk, self.events, strict=True)
        )
        return control + treated, treated / (control + treated)

    def score_and_information(self, beta: float) -> tuple[float, float]:
        _, share = self._draws(beta)
        return float(self.events[1].sum() - share.sum()), float((share * (1 - share)).sum())

    def residuals(self, beta: float) -> Floats:
        """Score residuals: how far each person moves the score."""
        total, share = self._draws(beta)

        def by_day(values: Floats) -> Floats:
            return np.bincount(self.draw_of, weights=values, minlength=self.on.size).astype(np.float64)

        treated, weight = self.treated.astype(float), np.where(self.treated, np.exp(beta), 1.0)
        until = np.searchsorted(self.on, self.days, side="right")
        hazard, hazard_share = (np.concatenate([[0.0], by_day(v).cumsum()]) for v in (1 / total, share / total))
        found = -weight * (treated * hazard[until] - hazard_share[until])
        own = np.minimum(np.searchsorted(self.on, self.days), self.on.size - 1)
        n_events = np.bincount(self.draw_of, minlength=self.on.size)
        spared, spared_share = (by_day(self.part * v)[own] for v in (1 / total, share / total))
        mine = treated - (by_day(share) / n_events)[own] + weight * (treated * spared - spared_share)
        return np.asarray(found + np.where(self.happened, mine, 0.0))
