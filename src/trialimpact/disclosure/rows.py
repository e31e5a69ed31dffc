"""Tidy rows of estimates -> those that may leave: at published days and horizons, from shown counts, rounded."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pandas as pd

from trialimpact.disclosure.packs import DECIMALS
from trialimpact.disclosure.shown import Publication, ShownCurve
from trialimpact.estimators.confidence import newcombe_limits, wald_limits
from trialimpact.estimators.contrast import Floats, difference
from trialimpact.estimators.small_sample import side_factor, whole_factor
from trialimpact.flow import ALL
from trialimpact.intervals import Booleans, Integers
from trialimpact.protocol import SIDES
from trialimpact.results import grouped, records

_DAYS = ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high")
_HORIZON_NUMBERS = ("n_treatment", "n_control", *_DAYS, "std_error", "p_value")


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
