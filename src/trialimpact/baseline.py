"""Two folders of results compared, number by number: what moved, and by how much."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.archive import load_moments
from trialimpact.errors import OutputError, of_its_kind, worded
from trialimpact.intervals import Booleans
from trialimpact.results import KEYS
from trialimpact.whole import MANIFEST, manifest_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One number (or text, row, or file) that is not what the baseline says."""

    file: str
    row: str
    column: str
    baseline: str
    now: str

    def __str__(self) -> str:
        return f"{self.file}: {self.row}: {self.column} was {self.baseline}, is {self.now}"


@of_its_kind
def check_against(folder: str | Path, baseline: str | Path, *, rtol: float = 1e-9, atol: float = 1e-12) -> list[Moved]:
    """Every number in `folder` that is not what `baseline` says, within the tolerances.

    Parameters
    ----------
    folder, baseline : path
        Folders that `write_analysis` (or `trialimpact reproduce`) wrote. Files that the baseline does
        not have are not compared.
    rtol, atol : float
        A number has moved if it differs by more than ``atol + rtol * abs(baseline)``.

    Raises
    ------
    OutputError
        A folder is not there, or the baseline has none of the files.
    """
    folder, baseline = Path(folder), Path(baseline)
    for each in (folder, baseline):
        if not each.is_dir():
            raise OutputError(worded(f"{each}: no such folder.", remedy="write it with `trialimpact analyse`"))
    if folder.samefile(baseline):
        raise OutputError(worded(f"{folder}: is compared with itself.", remedy="name another folder as the baseline"))
    if not (0 <= rtol < 1 and 0 <= atol < np.inf):
        says = f"rtol={rtol:g} and atol={atol:g} let everything pass, or nothing."
        raise OutputError(worded(says, remedy="give tolerances such as 1e-9 and 1e-12: rtol is from 0 to below 1"))
    names = _ours(baseline, KEYS)
    if not names:
        raise OutputError(
            worded(
                f"{baseline}: none of {', '.join(KEYS)}.",
                remedy="write a baseline with `trialimpact analyse`",
            )
        )
    moved: list[Moved] = []
    for name in names:
        if (folder / name).is_file():
            moved += _compare_files(name, folder, baseline, (rtol, atol))
        else:
            moved.append(Moved(file=str(name), row="file", column="file", baseline="there", now="missing"))
    return moved + _compare_moments(folder, baseline)


def _ours(folder: Path, names: Iterable[str]) -> list[Path]:
    """Files of these names in a folder and those within it, but for what was released from it."""
    within = (path.parent for path in folder.rglob(MANIFEST) if path.parent != folder)
    released = [each for each in within if "released" in str(manifest_of(each).get("mark"))]
    found = (path for name in names for path in folder.rglob(name) if not any(map(path.is_relative_to, released)))
    return sorted(path.relative_to(folder) for path in found)


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"level": str})
    except (OSError, ValueError) as error:
        raise OutputError(
            worded(
                f"{path}: cannot be read ({type(error).__name__}).", remedy="write it again with `trialimpact analyse`"
            )
        ) from None


def _compare_files(name: Path, folder: Path, baseline: Path, tolerance: tuple[float, float]) -> list[Moved]:
    now, then = _read(folder / name), _read(baseline / name)
    try:
        return _compare(name, now, then, tolerance)
    except (KeyError, ValueError, OverflowError):
        says = f"{name}: its rows cannot be told apart by {', '.join(KEYS[name.name])}"
        raise OutputError(worded(f"{says}.", remedy="write both folders with trialimpact")) from None


def _compare(path: Path, now: pd.DataFrame, then: pd.DataFrame, tolerance: tuple[float, float]) -> list[Moved]:
    name, keys = str(path), list(KEYS[path.name])
    sides = ((then, now, "there", "missing"), (now, then, "absent", "there"))
    unlike = [
        Moved(file=name, row="all rows", column=column, baseline=before, now=after)
        for one, other, before, after in sides
        for column in one.columns
        if column not in other.columns
    ]
    if unlike:
        return unlike
    then = then.assign(_repeat=then.groupby(keys, dropna=False).cumcount())
    now = now.assign(_repeat=now.groupby(keys, dropna=False).cumcount())
    both = then.merge(now, on=[*keys, "_repeat"], how="outer", suffixes=("_then", "_now"), indicator=True)
    moved = []
    for side, before, after in (("left_only", "there", "missing"), ("right_only", "absent", "there")):
        rows = both[both["_merge"] == side]
        moved += [
            Moved(file=name, row=_named(row, keys), column="row", baseline=before, now=after)
            for row in rows[keys].to_dict("records")
        ]
    matched = both[both["_merge"] == "both"]
    for column in (column for column in then.columns if column not in keys and column != "_repeat"):
        pair = matched[f"{column}_then"], matched[f"{column}_now"]
        differs = _differs(*pair, tolerance)
        moved += [
            Moved(file=name, row=_named(row, keys), column=column, baseline=str(before), now=str(after))
            for row, before, after in zip(
                matched.loc[differs, keys].to_dict("records"), pair[0][differs], pair[1][differs], strict=True
            )
        ]
    return moved


def _differs(then: pd.Series[Any], now: pd.Series[Any], tolerance: tuple[float, float]) -> Booleans:
    """Cells that differ: numbers by more than the tolerance, anything else, and numbers from it, at all.

    One word in a column of numbers makes all of it text as it is read: the others are numbers still.
    """
    differs = (then.fillna("").astype(str) != now.fillna("").astype(str)).to_numpy(dtype=bool)
    if not any(pd.api.types.is_numeric_dtype(each.dtype) for each in (then, now)):
        return differs
    rtol, atol = tolerance
    before, after = (pd.to_numeric(each, errors="coerce").to_numpy(float) for each in (then, now))
    numbers = ~(np.isnan(before) | np.isnan(after))
    return np.where(numbers, ~np.isclose(after, before, rtol=rtol, atol=atol), differs)


def _named(row: dict[Hashable, Any], keys: list[str]) -> str:
    """The key of a row in words, without what is blank."""
    said = [(key, row[key]) for key in keys if not pd.isna(row[key])]
    return ", ".join(f"{key} {int(value) if isinstance(value, float) else value}" for key, value in said)


def _compare_moments(folder: Path, baseline: Path) -> list[Moved]:
    """Every file of moments of the baseline, wherever it lies in it."""
    moved = []
    for name in _ours(baseline, ["moments.npz"]):
        if not (folder / name).is_file():
            moved.append(Moved(file=str(name), row="file", column="file", baseline="there", now="missing"))
        elif load_moments(folder / name) != load_moments(baseline / name):
            what = "a count, or the protocol,"
            moved.append(
                Moved(file=str(name), row="moments", column=what, baseline="as in the baseline", now="another")
            )
    return moved
