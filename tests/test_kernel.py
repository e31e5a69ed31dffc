"""The fast forms against the plain ones, and what they refuse."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import intervals, small_trials
from trials import SmallTrial

import trialimpact as ti
from trialimpact import kernel
from trialimpact.intervals import Intervals, _merge_any, merge


@given(intervals(owners=5), st.integers(0, 6))
def test_union_is_the_plain_merge(found: Intervals, bridge: int) -> None:
    fast = kernel.union(found.owner, found.start, found.end, bridge)
    plain = _merge_any(found.where(found.end > found.start), bridge)
    for one, other in zip(fast, (plain.owner, plain.start, plain.end), strict=True):
        assert np.array_equal(one, other)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_where_a_block_ends_changes_nothing(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(block)
    owner, start = rng.integers(0, 6, 200), rng.integers(-50, 50, 200)
    end = start + rng.integers(0, 30, 200)
    whole = kernel.union(owner, start, end, 2)
    monkeypatch.setattr(kernel, "_BLOCK", block)
    for one, other in zip(kernel.union(owner, start, end, 2), whole, strict=True):
        assert np.array_equal(one, other)


def test_days_outside_the_packed_range_are_refused_and_merged_the_plain_way() -> None:
    owner, start, end = np.array([0, 0, 1]), np.array([0, 70_000, 5]), np.array([10, 70_001, 9])
    with pytest.raises(ValueError, match="do not fit"):
        kernel.union(owner, start, end)
    with pytest.raises(ValueError, match="do not fit"):
        kernel.union(np.array([0, -1]), np.array([0, 0]), np.array([1, 1]))
    merged = merge(Intervals.of(owner, start, end))
    assert merged.start.tolist() == [0, 70_000, 5]
    assert merged.end.tolist() == [10, 70_001, 9]
    # A gap that may be bridged counts towards the range: it must not run into the next owner.
    with pytest.raises(ValueError, match="do not fit"):
        kernel.union(np.array([0, 1]), np.array([0, 0]), np.array([60_000, 5]), 10_000)


def test_the_widest_range_that_fits() -> None:
    owner = np.array([0, 0, 2**32 - 1])
    found = kernel.union(owner, np.array([-100, 65_000, 3]), np.array([-99, 65_435, 4]))
    assert found[0].tolist() == owner.tolist()
    assert found[1].tolist() == [-100, 65_000, 3]
    assert found[2].tolist() == [-99, 65_435, 4]


def test_nothing_depends_on_the_order_of_bytes() -> None:
    """Fields are taken by arithmetic, never through views of bytes; foreign arrays give the same."""
    other = ">" if sys.byteorder == "little" else "<"
    owner, start, end = (np.array(each, dtype=f"{other}i8") for each in ([1, 0, 0], [3, 0, 1], [4, 2, 5]))
    found = merge(Intervals.of(owner, start, end))
    assert (found.owner.tolist(), found.start.tolist(), found.end.tolist()) == ([0, 1], [0, 3], [5, 4])


@given(st.lists(st.tuples(st.integers(0, 10**12), st.integers(-1, 1)), max_size=40), st.integers(1, 10**6))
def test_adding_up_by_table_by_packed_sort_and_by_order(entries: list[tuple[int, int]], scale: int) -> None:
    places = np.array([place // scale for place, _ in entries], dtype=np.int64)
    for factor in (1, 3):
        counts = np.array([count * factor for _, count in entries], dtype=np.int64)
        sums: dict[int, int] = {}
        for place, count in zip(places.tolist(), counts.tolist(), strict=True):
            sums[place] = sums.get(place, 0) + count
        expected = {place: total for place, total in sorted(sums.items()) if total}
        found, totals = kernel.add_up(places, counts)
        assert dict(zip(found.tolist(), totals.tolist(), strict=True)) == expected
        assert found.tolist() == sorted(found.tolist())


def test_every_pair_of_one_owner_once() -> None:
    owner = np.array([0, 0, 0, 2, 2, 5])
    pairs = {
        pair for one, other in kernel.pairs_by_lag(owner) for pair in zip(one.tolist(), other.tolist(), strict=True)
    }
    assert pairs == {(i, j) for i in range(6) for j in range(i, 6) if owner[i] == owner[j]}


@pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
@pytest.mark.parametrize("strata", [(), ("site",)])
@given(trial=small_trials())
@settings(max_examples=25)
def test_every_horizon_in_one_pass_is_the_gram(strata: tuple[str, ...], trial: SmallTrial) -> None:
    """Variances to all horizons without products, late entry and strata included."""
    trial.more = {"subgroups": [{"name": "x", "where": {"column": "site", "equals": "x"}}]}
    trial.analysis = {"strata": strata}
    whole = trial.moments()
    trial.analysis = {"strata": strata, "products": False}
    quick = trial.moments()
    assert len(quick.gram) == len(quick.gram_before) == 0
    for outcome in ("a", "a_not_b", "a_or_b"):
        for subgroup in ("all", "x"):
            for contrast in whole.protocol.contrasts:
                one, other = (ti.estimate_cumulative(each, outcome, contrast, subgroup) for each in (whole, quick))
                np.testing.assert_allclose(one.std_error**2, other.std_error**2, rtol=1e-9, atol=1e-11)
    if strata:
        try:
            one = ti.estimate_cumulative(whole, "a", whole.protocol.contrasts[0], stratified=True)
        except ti.DesignError:
            return
        other = ti.estimate_cumulative(quick, "a", whole.protocol.contrasts[0], stratified=True)
        np.testing.assert_allclose(one.std_error**2, other.std_error**2, rtol=1e-9, atol=1e-11)


def test_without_products_what_needs_them_says_so(tmp_path) -> None:
    from trialimpact.synthetic import simulate_trial

    trial = simulate_trial(300, seed=1)
    protocol = trial.protocol.with_analysis(products=False)
    analysis = ti.analyse_trial(protocol, trial.tables)
    for run in (ti.estimate_bands, ti.estimate_covariance, ti.estimate_pretrend):
        with pytest.raises(ti.DesignError, match=r"analysis\.products"):
            run(analysis.moments, "on_benefit")
    with pytest.raises(ti.DesignError, match=r"analysis\.products"):
        analysis.moments + analysis.moments
    with pytest.raises(ti.DesignError, match="declare the contrast"):
        own = ti.Contrast(name="own", treatment=("BAU",), control=("IAP",))
        ti.estimate_cumulative(analysis.moments, "on_benefit", own.model_copy(update={"treatment": ("IAP", "BAU")}))
    assert any("bands" in reason for reason in analysis.inference.left_out)
    ti.save_moments(analysis.moments, tmp_path / "m.npz")
    assert ti.load_moments(tmp_path / "m.npz") == analysis.moments
