"""The one call: records -> spells -> sample -> panel -> moments -> estimates, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trialimpact.doubts import doubts_of_counts
from trialimpact.engines import Engine, engine_job
from trialimpact.errors import DesignError, ProtocolError, warn, worded
from trialimpact.estimates import MainEstimates, estimates_of
from trialimpact.estimators import (
    Balance,
)
from trialimpact.estimators.balance import balance_of
from trialimpact.flow import ParticipantFlow
from trialimpact.inference import Inference, infer_trial
from trialimpact.loaders import OnBrokenRule, TrialRecords
from trialimpact.loaders.files import TableLike
from trialimpact.moments import Moments
from trialimpact.panel import Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.results import TrialResults, protocol_in, versions
from trialimpact.sample import TrialSample
from trialimpact.stages import STAGES, TrialCounts, TrialStages, as_protocol, run_stages


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TrialAnalysis(MainEstimates):
    """Everything that `analyse_trial` found. Raw numbers: not for release.

    Attributes
    ----------
    counts : TrialCounts
        Moments, participant flow, received arms, sums of characteristics, audit: no claimant.
    stages : TrialStages or None
        Records, spells, sample and panel; None where an engine counted.
    balance : Balance
    options : dict
        What the caller asked for beside the protocol.
    """

    counts: TrialCounts
    stages: TrialStages | None
    balance: Balance
    options: dict[str, Any]
    _inference: list[Inference] = field(default_factory=list)

    @property
    def flow(self) -> ParticipantFlow:
        """How many people are left after each filter."""
        return self.counts.flow

    @property
    def moments(self) -> Moments:
        """Whole-number tables, from which the estimates come."""
        return self.counts.moments

    @property
    def sample(self) -> TrialSample:
        """Who is analysed, with the participant flow and the received arms."""
        return self._in_memory().sample

    @property
    def panel(self) -> Panel:
        """Each claimant's intervals and follow-up."""
        return self._in_memory().panel

    @property
    def records(self) -> TrialRecords:
        """The checked records, with their audit."""
        return self._in_memory().records

    def _in_memory(self) -> TrialStages:
        if self.stages is None:
            raise DesignError(
                worded(
                    "an engine counted: no claimant is here.",
                    remedy="use counts, flow and moments, or analyse in memory",
                )
            )
        return self.stages

    @property
    def inference(self) -> Inference:
        """Every method beside these: integrity, bands, pre-trial tests, adjustment, bounds, ...

        Computed when it is first asked for (seconds for ten thousand claimants), and kept. Where an engine
        counted, only what moments hold: the rest is left out, and says so.
        """
        if not self._inference:
            self._inference.append(infer_trial(self.stages or self.counts, self.options["outcomes"]))
        return self._inference[0]

    def results(self, *, methods: bool = True) -> TrialResults:
        """Everything as tidy rows by file name: what `write_analysis` writes, and `report` and `publish` read.

        Without `methods`, the main estimates and not what they are defended with.
        """
        frames = {
            "estimates.csv": self.to_frame(),
            "flow.csv": self.flow.to_frame(),
            "allocation.csv": self.counts.received.to_frame(),
            "balance.csv": self.balance.to_frame(),
            "audit.csv": self.counts.audit.to_frame(),
            "quarantined.csv": self.counts.quarantined,
            **(self.inference.frames() if methods else {}),
        }
        manifest = {
            "protocol": protocol_in(self.protocol),
            "inputs": [
                {"table": each.table, "name": each.name, "n_rows": each.n_rows, "sha256": each.sha256}
                for each in self.counts.inputs
            ],
            "people": self.stages.records.fingerprint() if self.stages else None,
            "options": self.options,
            "seed": self.protocol.analysis.seed,
            "versions": versions(),
            "headlines": list(self.headlines()),
            "warnings": list(self.warnings),
        }
        return TrialResults(moments=self.moments, frames=frames, stages=self.flow.stages, manifest=manifest)

    def __repr__(self) -> str:
        lines = "".join(f"\n  {line}" for line in self.headlines())
        return f"TrialAnalysis({self.protocol.name}: {self.flow.n('analysed'):,} claimants){lines}"

    def _repr_html_(self) -> str:
        from html import escape

        lines = "".join(f"<li>{escape(line)}</li>" for line in self.headlines())
        title = f"<b>{escape(self.protocol.name)}</b>: {self.flow.n('analysed'):,} claimants. Raw: not for release."
        return f"<p>{title}</p><ul>{lines}</ul>{self.flow._repr_html_()}"


def analyse_trial(
    protocol: TrialProtocol | Mapping[str, Any] | str | Path,
    tables: Mapping[str, TableLike] | Engine | None = None,
    *,
    folder: str | Path | None = None,
    on_broken_rule: OnBrokenRule = "error",
    outcomes: str | Sequence[str] | None = None,
    horizons: int | Sequence[int] | None = None,
    progress: bool = False,
) -> TrialAnalysis:
    """Run a protocol on its records, from files or frames to estimates.

    Parameters
    ----------
    protocol : TrialProtocol, dictionary of the same shape, or path of a TOML file
    tables : mapping of source name to path or frame, optional
        Tables to use in place of the protocol's files. Or an `Engine` (`trialimpact.engines`): then it is
        counted where the records live. Main estimates, flow, balance and audit are as in memory; of the methods
        beside them, those that need claimants are left out.
    folder : path, optional
        Where relative file names start. Default: the protocol's folder, or the current one.
    on_broken_rule : {"error", "quarantine"}
        As `load_records`.
    outcomes : str or sequence of str, optional
        Estimate only these outcomes.
    horizons : int or sequence of int, optional
        Headline horizons in place of the protocol's.
    progress : bool
        Show progress on stderr.

    Returns
    -------
    TrialAnalysis
        `write_analysis` writes it into a folder.

    Raises
    ------
    ProtocolError, RecordError, DesignError

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=2_000, seed=1)
    >>> analyse_trial(trial.protocol, trial.tables)
    TrialAnalysis(Example digit trial: ... claimants)...
    """
    protocol, folder = as_protocol(protocol, folder)
    if horizons is not None:
        protocol = protocol.with_analysis(horizon_days=_as_list(horizons))
    asked = _as_list(outcomes) or [each.name for each in protocol.outcomes]
    names = [protocol.outcome(name).name for name in asked]
    with _Progress(progress) as step:
        stages = None
        if isinstance(tables, Engine):
            counts = _counted(tables, protocol, folder, on_broken_rule, step)
        else:
            stages = run_stages(protocol, tables, folder, on_broken_rule=on_broken_rule, step=step)
            counts = stages.counts()
        step("estimating")
        balance = balance_of(protocol, counts.characteristics)
        found = estimates_of(counts.moments, names)
    noticed = (*doubts_of_counts(counts), *found.warnings)
    for message in noticed:
        warn(message)
    return TrialAnalysis(
        protocol=protocol,
        counts=counts,
        stages=stages,
        balance=balance,
        daily=found.daily,
        cumulative=found.cumulative,
        warnings=(*counts.doubts, *noticed),
        options={
            "on_broken_rule": on_broken_rule,
            "outcomes": names,
            "horizons": _as_list(horizons),
            "engine": tables.name if isinstance(tables, Engine) else "memory",
        },
    )


def _counted(
    engine: Engine,
    protocol: TrialProtocol,
    folder: str | Path,
    on_broken_rule: OnBrokenRule,
    step: Callable[[str], None],
) -> TrialCounts:
    """What an engine counts."""
    if on_broken_rule != "error":
        remedy = "leave broken rows out in the source's query, where it is seen which"
        raise ProtocolError(worded("an engine has no row numbers, so it sets no rows aside.", remedy=remedy))
    return engine_job(protocol, engine, folder).run(step)


def _as_list(given: Any) -> list[Any]:
    """One thing, several or none, as a list in which each stands once, in types of Python's own."""
    if given is None:
        return []
    several = [given] if isinstance(given, str) or not isinstance(given, Iterable) else given
    return list(dict.fromkeys(each.item() if isinstance(each, np.generic) else each for each in several))


class _Progress:
    """Says on stderr which stage runs; does nothing where nobody asked."""

    STAGES = STAGES + 1

    def __init__(self, shown: bool) -> None:
        self.shown = shown
        self.started = 0

    def __enter__(self) -> _Progress:
        if self.shown:
            from tqdm import tqdm

            self.bar = tqdm(total=self.STAGES, unit="stage", leave=False)
        return self

    def __call__(self, stage: str) -> None:
        if self.shown:
            self.bar.update(min(self.started, 1))
            self.bar.set_description(stage)
            self.started += 1

    def __exit__(self, *_: object) -> None:
        if self.shown:
            self.bar.close()
