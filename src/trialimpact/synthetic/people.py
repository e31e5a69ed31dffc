"""Who comes to the trial: statuses, arrival, characteristics that hang together, in given numbers.

Every function takes counts and deals them out by luck and by a score, so that one and the same code
serves numbers drawn at random and numbers fixed beforehand.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.protocol.model import Recruitment
from trialimpact.synthetic.careers import Floats
from trialimpact.synthetic.histories import Integers

Counts = Mapping[str, Mapping[str, int]]
"""For each characteristic, how many people have each of its values."""

AGE_BANDS = {"18-24": (18, 24), "25-29": (25, 29), "30-39": (30, 39), "40-44": (40, 44), "45-49": (45, 49),
             "50-59": (50, 59), "60-64": (60, 64)}  # fmt: skip
YOUNGEST = ("16 or over", "11 to 15", "5 to 10", "Unknown", "", "3 or 4", "0 to 2")
"""Ages of youngest children, from older parents to younger; blank: not recorded."""

DEPENDENT = ("0 to 2", "3 or 4", "5 to 10", "11 to 15", "Unknown")
PARTNERS = ("partner_of_parents", "partner_of_others")

OFFICE_WEIGHTS = np.array([7, 17, 15, 28, 11, 7, 15])
"""How many come to each office, in the protocol's order; repeated where there are more offices."""


def shares_of_population() -> dict[str, dict[str, float]]:
    """The invented population: for each characteristic, the share of people with each value."""
    text = (resources.files("trialimpact") / "synthetic" / "population.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def draw_count(rng: np.random.Generator, n: int, shares: Mapping[str, float]) -> dict[str, int]:
    """How many of n people have each value of one characteristic, by chance."""
    chance = np.array(list(shares.values()))
    return dict(zip(shares, rng.multinomial(n, chance / chance.sum()).tolist(), strict=True))


def draw_counts(rng: np.random.Generator, n: int, shares: Mapping[str, Mapping[str, float]]) -> Counts:
    """How many of n people have each value, by chance.

    Ages of youngest children are of parents; partners are of those with dependent children, and of others.
    """
    drawn = {name: draw_count(rng, n, shares[name]) for name in shares if name not in ("youngest_child", *PARTNERS)}
    drawn["youngest_child"] = draw_count(rng, n - drawn["n_children"]["0"], shares["youngest_child"])
    n_dependent = sum(drawn["youngest_child"][label] for label in DEPENDENT)
    for name, n_people in zip(PARTNERS, (n_dependent, n - n_dependent), strict=True):
        drawn[name] = draw_count(rng, n_people, shares[name])
    return drawn


def deal(rng: np.random.Generator, counts: Mapping[str, int], score: NDArray[np.floating[Any]]) -> np.ndarray:
    """Labels with exactly these counts; the first go to the highest scores, but for luck.

    >>> sorted(deal(np.random.default_rng(1), {"yes": 1, "no": 2}, np.zeros(3)).tolist())
    ['no', 'no', 'yes']
    """
    if sum(counts.values()) != score.size:
        raise ValueError(f"counts for {sum(counts.values())} people, and there are {score.size}")
    order = np.argsort(-(score + rng.gumbel(size=score.size)), kind="stable")
    labels = np.empty(score.size, dtype=object)
    labels[order] = np.repeat(np.array(list(counts), dtype=object), list(counts.values()))
    return labels


def draw_arrivals(rng: np.random.Generator, n: int, recruitment: Recruitment) -> pd.DataFrame:
    """Marker days, even over the weekdays of the window; claims began 2 to 28 days before; offices, own pace."""
    assert recruitment.first_date is not None and recruitment.last_date is not None  # noqa: S101
    first, last = (np.datetime64(date, "D") for date in (recruitment.first_date, recruitment.last_date))
    days = np.arange(first, last + np.timedelta64(1, "D"))
    marker_day = rng.choice(days[np.is_busday(days)], size=n).astype(np.int64)
    lag = np.minimum(2 + rng.gamma(2.0, 4.5, size=n).astype(np.int64), 28)
    weights = np.resize(OFFICE_WEIGHTS, len(recruitment.offices))
    office = rng.choice(np.array(recruitment.offices, dtype=object), size=n, p=weights / weights.sum())
    arrivals = {"marker_day": marker_day, "lag": lag, "index_day": marker_day - lag, "office": office}
    return pd.DataFrame({**arrivals, "pace": rng.gamma(4.0, 0.25, size=n)})


def draw_characteristics(rng: np.random.Generator, counts: Counts, index_day: Integers) -> pd.DataFrame:
    """Characteristics with exactly these counts, correlated as one would expect."""
    flat = np.zeros(index_day.size)
    frame = pd.DataFrame({name: deal(rng, counts[name], flat) for name in ("gender", "ethnicity", "age")})
    low, high = (frame["age"].map({band: ends[side] for band, ends in AGE_BANDS.items()}) for side in (0, 1))
    age = rng.integers(low.to_numpy(), high.to_numpy() + 1)
    frame["birth_date"] = _birth_dates(rng, age, index_day)
    frame["disabled"] = deal(rng, counts["disabled"], 0.03 * (age - 35.0))
    frame["basic_skills_need"] = deal(rng, counts["basic_skills_need"], flat)
    abroad = frame["ethnicity"].isin(["Black", "Asian", "Mixed", "Chinese/Other"]).to_numpy(dtype=float)
    frame["english_second_language"] = deal(rng, counts["english_second_language"], 2.5 * abroad)
    frame = pd.concat([frame, _families(rng, counts, frame["gender"].eq("Female").to_numpy(), age)], axis=1)
    frame = pd.concat([frame, _occupations(rng, counts)], axis=1)
    frame["age_in_years"] = age
    return frame


def _birth_dates(rng: np.random.Generator, age: Integers, index_day: Integers) -> np.ndarray:
    """Birth dates such that `age` is the age in whole years on the index day."""
    index = index_day.astype("datetime64[D]")
    month = index.astype("datetime64[M]")
    birthday = (month - 12 * age).astype("datetime64[D]") + np.minimum((index - month).astype(np.int64), 27)
    return np.asarray(birthday - rng.integers(3, 360, size=age.size))


def _families(rng: np.random.Generator, counts: Counts, female: np.ndarray, age: Integers) -> pd.DataFrame:
    """Children, the youngest one's age by the parent's, and who has a partner's allowance."""
    settled = ((age >= 25) & (age < 50)).astype(float)
    has_some = {name: n for name, n in counts["n_children"].items() if name != "0"}
    parent = deal(rng, {"yes": sum(has_some.values()), "no": counts["n_children"]["0"]}, 1.2 * settled + 0.6 * female)
    parent = parent == "yes"
    n_children = np.zeros(age.size, dtype=np.int64)
    n_children[parent] = deal(rng, has_some, np.zeros(int(parent.sum()))).astype(np.int64)
    youngest = np.full(age.size, "none", dtype=object)
    ages = {label: counts["youngest_child"].get(label, 0) for label in YOUNGEST}
    youngest[parent] = deal(rng, ages, 0.15 * age[parent])
    dependent = np.isin(youngest, DEPENDENT)
    partner = np.full(age.size, "no", dtype=object)
    for who, name in ((dependent, "partner_of_parents"), (~dependent, "partner_of_others")):
        partner[who] = deal(rng, counts[name], settled[who])
    return pd.DataFrame({"n_children": n_children, "youngest_child": youngest, "partner_allowance": partner})


def _occupations(rng: np.random.Generator, counts: Counts) -> pd.DataFrame:
    """Occupations sought: one or more for each person who has one recorded."""
    recorded = deal(rng, counts["occupation_recorded"], np.zeros(sum(counts["occupation_recorded"].values())))
    people = np.flatnonzero(recorded == "yes")
    wanted = {name: of["yes"] for name, of in counts.items() if name.startswith("seeks_")}
    frame = pd.DataFrame({name: np.full(recorded.size, "no", dtype=object) for name in wanted})
    slots = rng.permutation(np.repeat(np.array(list(wanted)), list(wanted.values())))
    for name, n in wanted.items():
        mine = people[np.flatnonzero(slots[: people.size] == name)]
        others = np.setdiff1d(people, mine)
        again = rng.choice(others, size=n - mine.size, replace=False)
        frame.loc[np.concatenate([mine, again]), name] = "yes"
    return pd.concat([pd.DataFrame({"occupation_recorded": recorded}), frame], axis=1)


def repeat_score(people: pd.DataFrame) -> Floats:
    """Who is likelier to have claimed before."""
    return 0.4 * people["disabled"].eq("yes").to_numpy(dtype=float) + 0.3 * people["age"].ne("18-24").to_numpy(float)
