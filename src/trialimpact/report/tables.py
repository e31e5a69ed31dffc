"""Results -> tables for people: rounded, labelled, in reading order. No arithmetic on estimates.

Each `tabulate_` takes a result; its table comes from the tidy rows, which may be raw or released.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.errors import of_its_kind
from trialimpact.estimators import Balance, Effects, SubgroupEffects
from trialimpact.flow import ALL, BREAKDOWN, ParticipantFlow
from trialimpact.loaders import Audit
from trialimpact.protocol import TrialProtocol
from trialimpact.report.rounding import CONFIDENTIAL, printed, printed_count, printed_p, printed_percent
from trialimpact.report.words import interval_name_of
from trialimpact.results import records


@of_its_kind
def tabulate_horizons(effects: Effects) -> pd.DataFrame:
    """Cumulative effects at the protocol's horizons: days by arm, difference, interval, p.

    People are those with any follow-up within the horizon; the last column says how many of them
    (treatment / control) were still followed on its last day.
    """
    effects.require("cumulative")
    protocol = effects.protocol
    (followed, other), first = effects.comparison.n_followed(), effects.comparison.first_day
    still = {
        horizon: (int(followed[horizon - 1 - first]), int(other[horizon - 1 - first]))
        for horizon in protocol.analysis.horizon_days
    }
    rows = effects.to_frame()
    return horizon_table(rows, protocol, still)


def horizon_table(
    rows: pd.DataFrame, protocol: TrialProtocol, still_followed: Mapping[int, tuple[float, float]] | None = None
) -> pd.DataFrame:
    """Rows of one outcome, contrast and group at the protocol's horizons."""
    at = {row["horizon_days"]: row for row in records(rows)}
    table = []
    for horizon in protocol.analysis.horizon_days:
        row = at.get(horizon, {"suppressed": True, "interval": ""})
        numbers = {
            "Treatment: days": _number(row, "mean_treatment", protocol),
            "Control: days": _number(row, "mean_control", protocol),
            "Difference in days": _number(row, "estimate", protocol),
            interval_name_of(protocol, row["interval"]): _interval(row, "conf_low", "conf_high", protocol),
            "p": _p(row, "p_value"),
            "Treatment: people": _count(row, "n_treatment"),
            "Control: people": _count(row, "n_control"),
        }
        shown = {"Over the first": f"{horizon:,} days"} | numbers
        if still_followed is not None:
            still = still_followed.get(horizon)
            shown["followed on the last day"] = " / ".join(map(printed_count, still)) if still else CONFIDENTIAL
        table.append(shown)
    return pd.DataFrame(table)


@of_its_kind
def tabulate_subgroups(subgroups: SubgroupEffects) -> pd.DataFrame:
    """Cumulative effect in each subgroup, everyone first."""
    protocol = next(iter(subgroups.by_subgroup.values())).protocol
    frames = [effects.to_frame() for effects in subgroups.by_subgroup.values()]
    rows = pd.concat([frame[frame["horizon_days"] == subgroups.horizon_days] for frame in frames], ignore_index=True)
    return subgroup_table(rows, protocol)


def subgroup_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of one outcome, contrast and horizon, a group each."""
    return pd.DataFrame(
        [
            {
                "Subgroup": protocol.subgroup_words(row["subgroup"]),
                "Treatment: people": _count(row, "n_treatment"),
                "Control: people": _count(row, "n_control"),
                "Difference in days": _number(row, "estimate", protocol),
                interval_name_of(protocol, row["interval"]): _interval(row, "conf_low", "conf_high", protocol),
                "p": _p(row, "p_value"),
            }
            for row in records(rows)
        ]
    )


@of_its_kind
def tabulate_balance(balance: Balance, protocol: TrialProtocol) -> pd.DataFrame:
    """Balance of the arms, with a star where p < 0.05."""
    return balance_table(balance.to_frame(), protocol)


def balance_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `balance.csv`."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows):
        if row.get("suppressed"):
            treatment = control = apart = standardised = p = CONFIDENTIAL
        else:
            names = ("value_treatment", "value_control", "difference")
            if row["kind"] == "categorical":
                treatment, control = (printed_percent(row[name], rule) for name in names[:2])
                apart = printed(100 * row["difference"], rule) + " points"
            else:
                treatment, control, apart = (printed(row[name], "two_decimals") for name in names)
            standardised = printed(row["standardised_difference"], "two_decimals")
            p = printed_p(row["p_value"])
        table.append(
            {
                "Contrast": row["contrast"],
                "Characteristic": row["characteristic"],
                "Level": row["level"],
                "Treatment": treatment,
                "Control": control,
                "Difference": apart,
                "Standardised difference": standardised,
                "p": p,
                "p < 0.05": "*" if p != CONFIDENTIAL and row["p_value"] < 0.05 else "",
            }
        )
    return pd.DataFrame(table)


@of_its_kind
def tabulate_flow(flow: ParticipantFlow, protocol: TrialProtocol) -> pd.DataFrame:
    """The participant flow: people left at each stage, by arm assigned and (with markers) received."""
    return flow_table(flow.to_frame(), flow.stages, protocol)


def flow_table(rows: pd.DataFrame, stages: Mapping[str, str], protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `flow.csv`, a stage each."""
    counted, table = FlowCounts(rows), []
    nobody = "" if "suppressed" in rows.columns else "0"
    for stage, label in stages.items():
        shown = {"Stage": label, "Remaining": counted(stage), "Removed": counted(stage, "removed") or nobody}
        for arm in protocol.arms:
            shown[f"Assigned {arm}"] = counted(stage, assigned_arm=arm)
        for arm in protocol.arms if protocol.sources.markers is not None else ():
            shown[f"Received {arm}"] = counted(stage, received_arm=arm)
        table.append(shown)
    return pd.DataFrame(table)


def tabulate_audit(audit: Audit) -> pd.DataFrame:
    """The rules that rows break and that ask for a look: errors (set aside) and warnings."""
    return audit_table(audit.in_doubt().to_frame())


def audit_table(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `audit.csv`, a rule and table each."""
    columns = ["Table", "Rule", "What it asks", "Rows that break it", "Rows", "Done with them"]
    table = [
        (
            row["table"], row["rule"].replace("_", " "), row["says"], printed_count(row["n_broken"]),
            printed_count(row["n_rows"]), row["action"],
        )
        for row in records(rows)
    ]  # fmt: skip
    return pd.DataFrame(table, columns=columns)


class FlowCounts:
    """The counts of a flow in print."""

    def __init__(self, rows: pd.DataFrame) -> None:
        self._found = {(row["stage"], row["kind"], *(row[name] for name in BREAKDOWN)): row for row in records(rows)}

    def __call__(self, stage: str, kind: str = "remaining", **by: str) -> str:
        """One count: `counted("analysed", assigned_arm="IAP")`; empty where there is no such row."""
        row = self._found.get((stage, kind, *(by.get(name, ALL) for name in BREAKDOWN)))
        return "" if row is None else _count(row, "n")

    def reasons(self, stage: str, kind: str) -> Iterator[tuple[str, str]]:
        """Reasons at a stage, with how many people have each."""
        for key, row in self._found.items():
            everyone = key[2:5] == (ALL, ALL, ALL)
            if key[:2] == (stage, kind) and everyone and row["reason"] != ALL:
                yield row["reason"], _count(row, "n")


def _number(row: Mapping[str, Any], name: str, protocol: TrialProtocol) -> str:
    return CONFIDENTIAL if row.get("suppressed") else printed(row[name], protocol.presentation.rounding)


def _p(row: Mapping[str, Any], name: str) -> str:
    return CONFIDENTIAL if row.get("suppressed") else printed_p(row[name])


def _count(row: Mapping[str, Any], name: str) -> str:
    return CONFIDENTIAL if row.get("suppressed") else printed_count(row[name])


def _interval(row: Mapping[str, Any], low: str, high: str, protocol: TrialProtocol) -> str:
    if row.get("suppressed"):
        return CONFIDENTIAL
    rule = protocol.presentation.rounding
    return f"{printed(row[low], rule)} to {printed(row[high], rule)}" if row[low] == row[low] else ""


def write_markdown(path: Path, text: str) -> None:
    """Write a page of Markdown: what could be HTML in a label is text."""
    path.write_text(re.sub(r"<(?=[A-Za-z/!?])", "&lt;", text), encoding="utf-8")


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """The same rows for CSV that people open: what a spreadsheet would run begins with an apostrophe.

    >>> without_formulas(pd.DataFrame({"Level": ["=1+1", "-A1", "-5.5 to 17", "North"]}))["Level"].tolist()
    ["'=1+1", "'-A1", '-5.5 to 17', 'North']
    """
    return table.map(lambda cell: f"'{cell}" if isinstance(cell, str) and _FORMULA.match(cell) else cell)


_FORMULA = re.compile(r"[=@\t\r]|[+-](?![\d.,]+(?:$| to | points|%| \(|\*))")


def to_markdown(table: pd.DataFrame) -> str:
    """A table of text as GitHub Markdown; what could be HTML is text too.

    >>> print(to_markdown(pd.DataFrame({"Arm": ["IAP"], "n": ["4,806"]})))
    | Arm | n |
    | --- | --- |
    | IAP | 4,806 |
    """
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join(
        "| " + " | ".join(str(cell).replace("|", "\\|").replace("<", "&lt;") for cell in row) + " |" for row in rows
    )
