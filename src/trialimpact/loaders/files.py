"""Files and foreign frames -> pandas frames. Nothing is interpreted here: CSV stays text."""

from __future__ import annotations

import hashlib
import importlib
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from trialimpact.errors import BrokenRule, listed, printable
from trialimpact.loaders.signatures import (
    NOT_TEXT,
    first_lines,
    separator_of,
    separator_of_header,
    why_no_csv,
    why_no_text,
)

TableLike: TypeAlias = Any
"""A path, a pandas or Polars frame, an Arrow table, or anything that exports an Arrow stream."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The columns to read of a table, by the table's own names; the rest is left unread where a format allows it."""

    identifier: str
    coded: frozenset[str]
    """Dates and labels: few distinct values, so text is read as codes where the file holds codes."""
    kept: frozenset[str]
    """Columns that are kept as they stand."""

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.coded | self.kept | {self.identifier}

    def among(self, names: Iterable[str]) -> list[str]:
        """Those of a table's columns that are wanted, and those that differ from one in capitals, marks or a number."""
        nearly = {in_letters(each) for each in self.names}
        return [each for each in names if unnumbered(each) in self.names or in_letters(each) in nearly]


def in_letters(name: str) -> str:
    """A name without capitals, spaces and marks."""
    return "".join(each for each in unicodedata.normalize("NFC", str(name)).casefold() if each.isalnum())


def unnumbered(name: str) -> str:
    """A name without the number by which pandas and R tell a second column of that name.

    >>> unnumbered("start_date.1")
    'start_date'
    """
    return re.sub(r"\.[0-9]+$", "", str(name))


_Reader: TypeAlias = Callable[[Path, Wanted], pd.DataFrame]


class UnreadableTableError(Exception):
    """Carries the broken rule of a table that cannot be read at all."""

    def __init__(self, broken: BrokenRule) -> None:
        super().__init__(str(broken))
        self.broken = broken


def read_frame(name: str, table: TableLike, wanted: Wanted) -> pd.DataFrame:
    """Read one table as it stands; a frame is not copied.

    Raises `UnreadableTableError` with the reason in words; the underlying message is not passed
    on, since it may quote a record.
    """
    if isinstance(table, pd.DataFrame):
        return table
    if isinstance(table, str | Path):
        return _read_file(name, Path(table), wanted)
    if hasattr(table, "__arrow_c_stream__"):
        pyarrow = importlib.import_module("pyarrow")
        try:
            arrow = pyarrow.table(table)
            if isinstance(table, pyarrow.RecordBatchReader) and not arrow.num_rows:
                says, remedy = "a RecordBatchReader has no rows left", "give a table: reader.read_all(), read once"
                raise _unreadable(name, "table_is_known", says, remedy)
            return _as_frame(arrow, wanted)
        except (pyarrow.ArrowException, ValueError, TypeError):
            says = f"a {type(table).__name__} is not a table, or a column of it holds what cannot be read"
            raise _unreadable(name, "table_is_known", says, "make columns all text, all dates or all numbers") from None
    raise _unreadable(
        name,
        "table_is_known",
        f"a {type(table).__name__} is not a table",
        "give a path, a pandas or Polars frame, or an Arrow table",
    )


def table_sha256(name: str, table: TableLike) -> str | None:
    """The SHA-256 of a table's file, None of a frame; an `UnreadableTableError` where the file has vanished."""
    if not isinstance(table, str | Path):
        return None
    try:
        return file_sha256(Path(table))
    except OSError as error:
        raise _unreadable(name, "file_is_whole", _reason(Path(table), "", error), _REMEDY) from None


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, for the manifest."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_file(name: str, path: Path, wanted: Wanted) -> pd.DataFrame:
    ending = next((each for each in _READERS if path.name.lower().endswith(each)), None)
    if ending is None:
        raise _unreadable(
            name,
            "file_ending_is_known",
            f"{path.name!r} has an ending that says no known format",
            f"use one of {', '.join(_READERS)}",
        )
    if why := _why_no_file(path):
        raise _unreadable(name, "file_exists", *why)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            for outdated in (DeprecationWarning, FutureWarning):  # of the reader, not of the file
                warnings.simplefilter("ignore", outdated)
            return _READERS[ending](path, wanted)
    except _RaggedError as error:
        rows = "1 row has" if len(error.rows) == 1 else f"{len(error.rows):,} rows have"
        says = f"{rows} too few or too many fields, or a field over several lines (a stray quote): {listed(error.rows)}"
        raise _unreadable(name, "row_has_every_field", error.fields or says, _REMEDY) from None
    except _OtherSeparatorError as error:
        says = f"the fields of {path.name} are between {error}, not commas alone"
        raise _unreadable(name, "fields_are_between_commas", says, _REMEDY) from None
    except _NoCsvError as error:
        raise _unreadable(name, "file_is_whole", f"{path.name} {error}", _REMEDY) from None
    except ModuleNotFoundError as error:
        raise _unreadable(
            name,
            "reader_is_installed",
            f"reading {ending} files needs the package {error.name}",
            f"pip install 'trialimpact[{error.name}]'",
        ) from None
    except MemoryError:
        raise
    except Exception as error:
        # Readers of foreign formats raise classes of their own; any of them means the same to us.
        remedy = _ASK if isinstance(error, PermissionError) else _REMEDY
        raise _unreadable(name, "file_is_whole", _reason(path, ending, error), remedy) from None


def _why_no_file(path: Path) -> tuple[str, str] | None:
    """What stands in a file's place, and the remedy; None where it is a file."""
    try:
        if path.is_dir():
            return f"{path} is a folder", "name the file in it, or read its parts as one frame"
        if path.is_file():
            return None
        if path.exists():
            return f"{path} is a pipe or a device", "write what comes from it into a file: it is read more than once"
        if path.is_symlink():
            return f"{path} is a link to what is not there", "correct the link, or the path in the protocol"
    except PermissionError:
        return f"the folder of {path} may not be entered by you", _ASK
    except (OSError, ValueError):
        pass
    address = re.search("[a-z0-9]{2,}:/", str(path))
    return f"there is no file {path}", "correct the path in the protocol" + (": no address is read" if address else "")


class _RaggedError(Exception):
    """Rows of a CSV file that have too few or too many fields; or how many fields, where it is every row."""

    def __init__(self, rows: list[int], fields: str = "") -> None:
        super().__init__("ragged")
        self.rows, self.fields = rows, fields


class _OtherSeparatorError(Exception):
    """Fields stand between something else than commas; says what."""


class _NoCsvError(Exception):
    """A file is no CSV; says what it is, after its name."""


_BLOCK, _LONGEST_ROW = 2**20, 2**26
"""CSV is read in blocks of so many bytes, none shorter than a row: in larger ones only where a row is long."""

_ASK = "ask for the right to read it"
_REMEDY = "extract the file again: comma-separated UTF-8 with a header row, or another known format"


def _reason(path: Path, ending: str, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"{path.name} may not be read by you"
    if isinstance(error, FileNotFoundError):
        return f"{path.name} vanished while it was read"
    if not path.stat().st_size:
        return f"{path.name} is empty"
    if "straddling" in str(error):
        return f"{path.name} has a row longer than {_LONGEST_ROW // 2**20} MB"
    if "Empty CSV" in str(error):
        return f"{path.name} is empty, or one line without an end"
    said = str(error).lower().replace("-", "")
    if isinstance(error, UnicodeDecodeError) or "utf8" in said or "wrapping" in said:  # as Arrow says it of text
        return f"{path.name} holds text that is not UTF-8"
    return f"{path.name} cannot be read as {ending}: cut short, or not what its ending says"


def _unreadable(name: str, rule: str, says: str, remedy: str) -> UnreadableTableError:
    return UnreadableTableError(BrokenRule(table=name, rule=rule, says=printable(says), remedy=remedy))


def _as_frame(arrow: Any, wanted: Wanted) -> pd.DataFrame:
    """The wanted columns of an Arrow table, an index of pandas among them: text that is only looked at stays in Arrow's
    hands.
    """
    pyarrow = importlib.import_module("pyarrow")
    text = {each: pd.ArrowDtype(each) for each in (pyarrow.string(), pyarrow.large_string())}
    looked_at_names = wanted.coded | {wanted.identifier}
    looked_at, kept = (
        arrow.select([place for place, name in enumerate(arrow.column_names) if name in names]).unify_dictionaries()
        for names in (looked_at_names, {*wanted.among(arrow.column_names)} - looked_at_names)
    )
    parts = [
        looked_at.to_pandas(ignore_metadata=True, date_as_object=False, types_mapper=text.get),
        kept.to_pandas(ignore_metadata=True, date_as_object=False),
    ]
    return pd.DataFrame(pd.concat([part.set_axis(pd.RangeIndex(len(part)), axis=0) for part in parts], axis=1))


def _read_csv(path: Path, wanted: Wanted) -> pd.DataFrame:
    """All columns as text. A row with too few or too many fields is an error, not a row with blanks."""
    if why := why_no_csv(path):
        raise _NoCsvError(why)
    csv = importlib.import_module("pyarrow.csv")
    try:
        arrow = _parsed(path, csv.ParseOptions(newlines_in_values=True))
    except (ValueError, OSError):
        if why := why_no_text(path):
            raise _NoCsvError(why) from None
        rows, fields = _ragged_rows(path)
        header, row = first_lines(path)
        if rows and (found := separator_of(header) or (separator_of(row) if fields else None)):
            raise _OtherSeparatorError(found) from None
        if rows:
            raise _RaggedError(rows, fields) from None
        raise
    _require_commas(arrow)
    if _holds_text(arrow, "\x00"):
        raise _NoCsvError(why_no_text(path) or NOT_TEXT)
    if several_lines := _holds_text(arrow, "\n", "\r"):
        raise _RaggedError(several_lines)
    return _as_frame(arrow, wanted)


def _require_commas(arrow: Any) -> None:
    names, row = arrow.column_names, arrow.slice(0, 1).to_pylist()
    if len(names) == 1 and (found := separator_of_header(names[0])):
        raise _OtherSeparatorError(found)
    if len(names) == 1 and "," in names[0]:
        raise _NoCsvError("has each row as one quoted field")
    fields = [*names[1:], *(field for each in row for field in [*each.values()][1:] if field)]
    if len(names) > 1 and all(field.startswith(" ") for field in fields):
        raise _OtherSeparatorError("commas with a space")


def _parsed(path: Path, parsing: Any) -> Any:
    try:
        return _in_blocks(path, parsing, _BLOCK)
    except ValueError:
        return _in_blocks(path, parsing, _LONGEST_ROW)


def _in_blocks(path: Path, parsing: Any, n_bytes: int) -> Any:
    csv = importlib.import_module("pyarrow.csv")
    reading = csv.ReadOptions(use_threads=False, block_size=n_bytes)
    with csv.open_csv(path, read_options=reading, parse_options=parsing) as opened:
        names = opened.schema.names
    return csv.read_csv(
        path,
        read_options=reading,
        parse_options=parsing,
        convert_options=csv.ConvertOptions(
            column_types=dict.fromkeys(names, importlib.import_module("pyarrow").string()),
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=True,
        ),
    )


def _ragged_rows(path: Path) -> tuple[list[int], str]:
    """Rows with too few or too many fields, or over several lines, of a file that is UTF-8 text; and in words how many
    fields, where every row has as many, and the header others.
    """
    ragged: list[int] = []
    fields: set[tuple[int, int]] = set()

    def skipping(row: Any) -> str:
        if row.number is not None:
            ragged.append(row.number - 1)
        fields.add((row.expected_columns, row.actual_columns))
        return "skip"

    parsing = importlib.import_module("pyarrow.csv").ParseOptions(newlines_in_values=True, invalid_row_handler=skipping)
    arrow = _parsed(path, parsing)
    everywhere = f"the header has {{}} fields, and each of {len({*ragged}):,} rows {{}}"
    is_everywhere = len(fields) == 1 and len({*ragged}) > 1 and not arrow.num_rows
    said = everywhere.format(*next(iter(fields))) if is_everywhere else ""
    return sorted({*ragged, *_holds_text(arrow, "\n", "\r")}), said


def _holds_text(arrow: Any, *marks: str) -> list[int]:
    """Rows of a table of text in which a control character stands: a line break is mostly a stray quote."""
    compute = importlib.import_module("pyarrow.compute")
    rows: set[int] = set()
    # Some releases of pyarrow (18 among them) end the process when asked about a column of no rows: those are not.
    for column in arrow.columns:
        if not any(_holds_control_bytes(chunk) for chunk in column.chunks):
            continue
        for mark in marks:
            found = compute.fill_null(compute.match_substring(column, mark), False)
            rows |= {int(row) + 1 for row in compute.indices_nonzero(found).to_pylist()}
    return sorted(rows)


def _holds_control_bytes(text: Any) -> bool:
    """Whether the bytes of some text include one up to the carriage return."""
    held = text.buffers()[2]
    return held is not None and held.size > 0 and int(np.frombuffer(held, dtype=np.uint8).min()) <= ord("\r")


def _read_parquet(path: Path, wanted: Wanted) -> pd.DataFrame:
    parquet = importlib.import_module("pyarrow.parquet")
    names = parquet.read_schema(path).names
    columns = wanted.among(names)
    if len(set(columns)) < len(columns):
        return pd.DataFrame(columns=names)  # whoever looks for its columns says which stand twice
    # Times of old Spark and Impala (INT96) in nanoseconds would begin again after the year 2262.
    arrow = parquet.read_table(
        path,
        columns=columns,
        read_dictionary=sorted(wanted.coded & set(names)),
        coerce_int96_timestamp_unit="us",
    )
    return _as_frame(arrow, wanted)


def _read_feather(path: Path, wanted: Wanted) -> pd.DataFrame:
    return _as_frame(importlib.import_module("pyarrow.feather").read_table(path), wanted)


def _read_stata(path: Path, wanted: Wanted) -> pd.DataFrame:
    """Weeks, months, quarters and years, which pandas takes for their first days, are no dates: they become text."""
    with pd.read_stata(path, iterator=True) as reader:
        names = reader.variable_labels()
        formats = dict(zip(names, getattr(reader, "_fmtlist", ()), strict=True))
        columns = wanted.among(names)
        if not columns:
            return pd.DataFrame(columns=[*names])
        frame = pd.DataFrame(reader.read(columns=columns))  # type: ignore[attr-defined]
    forms = {name: formats[name][:3] for name in columns}
    periods = {name: form for name, form in forms.items() if form in ("%tw", "%tm", "%tq", "%th", "%ty")}
    return frame.assign(**{name: f"{form} " + frame[name].astype(str) for name, form in periods.items()})


def _with_pyreadstat(reader: str) -> _Reader:
    def read(path: Path, _: Wanted) -> pd.DataFrame:
        frame, _metadata = getattr(importlib.import_module("pyreadstat"), reader)(str(path))
        return pd.DataFrame(frame)

    return read


_READERS: dict[str, _Reader] = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".parquet": _read_parquet,
    ".feather": _read_feather,
    ".arrow": _read_feather,
    ".dta": _read_stata,
    ".sas7bdat": _with_pyreadstat("read_sas7bdat"),
    ".xpt": _with_pyreadstat("read_xport"),
    ".sav": _with_pyreadstat("read_sav"),
}
