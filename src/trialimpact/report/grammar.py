"""The sentences: an estimate with its interval, in English that its own numbers bear out.

A direction is stated only where the interval leaves zero out, and, among several comparisons, only where the p-value
adjusted for them is small too. Everything else is "we cannot say".
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trialimpact.protocol import RoundingRule
from trialimpact.report.rounding import printed, printed_p

Direction = Literal["more", "fewer", "unclear", "unknown"]

CLEAR = 0.05
"""An adjusted p-value below this is called clear."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference of two sides in days, or in percentage points.

    Attributes
    ----------
    treatment, control : str
    who : str
        A subgroup in words; empty for everyone.
    outcome : str
        Completes "days ..." and "% ...".
    horizon_days : int or None
        None: a share on one day, in `when`.
    estimate, low, high : float
        NaN where not known.
    interval : str
        What the limits are: "95% interval".
    adjusted_p : float
        Adjusted for the family that the comparison belongs to; NaN where it is the only one.
    judged : bool
        Whether the interval says anything: it is not that of one person or cluster.
    """

    treatment: str
    control: str
    outcome: str
    estimate: float
    low: float
    high: float
    interval: str
    rounding: RoundingRule
    who: str = ""
    horizon_days: int | None = None
    when: str = ""
    adjusted_p: float = math.nan
    family_size: int = 1
    judged: bool = True

    @property
    def direction(self) -> Direction:
        """What may be said of the direction.

        >>> finding(-11, -17, -5.5).direction, finding(-11, -25, 3).direction
        ('fewer', 'unclear')
        """
        if math.isnan(self.estimate):
            return "unknown"
        excludes = self.low > 0 or self.high < 0
        survives = math.isnan(self.adjusted_p) or self.adjusted_p < CLEAR
        if not (self.judged and excludes and survives):
            return "unclear"
        return "more" if self.estimate > 0 else "fewer"

    def sentence(self) -> str:
        """In full.

        >>> print(finding(-11.2, -17, -5.5).sentence())
        On average IAP claimants spent 11 fewer days on benefit over 273 days than BAU claimants
        (95% interval 5.5 to 17).
        >>> print(finding(4, -1, 9).sentence())
        We cannot say that IAP claimants spent more or fewer days on benefit over 273 days than BAU claimants: the
        difference was 4.0 days (95% interval −1.0 to 9.0).
        """
        one, other = f"{self.treatment} claimants{self._who()}", f"{self.control} claimants"
        if self.direction == "unknown":
            why = "it cannot be estimated, or is not shown"
            return f"We cannot say how {one} and {other} differ in {self._what()}: {why}."
        if self.direction == "unclear":
            verb = "spent more or fewer days" if self.horizon_days is not None else "were more or less often"
            compared = f"{one} {verb} {self.outcome}{self._over()} than {other}"
            return f"We cannot say that {compared}: the difference was {self._amount()} ({self._told()})."
        if self.horizon_days is None:
            way = "higher" if self.direction == "more" else "lower"
            size = f"{printed(abs(self.estimate), self.rounding)} percentage points"
            share = f"The share {self.outcome}{self._over()}"
            return f"{share} was {size} {way} among {one} than among {other} ({self._told()})."
        size = printed(abs(self.estimate), self.rounding)
        return (
            f"On average {one} spent {size} {self.direction} days {self.outcome}{self._over()} than {other} "
            f"({self._told()})."
        )

    def brief(self) -> str:
        """For a list of findings: arms first, signs kept.

        >>> finding(-11.2, -17, -5.5).brief()
        'IAP against BAU: 11 fewer days on benefit over 273 days (95% interval −17 to −5.5).'
        """
        arms = f"{self.treatment} against {self.control}{f' ({self.who})' if self.who else ''}"
        if self.direction == "unknown":
            return f"{arms}: {self._what()} cannot be estimated: nobody is followed on some day."
        if not self.judged:
            return f"{arms}: a difference of {self._amount(unit=False)} {self._what()}, of unknown precision."
        told = f"{self._named()}{printed(self.low, self.rounding)} to {printed(self.high, self.rounding)}"
        if self.direction == "unclear":
            return f"{arms}: no clear difference in {self._what()} (difference {self._amount(unit=False)}; {told})."
        return f"{arms}: {printed(abs(self.estimate), self.rounding)} {self.direction} {self._what()} ({told})."

    def _who(self) -> str:
        return f" ({self.who})" if self.who else ""

    def _what(self) -> str:
        return f"{'days' if self.horizon_days is not None else 'the share'} {self.outcome}{self._over()}"

    def _over(self) -> str:
        return f" over {self.horizon_days} days" if self.horizon_days is not None else f" {self.when}".rstrip()

    def _amount(self, *, unit: bool = True) -> str:
        text = printed(self.estimate, self.rounding)
        return f"{text} {'days' if self.horizon_days is not None else 'percentage points'}" if unit else text

    def _named(self) -> str:
        return f"{self.interval}{':' if ',' in self.interval else ''} "

    def _told(self) -> str:
        """The interval, as sizes where the direction is in words, and the adjusted p-value where there are several."""
        if math.isnan(self.low) or not self.judged:
            return "its precision is not known"
        low, high = self.low, self.high
        if self.direction == "fewer":
            low, high = -high, -low
        several = ""
        if not math.isnan(self.adjusted_p):
            several = f"; p {printed_p(self.adjusted_p)} adjusted for {self.family_size} comparisons"
        return f"{self._named()}{printed(low, self.rounding)} to {printed(high, self.rounding)}{several}"


def finding(estimate: float, low: float, high: float) -> Finding:
    """A finding of the 2016 trial's kind, for examples."""
    return Finding(
        treatment="IAP", control="BAU", outcome="on benefit", horizon_days=273, estimate=estimate, low=low, high=high,
        interval="95% interval", rounding="whole_from_10",
    )  # fmt: skip
