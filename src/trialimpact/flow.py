"""`ParticipantFlow`: how many people are left after each filter, by arm, office and reason."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.errors import unknown_name
from trialimpact.intervals import Booleans, Integers

Kind = Literal["remaining", "removed", "with_marker", "set_aside"]
ALL = "all"
BREAKDOWN = ("assigned_arm", "received_arm", "office", "reason")
"""What counts are broken down by."""

_BREAKDOWNS = (("assigned_arm",), ("received_arm",), ("office",), ("office", "assigned_arm"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipantFlow:
    """The participant flow: counts that come from the filters themselves.

    Attributes
    ----------
    counts : DataFrame
        `stage`; `kind` ("remaining" after the stage, "removed" by it, "with_marker": had such a
        marker before it, "set_aside": rows of records that broke a rule); `assigned_arm` (as
        allocated), `received_arm` (as put), `office`, `reason` ("all" where not broken down); `n`.
        Zeros are shown.
    stages : mapping of stage to its label, in order
    """

    counts: pd.DataFrame
    stages: dict[str, str]

    def to_frame(self) -> pd.DataFrame:
        """The counts."""
        return self.counts.copy()

    def n(self, stage: str, kind: Kind = "remaining", **by: str) -> int:
        """One count: `flow.n("analysed", assigned_arm="IAP")`."""
        wanted = {
            "stage": stage,
            "kind": kind,
            "assigned_arm": ALL,
            "received_arm": ALL,
            "office": ALL,
            "reason": ALL,
        }
        wanted |= by
        found = self.counts
        if stage not in self.stages:
            raise unknown_name("stage", stage, self.stages, where="the flow")
        for column, value in wanted.items():
            found = found[found[column] == value]
        return int(found["n"].sum())

    def __repr__(self) -> str:
        return "ParticipantFlow(" + " -> ".join(f"{stage} {self.n(stage):,}" for stage in self.stages) + ")"

    def _repr_html_(self) -> str:
        rows = [(label, f"{self.n(stage):,}", f"{self.n(stage, 'removed'):,}") for stage, label in self.stages.items()]
        return pd.DataFrame(rows, columns=["Stage", "Remaining", "Removed"]).to_html(index=False)


@dataclass(slots=True, kw_only=True)
class FlowCounter:
    """Collects the counts of a flow while the filters are applied.

    `people` has a row for one person or for several who are alike (`n` says how many): assigned_arm,
    received_arm, office, each a categorical whose categories are all counted, so that zeros are shown.
    """

    people: pd.DataFrame
    n: Integers
    rows: list[dict[str, Any]] = field(default_factory=list)
    stages: dict[str, str] = field(default_factory=dict)

    def records(self, name: str, label: str, n: int) -> None:
        """The opening stage, which counts records and not people."""
        self.stages[name] = label
        self._row(name, "remaining", n)

    def set_aside(self, stage: str, rule: str, n: int) -> None:
        """Count rows that loading set aside, by table and rule."""
        self._row(stage, "set_aside", n, reason=rule)

    def stage(self, name: str, label: str, remaining: Booleans, removed: Booleans | None = None) -> None:
        """Add a stage: who remains after it, and who was removed by it."""
        self.stages[name] = label
        self.count(name, "remaining", remaining)
        if removed is not None:
            self.count(name, "removed", removed)

    def count(self, stage: str, kind: Kind, mask: Booleans) -> None:
        """Count people in all, by arm as allocated and as put, by office, by office and arm."""
        self._row(stage, kind, int(self.n[mask].sum()))
        here = self.people[mask]
        for columns in _BREAKDOWNS:
            self._cross(stage, kind, {column: here[column] for column in columns}, self.n[mask])

    def reasons(self, stage: str, kind: Kind, told: pd.DataFrame) -> None:
        """Count people by reason, and by reason and arm; one person may have several reasons.

        `told` has `row` (of `people`), `reason` and `n` (how many of the row have it).
        """
        by = {
            "reason": told["reason"].astype("category"),
            "assigned_arm": self.people["assigned_arm"].iloc[told["row"]],
        }
        n = told["n"].to_numpy(dtype=np.int64)
        self._cross(stage, kind, {"reason": by["reason"]}, n)
        self._cross(stage, kind, by, n)

    def finish(self) -> ParticipantFlow:
        """The flow counted so far."""
        columns = ["stage", "kind", "assigned_arm", "received_arm", "office", "reason", "n"]
        return ParticipantFlow(counts=pd.DataFrame(self.rows, columns=columns), stages=dict(self.stages))

    def _cross(self, stage: str, kind: Kind, by: dict[str, pd.Series[str]], n_each: Integers) -> None:
        """Count every combination of the categories, the empty ones too."""
        labels = [[str(label) for label in column.cat.categories] for column in by.values()]
        shape = tuple(len(each) for each in labels)
        codes = np.ravel_multi_index([column.cat.codes.to_numpy(np.int64) for column in by.values()], shape)
        counts = np.bincount(codes, weights=n_each, minlength=math.prod(shape)).astype(np.int64)
        for combination, n in zip(itertools.product(*labels), counts.tolist(), strict=True):
            self._row(stage, kind, n, **dict(zip(by, combination, strict=True)))

    def _row(self, stage: str, kind: Kind, n: int, **by: str) -> None:
        everything = {"assigned_arm": ALL, "received_arm": ALL, "office": ALL, "reason": ALL}
        self.rows.append({"stage": stage, "kind": kind, **everything, **by, "n": n})
