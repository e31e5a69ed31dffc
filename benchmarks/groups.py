"""2 outcomes × 14 groups from one panel of disjoint spells: daily and cumulative, and by exploding to claimant-days."""

from __future__ import annotations

import numpy as np
import pandas as pd
from generate import Array

from trialimpact import (
    build_panel,
    build_sample,
    count_moments,
    estimate_cumulative,
    estimate_daily,
    load_records,
    merge_spells,
)
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.synthetic import simulate_trial

PRE_DAYS = 730
DAYS, HORIZONS = np.array([100, 800, 1003]), np.array([91, 182, 273])
Answer = dict[str, Array]


def ours(panel: Panel) -> Answer:
    """The way of this library."""
    moments = count_moments(panel)
    answer = {}
    for outcome in panel.outcomes:
        for group in panel.protocol.subgroup_names:
            daily = estimate_daily(moments, outcome, subgroup=group)
            total = estimate_cumulative(moments, outcome, subgroup=group)
            of_days = (daily.estimate[DAYS], daily.std_error[DAYS])
            answer[f"{outcome} {group}"] = np.r_[*of_days, total.estimate[HORIZONS - 1], total.std_error[HORIZONS - 1]]
    return answer


def explode_pandas(panel: Panel) -> Answer:
    """A row for each claimant and day followed, and groupby; the same formulae."""
    answer = {}
    for outcome, part in panel.outcomes.items():
        days = _claimant_days(panel, part)
        for place, group in enumerate(panel.protocol.subgroup_names):
            answer[f"{outcome} {group}"] = _estimates(days[panel.members[place][days["row"].to_numpy()]])
    return answer


def panel_of(n_claimants: int) -> Panel:
    """The panel of a simulated trial, the same for every contender."""
    trial = simulate_trial(n_claimants, seed=1)
    records = load_records(_of_14_groups(trial.protocol), trial.tables)
    return build_panel(build_sample(records), merge_spells(records))


def _of_14_groups(protocol: TrialProtocol) -> TrialProtocol:
    """The example protocol with 13 subgroups beside everyone."""
    data = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    ages = [(18, 20), (21, 24), (25, 29), (30, 34), (35, 39), (40, 44), (45, 60)]
    data["subgroups"] = [
        *data["subgroups"],
        *({"name": f"aged_{low}", "where": {"age_at_index": {"between": [low, high]}}} for low, high in ages),
    ]
    return TrialProtocol.model_validate(data)


def _claimant_days(panel: Panel, part: OutcomePanel) -> pd.DataFrame:
    """Claimant-days that are followed: row, arm, day, on."""
    row, day = _repeated(np.arange(len(panel)), part.followed_from, part.followed_to)
    on_row, on_day = _repeated(part.spells.owner, part.spells.start, part.spells.end)
    followed = pd.DataFrame({"row": row, "day": day})
    on = pd.DataFrame({"row": on_row, "day": on_day, "on": 1.0})
    frame = followed.merge(on, how="left", on=["row", "day"])
    return frame.assign(on=frame["on"].fillna(0.0), arm=panel.arm[frame["row"].to_numpy()])


def _repeated(owner: Array, start: Array, end: Array) -> tuple[Array, Array]:
    """Owner and day of every day of some intervals."""
    length = end - start
    first = np.repeat(np.cumsum(length) - length, length)
    return np.repeat(owner, length), np.arange(length.sum()) - first + np.repeat(start, length)


def _estimates(days: pd.DataFrame) -> Array:
    """Daily and cumulative differences with hc2 standard errors."""
    cells = days.groupby(["arm", "day"])["on"].agg(["mean", "size"])
    p, n = (cells[name].unstack("arm") for name in ("mean", "size"))  # noqa: PD010
    daily = (p[1] - p[0]).to_numpy()
    daily_error = np.sqrt((p * (1 - p) / (n - 1)).sum(axis=1)).to_numpy()
    after = days[(days["day"] >= 0) & (days["day"] < HORIZONS[-1])]
    joined = after.merge(cells.reset_index(), on=["arm", "day"])
    joined["influence"] = (joined["on"] - joined["mean"]) / joined["size"]
    totals, errors = [], []
    for horizon in HORIZONS:
        by_claimant = joined[joined["day"] < horizon].groupby("row").agg({"arm": "first", "influence": "sum"})
        squares = by_claimant["influence"].pow(2).groupby(by_claimant["arm"]).agg(["sum", "size"])
        errors.append(np.sqrt((squares["sum"] * squares["size"] / (squares["size"] - 1)).sum()))
        totals.append(daily[PRE_DAYS : PRE_DAYS + horizon].sum())
    return np.r_[daily[DAYS], daily_error[DAYS], totals, errors]
