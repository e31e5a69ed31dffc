"""A folder that may be released, written whole or not at all: one page, or everything that is published."""

from __future__ import annotations

import importlib
import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.analysis import TrialAnalysis
from trialimpact.disclosure import DEFAULT_PACK, Release, RulePack, release_results
from trialimpact.disclosure.people import published_flow, published_received
from trialimpact.errors import OutputError, worded
from trialimpact.report.document import ImpactReport, build_report
from trialimpact.report.latex import to_latex
from trialimpact.report.opendocument import write_ods
from trialimpact.report.release_figures import Figure
from trialimpact.report.release_tables import Table
from trialimpact.report.rounding import CONFIDENTIAL
from trialimpact.report.tables import to_markdown, without_formulas, write_markdown
from trialimpact.report.workbook import SHORTHAND, Workbook, write_xlsx
from trialimpact.results import TrialResults, read_results
from trialimpact.whole import RAW_MARK, from_home, write_whole

REPORT_MARK, PUBLICATION_MARK = "released: report", "released: publication"
CHECKER_MARK = f"for the output checker: {RAW_MARK}"
ACRO_MARK = "released: for ACRO"
Found = TrialAnalysis | TrialResults | str | Path
"""What can be reported: an analysis, its results, or the folder that `trialimpact analyse` wrote."""


def write_report(found: Found, out: str | Path, *, pack: str | Path | RulePack = DEFAULT_PACK) -> Path:
    """Write `report.html` into a folder of its own: one page for everybody, with disclosure control.

    Parameters
    ----------
    found : TrialAnalysis, TrialResults or path
        An analysis, its results, or the folder that `trialimpact analyse` wrote.
    out : path
        The folder; replaced if a report is in it.
    pack : str, path or RulePack
        The rules of disclosure control. "none" must be asked for by its name.

    Raises
    ------
    OutputError, ProtocolError

    Examples
    --------
    >>> import tempfile
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> results = analyse_trial(trial.protocol, trial.tables).results(methods=False)
    >>> out = write_report(results, Path(tempfile.mkdtemp()) / "report")
    >>> sorted(path.name for path in out.iterdir())
    ['manifest.json', 'report.html']
    """
    release = release_results(_results(found), pack)
    report = build_report(release)

    def fill(folder: Path) -> dict[str, Any]:
        (folder / "report.html").write_text(report.to_html(), encoding="utf-8")
        return _stated(release)

    return write_whole(out, fill, mark=REPORT_MARK)


def write_publication(
    found: Found,
    out: str | Path,
    *,
    pack: str | Path | RulePack = DEFAULT_PACK,
    for_checker: str | Path | None = None,
    house: str | None = None,
    acro: str | Path | None = None,
) -> Path:
    """Write everything that is published together into a folder: nothing in it is raw.

    Files: `report.html`; `tables.xlsx` and `tables.ods`; `tables/` (Markdown, LaTeX, CSV); `figures/` (SVG, PNG,
    the numbers of each as CSV, alt texts); `data/` (released rows in the tidy columns); `disclosure.md`;
    `consort_2025.md`; `manifest.json`.

    Parameters
    ----------
    found, out, pack
        As `write_report`.
    for_checker : path, optional
        A second folder, which stays in the room: each file as RAW and as CONF, and what was done to it.
    house : str, optional
        Effects by group also as an office prints them: "dwp_2016", "days_margin".
    acro : path, optional
        A folder for the output checkers' tool ACRO (the package `acro`), each published table as an output to review.

    Raises
    ------
    OutputError, ProtocolError
    """
    _require_apart(out, for_checker, acro)
    results = _results(found)
    release = release_results(results, pack)
    report = build_report(release, house)
    written = write_whole(out, lambda folder: _fill(report, folder), mark=PUBLICATION_MARK)
    if for_checker is not None:
        write_whole(for_checker, lambda folder: _fill_for_checker(results, release, folder), mark=CHECKER_MARK)
    if acro is not None:
        write_whole(acro, lambda folder: _fill_acro(release, written, folder), mark=ACRO_MARK)
    return written


def _require_apart(*folders: str | Path | None) -> None:
    """Raw numbers, for the checker, lie in no folder that leaves, nor around one."""
    paths = [from_home(folder).resolve() for folder in folders if folder is not None]
    for one, other in itertools.permutations(paths, 2):
        if one == other or one in other.parents:
            says = f"{other.name}: a folder of one publication cannot be, or lie in, another."
            raise OutputError(worded(says, remedy="name folders beside each other"))


def _fill_acro(release: Release, written: Path, folder: Path) -> dict[str, Any]:
    """Published files as ACRO's outputs: it keeps copies, a results file and a checksum of each."""
    try:
        session: Any = importlib.import_module("acro").ACRO(suppress=False)
    except ModuleNotFoundError:
        remedy = "pip install 'trialimpact[acro]'"
        raise OutputError(worded("a folder for ACRO needs the package acro.", remedy=remedy)) from None
    for path in sorted((written / "data").glob("*.csv")):
        session.custom_output(str(path), f"controlled by trialimpact, {release.pack.label}")
    session.finalise(str(folder / "acro"), "json")
    return _stated(release)


def _results(found: Found) -> TrialResults:
    if isinstance(found, TrialAnalysis):
        return found.results()
    return found if isinstance(found, TrialResults) else read_results(found)


def _stated(release: Release) -> dict[str, Any]:
    """What a manifest of a release says: nothing of the raw numbers, not even what they hash to."""
    return {
        "protocol": release.protocol.name,
        "disclosure_control": release.pack.model_dump(),
        "versions": dict(release.versions),
    }


def _fill(report: ImpactReport, folder: Path) -> dict[str, Any]:
    release = report.release
    (folder / "report.html").write_text(report.to_html(), encoding="utf-8")
    for name in ("tables", "figures", "data"):
        (folder / name).mkdir()
    for table in report.all_tables():
        _write_table(table, folder / "tables")
    title = f"{release.protocol.name}: tables"
    workbook = Workbook(title=title, about=_about(release), tables=tuple(report.all_tables()))
    write_xlsx(workbook, folder / "tables.xlsx")
    write_ods(workbook, folder / "tables.ods")
    alt_texts: dict[str, str] = {"flow.svg": report.flow_says}
    (folder / "figures" / "flow.svg").write_text(report.flow_chart + "\n", encoding="utf-8")
    for figure in report.figures:
        alt_texts |= _write_figure(figure, folder / "figures")
    text = json.dumps(alt_texts, indent=2, ensure_ascii=False)
    (folder / "figures" / "alt_text.json").write_text(text + "\n", encoding="utf-8")
    for name, frame in release.frames.items():
        write_released(frame, folder / "data" / name)
    write_markdown(folder / "consort_2025.md", _page(report.checklist))
    write_markdown(folder / "disclosure.md", "\n".join(_statement(release)) + "\n")
    return _stated(release)


def _write_table(table: Table, folder: Path) -> None:
    write_markdown(folder / f"{table.name}.md", _page(table))
    (folder / f"{table.name}.tex").write_text(to_latex(table), encoding="utf-8")
    without_formulas(table.rows).to_csv(
        folder / f"{table.name}.csv", index=False, lineterminator="\n", encoding="utf-8"
    )


def _page(table: Table) -> str:
    return "\n\n".join([f"# {table.title}", to_markdown(table.rows), *table.notes]) + "\n"


def _write_figure(figure: Figure, folder: Path) -> dict[str, str]:
    (folder / f"{figure.name}.svg").write_text(figure.svg, encoding="utf-8")
    figure.picture.save(folder / f"{figure.name}.png")
    write_released(figure.data, folder / f"{figure.name}.csv")
    return {f"{figure.name}.{ending}": figure.picture.alt_text for ending in ("svg", "png")}


def write_released(frame: pd.DataFrame, path: Path) -> None:
    """Released rows as CSV: every number of a suppressed row is a mark."""
    numbers = [
        name for name in frame.columns if name != "suppressed" and pd.api.types.is_numeric_dtype(frame[name].dtype)
    ]
    gone = frame["suppressed"].to_numpy(dtype=bool)
    marked = frame.drop(columns="suppressed").astype(object)
    for name in numbers:
        hidden = gone & frame[name].isna().to_numpy()
        marked[name] = _whole(frame[name]).where(~hidden, CONFIDENTIAL)
    without_formulas(marked).to_csv(path, index=False, lineterminator="\n", encoding="utf-8")


def _whole(values: pd.Series[Any]) -> pd.Series[Any]:
    """Whole numbers without a decimal point."""
    whole = values.notna() & (values % 1 == 0)
    return values.astype(object).where(~whole, values.where(whole, 0).astype("int64").astype(object))


def _about(release: Release) -> tuple[str, ...]:
    """The cover of a workbook."""
    return (
        f"Impact of {release.protocol.name}, by intention to treat, from administrative records.",
        *_statement(release)[2:5],
        f"Made with trialimpact {release.versions['trialimpact']}.",
    )


def _statement(release: Release) -> list[str]:
    """What was done to protect people, without saying to whom."""
    pack = release.pack
    if not pack.controls:
        return ["# Disclosure control", "", "No disclosure control has been applied."]
    lines = ["# Disclosure control", "", f"Rules: {pack.label}. {pack.source}."]
    if pack.smallest_count > 1:
        small = f"Counts from {0 if pack.zeros == 'suppressed' else 1} to {pack.smallest_count - 1}"
        lines.append(f"{small} are kept back, and others that give them away.")
    if pack.base > 1:
        lines.append(f"Counts are rounded ({pack.rounding}, base {pack.base}); parts may not add up to totals.")
    lines += [
        f"Means, shares and tests are of {pack.smallest_group} people or more on each side; days have one decimal.",
        f"Between two published points of a curve {pack.movers} people or more on each side change state.",
        "Daily shares, their differences and limits are computed from counts as they are shown.",
        "Groups whose sums or differences would be of few people are withdrawn.",
        "",
        *(f"- `{mark}`: {meaning}." for mark, meaning in SHORTHAND.items()),
    ]
    return lines


def _fill_for_checker(results: TrialResults, release: Release, folder: Path) -> dict[str, Any]:
    """RAW beside CONF for every file, and the record of what was done. It stays in the room."""
    raw = dict(results.frames) | {
        "flow.csv": published_flow(results),
        "allocation.csv": published_received(results.frames["allocation.csv"]),
    }
    for name, frame in release.frames.items():
        stem = name.removesuffix(".csv")
        without_formulas(raw[name]).to_csv(folder / f"{stem}_RAW.csv", index=False, lineterminator="\n")
        write_released(frame, folder / f"{stem}_CONF.csv")
    text = f"This folder holds raw numbers for the output checker: {RAW_MARK}.\n"
    (folder / "NOT_FOR_RELEASE.txt").write_text(text, encoding="utf-8")
    write_markdown(folder / "record.md", "\n".join(_record(raw, release)) + "\n")
    return {"protocol": release.protocol.name, "pack": release.pack.name}


def _record(raw: dict[str, pd.DataFrame], release: Release) -> Iterator[str]:
    yield f"# Output checker's record: {release.protocol.name}"
    yield ""
    yield f"**{CHECKER_MARK}**"
    yield ""
    yield f"Rules: {release.pack.label} ({release.pack.name}). {release.pack.source}."
    yield ""
    yield f"- Counts of people suppressed because small: {release.primary}."
    yield f"- Suppressed so that others cannot be worked out: {release.secondary}."
    for each in release.withdrawn:
        yield f"- Withdrawn: {each.in_words()}."
    yield ""
    rows = [
        {
            "File": name,
            "Rows raw": f"{len(raw[name]):,}",
            "Rows released": f"{len(frame):,}",
            "of them suppressed": f"{int(frame['suppressed'].sum()):,}",
            "Pairs": f"{name.removesuffix('.csv')}_RAW.csv, {name.removesuffix('.csv')}_CONF.csv",
        }
        for name, frame in release.frames.items()
    ]
    yield to_markdown(pd.DataFrame(rows))
    left = sorted(set(raw) - set(release.frames))
    yield ""
    yield f"Not released at all: moments.npz{''.join(f', {name}' for name in left)}."
