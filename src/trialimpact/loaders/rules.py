"""The rules that records must keep: each is one named function that returns the rows that break it.

An error stops the load, or sets the row aside under quarantine. A warning and a note are counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans
from trialimpact.loaders.dates import NO_DAY, date_of, day_of, month_and_day
from trialimpact.loaders.identifiers import NOBODY, holds_a_nino
from trialimpact.loaders.repeats import overlapping_spells, repeated_rows
from trialimpact.loaders.schema import Kind, Table, dates_of, declared_labels, shown_labels
from trialimpact.loaders.spelling import written_otherwise
from trialimpact.protocol import conditions
from trialimpact.protocol.consistency import RESERVED_LABELS
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import SpellSource, Status

Severity = Literal["error", "warning", "note"]
Find = Callable[[Table, TrialProtocol], Booleans]

EARLIEST, LATEST = conditions.EARLIEST + 1, conditions.LATEST
"""Dates outside these years are errors: 1 January 1900 is what databases write for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its name, what it says, what to do, and how to find the rows that break it."""

    name: str
    severity: Severity
    kinds: tuple[Kind, ...]
    columns: tuple[str, ...]
    says: str
    remedy: str
    find: Find


RULES: list[Rule] = []


def _rule(severity: Severity, kinds: str, columns: str, says: str, remedy: str) -> Callable[[Find], Find]:
    """Register a function as a rule; its name is the rule's name."""

    def register(find: Find) -> Find:
        RULES.append(
            Rule(
                name=find.__name__,
                severity=severity,
                kinds=tuple(kinds.split()),  # type: ignore[arg-type]
                columns=tuple(columns.split()),
                says=says,
                remedy=remedy,
                find=find,
            )
        )
        return find

    return register


ALL = "claimants markers spells"
CORRECT = "correct the extract"


@_rule("error", ALL, "claimant_id", "every row says whose it is", CORRECT)
def claimant_id_is_given(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.blank_identifier


@_rule(
    "error",
    ALL,
    "claimant_id",
    "identifiers have the declared form",
    "correct the extract (numbers must be whole, and no larger than a float tells apart); "
    'or in [identifiers] kind = "opaque" (not NINOs), synthetic = true (prefix QQ)',
)
def claimant_id_is_valid(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.invalid_identifier


@_rule(
    "error",
    ALL,
    "claimant_id",
    "an identifier is written alike in every row",
    "write identifiers alike: capitals, leading zeros, points, commas, quotes and what is not seen count",
)
def claimant_id_is_written_alike(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.spelt_otherwise


@_rule("error", ALL, "mixed", "a column holds values of one type", "make the column all text, all dates or all numbers")
def column_has_one_type(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(np.logical_or.reduce([np.zeros(table.n_rows, dtype=bool), *table.mixed.values()]))


@_rule(
    "error",
    ALL,
    "dates",
    "dates can be read",
    'correct the extract, or set date_format in the source, as in "%d/%m/%Y" or "days since 1960-01-01"',
)
def date_is_readable(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(np.logical_or.reduce([np.zeros(table.n_rows, dtype=bool), *table.unreadable.values()]))


@_rule(
    "error",
    ALL,
    "dates",
    f"dates lie in {EARLIEST}-{LATEST}",
    "correct the extract; list placeholders for 'not ended' in open_end_dates",
)
def date_is_plausible(table: Table, protocol: TrialProtocol) -> Booleans:
    low, high = (day_of(date_of(0).replace(year=year)) for year in (EARLIEST, LATEST + 1))
    wrong = np.zeros(table.n_rows, dtype=bool)
    for name in dates_of(protocol, table.kind):
        if name in table.days:
            days = table.days[name]
            open_ended = table.is_open if name == "end_date" else np.zeros(table.n_rows, dtype=bool)
            wrong |= (days != NO_DAY) & ~open_ended & ((days < low) | (days >= high))
    return wrong


@_rule("error", "claimants", "claimant_id", "a claimant has one row", "keep one row a person")
def claimant_is_unique(table: Table, protocol: TrialProtocol) -> Booleans:
    known = table.claimant != NOBODY
    repeated = pd.Series(table.claimant).duplicated(keep=False).to_numpy(dtype=bool)
    return np.asarray(repeated & known)


@_rule("error", "claimants", "digit", "the allocating digit is one of 0-9", "give the last numeric digit of the NINO")
def digit_is_a_digit(table: Table, protocol: TrialProtocol) -> Booleans:
    digits = table.label("digit")
    return np.asarray(digits.notna() & ~digits.isin([str(digit) for digit in range(10)]))


@_rule(
    "error",
    "claimants",
    "assigned_arm",
    "the assigned arm is one of the protocol's",
    "correct the label, or add the arm to allocation.arms",
)
def assigned_arm_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    arms = table.label("assigned_arm")
    return np.asarray(arms.notna() & ~arms.isin(protocol.arms) & protocol.arms_are_declared)


@_rule("note", "claimants", "assigned_arm", "the assigned arm is in a contrast", "none needed: not analysed")
def assigned_arm_is_analysed(table: Table, protocol: TrialProtocol) -> Booleans:
    arms = table.label("assigned_arm")
    return np.asarray(arms.notna() & ~arms.isin(protocol.arms))


@_rule(
    "error",
    "markers",
    "marker",
    "a marker is one of the protocol's arms",
    "correct the label, or add the arm to the allocation",
)
def marker_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(~table.label("marker").isin(protocol.arms))


@_rule("error", "markers", "marker_date", "a marker has a date", CORRECT)
def marker_date_is_given(table: Table, protocol: TrialProtocol) -> Booleans:
    return _blank_day(table, "marker_date")


@_rule("error", "markers", "status", f"a status is one of {', '.join(get_args(Status))}, or blank for valid", CORRECT)
def status_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    status = table.label("status")
    return np.asarray(status.notna() & ~status.isin(get_args(Status)))


@_rule(
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


@_rule(
    "error",
    "claimants markers",
    "office reason",
    f"an office or reason is not one of the words {', '.join(sorted(RESERVED_LABELS))}",
    "give it another name: tables use these words for everyone and for what is not known",
)
def label_is_not_reserved(table: Table, protocol: TrialProtocol) -> Booleans:
    masks = [table.label(name).isin(RESERVED_LABELS) for name in ("office", "reason")]
    return np.asarray(masks[0] | masks[1])


@_rule(
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


@_rule(
    "warning",
    "markers",
    "claimant_id",
    "people with a marker have a row in claimants",
    "none needed: their characteristics are missing",
)
def marker_is_of_a_described_person(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(~table.described & (table.claimant != NOBODY))


@_rule(
    "error",
    "claimants markers",
    "*",
    "labels hold no identifier",
    "remove identifiers from these columns: labels appear in tables",
)
def label_holds_no_identifier(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(np.logical_or.reduce([table.holds_identifier, *map(holds_a_nino, shown_labels(table, protocol))]))


@_rule("error", "spells", "start_date", "a spell has a start", CORRECT)
def start_is_given(table: Table, protocol: TrialProtocol) -> Booleans:
    return _blank_day(table, "start_date")


@_rule("error", "spells", "start_date end_date", "a spell does not end before it starts", CORRECT)
def end_not_before_start(table: Table, protocol: TrialProtocol) -> Booleans:
    return _both_known(table) & (table.days["end_date"] < table.days["start_date"])


@_rule(
    "error",
    "spells",
    "start_date",
    "a spell starts before the extract date",
    "correct extract_date in the protocol, or the extract",
)
def start_before_extract(table: Table, protocol: TrialProtocol) -> Booleans:
    start = table.days["start_date"]
    return np.asarray((start != NO_DAY) & (start >= day_of(_spells(table).extract_date)))


@_rule(
    "error",
    "spells",
    "code",
    "a code is counted or ignored by the protocol",
    "add the code to counted_codes or ignored_codes",
)
def code_is_known(table: Table, protocol: TrialProtocol) -> Booleans:
    source = _spells(table)
    if not source.counted_codes:
        return np.zeros(table.n_rows, dtype=bool)
    return np.asarray(~table.label("code").isin([*source.counted_codes, *source.ignored_codes]))


@_rule("warning", "markers spells", "*", "no row stands twice", "ask the supplier whether rows were copied")
def row_is_not_repeated(table: Table, protocol: TrialProtocol) -> Booleans:
    codes = [labels.cat.codes.to_numpy() for labels in table.labels.values()]
    repeated = repeated_rows([table.claimant, *table.days.values(), *codes])
    return np.asarray(repeated & (table.claimant != NOBODY))


@_rule(
    "warning",
    "spells",
    "start_date end_date code",
    "spells with one code do not overlap",
    "none needed: overlapping spells are merged",
)
def spells_do_not_overlap(table: Table, protocol: TrialProtocol) -> Booleans:
    start, codes = table.days["start_date"], table.label("code").cat
    owner = table.claimant * (len(codes.categories) + 1) + codes.codes.to_numpy()
    overlaps = overlapping_spells(owner, start, table.end_day) & (table.claimant != NOBODY)
    return np.asarray(overlaps & (start != NO_DAY))


@_rule("warning", "spells", "start_date end_date", "a spell has at least one day", "none needed: it has no effect")
def spell_has_a_day(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(_both_known(table) & (table.end_day == table.days["start_date"]))


@_rule(
    "warning",
    "spells",
    "start_date end_date",
    "no start on 6 April or end on 5 April (tax-year defaults)",
    "treat these dates as not truly known",
)
def dates_are_not_tax_year_defaults(table: Table, protocol: TrialProtocol) -> Booleans:
    if not _spells(table).tax_year_defaults:
        return np.zeros(table.n_rows, dtype=bool)
    last_day = table.end_day - 1
    ends_so = (month_and_day(last_day) == 405) & ~table.is_open
    return np.asarray((month_and_day(table.days["start_date"]) == 406) | ends_so)


@_rule(
    "warning",
    "spells",
    "start_date end_date",
    "an open spell has not run for very long",
    "ask the supplier whether its end was lost; long_open_days in the source sets the limit",
)
def open_spell_is_not_long(table: Table, protocol: TrialProtocol) -> Booleans:
    source, start = _spells(table), table.days["start_date"]
    too_early = start < day_of(source.extract_date) - source.long_open_days
    return np.asarray(table.is_open & too_early & (start != NO_DAY))


@_rule(
    "warning",
    "spells",
    "claimant_id",
    "spells are of people in the trial's tables",
    "none needed: they have no effect",
)
def spell_is_of_a_participant(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(table.claimant == NOBODY)


@_rule("note", "spells", "end_date", "spells have ended", "none needed: an open spell runs to the extract date")
def spell_has_ended(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.is_open


@_rule("note", "spells", "end_date", "spells end by the extract date", "none needed: they are cut there")
def end_by_extract(table: Table, protocol: TrialProtocol) -> Booleans:
    return ~table.is_open & (table.end_day > day_of(_spells(table).extract_date))


@_rule(
    "note",
    "spells",
    "start_date end_date",
    "spells touch the days that the source covers",
    "none needed: they have no effect",
)
def spell_touches_coverage(table: Table, protocol: TrialProtocol) -> Booleans:
    first = day_of(_spells(table).covered_from)
    return _both_known(table) & (table.end_day <= first)


def _spells(table: Table) -> SpellSource:
    assert isinstance(table.source, SpellSource)  # noqa: S101
    return table.source


def _both_known(table: Table) -> Booleans:
    return np.asarray((table.days["start_date"] != NO_DAY) & (table.days["end_date"] != NO_DAY) & ~table.is_open)


def _blank_day(table: Table, name: str) -> Booleans:
    return np.asarray((table.days[name] == NO_DAY) & ~table.unreadable[name])
