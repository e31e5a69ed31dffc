"""A column of a table has one type, whatever is blank in it."""

from __future__ import annotations

from trialimpact.estimators.rows import as_table

COLUMNS = ["outcome", "day", "exact", "estimate", "says"]


def test_types_do_not_depend_on_blanks() -> None:
    full = {"outcome": "a", "day": 3, "exact": True, "estimate": 1, "says": "no"}
    types = ["object", "Int64", "boolean", "float64", "object"]
    for rows in ([], [full], [full, {"outcome": "b"}], [dict.fromkeys(COLUMNS)]):
        assert as_table(rows, COLUMNS).dtypes.astype(str).tolist() == types


def test_a_blank_number_is_nan_and_the_rest_stay() -> None:
    table = as_table([{"estimate": None, "day": 2}, {"estimate": 2.5}], COLUMNS)
    assert table["estimate"].isna().tolist() == [True, False]
    assert table["estimate"][1] == 2.5
    assert table["day"][0] == 2
