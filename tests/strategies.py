"""Hypothesis strategies: intervals, and whole small trials with every kind of mess."""

from __future__ import annotations

import pandas as pd
from hypothesis import strategies as st
from trials import SmallTrial

from trialimpact.intervals import Intervals


@st.composite
def intervals(draw: st.DrawFn, owners: int = 3) -> Intervals:
    rows = draw(st.lists(st.tuples(st.integers(0, owners - 1), st.integers(-15, 15), st.integers(0, 8)), max_size=14))
    return Intervals.of(
        [owner for owner, _, _ in rows], [start for _, start, _ in rows], [start + n for _, start, n in rows]
    )


@st.composite
def small_trials(draw: st.DrawFn, min_people: int = 4, max_people: int = 14) -> SmallTrial:
    """Overlapping, adjacent, empty and out-of-window spells; late entry, unequal follow-up, three arms."""
    n_people = draw(st.integers(min_people, max_people))
    arms = draw(st.lists(st.sampled_from(["T", "C", "U"]), min_size=n_people - 3, max_size=n_people - 3))
    index = draw(st.lists(st.integers(-8, 20), min_size=n_people, max_size=n_people))
    site = draw(st.lists(st.sampled_from(["x", "y"]), min_size=n_people, max_size=n_people))
    team = draw(st.lists(st.sampled_from(["k", "l", "m"]), min_size=n_people, max_size=n_people))
    people = pd.DataFrame(
        {"claimant_id": [f"p{i}" for i in range(n_people)], "arm": ["T", "C", "U", *arms], "index": index}
    ).assign(site=site, team=team)
    rows = draw(
        st.lists(
            st.tuples(st.integers(0, n_people - 1), st.sampled_from("ab"), st.integers(-20, 14), st.integers(0, 15)),
            max_size=4 * n_people,
        )
    )
    spells = pd.DataFrame(
        [(f"p{who}", kind, start, start + n) for who, kind, start, n in rows],
        columns=["claimant_id", "kind", "start", "end"],
    )
    covered = {kind: (draw(st.integers(-30, 3)), draw(st.integers(15, 35))) for kind in "ab"}
    return SmallTrial(people, spells, covered, arms=("T", "C", "U"))
