"""Panel -> `Moments`: whole-number tables of jumps, from which every estimate is computed.

A claimant's outcome changes on a few days only. `counts` holds how many claimants start and stop,
and enter and leave follow-up, on each day; `gram` holds sums of products of one claimant's jumps on
two days. Their prefix sums are the tables n, s, A, B, O of the methods page (M4). Everything is
additive: the moments of two offices, months or departments are the sum of theirs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trialimpact.errors import DesignError, unknown_name, worded
from trialimpact.intervals import Booleans, Integers
from trialimpact.jumps import FOLLOWED_FOLLOWED, ON_FOLLOWED, ON_ON, jumps_of, products_of
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.tally import Collector, Tally

ENTRIES, EXITS, STARTS, STOPS = range(4)
"""Streams of the counts: into and out of follow-up, on and off the outcome."""


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
    first_day : int
        The day of the first column.
    """

    followed: Integers
    on: Integers
    entries: Integers
    exits: Integers
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
    """Whole-number tables of jumps, by outcome, subgroup, stratum and arm.

    Without clusters a claimant is the unit and `gram` holds the products of its jumps. With
    clusters the counts are kept by cluster, and products are formed from them; so moments with
    clusters too can be added over any partition of claimants.

    Attributes
    ----------
    counts : Tally, shape (outcomes, subgroups, strata, clusters, arms, 4 streams, days)
    gram : Tally, shape (outcomes, subgroups, strata, arms, 3 tables, gram days, gram days)
        Products of jumps on two days of [0, longest horizon).
    gram_before : Tally, shape (outcomes, strata, arms, 3 tables, pre-days, pre-days)
        The same of everyone on the days [-pre_days, 0), for the pre-trial test.
    claimants : array, shape (subgroups, strata, clusters, arms)
        Analysed claimants, whatever their follow-up.
    """

    protocol: TrialProtocol
    strata: tuple[str, ...]
    clusters: tuple[str, ...]
    counts: Tally
    gram: Tally
    gram_before: Tally
    claimants: Integers

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
            entries=by_cluster.entries.sum(axis=0),
            exits=by_cluster.exits.sum(axis=0),
            first_day=by_cluster.first_day,
        )

    def counts_by_cluster(
        self, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None
    ) -> Counts:
        """The same with a leading axis of clusters (one, where there are none)."""
        leading = self._outcome(outcome), self._subgroup(subgroup)
        streams = sum(
            self.counts.dense(*leading, place)[:, self._arms(arms)].sum(axis=1) for place in self._strata(stratum)
        )
        assert isinstance(streams, np.ndarray)  # noqa: S101
        jumps = {name: streams[:, place] for name, place in (("entries", ENTRIES), ("exits", EXITS))}
        return Counts(
            followed=(streams[:, ENTRIES] - streams[:, EXITS]).cumsum(axis=-1),
            on=(streams[:, STARTS] - streams[:, STOPS]).cumsum(axis=-1),
            first_day=-self.protocol.analysis.pre_days,
            **jumps,
        )

    def gram_of(
        self, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None, *, before: bool = False
    ) -> Gram:
        """The tables A, B, O of some arms pooled, from day 0 or before it: arms are disjoint, so theirs are sums.

        Raises
        ------
        DesignError
            `before`, and a subgroup: only everyone's products are kept before day 0.
        """
        if before and subgroup != "all":
            raise DesignError(
                worded(f"moments hold no products of {subgroup!r} before day 0.", remedy='ask for subgroup "all"')
            )
        table = self.gram_before if before else self.gram
        leading = (self._outcome(outcome),) if before else (self._outcome(outcome), self._subgroup(subgroup))
        jumps = sum(table.dense(*leading, place, arm) for place in self._strata(stratum) for arm in self._arms(arms))
        assert isinstance(jumps, np.ndarray)  # noqa: S101
        tables = jumps.cumsum(axis=1).cumsum(axis=2)
        return Gram(
            on_on=tables[ON_ON],
            on_followed=tables[ON_FOLLOWED],
            followed_followed=tables[FOLLOWED_FOLLOWED],
        )

    def n_claimants(self, subgroup: str, arms: tuple[str, ...], stratum: str | None = None) -> int:
        """Analysed claimants of some arms, in one stratum or (None) in all."""
        table = self.claimants[self._subgroup(subgroup)][self._strata(stratum)]
        return int(table[:, :, self._arms(arms)].sum())

    def __add__(self, other: Moments) -> Moments:
        """Moments of disjoint claimants of one trial, added."""
        if _design(self.protocol) != _design(other.protocol):
            raise DesignError(
                worded(
                    "these moments come from different protocols.",
                    remedy="count both with one protocol (only the files of its sources may differ)",
                )
            )
        strata = tuple(sorted({*self.strata, *other.strata}))
        clusters = tuple(sorted({*self.clusters, *other.clusters}))
        one, two = _relabelled(self, strata, clusters), _relabelled(other, strata, clusters)
        return replace(
            one,
            counts=one.counts + two.counts,
            gram=one.gram + two.gram,
            gram_before=one.gram_before + two.gram_before,
            claimants=one.claimants + two.claimants,
        )

    def __eq__(self, other: object) -> bool:
        """The same design and the same whole numbers."""
        if not isinstance(other, Moments):
            return NotImplemented
        return (
            _design(self.protocol) == _design(other.protocol)
            and (self.strata, self.clusters) == (other.strata, other.clusters)
            and all(
                np.array_equal(mine, theirs)
                for mine, theirs in (
                    (self.counts.cell, other.counts.cell),
                    (self.counts.count, other.counts.count),
                    (self.gram.cell, other.gram.cell),
                    (self.gram.count, other.gram.count),
                    (self.gram_before.cell, other.gram_before.cell),
                    (self.gram_before.count, other.gram_before.count),
                    (self.claimants, other.claimants),
                )
            )
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        outcomes = ", ".join(each.name for each in self.protocol.outcomes)
        n = self.n_claimants("all", self.protocol.arms)
        cells = len(self.counts) + len(self.gram)
        return f"Moments({n:,} claimants; {outcomes}; {len(self.protocol.subgroup_names)} groups; {cells:,} cells)"

    def _outcome(self, name: str) -> int:
        return _place("outcome", name, tuple(each.name for each in self.protocol.outcomes))

    def _subgroup(self, name: str) -> int:
        return _place("subgroup", name, self.protocol.subgroup_names)

    def _arms(self, names: tuple[str, ...]) -> list[int]:
        return [_place("arm", name, self.protocol.arms) for name in names]

    def _strata(self, name: str | None) -> list[int]:
        return list(range(len(self.strata))) if name is None else [_place("stratum", name, self.strata)]


def count_moments(panel: Panel) -> Moments:
    """Count a panel's jumps, and (without clusters) the products of each claimant's jumps.

    Counts cover the whole window, the gram the days [0, longest horizon) and, of everyone, the
    days before 0. No claimant-day is ever made. Source: docs, methods page, M4.

    Parameters
    ----------
    panel : Panel

    Returns
    -------
    Moments

    Notes
    -----
    Cost: O(spells + pairs of jumps of one claimant) a subgroup, and memory of the same size.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> count_moments(simulate_trial(n_claimants=200, seed=1).panel())
    Moments(...)
    """
    analysis = panel.protocol.analysis
    n_subgroups, n_arms = len(panel.protocol.subgroup_names), len(panel.protocol.arms)
    n_days, n_gram_days = analysis.pre_days + analysis.end_day, analysis.max_horizon
    groups = (n_subgroups, len(panel.strata))
    counts_shape = (len(panel.outcomes), *groups, len(panel.clusters), n_arms, 4, n_days)
    gram_shape = (len(panel.outcomes), *groups, n_arms, 3, n_gram_days, n_gram_days)
    before_shape = (len(panel.outcomes), len(panel.strata), n_arms, 3, analysis.pre_days, analysis.pre_days)
    counts, gram, before = Collector(counts_shape), Collector(gram_shape), Collector(before_shape)
    claimants = np.zeros((*groups, len(panel.clusters), n_arms), dtype=np.int64)
    for place, members in enumerate(panel.members):
        np.add.at(claimants[place], (panel.stratum[members], panel.cluster[members], panel.arm[members]), 1)
    for place, outcome in enumerate(panel.outcomes.values()):
        _count_jumps(panel, outcome, place, counts)
        if analysis.clusters is None:
            _count_products(panel, outcome, place, gram)
            _count_products_before(panel, outcome, place, before)
    return Moments(
        protocol=panel.protocol,
        strata=panel.strata,
        clusters=panel.clusters,
        counts=counts.tally(),
        gram=gram.tally(),
        gram_before=before.tally(),
        claimants=claimants,
    )


def _count_jumps(panel: Panel, outcome: OutcomePanel, place: int, counts: Collector) -> None:
    """How many claimants enter, leave, start and stop on each day, by subgroup and cell."""
    analysis = panel.protocol.analysis
    window = (-analysis.pre_days, analysis.end_day)
    followed, on = jumps_of(outcome, window)
    streams = ((followed, ENTRIES, EXITS), (on, STARTS, STOPS))
    for group, members in enumerate(panel.members):
        for jumps, up, down in streams:
            mine = members[jumps.owner]
            owner, step = jumps.owner[mine], jumps.step[mine]
            cells = (panel.stratum[owner], panel.cluster[owner], panel.arm[owner])
            stream = np.where(step > 0, up, down)
            counts.add((place, group, *cells, stream, jumps.day[mine]), np.ones_like(step))


def _count_products(panel: Panel, outcome: OutcomePanel, place: int, gram: Collector) -> None:
    """Sums of products of one claimant's jumps on two days from day 0 on, by subgroup and cell."""
    window = (0, panel.protocol.analysis.max_horizon)
    for table, owner, days, product in products_of(outcome, window):
        for group, members in enumerate(panel.members):
            mine: Booleans = members[owner]
            cells = (panel.stratum[owner[mine]], panel.arm[owner[mine]])
            gram.add((place, group, *cells, table, days[0][mine], days[1][mine]), product[mine])


def _count_products_before(panel: Panel, outcome: OutcomePanel, place: int, before: Collector) -> None:
    """The same before day 0, of everyone."""
    for table, owner, days, product in products_of(outcome, (-panel.protocol.analysis.pre_days, 0)):
        before.add((place, panel.stratum[owner], panel.arm[owner], table, *days), product)


def _place(noun: str, name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise unknown_name(noun, name, names, where="this set of moments")
    return names.index(name)


def _design(protocol: TrialProtocol) -> dict[str, object]:
    """A protocol without the names of its files, which do not change what was counted."""
    design = protocol.model_dump(mode="json")
    for source in design["sources"].values():
        if source is not None:
            source.pop("file")
    return design


def _relabelled(moments: Moments, strata: tuple[str, ...], clusters: tuple[str, ...]) -> Moments:
    """The same moments in tables with room for more strata and clusters."""
    new_stratum = np.array([strata.index(label) for label in moments.strata])
    new_cluster = np.array([clusters.index(label) for label in moments.clusters])
    counts_shape, gram_shape = list(moments.counts.shape), list(moments.gram.shape)
    before_shape = list(moments.gram_before.shape)
    counts_shape[2], counts_shape[3] = len(strata), len(clusters)
    gram_shape[2] = before_shape[1] = len(strata)
    claimants = np.zeros((moments.claimants.shape[0], len(strata), len(clusters), moments.claimants.shape[3]), np.int64)
    claimants[:, new_stratum[:, None], new_cluster[None, :]] = moments.claimants
    return replace(
        moments,
        strata=strata,
        clusters=clusters,
        counts=moments.counts.moved(tuple(counts_shape), {2: new_stratum, 3: new_cluster}),
        gram=moments.gram.moved(tuple(gram_shape), {2: new_stratum}),
        gram_before=moments.gram_before.moved(tuple(before_shape), {1: new_stratum}),
        claimants=claimants,
    )
