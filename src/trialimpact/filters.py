"""Facts -> `ParticipantFlow`: the filters, in order; who is left at the end is analysed.

The facts may be of persons, or of all who are alike with their number: the filters are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.allocation import UNKNOWN, ReceivedArms, count_received
from trialimpact.errors import DesignError, worded
from trialimpact.facts import STATUSES, PeopleFacts, meets, status_order
from trialimpact.flow import FlowCounter, ParticipantFlow
from trialimpact.groups import IN, OUT
from trialimpact.intervals import Booleans
from trialimpact.protocol import TrialProtocol

_STAGES = {
    "error": ("not_error", "Not only entered in error"),
    "out_of_scope": ("in_scope", "In scope"),
    "exempt": ("not_exempt", "Not exempt"),
}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Filtered:
    """What the filters leave: the rows of the facts that are analysed, the flow, and who received what."""

    analysed: Booleans
    flow: ParticipantFlow
    received: ReceivedArms


def apply_filters(
    protocol: TrialProtocol, facts: PeopleFacts, n_records: int, set_aside: Mapping[str, int]
) -> Filtered:
    """Individuals, recruited, not only in error, in scope, not exempt, with a day 0, eligible, with an arm; counted.

    Parameters
    ----------
    n_records : int
        Rows of the table that opens the flow: markers, or claimants where there are none.
    set_aside : mapping of "table: rule" to rows
        What loading set aside.

    Raises
    ------
    DesignError
        An arm of a contrast is empty.
    """
    counter = FlowCounter(people=_for_counting(protocol, facts.people), n=facts.n)
    has_markers = protocol.sources.markers is not None
    counter.records("records", "Marker records" if has_markers else "Claimant records", n_records)
    for rule, n in set_aside.items():
        counter.set_aside("records", rule, n)
    remaining = _who_takes_part(counter, protocol, facts)
    stages = {"not_exempt": remaining} if has_markers else {}
    remaining = _with_day_0(counter, protocol, facts, remaining)
    remaining = _who_is_eligible(counter, protocol, facts, remaining)
    assigned, received = (facts.people[name].to_numpy(dtype=np.int64) for name in ("assigned", "received"))
    remaining = _narrow(counter, "arm_known", "In an arm that is analysed", remaining, assigned != UNKNOWN)
    counter.stage("analysed", "Analysed", remaining)
    flow = counter.finish()
    _require_claimants(protocol, flow)
    stages = {**stages, "analysed": remaining}
    return Filtered(
        analysed=remaining, flow=flow, received=count_received(protocol, (assigned, received), stages, facts.n)
    )


def _who_takes_part(counter: FlowCounter, protocol: TrialProtocol, facts: PeopleFacts) -> Booleans:
    """Individuals, less those who were not recruited, whose status excludes them, or of other offices."""
    people = facts.people
    if protocol.index.rule == "given":
        remaining = np.ones(len(people), dtype=bool)
        counter.stage("individuals", "Individuals", remaining)
        if protocol.recruitment.offices:
            there = people["office"].isin(protocol.recruitment.offices).to_numpy(dtype=bool)
            remaining = _narrow(counter, "at_trial_office", "At an office of the trial", remaining, there)
    else:
        has_marker = people["has_marker"].to_numpy(dtype=bool)
        counter.stage("individuals", "Individuals with a marker", has_marker, ~has_marker)
        considered = people["considered"].to_numpy(dtype=bool)
        label = "Recruited in the window, at an office of the trial"
        remaining = _narrow(counter, "in_window", label, has_marker, considered)
    if protocol.sources.markers is None:
        return remaining
    order = status_order(protocol)
    for each in STATUSES:
        stage, label = _STAGES[each]
        before = remaining
        remaining = _narrow(counter, stage, label, before, people["status"].to_numpy() != order.index(each))
        counter.count(stage, "with_marker", before & people[each].to_numpy(dtype=bool))
        told = facts.reasons[facts.reasons["status"] == each]
        told = told[before[told["row"].to_numpy(dtype=np.int64)]]
        counter.reasons(stage, "with_marker", told)
    return remaining


def _with_day_0(counter: FlowCounter, protocol: TrialProtocol, facts: PeopleFacts, remaining: Booleans) -> Booleans:
    """Whose claim was matched, or whose index date is known and in the window."""
    dated, truncated, in_window = (
        facts.people[name].to_numpy(dtype=bool) for name in ("dated", "truncated", "in_window")
    )
    if protocol.index.rule == "claim_of_marker":
        matched = _narrow(counter, "matched", "Matched to a claim", remaining, dated)
        unmatched = np.flatnonzero(remaining & ~matched)
        reason = np.where(truncated[unmatched], "left_truncated", "no_claim")
        told = pd.DataFrame({"row": unmatched, "reason": reason, "n": facts.n[unmatched]})
        counter.reasons("matched", "removed", told)
        return matched
    remaining = _narrow(counter, "index_date_known", "With an index date", remaining, dated)
    window = protocol.recruitment
    if window.first_date is None and window.last_date is None:
        return remaining
    return _narrow(counter, "in_window", "With an index date in the window", remaining, in_window)


def _who_is_eligible(
    counter: FlowCounter, protocol: TrialProtocol, facts: PeopleFacts, remaining: Booleans
) -> Booleans:
    """Who meets each condition of eligibility in turn; a condition that is not known is not met."""
    for rule in protocol.eligibility:
        stage, found = f"eligible_{rule.name}", facts.people[meets(rule)].to_numpy(dtype=np.int64)
        before, remaining = remaining, _narrow(counter, stage, f"Eligible: {rule.words}", remaining, found == IN)
        out = np.flatnonzero(before & ~remaining)
        reason = np.where(found[out] == OUT, "not_met", "not_known")
        counter.reasons(stage, "removed", pd.DataFrame({"row": out, "reason": reason, "n": facts.n[out]}))
    return remaining


def _for_counting(protocol: TrialProtocol, people: pd.DataFrame) -> pd.DataFrame:
    """Arms and office with every category that is counted, zeros too."""
    arms = pd.CategoricalDtype([*protocol.arms, "unknown"])
    unknown = len(protocol.arms)
    offices = [*protocol.recruitment.offices, *sorted({*people["office"]} - {*protocol.recruitment.offices})]
    arm_of = {
        name: pd.Categorical.from_codes(np.where(codes < 0, unknown, codes), dtype=arms)
        for name, codes in ((name, people[name].to_numpy(dtype=np.int64)) for name in ("assigned", "received"))
    }
    return pd.DataFrame(
        {
            "assigned_arm": arm_of["assigned"],
            "received_arm": arm_of["received"],
            "office": pd.Categorical(people["office"], categories=offices),
        }
    )


def _narrow(counter: FlowCounter, stage: str, label: str, before: Booleans, passes: Booleans) -> Booleans:
    counter.stage(stage, label, before & passes, before & ~passes)
    return before & passes


def _require_claimants(protocol: TrialProtocol, flow: ParticipantFlow) -> None:
    for contrast in protocol.contrasts:
        for side in contrast.sides:
            if not sum(flow.n("analysed", assigned_arm=arm) for arm in side):
                raise _nobody_left(protocol, contrast.name, side, flow)


def _nobody_left(protocol: TrialProtocol, contrast: str, side: tuple[str, ...], flow: ParticipantFlow) -> DesignError:
    """The error that shows where the people of one side were lost, or that there never were any."""
    mine = {stage: sum(flow.n(stage, assigned_arm=arm) for arm in side) for stage in flow.stages}
    named = " + ".join(side)
    says = f"contrast {contrast!r}: nobody is left in {named} after the filters."
    if flow.n("individuals") and not any(mine.values()):
        says = f"contrast {contrast!r}: nobody in the records was assigned to {named}."
        return DesignError(worded(says, repr(flow), remedy="correct the allocation or the contrast, or the records"))
    lost_at = next(stage for stage in flow.stages if stage != "records" and not mine[stage])
    what = f"the rows, codes and dates of {protocol.index.source}, and " if lost_at == "matched" else ""
    of_side = f"of {named}: " + " -> ".join(f"{stage} {n:,}" for stage, n in mine.items() if stage != "records")
    remedy = f"the last of them are lost at {lost_at}: look at {what}what the protocol says of that stage"
    return DesignError(worded(says, repr(flow), of_side, remedy=remedy))
