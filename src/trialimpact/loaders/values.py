"""What the values of a column are: text, numbers, or a mixture. Nothing is changed silently."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans


def as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Values as text, None where missing or blank; whole numbers are written without a decimal point.

    >>> as_text(pd.Series([1.0, None])).tolist(), as_text(pd.Series(["01", ""])).tolist()
    (['1', None], ['01', None])
    """
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(values.dtype):
        whole = values.where(~values.isna(), 0)
        values = whole.astype(np.int64) if bool((whole % 1 == 0).all()) else whole
    text = values.astype(object).where(~missing, "").astype(str).astype(object)
    return text.where(~missing & text.str.strip().ne("").to_numpy(dtype=bool), None).reset_index(drop=True)


def as_numbers(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """Values as numbers, NaN where missing or blank; None if any other value is not a number."""
    text = as_text(values)
    numbers = pd.to_numeric(text, errors="coerce").astype(float)
    return None if bool((numbers.isna() & text.notna()).any()) else numbers


def of_another_type(values: pd.Series[Any]) -> Booleans:
    """Rows whose value is of another type than the first value's (whole and other numbers are one)."""
    if not pd.api.types.infer_dtype(values, skipna=True).startswith("mixed"):
        return np.zeros(len(values), dtype=bool)
    family = values.map(_family)
    known = family.dropna()
    first = known.iloc[0] if len(known) else None
    return np.asarray(family.notna() & (family != first))


def _family(value: Any) -> str | None:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return "yes/no"
    return "number" if isinstance(value, int | float | np.number) else type(value).__name__
