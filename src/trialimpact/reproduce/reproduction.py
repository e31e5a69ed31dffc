"""`Reproduction`: a report's numbers computed from records, beside its print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from trialimpact.analysis import TrialAnalysis
from trialimpact.estimators import SubgroupEffects
from trialimpact.report.rounding import printed
from trialimpact.report.words import interval_in_words
from trialimpact.reproduce.comparison import Comparison
from trialimpact.reproduce.iap import TABLES
from trialimpact.reproduce.lint import Lint
from trialimpact.reproduce.published import PublishedNumber

Provenance = Literal["tuned", "invented", "unknown"]
WHOSE: dict[Provenance, str] = {
    "tuned": "records of people who do not exist",
    "invented": "records of people who do not exist",
    "unknown": "the records given",
}
"""Whose records they are, for captions."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Reproduction:
    """A report's numbers computed from records, beside its print.

    Attributes
    ----------
    published : the report's numbers
    provenance : "tuned" (the records that come with the repository), "invented" (by `simulate_iap`), or
        "unknown" (any others)
    analysis : with accumulated limits, which fit the report's
    valid : mapping of outcome to SubgroupEffects, with intervals that are valid
    comparison : every published number, and whether the computed one prints alike
    lint : the report's own arithmetic
    """

    published: tuple[PublishedNumber, ...]
    provenance: Provenance
    analysis: TrialAnalysis
    valid: dict[str, SubgroupEffects]
    comparison: Comparison
    lint: Lint

    def printed_effects(self) -> dict[str, SubgroupEffects]:
        """By outcome, the subgroups' effects with accumulated limits, which fit the report's."""
        return {each.comparison.outcome: self.analysis.subgroups(each) for _, each in self.analysis.everyone()}

    def intervals(self) -> pd.DataFrame:
        """Tidy rows of every subgroup at every headline horizon: accumulated limits, and the valid interval."""
        horizons = list(self.analysis.protocol.analysis.horizon_days)
        both = [each for kind in (self.printed_effects(), self.valid) for each in kind.values()]
        frames = [effects.to_frame() for each in both for effects in each.by_subgroup.values()]
        rows = [frame[frame["horizon_days"].isin(horizons)] for frame in frames]
        return pd.concat(rows, ignore_index=True)

    def curves(self) -> pd.DataFrame:
        """Tidy daily rows of everyone."""
        return pd.concat([daily.to_frame() for daily, _ in self.analysis.everyone()], ignore_index=True)

    def headline_rows(self) -> Iterator[dict[str, str]]:
        """For each outcome: what was printed, what was computed, and the valid interval."""
        rows = {number.id: number for number in self.published}
        for outcome, subgroups in self.printed_effects().items():
            row, valid = rows[f"{TABLES[outcome]}.all"], self.valid[outcome].effect("all")
            yield {
                "what": f"Days {self.analysis.protocol.outcome(outcome).words} over {subgroups.horizon_days} days",
                "printed": f"{row.printed} ({row.lower}, {row.upper})".replace("-", "−"),
                "computed": with_interval(subgroups, "all"),
                "valid": interval_in_words(valid, self.analysis.protocol),
            }

    def headlines(self) -> tuple[str, ...]:
        """What was printed and what was computed, a line an outcome."""
        return tuple(
            f"{row['what']}: printed {row['printed']}, computed {row['computed']}; valid 95% interval {row['valid']}"
            for row in self.headline_rows()
        )

    def __repr__(self) -> str:
        return f"Reproduction({self.analysis.protocol.name}: {self.comparison!r})"

    def _repr_html_(self) -> str:
        from html import escape

        lines = "".join(f"<li>{escape(line)}</li>" for line in self.headlines())
        return f"<p>{escape(repr(self))}</p><ul>{lines}</ul>"


def with_interval(subgroups: SubgroupEffects, name: str) -> str:
    """A subgroup's effect and the ends of its interval, the one nearer to zero first, as printed."""
    rule = subgroups.by_subgroup[name].protocol.presentation.rounding
    effect = subgroups.effect(name)
    ends = [printed(end, rule) for end in (effect.conf_low, effect.conf_high)]
    far_last = ends[::-1] if effect.estimate < 0 else ends
    return f"{printed(effect.estimate, rule)} ({', '.join(far_last)})"
