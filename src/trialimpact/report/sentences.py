"""What the methods beside the main estimates say, in sentences that their own numbers bear out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np

from trialimpact.estimators import (
    Adjusted,
    Bands,
    Bounds,
    Compliance,
    Heterogeneity,
    IntakeSensitivity,
    Integrity,
    Placebo,
    PreTrend,
    Randomisation,
)
from trialimpact.estimators.bands import Band
from trialimpact.estimators.checks import IntegrityCheck, Level
from trialimpact.estimators.effects import FEW_CLUSTERS
from trialimpact.estimators.intake import METHODS
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.report.grammar import CLEAR
from trialimpact.report.rounding import printed, printed_p, printed_percent
from trialimpact.report.words import days_about, with_limits


class About(Protocol):
    """Anything about one outcome and contrast."""

    @property
    def outcome(self) -> str:
        """The outcome's name."""

    @property
    def contrast(self) -> Contrast:
        """The contrast."""


def band_sentences(bands: Bands) -> Iterator[str]:
    """From which day to which the daily and the cumulative band exclude zero."""
    which = bands.daily.effects.comparison
    about = f"{days_about(bands.daily.effects.protocol, which.outcome, which.contrast)}: the"
    for band, what, unit in (
        (bands.daily, "daily difference", "day"),
        (bands.cumulative, "cumulative difference", "horizon"),
    ):
        at = band.effects.at
        over = f"over {unit}s {int(at[0])} to {int(at[-1])}" if at.size else "over no days"
        name = f"{about} {_level(band)} simultaneous band of the {what} {over}"
        if math.isnan(band.critical):
            yield f"{name} cannot be given: there are fewer than {FEW_CLUSTERS} clusters."
        elif not (band.effects.std_error > 0).any():
            yield f"{name} cannot be given: no {unit} has a standard error above zero."
        else:
            yield f"{name} excludes zero {_runs(band, unit)}."


def _level(band: Band) -> str:
    return f"{100 * band.effects.protocol.analysis.conf_level:g}%"


def _runs(band: Band, unit: str) -> str:
    runs = [
        (f"on {unit} {run.first}" if run.first == run.last else f"from {unit} {run.first} to {run.last}")
        + (" (above)" if run.above else " (below)")
        for run in band.runs()
    ]
    if not runs:
        return "nowhere"
    return runs[0] if len(runs) == 1 else f"{', '.join(runs[:-1])} and {runs[-1]}"


PRETREND_WORDS = {"sup_t": "any day", "wald": "any quarter", "cumulative": "their total"}
"""What each pre-trial test is of."""


def pretrend_sentence(pretrend: PreTrend) -> str:
    """Whether the arms differed before day 0, by the three tests."""
    protocol, which = pretrend.comparison.moments.protocol, pretrend.comparison
    rule = protocol.presentation.rounding
    first = int(pretrend.band.effects.at[0])
    adjusted = {PRETREND_WORDS[test]: p for test, p in pretrend.adjusted_p_values.items()}
    differ = [what for what, p in adjusted.items() if p < CLEAR]
    found = f"a difference, by the test of {' and '.join(differ)}" if differ else "no clear difference"
    told = "; ".join(f"{what} p {printed_p(p)}" for what, p in adjusted.items())
    days = with_limits(pretrend.days, pretrend.conf_low, pretrend.conf_high, rule)
    about = f"{days_about(protocol, which.outcome, which.contrast)}, before the trial (days {first} to -1)"
    if not adjusted:
        return f"{about}: no test can be made."
    return f"{about}: {found}; {days} days in all ({told}; adjusted for {len(adjusted)} tests)."


def placebo_sentence(found: Placebo | Randomisation, protocol: TrialProtocol) -> str:
    """Where the actual assignment stands among those that the design could have given."""
    test = found.randomisation if isinstance(found, Placebo) else found
    share = test.target.kind == "daily"
    rule = protocol.presentation.rounding
    size = printed_percent(test.observed, rule) if share else f"{printed(test.observed, rule)} days"
    n = int(np.isfinite(test.estimates).sum())
    about = f"{days_about(protocol, test.outcome, test.contrast)}, {test.target.in_words()}"
    if not isinstance(found, Placebo):
        return f"{about}: {size}; p {printed_p(test.p_value)} among {n:,} assignments of {test.unit}."
    text = f"{about}: {size}; p {printed_p(test.p_value)} among all {n:,} splits of the digits"
    text += f" (digits are clusters, so it is never below {2 / n:.3f})."
    alike = found.homogeneity.p_value
    if math.isnan(alike):
        return text
    return f"{text} Digits of one arm {'differ' if alike < CLEAR else 'do not clearly differ'} (p {printed_p(alike)})."


def integrity_sentences(integrity: Integrity) -> Iterator[str]:
    """Every red and amber check, and how many are green."""
    levels: tuple[Level, ...] = ("red", "amber")
    for level in levels:
        found = integrity.at(level)
        for check in dict.fromkeys(each.check for each in found):
            yield from _of_one_check(level, [each for each in found if each.check == check])
    n_green = len(integrity.at("green"))
    if n_green:
        checks = "1 check is" if n_green == 1 else f"{n_green} checks are"
        yield f"{checks} green: no sign of trouble there, which is not proof that there is none."
    else:
        yield "No check is green."
    for each in integrity.at("not tested"):
        yield f"Not tested: {each.check.replace('_', ' ')} ({each.where}): {each.says}."


EVENT_WORDS = {"first_exit": "first exit", "sustained_exit": "sustained exit", "re_entry": "re-entry"}
"""Events in print."""

SHOWN = 3
"""Of many places with one finding, so many are named."""


def _of_one_check(level: Level, found: list[IntegrityCheck]) -> Iterator[str]:
    worst = sorted(found, key=lambda each: each.p_holm)
    name = f"{level.capitalize()}: {found[0].check.replace('_', ' ')}"
    if len(found) > SHOWN:
        places = ", ".join(each.where for each in worst[:SHOWN])
        yield f"{name} at {len(found)} places, the clearest {places}: {found[0].says}."
        return
    for each in found:
        basis = f", arms as {each.basis}" if each.check.startswith(("sample", "ratio", "put")) else ""
        p = printed_p(each.p_holm) if each.p_holm >= 0.001 else f"{each.p_holm:.1g}"
        told = f"p = {p}" if each.p_holm > 0 else "p < 1e-15"
        yield f"{name} ({each.where}{basis}): {each.counts}; expected {each.expected} ({told}): {each.says}."


def intake_sentence(found: IntakeSensitivity) -> str:
    """The estimate, in the common intake and stratified by intake."""
    protocol = found.protocol
    horizon, rule = protocol.analysis.max_horizon, protocol.presentation.rounding
    as_is, common, stratified = (with_limits(*found.limits(method, horizon), rule) for method in METHODS)
    periods = "1 period" if found.n_periods == 1 else f"{found.n_periods} periods"
    return (
        f"{days_about(protocol, found.outcome, found.contrast)} over {horizon} days: {as_is}; {common} in the "
        f"common intake ({found.n_left_out:,} people left out); {stratified} stratified by intake "
        f"({periods})."
    )


def adjusted_sentence(found: Adjusted) -> str:
    """The adjusted estimate and what adjustment gained."""
    effects = found.cumulative
    protocol, horizon = effects.protocol, effects.protocol.analysis.max_horizon
    effect, rule = effects.effect(horizon), protocol.presentation.rounding
    gain = found.gain(horizon)
    unchanged = "the variance is the same as without"
    change = (
        unchanged
        if abs(gain) < 0.005
        else f"the variance is {abs(100 * gain):.0f}% {'lower' if gain >= 0 else 'higher'} than without"
    )
    about = days_about(protocol, effects.comparison.outcome, effects.comparison.contrast)
    limits = with_limits(effect.estimate, effect.conf_low, effect.conf_high, rule)
    covariates = ", ".join(found.covariates)
    gained = change if gain == gain else "what it gains is not known"
    return f"{about} over {horizon} days, adjusted for {covariates}: {limits} days; {gained}."


def heterogeneity_sentence(found: Heterogeneity) -> str:
    """Whether subgroups differ from their complements at all."""
    joint, about = found.joint, days_about(found.protocol, found.outcome, found.contrast)
    if math.isnan(joint.p_value):
        return f"{about}: whether subgroups differ cannot be tested."
    differ = "differ" if joint.p_value < CLEAR else "do not clearly differ"
    return (
        f"{about}: effects {differ} between subgroups "
        f"(joint test of {len(found.subgroups)}, p {printed_p(joint.p_value)} on {joint.df} df)."
    )


def subgroup_sentence(row: Mapping[str, Any], protocol: TrialProtocol) -> str:
    """One row of `subgroups.csv`: the effect in a subgroup, and whether it differs from the others'.

    A direction is stated only where the interval excludes zero; that the subgroup differs, only where
    the difference's interval does and its p-value, adjusted for the family, is below 0.05.
    """
    rule, name = protocol.presentation.rounding, protocol.subgroup_words(row["subgroup"])
    own = _clear(
        row["estimate"], row["conf_low"], row["conf_high"], rule, f"days {protocol.outcome(row['outcome']).words}"
    )
    apart = {name: row[f"difference{name}"] for name in ("", "_low", "_high")}
    excludes = apart["_low"] > 0 or apart["_high"] < 0
    limits = with_limits(apart[""], apart["_low"], apart["_high"], rule)
    adjusted = f"p {printed_p(row['difference_p_holm'])} adjusted for {int(row['family_size'])}"
    if not apart["_low"] < apart["_high"]:
        other = "whether it differs from the others cannot be judged"
    elif not excludes:
        other = f"no clear difference from the others: {limits}"
    elif row["difference_p_holm"] < CLEAR:
        other = f"{'higher' if apart[''] > 0 else 'lower'} than among the others: difference {limits}; {adjusted}"
    else:
        other = f"difference from the others {limits}, which is not clear among so many comparisons ({adjusted})"
    return f"{name}: {own}; {other}."


def _clear(estimate: float, low: float, high: float, rule: Any, what: str) -> str:
    interval = f"{printed(low, rule)} to {printed(high, rule)}"
    if not low < high:
        return f"{what} cannot be judged"
    if low > 0 or high < 0:
        return f"{printed(abs(estimate), rule)} {'more' if estimate > 0 else 'fewer'} {what} ({interval})"
    return f"no clear difference in {what} ({printed(estimate, rule)}; {interval})"


def compliance_sentence(found: Compliance) -> str:
    """Intention to treat, receipt, and the effect on those who receive because assigned."""
    protocol, rule = found.protocol, found.protocol.presentation.rounding
    (itt, receipt), (cace, _) = found.ledger.estimate, found.cace
    kept = found.anderson_rubin
    low, high = printed(kept.low, rule), printed(kept.high, rule)
    if kept.kind == "interval":
        values = f"{low} to {high}"
    elif kept.kind == "two rays":
        values = f"below {low} or above {high}: assignment changed receipt too little to say more"
    elif kept.kind == "everything":
        values = "any value: assignment changed receipt too little to say anything"
    elif kept.kind == "empty":
        values = "no value: assignment did not change receipt and changed the outcome"
    else:
        values = "not known"
    about = f"{days_about(protocol, found.outcome, found.contrast)}, {found.target.in_words()}"
    numbers = (itt, cace, 100 * receipt, found.as_treated.estimate[0])
    by_assignment, on_compliers, points, as_treated = (printed(float(x), rule) or "not known" for x in numbers)
    return (
        f"{about}: {by_assignment} by assignment (intention to treat); receipt differs by {points} points; on "
        f"those who receive it because assigned {on_compliers} (Anderson-Rubin: {values}). "
        f"By the arm received, {as_treated}, which is biased."
    )


def bounds_sentence(found: Bounds) -> str:
    """What unlinked records leave possible."""
    rule, tipping, lee = found.protocol.presentation.rounding, found.tipping, found.bound("lee")
    daily, worst = found.bound("lee_daily"), found.bound("worst_case")

    def span(low: float, high: float) -> str:
        return f"{printed(low, rule)} to {printed(high, rule)}" if low == low else "not known"

    interval = span(*lee.interval(found.protocol.analysis.conf_level))
    parts = [
        f"Lee bounds {span(lee.lower, lee.upper)} (interval {interval}) among the {lee.n_treatment + lee.n_control:,} "
        f"followed for all of {found.horizon_days} days",
        f"{span(daily.lower, daily.upper)} among all, day by day",
        f"worst case {span(worst.lower, worst.upper)}",
    ]
    if math.isnan(tipping.to_zero):
        tip = "nobody of the treatment side was lost, or there is no estimate"
    else:
        way = "more" if tipping.to_zero > 0 else "fewer"
        shift = f"{printed(abs(tipping.to_zero), rule)} days {way} than its linked"
        tip = f"for no effect, the lost of the treatment side would need {shift}"
        tip += "" if tipping.is_possible(tipping.to_zero) else ", which is not possible"
    linked = [printed_percent(share, rule) for share in (found.retained_treatment, found.retained_control)]
    about = f"{days_about(found.protocol, found.outcome, found.contrast)} over {found.horizon_days} days"
    return f"{about}, linked {linked[0]} against {linked[1]}: {'; '.join(parts)}; {tip}."
