"""Tidy rows of estimates -> those that may leave: at published days and horizons, from shown counts, rounded."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.disclosure.curves import Side
from trialimpact.disclosure.grids import Grids
from trialimpact.disclosure.packs import DECIMALS, Rounder
from trialimpact.estimators.confidence import newcombe_limits, wald_limits
from trialimpact.estimators.contrast import Floats, difference
from trialimpact.estimators.small_sample import side_factor, whole_factor
from trialimpact.flow import ALL
from trialimpact.intervals import Booleans, Integers
from trialimpact.moments import Moments
from trialimpact.protocol import SIDES, Contrast, TrialProtocol
from trialimpact.results import grouped, records

_DAYS = ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high")
_BY_STRATA = ("stratified", "intake_stratified")
_HORIZON_NUMBERS = ("n_treatment", "n_control", *_DAYS, "std_error", "p_value")


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


def release_estimates(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Rows in the tidy columns: daily ones of everyone's method at published days, horizons rounded.

    A horizon of the protocol that may not be shown stays as a row that says so.
    """
    parts = []
    for (outcome, contrast, subgroup, method), rows in grouped(frame, "outcome", "contrast", "subgroup", "method"):
        curve = about.curve(outcome, contrast, subgroup)
        daily = rows[rows["day"].notna() & rows["day"].isin(curve.days)]
        if method == "difference" and len(daily):
            parts.append(_daily(daily, curve, about))
        asked = (*curve.horizons, *about.protocol.analysis.horizon_days)
        at = _horizons(rows[rows["horizon_days"].isin(asked)], curve, about)
        gone = at["suppressed"].to_numpy(dtype=bool) | (not about.shows_method(method))
        parts.append(blanked(about.without_means(at), gone, _HORIZON_NUMBERS))
    return _stacked(parts, frame)


def release_bands(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Simultaneous bands at published days, around what is published there, and at published horizons."""
    parts = []
    for (outcome, contrast, subgroup), rows in grouped(frame, "outcome", "contrast", "subgroup"):
        curve = about.curve(outcome, contrast, subgroup)
        daily = rows[rows["day"].notna() & rows["day"].isin(curve.days)]
        if len(daily):
            with np.errstate(invalid="ignore", divide="ignore"):
                times = ((daily["conf_high"] - daily["estimate"]) / daily["std_error"]).replace(np.inf, np.nan)
            known = times.dropna()
            critical = round(float(known.median()), 2) if len(known) else math.nan
            parts.append(_daily(daily, curve, about, critical=critical))
        if about.shows_method("difference"):
            parts.append(_horizons(rows[rows["horizon_days"].isin(curve.horizons)], curve, about))
    return _stacked(parts, frame)


def release_adjusted(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """The headline's days at horizons of the protocol, and everybody's by methods beside it to the longest.

    Of those beside, the difference and, around it, its limits: the more numbers, the better they tell what rounding
    keeps.
    """
    parts = []
    for (outcome, contrast, subgroup), rows in grouped(frame, "outcome", "contrast", "subgroup"):
        at = rows[rows["horizon_days"].isin(about.protocol.analysis.horizon_days)]
        shown = _horizons(at, about.curve(outcome, contrast, subgroup), about)
        main = np.array([about.shows_method(method) for method in at["method"]], dtype=bool)
        finer = ("std_error", "p_value", "mean_treatment", "mean_control")
        shown = around_estimate(shown, ~main).assign(**{name: shown[name].where(main) for name in finer})
        beside = np.array([about.shows_beside(row, row["method"]) for row in records(at)], dtype=bool)
        gone = leaves_out_few(at, about) | shown["suppressed"].to_numpy(dtype=bool) | ~(main | beside)
        parts.append(blanked(shown, gone, _HORIZON_NUMBERS))
    return _stacked(parts, frame)


def around_estimate(rows: pd.DataFrame, which: Booleans) -> pd.DataFrame:
    """Some rows with limits as far from the estimate, as it is shown, as theirs are apart: they tell no more of it."""
    half = ((rows["conf_high"] - rows["conf_low"]) / 2).round(DECIMALS["days"])
    low, high = ((rows["estimate"] + sign * half).round(DECIMALS["days"]) + 0.0 for sign in (-1, 1))
    return rows.assign(conf_low=rows["conf_low"].where(~which, low), conf_high=rows["conf_high"].where(~which, high))


def leaves_out_few(rows: pd.DataFrame, about: Publication) -> Booleans:
    """Rows of methods that leave out a few of those who are followed to the horizon."""
    found = np.zeros(len(rows), dtype=bool)
    for place, row in enumerate(records(rows)):
        for side, arms in zip(SIDES, about.protocol.contrast(row["contrast"]).sides, strict=True):
            whole = about.followed_in(row, row.get("subgroup", ALL), arms)
            found[place] |= about.rounder.pack.is_few(whole - int(row[f"n_{side}"]))
    return found


def _daily(rows: pd.DataFrame, curve: ShownCurve, about: Publication, critical: float | None = None) -> pd.DataFrame:
    """Shares, their difference and its limits, all from counts as they are shown."""
    at = rows["day"].to_numpy(dtype=np.int64) - curve.sides[0].counts.first_day
    stepped = _numbers_followed(rows, at, curve, about)
    n = [about.n(pd.Series(followed)) for followed in stepped]
    with np.errstate(invalid="ignore", divide="ignore"):
        on = [about.n(pd.Series(_scaled(side.counts.on[at], followed / side.counts.followed[at], about)))
              for side, followed in zip(curve.sides, stepped, strict=True)]  # fmt: skip
    with np.errstate(invalid="ignore", divide="ignore"):
        share = [np.where(n > 0, np.minimum(on / n, 1.0), np.nan) for on, n in zip(on, n, strict=True)]
    error = _daily_errors(rows, curve, about, share, n)
    apart = difference(share[0], share[1])
    if critical is not None:
        low, high = apart - critical * error, apart + critical * error
    elif rows["interval"].iloc[0] == "newcombe":
        counts = [np.nan_to_num(np.minimum(on, n)).astype(np.int64) for on, n in zip(on, n, strict=True)]
        sizes = [np.nan_to_num(each).astype(np.int64) for each in n]
        low, high = newcombe_limits(about.protocol, (counts[0], counts[1]), (sizes[0], sizes[1]))
    else:
        low, high = wald_limits(about.protocol, apart, error)
    shown = rows.assign(
        n_treatment=n[0], n_control=n[1], mean_treatment=share[0], mean_control=share[1],
        estimate=apart, std_error=error, conf_low=low, conf_high=high, p_value=np.nan,
    )  # fmt: skip
    rounded = rounded_columns(shown, (*_DAYS, "std_error"), DECIMALS["share"])
    return rounded.assign(suppressed=np.isnan(apart))


def _scaled(on: Integers, by: Floats, about: Publication) -> Floats:
    """Numbers on, of as many people as are shown; none becomes too small to be shown."""
    return np.maximum(np.round(on * by), np.minimum(on, about.rounder.pack.smallest_count))


def _numbers_followed(rows: pd.DataFrame, at: Integers, curve: ShownCurve, about: Publication) -> list[Integers]:
    """Numbers followed on days that are shown, of each side, by steps."""
    outcome, contrast, subgroup = (str(rows[name].iloc[0]) for name in ("outcome", "contrast", "subgroup"))
    found = []
    for side, arms in zip(curve.sides, about.protocol.contrast(contrast).sides, strict=True):
        everyone = about.grids.side(outcome, ALL, arms).counts.followed[at].astype(float)
        stepped = about.in_steps(everyone, arms, subgroup)
        found.append(np.where(side.counts.followed[at] > 0, stepped, 0).astype(np.int64))
    return found


def _daily_errors(
    rows: pd.DataFrame, curve: ShownCurve, about: Publication, share: list[Floats], n: list[Floats]
) -> Floats:
    """Errors of the difference in shares, from counts as they are shown.

    What clusters add is one factor of all days, with one decimal: more would tell how many of them act alike.
    """
    rule, clustered = about.protocol.analysis.small_sample, about.moments.clustered
    with np.errstate(invalid="ignore", divide="ignore"):
        plain = sum(p * (1 - p) / m for p, m in zip(share, n, strict=True))
        if not clustered:
            sides = (p * (1 - p) / m * side_factor(rule, m) for p, m in zip(share, n, strict=True))
            return np.asarray(np.sqrt(sum(sides) * whole_factor(rule, sum(n), sum(n), 2)))
        at = rows["day"].to_numpy(dtype=np.int64) - curve.sides[0].counts.first_day
        counts = [(side.counts.on[at], side.counts.followed[at]) for side in curve.sides]
        raw = np.sqrt(sum(on / m * (1 - on / m) / m for on, m in counts))
        known = rows["std_error"].to_numpy(dtype=float)
        factors = (known / raw)[raw > 0]
        design = np.round(np.nanmedian(factors), 1) if np.isfinite(factors).any() else math.nan
    return np.asarray(np.sqrt(plain) * design)


def _horizons(rows: pd.DataFrame, curve: ShownCurve, about: Publication) -> pd.DataFrame:
    shown = rounded_columns(rows, _DAYS, DECIMALS["days"])
    shown = rounded_columns(shown, ("std_error",), DECIMALS["days_error"])
    shown = rounded_columns(shown, ("p_value",), DECIMALS["p"])
    n = about.n_followed(rows)
    gone = ~rows["horizon_days"].isin(curve.horizons).to_numpy(dtype=bool)
    gone |= np.logical_or.reduce([np.isnan(each) for each in n.values()])
    return blanked(shown.assign(**n), gone, _HORIZON_NUMBERS)


def rounded_columns(frame: pd.DataFrame, columns: Iterable[str], decimals: int) -> pd.DataFrame:
    """Some columns with so many decimals; zero has no sign."""
    return frame.assign(
        **{name: frame[name].astype(float).round(decimals) + 0.0 for name in columns if name in frame.columns}
    )


def blanked(frame: pd.DataFrame, gone: Booleans, columns: Iterable[str]) -> pd.DataFrame:
    """Rows that may not be shown: their numbers are taken out, and `suppressed` says so."""
    there = [name for name in columns if name in frame.columns]
    shown = {name: frame[name].astype(float).where(~gone) for name in there}
    return frame.assign(**shown, suppressed=gone)


def _stacked(parts: list[pd.DataFrame], like: pd.DataFrame) -> pd.DataFrame:
    found = [part for part in parts if len(part)]
    if not found:
        return like.iloc[:0].assign(suppressed=np.zeros(0, dtype=bool))
    return pd.concat(found, ignore_index=True)
