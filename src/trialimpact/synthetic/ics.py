"""`simulate_ics`, `simulate_ics_x`: records like those of New Zealand's trials, of people who do not exist."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.protocol import TrialProtocol, shipped_protocol
from trialimpact.synthetic.careers import Floats, States
from trialimpact.synthetic.chains import Chances, draw_lives, expected_shares, with_staying
from trialimpact.synthetic.extracts import as_extracted, spells_of
from trialimpact.synthetic.histories import Integers
from trialimpact.synthetic.tables import dates_of, day_of_date
from trialimpact.synthetic.trial import SyntheticTrial, Truth

WORK_READY, HEALTH, TRAINING, WORK, NONE = range(5)
"""The states of a life."""

YEAR = 365.2425
ETHNICITIES = {"maori": 0.52, "pacific": 0.17, "european": 0.41}
"""Each by itself: one person may be in several groups."""

SITE_SHARES = {"Manurewa": 0.30, "Naenae": 0.15, "Porirua": 0.20, "Invercargill": 0.15, "Rotorua": 0.20}
N_SITES_X, MONTHS_X = 22, 15
PUSH = {"early": 1.45, "entrenched": 1.25, "WR": 1.40, "HCD": 1.30}
"""What treatment multiplies the chances of going up a stair by, by kind of person."""


def simulate_ics(n_claimants: int = 1_500, *, seed: int) -> SyntheticTrial:
    """Records in the shape of the shipped protocol "ics", with a known truth.

    Clients of two cohorts, half of them treated, with others who were listed and are not eligible: too old at their
    first benefit, just off benefit, without full-time obligations, or of unknown birth. Lives are daily moves
    between work-ready and health-condition benefit, training, work and none of these; treatment makes the moves up more
    likely, for Early Entrants more than for Entrenched Beneficiaries. No published number is read.

    Parameters
    ----------
    n_claimants : int
        People listed, eligible or not.
    seed : int
        The same seed gives the same records.

    Returns
    -------
    SyntheticTrial
        Its truth is exact for the chances of those eligible.

    Examples
    --------
    >>> simulate_ics(300, seed=1).truth.cumulative("off_benefit", 1095) > 0
    True
    """
    rng, protocol = np.random.default_rng(seed), shipped_protocol("ics")
    people = _listed(rng, protocol, n_claimants)
    cohorts = ("early", "entrenched")
    kind = np.where(people["cohort"] == "entrenched", 1, 0)
    chances = {arm: _chances([1.0, 0.7], [PUSH[each] if arm == "treatment" else 1.0 for each in cohorts])
               for arm in ("treatment", "control")}  # fmt: skip
    first = np.full(n_claimants, WORK_READY)
    lives = _lived(rng, protocol, people, chances, kind, first)
    eligible = (people["cohort"] != "neither") & (people["obligations"] == "full-time") & people["on_benefit"]
    eligible &= people["birth_date"] != ""
    benefit = pd.concat([_early_benefit(people), _benefit(people, lives)], ignore_index=True)
    columns = ["birth_date", "first_benefit_date", "obligations", "gender", *ETHNICITIES]
    return SyntheticTrial(
        protocol=protocol,
        shipped_as="ics",
        tables={
            "claimants": _claimants(people, columns),
            "benefit": as_extracted(protocol, "benefit", benefit, people),
        },
        truth=_truth(protocol, chances, kind[eligible], first[eligible]),
    )


def simulate_ics_x(n_claimants: int = 3_000, *, seed: int) -> SyntheticTrial:
    """Records in the shape of the shipped protocol "ics_x", with a known truth.

    22 sites, which differ in how soon people leave and in the share of those selected who are treated; places are
    filled month by month as they fall free. So whoever leaves the sites out compares other sites with others. Clients
    have a health condition or are work-ready, and may go up or down the stairs.

    Parameters
    ----------
    n_claimants : int
        About so many people selected, eligible or not.
    seed : int
        The same seed gives the same records.

    Returns
    -------
    SyntheticTrial
        Its truth is exact for the chances of those eligible, for outcomes and states.

    Examples
    --------
    >>> simulate_ics_x(400, seed=1).truth.cumulative("on_benefit", 730) < 0
    True
    """
    rng, protocol = np.random.default_rng(seed), shipped_protocol("ics_x")
    people = _selected(rng, protocol, n_claimants)
    health = (people["stream"] == "HCD").to_numpy()
    chances = {arm: chances_of_sites(treated=arm == "treatment") for arm in ("treatment", "control")}
    kind, first = 2 * people["site"].to_numpy() + health, np.where(health, HEALTH, WORK_READY)
    lives = _lived(rng, protocol, people, chances, kind, first)
    eligible = (people["past_days"] >= YEAR).to_numpy() & people["on_benefit"].to_numpy()
    columns = ["birth_date", "stream", "gender", *ETHNICITIES]
    return SyntheticTrial(
        protocol=protocol,
        shipped_as="ics_x",
        tables={
            "claimants": _claimants(people, columns),
            "benefit": as_extracted(protocol, "benefit", _benefit(people, lives), people),
            "training": as_extracted(protocol, "training", spells_of(lives, TRAINING), people),
            "employment": as_extracted(protocol, "employment", spells_of(lives, WORK), people),
        },
        truth=_truth(protocol, chances, kind[eligible], first[eligible]),
    )


def chances_of_sites(*, treated: bool) -> Chances:
    """Daily chances in ICS-X, by site and stream: the work-ready of a site, then those with a health condition."""
    speed = np.repeat(_site_speeds(), 2) * np.tile([1.0, 0.6], N_SITES_X)
    push = np.tile([PUSH["WR"], PUSH["HCD"]], N_SITES_X)
    return _chances(speed, push if treated else np.ones_like(push))


def _chances(speed: Any, push: Any) -> Chances:
    """Daily chances by kind: `speed` of every move, and `push` of the moves up."""
    speed, push = np.asarray(speed, dtype=float), np.asarray(push, dtype=float)
    moves = np.zeros((speed.size, 5, 5))
    for before, after, chance, way in (
        (WORK_READY, WORK, 0.0012, 1), (WORK_READY, TRAINING, 0.0005, 1), (WORK_READY, NONE, 0.0007, 0),
        (WORK_READY, HEALTH, 0.0003, -1), (HEALTH, WORK_READY, 0.0009, 1), (HEALTH, NONE, 0.0003, 0),
        (TRAINING, WORK, 0.0060, 1), (TRAINING, WORK_READY, 0.0040, 0), (WORK, WORK_READY, 0.0018, -1),
        (WORK, NONE, 0.0006, 0), (NONE, WORK_READY, 0.0020, 0), (NONE, WORK, 0.0012, 1),
    ):  # fmt: skip
        moves[:, before, after] = chance * speed * push**way
    return with_staying(moves)


def _listed(rng: np.random.Generator, protocol: TrialProtocol, n: int) -> pd.DataFrame:
    """People of the two cohorts, and of neither, with what makes some of them not eligible."""
    window = protocol.recruitment
    assert window.first_date is not None and window.last_date is not None  # noqa: S101
    first_day, last_day = day_of_date(window.first_date), day_of_date(window.last_date)
    cohort = rng.choice(np.array(["early", "entrenched", "neither"], dtype=object), size=n, p=[0.56, 0.36, 0.08])
    early, neither = cohort == "early", cohort == "neither"
    index_day = rng.integers(first_day, last_day + 1, size=n)
    age = np.where(
        early, rng.uniform(18.6, 29.99, n), np.where(neither, rng.uniform(27, 45, n), rng.uniform(30.01, 39.99, n))
    )
    first_age = np.where(
        early, rng.uniform(16, 17.98, n), np.where(neither, rng.uniform(20.5, 26, n), rng.uniform(16, 19.98, n))
    )
    birth_day = index_day - np.round(age * YEAR).astype(np.int64)
    people = _described(rng, n)
    people["cohort"], people["index_day"], people["birth_day"] = cohort, index_day, birth_day
    people["first_benefit_day"] = birth_day + np.round(first_age * YEAR).astype(np.int64)
    people["birth_date"] = np.where(rng.random(n) < 0.005, "", dates_of(birth_day))
    people["first_benefit_date"] = dates_of(people["first_benefit_day"].to_numpy())
    people["obligations"] = rng.choice(
        np.array(["full-time", "part-time", "deferred"], dtype=object), size=n, p=[0.93, 0.05, 0.02]
    )
    people["on_benefit"] = rng.random(n) < 0.95
    since = (people["index_day"] - people["first_benefit_day"]).to_numpy()
    people["past_days"] = np.minimum(rng.integers(90, 1_400, size=n), since)
    people["office"] = rng.choice(np.array(list(SITE_SHARES), dtype=object), size=n, p=list(SITE_SHARES.values()))
    people["treated"] = rng.random(n) < 0.5
    return people


def _selected(rng: np.random.Generator, protocol: TrialProtocol, n: int) -> pd.DataFrame:
    """Site by site and month by month: so many places are free, and those selected beyond them are controls."""
    assert protocol.recruitment.first_date is not None  # noqa: S101
    first_day = day_of_date(protocol.recruitment.first_date)
    fill = np.r_[0.34, np.full(MONTHS_X - 1, 0.66 / (MONTHS_X - 1))]
    parts = []
    for site, share in enumerate(_treated_shares()):
        for month, part in enumerate(fill):
            selected = rng.poisson(n / N_SITES_X * part)
            places = rng.binomial(selected, share)
            parts.append(
                pd.DataFrame(
                    {
                        "site": site,
                        "index_day": first_day + 30 * month + rng.integers(0, 28, size=selected),
                        "treated": rng.permutation(np.arange(selected) < places),
                    }
                )
            )
    drawn = pd.concat(parts, ignore_index=True)
    people = pd.concat([drawn, _described(rng, len(drawn))], axis=1)
    people["office"] = [f"Site {site + 1:02d}" for site in people["site"]]
    people["stream"] = np.where(rng.random(len(people)) < 0.4, "HCD", "WR")
    people["birth_date"] = dates_of(people["index_day"].to_numpy() - rng.integers(18 * 366, 40 * 366, size=len(people)))
    people["past_days"] = np.where(
        rng.random(len(people)) < 0.06, rng.integers(60, 360, len(people)), rng.integers(366, 1_500, len(people))
    )
    people["on_benefit"] = rng.random(len(people)) < 0.97
    return people


def _treated_shares() -> Floats:
    return np.linspace(0.25, 0.70, N_SITES_X)


def _site_speeds() -> Floats:
    """Sites that treat more are also those that people leave sooner."""
    return np.linspace(0.45, 1.60, N_SITES_X)


def _described(rng: np.random.Generator, n: int) -> pd.DataFrame:
    people = pd.DataFrame({name: np.where(rng.random(n) < share, "yes", "no") for name, share in ETHNICITIES.items()})
    people["gender"] = rng.choice(np.array(["Female", "Male"], dtype=object), size=n, p=[0.38, 0.62])
    people["claimant_id"] = [f"client {key:07d}" for key in rng.permutation(9_000_000)[:n] + 1_000_000]
    return people


def _lived(
    rng: np.random.Generator,
    protocol: TrialProtocol,
    people: pd.DataFrame,
    chances: dict[str, Chances],
    kind: Integers,
    first: Integers,
) -> States:
    """Everyone's life under their arm, from day 0 to the extract."""
    n_days = day_of_date(protocol.sources.spells["benefit"].extract_date) - int(people["index_day"].min())
    treated, n_kinds = people["treated"].to_numpy(), len(chances["control"])
    both = np.concatenate([chances["control"], chances["treatment"]])
    return draw_lives(rng, both, kind + n_kinds * treated, first, n_days)


def _truth(protocol: TrialProtocol, chances: dict[str, Chances], kind: Integers, first: Integers) -> Truth:
    """Expected shares of outcomes and states, had all been in one arm or the other."""
    days = protocol.analysis.max_horizon
    found = {arm: _shares(expected_shares(each, kind, first, days)) for arm, each in chances.items()}
    return Truth(found)


def _shares(shares: Floats) -> dict[str, NDArray[np.float64]]:
    on_benefit = shares[:, WORK_READY] + shares[:, HEALTH]
    return {
        "off_benefit": 1.0 - on_benefit, "on_benefit": on_benefit, "on_jobseeker_support": on_benefit,
        "on_work_ready": shares[:, WORK_READY], "health_benefit": shares[:, HEALTH],
        "work_ready_benefit": shares[:, WORK_READY], "training": shares[:, TRAINING], "work": shares[:, WORK],
        "rest": shares[:, NONE],
    }  # fmt: skip


def _claimants(people: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    frame = people[["claimant_id", "office", *columns]].copy()
    frame["index_date"] = dates_of(people["index_day"].to_numpy())
    frame["assigned_arm"] = np.where(people["treated"], "ICS", "usual service")
    return frame.sort_values("claimant_id", ignore_index=True)


def _early_benefit(people: pd.DataFrame) -> pd.DataFrame:
    """Each person's first benefit, well before the trial: a spell of a hundred days."""
    start = (people["first_benefit_day"] - people["index_day"]).to_numpy()
    end = np.minimum(start + 100, -people["past_days"].to_numpy())
    frame = pd.DataFrame({"person": np.arange(len(people)), "start": start, "end": end, "benefit": "YP"})
    return frame[frame["end"] > frame["start"]]


def _benefit(people: pd.DataFrame, lives: States) -> pd.DataFrame:
    """The claim that was running on day 0, from when it began, and later ones; some had just ended."""
    frame = pd.concat(
        [spells_of(lives, WORK_READY, code="JS-WR"), spells_of(lives, HEALTH, code="JS-HCD")], ignore_index=True
    )
    running = frame["start"] == 0
    frame.loc[running, "start"] = -people["past_days"].to_numpy()[frame.loc[running, "person"]]
    just_ended = running & ~people["on_benefit"].to_numpy()[frame["person"]]
    frame.loc[just_ended, "end"] = -7
    return frame[frame["end"] > frame["start"]]
