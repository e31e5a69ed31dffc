"""What a test or a bound is about: days over a horizon, the share on a day, or days before day 0."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, worded
from trialimpact.estimators.contrast import Floats
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import TrialProtocol


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """A weighted sum of daily differences.

    Attributes
    ----------
    kind : {"cumulative", "daily", "pre_period"}
    at : int
        The horizon, the day, or the first day of the pre-period.
    weights : array, one entry a day of the panel's window
    """

    kind: Literal["cumulative", "daily", "pre_period"]
    at: int
    weights: Floats

    def columns(self) -> dict[str, Any]:
        """The columns `day` and `horizon_days`; both blank for the pre-period."""
        return {
            "day": self.at if self.kind == "daily" else pd.NA,
            "horizon_days": self.at if self.kind == "cumulative" else pd.NA,
        }

    def in_words(self) -> str:
        """As in "days over the first 273 days"."""
        return {
            "cumulative": f"days over the first {self.at} days",
            "daily": f"share on day {self.at}",
            "pre_period": f"days from day {self.at} to -1",
        }[self.kind]


def target_of(
    panel: Panel,
    outcome: OutcomePanel,
    *,
    horizon_days: int | None = None,
    day: int | None = None,
    pre_period: bool = False,
) -> Target:
    """One of a horizon, a day or the pre-period; the longest horizon where none is named.

    The pre-period is the days before 0 on which every analysed claimant is followed.

    Raises
    ------
    DesignError
        Several are named, it lies outside the window, or there is no pre-period.
    """
    if sum([horizon_days is not None, day is not None, pre_period]) > 1:
        raise DesignError(worded("several targets are named.", remedy="name a horizon, a day or the pre-period"))
    if pre_period:
        first = int(outcome.followed_from.max(initial=panel.window[0]))
        if first >= 0:
            raise DesignError(
                worded(
                    "there are no days before day 0 on which everyone is followed.",
                    remedy="set analysis.pre_days, and covered_from of the sources to where they begin",
                )
            )
        return Target(kind="pre_period", at=first, weights=day_weights(panel.protocol, first, 0))
    if day is not None:
        return Target(kind="daily", at=day, weights=day_weights(panel.protocol, day, day + 1))
    horizon = panel.protocol.analysis.max_horizon if horizon_days is None else horizon_days
    return Target(kind="cumulative", at=horizon, weights=day_weights(panel.protocol, 0, horizon))


def day_weights(protocol: TrialProtocol, first: int, end: int) -> Floats:
    """Weights over the window that add up the days [first, end)."""
    days = np.arange(-protocol.analysis.pre_days, protocol.analysis.end_day)
    if not days[0] <= first < end <= days[-1] + 1:
        raise DesignError(
            worded(
                f"days {first} to {end - 1} are asked for.",
                remedy=f"ask for days from {days[0]} to {days[-1]}, the window of the protocol",
            )
        )
    return ((days >= first) & (days < end)).astype(float)
