"""The 2016 report's numbers, computed from an analysis of its records. No published number is read here."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from trialimpact.analysis import TrialAnalysis
from trialimpact.estimators import Effects
from trialimpact.estimators.contrast import Floats
from trialimpact.protocol.consistency import name_from

DAYS_A_MONTH = 365.25 / 12
WEEK, WEEK_5, AFTER_WEEK_12 = 7, 28, 84
"""Curves are read by weeks: the fifth begins on day 28, the thirteenth on day 84."""

STEADY_UNTIL = -183
"""The share before the claim is steady until about half a year before it."""

SIGNIFICANT = 0.05
TABLES = {"on_benefit": "t62", "employed": "t63"}


def compute_iap(analysis: TrialAnalysis) -> dict[str, float]:
    """Every number of the report that records can give, by its id.

    Percentages and percentage points are out of 100, dates are days since 1970-01-01.
    """
    computed: dict[str, float] = {}
    for part in (_allocation(analysis), _flow(analysis), _table_6_1(analysis), _cumulative(analysis)):
        computed |= dict(part)
    for daily, _ in analysis.everyone():
        computed |= dict(_benefit_figures(daily) if daily.comparison.outcome == "on_benefit" else _work_figures(daily))
    computed["follow.min_months"] = _full_follow_up(analysis) / DAYS_A_MONTH
    extract = analysis.protocol.sources.spells["benefit"].extract_date
    computed["follow.benefit_data"] = float((np.datetime64(extract, "D") - 1).astype(int))
    return computed


def _allocation(analysis: TrialAnalysis) -> Iterator[tuple[str, float]]:
    sample = analysis.sample
    treated = sample.assigned_arm == analysis.protocol.arms.index("IAP")
    markers = analysis.records.markers
    assert markers is not None  # noqa: S101
    yield "alloc.digit", float(sample.people["digit"][treated].min())
    yield "alloc.start", float(markers["marker_day"].min())
    yield "alloc.end", float(markers["marker_day"].max())
    yield "alloc.offices", float(sample.people["office"].nunique())


def _flow(analysis: TrialAnalysis) -> Iterator[tuple[str, float]]:
    n, received = analysis.sample.flow.n, analysis.sample.received.to_frame()
    yield "flow.records", n("records")
    yield "flow.individuals", n("individuals")
    out_of_scope = n("in_scope", "with_marker")
    yield "flow.oos_pct", _percent(out_of_scope, n("not_error"))
    for key, reason in (("wp", "Work Programme from day one"), ("esol", "English language requirement")):
        yield f"flow.oos_{key}_pct", _percent(n("in_scope", "with_marker", reason=reason), out_of_scope)
    yield "flow.in_scope", n("in_scope")
    exempt = n("not_exempt", "removed")
    yield "flow.exempt_pct", _percent(exempt, n("in_scope"))
    for key, reason in (
        ("postwp", "Post-Work-Programme support"),
        ("other_provision", "Other provision"),
        ("ucb", "Unacceptable customer behaviour"),
        ("other", "Other"),
    ):
        yield f"flow.ex_{key}_pct", _percent(n("not_exempt", "with_marker", reason=reason), exempt)
    as_put = {arm: n("not_exempt", received_arm=arm) for arm in ("IAP", "BAU")}
    yield "flow.non_exempt", n("not_exempt")
    yield "flow.non_exempt_iap", as_put["IAP"]
    yield "flow.non_exempt_bau", as_put["BAU"]
    yield "flow.arm_gap", as_put["BAU"] - as_put["IAP"]
    yield "flow.matched", n("matched")
    yield "match.short_all", _percent(n("not_exempt") - n("matched"), n("not_exempt"))
    for arm in ("IAP", "BAU"):
        as_allocated = n("not_exempt", assigned_arm=arm)
        yield f"flow.itt_{arm.lower()}", n("analysed", assigned_arm=arm)
        yield f"match.short_{arm.lower()}", _percent(as_allocated - n("matched", assigned_arm=arm), as_allocated)
    received = received[received["stage"] == "not_exempt"]
    for arm, other in (("IAP", "BAU"), ("BAU", "IAP")):
        crossed = received[(received["assigned_arm"] == arm) & (received["received_arm"] == other)]
        yield f"mis.{arm.lower()}_to_{other.lower()}", 100 * float(crossed["share_of_assigned"].sum())
    yield "mis.overall", _percent(analysis.sample.received.n_misallocated("not_exempt"), n("not_exempt"))


def _percent(part: float, whole: float) -> float:
    """NaN of nobody."""
    return 100 * part / whole if whole else math.nan


def _table_6_1(analysis: TrialAnalysis) -> Iterator[tuple[str, float]]:
    for arm in ("IAP", "BAU"):
        yield f"t61.n.{arm.lower()}", analysis.sample.flow.n("analysed", assigned_arm=arm)
    for row in analysis.balance.to_frame().to_dict("records"):
        if row["kind"] == "categorical":
            key = f"t61.{_slug(row['characteristic'])}.{_slug(row['level'])}"
            yield f"{key}.iap", 100 * row["value_treatment"]
            yield f"{key}.bau", 100 * row["value_control"]
            yield f"{key}.iap.star", row["p_value"] < SIGNIFICANT


def cell_id(outcome: str, label: str) -> str:
    """The id of a cell of Tables 6.2 and 6.3.

    >>> cell_id("on_benefit", "18 to 24")
    't62.18_to_24'
    """
    return f"{TABLES[outcome]}.{_slug(label)}"


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
            key = cell_id(outcome, analysis.protocol.subgroup_words(name))
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
    week = slice(WEEK_5 // WEEK, WEEK_5 // WEEK + 1)
    low, high = weekly(daily, daily.conf_low)[week].item(), weekly(daily, daily.conf_high)[week].item()
    yield "fig62.wk5", -100 * weekly(daily, daily.estimate)[week].item()
    yield "fig62.wk5_lo", -100 * high
    yield "fig62.wk5_hi", -100 * low
    yield "fig62.wk5_pm", 50 * (high - low)
    later = -100 * weekly(daily, daily.estimate)[AFTER_WEEK_12 // WEEK :]
    yield "fig62.wk12_lo", float(later.min())
    yield "fig62.wk12_hi", float(later.max())
    after = daily.at >= AFTER_WEEK_12
    clear = daily.at[after & ((daily.conf_low > 0) | (daily.conf_high < 0))]
    lost = int(clear.max(initial=AFTER_WEEK_12 - 1)) + 1
    yield "fig62.months", lost / DAYS_A_MONTH if lost <= int(daily.at[-1]) else math.nan


def _work_figures(daily: Effects) -> Iterator[tuple[str, float]]:
    """Figures 6.3 and 6.4. The printed margins are read as the limits of the interval."""
    weeks = 100 * weekly(daily, daily.estimate)
    yield "fig64.peak_wk", math.nan if np.isnan(weeks).any() else 1 + float(np.argmax(weeks))
    later = weeks[WEEK_5 // WEEK :]
    yield "fig64.lo", float(later.min())
    yield "fig64.hi", float(later.max())
    after = (daily.at >= WEEK_5) & (daily.at < daily.protocol.analysis.max_horizon)
    yield "fig64.moe_lo", 100 * float(np.median(daily.conf_low[after]))
    yield "fig64.moe_hi", 100 * float(np.median(daily.conf_high[after]))
    low, high = (weekly(daily, end)[WEEK_5 // WEEK].item() for end in (daily.conf_low, daily.conf_high))
    yield "fig64.wk5", float(later[0])
    yield "fig64.wk5_pm", 50 * (high - low)


def weekly(daily: Effects, values: Floats) -> Floats:
    """Means over weeks 1, 2, ... from the first day of the claim to the longest horizon."""
    inside = values[(daily.at >= 0) & (daily.at < daily.protocol.analysis.max_horizon)]
    n_weeks = inside.size // WEEK
    return np.asarray(inside[: WEEK * n_weeks].reshape(n_weeks, WEEK).mean(axis=1))


def _full_follow_up(analysis: TrialAnalysis) -> int:
    """Days on which everybody is followed on every outcome."""
    days = []
    for daily, _ in analysis.everyone():
        followed = daily.n_treatment + daily.n_control
        after = daily.at >= 0
        days.append(int((followed[after] == len(analysis.sample)).sum()))
    return min(days)
