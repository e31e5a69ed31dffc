"""The rules about rows of people and of their markers."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans
from trialimpact.loaders.dates import day_of
from trialimpact.loaders.identifiers import NOBODY
from trialimpact.loaders.rule import CORRECT, Rules, blank_day
from trialimpact.loaders.schema import Table, declared_labels, grouping_columns
from trialimpact.loaders.spelling import in_another_form, written_otherwise
from trialimpact.protocol.consistency import RESERVED_LABELS
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import Status

rule = RULES_OF_PEOPLE = Rules()


@rule("error", "claimants", "claimant_id", "a claimant has one row", "keep one row a person")
def claimant_is_unique(table: Table, protocol: TrialProtocol) -> Booleans:
    known = table.claimant != NOBODY
    repeated = pd.Series(table.claimant).duplicated(keep=False).to_numpy(dtype=bool)
    return np.asarray(repeated & known)


@rule("error", "claimants", "digit", "the allocating digit is one of 0-9", "give the last numeric digit of the NINO")
def digit_is_a_digit(table: Table, protocol: TrialProtocol) -> Booleans:
    digits = table.label("digit")
    return np.asarray(digits.notna() & ~digits.isin([str(digit) for digit in range(10)]))


@rule(
    "error",
    "claimants",
    "grouping",
    "a number that is a group's name is written in one way",
    "write it alike in every row: 12 and 12.0, 1 and 01 are two groups",
)
def number_is_written_in_one_way(table: Table, protocol: TrialProtocol) -> Booleans:
    wrong = np.zeros(table.n_rows, dtype=bool)
    for name in grouping_columns(protocol):
        wrong |= in_another_form(table.others[name] if name in table.others else table.label(name))
    return wrong


@rule(
    "error",
    "claimants",
    "assigned_arm",
    "the assigned arm is one of the protocol's",
    "correct the label, or add the arm to allocation.arms",
)
def assigned_arm_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    arms = table.label("assigned_arm")
    return np.asarray(arms.notna() & ~arms.isin(protocol.arms) & protocol.arms_are_declared)


@rule("note", "claimants", "assigned_arm", "the assigned arm is in a contrast", "none needed: not analysed")
def assigned_arm_is_analysed(table: Table, protocol: TrialProtocol) -> Booleans:
    arms = table.label("assigned_arm")
    return np.asarray(arms.notna() & ~arms.isin(protocol.arms))


@rule(
    "warning",
    "claimants",
    "birth_date",
    "nobody is born after the recruitment began",
    "ask the supplier what this date is: ages count from it",
)
def birth_is_before_the_trial(table: Table, protocol: TrialProtocol) -> Booleans:
    began = protocol.recruitment.first_date
    if began is None or "birth_date" not in table.days:
        return np.zeros(table.n_rows, dtype=bool)
    return np.asarray(table.days["birth_date"] >= day_of(began))


@rule(
    "error",
    "markers",
    "marker",
    "a marker is one of the protocol's arms",
    "correct the label, or add the arm to the allocation",
)
def marker_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(~table.label("marker").isin(protocol.arms))


@rule("error", "markers", "marker_date", "a marker has a date", CORRECT)
def marker_date_is_given(table: Table, protocol: TrialProtocol) -> Booleans:
    return blank_day(table, "marker_date")


@rule("error", "markers", "status", f"a status is one of {', '.join(get_args(Status))}, or blank for valid", CORRECT)
def status_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    status = table.label("status")
    return np.asarray(status.notna() & ~status.isin(get_args(Status)))


@rule(
    "warning",
    "markers",
    "marker",
    "the valid markers of a person name one arm (one row a person is counted)",
    "none needed: the first by date tells the received arm",
)
def valid_markers_name_one_arm(table: Table, protocol: TrialProtocol) -> Booleans:
    status = table.label("status")
    valid = np.flatnonzero((status.isna() | status.eq("valid")) & (table.claimant != NOBODY))
    who, arm = table.claimant[valid], table.label("marker").cat.codes.to_numpy(dtype=np.int64)[valid]
    n_people = int(who.max(initial=NOBODY)) + 1
    first, lowest, highest = (np.full(n_people, each, dtype=np.int64) for each in (-1, table.n_rows, -1))
    first[who[::-1]] = valid[::-1]
    np.minimum.at(lowest, who[arm >= 0], arm[arm >= 0])
    np.maximum.at(highest, who[arm >= 0], arm[arm >= 0])
    named = np.zeros(table.n_rows, dtype=bool)
    named[first[lowest < highest]] = True
    return named


@rule(
    "error",
    "claimants markers",
    "office reason",
    f"an office or reason is not one of the words {', '.join(sorted(RESERVED_LABELS))}",
    "give it another name: tables use these words for everyone and for what is not known",
)
def label_is_not_reserved(table: Table, protocol: TrialProtocol) -> Booleans:
    masks = [table.label(name).isin(RESERVED_LABELS) for name in ("office", "reason")]
    return np.asarray(masks[0] | masks[1])


@rule(
    "error",
    "claimants markers",
    "declared",
    "an office or a value is written as the protocol writes it",
    "write it as the protocol does: capitals, spaces, accents, quotes, dashes, what is not seen and lost letters count",
)
def label_is_written_as_declared(table: Table, protocol: TrialProtocol) -> Booleans:
    wrong = np.zeros(table.n_rows, dtype=bool)
    for name, words in declared_labels(table, protocol).items():
        wrong |= written_otherwise(table.others[name] if name in table.others else table.label(name), words)
    return wrong


@rule(
    "warning",
    "markers",
    "claimant_id",
    "people with a marker have a row in claimants",
    "none needed: their characteristics are missing",
)
def marker_is_of_a_described_person(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(~table.described & (table.claimant != NOBODY))


@rule(
    "error",
    "claimants markers",
    "identified",
    "labels hold no identifier",
    "remove identifiers from offices, reasons, arms and characteristics, here and in the protocol: they are shown",
)
def label_holds_no_identifier(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(np.logical_or.reduce([np.zeros(table.n_rows, dtype=bool), *table.holds_identifier.values()]))
