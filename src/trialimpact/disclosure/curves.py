"""Curves in steps: the days and horizons that are published, so that enough people change between any two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trialimpact.disclosure.few import FEW_DAYS, are_of_enough, are_of_many, are_spread, not_few
from trialimpact.disclosure.packs import Rounder
from trialimpact.intervals import Booleans, Integers
from trialimpact.moments import Counts, Moments

DAYS_APART = 7
"""Unless sides are large and change daily, a curve is shown on days that this divides, at most.

Rounding averages out over days, and the first day on which enough have changed is that of one of them.
"""
NEARLY_EVERY = 0.9
"""On so many days enough people must change for a curve of days."""
HORIZON_STEP = 28
"""Horizons between those of the protocol are tried every so many days."""
_BY_DAY = ("followed", "on", "entries", "exits", "starts", "stops")


Together = dict[int, Integers]
"""By the first day of a window of days, the people on at each two days of it; empty where moments have none."""


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """One side of a contrast, of one outcome and group: counts by day, and how many are on at both of two days."""

    counts: Counts
    together: tuple[tuple[Together, int], ...] = ()
    """Of each side that this one is combined from, with its sign: tables of days × days are held once."""

    @classmethod
    def of(
        cls, moments: Moments, outcome: str, subgroup: str, arms: tuple[str, ...], stratum: str | None = None
    ) -> Side:
        """Look it up in the moments; of one stratum, of which no curve is shown, without the tables of days × days."""
        analysis, together = moments.protocol.analysis, {}
        if stratum is None and not moments.clustered and moments.horizons is None:
            together[0] = moments.gram_of(outcome, subgroup, arms).on_on.copy()
            if analysis.pre_days:
                together[-analysis.pre_days] = moments.gram_of(outcome, subgroup, arms, before=True).on_on.copy()
        return cls(moments.counts_of(outcome, subgroup, arms, stratum), ((together, 1),))

    def without(self, other: Side) -> Side:
        """The same people, on where they are on here and not in another outcome, which this one contains."""
        on = np.maximum(self.counts.on - other.counts.on, 0)
        net = np.diff(on, prepend=on[:1])
        return Side(replace(self.counts, on=on, starts=np.maximum(net, 0), stops=np.maximum(-net, 0)))

    def neither(self, other: Side) -> Side:
        """The same people where they are followed in both of two outcomes that exclude each other, on in neither."""
        followed = np.minimum(self.counts.followed, other.counts.followed)
        on = np.maximum(followed - self.counts.on - other.counts.on, 0)
        return Side(replace(self.counts, followed=followed, on=on))

    def changed_since(self, day: int) -> Integers:
        """People who are on at one and off at the other of `day` and each later day of the window: at least so many.

        Exact where moments hold products of both days; else at least the net change, and at least those who change
        on any one day between.
        """
        first = self.counts.first_day
        here = day - first
        on = self.counts.on
        moves = (self.counts.starts + self.counts.stops)[here + 1 :]
        found = np.maximum(np.abs(on[here + 1 :] - on[here]), np.maximum.accumulate(moves))
        if (both := self._on_then_and(day)) is not None:
            found[: both.size] = on[here] + on[here + 1 : here + 1 + both.size] - 2 * both
        return np.asarray(found)

    def _on_then_and(self, day: int) -> Integers | None:
        """People on at `day` and at each later day of its window; None where moments do not say."""
        rows = [sign * both[day - begins, day + 1 - begins :]
                for tables, sign in self.together for begins, both in tables.items()
                if begins <= day < begins + len(both) - 1]  # fmt: skip
        return np.sum(rows, axis=0) if rows else None

    def may_be_shown(self, rounder: Rounder) -> Booleans:
        """Days on which the share may be shown: neither those followed, nor those on, nor those off are few."""
        n, on = self.counts.followed, self.counts.on
        return ~rounder.pack.is_few(n) & not_few(on, n - on, rounder)

    def is_spread(self, end: int, rounder: Rounder, *, first: int = 0) -> bool:
        """`are_spread`, of days [first, end)."""
        return are_spread(*self.counts.from_day(first, end - first), rounder)

    def is_of_enough(self, end: int, rounder: Rounder, *, first: int = 0) -> bool:
        """`are_of_enough`, of days [first, end)."""
        return are_of_enough(*self.counts.from_day(first, end - first), rounder)

    def is_of_many(self, end: int, rounder: Rounder, *, first: int = 0, few_days: int = FEW_DAYS) -> bool:
        """`are_of_many`, of days [first, end)."""
        return are_of_many(*self.counts.from_day(first, end - first), rounder, few_days)


def changes_daily(sides: Sequence[Side], rounder: Rounder) -> bool:
    """Whether on nearly every day enough people of each side change, and enough leave follow-up, or nobody does.

    Else a day that is shown after one that is not would be that of one person.
    """
    movers = rounder.pack.movers
    changed = np.min([(side.counts.starts + side.counts.stops)[1:] for side in sides], axis=0)
    leave = np.array([side.counts.exits[1:] for side in sides])
    often = (changed >= movers).mean(), ((leave == 0) | (leave >= movers)).all(axis=0).mean()
    return bool(min(often) >= NEARLY_EVERY)


def combined(sides: Sequence[tuple[Side, int]]) -> Side:
    """The people that are left of sums and differences of sides, by their signs."""
    first = sides[0][0]
    left: dict[str, Any] = {
        name: np.asarray(sum(sign * getattr(side.counts, name) for side, sign in sides)) for name in _BY_DAY
    }
    parts = tuple((tables, sign * times) for side, sign in sides for tables, times in side.together)
    return Side(replace(first.counts, **left), parts)


def published_days(
    sides: Sequence[Side], among: Sequence[int] | None, rounder: Rounder, *, days_apart: int = 1
) -> tuple[int, ...]:
    """The days of a curve that are shown: from one to the next enough people change on each side.

    Not fewer where somebody stops being followed: the day that is left out would be that of one person. `among`: no
    others are shown.
    """
    shown = np.logical_and.reduce([side.may_be_shown(rounder) for side in sides])
    if among is not None:
        shown &= np.isin(sides[0].counts.first_day + np.arange(shown.size), among)
    shown &= (sides[0].counts.first_day + np.arange(shown.size)) % days_apart == 0
    return tuple(_steps(sides, shown, rounder.pack.movers))


def _steps(sides: Sequence[Side], shown: Booleans, movers: int) -> Iterator[int]:
    first = sides[0].counts.first_day
    places = np.flatnonzero(shown)
    if not places.size:
        return
    day = first + int(places[0])
    yield day
    while True:
        enough = shown[day - first + 1 :].copy()
        for side in sides:
            enough &= side.changed_since(day) >= movers
        later = np.flatnonzero(enough)
        if not later.size:
            return
        day += 1 + int(later[0])
        yield day


def published_horizons(sides: Sequence[Side], horizons: tuple[int, ...], rounder: Rounder) -> tuple[int, ...]:
    """The horizons of cumulative days that are shown: the longest first, then others of the protocol, then every
    28 days, as long as enough people change on each side between any two of them.

    No two within a week are tried: which of them is shown would be told by the day on which one person changed.
    """
    chosen: list[int] = []
    for horizon in horizons_tried(horizons):
        if not all(side.is_of_many(horizon, rounder) for side in sides):
            continue
        beside = [
            max((h for h in chosen if h < horizon), default=None),
            min((h for h in chosen if h > horizon), default=None),
        ]
        pairs = [tuple(sorted((horizon, other))) for other in beside if other is not None]
        if all(_enough_change(sides, low, high, rounder.pack.movers) for low, high in pairs):
            chosen.append(horizon)
    return tuple(sorted(chosen))


def horizons_tried(horizons: Sequence[int]) -> list[int]:
    """The longest of the protocol first, its others, then every 28 days; no two within a week."""
    tried: list[int] = []
    for horizon in (*sorted(horizons, reverse=True), *range(HORIZON_STEP, max(horizons), HORIZON_STEP)):
        if all(abs(horizon - other) >= DAYS_APART for other in tried):
            tried.append(horizon)
    return tried


def _enough_change(sides: Sequence[Side], low: int, high: int, movers: int) -> bool:
    return all(int(side.changed_since(low - 1)[high - low - 1]) >= movers for side in sides)
