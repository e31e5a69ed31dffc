"""`simulate_iap`: records like those of the 2015 Intensive Activity Programme trial, of people who do not exist."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, worded
from trialimpact.protocol import shipped_protocol
from trialimpact.synthetic.careers import BENEFIT, WORK, Chances, Floats, draw_careers, expected_shares
from trialimpact.synthetic.people import (
    DEPENDENT,
    deal,
    draw_arrivals,
    draw_characteristics,
    draw_counts,
    repeat_score,
    shares_of_population,
)
from trialimpact.synthetic.registers import draw_pasts, fill_registers
from trialimpact.synthetic.trial import SyntheticTrial, Truth

CAREER_DAYS = 352
"""Careers run from day 0 to the last extract, for the first to join."""

FEWEST = 20

PUT_ELSEWHERE = {"IAP": 0.029, "BAU": 0.005}
"""Chance of being put in the other arm, by the arm that the digit says."""

EXTRA_MARKERS = 0.26
"""Further markers a person: errors and repeats."""


def simulate_iap(n_claimants: int = 14_508, *, seed: int) -> SyntheticTrial:
    """Records in the shape of the shipped protocol "iap", with a known truth.

    People come at random, are allocated by a random last digit, and live by daily chances of
    leaving benefit, finding and losing work, and coming back, which the programme changes; the
    registers then hold all that with the usual defects. Shares and chances were set by hand near
    those of the published trial; no published number is read, and nothing is fitted to one. Over many
    seeds, estimates scatter about the truth, which is the effect of being assigned: the
    programme acts on whom the digit says, also where the office put them in the other arm.

    Parameters
    ----------
    n_claimants : int
        People with a marker, before the filters.
    seed : int
        The same seed gives the same records.

    Returns
    -------
    SyntheticTrial
        Its truth is exact for these people's chances, linked or not, under either arm.

    Examples
    --------
    >>> trial = simulate_iap(500, seed=1)
    >>> trial.truth.cumulative("on_benefit", 273) < 0 < trial.truth.cumulative("employed", 273)
    True
    """
    if n_claimants < FEWEST:
        raise DesignError(worded(f"{n_claimants} people cannot be dealt characteristics.", remedy="ask for 20 or more"))
    rng = np.random.default_rng(seed)
    people = draw_people(rng, n_claimants)
    states = draw_careers(rng, chances_of(people, in_programme(people)))
    n_extra = round(EXTRA_MARKERS * n_claimants)
    protocol = shipped_protocol("iap")
    return SyntheticTrial(
        protocol=protocol,
        shipped_as="iap",
        tables=fill_registers(rng, protocol, people, draw_pasts(rng, people), states, n_extra),
        truth=truth_for(people, protocol.analysis.max_horizon),
    )


def draw_people(rng: np.random.Generator, n_people: int) -> pd.DataFrame:
    """People as they come: arrival, digit, status, linkage, characteristics; only crossing over is by digit."""
    counts = draw_counts(rng, n_people, shares_of_population())
    flat = np.zeros(n_people)
    people = draw_arrivals(rng, n_people, shipped_protocol("iap").recruitment)
    for name in ("status", "exempt_reason", "scope_reason", "linkage"):
        people[name] = deal(rng, counts[name], flat)
    people["digit"] = rng.integers(0, 10, size=n_people)
    people["put_elsewhere"] = rng.random(n_people) < np.where(in_programme(people), *PUT_ELSEWHERE.values())
    people = pd.concat([people, draw_characteristics(rng, counts, people["index_day"].to_numpy())], axis=1)
    people["repeat"] = deal(rng, counts["repeat"], repeat_score(people)) == "yes"
    return people


def in_programme(people: pd.DataFrame) -> np.ndarray:
    """Whose digit says IAP."""
    return people["digit"].to_numpy() >= 5


def chances_of(people: pd.DataFrame, treated: np.ndarray) -> Chances:
    """Everyone's daily chances after the claim, if these were in the programme and the others not.

    Nobody leaves before the day of the marker. The programme fills the first weeks: it adds to the
    chance of leaving then; some of those who go would have gone in the weeks after, when fewer do.
    Coming back is a little rarer for good, and work a little easier to find.
    """
    repeat, disabled = people["repeat"].to_numpy(), people["disabled"].eq("yes").to_numpy()
    parent = (people["n_children"].gt(0) & people["youngest_child"].isin(DEPENDENT)).to_numpy()
    older = (people["age_in_years"] >= 45).to_numpy()
    speed = np.where(repeat, 0.33, 1.30) * np.where(disabled, 0.75, 1.05) * np.where(parent, 0.85, 1.0)
    speed = speed * np.where(older, 0.92, 1.0) * people["pace"].to_numpy()
    day = np.arange(CAREER_DAYS, dtype=float)
    usual = 0.028 * np.exp(-np.maximum(day - 20, 0) / 16) + 0.0048
    added = np.exp(-0.5 * ((day - 24) / 7) ** 2) - 0.18 * np.exp(-0.5 * ((day - 58) / 12) ** 2)
    push = np.where(treated, np.where(repeat, 0.0069, 0.0070), 0.0)
    leave = np.clip(speed[:, None] * usual + push[:, None] * added, 0.0, 0.5)
    leave[day[None, :] <= people["lag"].to_numpy()[:, None]] = 0.0
    to_work = np.where(repeat, 0.56, 0.74) - 0.16 * disabled - 0.08 * parent
    back, ease = np.where(treated, 0.85, 1.0), np.where(treated, 1.33, 1.0)
    return Chances(
        leave=leave,
        leave_to_work=to_work,
        lose_work=np.full(len(people), 0.0012),
        work_to_benefit=0.0020 * back,
        find_work=np.where(disabled, 0.0025, 0.0045) * ease,
        return_to_benefit=0.0045 * back,
    )


def truth_for(people: pd.DataFrame, horizon_days: int) -> Truth:
    """Expected shares of these people, had all been in one arm or the other."""
    shares = {arm: expected_shares(chances_of(people, np.full(len(people), arm == "treatment")))[:horizon_days]
              for arm in ("treatment", "control")}  # fmt: skip
    return Truth({arm: _outcomes(each) for arm, each in shares.items()})


def _outcomes(shares: Floats) -> dict[str, Floats]:
    return {"on_benefit": shares[:, BENEFIT], "employed": shares[:, WORK]}
