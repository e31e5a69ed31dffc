"""What a result says, in a sentence that its own interval bears out."""

from __future__ import annotations

import math

from trialimpact.estimators import Effect, Effects
from trialimpact.protocol import RoundingRule, TrialProtocol
from trialimpact.report.rounding import printed


def headline(effects: Effects, horizon_days: int | None = None) -> str:
    """One sentence on a cumulative effect.

    The direction is stated only when the interval excludes zero; where the standard error is not
    known, or is that of one person or cluster, nothing is claimed.
    """
    effects.require("cumulative")
    horizon = effects.protocol.analysis.max_horizon if horizon_days is None else horizon_days
    effect, which = effects.effect(horizon), effects.comparison
    protocol = effects.protocol
    outcome = protocol.outcome(which.outcome).words
    who = f" ({protocol.subgroup_words(which.subgroup)})" if which.subgroup != "all" else ""
    arms = f"{which.contrast.treatment_words} against {which.contrast.control_words}{who}"
    if math.isnan(effect.estimate):
        return f"{arms}: days {outcome} over {horizon} days cannot be estimated: nobody is followed on some day."
    rule = protocol.presentation.rounding
    if not can_be_judged(effect):
        apart = printed(effect.estimate, rule)
        return f"{arms}: a difference of {apart} days {outcome} over {horizon} days, of unknown precision."
    between = ": " if "," in interval_name(effects) else " "
    interval = f"{interval_name(effects)}{between}{interval_in_words(effect, protocol)}"
    if excludes_zero(effect):
        size = printed(abs(effect.estimate), rule)
        more = "more" if effect.estimate > 0 else "fewer"
        return f"{arms}: {size} {more} days {outcome} over {horizon} days ({interval})."
    return (
        f"{arms}: no clear difference in days {outcome} over {horizon} days "
        f"(difference {printed(effect.estimate, rule)}; {interval})."
    )


def interval_name(effects: Effects) -> str:
    """What the intervals of these effects are: accumulated daily limits are not called an interval."""
    words = effects.protocol.analysis.interval_words
    return words.replace("interval", "daily limits added up", 1) if effects.interval == "accumulated" else words


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


def can_be_judged(effect: Effect) -> bool:
    """Whether the interval says anything: its standard error is known and both sides have two people."""
    return not math.isnan(effect.std_error) and min(effect.n_treatment, effect.n_control) > 1


def excludes_zero(effect: Effect) -> bool:
    """Whether the interval lies wholly on one side of zero."""
    return effect.conf_low > 0 or effect.conf_high < 0
