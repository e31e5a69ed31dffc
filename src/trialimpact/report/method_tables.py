"""Tables of the methods beside the main estimates: rounded, labelled, in reading order."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from trialimpact.errors import of_its_kind
from trialimpact.estimators import ArmFamily, Compliance, Durations, Heterogeneity, Integrity, Moves, States
from trialimpact.estimators.states import declared_states
from trialimpact.protocol import TrialProtocol
from trialimpact.report.rounding import printed, printed_p
from trialimpact.report.sentences import subgroup_sentence
from trialimpact.report.words import with_limits
from trialimpact.results import records

METHOD_TITLES = {
    "adjusted": "Adjusted for what was known before",
    "compliance": "By assignment and by receipt",
    "bounds": "What those not linked leave possible",
    "durations": "Times to leaving and returning",
    "placebo": "Other assignments that could have been",
}
"""Methods beside the main estimates, by the file they are in."""

DURATION_WORDS = {
    "restricted_mean_difference": "Mean days until it (as far as followed): difference",
    "log_rank": "Log-rank test",
    "log_hazard_ratio": "Log hazard ratio (above 0: sooner in treatment)",
}


@of_its_kind
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


@of_its_kind
def tabulate_heterogeneity(found: Heterogeneity, rows: pd.DataFrame | None = None) -> pd.DataFrame:
    """Effect in each subgroup, difference from its complement, adjusted p-values, and a sentence.

    `rows` may come from `adjust_families`, where a family spans outcomes or contrasts.
    """
    mine = (
        found.to_frame()
        if rows is None
        else rows[(rows["outcome"] == found.outcome) & (rows["contrast"] == found.contrast.name)]
    )
    return heterogeneity_table(mine, found.protocol)


def heterogeneity_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `subgroups.csv` of one outcome and contrast."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows):
        family = f"Holm p (of {int(row['family_size'])})"
        own = with_limits(row["estimate"], row["conf_low"], row["conf_high"], rule)
        apart = with_limits(row["difference"], row["difference_low"], row["difference_high"], rule)
        table.append(
            {
                "Subgroup": protocol.subgroup_words(row["subgroup"]),
                "Difference in days": own,
                "Others": printed(row["complement_estimate"], rule),
                "Difference from others": apart,
                "p": printed_p(row["difference_p_value"]),
                family: printed_p(row["difference_p_holm"]),
                "BH p": printed_p(row["difference_p_bh"]),
                "In words": subgroup_sentence(row, protocol),
            }
        )
    return pd.DataFrame(table)


@of_its_kind
def tabulate_compliance(found: Compliance) -> pd.DataFrame:
    """Intention to treat, receipt, CACE with both intervals, as treated."""
    return compliance_table(found.to_frame(), found.protocol)


def compliance_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `compliance.csv` of one outcome, contrast and horizon."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows):
        name = {"Estimand": row["estimand"].replace("_", " ")}
        share = row["estimand"] == "receipt" or row["day"] == row["day"]
        low, high, value = (
            f"{printed(100 * x, rule)} points" if share and x == x else printed(x, rule)
            for x in (row["conf_low"], row["conf_high"], row["estimate"])
        )
        between = f"{low} to {high}" if low and high else ""
        if row["set_kind"] == "two rays":
            between = f"below {low}, above {high}"
        elif isinstance(row["set_kind"], str) and row["set_kind"] not in ("", "interval"):
            between = row["set_kind"]
        table.append(
            name
            | {
                "Estimate": value,
                "Interval": between,
                "p": printed_p(row["p_value"]),
                "What it is": row["says"],
            }
        )
    return pd.DataFrame(table)


@of_its_kind
def tabulate_durations(found: Durations) -> pd.DataFrame:
    """Restricted means, log-rank and hazard ratio of one event."""
    return durations_table(found.to_frame(), found.protocol)


def durations_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `durations.csv` of one outcome, contrast and event."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows[rows["measure"] != "survival"]):
        shown = rule if row["measure"] == "restricted_mean_difference" else "two_decimals"
        over = "" if pd.isna(row["horizon_days"]) else f" over {int(row['horizon_days'])} days"
        low, high = printed(row["conf_low"], shown), printed(row["conf_high"], shown)
        table.append(
            {
                "Measure": DURATION_WORDS[row["measure"]] + over,
                "Estimate": printed(row["estimate"], shown),
                "Interval": f"{low} to {high}" if low and high else "",
                "p": printed_p(row["p_value"]),
            }
        )
    return pd.DataFrame(table)


@of_its_kind
def tabulate_arms(found: ArmFamily) -> pd.DataFrame:
    """All contrasts, with joint intervals and p-values."""
    return arms_table(found.to_frame(), found.protocol)


def arms_table(rows: pd.DataFrame, protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `arms.csv` of one outcome and horizon."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows):
        name = {"Contrast": f"{row['treatment_arm']} against {row['control_arm']}"}
        columns = ("Difference in days", "Joint interval", "p", "p by Holm", "Joint p")
        between = f"{printed(row['joint_low'], rule)} to {printed(row['joint_high'], rule)}"
        p = [printed_p(row[each]) for each in ("p_value", "p_holm", "p_joint")]
        table.append(name | dict(zip(columns, [printed(row["estimate"], rule), between, *p], strict=True)))
    return pd.DataFrame(table)


@of_its_kind
def tabulate_states(found: States) -> pd.DataFrame:
    """Days in each state to the longest horizon, by arm, and their differences, which add up to zero."""
    longest = max(found.cumulative)
    frame = found.to_frame()
    labels = dict(zip(frame["outcome"].unique(), found.labels, strict=True))
    return states_table(frame[frame["horizon_days"] == longest], labels, found.protocol)


def states_table(rows: pd.DataFrame, labels: Mapping[str, str], protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `states.csv` of one contrast at the longest horizon."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows):
        name = {f"State over {int(row['horizon_days'])} days": labels[row["outcome"]]}
        columns = ("Treatment: days", "Control: days", "Difference in days", "Interval", "p")
        means = [printed(row[each], rule) for each in ("mean_treatment", "mean_control", "estimate")]
        between = f"{printed(row['conf_low'], rule)} to {printed(row['conf_high'], rule)}"
        table.append(name | dict(zip(columns, [*means, between, printed_p(row["p_value"])], strict=True)))
    return pd.DataFrame(table)


@of_its_kind
def tabulate_moves(found: Moves) -> pd.DataFrame:
    """Moves between states to the longest horizon, a hundred people, by arm."""
    frame, states = found.to_frame(), declared_states(found.protocol)
    labels = dict(zip(states.names, states.labels, strict=True))
    longest = max(found.cumulative, default=0)
    return moves_table(frame[frame["horizon_days"] == longest], labels, found.protocol)


def moves_table(rows: pd.DataFrame, labels: Mapping[str, str], protocol: TrialProtocol) -> pd.DataFrame:
    """Rows of `moves.csv` of one contrast at the longest horizon; moves that nobody makes are left out."""
    rule, table = protocol.presentation.rounding, []
    for row in records(rows):
        if row["mean_treatment"] == row["mean_control"] == 0:
            continue
        name = {"From": labels[row["from_state"]], "To": labels[row["to_state"]]}
        columns = ("Treatment: moves a 100 people", "Control", "Difference", "Interval", "p")
        means = [printed(100 * row[each], rule) for each in ("mean_treatment", "mean_control", "estimate")]
        between = f"{printed(100 * row['conf_low'], rule)} to {printed(100 * row['conf_high'], rule)}"
        table.append(name | dict(zip(columns, [*means, between, printed_p(row["p_value"])], strict=True)))
    return pd.DataFrame(table)
