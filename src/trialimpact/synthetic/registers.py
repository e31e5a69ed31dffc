"""People and careers -> the registers of an office and of two departments, with their usual defects.

No defect changes on which days somebody is on benefit, or employed and not on benefit, from the
first day of the claim: spells are split, doubled, relabelled and left open; jobs overlap benefit;
dates of earlier jobs are tax-year defaults.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.protocol import TrialProtocol
from trialimpact.synthetic.careers import BENEFIT, NEITHER, WORK, Chances, States, draw_careers, spells_in
from trialimpact.synthetic.histories import Integers
from trialimpact.synthetic.tables import dates_of, day_of_date, fake_ninos

SATURDAY = 5
PAST_DAYS = 1_000
LAST_KEPT = 900
"""Pasts are kept from this many days before the claim."""

CLAIMED = {"JSA": 0.76, "ESA": 0.15, "IS": 0.06, "IB": 0.02, "BB": 0.01}
STRAIGHT_FROM = {"ESA": 0.62, "IS": 0.20, "CA": 0.10, "IB": 0.04, "BB": 0.04}
"""The benefit left on the day of the claim; never JSA, of which the claim would be a continuation."""

CHARACTERISTICS = [
    "gender", "ethnicity", "disabled", "basic_skills_need", "english_second_language", "n_children", "youngest_child",
    "partner_allowance", "occupation_recorded", "seeks_managers", "seeks_professional", "seeks_associate",
    "seeks_administrative", "seeks_trades", "seeks_personal_service", "seeks_sales", "seeks_process",
    "seeks_elementary",
]  # fmt: skip


def draw_pasts(rng: np.random.Generator, people: pd.DataFrame) -> States:
    """Before the claim: shape (people, PAST_DAYS), the last column is day -1.

    Only repeat claimants have been on benefit; a quarter of them until the day before.
    """
    n, repeat = len(people), people["repeat"].to_numpy()
    luck = rng.random(n)
    last = np.where(repeat & (luck < 0.248), BENEFIT, np.where(luck < 0.80, WORK, NEITHER)).astype(np.int8)
    again = np.where(repeat, 0.0063, 0.0)
    chances = Chances(
        leave=np.full((n, PAST_DAYS), 1 / 170),
        leave_to_work=np.full(n, 0.55),
        lose_work=np.where(repeat, 0.002, 0.0012),
        work_to_benefit=again,
        find_work=np.full(n, 0.006),
        return_to_benefit=again,
    )
    backwards = draw_careers(rng, chances, first=last)
    never = repeat & ~(backwards[:, :730] == BENEFIT).any(axis=1)
    for person in np.flatnonzero(never):
        start = int(rng.integers(30, 500))
        backwards[person, start : start + int(rng.integers(60, 200))] = BENEFIT
    return backwards[:, ::-1]


def fill_registers(
    rng: np.random.Generator,
    protocol: TrialProtocol,
    people: pd.DataFrame,
    pasts: States,
    states: States,
    n_extra_markers: int,
) -> dict[str, pd.DataFrame]:
    """The four tables of the protocol, in the order of the (fake) identifiers."""
    who = fake_ninos(rng, people["digit"].to_numpy())
    index_day = people["index_day"].to_numpy() - np.where(
        people["linkage"] == "older_claim", rng.integers(30, 120, size=len(people)), 0
    )
    benefit = pd.concat([_earlier_claims(rng, pasts), _claims(rng, people, states)], ignore_index=True)
    benefit = benefit[(people["linkage"] != "no_record").to_numpy()[benefit["person"]]]
    jobs = pd.concat([_earlier_jobs(rng, pasts, index_day), _jobs(rng, states)], ignore_index=True)
    return {
        "claimants": _sorted(people[CHARACTERISTICS].assign(birth_date=people["birth_date"]), who),
        "markers": _sorted(_markers(rng, protocol, people, n_extra_markers), who),
        "benefit": _as_extracted(protocol, "benefit", benefit, index_day, who),
        "employment": _as_extracted(protocol, "employment", jobs, index_day, who).drop(columns="benefit"),
    }


def _frame(spells: tuple[Integers, Integers, Integers], code: str | NDArray[np.object_] = "") -> pd.DataFrame:
    person, start, end = spells
    return pd.DataFrame({"person": person, "start": start, "end": end, "benefit": code})


def _some(rng: np.random.Generator, codes: dict[str, float], n: int) -> NDArray[np.object_]:
    return rng.choice(np.array(list(codes), dtype=object), size=n, p=list(codes.values()))


def _earlier_claims(rng: np.random.Generator, pasts: States) -> pd.DataFrame:
    spells = _frame(spells_in(pasts[:, -LAST_KEPT:], BENEFIT))
    spells[["start", "end"]] -= LAST_KEPT
    straight = spells["end"].to_numpy() == 0
    codes = _some(rng, CLAIMED, len(spells)), _some(rng, STRAIGHT_FROM, len(spells))
    return spells.assign(benefit=np.where(straight, codes[1], codes[0]))


def _claims(rng: np.random.Generator, people: pd.DataFrame, states: States) -> pd.DataFrame:
    """The claim and later ones; switches to ESA, second rows, carer's benefit beside, and Universal Credit."""
    spells = _frame(spells_in(states, BENEFIT))
    first = spells["start"].to_numpy() == 0
    spells["benefit"] = np.where(first, "JSA", _some(rng, CLAIMED, len(spells)))
    linkage, lag = people["linkage"].to_numpy()[spells["person"]], people["lag"].to_numpy()[spells["person"]]
    cut = first & (linkage == "ended_before")
    spells.loc[cut, "end"] = np.maximum(1, lag[cut] - 2)
    spells.loc[linkage == "universal_credit", "benefit"] = "UC"
    spells.loc[(linkage == "older_claim") & ~first, "benefit"] = "ESA"
    length = (spells["end"] - spells["start"]).to_numpy()
    luck, middle = rng.random(len(spells)), spells["start"].to_numpy() + np.maximum(length // 2, 32)
    divided = (length > 70) & (luck < 0.14) & (linkage == "claim")
    switched = divided & (luck < 0.05)
    later = spells[divided].assign(start=middle[divided] - np.where(luck[divided] < 0.10, 0, 3))
    later.loc[switched[divided], "benefit"] = "ESA"
    later.loc[switched[divided], "start"] = middle[switched]
    spells.loc[divided, "end"] = middle[divided]
    beside = spells[(rng.random(len(spells)) < 0.03) & (linkage == "claim")].assign(benefit="CA")
    idle = _frame(spells_in(states, NEITHER), "UC")
    idle = idle[rng.random(len(idle)) < 0.08]
    found: pd.DataFrame = pd.concat([spells, later, beside, idle], ignore_index=True)
    return found


def _earlier_jobs(rng: np.random.Generator, pasts: States, index_day: Integers) -> pd.DataFrame:
    """Jobs before the claim; some begin on 6 April or end on 5 April because nobody knows when."""
    spells = _frame(spells_in(pasts[:, -LAST_KEPT:], WORK))
    spells[["start", "end"]] -= LAST_KEPT
    origin, luck = index_day[spells["person"]], rng.random(len(spells))
    start, end = spells["start"].to_numpy() + origin, spells["end"].to_numpy() + origin
    opening = _sixth_of_april(start)
    closing = _sixth_of_april(end + 365)
    is_default_end = (luck > 0.94) & (closing > end) & (closing < origin)
    return spells.assign(
        start=np.where(luck < 0.05, opening, start) - origin,
        end=np.where(is_default_end, closing, end) - origin,
    )


def _sixth_of_april(day: Integers) -> Integers:
    """The last 6 April that is not after the day."""
    year = day.astype("datetime64[D]").astype("datetime64[Y]")
    this, before = ((each.astype("datetime64[M]") + 3).astype("datetime64[D]") + 5 for each in (year, year - 1))
    return np.where(this.astype(np.int64) <= day, this.astype(np.int64), before.astype(np.int64))


def _jobs(rng: np.random.Generator, states: States) -> pd.DataFrame:
    """Jobs after the claim; some begin a little before benefit ends, or are small and held under it."""
    spells = _frame(spells_in(states, WORK))
    person, start = spells["person"].to_numpy(), spells["start"].to_numpy()
    early = np.where(rng.random(len(spells)) < 0.15, rng.integers(1, 5, size=len(spells)), 0)
    under = np.all([states[person, np.maximum(start - back, 0)] == BENEFIT for back in range(1, 5)], axis=0)
    spells["start"] = start - np.where(under & (start > 4), early, 0)
    claim = _frame(spells_in(states, BENEFIT))
    claim = claim[claim["start"] == 0]
    small = claim[rng.random(len(claim)) < 0.05]
    small = small.assign(start=5, end=np.minimum(45, small["end"]))
    return pd.concat([spells, small[small["end"] > small["start"]]], ignore_index=True)


def _markers(rng: np.random.Generator, protocol: TrialProtocol, people: pd.DataFrame, n_extra: int) -> pd.DataFrame:
    """A marker a person, two for those of two kinds, and further ones, entered in error or repeated."""
    status = people["status"].to_numpy()
    own = np.where(status == "valid_too", "valid", status)
    reason = np.select(
        [own == "exempt", own == "out_of_scope", own == "error"],
        [people["exempt_reason"], people["scope_reason"], "Created in error"],
        "",
    )
    arms = np.array(["BAU", "IAP"], dtype=object)
    assigned = (people["digit"].to_numpy() >= 5).astype(np.int64)
    base = pd.DataFrame(
        {
            "person": np.arange(len(people)),
            "day": people["marker_day"],
            "marker": arms[np.where(people["put_elsewhere"], 1 - assigned, assigned)],
            "office": people["office"],
            "status": own,
            "reason": reason,
        }
    )
    too = base[status == "valid_too"].assign(
        status="out_of_scope", reason=people["scope_reason"][status == "valid_too"]
    )
    rows = pd.concat([base, too], ignore_index=True)
    one, other = "Work Programme from day one", "English language requirement"
    both = rows["reason"] == "both"
    second = rows[both].assign(reason=other)
    rows.loc[both, "reason"] = one
    rows = pd.concat([rows, second, _further(rng, protocol, base, n_extra)], ignore_index=True)
    found: pd.DataFrame = rows.assign(marker_date=dates_of(rows["day"].to_numpy())).drop(columns="day")
    return found


def _further(rng: np.random.Generator, protocol: TrialProtocol, base: pd.DataFrame, n: int) -> pd.DataFrame:
    """Markers that people already have, set again up to a fortnight later: in error, or of the same status."""
    last = protocol.recruitment.last_date
    assert last is not None  # noqa: S101
    again = base.iloc[rng.integers(0, len(base), size=n)].reset_index(drop=True)
    before = again["day"].to_numpy(dtype=np.int64)
    day = np.minimum(before + rng.integers(1, 15, size=n), day_of_date(last))
    weekday = (day + 3) % 7
    day = day + np.where(weekday == SATURDAY, 2, np.where(weekday == SATURDAY + 1, 1, 0))
    wrong = (rng.random(n) < 0.6) | (again["reason"] == "both").to_numpy()
    again.loc[wrong, ["status", "reason"]] = ["error", "Created in error"]
    moved = again["status"].eq("valid").to_numpy() & (rng.random(n) < 0.03) & (day > before)
    other = again["marker"].map({"IAP": "BAU", "BAU": "IAP"})
    again["day"], again["marker"] = day, np.where(moved, other, again["marker"])
    return again


def _sorted(frame: pd.DataFrame, who: NDArray[np.str_]) -> pd.DataFrame:
    """Rows in the order of identifiers, which come first in place of the person's number."""
    person = frame["person"].to_numpy(dtype=np.int64) if "person" in frame else np.arange(len(frame))
    frame = frame.drop(columns="person", errors="ignore")
    frame.insert(0, "claimant_id", who[person])
    return frame.sort_values("claimant_id", kind="stable").reset_index(drop=True)


def _as_extracted(
    protocol: TrialProtocol, source: str, spells: pd.DataFrame, index_day: Integers, who: NDArray[np.str_]
) -> pd.DataFrame:
    """What the extract holds: nothing that starts later, and blank ends of what had not ended."""
    extract_day = day_of_date(protocol.sources.spells[source].extract_date)
    origin = index_day[spells["person"]]
    spells = spells.assign(start=spells["start"] + origin, end=spells["end"] + origin)
    spells = spells[(spells["start"] < extract_day) & (spells["end"] > spells["start"])]
    spells = spells.sort_values(["person", "start"], kind="stable")
    last_day = pd.Series(dates_of(spells["end"].to_numpy() - 1), index=spells.index)
    return _sorted(
        pd.DataFrame(
            {
                "person": spells["person"],
                "benefit": spells["benefit"],
                "start_date": dates_of(spells["start"].to_numpy()),
                "end_date": last_day.where(spells["end"] <= extract_day, ""),
            }
        ),
        who,
    )
