"""Words of the SQL that every engine understands: no dates, no functions beyond the oldest."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from trialimpact.errors import ProtocolError, worded

PREFIX = "ti_"
"""Every table that is made has a name that begins so."""


@dataclass(frozen=True, slots=True)
class Step:
    """One statement: a table to make under a name, or rows to fetch and keep under a name."""

    kind: Literal["table", "fetch"]
    name: str
    sql: str


def table(name: str, sql: str) -> Step:
    """A table to make."""
    return Step("table", name, _tidy(sql))


def fetch(name: str, sql: str) -> Step:
    """Rows to bring back."""
    return Step("fetch", name, _tidy(sql))


def _tidy(sql: str) -> str:
    return "\n".join(line.rstrip() for line in sql.strip().splitlines() if line.strip())


def quoted(value: str) -> str:
    """A text in SQL that every engine reads alike."""
    if "\\" in value or not value.isprintable():
        remedy = "rename it: engines read this character in different ways"
        raise ProtocolError(worded("a label has a backslash or a character that cannot be printed.", remedy=remedy))
    return literal(value)


def literal(value: str) -> str:
    """A text as it is between quotes, for an engine that takes every character as it stands."""
    return "'" + value.replace("'", "''") + "'"


def among(expression: str, values: Sequence[str | int]) -> str:
    """Whether an expression is one of some values; never, where there are none."""
    if not values:
        return "1 = 0"
    return f"{expression} in ({', '.join(quoted(v) if isinstance(v, str) else str(v) for v in values)})"


def flag(condition: str) -> str:
    """1 where a condition holds, 0 where it does not or is not known."""
    return f"case when {condition} then 1 else 0 end"


def as_text(expression: str) -> str:
    """An expression as text; null where it is blank."""
    cast = f"cast({expression} as varchar(250))"
    return f"case when trim({cast}) = '' then null else {cast} end"


def code_of(expression: str, labels: Sequence[str]) -> str:
    """The place of a text among labels, -1 where it is none of them."""
    cases = " ".join(f"when {quoted(label)} then {place}" for place, label in enumerate(labels))
    return f"case {expression} {cases} else -1 end"


def not_below(expression: str, low: str | int) -> str:
    """The larger of two."""
    return f"case when {expression} < {low} then {low} else {expression} end"


def between(expression: str, low: str | int, high: str | int) -> str:
    """An expression moved into [low, high]."""
    return f"case when {expression} < {low} then {low} when {expression} > {high} then {high} else {expression} end"


def whole(expression: str, divisor: int) -> str:
    """Whole-number division of what is not negative: engines differ in what `/` does, not in this."""
    return f"cast((({expression}) - ({expression}) % {divisor}) / {divisor} as bigint)"


def total(expression: str) -> str:
    """A sum as a whole number."""
    return f"cast(sum({expression}) as bigint)"


def net(expression: str) -> str:
    """A sum over one person, as a small whole number."""
    return f"cast(sum({expression}) as integer)"


def running(expression: str, who: str) -> str:
    """A running sum over the days of each `who`, as a whole number."""
    rows = "rows between unbounded preceding and current row"
    return f"cast(sum({expression}) over (partition by {who} order by day {rows}) as integer)"


def beside(expression: str, who: str, which: str) -> str:
    """The value of the row before ("1 preceding") or after ("1 following"), by day, of each `who`."""
    return f"max({expression}) over (partition by {who} order by day rows between {which} and {which})"


def united(selects: Iterable[str]) -> str:
    """Rows of several queries."""
    return "\nunion all\n".join(selects)


def both(conditions: Iterable[str]) -> str:
    """All conditions together; true where there are none."""
    return " and ".join(f"({each})" for each in conditions) or "1 = 1"
