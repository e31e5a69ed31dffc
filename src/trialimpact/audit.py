"""`audit_trial`: one call for the whole integrity page of a trial."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.allocation import ReceivedArms
from trialimpact.doubts import doubts_of_counts
from trialimpact.errors import TrialWarning
from trialimpact.estimators import (
    TIDY_COLUMNS,
    Balance,
    IntakeSensitivity,
    Integrity,
    Placebo,
    PreTrend,
    Randomisation,
    estimate_daily,
)
from trialimpact.estimators.balance import balance_of
from trialimpact.estimators.checks import Level, level_of
from trialimpact.estimators.pretrend import PRETREND_COLUMNS
from trialimpact.estimators.randomisation import PLACEBO_COLUMNS
from trialimpact.flow import ParticipantFlow
from trialimpact.inference import MethodRuns, stacked
from trialimpact.loaders import Audit, OnBrokenRule
from trialimpact.loaders.files import TableLike
from trialimpact.moments import Moments
from trialimpact.protocol import TrialProtocol
from trialimpact.report.figures import Picture, plot_daily
from trialimpact.report.method_figures import plot_placebo
from trialimpact.report.method_tables import tabulate_integrity
from trialimpact.report.page import render_page
from trialimpact.report.sentences import (
    intake_sentence,
    integrity_sentences,
    placebo_sentence,
    pretrend_sentence,
)
from trialimpact.report.tables import tabulate_balance, tabulate_flow
from trialimpact.stages import as_protocol, run_stages


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page: sentences, then tables and pictures."""

    title: str
    sentences: tuple[str, ...] = ()
    tables: tuple[pd.DataFrame, ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TrialAudit:
    """Whether a trial was run as designed, and what it would matter. Raw: not for release.

    Attributes
    ----------
    integrity : Integrity
    balance : Balance
    pretrends : tuple of PreTrend
    placebos : tuple of Placebo or Randomisation
    intake : tuple of IntakeSensitivity
    flow : ParticipantFlow
    records : Audit
        What loading found in the records.
    left_out : tuple of str
        What this trial does not allow, and why.
    received : ReceivedArms
        Who was put in another arm than assigned.
    doubts : tuple of str
        What is mostly a mistake: arms exchanged, levels that overlap, offices that are not there.
    """

    protocol: TrialProtocol
    moments: Moments
    integrity: Integrity
    balance: Balance
    pretrends: tuple[PreTrend, ...]
    placebos: tuple[Placebo | Randomisation, ...]
    intake: tuple[IntakeSensitivity, ...]
    flow: ParticipantFlow
    records: Audit
    left_out: tuple[str, ...]
    received: ReceivedArms
    doubts: tuple[str, ...]

    @property
    def level(self) -> Level:
        """The worst level of any integrity check of the arms as assigned, or pre-trial test, that could be made.

        Red where most people were put in another arm than assigned: that is the protocol of another trial.
        """
        found = {each.level for each in self.integrity.checks if each.basis == "assigned"}
        found |= {level_of(min(each.adjusted_p_values.values())) for each in self.pretrends if each.adjusted_p_values}
        if self.received.share_misallocated("analysed") > 1 / 2:
            found.add("red")
        levels: tuple[Level, ...] = ("red", "amber", "green")
        return next((level for level in levels if level in found), "not tested")

    def sentences(self) -> Iterator[str]:
        """Everything it says, in words."""
        for section in self.sections(pictures=False):
            yield from section.sentences

    def sections(self, *, pictures: bool = True) -> Iterator[Section]:
        """The page, part by part."""
        protocol, integrity = self.protocol, self.integrity
        shown = tabulate_integrity(integrity)
        yield Section(
            title="Was the trial run as designed?",
            sentences=(*(f"To look at: {each}." for each in self.doubts), *integrity_sentences(integrity)),
            tables=(shown,) if len(shown) else (),
        )
        yield Section(title="If the arms joined at different times", sentences=tuple(map(intake_sentence, self.intake)))
        yield Section(
            title="Before the trial",
            sentences=tuple(map(pretrend_sentence, self.pretrends)),
            pictures=tuple(self._daily_pictures()) if pictures else (),
        )
        yield Section(
            title="Other assignments",
            sentences=tuple(placebo_sentence(each, protocol) for each in self.placebos),
            pictures=tuple(plot_placebo(each, protocol) for each in self.placebos) if pictures else (),
        )
        yield Section(title="Are the arms alike?", tables=(tabulate_balance(self.balance, protocol),))
        yield Section(title="Participant flow", tables=(tabulate_flow(self.flow, protocol),))
        found = self.records.to_frame()
        yield Section(
            title="What loading found in the records",
            tables=(
                found[found["n_broken"] > 0][["table", "rule", "severity", "says", "n_broken", "n_rows", "action"]],
            ),
        )
        yield Section(title="Every check", tables=(tabulate_integrity(integrity, everything=True),))
        if self.left_out:
            yield Section(title="Not done, and why", sentences=self.left_out)

    def _daily_pictures(self) -> Iterator[Picture]:
        for pretrend in self.pretrends:
            which = pretrend.comparison
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", TrialWarning)
                daily = estimate_daily(self.moments, which.outcome, which.contrast)
            yield plot_daily(daily, pretrend=pretrend)

    def to_frame(self) -> pd.DataFrame:
        """The integrity checks, a row each."""
        return self.integrity.to_frame()

    def frames(self) -> dict[str, pd.DataFrame]:
        """Every number of the page, by file name."""
        return {
            "integrity.csv": self.integrity.to_frame(),
            "pretrend.csv": stacked(self.pretrends, PRETREND_COLUMNS),
            "placebo.csv": stacked(self.placebos, PLACEBO_COLUMNS),
            "intake.csv": stacked(self.intake, TIDY_COLUMNS),
            "balance.csv": self.balance.to_frame(),
            "flow.csv": self.flow.to_frame(),
        }

    def to_html(self) -> str:
        """The page on its own: no network, no script."""
        return render_page(
            "report/audit.html.jinja",
            title=f"{self.protocol.name}: integrity of the trial",
            lead=f"Worst check of the arms as assigned: {self.level}. Raw: no disclosure control has been applied; "
            "not for release.",
            sections=list(self.sections()),
        )

    def __repr__(self) -> str:
        return f"TrialAudit({self.protocol.name}: {self.level}; {self.integrity!r})"

    def _repr_html_(self) -> str:
        from html import escape

        lines = "".join(f"<li>{escape(line)}</li>" for line in self.sentences())
        name = escape(self.protocol.name)
        lead = f"<b>{name}</b>: worst check of the arms as assigned {self.level}. Raw: not for release."
        return f"<p>{lead}</p><ul>{lines}</ul>"


def audit_trial(
    protocol: TrialProtocol | Mapping[str, Any] | str | Path,
    tables: Mapping[str, TableLike] | None = None,
    *,
    folder: str | Path | None = None,
    on_broken_rule: OnBrokenRule = "error",
) -> TrialAudit:
    """The whole integrity page of a trial, from its records.

    Sample ratios at every stage of the participant flow, by office and week; loss by arm; drift of
    intake and what it would do; balance; pre-trial tests; the actual assignment among all that the
    design could have given.

    Parameters
    ----------
    protocol, tables, folder, on_broken_rule
        As `analyse_trial`.

    Returns
    -------
    TrialAudit
        `sentences()` in words, `to_html()` as a page, `to_frame()` as rows.

    Raises
    ------
    ProtocolError, RecordError, DesignError

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=2_000, seed=1)
    >>> audit_trial(trial.protocol, trial.tables)
    TrialAudit(Example digit trial: ...)
    """
    protocol, folder = as_protocol(protocol, folder)
    stages = run_stages(protocol, tables, folder, on_broken_rule=on_broken_rule)
    counts = stages.counts()
    runs = MethodRuns(stages, [each.name for each in protocol.outcomes])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        return TrialAudit(
            protocol=protocol,
            moments=stages.moments,
            integrity=runs.integrity(),
            balance=balance_of(protocol, counts.characteristics),
            pretrends=runs.pretrends(),
            placebos=runs.placebos(),
            intake=runs.intake(),
            flow=stages.sample.flow,
            records=stages.records.audit,
            left_out=tuple(runs.left_out),
            received=counts.received,
            doubts=(*counts.doubts, *doubts_of_counts(counts)),
        )
