"""Rows of the methods beside the main estimates, and of audits -> those that may leave."""

from __future__ import annotations

import itertools
import math
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.disclosure.packs import DECIMALS, coarse_decimals
from trialimpact.disclosure.people import received_key
from trialimpact.disclosure.rows import around_estimate, blanked, leaves_out_few, rounded_columns
from trialimpact.disclosure.shown import Publication
from trialimpact.disclosure.suppression import ShownCells
from trialimpact.estimators.heterogeneity import family_of
from trialimpact.estimators.target import Target
from trialimpact.flow import ALL
from trialimpact.intervals import Booleans
from trialimpact.protocol import SIDES
from trialimpact.results import grouped, records

AUDIT_STEP = 100
"""Rows that broke a rule are told to so many."""

LEVELS = ("red", "amber", "green", "not tested")


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
    counts = ("n_treatment", "n_control")
    shown = rounded_columns(frame, days, DECIMALS["days"])
    shown = rounded_columns(rounded_columns(shown, errors, DECIMALS["days_error"]), p, DECIMALS["p"])
    # How many are outside would tell of how many it is not known, and who was never followed.
    shown = shown.assign(**about.n_followed(frame), n_complement=np.nan)
    gone = leaves_out_few(frame, about) | shown[list(counts)].isna().any(axis=1).to_numpy(dtype=bool)
    gone |= ~about.shown_among(frame)
    kept = blanked(shown, gone, (*counts, *days, *errors, *p))
    kept = _adjusted_without_hidden(kept, frame, about)
    alone = [not (about.leaves_nobody_out(row)
                  or _is_of_a_group(row, frame[~gone])) for row in records(frame)]  # fmt: skip
    apart = [name for name in frame.columns if name.startswith(("difference", "complement"))]
    return kept.assign(**{name: kept[name].astype(float).where(~np.array(alone, dtype=bool)) for name in apart})


def _adjusted_without_hidden(kept: pd.DataFrame, raw: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """In a family with a hidden row, p-values adjusted by Bonferroni, which looks at a row's own alone.

    Holm's and Benjamini and Hochberg's may be that of a hidden row. The number of comparisons is that of the groups
    that the protocol declares: of how many a test could be made tells who is in the others.
    """
    protocol = about.protocol
    sizes = Counter(
        family_of(protocol, {"outcome": outcome, "contrast": contrast.name, "subgroup": subgroup.name})
        for outcome, contrast, subgroup in itertools.product(
            raw["outcome"].unique(), protocol.contrasts, protocol.subgroups
        )
    )
    size = raw["family"].map(sizes).astype(float)
    shown = (~kept["suppressed"]).groupby(raw["family"]).transform("sum")
    columns = {}
    for stem in ("p", "difference_p"):
        alone = (raw[f"{stem}_value"].astype(float) * size).clip(upper=1.0).round(DECIMALS["p"])
        columns[f"{stem}_holm"] = kept[f"{stem}_holm"].astype(float).where(shown == size, alone)
        columns[f"{stem}_bh"] = kept[f"{stem}_bh"].astype(float).where(shown == size)
    adjusted = {name: values.where(~kept["suppressed"]) for name, values in columns.items()}
    return kept.assign(**adjusted, family_size=size)


def _is_of_a_group(row: Mapping[str, Any], shown: pd.DataFrame) -> bool:
    """Whether those who are known to be outside a subgroup are another one that is shown: the effect is the same."""
    alike = np.logical_and.reduce([shown[name] == row[name] for name in ("outcome", "contrast", "horizon_days")])
    alike &= shown["n_treatment"] + shown["n_control"] == row["n_complement"]
    return bool(np.isclose(shown.loc[alike, "estimate"], row["complement_estimate"], rtol=0, atol=1e-9).any())


def release_pretrend(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Tests of the days before the trial: days and p-values rounded, statistics left out.

    So is the first of these days, unless it is that of the protocol: else it says when the second person joined.
    """
    shown = rounded_columns(frame, ("estimate", "conf_low", "conf_high"), DECIMALS["days"])
    shown = rounded_columns(shown, ("std_error",), DECIMALS["days_error"])
    first = shown["first_day"].astype(float)
    shown = shown.assign(first_day=first.where(first == -about.protocol.analysis.pre_days))
    shown = rounded_columns(shown, ("p_value",), DECIMALS["p"])
    numbers = ("estimate", "std_error", "conf_low", "conf_high", "p_value")
    gone = ~about.shown_among(frame) | _rare_before(frame, about)
    # Degrees of freedom are a rank: of how many people changed before day 0, where few did.
    return blanked(shown.assign(statistic=np.nan, critical=np.nan, df=np.nan), gone, numbers)


def _rare_before(frame: pd.DataFrame, about: Publication) -> Booleans:
    """Rows of outcomes and groups whose days before day 0 are of few."""
    many = [about.grids.shows_before(row["outcome"], row.get("subgroup", ALL)) for row in records(frame)]
    return ~np.array(many, dtype=bool)


def release_placebo(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Other assignments: estimates and p-values rounded, statistics left out.

    So is of how many assignments, but of digits: as many as people of two arms can be chosen tell how many they are.
    """
    of_days = frame["day"].isna()
    estimate = frame["estimate"].astype(float)
    rounded = estimate.round(DECIMALS["days"]).where(of_days, estimate.round(DECIMALS["share"])) + 0.0
    shown = rounded_columns(frame.assign(estimate=rounded, statistic=np.nan), ("p_value",), DECIMALS["p"])
    of_people = ~frame["test"].str.contains("digits").to_numpy(dtype=bool)
    shown = shown.assign(
        n_assignments=shown["n_assignments"].astype(float).where(~of_people), exact=shown["exact"].where(~of_people)
    )
    weightings = ("difference", "stratified") if about.protocol.analysis.strata else ("difference",)
    hidden = not all(map(about.shows_method, weightings))
    before = (frame["day"].isna() & frame["horizon_days"].isna()).to_numpy(dtype=bool)
    gone = ~about.shown_among(frame) | (before & (_rare_before(frame, about) | _begins_later(frame, about))) | hidden
    return blanked(shown, gone, ("estimate", "p_value"))


def _begins_later(frame: pd.DataFrame, about: Publication) -> Booleans:
    """Rows of days before day 0 that do not begin with the protocol's: they begin with the first person who joined."""
    whole = Target(kind="pre_period", at=-about.protocol.analysis.pre_days, weights=np.zeros(0)).in_words()
    return (frame["target"] != whole).to_numpy(dtype=bool)


def release_compliance(frame: pd.DataFrame, about: Publication, shown: ShownCells) -> pd.DataFrame:
    """Effects by assignment and receipt; none where too few received another arm than theirs to be counted.

    By the arm received, beside the one assigned, would tell the days of those who received another.
    """
    arms = about.protocol.arms
    keys = [received_key("analysed", one, other) for one in arms for other in arms if one != other]
    few_crossed = any(key in shown.protected or math.isnan(shown.numbers.get(key, 0.0)) for key in keys)
    numbers = ("estimate", "conf_low", "conf_high", "std_error")
    sides = [arms for each in about.protocol.contrasts for arms in each.sides]
    size = min(about.moments.n_claimants("all", arms) for arms in sides)
    places = np.select(
        [frame["estimand"] == "receipt", frame["day"].notna(), frame["estimand"] == "itt"],
        [coarse_decimals(size, about.rounder), DECIMALS["share"], DECIMALS["days"]],
        default=0,  # the ratio to intention to treat would give receipt back
    )
    rounded = {
        name: [round(value, int(to)) + 0.0 for value, to in zip(frame[name].astype(float), places, strict=True)]
        for name in numbers
    }
    by_receipt = (frame["estimand"] == "as_treated").to_numpy(dtype=bool)
    kept = rounded_columns(frame.assign(**rounded), ("p_value",), DECIMALS["p"])
    kept = around_estimate(kept, by_receipt)
    kept = kept.assign(p_value=kept["p_value"].where(~by_receipt), std_error=kept["std_error"].where(~by_receipt))
    beside = [about.shows_beside(row, "as_treated") for row in records(frame)]
    gone = ~about.shown_among(frame) | (not about.shows_method("difference"))
    gone |= (frame["estimand"] != "itt").to_numpy(dtype=bool) & few_crossed
    gone |= by_receipt & ~np.array(beside, dtype=bool)
    return blanked(kept, gone, (*numbers, "p_value"))


def release_bounds(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Bounds, as coarse as counts are; shares linked are left to the participant flow, whose counts are controlled."""
    days = ("lower", "upper", "conf_low", "conf_high", "shift_treatment")
    numbers = (*days, "lower_std_error", "upper_std_error")
    fine, coarse = (rounded_columns(frame, numbers, decimals) for decimals in (DECIMALS["days"], 0))
    blurred = {decimals: _as_blurred_as_counts(frame, decimals, about) for decimals in (DECIMALS["days"], 0)}
    shown = frame.assign(**{name: fine[name].where(blurred[DECIMALS["days"]], coarse[name]) for name in numbers})
    shown = shown.assign(retained_treatment=np.nan, retained_control=np.nan)
    n = about.n_followed(frame)
    few = [np.isnan(each) & frame[name].notna().to_numpy() for name, each in n.items()]
    small = [(frame[name] < about.rounder.pack.smallest_group).to_numpy(dtype=bool) for name in n]
    gone = np.logical_or.reduce([*few, *small, _lost_few(frame, about), ~blurred[0]])
    gone |= ~about.shown_among(frame) | (not about.shows_method("difference"))
    return blanked(shown.assign(**n), gone, (*n, *numbers))


def _as_blurred_as_counts(frame: pd.DataFrame, decimals: int, about: Publication) -> Booleans:
    """Where bounds of so many decimals tell the numbers lost no better than counts are told.

    One person who is lost moves a bound by the horizon over the people of a side.
    """
    people = frame[["n_treatment", "n_control"]].min(axis=1).to_numpy(dtype=float)
    horizon = frame["horizon_days"].astype(float).fillna(1.0).to_numpy()
    return np.asarray(10.0**-decimals * people >= 2 * about.rounder.pack.base * horizon)


def _lost_few(frame: pd.DataFrame, about: Publication) -> Booleans:
    """Rows of contrasts that lost a few on a side: the width of bounds is a share lost."""
    found = np.zeros(len(frame), dtype=bool)
    for side in SIDES:
        lost = frame[f"n_{side}"] / frame[f"retained_{side}"] - frame[f"n_{side}"]
        of_all = lost.where(frame["method"] == "lee_daily")
        whole = of_all.groupby([frame["outcome"], frame["contrast"]]).transform("max")
        found |= np.array([value == value and about.rounder.protects(round(value)) for value in whole], dtype=bool)
    return found


def release_arms(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """All contrasts together, rounded, at horizons that are shown; none where one contrast is not shown.

    p-values adjusted together would tell those of a hidden contrast.
    """
    days = ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high", "joint_low", "joint_high")
    p = ("p_value", "p_holm", "p_joint")
    shown = rounded_columns(rounded_columns(frame, days, DECIMALS["days"]), ("std_error",), DECIMALS["days_error"])
    shown = rounded_columns(rounded_columns(shown, p, DECIMALS["p"]), ("critical",), 2)
    n = about.n_followed(frame)
    gone = leaves_out_few(frame, about) | np.logical_or.reduce([np.isnan(each) for each in n.values()])
    gone |= ~about.shown_among(frame)
    together = pd.Series(gone, index=frame.index).groupby([frame["outcome"], frame["horizon_days"]]).transform("any")
    shown = about.without_means(shown)
    return blanked(shown.assign(**n), together.to_numpy(dtype=bool), (*n, *days, "std_error", *p, "critical"))


def release_integrity(frame: pd.DataFrame, about: Publication, flow: pd.DataFrame) -> pd.DataFrame:
    """The worst of each kind of check: its level, and at how many places it was made. No counts.

    Nor p-values: an exact test of two counts gives them back out of their rounded numbers. Where few were removed from
    an arm, the level of differential loss would too; where zeros are not shown, how many stages were tested. Offices
    and weeks of few people are no places.
    """
    frame = frame[~_of_few(frame, about) & ~_of_hidden_contrasts(frame, about)]
    few_lost = _few_were_removed(flow, about)
    if few_lost:
        frame = frame[frame["check"] != "differential_loss"]
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
                "n_at_level": int((found["level"] == first["level"]).sum()), "says": first["says"],
            }
        )  # fmt: skip
    columns = ["check", "basis", "n_places", "level", "n_at_level", "says"]
    if few_lost:
        says = "not shown: few people were removed from an arm"
        rows.append(dict(zip(columns, ("differential_loss", "assigned", 1, "not tested", 1, says), strict=True)))
    found = pd.DataFrame(rows, columns=columns).assign(suppressed=False)
    if about.rounder.suppresses(0):
        of_stages = found["check"] == "sample_ratio"
        found = found.assign(**{name: found[name].mask(of_stages, 1) for name in ("n_places", "n_at_level")})
    return found


def _of_few(frame: pd.DataFrame, about: Publication) -> Booleans:
    """The ratio at an office or in a week with fewer of an arm, as numbers are shown, than a side may have."""
    tested = (frame["level"] != "not tested") & frame["check"].isin(("ratio_by_office", "ratio_by_week"))
    smallest = about.rounder.pack.smallest_group
    few = ~((about.n(frame["n_smallest"]) >= smallest) & (frame["n_smallest"].to_numpy() >= smallest))
    return tested.to_numpy(dtype=bool) & few & about.rounder.pack.controls


def _of_hidden_contrasts(frame: pd.DataFrame, about: Publication) -> Booleans:
    """Checks of contrasts that are not shown: of few people on a side."""
    hidden = [each.name for each in about.protocol.contrasts if not about.grids.is_shown(each, ALL)]
    of_contrasts = frame["check"].isin(("arm_share_drift", "follow_up"))
    where = frame["where"].str.startswith(tuple(f"{name}, " for name in hidden)) | frame["where"].isin(hidden)
    return (of_contrasts & where).to_numpy(dtype=bool) & about.rounder.pack.controls


def _few_were_removed(flow: pd.DataFrame, about: Publication) -> bool:
    """Whether at some stage fewer were removed from an arm than a test may be of; or nobody, where zeros are hidden."""
    whole = np.logical_and.reduce([flow[name] == ALL for name in ("office", "received_arm", "reason")])
    of_arms = whole & (flow["kind"] == "removed") & flow["assigned_arm"].isin(about.protocol.arms)
    lowest = 0 if about.rounder.suppresses(0) else 1
    n = flow.loc[of_arms, "n"]
    return about.rounder.pack.controls and bool(((n >= lowest) & (n < about.rounder.pack.smallest_group)).any())


def release_audit(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Rules that rows broke, with how many in hundreds: the flow may keep back what they are, to protect others."""
    hundreds = (frame["n_broken"] / AUDIT_STEP).round() * AUDIT_STEP
    told = (frame["n_broken"] >= AUDIT_STEP) | (frame["n_broken"] == 0)
    n_broken = about.n(hundreds.where(told))
    shown = frame.drop(columns=[name for name in ("rows",) if name in frame.columns])
    gone = np.isnan(n_broken)
    action = shown["action"].where(~gone, "")
    return blanked(shown.assign(n_broken=n_broken, n_rows=np.nan, action=action), gone, ("n_broken",))


Releaser = Callable[[pd.DataFrame, Publication], pd.DataFrame]
"""Rows of a file as they may be shown."""
