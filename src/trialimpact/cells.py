"""Panel -> `Cells`: claimants who are alike in everything that is counted apart stand in one cell.

A cell is a stratum, a cluster, an arm and the set of subgroups that its claimants are in. Each claimant is
counted once, in their cell; a subgroup, or two that overlap, is a sum of cells.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Cells:
    """The occupied cells, in order of stratum, cluster, arm and subgroups.

    Attributes
    ----------
    stratum, cluster, arm : array, shape (n_cells,)
        Codes into the labels of strata and clusters, and into `protocol.arms`.
    members : bool array, shape (n_subgroups + 1, n_cells)
        Which groups each cell belongs to. Rows as `protocol.subgroup_names`.
    claimants : array, shape (n_cells,)
        Analysed claimants, whatever their follow-up.
    """

    stratum: Integers
    cluster: Integers
    arm: Integers
    members: Booleans
    claimants: Integers

    @classmethod
    def of_keys(cls, keys: Integers, claimants: Integers) -> Cells:
        """Cells from what `keys` says of them."""
        return cls(
            stratum=keys[:, 0],
            cluster=keys[:, 1],
            arm=keys[:, 2],
            members=keys[:, 3:].T.astype(bool),
            claimants=claimants,
        )

    def __len__(self) -> int:
        return int(self.arm.size)

    def chosen(self, subgroup: int, arms: list[int], strata: list[int]) -> Integers:
        """Positions of the cells of one group, some arms and some strata, ascending."""
        of_arm, of_stratum = (_wanted(each, codes) for each, codes in ((self.arm, arms), (self.stratum, strata)))
        return np.flatnonzero(self.members[subgroup] & of_arm & of_stratum)

    def relabelled(self, stratum: Integers, cluster: Integers) -> Cells:
        """The same cells where labels have other codes."""
        return replace(self, stratum=stratum[self.stratum], cluster=cluster[self.cluster])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cells):
            return NotImplemented
        same = np.array_equal(self.keys(), other.keys())
        return same and np.array_equal(self.claimants, other.claimants)

    __hash__ = None  # type: ignore[assignment]

    def keys(self) -> Integers:
        """What tells cells apart, a row a cell; rows in order are cells in order."""
        return np.column_stack([self.stratum, self.cluster, self.arm, self.members.T.astype(np.int64)])


def cells_of(panel: Panel) -> tuple[Cells, Integers]:
    """The cells of a panel, and the cell of each of its claimants."""
    code = (panel.stratum * len(panel.clusters) + panel.cluster) * len(panel.protocol.arms) + panel.arm
    for eight_groups in np.packbits(panel.members, axis=0):
        code = _numbered(code * 256 + eight_groups)
    code = _numbered(code)
    n_cells = int(code.max(initial=-1)) + 1
    someone = np.zeros(n_cells, dtype=np.int64)
    someone[code] = np.arange(code.size)
    cells = Cells(
        stratum=panel.stratum[someone],
        cluster=panel.cluster[someone],
        arm=panel.arm[someone],
        members=panel.members[:, someone],
        claimants=np.bincount(code, minlength=n_cells),
    )
    return cells, code


def joined(one: Cells, other: Cells) -> tuple[Cells, Integers, Integers]:
    """The cells of disjoint claimants together, and where each of the cells of either has gone."""
    keys, place = np.unique(np.concatenate([one.keys(), other.keys()]), axis=0, return_inverse=True)
    place = place.ravel()
    claimants = np.bincount(place, weights=np.r_[one.claimants, other.claimants], minlength=len(keys))
    cells = Cells.of_keys(keys, claimants.astype(np.int64))
    return cells, place[: len(one)], place[len(one) :]


def _wanted(codes: Integers, wanted: list[int]) -> Booleans:
    """Which codes are among some."""
    table = np.zeros(max(int(codes.max(initial=0)), *wanted) + 1, dtype=bool)
    table[wanted] = True
    return np.asarray(table[codes])


def _numbered(code: Integers) -> Integers:
    """The same codes numbered from 0 without gaps, in order."""
    high = int(code.max(initial=-1)) + 1
    if high > 4 * code.size:
        return np.unique(code, return_inverse=True)[1].ravel()
    present = np.bincount(code, minlength=high) > 0
    return np.asarray((np.cumsum(present) - 1)[code])
