"""Published numbers beside computed ones: the same print, or not, and why."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from trialimpact.report.rounding import half_up, printed
from trialimpact.reproduce.published import PublishedNumber
from trialimpact.reproduce.windows import EPOCH


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One published number and what was computed for it."""

    id: str
    section: str
    item: str
    arm: str
    printed: str
    computed: float
    computed_printed: str
    matches: bool
    explained: bool
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Every published number, compared on the precision at which it is printed."""

    rows: tuple[Compared, ...]

    @property
    def n_matching(self) -> int:
        """How many print alike."""
        return sum(row.matches for row in self.rows)

    @property
    def explained(self) -> tuple[Compared, ...]:
        """Those that differ as is known, for the reason in their note."""
        return tuple(row for row in self.rows if not row.matches and row.explained)

    @property
    def unexplained(self) -> tuple[Compared, ...]:
        """Those that differ, and nobody knows why."""
        return tuple(row for row in self.rows if not row.matches and not row.explained)

    def to_frame(self) -> pd.DataFrame:
        """Columns id, section, item, arm, printed, computed, computed_printed, matches, note."""
        frame = pd.DataFrame([asdict(row) for row in self.rows], columns=list(Compared.__dataclass_fields__))
        return frame.drop(columns="explained")

    def in_words(self) -> str:
        """How many print alike."""
        return (
            f"{self.n_matching:,} of {len(self.rows):,} published numbers print alike; "
            f"{len(self.explained)} differ for a known reason, {len(self.unexplained)} unexplained"
        )

    def __repr__(self) -> str:
        return f"Comparison({self.in_words()})"

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        return f"<p>{self!r}</p>{frame[~frame['matches']].to_html(index=False)}"


def compare_published(numbers: Sequence[PublishedNumber], computed: Mapping[str, float]) -> Comparison:
    """Hold what was computed against what was printed.

    Parameters
    ----------
    numbers : sequence of PublishedNumber
    computed : mapping of id to number
        `id` for a number, `id.lower` and `id.upper` for its interval, `id.star` for its star. Dates
        are days since 1970-01-01. What is absent was not computed, and does not match.

    Examples
    --------
    >>> from trialimpact.reproduce.published import read_published
    >>> wsr = read_published("weekly_wsr_2018")
    >>> found = compare_published(wsr, {"wsr.benefit": -6.41, "wsr.benefit.lower": -9.04, "wsr.benefit.upper": -3.7})
    >>> [row.matches for row in found.rows]
    [True, True, False, False, False, False]
    """
    rows = [_compared(number, key, text, computed) for number in numbers for key, text in _parts(number)]
    return Comparison(rows=tuple(rows))


def _parts(number: PublishedNumber) -> Iterator[tuple[str, str]]:
    """The ids and texts that one row holds."""
    yield number.id, number.printed
    for part in ("lower", "upper", "star"):
        text = getattr(number, part)
        if text:
            yield f"{number.id}.{part}", {"1": "*", "0": "no star"}[text] if part == "star" else text


def _compared(number: PublishedNumber, key: str, text: str, computed: Mapping[str, float]) -> Compared:
    value = float(computed.get(key, math.nan))
    mine = print_like(value, text, number)
    part = key.removeprefix(number.id).strip(".")
    return Compared(
        id=key,
        section=number.section,
        item=f"{number.item}: {part}" if part else number.item,
        arm=number.arm,
        printed=text,
        computed=value,
        computed_printed=mine,
        matches=mine == text.replace("−", "-"),
        explained=key == number.id and bool(number.differs) and mine == number.differs_as,
        note=number.differs or number.note or ("" if key in computed else "Not computed."),
    )


def print_like(value: float, text: str, number: PublishedNumber) -> str:
    """A value as the report would print it: its rule, and the signs, commas and form of `text`.

    >>> number = PublishedNumber(id="a", printed="8.4%")
    >>> print_like(8.3979, "8.4%", number), print_like(12143.0, "12,143", number)
    ('8.4%', '12,143')
    """
    if not math.isfinite(value):
        return ""
    if text in ("*", "no star"):
        return "*" if value else "no star"
    if number.unit == "date":
        day = EPOCH + dt.timedelta(days=round(value))
        return f"{day.day} {day:%B %Y}" if text[0].isdigit() else f"{day:%B %Y}"
    if number.rounding == "whole_from_10":
        return printed(value, "whole_from_10").replace("−", "-") + ("%" if text.endswith("%") else "")
    _, _, decimals = text.removesuffix("%").partition(".")
    mine = half_up(value, len(decimals))
    mine = mine.removeprefix("-") if float(mine) == 0 else mine
    whole, dot, rest = mine.partition(".")
    grouped = f"{int(whole):,}" if "," in text else whole
    return grouped + dot + rest + ("%" if text.endswith("%") else "")
