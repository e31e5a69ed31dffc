"""Numbers -> print, by the protocol's rounding rule. The only place where a number is rounded."""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from trialimpact.protocol import RoundingRule

MINUS = "−"
CONFIDENTIAL = "[c]"
"""What stands for a number that is kept back, as statistics on gov.uk mark it."""


def printed(value: float, rule: RoundingRule) -> str:
    """A number as a publication prints it; halves go away from zero; a blank for NaN.

    >>> printed(-11.49, "whole_from_10"), printed(-5.52, "whole_from_10"), printed(9.97, "whole_from_10")
    ('−11', '−5.5', '10')
    """
    if not math.isfinite(value):
        return ""
    if rule == "none":
        return _signed(repr(float(value)))
    places = {"whole_from_10": 1, "one_decimal": 1, "two_decimals": 2}[rule]
    text = half_up(value, places)
    if rule == "whole_from_10" and abs(Decimal(text)) >= 10:
        text = half_up(value, 0)
    return _signed(text)


def printed_percent(share: float, rule: RoundingRule) -> str:
    """A share as a percentage."""
    return "" if math.isnan(share) else f"{printed(100 * share, rule)}%"


def printed_p(p: float) -> str:
    """A p-value: three decimals, or below that "<0.001"."""
    if math.isnan(p):
        return ""
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def printed_count(n: float) -> str:
    """A count of people; kept back where it is NaN.

    >>> printed_count(4806), printed_count(float("nan"))
    ('4,806', '[c]')
    """
    return CONFIDENTIAL if math.isnan(n) else f"{int(n):,}"


def half_up(value: float, places: int) -> str:
    """A number with so many decimals; halves go away from zero."""
    exact = Decimal(repr(float(value)))
    return str(exact.quantize(Decimal(1).scaleb(-places), rounding=ROUND_HALF_UP))


def _signed(text: str) -> str:
    if Decimal(text) == 0:
        return text.removeprefix("-")
    return text.replace("-", MINUS, 1) if text.startswith("-") else text
