"""Treatment minus control: the one place that owns the sign.

Everything that subtracts one side of a contrast from the other, shares or influence values, calls
`difference`. "Days off benefit" is an outcome of its own, never a sign turned later.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from trialimpact.errors import DesignError, ProtocolError, worded
from trialimpact.intervals import Integers
from trialimpact.moments import Counts, Moments
from trialimpact.protocol import Contrast, TrialProtocol

Floats: TypeAlias = NDArray[np.float64]


Amount = TypeVar("Amount", float, Floats)


def difference(treatment: Amount, control: Amount) -> Amount:
    """Treatment minus control."""
    return treatment - control


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A contrast within one stratum (or within everyone): counts by cluster on both sides."""

    weight: float
    stratum: str | None
    treatment: Counts
    control: Counts

    @property
    def sides(self) -> tuple[Counts, Counts]:
        """Treatment, control."""
        return self.treatment, self.control


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Comparison:
    """One contrast of one outcome in one subgroup, ready to be estimated.

    Attributes
    ----------
    parts : tuple of Part
        One for everyone, or one a stratum with weights that sum to 1.
    """

    moments: Moments
    outcome: str
    subgroup: str
    contrast: Contrast
    stratified: bool
    parts: tuple[Part, ...]

    @property
    def method(self) -> str:
        """The name that the tidy rows carry."""
        return "stratified" if self.stratified else "difference"

    @property
    def jackknifed(self) -> bool:
        """Whether standard errors leave one cluster out at a time."""
        analysis = self.moments.protocol.analysis
        return self.moments.clustered and analysis.cluster_variance == "jackknife"

    @property
    def n_clusters(self) -> int | None:
        """Clusters with anybody followed; None where claimants are the unit."""
        if not self.moments.clustered:
            return None
        followed = [side.followed.any(axis=-1) for part in self.parts for side in part.sides]
        return int(np.logical_or.reduce(followed).sum())

    @property
    def first_day(self) -> int:
        """First day of the window."""
        return -self.moments.protocol.analysis.pre_days

    @property
    def days(self) -> Integers:
        """The days of the window, shape (n_days,)."""
        return np.arange(self.first_day, self.moments.protocol.analysis.end_day)

    def n_followed(self) -> tuple[Integers, Integers]:
        """Claimants followed on each day of the window, treatment and control."""
        return self._total(lambda counts: counts.followed)

    def n_followed_together(self) -> Integers:
        """Claimants followed on each day of the window, both sides together."""
        treatment, control = self.n_followed()
        return treatment + control

    def ever_followed_together(self, n_days: int, first: int = 0) -> Integers:
        """Claimants with any follow-up in [first, first + k), k = 1..n_days, both sides together."""
        treatment, control = self.ever_followed(n_days, first)
        return treatment + control

    def ever_followed(self, n_days: int, first: int = 0) -> tuple[Integers, Integers]:
        """Claimants with any follow-up in [first, first + k), k = 1..n_days, treatment and control."""
        return self._total(lambda counts: counts.ever_followed(n_days, first))

    def shares(self) -> tuple[Floats, Floats]:
        """p(d) of treatment and control on each day of the window, weighted over the parts."""
        shares = np.array([[part.weight * share(side) for side in part.sides] for part in self.parts])
        treatment, control = shares.sum(axis=0)
        return treatment, control

    def _total(self, of: Callable[[Counts], Integers]) -> tuple[Integers, Integers]:
        treatment, control = (
            np.sum([of(part.sides[side]).sum(axis=0) for part in self.parts], axis=0) for side in (0, 1)
        )
        return treatment, control


def share(counts: Counts) -> Floats:
    """p(d) = s(d)/n(d) over all clusters; NaN on a day when nobody is followed."""
    with np.errstate(invalid="ignore"):
        return np.asarray(counts.on.sum(axis=0) / counts.followed.sum(axis=0))


def compare(
    moments: Moments,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    subgroup: str = "all",
    *,
    stratified: bool = False,
) -> Comparison:
    """Look up what is compared; outcome and contrast may be left out where there is only one.

    Raises
    ------
    ProtocolError
        The protocol has no such outcome, contrast or subgroup, or several and none is named.
    DesignError
        `stratified`, and the protocol declares no strata, or one has nobody on one side.
    """
    protocol = moments.protocol
    if stratified and not protocol.analysis.strata:
        raise DesignError(worded("the protocol declares no strata.", remedy="set analysis.strata"))
    name, contrast = chosen(protocol, outcome, contrast)
    strata: tuple[str | None, ...] = moments.strata if stratified else (None,)
    sizes = [[moments.n_claimants(subgroup, arms, stratum) for arms in contrast.sides] for stratum in strata]
    kept = [place for place, size in enumerate(sizes) if any(size)]
    if stratified:
        _require_both_sides(contrast, subgroup, [sizes[place] for place in kept])
    total = sum(sum(sizes[place]) for place in kept)
    return Comparison(
        moments=moments,
        outcome=name,
        subgroup=subgroup,
        contrast=contrast,
        stratified=stratified,
        parts=tuple(
            Part(
                weight=sum(sizes[place]) / total if stratified else 1.0,
                stratum=strata[place],
                treatment=moments.counts_by_cluster(name, subgroup, contrast.treatment, strata[place]),
                control=moments.counts_by_cluster(name, subgroup, contrast.control, strata[place]),
            )
            for place in (kept if stratified else [0])
        ),
    )


def chosen(protocol: TrialProtocol, outcome: str | None, contrast: str | Contrast | None) -> tuple[str, Contrast]:
    """The outcome and contrast that are meant; each may be left out where there is only one."""
    name = _only("outcome", outcome, tuple(each.name for each in protocol.outcomes))
    if isinstance(contrast, Contrast):
        return name, contrast
    return name, protocol.contrast(_only("contrast", contrast, tuple(each.name for each in protocol.contrasts)))


def labels(outcome: str, contrast: Contrast, subgroup: str = "all") -> dict[str, str]:
    """The first columns of every row about a contrast."""
    return {
        "outcome": outcome,
        "contrast": contrast.name,
        "treatment_arm": " + ".join(contrast.treatment),
        "control_arm": " + ".join(contrast.control),
        "subgroup": subgroup,
    }


def _only(noun: str, name: str | None, names: tuple[str, ...]) -> str:
    if name is not None:
        return name
    if len(names) != 1:
        remedy = f"name one: {', '.join(repr(each) for each in names)}"
        raise ProtocolError(worded(f"the protocol has {len(names)} {noun}s.", remedy=remedy))
    return names[0]


def _require_both_sides(contrast: Contrast, subgroup: str, sizes: list[list[int]]) -> None:
    lacking = sum(1 for treatment, control in sizes if not (treatment and control))
    if lacking or not sizes:
        raise DesignError(
            worded(
                f"contrast {contrast.name!r}, subgroup {subgroup!r}: {lacking} of {len(sizes)} strata "
                "have nobody in treatment or nobody in control.",
                remedy="join small strata, or estimate without stratification",
            )
        )
