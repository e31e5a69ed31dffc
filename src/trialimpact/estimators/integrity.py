"""Was the trial run as designed? Sample ratios, loss, intake and follow-up, arm against arm (M10)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, worded
from trialimpact.estimators.confidence import two_sided_p
from trialimpact.estimators.contrast import difference
from trialimpact.estimators.intake import intake_periods, mean_follow_up
from trialimpact.estimators.ledger import sides_of
from trialimpact.flow import ParticipantFlow
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.sample import TrialSample

RED, AMBER = 0.001, 0.01
"""p below which a check is red, or amber."""

EXACT_BELOW = 1_000
"""With fewer people a two-arm ratio is tested by the exact binomial test."""

WEEK = 7

Level = Literal["red", "amber", "green", "not tested"]
INTEGRITY_COLUMNS = [
    *("check", "where", "basis", "counts", "expected", "statistic", "df", "p_value", "p_holm", "test"),
    *("level", "says"),
]

WORDS = {
    "sample_ratio": (
        "the arms are not in the designed ratio: recording, filtering or linking may depend on the arm; "
        "it does not say which, nor that effects are biased, but the arms may no longer be alike"
    ),
    "ratio_by_office": "the ratio departs from the design at some offices: look at how they set markers",
    "ratio_by_week": "the ratio departs from the design in some weeks of intake: look at what changed then",
    "differential_loss": (
        "a filter removed different shares of the arms: those left may differ; bounds say by how much it could matter"
    ),
    "arm_share_drift": (
        "the arms joined at different times, so late days compare different mixes: "
        "look at the estimates in the common intake and stratified by intake"
    ),
    "follow_up": "one arm is followed for longer: look at the estimates in the common intake",
}
"""What it may mean when a check is red or amber."""

GREEN = "no sign of it"
UNKNOWN_RATIO = "the designed ratio is not given: set allocation.ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrityCheck:
    """One test of how the trial was run.

    Attributes
    ----------
    check : str
        A key of `WORDS`.
    where : str
        The stage, office, week, contrast or outcome.
    basis : str
        "assigned" or "received" arms.
    counts, expected : str
        What was found, and what the design (or the other arm) leads one to expect.
    p_holm : float
        Among checks of one kind at many places, adjusted for their number; else `p_value`.
    """

    check: str
    where: str
    basis: str
    counts: str
    expected: str = ""
    statistic: float = float("nan")
    df: int = 0
    p_value: float = float("nan")
    p_holm: float = float("nan")
    test: str = ""

    @property
    def level(self) -> Level:
        """Red at p < 0.001, amber at p < 0.01, by the adjusted p-value."""
        if np.isnan(self.p_holm):
            return "not tested"
        return "red" if self.p_holm < RED else "amber" if self.p_holm < AMBER else "green"

    @property
    def says(self) -> str:
        """What it may mean, and what it need not."""
        if self.level == "not tested":
            return UNKNOWN_RATIO if self.check == "sample_ratio" else "too few people to test"
        return GREEN if self.level == "green" else WORDS[self.check]


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
    Chi-square tests, an exact binomial one for two arms and fewer than 1,000 people; offices and
    weeks by Holm's adjustment. A red check is seldom chance; it is not proof of bias, and a green
    one is not proof of the absence of it. Source: methods page, M10. Cost: O(claimants).

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
    checks = [*_stage_ratios(sample.flow, protocol), *_losses(sample.flow, protocol)]
    if protocol.designed_ratio:
        offices = sample.people["office"].astype(str)
        weeks = (panel.index_day - panel.index_day.min()) // WEEK
        started = np.datetime64("1970-01-01") + panel.index_day.min() + WEEK * np.arange(weeks.max() + 1)
        names = pd.Series(started.astype(str)[weeks]).radd("week from ")
        checks += _ratios_by(protocol, panel, "ratio_by_office", offices)
        checks += _ratios_by(protocol, panel, "ratio_by_week", names)
    for contrast in protocol.contrasts:
        checks += _drift(panel, contrast)
        checks += [_follow_up(panel, contrast, outcome) for outcome in panel.outcomes]
    return Integrity(checks=tuple(checks))


def sample_ratio(
    counts: Mapping[str, int],
    ratio: Mapping[str, float],
    *,
    check: str = "sample_ratio",
    where: str = "",
    basis: str = "assigned",
) -> IntegrityCheck:
    """Test that counts by arm are in the designed ratio.

    >>> found = sample_ratio({"IAP": 5720, "BAU": 6423}, {"IAP": 1, "BAU": 1})
    >>> f"{found.p_value:.1e}", found.level
    ('1.8e-10', 'red')
    """
    from scipy.special import chdtrc

    if set(counts) != set(ratio) or sum(counts.values()) == 0 or len(ratio) < 2:
        raise DesignError(worded("counts and ratio must name the same two or more arms.", remedy="name each arm once"))
    arms = list(ratio)
    found = np.array([counts[arm] for arm in arms], dtype=float)
    design = np.array([ratio[arm] for arm in arms])
    expected = found.sum() * design / design.sum()
    statistic = float(((found - expected) ** 2 / expected).sum())
    exact = len(arms) == 2 and found.sum() < EXACT_BELOW
    if exact:
        from scipy.stats import binomtest

        p = float(binomtest(int(found[0]), int(found.sum()), design[0] / design.sum()).pvalue)
    else:
        p = float(chdtrc(len(arms) - 1, statistic))
    return IntegrityCheck(
        check=check,
        where=where,
        basis=basis,
        counts=_in_words(arms, found),
        expected=_in_words(arms, expected),
        statistic=statistic,
        df=len(arms) - 1,
        p_value=p,
        p_holm=p,
        test="exact binomial" if exact else "chi-square",
    )


def differential_loss(removed: Mapping[str, int], before: Mapping[str, int], *, where: str = "") -> IntegrityCheck:
    """Test that a filter removed the same share of every arm.

    >>> found = differential_loss({"IAP": 1052, "BAU": 1000}, {"IAP": 5858, "BAU": 6285})
    >>> f"{found.p_value:.4f}", found.counts
    ('0.0026', 'IAP 18.0% of 5,858, BAU 15.9% of 6,285')
    """
    arms = list(before)
    gone, there = (np.array([each[arm] for arm in arms], dtype=float) for each in (removed, before))
    statistic, df, p = _independence(np.stack([gone, there - gone]))
    shares = [f"{arm} {100 * g / max(n, 1):.1f}% of {n:,.0f}" for arm, g, n in zip(arms, gone, there, strict=True)]
    return IntegrityCheck(
        check="differential_loss",
        where=where,
        basis="assigned",
        counts=", ".join(shares),
        expected=f"{100 * gone.sum() / max(there.sum(), 1):.1f}% of each",
        statistic=statistic,
        df=df,
        p_value=p,
        p_holm=p,
        test="chi-square",
    )


def _in_words(arms: Sequence[str], counts: np.ndarray) -> str:
    return ", ".join(f"{arm} {n:,.0f}" for arm, n in zip(arms, counts, strict=True))


def _independence(table: np.ndarray) -> tuple[float, int, float]:
    """Pearson's chi-square of a table, empty rows and columns left out; NaN if nothing is left to test."""
    from scipy.special import chdtrc

    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    df = (table.shape[0] - 1) * (table.shape[1] - 1)
    if df < 1:
        return float("nan"), 0, float("nan")
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / table.sum()
    statistic = float(((table - expected) ** 2 / expected).sum())
    return statistic, df, float(chdtrc(df, statistic))


def _by_arm(flow: ParticipantFlow, protocol: TrialProtocol, stage: str, kind: str, basis: str) -> dict[str, int]:
    counts = flow.counts[(flow.counts["stage"] == stage) & (flow.counts["kind"] == kind)]
    others = ("received_arm" if basis == "assigned" else "assigned_arm", "office", "reason")
    for column in others:
        counts = counts[counts[column] == "all"]
    found = counts.set_index(f"{basis}_arm")["n"]
    return {arm: int(found.get(arm, 0)) for arm in protocol.arms}


def _stage_ratios(flow: ParticipantFlow, protocol: TrialProtocol) -> Iterator[IntegrityCheck]:
    ratio = protocol.designed_ratio
    bases = ("assigned", "received") if protocol.sources.markers is not None else ("assigned",)
    last: dict[str, dict[str, int]] = {}
    for stage, label in flow.stages.items():
        for basis in bases:
            counts = _by_arm(flow, protocol, stage, "remaining", basis)
            if not sum(counts.values()) or (counts == last.get(basis) and stage != "analysed"):
                continue
            last[basis] = counts
            if ratio:
                yield sample_ratio(counts, ratio, where=label, basis=basis)
            elif stage == "analysed":
                words = _in_words(list(counts), np.array(list(counts.values())))
                yield IntegrityCheck(check="sample_ratio", where=label, basis=basis, counts=words)


def _losses(flow: ParticipantFlow, protocol: TrialProtocol) -> Iterator[IntegrityCheck]:
    for stage, label in flow.stages.items():
        removed = _by_arm(flow, protocol, stage, "removed", "assigned")
        left = _by_arm(flow, protocol, stage, "remaining", "assigned")
        if sum(removed.values()) and sum(left.values()):
            yield differential_loss(removed, {arm: removed[arm] + left[arm] for arm in left}, where=f"lost at: {label}")


def _ratios_by(protocol: TrialProtocol, panel: Panel, check: str, group: pd.Series[str]) -> list[IntegrityCheck]:
    """The ratio in each group of the analysed, Holm-adjusted, then whether it is the same in all."""
    arms = protocol.arms
    table = pd.crosstab(group.to_numpy(), panel.arm).reindex(columns=range(len(arms)), fill_value=0)
    found = [
        sample_ratio(dict(zip(arms, row, strict=True)), protocol.designed_ratio, check=check, where=str(name))
        for name, row in zip(table.index, table.to_numpy().tolist(), strict=True)
    ]
    adjusted = holm([each.p_value for each in found])
    return [replace(each, p_holm=p) for each, p in zip(found, adjusted, strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, by statsmodels."""
    import importlib

    multitest = importlib.import_module("statsmodels.stats.multitest")
    return [float(p) for p in multitest.multipletests(list(p_values), method="holm")[1]] if p_values else []


def _drift(panel: Panel, contrast: Contrast) -> Iterator[IntegrityCheck]:
    """Whether the share of a contrast's sides changes over the periods of intake."""
    period, sides = intake_periods(panel, contrast), sides_of(panel, contrast)
    n_periods = int(period.max()) + 1
    table = np.stack([np.bincount(period[side], minlength=n_periods) for side in sides]).astype(float)
    statistic, df, p = _independence(table)
    shares = table[0] / table.sum(axis=0)
    yield IntegrityCheck(
        check="arm_share_drift",
        where=contrast.name,
        basis="assigned",
        counts=f"{100 * shares.min():.0f}% to {100 * shares.max():.0f}% in treatment over {n_periods} periods",
        expected=f"{100 * table[0].sum() / table.sum():.0f}% in every one",
        statistic=statistic,
        df=df,
        p_value=p,
        p_holm=p,
        test="chi-square",
    )


def _follow_up(panel: Panel, contrast: Contrast, outcome: str) -> IntegrityCheck:
    """Whether the sides are followed for as many days on average, within the longest horizon."""
    days = mean_follow_up(panel, outcome)
    one, other = (days[side] for side in sides_of(panel, contrast))
    apart = difference(float(one.mean()), float(other.mean()))
    error = (
        float(np.sqrt(sum(side.var(ddof=1) / side.size for side in (one, other))))
        if min(one.size, other.size) > 1
        else 0.0
    )
    p = float(two_sided_p(np.array([apart]), np.array([error]))[0])
    if error == 0 and apart == 0:
        p = 1.0
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
