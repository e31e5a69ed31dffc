"""data/synthetic/tiny, worked on paper.

Days on benefit from the index day, 1 on, 0 off, - not followed (extract 17 January 2020):

    IAP  ...005  1111000000     BAU  ...030  1111111110
         ...016  1111111111          ...041  1111111111
         ...027  11110011--          ...052  1111100---
                                     ...063  111000000-

p_IAP = 1 1 1 1 1/3 1/3 2/3 2/3 1/2 1/2, sum 7.
p_BAU = 1 1 1 3/4 3/4 1/2 1/2 2/3 2/3 1/2, sum 22/3. Difference over 10 days: -1/3.

Influence, Σ (y - p)/n over followed days:
IAP: -7/6, 7/6, 0; squares sum to 49/18.
BAU: (25, 61, -9, -77)/72; squares sum to 863/432.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import trialimpact as ti

FOLDER = Path(__file__).parents[2] / "data" / "synthetic" / "tiny"

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module")
def analysis() -> ti.TrialAnalysis:
    return ti.analyse_trial(FOLDER / "protocol.toml")


def test_days_on_benefit(analysis: ti.TrialAnalysis) -> None:
    cumulative = ti.estimate_cumulative(analysis.moments, "on_benefit")
    effect = cumulative.effect(10)
    assert effect.mean_treatment == pytest.approx(7)
    assert effect.mean_control == pytest.approx(22 / 3)
    assert effect.estimate == pytest.approx(float(Fraction(-1, 3)))
    assert effect.std_error**2 == pytest.approx(float(Fraction(49, 18) + Fraction(863, 432)))
    assert (effect.n_treatment, effect.n_control) == (3, 4)


def test_hc2_scales_each_arm_by_its_own_claimants(analysis: ti.TrialAnalysis) -> None:
    protocol = analysis.protocol.with_analysis(small_sample="hc2")
    again = ti.analyse_trial(protocol, folder=FOLDER)
    variance = ti.estimate_cumulative(again.moments, "on_benefit").effect(10).std_error ** 2
    assert variance == pytest.approx(float(Fraction(49, 18) * Fraction(3, 2) + Fraction(863, 432) * Fraction(4, 3)))


def test_daily_shares(analysis: ti.TrialAnalysis) -> None:
    daily = ti.estimate_daily(analysis.moments, "on_benefit")
    day_4 = daily.effect(4)
    assert (day_4.mean_treatment, day_4.mean_control) == pytest.approx((1 / 3, 3 / 4))
    assert day_4.std_error**2 == pytest.approx(float(Fraction(2, 9) / 3 + Fraction(3, 16) / 4))
    day_8 = daily.effect(8)
    assert (day_8.n_treatment, day_8.n_control) == (2, 3)
    # The one claimant with an earlier claim (28 to 30 December) is on benefit on days -5 to -3.
    before = daily.mean_control[daily.at < 0]
    assert before.tolist() == [0.25, 0.25, 0.25, 0, 0]


def test_employed_only_off_benefit_and_only_until_the_earlier_extract(analysis: ti.TrialAnalysis) -> None:
    effects = ti.estimate_daily(analysis.moments, "employed")
    after = effects.at >= 0
    # ...005 works from 8 January (day 6); ...063's job starts under the claim, which ends on day 2.
    on_treatment = (effects.mean_treatment * effects.n_treatment)[after]
    on_control = (effects.mean_control * effects.n_control)[after]
    assert np.round(on_treatment).tolist() == [0] * 6 + [1] * 4
    assert np.round(on_control).tolist() == [0] * 3 + [1] * 4 + [0] * 3
    # P45 records end on 15 January: 6, 11 and 13 days for IAP; 5, 7, 10 and 13 for BAU.
    assert effects.n_treatment[after].tolist() == [3] * 6 + [2] * 4
    assert effects.n_control[after].tolist() == [4] * 5 + [3] * 2 + [2] * 3


def test_the_flow_is_the_filters(analysis: ti.TrialAnalysis) -> None:
    flow = analysis.sample.flow
    assert [flow.n(stage) for stage in flow.stages] == [13, 12, 12, 11, 10, 9, 7, 7, 7]
    # Two hold an out-of-scope marker, one of them a valid one too: only the other is removed.
    assert flow.n("in_scope", "with_marker") == 2
    assert flow.n("in_scope", "with_marker", reason="language requirement") == 2
    assert flow.n("in_scope", "removed") == 1
    assert flow.n("matched", "removed", reason="left_truncated") == 1
    assert flow.n("matched", "removed", reason="no_claim") == 1
    assert flow.n("not_exempt", assigned_arm="IAP") == 4
    assert flow.n("not_exempt", received_arm="IAP") == 5
    assert flow.n("analysed", office="Easton", assigned_arm="BAU") == 2
    assert flow.n("analysed", office="Weston", assigned_arm="BAU") == 2


def test_the_arm_is_the_digits_whatever_the_office_did(analysis: ti.TrialAnalysis) -> None:
    received = analysis.sample.received
    assert received.n_misallocated("not_exempt") == received.n_misallocated("analysed") == 1
    frame = received.to_frame().set_index(["stage", "assigned_arm", "received_arm"])
    assert frame.loc[("not_exempt", "BAU", "IAP"), "n"] == 1
    assert frame.loc[("not_exempt", "BAU", "IAP"), "share_of_assigned"] == pytest.approx(1 / 5)


def test_the_audit_counts_what_it_saw(analysis: ti.TrialAnalysis) -> None:
    frame = analysis.records.audit.to_frame().set_index(["table", "rule"])
    assert frame.loc[("benefit", "spell_has_ended"), "n_broken"] == 2
    assert frame.loc[("employment", "spell_has_ended"), "n_broken"] == 1
    assert frame.loc[("employment", "end_by_extract"), "n_broken"] == 1


def test_balance(analysis: ti.TrialAnalysis) -> None:
    rows = analysis.balance.to_frame().set_index(["characteristic", "level"])
    female = rows.loc[("Gender", "Female")]
    assert (female["value_treatment"], female["value_control"]) == pytest.approx((1 / 3, 2 / 3))
    assert (female["missing_treatment"], female["missing_control"]) == (0, 1)
    # Born 10 January 2000, index day 9 January 2020: still 19.
    assert rows.loc[("Age", "under 20"), "value_treatment"] == pytest.approx(1 / 3)
    # Born 11 February 2001, index day 10 January 2020: 18.
    assert rows.loc[("Age", "under 20"), "value_control"] == pytest.approx(1 / 4)
