"""The rules about rows of spells, and about rows that stand twice."""

from __future__ import annotations

import numpy as np

from trialimpact.intervals import Booleans
from trialimpact.loaders.dates import NO_DAY, day_of, month_and_day
from trialimpact.loaders.identifiers import NOBODY
from trialimpact.loaders.repeats import overlapping_spells, repeated_rows
from trialimpact.loaders.rule import CORRECT, Rules, blank_day
from trialimpact.loaders.schema import Table
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import SpellSource

rule = RULES_OF_SPELLS = Rules()


@rule("error", "spells", "start_date", "a spell has a start", CORRECT)
def start_is_given(table: Table, protocol: TrialProtocol) -> Booleans:
    return blank_day(table, "start_date")


@rule("error", "spells", "start_date end_date", "a spell does not end before it starts", CORRECT)
def end_not_before_start(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.closed & (table.days["end_date"] < table.days["start_date"])


@rule(
    "error",
    "spells",
    "start_date",
    "a spell starts before the extract date",
    "correct extract_date in the protocol, or the extract",
)
def start_before_extract(table: Table, protocol: TrialProtocol) -> Booleans:
    start = table.days["start_date"]
    return np.asarray((start != NO_DAY) & (start >= day_of(_spells(table).extract_date)))


@rule(
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


@rule("warning", "markers spells", "*", "no row stands twice", "ask the supplier whether rows were copied")
def row_is_not_repeated(table: Table, protocol: TrialProtocol) -> Booleans:
    codes = [labels.cat.codes.to_numpy() for labels in table.labels.values()]
    repeated = repeated_rows([table.claimant, *table.days.values(), *codes])
    return np.asarray(repeated & (table.claimant != NOBODY))


@rule(
    "warning",
    "spells",
    "start_date end_date code",
    "spells with one code do not overlap",
    "none needed: overlapping spells are merged",
)
def spells_do_not_overlap(table: Table, protocol: TrialProtocol) -> Booleans:
    start, codes = table.days["start_date"], table.label("code").cat
    owner = table.claimant * (len(codes.categories) + 1) + codes.codes.to_numpy()
    ends = np.where(start == NO_DAY, NO_DAY, table.end_day)  # without a start it reaches over nothing
    overlaps = overlapping_spells(owner, start, ends) & (table.claimant != NOBODY)
    return np.asarray(overlaps & (start != NO_DAY))


@rule("warning", "spells", "start_date end_date", "a spell has at least one day", "none needed: it has no effect")
def spell_has_a_day(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(table.closed & (table.end_day == table.days["start_date"]))


@rule(
    "warning",
    "spells",
    "start_date end_date",
    "no start on 6 April or end on 5 April (tax-year defaults)",
    "treat these dates as not truly known",
)
def dates_are_not_tax_year_defaults(table: Table, protocol: TrialProtocol) -> Booleans:
    if not _spells(table).tax_year_defaults:
        return np.zeros(table.n_rows, dtype=bool)
    return of_a_tax_year(table)


@rule(
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


@rule(
    "warning",
    "spells",
    "claimant_id",
    "spells are of people in the trial's tables",
    "none needed: they have no effect",
)
def spell_is_of_a_participant(table: Table, protocol: TrialProtocol) -> Booleans:
    return np.asarray(table.claimant == NOBODY)


@rule("note", "spells", "end_date", "spells have ended", "none needed: an open spell runs to the extract date")
def spell_has_ended(table: Table, protocol: TrialProtocol) -> Booleans:
    return table.is_open


@rule("note", "spells", "end_date", "spells end by the extract date", "none needed: they are cut there")
def end_by_extract(table: Table, protocol: TrialProtocol) -> Booleans:
    return ~table.is_open & (table.end_day > day_of(_spells(table).extract_date))


@rule(
    "note",
    "spells",
    "start_date end_date",
    "spells touch the days that the source covers",
    "none needed: they have no effect",
)
def spell_touches_coverage(table: Table, protocol: TrialProtocol) -> Booleans:
    first = day_of(_spells(table).covered_from)
    return table.closed & (table.end_day <= first)


def _spells(table: Table) -> SpellSource:
    assert isinstance(table.source, SpellSource)  # noqa: S101
    return table.source


def of_a_tax_year(table: Table) -> Booleans:
    """Spells that start on its first day or end on its last."""
    ends_so = (month_and_day(table.end_day - 1) == 405) & ~table.is_open
    return np.asarray((month_and_day(table.days["start_date"]) == 406) | ends_so)
