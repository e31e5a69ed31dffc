"""The days and horizons on which the curves of a publication are shown: for all its contrasts and groups together.

Curves that share people must not be shown on days of their own: what one leaves out between two days, the other tells.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trialimpact.disclosure.curves import (
    DAYS_APART,
    Side,
    changes_daily,
    combined,
    horizons_tried,
    published_days,
    published_horizons,
)
from trialimpact.disclosure.differencing import Arms, Combination, groups_left, sides_combined
from trialimpact.disclosure.few import are_few_briefly
from trialimpact.disclosure.outcomes import are_apart, are_related, contains
from trialimpact.disclosure.packs import Rounder
from trialimpact.flow import ALL
from trialimpact.intervals import Integers
from trialimpact.loaders import day_of
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast, Outcome, SpellSource, TrialProtocol
from trialimpact.spells import coverage_of

LARGE = 15
"""So many people a day of the longest horizon make a side large, whatever the pack: one's whole time is 0.07 days."""

WEIGHS_MORE = 2
"""More than so many times the weight of another of the same side is a weight of one's own."""


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
    _known: dict[tuple[str, str, Arms, str | None], Side] = field(default_factory=dict)
    _sides: dict[tuple[str, str], list[Side]] = field(default_factory=dict)
    _held: dict[tuple[str, str], list[Side]] = field(default_factory=dict)
    _arms_of: dict[str, list[Arms]] = field(default_factory=dict)
    _left: dict[tuple[str, bool], bool] = field(default_factory=dict)

    def is_shown(self, contrast: Contrast, subgroup: str) -> bool:
        """Whether a group of a contrast is shown at all: it was not withdrawn, and has enough people on each side."""
        few = min(self.moments.n_claimants(subgroup, arms) for arms in contrast.sides)
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
            before, after = (self._neither_is_of_many(*key, *window) for window in ((first, 0), (0, last)))
            self._days[key] = tuple(day for day in found if (before if day < 0 else after))
        return self._days[key]

    def horizons(self, outcome: str, subgroup: str) -> tuple[int, ...]:
        """The horizons that are shown, of every contrast that is shown."""
        key = (outcome, subgroup)
        if key not in self._horizons:
            sides, asked = self.sides(outcome, subgroup), self.moments.protocol.analysis.horizon_days
            found = published_horizons(sides, asked, self.rounder) if sides else ()
            many = [each for each in found if self._weighs_many(*key, 0, each) and self._hides_who_left(*key, 0, each)]
            self._horizons[key] = self._apart_in_neither(*key, many)
        return self._horizons[key]

    def _neither_is_of_many(self, outcome: str, subgroup: str, first: int, end: int) -> bool:
        """Whether days in neither of two outcomes that exclude each other, from `first` to before `end`, are of many.

        Counts on of the two add up to those in either, however often they are rounded.
        """
        neither = self._in_neither(outcome, subgroup)
        return all(side.is_of_many(end, self.rounder, first=first, few_days=end - first) for side in neither)

    def _apart_in_neither(self, outcome: str, subgroup: str, horizons: list[int]) -> tuple[int, ...]:
        """Horizons to which, and between which, days in neither of two outcomes are of many."""
        chosen: list[int] = []
        for horizon in reversed(horizons):
            between = self._in_neither(outcome, subgroup) if chosen else ()
            spread = all(side.is_spread(chosen[0], self.rounder, first=horizon) for side in between)
            if spread and self._neither_is_of_many(outcome, subgroup, 0, horizon):
                chosen.insert(0, horizon)
        return tuple(chosen)

    def shows_before(self, outcome: str, subgroup: str) -> bool:
        """Whether the mean days before day 0 are of many on each side."""
        first = -self.moments.protocol.analysis.pre_days
        many = all(side.is_of_many(0, self.rounder, first=first) for side in self.sides(outcome, subgroup))
        many &= self._neither_is_of_many(outcome, subgroup, first, 0)
        many &= self._weighs_many(outcome, subgroup, first, 0)
        return many and self._hides_who_left(outcome, subgroup, first, 0)

    def _weighs_many(self, outcome: str, subgroup: str, first: int, end: int) -> bool:
        """Whether, from `first` to before `end`, it is many who are followed, and of many in each stratum that weighs.

        A few of one side there may weigh as many of the other do.
        """
        of_strata = (side for stratum in self._strata for side in self._in_stratum(outcome, subgroup, stratum))
        if not all(side.is_of_enough(end, self.rounder, first=first) for side in of_strata):
            return False
        return not any(self._tells_intake(outcome, subgroup, first, end, stratum) for stratum in (None, *self._strata))

    def _hides_who_left(self, outcome: str, subgroup: str, first: int, end: int) -> bool:
        """Whether plain means from `first` to before `end` do not tell a few who are not followed then.

        Means of groups, or of sides that share arms, make up the mean of everyone by how many of each are followed:
        a few means to several horizons, or of several kinds of groups, tell these numbers however they are rounded.
        Strata weigh by how many are analysed.
        """
        begins, ends = planned_days(self.moments.protocol, outcome)
        if self._strata or (begins <= first and end <= ends) or (subgroup == ALL and not self._arms_overlap):
            return True
        return self._many_left(outcome, before=end == 0)

    def _many_left(self, outcome: str, *, before: bool) -> bool:
        """Whether of no group, and of nothing that groups leave, a few are not followed for long: before day 0, or to
        any horizon past the days on which all are, by the protocol.

        One answer for all: which groups or horizons are shown would tell whose, and when.
        """
        if (key := (outcome, before)) not in self._left:
            analysis, (_, planned) = self.moments.protocol.analysis, planned_days(self.moments.protocol, outcome)
            windows = [(0, each) for each in horizons_tried(analysis.horizon_days) if each > planned]
            self._left[key] = all(
                are_few_briefly(left[first + analysis.pre_days : end + analysis.pre_days], self.rounder)
                for left in self._not_followed(outcome)
                for first, end in ([(-analysis.pre_days, 0)] if before else windows)
            )
        return self._left[key]

    def _not_followed(self, outcome: str) -> Iterator[Integers]:
        """By day, how many are not followed: of every group that is shown, and of what groups leave of each other."""
        alone = [(((arms, name), 1),) for name in self._order for arms in self._arms(name)]
        for parts in (*alone, *itertools.chain.from_iterable(self._combinations.values())):
            left = [sign * (self.moments.n_claimants(name, arms) - self.side(outcome, name, arms).counts.followed)
                    for (arms, name), sign in parts]  # fmt: skip
            yield np.sum(left, axis=0)

    @cached_property
    def _arms_overlap(self) -> bool:
        """Whether sides that are shown of everyone share arms and are not the same."""
        sides = [set(arms) for arms in self._arms(ALL)]
        return any(one != other and one & other for one, other in itertools.combinations(sides, 2))

    @property
    def _strata(self) -> tuple[str, ...]:
        """The strata that weigh: none unless the headline is stratified."""
        return self.moments.strata if self.moments.protocol.analysis.headline == "stratified" else ()

    def weighs_alike(self, subgroup: str) -> bool:
        """Whether everyone of a side weighs much the same, by the sizes of strata as they are shown.

        Each of several contrasts weighs strata in a way of its own.
        """
        contrast, *more = self.moments.protocol.contrasts
        n = [[self.rounder.shown(self.moments.n_claimants(subgroup, arms, stratum)) for arms in contrast.sides]
             for stratum in self._strata]  # fmt: skip
        if not n:
            return True
        weights = np.sum(n, axis=1, keepdims=True) / np.array(n)
        return not more and bool((weights.max(axis=0) <= WEIGHS_MORE * weights.min(axis=0)).all())

    def _tells_intake(self, outcome: str, subgroup: str, first: int, end: int, stratum: str | None) -> bool:
        """Whether, from `first` to before `end`, no more than a few are followed in this outcome and not in one before
        it to which it is related.

        Records that end on different days follow whoever joined in between in one alone.
        """
        mine = self._of_arms(outcome, subgroup, stratum)
        for this, other in self._pairs(outcome):
            if are_related(this, other, self._sources):
                for one, beside in zip(mine, self._of_arms(other.name, subgroup, stratum), strict=True):
                    followed = [side.counts.from_day(first, end - first)[0] for side in (one, beside)]
                    if self.rounder.pack.is_few(np.abs(followed[0] - followed[1]).max(initial=0)):
                        return True
        return False

    @property
    def _sources(self) -> dict[str, SpellSource]:
        return self.moments.protocol.sources.spells

    def _pairs(self, outcome: str) -> list[tuple[Outcome, Outcome]]:
        """An outcome and each that stands before it in the protocol: the later one gives way."""
        outcomes, this = self.moments.protocol.outcomes, self.moments.protocol.outcome(outcome)
        return [(this, other) for other in outcomes[: outcomes.index(this)]]

    def sides(self, outcome: str, subgroup: str) -> list[Side]:
        """The sides of the contrasts that are shown, and what a reader can subtract; empty where none is shown."""
        key = (outcome, subgroup)
        if key not in self._sides:
            self._sides[key] = [*self._of_arms(*key), *self._rests(*key), *self._held_more(*key)]
        return self._sides[key]

    def _of_arms(self, outcome: str, subgroup: str, stratum: str | None = None) -> list[Side]:
        return [self.side(outcome, subgroup, arms, stratum) for arms in self._arms(subgroup)]

    def side(self, outcome: str, subgroup: str, arms: Arms, stratum: str | None = None) -> Side:
        """Those of some arms, in one stratum or all, looked up once."""
        key = (outcome, subgroup, arms, stratum)
        if key not in self._known:
            self._known[key] = Side.of(self.moments, *key)
        return self._known[key]

    def _arms(self, subgroup: str) -> list[Arms]:
        """The arms of contrasts that are shown, and those that are left of sums and differences of up to three."""
        if subgroup not in self._arms_of:
            shown = [each for each in self.moments.protocol.contrasts if self.is_shown(each, subgroup)]
            found = list(dict.fromkeys(arms for each in shown for arms in each.sides))
            self._arms_of[subgroup] = [*found, *sides_combined(found, self.moments.protocol.arms)]
        return self._arms_of[subgroup]

    def _rests(self, outcome: str, subgroup: str, stratum: str | None = None) -> Iterator[Side]:
        """Those who are left of up to three groups, of which this one is the smallest."""
        for combination in self._combinations.get(subgroup, ()):
            yield combined([(self.side(outcome, name, arms, stratum), sign) for (arms, name), sign in combination])

    def _in_stratum(self, outcome: str, subgroup: str, stratum: str) -> Iterator[Side]:
        """The sides within one stratum, and all that a reader can subtract there."""
        about = (outcome, subgroup, stratum)
        sides = (*self._of_arms(*about), *self._rests(*about), *self._find_held(*about), *self._in_neither(*about))
        yield from (side for side in sides if side.counts.followed.any())

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

    def _find_held(self, outcome: str, subgroup: str, stratum: str | None = None) -> Iterator[Side]:
        for this, other in self._pairs(outcome):
            both = ([*self._of_arms(name, subgroup, stratum), *self._rests(name, subgroup, stratum)]
                    for name in (outcome, other.name))  # fmt: skip
            pairs = list(zip(*both, strict=True))
            if contains(this, other, self._sources):
                yield from (side.without(beside) for side, beside in pairs)
            elif contains(other, this, self._sources):
                yield from (beside.without(side) for side, beside in pairs)

    def _in_neither(self, outcome: str, subgroup: str, stratum: str | None = None) -> Iterator[Side]:
        """Of outcomes before this one that exclude it: days in neither, whose mean those of the two leave."""
        for this, other in self._pairs(outcome):
            if are_apart(this, other, self._sources):
                both = (self._of_arms(name, subgroup, stratum) for name in (outcome, other.name))
                yield from (side.neither(beside) for side, beside in zip(*both, strict=True))

    def _days_before(self, outcome: str, subgroup: str) -> tuple[int, ...] | None:
        """The days of the next larger group that has some."""
        for name in reversed(self._order[: self._order.index(subgroup)]):
            if days := self.days(outcome, name):
                return days
        return None


def planned_days(protocol: TrialProtocol, outcome: str) -> tuple[int, int]:
    """The days [first, end) on which everybody is followed by the protocol; none where it does not bound recruitment.

    Whoever is recruited on a day has day 0 at most `window_days` before it and `early_days` after it.
    """
    window, index = protocol.recruitment, protocol.index
    if window.first_date is None or window.last_date is None:
        return 0, 0
    covered_from, extract_day = coverage_of(protocol, protocol.outcome(outcome).terms)
    earliest, latest = day_of(window.first_date) - index.window_days, day_of(window.last_date) + index.early_days
    return covered_from - earliest, extract_day - latest
