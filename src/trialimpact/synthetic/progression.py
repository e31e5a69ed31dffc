"""`simulate_progression`: records of a trial of three arms like that of in-work progression; nobody in them exists."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trialimpact.protocol import TrialProtocol, shipped_protocol
from trialimpact.synthetic.careers import Floats
from trialimpact.synthetic.chains import Chances, draw_lives, expected_shares, with_staying
from trialimpact.synthetic.extracts import as_extracted, spells_of
from trialimpact.synthetic.histories import Integers
from trialimpact.synthetic.tables import dates_of, day_of_date, fake_ninos
from trialimpact.synthetic.trial import SyntheticTrial, Truth

WORK_ON_CREDIT, CREDIT_ALONE, WORK_ALONE, NEITHER = range(4)
"""The states of a life."""

PUSH = {"minimal": 1.0, "moderate": 1.15, "frequent": 1.35}
"""What an arm multiplies the chances of going up a stair by."""

SPEED = (1.0, 0.75)
"""How fast people without and with children move."""


def simulate_progression(n_claimants: int = 3_000, *, seed: int) -> SyntheticTrial:
    """Records in the shape of the shipped protocol "progression", with a known truth for each of three arms.

    People on Universal Credit in work, allocated by NINO; a few were no longer in work, or no longer on it. Lives are
    daily moves between work and Universal Credit, either alone, and neither; more support makes the moves up more
    likely. No published number is read.

    Parameters
    ----------
    n_claimants : int
        People listed, eligible or not; at most 900,000.
    seed : int
        The same seed gives the same records.

    Returns
    -------
    SyntheticTrial
        Its truth is exact for the chances of those eligible, arm by arm.

    Examples
    --------
    >>> truth = simulate_progression(300, seed=1).truth
    >>> truth.cumulative("employed", 365, "frequent", "moderate") > 0
    True
    """
    rng, protocol = np.random.default_rng(seed), shipped_protocol("progression")
    people = _listed(rng, protocol, n_claimants)
    chances = {arm: _chances(PUSH[arm]) for arm in protocol.arms}
    kind = people["children"].eq("yes").to_numpy().astype(np.int64)
    first = people["state"].to_numpy()
    n_days = day_of_date(protocol.sources.spells["employment"].extract_date) - int(people["index_day"].min())
    together = np.concatenate([chances[arm] for arm in protocol.arms])
    lives = draw_lives(rng, together, len(SPEED) * people["arm"].to_numpy() + kind, first, n_days)
    eligible = first == WORK_ON_CREDIT
    columns = ["claimant_id", "birth_date", "gender", "children"]
    claimants = people[columns].assign(index_date=dates_of(people["index_day"].to_numpy()))
    on_credit = _with_past(spells_of(lives, WORK_ON_CREDIT, CREDIT_ALONE), people["past_credit"].to_numpy())
    in_work = _with_past(spells_of(lives, WORK_ON_CREDIT, WORK_ALONE), people["past_work"].to_numpy())
    return SyntheticTrial(
        protocol=protocol,
        shipped_as="progression",
        tables={
            "claimants": claimants.sort_values("claimant_id", ignore_index=True),
            "universal_credit": as_extracted(protocol, "universal_credit", on_credit, people),
            "employment": as_extracted(protocol, "employment", in_work, people),
        },
        truth=_truth(chances, kind[eligible], first[eligible], protocol.analysis.max_horizon),
    )


def _listed(rng: np.random.Generator, protocol: TrialProtocol, n: int) -> pd.DataFrame:
    """People as listed, with how long they had been in work and on Universal Credit."""
    window, arms = protocol.recruitment, list(protocol.arms)
    assert window.first_date is not None and window.last_date is not None  # noqa: S101
    first_day, last_day = day_of_date(window.first_date), day_of_date(window.last_date)
    index_day = rng.integers(first_day, last_day + 1, size=n)
    digit = rng.integers(0, 10, size=n)
    arm_of_digit = np.array([next(i for i, arm in enumerate(arms) if d in protocol.allocation.digits[arm])
                             for d in range(10)])  # fmt: skip
    return pd.DataFrame(
        {
            "claimant_id": fake_ninos(rng, digit),
            "arm": arm_of_digit[digit],
            "index_day": index_day,
            "birth_date": dates_of(index_day - rng.integers(18 * 366, 62 * 366, size=n)),
            "gender": rng.choice(np.array(["Female", "Male"], dtype=object), size=n, p=[0.53, 0.47]),
            "children": np.where(rng.random(n) < 0.35, "yes", "no"),
            "state": rng.choice([WORK_ON_CREDIT, CREDIT_ALONE, WORK_ALONE], size=n, p=[0.95, 0.03, 0.02]),
            "past_work": 1 + rng.exponential(200, size=n).astype(np.int64),
            "past_credit": 1 + rng.exponential(150, size=n).astype(np.int64),
        }
    )


def _chances(push: float) -> Chances:
    """Daily chances by kind, people without children first."""
    speed = np.array(SPEED)
    moves = np.zeros((len(SPEED), 4, 4))
    for before, after, chance, way in (
        (WORK_ON_CREDIT, WORK_ALONE, 0.0022, 1), (WORK_ON_CREDIT, CREDIT_ALONE, 0.0025, -1),
        (WORK_ON_CREDIT, NEITHER, 0.0003, 0), (CREDIT_ALONE, WORK_ON_CREDIT, 0.0060, 1),
        (CREDIT_ALONE, WORK_ALONE, 0.0010, 1), (CREDIT_ALONE, NEITHER, 0.0010, 0),
        (WORK_ALONE, WORK_ON_CREDIT, 0.0014, -1), (WORK_ALONE, CREDIT_ALONE, 0.0005, -1),
        (WORK_ALONE, NEITHER, 0.0007, 0), (NEITHER, CREDIT_ALONE, 0.0015, 0), (NEITHER, WORK_ALONE, 0.0020, 1),
    ):  # fmt: skip
        moves[:, before, after] = chance * speed * push**way
    return with_staying(moves)


def _with_past(spells: pd.DataFrame, past_days: Integers) -> pd.DataFrame:
    """What runs on day 0 began so many days before."""
    running = (spells["start"] == 0).to_numpy()
    start = spells["start"].to_numpy() - np.where(running, past_days[spells["person"]], 0)
    return spells.assign(start=start)


def _truth(chances: dict[str, Chances], kind: Integers, first: Integers, days: int) -> Truth:
    """Expected shares of outcomes and states, had all been in one arm."""
    return Truth({arm: _shares(expected_shares(each, kind, first, days)) for arm, each in chances.items()})


def _shares(shares: Floats) -> dict[str, Floats]:
    return {
        "employed": shares[:, WORK_ON_CREDIT] + shares[:, WORK_ALONE],
        "on_universal_credit": shares[:, WORK_ON_CREDIT] + shares[:, CREDIT_ALONE],
        "work_alone": shares[:, WORK_ALONE], "work_on_credit": shares[:, WORK_ON_CREDIT],
        "credit_alone": shares[:, CREDIT_ALONE], "rest": shares[:, NEITHER],
    }  # fmt: skip
