"""What a publication shows: the days and horizons of each curve, the methods beside the headline, numbers followed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.disclosure.curves import Side
from trialimpact.disclosure.grids import Grids
from trialimpact.disclosure.packs import Rounder
from trialimpact.estimators.contrast import Floats
from trialimpact.flow import ALL
from trialimpact.intervals import Booleans
from trialimpact.moments import Moments
from trialimpact.protocol import SIDES, Contrast, TrialProtocol
from trialimpact.results import records

_BY_STRATA = ("stratified", "intake_stratified")


@dataclass(frozen=True, slots=True)
class ShownCurve:
    """What may be shown of one outcome, contrast and group."""

    sides: tuple[Side, Side]
    days: tuple[int, ...]
    horizons: tuple[int, ...]


@dataclass(slots=True)
class Publication:
    """The curves of a publication, each found once, and what was withdrawn."""

    moments: Moments
    rounder: Rounder
    withdrawn: frozenset[tuple[str, str]]
    """(contrast, subgroup) that differencing would uncover."""
    adjusts_for_few: bool = False
    """Whether adjusted estimates weigh a few people in a way of their own."""
    grids: Grids = field(init=False)
    _curves: dict[tuple[str, str, str], ShownCurve] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.grids = Grids(self.moments, self.rounder, self.withdrawn)

    @property
    def protocol(self) -> TrialProtocol:
        """The protocol of the trial."""
        return self.moments.protocol

    def curve(self, outcome: str, contrast: str, subgroup: str) -> ShownCurve:
        """The days and horizons that may be shown; none of a group that was withdrawn."""
        key = (outcome, contrast, subgroup)
        if key not in self._curves:
            which = self.protocol.contrast(contrast)
            sides = self._sides(outcome, subgroup, which)
            shown = self.grids.is_shown(which, subgroup)
            plain = shown and self.shows_method("difference")
            days = self.grids.days(outcome, subgroup) if plain else ()
            horizons = self.grids.horizons(outcome, subgroup) if shown else ()
            self._curves[key] = ShownCurve(sides, days, horizons)
        return self._curves[key]

    def _sides(self, outcome: str, subgroup: str, contrast: Contrast) -> tuple[Side, Side]:
        treatment, control = (self.grids.side(outcome, subgroup, arms) for arms in contrast.sides)
        return treatment, control

    def shows(self, row: Mapping[str, Any]) -> bool:
        """Whether the horizon or the day of a row is shown; of a row without, whether its group is."""
        curve = self.curve(row["outcome"], row["contrast"], row.get("subgroup", ALL)) if "outcome" in row else None
        for name in ("horizon_days", "day"):
            at = row.get(name, math.nan)
            if curve and at is not pd.NA and at == at:
                return int(at) in (curve.horizons if name == "horizon_days" else curve.days)
        return self.grids.is_shown(self.protocol.contrast(row["contrast"]), row.get("subgroup", ALL))

    def shown_among(self, frame: pd.DataFrame) -> Booleans:
        """Which rows are shown, by `shows`."""
        return np.array([self.shows(row) for row in records(frame)], dtype=bool)

    def leaves_nobody_out(self, row: Mapping[str, Any]) -> bool:
        """Whether those outside a subgroup are everyone else, whom the days that are shown are chosen for.

        Where it is not known of some, those known to be outside are a group of their own, of which nothing is known;
        nor are they as many on each side as a group that is not shown. Of those who are followed: whether some never
        were is not told.
        """
        which = self.protocol.contrast(row["contrast"])
        size = {name: [self.moments.n_claimants(name, arms) for arms in which.sides]
                for name in self.protocol.subgroup_names}  # fmt: skip
        others = [whole - inside for whole, inside in zip(size[ALL], size[row["subgroup"]], strict=True)]
        alike = [name for name in size if size[name] == others]
        shown = (self.curve(row["outcome"], row["contrast"], name).horizons for name in alike)
        beside = [self.followed_in(row, name, arms) for name in (ALL, row["subgroup"]) for arms in which.sides]
        outside = sum(beside[:2]) - sum(beside[2:])
        return outside == int(row["n_complement"]) and all(int(row["horizon_days"]) in each for each in shown)

    def shows_method(self, method: str) -> bool:
        """Whether means are under the headline's weights: what is not stratified is the plain difference.

        Two means of days of the same people tell what a few did whose weight differs most: of a small stratum, of a
        level adjusted for.
        """
        return method == self.protocol.analysis.headline

    def shows_beside(self, row: Mapping[str, Any], method: str) -> bool:
        """Whether another mean of everybody's days may be shown beside the headline's, of other people or weights.

        The two together tell what those did who are not in both. In rounded numbers they do not, where sides are so
        large that a tenth of a day of their mean is more than a person's whole time, and at one horizon: over many,
        rounding averages out. Weights of strata and periods tell it nevertheless; those of adjustment, of a few.
        """
        plain = self.shows_method("difference") and row["subgroup"] == ALL and len(self.protocol.contrasts) == 1
        longest = row["horizon_days"] == self.protocol.analysis.max_horizon
        if not (plain and longest and self.grids.is_large(ALL)) or method in _BY_STRATA:
            return False
        if method != "adjusted":
            return True
        by_days_before = self.protocol.adjustment.pre_period and not self.grids.shows_before(row["outcome"], ALL)
        return not (self.adjusts_for_few or by_days_before)

    def without_means(self, frame: pd.DataFrame) -> pd.DataFrame:
        """Rows of estimates without the means of each side, where two contrasts weigh an arm's strata in two ways.

        That is, of several contrasts under a stratified headline.
        """
        if len(self.protocol.contrasts) == 1 or self.protocol.analysis.headline != "stratified":
            return frame
        return frame.assign(mean_treatment=math.nan, mean_control=math.nan)

    def n(self, values: pd.Series) -> Floats:
        """Counts as they are shown."""
        return np.array([math.nan if value != value else self.rounder.shown(value) for value in values], dtype=float)

    def n_followed(self, rows: pd.DataFrame) -> dict[str, Floats]:
        """Numbers followed to horizons, or in states, as they are shown: by steps, as on the days of curves."""
        found: dict[str, list[float]] = {f"n_{side}": [] for side in SIDES}
        for row in records(rows):
            for side, arms in zip(SIDES, self.protocol.contrast(row["contrast"]).sides, strict=True):
                n, subgroup = row[f"n_{side}"], row.get("subgroup", ALL)
                everyone = np.array([self.followed_in(row, ALL, arms) if n and subgroup != ALL else n], dtype=float)
                found[f"n_{side}"].append(self.in_steps(everyone, arms, subgroup)[0] if n else n)
        return {name: self.n(pd.Series(values, dtype=float)) for name, values in found.items()}

    def followed_in(self, row: Mapping[str, Any], subgroup: str, arms: tuple[str, ...]) -> int:
        """People of a group who are followed at all to the horizon of a row."""
        counts = self.grids.side(row["outcome"], subgroup, arms).counts
        return int(counts.ever_followed(self.protocol.analysis.max_horizon)[int(row["horizon_days"]) - 1])

    def in_steps(self, everyone: Floats, arms: tuple[str, ...], subgroup: str) -> Floats:
        """Numbers of a group who are followed: all who are analysed, less whole steps of those who are not.

        When one person leaves, nothing changes. Of a group as many in proportion are taken to be followed as of
        everyone: its own steps would tell, beside everyone's and those of other groups, of a few.
        """
        whole, group = (self.moments.n_claimants(name, arms) for name in (ALL, subgroup))
        step = max(self.rounder.pack.movers, 1)
        left = np.maximum(whole - everyone, 0) // step * step
        return np.asarray(np.rint(group * (1 - left / whole)))
