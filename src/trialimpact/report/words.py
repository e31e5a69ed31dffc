"""What a result says, in a sentence that its own interval bears out."""

from __future__ import annotations

import math

from trialimpact.errors import of_its_kind
from trialimpact.estimators import Effect, Effects
from trialimpact.protocol import Contrast, RoundingRule, TrialProtocol
from trialimpact.report.grammar import Finding
from trialimpact.report.rounding import printed


@of_its_kind
def headline(effects: Effects, horizon_days: int | None = None) -> str:
    """One sentence on a cumulative effect.

    The direction is stated only when the interval excludes zero; where the standard error is not
    known, or is that of one person or cluster, nothing is claimed.
    """
    return finding_of(effects, horizon_days).brief()


def finding_of(effects: Effects, horizon_days: int | None = None) -> Finding:
    """A cumulative effect as a finding."""
    effects.require("cumulative")
    protocol, which = effects.protocol, effects.comparison
    horizon = protocol.analysis.max_horizon if horizon_days is None else horizon_days
    effect = effects.effect(horizon)
    return Finding(
        treatment=which.contrast.treatment_words,
        control=which.contrast.control_words,
        who=protocol.subgroup_words(which.subgroup) if which.subgroup != "all" else "",
        outcome=protocol.outcome(which.outcome).words,
        horizon_days=horizon,
        estimate=effect.estimate,
        low=effect.conf_low,
        high=effect.conf_high,
        interval=interval_name(effects),
        rounding=protocol.presentation.rounding,
        judged=can_be_judged(effect),
    )


def interval_name(effects: Effects) -> str:
    """What the intervals of these effects are."""
    return interval_name_of(effects.protocol, effects.interval)


def interval_name_of(protocol: TrialProtocol, interval: str) -> str:
    """What intervals of a kind are: accumulated daily limits are not called an interval."""
    words = protocol.analysis.interval_words
    return words.replace("interval", "daily limits added up", 1) if interval == "accumulated" else words


def interval_in_words(effect: Effect, protocol: TrialProtocol) -> str:
    """The interval as "low to high"; not stated where it is not known."""
    if math.isnan(effect.conf_low):
        return "not known"
    rule = protocol.presentation.rounding
    return f"{printed(effect.conf_low, rule)} to {printed(effect.conf_high, rule)}"


def with_limits(estimate: float, low: float, high: float, rule: RoundingRule) -> str:
    """A number with its limits, as in "−5.5 (−9.5 to −1.6)"."""
    if math.isnan(estimate):
        return "not known"
    if math.isnan(low):
        return f"{printed(estimate, rule)} (interval not known)"
    return f"{printed(estimate, rule)} ({printed(low, rule)} to {printed(high, rule)})"


def days_about(protocol: TrialProtocol, outcome: str, contrast: Contrast | str) -> str:
    """What a result is about: days with an outcome, one side against the other (of a contrast, or of its name)."""
    which = protocol.contrast(contrast) if isinstance(contrast, str) else contrast
    return f"Days {protocol.outcome(outcome).words}, {which.treatment_words} against {which.control_words}"


def can_be_judged(effect: Effect) -> bool:
    """Whether the interval says anything: its standard error is known and both sides have two people."""
    return not math.isnan(effect.std_error) and min(effect.n_treatment, effect.n_control) > 1


def excludes_zero(effect: Effect) -> bool:
    """Whether the interval lies wholly on one side of zero."""
    return effect.conf_low > 0 or effect.conf_high < 0
