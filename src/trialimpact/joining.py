"""Panel -> `Joining`: how many claimants of each arm joined on each day. What the checks of intake need."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trialimpact.intervals import Integers
from trialimpact.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Joining:
    """Claimants by arm and index day, a row each that occurs.

    Attributes
    ----------
    arm, index_day, n : array
        Place in `protocol.arms`; day 0 in days since 1970-01-01; claimants.
    clusters : array, shape (k, 2)
        Cluster and arm of every pair that occurs; one cluster where there are none.
    """

    arm: Integers
    index_day: Integers
    n: Integers
    clusters: Integers

    def of_side(self, arms: list[int]) -> tuple[Integers, Integers]:
        """Index days and numbers of the claimants of some arms."""
        mine = np.isin(self.arm, arms)
        return self.index_day[mine], self.n[mine]

    @property
    def assigned_whole(self) -> bool:
        """Whether each cluster lies in one arm."""
        return np.unique(self.clusters[:, 0]).size == len(self.clusters)


def joining_of(panel: Panel) -> Joining:
    """When the claimants of a panel joined."""
    pairs, n = np.unique(np.column_stack([panel.arm, panel.index_day]), axis=0, return_counts=True)
    clusters = np.unique(np.column_stack([panel.cluster, panel.arm]), axis=0)
    return Joining(arm=pairs[:, 0], index_day=pairs[:, 1], n=n.astype(np.int64), clusters=clusters)
