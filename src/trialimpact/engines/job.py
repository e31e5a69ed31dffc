"""The whole job in an engine, in order: inputs, rules, people, and for every shard jumps, cells, counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

import numpy as np
import pandas as pd

from trialimpact.characteristics import CharacteristicSums
from trialimpact.engines.conditions import condition_steps
from trialimpact.engines.counting import cell_steps, label_steps, moments_of, outcome_steps
from trialimpact.engines.engine import Engine, EngineError, Rows
from trialimpact.engines.factors import centre_steps, factor_steps, sums_of
from trialimpact.engines.people import FACTS, people_steps
from trialimpact.engines.rules import audit_of, rule_steps
from trialimpact.engines.sources import Inputs, find_inputs, input_steps
from trialimpact.engines.spells import jump_steps
from trialimpact.engines.words import Step, among, fetch, table
from trialimpact.errors import DesignError, RecordError, worded
from trialimpact.facts import PeopleFacts
from trialimpact.filters import apply_filters
from trialimpact.groups import no_birth_dates
from trialimpact.joining import Joining
from trialimpact.loaders.in_labels import holds_a_nino, words_like_identifiers
from trialimpact.loaders.records import InputFile
from trialimpact.moments import Moments
from trialimpact.panel import check_clusters
from trialimpact.protocol import TrialProtocol
from trialimpact.protocol.conditions import AgeIs
from trialimpact.protocol.consistency import condition_parts, shown_words
from trialimpact.stages import TrialCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineJob:
    """A protocol and where its records are; nothing is counted before `run`.

    Examples
    --------
    >>> import tempfile
    >>> from trialimpact.engines import DuckDB
    >>> from trialimpact.synthetic import simulate_trial
    >>> folder = Path(tempfile.mkdtemp())
    >>> written = simulate_trial(n_claimants=400, seed=1).write(folder)
    >>> engine_job(TrialProtocol.from_toml(folder / "protocol.toml"), DuckDB(), folder).run()
    TrialCounts(Example digit trial: ... claimants)
    """

    engine: Engine
    inputs: Inputs

    def steps(self) -> Iterator[Step]:
        """Every statement, in order."""
        yield from self._opening()
        yield from self._people()
        for shard in range(self.engine.shards):
            yield from self._of_shard(shard)

    def sql(self) -> str:
        """Every statement that `run` would run, for an audit of what leaves the engine."""
        said = [
            self.engine.worded(step.name, step.sql)
            if step.kind == "table"
            else f"-- comes back: {step.name}\n{step.sql}"
            for step in self.steps()
        ]
        return ";\n\n".join(said) + ";\n"

    def run(self, step: Callable[[str], None] = lambda _: None) -> TrialCounts:
        """Count in the engine.

        Raises
        ------
        RecordError
            Rows break a rule that stops the run.
        DesignError
            The trial cannot be analysed as asked.
        """
        protocol = self.inputs.protocol
        step("checking records")
        opening = self._answers(self._opening())
        audit = audit_of(self.inputs, opening, self.engine.shards)
        step("building the sample")
        people = self._answers(self._people())
        first = "claimants" if protocol.sources.markers is None else "markers"
        n_records = int(opening[f"rules_{first}"]["n_rows"][0])
        facts = _facts(people)
        found = apply_filters(protocol, facts, n_records, {})
        if "births" in people and not int(people["births"]["n"][0]):
            raise no_birth_dates()
        parts: list[Moments] = []
        factors: list[Rows] = []
        for shard in range(self.engine.shards):
            step(f"counting moments ({shard + 1} of {self.engine.shards})")
            answers = {**people, **self._answers(self._of_shard(shard))}
            parts.append(moments_of(protocol, answers))
            factors += [answers["factors"]] if "factors" in answers else []
        moments = reduce(add, parts)
        check_clusters(protocol, moments.clusters, found.flow.n("analysed"))
        _require_all(int(moments.cells.claimants.sum()), found.flow.n("analysed"))
        characteristics = sums_of(protocol, self.engine.double, people.get("centres"), factors)
        self._refuse_identifiers(facts, moments, characteristics)
        return TrialCounts(
            protocol=protocol,
            moments=moments,
            flow=found.flow,
            received=found.received,
            joining=_joining(people, moments),
            characteristics=characteristics,
            audit=audit,
            quarantined=pd.DataFrame(columns=["table", "row", "rule"]),
            inputs=tuple(
                InputFile(
                    table=name, name=self.engine.name, n_rows=int(opening[f"rules_{name}"]["n_rows"][0]), sha256=None
                )
                for name in self.inputs.names
            ),
        )

    def _refuse_identifiers(self, facts: PeopleFacts, moments: Moments, sums: CharacteristicSums) -> None:
        """Stop where a label that is shown holds an identifier: words that may be one are looked up where they live."""
        levels = [level for _, level, _ in sums.columns]
        words = [*levels, *(word for words in shown_words(self.inputs.protocol).values() for word in words)]
        shown = pd.Series([*facts.people["office"], *facts.reasons["reason"], *moments.strata, *words], dtype=object)
        labels = shown.dropna().drop_duplicates()
        held = bool(holds_a_nino(labels).any())
        if self.inputs.protocol.identifiers.kind == "opaque" and (words := words_like_identifiers(labels)):
            found = fetch("identifiers", f"select count(*) as n from ti_keys where {among('person', words)}")
            held |= bool(int(self._answers(iter([found]))["identifiers"]["n"][0]))
        if held:
            says = "a label that is shown (office, reason, stratum, characteristic, protocol) holds an identifier"
            remedy = "remove identifiers from these columns and labels: they appear in tables"
            raise RecordError(worded(f"{says}.", remedy=remedy))

    def _opening(self) -> Iterator[Step]:
        yield from input_steps(self.inputs)
        yield from rule_steps(self.inputs, [self.engine.in_shard(shard) for shard in range(self.engine.shards)])

    def _people(self) -> Iterator[Step]:
        yield from people_steps(self.inputs)
        by = "assigned, index_day"
        yield fetch("joining", f"select {by}, count(*) as n from ti_analysed group by {by} order by {by}")
        yield from label_steps(self.inputs.protocol)
        if any(isinstance(part, AgeIs) for part in condition_parts(self.inputs.protocol)):
            yield fetch("births", "select count(birth_day) as n from ti_analysed")
        yield from centre_steps(self.inputs.protocol, self.engine.double)

    def _of_shard(self, shard: int) -> Iterator[Step]:
        protocol = self.inputs.protocol
        yield table("ti_part", f"select * from ti_analysed where {self.engine.in_shard(shard)}")
        for outcome in protocol.outcomes:
            yield from jump_steps(protocol, outcome)
        yield from condition_steps(protocol)
        yield from cell_steps(protocol)
        for outcome in protocol.outcomes:
            yield from outcome_steps(protocol, outcome)
        yield from factor_steps(protocol, self.engine.double)

    def _answers(self, steps: Iterator[Step]) -> dict[str, Rows]:
        """Run statements; what they fetch, by name. An error tells the statement, as `--print-sql` names it."""
        answers = {}
        for step in steps:
            try:
                if step.kind == "table":
                    self.engine.table(step.name, step.sql)
                else:
                    answers[step.name] = self.engine.fetch(step.sql)
            except EngineError as error:
                raise EngineError(f"{step.name}: {error}") from None
        return answers

    def __repr__(self) -> str:
        return f"EngineJob({self.inputs.protocol.name} in {self.engine!r})"


def engine_job(protocol: TrialProtocol, engine: Engine, folder: str | Path = ".") -> EngineJob:
    """The job of a protocol in an engine; relative file names start from `folder`.

    Raises
    ------
    ProtocolError, RecordError, DesignError
        A source has no query, its query lacks a column, or a name cannot stand in SQL.
    """
    if not protocol.analysis.products:
        raise DesignError(
            worded("an engine counts products.", remedy="set analysis.products = true, or count in memory")
        )
    return EngineJob(engine=engine, inputs=find_inputs(protocol, engine, Path(folder)))


def _facts(answers: Mapping[str, Rows]) -> PeopleFacts:
    """The facts as they came: a row for all who are alike."""
    people = pd.DataFrame({name: answers["facts"][name] for name in FACTS})
    n = answers["facts"]["n"].astype(np.int64)
    reasons = pd.DataFrame({"row": [], "status": [], "reason": [], "n": []})
    if "reasons" in answers:
        told = pd.DataFrame(dict(answers["reasons"]))
        rows = people.reset_index(names="row").merge(told, on=list(FACTS), how="inner")
        reasons = rows[["row", "told_status", "reason", "n"]].rename(columns={"told_status": "status"})
    return PeopleFacts(people=people, n=n, reasons=reasons)


def _joining(answers: Mapping[str, Rows], moments: Moments) -> Joining:
    """Who joined when, and which clusters are in which arm."""
    arm, index_day, n = (answers["joining"][name].astype(np.int64) for name in ("assigned", "index_day", "n"))
    clusters = np.unique(np.column_stack([moments.cells.cluster, moments.cells.arm]), axis=0)
    return Joining(arm=arm, index_day=index_day, n=n, clusters=clusters)


def _require_all(counted: int, analysed: int) -> None:
    if counted != analysed:
        raise DesignError(
            worded(
                f"the engine counted {counted:,} claimants of the {analysed:,} that the filters leave.",
                remedy="run again; if it stays, report it with the statements that `--print-sql` shows",
            )
        )
