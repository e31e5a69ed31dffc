"""Benefit only, benefit and work, work only, neither, or other states: where people are on each day (M14)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import two_sided_p, wald_limits
from trialimpact.estimators.contrast import Floats, chosen, difference, labels
from trialimpact.estimators.effects import TIDY_COLUMNS
from trialimpact.estimators.ledger import Ledger, headline_ledger, joined, sides_of
from trialimpact.estimators.small_sample import cluster_factor, side_factor, whole_factor
from trialimpact.estimators.target import day_weights
from trialimpact.intervals import Booleans, Integers
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.protocol.methods import States as DeclaredStates


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class States:
    """Shares of both sides in each state, and their differences, which add up to zero.

    Attributes
    ----------
    days : array, shape (n_days,)
    n_treatment, n_control : array, shape (n_days,)
    share_treatment, share_control, estimate, std_error : array, shape (n_states, n_days)
        Rows as `protocol.states.names`; shares add up to 1, estimates to 0.
    cumulative : mapping of horizon to Ledger
        Differences in days in each state, one estimate a state.
    """

    protocol: TrialProtocol
    contrast: Contrast
    days: Integers
    n_treatment: Integers
    n_control: Integers
    share_treatment: Floats
    share_control: Floats
    estimate: Floats
    std_error: Floats
    cumulative: dict[int, Ledger]

    @property
    def names(self) -> tuple[str, ...]:
        """The states."""
        return declared_states(self.protocol).names

    @property
    def labels(self) -> tuple[str, ...]:
        """The states in print."""
        return declared_states(self.protocol).labels

    def to_frame(self) -> pd.DataFrame:
        """The tidy columns, `outcome` being the state: daily rows, then the protocol's horizons."""
        daily = [self._daily(place) for place in range(len(self.names))]
        return pd.concat([*daily, *map(self._to_horizon, self.cumulative)], ignore_index=True)[TIDY_COLUMNS]

    def _daily(self, place: int) -> pd.DataFrame:
        columns = {
            "day": pd.array(self.days, dtype="Int64"),
            "horizon_days": pd.array([pd.NA] * self.days.size, dtype="Int64"),
            "n_treatment": self.n_treatment,
            "n_control": self.n_control,
            "mean_treatment": self.share_treatment[place],
            "mean_control": self.share_control[place],
        }
        return self._finished(columns, self.estimate[place], self.std_error[place], self.names[place])

    def _to_horizon(self, horizon: int) -> pd.DataFrame:
        entry, n_states = self.cumulative[horizon], len(self.names)
        columns = {
            name: getattr(entry, name) for name in ("n_treatment", "n_control", "mean_treatment", "mean_control")
        }
        columns["day"] = pd.array([pd.NA] * n_states, dtype="Int64")
        columns["horizon_days"] = pd.array([horizon] * n_states, dtype="Int64")
        return self._finished(columns, entry.estimate, entry.std_error, list(self.names))

    def _finished(
        self, columns: dict[str, Any], estimate: Floats, std_error: Floats, state: str | list[str]
    ) -> pd.DataFrame:
        low, high = wald_limits(self.protocol, estimate, std_error)
        analysis = self.protocol.analysis
        columns |= {
            **labels("", self.contrast),
            "estimate": estimate,
            "std_error": std_error,
            "conf_low": low,
            "conf_high": high,
            "conf_level": analysis.conf_level,
            "p_value": two_sided_p(estimate, std_error),
            "interval": "wald",
            "small_sample": analysis.small_sample,
            "method": "difference",
            "outcome": state,
        }
        return pd.DataFrame(columns)

    def __repr__(self) -> str:
        longest = max(self.cumulative)
        found = zip(self.labels, self.cumulative[longest].estimate, strict=True)
        return f"States({self.contrast.name}; {longest} days: " + ", ".join(f"{n} {x:+.2f}" for n, x in found) + ")"

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        return frame[frame["horizon_days"].notna()].dropna(axis=1, how="all").to_html(index=False)


def declared_states(protocol: TrialProtocol) -> DeclaredStates:
    """The states of the protocol; a `DesignError` where it declares none."""
    if protocol.states is None:
        raise DesignError(worded("the protocol has no states.", remedy="declare [states]"))
    return protocol.states


@of_its_kind
def estimate_states(panel: Panel, contrast: str | Contrast | None = None) -> States:
    """Daily shares in each state by side, their differences, and differences in days.

    Each claimant followed in every source of `[states]` is in exactly one state on each day, so
    shares add up to one and differences to zero: what one state loses, others gain.

    Parameters
    ----------
    panel : Panel
        Built with `merge_states(records)`.
    contrast
        As `estimate_cumulative`.

    Returns
    -------
    States

    Raises
    ------
    DesignError
        The panel has no states.

    Notes
    -----
    Each state is an outcome of M2 and M3. Source: methods page, M14. Cost: O(spells).

    Examples
    --------
    >>> from trialimpact import build_panel, build_sample, load_records, merge_spells
    >>> from trialimpact.spells import merge_states
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> records = load_records(trial.protocol, trial.tables)
    >>> estimate_states(build_panel(build_sample(records), merge_spells(records), merge_states(records)))
    States(iap; 273 days: benefit and work ..., benefit only ..., work only ..., neither ...)
    """
    protocol = panel.protocol
    _, contrast = chosen(protocol, protocol.outcomes[0].name, contrast)
    if not panel.states:
        raise DesignError(
            worded("the panel has no states.", remedy="declare [states], and build_panel(..., merge_states(records))")
        )
    sides = sides_of(panel, contrast)
    group = np.where(sides[0], 0, np.where(sides[1], 1, -1))
    names = declared_states(protocol).names
    counts = [panel.states[name].counts_by(group, 2, panel.window) for name in names]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.array([on / followed for followed, on in counts])
    return States(
        protocol=protocol,
        contrast=contrast,
        days=np.arange(*panel.window),
        n_treatment=counts[0][0][0],
        n_control=counts[0][0][1],
        share_treatment=share[:, 0],
        share_control=share[:, 1],
        estimate=difference(share[:, 0], share[:, 1]),
        std_error=np.array([np.sqrt(_daily_variance(panel, panel.states[name], sides)) for name in names]),
        cumulative={horizon: _days_in_states(panel, contrast, horizon) for horizon in protocol.analysis.horizon_days},
    )


def _days_in_states(panel: Panel, contrast: Contrast, horizon: int) -> Ledger:
    weights = day_weights(panel.protocol, 0, horizon)
    return joined(
        [
            headline_ledger(panel, panel.states[name], contrast, weights)
            for name in declared_states(panel.protocol).names
        ]
    )


def _daily_variance(panel: Panel, outcome: OutcomePanel, sides: tuple[Booleans, Booleans]) -> Floats:
    """Variance of the difference on each day, as `daily_variance` of the moments."""
    rule, clustered = panel.protocol.analysis.small_sample, panel.protocol.analysis.clusters is not None
    unit = panel.cluster if clustered else np.zeros(len(panel), dtype=np.int64)
    n_units = len(panel.clusters) if clustered else 1
    counts = [outcome.counts_by(np.where(side, unit, -1), n_units, panel.window) for side in sides]
    n_rows = sum(followed.sum(axis=0) for followed, _ in counts)
    with np.errstate(invalid="ignore", divide="ignore"):
        totals = [(followed.sum(axis=0), on.sum(axis=0) / followed.sum(axis=0)) for followed, on in counts]
        if not clustered:
            variance = sum(p * (1 - p) / n * side_factor(rule, n) for n, p in totals)
            return np.asarray(variance * whole_factor(rule, n_rows, n_rows, np.full(n_rows.shape, 2)))
        alone = np.min([(followed > 0).sum(axis=0) for followed, _ in counts], axis=0) < 2
        influence = difference(*((on - p * f) / n for (f, on), (n, p) in zip(counts, totals, strict=True)))
        present = (counts[0][0] + counts[1][0] > 0).sum(axis=0)
        factor = cluster_factor(rule, present) * whole_factor(rule, present, n_rows, np.full(n_rows.shape, 2))
        return np.where(alone, np.nan, (influence**2).sum(axis=0) * factor)
