"""Rows of the balance of the arms -> those that may leave."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.disclosure.differencing import sides_combined
from trialimpact.disclosure.packs import DECIMALS, Rounder, RulePack, coarse_decimals
from trialimpact.disclosure.people import balance_key, balance_sides, known_keys
from trialimpact.disclosure.rows import blanked, rounded_columns
from trialimpact.disclosure.suppression import ShownCells
from trialimpact.estimators.balance import compare_shares
from trialimpact.estimators.contrast import difference
from trialimpact.protocol import SIDES, TrialProtocol
from trialimpact.results import records

KEPT_BACK = "(kept back)"
"""In place of a level that the protocol does not name, where its people are not shown: it may be typed in error."""


def release_balance(frame: pd.DataFrame, protocol: TrialProtocol, shown: ShownCells, rounder: Rounder) -> pd.DataFrame:
    """Levels: shares, differences and tests of counts as they are shown. Means: as coarse as counts are.

    A mean of whole numbers with many digits would give its sum, and the number of people, back. So would a test of a
    number that few have, and the joint test where a row that is in it is kept back; and tests of several numbers, which
    may differ for a few, or of one for sides that leave others, of whom it may be known of a few.
    """
    rows = [_shown_balance(row, shown, rounder) for row in records(frame)]
    sides = [arms for each in protocol.contrasts for arms in each.sides]
    numeric = (frame["kind"] == "numeric").to_numpy(dtype=bool)
    several = len({*frame.loc[numeric, "characteristic"]}) > 1 or bool(sides_combined([*{*sides}], protocol.arms))
    rare = np.array([_is_of_few(row, rounder.pack) for row in records(frame)], dtype=bool)
    found = pd.DataFrame(rows, columns=[*frame.columns, "suppressed"]).assign(statistic=np.nan)
    tests = ["standardised_difference", "p_value"]
    found = found.assign(**{name: found[name].astype(float).where(~rare) for name in tests})
    found = found.assign(p_value=found["p_value"].where(~(numeric & several)))
    sizes = [[side.of_level or 0 for side in balance_sides(row).values()] for row in records(frame)]
    small = np.array([rounder.pack.is_few(some).any() for some in sizes], dtype=bool)
    declared = [each.name for each in protocol.characteristics if each.levels]
    kept = [_keeps_back(row, shown) for row in records(frame)]
    unsaid = np.array(kept, dtype=bool) & ~found["characteristic"].isin(declared)
    found["level"] = found["level"].where(~unsaid, KEPT_BACK)
    kept_back = (found["suppressed"].astype(bool) | rare | small).groupby(found["contrast"]).transform("any")
    found["suppressed"] |= kept_back & (found["kind"] == "joint")
    found = rounded_columns(found, ("value_treatment", "value_control", "difference"), DECIMALS["share"])
    found = rounded_columns(found, ("standardised_difference", "p_value"), 2)
    numbers = ["n_treatment", "n_control", "missing_treatment", "missing_control", "value_treatment", "value_control",
               "difference", "standardised_difference", "df", "p_value"]  # fmt: skip
    return blanked(found, found["suppressed"].to_numpy(dtype=bool), numbers)


def _keeps_back(row: Mapping[str, Any], shown: ShownCells) -> bool:
    """Whether the people of a level are shown of neither side."""
    of_level = [balance_key(row["contrast"], side, row["characteristic"], f"level {row['level']}") for side in SIDES]
    return row["kind"] == "categorical" and all(math.isnan(shown.numbers.get(key, math.nan)) for key in of_level)


def _shown_balance(row: dict[str, Any], shown: ShownCells, rounder: Rounder) -> dict[str, Any]:
    gone, on, known, sides = False, [], [], balance_sides(row)
    for side, counts in sides.items():
        name = (row["contrast"], side, row["characteristic"])
        n, missing = (shown.numbers[key] for key in known_keys(*name, row["level"], shown.numbers))
        if counts.of_level is not None:
            on.append(shown.numbers[balance_key(*name, f"level {row['level']}")])
        known.append(n)
        gone |= math.isnan(n) or counts.known < rounder.pack.smallest_group
        row |= {f"n_{side}": n, f"missing_{side}": missing}
    if on:
        gone |= any(math.isnan(n) for n in on)
        if not gone:
            row |= compare_shares(np.minimum(on, known), np.array(known))
    elif row["kind"] == "joint":
        # Whoever misses one of several is at most the sum of those who miss each.
        row |= {f"{what}_{side}": math.nan for what in ("n", "missing") for side in sides}
    elif row["kind"] == "numeric":
        decimals = min(coarse_decimals(counts.known, rounder, unit)
                       for counts, unit in zip(sides.values(), _units(row), strict=True))  # fmt: skip
        gone |= math.isnan(_spread(row))
        treatment, control = (round(row[f"value_{side}"], decimals) for side in SIDES)
        row |= {"value_treatment": treatment, "value_control": control, "difference": difference(treatment, control)}
        row["standardised_difference"] = round(row["standardised_difference"], 1)
    return row | {"suppressed": bool(gone)}


def _is_of_few(row: Mapping[str, Any], pack: RulePack) -> bool:
    """Whether a number may be other than 0 for a few only of a side.

    Of n people with mean m and standard deviation s, at least n m²/(m² + s²) have a number other than 0.
    """
    if row["kind"] != "numeric":
        return False
    for side in SIDES:
        square = row[f"value_{side}"] ** 2
        if not row[f"n_{side}"] * square >= pack.smallest_group * (square + 2 * _spread(row) ** 2):
            return True
    return False


def _spread(row: Mapping[str, Any]) -> float:
    """The standard deviation of a number, pooled over both sides; NaN where the sides do not differ."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return float(np.float64(row["difference"]) / np.float64(row["standardised_difference"]))


def _units(row: Mapping[str, Any]) -> list[float]:
    """How much of a number one person has, by side: of an amount that some have the amount, else two deviations.

    If all who have some have the same, it is (m² + s²) / |m|, of mean m and standard deviation s.
    """
    spread, found = _spread(row), []
    for mean in (abs(float(row[f"value_{side}"])) for side in SIDES):
        an_amount = mean**2 < 2 * spread**2
        found.append(max(1.0, mean + 2 * spread**2 / mean if an_amount and mean else 2 * spread))
    return found


def adjusts_for_few(balance: pd.DataFrame, protocol: TrialProtocol, pack: RulePack) -> bool:
    """Whether adjustment weighs a few people in a way of their own.

    It does where a level that is adjusted for, or the rest, is of few, or a number is one that few have.
    """
    asked = balance[balance["characteristic"].isin(protocol.adjustment.characteristics)]
    return any(_weighs_few(row, pack) for row in records(asked))


def _weighs_few(row: Mapping[str, Any], pack: RulePack) -> bool:
    sizes = [
        (each.missing, each.of_level or 0, each.known - (each.of_level or 0)) for each in balance_sides(row).values()
    ]
    return bool(pack.is_few(sizes).any()) or _is_of_few(row, pack)
