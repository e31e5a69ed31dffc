"""Digit -> assigned arm; marker -> received arm; who received another arm than assigned.

The assigned arm is what the design says, and the analysis is by assigned arm (intention to
treat). What an office did is the received arm; it changes nothing but the misallocation table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders import TrialRecords
from trialimpact.protocol import TrialProtocol

UNKNOWN = -1
"""The code of an arm that is not known (arms are coded by their place in `protocol.arms`)."""


def assign_arms(records: TrialRecords) -> Integers:
    """Each person's assigned arm, as its place in `protocol.arms`, shape (n_claimants,).

    From the allocating digit, or from the `assigned_arm` column; never from a marker. `UNKNOWN`
    where there is no digit, no label, or a label that the protocol does not analyse.
    """
    protocol = records.protocol
    if protocol.allocation.rule == "assigned":
        return arm_codes(protocol, records.claimants["assigned_arm"])
    arm_of_digit = np.full(11, UNKNOWN, dtype=np.int64)
    for arm, digits in protocol.allocation.digits.items():
        arm_of_digit[list(digits)] = protocol.arms.index(arm)
    return np.asarray(arm_of_digit[records.claimants["digit"].to_numpy()])


def arm_codes(protocol: TrialProtocol, labels: pd.Series[str]) -> Integers:
    """Arm labels -> codes; `UNKNOWN` for a blank, or a label that is no arm."""
    known = pd.Index(list(protocol.arms), dtype=object)
    return known.get_indexer(pd.Index(labels.astype(object))).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedArms:
    """Counts of people by assigned and received arm, at stages of the participant flow.

    Attributes
    ----------
    counts : mapping of stage to array, shape (n_arms, n_arms + 1)
        Rows: assigned arm. Columns: received arm, the last one for "unknown".
    """

    arms: tuple[str, ...]
    counts: dict[str, Integers]

    def to_frame(self) -> pd.DataFrame:
        """Columns stage, assigned_arm, received_arm, n, share_of_assigned; zeros shown."""
        rows = []
        for stage, table in self.counts.items():
            for assigned, by_received in zip(self.arms, table, strict=True):
                total = int(by_received.sum())
                for received, n in zip((*self.arms, "unknown"), by_received.tolist(), strict=True):
                    share = n / total if total else float("nan")
                    rows.append((stage, assigned, received, n, share))
        return pd.DataFrame(rows, columns=["stage", "assigned_arm", "received_arm", "n", "share_of_assigned"])

    def n_misallocated(self, stage: str) -> int:
        """People whose received arm is known and is not the assigned one."""
        known = self.counts[stage][:, :-1]
        return int(known.sum() - np.trace(known))

    def share_misallocated(self, stage: str) -> float:
        """Their share of those whose received arm is known; nothing where it is known of nobody."""
        known = int(self.counts[stage][:, :-1].sum())
        return self.n_misallocated(stage) / known if known else 0.0

    def __repr__(self) -> str:
        counts = ", ".join(f"{stage}: {self.n_misallocated(stage):,}" for stage in self.counts)
        return f"ReceivedArms(put in another arm than assigned: {counts})"

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def count_received(
    protocol: TrialProtocol, arms: tuple[Integers, Integers], stages: dict[str, Booleans], n: Integers
) -> ReceivedArms:
    """Cross assigned with received arm among the people at each stage; each row stands for `n` people."""
    assigned, received = arms
    n_arms = len(protocol.arms)
    counts = {}
    for stage, mask in stages.items():
        here = mask & (assigned != UNKNOWN)
        column = np.where(received == UNKNOWN, n_arms, received)
        cell = assigned[here] * (n_arms + 1) + column[here]
        people = np.bincount(cell, weights=n[here], minlength=n_arms * (n_arms + 1)).astype(np.int64)
        counts[stage] = people.reshape(n_arms, n_arms + 1)
    return ReceivedArms(arms=protocol.arms, counts=counts)
