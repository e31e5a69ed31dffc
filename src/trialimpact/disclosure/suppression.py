"""Counts that belong together -> which are shown: small ones suppressed, and others so that no margin gives them away.

The counts of a publication are cells; relations say that one is the sum of others. What a reader can work out of a
cell is the range of its values over all counts that fit everything shown: a linear programme.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trialimpact.disclosure.packs import Rounder

Key: TypeAlias = tuple[str, ...]
_MOVED = 1e-7


@dataclass(slots=True)
class LinkedCounts:
    """Counts by key, and what a reader knows of how they add up.

    Attributes
    ----------
    counts : mapping of key to count
    hidden : set of keys
        LinkedCounts that are nowhere shown, and that follow from others: the rest of a total.
    relations : list of (total, parts)
    elsewhere : set of keys
        Counts that other files show too, beside every estimate: they are suppressed last.
    exact : set of keys
        Counts that a reader may know, where they are shown: days of them have been rounded hundreds of times.
    """

    counts: dict[Key, int] = field(default_factory=dict)
    hidden: set[Key] = field(default_factory=set)
    relations: list[tuple[Key, tuple[Key, ...]]] = field(default_factory=list)
    elsewhere: set[Key] = field(default_factory=set)
    exact: set[Key] = field(default_factory=set)

    def add(self, key: Key, n: int) -> None:
        """A count that is to be shown."""
        self.counts[key] = int(n)

    def relate(self, total: Key, parts: Iterable[Key]) -> None:
        """Say that parts add up to a total, with what is left over as a cell that is not shown."""
        parts = tuple(parts)
        known = [total, *parts]
        if not parts or any(key not in self.counts for key in known):
            return
        rest = self.counts[total] - sum(self.counts[key] for key in parts)
        if rest < 0:
            return
        if rest:
            key = ("rest", *total, *parts[0])
            self.counts[key] = rest
            self.hidden.add(key)
            parts = (*parts, key)
        self.relations.append((total, parts))

    def same_people(self) -> dict[Key, str]:
        """A name for the people of each cell: one for cells of which a relation says that they are the same people."""
        named = {key: key for key in self.counts}

        def first(key: Key) -> Key:
            while named[key] != key:
                key = named[key]
            return key

        order = {key: at for at, key in enumerate(self.counts)}
        for total, parts in self.relations:
            some = [part for part in parts if self.counts[part]]
            if len(some) == 1:
                one, other = sorted((first(total), first(some[0])), key=order.__getitem__)
                named[other] = one
        return {key: "\n".join(first(key)) for key in self.counts}


@dataclass(frozen=True, slots=True)
class ShownCells:
    """What is shown of some cells.

    Attributes
    ----------
    numbers : mapping of key to number
        NaN where suppressed.
    primary, secondary : frozenset of keys
        Suppressed because small, and so that others cannot be worked out.
    protected : frozenset of keys
        Counts that must not be learnt, whether they are suppressed or rounded.
    """

    numbers: Mapping[Key, float]
    primary: frozenset[Key]
    secondary: frozenset[Key]
    protected: frozenset[Key]


def protect(cells: LinkedCounts, rounder: Rounder) -> ShownCells:
    """Suppress small counts, and then the least else that keeps each of them from being worked out.

    Source: Kelly, Golden and Assad (1992), cell suppression by linear programming. Cost: one linear programme a
    protected count.
    """
    people = cells.same_people()
    values = {key: rounder.shown(n, people[key]) for key, n in cells.counts.items() if key not in cells.hidden}
    primary = frozenset(key for key, value in values.items() if math.isnan(value))
    protected = [key for key, n in cells.counts.items() if rounder.protects(n)]
    system = _System(cells)
    secondary: set[Key] = set()
    for key in protected:
        chosen = system.least_to_suppress(key, values, rounder)
        values |= dict.fromkeys(chosen, math.nan)
        secondary |= chosen
    return ShownCells(numbers=values, primary=primary, secondary=frozenset(secondary), protected=frozenset(protected))


class _System:
    """LinkedCounts as variables, and the relations as rows of a table that give zero."""

    def __init__(self, cells: LinkedCounts) -> None:
        self.keys = list(cells.counts)
        self._place = {key: at for at, key in enumerate(self.keys)}
        self._table = self._relations(cells)
        self._counts, self._hidden, self._exact = cells.counts, cells.hidden, cells.exact
        self._worth = np.array([_worth(n, key in cells.elsewhere) for key, n in cells.counts.items()])

    def _relations(self, cells: LinkedCounts) -> Any:
        from scipy import sparse

        entries = [
            (row, self._place[key], sign)
            for row, (total, parts) in enumerate(cells.relations)
            for key, sign in ((total, 1.0), *((part, -1.0) for part in parts))
        ]
        rows, columns, signs = zip(*entries, strict=True) if entries else ((), (), ())
        return sparse.csr_array((signs, (rows, columns)), shape=(len(cells.relations), len(self.keys)))

    def least_to_suppress(self, key: Key, values: Mapping[Key, float], rounder: Rounder) -> set[Key]:
        """What must be suppressed besides, so that one count can be as low and as high as it has to.

        Two tables that add up are sought, one with the count low and one with it high. In both, cells may have what a
        reader thinks possible; leaving that, upwards or downwards, costs what the cell is worth, and the cells that
        leave it are those to suppress.
        """
        from scipy import optimize, sparse

        least = self._least(rounder)
        bounds = np.array([self._range(each, low, values, rounder) for each, low in zip(self.keys, least, strict=True)])
        shown = np.flatnonzero(np.isfinite(bounds[:, 1]))
        every = sparse.eye_array(len(self.keys), format="csr")
        count: Any = sparse.csr_array(sparse.hstack([every, every[:, shown], -every[:, shown]]))
        table, one = self._table @ count, count[[self._place[key]], :]
        cost = np.concatenate([np.zeros(len(self.keys)), self._worth[shown], self._worth[shown]])
        below = np.maximum(bounds[shown, 0] - least[shown], 0.0)
        solve: Any = optimize.linprog
        # Who takes a cell for one that is suppressed because it is small knows how large it can be.
        for most in (rounder.pack.protected_below - 1.0, bounds[self._place[key], 1]):
            bounds[self._place[key], 1] = most
            solved = solve(
                np.tile(cost, 2),
                A_eq=sparse.vstack([sparse.block_diag([table, table]), sparse.hstack([-one, one])]),
                b_eq=np.append(np.zeros(2 * table.shape[0]), rounder.pack.ambiguity),
                bounds=[*bounds, *((0.0, np.inf) for _ in shown), *((0.0, low) for low in below)] * 2,
                method="highs",
            )
            if solved.status == 0:
                left = solved.x.reshape(2, -1)[:, len(self.keys) :].reshape(4, -1).max(axis=0) > _MOVED
                return {self.keys[at] for at in shown[left]}
        return self._beside(key) & {self.keys[at] for at in shown}

    def _range(self, key: Key, low: float, values: Mapping[Key, float], rounder: Rounder) -> tuple[float, float]:
        """What a reader thinks possible of a cell."""
        value, n = values.get(key, math.nan), float(self._counts[key])
        if math.isnan(value):
            return low, math.inf
        return (n, n) if key in self._exact else rounder.possible(value)

    def _beside(self, key: Key) -> set[Key]:
        """The cells that stand in a sum with one: of a zero that sums do not let be anything else."""
        rows = self._table[:, [self._place[key]]].nonzero()[0]
        return {self.keys[at] for at in self._table[rows].nonzero()[1]} - {key}

    def _least(self, rounder: Rounder) -> NDArray[np.float64]:
        """The least a reader thinks of each cell, were it suppressed: it is of somebody, where zeros are shown."""
        somebody = np.array([n > 0 and key not in self._hidden for key, n in self._counts.items()], dtype=float)
        return somebody * (not rounder.suppresses(0))


def _worth(n: int, elsewhere: bool) -> float:
    """What a reader loses by a cell: more where it is large, more where other files show it too, most of a zero, for
    who sees a suppressed cell thinks of somebody.
    """
    return 1_000.0 if n == 0 else (1.0 + math.log1p(n)) * (100.0 if elsewhere else 1.0)
