"""Released rows -> the tables of a publication, as text."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from trialimpact.disclosure import Release
from trialimpact.protocol import Contrast, Outcome, TrialProtocol
from trialimpact.report.checklist import consort_checklist
from trialimpact.report.findings import finding_of_row, main_findings
from trialimpact.report.method_tables import (
    METHOD_TITLES,
    arms_table,
    compliance_table,
    durations_table,
    heterogeneity_table,
    moves_table,
    states_table,
)
from trialimpact.report.presentations import house_label, present_effects
from trialimpact.report.rounding import CONFIDENTIAL, printed, printed_count, printed_percent
from trialimpact.report.tables import audit_table, balance_table, flow_table, horizon_table
from trialimpact.results import records


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table for people, of text.

    Attributes
    ----------
    name : str
        Of files and sheets.
    title : str
        What it shows, for whom, over which time.
    rows : DataFrame
    notes : tuple of str
    """

    name: str
    title: str
    rows: pd.DataFrame
    notes: tuple[str, ...] = ()


def rows_about(rows: pd.DataFrame, outcome: str, contrast: Contrast) -> pd.DataFrame:
    """The rows of one outcome and contrast."""
    return rows[(rows["outcome"] == outcome) & (rows["contrast"] == contrast.name)] if len(rows) else rows


def table_of_horizons(release: Release, rows: pd.DataFrame, name: str) -> Table:
    """Rows to horizons of one outcome, contrast and group."""
    found = finding_of_row(next(records(rows)), release.protocol)
    who = found.who or "everyone"
    return Table(
        name=f"horizons_{name}",
        title=f"Days {found.outcome} by horizon, {found.treatment} against {found.control}, {who}",
        rows=horizon_table(rows, release.protocol),
        notes=("People are those with any follow-up within the horizon.",),
    )


def subgroups_table(release: Release, outcome: Outcome, contrast: Contrast) -> Table | None:
    """Effects in subgroups, and whether they differ from the others'."""
    rows = rows_about(release.frames.get("subgroups.csv", pd.DataFrame()), outcome.name, contrast)
    if not len(rows):
        return None
    longest = release.protocol.analysis.max_horizon
    sides = f"{contrast.treatment_words} minus {contrast.control_words}"
    return Table(
        name=f"subgroups_{outcome.name}_{contrast.name}",
        title=f"Days {outcome.words} over {longest} days, by subgroup: {sides}",
        rows=heterogeneity_table(rows, release.protocol),
        notes=("Differences from others are adjusted for the number of comparisons (Holm; Benjamini-Hochberg).",),
    )


def house_table(release: Release, rows: pd.DataFrame, house: str, name: str) -> Table:
    """Effects to the longest horizon by group, as a house prints them."""
    found = finding_of_row(next(records(rows)), release.protocol)
    title = f"Days {found.outcome} over {found.horizon_days} days, {found.treatment} minus {found.control}"
    return Table(
        name=name, title=f"{title} ({house_label(house)})", rows=present_effects(rows, release.protocol, house)
    )


def checklist_table(release: Release) -> Table:
    """CONSORT 2025."""
    title = "CONSORT 2025: what is reported, and what remains for the author"
    return Table(name="consort_2025", title=title, rows=consort_checklist(release))


def release_tables(release: Release) -> dict[str, Table]:
    """Tables that are not of one outcome."""
    protocol, frames = release.protocol, release.frames
    found = {
        "headline": Table(name="headline", title="What was found", rows=_headline_rows(release)),
        "flow": Table(
            name="flow",
            title="Participant flow: people remaining and removed, by arm",
            rows=flow_table(frames["flow.csv"], release.stages, protocol),
        ),
    }
    if protocol.sources.markers is not None:
        found["received"] = Table(name="received", title="Arm assigned and arm received", rows=_received_rows(release))
    if len(frames["balance.csv"]):
        rows = balance_table(frames["balance.csv"], protocol)
        found["balance"] = Table(name="balance", title="Characteristics of the arms at the start", rows=rows)
    if len(frames.get("integrity.csv", ())):
        found["integrity"] = Table(
            name="integrity", title="Checks of how the trial was run", rows=_integrity_rows(frames["integrity.csv"])
        )
    found |= _arms_tables(release) | _method_tables(release)
    broken = frames["audit.csv"]
    found["records"] = Table(
        name="records",
        title="What was found in the records",
        rows=audit_table(broken[(broken["n_broken"] > 0) | broken["suppressed"]]),
    )
    return found


def _method_tables(release: Release) -> dict[str, Table]:
    """Compliance, bounds, durations, states, moves: everyone, to the longest horizon."""
    protocol, frames, found = release.protocol, release.frames, {}
    longest = protocol.analysis.max_horizon
    for contrast in protocol.contrasts:
        for outcome in protocol.outcomes:
            name = f"{outcome.name}_{contrast.name}"
            about = f"days {outcome.words}, {contrast.treatment_words} against {contrast.control_words}"
            for method, build in (("compliance", compliance_table), ("bounds", _bounds_table)):
                rows = rows_about(frames.get(f"{method}.csv", pd.DataFrame()), outcome.name, contrast)
                rows = rows[rows["horizon_days"] == longest] if len(rows) else rows
                if len(rows):
                    title_now = f"{METHOD_TITLES[method]}: {about}, over {longest} days"
                    found[f"{method}_{name}"] = Table(
                        name=f"{method}_{name}", title=title_now, rows=build(rows, protocol)
                    )
            durations = rows_about(frames.get("durations.csv", pd.DataFrame()), outcome.name, contrast)
            measured = durations[durations["measure"] != "survival"] if len(durations) else durations
            for event in measured["event"].unique() if len(measured) else ():
                rows = durations_table(durations[durations["event"] == event], protocol)
                title_now = f"Time to {str(event).replace('_', ' ')}: {about}"
                found[f"{event}_{name}"] = Table(name=f"{event}_{name}", title=title_now, rows=rows)
        for kind, title, tabulate in (
            ("states", "Days in each state", states_table),
            ("moves", "Moves between states", moves_table),
        ):
            rows = frames.get(f"{kind}.csv", pd.DataFrame())
            rows = rows[(rows["contrast"] == contrast.name) & (rows["horizon_days"] == longest)] if len(rows) else rows
            if len(rows):
                title_now = f"{title}, {contrast.treatment_words} against {contrast.control_words}"
                rows = tabulate(rows, _state_labels(release), protocol)
                found[f"{kind}_{contrast.name}"] = Table(name=f"{kind}_{contrast.name}", title=title_now, rows=rows)
    return found


def _arms_tables(release: Release) -> dict[str, Table]:
    """All contrasts together, an outcome each, to the longest horizon."""
    rows, protocol, found = release.frames.get("arms.csv", pd.DataFrame()), release.protocol, {}
    for outcome in protocol.outcomes if len(rows) else ():
        longest = protocol.analysis.max_horizon
        here = rows[(rows["outcome"] == outcome.name) & (rows["horizon_days"] == longest)]
        if len(here):
            title = f"All contrasts together: days {outcome.words} over {longest} days"
            found[f"arms_{outcome.name}"] = Table(
                name=f"arms_{outcome.name}", title=title, rows=arms_table(here, protocol)
            )
    return found


def _state_labels(release: Release) -> dict[str, str]:
    """The states in words."""
    states = release.protocol.states
    assert states is not None  # noqa: S101
    return dict(zip(states.names, states.labels, strict=True))


def _headline_rows(release: Release) -> pd.DataFrame:
    rule = release.protocol.presentation.rounding
    return pd.DataFrame(
        [
            {
                "Outcome": f"Days {found.outcome}, over {found.horizon_days} days",
                "Compared": f"{found.treatment} minus {found.control}",
                "Difference in days": printed(found.estimate, rule) or CONFIDENTIAL,
                found.interval: f"{printed(found.low, rule)} to {printed(found.high, rule)}"
                if found.low == found.low
                else CONFIDENTIAL,
            }
            for found in main_findings(release)
        ]
    )


def _received_rows(release: Release) -> pd.DataFrame:
    rule = release.protocol.presentation.rounding
    return pd.DataFrame(
        [
            {
                "Stage": release.stages.get(row["stage"], row["stage"]),
                "Assigned": row["assigned_arm"],
                "Received": row["received_arm"],
                "People": printed_count(row["n"]),
                "Share of those assigned": CONFIDENTIAL
                if row["share_of_assigned"] != row["share_of_assigned"]
                else printed_percent(row["share_of_assigned"], rule),
            }
            for row in records(release.frames["allocation.csv"])
        ]
    )


def _integrity_rows(rows: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Check": row["check"].replace("_", " "),
                "Arms as": row["basis"],
                "Made at": f"{row['n_places']} place{'s' if row['n_places'] != 1 else ''}",
                "Worst level": row["level"],
                "What it says": row["says"],
            }
            for row in records(rows)
        ]
    )


def _bounds_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    rule = protocol.presentation.rounding

    def between(low: float, high: float) -> str:
        return f"{printed(low, rule)} to {printed(high, rule)}" if low == low else ""

    return pd.DataFrame(
        [
            {
                "Method": row["method"].replace("_", " "),
                "Bounds in days": between(row["lower"], row["upper"]),
                "Interval": between(row["conf_low"], row["conf_high"]),
                "Shift that it takes": printed(row["shift_treatment"], rule),
                "What it says": row["says"],
            }
            for row in records(rows)
        ]
    )
