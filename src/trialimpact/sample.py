"""Records -> `TrialSample`: who is analysed, from which index day, and the flow that is the filters."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

import numpy as np

from trialimpact.allocation import ReceivedArms
from trialimpact.described import DescribedPeople
from trialimpact.errors import of_its_kind
from trialimpact.facts import facts_of
from trialimpact.filters import apply_filters
from trialimpact.flow import ParticipantFlow
from trialimpact.intervals import Integers
from trialimpact.loaders import TrialRecords
from trialimpact.protocol import TrialProtocol


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrialSample(DescribedPeople):
    """The people who are analysed, by intention to treat.

    Attributes
    ----------
    claimant, index_day, birth_day, people
        As `DescribedPeople`.
    assigned_arm, received_arm : array, shape (n,)
        Places in `protocol.arms`; `UNKNOWN` for an arm that no marker tells.
    flow : ParticipantFlow
    received : ReceivedArms
    load : str
        Of the records.
    """

    protocol: TrialProtocol
    assigned_arm: Integers
    received_arm: Integers
    flow: ParticipantFlow
    received: ReceivedArms
    load: str

    def __repr__(self) -> str:
        sizes = np.bincount(self.assigned_arm, minlength=len(self.protocol.arms))
        by_arm = ", ".join(f"{arm} {n:,}" for arm, n in zip(self.protocol.arms, sizes, strict=True))
        return f"TrialSample({len(self):,} claimants; {by_arm})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.flow._repr_html_()}"


@of_its_kind
def build_sample(records: TrialRecords) -> TrialSample:
    """Apply the protocol's filters and set index days; count the flow on the way.

    Where the index day is that of a marker's claim: individuals with a marker, in the recruitment
    window, not only in error, in scope, not exempt, matched to a claim, with an arm. Where it is
    given: individuals, at an office of the trial, the same statuses for those who have markers,
    with an index date in the window, with an arm. Those with a day 0 are asked the protocol's conditions of
    eligibility. Rows that loading set aside open the flow.

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
    protocol = records.protocol
    opening = "claimants" if records.markers is None else "markers"
    broken = (records.quarantined["table"] + ": " + records.quarantined["rule"]).value_counts(sort=False)
    n_records = next(each.n_rows for each in records.inputs if each.table == opening)
    dated = facts_of(records)
    found = apply_filters(protocol, dated.facts, n_records, {str(rule): int(n) for rule, n in broken.items()})
    claimant, facts, everyone = np.flatnonzero(found.analysed), dated.facts.people, dated.people
    return TrialSample(
        protocol=protocol,
        claimant=claimant,
        index_day=everyone.index_day[claimant],
        assigned_arm=facts["assigned"].to_numpy()[claimant],
        received_arm=facts["received"].to_numpy()[claimant],
        birth_day=everyone.birth_day[claimant],
        people=everyone.people.iloc[claimant].reset_index(drop=True),
        flow=found.flow,
        received=found.received,
        load=records.load,
    )
