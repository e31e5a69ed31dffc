"""How long until the first exit, a sustained exit, a return: survival curves and tests (M13)."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import two_sided_p, wald_limits
from trialimpact.estimators.contrast import chosen, labels
from trialimpact.estimators.cox import log_hazard_ratio
from trialimpact.estimators.ledger import Ledger, days_ledger, sides_of
from trialimpact.estimators.rows import as_table
from trialimpact.estimators.target import day_weights
from trialimpact.intervals import Booleans, Integers, Intervals
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import SIDES, Contrast, TrialProtocol

EVENTS = ("first_exit", "sustained_exit", "re_entry")

DURATIONS_COLUMNS = [
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "event", "measure", "side", "day"),
    *("horizon_days", "n_at_risk", "n_events", "estimate", "std_error", "conf_low", "conf_high", "p_value", "method"),
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Waits:
    """How long each claimant waited for an event, from an origin of their own.

    Attributes
    ----------
    at_risk : bool array, shape (n,)
        Who could have the event; the other entries mean nothing.
    days : array, shape (n,)
        Day of the event, counted from the origin; without one, `followed`.
    happened : bool array, shape (n,)
    followed : array, shape (n,)
        It is known whether the event has happened by each of the days 0 to followed - 1, whatever
        the answer: nobody is censored because of what they did.
    """

    at_risk: Booleans
    days: Integers
    happened: Booleans
    followed: Integers


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Durations:
    """Survival curves of both sides until one event, tests, and restricted means.

    Attributes
    ----------
    event : str
        "first_exit", "sustained_exit" or "re_entry".
    curves : mapping of side to DataFrame
        Columns day, n_at_risk, n_events, estimate (of survival), conf_low, conf_high (Kaplan-Meier).
    log_rank : (statistic, p_value)
        NaN with clusters, for which it does not hold; so are the limits of the curves.
    hazard_ratio : (log ratio, standard error, p_value)
        Treatment against control, Cox with Efron's ties.
    restricted : mapping of horizon to Ledger
        Mean days without the event within the horizon, by our own estimator (M3); horizons that
        nobody of a side is followed for are not in it.
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    event: str
    curves: dict[str, pd.DataFrame]
    log_rank: tuple[float, float]
    hazard_ratio: tuple[float, float, float]
    restricted: dict[int, Ledger]

    def to_frame(self) -> pd.DataFrame:
        """`DURATIONS_COLUMNS`: restricted means, log-rank, log hazard ratio, then the curves."""
        common: dict[str, Any] = {**labels(self.outcome, self.contrast), "event": self.event}
        rows = [common | row for row in self._summary()]
        for side, curve in self.curves.items():
            measured = common | {"measure": "survival", "side": side, "method": "kaplan_meier"}
            rows += [measured | {str(name): x for name, x in row.items()} for row in curve.to_dict("records")]
        return as_table(rows, DURATIONS_COLUMNS)

    def _summary(self) -> Iterator[dict[str, Any]]:
        n_at_risk = int(sum(curve["n_at_risk"].iloc[0] for curve in self.curves.values()))
        n_events = int(sum(curve["n_events"].sum() for curve in self.curves.values()))
        both = {"n_at_risk": n_at_risk, "n_events": n_events}
        for horizon, entry in self.restricted.items():
            low, high = wald_limits(self.protocol, entry.estimate, entry.std_error)
            numbers = {
                "estimate": entry.estimate[0],
                "std_error": entry.std_error[0],
                "conf_low": low[0],
                "conf_high": high[0],
            }
            p = float(two_sided_p(entry.estimate, entry.std_error)[0])
            row = {
                "measure": "restricted_mean_difference",
                "horizon_days": horizon,
                "p_value": p,
                "method": "available_case",
            }
            yield both | row | numbers
        yield both | {
            "measure": "log_rank",
            "estimate": self.log_rank[0],
            "p_value": self.log_rank[1],
            "method": "log_rank",
        }
        ratio, error, p = self.hazard_ratio
        low, high = wald_limits(self.protocol, np.array([ratio]), np.array([error]))
        yield both | {
            "measure": "log_hazard_ratio",
            "estimate": ratio,
            "std_error": error,
            "conf_low": float(low[0]),
            "conf_high": float(high[0]),
            "p_value": p,
            "method": "cox_efron",
        }

    def __repr__(self) -> str:
        at_risk = " and ".join(f"{int(curve['n_at_risk'].iloc[0]):,}" for curve in self.curves.values())
        ratio, days = (
            np.exp(self.hazard_ratio[0]),
            "".join(
                f"; restricted mean over {horizon} days {float(entry.estimate[0]):+.2f}"
                for horizon, entry in list(self.restricted.items())[-1:]
            ),
        )
        return (
            f"Durations({self.outcome}, {self.contrast.name}: {self.event}; {at_risk} at risk; log-rank p "
            f"{self.log_rank[1]:.3f}; hazard ratio {ratio:.3f}{days})"
        )

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        return f"<p>{self!r}</p>{frame[frame['measure'] != 'survival'].dropna(axis=1, how='all').to_html(index=False)}"


@of_its_kind
def estimate_durations(
    panel: Panel,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    event: str = "first_exit",
) -> Durations:
    """Time to an event of those with the outcome on day 0: survival curves, log-rank, Cox, restricted means.

    first_exit: first day without the outcome. sustained_exit: first day without it that is followed
    by `durations.sustained_days` without it; that is known only so many days before follow-up ends,
    and everybody is censored there. re_entry: first day with it again, counted from the first
    exit; those who exit are not random, so arms may differ in it for that reason alone.

    Parameters
    ----------
    panel, outcome, contrast
        As `estimate_cumulative`.
    event : {"first_exit", "sustained_exit", "re_entry"}

    Returns
    -------
    Durations

    Raises
    ------
    DesignError
        Nobody of a side is at risk, no such event, or lifelines is not installed.

    Notes
    -----
    Kaplan-Meier, log-rank and Cox by lifelines. Restricted means and their errors are ours (M3 on
    the process that stops at the event), since lifelines' is not the estimator's variance.
    Source: methods page, M13. Cost: O(spells), and lifelines'.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_durations(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    Durations(on_benefit, iap: first_exit; ...)
    """
    name, contrast = chosen(panel.protocol, outcome, contrast)
    if event not in EVENTS:
        raise DesignError(worded(f"no event {event!r}.", remedy=f"use one of {', '.join(EVENTS)}"))
    waits = waits_for(panel, name, event)
    sides = sides_of(panel, contrast, waits.at_risk)
    if not all((waits.happened[side] | (waits.followed[side] > 1)).sum() > 1 for side in sides):
        raise DesignError(
            worded(
                f"{name}: hardly anybody of a side has it on day 0, to leave or return.",
                remedy="choose another outcome or event",
            )
        )
    if not any(waits.happened[side].any() for side in sides):
        raise DesignError(worded(f"{name}: nobody had a {event.replace('_', ' ')}.", remedy="choose another event"))
    process = OutcomePanel(
        spells=Intervals(
            np.flatnonzero(waits.at_risk), np.zeros(int(waits.at_risk.sum()), dtype=np.int64), waits.days[waits.at_risk]
        ),
        followed_from=np.zeros(len(panel), dtype=np.int64),
        followed_to=np.where(waits.at_risk, waits.followed, 0),
    )
    frame = _survival_frame(panel, waits, sides[0])
    on_side = sides[0][frame.index], sides[1][frame.index]
    either = frame[on_side[0] | on_side[1]]
    weights = {horizon: day_weights(panel.protocol, 0, horizon) for horizon in panel.protocol.analysis.horizon_days}
    restricted = {days: days_ledger(panel, process, contrast, each, waits.at_risk) for days, each in weights.items()}
    clustered = panel.protocol.analysis.clusters is not None
    return Durations(
        protocol=panel.protocol,
        outcome=name,
        contrast=contrast,
        event=event,
        curves={side: _kaplan_meier(frame[mask], panel.protocol) for side, mask in zip(SIDES, on_side, strict=True)},
        log_rank=(np.nan, np.nan) if clustered else _log_rank(frame[on_side[0]], frame[on_side[1]]),
        hazard_ratio=log_hazard_ratio(either, either["cluster"].to_numpy() if clustered else None),
        restricted={days: entry for days, entry in restricted.items() if np.isfinite(entry.estimate[0])},
    )


def _survival_frame(panel: Panel, waits: Waits, treated: Booleans) -> pd.DataFrame:
    """What lifelines takes: whoever had no event by day f - 1 is censored there, being at risk no later."""
    days = np.where(waits.happened, waits.days, waits.followed - 1)
    columns = {"days": days, "happened": waits.happened, "treatment": treated.astype(int), "cluster": panel.cluster}
    return pd.DataFrame(columns)[waits.at_risk & (days > 0)]


def waits_for(panel: Panel, outcome: str, event: str) -> Waits:
    """How long each claimant with the outcome on day 0 waited for an event, within the window."""
    part, end = panel.outcome(outcome), panel.window[1]
    spells = part.spells.where(part.spells.end > 0)
    order = np.lexsort((spells.start, spells.owner))
    owner, start, stop = spells.owner[order], spells.start[order], spells.end[order]
    followed = np.where(part.followed_from <= 0, np.clip(part.followed_to, 0, end), 0)
    at_risk = np.zeros(len(panel), dtype=bool)
    at_risk[owner[start <= 0]] = True
    at_risk &= followed > 0
    # The gap after each spell runs to the same claimant's next spell, or to the end of follow-up.
    is_last = np.r_[owner[1:] != owner[:-1], np.ones(min(1, owner.size), dtype=bool)]
    gap_end = np.where(is_last, followed[owner], np.r_[start[1:], np.zeros(min(1, start.size), dtype=np.int64)])
    first = np.r_[np.ones(min(1, owner.size), dtype=bool), owner[1:] != owner[:-1]]
    exits = np.full(len(panel), end)
    exits[owner[first]] = stop[first]
    exits = np.minimum(exits, followed)
    left = at_risk & (exits < followed)
    if event == "first_exit":
        return Waits(at_risk=at_risk, days=exits, happened=left, followed=followed)
    if event == "re_entry":
        back, known = np.zeros(len(panel), dtype=np.int64), np.where(left, followed - exits, 0)
        back[owner[first]] = gap_end[first]
        returned = left & (back < followed)
        return Waits(at_risk=left, days=np.where(returned, back - exits, known), happened=returned, followed=known)
    return _sustained(panel, at_risk, followed, (owner, stop, gap_end))


def _sustained(panel: Panel, at_risk: Booleans, followed: Integers, gaps: tuple[Integers, Integers, Integers]) -> Waits:
    """The first gap of `sustained_days`.

    Whether a day begins such a gap is known only if the days of the gap are followed too; so
    everybody's days, not only those of people who left, end that much sooner.
    """
    owner, start, end = gaps
    needed = panel.protocol.durations.sustained_days
    known = np.maximum(followed - needed + 1, 0)
    long = end - start >= needed
    days, happened = known.copy(), np.zeros(len(panel), dtype=bool)
    # Written backwards, so that the first long gap of each claimant stays.
    days[owner[long][::-1]] = start[long][::-1]
    happened[owner[long]] = True
    at_risk = at_risk & (known > 0)
    happened &= at_risk
    return Waits(at_risk=at_risk, days=np.where(happened, days, known), happened=happened, followed=known)


def _lifelines(module: str) -> Any:
    try:
        return importlib.import_module(f"lifelines{module}")
    except ImportError:
        raise DesignError(
            worded("lifelines is not installed.", remedy="pip install lifelines (it needs pandas below 3)")
        ) from None


def _kaplan_meier(frame: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    fitter = _lifelines("").KaplanMeierFitter(alpha=1 - protocol.analysis.conf_level)
    fitter.fit(frame["days"], frame["happened"])
    table, limits = fitter.event_table, fitter.confidence_interval_
    if protocol.analysis.clusters is not None:
        limits = limits * np.nan
    return pd.DataFrame(
        {
            "day": table.index.astype(int),
            "n_at_risk": table["at_risk"].to_numpy(),
            "n_events": table["observed"].to_numpy(),
            "estimate": fitter.survival_function_.iloc[:, 0].to_numpy(),
            "conf_low": limits.iloc[:, 0].to_numpy(),
            "conf_high": limits.iloc[:, 1].to_numpy(),
        }
    )


def _log_rank(one: pd.DataFrame, other: pd.DataFrame) -> tuple[float, float]:
    found = _lifelines(".statistics").logrank_test(one["days"], other["days"], one["happened"], other["happened"])
    return float(found.test_statistic), float(found.p_value)
