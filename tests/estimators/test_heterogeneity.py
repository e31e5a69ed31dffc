"""Subgroup differences by hand, their joint test, and families that really are adjusted."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2
from statsmodels.stats.multitest import multipletests
from trials import SmallTrial

from trialimpact import DesignError, ProtocolError, TrialProtocol, estimate_cumulative, estimate_heterogeneity
from trialimpact.estimators.heterogeneity import HETEROGENEITY_COLUMNS, adjust_families
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


@pytest.fixture(scope="module")
def trial():
    return simulate_trial(1_500, seed=8)


@pytest.fixture(scope="module")
def panel(trial):
    return trial.panel()


def two_groups(n: int = 60) -> SmallTrial:
    rng = np.random.default_rng(1)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0})
    people["sex"] = [("f", "f", "m", "m", "")[i % 5] or None for i in range(n)]
    people["old"] = [("y", "n")[(i // 2) % 2] for i in range(n)]
    ends = rng.integers(1, 12, n)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    subgroups = [
        {"name": "women", "where": {"column": "sex", "equals": "f"}},
        {"name": "men", "where": {"column": "sex", "equals": "m"}},
        {"name": "old", "where": {"column": "old", "equals": "y"}},
    ]
    return SmallTrial(people, spells, more={"subgroups": subgroups}, analysis={"small_sample": "hc2"})


def test_by_hand_with_missing_values_in_neither_group() -> None:
    trial = two_groups()
    found = estimate_heterogeneity(trial.panel(), "a", "t")
    people = trial.people.assign(days=trial.spells["end"].to_numpy())
    rows = found.to_frame().set_index("subgroup")
    expected = {}
    for name, column, value, other in (("women", "sex", "f", "m"), ("men", "sex", "m", "f"), ("old", "old", "y", "n")):
        parts = []
        for level in (value, other):
            mine = people[people[column] == level]
            one, two = (mine.loc[mine["arm"] == arm, "days"] for arm in "TC")
            parts.append((one.mean() - two.mean(), one.var() / one.size + two.var() / two.size))
        (effect, variance), (rest, rest_variance) = parts
        expected[name] = effect - rest
        assert rows.loc[name, "estimate"] == pytest.approx(effect)
        assert rows.loc[name, "complement_estimate"] == pytest.approx(rest)
        assert rows.loc[name, "difference"] == pytest.approx(effect - rest)
        assert rows.loc[name, "difference_std_error"] == pytest.approx(np.sqrt(variance + rest_variance))
    # Women and men are each other's complement: one and the same question, asked once in the joint test.
    assert expected["women"] == pytest.approx(-expected["men"])
    assert found.joint.df == 2
    assert rows.loc["women", "n_complement"] == (people["sex"] == "m").sum()


def test_the_joint_test_uses_the_covariance_of_overlapping_groups(panel) -> None:
    found = estimate_heterogeneity(panel, "on_benefit")
    apart = found.effect.influence - found.complement.influence
    estimate = found.effect.estimate - found.complement.estimate
    keep = [found.subgroups.index(name) for name in ("female", "aged_18_to_24", "repeat_claimant")]
    covariance = apart[:, keep].T @ apart[:, keep]
    statistic = estimate[keep] @ np.linalg.solve(covariance, estimate[keep])
    # Gender is missing for some, so women's complement is men: still the same three questions.
    assert found.joint.df == 3
    assert found.joint.statistic == pytest.approx(statistic)
    assert found.joint.p_value == pytest.approx(chi2.sf(statistic, 3))


def test_own_effects_are_those_of_estimate_cumulative(trial, panel) -> None:
    rows, moments = estimate_heterogeneity(panel, "on_benefit").to_frame(), trial.moments()
    for row in rows.to_dict("records"):
        effect = estimate_cumulative(moments, "on_benefit", subgroup=row["subgroup"]).effect(273)
        assert row["estimate"] == pytest.approx(effect.estimate)
        assert row["std_error"] == pytest.approx(effect.std_error)
        assert (row["n_treatment"], row["n_control"]) == (effect.n_treatment, effect.n_control)


def test_adjustment_over_the_family_does_something_and_is_statsmodels(panel) -> None:
    rows = estimate_heterogeneity(panel, "on_benefit").to_frame()
    assert list(rows.columns) == HETEROGENEITY_COLUMNS
    assert set(rows["family_size"]) == {6}
    for column in ("p", "difference_p"):
        raw = rows[f"{column}_value"].to_numpy()
        np.testing.assert_allclose(rows[f"{column}_holm"], multipletests(raw, method="holm")[1])
        np.testing.assert_allclose(rows[f"{column}_bh"], multipletests(raw, method="fdr_bh")[1])
        assert (rows[f"{column}_holm"] > raw).any()
        assert (rows[f"{column}_holm"] >= raw).all()


def test_a_declared_family_spans_outcomes(trial) -> None:
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["families"] = [{"name": "age", "subgroups": ["aged_18_to_24", "aged_25_or_over"]}, {"name": "rest"}]
    protocol = TrialProtocol.from_dict(data)
    from dataclasses import replace

    panel = replace(trial, protocol=protocol).panel()
    rows = adjust_families([estimate_heterogeneity(panel, name) for name in ("on_benefit", "employed")])
    sizes = rows.groupby("family")["family_size"].first().to_dict()
    assert sizes == {"age": 4, "rest": 8}
    age = rows[rows["family"] == "age"]
    np.testing.assert_allclose(age["p_holm"], multipletests(age["p_value"], method="holm")[1])


def test_a_family_of_strangers_is_an_error(trial) -> None:
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["families"] = [{"name": "age", "subgroups": ["old"]}]
    with pytest.raises(ProtocolError, match="family 'age': no subgroups"):
        TrialProtocol.from_dict(data)


def test_a_group_without_people_is_left_out_and_none_is_an_error() -> None:
    trial = two_groups()
    trial.more = {"subgroups": [*trial.more["subgroups"], {"name": "x", "where": {"column": "sex", "equals": "x"}}]}
    assert estimate_heterogeneity(trial.panel(), "a", "t").left_out == ("x",)
    trial.more = {"subgroups": trial.more["subgroups"][-1:]}
    with pytest.raises(DesignError, match="no subgroup can be compared"):
        estimate_heterogeneity(trial.panel(), "a", "t")
