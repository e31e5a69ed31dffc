"""Folders of raw results: what is written for whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.analysis import TrialAnalysis
from trialimpact.archive import save_moments
from trialimpact.audit import TrialAudit
from trialimpact.economics import CostBenefit
from trialimpact.errors import OutputError, of_its_kind, worded
from trialimpact.estimators import Placebo
from trialimpact.interviews import InterviewSample
from trialimpact.monitoring import TrialMonitor
from trialimpact.report.figures import Picture, plot_cumulative, plot_daily, plot_subgroups, save_pictures
from trialimpact.report.method_figures import plot_placebo, plot_states, plot_survival, plot_tipping, plot_tornado
from trialimpact.report.tables import write_markdown
from trialimpact.results import protocol_in, versions
from trialimpact.summary import stem_of, summarise
from trialimpact.whole import RAW_MARK, from_home, manifest_of, write_whole

AUDIT_MARK, MONITOR_MARK, WORTH_MARK, INTERVIEWS_MARK = (
    f"{what}: {RAW_MARK}" for what in ("audit", "monitor", "cost-benefit", "interviews")
)
"""A folder is written over by its own kind alone."""


@of_its_kind
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
    return write_whole(out, lambda folder: fill_folder(analysis, folder, methods=methods), mark=RAW_MARK)


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

    return write_whole(out, fill, mark=AUDIT_MARK)


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

    return write_whole(out, fill, mark=MONITOR_MARK)


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
        write_markdown(folder / "summary.md", "\n".join(["# What it is worth", "", *lines, ""]))
        _mark_raw(folder)
        valuation = found[0].valuation.model_dump(mode="json", exclude_unset=True)
        return {"protocol": protocol_in(found[0].protocol), "valuation": valuation, "versions": versions()}

    return write_whole(out, fill, mark=WORTH_MARK)


def write_interviews(sample: InterviewSample, out: str | Path) -> Path:
    """Write whom to interview into a folder, whole or not at all. Raw: rows of the claimants' table.

    Files: `rows.csv`, `profile.csv`, `manifest.json` (with seed, quotas, exclusions), `NOT_FOR_RELEASE.txt`.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    drawn = {"n": len(sample), "seed": sample.seed, "quotas": sample.quotas, "excluded": sample.excluded}
    _require_the_same_draw(from_home(out), drawn)

    def fill(folder: Path) -> dict[str, Any]:
        for name, frame in (("rows.csv", sample.to_frame()), ("profile.csv", sample.profile)):
            frame.to_csv(folder / name, index=False, lineterminator="\n")
        _mark_raw(folder)
        return {"protocol": protocol_in(sample.protocol), "drawn": drawn, "versions": versions()}

    return write_whole(out, fill, mark=INTERVIEWS_MARK)


def _require_the_same_draw(folder: Path, drawn: dict[str, Any]) -> None:
    """Whom one draw chose may have been asked: another is not put in its place."""
    there = manifest_of(folder).get("drawn")
    if there is not None and there != json.loads(json.dumps(drawn)):
        raise OutputError(worded(f"{folder}: another draw is there.", remedy="name another folder"))


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
    write_markdown(folder / "summary.md", summarise(analysis, alt_texts, methods=methods))
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
    for bounds in (each for each in found.bounds if each.tipping.has_interval):
        pictures[f"tipping_{stem_of(bounds)}"] = plot_tipping(bounds)
    for durations in found.durations:
        pictures[f"{durations.event}_{stem_of(durations)}"] = plot_survival(durations)
    for states in found.states:
        pictures[f"states_{states.contrast.name}"] = plot_states(states)
    return pictures
