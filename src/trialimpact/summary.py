"""The page that people read first, in Markdown: sentences and tables of an analysis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pandas as pd

from trialimpact.analysis import TrialAnalysis
from trialimpact.estimators.heterogeneity import adjust_families
from trialimpact.protocol import TrialProtocol
from trialimpact.report.method_tables import (
    tabulate_arms,
    tabulate_compliance,
    tabulate_durations,
    tabulate_heterogeneity,
    tabulate_integrity,
    tabulate_moves,
    tabulate_states,
)
from trialimpact.report.sentences import (
    EVENT_WORDS,
    About,
    adjusted_sentence,
    band_sentences,
    bounds_sentence,
    compliance_sentence,
    heterogeneity_sentence,
    intake_sentence,
    integrity_sentences,
    placebo_sentence,
    pretrend_sentence,
)
from trialimpact.report.tables import (
    tabulate_audit,
    tabulate_balance,
    tabulate_flow,
    tabulate_horizons,
    tabulate_subgroups,
    to_markdown,
)
from trialimpact.report.words import days_about
from trialimpact.whole import RAW_MARK


def stem_of(found: About) -> str:
    """Outcome and contrast as part of a file's name."""
    return f"{found.outcome}_{found.contrast.name}"


def summarise(analysis: TrialAnalysis, alt_texts: dict[str, str], *, methods: bool) -> str:
    """The tables that people read first, with what they need to be read.

    `alt_texts` are of the pictures by file name; without `methods`, only the main estimates.
    """
    protocol = analysis.protocol
    said = [*analysis.headlines(), *(f"Warning: {message}." for message in analysis.warnings)]
    parts = [
        f"# {protocol.name}",
        f"**{RAW_MARK}**",
        _as_list(said),
        "## How to read this",
        _as_list(_reading(analysis)),
    ]
    for _, cumulative in analysis.everyone():
        which = cumulative.comparison
        words = protocol.outcome(which.outcome).words
        stem = stem_of(which)
        parts += [f"## Days {words}: {which.contrast.treatment_words} against {which.contrast.control_words}"]
        parts.append(to_markdown(tabulate_horizons(cumulative)))
        parts += [f"![{alt_texts[name]}](figures/{name})" for name in (f"daily_{stem}.png", f"cumulative_{stem}.png")]
        if protocol.subgroups:
            parts += [f"By subgroup, over the first {protocol.analysis.max_horizon} days:"]
            parts.append(to_markdown(tabulate_subgroups(analysis.subgroups(cumulative))))
            parts += _pictures(alt_texts, f"subgroups_{stem}.")
    parts += ["## Participant flow", to_markdown(tabulate_flow(analysis.flow, protocol))]
    in_doubt = tabulate_audit(analysis.counts.audit)
    if len(in_doubt):
        parts += ["## Rows in doubt", "Their numbers are in audit.csv.", to_markdown(in_doubt)]
    if len(analysis.balance.rows):
        parts += ["## Balance", to_markdown(tabulate_balance(analysis.balance, protocol))]
    parts += _methods(analysis, alt_texts) if methods else []
    return "\n\n".join(parts) + "\n"


def _reading(analysis: TrialAnalysis) -> Iterator[str]:
    protocol = analysis.protocol
    yield "Everyone is analysed in the arm assigned (intention to treat). Differences are treatment minus control."
    yield "Later joiners are followed for fewer days: each day is among those followed that day."
    rule = protocol.analysis.small_sample
    yield f"Intervals are pointwise ({protocol.analysis.interval_words}); small-sample correction {rule}."
    if protocol.analysis.cumulative_interval == "accumulated":
        yield "Limits of days are daily limits added up, as a publication has them: conservative, and p with them."
    if protocol.identifiers.synthetic:
        yield "The protocol takes identifiers that are never issued: these may be people who do not exist."
    if protocol.subgroups:
        yield "Each subgroup is an estimate of its own; that intervals differ does not show that groups differ."
    for name, source in protocol.sources.spells.items():
        yield f"{name}: covers {source.covered_from} up to, not including, {source.extract_date}."
    if any(each.comparison.stratified for each in analysis.cumulative):
        yield "Stratified estimates are in estimates.csv (method: stratified)."


def _as_list(sentences: Iterable[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)


def _methods(analysis: TrialAnalysis, alt_texts: dict[str, str]) -> Iterator[str]:
    """What the main estimates are defended with, section by section."""
    found, protocol = analysis.inference, analysis.protocol
    longest = protocol.analysis.max_horizon
    everyone = [each for each in found.bands if each.daily.effects.comparison.subgroup == "all"]
    adjusted = [each for each in found.adjusted if each.cumulative.comparison.subgroup == "all"]
    compliance = [each for each in found.compliance if each.target.at == longest]
    yield from _section(
        "Was the trial run as designed?",
        [*integrity_sentences(found.integrity), *map(intake_sentence, found.intake)],
        [to_markdown(tabulate_integrity(found.integrity))] if found.integrity.at("red") else [],
    )
    yield from _section("Before the trial", map(pretrend_sentence, found.pretrends))
    yield from _section("On which days", (line for each in everyone for line in band_sentences(each)))
    placebos = (placebo_sentence(each, protocol) for each in found.placebos)
    yield from _section("Other assignments", placebos, _pictures(alt_texts, "placebo"))
    yield from _section("Adjusted for what was known before", map(adjusted_sentence, adjusted))
    rows = adjust_families(found.heterogeneity) if found.heterogeneity else None
    tables = {_title(each, protocol): tabulate_heterogeneity(each, rows) for each in found.heterogeneity}
    yield from _section("Do subgroups differ?", map(heterogeneity_sentence, found.heterogeneity), _titled(tables))
    tables = {_title(each, protocol): tabulate_compliance(each) for each in compliance}
    yield from _section("Assigned and received", map(compliance_sentence, compliance), _titled(tables))
    bounds = map(bounds_sentence, found.bounds)
    yield from _section("Records that could not be linked", bounds, _pictures(alt_texts, "tipping"))
    for durations in found.durations:
        title = f"Time to {EVENT_WORDS[durations.event]}: {_title(durations, protocol)}"
        pictures = _pictures(alt_texts, f"{durations.event}_{stem_of(durations)}.")
        yield from _section(title, (), [to_markdown(tabulate_durations(durations)), *pictures])
    for states in found.states:
        title = f"Where people are: {states.contrast.treatment_words} against {states.contrast.control_words}"
        pictures = _pictures(alt_texts, f"states_{states.contrast.name}.")
        yield from _section(title, (), [to_markdown(tabulate_states(states)), *pictures])
    for arms in found.arms:
        words = protocol.outcome(arms.outcome).words
        title = f"All contrasts together: days {words} over {arms.horizon_days} days"
        yield from _section(title, (), [to_markdown(tabulate_arms(arms))])
    for moves in found.moves:
        title = f"Moves between states: {moves.contrast.treatment_words} against {moves.contrast.control_words}"
        yield from _section(title, (), [to_markdown(tabulate_moves(moves))])
    yield from _section("Not done, and why", found.left_out)


def _section(title: str, sentences: Iterable[str], more: Iterable[str] = ()) -> Iterator[str]:
    """A heading, sentences as a list, then tables and pictures; nothing where there is nothing to say."""
    lines, rest = list(sentences), list(more)
    if lines or rest:
        yield f"## {title}"
        yield from [_as_list(lines)] if lines else []
        yield from rest


def _titled(tables: dict[str, pd.DataFrame]) -> Iterator[str]:
    for title, table in tables.items():
        yield f"{title}:"
        yield to_markdown(table)


def _pictures(alt_texts: dict[str, str], begins: str) -> Iterator[str]:
    """The pictures whose names begin so."""
    return (f"![{text}](figures/{name})" for name, text in alt_texts.items() if name.startswith(begins))


def _title(found: About, protocol: TrialProtocol) -> str:
    return days_about(protocol, found.outcome, found.contrast)
