"""A whole report, reproduced from records: analysed by the ordinary calls, then held against its print."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from trialimpact.analysis import TrialAnalysis, analyse_trial
from trialimpact.errors import OutputError, TrialWarning, unknown_name, worded
from trialimpact.estimators import estimate_subgroups
from trialimpact.output import fill_folder
from trialimpact.protocol import shipped_protocol
from trialimpact.report.figures import save_pictures
from trialimpact.reproduce.comparison import compare_published
from trialimpact.reproduce.document import write_document
from trialimpact.reproduce.figures import plot_reproduction
from trialimpact.reproduce.iap import compute_iap
from trialimpact.reproduce.lint import lint_report
from trialimpact.reproduce.published import read_published
from trialimpact.reproduce.reproduction import Provenance, Reproduction
from trialimpact.whole import manifest_of, write_whole

REPORTS = {"iap": "iap_2016"}
"""Protocols whose report can be reproduced, and the published numbers of each."""

MARK = "reproduction"


def reproduce_report(name: str, data: str | Path, *, progress: bool = False) -> Reproduction:
    """Analyse the records of a published trial and hold every number against the report.

    The analysis is `analyse_trial` of the shipped protocol: it reads records and no published number.

    Parameters
    ----------
    name : "iap"
    data : folder with the protocol's tables, such as data/synthetic/iap of the repository
    progress : show progress on stderr

    Returns
    -------
    Reproduction

    Raises
    ------
    ProtocolError
        No such report.
    OutputError
        The folder does not exist.
    RecordError, DesignError
        As `analyse_trial`.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_iap
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> _ = simulate_iap(2_000, seed=1).write(folder)
    >>> reproduce_report("iap", folder)
    Reproduction(Intensive Activity Programme, 2015: Comparison(... of 262 published numbers print alike; ...))
    """
    if name not in REPORTS:
        raise unknown_name("reproduction", name, REPORTS, where="trialimpact")
    if not _is_folder(Path(data)):
        remedy = "run in a clone of the repository, or name the folder of the records (--data)"
        raise OutputError(worded(f"{str(data)[:200]}: no such folder of records.", remedy=remedy))
    protocol, published = shipped_protocol(name), read_published(REPORTS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        analysis = analyse_trial(protocol, folder=data, progress=progress)
        valid = {
            each.name: estimate_subgroups(analysis.moments, each.name, interval="wald") for each in protocol.outcomes
        }
    computed = compute_iap(analysis)
    return Reproduction(
        published=published,
        provenance=provenance_of(Path(data), name, analysis),
        analysis=analysis,
        valid=valid,
        comparison=compare_published(published, computed),
        lint=lint_report(published),
    )


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def provenance_of(data: Path, name: str, analysis: TrialAnalysis) -> Provenance:
    """What the manifest beside the records says of them, if its hashes are those of the files that were read."""
    manifest = manifest_of(data)
    try:
        hashes = set(manifest["files"].values())
        mark, tuned_to = manifest["mark"], manifest.get("tuned_to")
    except (KeyError, TypeError, AttributeError):
        return "unknown"
    if mark != "synthetic" or not {each.sha256 for each in analysis.records.inputs} <= hashes:
        return "unknown"
    return "tuned" if tuned_to == name else "invented"


def write_reproduction(reproduction: Reproduction, out: str | Path) -> Path:
    """Write a reproduction into a folder, whole or not at all; begin with `reproduction.html`.

    Files: `reproduction.html`, `comparison.csv`, `intervals.csv`, `curves.csv`, `lint.csv`, `figures/`,
    `manifest.json`, and in `analysis/` what `write_analysis` writes.

    Raises
    ------
    OutputError
        The folder holds something else, or cannot be written.
    """
    return write_whole(out, lambda folder: _fill(reproduction, folder), mark=MARK)


def _fill(reproduction: Reproduction, folder: Path) -> dict[str, Any]:
    frames = {
        "comparison.csv": reproduction.comparison.to_frame(),
        "intervals.csv": reproduction.intervals(),
        "curves.csv": reproduction.curves(),
        "lint.csv": reproduction.lint.to_frame(),
    }
    for name, frame in frames.items():
        frame.to_csv(folder / name, index=False, lineterminator="\n")
    pictures = plot_reproduction(reproduction)
    save_pictures(pictures, folder / "figures")
    write_document(reproduction, pictures, folder / "reproduction.html")
    (folder / "analysis").mkdir()
    return fill_folder(reproduction.analysis, folder / "analysis", methods=False)
