"""Sample + spells -> `Panel`: each claimant's intervals and follow-up, in days from the index day.

Nothing is exploded to days here: a claimant's outcome is kept as its intervals.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, unknown_name, worded
from trialimpact.facts import UNSTATED
from trialimpact.groups import IN, OUT, find_members
from trialimpact.intervals import Booleans, Integers, Intervals, clip
from trialimpact.loaders import day_of
from trialimpact.loaders.in_labels import holds_a_nino
from trialimpact.loaders.records import require_one_load
from trialimpact.loaders.values import as_text
from trialimpact.protocol import TrialProtocol
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells

MAX_ROWS = 5_000_000
"""Claimant-days that `Panel.to_frame` makes without being told that more is wanted."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class OutcomePanel:
    """One outcome in days from the index day, cut to the analysis window and to follow-up.

    Attributes
    ----------
    spells : Intervals
        Disjoint; the owner is the claimant's row in the panel.
    followed_from, followed_to : array, shape (n,)
        Follow-up [from, to) within the window (M1); equal where nothing is followed.
    """

    spells: Intervals
    followed_from: Integers
    followed_to: Integers

    def states(self, days: Integers) -> tuple[Booleans, Booleans]:
        """Who is followed, and on the outcome, on some ascending days: each shape (n, days)."""
        followed = (self.followed_from[:, None] <= days) & (days < self.followed_to[:, None])
        change = np.zeros((self.followed_from.size, days.size + 1), dtype=np.int8)
        for place, sign in ((self.spells.start, 1), (self.spells.end, -1)):
            np.add.at(change, (self.spells.owner, np.searchsorted(days, place)), sign)
        return followed, change.cumsum(axis=1, dtype=np.int8)[:, :-1] > 0

    def counts_by(self, group: Integers, n_groups: int, window: tuple[int, int]) -> tuple[Integers, Integers]:
        """n(d) and s(d) of each group on the days [from, to), each shape (n_groups, days); group -1 is left out."""
        first, end = window
        width = end - first + 1

        def counted(owner_group: Integers, start: Integers, stop: Integers) -> Integers:
            known = owner_group >= 0
            jumps = np.zeros(n_groups * width, dtype=np.int64)
            for places, sign in ((start, 1), (stop, -1)):
                cell = owner_group[known] * width + np.clip(places[known], first, end) - first
                jumps += sign * np.bincount(cell, minlength=jumps.size)
            return jumps.reshape(n_groups, width).cumsum(axis=1)[:, :-1]

        spells = self.spells
        return (
            counted(group, self.followed_from, self.followed_to),
            counted(group[spells.owner], spells.start, spells.end),
        )

    def rows(self, low: int, high: int) -> OutcomePanel:
        """The outcome of the claimants [low, high), renumbered."""
        if (low, high) == (0, self.followed_from.size):
            return self
        spells = self.spells
        mine = spells.where((spells.owner >= low) & (spells.owner < high))
        return OutcomePanel(
            spells=Intervals(mine.owner - low, mine.start, mine.end),
            followed_from=self.followed_from[low:high],
            followed_to=self.followed_to[low:high],
        )

    def where(self, keep: Booleans) -> OutcomePanel:
        """The outcome of some claimants, renumbered."""
        row = np.cumsum(keep) - 1
        spells = self.spells.where(keep[self.spells.owner])
        return OutcomePanel(
            spells=Intervals(row[spells.owner], spells.start, spells.end),
            followed_from=self.followed_from[keep],
            followed_to=self.followed_to[keep],
        )


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Panel:
    """The trial as jumps waiting to be counted: claimants × outcomes, as intervals.

    Attributes
    ----------
    index_day : array, shape (n,)
        Day 0 of each claimant, in days since 1970-01-01.
    arm, received, stratum, cluster : array, shape (n,)
        Codes into `protocol.arms` (assigned, and received: `UNKNOWN` where no marker tells),
        `strata`, `clusters`.
    digit : array, shape (n,)
        The allocating digit, -1 where there is none.
    strata, clusters : tuple of str
        Labels; ("",) where the protocol declares none.
    members, outside : bool array, shape (n_subgroups + 1, n)
        Who is in each group, and who is known not to be. Rows as `protocol.subgroup_names`.
    outcomes : mapping of outcome name to `OutcomePanel`
    states : mapping of state name to `OutcomePanel`
        The states of `[states]`, if the panel was built with them.
    load : str
        The load whose claimants they are.
    """

    protocol: TrialProtocol
    index_day: Integers
    arm: Integers
    received: Integers
    digit: Integers
    stratum: Integers
    cluster: Integers
    strata: tuple[str, ...]
    clusters: tuple[str, ...]
    members: Booleans
    outside: Booleans
    outcomes: Mapping[str, OutcomePanel]
    states: Mapping[str, OutcomePanel]
    load: str = ""

    def __len__(self) -> int:
        return int(self.arm.size)

    def __repr__(self) -> str:
        first, end = self.window
        spells = ", ".join(f"{len(each.spells):,} {name} spells" for name, each in self.outcomes.items())
        return f"Panel({len(self):,} claimants; days {first} to {end - 1}; {spells})"

    @property
    def window(self) -> tuple[int, int]:
        """The days [from, to) that the panel holds."""
        return -self.protocol.analysis.pre_days, self.protocol.analysis.end_day

    def outcome(self, name: str) -> OutcomePanel:
        """The outcome, or state, of this name."""
        found = self.outcomes.get(name, self.states.get(name))
        if found is None:
            raise unknown_name("outcome", name, (*self.outcomes, *self.states))
        return found

    def on_side(self, arms: tuple[str, ...]) -> Booleans:
        """Who is assigned to one of these arms, shape (n,)."""
        return np.asarray(np.isin(self.arm, [self.protocol.arms.index(arm) for arm in arms]))

    def membership(self, subgroup: str) -> Booleans:
        """Who is in a subgroup ("all": everyone), shape (n,)."""
        if subgroup not in self.protocol.subgroup_names:
            raise unknown_name("subgroup", subgroup, self.protocol.subgroup_names)
        return np.asarray(self.members[self.protocol.subgroup_names.index(subgroup)])

    def where(self, keep: Booleans) -> Panel:
        """The panel of some claimants: the same protocol, strata and clusters."""
        of_people = ("index_day", "arm", "received", "digit", "stratum", "cluster")
        return replace(
            self,
            **{name: getattr(self, name)[keep] for name in of_people},
            members=self.members[:, keep],
            outside=self.outside[:, keep],
            outcomes={name: each.where(keep) for name, each in self.outcomes.items()},
            states={name: each.where(keep) for name, each in self.states.items()},
        )

    def follow_up(self, source: str) -> tuple[Integers, Integers]:
        """Days [from, to) of the window that one source covers for each claimant, each shape (n,)."""
        spells = self.protocol.sources.spells
        if source not in spells:
            raise unknown_name("spell source", source, spells)
        covered = day_of(spells[source].covered_from), day_of(spells[source].extract_date)
        return _covered_days(self.protocol, self.index_day, *covered)

    def to_frame(self, outcome: str, days: range | None = None, *, max_rows: int = MAX_ROWS) -> pd.DataFrame:
        """Claimant-days, for those who want to look: columns row, arm, day, followed, on.

        Raises
        ------
        DesignError
            The frame would have more than `max_rows` rows.
        """
        window = range(*self.window)
        days = window if days is None else days
        if len(days) and (days[0] not in window or days[-1] not in window):
            raise DesignError(
                worded(f"the panel holds the days {window[0]} to {window[-1]}.", remedy="ask within these days")
            )
        n_rows = len(self) * len(days)
        if n_rows > max_rows:
            raise DesignError(
                worded(
                    f"the frame would have {n_rows:,} rows ({len(self):,} claimants × {len(days):,} days).",
                    remedy=f"ask for fewer days, or allow it with max_rows={n_rows}",
                )
            )
        day = np.asarray(days)
        followed, on = self.outcome(outcome).states(day)
        arms = pd.Categorical.from_codes(
            np.repeat(self.arm, day.size), dtype=pd.CategoricalDtype(list(self.protocol.arms))
        )
        row = np.repeat(np.arange(len(self)), day.size)
        columns = {"row": row, "arm": arms, "day": np.tile(day, len(self))}
        return pd.DataFrame({**columns, "followed": followed.ravel(), "on": on.ravel()})


@of_its_kind
def build_panel(
    sample: TrialSample, spells: Mapping[str, OutcomeSpells], states: Mapping[str, OutcomeSpells] | None = None
) -> Panel:
    """Move every analysed claimant's spells to days from the index day and cut them to the window.

    Parameters
    ----------
    sample : TrialSample
    spells : mapping of outcome name to `OutcomeSpells`, from `merge_spells`
    states : mapping of state name to `OutcomeSpells`, from `merge_states`, optional

    Raises
    ------
    DesignError
        The protocol's strata, clusters or subgroups name a column that is not there; sample and spells are of
        different loads, in which a row number is of another person.

    Notes
    -----
    Cost: O(spells). Source: docs, methods page, M1.

    Examples
    --------
    >>> from trialimpact import build_sample, load_records, merge_spells
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=200, seed=1)
    >>> records = load_records(trial.protocol, trial.tables)
    >>> build_panel(build_sample(records), merge_spells(records))
    Panel(... claimants; days -730 to 273; ...)
    """
    require_one_load(sample.load, *(each.load for each in (*spells.values(), *(states or {}).values())))
    analysis = sample.protocol.analysis
    strata, stratum = _labels(sample, analysis.strata)
    clusters, cluster = _labels(sample, (analysis.clusters,) if analysis.clusters else ())
    check_clusters(sample.protocol, clusters, len(sample))
    everyone = np.ones(len(sample), dtype=np.int8)
    groups = np.stack([everyone, *(find_members(group.where, sample, spells) for group in sample.protocol.subgroups)])
    return Panel(
        protocol=sample.protocol,
        index_day=sample.index_day,
        arm=sample.assigned_arm,
        received=sample.received_arm,
        digit=sample.people["digit"].fillna(-1).to_numpy(dtype=np.int64),
        stratum=stratum,
        cluster=cluster,
        strata=strata,
        clusters=clusters,
        members=groups == IN,
        outside=groups == OUT,
        outcomes={name: _relative(sample, each) for name, each in spells.items()},
        states={name: _relative(sample, each) for name, each in (states or {}).items()},
        load=sample.load,
    )


def _relative(sample: TrialSample, found: OutcomeSpells) -> OutcomePanel:
    covered = found.covered_from, found.extract_day
    followed_from, followed_to = _covered_days(sample.protocol, sample.index_day, *covered)
    row_of = np.full(int(max(found.spells.owner.max(initial=-1), sample.claimant.max(initial=-1))) + 1, -1)
    row_of[sample.claimant] = np.arange(len(sample))
    analysed = found.spells.where(row_of[found.spells.owner] >= 0)
    rows = Intervals(row_of[analysed.owner], analysed.start, analysed.end).shifted(-sample.index_day)
    return OutcomePanel(
        spells=clip(rows, followed_from, followed_to),
        followed_from=followed_from,
        followed_to=followed_to,
    )


def _covered_days(
    protocol: TrialProtocol, index_day: Integers, covered_from: int, extract_day: int
) -> tuple[Integers, Integers]:
    """Calendar coverage in days from each index day, cut to the window; equal where there is none (M1)."""
    first, end = -protocol.analysis.pre_days, protocol.analysis.end_day
    followed_from = np.clip(covered_from - index_day, first, end)
    return followed_from, np.maximum(followed_from, np.clip(extract_day - index_day, first, end))


def _labels(sample: TrialSample, columns: tuple[str, ...]) -> tuple[tuple[str, ...], Integers]:
    """Distinct labels of one or several columns together, sorted, and each claimant's code."""
    if not columns:
        return ("",), np.zeros(len(sample), dtype=np.int64)
    parts = [as_text(sample.characteristic(column, "strata or clusters")) for column in columns]
    joined = pd.Series([" × ".join(labels) for labels in zip(*(part.fillna(UNSTATED) for part in parts), strict=True)])
    check_labels(joined)
    codes, labels = pd.factorize(joined.astype(object), sort=True)
    return tuple(str(label) for label in labels), codes.astype(np.int64)


def check_labels(labels: pd.Series[str]) -> None:
    """Refuse labels of strata or clusters that hold an identifier."""
    if holds_a_nino(labels).any():
        raise DesignError(worded("a label of strata or clusters holds a NINO.", remedy="use a key without identifiers"))


def check_clusters(protocol: TrialProtocol, clusters: tuple[str, ...], n_claimants: int) -> None:
    """Refuse clusters that are claimants, and claimants without a cluster."""
    column = protocol.analysis.clusters
    if column and len(clusters) == n_claimants:
        raise DesignError(
            worded(
                f"every claimant is a cluster of {column!r}.",
                remedy="leave clusters out: claimants are the unit of the standard errors anyway",
            )
        )
    if UNSTATED in clusters:
        raise DesignError(worded(f"some claimants have no {column!r}.", remedy="complete the column, or name another"))
