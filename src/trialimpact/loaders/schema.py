"""What each table must and may have, and a frame read as such a table."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.errors import BrokenRule
from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.dates import FOREVER, NO_DAY, day_of, holds_datetimes, parse_days
from trialimpact.loaders.files import Wanted, in_letters, unnumbered
from trialimpact.loaders.values import Coded, as_labels, of_another_type, without_bytes
from trialimpact.protocol.consistency import words_asked
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import Source, SpellSource

Kind = Literal["claimants", "markers", "spells"]

DATES: dict[Kind, tuple[str, ...]] = {
    "claimants": ("index_date", "birth_date"),
    "markers": ("marker_date",),
    "spells": ("start_date", "end_date"),
}
LABELS: dict[Kind, tuple[str, ...]] = {
    "claimants": ("assigned_arm", "digit", "office"),
    "markers": ("marker", "office", "status", "reason"),
    "spells": ("code",),
}
KNOWN: dict[Kind, tuple[str, ...]] = {kind: ("claimant_id", *DATES[kind], *LABELS[kind]) for kind in DATES}


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Table:
    """One table while it is being checked: parsed columns by the library's names."""

    name: str
    kind: Kind
    source: Source
    n_rows: int
    identifiers: pd.Series[Any] | None = None
    days: dict[str, Integers] = field(default_factory=dict)
    unreadable: dict[str, Booleans] = field(default_factory=dict)
    mixed: dict[str, Booleans] = field(default_factory=dict)
    end_day: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    is_open: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    labels: dict[str, pd.Series[Any]] = field(default_factory=dict)
    others: pd.DataFrame = field(default_factory=pd.DataFrame)
    claimant: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    described: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    spelt_otherwise: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    holds_identifier: dict[str, Booleans] = field(default_factory=dict)
    blank_identifier: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    invalid_identifier: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))

    def column(self, name: str) -> str:
        """What the table itself calls one of the library's columns."""
        return self.source.columns.get(name, name)

    def label(self, name: str) -> pd.Series[Any]:
        """A text column, categorical; blanks everywhere where the table has no such column."""
        if name in self.labels:
            return self.labels[name]
        return pd.Series(pd.Categorical.from_codes(np.full(self.n_rows, -1, dtype=np.int8), pd.Index([], dtype=object)))

    @property
    def closed(self) -> Booleans:
        """Spells with a start and an end that can be read."""
        return np.asarray((self.days["start_date"] != NO_DAY) & (self.days["end_date"] != NO_DAY) & ~self.is_open)

    def used_label(self, name: str) -> pd.Series[Any]:
        """A text column without the categories that no row has."""
        return self.label(name).cat.remove_unused_categories()

    def words(self, name: str) -> NDArray[np.object_]:
        """A text column, None where blank."""
        column = self.label(name).cat
        words = np.array([*column.categories, None], dtype=object)
        return np.asarray(words[column.codes.to_numpy()])


def shown_labels(table: Table, protocol: TrialProtocol) -> Iterator[tuple[str, pd.Series[Any]]]:
    """The text of a table that is shown, by column.

    Clusters, whose labels are nowhere, are looked at where they are used.
    """
    yield from ((name, table.label(name)) for name in ("office", "reason", "marker", "assigned_arm"))
    unshown = {*table.days, protocol.analysis.clusters}
    described = ((str(name), table.others[name]) for name in table.others if name not in unshown)
    yield from ((name, values) for name, values in described if not pd.api.types.is_numeric_dtype(values.dtype))


def kind_of(name: str) -> Kind:
    """Which kind of table a source is."""
    return name if name in ("claimants", "markers") else "spells"  # type: ignore[return-value]


def source_of(protocol: TrialProtocol, name: str) -> Source:
    """The protocol's description of one table."""
    by_name: dict[str, Source | None] = {
        "claimants": protocol.sources.claimants,
        "markers": protocol.sources.markers,
        **protocol.sources.spells,
    }
    source = by_name[name]
    assert source is not None, name  # noqa: S101
    return source


def required_columns(protocol: TrialProtocol, name: str) -> tuple[str, ...]:
    """The columns without which a table cannot be used."""
    if name == "claimants":
        columns = ["claimant_id"]
        if protocol.allocation.rule == "assigned":
            columns.append("assigned_arm")
        elif protocol.identifiers.kind == "opaque":
            columns.append("digit")
        if protocol.index.rule == "given":
            columns.append("index_date")
        if protocol.recruitment.offices and protocol.sources.markers is None:
            columns.append("office")
        return tuple(columns)
    if name == "markers":
        office = ("office",) if protocol.recruitment.offices else ()
        markers = protocol.sources.markers
        status = ("status",) if markers is not None and "status_order" in markers.model_fields_set else ()
        return ("claimant_id", "marker_date", "marker", *office, *status)
    code = ("code",) if protocol.sources.spells[name].counted_codes else ()
    return ("claimant_id", "start_date", "end_date", *code)


def wanted_columns(protocol: TrialProtocol, name: str) -> Wanted:
    """The columns of a table that the protocol uses or names, by the table's own names."""
    source, kind = source_of(protocol, name), kind_of(name)
    coded = {source.columns.get(each, each) for each in (*dates_of(protocol, kind), *LABELS[kind])}
    kept = {*source.columns.values(), *(source.columns.get(each, each) for each in _characteristics(protocol, kind))}
    identifier = source.columns.get("claimant_id", "claimant_id")
    return Wanted(identifier, frozenset(coded - {identifier}), frozenset(kept - coded - {identifier}))


def parse_table(protocol: TrialProtocol, name: str, frame: pd.DataFrame) -> tuple[Table, list[BrokenRule]]:
    """Read a frame as one of the protocol's tables; columns that are missing are returned as rules."""
    source, kind = source_of(protocol, name), kind_of(name)
    table = Table(name=name, kind=kind, source=source, n_rows=len(frame))
    dates = dates_of(protocol, kind)
    known = KNOWN[kind]
    used = [each for each in (*known, *_characteristics(protocol, kind)) if table.column(each) in frame.columns]
    required = required_columns(protocol, name)
    broken = [*wrong_columns(table, frame, (*required, *used)), *nearly_named(table, frame, {*known} - {*required})]
    if broken:
        return table, broken
    table.identifiers = frame[table.column("claimant_id")]
    others = [each for each in used if each not in known]
    kept: dict[str, Any] = {}
    for each in used:
        values = kept[each] = without_bytes(frame[table.column(each)])
        coded = Coded.of(values) if each in (*dates, *LABELS[kind]) and not holds_datetimes(values) else None
        if coded is None or not coded.one_type:
            table.mixed[each] = of_another_type(values)
        if each in dates:
            table.days[each], table.unreadable[each] = parse_days(coded or values, source.date_format)
        elif each in LABELS[kind]:
            table.labels[each] = as_labels(coded or Coded.of(values))
    if "end_date" in table.days and isinstance(source, SpellSource):
        table.is_open, table.end_day = _half_open(table.days["end_date"], table.unreadable["end_date"], source)
    table.others = pd.DataFrame({each: table.days.get(each, kept[each]) for each in others}, frame.index)
    return table, []


def dates_of(protocol: TrialProtocol, kind: Kind) -> tuple[str, ...]:
    """The columns of a table that hold dates: its own, and those of claimants that conditions take as dates."""
    return (*DATES[kind], *(protocol.dates_used if kind == "claimants" else ()))


def declared_labels(table: Table, protocol: TrialProtocol) -> dict[str, tuple[str, ...]]:
    """The labels that the protocol says of a table's columns, beside its own words for arms, status and codes."""
    asked = words_asked(protocol) if table.kind == "claimants" else {}
    arms = () if protocol.arms_are_declared else protocol.arms  # where they are, another word is an error of its own
    said = {"office": protocol.recruitment.offices, "assigned_arm": arms, **asked}
    return {name: words for name, words in said.items() if name in table.labels or name in table.others}


def grouping_columns(protocol: TrialProtocol) -> tuple[str, ...]:
    """Columns of the claimants whose every value makes a group."""
    named = [*protocol.analysis.strata, *([protocol.analysis.clusters] if protocol.analysis.clusters else [])]
    named += [each.column for each in protocol.characteristics if each.column and each.kind == "categorical"]
    return tuple(dict.fromkeys(named))


def wrong_columns(table: Table, frame: pd.DataFrame, required: tuple[str, ...]) -> Iterator[BrokenRule]:
    """Columns that are needed and absent, or that stand twice: pandas and R number the second (`start_date.1`).

    No message lists the columns that a file does have: without a header they are a record.
    """
    there = {in_letters(column) for column in frame.columns}
    names = dict.fromkeys((*required, *table.source.columns))
    headless = "" if there & {in_letters(table.column(name)) for name in names} else "see whether there is a header; "
    for name in names:
        theirs = table.column(name)
        near = ", and one whose name differs in capitals, spaces or marks" if in_letters(theirs) in there else ""
        same = count = int((frame.columns == theirs).sum())
        if same == 1 and name in KNOWN[table.kind] and name not in table.source.columns:
            count += sum(unnumbered(other) == theirs != other for other in frame.columns)
        if count != 1:
            yield BrokenRule(
                table=table.name,
                rule="column_is_there_once",
                says=f"there is no column {theirs!r}{near}"
                if not count
                else f"{count} columns are called {theirs!r}" + (" (with a number behind)" if same == 1 else ""),
                remedy="rename or remove one of them in the extract"
                if same > 1
                else f'{headless}say which column it is: columns = {{ {name} = "..." }} in [sources.{table.name}]',
            )


def nearly_named(table: Table, frame: pd.DataFrame, optional: Collection[str]) -> Iterator[BrokenRule]:
    """Columns that may be absent and are, where another is called so but for capitals, spaces and marks."""
    there = {in_letters(column) for column in frame.columns}
    for name in sorted(optional):
        theirs = table.column(name)
        if theirs not in frame.columns and in_letters(theirs) in there and name not in table.source.columns:
            yield BrokenRule(
                table=table.name,
                rule="column_is_called_so",
                says=f"there is no column {theirs!r}, and one whose name differs in capitals, spaces or marks alone",
                remedy=f'rename it, or say which it is: columns = {{ {name} = "..." }} in [sources.{table.name}]',
            )


def _characteristics(protocol: TrialProtocol, kind: Kind) -> tuple[str, ...]:
    """The characteristics that the protocol uses: no other column of the claimants is kept."""
    known = {*DATES["claimants"], *LABELS["claimants"], "claimant_id"}
    return tuple(name for name in protocol.columns_used if name not in known) if kind == "claimants" else ()


def _half_open(end: Integers, unreadable: Booleans, source: SpellSource) -> tuple[Booleans, Integers]:
    """Which spells are open, and the day after each spell's last: the one place that converts ends.

    A blank end or a placeholder is open, and an open spell runs to the extract date.
    """
    placeholders = [day_of(date) for date in source.open_end_dates]
    is_open = np.isin(end, [NO_DAY, FOREVER, *placeholders]) & ~unreadable
    after = end + (source.end_date == "last_day_included")
    return is_open, np.where(is_open, day_of(source.extract_date), np.where(unreadable, NO_DAY, after))
