"""`Effects`: a row a day or a horizon, and the tidy columns that every result shares."""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, require_kind, warn, worded
from trialimpact.estimators.confidence import two_sided_p, wald_limits
from trialimpact.estimators.contrast import Comparison, Floats, difference, labels
from trialimpact.intervals import Integers
from trialimpact.protocol import TrialProtocol

FEW_CLUSTERS = 30
"""Below this many clusters, results carry a warning."""

EMPTY_DAYS = "nobody is followed in an arm on some days; these, and every horizon past one of them, are NaN"
NO_MEMBERS = "nobody in an arm is in this subgroup, so there is nothing to estimate"
INDEX_DAY = "some claimants are not followed on their index day: is their index date outside the coverage of a source?"
ONE_PERSON = "one person is followed in an arm on some days; standard errors there say nothing"
FEW = "few clusters for clustered standard errors"
SAFER = 'cluster_variance = "jackknife" is safer'

TIDY_COLUMNS = [
    "outcome",
    "contrast",
    "treatment_arm",
    "control_arm",
    "subgroup",
    "day",
    "horizon_days",
    "n_treatment",
    "n_control",
    "mean_treatment",
    "mean_control",
    "estimate",
    "std_error",
    "conf_low",
    "conf_high",
    "conf_level",
    "p_value",
    "interval",
    "small_sample",
    "method",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """Something a reader must know about a result, and which result it is about."""

    says: str
    where: str

    def __str__(self) -> str:
        """The note as a warning."""
        return f"{self.where}: {self.says}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """One number with its interval."""

    estimate: float
    std_error: float
    conf_low: float
    conf_high: float
    p_value: float
    mean_treatment: float
    mean_control: float
    n_treatment: int
    n_control: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Effects:
    """Effects on an outcome by day (shares) or by horizon (days), of one contrast and subgroup.

    Attributes
    ----------
    kind : {"daily", "cumulative"}
        Daily: the difference in the share with the outcome on day `at`. Cumulative: the
        difference in days with the outcome over days 0..`at`-1.
    at : array, shape (n,)
        Days, or horizons in days.
    n_treatment, n_control : array, shape (n,)
        Claimants followed on the day, or with any follow-up in the horizon.
    mean_treatment, mean_control, estimate, std_error, conf_low, conf_high, p_value : array, shape (n,)
    interval : str
        "wald", "newcombe" or "accumulated".
    method : str
        "difference", "stratified" or "adjusted".
    small_sample : str
        The correction of the standard errors; "jackknife" where clusters are left out one by one.
    notes : tuple of Note
        Why some rows are NaN or not to be relied on, if any are.
    """

    kind: Literal["daily", "cumulative"]
    comparison: Comparison
    at: Integers
    n_treatment: Integers
    n_control: Integers
    mean_treatment: Floats
    mean_control: Floats
    estimate: Floats
    std_error: Floats
    conf_low: Floats
    conf_high: Floats
    p_value: Floats
    interval: str
    method: str
    small_sample: str
    notes: tuple[Note, ...] = ()

    @property
    def protocol(self) -> TrialProtocol:
        """The protocol of the trial."""
        return self.comparison.moments.protocol

    def require(self, kind: Literal["daily", "cumulative"]) -> None:
        """Raise a `DesignError` unless these are effects of this kind."""
        if self.kind != kind:
            raise DesignError(worded(f"these effects are {self.kind}, not {kind}.", remedy=f"use estimate_{kind}"))

    def effect(self, at: int) -> Effect:
        """The effect on one day, or to one horizon in days.

        Raises
        ------
        DesignError
            The day or horizon was not estimated.
        """
        require_kind(at, Integral, "at", "give one day, or one horizon in days")
        place = int(np.searchsorted(self.at, at))
        if place == self.at.size or self.at[place] != at:
            first, last = int(self.at[0]), int(self.at[-1])
            raise DesignError(
                worded(f"{self.kind} effects run from {first} to {last}, not {at!r}.", remedy="ask within these")
            )
        numbers: dict[str, Any] = {name: getattr(self, name)[place].item() for name in Effect.__dataclass_fields__}
        return Effect(**numbers)

    def between(self, first: int, last: int) -> Effects:
        """The rows from day (or horizon) `first` to `last`, both included."""
        kept = (self.at >= first) & (self.at <= last)
        rows = {name: getattr(self, name)[kept] for name in ("at", *Effect.__dataclass_fields__)}
        return replace(self, **rows)

    def to_frame(self) -> pd.DataFrame:
        """The tidy columns (`TIDY_COLUMNS`), a row a day or horizon."""
        which, analysis = self.comparison, self.protocol.analysis
        blank = pd.array([pd.NA] * self.at.size, dtype="Int64")
        at = pd.array(self.at, dtype="Int64")
        columns: dict[str, Any] = {
            **labels(which.outcome, which.contrast, which.subgroup),
            "day": at if self.kind == "daily" else blank,
            "horizon_days": at if self.kind == "cumulative" else blank,
            "conf_level": analysis.conf_level,
            "interval": self.interval,
            "small_sample": self.small_sample,
            "method": self.method,
        }
        numbers = {name: getattr(self, name) for name in TIDY_COLUMNS if name not in columns}
        return pd.DataFrame({**columns, **numbers}, index=range(self.at.size))[TIDY_COLUMNS]

    def __repr__(self) -> str:
        which = self.comparison
        last = self.effect(int(self.at[-1]))
        unit = "share" if self.kind == "daily" else "days"
        return (
            f"Effects({self.kind}: {which.outcome}, {which.contrast.name}, {which.subgroup}; "
            f"{self.at.size} rows, last at {int(self.at[-1])}: {last.estimate:.4g} {unit} "
            f"({last.conf_low:.4g} to {last.conf_high:.4g}))"
        )

    def _repr_html_(self) -> str:
        rows = self.to_frame()
        if self.kind == "cumulative":
            rows = rows[rows["horizon_days"].isin(self.protocol.analysis.horizon_days)]
        shown = rows[
            [
                "day",
                "horizon_days",
                "n_treatment",
                "n_control",
                "estimate",
                "std_error",
                "conf_low",
                "conf_high",
            ]
        ]
        return f"<p>{self!r}</p>{shown.dropna(axis=1, how='all').head(20).to_html(index=False)}"


def finish_effects(
    comparison: Comparison,
    kind: Literal["daily", "cumulative"],
    *,
    means: tuple[Floats, Floats],
    n: tuple[Integers, Integers],
    std_error: Floats,
    interval: str,
    limits: tuple[Floats, Floats] | None = None,
) -> Effects:
    """Difference, Wald limits unless others are given, p-values, and warnings about what is not known."""
    days = comparison.days if kind == "daily" else np.arange(std_error.size)
    estimate = difference(*means)
    low, high = wald_limits(comparison.moments.protocol, estimate, std_error) if limits is None else limits
    notes = _caveats(comparison, days)
    for note in notes:
        warn(str(note))
    return Effects(
        kind=kind,
        comparison=comparison,
        at=days if kind == "daily" else days + 1,
        n_treatment=n[0],
        n_control=n[1],
        mean_treatment=means[0],
        mean_control=means[1],
        estimate=estimate,
        std_error=std_error,
        conf_low=low,
        conf_high=high,
        p_value=two_sided_p(estimate, std_error),
        interval=interval,
        method=comparison.method,
        small_sample="jackknife" if comparison.jackknifed else comparison.moments.protocol.analysis.small_sample,
        notes=notes,
    )


def _caveats(comparison: Comparison, days: Integers) -> tuple[Note, ...]:
    """What a reader of these rows must know: days without anybody, one person or few clusters."""
    where = f"{comparison.outcome}, {comparison.contrast.name}, {comparison.subgroup}"
    columns = days - comparison.first_day
    sides = [side for part in comparison.parts for side in part.sides]
    smallest = np.min([side.followed.sum(axis=0)[columns] for side in sides], axis=0)
    notes = []
    n_claimants = [comparison.moments.n_claimants(comparison.subgroup, arms) for arms in comparison.contrast.sides]
    if min(n_claimants) == 0:
        return (Note(says=NO_MEMBERS, where=where),)
    missed = sum(n_claimants) - int(comparison.n_followed_together()[-comparison.first_day])
    if missed and comparison.subgroup == "all":
        notes.append(Note(says=INDEX_DAY, where=f"{where} ({missed:,} of {sum(n_claimants):,})"))
    if (smallest == 0).any():
        notes.append(Note(says=EMPTY_DAYS, where=f"{where} (from day {days[smallest == 0][0]})"))
    if (smallest == 1).any():
        notes.append(Note(says=ONE_PERSON, where=where))
    n_clusters = comparison.n_clusters
    if n_clusters is not None and n_clusters < FEW_CLUSTERS:
        is_safe = comparison.moments.protocol.analysis.cluster_variance == "jackknife"
        notes.append(Note(says=FEW if is_safe else f"{FEW}; {SAFER}", where=f"{where} ({n_clusters} clusters)"))
    return tuple(notes)
