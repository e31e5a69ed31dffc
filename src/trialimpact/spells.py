"""Records -> disjoint spells per outcome, in days since 1970-01-01. A spell is merged here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from trialimpact.errors import of_its_kind
from trialimpact.intervals import Intervals, clip, merge, subtract
from trialimpact.loaders import TrialRecords, day_of
from trialimpact.protocol import FOLLOWED, Outcome, TrialProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomeSpells:
    """When an outcome holds for each person, and the days on which that is known.

    Attributes
    ----------
    spells : Intervals
        Disjoint; the owner is the row number of the person in the records.
    covered_from, extract_day : int
        The outcome is known on [covered_from, extract_day): the days that every source it uses
        covers (M1).
    load : str
        Of the records.
    """

    spells: Intervals
    covered_from: int
    extract_day: int
    load: str = ""


def coverage_of(protocol: TrialProtocol, terms: Iterable[str]) -> tuple[int, int]:
    """The calendar days [from, to) that every source of some terms covers; none where they share no day."""
    sources = protocol.sources_named(tuple(terms)).values()
    covered_from = max(day_of(source.covered_from) for source in sources)
    return covered_from, max(covered_from, min(day_of(source.extract_date) for source in sources))


@of_its_kind
def merge_spells(records: TrialRecords) -> Mapping[str, OutcomeSpells]:
    """Disjoint spells of every outcome of the protocol.

    Every part is cut to the outcome's own coverage first. Then the `on` terms are united, gaps
    of up to `bridge_gap_days` are bridged, and last the `off` terms are taken away.

    Returns
    -------
    mapping of outcome name to `OutcomeSpells`

    Notes
    -----
    Cost: a few sorts of the spells. Source: docs, methods page, M1.

    Examples
    --------
    >>> from trialimpact import load_records
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=200, seed=1)
    >>> sorted(merge_spells(load_records(trial.protocol, trial.tables)))
    ['employed', 'on_benefit']
    """
    return {outcome.name: _merge_outcome(records, outcome) for outcome in records.protocol.outcomes}


@of_its_kind
def merge_states(records: TrialRecords) -> Mapping[str, OutcomeSpells]:
    """Disjoint spells of the states of the protocol's `[states]`; empty where it declares none.

    On every day that all their sources cover, each person is in exactly one state: the first that holds (M14).

    Examples
    --------
    >>> from trialimpact import load_records
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=200, seed=1)
    >>> list(merge_states(load_records(trial.protocol, trial.tables)))
    ['benefit_and_work', 'benefit_only', 'work_only', 'rest']
    """
    states = records.protocol.states
    if states is None:
        return {}
    coverage = coverage_of(records.protocol, states.terms)
    left, spells = _united(records, (FOLLOWED,), coverage), []
    for state in states.in_order:
        inside = _united(records, state.on, coverage)
        if state.and_on:
            inside = subtract(inside, subtract(inside, _united(records, state.and_on, coverage)))
        outside = subtract(left, inside)
        spells.append(subtract(left, outside))
        left = outside
    return {
        name: OutcomeSpells(spells=each, covered_from=coverage[0], extract_day=coverage[1], load=records.load)
        for name, each in zip(states.names, (*spells, left), strict=True)
    }


def _merge_outcome(records: TrialRecords, outcome: Outcome) -> OutcomeSpells:
    coverage = coverage_of(records.protocol, outcome.terms)
    spells = _united(records, outcome.on, coverage, outcome.bridge_gap_days)
    if outcome.off:
        spells = subtract(spells, _united(records, outcome.off, coverage))
    return OutcomeSpells(spells=spells, covered_from=coverage[0], extract_day=coverage[1], load=records.load)


def _united(
    records: TrialRecords, terms: tuple[str, ...], coverage: tuple[int, int], bridge_days: int = 0
) -> Intervals:
    """The union of terms, each cut to the coverage first."""
    covered_from, extract_day = coverage
    low = np.full(records.n_claimants, covered_from)
    high = np.full(records.n_claimants, extract_day)
    parts = [clip(_term(records, term, covered_from, extract_day), low, high) for term in terms]
    empty = np.empty(0, dtype=np.int64)
    parts.append(Intervals(empty, empty, empty))
    together = Intervals(
        np.concatenate([part.owner for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.end for part in parts]),
    )
    return merge(together, bridge_days)


def _term(records: TrialRecords, term: str, covered_from: int, extract_day: int) -> Intervals:
    """The spells that one term of an outcome names."""
    source, _, code = term.partition(":")
    if source == FOLLOWED:
        people = np.arange(records.n_claimants)
        return Intervals.of(people, np.full_like(people, covered_from), np.full_like(people, extract_day))
    return records.spells[source].of_codes((code,) if code else ())
