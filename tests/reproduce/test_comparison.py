"""Published beside computed: compared as printed, and a miss is a miss."""

from __future__ import annotations

import pytest

from trialimpact.reproduce import PublishedNumber, compare_published
from trialimpact.reproduce.comparison import print_like


@pytest.mark.parametrize(
    ("value", "text", "unit", "rounding", "expected"),
    [
        (8.3979, "8.4%", "%", "", "8.4%"),
        (0.04, "0%", "points", "", "0%"),
        (-0.3, "0", "points", "", "0"),
        (12143.0, "12,143", "n", "", "12,143"),
        (1143.0, "12,143", "n", "", "1,143"),
        (9.96, "10", "days", "whole_from_10", "10"),
        (9.94, "10", "days", "whole_from_10", "9.9"),
        (16510.0, "16 March 2015", "date", "", "16 March 2015"),
        (16830.0, "November 2015", "date", "", "January 2016"),
        (1.0, "*", "%", "", "*"),
        (0.0, "*", "%", "", "no star"),
        (float("nan"), "3", "n", "", ""),
    ],
)
def test_printed_like(value: float, text: str, unit: str, rounding: str, expected: str) -> None:
    number = PublishedNumber(id="a", printed=text, unit=unit, rounding=rounding)
    assert print_like(value, text, number) == expected


def test_each_end_and_star_is_compared_and_what_is_absent_does_not_match() -> None:
    number = PublishedNumber(id="a", printed="-11", lower="-5.5", upper="-17", star="1", rounding="whole_from_10")
    found = compare_published([number], {"a": -11.2, "a.lower": -5.44, "a.star": True})
    assert [(row.id, row.matches) for row in found.rows] == [
        ("a", True), ("a.lower", False), ("a.upper", False), ("a.star", True),
    ]  # fmt: skip
    assert len(found.unexplained) == 2
    assert found.rows[2].note == "Not computed."
    assert list(found.to_frame().columns) == [
        "id", "section", "item", "arm", "printed", "computed", "computed_printed", "matches", "note",
    ]  # fmt: skip


def test_a_known_slip_is_explained_and_not_forced() -> None:
    number = PublishedNumber(id="a", printed="3", differs="A range.", differs_as="4")
    found = compare_published([number], {"a": 4.0})
    assert not found.rows[0].matches
    assert found.explained and not found.unexplained
    assert found.rows[0].note == "A range."
    # The reason explains the number that is known, and no other.
    assert compare_published([number], {"a": 5.0}).unexplained
    assert compare_published([number], {}).unexplained
