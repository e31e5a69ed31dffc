"""Histories -> records as an office and two registers would hold them, with their usual defects."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.errors import DesignError, worded
from trialimpact.protocol import TrialProtocol
from trialimpact.synthetic.histories import Draws, History, Integers

NINOS_A_DIGIT, MOST_PEOPLE = 100_000, 900_000

_EPOCH = np.datetime64("1970-01-01", "D")


def fake_ninos(rng: np.random.Generator, digit: Integers) -> NDArray[np.str_]:
    """Distinct NINOs with the never-issued prefix QQ and these allocating digits.

    The suffix tells nobody apart, so there are 100,000 of each digit.
    """
    number = np.empty(digit.size, dtype=np.int64)
    for last in range(10):
        mine = digit == last
        if mine.sum() > NINOS_A_DIGIT:
            says = f"there are {NINOS_A_DIGIT:,} NINOs that end in {last}, and more people were asked for"
            raise DesignError(worded(f"{says}.", remedy=f"simulate at most {MOST_PEOPLE:,} people"))
        number[mine] = 10 * rng.choice(NINOS_A_DIGIT, size=int(mine.sum()), replace=False) + last
    suffix = rng.choice(np.array(list("ABCD")), size=digit.size)
    return np.array([f"QQ{each:06d}{letter}" for each, letter in zip(number, suffix, strict=True)])


def claimants_table(rng: np.random.Generator, ninos: NDArray[np.str_], index_day: Integers) -> pd.DataFrame:
    """Characteristics; a few genders are blank."""
    n = ninos.size
    age_days = (18 * 365.25 + 365.25 * 40 * rng.beta(1.1, 2.2, size=n)).astype(np.int64) + 5
    gender = rng.choice(np.array(["Female", "Male"], dtype=object), size=n, p=[0.37, 0.63])
    gender[rng.random(n) < 0.01] = ""
    return pd.DataFrame(
        {
            "claimant_id": ninos,
            "birth_date": dates_of(index_day - age_days),
            "gender": gender,
            "n_children": rng.poisson(0.25, size=n),
        }
    )


def markers_table(
    rng: np.random.Generator,
    protocol: TrialProtocol,
    ninos: NDArray[np.str_],
    index_day: Integers,
    last_day: Integers,
) -> pd.DataFrame:
    """One or two markers a person: errors, out of scope, exempt, put in the wrong group, repeats.

    A marker is set by the claim's `last_day` under either arm: who is matched to a claim must not
    depend on the arm.
    """
    n = ninos.size
    digit = np.array([int(nino[7]) for nino in ninos])
    assigned = np.where(digit >= 5, "IAP", "BAU")
    other = np.where(digit >= 5, "BAU", "IAP")
    received = np.where(rng.random(n) < np.where(digit >= 5, 0.029, 0.005), other, assigned)
    kind = rng.choice(4, size=n, p=[0.88, 0.06, 0.05, 0.01])
    status = np.array(["valid", "exempt", "out_of_scope", "error"], dtype=object)[kind]
    reasons = np.array(["", "other provision", "language requirement", "entered twice"], dtype=object)
    frame = pd.DataFrame(
        {
            "claimant_id": ninos,
            "marker_date": dates_of(index_day + np.minimum(rng.integers(0, 15, size=n), last_day)),
            "marker": received,
            "office": rng.choice(np.array(protocol.recruitment.offices, dtype=object), size=n),
            "status": status,
            "reason": reasons[kind],
        }
    )
    again = frame[rng.random(n) < 0.15].assign(status="error", reason="entered twice")
    return pd.concat([frame, again], ignore_index=True)


def benefit_table(
    rng: np.random.Generator,
    protocol: TrialProtocol,
    ninos: NDArray[np.str_],
    index_day: Integers,
    lived: History,
    draws: Draws,
) -> pd.DataFrame:
    """Benefit spells: history, the claim, returns; some split in two, some doubled by a carer's benefit.

    A few people have no record at all, which is how linkage fails.
    """
    linked = rng.random(ninos.size) >= 0.03
    moved_to_uc = linked & (rng.random(ninos.size) < 0.05)
    carers = linked & (rng.random(ninos.size) < 0.05)
    first, after = lived.benefit_start[:, :1], lived.benefit_end[:, :1]
    index = np.zeros((ninos.size, 1), dtype=np.int64)
    parts = [
        _spells(ninos, index_day, draws.past_start, draws.past_start + draws.past_days, "ESA", linked),
        _spells(ninos, index_day, -draws.straight_from[:, None], index, "ESA", linked),
        _spells(ninos, index_day, lived.benefit_start, lived.benefit_end, "JSA", linked),
        _spells(ninos, index_day, first, after, "CA", carers),
        _spells(ninos, index_day, after, after + 60, "UC", moved_to_uc),
    ]
    spells = pd.concat(parts, ignore_index=True)
    halves = (rng.random(len(spells)) < 0.1) & (spells["end"] - spells["start"] > 10)
    middle = (spells["start"] + spells["end"]) // 2
    second = spells[halves].assign(start=middle[halves] - rng.integers(0, 4, size=int(halves.sum())))
    spells.loc[halves, "end"] = middle[halves]
    return _as_extracted(rng, protocol, "benefit", pd.concat([spells, second], ignore_index=True))


def employment_table(
    rng: np.random.Generator,
    protocol: TrialProtocol,
    ninos: NDArray[np.str_],
    index_day: Integers,
    lived: History,
) -> pd.DataFrame:
    """P45 jobs: earlier ones, those off benefit, and small ones held under a claim, which do not count."""
    under = lived.benefit_start[:, :1] + 5
    held = rng.random(ninos.size) < 0.08
    everyone = np.ones(ninos.size, dtype=bool)
    jobs = [
        _spells(ninos, index_day, lived.job_start, lived.job_end, "", everyone),
        _spells(ninos, index_day, under, np.minimum(under + 40, lived.benefit_end[:, :1]), "", held),
    ]
    earlier = -rng.integers(60, 1_500, size=(ninos.size, 2))
    left = np.minimum(
        earlier + rng.exponential(250, size=earlier.shape).astype(np.int64), -rng.integers(1, 60, (ninos.size, 1))
    )
    jobs.append(_spells(ninos, index_day, earlier, left, "", everyone))
    return _as_extracted(rng, protocol, "employment", pd.concat(jobs, ignore_index=True)).drop(columns="benefit")


def _spells(
    ninos: NDArray[np.str_],
    index_day: Integers,
    start: Integers,
    end: Integers,
    code: str,
    keep: NDArray[np.bool_],
) -> pd.DataFrame:
    """Spells that last, as calendar days [start, end); one row of `start` and `end` a person."""
    person, place = np.nonzero((end > start) & keep[:, None])
    return pd.DataFrame(
        {
            "claimant_id": ninos[person],
            "benefit": code,
            "start": start[person, place] + index_day[person],
            "end": end[person, place] + index_day[person],
        }
    )


def _as_extracted(rng: np.random.Generator, protocol: TrialProtocol, source: str, spells: pd.DataFrame) -> pd.DataFrame:
    """What the extract holds: nothing that starts later, no ends not yet known, rows in no order."""
    extract_day = day_of_date(protocol.sources.spells[source].extract_date)
    spells = spells[spells["start"] < extract_day]
    last_day = pd.Series(dates_of(spells["end"].to_numpy() - 1), index=spells.index)
    frame = pd.DataFrame(
        {
            "claimant_id": spells["claimant_id"],
            "benefit": spells["benefit"],
            "start_date": dates_of(spells["start"].to_numpy()),
            "end_date": last_day.where(spells["end"] <= extract_day, ""),
        }
    )
    return frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)


def write_tables(protocol: TrialProtocol, tables: dict[str, pd.DataFrame], folder: Path) -> None:
    """Write each table under its file's name, compressed where that ends in .gz; the same table, the same bytes."""
    sources = {"claimants": protocol.sources.claimants, "markers": protocol.sources.markers, **protocol.sources.spells}
    for name, source in sources.items():
        if source is None:
            continue
        assert source.file is not None  # noqa: S101
        packed = {"method": "gzip", "compresslevel": 9, "mtime": 0} if source.file.endswith(".gz") else None
        tables[name].to_csv(folder / source.file, index=False, lineterminator="\n", compression=packed)


def dates_of(days: Integers) -> NDArray[Any]:
    """Days since 1970-01-01 -> ISO dates."""
    return np.datetime_as_string(_EPOCH + days.astype("timedelta64[D]")).astype(object)


def day_of_date(date: dt.date) -> int:
    """Days since 1970-01-01."""
    return int((np.datetime64(date, "D") - _EPOCH).astype(int))
