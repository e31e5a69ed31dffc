"""Rows of durations -> those that may leave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.disclosure.curves import DAYS_APART
from trialimpact.disclosure.packs import DECIMALS
from trialimpact.disclosure.rows import around_estimate, blanked, rounded_columns
from trialimpact.disclosure.shown import Publication
from trialimpact.protocol import SIDES
from trialimpact.results import grouped, records


def release_durations(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Measures of enough events on each side, rounded; survival in steps of enough events, without limits.

    Test statistics are left out, as everywhere; so are errors and p-values of means beside the main ones.
    """
    survival = frame["measure"] == "survival"
    beside = frame[~survival]
    few = ~np.array([_is_shown(row, frame, about) for row in records(beside)], dtype=bool)
    days = beside["horizon_days"].notna().to_numpy(dtype=bool)
    places = [DECIMALS["days"] if of_days else _ratio_decimals(row, frame, about)
              for of_days, row in zip(days, records(beside), strict=True)]  # fmt: skip
    numbers = {name: _each_rounded(beside[name], places) for name in ("estimate", "conf_low", "conf_high")}
    shown = beside.assign(**numbers, std_error=_each_rounded(beside["std_error"], places))
    shown = rounded_columns(shown, ("p_value",), DECIMALS["p"])
    shown = around_estimate(shown, days)
    shown = shown.assign(
        estimate=shown["estimate"].where(shown["measure"] != "log_rank"),
        std_error=shown["std_error"].where(~days),
        p_value=shown["p_value"].where(~days),
    )
    parts = [blanked(shown, few, (*numbers, "std_error", "p_value"))]
    for _, rows in grouped(frame[survival], "outcome", "contrast", "subgroup", "event"):
        first = next(records(rows)) | {"horizon_days": math.nan, "day": math.nan}
        # Of both sides or of none: else one side tells that next to nobody of the other could have an event.
        if _is_shown(first, frame, about):
            parts += [_survival(of_side, about) for _, of_side in grouped(rows, "side")]
    found = pd.concat([part for part in parts if len(part)] or [parts[0]], ignore_index=True)
    # Exits put off and people censored are what is left between one number of people and the next.
    return found.assign(n_at_risk=np.nan, n_events=np.nan)


def _each_rounded(values: pd.Series, places: list[int]) -> list[float]:
    return [round(value, to) + 0.0 for value, to in zip(values.astype(float), places, strict=True)]


def _is_shown(row: dict[str, Any], frame: pd.DataFrame, about: Publication) -> bool:
    """Whether a row is of enough events on each side, of an outcome, contrast and horizon that are shown.

    Two kinds of exit together tell those who left for a while; curves, which are of days too, beside the days
    themselves those who came back. These are not few either, nor are those who were off on day 0. Means are of first
    exits alone: of what begins later, few are followed to the horizon.
    """
    enough, longest = about.rounder.pack.smallest_group, about.protocol.analysis.max_horizon
    shown = longest in about.grids.horizons(row["outcome"], row["subgroup"]) and about.shows(row)
    if not about.shows_method("difference") or not shown or _events(frame, row) < enough:
        return False
    if row["event"] == "sustained_exit" and _fewest_left_for_a_while(frame, row) < enough:
        return False
    if row["measure"] == "restricted_mean_difference":
        return row["event"] == "first_exit" and about.shows_beside(row, row["measure"])
    if row["measure"] != "survival" or row["event"] == "re_entry":
        return True
    which = about.protocol.contrast(row["contrast"])
    for side in SIDES:
        counts = about.moments.counts_of(row["outcome"], row["subgroup"], getattr(which, side))
        followed, on = counts.from_day(0, 1)
        if about.rounder.pack.is_few(followed - on).any():
            return False
        back = _happened(frame, row | {"event": "re_entry", "side": side})
        if about.rounder.pack.is_few(back.max()) or about.rounder.suppresses(int(back.max())):
            return False
    return True


def _fewest_left_for_a_while(frame: pd.DataFrame, row: dict[str, Any]) -> int:
    """How many had left for the first time and not for good, at the most, on the side that has fewer."""
    found = []
    for side in SIDES:
        first, held = (
            _happened(frame, row | {"event": f"{kind}_exit", "side": side}) for kind in ("first", "sustained")
        )
        found.append(int((first.reindex(held.index, method="ffill") - held).max()))
    return min(found)


def _events(frame: pd.DataFrame, row: dict[str, Any]) -> int:
    """Events before the row's horizon, on the side that has fewer."""
    found = (_happened(frame, row | {"side": side}) for side in SIDES)
    end = row["horizon_days"]
    return int(min(each[each.index < end].max() if end == end else each.max() for each in found))


def _happened(frame: pd.DataFrame, row: Mapping[str, Any]) -> pd.Series:
    """Events of one kind so far on one side, by day; none before day 0."""
    same = [frame[name] == row[name] for name in ("outcome", "contrast", "subgroup", "event", "side")]
    curve = frame[np.logical_and.reduce([*same, frame["measure"] == "survival"])].sort_values("day")
    days, events = curve["day"].to_numpy(dtype=int), curve["n_events"].to_numpy(dtype=int)
    return pd.Series(np.append(0, events.cumsum()), index=np.append(-1, days))


def _ratio_decimals(row: dict[str, Any], frame: pd.DataFrame, about: Publication) -> int:
    """So many decimals of a hazard ratio that its error, about the root of 1/n + 1/n, tells n no better than counts."""
    pack, n_events = about.rounder.pack, _events(frame, row)
    if not n_events:
        return DECIMALS["p"]
    blur = max(pack.base, pack.smallest_count) * (2 / n_events) ** 0.5 / n_events
    return min(DECIMALS["p"], max(1, math.floor(-math.log10(blur))))


def _by_week(rows: pd.DataFrame) -> pd.DataFrame:
    """Events of a week at its end: the day on which one more makes enough is that of one person."""
    week = -(-rows["day"].astype(int) // DAYS_APART) * DAYS_APART
    kinds = dict.fromkeys(rows.columns, "first") | {"n_events": "sum"}
    return rows.sort_values("day").assign(day=week).groupby("day", as_index=False).agg(kinds)[list(rows.columns)]


def _survival(rows: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Events are put off until enough have happened; the curve is of counts as they are shown."""
    kept, alive, waiting, at_risk = [], 1.0, 0.0, math.nan
    for row in _by_week(rows).to_dict("records"):
        waiting += row["n_events"]
        at_risk = row["n_at_risk"] if math.isnan(at_risk) else at_risk
        enough = row["n_at_risk"] >= about.rounder.pack.smallest_group
        if not enough or waiting < max(about.rounder.pack.movers, about.rounder.pack.smallest_count, 1):
            continue
        events, followed = about.rounder.shown(waiting), about.rounder.shown(at_risk)
        alive *= max(0.0, 1 - events / followed)
        shown = {"n_at_risk": followed, "n_events": events, "estimate": round(alive, DECIMALS["share"])}
        kept.append(row | shown | {"conf_low": math.nan, "conf_high": math.nan, "suppressed": False})
        waiting, at_risk = 0.0, math.nan
    return pd.DataFrame(kept, columns=[*rows.columns, "suppressed"])
