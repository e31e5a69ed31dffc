"""A protocol in plain words, so that the people who ran the trial can check it."""

from __future__ import annotations

from collections.abc import Iterator

from trialimpact.errors import of_its_kind
from trialimpact.protocol.methods import State
from trialimpact.protocol.model import Outcome, TrialProtocol

_INTERVALS = {
    "wald": "normal (Wald)",
    "newcombe": "Newcombe",
    "accumulated": "accumulated daily limits (conservative)",
}
_ROUNDING = {
    "whole_from_10": "whole numbers from 10 up, one decimal below",
    "one_decimal": "one decimal",
    "two_decimals": "two decimals",
    "none": "all digits",
}


@of_its_kind
def explain_protocol(protocol: TrialProtocol) -> str:
    """The whole protocol as sentences under headings."""
    lines = [protocol.name, "=" * len(protocol.name)]
    lines += [protocol.description] if protocol.description else []
    for heading, sentences in protocol_sentences(protocol).items():
        said = [f"  - {sentence}" for sentence in sentences]
        lines += ["", heading, *(said or ["  - None."])]
    return "\n".join(lines)


def protocol_sentences(protocol: TrialProtocol) -> dict[str, list[str]]:
    """The same, by heading."""
    blocks = {
        "Arms": _arms(protocol),
        "Who is in the trial": _sample(protocol),
        "Records": _records(protocol),
        "Outcomes": (_outcome(protocol, outcome) for outcome in protocol.outcomes),
        "Analysis": _analysis(protocol),
        "Subgroups": (f"{each.words}: {each.where.in_words()}." for each in protocol.subgroups),
        "Balance is shown for": (f"{each.name}." for each in protocol.characteristics),
        "Beside the main estimates": _methods(protocol),
    }
    return {heading: list(sentences) for heading, sentences in blocks.items()}


def _arms(protocol: TrialProtocol) -> Iterator[str]:
    allocation = protocol.allocation
    if allocation.rule == "digit":
        for arm, digits in allocation.digits.items():
            yield f"{arm}: allocating digit {', '.join(str(digit) for digit in digits)}."
        yield "The allocating digit is the last numeric digit of the NINO, or the column 'digit'."
    else:
        yield f"{', '.join(protocol.arms)}: as the column 'assigned_arm' says."
        parts = ", ".join(f"{arm} {part:g}" for arm, part in allocation.ratio.items())
        yield f"Designed ratio: {parts}." if parts else "The designed ratio is not given, so it is not tested."
    if not protocol.arms_are_declared:
        yield "Claimants of any other arm are counted and not analysed (allocation.arms is not given)."
    yield f"{allocation.control} is the control arm. Everyone stays in the arm they were assigned to."
    for contrast in protocol.contrasts:
        sides = " + ".join(contrast.treatment), " + ".join(contrast.control)
        yield f"Contrast {contrast.name!r}: {sides[0]} minus {sides[1]}."


def _sample(protocol: TrialProtocol) -> Iterator[str]:
    window = protocol.recruitment
    if window.first_date or window.last_date:
        yield f"Recruited from {window.first_date or 'the start'} to {window.last_date or 'the end'} inclusive."
    if window.offices:
        yield f"At {len(window.offices)} offices: {', '.join(window.offices)}."
    if protocol.sources.markers:
        order = ", ".join(protocol.sources.markers.status_order)
        yield f"A person's status is the first of these that any of their markers has: {order}."
    yield from _day_0(protocol)
    for rule in protocol.eligibility:
        yield f"Eligible: {rule.words}: {rule.where.in_words()}."


def _day_0(protocol: TrialProtocol) -> Iterator[str]:
    index = protocol.index
    if index.rule == "given":
        yield "Day 0 is the given index_date."
        return
    claims = f"{index.source} claim" + (f" ({', '.join(index.codes)})" if index.codes else "")
    window_words = f"at most {index.early_days} days before its start or {index.window_days} days after it"
    yield f"Day 0 is the first day of the {claims} that the person's first valid marker falls in, {window_words}."


def _records(protocol: TrialProtocol) -> Iterator[str]:
    kind = "NINOs (only the allocating digit is kept)" if protocol.identifiers.kind == "nino" else "opaque keys"
    yield f"claimant_id: {kind}, dropped on loading."
    tables = {"claimants": protocol.sources.claimants, "markers": protocol.sources.markers, **protocol.sources.spells}
    for name, table in tables.items():
        if table is not None:
            columns = ", ".join(f"{ours} is {theirs!r}" for ours, theirs in table.columns.items())
            yield f"{name}: {table.file or 'a frame'}" + (f"; {columns}." if columns else ".")
    for name, source in protocol.sources.spells.items():
        ends = "the last day of the spell" if source.end_date == "last_day_included" else "the day after it"
        yield (
            f"{name}: covers {source.covered_from} up to, not including, {source.extract_date}; "
            f"an end date is {ends}; blank means still open."
        )
        if source.counted_codes:
            yield f"{name}: counts {', '.join(source.counted_codes)}."
        if source.ignored_codes:
            yield f"{name}: leaves out {', '.join(source.ignored_codes)}."


def _where(state: State) -> str:
    also = f" and in {' or '.join(state.and_on)}" if state.and_on else ""
    return f"in {' or '.join(state.on)}{also}"


def _outcome(protocol: TrialProtocol, outcome: Outcome) -> str:
    text = f"{outcome.name} ({outcome.words}): on a day with {' or '.join(outcome.on)}"
    if outcome.off:
        text += f" and without {' or '.join(outcome.off)}"
    if outcome.bridge_gap_days:
        text += f"; gaps of up to {outcome.bridge_gap_days} days are bridged"
    used = protocol.sources_named(outcome.terms).values()
    first, last = max(s.covered_from for s in used), min(s.extract_date for s in used)
    return f"{text}. Followed from {first} to the day before {last}."


def _analysis(protocol: TrialProtocol) -> Iterator[str]:
    analysis = protocol.analysis
    yield f"Daily shares from day {-analysis.pre_days} to day {analysis.end_day - 1}; the index day is day 0."
    horizons = ", ".join(str(days) for days in analysis.horizon_days)
    yield f"Cumulative days over the first {horizons} days (day 0 counted), each day among those followed."
    daily, cumulative = _INTERVALS[analysis.interval], _INTERVALS[analysis.cumulative_interval]
    yield f"{analysis.interval_words}: daily {daily}; cumulative {cumulative}."
    yield f"Small-sample correction: {analysis.small_sample}."
    if analysis.strata:
        first = "; this estimate is the headline" if analysis.headline == "stratified" else ""
        yield f"Also stratified by {' × '.join(analysis.strata)}, weighted by claimants analysed{first}."
    if analysis.clusters:
        yield f"Standard errors clustered by {analysis.clusters} ({analysis.cluster_variance})."
    yield f"Tables print {_ROUNDING[protocol.presentation.rounding]}; estimates are never rounded."


def _methods(protocol: TrialProtocol) -> Iterator[str]:
    adjustment = protocol.adjustment
    covariates = ["days with the outcome before day 0"] if adjustment.pre_period and protocol.analysis.pre_days else []
    covariates += adjustment.characteristics
    missing = "the mean and an indicator" if adjustment.missing == "indicator" else "an error"
    if covariates:
        yield f"Adjusted estimates use {', '.join(covariates)}; for a missing value: {missing}."
    for family in protocol.families:
        scope = (("outcomes", family.outcomes), ("contrasts", family.contrasts), ("subgroups", family.subgroups))
        words = "; ".join(f"{noun} {', '.join(names)}" if names else f"all {noun}" for noun, names in scope)
        yield f"p-values of family {family.name!r} are adjusted together: {words}."
    if protocol.subgroups and not protocol.families:
        yield "p-values of all subgroups are adjusted together, for each outcome and contrast."
    if protocol.states:
        states = [f"{each.words} ({_where(each)})" for each in protocol.states.in_order]
        yield f"States, the first that holds on a day: {', '.join(states)}; else {protocol.states.rest}."
    yield f"An exit is sustained when it is followed by {protocol.durations.sustained_days} days off."
