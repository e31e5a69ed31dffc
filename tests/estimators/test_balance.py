from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import proportions_ztest
from trials import SmallTrial

from trialimpact import DesignError, build_sample, estimate_balance, load_records, merge_spells

N = 400


def people() -> pd.DataFrame:
    rng = np.random.default_rng(8)
    arm = np.where(np.arange(N) % 2 == 0, "T", "C")
    return pd.DataFrame(
        {
            "claimant_id": [f"p{i}" for i in range(N)],
            "arm": arm,
            "index": 0,
            "region": rng.choice(["N", "S", "W"], N),
            "band": rng.choice([1, 2, 3], N),
            "score": rng.normal(np.where(arm == "T", 0.3, 0), 1.0),
        }
    )


def balance(frame: pd.DataFrame, characteristics: list[dict[str, object]]) -> pd.DataFrame:
    spells = pd.DataFrame({"claimant_id": ["p0"], "kind": ["a"], "start": [0], "end": [5]})
    trial = SmallTrial(frame, spells, more={"characteristics": characteristics})
    records = load_records(trial.protocol, trial.tables)
    found = estimate_balance(build_sample(records), merge_spells(records)).to_frame()
    return found[found["contrast"] == "t"]


BOTH = [{"name": "Region", "column": "region"}, {"name": "Score", "column": "score", "kind": "numeric"}]


def test_each_level_equals_the_two_proportion_z_of_statsmodels() -> None:
    frame = people()
    rows = balance(frame, BOTH).set_index(["characteristic", "level"])
    for level in "NSW":
        treated, control = (frame.loc[frame["arm"] == arm, "region"] == level for arm in "TC")
        z, p = proportions_ztest([treated.sum(), control.sum()], [treated.size, control.size])
        row = rows.loc[("Region", level)]
        assert (row["statistic"], row["p_value"]) == pytest.approx((z, p))
        pooled = np.sqrt((treated.mean() * (1 - treated.mean()) + control.mean() * (1 - control.mean())) / 2)
        assert row["standardised_difference"] == pytest.approx((treated.mean() - control.mean()) / pooled)


def test_means_equal_welch() -> None:
    frame = people()
    row = balance(frame, BOTH).set_index("characteristic").loc["Score"]
    treated, control = (frame.loc[frame["arm"] == arm, "score"] for arm in "TC")
    welch = stats.ttest_ind(treated, control, equal_var=False)
    assert (row["value_treatment"], row["value_control"]) == pytest.approx((treated.mean(), control.mean()))
    assert row["statistic"] == pytest.approx(welch.statistic)
    assert row["p_value"] == pytest.approx(2 * stats.norm.sf(abs(welch.statistic)))
    pooled = np.sqrt((treated.var() + control.var()) / 2)
    assert row["standardised_difference"] == pytest.approx((treated.mean() - control.mean()) / pooled)


def test_a_categorical_of_numbers_is_compared_level_by_level_and_not_as_a_number() -> None:
    rows = balance(people(), [{"name": "Band", "column": "band"}])
    assert rows["level"].tolist() == ["1", "2", "3", ""]
    assert set(rows["kind"]) == {"categorical", "joint"}


def test_the_joint_test_counts_dependent_levels_once() -> None:
    frame = people()
    joint = balance(frame, BOTH).set_index("characteristic").loc["(all characteristics)"]
    assert joint["df"] == 3
    matrix = np.column_stack([frame["region"] == "N", frame["region"] == "S", frame["score"]]).astype(float)
    treated, control = (matrix[frame["arm"] == arm] for arm in "TC")
    covariance = np.cov(matrix.T) * (1 / len(treated) + 1 / len(control))
    apart = treated.mean(axis=0) - control.mean(axis=0)
    wald = apart @ np.linalg.solve(covariance, apart)
    assert joint["statistic"] == pytest.approx(wald)
    assert joint["p_value"] == pytest.approx(stats.chi2.sf(wald, 3))


def test_the_joint_test_has_its_size_under_the_null() -> None:
    rng = np.random.default_rng(5)
    frame, rejected = people(), []
    for _ in range(60):
        frame["score"] = rng.normal(size=N)
        frame["region"] = rng.choice(["N", "S", "W"], N)
        joint = balance(frame, BOTH).set_index("characteristic").loc["(all characteristics)"]
        rejected.append(joint["p_value"] < 0.05)
    assert sum(rejected) <= 9  # binomial(60, 0.05): more than 9 has probability 0.001


def test_the_joint_test_of_one_share_is_the_chi_square_of_its_table() -> None:
    frame = people()
    frame["area"] = [f"area {each}" for each in np.random.default_rng(2).integers(0, 9, N)]
    joint = balance(frame, [{"name": "Area", "column": "area"}]).set_index("kind").loc["joint"]
    pearson = stats.chi2_contingency(pd.crosstab(frame["arm"], frame["area"]), correction=False)
    assert joint["df"] == pearson.dof == 8
    assert joint["statistic"] == pytest.approx(pearson.statistic * (N - 1) / N)


def test_sides_that_a_characteristic_tells_apart_without_exception_are_not_balanced() -> None:
    frame = people()
    half = np.arange(N) // 2 % 2
    frame["gender"] = np.where(frame["arm"] == "T", "Female", "Male")
    frame["area"] = np.where(frame["arm"] == "T", "AB", "CD")
    frame["area"] = [pair[each] for pair, each in zip(frame["area"], half, strict=True)]
    for name, df in (("gender", 1), ("area", 3)):
        joint = balance(frame, [{"name": name, "column": name}]).set_index("kind").loc["joint"]
        assert (joint["df"], joint["statistic"]) == (df, pytest.approx(N - 1))
        assert joint["p_value"] < 1e-12


def test_a_level_a_person_says_nothing_and_many_levels_reject_no_more_often() -> None:
    frame = people().head(170)
    frame["postcode"] = [f"area {place}" for place in range(170)]
    joint = balance(frame, [{"name": "Postcode", "column": "postcode"}]).set_index("kind").loc["joint"]
    assert (joint["df"], joint["statistic"]) == (169, pytest.approx(169))
    rng, rejected = np.random.default_rng(6), 0
    for _ in range(60):
        frame["postcode"] = [f"area {each}" for each in rng.integers(0, 50, 170)]
        joint = balance(frame, [{"name": "Postcode", "column": "postcode"}]).set_index("kind").loc["joint"]
        rejected += joint["p_value"] < 0.05
    assert rejected <= 9  # binomial(60, 0.05): more than 9 has probability 0.001


def test_missing_values_are_counted_and_left_out() -> None:
    frame = people()
    frame.loc[frame.index[:10], "region"] = None
    frame.loc[frame.index[10:13], "region"] = None  # two of treatment, one of control
    rows = balance(frame, BOTH).set_index(["characteristic", "level"])
    row = rows.loc[("Region", "N")]
    assert (row["missing_treatment"], row["missing_control"]) == (7, 6)
    assert (row["n_treatment"], row["n_control"]) == (193, 194)


def test_wrong_columns_are_errors() -> None:
    with pytest.raises(DesignError, match="'Height' names the column 'height'"):
        balance(people(), [{"name": "Height", "column": "height"}])
    with pytest.raises(DesignError, match="'Region' is numeric, and 'region' holds text"):
        balance(people(), [{"name": "Region", "column": "region", "kind": "numeric"}])
