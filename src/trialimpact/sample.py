"""Records -> `TrialSample`: who is analysed, from which index day, and the flow that is the filters."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.allocation import ReceivedArms
from trialimpact.errors import DesignError, worded
from trialimpact.facts import facts_of
from trialimpact.filters import apply_filters
from trialimpact.flow import ParticipantFlow
from trialimpact.intervals import Integers
from trialimpact.loaders import TrialRecords
from trialimpact.protocol import TrialProtocol


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrialSample:
    """The people who are analysed, by intention to treat.

    Attributes
    ----------
    claimant : array, shape (n,)
        Row numbers in the records, ascending.
    index_day : array, shape (n,)
        Day 0 of each claimant, in days since 1970-01-01.
    assigned_arm, received_arm : array, shape (n,)
        Places in `protocol.arms`; `UNKNOWN` for an arm that no marker tells.
    birth_day : array, shape (n,)
        Days since 1970-01-01, `NO_DAY` where blank.
    people : DataFrame, n rows
        Characteristics, with `digit` and `office`.
    flow : ParticipantFlow
    received : ReceivedArms
    """

    protocol: TrialProtocol
    claimant: Integers
    index_day: Integers
    assigned_arm: Integers
    received_arm: Integers
    birth_day: Integers
    people: pd.DataFrame
    flow: ParticipantFlow
    received: ReceivedArms

    def characteristic(self, column: str, wanted_by: str) -> pd.Series[Any]:
        """A column of `people`; a `DesignError` that says who wanted it where there is none."""
        if column not in self.people:
            raise DesignError(
                worded(
                    f"{wanted_by} names the column {column!r}, which the claimants do not have.",
                    remedy="name a column of [sources.claimants], or office, or digit",
                )
            )
        return self.people[column]

    def __len__(self) -> int:
        return int(self.claimant.size)

    def __repr__(self) -> str:
        sizes = np.bincount(self.assigned_arm, minlength=len(self.protocol.arms))
        by_arm = ", ".join(f"{arm} {n:,}" for arm, n in zip(self.protocol.arms, sizes, strict=True))
        return f"TrialSample({len(self):,} claimants; {by_arm})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.flow._repr_html_()}"


def build_sample(records: TrialRecords) -> TrialSample:
    """Apply the protocol's filters and set index days; count the flow on the way.

    Where the index day is that of a marker's claim: individuals with a marker, in the recruitment
    window, not only in error, in scope, not exempt, matched to a claim, with an arm. Where it is
    given: individuals, at an office of the trial, the same statuses for those who have markers,
    with an index date in the window, with an arm. Rows that loading set aside open the flow.

    Raises
    ------
    DesignError
        An arm of a contrast is empty.

    Examples
    --------
    >>> from trialimpact import load_records
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=200, seed=1)
    >>> build_sample(load_records(trial.protocol, trial.tables)).flow
    ParticipantFlow(...)
    """
    protocol, people = records.protocol, records.claimants
    opening = "claimants" if records.markers is None else "markers"
    broken = (records.quarantined["table"] + ": " + records.quarantined["rule"]).value_counts(sort=False)
    n_records = next(each.n_rows for each in records.inputs if each.table == opening)
    dated = facts_of(records)
    found = apply_filters(protocol, dated.facts, n_records, {str(rule): int(n) for rule, n in broken.items()})
    claimant, facts = np.flatnonzero(found.analysed), dated.facts.people
    digit = people["digit"].astype("Int64").mask(people["digit"] < 0)
    described = records.characteristics.assign(digit=digit, office=facts["office"])
    return TrialSample(
        protocol=protocol,
        claimant=claimant,
        index_day=dated.index_day[claimant],
        assigned_arm=facts["assigned"].to_numpy()[claimant],
        received_arm=facts["received"].to_numpy()[claimant],
        birth_day=people["birth_day"].to_numpy()[claimant],
        people=described.iloc[claimant].reset_index(drop=True),
        flow=found.flow,
        received=found.received,
    )
