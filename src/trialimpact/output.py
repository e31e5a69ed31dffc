"""A folder of raw results, written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from trialimpact.analysis import TrialAnalysis
from trialimpact.archive import save_moments
from trialimpact.errors import OutputError, worded
from trialimpact.report.figures import Picture, plot_cumulative, plot_daily, plot_subgroups
from trialimpact.report.tables import (
    tabulate_balance,
    tabulate_flow,
    tabulate_horizons,
    tabulate_subgroups,
    to_markdown,
)

RAW_MARK = "raw: not for release"
MANIFEST = "manifest.json"


def write_analysis(analysis: TrialAnalysis, out: str | Path) -> Path:
    """Write an analysis into a folder: numbers, pictures, moments and a manifest.

    The folder appears whole or not at all. One that an earlier analysis wrote is replaced; any
    other folder that is not empty is left alone.

    Files: `estimates.csv`, `flow.csv`, `allocation.csv`, `balance.csv`, `audit.csv`,
    `quarantined.csv`, `moments.npz`, `figures/`, `summary.md`, `manifest.json`. They are raw
    numbers, with no disclosure control: the manifest and `NOT_FOR_RELEASE.txt` say so.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=2_000, seed=1)
    >>> out = Path(tempfile.mkdtemp()) / "results"
    >>> sorted(path.name for path in write_analysis(analyse_trial(trial.protocol, trial.tables), out).glob("*.csv"))
    ['allocation.csv', 'audit.csv', 'balance.csv', 'estimates.csv', 'flow.csv', 'quarantined.csv']
    """
    return write_whole(Path(out), lambda folder: _write_files(analysis, folder))


def write_whole(out: Path, write: Callable[[Path], None], *, mark: str = MANIFEST) -> Path:
    """Let `write` fill a folder beside `out`, then put it in place of `out` in one step.

    An existing `out` is replaced only if it is empty or holds the file `mark`, which `write` makes.
    """
    if out.exists() and not (out.is_dir() and ((out / mark).is_file() or not any(out.iterdir()))):
        raise OutputError(
            worded(f"{out}: not empty, and not written by trialimpact.", remedy="name a new folder, or empty it")
        )
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".partial", dir=out.parent))
    except OSError as error:
        remedy = "name a folder that can be written"
        raise OutputError(worded(f"{out}: cannot be written: {error.strerror}.", remedy=remedy)) from None
    try:
        write(building)
        building.chmod(0o755)
        _swap(building, out)
    except OSError as error:
        raise OutputError(
            worded(f"{out}: cannot be written: {error.strerror}.", remedy="free space, then run again")
        ) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out


def _swap(building: Path, out: Path) -> None:
    """Put `building` where `out` is; an old `out` is moved aside first and removed last."""
    if not out.exists():
        building.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=".old", dir=out.parent))
    out.rename(old / "replaced")
    try:
        building.rename(out)
    except OSError:
        (old / "replaced").rename(out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _write_files(analysis: TrialAnalysis, folder: Path) -> None:
    frames = {
        "estimates.csv": analysis.to_frame(),
        "flow.csv": analysis.sample.flow.to_frame(),
        "allocation.csv": analysis.sample.received.to_frame(),
        "balance.csv": analysis.balance.to_frame(),
        "audit.csv": analysis.audit.to_frame(),
        "quarantined.csv": analysis.quarantined,
    }
    for name, frame in frames.items():
        frame.to_csv(folder / name, index=False, lineterminator="\n")
    save_moments(analysis.moments, folder / "moments.npz")
    _write_figures(analysis, folder / "figures")
    (folder / "summary.md").write_text(_summary(analysis), encoding="utf-8")
    (folder / "NOT_FOR_RELEASE.txt").write_text(
        "These are raw numbers: no disclosure control has been applied to anything in this folder.\n",
        encoding="utf-8",
    )
    manifest = json.dumps(_manifest(analysis, folder), indent=2, sort_keys=True, ensure_ascii=False)
    (folder / MANIFEST).write_text(manifest + "\n", encoding="utf-8")


def _write_figures(analysis: TrialAnalysis, folder: Path) -> None:
    folder.mkdir()
    alt_texts: dict[str, str] = {}

    def save(picture: Picture, name: str) -> None:
        picture.save(folder / f"{name}.png")
        alt_texts[f"{name}.png"] = picture.alt_text

    for daily, cumulative in analysis.everyone():
        stem = f"{daily.comparison.outcome}_{daily.comparison.contrast.name}"
        save(plot_daily(daily), f"daily_{stem}")
        save(plot_cumulative(cumulative), f"cumulative_{stem}")
        if analysis.protocol.subgroups:
            save(plot_subgroups(analysis.subgroups(cumulative)), f"subgroups_{stem}")
    text = json.dumps(alt_texts, indent=2, ensure_ascii=False)
    (folder / "alt_text.json").write_text(text + "\n", encoding="utf-8")


def _summary(analysis: TrialAnalysis) -> str:
    """The tables that people read first, in Markdown."""
    protocol = analysis.protocol
    parts = [f"# {protocol.name}", f"**{RAW_MARK}**", *(f"- {line}" for line in analysis.headlines())]
    parts += [f"- Warning: {message}" for message in analysis.warnings]
    for _, cumulative in analysis.everyone():
        which = cumulative.comparison
        words = protocol.outcome(which.outcome).words
        parts += [f"## Days {words}: {which.contrast.name}", to_markdown(tabulate_horizons(cumulative))]
        if protocol.subgroups:
            parts.append(to_markdown(tabulate_subgroups(analysis.subgroups(cumulative))))
    parts += ["## Participant flow", to_markdown(tabulate_flow(analysis.sample.flow, protocol))]
    if len(analysis.balance.rows):
        parts += ["## Balance", to_markdown(tabulate_balance(analysis.balance, protocol))]
    return "\n\n".join(parts) + "\n"


def _manifest(analysis: TrialAnalysis, folder: Path) -> dict[str, Any]:
    design = analysis.protocol.model_dump_json(by_alias=True)
    libraries = ("trialimpact", "numpy", "pandas", "scipy", "statsmodels", "matplotlib", "pydantic")
    return {
        "mark": RAW_MARK,
        "protocol": {"name": analysis.protocol.name, "sha256": hashlib.sha256(design.encode()).hexdigest()},
        "inputs": [
            {"table": each.table, "name": each.name, "n_rows": each.n_rows, "sha256": each.sha256}
            for each in analysis.inputs
        ],
        "options": analysis.options,
        "seed": analysis.protocol.analysis.seed,
        "versions": {
            "python": platform.python_version(),
            **{name: metadata.version(name) for name in libraries},
        },
        "headlines": list(analysis.headlines()),
        "warnings": list(analysis.warnings),
        "files": {
            path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        },
    }
