"""No sentence contradicts the numbers that it is made of."""

from __future__ import annotations

import math
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialimpact.report.grammar import Finding
from trialimpact.report.rounding import printed

NUMBERS = st.floats(-400, 400, allow_nan=False).map(lambda value: round(value, 3))
RULES = st.sampled_from(["whole_from_10", "one_decimal", "two_decimals"])


def make(estimate: float, half: float, rule: str = "one_decimal", **more: object) -> Finding:
    given: dict[str, object] = {
        "treatment": "IAP", "control": "BAU", "outcome": "on benefit", "horizon_days": 273, "interval": "95% interval",
        "estimate": estimate, "low": estimate - half, "high": estimate + half, "rounding": rule,
    }  # fmt: skip
    return Finding(**(given | more))  # type: ignore[arg-type]


@given(NUMBERS, st.floats(0.01, 90), RULES, st.one_of(st.just(math.nan), st.floats(0, 1)), st.booleans())
@settings(max_examples=400)
def test_a_direction_is_claimed_where_and_only_where_the_numbers_claim_it(
    estimate: float, half: float, rule: str, adjusted: float, judged: bool
) -> None:
    found = make(estimate, half, rule, adjusted_p=adjusted, family_size=13, judged=judged)
    excludes = found.low > 0 or found.high < 0
    small = math.isnan(adjusted) or adjusted < 0.05
    for text in (found.sentence(), found.brief()):
        claims = " fewer days" in text.replace("more or fewer", "") or " more days" in text
        assert claims == (excludes and small and judged)
        if claims:
            assert ("fewer" in text) == (estimate < 0)
            assert printed(abs(estimate), rule) in text  # type: ignore[arg-type]
        else:
            assert "cannot say" in text or "no clear" in text or "unknown precision" in text
    if judged:
        numbers = {printed(sign * limit, rule) for limit in (found.low, found.high) for sign in (1, -1)}  # type: ignore[arg-type]
        between = re.search(r"interval (\S+) to ([^\s);]+)", found.sentence())
        assert between is not None
        assert set(between.groups()) <= numbers


def test_in_full_by_hand() -> None:
    assert make(-11.2, 5.7, "whole_from_10").sentence() == (
        "On average IAP claimants spent 11 fewer days on benefit over 273 days than BAU claimants "
        "(95% interval 5.5 to 17)."
    )
    assert make(9.7, 5.5).sentence().startswith("On average IAP claimants spent 9.7 more days")
    assert make(2, 5, who="Women").sentence() == (
        "We cannot say that IAP claimants (Women) spent more or fewer days on benefit over 273 days than BAU "
        "claimants: the difference was 2.0 days (95% interval −3.0 to 7.0)."
    )
    share = make(-3.5, 1, horizon_days=None, when="on day 91")
    assert share.sentence() == (
        "The share on benefit on day 91 was 3.5 percentage points lower among IAP claimants than among BAU claimants "
        "(95% interval 2.5 to 4.5)."
    )
    assert "were more or less often on benefit on day 91" in make(1, 2, horizon_days=None, when="on day 91").sentence()


def test_among_many_comparisons_the_adjusted_p_decides() -> None:
    clear, not_clear = (make(-9, 4, adjusted_p=p, family_size=13) for p in (0.01, 0.2))
    assert "p 0.010 adjusted for 13 comparisons" in clear.sentence()
    assert clear.direction == "fewer"
    assert not_clear.direction == "unclear"
    assert "cannot say" in not_clear.sentence()


@pytest.mark.parametrize("estimate", [math.nan])
def test_what_is_not_known_is_not_said(estimate: float) -> None:
    found = make(estimate, 1)
    assert found.direction == "unknown"
    assert "cannot say how" in found.sentence()
    assert "cannot be estimated" in found.brief()
