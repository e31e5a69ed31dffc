"""Rows of the methods beside the main estimates, of balance and of audits -> those that may leave."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pandas as pd

from trialimpact.disclosure.cells import ShownCells, grouped
from trialimpact.disclosure.packs import Rounder
from trialimpact.disclosure.people import balance_key, balance_sides, received_key
from trialimpact.disclosure.rows import DECIMALS, Publication, blanked, rounded_columns
from trialimpact.estimators.contrast import difference

LEVELS = ("red", "amber", "green", "not tested")


def release_balance(frame: pd.DataFrame, shown: ShownCells, rounder: Rounder) -> pd.DataFrame:
    """Shares from counts as they are shown; means and tests of enough people, rounded."""
    rows = []
    for row in frame.to_dict("records"):
        found = {str(name): value for name, value in row.items()}
        gone = False
        for side, counts in balance_sides(found).items():
            keys = {
                name: balance_key(row["contrast"], side, row["characteristic"], name) for name in ("known", "missing")
            }
            n, missing = (shown.numbers[keys[name]] for name in ("known", "missing"))
            value = row[f"value_{side}"]
            if counts.of_level is not None:
                of_level = shown.numbers[
                    balance_key(row["contrast"], side, row["characteristic"], f"level {row['level']}")
                ]
                value = min(of_level / n, 1.0) if n > 0 else math.nan
                gone |= math.isnan(of_level)
            gone |= math.isnan(n) or counts.known < rounder.pack.smallest_group
            found |= {f"n_{side}": n, f"missing_{side}": missing, f"value_{side}": value}
        if row["kind"] != "joint":
            found["difference"] = difference(found["value_treatment"], found["value_control"])
        rows.append(found | {"suppressed": bool(gone)})
    shown_rows = pd.DataFrame(rows, columns=[*frame.columns, "suppressed"])
    shown_rows = rounded_columns(shown_rows, ("value_treatment", "value_control", "difference"), DECIMALS["share"])
    shown_rows = rounded_columns(shown_rows, ("standardised_difference",), 2)
    shown_rows = rounded_columns(shown_rows, ("p_value",), DECIMALS["p"]).assign(statistic=np.nan)
    numbers = ["n_treatment", "n_control", "missing_treatment", "missing_control", "value_treatment", "value_control",
               "difference", "standardised_difference", "p_value"]  # fmt: skip
    return blanked(shown_rows, shown_rows["suppressed"].to_numpy(dtype=bool), numbers)


def release_subgroups(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Effects in subgroups and their differences; none of a group that was withdrawn, or of few people."""
    days = (
        "estimate",
        "conf_low",
        "conf_high",
        "complement_estimate",
        "difference",
        "difference_low",
        "difference_high",
    )
    errors = ("std_error", "difference_std_error")
    p = tuple(name for name in frame.columns if name.endswith(("p_value", "p_holm", "p_bh")))
    counts = ("n_treatment", "n_control", "n_complement")
    shown = rounded_columns(frame, days, DECIMALS["days"])
    shown = rounded_columns(rounded_columns(shown, errors, DECIMALS["days_error"]), p, DECIMALS["p"])
    shown = shown.assign(**{name: about.n(frame[name]) for name in counts})
    horizons = [
        row["horizon_days"] in about.curve(row["outcome"], row["contrast"], row["subgroup"]).horizons
        for row in frame.to_dict("records")
    ]
    few = frame["n_complement"].to_numpy(dtype=float) < about.rounder.pack.smallest_group
    gone = ~np.array(horizons, dtype=bool) | few | shown[list(counts)].isna().any(axis=1).to_numpy(dtype=bool)
    return blanked(shown, gone, (*counts, *days, *errors, *p))


def release_pretrend(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Tests of the days before the trial: days and p-values rounded, statistics left out."""
    shown = rounded_columns(frame, ("estimate", "conf_low", "conf_high"), DECIMALS["days"])
    shown = rounded_columns(shown, ("std_error",), DECIMALS["days_error"])
    shown = rounded_columns(shown, ("p_value",), DECIMALS["p"])
    return _of_enough(
        shown.assign(statistic=np.nan, critical=np.nan),
        about,
        ("estimate", "std_error", "conf_low", "conf_high", "p_value"),
    )


def release_placebo(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Other assignments: estimates and p-values rounded, statistics left out."""
    of_days = frame["day"].isna()
    estimate = frame["estimate"].astype(float)
    rounded = estimate.round(DECIMALS["days"]).where(of_days, estimate.round(DECIMALS["share"])) + 0.0
    shown = rounded_columns(frame.assign(estimate=rounded, statistic=np.nan), ("p_value",), DECIMALS["p"])
    return _of_enough(shown, about, ("estimate", "p_value"))


def release_compliance(frame: pd.DataFrame, about: Publication, shown: ShownCells) -> pd.DataFrame:
    """Effects by assignment and receipt; none where too few received another arm than theirs to be counted."""
    arms = about.protocol.arms
    crossed = [
        shown.numbers.get(received_key("analysed", one, other), 0.0) for one in arms for other in arms if one != other
    ]
    of_days = frame["day"].isna() & (frame["estimand"] != "receipt")
    numbers = ("estimate", "conf_low", "conf_high", "std_error")
    rounded = {
        name: (
            frame[name].astype(float).round(DECIMALS["days"]).where(of_days, frame[name].astype(float).round(2)) + 0.0
        )
        for name in numbers
    }
    kept = rounded_columns(frame.assign(**rounded), ("p_value",), DECIMALS["p"])
    kept = _of_enough(kept, about, (*numbers, "p_value"))
    gone = kept["suppressed"] | ((frame["estimand"] != "itt") & any(math.isnan(n) for n in crossed))
    return blanked(kept, gone.to_numpy(dtype=bool), (*numbers, "p_value"))


def release_bounds(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Bounds, rounded; shares linked are left to the participant flow, whose counts are controlled."""
    days = ("lower", "upper", "conf_low", "conf_high", "shift_treatment")
    shown = rounded_columns(frame, days, DECIMALS["days"])
    shown = rounded_columns(shown, ("lower_std_error", "upper_std_error"), DECIMALS["days_error"])
    shown = shown.assign(retained_treatment=np.nan, retained_control=np.nan)
    n = {name: about.n(frame[name]) for name in ("n_treatment", "n_control")}
    few = [np.isnan(each) & frame[name].notna().to_numpy() for name, each in n.items()]
    small = [(frame[name] < about.rounder.pack.smallest_group).to_numpy(dtype=bool) for name in n]
    gone = np.logical_or.reduce([*few, *small])
    return blanked(shown.assign(**n), gone, (*n, *days, "lower_std_error", "upper_std_error"))


def release_durations(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Measures rounded; survival in steps of enough events, from counts as they are shown, without limits."""
    survival = frame["measure"] == "survival"
    beside = rounded_columns(frame[~survival], ("estimate", "conf_low", "conf_high"), 2)
    beside = rounded_columns(beside, ("std_error", "p_value"), DECIMALS["p"])
    n = {name: about.n(beside[name]) for name in ("n_at_risk", "n_events")}
    gone = np.logical_or.reduce([np.isnan(each) for each in n.values()])
    parts = [blanked(beside.assign(**n), gone, (*n, "estimate", "conf_low", "conf_high", "std_error", "p_value"))]
    keys = ("outcome", "contrast", "subgroup", "event", "side")
    parts += [_survival(rows, about) for _, rows in grouped(frame[survival], *keys)]
    return pd.concat([part for part in parts if len(part)] or [parts[0]], ignore_index=True)


def _survival(rows: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Events are put off until enough have happened; the curve is of counts as they are shown."""
    if not about.rounder.pack.controls:
        return rows.assign(suppressed=False)
    kept, alive, waiting, at_risk = [], 1.0, 0.0, math.nan
    for row in rows.sort_values("day").to_dict("records"):
        waiting += row["n_events"]
        at_risk = row["n_at_risk"] if math.isnan(at_risk) else at_risk
        enough = row["n_at_risk"] >= about.rounder.pack.smallest_group
        if not enough or waiting < max(about.rounder.pack.movers, 1):
            continue
        events, followed = about.rounder.shown(waiting), about.rounder.shown(at_risk)
        if math.isnan(events) or math.isnan(followed) or not followed:
            continue
        alive *= max(0.0, 1 - events / followed)
        shown = {"n_at_risk": followed, "n_events": events, "estimate": round(alive, DECIMALS["share"])}
        kept.append(row | shown | {"conf_low": math.nan, "conf_high": math.nan, "suppressed": False})
        waiting, at_risk = 0.0, math.nan
    return pd.DataFrame(kept, columns=[*rows.columns, "suppressed"])


def release_states(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Days in each state to the longest horizon. They add up, so one alone is never suppressed."""
    pack, longest = about.rounder.pack, about.protocol.analysis.max_horizon
    if not pack.controls:
        return frame.assign(suppressed=False)
    parts = []
    for (contrast,), rows in grouped(frame, "contrast"):
        at = rows[rows["horizon_days"] == longest]
        few = {name: _is_rare(rows[rows["outcome"] == name], about) for name in at["outcome"]}
        if sum(few.values()) == 1:
            others = at[~at["outcome"].map(few)]
            few[others.sort_values("mean_control")["outcome"].iloc[0]] = True
        shown = rounded_columns(
            at, ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high"), DECIMALS["days"]
        )
        shown = rounded_columns(
            rounded_columns(shown, ("std_error",), DECIMALS["days_error"]), ("p_value",), DECIMALS["p"]
        )
        n = {name: about.n(at[name]) for name in ("n_treatment", "n_control")}
        gone = at["outcome"].map(few).to_numpy(dtype=bool) | np.isnan(n["n_treatment"]) | np.isnan(n["n_control"])
        gone |= (contrast, "all") in about.withdrawn
        numbers = (*n, "mean_treatment", "mean_control", "estimate", "std_error", "conf_low", "conf_high", "p_value")
        parts.append(blanked(shown.assign(**n), gone, numbers))
    return pd.concat(parts, ignore_index=True) if parts else frame.assign(suppressed=False)


def _is_rare(rows: pd.DataFrame, about: Publication) -> bool:
    """Whether on no day within the horizon enough people of a side are in a state, or enough are not."""
    daily = rows[(rows["day"] >= 0) & (rows["day"] < about.protocol.analysis.max_horizon)]
    for side in ("treatment", "control"):
        inside = (daily[f"mean_{side}"] * daily[f"n_{side}"]).max()
        outside = ((1 - daily[f"mean_{side}"]) * daily[f"n_{side}"]).max()
        if min(inside, outside) < about.rounder.pack.smallest_group:
            return True
    return False


def release_integrity(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:  # noqa: ARG001
    """The worst of each kind of check: its level and p-value, and at how many places it was made. No counts."""
    order = {level: place for place, level in enumerate(LEVELS)}
    rows = []
    for (check, basis), found in grouped(frame, "check", "basis"):
        worst = found.sort_values(
            ["level", "p_holm"], key=lambda column: column.map(order) if column.name == "level" else column
        )
        first = worst.iloc[0]
        rows.append(
            {
                "check": check, "basis": basis, "n_places": len(found), "level": first["level"],
                "n_at_level": int((found["level"] == first["level"]).sum()), "p_holm": first["p_holm"],
                "test": first["test"], "says": first["says"],
            }
        )  # fmt: skip
    columns = ["check", "basis", "n_places", "level", "n_at_level", "p_holm", "test", "says"]
    return rounded_columns(pd.DataFrame(rows, columns=columns), ("p_holm",), DECIMALS["p"]).assign(suppressed=False)


def release_audit(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Rules that rows broke: counts of rows as counts of people are shown; no positions of rows."""
    n = {name: about.n(frame[name]) for name in ("n_broken", "n_rows")}
    shown = frame.drop(columns=[name for name in ("rows",) if name in frame.columns])
    gone = np.logical_or.reduce([np.isnan(each) for each in n.values()])
    return blanked(shown.assign(**n), gone, ("n_broken",))


def _of_enough(frame: pd.DataFrame, about: Publication, numbers: tuple[str, ...]) -> pd.DataFrame:
    """Rows of groups that have enough people on each side, and were not withdrawn."""
    gone = []
    for row in frame.to_dict("records"):
        contrast = about.protocol.contrast(row["contrast"])
        sizes = [about.moments.n_claimants(row["subgroup"], arms) for arms in (contrast.treatment, contrast.control)]
        few = min(sizes) < about.rounder.pack.smallest_group
        gone.append(few or (row["contrast"], row["subgroup"]) in about.withdrawn)
    return blanked(frame, np.array(gone, dtype=bool), numbers)


Releaser = Callable[[pd.DataFrame, Publication], pd.DataFrame]
"""Rows of a file as they may be shown."""
