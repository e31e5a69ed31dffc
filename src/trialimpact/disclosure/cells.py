"""Counts that belong together -> which are shown: small ones suppressed, and others so that no margin gives them away.

The counts of a publication are cells; relations say that one is the sum of others. What a reader can work out of a
cell is the range of its values over all counts that fit everything shown: two linear programmes.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trialimpact.disclosure.packs import Rounder

Key: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Cells:
    """Counts by key, and what a reader knows of how they add up.

    Attributes
    ----------
    counts : mapping of key to count
    hidden : set of keys
        Cells that are nowhere shown, and that follow from others: the rest of a total.
    relations : list of (total, parts)
    elsewhere : set of keys
        Cells that other files show too, beside every estimate: they are suppressed last.
    """

    counts: dict[Key, int] = field(default_factory=dict)
    hidden: set[Key] = field(default_factory=set)
    relations: list[tuple[Key, tuple[Key, ...]]] = field(default_factory=list)
    elsewhere: set[Key] = field(default_factory=set)

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


@dataclass(frozen=True, slots=True)
class ShownCells:
    """What is shown of some cells.

    Attributes
    ----------
    numbers : mapping of key to number
        NaN where suppressed.
    primary, secondary : frozenset of keys
        Suppressed because small, and so that others cannot be worked out.
    """

    numbers: Mapping[Key, float]
    primary: frozenset[Key]
    secondary: frozenset[Key]


def protect(cells: Cells, rounder: Rounder) -> ShownCells:
    """Suppress small counts, and then others, smallest first, until no protected count can be worked out."""
    values = {key: rounder.shown(n) for key, n in cells.counts.items() if key not in cells.hidden}
    primary = frozenset(key for key, value in values.items() if math.isnan(value))
    secondary: set[Key] = set()
    protected = [key for key, n in cells.counts.items() if rounder.protects(n)]
    while protected:
        ranges = possible_values(cells, values, rounder, protected)
        leaking = [key for key, (low, high) in ranges.items() if high - low < rounder.pack.ambiguity]
        chosen = {each for key in leaking for each in _to_suppress(cells, values, key)}
        if not chosen:
            break
        values |= dict.fromkeys(chosen, math.nan)
        secondary |= chosen
        # A cell that is safe stays so when more is suppressed.
        protected = leaking
    return ShownCells(numbers=values, primary=primary, secondary=frozenset(secondary))


def possible_values(
    cells: Cells, values: Mapping[Key, float], rounder: Rounder, keys: Iterable[Key]
) -> dict[Key, tuple[float, float]]:
    """The smallest and largest value that each of some cells can have, by everything that is shown."""
    names = list(cells.counts)
    place = {key: at for at, key in enumerate(names)}
    bounds = np.array([_bounds(values.get(key, math.nan), rounder) for key in names], dtype=float).reshape(-1, 2)
    table = _table(cells, place)
    exact = bounds[:, 0] == bounds[:, 1]
    group = _hanging_together(table, exact)
    found: dict[Key, tuple[float, float]] = {}
    for key in keys:
        at = place[key]
        near = np.flatnonzero((group[: len(names)] == group[at]) & ~exact)
        relations = np.flatnonzero(group[len(names) :] == group[at])
        given = -(table[relations][:, exact] @ bounds[exact, 0])
        found[key] = _range(near == at, table[relations][:, near], given, bounds[near])
    return found


def _table(cells: Cells, place: Mapping[Key, int]) -> Any:
    """Relations × cells: 1 for a total and -1 for its parts, so that each row adds up to zero."""
    from scipy import sparse

    entries = [
        (row, place[key], sign)
        for row, (total, parts) in enumerate(cells.relations)
        for key, sign in ((total, 1.0), *((part, -1.0) for part in parts))
    ]
    rows, columns, signs = zip(*entries, strict=True) if entries else ((), (), ())
    return sparse.csr_array((signs, (rows, columns)), shape=(len(cells.relations), len(place)))


def _hanging_together(table: Any, exact: NDArray[np.bool_]) -> NDArray[np.int64]:
    """A number for every cell, then every relation: the same where a chain of uncertain cells joins them."""
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    uncertain = table.multiply(~exact[None, :]).tocsr()
    uncertain.eliminate_zeros()
    both: Any = [[None, uncertain.T], [uncertain, None]]
    _, labels = connected_components(sparse.bmat(both), directed=False)
    return np.asarray(labels)


def _range(
    which: NDArray[np.bool_], table: Any, given: NDArray[np.float64], bounds: NDArray[np.float64]
) -> tuple[float, float]:
    """The smallest and largest value of one of some cells that fit their bounds and relations."""
    if not which.any():
        return 0.0, 0.0
    from scipy import optimize

    solve: Any = optimize.linprog
    ends = []
    for sign in (1.0, -1.0):
        solved = solve(sign * which, A_eq=table, b_eq=given, bounds=bounds, method="highs")
        ends.append(sign * solved.fun if solved.status == 0 else sign * -np.inf)
    return ends[0], ends[1]


def _bounds(value: float, rounder: Rounder) -> tuple[float, float]:
    return (0.0, np.inf) if math.isnan(value) else rounder.possible(value)


def _to_suppress(cells: Cells, values: Mapping[Key, float], leaking: Key) -> Iterator[Key]:
    """One more cell to suppress for a cell that can be worked out.

    Of the relation that hides it least, the smallest that is large enough, a total last; where everything beside it is
    suppressed already, of the relations that give those away.
    """
    yield from _nearest(cells, values, leaking, cells.elsewhere) or _nearest(cells, values, leaking, set())


def _nearest(cells: Cells, values: Mapping[Key, float], leaking: Key, spared: set[Key]) -> list[Key]:
    """The cell to suppress, none of some that are spared; none where everything is suppressed already."""
    reached = {leaking}
    while True:
        touching = [(total, parts) for total, parts in cells.relations if reached & {total, *parts}]
        found = []
        for total, parts in touching:
            others = [key for key in (*parts, total) if key not in reached]
            open_cells = [key for key in others if not math.isnan(values.get(key, math.nan))]
            hidden = sum(cells.counts[key] for key in others if key not in open_cells)
            shown = [key for key in open_cells if key not in spared]
            if shown:
                found.append((hidden, [key for key in shown if key != total] or shown))
        if found:
            _, shown = min(found, key=lambda each: each[0])
            return [min(shown, key=lambda key: (cells.counts[key] < len(shown), cells.counts[key], key))]
        wider = reached.union(*({total, *parts} for total, parts in touching))
        if wider == reached:
            return []
        reached = wider
