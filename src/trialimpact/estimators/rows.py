"""Rows of results -> a table whose columns have the same types whatever is blank in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

WHOLE = {
    *("day", "horizon_days", "first_day", "last_day", "n_treatment", "n_control", "n_assignments", "n_at_risk"),
    *("n_events", "df"),
}
"""Columns of whole numbers, which may be blank."""

TEXT = {
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "target", "test", "estimand", "interval"),
    *("set_kind", "says", "method", "event", "measure", "side", "small_sample"),
}


def as_table(rows: Sequence[dict[str, Any]], columns: list[str]) -> pd.DataFrame:
    """The rows under these columns: text, whole numbers, true or false, or numbers; blanks where a row has none."""
    table = pd.DataFrame(list(rows), columns=columns, dtype=object)
    for name in columns:
        if name in WHOLE:
            table[name] = table[name].astype("Int64")
        elif name == "exact":
            table[name] = table[name].astype("boolean")
        elif name not in TEXT:
            table[name] = table[name].where(table[name].notna(), float("nan")).astype("float64")
    return table
