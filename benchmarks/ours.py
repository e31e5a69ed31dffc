"""The way of this library with each of the jobs that `race.py` times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from generate import ARMS, Array, Arrays, Window

from trialimpact import count_moments, estimate_covariance, estimate_cumulative, estimate_daily
from trialimpact.intervals import Intervals, clip, merge
from trialimpact.loaders import date_of
from trialimpact.moments import Moments
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.stages import run_stages

Answer = dict[str, Array]


def main_job(arrays: Arrays) -> Answer:
    """Daily and cumulative differences with standard errors; the answer is that of the first group."""
    moments = count_moments(panel_of_arrays(arrays, products=False))
    answers = [_estimates(moments, group) for group in moments.protocol.subgroup_names]
    return answers[0]


def moments_of_arrays(arrays: Arrays) -> Moments:
    """Every count and every product."""
    return count_moments(panel_of_arrays(arrays))


def covariance(arrays: Arrays) -> Answer:
    """Covariance of every two daily differences."""
    return {"covariance": estimate_covariance(count_moments(panel_of_arrays(arrays))).covariance}


def files(folder: Path) -> Answer:
    """From claimants.parquet and spells.parquet to the estimates."""
    return _estimates(run_stages(protocol_of(Window()), None, folder).moments)


def text_frames(frames: dict[str, pd.DataFrame]) -> Answer:
    """From pandas frames with text identifiers and dates to the estimates."""
    return _estimates(run_stages(protocol_of(Window()), frames, ".").moments)


def _estimates(moments: Moments, group: str = "all") -> Answer:
    daily, total = estimate_daily(moments, subgroup=group), estimate_cumulative(moments, subgroup=group)
    return {
        "difference": daily.estimate,
        "std_error": daily.std_error,
        "cumulative": total.estimate,
        "cumulative_error": total.std_error,
        "horizons": np.arange(1, total.estimate.size + 1),
    }


def protocol_of(window: Window, n_groups: int = 1, *, products: bool = True) -> TrialProtocol:
    """The protocol of the race."""
    source = {"end_date": "first_day_after", "covered_from": "2000-01-01", "extract_date": date_of(window.extract_day)}
    return TrialProtocol.from_dict(
        {
            "name": "race",
            "allocation": {"rule": "assigned", "control": ARMS[0], "arms": ARMS},
            "index": {"rule": "given"},
            "sources": {"claimants": {"file": "claimants.parquet"}, "spells": {"file": "spells.parquet", **source}},
            "outcomes": [{"name": "on_benefit", "on": ["spells"]}],
            "subgroups": [
                {"name": f"group_{place}", "where": {"column": "group", "equals": str(place)}}
                for place in range(1, n_groups)
            ],
            "analysis": {
                "horizon_days": window.horizon,
                "last_day": window.horizon,
                "pre_days": window.pre_days,
                "small_sample": "cr0",
                "products": products,
            },
        }
    )


def panel_of_arrays(arrays: Arrays, *, products: bool = True) -> Panel:
    """Disjoint spells in days from the index day, cut to the window and to follow-up."""
    nobody = np.zeros(arrays.arm.size, dtype=np.int64)
    followed_from, followed_to = nobody - arrays.pre_days, arrays.follow_up.astype(np.int64)
    index_day = arrays.index_day.astype(np.int64)
    spells = merge(Intervals.of(arrays.owner, arrays.start, arrays.end)).shifted(-index_day)
    spells = clip(spells, followed_from, followed_to)
    part = OutcomePanel(spells=spells, followed_from=followed_from, followed_to=followed_to)
    arm = arrays.arm.astype(np.int64)
    return Panel(
        protocol=protocol_of(arrays, len(arrays.members), products=products),
        index_day=index_day,
        arm=arm,
        received=arm,
        digit=nobody,
        stratum=nobody,
        cluster=nobody,
        strata=("",),
        clusters=("",),
        members=arrays.members,
        outside=~arrays.members,
        outcomes={"on_benefit": part},
        states={},
    )
