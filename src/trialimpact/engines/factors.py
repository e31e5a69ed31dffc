"""Characteristics in an engine -> `CharacteristicSums`: claimants counted by all of their characteristics at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trialimpact.characteristics import CharacteristicSums, in_order, refuse_many_levels
from trialimpact.engines.conditions import membership
from trialimpact.engines.engine import Rows
from trialimpact.engines.sources import stored
from trialimpact.engines.words import Step, as_text, fetch, table
from trialimpact.protocol import TrialProtocol


@dataclass(frozen=True, slots=True)
class Factor:
    """One thing known of claimants: labels, a condition (1, 0 or null), or a number."""

    characteristic: str
    level: str
    kind: str
    sql: str
    centre: str = ""
    """Where a number is taken from: its mean over all who are analysed."""


def factors_of(protocol: TrialProtocol, double: str) -> list[Factor]:
    """The factors of the protocol's characteristics, in order."""
    found = []
    for each in protocol.characteristics:
        for level in each.levels:
            inside = membership(protocol, level.where)
            found.append(
                Factor(each.name, level.label, "level", f"case when ({inside}) = -1 then null else ({inside}) end")
            )
        if each.column is None:
            continue
        if each.kind == "numeric":
            number = f"cast({each.column if each.column == 'digit' else f'n_{each.column}'} as {double})"
            centre = f"(select avg({number}) from ti_analysed)"
            found.append(Factor(each.name, "", "numeric", f"{number} - {centre}", centre))
        else:
            found.append(Factor(each.name, "", "labels", as_text(stored(each.column))))
    return found


def factor_steps(protocol: TrialProtocol, double: str) -> Iterator[Step]:
    """How many claimants of the part have each combination, with sums of their numbers."""
    factors = factors_of(protocol, double)
    if not factors:
        return
    listed = ", ".join(f"{each.sql} as x{place}" for place, each in enumerate(factors))
    yield table("ti_factors", f"select assigned as arm, {listed} from ti_described")
    numbers, others = _numeric(factors), _others(factors)
    keys = [f"x{place}" for place in others] + [f"case when x{place} is null then 1 else 0 end" for place in numbers]
    names = [f"x{place}" for place in others] + [f"no{place}" for place in numbers]
    columns = ["arm", *(f"{key} as {name}" for key, name in zip(keys, names, strict=True)), "count(*) as n"]
    columns += [f"sum(x{place}) as s{place}" for place in numbers]
    columns += [f"sum(x{a} * x{b}) as q{a}_{b}" for a in numbers for b in numbers if a <= b]
    yield fetch("factors", f"select {', '.join(columns)} from ti_factors group by {', '.join(['arm', *keys])}")


def centre_steps(protocol: TrialProtocol, double: str) -> Iterator[Step]:
    """The mean of every numeric characteristic over all who are analysed: its sums are taken from there."""
    factors = factors_of(protocol, double)
    centres = [f"{factors[place].centre} as c{place}" for place in _numeric(factors)]
    if centres:
        yield fetch("centres", f"select {', '.join(centres)}")


def _numeric(factors: Sequence[Factor]) -> list[int]:
    return [place for place, each in enumerate(factors) if each.kind == "numeric"]


def _others(factors: Sequence[Factor]) -> list[int]:
    return [place for place, each in enumerate(factors) if each.kind != "numeric"]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column of the sums: values summed over each combination, and how many know it."""

    name: tuple[str, str, str]
    known: NDArray[np.bool_]
    value: NDArray[np.float64]
    """The value that all of a combination share; 0 for a number, whose sums differ."""
    number: int | None = None


def sums_of(protocol: TrialProtocol, double: str, centres: Rows | None, parts: Sequence[Rows]) -> CharacteristicSums:
    """The sums by arm, from the combinations of every part.

    Raises
    ------
    DesignError
        A characteristic has as many levels as an identifier would.
    """
    factors, n_arms = factors_of(protocol, double), len(protocol.arms)
    rows = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if factors else {}
    arm, n = (rows[name].astype(np.int64) if rows else np.empty(0, dtype=np.int64) for name in ("arm", "n"))
    columns = [column for place, factor in enumerate(factors) for column in _columns(place, factor, rows)]
    whole = np.logical_and.reduce([np.ones(arm.size, dtype=bool), *(column.known for column in columns)])

    def by_arm(values: NDArray[Any]) -> NDArray[np.float64]:
        return np.bincount(arm, weights=values, minlength=n_arms).astype(np.float64)

    def summed(column: _Column) -> NDArray[np.float64]:
        return n * column.value if column.number is None else _floats(rows[f"s{column.number}"])

    def product(one: _Column, other: _Column) -> NDArray[np.float64]:
        if one.number is not None and other.number is not None:
            return _floats(rows[f"q{min(one.number, other.number)}_{max(one.number, other.number)}"])
        if one.number is None:
            return one.value * summed(other)
        return other.value * summed(one)

    def table(of: Callable[[_Column], NDArray[Any]]) -> NDArray[np.float64]:
        return np.array([by_arm(of(column)) for column in columns]).reshape(len(columns), n_arms).T

    products = np.array([[by_arm(whole * product(one, other)) for other in columns] for one in columns])
    return CharacteristicSums(
        columns=tuple(column.name for column in columns),
        centre=np.array([_centre_of(column, centres) for column in columns]),
        claimants=by_arm(n).astype(np.int64),
        known=table(lambda column: n * column.known).astype(np.int64),
        total=table(lambda column: column.known * summed(column)),
        square=table(lambda column: column.known * product(column, column)),
        complete=by_arm(n * whole).astype(np.int64),
        complete_total=table(lambda column: whole * summed(column)),
        complete_products=np.moveaxis(products.reshape(len(columns), len(columns), n_arms), -1, 0),
    )


def _columns(place: int, factor: Factor, rows: Rows) -> Iterator[_Column]:
    if factor.kind == "numeric":
        known = rows[f"no{place}"].astype(np.int64) == 0
        yield _Column((factor.characteristic, "", "numeric"), known, np.zeros(known.size), place)
        return
    values = rows[f"x{place}"]
    known = np.array([value is not None and value == value for value in values], dtype=bool)
    if factor.kind == "level":
        value = np.where(known, values, 0).astype(float)
        yield _Column((factor.characteristic, factor.level, "categorical"), known, value)
        return
    labels = np.full(values.size, None, dtype=object)
    labels[known] = [str(value) for value in values[known]]
    levels = sorted(set(labels[known]), key=in_order)
    refuse_many_levels(factor.characteristic, len(levels))
    for level in levels:
        yield _Column((factor.characteristic, level, "categorical"), known, (labels == level).astype(float))


def _centre_of(column: _Column, centres: Rows | None) -> float:
    if column.number is None or centres is None:
        return 0.0
    found = centres[f"c{column.number}"][0]
    return 0.0 if found is None else float(found)


def _floats(values: NDArray[Any]) -> NDArray[np.float64]:
    """Numbers, 0 where nothing was summed."""
    return np.array([0.0 if value is None else float(value) for value in values])
