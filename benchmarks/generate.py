"""Spells of claimants who do not exist, of any size in seconds, with the true effect beside them.

Everyone is on benefit on the index day. From then on a claimant on benefit leaves each day with a
probability that depends on the arm, and one off benefit returns with a probability that does not: a
chain of two states, whose share on benefit on day d has a closed form. Before the index day both
arms live alike. The records are then made as untidy as real ones: in no order, in overlapping and
adjacent pieces, some over before the window begins, some running past the extract.

    python benchmarks/generate.py FOLDER CLAIMANTS [--seed 1] [--parquet] [--spells 5.2] [--days 273] [--groups 1]
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[Any]

PRE_DAYS, HORIZON = 730, 273
FIRST_DAY, RECRUITMENT_DAYS = 16_071, 60  # 1 January 2014, in days since 1970
SHORTEST = 30  # the last to join are followed for so many days fewer than the window holds
LEAVE, RETURN = (0.0100, 0.0108), 0.0050  # a day: leaving by arm (control, treatment), and coming back
SPELLS, IN_PIECES = 5.2, 0.18  # rows a claimant at these probabilities, and the share that is in two pieces
ARMS = ("control", "treatment")


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """The days of the job: -pre_days to horizon, both included; cumulative for 1 to horizon days."""

    pre_days: int = PRE_DAYS
    horizon: int = HORIZON

    @property
    def n_days(self) -> int:
        """Days of the window."""
        return self.pre_days + self.horizon + 1

    @property
    def extract_day(self) -> int:
        """The first day that the records do not cover: too early for those who join late to be followed to the end."""
        return FIRST_DAY + RECRUITMENT_DAYS + self.horizon - SHORTEST


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arrays(Window):
    """What every contender starts from. Days are whole numbers since 1970; spells are [start, end).

    Attributes
    ----------
    arm, index_day, follow_up : array, shape (claimants,)
        Arm 0 or 1; day 0; days followed from the index day, at most horizon + 1.
    members : bool array, shape (groups, claimants)
        The first group is everyone.
    owner, start, end : array, shape (spells,)
        The claimant's row, and the days.
    difference : array, shape (n_days,)
        The true difference of the daily shares, treatment minus control.
    """

    arm: Array
    index_day: Array
    follow_up: Array
    members: Array
    owner: Array
    start: Array
    end: Array
    difference: Array

    @property
    def true_cumulative(self) -> Array:
        """The true difference in days over every horizon 1, 2, ..."""
        return self.difference[self.pre_days : -1].cumsum()

    def save(self, folder: Path) -> None:
        """Write everything into an existing folder."""
        for field in fields(self):
            np.save(folder / f"{field.name}.npy", getattr(self, field.name))

    @classmethod
    def load(cls, folder: Path) -> Arrays:
        """Read what `save` wrote."""
        found = {field.name: np.load(folder / f"{field.name}.npy") for field in fields(cls)}
        return cls(**{name: each if each.ndim else int(each) for name, each in found.items()})


def simulated_spells(
    n_claimants: int, seed: int, *, spells: float = SPELLS, horizon: int = HORIZON, n_groups: int = 1
) -> Arrays:
    """Claimants and spells with their truth; about `spells` rows a claimant, whatever the days."""
    rng = np.random.default_rng(seed)
    window = Window(horizon=horizon)
    speed = spells / SPELLS * Window().n_days / window.n_days
    leave, back = np.array(LEAVE) * speed, RETURN * speed
    arm = rng.integers(0, 2, n_claimants, dtype=np.int32)
    index_day = FIRST_DAY + rng.integers(0, RECRUITMENT_DAYS, n_claimants, dtype=np.int32)
    runs = _joined([*_before(rng, n_claimants, leave[0], back), *_after(rng, leave[arm], back, horizon)])
    owner, start, end = _in_pieces(rng, *runs)
    start += index_day[owner]
    end += index_day[owner]
    order = rng.permutation(np.flatnonzero(start < window.extract_day))
    members = rng.random((n_groups, n_claimants), dtype=np.float32) < 0.5
    members[0] = True
    return Arrays(
        horizon=horizon,
        arm=arm,
        index_day=index_day,
        follow_up=np.clip(window.extract_day - index_day, 0, horizon + 1).astype(np.int32),
        members=members,
        owner=owner[order],
        start=start[order],
        end=end[order],
        difference=np.r_[np.zeros(PRE_DAYS), np.diff(_shares(leave, back, horizon), axis=0)[0]],
    )


def _shares(leave: Array, back: float, horizon: int) -> Array:
    """The true share on benefit of each arm on the days 0 to `horizon`."""
    settled = (back / (leave + back))[:, None]
    return settled + (1 - settled) * (1 - leave - back)[:, None] ** np.arange(horizon + 1)


def _before(rng: np.random.Generator, n_claimants: int, leave: float, back: float) -> Iterator[tuple[Array, ...]]:
    """Spells that start before the index day, cut there: a new claim starts on it."""
    chances = np.full(n_claimants, leave)
    first = _waits(rng, np.full(n_claimants, back)) - PRE_DAYS - RECRUITMENT_DAYS
    for owner, start, end in _alternating(rng, first, chances, back, 0):
        yield owner, start, np.minimum(end, 0)


def _after(rng: np.random.Generator, leave: Array, back: float, horizon: int) -> Iterator[tuple[Array, ...]]:
    """Spells from the index day on, to a month past the window."""
    return _alternating(rng, np.zeros(leave.size, dtype=np.int32), leave, back, horizon + SHORTEST)


def _alternating(
    rng: np.random.Generator, first: Array, leave: Array, back: float, until: int
) -> Iterator[tuple[Array, ...]]:
    """On and off by turns from the day `first`: (owner, start, end) of everybody's first spell, second, ..."""
    owner = np.arange(first.size, dtype=np.int32)
    start = first
    while True:
        going = start < until
        owner, start = owner[going], start[going]
        if not owner.size:
            return
        end = start + _waits(rng, leave[owner])
        yield owner, start, end
        start = end + _waits(rng, np.full(owner.size, back))


def _waits(rng: np.random.Generator, chance: Array) -> Array:
    """Days until something that happens each day with this probability: 1, 2, ..."""
    scale = (-1 / np.log1p(-chance)).astype(np.float32)
    days = np.ceil(rng.standard_exponential(chance.size, dtype=np.float32) * scale)
    return np.maximum(days, 1).astype(np.int32)


def _joined(parts: list[tuple[Array, ...]]) -> list[Array]:
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _in_pieces(rng: np.random.Generator, owner: Array, start: Array, end: Array) -> tuple[Array, ...]:
    """Some spells recorded in two pieces: a third of these adjacent, the others overlapping or nested."""
    broken = np.flatnonzero((rng.random(owner.size, dtype=np.float32) < IN_PIECES) & (end - start > 1))
    middle = (start[broken] + end[broken]) // 2
    overlap = np.maximum(rng.integers(-15, 30, broken.size, dtype=np.int32), 0)
    whole_end = end[broken]
    end[broken] = np.minimum(middle + overlap, whole_end)
    return np.r_[owner, owner[broken]], np.r_[start, middle], np.r_[end, whole_end]


def write_parquet(folder: Path, arrays: Arrays) -> None:
    """claimants.parquet and spells.parquet: text identifiers in the form of NINOs, and dates."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    ids = _identifiers(arrays.arm.size)
    arms = pa.DictionaryArray.from_arrays(pa.array(arrays.arm), pa.array(ARMS)).cast(pa.string())
    claimants = {"claimant_id": _text(ids), "assigned_arm": arms, "index_date": _dates(arrays.index_day)}
    pq.write_table(pa.table(claimants), folder / "claimants.parquet")
    days = {"start_date": _dates(arrays.start), "end_date": _dates(arrays.end)}
    pq.write_table(pa.table({"claimant_id": _text(ids[arrays.owner]), **days}), folder / "spells.parquet")


def _identifiers(n_claimants: int) -> Array:
    """Distinct and in no order, as bytes: Q, a letter, six digits, A to D; no NINO starts with Q."""
    number = np.arange(n_claimants, dtype=np.int64) * 61_803_401 % 96_000_000  # no common factor: all distinct
    text = np.empty((n_claimants, 9), dtype=np.uint8)
    text[:, 0] = ord("Q")
    text[:, 1] = ord("A") + number // 4_000_000
    text[:, 8] = ord("A") + number % 4
    digits = number // 4 % 1_000_000
    for place in range(7, 1, -1):
        text[:, place] = ord("0") + digits % 10
        digits //= 10
    return text


def _text(letters: Array) -> Any:
    import pyarrow as pa

    n_rows, width = letters.shape
    ends = np.arange(0, (n_rows + 1) * width, width, dtype=np.int32)
    return pa.StringArray.from_buffers(n_rows, pa.py_buffer(ends), pa.py_buffer(np.ascontiguousarray(letters)))


def _dates(days: Array) -> Any:
    import pyarrow as pa

    return pa.array(days, type=pa.int32()).cast(pa.date32())


def main() -> None:
    """Write the arrays, or the Parquet files, into a folder."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("claimants", type=int)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parquet", action="store_true", help="claimants.parquet and spells.parquet beside the arrays")
    parser.add_argument("--spells", type=float, default=SPELLS, help="a claimant")
    parser.add_argument("--days", type=int, default=HORIZON, help="the longest horizon")
    parser.add_argument("--groups", type=int, default=1)
    wanted = parser.parse_args()
    arrays = simulated_spells(
        wanted.claimants, wanted.seed, spells=wanted.spells, horizon=wanted.days, n_groups=wanted.groups
    )
    wanted.folder.mkdir(parents=True, exist_ok=True)
    arrays.save(wanted.folder)
    if wanted.parquet:
        write_parquet(wanted.folder, arrays)


if __name__ == "__main__":
    main()
