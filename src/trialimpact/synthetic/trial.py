"""`simulate_trial`: records of an invented trial of any size, with the truth beside them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.loaders import TrialRecords, load_records
from trialimpact.moments import Moments, count_moments
from trialimpact.panel import Panel, build_panel
from trialimpact.protocol import TrialProtocol, shipped_protocol
from trialimpact.sample import build_sample
from trialimpact.spells import merge_spells
from trialimpact.synthetic.histories import History, draw_people, live_through
from trialimpact.synthetic.tables import (
    benefit_table,
    claimants_table,
    employment_table,
    fake_ninos,
    markers_table,
    write_tables,
)

FIRST_SPELL_FACTOR = 0.8
"""Treatment makes every first claim this much of what it would have been."""


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """True daily shares under each arm, for the simulated people, if all were followed throughout.

    Attributes
    ----------
    shares : mapping of arm to mapping of outcome to array, shape (horizon,)
        Share of all people with the outcome on each day, had all been in that arm. With two arms these are called
        "treatment" and "control".
    """

    shares: dict[str, dict[str, NDArray[np.float64]]]

    def cumulative(
        self, outcome: str, horizon_days: int, treatment: str = "treatment", control: str = "control"
    ) -> float:
        """True difference in days over the first `horizon_days` days."""
        apart = self.shares[treatment][outcome] - self.shares[control][outcome]
        return float(apart[:horizon_days].sum())

    def to_frame(self) -> pd.DataFrame:
        """Columns outcome, day, and one an arm."""
        outcomes = list(next(iter(self.shares.values())))
        frames = [
            pd.DataFrame({"outcome": name, **{arm: shares[name] for arm, shares in self.shares.items()}})
            for name in outcomes
        ]
        found = pd.concat(frames, ignore_index=True)
        found.insert(1, "day", found.groupby("outcome", sort=False).cumcount())
        return found


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class SyntheticTrial:
    """Records, their protocol, and the truth. These people do not exist."""

    protocol: TrialProtocol
    shipped_as: str
    tables: dict[str, pd.DataFrame]
    truth: Truth

    def records(self) -> TrialRecords:
        """The records, loaded."""
        return load_records(self.protocol, self.tables)

    def panel(self) -> Panel:
        """The panel of the records."""
        records = self.records()
        return build_panel(build_sample(records), merge_spells(records))

    def moments(self) -> Moments:
        """The moments of the panel."""
        return count_moments(self.panel())

    def write(self, folder: str | Path) -> dict[str, Any]:
        """Write the protocol, the tables as CSV, and the truth into a folder, made where there is none.

        Returns what a manifest should say of them.
        """
        from importlib import resources

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        text = (resources.files("trialimpact") / "protocols" / f"{self.shipped_as}.toml").read_text(encoding="utf-8")
        (folder / "protocol.toml").write_text(text, encoding="utf-8")
        write_tables(self.protocol, self.tables, folder)
        self.truth.to_frame().to_csv(folder / "truth.csv", index=False, float_format="%.6f")
        return {"people": "invented: nobody in these files exists"}

    def __repr__(self) -> str:
        rows = ", ".join(f"{len(table):,} {name}" for name, table in self.tables.items())
        return f"SyntheticTrial({rows})"


def simulate_trial(
    n_claimants: int = 2_000, *, seed: int, first_spell_factor: float = FIRST_SPELL_FACTOR
) -> SyntheticTrial:
    """Records of the shipped example trial for people who do not exist.

    People join evenly over the recruitment window, so later joiners are followed for fewer days.
    Treatment multiplies the length of each first claim by `first_spell_factor` (1: no effect);
    what follows shifts with it. NINOs have the never-issued prefix QQ.

    Parameters
    ----------
    n_claimants : int
        People with a marker, before the filters; at most 900,000.
    seed : int
        The same seed gives the same records.
    first_spell_factor : float

    Returns
    -------
    SyntheticTrial

    Examples
    --------
    >>> simulate_trial(n_claimants=200, seed=1).truth.cumulative("on_benefit", 273) < 0
    True
    """
    protocol = shipped_protocol("example")
    rng = np.random.default_rng(seed)
    digit = rng.integers(0, 10, size=n_claimants)
    ninos = fake_ninos(rng, digit)
    window = protocol.recruitment
    assert window.first_date is not None and window.last_date is not None  # noqa: S101
    first = int((np.datetime64(window.first_date) - np.datetime64("1970-01-01")).astype(int))
    n_days = (window.last_date - window.first_date).days + 1
    index_day = first + rng.integers(0, n_days - 15, size=n_claimants)
    draws = draw_people(rng, n_claimants)
    lives = {"control": live_through(draws, 1.0), "treatment": live_through(draws, first_spell_factor)}
    claim_ends = np.minimum(lives["control"].benefit_end[:, 0], lives["treatment"].benefit_end[:, 0])
    lived = _as_assigned(lives, digit >= 5)
    horizon = protocol.analysis.max_horizon
    shares = {
        arm: dict(zip(("on_benefit", "employed"), lives[arm].daily_shares(horizon), strict=True))
        for arm in ("treatment", "control")
    }
    return SyntheticTrial(
        protocol=protocol,
        shipped_as="example",
        tables={
            "claimants": claimants_table(rng, ninos, index_day),
            "markers": markers_table(rng, protocol, ninos, index_day, claim_ends - 1),
            "benefit": benefit_table(rng, protocol, ninos, index_day, lived, draws),
            "employment": employment_table(rng, protocol, ninos, index_day, lived),
        },
        truth=Truth(shares),
    )


def _as_assigned(lives: dict[str, History], treated: NDArray[np.bool_]) -> History:
    """Each person's history under the arm of their digit."""
    pick = treated[:, None]
    one, other = lives["treatment"], lives["control"]
    return History(
        benefit_start=np.where(pick, one.benefit_start, other.benefit_start),
        benefit_end=np.where(pick, one.benefit_end, other.benefit_end),
        job_start=np.where(pick, one.job_start, other.job_start),
        job_end=np.where(pick, one.job_end, other.job_end),
    )
