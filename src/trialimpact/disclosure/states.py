"""Rows of states and of moves between them -> those that may leave."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TypeAlias

import numpy as np
import pandas as pd

from trialimpact.disclosure.differencing import Arms, sides_combined
from trialimpact.disclosure.few import are_of_many, are_spread
from trialimpact.disclosure.packs import DECIMALS, Rounder, coarse_decimals
from trialimpact.disclosure.rows import blanked, rounded_columns
from trialimpact.disclosure.shown import Publication
from trialimpact.flow import ALL
from trialimpact.intervals import Integers
from trialimpact.protocol import FOLLOWED, SIDES, TrialProtocol

Daily: TypeAlias = dict[Arms, dict[str, Integers]]
"""By arms: how many are in each state on each day, and how many are followed."""


def release_states(frame: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Days in each state to the longest horizon: all of all contrasts, or none where some of them are of few.

    Where sides are so large that a mean, as rounded, does not tell the days of a few, without errors and p-values.
    """
    at = frame[frame["horizon_days"] == about.protocol.analysis.max_horizon]
    means = ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high")
    shown = rounded_columns(rounded_columns(at, means, DECIMALS["days"]), ("std_error",), DECIMALS["days_error"])
    shown = rounded_columns(shown, ("p_value",), DECIMALS["p"])
    n = about.n_followed(at)
    daily = _by_arms(frame, about.protocol)
    of_many = _all_are(are_of_many, daily, about)
    shows = of_many or (about.grids.is_large(ALL) and _all_are(are_spread, daily, about))
    gone = np.isnan(n["n_treatment"]) | np.isnan(n["n_control"]) | (not (shows and _are_followed_alike(daily, about)))
    if not of_many:
        shown = shown.assign(std_error=np.nan, p_value=np.nan)
    return blanked(about.without_means(shown).assign(**n), gone, (*n, *means, "std_error", "p_value"))


def _are_followed_alike(daily: Daily, about: Publication) -> bool:
    """Whether those followed in states are those of outcomes, or of many more or fewer, and outcomes are shown.

    Of everyone with one weight: strata of states are not known apart.
    """
    protocol, grids, is_few = about.protocol, about.grids, about.rounder.pack.is_few
    horizon = protocol.analysis.max_horizon
    if not all(grids.is_shown(each, ALL) for each in protocol.contrasts) or not grids.weighs_alike(ALL):
        return False
    if not all(horizon in grids.horizons(each.name, ALL) for each in protocol.outcomes):
        return False
    for arms, states in daily.items():
        outcomes = [grids.side(each.name, ALL, arms).counts.from_day(0, horizon)[0] for each in protocol.outcomes]
        apart = [np.abs(states[FOLLOWED] - followed).max() for followed in outcomes]
        if is_few(states[FOLLOWED]).any() or is_few(apart).any():
            return False
    return True


def _all_are(rule: Callable[[Integers, Integers, Rounder], bool], daily: Daily, about: Publication) -> bool:
    """Whether the mean days in states obey a rule of outcomes.

    States add up to the horizon, and some of them to outcomes: so do states together, what they leave of outcomes, and
    what sides that share arms leave of each other.
    """
    protocol, horizon = about.protocol, about.protocol.analysis.max_horizon
    for arms, states in daily.items():
        followed, held = states[FOLLOWED], [on for name, on in states.items() if name != FOLLOWED]
        outcomes = [about.grids.side(each.name, ALL, arms).counts.from_day(0, horizon)[1] for each in protocol.outcomes]
        for size in range(1, len(held)):
            for together in (np.sum(some, axis=0) for some in itertools.combinations(held, size)):
                rests = [rest for on in outcomes if (rest := _left(on, together, about.rounder)) is not None]
                if not all(rule(followed, on, about.rounder) for on in (together, *rests)):
                    return False
    return True


def _by_arms(frame: pd.DataFrame, protocol: TrialProtocol) -> Daily:
    """How many are in each state on each day to the longest horizon, and how many are followed: of each side, and of
    what sides leave of each other.
    """
    daily = frame[(frame["day"] >= 0) & (frame["day"] < protocol.analysis.max_horizon)].sort_values("day")
    found: Daily = {}
    for contrast in protocol.contrasts:
        here = daily[daily["contrast"] == contrast.name]
        for side in SIDES:
            n = here[f"n_{side}"].to_numpy(dtype=float)
            on = np.nan_to_num(here[f"mean_{side}"].to_numpy(dtype=float) * n).round().astype(np.int64)
            states = {str(name): on[here["outcome"] == name] for name in here["outcome"].unique()}
            # Everybody is in one state on each day on which they are followed.
            found[getattr(contrast, side)] = {**states, FOLLOWED: np.sum([*states.values()], axis=0)}
    for left, parts in sides_combined(list(found), protocol.arms).items():
        names = found[parts[0][0]]
        found[left] = {name: np.sum([sign * found[arms][name] for arms, sign in parts], axis=0) for name in names}
    return found


def _left(on: Integers, together: Integers, rounder: Rounder) -> Integers | None:
    """Those in an outcome and not in some states, or the other way round, as far as one may be in the other; None where
    they are nobody, or it is not.
    """
    rest = on - together
    most = int(np.abs(rest).max(initial=0))
    one_way = (rest >= 0).all() or (rest <= 0).all()
    if (most == 0 and not rounder.suppresses(0)) or (not one_way and most >= rounder.pack.smallest_group):
        return None
    return np.asarray(np.abs(rest))


def release_moves(frame: pd.DataFrame, states: pd.DataFrame, about: Publication) -> pd.DataFrame:
    """Moves between states to the longest horizon, as coarse as counts are; none that few people make on a side.

    On a day on which fewer are followed, a move weighs more.
    """
    at = frame[frame["horizon_days"] == about.protocol.analysis.max_horizon]
    made = [at[f"movers_{side}"].to_numpy(dtype=float) for side in SIDES]
    smallest = about.rounder.pack.smallest_group
    zeros_may_be_shown = not about.rounder.suppresses(0)
    few = np.logical_or.reduce([(each < smallest) & ~((each == 0) & zeros_may_be_shown) for each in made])
    daily = _by_arms(states, about.protocol)
    few |= not _are_followed_alike(daily, about)
    decimals = min((coarse_decimals(int(each[FOLLOWED].min()), about.rounder) for each in daily.values()), default=0)
    means = ("mean_treatment", "mean_control", "estimate", "conf_low", "conf_high", "std_error")
    # A p-value with three decimals would give the counts back that the means are too coarse for.
    shown = about.without_means(rounded_columns(at, means, decimals)).assign(p_value=np.nan)
    n = about.n_followed(at)
    gone = np.logical_or.reduce([few, *(np.isnan(each) for each in n.values())])
    without = shown.drop(columns=["movers_treatment", "movers_control"])
    return blanked(without.assign(**n), gone, (*n, *means, "p_value"))
