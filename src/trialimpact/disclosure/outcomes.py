"""How outcomes hang together, by what the protocol says of their sources: what two of them leave is a side too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from trialimpact.protocol import FOLLOWED, Outcome, SpellSource

Sources: TypeAlias = Mapping[str, SpellSource]


def are_related(one: Outcome, other: Outcome, sources: Sources) -> bool:
    """Whether one contains the other, or they exclude each other."""
    return contains(one, other, sources) or contains(other, one, sources) or are_apart(one, other, sources)


def contains(one: Outcome, other: Outcome, sources: Sources) -> bool:
    """Whether whoever is in `other` on a day is in `one` too, by what the protocol says."""
    on, off = _spells(one.on, sources), _spells(one.off, sources)
    others, not_others = _spells(other.on, sources), _spells(other.off, sources)
    left = _left(others, not_others)
    taken_away = left and off - not_others
    not_in_one = left - on if not on & _EVERY_DAY else set()
    return not (taken_away or not_in_one) and one.bridge_gap_days >= other.bridge_gap_days


def are_apart(one: Outcome, other: Outcome, sources: Sources) -> bool:
    """Whether nobody is in both on a day, by what the protocol says: what is on in the one is taken away in the other.

    >>> work = Outcome(name="work", on=("employment",), off=("benefit",))
    >>> are_apart(work, Outcome(name="benefit", on=("benefit",)), {})
    True
    """
    gaps = one.bridge_gap_days or other.bridge_gap_days
    off = _spells((*one.off, *other.off), sources)
    return not gaps and not all(_left(_spells(each.on, sources), off) for each in (one, other))


_Spell: TypeAlias = tuple[object, str]
_EVERY_DAY: frozenset[_Spell] = frozenset({(FOLLOWED, "")})
"""The spell that everyone has on every day that is followed."""


def _left(on: frozenset[_Spell], off: frozenset[_Spell]) -> frozenset[_Spell]:
    """Spells of which somebody who has none that is taken away may be on."""
    return frozenset() if off & _EVERY_DAY else on - off


def _spells(terms: Iterable[str], sources: Sources) -> frozenset[_Spell]:
    """Terms as kinds of spells: one a code that is counted; of two sources that are the same records, the same."""
    found = set()
    for term in terms:
        name, _, code = term.partition(":")
        source = sources.get(name)
        codes = [code] if code or source is None else source.counted_codes or [""]
        records: object = name
        if source is not None and (source.file or source.query):
            records = (source.file, source.query, *sorted(source.columns.items()))
        found |= {(records, each) for each in codes}
    return frozenset(found)
