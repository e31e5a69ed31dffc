"""The days and horizons on which the curves of a publication are shown: for all its contrasts and groups together.

Curves that share people must not be shown on days of their own: what one leaves out between two days, the other tells.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from trialimpact.disclosure.curves import Side, leaves_few, published_days, published_horizons
from trialimpact.disclosure.packs import Rounder
from trialimpact.flow import ALL
from trialimpact.intervals import Booleans, Integers
from trialimpact.moments import Moments
from trialimpact.protocol import Contrast, Outcome

Arms = tuple[str, ...]


@dataclass(slots=True)
class Grids:
    """One grid an outcome and group, found once.

    Where counts are not rounded, differences of curves are exact. Then enough people must change among the rest of
    everyone too; the days of a group are among those of the group before it, largest first; and the curves of
    outcomes that count the same people may not differ by a few.
    """

    moments: Moments
    rounder: Rounder
    withdrawn: frozenset[tuple[str, str]]
    _days: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)
    _horizons: dict[tuple[str, str], tuple[int, ...]] = field(default_factory=dict)

    def is_shown(self, contrast: Contrast, subgroup: str) -> bool:
        """Whether a group of a contrast is shown at all: it was not withdrawn, and has enough people on each side."""
        few = min(self.moments.n_claimants(subgroup, arms) for arms in (contrast.treatment, contrast.control))
        return (contrast.name, subgroup) not in self.withdrawn and few >= self.rounder.pack.smallest_group

    def days(self, outcome: str, subgroup: str) -> tuple[int, ...]:
        """The days that are shown, of every contrast that is shown."""
        key = (outcome, subgroup)
        if key not in self._days:
            sides = self._sides(outcome, subgroup)
            among = [*sides, *self._rests(outcome, subgroup)]
            kept_back = self._kept_back(outcome, subgroup, sides) if sides else np.empty(0, dtype=bool)
            self._days[key] = tuple(published_days(among, kept_back, self.rounder).tolist()) if sides else ()
        return self._days[key]

    def horizons(self, outcome: str, subgroup: str) -> tuple[int, ...]:
        """The horizons that are shown, of every contrast that is shown."""
        key = (outcome, subgroup)
        if key not in self._horizons:
            sides, asked = self._sides(outcome, subgroup), self.moments.protocol.analysis.horizon_days
            found = published_horizons(sides, asked, self.rounder) if sides else []
            beside = list(self._held_more(outcome, subgroup, sides))
            self._horizons[key] = tuple(
                horizon for horizon in found if all(side.is_spread(horizon, self.rounder) for side in beside)
            )
        return self._horizons[key]

    def _held_more(self, outcome: str, subgroup: str, sides: list[Side]) -> Iterator[Side]:
        """Of outcomes before this one, of which one contains the other: days in the one and not in the other."""
        protocol = self.moments.protocol
        this = protocol.outcome(outcome)
        for other in protocol.outcomes[: protocol.outcomes.index(this)]:
            pairs = list(zip(sides, self._sides(other.name, subgroup), strict=True))
            if contains(this, other):
                yield from (side.without(beside) for side, beside in pairs)
            elif contains(other, this):
                yield from (beside.without(side) for side, beside in pairs)

    def _arms(self, subgroup: str) -> Iterator[Arms]:
        """The sides of the contrasts that are shown, and where counts are exact what one leaves of another."""
        shown = [each for each in self.moments.protocol.contrasts if self.is_shown(each, subgroup)]
        found = list(dict.fromkeys(arms for each in shown for arms in (each.treatment, each.control)))
        yield from found
        for whole in found if self.rounder.pack.is_exact else ():
            for part in found:
                rest = tuple(arm for arm in whole if arm not in part)
                if set(part) < set(whole) and rest not in found:
                    yield rest

    def _sides(self, outcome: str, subgroup: str) -> list[Side]:
        return [Side.of(self.moments, outcome, subgroup, arms) for arms in self._arms(subgroup)]

    def _rests(self, outcome: str, subgroup: str) -> list[Side]:
        """Everyone less the group, where they can be worked out: somebody of each side."""
        if not self.rounder.pack.is_exact or subgroup == ALL:
            return []
        n = self.moments.n_claimants
        return [
            Side.of(self.moments, outcome, ALL, arms).less(Side.of(self.moments, outcome, subgroup, arms))
            for arms in self._arms(subgroup)
            if n(ALL, arms) > n(subgroup, arms)
        ]

    def _kept_back(self, outcome: str, subgroup: str, sides: list[Side]) -> Booleans:
        """Days on which other curves would tell too much, shape as the window."""
        found, first = np.zeros(sides[0].counts.on.size, dtype=bool), sides[0].counts.first_day
        if not self.rounder.pack.is_exact:
            return found
        protocol = self.moments.protocol
        if subgroup != ALL:
            names = [name for name in protocol.subgroup_names if any(self._arms(name))]
            for arms in self._arms(subgroup):
                found |= leaves_few(self.moments, outcome, subgroup, arms, names, self.rounder)
            found |= ~np.isin(first + np.arange(found.size), self._days_before(outcome, subgroup))
        for other in protocol.outcomes[: [each.name for each in protocol.outcomes].index(outcome)]:
            days = np.array(self.days(other.name, subgroup), dtype=np.int64) - first
            for side, beside in zip(sides, self._sides(other.name, subgroup), strict=True):
                found |= self._tells_intake(side.counts.followed, beside.counts.followed[days])
                if contains(protocol.outcome(outcome), other) or contains(other, protocol.outcome(outcome)):
                    alike = side.counts.followed == beside.counts.followed
                    found |= alike & self.rounder.pack.is_few(np.abs(side.counts.on - beside.counts.on))
        return found

    def _days_before(self, outcome: str, subgroup: str) -> tuple[int, ...]:
        """The days of the next larger group that has some."""
        size = {
            name: self.moments.n_claimants(name, self.moments.protocol.arms)
            for name in self.moments.protocol.subgroup_names
        }
        larger = [name for name in size if (-size[name], name) < (-size[subgroup], subgroup) and name != ALL]
        for name in (*sorted(larger, key=lambda name: (size[name], name)), ALL):
            if days := self.days(outcome, name):
                return days
        return ()

    def _tells_intake(self, followed: Integers, shown: Integers) -> Booleans:
        """Days on which a few more or fewer are followed than in another curve: people who joined within a few days."""
        apart = np.abs(followed[:, None] - np.unique(shown)[None, :])
        return np.asarray(self.rounder.pack.is_few(apart).any(axis=1))


def contains(one: Outcome, other: Outcome) -> bool:
    """Whether whoever is in `other` on a day is in `one` too, by what the protocol says."""
    wider = set(one.on) >= set(other.on) and set(one.off) <= set(other.off)
    return wider and one.bridge_gap_days >= other.bridge_gap_days
