"""The same trial at several dates: what earlier extracts said, and whether estimates moved by more than chance."""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, TrialWarning, worded
from trialimpact.estimators.confidence import two_sided_p, wald_limits
from trialimpact.estimators.contrast import Floats
from trialimpact.estimators.ledger import Ledger, headline_ledger
from trialimpact.estimators.target import day_weights
from trialimpact.intervals import Integers
from trialimpact.loaders import OnBrokenRule, TrialRecords, load_records
from trialimpact.loaders.files import TableLike
from trialimpact.panel import Panel, build_panel
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.sample import build_sample
from trialimpact.spells import merge_spells
from trialimpact.stages import as_protocol

INTERIM_COLUMNS = [
    "outcome", "contrast", "horizon_days", "as_of", "n_treatment", "n_control", "estimate", "std_error", "conf_low",
    "conf_high", "p_value", "moved", "moved_std_error", "moved_p_value",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class InterimAnalyses:
    """Cumulative effects at each date, and how far they moved since the date before. Raw: not for release.

    Attributes
    ----------
    rows : DataFrame
        `INTERIM_COLUMNS`: an outcome, contrast, horizon and date; NaN where nobody of a side was followed
        so far yet.
    """

    protocol: TrialProtocol
    dates: tuple[dt.date, ...]
    rows: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The rows."""
        return self.rows.copy()

    def sentences(self) -> Iterator[str]:
        """Each estimate at the last date, and how it moved."""
        for (name, contrast, horizon), rows in self.rows.groupby(["outcome", "contrast", "horizon_days"], sort=False):
            known = rows.dropna(subset=["estimate"])
            words = self.protocol.outcome(str(name)).words
            about = f"days {words} over {horizon} days ({contrast})"
            if known.empty:
                yield f"{about}: nobody was followed for so long at any of the dates."
                continue
            path = ", ".join(f"{row['as_of']}: {row['estimate']:+.1f}" for row in known.to_dict("records"))
            p = known["moved_p_value"].dropna()
            chance = f"; smallest p of a move {p.min():.3f}" if len(p) else ""
            yield f"{about}: {path}{chance}."

    def __repr__(self) -> str:
        return f"InterimAnalyses({self.protocol.name}; {', '.join(map(str, self.dates))})"

    def _repr_html_(self) -> str:
        return self.rows.round(3).to_html(index=False)


def interim_analyses(
    protocol: TrialProtocol | Mapping[str, Any] | str | Path,
    tables: Mapping[str, TableLike] | None = None,
    *,
    as_of: Sequence[dt.date],
    folder: str | Path | None = None,
    on_broken_rule: OnBrokenRule = "error",
) -> InterimAnalyses:
    """The analysis as it would have been with extracts of earlier dates, beside the last.

    Records are read once; for each date spells are cut there and nobody is recruited later. So all are made from
    what is known now: an extract that was really taken then also lacked what was recorded late.

    Parameters
    ----------
    protocol, tables, folder, on_broken_rule
        As `analyse_trial`.
    as_of : sequence of date
        Extract dates (the first day not covered), after `covered_from` and the start of recruitment.

    Returns
    -------
    InterimAnalyses
        Also with the protocol's own extract dates, as the last date.

    Raises
    ------
    ProtocolError, RecordError
    DesignError
        A date is too early (somebody must have joined each arm) or after the last extract; estimates are by
        cluster.

    Notes
    -----
    A move has the standard error of the difference between the influence values of the same claimants at both dates:
    the two estimates share most of their data, so their intervals say nothing of it. Where `analysis.headline` is
    stratified, so are these. Source: methods page, M3. Cost: one analysis a date.

    Examples
    --------
    >>> import datetime as dt
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=600, seed=1)
    >>> interim_analyses(trial.protocol, trial.tables, as_of=[dt.date(2015, 11, 1)])
    InterimAnalyses(Example digit trial; 2015-11-01, 2016-01-31)
    """
    protocol, folder = as_protocol(protocol, folder)
    if protocol.analysis.clusters is not None:
        raise DesignError(worded("interim analyses are not made by cluster.", remedy="leave analysis.clusters out"))
    records = load_records(protocol, tables, folder=folder, on_broken_rule=on_broken_rule)
    dates = _dates(protocol, as_of)
    looks = [_Look.at(records, date) for date in dates]
    rows: list[dict[str, Any]] = []
    for outcome in protocol.outcomes:
        for contrast in protocol.contrasts:
            for horizon in protocol.analysis.horizon_days:
                rows += _path(looks, outcome.name, contrast, horizon)
    return InterimAnalyses(protocol=protocol, dates=dates, rows=pd.DataFrame(rows, columns=INTERIM_COLUMNS))


def _dates(protocol: TrialProtocol, as_of: Sequence[dt.date]) -> tuple[dt.date, ...]:
    """The dates in order, and the protocol's own last."""
    last = max(source.extract_date for source in protocol.sources.spells.values())
    asked = [as_of] if isinstance(as_of, dt.date | str) else list(as_of)
    if any(type(date) is not dt.date for date in asked):
        raise DesignError(worded("as_of holds something that is no date.", remedy="give dates: dt.date(2019, 9, 1)"))
    if late := [date for date in asked if date > last]:
        says = f"{late[0]} is after the last extract ({last})."
        raise DesignError(worded(says, remedy="give dates up to it; its own is always there"))
    return (*sorted({date for date in asked if date < last}), last)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """The panel of one date, and the row of each of its claimants in the records."""

    date: dt.date
    panel: Panel
    claimant: Integers
    n_people: int

    @classmethod
    def at(cls, records: TrialRecords, date: dt.date) -> _Look:
        """Cut the records at a date."""
        earlier = replace(records, protocol=protocol_as_of(records.protocol, date))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", TrialWarning)
            sample = build_sample(earlier)
            panel = build_panel(sample, merge_spells(earlier))
        return cls(date, panel, sample.claimant, records.n_claimants)

    def estimate(self, outcome: str, contrast: Contrast, horizon: int) -> tuple[Ledger, Floats]:
        """The estimate, and the influence of every person of the records on it."""
        panel, weights = self.panel, day_weights(self.panel.protocol, 0, horizon)
        ledger = headline_ledger(panel, panel.outcomes[outcome], contrast, weights)
        of_people = np.zeros(self.n_people)
        of_people[self.claimant] = ledger.influence[:, 0]
        return ledger, of_people


def protocol_as_of(protocol: TrialProtocol, date: dt.date) -> TrialProtocol:
    """The protocol with extracts of an earlier date, and recruitment until the day before it.

    Raises
    ------
    DesignError
        Nothing was covered, or nobody recruited, by then.
    """
    spells = protocol.sources.spells
    begun = max((source.covered_from for source in spells.values()), default=date)
    first = protocol.recruitment.first_date
    if date <= begun or (first is not None and date <= first):
        says = f"by {date} nothing was covered, or nobody recruited."
        raise DesignError(worded(says, remedy="give dates after the start of recruitment and coverage"))
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    for name, source in spells.items():
        data["sources"][name]["extract_date"] = min(source.extract_date, date)
    last = protocol.recruitment.last_date
    before = date - dt.timedelta(days=1)
    data["recruitment"] = {**data.get("recruitment", {}), "last_date": before if last is None else min(last, before)}
    return TrialProtocol.from_dict(data)


def _path(looks: list[_Look], outcome: str, contrast: Contrast, horizon: int) -> Iterator[dict[str, Any]]:
    """One estimate from date to date."""
    before: tuple[float, Floats] | None = None
    for look in looks:
        ledger, influence = look.estimate(outcome, contrast, horizon)
        estimate, error = ledger.estimate, np.sqrt(np.array([influence @ influence]))
        low, high = wald_limits(look.panel.protocol, estimate, error)
        moved = moved_error = np.array([np.nan])
        if before is not None:
            moved = estimate - before[0]
            moved_error = np.array([np.sqrt(((influence - before[1]) ** 2).sum())])
        yield {
            "outcome": outcome, "contrast": contrast.name, "horizon_days": horizon, "as_of": look.date,
            "n_treatment": int(ledger.n_treatment[0]), "n_control": int(ledger.n_control[0]),
            "estimate": estimate[0], "std_error": error[0], "conf_low": low[0], "conf_high": high[0],
            "p_value": two_sided_p(estimate, error)[0], "moved": moved[0], "moved_std_error": moved_error[0],
            "moved_p_value": two_sided_p(moved, moved_error)[0],
        }  # fmt: skip
        if np.isfinite(estimate[0]):
            before = float(estimate[0]), influence
