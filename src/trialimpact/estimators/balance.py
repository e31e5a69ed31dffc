"""Balance of the arms on characteristics (M15)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.characteristics import CharacteristicSums, sum_characteristics
from trialimpact.errors import of_its_kind
from trialimpact.estimators.confidence import two_sided_p
from trialimpact.estimators.contrast import Floats, difference
from trialimpact.estimators.wald import NOTHING_TO_TEST, wald_test
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells

_ROUNDING = 1e-13

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


@of_its_kind
def estimate_balance(sample: TrialSample, spells: Mapping[str, OutcomeSpells]) -> Balance:
    """Compare the arms of every contrast on the protocol's characteristics.

    Shares and means are among those whose value is known, and the missing are counted. The
    standardised difference divides by the pooled standard deviation sqrt((s_T² + s_C²)/2).
    Categorical characteristics are compared level by level, never as numbers. The joint test is a
    Wald test of all levels (less one a characteristic) and means together, with the covariance of
    random assignment, among those for whom nothing is missing.

    Parameters
    ----------
    sample : TrialSample
    spells : mapping of outcome name to `OutcomeSpells`
        For levels that are given by `any_days`.

    Raises
    ------
    DesignError
        A characteristic names a column that is not there, or a numeric one holds text; sample and spells are of
        different loads.

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
    return balance_of(sample.protocol, sum_characteristics(sample, spells))


def balance_of(protocol: TrialProtocol, sums: CharacteristicSums) -> Balance:
    """The balance of every contrast, from sums by arm."""
    rows: list[dict[str, Any]] = []
    for contrast in protocol.contrasts:
        sides = [[protocol.arms.index(arm) for arm in side] for side in contrast.sides]
        found = [_compared(sums, place, sides) for place in range(len(sums.columns))]
        rows += [{"contrast": contrast.name, **row} for row in found]
        if found:
            rows.append(_joint_test(contrast, sums, sides))
    return Balance(rows=pd.DataFrame(rows, columns=COLUMNS))


def _compared(sums: CharacteristicSums, place: int, sides: list[list[int]]) -> dict[str, Any]:
    characteristic, level, kind = sums.columns[place]
    n, total, square, claimants = (
        np.array([each[side].sum() for side in sides])
        for each in (sums.known[:, place], sums.total[:, place], sums.square[:, place], sums.claimants)
    )
    if kind == "numeric":
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = sums.centre[place] + total / n
            variance = np.where(n > 1, np.maximum(square - total**2 / n, 0.0) / (n - 1), np.nan)
            found = _tested(mean, variance, np.sqrt((variance / n).sum()))
    else:
        found = compare_shares(total, n)
    return {
        "characteristic": characteristic,
        "level": level,
        "kind": kind,
        "n_treatment": int(n[0]),
        "n_control": int(n[1]),
        "missing_treatment": int(claimants[0] - n[0]),
        "missing_control": int(claimants[1] - n[1]),
        **found,
        "df": np.nan,
        "test": "welch z" if kind == "numeric" else "two-proportion z",
    }


def compare_shares(total: Floats, n: Floats) -> dict[str, float]:
    """Shares of treatment and control, their difference, standardised, and its two-proportion z test."""
    with np.errstate(invalid="ignore", divide="ignore"):
        share, pooled = total / n, total.sum() / n.sum()
        return _tested(share, share * (1 - share), np.sqrt(pooled * (1 - pooled) * (1 / n).sum()))


def _tested(mean: Floats, variance: Floats, std_error: float) -> dict[str, float]:
    apart = float(difference(mean[0], mean[1]))
    spread = np.sqrt(variance.mean())
    return {
        "value_treatment": float(mean[0]),
        "value_control": float(mean[1]),
        "difference": apart,
        "standardised_difference": float(apart / spread) if spread > 0 else np.nan,
        "statistic": float(apart / std_error) if std_error > 0 else np.nan,
        "p_value": float(two_sided_p(np.asarray(apart), np.asarray(std_error))),
    }


def _covariance(products: Floats, of_means: Floats) -> Floats:
    """Sums of products less those of the means; what is no more than rounding is 0."""
    apart = products - of_means
    return np.where(np.abs(apart) < _ROUNDING * (np.abs(products) + np.abs(of_means)), 0.0, apart)


def _joint_test(contrast: Contrast, sums: CharacteristicSums, sides: list[list[int]]) -> dict[str, Any]:
    """Wald test that no difference is other than zero, among those for whom nothing is missing.

    The covariance is that of random assignment, about the mean of both sides together, as the two-proportion test's:
    what tells the sides apart without exception has one, and the statistic's mean is its degrees of freedom.
    """
    n, claimants = (np.array([each[side].sum() for side in sides]) for each in (sums.complete, sums.claimants))
    test = NOTHING_TO_TEST
    if n.min() > 1:
        totals = [sums.complete_total[side].sum(axis=0) for side in sides]
        products, mean = sum(sums.complete_products[side].sum(axis=0) for side in sides), sum(totals) / n.sum()
        covariance = _covariance(products, n.sum() * np.outer(mean, mean)) / (n.sum() - 1)
        means = [total / m for total, m in zip(totals, n, strict=True)]
        test = wald_test(difference(*means), covariance * (1 / n).sum())
    blank = dict.fromkeys(COLUMNS, np.nan)
    return blank | {
        "contrast": contrast.name,
        "characteristic": "(all characteristics)",
        "level": "",
        "kind": "joint",
        "n_treatment": int(n[0]),
        "n_control": int(n[1]),
        "missing_treatment": int(claimants[0] - n[0]),
        "missing_control": int(claimants[1] - n[1]),
        "statistic": test.statistic,
        "df": test.df,
        "p_value": test.p_value,
        "test": "joint wald",
    }
