"""Tables of the methods beside the main estimates: rounded, labelled, in reading order."""

from __future__ import annotations

import pandas as pd

from trialimpact.estimators import Compliance, Durations, Heterogeneity, Integrity, States
from trialimpact.report.rounding import printed, printed_p
from trialimpact.report.sentences import subgroup_sentence
from trialimpact.report.words import with_limits

DURATION_WORDS = {
    "restricted_mean_difference": "Mean days until it (as far as followed): difference",
    "log_rank": "Log-rank statistic",
    "log_hazard_ratio": "Log hazard ratio (above 0: sooner in treatment)",
}


def tabulate_integrity(integrity: Integrity, *, everything: bool = False) -> pd.DataFrame:
    """Checks that are not green, or all of them."""
    shown = [each for each in integrity.checks if everything or each.level != "green"]
    rows = [
        {
            "Level": each.level,
            "Check": each.check.replace("_", " "),
            "Where": each.where,
            "Arms as": each.basis,
            "Found": each.counts,
            "Expected": each.expected,
            "p": printed_p(each.p_value),
            "adjusted p": printed_p(each.p_holm),
            "What it says": each.says,
        }
        for each in shown
    ]
    columns = ["Level", "Check", "Where", "Arms as", "Found", "Expected", "p", "adjusted p", "What it says"]
    return pd.DataFrame(rows, columns=columns)


def tabulate_heterogeneity(found: Heterogeneity, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """Effect in each subgroup, difference from its complement, adjusted p-values, and a sentence.

    `rows` may come from `adjust_families`, where a family spans outcomes or contrasts.
    """
    rule, protocol = found.protocol.presentation.rounding, found.protocol
    mine = (
        found.to_frame()
        if rows is None
        else rows[(rows["outcome"] == found.outcome) & (rows["contrast"] == found.contrast.name)]
    )
    table = []
    for row in mine.rename(columns=str).to_dict("records"):
        own = with_limits(row["estimate"], row["conf_low"], row["conf_high"], rule)
        apart = with_limits(row["difference"], row["difference_low"], row["difference_high"], rule)
        table.append(
            {
                "Subgroup": protocol.subgroup_words(row["subgroup"]),
                "Difference in days": own,
                "Others": printed(row["complement_estimate"], rule),
                "Difference from others": apart,
                "p": printed_p(row["difference_p_value"]),
                f"Holm p (of {int(row['family_size'])})": printed_p(row["difference_p_holm"]),
                "BH p": printed_p(row["difference_p_bh"]),
                "In words": subgroup_sentence({str(name): value for name, value in row.items()}, protocol),
            }
        )
    return pd.DataFrame(table)


def tabulate_compliance(found: Compliance) -> pd.DataFrame:
    """Intention to treat, receipt, CACE with both intervals, as treated."""
    rule, rows = found.protocol.presentation.rounding, []
    for row in found.to_frame().to_dict("records"):
        share = row["estimand"] == "receipt" or found.target.kind == "daily"
        low, high, value = (
            f"{printed(100 * x, rule)} points" if share and x == x else printed(x, rule)
            for x in (row["conf_low"], row["conf_high"], row["estimate"])
        )
        between = f"{low} to {high}" if low and high else ""
        if row["set_kind"] == "two rays":
            between = f"below {low}, above {high}"
        elif isinstance(row["set_kind"], str) and row["set_kind"] != "interval":
            between = row["set_kind"]
        rows.append(
            {
                "Estimand": row["estimand"].replace("_", " "),
                "Estimate": value,
                "Interval": between,
                "p": printed_p(row["p_value"]),
                "What it is": row["says"],
            }
        )
    return pd.DataFrame(rows)


def tabulate_durations(found: Durations) -> pd.DataFrame:
    """Restricted means, log-rank and hazard ratio of one event."""
    rule, frame, rows = found.protocol.presentation.rounding, found.to_frame(), []
    for row in frame[frame["measure"] != "survival"].to_dict("records"):
        shown = rule if row["measure"] == "restricted_mean_difference" else "two_decimals"
        over = "" if pd.isna(row["horizon_days"]) else f" over {int(row['horizon_days'])} days"
        low, high = printed(row["conf_low"], shown), printed(row["conf_high"], shown)
        rows.append(
            {
                "Measure": DURATION_WORDS[row["measure"]] + over,
                "Estimate": printed(row["estimate"], shown),
                "Interval": f"{low} to {high}" if low and high else "",
                "p": printed_p(row["p_value"]),
            }
        )
    return pd.DataFrame(rows)


def tabulate_states(found: States) -> pd.DataFrame:
    """Days in each state to the longest horizon, by arm, and their differences, which add up to zero."""
    rule, longest = found.protocol.presentation.rounding, max(found.cumulative)
    frame = found.to_frame()
    frame = frame[frame["horizon_days"] == longest]
    return pd.DataFrame(
        {
            f"State over {longest} days": found.labels,
            "Treatment: days": [printed(value, rule) for value in frame["mean_treatment"]],
            "Control: days": [printed(value, rule) for value in frame["mean_control"]],
            "Difference in days": [printed(value, rule) for value in frame["estimate"]],
            "Interval": [
                f"{printed(low, rule)} to {printed(high, rule)}"
                for low, high in zip(frame["conf_low"], frame["conf_high"], strict=True)
            ],
            "p": [printed_p(p) for p in frame["p_value"]],
        }
    )
