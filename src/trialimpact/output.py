"""A folder of raw results, written whole or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.analysis import TrialAnalysis
from trialimpact.archive import save_moments
from trialimpact.audit import TrialAudit
from trialimpact.economics import CostBenefit
from trialimpact.errors import OutputError, worded
from trialimpact.estimators import Placebo
from trialimpact.interviews import InterviewSample
from trialimpact.loaders.files import file_sha256
from trialimpact.monitoring import TrialMonitor
from trialimpact.report.figures import Picture, plot_cumulative, plot_daily, plot_subgroups, save_pictures
from trialimpact.report.method_figures import plot_placebo, plot_states, plot_survival, plot_tipping, plot_tornado
from trialimpact.results import MANIFEST, RAW_MARK, protocol_in, versions
from trialimpact.summary import stem_of, summarise


def write_analysis(analysis: TrialAnalysis, out: str | Path, *, methods: bool = True) -> Path:
    """Write an analysis into a folder: numbers, pictures, moments and a manifest.

    The folder appears whole or not at all. One that holds only what an earlier analysis wrote is
    replaced; any other folder that is not empty is left alone.

    Files: `estimates.csv`, `flow.csv`, `allocation.csv`, `balance.csv`, `audit.csv`,
    `quarantined.csv`, a file each method beside the main estimates (`bands.csv`, `integrity.csv`,
    `pretrend.csv`, `placebo.csv`, `adjusted.csv`, `subgroups.csv`, `compliance.csv`, `bounds.csv`,
    `durations.csv`, `states.csv`), `moments.npz`, `figures/`, `summary.md`, `manifest.json`. They are
    raw numbers, with no disclosure control: the manifest and `NOT_FOR_RELEASE.txt` say so.

    Parameters
    ----------
    methods : bool
        False: the main estimates only, which is quicker.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=300, seed=1)
    >>> out = Path(tempfile.mkdtemp()) / "results"
    >>> written = write_analysis(analyse_trial(trial.protocol, trial.tables), out, methods=False)
    >>> sorted(path.stem for path in written.glob("*.csv"))
    ['allocation', 'audit', 'balance', 'estimates', 'flow', 'quarantined']
    """
    return write_whole(Path(out), lambda folder: fill_folder(analysis, folder, methods=methods), mark=RAW_MARK)


def write_audit(audit: TrialAudit, out: str | Path) -> Path:
    """Write an integrity page into a folder, whole or not at all: `audit.html` and its numbers. Raw.

    Files: `audit.html`, `integrity.csv`, `pretrend.csv`, `placebo.csv`, `intake.csv`, `balance.csv`,
    `flow.csv`, `manifest.json`, `NOT_FOR_RELEASE.txt`.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        for name, frame in audit.frames().items():
            frame.to_csv(folder / name, index=False, lineterminator="\n")
        (folder / "audit.html").write_text(audit.to_html(), encoding="utf-8")
        _mark_raw(folder)
        return {"protocol": protocol_in(audit.protocol), "level": audit.level, "versions": versions()}

    return write_whole(Path(out), fill, mark=RAW_MARK)


def write_monitor(monitor: TrialMonitor, out: str | Path) -> Path:
    """Write a look at a live trial into a folder, whole or not at all. Raw.

    Files: `monitor.html`, `checks.csv`, `weeks.csv`, `received.csv`, `manifest.json`, `NOT_FOR_RELEASE.txt`.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        frames = {"checks.csv": monitor.checks, "weeks.csv": monitor.weeks, "received.csv": monitor.received}
        for name, frame in frames.items():
            frame.to_csv(folder / name, index=False, lineterminator="\n")
        (folder / "monitor.html").write_text(monitor.to_html(), encoding="utf-8")
        _mark_raw(folder)
        return {"protocol": protocol_in(monitor.protocol), "n_alarms": len(monitor.alarms), "versions": versions()}

    return write_whole(Path(out), fill, mark=RAW_MARK)


def write_cost_benefit(found: Sequence[CostBenefit], out: str | Path) -> Path:
    """Write what a programme is worth into a folder, whole or not at all. Raw.

    Files: `net.csv`, `lines.csv`, `tornado.csv` (a column `contrast`), `figures/`, `summary.md`, `manifest.json`,
    `NOT_FOR_RELEASE.txt`.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        for name in ("net", "lines", "tornado"):
            frames = [getattr(each, name).assign(contrast=each.contrast.name) for each in found]
            pd.concat(frames, ignore_index=True).to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        pictures = {
            f"tornado_{each.contrast.name}_{who}": plot_tornado(each, who)
            for each in found
            for who in each.valuation.perspectives
        }
        save_pictures(pictures, folder / "figures")
        lines = [f"- {each.contrast.name}: {line}" for each in found for line in each.sentences()]
        (folder / "summary.md").write_text("\n".join(["# What it is worth", "", *lines, ""]), encoding="utf-8")
        _mark_raw(folder)
        valuation = found[0].valuation.model_dump(mode="json", exclude_unset=True)
        return {"protocol": protocol_in(found[0].protocol), "valuation": valuation, "versions": versions()}

    return write_whole(Path(out), fill, mark=RAW_MARK)


def write_interviews(sample: InterviewSample, out: str | Path) -> Path:
    """Write whom to interview into a folder, whole or not at all. Raw: rows of the claimants' table.

    Files: `rows.csv`, `profile.csv`, `manifest.json` (with seed, quotas, exclusions), `NOT_FOR_RELEASE.txt`.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """

    def fill(folder: Path) -> dict[str, Any]:
        for name, frame in (("rows.csv", sample.to_frame()), ("profile.csv", sample.profile)):
            frame.to_csv(folder / name, index=False, lineterminator="\n")
        _mark_raw(folder)
        drawn = {"n": len(sample), "seed": sample.seed, "quotas": sample.quotas, "excluded": sample.excluded}
        return {"protocol": protocol_in(sample.protocol), "drawn": drawn, "versions": versions()}

    return write_whole(Path(out), fill, mark=RAW_MARK)


def check_destination(out: str | Path, mark: str = RAW_MARK) -> Path:
    """The folder that `out` names, links followed, if it may be written.

    It may if it does not exist, is empty, or holds only what an earlier run with this mark wrote:
    a manifest of ours, and no file that the manifest does not list.

    Raises
    ------
    OutputError
    """
    if not str(out):
        raise OutputError(worded("the folder to write has no name.", remedy="name a folder"))
    try:
        folder = Path(out).resolve()
        ours = not folder.exists() or (folder.is_dir() and _holds_only_ours(folder, mark))
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise OutputError(worded(f"the folder to write: {reason}.", remedy="name another folder")) from None
    if not ours:
        says = f"{out}: not empty, and not only what trialimpact wrote"
        raise OutputError(worded(f"{says}.", remedy="name a new folder, or move what is yours out of it"))
    return folder


def _holds_only_ours(folder: Path, mark: str) -> bool:
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if not there:
        return not any(folder.iterdir())
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return bool(manifest["mark"] == mark and there <= {*manifest["files"], MANIFEST})
    except (OSError, ValueError, KeyError, TypeError):
        return False


def write_whole(out: Path, write: Callable[[Path], dict[str, Any]], *, mark: str) -> Path:
    """Let `write` fill a folder beside `out`, then put it in place of `out` in one step.

    `write` returns what the manifest says beside the mark and the hash of every file.
    """
    folder = check_destination(out, mark)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", suffix=".partial", dir=folder.parent))
    except OSError as error:
        remedy = "name a folder that can be written"
        raise OutputError(worded(f"{out}: cannot be written: {error.strerror}.", remedy=remedy)) from None
    try:
        content = {"mark": mark, **write(building), "files": _hashes(building)}
        text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
        (building / MANIFEST).write_text(text + "\n", encoding="utf-8")
        building.chmod(0o755)
        _swap(building, folder)
    except OutputError:
        raise
    except OSError as error:
        raise OutputError(
            worded(f"{out}: cannot be written: {error.strerror}.", remedy="free space, or name another folder")
        ) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return out


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


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


def fill_folder(analysis: TrialAnalysis, folder: Path, *, methods: bool = True) -> dict[str, Any]:
    """Write the files of an analysis into an empty folder; return what its manifest says.

    Without `methods`, only the main estimates, and not what they are defended with.
    """
    results = analysis.results(methods=methods)
    for name, frame in results.frames.items():
        frame.to_csv(folder / name, index=False, lineterminator="\n")
    save_moments(analysis.moments, folder / "moments.npz")
    pictures = _main_pictures(analysis, methods) | (_method_pictures(analysis) if methods else {})
    alt_texts = save_pictures(pictures, folder / "figures")
    (folder / "summary.md").write_text(summarise(analysis, alt_texts, methods=methods), encoding="utf-8")
    _mark_raw(folder)
    return {**results.manifest, "stages": [list(each) for each in results.stages.items()]}


def _mark_raw(folder: Path) -> None:
    text = "These are raw numbers: no disclosure control has been applied to anything in this folder.\n"
    (folder / "NOT_FOR_RELEASE.txt").write_text(text, encoding="utf-8")


def _main_pictures(analysis: TrialAnalysis, methods: bool) -> dict[str, Picture]:
    """Daily and cumulative pictures of everyone, with bands and pre-trial tests, and forests of subgroups."""
    pictures: dict[str, Picture] = {}
    found = analysis.inference if methods else None
    for daily, cumulative in analysis.everyone():
        stem, bands = stem_of(daily.comparison), found.bands_of(daily.comparison) if found else None
        pretrend = found.pretrend_of(daily.comparison) if found else None
        pictures[f"daily_{stem}"] = plot_daily(daily, bands.daily if bands else None, pretrend)
        pictures[f"cumulative_{stem}"] = plot_cumulative(cumulative, bands.cumulative if bands else None)
        if analysis.protocol.subgroups:
            pictures[f"subgroups_{stem}"] = plot_subgroups(analysis.subgroups(cumulative))
    return pictures


def _method_pictures(analysis: TrialAnalysis) -> dict[str, Picture]:
    """Other assignments, tipping points, survival curves and states."""
    found, pictures = analysis.inference, {}
    for placebo in found.placebos:
        test = placebo.randomisation if isinstance(placebo, Placebo) else placebo
        if test.target.at in (analysis.protocol.analysis.max_horizon,) or test.target.kind == "pre_period":
            which = "before" if test.target.kind == "pre_period" else "after"
            pictures[f"placebo_{which}_{stem_of(test)}"] = plot_placebo(placebo, analysis.protocol)
    for bounds in found.bounds:
        pictures[f"tipping_{stem_of(bounds)}"] = plot_tipping(bounds)
    for durations in found.durations:
        pictures[f"{durations.event}_{stem_of(durations)}"] = plot_survival(durations)
    for states in found.states:
        pictures[f"states_{states.contrast.name}"] = plot_states(states)
    return pictures
