"""Groups shown together: which of them differ by so few people that their difference uncovers them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from trialimpact.disclosure.packs import RulePack
from trialimpact.flow import ALL
from trialimpact.moments import Moments

Arms: TypeAlias = tuple[str, ...]
SideGroup: TypeAlias = tuple[Arms, str]
"""Arms, and a subgroup of their people."""
Combination: TypeAlias = tuple[tuple[SideGroup, int], ...]
"""Such groups with their signs."""
Signed: TypeAlias = tuple[tuple[int, ...], tuple[int, ...]]
"""Places of sets, and their signs."""


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


def withdrawn_groups(moments: Moments, pack: RulePack) -> tuple[Withdrawn, ...]:
    """What to withdraw so that no sum or difference of up to three groups is of a few people on a side.

    A group is a side of a contrast, or a subgroup of it; sides that share arms are taken together. Of a combination the
    smallest subgroup goes; of sides alone, the one of most arms. Rounding hides nobody: over many days it averages out.
    """
    found: list[Withdrawn] = []
    for sides in _sides_that_share_arms(moments) if pack.controls else ():
        for (side, subgroup), words, n_left in _leaks(moments, pack, sides):
            found += [Withdrawn(contrast, subgroup, words, n_left) for contrast in sides[side]]
    return tuple(found)


def _sides_that_share_arms(moments: Moments) -> list[dict[tuple[str, ...], tuple[str, ...]]]:
    """Sides with the contrasts they are in, in parts that have no arm in common."""
    contrasts: dict[tuple[str, ...], tuple[str, ...]] = {}
    for contrast in moments.protocol.contrasts:
        for arms in contrast.sides:
            key = tuple(sorted(arms))
            contrasts[key] = (*contrasts.get(key, ()), contrast.name)
    parts: list[set[tuple[str, ...]]] = []
    for side in contrasts:
        touching = [part for part in parts if any(set(side) & set(other) for other in part)]
        parts = [part for part in parts if part not in touching] + [{side}.union(*touching)]
    return [{side: names for side, names in contrasts.items() if side in part} for part in parts]


def _leaks(
    moments: Moments, pack: RulePack, sides: Mapping[tuple[str, ...], tuple[str, ...]]
) -> Iterator[tuple[SideGroup, str, int]]:
    """What to withdraw, one after another, why, and of how many."""
    protocol, gone = moments.protocol, set[SideGroup]()
    keys = [(side, name) for side in sides for name in protocol.subgroup_names]
    sets, claimants = _sets(moments, keys)
    size = {name: moments.n_claimants(name, protocol.arms) for name in protocol.subgroup_names}
    for chosen, signs in sorted(sets_left(sets, claimants), key=_in_order):
        groups = [keys[at] for at in chosen]
        n_left = int(sum(sign * (claimants @ sets[at]) for at, sign in zip(chosen, signs, strict=True)))
        if n_left >= pack.smallest_group or gone & set(groups):
            continue
        of_arms = len({name for _, name in groups}) == 1
        if of_arms:
            leak = max(groups, key=lambda group: (len(group[0]), group[0]))
        else:
            leak = min((group for group in groups if group[1] != ALL), key=lambda group: (size[group[1]], group[1]))
        words = " ".join(f"{'+' if sign > 0 else '-'} {name} of {' and '.join(side)}"
                         for (side, name), sign in zip(groups, signs, strict=True))  # fmt: skip
        gone.add(leak)
        yield leak, words.removeprefix("+ "), n_left


def groups_left(moments: Moments, groups: list[SideGroup]) -> Iterator[Combination]:
    """Sums and differences of up to three groups, of the same arms or others, that are a group of people.

    Cost: pairs of groups × groups, in whole arrays.
    """
    if not groups:
        return
    sets, claimants = _sets(moments, groups)
    for chosen, signs in sorted(sets_left(sets, claimants), key=_in_order):
        yield tuple((groups[place], sign) for place, sign in zip(chosen, signs, strict=True))


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


def _in_order(found: Signed) -> tuple[int, tuple[int, ...], tuple[int, ...]]:
    """Pairs before threes, and those before others that stand before them."""
    chosen, signs = found
    return len(chosen), chosen, tuple(-sign for sign in signs)


def sets_left(sets: NDArray[np.bool_], claimants: NDArray[np.int64]) -> Iterator[Signed]:
    """Rows of sets and their signs: one less others inside it, or two less one that is inside both together, holds what
    they share and is in neither alone; of somebody.
    """
    shared = (sets * claimants) @ sets.T.astype(np.int64)
    size = np.diagonal(shared)

    def signed(plus: tuple[int, ...], minus: tuple[int, ...]) -> Iterator[Signed]:
        if size[list(plus)].sum() > size[list(minus)].sum():
            chosen = tuple(sorted((*plus, *minus)))
            yield chosen, tuple(1 if place in plus else -1 for place in chosen)

    for one in range(len(sets)):
        inside = [int(place) for place in np.flatnonzero(shared[one] == size) if place != one]
        for place, other in enumerate(inside):
            yield from signed((one,), (other,))
            for third in inside[place + 1 :]:
                if shared[other, third] == 0:
                    yield from signed((one,), (other, third))
        for other in range(one + 1, len(sets)):
            both = shared[one, other]
            may_be = (shared[one] + shared[other] >= size) & (shared[one] >= both) & (shared[other] >= both)
            # Where it is in one of them, the two that are left are those of the pair, and the other.
            may_be &= (shared[one] < size) & (shared[other] < size)
            together, common = sets[one] | sets[other], sets[one] & sets[other]
            for third in map(int, np.flatnonzero(may_be)):
                if third not in (one, other) and not ((sets[third] & ~together) | (common & ~sets[third])).any():
                    yield from signed((one, other), (third,))


def _sets(moments: Moments, groups: list[SideGroup]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Which people alike are in each group, a row a group; and how many they are."""
    protocol = moments.protocol
    members, arm, claimants = _atoms(moments, tuple(sorted({each for arms, _ in groups for each in arms})))
    place = {name: at for at, name in enumerate(protocol.subgroup_names)}
    sets = [members[place[name]] & np.isin(arm, [protocol.arms.index(each) for each in arms]) for arms, name in groups]
    return np.array(sets), claimants


def _atoms(moments: Moments, arms: tuple[str, ...]) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Sets of people of some arms alike in arm and every group: which groups each is in, its arm, how many they are."""
    codes = [moments.protocol.arms.index(arm) for arm in arms]
    here = np.isin(moments.cells.arm, codes)
    alike = np.vstack([moments.cells.members[:, here], moments.cells.arm[here]])
    atoms, which = np.unique(alike, axis=1, return_inverse=True)
    claimants = np.bincount(which.ravel(), weights=moments.cells.claimants[here], minlength=atoms.shape[1])
    some = claimants > 0
    return atoms[:-1, some].astype(bool), atoms[-1, some].astype(np.int64), claimants[some].astype(np.int64)
