"""The 2016 report's numbers, computed from an analysis of its records. No published number is read here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from trialimpact.analysis import TrialAnalysis
from trialimpact.estimators import Effects
from trialimpact.estimators.contrast import Floats
from trialimpact.loaders import TrialRecords
from trialimpact.protocol.consistency import name_from

DAYS_A_MONTH = 365.25 / 12
WEEK_5, WEEK_12 = 34, 84
"""The last day of the fifth week, and the first after the twelfth."""

STEADY_UNTIL = -183
"""The share before the claim is steady until about half a year before it."""

SIGNIFICANT = 0.05
TABLES = {"on_benefit": "t62", "employed": "t63"}


def compute_iap(analysis: TrialAnalysis, records: TrialRecords) -> dict[str, float]:
    """Every number of the report that records can give, by its id.

    Percentages and percentage points are out of 100, dates are days since 1970-01-01.
    """
    computed: dict[str, float] = {}
    for part in (_allocation(analysis, records), _flow(analysis), _table_6_1(analysis), _cumulative(analysis)):
        computed |= dict(part)
    for daily, _ in analysis.everyone():
        computed |= dict(_benefit_figures(daily) if daily.comparison.outcome == "on_benefit" else _work_figures(daily))
    computed["follow.min_months"] = _full_follow_up(analysis) / DAYS_A_MONTH
    extract = analysis.protocol.sources.spells["benefit"].extract_date
    computed["follow.benefit_data"] = float((np.datetime64(extract, "D") - 1).astype(int))
    return computed


def _allocation(analysis: TrialAnalysis, records: TrialRecords) -> Iterator[tuple[str, float]]:
    sample = analysis.sample
    treated = sample.assigned_arm == analysis.protocol.arms.index("IAP")
    assert records.markers is not None  # noqa: S101
    yield "alloc.digit", float(sample.people["digit"][treated].min())
    yield "alloc.start", float(records.markers["marker_day"].min())
    yield "alloc.end", float(records.markers["marker_day"].max())
    yield "alloc.offices", float(sample.people["office"].nunique())


def _flow(analysis: TrialAnalysis) -> Iterator[tuple[str, float]]:
    n, received = analysis.sample.flow.n, analysis.sample.received.to_frame()
    yield "flow.records", n("records")
    yield "flow.individuals", n("individuals")
    out_of_scope = n("in_scope", "with_marker")
    yield "flow.oos_pct", 100 * out_of_scope / n("not_error")
    for key, reason in (("wp", "Work Programme from day one"), ("esol", "English language requirement")):
        yield f"flow.oos_{key}_pct", 100 * n("in_scope", "with_marker", reason=reason) / out_of_scope
    yield "flow.in_scope", n("in_scope")
    exempt = n("not_exempt", "removed")
    yield "flow.exempt_pct", 100 * exempt / n("in_scope")
    for key, reason in (
        ("postwp", "Post-Work-Programme support"),
        ("other_provision", "Other provision"),
        ("ucb", "Unacceptable customer behaviour"),
        ("other", "Other"),
    ):
        yield f"flow.ex_{key}_pct", 100 * n("not_exempt", "with_marker", reason=reason) / exempt
    as_put = {arm: n("not_exempt", received_arm=arm) for arm in ("IAP", "BAU")}
    yield "flow.non_exempt", n("not_exempt")
    yield "flow.non_exempt_iap", as_put["IAP"]
    yield "flow.non_exempt_bau", as_put["BAU"]
    yield "flow.arm_gap", as_put["BAU"] - as_put["IAP"]
    yield "flow.matched", n("matched")
    yield "match.short_all", 100 * (1 - n("matched") / n("not_exempt"))
    for arm in ("IAP", "BAU"):
        as_allocated = n("not_exempt", assigned_arm=arm)
        yield f"flow.itt_{arm.lower()}", n("analysed", assigned_arm=arm)
        yield f"match.short_{arm.lower()}", 100 * (1 - n("matched", assigned_arm=arm) / as_allocated)
    received = received[received["stage"] == "not_exempt"]
    for arm, other in (("IAP", "BAU"), ("BAU", "IAP")):
        crossed = received[(received["assigned_arm"] == arm) & (received["received_arm"] == other)]
        yield f"mis.{arm.lower()}_to_{other.lower()}", 100 * float(crossed["share_of_assigned"].sum())
    yield "mis.overall", 100 * analysis.sample.received.n_misallocated("not_exempt") / n("not_exempt")


def _table_6_1(analysis: TrialAnalysis) -> Iterator[tuple[str, float]]:
    for arm in ("IAP", "BAU"):
        yield f"t61.n.{arm.lower()}", analysis.sample.flow.n("analysed", assigned_arm=arm)
    for row in analysis.balance.to_frame().to_dict("records"):
        if row["kind"] == "categorical":
            key = f"t61.{_slug(row['characteristic'])}.{_slug(row['level'])}"
            yield f"{key}.iap", 100 * row["value_treatment"]
            yield f"{key}.bau", 100 * row["value_control"]
            yield f"{key}.iap.star", row["p_value"] < SIGNIFICANT


def _slug(label: str) -> str:
    return name_from(label).removeprefix("arm_")


def _cumulative(analysis: TrialAnalysis) -> Iterator[tuple[str, float]]:
    """Tables 6.2 and 6.3. The columns of 6.2 are swapped: its lower end is the one nearer to more days."""
    for _, cumulative in analysis.everyone():
        outcome, subgroups = cumulative.comparison.outcome, analysis.subgroups(cumulative)
        for name in subgroups.by_subgroup:
            effect = subgroups.effect(name)
            ends = (effect.conf_low, effect.conf_high)
            lower, upper = ends if outcome == "employed" else ends[::-1]
            key = f"{TABLES[outcome]}.{_slug(analysis.protocol.subgroup_words(name))}"
            yield from {key: effect.estimate, f"{key}.lower": lower, f"{key}.upper": upper}.items()
            if name == "all":
                short = {"on_benefit": "ben", "employed": "emp"}[outcome]
                yield from {
                    f"cum.{short}": effect.estimate,
                    f"cum.{short}_lo": lower,
                    f"cum.{short}_hi": upper,
                    f"cum.{short}_pm": abs(upper - lower) / 2,
                }.items()


def _benefit_figures(daily: Effects) -> Iterator[tuple[str, float]]:
    """Figures 6.1 and 6.2."""
    before = (daily.at >= -730) & (daily.at < STEADY_UNTIL)
    both = [daily.mean_treatment, daily.mean_control]
    yield "fig61.steady", 100 * float(np.mean([share[before].mean() for share in both]))
    yield "fig61.before", 100 * float(np.mean([share[daily.at == -1] for share in both]))
    yield "fig62.day0", 100 * daily.effect(0).estimate
    week_5 = daily.effect(WEEK_5)
    yield "fig62.wk5", -100 * week_5.estimate
    yield "fig62.wk5_lo", -100 * week_5.conf_high
    yield "fig62.wk5_hi", -100 * week_5.conf_low
    yield "fig62.wk5_pm", 50 * (week_5.conf_high - week_5.conf_low)
    weeks = -100 * _means(daily, WEEK_12, n_days=28)
    yield "fig62.wk12_lo", float(weeks.min())
    yield "fig62.wk12_hi", float(weeks.max())
    clear = daily.at[(daily.at >= WEEK_5) & ((daily.conf_low > 0) | (daily.conf_high < 0))]
    yield "fig62.months", (float(clear.max(initial=-1)) + 1) / DAYS_A_MONTH


def _work_figures(daily: Effects) -> Iterator[tuple[str, float]]:
    """Figures 6.3 and 6.4. The printed margins are read as the limits of the interval."""
    yield "fig64.peak_wk", 1 + float(np.argmax(_means(daily, 0, n_days=7)))
    weeks = 100 * _means(daily, WEEK_5 - 6, n_days=28)
    yield "fig64.lo", float(weeks.min())
    yield "fig64.hi", float(weeks.max())
    all_followed = (daily.at >= WEEK_5) & (daily.at < 122)
    yield "fig64.moe_lo", 100 * float(np.median(daily.conf_low[all_followed]))
    yield "fig64.moe_hi", 100 * float(np.median(daily.conf_high[all_followed]))
    week_5 = daily.effect(WEEK_5)
    yield "fig64.wk5", 100 * week_5.estimate
    yield "fig64.wk5_pm", 50 * (week_5.conf_high - week_5.conf_low)


def _means(daily: Effects, first_day: int, n_days: int) -> Floats:
    """Means of the difference over whole stretches of `n_days`, one after another, from a day on."""
    values = daily.estimate[(daily.at >= first_day) & (daily.at < daily.protocol.analysis.max_horizon)]
    n_whole = values.size // n_days
    return np.asarray(values[: n_days * n_whole].reshape(n_whole, n_days).mean(axis=1))


def _full_follow_up(analysis: TrialAnalysis) -> int:
    """Days on which everybody is followed on every outcome."""
    days = []
    for daily, _ in analysis.everyone():
        followed = daily.n_treatment + daily.n_control
        after = daily.at >= 0
        days.append(int((followed[after] == len(analysis.sample)).sum()))
    return min(days)
