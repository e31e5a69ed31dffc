"""Whether the pieces of a protocol fit each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from difflib import get_close_matches
from itertools import combinations
from typing import TYPE_CHECKING, Any

from trialimpact.protocol.conditions import AgeOn, ColumnIs, Condition, parts_of
from trialimpact.protocol.sources import FOLLOWED

if TYPE_CHECKING:
    from trialimpact.protocol.model import TrialProtocol


def with_default_contrasts(data: dict[str, Any]) -> dict[str, Any]:
    """Where no contrasts are given, add each declared arm against control, or every pair of arms."""
    allocation = data.get("allocation")
    if data.get("contrasts") or not isinstance(allocation, dict):
        return data
    control, digits, listed = (allocation.get(key) for key in ("control", "digits", "arms"))
    arms = [
        control,
        *(digits if isinstance(digits, dict) else ()),
        *(listed if isinstance(listed, list | tuple) else ()),
    ]
    if not all(isinstance(arm, str) for arm in arms):
        return data
    pairs = list(combinations(dict.fromkeys(arms), 2))
    if data.get("default_contrasts") == "pairwise":
        # Later arms minus the control arm; among the others, the earlier minus the later.
        sides = [(two, one) if one == control else (one, two) for one, two in pairs]
        names = [f"{name_from(one)}_v_{name_from(two)}" for one, two in sides]
    else:
        sides = [(two, one) for one, two in pairs if one == control]
        names = [name_from(one) for one, _ in sides]
    contrasts = [
        {"name": name, "treatment": [one], "control": [two]} for name, (one, two) in zip(names, sides, strict=True)
    ]
    return {**data, "contrasts": contrasts}


def name_from(label: str) -> str:
    """A name made of a label.

    >>> name_from("IAP (weekly)")
    'iap_weekly'
    """
    letters = "".join(letter if letter.isalnum() and letter.isascii() else " " for letter in label.lower())
    name = "_".join(letters.split())
    return name if name and not name[0].isdigit() else f"arm_{name}"


def problems_of(protocol: TrialProtocol) -> list[str]:
    """Every way in which the protocol contradicts itself, in words; empty when it is sound."""
    found = [
        *_allocation(protocol),
        *_labels(protocol),
        *_columns(protocol),
        *_mapped_columns(protocol),
        *_index(protocol),
        *_outcomes(protocol),
        *_states(protocol),
        *_printable(protocol),
        *_methods(protocol),
        *_conditions(protocol),
    ]
    for noun, names in (
        ("contrast", [each.name for each in protocol.contrasts]),
        ("outcome", [each.name for each in protocol.outcomes]),
        ("subgroup", list(protocol.subgroup_names)),
        ("characteristic", [each.name for each in protocol.characteristics]),
        ("family", [each.name for each in protocol.families]),
        ("eligibility", [each.name for each in protocol.eligibility]),
    ):
        found += [f"{noun} {name!r} is defined {n} times" for name, n in Counter(names).items() if n > 1]
    return found + list(_labelled_alike(protocol))


def _labelled_alike(protocol: TrialProtocol) -> Iterable[str]:
    """A block that was copied and whose label was left makes two rows that a reader cannot tell apart."""
    labelled: dict[str, list[str]] = {
        "contrasts": [f"{each.treatment_words} against {each.control_words}" for each in protocol.contrasts],
        "outcomes": [each.words for each in protocol.outcomes],
        "subgroups": [each.words for each in protocol.subgroups],
        **{f"levels of {each.name}": [level.label for level in each.levels] for each in protocol.characteristics},
    }
    for noun, several in labelled.items():
        for words, n in Counter(several).items():
            if n > 1:
                yield f"{n} {noun} are called {words!r}: nobody could tell them apart"


def _allocation(protocol: TrialProtocol) -> Iterable[str]:
    allocation = protocol.allocation
    if allocation.rule == "digit":
        used = Counter(digit for digits in allocation.digits.values() for digit in digits)
        if sorted(used) != list(range(10)):
            missing = sorted(set(range(10)) - set(used))
            yield f"allocation.digits: every digit 0-9 needs an arm; without one: {missing}"
        if any(n > 1 for n in used.values()):
            yield f"allocation.digits: in two arms: {sorted(d for d, n in used.items() if n > 1)}"
    declared = {*allocation.arms, *allocation.digits}
    if declared and allocation.control not in declared:
        yield f"allocation.control {allocation.control!r} is not one of the arms {sorted(declared)}"
    if declared and not declared >= set(protocol.arms):
        strangers = sorted(set(protocol.arms) - declared)
        yield f"contrasts name arms that allocation does not: {strangers}"
    if len(protocol.arms) < 2:
        yield "a trial has two or more arms: declare allocation.arms or contrasts"
    first, last = protocol.recruitment.first_date, protocol.recruitment.last_date
    if first is not None and last is not None and first > last:
        yield "recruitment.first_date is after recruitment.last_date"


def _index(protocol: TrialProtocol) -> Iterable[str]:
    index, spells = protocol.index, protocol.sources.spells
    if index.rule == "given":
        if protocol.sources.claimants is None:
            yield 'index.rule = "given" needs [sources.claimants] with an index_date column'
        return
    if protocol.sources.markers is None:
        yield 'index.rule = "claim_of_marker" needs [sources.markers]'
    if index.source not in spells:
        yield f"index.source must name the spell source of the claims: one of {sorted(spells)}"
        return
    strangers = sorted(set(index.codes) - set(spells[index.source].counted_codes))
    if strangers:
        yield f"index.codes {strangers} are not counted_codes of source {index.source!r}"


def _outcomes(protocol: TrialProtocol) -> Iterable[str]:
    spells = protocol.sources.spells
    for outcome in protocol.outcomes:
        for term in (*outcome.on, *outcome.off):
            source, _, code = term.partition(":")
            if source == FOLLOWED and not code:
                continue
            if source not in spells:
                yield f"outcome {outcome.name!r}: no spell source {source!r} (there are {sorted(spells)})"
            elif code and code not in spells[source].counted_codes:
                yield f"outcome {outcome.name!r}: {code!r} is not a counted code of source {source!r}"
        if all(term == FOLLOWED for term in (*outcome.on, *outcome.off)):
            yield f"outcome {outcome.name!r} uses no spell source"


def _states(protocol: TrialProtocol) -> Iterable[str]:
    if protocol.states is None:
        return
    spells, states = protocol.sources.spells, protocol.states
    for noun, names in (("names", states.names), ("labels", states.labels)):
        if len(set(names)) < len(names):
            yield f"states: two {noun} are the same"
    for state in states.in_order:
        if shared := sorted(set(state.on) & set(state.and_on)):
            yield f"states: {shared} is in both on and and_on of {state.name!r}"
    for term in states.terms:
        source, _, code = term.partition(":")
        if source not in spells or (code and code not in spells[source].counted_codes):
            yield f"states: {term!r} is not a spell source or a counted code of one (there are {sorted(spells)})"


def shown_words(protocol: TrialProtocol) -> dict[str, list[str]]:
    """The names and labels that stand in headings and table cells, by what they are of."""
    printed = {"name": [protocol.name], "arm": list(protocol.arms), "contrast": [c.label for c in protocol.contrasts]}
    printed["outcome"] = [each.label for each in protocol.outcomes]
    printed["subgroup"] = [each.label for each in protocol.subgroups]
    printed["eligibility"] = [each.label for each in protocol.eligibility]
    printed["characteristic"] = [each.name for each in protocol.characteristics]
    printed["level"] = [level.label for each in protocol.characteristics for level in each.levels]
    printed["family"] = [each.name for each in protocol.families]
    printed["states"] = list(protocol.states.labels) if protocol.states else []
    return printed


def _printable(protocol: TrialProtocol) -> Iterable[str]:
    """No line breaks, no control characters, no endless labels."""
    for noun, labels in shown_words(protocol).items():
        if any(not label.isprintable() for label in labels):
            yield f"a label of {noun} has a line break or another character that cannot be printed"
        if any(len(label) > LONGEST_LABEL for label in labels):
            yield f"a label of {noun} is longer than {LONGEST_LABEL} characters"


def _methods(protocol: TrialProtocol) -> Iterable[str]:
    known = {
        "characteristics": {each.name for each in protocol.characteristics},
        "outcomes": {each.name for each in protocol.outcomes},
        "contrasts": {each.name for each in protocol.contrasts},
        "subgroups": {each.name for each in protocol.subgroups},
    }
    named = [("adjustment", "characteristics", protocol.adjustment.characteristics)]
    for family in protocol.families:
        where = f"family {family.name!r}"
        named += [(where, noun, getattr(family, noun)) for noun in ("outcomes", "contrasts", "subgroups")]
    for where, noun, names in named:
        if strangers := sorted(set(names) - known[noun]):
            yield f"{where}: no {noun} {strangers} (there are {sorted(known[noun])})"
    ratio = protocol.allocation.ratio
    if ratio and protocol.allocation.rule == "digit":
        yield "allocation.ratio: the digits already say it"
    elif ratio and set(ratio) != set(protocol.arms):
        yield f"allocation.ratio must name each arm once: {sorted(protocol.arms)}"


def _conditions(protocol: TrialProtocol) -> Iterable[str]:
    outcomes = {outcome.name for outcome in protocol.outcomes}
    for part in condition_parts(protocol):
        for key, days in (("any_days", getattr(part, "any_days", None)), ("days", getattr(part, "days", None))):
            if days is not None and days.outcome not in outcomes:
                yield f"{key}: no outcome {days.outcome!r} (there are {sorted(outcomes)})"
            if days is not None and days.to_day > 1:
                yield f"{key}: to_day is {days.to_day}, and days after day 0 may be the trial's work: at most 1"


def condition_parts(protocol: TrialProtocol) -> Iterable[Condition]:
    """Every condition of eligibility, subgroups and levels of characteristics, with those inside them."""
    conditions: list[Condition] = [rule.where for rule in protocol.eligibility]
    conditions += [subgroup.where for subgroup in protocol.subgroups]
    conditions += [level.where for each in protocol.characteristics for level in each.levels]
    for condition in conditions:
        yield from parts_of(condition)


LONGEST_LABEL = 200

RESERVED_LABELS = frozenset({"all", "unknown"})
"""Words that tables use for everyone and for an arm that is not known."""

_OWN_COLUMNS: dict[str, tuple[str, ...]] = {
    "claimants": ("claimant_id", "assigned_arm", "digit", "index_date", "birth_date", "office"),
    "markers": ("claimant_id", "marker_date", "marker", "office", "status", "reason"),
    "spells": ("claimant_id", "start_date", "end_date", "code"),
}


def columns_used(protocol: TrialProtocol, *, dates: bool = True) -> tuple[str, ...]:
    """Columns of the claimants that conditions, characteristics, strata or clusters name."""
    named = [part.column for part in condition_parts(protocol) if isinstance(part, ColumnIs)]
    named += [each.column for each in protocol.characteristics if each.column is not None]
    named += [*protocol.analysis.strata, *([protocol.analysis.clusters] if protocol.analysis.clusters else [])]
    return tuple(dict.fromkeys([*named, *(dates_used(protocol) if dates else ())]))


def words_asked(protocol: TrialProtocol) -> dict[str, tuple[str, ...]]:
    """The words that conditions compare each column of the claimants with."""
    asked: dict[str, tuple[str, ...]] = {}
    for part in condition_parts(protocol):
        if isinstance(part, ColumnIs):
            words = tuple(each for each in part.wanted if isinstance(each, str))
            asked[part.column] = (*asked.get(part.column, ()), *words)
    return asked


def dates_used(protocol: TrialProtocol) -> tuple[str, ...]:
    """Columns of the claimants that conditions take as dates."""
    named = [part.age_on.date for part in condition_parts(protocol) if isinstance(part, AgeOn)]
    return tuple(dict.fromkeys(named))


def _labels(protocol: TrialProtocol) -> Iterable[str]:
    for noun, labels in (("arm", protocol.arms), ("office", protocol.recruitment.offices)):
        if reserved := sorted(RESERVED_LABELS & set(labels)):
            yield f"{noun} {reserved} has a name that tables use for something else"
        if len(set(labels)) < len(labels):
            yield f"an {noun} is named twice"


def _columns(protocol: TrialProtocol) -> Iterable[str]:
    used = columns_used(protocol)
    for name in ("claimant_id", "assigned_arm", "index_date", "birth_date"):
        if name in used:
            yield f"{name} is not a characteristic: conditions, characteristics, strata and clusters cannot name it"
    for name in sorted({"office", "digit"} & set(protocol.dates_used)):
        yield f"{name} is no date: age_on cannot name it"
    if both := sorted(set(protocol.dates_used) & set(columns_used(protocol, dates=False))):
        yield f"the column {both[0]!r} is taken as a date by one condition and as a value elsewhere"


def _mapped_columns(protocol: TrialProtocol) -> Iterable[str]:
    used = columns_used(protocol)
    for name, spells in protocol.sources.spells.items():
        if "code" in spells.columns and not spells.counted_codes:
            yield f"sources.{name}.columns: nothing uses 'code' without counted_codes: list the codes that count"
    sources = {"claimants": protocol.sources.claimants, "markers": protocol.sources.markers, **protocol.sources.spells}
    for name, source in sources.items():
        own = _OWN_COLUMNS.get(name, _OWN_COLUMNS["spells"])
        known = [*own, *(used if name == "claimants" else ())]
        mapped = {} if source is None else source.columns
        for theirs, n in Counter(mapped.get(each, each) for each in own).items():
            if n > 1:
                several = " and ".join(each for each in own if mapped.get(each, each) == theirs)
                yield f"sources.{name}.columns: {several} are one column, {theirs!r}: map or rename the other"
        for column in mapped:
            if column not in known:
                close = get_close_matches(column, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else f" (it uses {', '.join(known)})"
                yield f"sources.{name}.columns: nothing uses {column!r}{hint}"
