"""Results -> tables for people: rounded, labelled, in reading order. No arithmetic on estimates."""

from __future__ import annotations

import pandas as pd

from trialimpact.estimators import Balance, Effects, SubgroupEffects
from trialimpact.flow import ALL, ParticipantFlow
from trialimpact.protocol import TrialProtocol
from trialimpact.report.rounding import printed, printed_p, printed_percent
from trialimpact.report.words import interval_name


def tabulate_horizons(effects: Effects) -> pd.DataFrame:
    """Cumulative effects at the protocol's horizons: days by arm, difference, interval, p.

    People are those with any follow-up within the horizon; the last column says how many of them
    (treatment / control) were still followed on its last day.
    """
    effects.require("cumulative")
    protocol = effects.protocol
    rule, rows = protocol.presentation.rounding, []
    followed, first = effects.comparison.n_followed(), effects.comparison.first_day
    for horizon in protocol.analysis.horizon_days:
        effect = effects.effect(horizon)
        rows.append(
            {
                "Over the first": f"{horizon:,} days",
                "Treatment: days": printed(effect.mean_treatment, rule),
                "Control: days": printed(effect.mean_control, rule),
                "Difference in days": printed(effect.estimate, rule),
                interval_name(effects): _interval(effect.conf_low, effect.conf_high, protocol),
                "p": printed_p(effect.p_value),
                "Treatment: people": f"{effect.n_treatment:,}",
                "Control: people": f"{effect.n_control:,}",
                "followed on the last day": " / ".join(f"{n[horizon - 1 - first]:,}" for n in followed),
            }
        )
    return pd.DataFrame(rows)


def tabulate_subgroups(subgroups: SubgroupEffects) -> pd.DataFrame:
    """Cumulative effect in each subgroup, everyone first."""
    everyone = next(iter(subgroups.by_subgroup.values()))
    protocol = everyone.protocol
    rows = []
    for name in subgroups.by_subgroup:
        effect = subgroups.effect(name)
        rows.append(
            {
                "Subgroup": protocol.subgroup_words(name),
                "Treatment: people": f"{effect.n_treatment:,}",
                "Control: people": f"{effect.n_control:,}",
                "Difference in days": printed(effect.estimate, protocol.presentation.rounding),
                interval_name(everyone): _interval(effect.conf_low, effect.conf_high, protocol),
                "p": printed_p(effect.p_value),
            }
        )
    return pd.DataFrame(rows)


def tabulate_balance(balance: Balance, protocol: TrialProtocol) -> pd.DataFrame:
    """Balance of the arms, with a star where p < 0.05."""
    rule, rows = protocol.presentation.rounding, []
    for row in balance.to_frame().to_dict("records"):
        if row["kind"] == "categorical":
            treatment, control = (printed_percent(row[name], rule) for name in ("value_treatment", "value_control"))
            apart = printed(100 * row["difference"], rule) + " points"
        else:
            names = ("value_treatment", "value_control", "difference")
            treatment, control, apart = (printed(row[name], "two_decimals") for name in names)
        rows.append(
            {
                "Contrast": row["contrast"],
                "Characteristic": row["characteristic"],
                "Level": row["level"],
                "Treatment": treatment,
                "Control": control,
                "Difference": apart,
                "Standardised difference": printed(row["standardised_difference"], "two_decimals"),
                "p": printed_p(row["p_value"]),
                "p < 0.05": "*" if row["p_value"] < 0.05 else "",
            }
        )
    return pd.DataFrame(rows)


def tabulate_flow(flow: ParticipantFlow, protocol: TrialProtocol) -> pd.DataFrame:
    """The participant flow: people left at each stage, by arm assigned and (with markers) received."""
    rows = []
    for stage, label in flow.stages.items():
        row = {"Stage": label, "Remaining": f"{flow.n(stage):,}", "Removed": f"{flow.n(stage, 'removed'):,}"}
        people = stage in set(flow.counts.loc[flow.counts["assigned_arm"] != ALL, "stage"])
        for arm in protocol.arms:
            row[f"Assigned {arm}"] = f"{flow.n(stage, assigned_arm=arm):,}" if people else ""
        for arm in protocol.arms if protocol.sources.markers is not None else ():
            row[f"Received {arm}"] = f"{flow.n(stage, received_arm=arm):,}" if people else ""
        rows.append(row)
    return pd.DataFrame(rows)


def _interval(low: float, high: float, protocol: TrialProtocol) -> str:
    rule = protocol.presentation.rounding
    return f"{printed(low, rule)} to {printed(high, rule)}" if low == low else ""


def to_markdown(table: pd.DataFrame) -> str:
    """A table of text as GitHub Markdown.

    >>> print(to_markdown(pd.DataFrame({"Arm": ["IAP"], "n": ["4,806"]})))
    | Arm | n |
    | --- | --- |
    | IAP | 4,806 |
    """
    rows = [list(table.columns), ["---"] * table.shape[1], *table.to_numpy().tolist()]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in row) + " |" for row in rows)
