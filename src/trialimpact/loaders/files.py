"""Files and foreign frames -> pandas frames. Nothing is interpreted here: CSV stays text."""

from __future__ import annotations

import hashlib
import importlib
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd

from trialimpact.errors import BrokenRule

TableLike: TypeAlias = Any
"""A path, a pandas or Polars frame, an Arrow table, or anything that exports an Arrow stream."""


class UnreadableTableError(Exception):
    """Carries the broken rule of a table that cannot be read at all."""

    def __init__(self, broken: BrokenRule) -> None:
        super().__init__(str(broken))
        self.broken = broken


def read_frame(name: str, table: TableLike) -> pd.DataFrame:
    """Read one table as it stands.

    Raises `UnreadableTableError` with the reason in words; the underlying message is not passed
    on, since it may quote a record.
    """
    if isinstance(table, pd.DataFrame):
        return table.reset_index(drop=True)
    if isinstance(table, str | Path):
        return _read_file(name, Path(table))
    if hasattr(table, "__arrow_c_stream__"):
        arrow = importlib.import_module("pyarrow").table(table)
        return pd.DataFrame(arrow.to_pandas(date_as_object=False))
    raise _unreadable(
        name,
        "table_is_known",
        f"a {type(table).__name__} is not a table",
        "give a path, a pandas or Polars frame, or an Arrow table",
    )


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, for the manifest."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_file(name: str, path: Path) -> pd.DataFrame:
    ending = next((each for each in _READERS if path.name.lower().endswith(each)), None)
    if ending is None:
        raise _unreadable(
            name,
            "file_ending_is_known",
            f"{path.name} has an ending that says no known format",
            f"use one of {', '.join(_READERS)}",
        )
    if not path.is_file():
        raise _unreadable(name, "file_exists", f"there is no file {path}", "correct the path in the protocol")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return _READERS[ending](path)
    except ModuleNotFoundError as error:
        raise _unreadable(
            name,
            "reader_is_installed",
            f"reading {ending} files needs the package {error.name}",
            f"pip install 'trialimpact[{error.name}]'",
        ) from None
    except (OSError, EOFError, zlib.error, ValueError, LookupError, Warning, MemoryError) as error:
        raise _unreadable(name, "file_is_whole", _reason(path, ending, error), _REMEDY) from None
    except Exception as error:
        # Readers of foreign formats raise classes of their own; any of them means the same to us.
        raise _unreadable(name, "file_is_whole", _reason(path, ending, error), _REMEDY) from None


_REMEDY = "extract the file again, or give it the ending of what it is"


def _reason(path: Path, ending: str, error: Exception) -> str:
    return f"{path.name} cannot be read as {ending} ({type(error).__name__}): cut short, or not what its ending says"


def _unreadable(name: str, rule: str, says: str, remedy: str) -> UnreadableTableError:
    return UnreadableTableError(BrokenRule(table=name, rule=rule, says=says, remedy=remedy))


def _read_csv(path: Path) -> pd.DataFrame:
    """All columns as text, under the names of the header row as they stand there."""
    header = pd.read_csv(path, header=None, nrows=1, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8-sig", index_col=False)
    return frame.set_axis(header.iloc[0].tolist(), axis=1)


def _read_parquet(path: Path) -> pd.DataFrame:
    arrow = importlib.import_module("pyarrow.parquet").read_table(path)
    return pd.DataFrame(arrow.to_pandas(date_as_object=False))


def _read_feather(path: Path) -> pd.DataFrame:
    arrow = importlib.import_module("pyarrow.feather").read_table(path)
    return pd.DataFrame(arrow.to_pandas(date_as_object=False))


def _with_pyreadstat(reader: str) -> Callable[[Path], pd.DataFrame]:
    def read(path: Path) -> pd.DataFrame:
        frame, _ = getattr(importlib.import_module("pyreadstat"), reader)(str(path))
        return pd.DataFrame(frame)

    return read


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _read_csv,
    ".csv.gz": _read_csv,
    ".parquet": _read_parquet,
    ".feather": _read_feather,
    ".arrow": _read_feather,
    ".dta": lambda path: pd.DataFrame(pd.read_stata(path)),
    ".sas7bdat": _with_pyreadstat("read_sas7bdat"),
    ".xpt": _with_pyreadstat("read_xport"),
    ".sav": _with_pyreadstat("read_sav"),
}
