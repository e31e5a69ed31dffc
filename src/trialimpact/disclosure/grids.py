"""The days and horizons on which the curves of a publication are shown: for all its contrasts and groups together.

Curves that share people must not be shown on days of their own: what one leaves out between two days, the other tells.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trialimpact.disclosure.curves import DAYS_APART, Side, changes_daily, combined, published_days, published_horizons
from trialimpact.disclosure.differencing import Combination, SideGroup, groups_left, sets_left
from trialimpact.disclosure.packs import Rounder
from trialimpact.flow import ALL
from trialimpact.moments import Moments
from trialimpact.protocol import FOLLOWED, Contrast, Outcome

Arms = tuple[str, ...]
LARGE = 15
"""So many people a day of the longest horizon make a side large, whatever the pack: one's whole time is 0.07 days."""


@dataclass
class Grids:
    """One grid an outcome and group, found once.

    What a reader can subtract is a side too: what one side leaves of another, what a group leaves of others, and the
    people who are in one outcome and not in another. The same rules hold for them; the days of a group are among those
    of the group before it, largest first.
    """

    moments: Moments
    rounder: Rounder
    withdrawn: frozenset[tuple[str, str]]
    _days: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    _horizons: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    _known: dict[tuple[str, str, Arms], Side] = field(default_factory=dict)
    _sides: dict[tuple[str, str], list[Side]] = field(default_factory=dict)
    _held: dict[tuple[str, str], list[Side]] = field(default_factory=dict)
    _arms_of: dict[str, list[Arms]] = field(default_factory=dict)

    def is_shown(self, contrast: Contrast, subgroup: str) -> bool:
        """Whether a group of a contrast is shown at all: it was not withdrawn, and has enough people on each side."""
        few = min(self.moments.n_claimants(subgroup, arms) for arms in (contrast.treatment, contrast.control))
        return (contrast.name, subgroup) not in self.withdrawn and few >= self.rounder.pack.smallest_group

    def is_large(self, subgroup: str) -> bool:
        """Whether each side has so many people that a tenth of a day of the mean is more than the days of one."""
        n = min((self.moments.n_claimants(subgroup, arms) for arms in self._arms(subgroup)), default=0)
        return n >= max(self.rounder.pack.smallest_group, LARGE) * self.moments.protocol.analysis.max_horizon

    def days(self, outcome: str, subgroup: str) -> tuple[int, ...]:
        """The days that are shown, of every contrast that is shown."""
        key = (outcome, subgroup)
        if key not in self._days:
            sides, among = self.sides(outcome, subgroup), self._days_before(outcome, subgroup)
            protocol = self.moments.protocol
            first, last = -protocol.analysis.pre_days, protocol.analysis.end_day
            rare = not all(side.is_spread(last, self.rounder, first=first) for side in self._held_more(*key))
            apart = 1 if self.is_large(subgroup) and changes_daily(sides, self.rounder) else DAYS_APART
            found = published_days(sides, among, self.rounder, days_apart=apart) if sides and not rare else ()
            self._days[key] = tuple(self._of_many_in_neither_on(*key, found))
        return self._days[key]

    def horizons(self, outcome: str, subgroup: str) -> tuple[int, ...]:
        """The horizons that are shown, of every contrast that is shown."""
        key = (outcome, subgroup)
        if key not in self._horizons:
            sides, asked = self.sides(outcome, subgroup), self.moments.protocol.analysis.horizon_days
            found = published_horizons(sides, asked, self.rounder) if sides else ()
            in_strata = list(self._in_strata(*key)) if found else []
            many = [
                horizon for horizon in found
                if not self._tells_intake(*key, 0, horizon)
                and all(side.is_of_enough(horizon, self.rounder) for side in in_strata)
            ]  # fmt: skip
            self._horizons[key] = self._of_many_in_neither(*key, many)
        return self._horizons[key]

    def _of_many_in_neither_on(self, outcome: str, subgroup: str, days: tuple[int, ...]) -> Iterator[int]:
        """Days of the windows, before day 0 and after it, in which days in neither of two outcomes are of many.

        Counts on of two outcomes add up to those in either, however often they are rounded.
        """
        neither, analysis = list(self._in_neither(outcome, subgroup)), self.moments.protocol.analysis
        for first, end in ((-analysis.pre_days, 0), (0, analysis.end_day)):
            if all(side.is_of_many(end, self.rounder, first=first, few_days=end - first) for side in neither):
                yield from (day for day in days if first <= day < end)

    def _of_many_in_neither(self, outcome: str, subgroup: str, horizons: list[int]) -> tuple[int, ...]:
        """Horizons to which, and between which, days in neither of two outcomes are of many."""
        neither, chosen = list(self._in_neither(outcome, subgroup)) if horizons else [], list[int]()
        for horizon in reversed(horizons):
            many = all(side.is_of_many(horizon, self.rounder, few_days=horizon) for side in neither)
            if many and all(side.is_spread(chosen[0], self.rounder, first=horizon) for side in neither if chosen):
                chosen.insert(0, horizon)
        return tuple(chosen)

    def shows_before(self, outcome: str, subgroup: str) -> bool:
        """Whether the mean days before day 0 are of many on each side."""
        first = -self.moments.protocol.analysis.pre_days
        many = all(side.is_of_many(0, self.rounder, first=first) for side in self.sides(outcome, subgroup))
        in_strata = self._in_strata(outcome, subgroup)
        many &= all(side.is_of_enough(0, self.rounder, first=first) for side in in_strata)
        neither = self._in_neither(outcome, subgroup)
        many &= all(side.is_of_many(0, self.rounder, first=first, few_days=-first) for side in neither)
        return many and not self._tells_intake(outcome, subgroup, first, 0)

    def _tells_intake(self, outcome: str, subgroup: str, first: int, end: int) -> bool:
        """Whether, from `first` to before `end`, no more than a few are followed in this outcome and not in one before
        it, of which one contains the other.

        Records that end on different days follow whoever joined in between in one alone.
        """
        protocol, this = self.moments.protocol, self.moments.protocol.outcome(outcome)
        mine = self._of_arms(outcome, subgroup)
        for other in protocol.outcomes[: protocol.outcomes.index(this)]:
            if contains(this, other) or contains(other, this) or are_apart(this, other):
                for one, beside in zip(mine, self._of_arms(other.name, subgroup), strict=True):
                    followed = [side.counts.from_day(first, end - first)[0] for side in (one, beside)]
                    if self.rounder.pack.is_few(np.abs(followed[0] - followed[1]).max(initial=0)):
                        return True
        return False

    def sides(self, outcome: str, subgroup: str) -> list[Side]:
        """The sides of the contrasts that are shown, and what a reader can subtract; empty where none is shown."""
        key = (outcome, subgroup)
        if key not in self._sides:
            self._sides[key] = [*self._of_arms(*key), *self._rests(*key), *self._held_more(*key)]
        return self._sides[key]

    def _of_arms(self, outcome: str, subgroup: str) -> list[Side]:
        return [self.side(outcome, subgroup, arms) for arms in self._arms(subgroup)]

    def side(self, outcome: str, subgroup: str, arms: Arms) -> Side:
        """Those of some arms, looked up once."""
        key = (outcome, subgroup, arms)
        if key not in self._known:
            self._known[key] = Side.of(self.moments, *key)
        return self._known[key]

    def _arms(self, subgroup: str) -> list[Arms]:
        """The arms of contrasts that are shown, and those that are left of sums and differences of up to three."""
        if subgroup not in self._arms_of:
            shown = [each for each in self.moments.protocol.contrasts if self.is_shown(each, subgroup)]
            found = list(dict.fromkeys(arms for each in shown for arms in (each.treatment, each.control)))
            self._arms_of[subgroup] = [*found, *sides_combined(found, self.moments.protocol.arms)]
        return self._arms_of[subgroup]

    def _rests(self, outcome: str, subgroup: str) -> Iterator[Side]:
        """Those who are left of up to three groups, of which this one is the smallest."""
        for combination in self._combinations.get(subgroup, ()):
            yield combined([(self.side(outcome, name, arms), sign) for (arms, name), sign in combination])

    def _in_strata(self, outcome: str, subgroup: str) -> Iterator[Side]:
        """Under a stratified headline, the sides of each stratum: a few of one may weigh as many of the other do."""
        if self.moments.protocol.analysis.headline != "stratified":
            return
        for stratum in self.moments.strata:
            here = {key: Side(self.moments.counts_of(outcome, key[1], key[0], stratum))
                    for key in self._groups_of(subgroup)}  # fmt: skip
            sides = [here[arms, subgroup] for arms in self._arms(subgroup)]
            rests = self._combinations.get(subgroup, ())
            left = [combined([(here[key], sign) for key, sign in combination]) for combination in rests]
            yield from (side for side in (*sides, *left) if side.counts.followed.any())

    def _groups_of(self, subgroup: str) -> set[SideGroup]:
        """Those that its sides, and what they leave of others, are made of."""
        left = (key for combination in self._combinations.get(subgroup, ()) for key, _ in combination)
        return {*((arms, subgroup) for arms in self._arms(subgroup)), *left}

    @cached_property
    def _combinations(self) -> dict[str, list[Combination]]:
        """Groups of sides that are shown, and what they leave of each other, by the smallest of them."""
        groups = [(arms, name) for name in self._order for arms in self._arms(name)]
        found: dict[str, list[Combination]] = {}
        for combination in groups_left(self.moments, groups):
            names = {name for (_, name), _ in combination}
            if len(names) > 1:  # what sides of one group leave is a side of it
                found.setdefault(max(names, key=self._order.index), []).append(combination)
        return found

    @cached_property
    def _order(self) -> list[str]:
        """Everyone first, then the larger groups before the smaller."""
        n_claimants, protocol = self.moments.n_claimants, self.moments.protocol
        sizes = {name: n_claimants(name, protocol.arms) for name in protocol.subgroup_names}
        return sorted(sizes, key=lambda name: (name != ALL, -sizes[name], name))

    def _held_more(self, outcome: str, subgroup: str) -> list[Side]:
        """Of outcomes before this one, of which one contains the other: days in the one and not in the other."""
        key = (outcome, subgroup)
        if key not in self._held:
            self._held[key] = list(self._find_held(*key))
        return self._held[key]

    def _find_held(self, outcome: str, subgroup: str) -> Iterator[Side]:
        protocol = self.moments.protocol
        this = protocol.outcome(outcome)
        for other in protocol.outcomes[: protocol.outcomes.index(this)]:
            both = ([*self._of_arms(name, subgroup), *self._rests(name, subgroup)] for name in (outcome, other.name))
            pairs = list(zip(*both, strict=True))
            if contains(this, other):
                yield from (side.without(beside) for side, beside in pairs)
            elif contains(other, this):
                yield from (beside.without(side) for side, beside in pairs)

    def _in_neither(self, outcome: str, subgroup: str) -> Iterator[Side]:
        """Of outcomes before this one that exclude it: days in neither, whose mean those of the two leave."""
        protocol, this = self.moments.protocol, self.moments.protocol.outcome(outcome)
        for other in protocol.outcomes[: protocol.outcomes.index(this)]:
            if are_apart(this, other):
                both = (self._of_arms(name, subgroup) for name in (outcome, other.name))
                yield from (side.neither(beside) for side, beside in zip(*both, strict=True))

    def _days_before(self, outcome: str, subgroup: str) -> tuple[int, ...] | None:
        """The days of the next larger group that has some."""
        for name in reversed(self._order[: self._order.index(subgroup)]):
            if days := self.days(outcome, name):
                return days
        return None


def sides_combined(sides: list[Arms], arms: Arms) -> dict[Arms, list[tuple[Arms, int]]]:
    """The arms that are left of two or three sides by signs, and are no side themselves.

    >>> list(sides_combined([("T", "U"), ("U", "X"), ("T", "U", "X")], ("T", "U", "X")))
    [('U',), ('X',), ('T',)]
    """
    if not sides:
        return {}
    places = np.array([np.isin(arms, side) for side in sides])
    left: dict[Arms, list[tuple[Arms, int]]] = {}
    for chosen, signs in sets_left(places, np.ones(len(arms), dtype=np.int64)):
        found = tuple(itertools.compress(arms, np.array(signs) @ places[list(chosen)]))
        if frozenset(found) not in map(frozenset, sides):
            left.setdefault(found, [(sides[place], sign) for place, sign in zip(chosen, signs, strict=True)])
    return left


def contains(one: Outcome, other: Outcome) -> bool:
    """Whether whoever is in `other` on a day is in `one` too, by what the protocol says."""
    wider = _covers(one.on, other.on) and _covers(other.off, one.off)
    return wider and one.bridge_gap_days >= other.bridge_gap_days


def _covers(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether each source, or code of it, is among some, or all of its source is, or every day that is followed."""
    return all({each, each.partition(":")[0], FOLLOWED} & {*some} for each in others)


def are_apart(one: Outcome, other: Outcome) -> bool:
    """Whether nobody is in both on a day, by what the protocol says: what is on in the one is taken away in the other.

    >>> work = Outcome(name="work", on=("employment",), off=("benefit",))
    >>> are_apart(work, Outcome(name="benefit", on=("benefit:JSA",)))
    True
    """
    gaps = one.bridge_gap_days or other.bridge_gap_days
    return not gaps and (_covers(one.off, other.on) or _covers(other.off, one.on))
