"""Moves from one state to another: how many a person makes, by arm, with intervals (M14)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import two_sided_p, wald_limits
from trialimpact.estimators.contrast import chosen, labels
from trialimpact.estimators.ledger import Ledger, headline_ledger, joined, sides_of
from trialimpact.estimators.states import declared_states
from trialimpact.estimators.target import day_weights
from trialimpact.intervals import Booleans, Integers, Intervals
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import Contrast, TrialProtocol

MOVES_COLUMNS = [
    "from_state", "to_state", "contrast", "treatment_arm", "control_arm", "horizon_days", "n_treatment", "n_control",
    "mean_treatment", "mean_control", "estimate", "std_error", "conf_low", "conf_high", "conf_level", "p_value",
    "movers_treatment", "movers_control",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Moves:
    """Moves a person makes between each two states after day 0, by side, and their differences.

    Attributes
    ----------
    pairs : tuple of (from, to)
    cumulative : mapping of horizon to Ledger
        Moves on the days 1 to H-1, one estimate a pair.
    movers : mapping of horizon to array, shape (2, pairs)
        People who make such a move, of treatment and of control.
    """

    protocol: TrialProtocol
    contrast: Contrast
    pairs: tuple[tuple[str, str], ...]
    cumulative: dict[int, Ledger]
    movers: dict[int, Integers]

    def to_frame(self) -> pd.DataFrame:
        """The columns `MOVES_COLUMNS`, a row a pair and horizon."""
        frames = [self._at(horizon) for horizon in self.cumulative] or [pd.DataFrame(columns=MOVES_COLUMNS)]
        return pd.concat(frames, ignore_index=True)[MOVES_COLUMNS]

    def _at(self, horizon: int) -> pd.DataFrame:
        entry = self.cumulative[horizon]
        low, high = wald_limits(self.protocol, entry.estimate, entry.std_error)
        names = ("n_treatment", "n_control", "mean_treatment", "mean_control", "estimate", "std_error")
        return pd.DataFrame(
            {
                "from_state": [before for before, _ in self.pairs],
                "to_state": [after for _, after in self.pairs],
                **{key: value for key, value in labels("", self.contrast).items() if key in MOVES_COLUMNS},
                "horizon_days": horizon,
                **{name: getattr(entry, name) for name in names},
                "conf_low": low,
                "conf_high": high,
                "conf_level": self.protocol.analysis.conf_level,
                "p_value": two_sided_p(entry.estimate, entry.std_error),
                "movers_treatment": self.movers[horizon][0],
                "movers_control": self.movers[horizon][1],
            }
        )

    def __repr__(self) -> str:
        if not self.cumulative:
            return f"Moves({self.contrast.name}; no horizon has a day after day 0)"
        longest = max(self.cumulative)
        per_person = float(np.nansum(self.cumulative[longest].mean_treatment))
        return f"Moves({self.contrast.name}; {len(self.pairs)} pairs; {per_person:.2f} moves over {longest} days)"

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_moves(panel: Panel, contrast: str | Contrast | None = None) -> Moves:
    """How many times a person moves from each state to each other after day 0, by side.

    A move is on the first day in the new state; a day counts among those who are followed on it, so later
    joiners count for fewer days, as with days in a state.

    Parameters
    ----------
    panel : Panel
        Built with `merge_states(records)`.
    contrast
        As `estimate_cumulative`.

    Returns
    -------
    Moves
        Mean moves a person, treatment minus control, with standard errors from claimants.

    Raises
    ------
    DesignError
        The panel has no states.

    Notes
    -----
    A move is an outcome that holds on one day: M3 on it. Source: methods page, M14. Cost: O(spells) a pair.

    Examples
    --------
    >>> from trialimpact import build_panel, build_sample, load_records, merge_spells
    >>> from trialimpact.spells import merge_states
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> records = load_records(trial.protocol, trial.tables)
    >>> estimate_moves(build_panel(build_sample(records), merge_spells(records), merge_states(records)))
    Moves(iap; 12 pairs; ... moves over 273 days)
    """
    protocol = panel.protocol
    if not panel.states:
        remedy = "declare [states], and build_panel(..., merge_states(records))"
        raise DesignError(worded("the panel has no states.", remedy=remedy))
    _, contrast = chosen(protocol, protocol.outcomes[0].name, contrast)
    moves = moves_of(panel)
    sides = sides_of(panel, contrast)
    horizons = [horizon for horizon in protocol.analysis.horizon_days if horizon > 1]
    return Moves(
        protocol=protocol,
        contrast=contrast,
        pairs=tuple(moves),
        cumulative={
            horizon: joined(
                [headline_ledger(panel, each, contrast, day_weights(protocol, 1, horizon)) for each in moves.values()]
            )
            for horizon in horizons
        },
        movers={
            horizon: np.array([[_movers(each, side, horizon) for each in moves.values()] for side in sides])
            for horizon in horizons
        },
    )


def _movers(moves: OutcomePanel, side: Booleans, horizon: int) -> int:
    """People of a side who make a move on the days 1 to horizon - 1."""
    spells = moves.spells
    within = side[spells.owner] & (spells.start >= 1) & (spells.start < horizon)
    return int(np.unique(spells.owner[within]).size)


def moves_of(panel: Panel) -> dict[tuple[str, str], OutcomePanel]:
    """Each pair of states as an outcome that holds on the days on which somebody moves from one to the other."""
    names = declared_states(panel.protocol).names
    first, end = panel.window
    width = end - first + 1
    found = {}
    for before, after in itertools.permutations(names, 2):
        left, entered = panel.states[before].spells, panel.states[after].spells
        on_same_day = np.isin(entered.owner * width + entered.start - first, left.owner * width + left.end - first)
        owner, day = entered.owner[on_same_day], entered.start[on_same_day]
        followed = panel.states[after]
        found[before, after] = OutcomePanel(
            spells=Intervals(owner, day, day + 1),
            followed_from=followed.followed_from,
            followed_to=followed.followed_to,
        )
    return found
