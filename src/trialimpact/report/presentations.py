"""House presentations: effects by group in the columns, order and rounding that an office prints."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from trialimpact.errors import unknown_name
from trialimpact.protocol import RoundingRule, TrialProtocol
from trialimpact.report.rounding import CONFIDENTIAL, printed, printed_count
from trialimpact.results import records


def present_effects(rows: pd.DataFrame, protocol: TrialProtocol, house: str) -> pd.DataFrame:
    """Effects of one outcome, contrast and horizon as a house prints them, a group a row.

    Parameters
    ----------
    rows : DataFrame
        In the tidy columns, raw or released.
    house : str
        "dwp_2016" (central, lower, upper: the lower limit is the one away from the estimate's direction), or
        "days_margin" (estimate ± half of the interval).

    Raises
    ------
    ProtocolError
        There is no such presentation.

    Examples
    --------
    >>> from trialimpact import estimate_cumulative
    >>> from trialimpact.synthetic import simulate_trial
    >>> moments = simulate_trial(n_claimants=2_000, seed=1).moments()
    >>> rows = estimate_cumulative(moments, "on_benefit").to_frame().query("horizon_days == 273")
    >>> print(present_effects(rows, moments.protocol, "dwp_2016").to_string(index=False))
    Group Central estimate Lower Upper
      All              −15  −7.7   −23
    """
    house_label(house)
    columns, rounding = _houses()[house]["columns"], _houses()[house]["rounding"]
    table = []
    for row in records(rows):
        parts = _parts(row, protocol, rounding)
        table.append({heading: cell.format_map(parts) for heading, cell in columns})
    return pd.DataFrame(table, columns=[heading for heading, _ in columns])


def house_names() -> tuple[str, ...]:
    """The presentations that come along."""
    return tuple(_houses())


def house_label(house: str) -> str:
    """A presentation's name in print."""
    if house not in _houses():
        raise unknown_name("presentation", house, _houses(), where="trialimpact")
    return str(_houses()[house]["label"])


def _parts(row: Mapping[str, Any], protocol: TrialProtocol, rounding: RoundingRule) -> dict[str, str]:
    """What may stand in a cell."""
    estimate, low, high = (float(row[name]) for name in ("estimate", "conf_low", "conf_high"))
    near, far = (high, low) if estimate < 0 else (low, high)
    numbers = {
        "estimate": estimate, "low": low, "high": high, "near": near, "far": far, "margin": (high - low) / 2,
    }  # fmt: skip
    hidden = bool(row.get("suppressed"))
    shown = {name: CONFIDENTIAL if hidden else printed(value, rounding) for name, value in numbers.items()}
    people = [float("nan") if hidden or math.isnan(row[name]) else row[name] for name in ("n_treatment", "n_control")]
    group = {"group": protocol.subgroup_words(row["subgroup"]), "people": " / ".join(map(printed_count, people))}
    return shown | group


@cache
def _houses() -> dict[str, dict[str, Any]]:
    text = (resources.files("trialimpact") / "report" / "presentations.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)
