"""The cumulative effect in every subgroup, side by side (M8)."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from trialimpact.errors import of_its_kind
from trialimpact.estimators.cumulative import estimate_cumulative
from trialimpact.estimators.effects import Effect, Effects
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast, CumulativeInterval


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SubgroupEffects:
    """Cumulative effects to one horizon, "all" first and then the protocol's subgroups."""

    horizon_days: int
    by_subgroup: dict[str, Effects]

    def effect(self, subgroup: str) -> Effect:
        """The effect in one subgroup."""
        return self.by_subgroup[subgroup].effect(self.horizon_days)

    def to_frame(self) -> pd.DataFrame:
        """The tidy columns, a row a subgroup."""
        frames = [effects.to_frame() for effects in self.by_subgroup.values()]
        rows = [frame[frame["horizon_days"] == self.horizon_days] for frame in frames]
        return pd.concat(rows, ignore_index=True)

    def __repr__(self) -> str:
        first = next(iter(self.by_subgroup.values())).comparison
        groups = len(self.by_subgroup) - 1
        return f"SubgroupEffects({first.outcome}, {first.contrast.name}; {self.horizon_days} days; {groups} subgroups)"

    def _repr_html_(self) -> str:
        shown = self.to_frame()[
            ["subgroup", "n_treatment", "n_control", "estimate", "std_error", "conf_low", "conf_high"]
        ]
        return shown.to_html(index=False)


@of_its_kind
def estimate_subgroups(
    moments: Moments,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
    interval: CumulativeInterval | None = None,
) -> SubgroupEffects:
    """Cumulative effect to one horizon for everyone and for each subgroup of the protocol.

    Each is an estimate of its own within the subgroup (M3); a person may be in several. Whether
    subgroups differ from each other is another question, and is not answered by these intervals.

    Parameters
    ----------
    moments, outcome, contrast, interval
        As `estimate_cumulative`.
    horizon_days : int, optional
        Default: the longest horizon.

    Returns
    -------
    SubgroupEffects

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_subgroups(simulate_trial(n_claimants=400, seed=1).moments(), "on_benefit")
    SubgroupEffects(on_benefit, iap; 273 days; ...)
    """
    horizon = moments.protocol.analysis.max_horizon if horizon_days is None else horizon_days
    found = {
        name: estimate_cumulative(moments, outcome, contrast, name, interval=interval)
        for name in moments.protocol.subgroup_names
    }
    for effects in found.values():
        effects.effect(horizon)
    return SubgroupEffects(horizon_days=horizon, by_subgroup=found)
