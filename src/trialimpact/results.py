"""`TrialResults`: everything an analysis says, as tidy rows by file name; in memory, or read back from its folder."""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.archive import load_moments
from trialimpact.errors import OutputError, of_its_kind, worded
from trialimpact.estimators import TIDY_COLUMNS
from trialimpact.loaders.files import file_sha256
from trialimpact.moments import Moments
from trialimpact.protocol import TrialProtocol
from trialimpact.whole import RAW_MARK, manifest_of

_ALWAYS = ("flow.csv", "allocation.csv", "balance.csv", "audit.csv", "estimates.csv", "moments.npz")
"""Files that every analysis has."""

_ESTIMATES = (
    "outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "day", "horizon_days",
    "interval", "small_sample", "method",
)  # fmt: skip
KEYS: dict[str, tuple[str, ...]] = {
    "estimates.csv": _ESTIMATES,
    "curves.csv": _ESTIMATES,
    "intervals.csv": _ESTIMATES,
    "flow.csv": ("stage", "kind", "assigned_arm", "received_arm", "office", "reason"),
    "allocation.csv": ("stage", "assigned_arm", "received_arm"),
    "balance.csv": ("contrast", "characteristic", "level", "kind", "test"),
    "audit.csv": ("table", "rule", "severity"),
    "comparison.csv": ("id",),
    "lint.csv": ("id", "check"),
    "quarantined.csv": ("table", "row", "rule"),
    "bands.csv": _ESTIMATES,
    "adjusted.csv": _ESTIMATES,
    "intake.csv": _ESTIMATES,
    "states.csv": _ESTIMATES,
    "integrity.csv": ("check", "where", "basis"),
    "pretrend.csv": ("outcome", "contrast", "subgroup", "test"),
    "placebo.csv": ("outcome", "contrast", "target", "test"),
    "subgroups.csv": ("outcome", "contrast", "subgroup", "horizon_days"),
    "compliance.csv": ("outcome", "contrast", "subgroup", "day", "horizon_days", "estimand"),
    "bounds.csv": ("outcome", "contrast", "horizon_days", "method"),
    "arms.csv": ("outcome", "contrast", "horizon_days"),
    "moves.csv": ("from_state", "to_state", "contrast", "horizon_days"),
    "durations.csv": ("outcome", "contrast", "event", "measure", "side", "day", "horizon_days", "method"),
}  # fmt: skip
"""What names a row of each file; every other column is compared."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TrialResults:
    """What an analysis says. Raw numbers: not for release; `release_results` makes what may leave.

    Attributes
    ----------
    moments : Moments
        With the protocol.
    frames : mapping of file name to DataFrame
        The tidy rows that `analyse` writes: "estimates.csv", "flow.csv", "bands.csv", ...
    stages : mapping of stage to its label
        Of the participant flow, in order.
    manifest : mapping
        Inputs, options, versions, headlines and warnings of the run.
    """

    moments: Moments
    frames: Mapping[str, pd.DataFrame]
    stages: Mapping[str, str]
    manifest: Mapping[str, Any]

    @property
    def protocol(self) -> TrialProtocol:
        """The protocol of the trial."""
        return self.moments.protocol

    def __repr__(self) -> str:
        return f"TrialResults({self.protocol.name}: {len(self.frames)} tables). {RAW_MARK}"

    def _repr_html_(self) -> str:
        from html import escape

        items = "".join(f"<li>{escape(name)}: {len(frame):,} rows</li>" for name, frame in self.frames.items())
        return f"<p><b>{escape(self.protocol.name)}</b>. {RAW_MARK}</p><ul>{items}</ul>"


@of_its_kind
def read_results(folder: str | Path) -> TrialResults:
    """Read back a folder that `trialimpact analyse` wrote.

    Raises
    ------
    OutputError
        The folder holds no analysis, or a file in it is not the one that was written.

    Examples
    --------
    >>> import tempfile
    >>> from trialimpact import analyse_trial, write_analysis
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> analysis = analyse_trial(trial.protocol, trial.tables)
    >>> read_results(write_analysis(analysis, Path(tempfile.mkdtemp()) / "out", methods=False))
    TrialResults(Example digit trial: 6 tables). raw: not for release
    """
    folder = Path(folder)
    manifest = manifest_of(folder)
    try:
        written, stages = dict(manifest["files"]), dict(manifest["stages"])
        is_raw = manifest["mark"] == RAW_MARK
        is_whole = bool(stages) and {*_ALWAYS} <= {*written} and dict(manifest["versions"]) != {}
    except (ValueError, KeyError, TypeError):
        is_raw = is_whole = False
    if not (is_raw and is_whole):
        remedy = "name a folder that `trialimpact analyse` of this version wrote"
        raise OutputError(worded(f"{folder}: holds no analysis.", remedy=remedy))
    names = sorted(name for name in written if "/" not in name and name.endswith(".csv"))
    for name in (*names, "moments.npz"):
        path = folder / name
        if not path.is_file() or file_sha256(path) != written.get(name):
            says = f"{path}: {'not the file that was written' if path.is_file() else 'is missing'}"
            raise OutputError(worded(f"{says}.", remedy="write it again with `trialimpact analyse`"))
    frames = {name: _read(folder / name) for name in names}
    for name, frame in frames.items():
        needed = (*KEYS.get(name, ()), *(TIDY_COLUMNS if name == "estimates.csv" else ()))
        if absent := next((column for column in needed if column not in frame), None):
            theirs, ours = manifest["versions"].get("trialimpact", "?"), metadata.version("trialimpact")
            says = f"{folder / name}: has no column {absent!r} (written by trialimpact {theirs}, read by {ours})"
            raise OutputError(worded(f"{says}.", remedy="write it again with `trialimpact analyse` of this version"))
    return TrialResults(
        moments=load_moments(folder / "moments.npz"),
        frames=frames,
        stages=stages,
        manifest=manifest,
    )


def protocol_in(protocol: TrialProtocol) -> dict[str, str]:
    """The protocol as a manifest names it."""
    design = protocol.model_dump_json(by_alias=True)
    return {"name": protocol.name, "sha256": hashlib.sha256(design.encode()).hexdigest()}


def versions() -> dict[str, str]:
    """Python, this library, and those that numbers come from."""
    libraries = ("trialimpact", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "pydantic")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in libraries}}


def _read(path: Path) -> pd.DataFrame:
    """Rows as they were written: text stays text, and only what is blank is missing."""
    frame = pd.read_csv(path, keep_default_na=False, na_values=[""], dtype={"level": str}, float_precision="round_trip")
    return plain(frame)


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """The same rows in plain types: missing numbers are NaN, missing text is empty, whether read back or not."""
    columns: dict[str, Any] = {}
    for name in frame.columns:
        column = frame[name]
        if pd.api.types.is_bool_dtype(column.dtype) and not column.isna().any():
            columns[name] = column.astype(bool)
        elif pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_bool_dtype(column.dtype):
            columns[name] = column.astype(float) if column.isna().any() else column.astype(column.to_numpy().dtype)
        else:
            text = column.astype(object).where(column.notna(), "")
            columns[name] = text.map(lambda value: value if isinstance(value, str) else str(value))
    return frame.assign(**columns)


def records(rows: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Tidy rows as dictionaries."""
    for row in rows.to_dict("records"):
        yield {str(name): value for name, value in row.items()}


def grouped(rows: pd.DataFrame, *keys: str) -> Iterator[tuple[tuple[str, ...], pd.DataFrame]]:
    """Tidy rows that share some labels, in order of appearance."""
    for labels, found in rows.groupby(list(keys), sort=False):
        yield tuple(str(label) for label in labels), found
