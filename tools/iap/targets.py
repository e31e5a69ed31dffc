"""What the report prints and describes, as windows on differences and half-widths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trialimpact.reproduce.published import read_published
from trialimpact.reproduce.windows import printed_window

Key = tuple[str, str, str, int, int]
HORIZON = 273
TABLES = {"t62": "on_benefit", "t63": "employed"}


@dataclass(frozen=True)
class Target:
    """A sum of keys by factors is to lie in [low, high].

    A key is (outcome, group, "days" or "width", first day, day after the last): the sum of daily
    differences over those days, or of their half-widths.
    """

    terms: dict[Key, float]
    low: float
    high: float


def read_targets() -> list[Target]:
    """The 84 cells of Tables 6.2 and 6.3: centre, lower and upper end for 14 groups and two outcomes."""
    found = []
    for number in read_published("iap_2016"):
        table, _, group = number.id.partition(".")
        if table not in TABLES:
            continue
        centre = printed_window(number.printed, "whole_from_10")
        lower, upper = sorted(printed_window(text, "whole_from_10") for text in (number.lower, number.upper))
        for side, (low, high) in ((0, centre), (-1, lower), (1, upper)):
            terms = {
                (TABLES[table], group, "days", 0, HORIZON): 1.0,
                (TABLES[table], group, "width", 0, HORIZON): float(side),
            }
            found.append(Target({key: by for key, by in terms.items() if by}, low, high))
    return found


WEEK_5 = (28, 35)
_CURVES = {
    "on_benefit": {4: -0.05, 11: -0.4, 18: -2.2, 24: -5.0, 28: -6.55, 31: -6.8, 35: -6.85, 42: -6.7, 52: -6.2, 62: -5.7,
                   72: -5.2, 84: -4.3, 100: -4.15, 150: -4.0, 200: -3.8, 240: -3.75, 256: -3.45, 261: -3.0, 272: -2.8},
    "employed": {4: 0.05, 11: 0.25, 18: 1.3, 24: 2.9, 28: 4.2, 33: 4.6, 38: 4.15, 45: 3.95, 60: 3.88, 120: 3.9,
                 180: 4.0, 214: 4.05, 227: 3.2, 250: 3.2, 272: 3.6},
}  # fmt: skip
"""Differences in percentage points by day that fit the report's words on its figures."""

_REPEAT = {
    ("on_benefit", "repeat_claimant"): (-10.0, -0.5),
    ("on_benefit", "non_repeat_claimant"): (-9.0, 2.5),
    ("employed", "repeat_claimant"): (-2.5, 8.0),
    ("employed", "non_repeat_claimant"): (-2.5, 8.5),
}
"""Table 6.3's total lies outside both its parts, which pulls these curves about: not further than this."""


def _described() -> Iterator[Target]:
    for outcome, knots in _CURVES.items():
        days = np.arange(HORIZON)
        curve = np.interp(days, list(knots), list(knots.values()))
        weeks = [(first, first + 7, 0.12 if first < 60 else 0.25) for first in range(0, HORIZON, 7)]
        for first, end, give in weeks:
            middle = float(curve[first:end].mean())
            yield Target({(outcome, "all", "days", first, end): 100 / (end - first)}, middle - give, middle + give)
    for (outcome, group), (low, high) in _REPEAT.items():
        for first in range(28, HORIZON, 7):
            yield Target({(outcome, group, "days", first, first + 7): 100 / 7}, low, high)
    days, width = (("on_benefit", "all", kind, *WEEK_5) for kind in ("days", "width"))
    yield Target({days: 100 / 7}, -6.82, -6.68)
    yield Target({days: 100 / 7, width: -100 / 7}, -8.54, -8.46)


DESCRIBED = list(_described())
"""What is described and not printed: kept as well as may be."""
