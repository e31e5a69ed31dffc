"""A trial that grows and breaks at random, one step after another: at any moment it is what plain loops say it is.

Hypothesis chooses the steps and, when something does not hold, the shortest way there.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from alike import assert_alike, in_duckdb, in_memory
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from oracles import dense
from trials import SmallTrial

import trialimpact as ti
from trialimpact.moments import Moments

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

ARMS, KINDS, OUTCOMES = ("T", "C"), ("a", "b"), ("a", "a_not_b", "a_or_b")
MISTAKES = {
    "claimant_id_is_given": {"claimant_id": "", "start_date": "2020-01-03", "end_date": "2020-01-05"},
    "start_is_given": {"claimant_id": "p0", "start_date": None, "end_date": "2020-01-05"},
    "end_not_before_start": {"claimant_id": "p1", "start_date": "2020-01-09", "end_date": "2020-01-05"},
    "date_is_readable": {"claimant_id": "p1", "start_date": "2020-02-31", "end_date": "2020-03-05"},
    "date_is_plausible": {"claimant_id": "p0", "start_date": "1066-10-14", "end_date": "2020-01-05"},
    "start_before_extract": {"claimant_id": "p0", "start_date": "2031-01-01", "end_date": "2031-02-01"},
}
"""A row of spells that breaks this rule and no other."""


class GrowingTrial(RuleBasedStateMachine):
    """The records as an office has them: people join, spells are entered, split, copied, and entered wrongly."""

    @initialize()
    def begins(self) -> None:
        self.people: list[tuple[str, int]] = [("T", 0), ("C", 0)]
        self.spells: list[tuple[int, str, int, int]] = [(0, kind, -3, 4) for kind in KINDS]
        self.covered_to = 20
        self.mistakes: list[tuple[str, str]] = []
        self.moments: Moments | None = None

    def trial(self, keep: slice = slice(None)) -> SmallTrial:
        people = pd.DataFrame(
            [(f"p{place}", arm, index) for place, (arm, index) in enumerate(self.people)][keep],
            columns=["claimant_id", "arm", "index"],
        )
        spells = pd.DataFrame(
            [(f"p{who}", kind, start, end) for who, kind, start, end in self.spells],
            columns=["claimant_id", "kind", "start", "end"],
        )
        mine = spells["claimant_id"].isin(people["claimant_id"])
        covered = dict.fromkeys(KINDS, (-30, self.covered_to))
        return SmallTrial(people, spells[mine], covered, arms=ARMS)

    def tables(self) -> dict[str, pd.DataFrame]:
        """The trial's tables with the mistakes at the end of the tables of spells."""
        tables = self.trial().tables
        for kind, broken in self.mistakes:
            row = pd.DataFrame([MISTAKES[broken]], columns=tables[kind].columns).astype(object)
            tables[kind] = pd.concat([tables[kind].astype(object), row], ignore_index=True)
        return tables

    def counted(self) -> Moments:
        if self.moments is None:
            self.moments = self.trial().moments()
        return self.moments

    @rule(arm=st.sampled_from(ARMS), index=st.integers(-8, 19))
    def somebody_joins(self, arm: str, index: int) -> None:
        self.people.append((arm, index))
        self.moments = None

    @rule(who=st.integers(0, 99), kind=st.sampled_from(KINDS), start=st.integers(-30, 19), days=st.integers(0, 25))
    def a_spell_is_entered(self, who: int, kind: str, start: int, days: int) -> None:
        self.spells.append((who % len(self.people), kind, start, start + days))
        self.moments = None

    @rule(which=st.integers(0, 99), at=st.integers(0, 25))
    def a_spell_is_entered_in_two_parts(self, which: int, at: int) -> None:
        who, kind, start, end = self.spells.pop(which % len(self.spells))
        middle = min(start + at, end, self.covered_to - 1)
        self.spells += [(who, kind, start, middle), (who, kind, middle, end)]

    @rule(which=st.integers(0, 99))
    def a_row_is_copied(self, which: int) -> None:
        self.spells.append(self.spells[which % len(self.spells)])

    @rule(order=st.randoms(use_true_random=False))
    def rows_are_sorted_otherwise(self, order) -> None:
        order.shuffle(self.spells)

    @precondition(lambda self: self.covered_to < 60)
    @rule(days=st.integers(1, 9))
    def the_extract_grows(self, days: int) -> None:
        self.covered_to += days
        self.moments = None

    @precondition(lambda self: len(self.mistakes) < 5)
    @rule(kind=st.sampled_from(KINDS), broken=st.sampled_from(sorted(MISTAKES)))
    def a_row_is_entered_wrongly(self, kind: str, broken: str) -> None:
        self.mistakes.append((kind, broken))

    @precondition(lambda self: self.mistakes)
    @rule(which=st.integers(0, 9))
    def a_wrong_row_is_mended(self, which: int) -> None:
        self.mistakes.pop(which % len(self.mistakes))

    @invariant()
    def counts_are_those_of_plain_loops(self) -> None:
        trial, moments = self.trial(), self.counted()
        for outcome in OUTCOMES:
            data = dense(trial, outcome)
            for arm in ARMS:
                counts = moments.counts_of(outcome, "all", (arm,))
                mine = data.arm == arm
                np.testing.assert_array_equal(counts.followed, data.followed[mine].sum(axis=0))
                np.testing.assert_array_equal(counts.on, data.on[mine].sum(axis=0))

    @rule()
    def counting_again_gives_the_same(self) -> None:
        assert self.trial().moments() == self.counted()

    @rule()
    def a_file_of_moments_gives_them_back(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            ti.save_moments(self.counted(), Path(folder) / "m.npz")
            assert ti.load_moments(Path(folder) / "m.npz") == self.counted()

    @precondition(lambda self: len(self.people) > 2)
    @rule(at=st.integers(1, 99))
    def parts_add_up(self, at: int) -> None:
        cut = 1 + at % (len(self.people) - 1)
        parts = [self.trial(slice(None, cut)), self.trial(slice(cut, None))]
        if all((part.spells["kind"] == kind).any() for part in parts for kind in KINDS):
            assert parts[0].moments() + parts[1].moments() == self.counted()

    @rule()
    def an_engine_counts_the_same(self) -> None:
        trial = self.trial()
        assert_alike(in_duckdb(trial.protocol, trial.tables), in_memory(trial.protocol, trial.tables))

    @rule()
    def wrong_rows_stop_it_or_are_set_aside_and_no_other_is(self) -> None:
        trial, tables = self.trial(), self.tables()
        if self.mistakes:
            with pytest.raises(ti.RecordError) as stopped:
                ti.load_records(trial.protocol, tables)
            lines = str(stopped.value).splitlines()
            for kind, broken in self.mistakes:
                assert any(line.startswith(f"{kind}: ") and f"'{broken}'" in line for line in lines)
        records = ti.load_records(trial.protocol, tables, on_broken_rule="quarantine")
        aside = records.quarantined
        assert sorted(zip(aside["table"], aside["rule"], strict=True)) == sorted(self.mistakes)
        first = {kind: int((trial.spells["kind"] == kind).sum()) for kind in KINDS}
        assert all(row > first[table] for table, row in zip(aside["table"], aside["row"], strict=True))
        panel = ti.build_panel(ti.build_sample(records), ti.merge_spells(records))
        assert ti.count_moments(panel) == self.counted()


TestGrowingTrial = GrowingTrial.TestCase
TestGrowingTrial.settings = settings(max_examples=settings.default.max_examples // 8, stateful_step_count=20)


def test_a_wrong_row_breaks_its_rule_and_no_other() -> None:
    for broken in MISTAKES:
        machine = GrowingTrial()
        machine.begins()
        machine.mistakes = [("a", broken)]
        machine.wrong_rows_stop_it_or_are_set_aside_and_no_other_is()
