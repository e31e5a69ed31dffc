"""Moments against the sparse-matrix reference form and the day-by-day oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from oracles import Dense, dense
from scipy.sparse import coo_array
from strategies import small_trials
from trials import SmallTrial

from trialimpact import DesignError, count_moments
from trialimpact.moments import Moments
from trialimpact.panel import Panel

OUTCOMES = ("a", "a_not_b", "a_or_b")


def reference_gram(data: Dense, arms: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """JᵀJ of the sparse claimants × days matrices of jumps, summed along both days."""

    def jumps(state: np.ndarray) -> coo_array:
        change = np.diff(state.astype(int), axis=1, prepend=0)
        return coo_array(change)

    mine = np.isin(data.arm, arms)
    dy, do = jumps(data.on[mine]), jumps(data.followed[mine])
    products = (dy.T @ dy, dy.T @ do, do.T @ do)
    on_on, on_followed, followed = (each.toarray().cumsum(axis=0).cumsum(axis=1) for each in products)
    return on_on, on_followed, followed


@given(small_trials())
@settings(max_examples=60)
def test_counts_and_gram_equal_the_reference_form(trial: SmallTrial) -> None:
    moments = trial.moments()
    for outcome in OUTCOMES:
        data = dense(trial, outcome)
        for arms in (("T",), ("C",), ("T", "U")):
            mine = np.isin(data.arm, arms)
            counts = moments.counts_of(outcome, "all", arms)
            assert np.array_equal(counts.followed, data.followed[mine].sum(axis=0))
            assert np.array_equal(counts.on, data.on[mine].sum(axis=0))
            after = data.window(0, trial.horizon)
            ever = [after.followed[mine][:, :h].any(axis=1).sum() for h in range(1, trial.horizon + 1)]
            assert counts.ever_followed(trial.horizon).tolist() == ever
            gram, reference = moments.gram_of(outcome, "all", arms), reference_gram(after, list(arms))
            assert np.array_equal(gram.on_on, reference[0])
            assert np.array_equal(gram.on_followed, reference[1])
            assert np.array_equal(gram.followed_followed, reference[2])
            # And the definition itself: pairs of days on which a claimant is on, or followed.
            y, o = after.on[mine].astype(int), after.followed[mine].astype(int)
            assert np.array_equal(gram.on_on, y.T @ y)
            assert np.array_equal(gram.on_followed, y.T @ o)
            assert np.array_equal(gram.followed_followed, o.T @ o)


def part(trial: SmallTrial, keep: np.ndarray) -> SmallTrial:
    people = trial.people[keep]
    spells = trial.spells[trial.spells["claimant_id"].isin(people["claimant_id"])]
    return SmallTrial(people, spells, trial.covered, trial.arms, analysis=trial.analysis, more=trial.more)


def subset(panel: Panel, keep: np.ndarray) -> Panel:
    """The same panel with fewer claimants."""
    from dataclasses import replace

    rows = np.flatnonzero(keep)
    new = np.full(len(panel), -1)
    new[rows] = np.arange(rows.size)

    def cut(each):
        spells = each.spells.where(keep[each.spells.owner])
        moved = type(spells)(new[spells.owner], spells.start, spells.end)
        return replace(each, spells=moved, followed_from=each.followed_from[rows], followed_to=each.followed_to[rows])

    return replace(
        panel,
        index_day=panel.index_day[rows],
        arm=panel.arm[rows],
        stratum=panel.stratum[rows],
        cluster=panel.cluster[rows],
        members=panel.members[:, rows],
        outcomes={name: cut(each) for name, each in panel.outcomes.items()},
    )


@pytest.mark.parametrize("analysis", [{}, {"strata": "site"}, {"clusters": "team"}])
@given(trial=small_trials())
@settings(max_examples=25)
def test_moments_of_parts_add_up_to_the_whole(trial: SmallTrial, analysis: dict[str, object]) -> None:
    trial.analysis = analysis
    panel = trial.panel()
    half = np.arange(len(panel)) % 2 == 0
    one, other = count_moments(subset(panel, half)), count_moments(subset(panel, ~half))
    assert one + other == other + one == count_moments(panel)


def test_labels_that_only_one_part_has_are_joined() -> None:
    people = _people()
    trial = SmallTrial(people, _spells(), analysis={"strata": "site"})
    sites = people["site"].to_numpy()
    x, y = (part(trial, sites == site).moments() for site in "xy")
    assert x.strata == ("x",)
    assert x + y == trial.moments()


def test_moments_of_different_designs_do_not_add() -> None:
    trial = SmallTrial(_people(), _spells())
    other = SmallTrial(_people(), _spells(), pre_days=3)
    with pytest.raises(DesignError, match="different protocols: they differ in analysis"):
        trial.moments() + other.moments()


def test_the_order_of_rows_changes_nothing() -> None:
    trial = SmallTrial(_people(), _spells())
    shuffled = SmallTrial(_people().iloc[::-1], _spells().iloc[::-1])
    assert trial.moments() == shuffled.moments()


def test_no_claimant_day_array_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Peak memory of counting stays far below one byte a claimant-day."""
    import tracemalloc

    from trialimpact.synthetic import simulate_trial

    panel = simulate_trial(10_000, seed=1).panel()
    tracemalloc.start()
    count_moments(panel)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    days = panel.protocol.analysis.pre_days + panel.protocol.analysis.end_day
    claimant_days = len(panel) * days * len(panel.outcomes) * len(panel.members)
    assert peak < claimant_days / 2


def _people():
    import pandas as pd

    return pd.DataFrame(
        {"claimant_id": list("abcdef"), "arm": list("TCTCTC"), "index": [0, 1, 2, 3, 4, 5], "site": list("xxyyxy")}
    )


def _spells():
    import pandas as pd

    return pd.DataFrame(
        {"claimant_id": list("abcdef"), "kind": "a", "start": [0, 1, 2, 3, 4, 5], "end": [4, 9, 5, 8, 20, 6]}
    )


def test_the_repr_counts() -> None:
    moments: Moments = SmallTrial(_people(), _spells()).moments()
    assert repr(moments).startswith("Moments(6 claimants; a, a_not_b, a_or_b; 1 groups;")
