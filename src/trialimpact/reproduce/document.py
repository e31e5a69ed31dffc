"""One page that shows a reproduction beside the print: it stands alone, without network or script."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from trialimpact.report.figures import Picture
from trialimpact.report.page import render_page
from trialimpact.report.rounding import printed_p
from trialimpact.report.tables import tabulate_flow
from trialimpact.report.words import excludes_zero, interval_in_words
from trialimpact.reproduce.iap import TABLES, cell_id
from trialimpact.reproduce.reproduction import Reproduction, with_interval
from trialimpact.reproduce.windows import printed_window


def write_document(reproduction: Reproduction, pictures: Mapping[str, Picture], path: Path) -> None:
    """Write the page."""
    page = render_page(
        "reproduce/document.html.jinja",
        name=reproduction.analysis.protocol.name,
        comparison=reproduction.comparison,
        headlines=list(reproduction.headline_rows()),
        tables=[_subgroup_table(reproduction, outcome) for outcome in TABLES],
        balance=list(_balance_rows(reproduction)),
        flow=tabulate_flow(reproduction.analysis.sample.flow, reproduction.analysis.protocol),
        lint=reproduction.lint,
        provenance=reproduction.provenance,
        warnings=_to_know_first(reproduction),
        pictures={name: {"src": each.as_png(), "alt": each.alt_text} for name, each in pictures.items()},
    )
    path.write_text(page, encoding="utf-8")


def _to_know_first(reproduction: Reproduction) -> list[str]:
    """What a reader should be told before any estimate: the split of the arms, and whether they are alike."""
    said = {finding.id: finding.says for finding in reproduction.lint.findings if finding.check == "sample ratio"}
    rows = reproduction.analysis.balance.to_frame()
    joint = rows[rows["kind"] == "joint"]["p_value"].item()
    return [
        f"The report's arms are not split as fair digits would split them: {said['flow.itt_iap']}. "
        "Either the digits are not even, or more of one arm was lost before the analysis began.",
        f"All rows of Table 6.1 asked at once, the arms computed here differ with p = {printed_p(joint)}.",
    ]


def _subgroup_table(reproduction: Reproduction, outcome: str) -> dict[str, Any]:
    """A row a subgroup: printed, computed, the valid interval, and whether the two agree about zero."""
    subgroups, valid = reproduction.printed_effects()[outcome], reproduction.valid[outcome]
    protocol = reproduction.analysis.protocol
    by_id = {number.id: number for number in reproduction.published}
    rows = []
    for name in subgroups.by_subgroup:
        one, other, number = (
            subgroups.effect(name),
            valid.effect(name),
            by_id[cell_id(outcome, protocol.subgroup_words(name))],
        )
        low, high = sorted(sum(printed_window(text)) / 2 for text in (number.lower, number.upper))
        rows.append(
            {
                "label": number.item,
                "printed": f"{number.printed} ({number.lower}, {number.upper})".replace("-", "−"),
                "computed": with_interval(subgroups, name),
                "n": f"{one.n_treatment:,} / {one.n_control:,}",
                "valid": interval_in_words(other, protocol),
                "wider": f"{one.std_error / other.std_error:.2f}" if other.std_error > 0 else "",
                "newly": excludes_zero(other) and low <= 0 <= high,
            }
        )
    section = by_id[f"{TABLES[outcome]}.all"].section
    return {
        "title": f"{section}: days {protocol.outcome(outcome).words}",
        "picture": f"table_{section[-3]}_{section[-1]}",
        "rows": rows,
    }


def _balance_rows(reproduction: Reproduction) -> Iterator[dict[str, Any]]:
    """Table 6.1: printed and computed shares of both arms, and their stars."""
    found = {row.id: row for row in reproduction.comparison.rows}
    for number in reproduction.published:
        if number.against:
            row, other, star = found[number.id], found[number.against], found[f"{number.id}.star"]
            yield {
                "label": number.item,
                "printed": (row.printed, other.printed, star.printed == "*"),
                "computed": (row.computed_printed, other.computed_printed, star.computed_printed == "*"),
                "matches": row.matches and other.matches and star.matches,
            }
