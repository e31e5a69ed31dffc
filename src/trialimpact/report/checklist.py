"""CONSORT 2025: each item, filled in as far as protocol, flow and results say, and marked where the author must."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import pandas as pd

from trialimpact.disclosure import Release
from trialimpact.protocol import TrialProtocol
from trialimpact.report.findings import main_findings
from trialimpact.report.tables import FlowCounts

AUTHOR = "For the author to complete."


def consort_checklist(release: Release) -> pd.DataFrame:
    """Columns Item, Topic, What to report, Filled in, Author.

    Source: CONSORT 2025 (Hopewell and others, 2025), items in our words; the statement itself decides.
    """
    filled = _filled(release)
    rows = []
    for item in _items():
        text = filled.get(item.get("filled", ""), "")
        rows.append(
            {
                "Item": item["no"],
                "Topic": item["topic"],
                "What to report": item["item"],
                "Filled in": text,
                "Author": "Check and add." if text else AUTHOR,
            }
        )
    return pd.DataFrame(rows)


@cache
def _items() -> list[dict[str, Any]]:
    text = (resources.files("trialimpact") / "report" / "consort_2025.toml").read_text(encoding="utf-8")
    return list(tomllib.loads(text)["items"])


def _no_losses(release: Release) -> str:
    return "Nobody was removed." if release.pack.base == 1 else "Nobody was removed, as counts are rounded."


def _filled(release: Release) -> Mapping[str, str]:
    """What is known of items, by the names that the items give."""
    protocol = release.protocol
    counted, stages = FlowCounts(release.frames["flow.csv"]), list(release.stages)
    findings = " ".join(each.sentence() for each in main_findings(release))
    analysed = ", ".join(f"{arm} {counted('analysed', assigned_arm=arm)}" for arm in protocol.arms)
    losses = "; ".join(
        f"{release.stages[stage]}: {removed} removed"
        for stage in stages
        if (removed := counted(stage, "removed")) not in ("", "0")
    )
    return {
        **_of_design(protocol),
        "title": f"{protocol.name}: a randomised trial.",
        "headlines": findings,
        "results": f"{findings} Tables of every horizon are in this report.",
        "flow": f"Analysed, by arm assigned: {analysed}. See the participant flow.",
        "losses": f"{losses}." if losses else _no_losses(release),
        "received": "See the table of arms assigned and received." if protocol.sources.markers is not None else "",
        "baseline": "See the table of balance." if len(release.frames["balance.csv"]) else "",
        "ancillary": "See subgroups and sensitivity; whether each was planned is for the author to say.",
        "limitations": (
            f"Counts are controlled ({release.pack.label}). Intervals are pointwise; bands are given beside. "
            "Outcomes are those of administrative records only."
        ),
    }


def _of_design(protocol: TrialProtocol) -> dict[str, str]:
    analysis, window = protocol.analysis, protocol.recruitment
    outcomes = "; ".join(f"days {each.words}" for each in protocol.outcomes)
    horizons = ", ".join(f"{horizon} days" for horizon in analysis.horizon_days)
    contrasts = "; ".join(f"{each.treatment_words} against {each.control_words}" for each in protocol.contrasts)
    rule = (
        "by the last digit of the identifier: "
        + "; ".join(f"{arm} {', '.join(map(str, digits))}" for arm, digits in protocol.allocation.digits.items())
        if protocol.allocation.rule == "digit"
        else "as the records give it"
    )
    dates = [
        f"recruitment from {window.first_date}" if window.first_date else "",
        f"to {window.last_date}" if window.last_date else "",
        *(f"{name} to {source.extract_date}" for name, source in protocol.sources.spells.items()),
    ]
    subgroups = ", ".join(each.words for each in protocol.subgroups)
    return {
        "protocol": "The protocol of this analysis is in this report, in words.",
        "code": f"Computed by trialimpact from the protocol {protocol.name!r}.",
        "objectives": f"Effects of {contrasts} on {outcomes}.",
        "design": f"Parallel arms: {', '.join(protocol.arms)}. Superiority, two-sided.",
        "offices": f"Offices: {', '.join(window.offices)}." if window.offices else "",
        "eligibility": "As the participant flow lists.",
        "arms": f"Arms: {', '.join(protocol.arms)}; what each received is for the author.",
        "outcomes": f"{outcomes}; over {horizons} from the index day, from administrative records.",
        "allocation": f"Assigned {rule}.",
        "strata": f"Stratified by {', '.join(analysis.strata)}." if analysis.strata else "No restriction is declared.",
        "methods": f"Differences of means with {analysis.interval_words}s; see Methods.",
        "population": "Everybody analysed in the arm assigned, whatever was received (intention to treat).",
        "missing": "Each day is among those followed that day; those not linked are bounded under Sensitivity.",
        "additional": f"Subgroups: {subgroups}." if subgroups else "No subgroup is declared.",
        "dates": ", ".join(each for each in dates if each) + ".",
    }
