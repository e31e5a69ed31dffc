"""The page that people read first, in Markdown: sentences and tables of an analysis."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Protocol

from trialimpact.analysis import TrialAnalysis
from trialimpact.estimators.heterogeneity import adjust_families
from trialimpact.protocol import Contrast
from trialimpact.report.method_tables import (
    tabulate_compliance,
    tabulate_durations,
    tabulate_heterogeneity,
    tabulate_integrity,
    tabulate_states,
)
from trialimpact.report.sentences import (
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
    tabulate_balance,
    tabulate_flow,
    tabulate_horizons,
    tabulate_subgroups,
    to_markdown,
)

RAW_MARK = "raw: not for release"


class About(Protocol):
    """Anything about one outcome and contrast."""

    @property
    def outcome(self) -> str:
        """The outcome's name."""

    @property
    def contrast(self) -> Contrast:
        """The contrast."""


def stem_of(about: About) -> str:
    """Outcome and contrast as part of a file's name."""
    return f"{about.outcome}_{about.contrast.name}"


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
    parts += ["## Participant flow", to_markdown(tabulate_flow(analysis.sample.flow, protocol))]
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
    sections = {
        "Was the trial run as designed?": [*integrity_sentences(found.integrity), *map(intake_sentence, found.intake)],
        "Before the trial": map(pretrend_sentence, found.pretrends),
        "On which days": (line for each in everyone for line in band_sentences(each)),
        "Other assignments": (placebo_sentence(each, protocol) for each in found.placebos),
        "Adjusted for what was known before": (
            adjusted_sentence(each) for each in found.adjusted if each.cumulative.comparison.subgroup == "all"
        ),
        "Do subgroups differ?": map(heterogeneity_sentence, found.heterogeneity),
        "Assigned and received": (compliance_sentence(each) for each in found.compliance if each.target.at == longest),
        "Records that could not be linked": map(bounds_sentence, found.bounds),
    }
    for title, sentences in sections.items():
        if lines := list(sentences):
            yield f"## {title}"
            yield _as_list(lines)
            yield from _tables_under(title, analysis)
    for durations in found.durations:
        yield f"## Time to {durations.event.replace('_', ' ')}: {protocol.outcome(durations.outcome).words}"
        yield to_markdown(tabulate_durations(durations))
    for states in found.states:
        yield "## Where people are"
        yield to_markdown(tabulate_states(states))
    yield from (f"![{text}](figures/{name})" for name, text in alt_texts.items() if name.startswith(METHOD_PICTURES))
    if found.left_out:
        yield "## Not done, and why"
        yield _as_list(found.left_out)


METHOD_PICTURES = ("placebo", "tipping", "first_exit", "sustained_exit", "re_entry", "states")
"""How the names of their pictures begin."""


def _tables_under(title: str, analysis: TrialAnalysis) -> Iterator[str]:
    """The tables of a section."""
    found = analysis.inference
    if title.startswith("Was"):
        table = tabulate_integrity(found.integrity)
        if len(table):
            yield to_markdown(table)
    if title.startswith("Do subgroups"):
        rows = adjust_families(found.heterogeneity)
        yield from (to_markdown(tabulate_heterogeneity(each, rows)) for each in found.heterogeneity)
    if title.startswith("Assigned"):
        longest = analysis.protocol.analysis.max_horizon
        yield from (to_markdown(tabulate_compliance(each)) for each in found.compliance if each.target.at == longest)
