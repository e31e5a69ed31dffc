"""The printed numbers of a report, one row each, as they stand in a CSV file."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Container, Iterator
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path

from trialimpact.errors import ROWS_SHOWN, RecordError, unknown_name, worded
from trialimpact.reproduce.windows import printed_window, shortened


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
    claimed_rounding : "2 significant figures", where the report says so
    claimed_sign : "positive" or "negative": which sign a heading gives it
    star : 1 or 0: whether it is marked as significantly different from `against`
    says : "impact" or "no impact": what the text says of this row
    n : people behind a percentage: a number, or the id of one
    ratio_to : id of a count that should be as large (a sample ratio of one)
    partition : rows of one partition are shares that add up to 100, or estimates that hold `total`
    horizon_days, n_treatment, n_control : of an estimate in days
    relation : what arithmetic says of it, in other ids: "a + b", ">= a", "<= a", several parted by ";"
    differs, differs_as : why what is computed is known to print otherwise, and how it then prints
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
    claimed_sign: str = ""
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
    differs: str = ""
    differs_as: str = ""
    note: str = ""


COLUMNS = tuple(each.name for each in fields(PublishedNumber))
_FORMS = {
    "rounding": ("(whole_from_10)?", "whole_from_10 or empty"),
    "claimed_rounding": ("([1-9] significant figures?)?", '"2 significant figures" or empty'),
    "claimed_sign": ("(positive|negative)?", "positive, negative or empty"),
    "star": ("[01]?", "1, 0 or empty"),
    "says": ("((no )?impact)?", "impact, no impact or empty"),
    "horizon_days": ("([1-9][0-9]{0,4})?", "a number of days or empty"),
}
"""How coded columns may be filled: a pattern, and the same in words."""


def read_published(report: str | Path) -> tuple[PublishedNumber, ...]:
    """The numbers of a report: one that comes with the package, by name, or a CSV file by its path.

    Raises
    ------
    ProtocolError
        No report of this name comes with the package.
    RecordError
        The file cannot be read, lacks `id` or `printed`, or has a column that nothing uses; every row with an
        id twice or a value that cannot be read is named.

    Examples
    --------
    >>> [number.printed for number in read_published("weekly_wsr_2018")]
    ['-6.4', '7.3']
    """
    if isinstance(report, Path) or report.endswith(".csv"):
        return _parsed(_text_of(Path(report)), str(report))
    folder = resources.files("trialimpact") / "reproduce" / "published"
    shipped = sorted(each.name.removesuffix(".csv") for each in folder.iterdir() if each.name.endswith(".csv"))
    if report not in shipped:
        raise unknown_name("report", report, shipped, where="trialimpact")
    return _parsed((folder / f"{report}.csv").read_text(encoding="utf-8"), f"{report}.csv")


def _text_of(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RecordError(worded(f"{path}: {error.strerror}.", remedy="name a CSV file")) from None
    except UnicodeDecodeError:
        raise RecordError(worded(f"{path}: not text in UTF-8.", remedy="save it as CSV in UTF-8")) from None
    except ValueError:
        raise RecordError(worded("the file has no name that can be read.", remedy="name a CSV file")) from None
    if "\0" in text:
        raise RecordError(worded(f"{path}: not text.", remedy="save it as CSV in UTF-8"))
    return text


def _parsed(text: str, where: str) -> tuple[PublishedNumber, ...]:
    try:
        head, *lines = list(csv.reader(io.StringIO(text), strict=True)) or [[]]
    except csv.Error as error:
        raise RecordError(worded(f"{where}: not a CSV file: {error}.", remedy="save it as CSV")) from None
    columns = [name.strip() for name in head]
    lacking = [name for name in ("id", "printed") if name not in columns]
    strangers = sorted({name for name in columns if name not in COLUMNS or columns.count(name) > 1})
    if lacking or strangers:
        says = (
            f"no column {' or '.join(lacking)}" if lacking else f"nothing uses {', '.join(map(shortened, strangers))}"
        )
        remedy = f"name the columns in the first line, parted by commas, from: {', '.join(COLUMNS)}"
        raise RecordError(worded(f"{where}: {says}.", remedy=remedy))
    numbers: list[PublishedNumber] = []
    problems: list[str] = []
    for line, cells in enumerate(lines, start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) > len(columns):
            problems.append(f"line {line}: more cells than columns: put numbers with commas in quotes")
            continue
        number = PublishedNumber(**{name: cell.strip() for name, cell in zip(columns, cells, strict=False)})
        problems += [f"line {line}: {problem}" for problem in problems_of(number, {each.id for each in numbers})]
        numbers.append(number)
    if not numbers:
        problems.append("there are no rows")
    if problems:
        shown = [*problems[:ROWS_SHOWN], *([f"and {len(problems) - ROWS_SHOWN} more"] if problems[ROWS_SHOWN:] else [])]
        raise RecordError(worded(f"{where}: some rows cannot be read.", *shown, remedy="correct these rows"))
    return tuple(numbers)


def problems_of(number: PublishedNumber, taken: Container[str] = ()) -> Iterator[str]:
    """What is wrong with a row, in words; nothing where it is sound."""
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z0-9_]+)*", number.id):
        yield f"id {shortened(number.id)}: letters, digits, _ and . make an id"
    elif number.id in taken:
        yield f"id {shortened(number.id)} stands twice"
    for name in ("printed", "lower", "upper"):
        if name == "printed" or getattr(number, name):
            yield from _unreadable(name, getattr(number, name))
    for name, (form, words) in _FORMS.items():
        if not re.fullmatch(form, getattr(number, name), re.ASCII):
            yield f"{name} is {shortened(getattr(number, name))}, and may be {words}"
    if number.unit == "n" and "." in number.printed:
        yield "unit n is of whole numbers"


def _unreadable(name: str, text: str) -> Iterator[str]:
    try:
        printed_window(text)
    except RecordError as error:
        yield f"{name}: {str(error).splitlines()[0]}"
