"""`Curve`: what a picture of effects draws, from results in full or from released rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.estimators import Band, Effects, PreTrend
from trialimpact.estimators.contrast import Floats
from trialimpact.intervals import Integers
from trialimpact.protocol import Contrast, TrialProtocol

Limits = tuple[Integers, Floats, Floats]
"""Days or horizons, and the lower and upper limit at each."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Curve:
    """One outcome of one contrast and group, by day (shares) or by horizon (days).

    Attributes
    ----------
    days : array, shape (n,)
        Days or horizons in days; in released rows, those that are published.
    mean_treatment, mean_control, estimate, low, high : array, shape (n,)
    bands : tuple of Limits
        Simultaneous bands: after day 0, and before it.
    interval : str
        As in the tidy rows.
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    subgroup: str
    days: Integers
    mean_treatment: Floats
    mean_control: Floats
    estimate: Floats
    low: Floats
    high: Floats
    interval: str
    bands: tuple[Limits, ...] = ()

    @classmethod
    def of_effects(cls, effects: Effects, *bands: Band | PreTrend | None) -> Curve:
        """Effects, with bands where there are any."""
        which = effects.comparison
        drawn = [band.band if isinstance(band, PreTrend) else band for band in bands if band is not None]
        return cls(
            protocol=effects.protocol,
            outcome=which.outcome,
            contrast=which.contrast,
            subgroup=which.subgroup,
            days=effects.at,
            mean_treatment=effects.mean_treatment,
            mean_control=effects.mean_control,
            estimate=effects.estimate,
            low=effects.conf_low,
            high=effects.conf_high,
            interval=effects.interval,
            bands=tuple((band.effects.at, band.low, band.high) for band in drawn),
        )

    @classmethod
    def of_rows(cls, rows: pd.DataFrame, protocol: TrialProtocol, band: pd.DataFrame | None = None) -> Curve:
        """Tidy rows of one outcome, contrast and group, all daily or all cumulative, and those of its band."""
        first = rows.iloc[0]
        name = "day" if first["day"] == first["day"] else "horizon_days"

        def column(frame: pd.DataFrame, which: str) -> Floats:
            return frame[which].to_numpy(dtype=float)

        bands: tuple[Limits, ...] = ()
        if band is not None and len(band):
            at = band[name].to_numpy(dtype=np.int64)
            bands = ((at, column(band, "conf_low"), column(band, "conf_high")),)
        return cls(
            protocol=protocol,
            outcome=first["outcome"],
            contrast=protocol.contrast(first["contrast"]),
            subgroup=first["subgroup"],
            days=rows[name].to_numpy(dtype=np.int64),
            mean_treatment=column(rows, "mean_treatment"),
            mean_control=column(rows, "mean_control"),
            estimate=column(rows, "estimate"),
            low=column(rows, "conf_low"),
            high=column(rows, "conf_high"),
            interval=first["interval"],
            bands=bands,
        )

    @property
    def words(self) -> dict[str, str]:
        """Outcome, both sides, and what is subtracted from what, in words."""
        who = "" if self.subgroup == "all" else f", {self.protocol.subgroup_words(self.subgroup)}"
        treatment, control = self.contrast.treatment_words, self.contrast.control_words
        return {
            "outcome": self.protocol.outcome(self.outcome).words,
            "treatment": treatment,
            "control": control,
            "who": who,
            "arms": f"{treatment} minus {control}{who}",
        }

    def place(self, at: int) -> int | None:
        """Where a day or horizon stands, if it is known there."""
        found = np.flatnonzero((self.days == at) & ~np.isnan(self.estimate))
        return int(found[0]) if found.size else None
