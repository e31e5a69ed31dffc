"""What is allowed and mostly a mistake, of tables as wholes: warned of where no rule about a row can say it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.dates import NO_DAY, day_of
from trialimpact.loaders.doubts_of_dates import A_FEW, MANY, doubts_of_dates
from trialimpact.loaders.identifiers import NOBODY
from trialimpact.loaders.schema import Table
from trialimpact.loaders.spelling import in_several_spellings, written_otherwise
from trialimpact.loaders.values import WORDS_FOR_NOTHING, WORDS_FOR_UNKNOWN, Coded, as_text
from trialimpact.protocol.conditions import ColumnIs, Not, parts_of
from trialimpact.protocol.consistency import condition_parts, words_asked
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import SpellSource

_SHORTLY, _A_WORD, _NEARLY = 31, 3, 0.85

MOST_LABELS = 1_000
"""A column of more is no category."""


def doubts_of_tables(protocol: TrialProtocol, parsed: Mapping[str, Table], digits: Integers) -> Iterator[str]:
    """Everything of the kind, a sentence each; `digits` are those of the NINOs by person."""
    yield from _without_rows(parsed)
    yield from doubts_of_dates(protocol, parsed)
    yield from _same_spells(protocol, parsed)
    for name, source in protocol.sources.spells.items():
        yield from _spells_of_one_kind(source, parsed[name])
        yield from _spells_of_one_person(parsed[name])
    yield from _absent_offices(protocol, parsed)
    yield from _offices_like_others(protocol, parsed)
    yield from _labels_in_two_ways(protocol, parsed)
    yield from _words_for_nothing(protocol, parsed)
    yield from _words_like_others(protocol, parsed)
    yield from _blank_columns(parsed)
    yield from _other_digits(protocol, parsed, digits)


def doubts_of_set_aside(parsed: Mapping[str, Table], kept: Mapping[str, Booleans]) -> Iterator[str]:
    """Tables of which most rows are set aside, so that those that are left are no extract."""
    for name, those in kept.items():
        n = parsed[name].n_rows - int(those.sum())
        if n > max(A_FEW, parsed[name].n_rows / 2):
            yield f"{name}: {n:,} of {parsed[name].n_rows:,} rows are set aside: most break rules (see the audit)"


def _without_rows(parsed: Mapping[str, Table]) -> Iterator[str]:
    """A header alone, of people; of an outcome that nobody is in, other words tell."""
    for name in ("claimants", "markers"):
        if name in parsed and not parsed[name].n_rows:
            yield f"{name}: there are no rows: see whether the extract came whole"


def _same_spells(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """Two sources of the same spells are mostly a file or frame that was given twice, unless each counts codes of its
    own.
    """
    spells = protocol.sources.spells
    for one, other in itertools.combinations(spells, 2):
        codes = [set(spells[name].counted_codes) for name in (one, other)]
        if _are_alike(parsed[one], parsed[other]) and (codes[0] == codes[1] or not all(codes)):
            yield f"the sources {one} and {other} hold the same spells: name the file of each"


def _are_alike(one: Table, other: Table) -> bool:
    days = [(each.claimant, each.days["start_date"], each.days["end_date"]) for each in (one, other)]
    return one.n_rows > 0 and all(map(np.array_equal, *days))


def _spells_of_one_kind(source: SpellSource, table: Table) -> Iterator[str]:
    """Ends that are absent, or copies of starts, running spells that were left out, codes that were not sent."""
    start, end, mine = table.days["start_date"], table.end_day, table.claimant != NOBODY
    closed = mine & table.closed
    if mine.sum() < MANY:
        return
    if table.is_open[mine].all():
        yield f"{table.name}: none of {mine.sum():,} spells has an end: see whether end_date was filled"
    if closed.any() and (end - start)[closed].max() <= 1:
        yield f"{table.name}: every closed spell is of one day or none: see whether end_date is a copy of start_date"
    to_go = day_of(source.extract_date) - end[closed].max(initial=NO_DAY)
    if not table.is_open.any() and 0 < to_go <= _SHORTLY:
        says = f"{table.name}: spells end until the extract date and none runs on"
        yield f"{says}: see whether running ones were left out"
    there = {*source.counted_codes} & {*table.label("code").cat.remove_unused_categories().cat.categories}
    if len(there) == 1 < len(source.counted_codes):
        says = (
            f"{table.name}: of the {len(source.counted_codes)} codes that count, {next(iter(there))!r} alone is there"
        )
        yield f"{says}: see whether all were sent"


def _spells_of_one_person(table: Table) -> Iterator[str]:
    """An identifier that stands for people who are not known has the spells of many."""
    n = int(np.bincount(table.claimant[table.claimant != NOBODY], minlength=1).max())
    if n >= MANY and n > table.n_rows / 10:
        says = f"{table.name}: {n:,} of {table.n_rows:,} spells are of one person"
        yield f"{says}: see whether one identifier stands for people who are not known"


def _absent_offices(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """An office that the protocol names and no row does is mostly written otherwise, and its people are counted out."""
    table = _of_offices(parsed)
    there = set() if table is None else {*table.used_label("office").cat.categories}
    absent = [office for office in protocol.recruitment.offices if office not in there]
    if absent and there:
        named = ", ".join(map(repr, absent[:5]))
        says = f"no row is of {len(absent)} of the offices that the protocol names: {named}"
        yield f"{says}: write offices alike in the protocol and in the records"


def _offices_like_others(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """An office whose name is nearly one of the protocol's is mostly that one, and its people are counted out.

    The name that stands in the records is not told: it has not been looked at for identifiers.
    """
    table, named = _of_offices(parsed), protocol.recruitment.offices
    if table is None or not named:
        return
    for other, rows in table.used_label("office").value_counts().items():
        alike = "" if other in named else _name_like(str(other), named)
        if alike and not written_otherwise(pd.Series([other]), named).any():
            says = f"{table.name}: {rows:,} rows are of an office whose name is like {alike!r} and another"
            yield f"{says}: their people are counted out"


def _labels_in_two_ways(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """Offices, reasons and characteristics that are told apart by capitals, spaces or marks alone.

    Where the protocol names some of them a rule tells. Grades are told apart by their marks: A+ and A-.
    """
    found: dict[tuple[Table, str], Sequence[str]] = {}
    offices, people = _of_offices(parsed), parsed.get("claimants")
    if offices is not None and not protocol.recruitment.offices:
        found[offices, "office"] = [*offices.used_label("office").cat.categories]
    if "markers" in parsed:
        found[parsed["markers"], "reason"] = [*parsed["markers"].used_label("reason").cat.categories]
    if people is not None:
        unnamed = [str(name) for name in people.others if name not in people.days and name not in words_asked(protocol)]
        texts = [name for name in unnamed if not pd.api.types.is_numeric_dtype(people.others[name].dtype)]
        found |= {(people, name): [*as_text(_there(people.others[name])).dropna().unique()] for name in texts}
    for (table, name), labels in found.items():
        alike = in_several_spellings(labels) if len(labels) <= MOST_LABELS else ()
        if n := sum(len(each) >= _A_WORD and not each.isdigit() for each in alike):
            what = "1 label is" if n == 1 else f"{n:,} labels are"
            says = (
                f"{table.name}: in {table.column(name)!r} {what} written in more than one way (capitals, spaces, marks)"
            )
            yield f"{says}, and count as several: write each in one"


def _there(values: pd.Series[Any]) -> pd.Series[Any]:
    """Its distinct values, without categories that no row has."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.cat.remove_unused_categories()
    return Coded.of(values).distinct


def _of_offices(parsed: Mapping[str, Table]) -> Table | None:
    """The table whose offices count."""
    return parsed.get("markers", parsed.get("claimants"))


def _name_like(other: str, named: Sequence[str]) -> str:
    """The name that another holds as words, or differs from in a letter or two; none for codes with digits."""
    if any(letter.isdigit() for letter in other):
        return ""
    within = [each for each in named if len(each) > 3 and re.search(rf"\b{re.escape(each)}\b", other)]
    return next(iter(within or get_close_matches(other, named, 1, cutoff=0.8)), "")


def _words_for_nothing(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """What programs write for a missing value is a value here, in no group and in every complement.

    A word that the protocol names is one of its own.
    """
    within = [each for part in condition_parts(protocol) if isinstance(part, Not) for each in parts_of(part)]
    denied, asked = {each.column for each in within if isinstance(each, ColumnIs)}, words_asked(protocol)
    people, offices = parsed.get("claimants"), _of_offices(parsed)
    columns = [] if people is None else [(people, str(name), people.others[name]) for name in people.others]
    columns += [] if offices is None else [(offices, "office", offices.label("office"))]
    for table, name, values in columns:
        if name in table.days or pd.api.types.is_numeric_dtype(values.dtype):
            continue
        column = Coded.of(values)
        words = column.distinct.astype(str).str.strip()
        sought = WORDS_FOR_NOTHING | (WORDS_FOR_UNKNOWN if name in denied else frozenset())
        found = words[words.str.lower().isin(sought) & ~words.isin(asked.get(name, ()))]
        n = int(column.spread(words.isin(found).to_numpy(dtype=bool), False).sum())
        if n:
            said = ", ".join(map(repr, sorted({*found})))
            says = f"{table.name}: in {n:,} rows {table.column(name)!r} is {said}, which is a value here"
            yield f"{says}: leave blank what is missing"


def _words_like_others(protocol: TrialProtocol, parsed: Mapping[str, Table]) -> Iterator[str]:
    """A word of a condition that no row has, and that is nearly one that rows have: nobody is in it, or everybody."""
    table = parsed.get("claimants")
    for name, words in words_asked(protocol).items():
        if table is None or name not in table.others:
            continue
        there = [str(each) for each in _there(table.others[name]).dropna()]
        for word in sorted({*words} - {*there}) if len(there) <= MOST_LABELS else ():
            if not any(map(str.isdigit, word)) and get_close_matches(word, there, 1, cutoff=_NEARLY):
                says = f"claimants: in no row {table.column(name)!r} is {word!r}, which the protocol names"
                yield f"{says}, and in some a word that is like it"


def _blank_columns(parsed: Mapping[str, Table]) -> Iterator[str]:
    """A characteristic that is missing of everybody is mostly a column that was mapped or sent wrongly."""
    table = parsed.get("claimants")
    if table is None or not table.n_rows:
        return
    for name in map(str, table.others):
        if name not in table.days and as_text(table.others[name]).isna().all():
            yield f"claimants: the column {table.column(name)!r} is blank in every row"


def _other_digits(protocol: TrialProtocol, parsed: Mapping[str, Table], digits: Integers) -> Iterator[str]:
    """A digit that is given beside a NINO allocates nobody; where it is another, one of the two is wrong."""
    table = parsed.get("claimants")
    if table is None or "digit" not in table.labels or protocol.identifiers.kind != "nino":
        return
    given = pd.to_numeric(pd.Series(table.words("digit")), errors="coerce").to_numpy(dtype=float)
    theirs = np.append(digits, -1)[table.claimant]
    n = int((~np.isnan(given) & (theirs >= 0) & (given != theirs)).sum())
    if n and protocol.allocation.rule == "digit":
        says = f"claimants: in {n:,} of {table.n_rows:,} rows the column digit is not that of the NINO, which allocates"
        yield f"{says}: ask the supplier which of the two allocated"
