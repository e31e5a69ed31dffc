"""Rule packs: what each shows of a count, and what a reader may conclude from it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import trialimpact as ti
from trialimpact.disclosure import pack_names, rule_pack
from trialimpact.disclosure.packs import Rounder

SHOWN = {
    "ons_10_5": {0: 0, 1: None, 9: None, 10: 10, 12: 10, 13: 15, 4_806: 4_805},
    "opensafely_7_5": {0: 0, 1: None, 7: None, 8: 10, 11: 10, 12: 10, 13: 15},
    "opensafely_midpoint_6": {0: 0, 1: 3, 6: 3, 7: 9, 12: 9, 13: 15, 600: 597},
    "uk_llc": {0: None, 9: None, 10: 10, 11: 10, 13: 15},
    "stats_nz_rr3": {0: 0, 1: None, 5: None, 6: 6, 9: 9, 21: 21},
    "none": {0: 0, 1: 1, 9: 9},
}


@pytest.mark.parametrize("name", SHOWN)
def test_counts_by_hand(name: str) -> None:
    rounder = Rounder(rule_pack(name), salt="any")
    for n, expected in SHOWN[name].items():
        shown = rounder.shown(n)
        assert math.isnan(shown) if expected is None else shown == expected, n


def test_random_rounding_is_to_a_neighbour_fixed_and_without_bias() -> None:
    pack = rule_pack("stats_nz_rr3")
    one = Rounder(pack, salt="one")
    for n in (0, *range(6, 200)):
        assert one.shown(n) % 3 == 0
        assert abs(one.shown(n) - n) < 3
        assert one.shown(n) == one.shown(n)
    means = [sum(Rounder(pack, salt=f"{salt}").shown(n) for salt in range(4_000)) / 4_000 for n in (16, 17, 18)]
    assert means[2] == 18
    # A draw is 3 wide, so the mean of 4,000 is within 0.1 in all but one of ten thousand runs.
    assert abs(means[0] - 16) < 0.1
    assert abs(means[1] - 17) < 0.1


@given(st.sampled_from(pack_names()), st.integers(0, 500), st.text(max_size=5))
def test_a_reader_must_think_the_true_count_possible(name: str, n: int, salt: str) -> None:
    rounder = Rounder(rule_pack(name), salt)
    shown = rounder.shown(n)
    if not math.isnan(shown):
        low, high = rounder.possible(shown)
        assert low <= n <= high


def test_a_pack_of_ones_own(tmp_path: Path) -> None:
    path = tmp_path / "office.toml"
    text = '[office]\nlabel = "Office"\nsource = "ours"\nsmallest_count = 5\nzeros = "shown"\nrounding = "nearest"\n'
    path.write_text(text + "base = 10\nsmallest_group = 5\nmovers = 5\n")
    assert Rounder(rule_pack(path), "").shown(14) == 10
    numbers = "base = 10\nsmallest_group = 5\nmovers = 5\n"
    for wrong, says in (
        (text, r"3 keys are wrong\.\n  base: this key is required"),
        ("x = ", "not TOML"),
        ("x = 1", "not one table"),
        (text + numbers + text.replace("[office]", "[other]"), "not one table"),
        (text + "name = 'x'\n" + numbers, "name: a pack goes by the name of its table"),
        (text + numbers + "mover = 5\n", "mover: there is no such key; did you mean 'movers'"),
        (text.replace("[office]", "[none]") + numbers, "'none' is a pack of ours"),
        (text.replace("[office]", "[ONS_10_5]") + numbers, "'ONS_10_5' is a pack of ours"),
        (text.replace('"Office"', '"ons 10-5"') + numbers, "'ons 10-5' is a pack of ours"),
        (
            text.replace('"Office"', '"Office \\u202e"') + numbers,
            "as a whole: name and label hold only what can be seen",
        ),
        # Exact counts; a mean of fewer than a count; a number of people that rounding shows as a smaller one; a count
        # that looks like nobody.
        (text + numbers.replace("10", "1"), "as a whole: rounding needs a base above 1"),
        (text + numbers.replace("5", "4", 1), "as a whole: smallest_group is at least smallest_count"),
        (text + numbers.replace("5", "8", 1), "as a whole: smallest_group is the smallest number that is shown"),
        (
            text.replace('"shown"', '"suppressed"') + numbers.replace("10", "11"),
            "no count of somebody is shown as nobody",
        ),
        (text.replace("count = 5", "count = true") + numbers, "smallest_count: Input should be a valid integer"),
        (text.replace('"Office"', '" "') + numbers, "label: "),
    ):
        path.write_text(wrong)
        with pytest.raises(ti.ProtocolError, match=f"{says}(.|\\n)*remedy: "):
            rule_pack(path)
    with pytest.raises(ti.ProtocolError, match="the rule pack cannot be read: No such file"):
        rule_pack(tmp_path / "nowhere.toml")
    with pytest.raises(ti.ProtocolError, match="no rule pack 'ons'"):
        rule_pack("ons")
