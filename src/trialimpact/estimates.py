"""Moments -> `MainEstimates`: daily and cumulative effects of every outcome, contrast and subgroup."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from trialimpact.errors import DesignError, TrialWarning
from trialimpact.estimators import Effects, SubgroupEffects, estimate_cumulative, estimate_daily
from trialimpact.estimators.effects import Note
from trialimpact.moments import Moments
from trialimpact.protocol import TrialProtocol
from trialimpact.report.words import headline


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class MainEstimates:
    """The main estimates of a trial. Raw numbers: not for release.

    Attributes
    ----------
    daily, cumulative : tuple of Effects
        One each for outcome × contrast × subgroup; where the protocol has strata, the stratified
        estimates follow.
    warnings : tuple of str
    """

    protocol: TrialProtocol
    daily: tuple[Effects, ...]
    cumulative: tuple[Effects, ...]
    warnings: tuple[str, ...]

    def to_frame(self) -> pd.DataFrame:
        """All estimates in the tidy columns: daily rows, then a row for every horizon."""
        return pd.concat([effects.to_frame() for effects in (*self.daily, *self.cumulative)], ignore_index=True)

    def everyone(self) -> Iterator[tuple[Effects, Effects]]:
        """Daily and cumulative effects on everyone by outcome and contrast, as `analysis.headline` says."""
        for daily, cumulative in zip(self.daily, self.cumulative, strict=True):
            which = cumulative.comparison
            if which.subgroup == "all" and which.method == self.protocol.analysis.headline:
                yield daily, cumulative

    def subgroups(self, effects: Effects) -> SubgroupEffects:
        """The cumulative effects beside `effects`, of every subgroup, at the longest horizon."""
        wanted = _which(effects)
        found = {each.comparison.subgroup: each for each in self.cumulative if _which(each) == wanted}
        return SubgroupEffects(horizon_days=self.protocol.analysis.max_horizon, by_subgroup=found)

    def headlines(self) -> tuple[str, ...]:
        """A sentence for each outcome and contrast, at the longest horizon."""
        return tuple(headline(cumulative) for _, cumulative in self.everyone())

    def __repr__(self) -> str:
        lines = "".join(f"\n  {line}" for line in self.headlines())
        return f"{type(self).__name__}({self.protocol.name}){lines}"


def estimates_of(moments: Moments, outcomes: Sequence[str] | None = None) -> MainEstimates:
    """Daily and cumulative effects of everything (or some outcomes), with what they note, each said once.

    A stratum with an empty arm stops the analysis of everyone; within a subgroup it only leaves
    out that subgroup's stratified rows.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimates_of(simulate_trial(n_claimants=2_000, seed=1).moments())
    MainEstimates(Example digit trial)...
    """
    protocol = moments.protocol
    names = [each.name for each in protocol.outcomes] if outcomes is None else outcomes
    daily, cumulative, left_out = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        for stratified, outcome, contrast, subgroup in itertools.product(
            (False, True) if protocol.analysis.strata else (False,),
            names,
            protocol.contrasts,
            protocol.subgroup_names,
        ):
            try:
                one = estimate_daily(moments, outcome, contrast, subgroup, stratified=stratified)
                other = estimate_cumulative(moments, outcome, contrast, subgroup, stratified=stratified)
            except DesignError as error:
                if subgroup == "all":
                    raise
                left_out.append(f"left out of the stratified estimates: {str(error).splitlines()[0]}")
                continue
            daily.append(one)
            cumulative.append(other)
    notes = [note for each in (*daily, *cumulative) for note in each.notes]
    never = [name for name in names if not moments.counts_of(name, "all", protocol.arms).on.any()]
    left_out += [f"nobody is in this outcome on any day: are there spells of it?: {name}" for name in never]
    return MainEstimates(
        protocol=protocol,
        daily=tuple(daily),
        cumulative=tuple(cumulative),
        warnings=(*_each_said_once(notes), *dict.fromkeys(left_out)),
    )


def _which(effects: Effects) -> tuple[str, str, bool]:
    which = effects.comparison
    return which.outcome, which.contrast.name, which.stratified


def _each_said_once(notes: Sequence[Note]) -> Iterator[str]:
    """One sentence for everything that several results note, naming the first few of them."""
    for says in dict.fromkeys(note.says for note in notes):
        where = list(dict.fromkeys(note.where for note in notes if note.says == says))
        shown = "; ".join(where[:3])
        more = f"; and {len(where) - 3} more" if len(where) > 3 else ""
        yield f"{says}: {shown}{more}"
