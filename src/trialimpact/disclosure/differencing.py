"""Groups shown together: which of them differ by so few people that their difference uncovers them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from trialimpact.disclosure.packs import RulePack
from trialimpact.flow import ALL
from trialimpact.moments import Moments

Name = TypeVar("Name", str, tuple[str, ...])
Combination: TypeAlias = tuple[tuple[Name, int], ...]
"""Groups, or sets of arms, with their signs."""
MeanDays: TypeAlias = Mapping[tuple[str, str, str], float]
"""By contrast, subgroup and side: the smallest mean of days over the outcomes."""
SETS = 3
"""So many groups at most are added and subtracted."""
RESOLUTION_DAYS = 0.05
"""Half the last digit in which mean days are published."""
HIDDEN_RANGE = 0.5
"""A remainder is hidden where its mean days can lie anywhere within this share of the horizon."""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A group that is not shown, because others would uncover a few people by it."""

    contrast: str
    subgroup: str
    combination: str
    n_left: int

    def in_words(self) -> str:
        """Why, for the checker's record: the count is raw."""
        return f"{self.subgroup} ({self.contrast}): {self.combination} leaves {self.n_left} people"


def withdrawn_groups(moments: Moments, pack: RulePack, mean_days: MeanDays) -> tuple[Withdrawn, ...]:
    """What to withdraw so that no sum or difference of up to three groups is of a few people on a side.

    First contrasts whose sides, added and subtracted, leave a few people of an arm; then subgroups within a contrast.

    Parameters
    ----------
    mean_days : mapping of (contrast, subgroup, side) to days
        How far a rounded count blurs a total of days.
    """
    found: list[Withdrawn] = []
    if not pack.controls:
        return ()
    while pooled := next(_leaks_of_arms(moments, pack, found, mean_days), None):
        found.append(pooled)
    for contrast in moments.protocol.contrasts:
        gone = {each.subgroup for each in found if each.contrast == contrast.name}
        for leak in _leaks(moments, pack, contrast.name, gone, mean_days):
            found.append(leak)
            gone.add(leak.subgroup)
    return tuple(found)


def _leaks_of_arms(
    moments: Moments, pack: RulePack, withdrawn: Sequence[Withdrawn], mean_days: MeanDays
) -> Iterator[Withdrawn]:
    """Contrasts with a side that leaves a few people of a group, taken from the sides of other contrasts."""
    gone = {(each.contrast, each.subgroup) for each in withdrawn}
    for subgroup in moments.protocol.subgroup_names:
        sides: dict[tuple[str, ...], tuple[str, str]] = {}
        for contrast in moments.protocol.contrasts:
            both = (("treatment", contrast.treatment), ("control", contrast.control))
            few = min(moments.n_claimants(subgroup, arms) for _, arms in both) < pack.smallest_group
            if not few and (contrast.name, subgroup) not in gone:
                sides |= {tuple(sorted(arms)): (contrast.name, side) for side, arms in both}
        for combination in _combinations(list(sides)):
            left = {arm: sum(sign for arms, sign in combination if arm in arms) for arm in moments.protocol.arms}
            if set(left.values()) != {0, 1}:
                continue
            n_left = moments.n_claimants(subgroup, tuple(arm for arm, sign in left.items() if sign))
            if not pack.is_few(n_left):
                continue
            people = {arms: moments.n_claimants(subgroup, arms) for arms, _ in combination}
            means = {arms: mean_days.get((sides[arms][0], subgroup, sides[arms][1]), 0.0) for arms in people}
            if not is_hidden(n_left, people, means, pack, moments.protocol.analysis.max_horizon):
                pooled = sides[max(people, key=lambda arms: (len(arms), arms))][0]
                yield Withdrawn(pooled, subgroup, "arms of its sides, taken from others,", n_left)


def _leaks(
    moments: Moments, pack: RulePack, contrast_name: str, gone: set[str], mean_days: MeanDays
) -> Iterator[Withdrawn]:
    """Subgroups to withdraw, one after another; `gone` are those that are, and grows with each."""
    contrast = moments.protocol.contrast(contrast_name)
    names = [name for name in moments.protocol.subgroup_names if name not in gone]
    size = {name: moments.n_claimants(name, (*contrast.treatment, *contrast.control)) for name in names}
    for side, arms in (("treatment", contrast.treatment), ("control", contrast.control)):
        for combination, n_left in groups_left(moments, arms, names):
            if n_left >= pack.smallest_group or gone & {name for name, _ in combination}:
                continue
            people = {name: moments.n_claimants(name, arms) for name, _ in combination}
            means = {name: mean_days.get((contrast.name, name, side), 0.0) for name in people}
            if not is_hidden(n_left, people, means, pack, moments.protocol.analysis.max_horizon):
                smallest = min((name for name in people if name != ALL), key=lambda name: (size[name], name))
                words = " ".join(f"{'+' if sign > 0 else '-'} {name}" for name, sign in combination)
                yield Withdrawn(contrast.name, smallest, f"{words.removeprefix('+ ')} among {side}", n_left)


def groups_left(moments: Moments, arms: tuple[str, ...], names: list[str]) -> Iterator[tuple[Combination[str], int]]:
    """Sums and differences of up to three groups that are a group of people of these arms, and how many they are.

    Cost: pairs of groups × groups, in whole arrays.
    """
    members, claimants = _atoms(moments, arms)
    sets = members[[moments.protocol.subgroup_names.index(name) for name in names]]
    for chosen, signs in sorted(_sets_left(sets, claimants), key=_in_order):
        both = sorted(zip(chosen, signs, strict=True), key=lambda each: -each[1])
        n_left = int(sum(sign * (claimants @ sets[place]) for place, sign in both))
        yield tuple((names[place], sign) for place, sign in both), n_left


def _in_order(found: tuple[tuple[int, ...], tuple[int, ...]]) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Pairs before threes, and those before others that stand before them."""
    chosen, signs = found
    return len(chosen), chosen, tuple(-sign for sign in signs)


def _sets_left(
    sets: NDArray[np.bool_], claimants: NDArray[np.int64]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Rows of sets and their signs: one less others inside it, or two less one that is inside both and holds what they
    share; of somebody.
    """
    shared = (sets * claimants) @ sets.T.astype(np.int64)
    size = np.diagonal(shared)

    def signed(plus: tuple[int, ...], minus: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
        if size[list(plus)].sum() > size[list(minus)].sum():
            chosen = tuple(sorted((*plus, *minus)))
            yield chosen, tuple(1 if place in plus else -1 for place in chosen)

    for one in range(len(sets)):
        inside = [int(place) for place in np.flatnonzero(shared[one] == size) if place != one]
        for place, other in enumerate(inside):
            yield from signed((one,), (other,))
            apart = (third for third in inside[place + 1 :] if shared[other, third] == 0)
            for third in apart:
                yield from signed((one,), (other, third))
        for other in range(one + 1, len(sets)):
            both = shared[one, other]
            may_be = (shared[one] + shared[other] >= size) & (shared[one] >= both) & (shared[other] >= both)
            together, common = sets[one] | sets[other], sets[one] & sets[other]
            for third in map(int, np.flatnonzero(may_be)):
                if third not in (one, other) and not ((sets[third] & ~together) | (common & ~sets[third])).any():
                    yield from signed((one, other), (third,))


def _atoms(moments: Moments, arms: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Sets of people alike in every group, of some arms: which groups each is in, and how many they are."""
    codes = [moments.protocol.arms.index(arm) for arm in arms]
    here = np.isin(moments.cells.arm, codes)
    atoms, which = np.unique(moments.cells.members[:, here], axis=1, return_inverse=True)
    claimants = np.bincount(which.ravel(), weights=moments.cells.claimants[here], minlength=atoms.shape[1])
    return atoms[:, claimants > 0], claimants[claimants > 0].astype(np.int64)


def _combinations(names: list[Name]) -> Iterator[Combination[Name]]:
    """Two or three groups, added and subtracted; the first that is written is added."""
    for size in range(2, SETS + 1):
        for chosen in itertools.combinations(names, size):
            for signs in itertools.product((1, -1), repeat=size):
                if any(sign > 0 for sign in signs) and any(sign < 0 for sign in signs):
                    yield tuple(sorted(zip(chosen, signs, strict=True), key=lambda each: -each[1]))


def is_hidden(
    n_left: int, people: Mapping[Name, int], means: Mapping[Name, float], pack: RulePack, horizon: int
) -> bool:
    """Whether rounding blurs the difference of the groups' total days beyond what says anything of those left."""
    if pack.is_exact:
        return False
    blur = sum(RESOLUTION_DAYS * people[name] + (pack.base - 1) / 2 * means[name] for name in people)
    return 2 * blur / n_left >= HIDDEN_RANGE * horizon
