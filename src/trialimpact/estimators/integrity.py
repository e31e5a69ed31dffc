"""Was the trial run as designed? Sample ratios, loss, intake and follow-up, arm against arm (M10)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trialimpact.errors import of_its_kind
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
from trialimpact.estimators.intake import PERIOD_DAYS, joined_blocks
from trialimpact.flow import ParticipantFlow
from trialimpact.intervals import Integers
from trialimpact.joining import Joining, joining_of
from trialimpact.loaders import date_of
from trialimpact.loaders.records import require_one_load
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast, Outcome, TrialProtocol
from trialimpact.sample import TrialSample
from trialimpact.spells import coverage_of

WEEK = 7

INTEGRITY_COLUMNS = [
    *("check", "where", "basis", "counts", "expected", "n_smallest", "statistic", "df", "p_value", "p_holm", "test"),
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


@of_its_kind
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
    require_one_load(sample.load, panel.load)
    return integrity_of(sample.protocol, sample.flow, joining_of(panel))


def integrity_of(protocol: TrialProtocol, flow: ParticipantFlow, joining: Joining) -> Integrity:
    """The checks, from the flow and how many joined when."""
    if protocol.analysis.clusters is not None and joining.assigned_whole:
        return Integrity(checks=tuple(_of_clusters(protocol, joining)))
    checks = [*_stage_ratios(flow, protocol), *_losses(flow, protocol)]
    if protocol.designed_ratio:
        checks += _ratios_by(protocol, "ratio_by_office", _by_office(flow, protocol))
        checks += _ratios_by(protocol, "ratio_by_week", _by_week(joining, protocol))
    for contrast in protocol.contrasts:
        checks += [_drift(protocol, joining, contrast)]
        checks += [_follow_up(protocol, joining, contrast, outcome) for outcome in protocol.outcomes]
    return Integrity(checks=tuple(checks))


def _of_clusters(protocol: TrialProtocol, joining: Joining) -> Iterator[IntegrityCheck]:
    """The ratio of clusters; everything that counts people as independent is said not to be tested."""
    n_arms = len(protocol.arms)
    counts = dict(zip(protocol.arms, np.bincount(joining.clusters[:, 1], minlength=n_arms).tolist(), strict=True))
    if protocol.designed_ratio:
        yield sample_ratio(counts, protocol.designed_ratio, where="clusters analysed")
    else:
        words = in_words(list(counts), np.array(list(counts.values())))
        yield IntegrityCheck(
            check="sample_ratio", where="clusters analysed", basis="assigned", counts=words, untested=UNKNOWN_RATIO
        )
    for check in ("differential_loss", "ratio_by_office", "ratio_by_week", "arm_share_drift", "follow_up"):
        yield IntegrityCheck(check=check, where="people", basis="assigned", counts="", untested=WHOLE_CLUSTERS)


def _by_office(flow: ParticipantFlow, protocol: TrialProtocol) -> dict[str, dict[str, int]]:
    """Analysed claimants of each office, by arm."""
    counts = flow.counts
    mine = (counts["stage"] == "analysed") & (counts["kind"] == "remaining") & (counts["office"] != "all")
    table = counts[mine].pivot_table(index="office", columns="assigned_arm", values="n", aggfunc="sum", fill_value=0)
    found = {str(office): {arm: int(row.get(arm, 0)) for arm in protocol.arms} for office, row in table.iterrows()}
    return {office: by_arm for office, by_arm in sorted(found.items()) if sum(by_arm.values())}


def _by_week(joining: Joining, protocol: TrialProtocol) -> dict[str, dict[str, int]]:
    """Claimants who joined in each week from the first index day, by arm."""
    first = int(joining.index_day.min())
    week, n_arms = (joining.index_day - first) // WEEK, len(protocol.arms)
    table = np.bincount(week * n_arms + joining.arm, weights=joining.n, minlength=(int(week.max()) + 1) * n_arms)
    found = {}
    for number, row in enumerate(table.astype(np.int64).reshape(-1, n_arms).tolist()):
        if sum(row):
            found[f"week from {date_of(first + WEEK * number)}"] = dict(zip(protocol.arms, row, strict=True))
    return found


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


def _ratios_by(protocol: TrialProtocol, check: str, groups: dict[str, dict[str, int]]) -> list[IntegrityCheck]:
    """The ratio in each group of the analysed, Holm-adjusted."""
    found = [
        sample_ratio(by_arm, protocol.designed_ratio, check=check, where=where) for where, by_arm in groups.items()
    ]
    adjusted = adjusted_p(np.array([each.p_value for each in found]))
    return [replace(each, p_holm=float(p)) for each, p in zip(found, adjusted, strict=True)]


def _sides(protocol: TrialProtocol, joining: Joining, contrast: Contrast) -> list[tuple[Integers, Integers]]:
    """Index days and numbers of treatment and of control."""
    sides = contrast.sides
    return [joining.of_side([protocol.arms.index(arm) for arm in side]) for side in sides]


def _drift(protocol: TrialProtocol, joining: Joining, contrast: Contrast) -> IntegrityCheck:
    """Whether the share of a contrast's sides changes over the periods of intake."""
    sides = _sides(protocol, joining, contrast)
    first = min(int(days.min()) for days, _ in sides)
    blocks = [np.bincount((days - first) // PERIOD_DAYS, weights=n).astype(np.int64) for days, n in sides]
    period = joined_blocks(blocks[0], blocks[1])
    table = np.stack([np.bincount(period[: each.size], weights=each, minlength=period[-1] + 1) for each in blocks])
    statistic, df, p, test = independence(table)
    shares = table[0] / table.sum(axis=0)
    return IntegrityCheck(
        check="arm_share_drift",
        where=contrast.name,
        basis="assigned",
        counts=f"{100 * shares.min():.0f}% to {100 * shares.max():.0f}% in treatment over {period[-1] + 1} periods",
        expected=f"{100 * table[0].sum() / table.sum():.0f}% in every one",
        n_smallest=int(table.sum(axis=1).min()),
        statistic=statistic,
        df=df,
        p_value=p,
        p_holm=p,
        test=test,
        untested=ONE_PERIOD,
    )


def _follow_up(protocol: TrialProtocol, joining: Joining, contrast: Contrast, outcome: Outcome) -> IntegrityCheck:
    """Whether the sides are followed for as many days on average, within the longest horizon."""
    means, variances, sizes = [], [], []
    for index_day, n in _sides(protocol, joining, contrast):
        days, size = _days_followed(protocol, outcome, index_day), int(n.sum())
        mean = float((n * days).sum() / size)
        means.append(mean)
        variances.append(float((n * (days - mean) ** 2).sum() / max(size - 1, 1)))
        sizes.append(size)
    apart = difference(means[0], means[1])
    error = float(np.sqrt(variances[0] / sizes[0] + variances[1] / sizes[1])) if min(sizes) > 1 else 0.0
    p = float(two_sided_p(np.array([apart]), np.array([error]))[0])
    if error == 0 and min(sizes) > 1:
        p = 1.0 if apart == 0 else 0.0
    return IntegrityCheck(
        check="follow_up",
        where=f"{contrast.name}, {outcome.name}",
        basis="assigned",
        counts=f"treatment {means[0]:.1f} days, control {means[1]:.1f}",
        expected="the same in both",
        n_smallest=min(sizes),
        statistic=apart / error if error > 0 else float("nan"),
        df=1,
        p_value=p,
        p_holm=p,
        test="welch z",
    )


def _days_followed(protocol: TrialProtocol, outcome: Outcome, index_day: Integers) -> Integers:
    """Days of [0, longest horizon) that an outcome is followed, from each index day (M1)."""
    covered_from, extract_day = coverage_of(protocol, outcome.terms)
    first, last = (np.clip(day - index_day, 0, protocol.analysis.max_horizon) for day in (covered_from, extract_day))
    return np.asarray(last - first)
