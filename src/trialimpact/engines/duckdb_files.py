"""Queries that read a source's CSV or Parquet file in DuckDB, as `loaders` would read it."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.engines.sources import characteristics, numeric_columns
from trialimpact.engines.words import literal, quoted
from trialimpact.errors import BrokenRule, RecordError, record_error, worded
from trialimpact.loaders import day_of
from trialimpact.loaders.dates import DAYS_SINCE
from trialimpact.loaders.files import UnreadableTableError, read_frame
from trialimpact.loaders.identifiers import exact_to
from trialimpact.loaders.schema import (
    DATES,
    LABELS,
    Table,
    kind_of,
    nearly_named,
    required_columns,
    source_of,
    wanted_columns,
    wrong_columns,
)
from trialimpact.loaders.values import LARGEST
from trialimpact.protocol import TrialProtocol

_CSV = "read_csv({}, all_varchar = true, header = true, delim = ',', quote = '\"', escape = '\"', strict_mode = true)"
_READERS = {".csv": _CSV, ".csv.gz": _CSV, ".parquet": "read_parquet({})"}
_LARGE = 2**29
_EXACT_TO = {"FLOAT": exact_to(np.float32), "DOUBLE": exact_to(np.float64)}
"""Floating-point types, and the largest of each that is no other whole number's."""


def file_query(protocol: TrialProtocol, source: str, path: Path, describe: Callable[[str], Any]) -> str:
    """The query that reads a file as a source: the library's columns, labels as the loader has them, dates as days.

    Raises
    ------
    RecordError
        There is no such file, its ending says no format that DuckDB reads, or it lacks a column.
    """
    ending = next((each for each in _READERS if path.name.lower().endswith(each)), None)
    if ending is None or not path.is_file():
        says = f"there is no file {path}" if ending else f"duckdb reads .csv, .csv.gz and .parquet, not {path.name}"
        raise RecordError(worded(f"{source}: {says}.", remedy="correct the file, or give a query"))
    try:
        broken = _wrong_columns(protocol, source, path, ending)
        if ending == ".csv.gz":
            _read_to_the_end(path)
    except (OSError, ValueError, EOFError, zlib.error, csv.Error):
        broken = [_cannot_be_read(source, path)]
    if broken:
        refuse_broken_file(protocol, source, path)
        raise record_error(broken, quarantine_helps=False)
    reader = _READERS[ending].format(literal(str(path)))
    types = {name: kind for name, kind, *_ in describe(f"describe select * from {reader}")}
    columns, unreadable = zip(*_columns(protocol, source, types), strict=True)
    bad = " or ".join(each for each in unreadable if each) or "false"
    theirs = source_of(protocol, source).columns.get("claimant_id", "claimant_id")
    odd = _is_odd(_quoted(theirs), types[theirs])
    order = ["row_number() over () as row_no"] if source == "markers" else []
    flags = [f"case when {each} then 1 else 0 end as {name}" for name, each in (("unreadable", bad), ("odd_id", odd))]
    return f"select {', '.join([*columns, *order, *flags])} from {reader}"


def refuse_broken_file(protocol: TrialProtocol, source: str, path: Path) -> None:
    """Raise the loader's error of a file that it cannot read: which, where and why. Large files are not tried."""
    if path.stat().st_size > _LARGE:
        return
    try:
        read_frame(source, path, wanted_columns(protocol, source))
    except UnreadableTableError as error:
        raise record_error([error.broken], quarantine_helps=False) from None


def _read_to_the_end(path: Path) -> None:
    """Raise where a compressed file is cut short: DuckDB before 1.3 reads what there is without a word."""
    with gzip.open(path, "rb") as stream:
        while stream.read(2**22):
            pass


def _cannot_be_read(source: str, path: Path) -> BrokenRule:
    says = f"{path.name} is cut short, or not what its ending says"
    return BrokenRule(table=source, rule="file_is_whole", says=says, remedy="export it again")


def _wrong_columns(protocol: TrialProtocol, source: str, path: Path, ending: str) -> list[BrokenRule]:
    """Columns that are needed or mapped and absent, or that stand twice: as the loader refuses them."""
    if ending == ".parquet":
        from pyarrow import parquet

        header = parquet.read_schema(path).names
    else:
        opening = gzip.open if ending == ".csv.gz" else open
        with opening(path, "rt", encoding="utf-8-sig") as stream:
            header = next(csv.reader(stream), [])
    kind = kind_of(source)
    table = Table(name=source, kind=kind, source=source_of(protocol, source), n_rows=0)
    needed = required_columns(protocol, source) + (characteristics(protocol) if kind == "claimants" else ())
    frame = pd.DataFrame(columns=header)
    optional = {*DATES[kind], *LABELS[kind]} - {*needed}
    return [*wrong_columns(table, frame, needed), *nearly_named(table, frame, optional)]


def _columns(protocol: TrialProtocol, name: str, types: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Each column, and the condition that its value cannot be read (none: empty)."""
    source, kind = source_of(protocol, name), kind_of(name)

    def found(column: str) -> tuple[str, str] | None:
        theirs = source.columns.get(column, column)
        return (_quoted(theirs), types[theirs]) if theirs in types else None

    for column in ("claimant_id", *LABELS[kind]):
        if there := found(column):
            yield f"{_as_label(*there)} as {column}", ""
    for column in characteristics(protocol) if kind == "claimants" else ():
        if there := found(column):
            yield f"{_as_label(*there)} as v_{column}", ""
        if there and column in numeric_columns(protocol):
            text = f"trim(cast({there[0]} as {'tinyint' if there[1] == 'BOOLEAN' else 'varchar'})::varchar)"
            number = f"nullif(try_cast({text} as double), 'nan'::double)"
            yield (
                f"{number} as n_{column}",
                f"({_given(there[0])} and lower({text}) <> 'nan' and coalesce(abs({number}) > {LARGEST}, true))",
            )
    for column in DATES[kind]:
        if there := found(column):
            day, bad = _day(*there, source.date_format)
            yield f"{day} as {column.replace('_date', '_day')}", bad


def _quoted(column: str) -> str:
    return '"' + column.replace('"', '""') + '"'


def _given(column: str) -> str:
    return f"({column} is not null and trim(cast({column} as varchar)) <> '')"


def _as_label(column: str, kind: str) -> str:
    """A value as the loader writes it: whole numbers without a decimal point, no NaN."""
    if kind == "BOOLEAN":
        return f"case when {column} then 'True' when not {column} then 'False' else null end"
    if kind not in _EXACT_TO:
        return column
    number = _number(column)
    whole = f"cast(cast({number} as bigint) as varchar)"
    return f"case when {_is_whole(number)} then {whole} else cast({number} as varchar) end"


def _is_odd(column: str, kind: str) -> str:
    """Where an identifier is a number that is not whole, or so large that it may be another one's too."""
    number = _number(column)
    return f"{number} is not null and not ({_is_whole(number, _EXACT_TO[kind])})" if kind in _EXACT_TO else "false"


def _number(column: str) -> str:
    """A number, null where it is NaN: asked of its text, since a file's statistics, which know no NaN, answer else."""
    return f"case when cast({column} as varchar) <> 'nan' then {column} else null end"


def _is_whole(number: str, largest: float = _EXACT_TO["DOUBLE"]) -> str:
    return f"abs({number}) <= {largest:.0f} and {number} = floor({number})"


def _day(column: str, kind: str, date_format: str) -> tuple[str, str]:
    """Whole days since 1970-01-01 of a column, null where blank; and whether a value cannot be read."""
    epoch = "date '1970-01-01'"
    text = f"trim(cast({column} as varchar))"
    if "TIME ZONE" in kind or "TZ" in kind:
        return "cast(null as bigint)", f"{column} is not null"
    if kind == "DATE" or kind.startswith("TIMESTAMP"):
        moment = f"case when isinf({column}) then null else {column} end"
        late = f"cast({moment} as timestamp) <> cast(cast({moment} as date) as timestamp)"
        return f"date_diff('day', {epoch}, cast({moment} as date))", f"({moment} is not null and {late})"
    if counted_from := DAYS_SINCE.fullmatch(date_format):
        number = f"try_cast({text} as double)"
        whole = f"{number} = floor({number}) and abs({number}) < 1e7"
        offset = day_of(dt.date.fromisoformat(counted_from[1]))
        day = f"case when {whole} then cast({number} as bigint) + {offset} else null end"
        return day, f"({_given(column)} and ({number} is null or not ({whole})))"
    plain = f"regexp_replace({text}, '[ T]00:00:00$', '')"
    parsed = f"try_strptime({plain}, {quoted(date_format)})"
    well = f"regexp_full_match({plain}, '[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}')" if date_format == "%Y-%m-%d" else "true"
    day = f"date_diff('day', {epoch}, cast({parsed} as date))"
    return day, f"({_given(column)} and ({parsed} is null or not {well}))"
