"""What an evaluator defends the main estimates with: every method that the trial allows, and why others not."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, TrialWarning, of_its_kind
from trialimpact.estimators import (
    TIDY_COLUMNS,
    Adjusted,
    ArmFamily,
    Bands,
    Bounds,
    Compliance,
    Durations,
    Heterogeneity,
    IntakeSensitivity,
    Integrity,
    Moves,
    Placebo,
    PreTrend,
    Randomisation,
    States,
    build_covariates,
    estimate_adjusted,
    estimate_arms,
    estimate_bands,
    estimate_bounds,
    estimate_compliance,
    estimate_durations,
    estimate_heterogeneity,
    estimate_intake_sensitivity,
    estimate_integrity,
    estimate_moves,
    estimate_placebo,
    estimate_pretrend,
    estimate_randomisation,
    estimate_states,
)
from trialimpact.estimators.arms import ARMS_COLUMNS
from trialimpact.estimators.bounds import BOUNDS_COLUMNS
from trialimpact.estimators.compliance import COMPLIANCE_COLUMNS
from trialimpact.estimators.contrast import Comparison
from trialimpact.estimators.durations import DURATIONS_COLUMNS, EVENTS
from trialimpact.estimators.heterogeneity import HETEROGENEITY_COLUMNS, adjust_families
from trialimpact.estimators.integrity import integrity_of
from trialimpact.estimators.moves import MOVES_COLUMNS
from trialimpact.estimators.pretrend import PRETREND_COLUMNS
from trialimpact.estimators.randomisation import DRAWS, PLACEBO_COLUMNS
from trialimpact.moments import Moments
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast
from trialimpact.stages import TrialCounts, TrialStages

Found = TypeVar("Found")

DRAWN_CELLS = 20_000_000_000
"""Claimant-days times assignments that a randomisation test draws at most, but never under 199 assignments."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Inference:
    """Results of the methods beside the main estimates, each by outcome and contrast.

    Attributes
    ----------
    bands, adjusted
        Also by subgroup.
    placebos : tuple of Placebo or Randomisation
        To each horizon (digits) or the longest (other designs), and before day 0.
    left_out : tuple of str
        Methods that this trial does not allow, and why.
    """

    integrity: Integrity
    bands: tuple[Bands, ...]
    pretrends: tuple[PreTrend, ...]
    placebos: tuple[Placebo | Randomisation, ...]
    adjusted: tuple[Adjusted, ...]
    intake: tuple[IntakeSensitivity, ...]
    heterogeneity: tuple[Heterogeneity, ...]
    compliance: tuple[Compliance, ...]
    bounds: tuple[Bounds, ...]
    durations: tuple[Durations, ...]
    states: tuple[States, ...]
    moves: tuple[Moves, ...]
    arms: tuple[ArmFamily, ...]
    left_out: tuple[str, ...]

    def frames(self) -> dict[str, pd.DataFrame]:
        """What `analyse` writes of them, by file name; a method that is left out leaves its columns."""
        families = adjust_families(self.heterogeneity) if self.heterogeneity else None
        return {
            "integrity.csv": self.integrity.to_frame(),
            "bands.csv": stacked(self.bands, TIDY_COLUMNS),
            "pretrend.csv": stacked(self.pretrends, PRETREND_COLUMNS),
            "placebo.csv": stacked(self.placebos, PLACEBO_COLUMNS),
            "adjusted.csv": self._adjusted(),
            "subgroups.csv": pd.DataFrame(columns=HETEROGENEITY_COLUMNS) if families is None else families,
            "compliance.csv": stacked(self.compliance, COMPLIANCE_COLUMNS),
            "bounds.csv": stacked(self.bounds, BOUNDS_COLUMNS),
            "durations.csv": stacked(self.durations, DURATIONS_COLUMNS),
            "states.csv": stacked(self.states, TIDY_COLUMNS),
            "moves.csv": stacked(self.moves, MOVES_COLUMNS),
            "arms.csv": stacked(self.arms, ARMS_COLUMNS),
        }

    def bands_of(self, comparison: Comparison) -> Bands | None:
        """The bands of everyone, of the same outcome and contrast."""
        everyone = (each for each in self.bands if each.daily.effects.comparison.subgroup == "all")
        return next((each for each in everyone if _alike(each.daily.effects.comparison, comparison)), None)

    def pretrend_of(self, comparison: Comparison) -> PreTrend | None:
        """The pre-trial tests of the same outcome and contrast."""
        return next((each for each in self.pretrends if _alike(each.comparison, comparison)), None)

    def _adjusted(self) -> pd.DataFrame:
        """Whole adjusted curves of everyone, the protocol's horizons of subgroups, then the intake rows."""
        frames = []
        for each in self.adjusted:
            frame, analysis = each.to_frame(), each.cumulative.protocol.analysis
            at_horizon = frame["horizon_days"].isin(analysis.horizon_days)
            frames.append(frame if each.cumulative.comparison.subgroup == "all" else frame[at_horizon])
        frames += [frame[frame["method"] != "difference"] for frame in (each.to_frame() for each in self.intake)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=TIDY_COLUMNS)

    def __repr__(self) -> str:
        return f"Inference({self.integrity!r}; {len(self.left_out)} methods left out)"


def _alike(one: Comparison, other: Comparison) -> bool:
    return (one.outcome, one.contrast.name) == (other.outcome, other.contrast.name)


class Framed(Protocol):
    """A result with rows."""

    def to_frame(self) -> pd.DataFrame:
        """The rows."""


def stacked(results: Sequence[Framed], columns: list[str]) -> pd.DataFrame:
    """The rows of several results; their columns alone where there are none."""
    frames = [each.to_frame() for each in results]
    return pd.concat(frames, ignore_index=True)[columns] if frames else pd.DataFrame(columns=columns)


@of_its_kind
def infer_trial(stages: TrialStages | TrialCounts, outcomes: Sequence[str]) -> Inference:
    """Every method that the trial allows, for some outcomes and all contrasts.

    A method that the trial does not allow (no markers, no pre-period, another design) is left out
    with its reason; it does not stop the others. From counts alone, only what moments and the flow hold.
    """
    if isinstance(stages, TrialCounts):
        return _infer_counts(stages, outcomes)
    runs = MethodRuns(stages, outcomes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        return Inference(
            integrity=runs.integrity(),
            bands=runs.bands(),
            pretrends=runs.pretrends(),
            placebos=runs.placebos(),
            adjusted=runs.adjusted(),
            intake=runs.intake(),
            heterogeneity=runs.each("subgroup differences", partial(estimate_heterogeneity, stages.panel)),
            compliance=runs.compliance(),
            bounds=runs.each("bounds", partial(estimate_bounds, stages.panel, stages.sample.flow)),
            durations=runs.durations(),
            states=runs.states(),
            moves=runs.moves(),
            arms=runs.arms(),
            left_out=tuple(runs.left_out),
        )


def _infer_counts(counts: TrialCounts, outcomes: Sequence[str]) -> Inference:
    """The methods that need no claimant."""
    runs = MomentRuns(counts.moments, outcomes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TrialWarning)
        bands, pretrends = runs.bands(), runs.pretrends()
    needing = (
        *("digit placebo or randomisation test", "adjustment", "common intake"),
        *("subgroup differences", "compliance", "bounds", "durations", "states", "moves", "several arms"),
    )
    says = "needs claimants, and an engine brings back counts alone"
    return Inference(
        integrity=integrity_of(counts.protocol, counts.flow, counts.joining),
        bands=bands,
        pretrends=pretrends,
        placebos=(),
        adjusted=(),
        intake=(),
        heterogeneity=(),
        compliance=(),
        bounds=(),
        durations=(),
        states=(),
        moves=(),
        arms=(),
        left_out=(*runs.left_out, *(f"{method}: {says}" for method in needing)),
    )


class MomentRuns:
    """Runs methods over outcomes and contrasts, and keeps the reasons for what could not be done: from moments."""

    def __init__(self, moments: Moments, outcomes: Sequence[str]) -> None:
        self.moments, self.protocol, self.outcomes = moments, moments.protocol, outcomes
        self.left_out: dict[str, None] = {}

    def attempt(self, method: str, run: Callable[[], Found]) -> Iterator[Found]:
        """The result, or nothing and a reason."""
        try:
            yield run()
        except DesignError as error:
            self.left_out[f"{method}: {str(error).splitlines()[0]}"] = None

    def each(self, method: str, run: Callable[..., Found], **options: Any) -> tuple[Found, ...]:
        """`run(outcome, contrast, **options)` for every outcome and contrast."""
        pairs = itertools.product(self.outcomes, self.protocol.contrasts)
        return tuple(found for pair in pairs for found in self.attempt(method, partial(run, *pair, **options)))

    def pretrends(self) -> tuple[PreTrend, ...]:
        """Tests of the days before day 0."""
        return self.each("pre-trial test", partial(estimate_pretrend, self.moments))

    def bands(self) -> tuple[Bands, ...]:
        """Bands of everyone and of each subgroup."""
        run = partial(estimate_bands, self.moments)
        groups = self.protocol.subgroup_names
        return tuple(found for group in groups for found in self.each("bands", run, subgroup=group))


class MethodRuns(MomentRuns):
    """The same, of claimants too."""

    def __init__(self, stages: TrialStages, outcomes: Sequence[str]) -> None:
        super().__init__(stages.moments, outcomes)
        self.stages = stages

    def integrity(self) -> Integrity:
        """Every check of how the trial was run."""
        return estimate_integrity(self.stages.sample, self.stages.panel)

    def intake(self) -> tuple[IntakeSensitivity, ...]:
        """Estimates in the common intake, and stratified by intake."""
        return self.each("common intake", partial(estimate_intake_sensitivity, self.stages.panel))

    def placebos(self) -> tuple[Placebo | Randomisation, ...]:
        """Digit splits to each horizon, or other assignments to the longest; and before day 0."""
        analysis = self.protocol.analysis
        run: Callable[..., Placebo | Randomisation]
        if self.protocol.allocation.rule == "digit":
            method, run, horizons = "digit placebo", estimate_placebo, analysis.horizon_days
        else:
            method, run, horizons = "randomisation test", estimate_randomisation, (analysis.max_horizon,)
        targets: list[dict[str, Any]] = [{"horizon_days": days} for days in horizons]
        targets += [{"pre_period": True}] if analysis.pre_days else []
        results: list[Placebo | Randomisation] = []
        size = len(self.stages.panel) * self.protocol.analysis.max_horizon
        draws = {} if method == "digit placebo" else {"draws": int(np.clip(DRAWN_CELLS // max(size, 1), 199, DRAWS))}
        for target in targets:
            results += self.each(method, partial(run, self.stages.panel), **target, **draws)
        return tuple(results)

    def adjusted(self) -> tuple[Adjusted, ...]:
        """Adjusted effects on everyone and in each subgroup."""
        panel, sample, spells = self.stages.panel, self.stages.sample, self.stages.spells
        results: list[Adjusted] = []
        for outcome in self.outcomes:
            for covariates in self.attempt("adjustment", partial(build_covariates, panel, outcome, sample, spells)):
                run = partial(estimate_adjusted, panel, covariates, outcome, moments=self.moments)
                for pair in itertools.product(self.protocol.contrasts, self.protocol.subgroup_names):
                    results += self.attempt("adjustment", partial(run, *pair))
        return tuple(results)

    def compliance(self) -> tuple[Compliance, ...]:
        """At each horizon of the protocol."""
        run, horizons = partial(estimate_compliance, self.stages.panel), self.protocol.analysis.horizon_days
        return tuple(found for days in horizons for found in self.each("compliance", run, horizon_days=days))

    def durations(self) -> tuple[Durations, ...]:
        """Each event of each outcome."""
        run = partial(estimate_durations, self.stages.panel)
        return tuple(found for event in EVENTS for found in self.each(f"durations ({event})", run, event=event))

    def states(self) -> tuple[States, ...]:
        """States by contrast."""
        return tuple(self._by_contrast("states", estimate_states))

    def moves(self) -> tuple[Moves, ...]:
        """Moves between states by contrast."""
        return tuple(self._by_contrast("moves", estimate_moves)) if self.protocol.states else ()

    def arms(self) -> tuple[ArmFamily, ...]:
        """All contrasts judged together, at each horizon; nothing to judge where there is one."""
        if len(self.protocol.contrasts) < 2:
            return ()
        run = partial(estimate_arms, self.stages.panel)
        pairs = itertools.product(self.outcomes, self.protocol.analysis.horizon_days)
        return tuple(
            found
            for outcome, days in pairs
            for found in self.attempt("several arms", partial(run, outcome, horizon_days=days))
        )

    def _by_contrast(self, method: str, estimate: Callable[[Panel, Contrast], Found]) -> Iterator[Found]:
        for contrast in self.protocol.contrasts:
            yield from self.attempt(method, partial(estimate, self.stages.panel, contrast))
