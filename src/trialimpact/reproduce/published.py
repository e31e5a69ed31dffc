"""The printed numbers of a report, one row each, as they stand in a CSV file."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

from trialimpact.errors import RecordError, unknown_name, worded


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedNumber:
    """A number, or an estimate with its interval, as a report prints it. Everything is text.

    Attributes
    ----------
    id : what other rows call it; the ends of its interval are `id.lower` and `id.upper`
    section, item, arm : where it stands and what it is
    printed, lower, upper : the number, and the ends of its interval, as printed
    unit : %, points, days, n, ...
    rounding : "whole_from_10" (whole from 10 up, one decimal below), or empty: the decimals printed
    claimed_rounding : what the report says of its rounding, where it says something
    star : 1 or 0: whether it is marked as significantly different from `against`
    says : "impact" or "no impact": what the text says of this row
    n : people behind a percentage: a number, or the id of one
    ratio_to : id of a count that should be as large (a sample ratio of one)
    partition : rows of one partition are shares that add up to 100, or estimates that hold `total`
    horizon_days, n_treatment, n_control : of an estimate in days
    relation : what arithmetic says of it, in other ids: "a + b", ">= a", "<= a", several parted by ";"
    slip : why the report is known to be wrong here, where it is
    note : anything
    """

    id: str
    section: str = ""
    item: str = ""
    arm: str = ""
    printed: str = ""
    lower: str = ""
    upper: str = ""
    unit: str = ""
    rounding: str = ""
    claimed_rounding: str = ""
    star: str = ""
    says: str = ""
    n: str = ""
    against: str = ""
    ratio_to: str = ""
    partition: str = ""
    total: str = ""
    horizon_days: str = ""
    n_treatment: str = ""
    n_control: str = ""
    relation: str = ""
    slip: str = ""
    note: str = ""


COLUMNS = tuple(each.name for each in fields(PublishedNumber))


def read_published(report: str | Path) -> tuple[PublishedNumber, ...]:
    """The numbers of a report: one that comes with the package, by name, or a CSV file.

    Raises
    ------
    RecordError
        There is no such report; the file lacks `id` or `printed`, has a column that nothing uses, an
        id twice, or a row without a number.

    Examples
    --------
    >>> [number.printed for number in read_published("weekly_wsr_2018")]
    ['-6.4', '7.3']
    """
    if isinstance(report, Path):
        try:
            text = report.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            raise RecordError(worded(f"{report}: {type(error).__name__}.", remedy="name a CSV file in UTF-8")) from None
        return _parsed(text, str(report))
    folder = resources.files("trialimpact") / "reproduce" / "published"
    shipped = sorted(each.name.removesuffix(".csv") for each in folder.iterdir() if each.name.endswith(".csv"))
    if report not in shipped:
        raise unknown_name("report", report, shipped)
    return _parsed((folder / f"{report}.csv").read_text(encoding="utf-8"), f"{report}.csv")


def _parsed(text: str, where: str) -> tuple[PublishedNumber, ...]:
    rows = csv.DictReader(io.StringIO(text))
    columns = list(rows.fieldnames or [])
    lacking = [name for name in ("id", "printed") if name not in columns]
    strangers = [name for name in columns if name not in COLUMNS]
    if lacking or strangers:
        says = (
            f"{where}: no column {', '.join(lacking)}" if lacking else f"{where}: nothing uses {', '.join(strangers)}"
        )
        raise RecordError(worded(f"{says}.", remedy=f"the columns are {', '.join(COLUMNS)}; id and printed are needed"))
    numbers = []
    for line, row in enumerate(rows, start=2):
        values = {name: (value or "").strip() for name, value in row.items() if name in COLUMNS}
        if not values["id"] or not values["printed"] or None in row:
            raise RecordError(worded(f"{where}, line {line}: not a row of this table.", remedy="give id and printed"))
        numbers.append(PublishedNumber(**values))
    seen: set[str] = set()
    for number in numbers:
        if number.id in seen:
            raise RecordError(worded(f"{where}: {number.id!r} stands twice.", remedy="give each row an id of its own"))
        seen.add(number.id)
    return tuple(numbers)
