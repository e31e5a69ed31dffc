"""How outcomes hang together, by what the protocol says of their sources: what two of them leave is a side too."""

from __future__ import annotations

from collections.abc import Iterable

from trialimpact.protocol import FOLLOWED, Outcome


def are_related(one: Outcome, other: Outcome) -> bool:
    """Whether one contains the other, or they exclude each other."""
    return contains(one, other) or contains(other, one) or are_apart(one, other)


def contains(one: Outcome, other: Outcome) -> bool:
    """Whether whoever is in `other` on a day is in `one` too, by what the protocol says."""
    wider = _covers(one.on, other.on) and _covers(other.off, one.off)
    return wider and one.bridge_gap_days >= other.bridge_gap_days


def _covers(some: Iterable[str], others: Iterable[str]) -> bool:
    """Whether each source, or code of it, is among some, or all of its source is, or every day that is followed."""
    return all({each, each.partition(":")[0], FOLLOWED} & {*some} for each in others)


def are_apart(one: Outcome, other: Outcome) -> bool:
    """Whether nobody is in both on a day, by what the protocol says: what is on in the one is taken away in the other.

    >>> work = Outcome(name="work", on=("employment",), off=("benefit",))
    >>> are_apart(work, Outcome(name="benefit", on=("benefit:JSA",)))
    True
    """
    gaps = one.bridge_gap_days or other.bridge_gap_days
    return not gaps and (_covers(one.off, other.on) or _covers(other.off, one.on))
