"""Balance of the arms on characteristics (M15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.estimators.characteristics import Column, columns_of
from trialimpact.estimators.confidence import two_sided_p
from trialimpact.estimators.contrast import difference
from trialimpact.estimators.wald import NOTHING_TO_TEST, wald_test
from trialimpact.protocol import Contrast
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells

COLUMNS = [
    "contrast",
    "characteristic",
    "level",
    "kind",
    "n_treatment",
    "n_control",
    "missing_treatment",
    "missing_control",
    "value_treatment",
    "value_control",
    "difference",
    "standardised_difference",
    "statistic",
    "df",
    "p_value",
    "test",
]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Balance:
    """Shares and means by arm, with differences, standardised differences and tests.

    Attributes
    ----------
    rows : DataFrame
        Columns `COLUMNS`: a row a level of a categorical characteristic (share, pooled
        two-proportion z) or a numeric characteristic (mean, Welch z); then a row
        "(all characteristics)" with the joint Wald test.
    """

    rows: pd.DataFrame

    def to_frame(self) -> pd.DataFrame:
        """The rows."""
        return self.rows.copy()

    def __repr__(self) -> str:
        tested = self.rows["p_value"].notna() & (self.rows["test"] != "joint wald")
        small = int((self.rows.loc[tested, "p_value"] < 0.05).sum())
        return f"Balance({int(tested.sum())} rows tested, {small} with p < 0.05)"

    def _repr_html_(self) -> str:
        return self.rows.to_html(index=False)


def estimate_balance(sample: TrialSample, spells: Mapping[str, OutcomeSpells]) -> Balance:
    """Compare the arms of every contrast on the protocol's characteristics.

    Shares and means are among those whose value is known, and the missing are counted. The
    standardised difference divides by the pooled standard deviation sqrt((s_T² + s_C²)/2).
    Categorical characteristics are compared level by level, never as numbers. The joint test is a
    Wald test of all levels (less one a characteristic) and means together, with unequal variances,
    among those for whom nothing is missing.

    Parameters
    ----------
    sample : TrialSample
    spells : mapping of outcome name to `OutcomeSpells`
        For levels that are given by `any_days`.

    Raises
    ------
    DesignError
        A characteristic names a column that is not there, or a numeric one holds text.

    Notes
    -----
    Source: methods page, M15. Cost: O(claimants × levels).

    Examples
    --------
    >>> from trialimpact import build_sample, load_records, merge_spells
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> records = load_records(trial.protocol, trial.tables)
    >>> estimate_balance(build_sample(records), merge_spells(records))
    Balance(6 rows tested, ... with p < 0.05)
    """
    columns = [column for each in sample.protocol.characteristics for column in columns_of(each, sample, spells)]
    rows: list[dict[str, Any]] = []
    for contrast in sample.protocol.contrasts:
        arms = sample.protocol.arms
        treated = np.isin(sample.assigned_arm, [arms.index(arm) for arm in contrast.treatment])
        control = np.isin(sample.assigned_arm, [arms.index(arm) for arm in contrast.control])
        rows += [{"contrast": contrast.name, **_compared(column, treated, control)} for column in columns]
        if columns:
            rows.append(_joint_test(contrast, columns, treated, control))
    return Balance(rows=pd.DataFrame(rows, columns=COLUMNS))


def _compared(column: Column, treated: np.ndarray, control: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(column.value)
    sides = [column.value[side & known] for side in (treated, control)]
    n = np.array([side.size for side in sides])
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.array([side.sum() / max(side.size, 1) if side.size else np.nan for side in sides])
        variance = np.array([side.var(ddof=1) if side.size > 1 else np.nan for side in sides])
        apart = float(difference(mean[0], mean[1]))
        if column.kind == "numeric":
            test, std_error = "welch z", np.sqrt((variance / n).sum())
        else:
            pooled = (n * mean).sum() / n.sum()
            test, std_error = "two-proportion z", np.sqrt(pooled * (1 - pooled) * (1 / n).sum())
            variance = mean * (1 - mean)
        statistic = apart / std_error if std_error > 0 else np.nan
        spread = np.sqrt(variance.mean())
        standardised = apart / spread if spread > 0 else np.nan
    return {
        "characteristic": column.characteristic,
        "level": column.level,
        "kind": column.kind,
        "n_treatment": int(n[0]),
        "n_control": int(n[1]),
        "missing_treatment": int((treated & ~known).sum()),
        "missing_control": int((control & ~known).sum()),
        "value_treatment": mean[0],
        "value_control": mean[1],
        "difference": apart,
        "standardised_difference": float(standardised),
        "statistic": float(statistic),
        "df": np.nan,
        "p_value": float(two_sided_p(np.asarray(apart), np.asarray(std_error))),
        "test": test,
    }


def _joint_test(contrast: Contrast, columns: list[Column], treated: np.ndarray, control: np.ndarray) -> dict[str, Any]:
    """Wald test that no difference is other than zero, among those for whom nothing is missing."""
    matrix = np.column_stack([column.value for column in columns])
    complete = ~np.isnan(matrix).any(axis=1)
    sides = [matrix[side & complete] for side in (treated, control)]
    test = NOTHING_TO_TEST
    if min(len(side) for side in sides) > 1:
        apart = difference(sides[0].mean(axis=0), sides[1].mean(axis=0))
        one, other = (np.atleast_2d(np.cov(side, rowvar=False)) / len(side) for side in sides)
        test = wald_test(apart, one + other)
    blank = dict.fromkeys(COLUMNS, np.nan)
    return blank | {
        "contrast": contrast.name,
        "characteristic": "(all characteristics)",
        "level": "",
        "kind": "joint",
        "n_treatment": len(sides[0]),
        "n_control": len(sides[1]),
        "missing_treatment": int((treated & ~complete).sum()),
        "missing_control": int((control & ~complete).sum()),
        "statistic": test.statistic,
        "df": test.df,
        "p_value": test.p_value,
        "test": "joint wald",
    }
