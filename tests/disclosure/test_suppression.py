"""Suppression in tables with margins, attacked by trying every table that fits what is shown."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from trialimpact import analyse_trial
from trialimpact.disclosure import RulePack, rule_pack
from trialimpact.disclosure.packs import Rounder
from trialimpact.disclosure.people import people_of
from trialimpact.disclosure.suppression import LinkedCounts, protect
from trialimpact.synthetic import simulate_trial


def two_way(table: list[list[int]]) -> LinkedCounts:
    """A table with both margins and the total."""
    cells, rows, columns = LinkedCounts(), len(table), len(table[0])
    for i, row in enumerate(table):
        for j, n in enumerate(row):
            cells.add((f"{i}", f"{j}"), n)
        cells.add((f"{i}", "all"), sum(row))
    for j in range(columns):
        cells.add(("all", f"{j}"), sum(row[j] for row in table))
    cells.add(("all", "all"), sum(map(sum, table)))
    for i in [*map(str, range(rows)), "all"]:
        cells.relate((i, "all"), [(i, f"{j}") for j in range(columns)])
    for j in [*map(str, range(columns)), "all"]:
        cells.relate(("all", j), [(f"{i}", j) for i in range(rows)])
    return cells


def fitting(cells: LinkedCounts, shown: dict, rounder: Rounder, most: int) -> dict:
    """Every value of each inner cell over all tables of whole numbers up to `most` that give what is shown."""
    inner = [key for key in cells.counts if "all" not in key]
    rows, columns = ({key[side] for key in inner} for side in (0, 1))

    def choices(key: tuple[str, ...]) -> range:
        low, high = thinkable(cells, key, shown, rounder, most)
        return range(int(low), int(high) + 1)

    found: dict = {key: set() for key in inner}
    for values in itertools.product(*(choices(key) for key in inner)):
        table = dict(zip(inner, values, strict=True))
        sums = {(i, "all"): sum(n for key, n in table.items() if key[0] == i) for i in rows}
        sums |= {("all", j): sum(n for key, n in table.items() if key[1] == j) for j in columns}
        sums[("all", "all")] = sum(values)
        if all(math.isnan(shown[key]) or rounder.possible(shown[key])[0] <= n <= rounder.possible(shown[key])[1]
               for key, n in sums.items()):  # fmt: skip
            for key, n in table.items():
                found[key].add(n)
    return found


def thinkable(cells: LinkedCounts, key: tuple[str, ...], shown: dict, rounder: Rounder, most: float | None) -> Any:
    """What a reader thinks possible of a cell: where zeros are shown, a suppressed one is of somebody."""
    if not math.isnan(value := shown.get(key, math.nan)):
        return rounder.possible(value)
    return int(not rounder.suppresses(0) and cells.counts[key] > 0 and key not in cells.hidden), most


def ranges(cells: LinkedCounts, shown: dict, rounder: Rounder) -> dict:
    """The smallest and largest value of each protected cell over everything that fits what is shown."""
    place = {key: at for at, key in enumerate(cells.counts)}
    table = np.zeros((len(cells.relations), len(place)))
    for row, (total, parts) in enumerate(cells.relations):
        table[row, place[total]] = 1
        table[row, [place[part] for part in parts]] = -1
    bounds = [thinkable(cells, key, shown, rounder, None) for key in cells.counts]
    found = {}
    for key in (key for key, n in cells.counts.items() if rounder.protects(n)):
        one = np.arange(len(place)) == place[key]
        low, high = (linprog(sign * one, A_eq=table, b_eq=np.zeros(len(table)), bounds=bounds) for sign in (1, -1))
        found[key] = (low.fun, -high.fun if high.status == 0 else math.inf)
    return found


def test_one_small_cell_takes_others_with_it() -> None:
    cells, rounder = two_way([[1, 41], [50, 60]]), Rounder(rule_pack("ons_10_5"), "")
    shown = protect(cells, rounder)
    assert shown.primary == {("0", "0")}
    assert shown.secondary, "42 and 41 are both shown as 40, so it could be no more than 4"
    assert all(math.isnan(shown.numbers[key]) for key in shown.secondary)
    plain = {key: n for key, n in cells.counts.items() if not math.isnan(shown.numbers[key])}
    assert all(shown.numbers[key] == rounder.shown(n) for key, n in plain.items())


def test_twelve_cells_of_one_are_not_told_by_their_total() -> None:
    cells = LinkedCounts()
    cells.add(("all",), 12)
    for place in range(12):
        cells.add((f"{place}",), 1)
    cells.relate(("all",), [(f"{place}",) for place in range(12)])
    assert ("all",) in protect(cells, Rounder(rule_pack("ons_10_5"), "")).secondary


def test_a_zero_that_sums_force_takes_those_who_force_it_with_it_and_nobody_else() -> None:
    cells = LinkedCounts()
    for key, n in {"other": 100, "one": 40, "rest": 60, "everyone": 30, "group": 30, "nobody": 0}.items():
        cells.add((key,), n)
    cells.relate(("other",), [("one",), ("rest",)])
    cells.relate(("everyone",), [("group",), ("nobody",)])
    cells.relate(("everyone",), [("group",)])
    shown = protect(cells, Rounder(rule_pack("uk_llc"), ""))
    assert {key[0] for key, n in shown.numbers.items() if math.isnan(n)} == {"everyone", "group", "nobody"}
    assert shown.primary == {("nobody",)}


def test_nothing_small_and_nothing_goes() -> None:
    cells = two_way([[30, 40], [50, 60]])
    shown = protect(cells, Rounder(rule_pack("uk_llc"), ""))
    assert not shown.primary
    assert not shown.secondary
    assert {key: int(n) for key, n in shown.numbers.items()} == cells.counts  # multiples of five


def test_without_control_everything_is_shown() -> None:
    shown = protect(two_way([[1, 2], [0, 3]]), Rounder(rule_pack("none"), ""))
    assert not shown.primary
    assert shown.numbers["0", "0"] == 1


def test_what_is_left_of_a_total_is_protected_though_nobody_prints_it() -> None:
    cells = LinkedCounts()
    cells.add(("all",), 12)
    cells.add(("women",), 10)
    cells.relate(("all",), [("women",)])
    assert protect(cells, Rounder(rule_pack("ons_10_5"), "")).secondary, "of 10 to 12 the others would be 2 at most"


def small_pack(zeros: str, base: int) -> RulePack:
    """Rules of the same kinds with smaller numbers, so that every table can be tried."""
    return RulePack(
        name="small", label="small", source="", smallest_count=4, zeros=zeros, rounding="nearest", base=base,
        smallest_group=4, movers=4,
    )  # fmt: skip


@pytest.mark.parametrize("pack", [small_pack("suppressed", 2), small_pack("shown", 2), small_pack("shown", 3)])
@given(table=st.lists(st.lists(st.integers(0, 9), min_size=2, max_size=2), min_size=2, max_size=2))
@settings(max_examples=12)
def test_no_small_count_can_be_worked_out(pack: RulePack, table: list[list[int]]) -> None:
    rounder, cells = Rounder(pack, ""), two_way(table)
    shown = protect(cells, rounder)
    possible = fitting(cells, dict(shown.numbers), rounder, most=12)
    for key, n in cells.counts.items():
        if key in possible and rounder.protects(n):
            values = possible[key]
            assert n in values
            assert max(values) - min(values) >= pack.ambiguity, (key, values)


@pytest.mark.parametrize("pack", ["ons_10_5", "opensafely_midpoint_6", "uk_llc", "stats_nz_rr3"])
def test_no_small_count_of_a_trial_can_be_worked_out_and_little_else_goes(pack: str) -> None:
    trial = simulate_trial(n_claimants=500, seed=1)
    cells = people_of(analyse_trial(trial.protocol, trial.tables).results(methods=False))
    rounder = Rounder(rule_pack(pack), "")
    shown = protect(cells, rounder)
    for key, (low, high) in ranges(cells, dict(shown.numbers), rounder).items():
        assert low - 1e-6 <= cells.counts[key] <= high + 1e-6
        assert high - low >= rounder.pack.ambiguity - 1e-6, key
    # Every small count has to be hidden in a circle of counts; they share their circles.
    assert len(shown.secondary) <= max(1.1 * len(shown.primary), 35)
    assert not shown.secondary & cells.elsewhere


@pytest.mark.parametrize(("parts", "relations", "rest"), [([4, 5], 1, 1), ([5, 5], 1, 0), ([6, 5], 0, 0)])
def test_what_is_left_of_a_total_is_a_cell_and_parts_of_more_than_a_total_are_none(
    parts: list[int], relations: int, rest: int
) -> None:
    cells = LinkedCounts()
    cells.add(("all",), 10)
    for place, n in enumerate(parts):
        cells.add((f"{place}",), n)
    cells.relate(("all",), [("0",), ("1",)])
    assert len(cells.relations) == relations
    assert [cells.counts[key] for key in cells.hidden] == [rest] * (rest > 0)
