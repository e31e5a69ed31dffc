"""The stages from records to moments, in order: what every analysis and audit begins with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.allocation import ReceivedArms
from trialimpact.characteristics import CharacteristicSums, sum_characteristics
from trialimpact.errors import require_kind
from trialimpact.flow import ParticipantFlow
from trialimpact.joining import Joining, joining_of
from trialimpact.loaders import Audit, InputFile, OnBrokenRule, TrialRecords, load_records
from trialimpact.loaders.files import TableLike
from trialimpact.moments import Moments, count_moments
from trialimpact.panel import Panel, build_panel
from trialimpact.protocol import TrialProtocol
from trialimpact.sample import TrialSample, build_sample
from trialimpact.spells import OutcomeSpells, merge_spells, merge_states

STAGES = 4
"""How many stages `run_stages` announces."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TrialCounts:
    """All that the main estimates need: counts and sums, wherever they were counted. No claimant is in here.

    Attributes
    ----------
    moments : Moments
    flow : ParticipantFlow
    received : ReceivedArms
    joining : Joining
    characteristics : CharacteristicSums
    audit : Audit
    quarantined : DataFrame
        `table`, `row`, `rule` of every row that was set aside.
    inputs : tuple of InputFile
    doubts : tuple of str
        What loading warned of.
    """

    protocol: TrialProtocol
    moments: Moments
    flow: ParticipantFlow
    received: ReceivedArms
    joining: Joining
    characteristics: CharacteristicSums
    audit: Audit
    quarantined: pd.DataFrame
    inputs: tuple[InputFile, ...]
    doubts: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"TrialCounts({self.protocol.name}: {self.flow.n('analysed'):,} claimants)"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialStages:
    """Everything between the records and the estimates, in memory."""

    records: TrialRecords
    spells: Mapping[str, OutcomeSpells]
    sample: TrialSample
    panel: Panel
    moments: Moments

    def counts(self) -> TrialCounts:
        """What the main estimates need of it."""
        return TrialCounts(
            protocol=self.sample.protocol,
            moments=self.moments,
            flow=self.sample.flow,
            received=self.sample.received,
            joining=joining_of(self.panel),
            characteristics=sum_characteristics(self.sample, self.spells),
            audit=self.records.audit,
            quarantined=self.records.quarantined,
            inputs=self.records.inputs,
            doubts=self.records.doubts,
        )


def run_stages(
    protocol: TrialProtocol,
    tables: Mapping[str, TableLike] | None,
    folder: str | Path,
    *,
    on_broken_rule: OnBrokenRule = "error",
    step: Callable[[str], None] = lambda _: None,
) -> TrialStages:
    """Records -> spells -> sample -> panel -> moments; `step` is told what comes next."""
    step("loading records")
    records = load_records(protocol, tables, folder=folder, on_broken_rule=on_broken_rule)
    step("merging spells")
    spells, states = merge_spells(records), merge_states(records)
    step("building the sample")
    sample = build_sample(records)
    step("counting moments")
    panel = build_panel(sample, spells, states)
    return TrialStages(records=records, spells=spells, sample=sample, panel=panel, moments=count_moments(panel))


def as_protocol(
    protocol: TrialProtocol | Mapping[str, Any] | str | Path, folder: str | Path | None
) -> tuple[TrialProtocol, str | Path]:
    """A protocol from whatever was given, and the folder where its relative file names start."""
    if isinstance(protocol, Mapping):
        protocol = TrialProtocol.from_dict(dict(protocol))
    if isinstance(protocol, str | Path):
        folder = Path(protocol).parent if folder is None else folder
        protocol = TrialProtocol.from_toml(protocol)
    require_kind(protocol, TrialProtocol, "protocol", "give a path, a dictionary, or TrialProtocol.from_toml(path)")
    return protocol, "." if folder is None else folder
