"""Later joiners are followed for fewer days: what if the arms did not join over the same time (M10)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import two_sided_p, wald_limits
from trialimpact.estimators.contrast import Floats, chosen, labels
from trialimpact.estimators.effects import TIDY_COLUMNS
from trialimpact.estimators.ledger import Ledger, days_ledger, followed_within, ledger_entry, side_influence, sides_of
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.small_sample import side_factor
from trialimpact.estimators.target import day_weights
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast, TrialProtocol

PERIOD_DAYS = 28
"""Intake is looked at in periods of four weeks, joined where they would be small."""

LEAST_EXPECTED = 5.0
"""A period is joined with the next until so many are expected on the smaller side."""

METHODS = ("difference", "common_intake", "intake_stratified")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class IntakeSensitivity:
    """Days to each horizon as estimated, in the common intake window, and stratified by intake period.

    Attributes
    ----------
    entries : mapping of (method, horizon) to Ledger
    n_periods : int
        Intake periods of the stratified estimate.
    n_left_out : int
        Claimants who joined in a period in which one side did not join.
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    entries: dict[tuple[str, int], Ledger]
    n_periods: int
    n_left_out: int

    def estimate(self, method: str, horizon_days: int) -> float:
        """One estimate in days; `METHODS` are the methods."""
        return float(self.entries[method, horizon_days].estimate[0])

    def limits(self, method: str, horizon_days: int) -> tuple[float, float, float]:
        """One estimate with its limits."""
        entry = self.entries[method, horizon_days]
        low, high = wald_limits(self.protocol, entry.estimate, entry.std_error)
        return float(entry.estimate[0]), float(low[0]), float(high[0])

    def to_frame(self) -> pd.DataFrame:
        """The tidy columns, a row a method and horizon."""
        rows: list[dict[str, Any]] = []
        for (method, horizon), entry in self.entries.items():
            low, high = wald_limits(self.protocol, entry.estimate, entry.std_error)
            rows.append(
                {
                    **labels(self.outcome, self.contrast),
                    "day": pd.NA,
                    "horizon_days": horizon,
                    "n_treatment": entry.n_treatment[0],
                    "n_control": entry.n_control[0],
                    "mean_treatment": entry.mean_treatment[0],
                    "mean_control": entry.mean_control[0],
                    "estimate": entry.estimate[0],
                    "std_error": entry.std_error[0],
                    "conf_low": low[0],
                    "conf_high": high[0],
                    "conf_level": self.protocol.analysis.conf_level,
                    "p_value": two_sided_p(entry.estimate, entry.std_error)[0],
                    "interval": "wald",
                    "small_sample": self.protocol.analysis.small_sample,
                    "method": method,
                }
            )
        return as_table(rows, TIDY_COLUMNS)

    def __repr__(self) -> str:
        longest = self.protocol.analysis.max_horizon
        found = ", ".join(f"{method} {self.estimate(method, longest):.4g}" for method in METHODS)
        return f"IntakeSensitivity({self.outcome}, {self.contrast.name}; {longest} days: {found})"

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_intake_sensitivity(
    panel: Panel, outcome: str | None = None, contrast: str | Contrast | None = None
) -> IntakeSensitivity:
    """What the estimate would be if both arms had joined over the same time.

    Available-case days compare arms fairly only if they joined alike, since long horizons rest on
    early joiners. Two remedies: only those who joined in the periods of four weeks in which both
    sides were joining (common_intake), and contrasts within such periods, weighted by those
    followed on each day (intake_stratified).

    Parameters
    ----------
    panel : Panel
    outcome, contrast
        As `estimate_cumulative`.

    Returns
    -------
    IntakeSensitivity

    Raises
    ------
    DesignError
        The sides never joined at the same time.

    Notes
    -----
    Source: methods page, M10. Cost: O(spells × periods).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_intake_sensitivity(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    IntakeSensitivity(on_benefit, iap; 273 days: difference ..., common_intake ..., intake_stratified ...)
    """
    name, contrast = chosen(panel.protocol, outcome, contrast)
    compared, block = _blocks(panel, contrast)
    n_by_side = [np.bincount(block[side], minlength=block[compared].max() + 1) for side in sides_of(panel, contrast)]
    common = compared & (np.min(n_by_side, axis=0) > 0)[block]
    if not common.any():
        raise DesignError(
            worded(f"{contrast.name}: the sides never joined at the same time.", remedy="choose another control")
        )
    together = panel.where(common)
    period = intake_periods(panel, contrast)
    entries = {}
    for horizon in panel.protocol.analysis.horizon_days:
        weights = day_weights(panel.protocol, 0, horizon)
        entries["difference", horizon] = days_ledger(panel, panel.outcome(name), contrast, weights)
        entries["common_intake", horizon] = days_ledger(together, together.outcome(name), contrast, weights)
        entries["intake_stratified", horizon] = _stratified(panel, panel.outcome(name), contrast, weights, period)
    return IntakeSensitivity(
        protocol=panel.protocol,
        outcome=name,
        contrast=contrast,
        entries=entries,
        n_periods=int(period.max()) + 1,
        n_left_out=int((compared & ~common).sum()),
    )


def intake_periods(panel: Panel, contrast: Contrast) -> Integers:
    """The intake period of each claimant of a contrast, numbered from 0; -1 for the others.

    Periods of `PERIOD_DAYS` from the first index day, each joined with the next until
    `LEAST_EXPECTED` are expected on the smaller side.
    """
    compared, block = _blocks(panel, contrast)
    treated, control = (np.bincount(block[side]) for side in sides_of(panel, contrast))
    period = np.full(len(panel), -1, dtype=np.int64)
    period[compared] = joined_blocks(treated, control)[block[compared]]
    return period


def joined_blocks(treated: Integers, control: Integers) -> Integers:
    """The intake period of each block of `PERIOD_DAYS`, from how many of either side joined in it."""
    n_blocks = max(treated.size, control.size)
    sides = [np.pad(each, (0, n_blocks - each.size)) for each in (treated, control)]
    smaller = min(treated.sum(), control.sum()) / (treated.sum() + control.sum())
    period, number, gathered = np.zeros(n_blocks, dtype=np.int64), 0, 0.0
    for place, n in enumerate(sides[0] + sides[1]):
        if gathered >= LEAST_EXPECTED:
            number, gathered = number + 1, 0.0
        period[place] = number
        gathered += n * smaller
    if gathered < LEAST_EXPECTED and number:
        period[period == number] = number - 1
    return period


def _blocks(panel: Panel, contrast: Contrast) -> tuple[Booleans, Integers]:
    """Who is compared, and in which period from the first index day each joined (0 for the others)."""
    treated, control = sides_of(panel, contrast)
    compared = treated | control
    block = (panel.index_day - panel.index_day[compared].min()) // PERIOD_DAYS
    return compared, np.where(compared, block, 0)


def _stratified(panel: Panel, outcome: OutcomePanel, contrast: Contrast, weights: Floats, period: Integers) -> Ledger:
    """Σ over days of the contrasts within periods, weighted by those followed that day.

    A period with fewer than two people of a side followed on a day drops out that day.
    """
    sides = sides_of(panel, contrast)
    n_periods = int(period.max()) + 1
    followed = [outcome.counts_by(np.where(side, period, -1), n_periods, panel.window)[0] for side in sides]
    both = np.where(np.min(followed, axis=0) > 1, np.sum(followed, axis=0), 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = both / both.sum(axis=0)
    share[:, (both.sum(axis=0) == 0) & (weights == 0)] = 0.0
    means, influence = [0.0, 0.0], [np.zeros(len(panel)), np.zeros(len(panel))]
    given = np.zeros(len(panel), dtype=np.int64)
    rule = panel.protocol.analysis.small_sample
    for each in range(n_periods):
        mine = weights * share[each]
        if not mine.any():
            continue
        days = followed_within(panel, outcome, mine)
        for place, side in enumerate(sides):
            here = side & (period == each)
            mean, values = side_influence(panel, outcome, here, mine)
            means[place] += mean
            # Each period's side has its own correction, as strata have.
            influence[place] += values * np.sqrt(side_factor(rule, int((here & (days > 0)).sum())))
            given[here] = days[here]
    found = list(zip(means, influence, strict=True))
    return ledger_entry(panel, sides, found, given, 2 * int((weights != 0).sum()) * n_periods, corrected=True)
