"""Was the trial run as designed? Sample ratios, loss, intake and follow-up, arm against arm (M10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trialimpact.estimators.checks import (
    ONE_PERIOD,
    UNKNOWN_RATIO,
    WHOLE_CLUSTERS,
    IntegrityCheck,
    Level,
    differential_loss,
    in_words,
    independence,
    sample_ratio,
)
from trialimpact.estimators.confidence import adjusted_p, two_sided_p
from trialimpact.estimators.contrast import difference
from trialimpact.estimators.intake import days_followed, intake_periods
from trialimpact.estimators.ledger import sides_of
from trialimpact.flow import ParticipantFlow
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.sample import TrialSample

WEEK = 7

INTEGRITY_COLUMNS = [
    *("check", "where", "basis", "counts", "expected", "statistic", "df", "p_value", "p_holm", "test"),
    *("level", "says"),
]

AS_PUT = "not_exempt"
"""The stage at which the arms that offices put people in are compared with the design: before linking."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Integrity:
    """Every check, red or not."""

    checks: tuple[IntegrityCheck, ...]

    def at(self, level: Level) -> tuple[IntegrityCheck, ...]:
        """The checks of one level."""
        return tuple(each for each in self.checks if each.level == level)

    def to_frame(self) -> pd.DataFrame:
        """A row a check, `INTEGRITY_COLUMNS`."""
        rows = [{name: getattr(each, name) for name in INTEGRITY_COLUMNS} for each in self.checks]
        return pd.DataFrame(rows, columns=INTEGRITY_COLUMNS)

    def __repr__(self) -> str:
        n = {level: len(self.at(level)) for level in ("red", "amber", "green", "not tested")}
        return "Integrity(" + ", ".join(f"{count} {level}" for level, count in n.items() if count) + ")"

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


def estimate_integrity(sample: TrialSample, panel: Panel) -> Integrity:
    """Hold the trial as run against the trial as designed.

    Tests: the ratio of the arms at every stage of the participant flow (as assigned, and as put by
    the offices), by office and by week of intake; whether a filter removed more of one arm; whether
    the arms joined over the same time; whether one is followed for longer.

    Parameters
    ----------
    sample : TrialSample
        With its participant flow.
    panel : Panel

    Returns
    -------
    Integrity

    Notes
    -----
    Chi-square tests; exact or simulated ones for small numbers; offices and weeks by Holm's
    adjustment. Where clusters were assigned whole only their ratio is tested. A red check is seldom
    chance; it is not proof of bias, and a green one is not proof of its absence.
    Source: methods page, M10. Cost: O(claimants).

    Examples
    --------
    >>> from trialimpact import build_panel, build_sample, load_records, merge_spells
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> records = load_records(trial.protocol, trial.tables)
    >>> sample = build_sample(records)
    >>> estimate_integrity(sample, build_panel(sample, merge_spells(records)))
    Integrity(... green...)
    """
    protocol = sample.protocol
    if _assigned_whole(panel):
        return Integrity(checks=tuple(_of_clusters(panel)))
    checks = [*_stage_ratios(sample.flow, protocol), *_losses(sample.flow, protocol)]
    if protocol.designed_ratio:
        offices = sample.people["office"].astype(str)
        weeks = (panel.index_day - panel.index_day.min()) // WEEK
        started = np.datetime64("1970-01-01") + panel.index_day.min() + WEEK * np.arange(weeks.max() + 1)
        names = pd.Series(started.astype(str)[weeks]).radd("week from ")
        checks += _ratios_by(protocol, panel, "ratio_by_office", offices)
        checks += _ratios_by(protocol, panel, "ratio_by_week", names)
    for contrast in protocol.contrasts:
        checks += [_drift(panel, contrast)]
        checks += [_follow_up(panel, contrast, outcome) for outcome in panel.outcomes]
    return Integrity(checks=tuple(checks))


def integrity_of_flow(protocol: TrialProtocol, flow: ParticipantFlow) -> Integrity:
    """The checks that the participant flow allows by itself: ratios at its stages, and losses.

    Where clusters are declared nothing is tested: whether they were assigned whole is not in the flow.
    """
    if protocol.analysis.clusters is not None:
        checks = ("sample_ratio", "differential_loss")
        untested = [
            IntegrityCheck(check=check, where="people", basis="assigned", counts="", untested=WHOLE_CLUSTERS)
            for check in checks
        ]
        return Integrity(checks=tuple(untested))
    return Integrity(checks=(*_stage_ratios(flow, protocol), *_losses(flow, protocol)))


def _assigned_whole(panel: Panel) -> bool:
    """Whether clusters are declared and each lies in one arm."""
    if panel.protocol.analysis.clusters is None:
        return False
    return len({*zip(panel.cluster.tolist(), panel.arm.tolist(), strict=True)}) == np.unique(panel.cluster).size


def _of_clusters(panel: Panel) -> Iterator[IntegrityCheck]:
    """The ratio of clusters; everything that counts people as independent is said not to be tested."""
    protocol = panel.protocol
    _, first = np.unique(panel.cluster, return_index=True)
    counts = dict(zip(protocol.arms, np.bincount(panel.arm[first], minlength=len(protocol.arms)).tolist(), strict=True))
    if protocol.designed_ratio:
        yield sample_ratio(counts, protocol.designed_ratio, where="clusters analysed")
    else:
        words = in_words(list(counts), np.array(list(counts.values())))
        yield IntegrityCheck(
            check="sample_ratio", where="clusters analysed", basis="assigned", counts=words, untested=UNKNOWN_RATIO
        )
    for check in ("differential_loss", "ratio_by_office", "ratio_by_week", "arm_share_drift", "follow_up"):
        yield IntegrityCheck(check=check, where="people", basis="assigned", counts="", untested=WHOLE_CLUSTERS)


def _by_arm(flow: ParticipantFlow, protocol: TrialProtocol, stage: str, kind: str, basis: str) -> dict[str, int]:
    counts = flow.counts[(flow.counts["stage"] == stage) & (flow.counts["kind"] == kind)]
    others = ("received_arm" if basis == "assigned" else "assigned_arm", "office", "reason")
    for column in others:
        counts = counts[counts[column] == "all"]
    found = counts.set_index(f"{basis}_arm")["n"]
    return {arm: int(found.get(arm, 0)) for arm in protocol.arms}


def _stage_ratios(flow: ParticipantFlow, protocol: TrialProtocol) -> Iterator[IntegrityCheck]:
    """Arms as assigned at every stage that removed anybody; arms as put, before linking."""
    ratio, last = protocol.designed_ratio, dict[str, int]()
    for stage, label in flow.stages.items():
        counts = _by_arm(flow, protocol, stage, "remaining", "assigned")
        if sum(counts.values()) and ratio and (counts != last or stage == "analysed"):
            yield sample_ratio(counts, ratio, where=label)
            last = counts
        elif not ratio and stage == "analysed":
            words = in_words(list(counts), np.array(list(counts.values())))
            yield IntegrityCheck(
                check="sample_ratio", where=label, basis="assigned", counts=words, untested=UNKNOWN_RATIO
            )
    put = _by_arm(flow, protocol, AS_PUT, "remaining", "received") if AS_PUT in flow.stages else {}
    if ratio and sum(put.values()):
        yield sample_ratio(put, ratio, check="put_in_arm", where=flow.stages[AS_PUT], basis="received")


def _losses(flow: ParticipantFlow, protocol: TrialProtocol) -> Iterator[IntegrityCheck]:
    for stage, label in flow.stages.items():
        removed = _by_arm(flow, protocol, stage, "removed", "assigned")
        left = _by_arm(flow, protocol, stage, "remaining", "assigned")
        if sum(removed.values()) and sum(left.values()):
            yield differential_loss(removed, {arm: removed[arm] + left[arm] for arm in left}, where=f"lost at: {label}")


def _ratios_by(protocol: TrialProtocol, panel: Panel, check: str, group: pd.Series[str]) -> list[IntegrityCheck]:
    """The ratio in each group of the analysed, Holm-adjusted."""
    arms = protocol.arms
    table = pd.crosstab(group.to_numpy(), panel.arm).reindex(columns=range(len(arms)), fill_value=0)
    found = [
        sample_ratio(dict(zip(arms, row, strict=True)), protocol.designed_ratio, check=check, where=str(name))
        for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    adjusted = adjusted_p(np.array([each.p_value for each in found]))
    return [replace(each, p_holm=float(p)) for each, p in zip(found, adjusted, strict=True)]


def _drift(panel: Panel, contrast: Contrast) -> IntegrityCheck:
    """Whether the share of a contrast's sides changes over the periods of intake."""
    period, sides = intake_periods(panel, contrast), sides_of(panel, contrast)
    n_periods = int(period.max()) + 1
    table = np.stack([np.bincount(period[side], minlength=n_periods) for side in sides]).astype(float)
    statistic, df, p, test = independence(table)
    shares = table[0] / table.sum(axis=0)
    return IntegrityCheck(
        check="arm_share_drift",
        where=contrast.name,
        basis="assigned",
        counts=f"{100 * shares.min():.0f}% to {100 * shares.max():.0f}% in treatment over {n_periods} periods",
        expected=f"{100 * table[0].sum() / table.sum():.0f}% in every one",
        statistic=statistic,
        df=df,
        p_value=p,
        p_holm=p,
        test=test,
        untested=ONE_PERIOD,
    )


def _follow_up(panel: Panel, contrast: Contrast, outcome: str) -> IntegrityCheck:
    """Whether the sides are followed for as many days on average, within the longest horizon."""
    days = days_followed(panel, outcome)
    one, other = (days[side] for side in sides_of(panel, contrast))
    apart = difference(float(one.mean()), float(other.mean()))
    error = (
        float(np.sqrt(sum(side.var(ddof=1) / side.size for side in (one, other))))
        if min(one.size, other.size) > 1
        else 0.0
    )
    p = float(two_sided_p(np.array([apart]), np.array([error]))[0])
    if error == 0 and min(one.size, other.size) > 1:
        p = 1.0 if apart == 0 else 0.0
    return IntegrityCheck(
        check="follow_up",
        where=f"{contrast.name}, {outcome}",
        basis="assigned",
        counts=f"treatment {one.mean():.1f} days, control {other.mean():.1f}",
        expected="the same in both",
        statistic=apart / error if error > 0 else float("nan"),
        df=1,
        p_value=p,
        p_holm=p,
        test="welch z",
    )
