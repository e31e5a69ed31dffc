"""What each table must and may have, and a frame read as such a table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.errors import BrokenRule
from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.dates import NO_DAY, day_of, parse_days
from trialimpact.protocol.model import TrialProtocol
from trialimpact.protocol.sources import Source, SpellSource

Kind = Literal["claimants", "markers", "spells"]

DATES: dict[Kind, tuple[str, ...]] = {
    "claimants": ("index_date", "birth_date"),
    "markers": ("marker_date",),
    "spells": ("start_date", "end_date"),
}
LABELS: dict[Kind, tuple[str, ...]] = {
    "claimants": ("assigned_arm", "digit"),
    "markers": ("marker", "office", "status", "reason"),
    "spells": ("code",),
}


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
    mixed: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    end_day: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    is_open: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    labels: dict[str, pd.Series[Any]] = field(default_factory=dict)
    others: pd.DataFrame = field(default_factory=pd.DataFrame)
    claimant: Integers = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    blank_identifier: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))
    invalid_identifier: Booleans = field(default_factory=lambda: np.empty(0, dtype=bool))

    def column(self, name: str) -> str:
        """What the table itself calls one of the library's columns."""
        return self.source.columns.get(name, name)

    def label(self, name: str) -> pd.Series[Any]:
        """A text column; blanks everywhere where the table has no such column."""
        if name in self.labels:
            return self.labels[name]
        return pd.Series([None] * self.n_rows, dtype=object)


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
        return (*columns, "index_date") if protocol.index.rule == "given" else tuple(columns)
    if name == "markers":
        office = ("office",) if protocol.recruitment.offices else ()
        return ("claimant_id", "marker_date", "marker", *office)
    code = ("code",) if protocol.sources.spells[name].counted_codes else ()
    return ("claimant_id", "start_date", "end_date", *code)


def parse_table(protocol: TrialProtocol, name: str, frame: pd.DataFrame) -> tuple[Table, list[BrokenRule]]:
    """Read a frame as one of the protocol's tables; columns that are missing are returned as rules."""
    source, kind = source_of(protocol, name), kind_of(name)
    table = Table(name=name, kind=kind, source=source, n_rows=len(frame))
    broken = list(_wrong_columns(table, frame, required_columns(protocol, name)))
    if broken:
        return table, broken
    known = ("claimant_id", *DATES[kind], *LABELS[kind])
    present = {each for each in known if table.column(each) in frame.columns}
    used = frame.columns if kind == "claimants" else [table.column(each) for each in present]
    table.mixed = np.logical_or.reduce([_of_another_type(frame[column]) for column in used])
    table.identifiers = frame[table.column("claimant_id")]
    for date in DATES[kind]:
        if date in present:
            days = parse_days(frame[table.column(date)], source.date_format)
            table.days[date], table.unreadable[date] = days
    for label in LABELS[kind]:
        if label in present:
            table.labels[label] = _as_text(frame[table.column(label)])
    if "end_date" in table.days and isinstance(source, SpellSource):
        table.is_open, table.end_day = _half_open(table.days["end_date"], table.unreadable["end_date"], source)
    if kind == "claimants":
        taken = {table.column(each) for each in known}
        table.others = _characteristics(frame[[column for column in frame.columns if column not in taken]], source)
    return table, []


def _wrong_columns(table: Table, frame: pd.DataFrame, required: tuple[str, ...]) -> Iterator[BrokenRule]:
    """Columns that are needed and absent, or that stand twice.

    No message lists the columns that a file does have: without a header they are a record.
    """
    for name in dict.fromkeys((*required, *table.source.columns)):
        theirs = table.column(name)
        count = int((frame.columns == theirs).sum())
        if count != 1:
            yield BrokenRule(
                table=table.name,
                rule="column_is_there_once",
                says=f"there is no column {theirs!r}" if not count else f"{count} columns are called {theirs!r}",
                remedy=f'say which column it is: columns = {{ {name} = "..." }} in [sources.{table.name}]',
            )
    n_repeated = int(frame.columns.duplicated().sum())
    if table.kind == "claimants" and n_repeated:
        yield BrokenRule(
            table=table.name,
            rule="column_names_differ",
            says=f"{n_repeated} columns have the name of another",
            remedy="give every column a name of its own",
        )


def _half_open(end: Integers, unreadable: Booleans, source: SpellSource) -> tuple[Booleans, Integers]:
    """Which spells are open, and the day after each spell's last: the one place that converts ends.

    A blank end or a placeholder is open, and an open spell runs to the extract date.
    """
    placeholders = [day_of(date) for date in source.open_end_dates]
    is_open = np.isin(end, [NO_DAY, *placeholders]) & ~unreadable
    after = end + (source.end_date == "last_day_included")
    return is_open, np.where(is_open, day_of(source.extract_date), np.where(unreadable, NO_DAY, after))


def _as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Labels as text, None where blank; whole numbers are written without a decimal point."""
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(values.dtype):
        whole = values.where(~values.isna(), 0)
        values = whole.astype(np.int64) if bool((whole % 1 == 0).all()) else whole
    text = values.astype(object).where(~missing, "").astype(str).astype(object)
    return text.where(~missing & text.ne("").to_numpy(dtype=bool), None).reset_index(drop=True)


def _characteristics(frame: pd.DataFrame, source: Source) -> pd.DataFrame:
    """Everything else known of claimants: the protocol's names, numbers where all is numeric."""
    frame = frame.rename(columns={theirs: ours for ours, theirs in source.columns.items()})
    return pd.DataFrame({name: _numbers_if_all(frame[name]) for name in frame.columns}, index=frame.index)


def _numbers_if_all(values: pd.Series[Any]) -> pd.Series[Any]:
    """Text that is a number in every row becomes numbers; blank text is missing; the rest stays."""
    if not (pd.api.types.is_object_dtype(values.dtype) or pd.api.types.is_string_dtype(values.dtype)):
        return values
    values = values.mask(values.eq("").fillna(False).astype(bool))
    numbers = pd.to_numeric(values, errors="coerce")
    return numbers if bool((numbers.notna() | values.isna()).all()) and bool(numbers.notna().any()) else values


def _of_another_type(values: pd.Series[Any]) -> Booleans:
    """Rows whose value is of another type than the first value's (whole and other numbers are one)."""
    if not pd.api.types.infer_dtype(values, skipna=True).startswith("mixed"):
        return np.zeros(len(values), dtype=bool)
    family = values.map(_family)
    known = family.dropna()
    first = known.iloc[0] if len(known) else None
    return np.asarray(family.notna() & (family != first))


def _family(value: Any) -> str | None:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return "yes/no"
    return "number" if isinstance(value, int | float | np.number) else type(value).__name__
