"""Rows of states and of moves between them -> those that may leave."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd

from trialimpact.disclosure.methods import coarse_decimals
from trialimpact.disclosure.packs import DECIMALS
from trialimpact.disclosure.rows import Publication, blanked, leaves_out_few, rounded_columns
from trialimpact.flow import ALL
from trialimpact.results import grouped


def release_states(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Days in each state to the longest horizon: all, or none where one is rare."""
    longest, parts = about.protocol.analysis.max_horizon, []
    for (contrast,), rows in grouped(frame, "contrast"):
        at = rows[rows["horizon_days"] == longest]
        # States add up to the horizon, and some of them to outcomes.
        rare = any(_is_rare(rows[rows["outcome"] == name], about) for name in at["outcome"])
        shown = rounded_columns(
            at, ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high"), DECIMALS["days"]
        )
        shown = rounded_columns(
            rounded_columns(shown, ("std_error",), DECIMALS["days_error"]), ("p_value",), DECIMALS["p"]
        )
        n = {name: about.n(at[name]) for name in ("n_treatment", "n_control")}
        rare |= _holds_few_more(rows, about)
        gone = np.isnan(n["n_treatment"]) | np.isnan(n["n_control"]) | rare | leaves_out_few(at, about)
        gone |= not about.grids.is_shown(about.protocol.contrast(contrast), ALL)
        numbers = (*n, "mean_treatment", "mean_control", "estimate", "std_error", "conf_low", "conf_high", "p_value")
        parts.append(blanked(about.without_means(shown).assign(**n), gone, numbers))
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


def _holds_few_more(rows: pd.DataFrame, about: Publication) -> bool:
    """Whether an outcome, and a state or some together, differ by no more than a few people of a side on any day."""
    horizon = about.protocol.analysis.max_horizon
    daily = rows[(rows["day"] >= 0) & (rows["day"] < horizon)]
    contrast = about.protocol.contrast(rows["contrast"].iloc[0])
    for side in ("treatment", "control"):
        people = daily[f"mean_{side}"] * daily[f"n_{side}"]
        held = [each.to_numpy(dtype=float) for _, each in people.groupby(daily["outcome"], sort=False)]
        for outcome in about.protocol.outcomes:
            on = about.moments.counts_of(outcome.name, ALL, getattr(contrast, side)).from_day(0, horizon)[1]
            for size in range(1, len(held)):
                for some in itertools.combinations(held, size):
                    together = np.sum(some, axis=0)
                    most = round(float(np.abs(on[: together.size] - together).max(initial=0)))
                    if 0 < most < about.rounder.pack.smallest_group or about.rounder.suppresses(most):
                        return True
    return False


def release_moves(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Moves between states to the longest horizon, as coarse as counts are; none that few people make on a side."""
    at = frame[frame["horizon_days"] == about.protocol.analysis.max_horizon]
    sides = ("treatment", "control")
    made = [at[f"movers_{side}"].to_numpy(dtype=float) for side in sides]
    smallest = about.rounder.pack.smallest_group
    zeros_may_be_shown = not about.rounder.suppresses(0)
    few = np.logical_or.reduce([(each < smallest) & ~((each == 0) & zeros_may_be_shown) for each in made])
    few |= leaves_out_few(at, about)
    shown_at_all = [about.grids.is_shown(about.protocol.contrast(name), ALL) for name in at["contrast"]]
    few |= ~np.array(shown_at_all, dtype=bool)
    decimals = min((coarse_decimals(int(n), about.rounder) for side in sides for n in at[f"n_{side}"]), default=0)
    means = ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high", "std_error")
    # A p-value with three decimals would give the counts back that the means are too coarse for.
    shown = about.without_means(rounded_columns(at, means, decimals)).assign(p_value=np.nan)
    n = {f"n_{side}": about.n(at[f"n_{side}"]) for side in sides}
    gone = np.logical_or.reduce([few, *(np.isnan(each) for each in n.values())])
    without = shown.drop(columns=["movers_treatment", "movers_control"])
    return blanked(without.assign(**n), gone, (*n, *means, "p_value"))
