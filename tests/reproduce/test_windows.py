"""A printed number stands for the values that print so, and for no others."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialimpact.errors import RecordError
from trialimpact.report.rounding import printed
from trialimpact.reproduce.windows import printed_window

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "iap"


@pytest.mark.parametrize(
    ("text", "rule", "window"),
    [
        ("-11", "decimals", (-11.5, -10.5)),
        ("−11", "decimals", (-11.5, -10.5)),
        ("-10", "whole_from_10", (-10.5, -9.95)),
        ("10", "whole_from_10", (9.95, 10.5)),
        ("9.7", "whole_from_10", (9.65, 9.75)),
        ("0.0", "whole_from_10", (-0.05, 0.05)),
        ("64%", "decimals", (63.5, 64.5)),
        ("12,143", "exact", (12143, 12143)),
        ("1,234.5", "decimals", (1234.45, 1234.55)),
        ("-1,200", "decimals", (-1200.5, -1199.5)),
        ("4806", "exact", (4806, 4806)),
        ("2 January 1970", "decimals", (1, 1)),
        ("January 1970", "decimals", (0, 30)),
        ("December 1969", "decimals", (-31, -1)),
    ],
)
def test_by_hand(text: str, rule: str, window: tuple[float, float]) -> None:
    assert printed_window(text, rule) == pytest.approx(window)


@given(st.floats(-400, 400, allow_nan=False))
def test_a_number_lies_in_the_window_of_its_own_print(value: float) -> None:
    low, high = printed_window(printed(value, "whole_from_10"), "whole_from_10")
    assert low - 1e-9 <= value <= high + 1e-9


@given(st.floats(-400, 400, allow_nan=False))
def test_a_number_well_outside_prints_otherwise(value: float) -> None:
    text = printed(value, "whole_from_10")
    low, high = printed_window(text, "whole_from_10")
    assert printed(low - 1e-6, "whole_from_10") != text
    assert printed(high + 1e-6, "whole_from_10") != text


@pytest.mark.parametrize(
    "text",
    ["eleven", "", "1,00", "31 February 2015", "--3", "1.2.3", "1e3", "nan", "inf", "+5", "3-4", ".5", "٣", "9" * 20],
)
def test_what_is_no_number_is_an_error_with_a_remedy(text: str) -> None:
    with pytest.raises(RecordError, match="remedy: write"):
        printed_window(text)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference tables do not lie beside this clone")
def test_windows_are_those_worked_out_independently() -> None:
    n = 0
    for name in ("table_6_2.csv", "table_6_3.csv"):
        with (REFERENCE / name).open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                for cell in ("central", "lower", "upper"):
                    window = printed_window(row[f"{cell}_printed"], "whole_from_10")
                    assert window == pytest.approx((float(row[f"{cell}_lo"]), float(row[f"{cell}_hi"])))
                    n += 1
    assert n == 84
