"""Covariates of the adjusted estimates: known before day 0, numbers only, nothing missing (M7)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from trialimpact.characteristics import columns_of
from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.contrast import Floats
from trialimpact.intervals import clip, length_by_owner
from trialimpact.loaders.records import require_one_load
from trialimpact.panel import Panel
from trialimpact.sample import TrialSample
from trialimpact.spells import OutcomeSpells


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Covariates:
    """A column a covariate, a row a claimant of the panel.

    Attributes
    ----------
    names : tuple of str
    matrix : array, shape (n, k)
    """

    names: tuple[str, ...]
    matrix: Floats
    load: str = ""
    """The load whose claimants the rows are; not known of covariates that were made by hand."""

    def of(self, panel: Panel) -> Floats:
        """The matrix, if its rows are the claimants of a panel."""
        if len(self.matrix) != len(panel) or self.load not in ("", panel.load):
            says = f"the covariates are of {len(self.matrix):,} claimants of another panel"
            raise DesignError(worded(f"{says}.", remedy="give build_covariates(panel, ...) of this panel"))
        return self.matrix

    def __repr__(self) -> str:
        return f"Covariates({len(self.matrix):,} claimants; {', '.join(self.names) or 'none'})"


@of_its_kind
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
        Something is missing and `adjustment.missing` is "error"; `sample` is needed, or of another load than `panel`.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> build_covariates(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    Covariates(... claimants; share of days before day 0)
    """
    adjustment = panel.protocol.adjustment
    names: list[str] = []
    values: list[Floats] = []
    for labels, block, what in _blocks(panel, outcome, sample, spells):
        missing = ~np.asarray(np.isfinite(block).all(axis=1), dtype=bool)
        if missing.any() and adjustment.missing == "error":
            remedy = 'set adjustment.missing = "indicator", or leave the covariate out'
            raise DesignError(worded(f"{what} is missing for {int(missing.sum()):,} of {len(panel):,}.", remedy=remedy))
        known = block[~missing]
        filled = np.where(missing[:, None], known.mean(axis=0) if len(known) else 0.0, block)
        names += [*labels, f"{what}: missing"]
        values.append(np.column_stack([filled, missing.astype(float)]))
    every = [column for block in values for column in block.T]
    varying = [place for place, column in enumerate(every) if column.min(initial=np.inf) < column.max(initial=-np.inf)]
    return Covariates(
        names=tuple(names[place] for place in varying),
        matrix=np.column_stack([np.empty((len(panel), 0)), *(every[place] for place in varying)]),
        load=panel.load,
    )


def _blocks(
    panel: Panel, outcome: str, sample: TrialSample | None, spells: Mapping[str, OutcomeSpells] | None
) -> Iterator[tuple[list[str], Floats, str]]:
    """Names of columns, the columns (NaN where missing), and what they are together."""
    adjustment = panel.protocol.adjustment
    if adjustment.pre_period and panel.protocol.analysis.pre_days:
        yield ["share of days before day 0"], pre_period_share(panel, outcome)[:, None], "days before day 0"
    wanted = [
        each for name in adjustment.characteristics for each in panel.protocol.characteristics if each.name == name
    ]
    for characteristic in wanted:
        if sample is None or spells is None:
            raise DesignError(worded("the covariates name characteristics.", remedy="pass sample and spells too"))
        require_one_load(panel.load, sample.load, *(each.load for each in spells.values()))
        columns = list(columns_of(characteristic, sample, spells))
        if not columns:
            continue  # nobody's value is known
        kept = columns[1:] if columns[0].kind == "categorical" and len(columns) > 1 else columns
        labels = [f"{characteristic.name}: {each.level}" if each.level else characteristic.name for each in kept]
        yield labels, np.column_stack([each.value for each in kept]), characteristic.name


def pre_period_share(panel: Panel, outcome: str) -> Floats:
    """Share of each claimant's followed days before day 0 with the outcome; NaN where none is followed."""
    part, first = panel.outcome(outcome), panel.window[0]
    low, high = np.full(len(panel), first), np.zeros(len(panel), dtype=np.int64)
    on = length_by_owner(clip(part.spells, low, high), len(panel))
    followed = np.clip(np.minimum(part.followed_to, 0) - part.followed_from, 0, None)
    with np.errstate(invalid="ignore"):
        return np.asarray(on / followed)
