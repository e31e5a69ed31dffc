"""Panel -> `Moments`: whole-number tables of jumps, from which every estimate is computed.

A claimant's outcome changes on a few days only. `counts` holds how many claimants start and stop,
and enter and leave follow-up, on each day; `gram` holds sums of products of one claimant's jumps on
two days. Both are kept by cell (cells.py), so that each claimant is counted once whatever the number of
subgroups. Their prefix sums are the tables n, s, A, B, O of the methods page (M4). Everything is
additive: the moments of two offices, months or departments are the sum of theirs.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trialimpact.cells import Cells, cells_of, joined
from trialimpact.errors import DesignError, of_its_kind, unknown_name, worded
from trialimpact.horizons import HorizonVariances, count_horizons
from trialimpact.intervals import Integers
from trialimpact.jumps import FOLLOWED_FOLLOWED, ON_FOLLOWED, ON_ON, products_of
from trialimpact.kernel import edges
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.tally import Collector, Tally

ENTRIES, EXITS, STARTS, STOPS = range(4)
"""Streams of the counts: into and out of follow-up, on and off the outcome."""
_STREAMS = ("entries", "exits", "starts", "stops")

BATCH = 1 << 18
"""Claimants whose products are formed at a time."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Counts:
    """Counts by day of one outcome, subgroup and stratum, for some arms pooled.

    Attributes
    ----------
    followed, on : array, shape (..., n_days)
        n(d) and s(d): claimants followed, and on the outcome, on each day of the window.
    entries, exits : array, shape (..., n_days)
        Claimants whose follow-up begins, and is over, on each day. On the window's first day
        everyone already followed enters.
    starts, stops : array, shape (..., n_days)
        Claimants whose outcome begins, and is over, on each day.
    first_day : int
        The day of the first column.
    """

    followed: Integers
    on: Integers
    entries: Integers
    exits: Integers
    starts: Integers
    stops: Integers
    first_day: int

    def from_day(self, day: int, n_days: int) -> tuple[Integers, Integers]:
        """n(d) and s(d) on [day, day + n_days)."""
        window = slice(day - self.first_day, day - self.first_day + n_days)
        return self.followed[..., window], self.on[..., window]

    def ever_followed(self, n_days: int, first: int = 0) -> Integers:
        """m: claimants with any follow-up in [first, first + k), for k = 1..n_days, shape (..., n_days)."""
        start = first - self.first_day
        entered = self.entries.cumsum(axis=-1)[..., start : start + n_days]
        left = self.exits[..., : start + 1].sum(axis=-1, keepdims=True)
        return np.asarray(entered - left)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Gram:
    """The tables A, B, O of M4 for one cell, each shape (n_days, n_days), on n_days consecutive days."""

    on_on: Integers
    on_followed: Integers
    followed_followed: Integers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Moments:
    """Whole-number tables of jumps, by outcome and cell.

    Without clusters a claimant is the unit and `gram` holds the products of its jumps. With
    clusters the counts are kept by cluster, and products are formed from them; so moments with
    clusters too can be added over any partition of claimants.

    Attributes
    ----------
    strata, clusters : tuple of str
        Labels, sorted.
    cells : Cells
        Which stratum, cluster, arm and subgroups the claimants of each cell are in, and how many.
    counts : Tally, shape (outcomes, cells, 4 streams, days)
    gram : Tally, shape (outcomes, cells, 3 tables, gram days, gram days)
        Products of jumps on two days of [0, longest horizon).
    gram_before : Tally, shape (outcomes, cells, 3 tables, pre-days, pre-days)
        The same on the days [-pre_days, 0), for the pre-trial test.
    horizons : HorizonVariances, optional
        Under `analysis.products = false`, variances to every horizon in place of the products.
    """

    protocol: TrialProtocol
    strata: tuple[str, ...]
    clusters: tuple[str, ...]
    cells: Cells
    counts: Tally
    gram: Tally
    gram_before: Tally
    horizons: HorizonVariances | None = None

    @property
    def clustered(self) -> bool:
        """Whether the unit of the standard errors is the cluster."""
        return self.protocol.analysis.clusters is not None

    def counts_of(self, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None) -> Counts:
        """Counts of some arms pooled, in one stratum or (None) in all."""
        by_cluster = self.counts_by_cluster(outcome, subgroup, arms, stratum)
        return Counts(
            followed=by_cluster.followed.sum(axis=0),
            on=by_cluster.on.sum(axis=0),
            **{name: getattr(by_cluster, name).sum(axis=0) for name in _STREAMS},
            first_day=by_cluster.first_day,
        )

    def counts_by_cluster(
        self, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None
    ) -> Counts:
        """The same with a leading axis of clusters (one, where there are none)."""
        chosen = self._chosen(subgroup, arms, stratum)
        streams = self.counts.summed(self._outcome(outcome), chosen, self.cells.cluster[chosen], len(self.clusters))
        jumps = {name: streams[:, place] for place, name in enumerate(_STREAMS)}
        return Counts(
            followed=(streams[:, ENTRIES] - streams[:, EXITS]).cumsum(axis=-1),
            on=(streams[:, STARTS] - streams[:, STOPS]).cumsum(axis=-1),
            first_day=-self.protocol.analysis.pre_days,
            **jumps,
        )

    def gram_of(
        self, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None, *, before: bool = False
    ) -> Gram:
        """The tables A, B, O of some arms pooled, from day 0 or before it: cells are disjoint, so theirs are sums.

        Raises
        ------
        DesignError
            The moments were counted without products.
        """
        self._require_products("a covariance of days")
        table = self.gram_before if before else self.gram
        chosen = self._chosen(subgroup, arms, stratum)
        (jumps,) = table.summed(self._outcome(outcome), chosen)
        for symmetric in (ON_ON, FOLLOWED_FOLLOWED):
            # Each pair of days is kept once, the earlier first.
            jumps[symmetric] += np.triu(jumps[symmetric], 1).T
        for axis in (1, 2):  # in place: of decades, each table is a gigabyte
            np.cumsum(jumps, axis=axis, out=jumps)
        return Gram(
            on_on=jumps[ON_ON],
            on_followed=jumps[ON_FOLLOWED],
            followed_followed=jumps[FOLLOWED_FOLLOWED],
        )

    def products_of(
        self, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None
    ) -> tuple[tuple[Integers, Integers, Integers], Integers]:
        """The products of jumps themselves, from day 0: (table, day, day) and count, as `gram` keeps them."""
        chosen = self._chosen(subgroup, arms, stratum)
        (table, one, other), count = self.gram.entries(self._outcome(outcome), chosen)
        return (table, one, other), count

    def n_claimants(self, subgroup: str, arms: tuple[str, ...], stratum: str | None = None) -> int:
        """Analysed claimants of some arms, in one stratum or (None) in all."""
        return int(self.cells.claimants[self._chosen(subgroup, arms, stratum)].sum())

    def _require_products(self, what: str) -> None:
        if self.horizons is not None:
            raise DesignError(
                worded(f"{what} needs products of jumps.", remedy="count the moments with analysis.products = true")
            )

    def __add__(self, other: Moments) -> Moments:
        """Moments of disjoint claimants of one trial, added.

        Parts may come from extracts of different dates where everybody in the earlier one was followed to the
        end of the window: a later extract would have told nothing else of them. The sum is of the later extract.

        Raises
        ------
        DesignError
            The protocols differ in more than files and queries, or an earlier extract cut somebody's follow-up.
        """
        designs = _design(self.protocol), _design(other.protocol)
        if designs[0] != designs[1]:
            unlike = ", ".join(key for key in designs[0] if designs[0][key] != designs[1][key])
            raise DesignError(
                worded(
                    f"these moments come from different protocols: they differ in {unlike}.",
                    remedy="count each part with one protocol, of all offices and days: only files may differ",
                )
            )
        later = _later(self, other)
        self._require_products("a sum of moments")
        strata = tuple(sorted({*self.strata, *other.strata}))
        clusters = tuple(sorted({*self.clusters, *other.clusters}))
        cells = [
            each.cells.relabelled(_places(each.strata, strata), _places(each.clusters, clusters))
            for each in (self, other)
        ]
        together, mine, theirs = joined(*cells)
        return Moments(
            protocol=later,
            strata=strata,
            clusters=clusters,
            cells=together,
            counts=self.counts.moved(len(together), mine) + other.counts.moved(len(together), theirs),
            gram=self.gram.moved(len(together), mine) + other.gram.moved(len(together), theirs),
            gram_before=self.gram_before.moved(len(together), mine) + other.gram_before.moved(len(together), theirs),
        )

    def __eq__(self, other: object) -> bool:
        """The same design and the same whole numbers."""
        if not isinstance(other, Moments):
            return NotImplemented
        return (
            _design(self.protocol) == _design(other.protocol)
            and _extract_dates(self) == _extract_dates(other)
            and (self.strata, self.clusters) == (other.strata, other.clusters)
            and (self.cells, self.counts) == (other.cells, other.counts)
            and (self.gram, self.gram_before) == (other.gram, other.gram_before)
            and self.horizons == other.horizons
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        outcomes = ", ".join(each.name for each in self.protocol.outcomes)
        n, entries = int(self.cells.claimants.sum()), len(self.counts) + len(self.gram)
        groups = len(self.protocol.subgroup_names)
        return f"Moments({n:,} claimants; {outcomes}; {groups} groups; {len(self.cells):,} cells, {entries:,} entries)"

    def _chosen(self, subgroup: str, arms: tuple[str, ...], stratum: str | None) -> Integers:
        """The cells of a group, some arms, and one stratum or all."""
        strata = list(range(len(self.strata))) if stratum is None else [_place("stratum", stratum, self.strata)]
        places = [_place("arm", name, self.protocol.arms) for name in arms]
        return self.cells.chosen(_place("subgroup", subgroup, self.protocol.subgroup_names), places, strata)

    def _outcome(self, name: str) -> int:
        return _place("outcome", name, tuple(each.name for each in self.protocol.outcomes))


def table_shapes(protocol: TrialProtocol, n_cells: int) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """Shapes of `counts`, `gram` and `gram_before`."""
    analysis, n_outcomes = protocol.analysis, len(protocol.outcomes)
    return (
        (n_outcomes, n_cells, 4, analysis.pre_days + analysis.end_day),
        (n_outcomes, n_cells, 3, analysis.max_horizon, analysis.max_horizon),
        (n_outcomes, n_cells, 3, analysis.pre_days, analysis.pre_days),
    )


@of_its_kind
def count_moments(panel: Panel) -> Moments:
    """Count a panel's jumps, and (without clusters) the products of each claimant's jumps.

    Counts cover the whole window, the gram the days [0, longest horizon) and the days before 0.
    No claimant-day is ever made. Source: docs, methods page, M4.

    Parameters
    ----------
    panel : Panel

    Returns
    -------
    Moments

    Notes
    -----
    Cost: O(spells + pairs of jumps of one claimant), whatever the number of subgroups.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> count_moments(simulate_trial(n_claimants=200, seed=1).panel())
    Moments(...)
    """
    analysis = panel.protocol.analysis
    cells, cell = cells_of(panel)
    counts, gram, before = (Collector(shape) for shape in table_shapes(panel.protocol, len(cells)))
    for place, outcome in enumerate(panel.outcomes.values()):
        _count_jumps(outcome, (-analysis.pre_days, analysis.end_day), (place, cell), counts)
        if analysis.clusters is None and analysis.products:
            for part, rows in _in_batches(outcome):
                _count_products(part, (0, analysis.max_horizon), (place, cell[rows]), gram)
                _count_products(part, (-analysis.pre_days, 0), (place, cell[rows]), before)
    return Moments(
        protocol=panel.protocol,
        strata=panel.strata,
        clusters=panel.clusters,
        cells=cells,
        counts=counts.tally(),
        gram=gram.tally(),
        gram_before=before.tally(),
        horizons=None if analysis.products or analysis.clusters else count_horizons(panel),
    )


def _count_jumps(
    outcome: OutcomePanel, window: tuple[int, int], where: tuple[int, Integers], counts: Collector
) -> None:
    """How many claimants of each cell enter, leave, start and stop on each day."""
    place, cell = where
    spells, n_days = outcome.spells, window[1] - window[0]
    followed = (cell, outcome.followed_from, outcome.followed_to, ENTRIES, EXITS)
    on = (cell[spells.owner], spells.start, spells.end, STARTS, STOPS)
    for of_cell, first, last, up, down in (followed, on):
        lasting, begins, ends = edges(first, last, *window)
        for day, stream, inside in ((begins, up, lasting), (ends, down, lasting & (ends < n_days))):
            counts.add((place, of_cell[inside], stream, day[inside]))


def _count_products(
    outcome: OutcomePanel, window: tuple[int, int], where: tuple[int, Integers], gram: Collector
) -> None:
    """Sums of products of one claimant's jumps on two days of a window."""
    place, cell = where
    for table, owner, one, other, product in products_of(outcome, window):
        gram.add((place, cell[owner], table, one, other), product)


def _in_batches(outcome: OutcomePanel) -> Iterator[tuple[OutcomePanel, slice]]:
    """The outcome of so many claimants at a time, and their rows: products of all at once would fill memory."""
    n = outcome.followed_from.size
    for low in range(0, n, BATCH):
        yield outcome.rows(low, min(low + BATCH, n)), slice(low, low + BATCH)


def _place(noun: str, name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise unknown_name(noun, name, names, where="this set of moments")
    return names.index(name)


def _places(labels: tuple[str, ...], among: tuple[str, ...]) -> Integers:
    return np.array([among.index(label) for label in labels], dtype=np.int64)


def _design(protocol: TrialProtocol) -> dict[str, Any]:
    """A protocol without what does not change how it is counted: files, queries, and how far the extracts reach."""
    design = protocol.model_dump(mode="json")
    for source in filter(None, design["sources"].values()):
        for key in ("file", "query", "extract_date"):
            source.pop(key, None)
    return design


def _later(one: Moments, other: Moments) -> TrialProtocol:
    """The protocol of the later extracts, if the other's moments would be the same under it."""
    earlier, later = (one, other) if _extract_dates(one) <= _extract_dates(other) else (other, one)
    dates = list(zip(_extract_dates(earlier), _extract_dates(later), strict=True))
    if all(before == after for before, after in dates):
        return one.protocol
    grows = all(before <= after for before, after in dates)
    n_days = earlier.counts.shape[-1]
    streams = earlier.counts.place // n_days % earlier.counts.shape[-2]
    if not grows or (streams == EXITS).any():
        raise DesignError(
            worded(
                "these moments come from extracts of different dates, and the earlier one cut somebody's follow-up.",
                remedy="count these people again with the later extract",
            )
        )
    return later.protocol


def _extract_dates(moments: Moments) -> list[dt.date]:
    return [source.extract_date for source in moments.protocol.sources.spells.values()]
