"""`build_report`: a release -> one HTML page that stands alone: no network, and no script needed to read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.disclosure import Release
from trialimpact.protocol import Contrast, Outcome
from trialimpact.protocol.explain import protocol_sentences
from trialimpact.report.findings import (
    band_findings,
    finding_of_row,
    integrity_findings,
    integrity_level,
    kept_back_findings,
    main_findings,
    pretrend_findings,
    sensitivity_findings,
    subgroup_sentences,
)
from trialimpact.report.flowchart import draw_flow
from trialimpact.report.page import render_page
from trialimpact.report.release_figures import Figure, cumulative_figure, daily_figure, forest_figure
from trialimpact.report.release_tables import (
    Table,
    checklist_table,
    house_table,
    release_tables,
    rows_about,
    subgroups_table,
    table_of_horizons,
)
from trialimpact.report.rounding import CONFIDENTIAL
from trialimpact.results import records


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Panel:
    """One outcome, contrast and group."""

    group: str
    is_everyone: bool
    sentence: str
    table: Table
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OutcomeSection:
    """One outcome and contrast: everyone, then each group."""

    name: str
    title: str
    panels: tuple[Panel, ...]
    forest: Figure | None
    subgroups: Table | None
    house: Table | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class ImpactReport:
    """Everything that a publication says, drawn from a release: sentences, tables, pictures."""

    release: Release
    outcomes: tuple[OutcomeSection, ...]
    tables: dict[str, Table]
    flow_chart: str
    flow_says: str
    checklist: Table

    @property
    def figures(self) -> Iterator[Figure]:
        """All pictures but the flow chart."""
        for section in self.outcomes:
            for panel in section.panels:
                yield from panel.figures
            if section.forest is not None:
                yield section.forest

    def all_tables(self) -> Iterator[Table]:
        """All tables in reading order."""
        yield self.tables["headline"]
        for section in self.outcomes:
            yield from (panel.table for panel in section.panels if panel.is_everyone)
            yield from (table for table in (section.subgroups, section.house) if table is not None)
        yield from (table for name, table in self.tables.items() if name != "headline")
        yield self.checklist

    def to_html(self) -> str:
        """The page."""
        release = self.release
        return render_page(
            "report/report.html.jinja",
            report=self,
            protocol=release.protocol,
            pack=release.pack,
            versions=release.versions,
            headlines=[each.sentence() for each in main_findings(release)],
            bands=list(band_findings(release)),
            differences=list(subgroup_sentences(release)),
            integrity=integrity_findings(release),
            level=integrity_level(release),
            pretrends=list(pretrend_findings(release)),
            sensitivity=[*sensitivity_findings(release), *kept_back_findings(release)],
            design=protocol_sentences(release.protocol),
            confidential=CONFIDENTIAL,
        )

    def __repr__(self) -> str:
        return f"ImpactReport({self.release!r})"

    def _repr_html_(self) -> str:
        from html import escape

        said = "".join(f"<li>{escape(each.sentence())}</li>" for each in main_findings(self.release))
        return f"<p><b>{escape(self.release.protocol.name)}</b>, {escape(self.release.pack.label)}</p><ul>{said}</ul>"


def build_report(release: Release, house: str | None = None) -> ImpactReport:
    """Sentences, tables and pictures of a release; `house` names a presentation to add, as "dwp_2016".

    Examples
    --------
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.disclosure import release_results
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> results = analyse_trial(trial.protocol, trial.tables).results(methods=False)
    >>> build_report(release_results(results))
    ImpactReport(Release(Example digit trial, ONS 10-5: 5 tables))
    """
    protocol, rows = release.protocol, release.frames["estimates.csv"]
    sections = []
    for contrast in protocol.contrasts:
        for outcome in protocol.outcomes:
            here = rows_about(rows, outcome.name, contrast)
            # Daily shares are of everybody; days to a horizon as the headline has them.
            here = here[here["method"] == np.where(here["day"].notna(), "difference", protocol.analysis.headline)]
            if len(here):
                sections.append(_section(release, here, outcome, contrast, house))
    chart, says = draw_flow(release.frames["flow.csv"], release.stages, protocol)
    return ImpactReport(
        release=release, outcomes=tuple(sections), tables=release_tables(release), flow_chart=chart, flow_says=says,
        checklist=checklist_table(release),
    )  # fmt: skip


def _section(
    release: Release, rows: pd.DataFrame, outcome: Outcome, contrast: Contrast, house: str | None
) -> OutcomeSection:
    protocol, longest = release.protocol, release.protocol.analysis.max_horizon
    name = f"{outcome.name}_{contrast.name}"
    panels = [
        _panel(release, rows[rows["subgroup"] == group], f"{name}_{group}", group)
        for group in protocol.subgroup_names
        if ((rows["subgroup"] == group) & rows["horizon_days"].notna()).any()
    ]
    at = rows[rows["horizon_days"] == longest]
    forest = subgroups = None
    if protocol.subgroups and not at["suppressed"].all():
        forest = forest_figure(release, at, contrast, name)
        subgroups = subgroups_table(release, outcome, contrast)
    title = f"Days {outcome.words}: {contrast.treatment_words} against {contrast.control_words}"
    return OutcomeSection(
        name=name,
        title=title,
        panels=tuple(panels),
        forest=forest,
        subgroups=subgroups,
        house=house_table(release, at, house, f"{house}_{name}") if house else None,
    )


def _panel(release: Release, rows: pd.DataFrame, name: str, group: str) -> Panel:
    protocol = release.protocol
    cumulative = rows[rows["horizon_days"].notna()]
    found = finding_of_row(next(records(cumulative.sort_values("horizon_days").tail(1))), protocol)
    table = table_of_horizons(release, cumulative, name)
    figures = [
        figure
        for figure in (daily_figure(release, rows, name), cumulative_figure(release, cumulative, name))
        if figure is not None
    ]
    return Panel(
        group=protocol.subgroup_words(group),
        is_everyone=group == "all",
        sentence=found.sentence(),
        table=table,
        figures=tuple(figures),
    )
