"""Covariates of the adjusted estimates: known before day 0, numbers only, nothing missing (M7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from trialimpact.errors import DesignError, worded
from trialimpact.estimators.characteristics import columns_of
from trialimpact.estimators.contrast import Floats
from trialimpact.intervals import Booleans, clip, length_by_owner
from trialimpact.panel import Panel
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Covariates:
    """A column a covariate, a row a claimant of the panel.

    Attributes
    ----------
    names : tuple of str
    values : array, shape (n, k)
    """

    names: tuple[str, ...]
    values: Floats

    def __repr__(self) -> str:
        return f"Covariates({len(self.values):,} claimants; {', '.join(self.names) or 'none'})"


def build_covariates(
    panel: Panel, outcome: str, sample: TrialSample | None = None, spells: Mapping[str, OutcomeSpells] | None = None
) -> Covariates:
    """The covariates that the protocol's `[adjustment]` names, for one outcome.

    Days with the outcome before day 0 are a share of those followed (CUPED). A categorical
    characteristic becomes a column a level, less its first; what is missing becomes the mean and
    an indicator, or is an error, as the protocol says. Columns that do not vary are left out.

    Parameters
    ----------
    panel : Panel
    outcome : str
    sample, spells : optional
        Needed where the protocol names characteristics.

    Raises
    ------
    DesignError
        Something is missing and `adjustment.missing` is "error"; or `sample` is needed.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> build_covariates(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    Covariates(... claimants; share of days before day 0)
    """
    adjustment = panel.protocol.adjustment
    blocks: list[tuple[list[str], Floats, str]] = []
    if adjustment.pre_period and panel.protocol.analysis.pre_days:
        blocks.append((["share of days before day 0"], pre_period_share(panel, outcome)[:, None], "days before day 0"))
    characteristics = {each.name: each for each in panel.protocol.characteristics}
    if adjustment.characteristics and (sample is None or spells is None):
        raise DesignError(worded("the covariates name characteristics.", remedy="pass sample and spells too"))
    for name in adjustment.characteristics:
        assert sample is not None and spells is not None  # noqa: S101
        columns = list(columns_of(characteristics[name], sample, spells))
        kept = columns[1:] if columns[0].kind == "categorical" and len(columns) > 1 else columns
        labels = [f"{name}: {each.level}" if each.level else name for each in kept]
        blocks.append((labels, np.column_stack([each.value for each in kept]), name))
    names, values = [], []
    for labels, block, what in blocks:
        missing = np.isnan(block).any(axis=1)
        if missing.any() and adjustment.missing == "error":
            remedy = 'set adjustment.missing = "indicator", or leave the covariate out'
            raise DesignError(worded(f"{what} is missing for {int(missing.sum()):,} of {len(panel):,}.", remedy=remedy))
        known = block[~missing]
        filled = np.where(missing[:, None], known.mean(axis=0) if len(known) else 0.0, block)
        names += [*labels, f"{what}: missing"]
        values.append(np.column_stack([filled, missing.astype(float)]))
    everything = np.column_stack([np.empty((len(panel), 0)), *values])
    varies: Booleans = np.less(everything.min(axis=0, initial=np.inf), everything.max(axis=0, initial=-np.inf))
    return Covariates(
        names=tuple(name for name, kept in zip(names, varies, strict=True) if kept), values=everything[:, varies]
    )


def pre_period_share(panel: Panel, outcome: str) -> Floats:
    """Share of each claimant's followed days before day 0 with the outcome; NaN where none is followed."""
    part, first = panel.outcome(outcome), panel.window[0]
    low, high = np.full(len(panel), first), np.zeros(len(panel), dtype=np.int64)
    on = length_by_owner(clip(part.spells, low, high), len(panel))
    followed = np.clip(np.minimum(part.followed_to, 0) - part.followed_from, 0, None)
    with np.errstate(invalid="ignore"):
        return np.asarray(on / np.where(followed > 0, followed, np.nan))
