"""Tables -> an accessible workbook: cover, contents, notes, one marked table a sheet. XLSX by gptables.

By the Analysis Function's checklist for statistics in spreadsheets: tables are marked up and named, with one header
row, no merged or empty cells, a title and a description above each, shorthand explained, a contents sheet.
"""

from __future__ import annotations

import importlib
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.errors import OutputError, worded
from trialimpact.report.release_tables import Table
from trialimpact.report.rounding import CONFIDENTIAL

NOT_APPLICABLE = "[z]"
"""What stands in a cell that has nothing to say."""

SHORTHAND = {
    CONFIDENTIAL: "kept back, because it would be of too few people or would give another number away",
    NOT_APPLICABLE: "not applicable, or not known",
}
"""Marks in cells, explained in the notes."""

CREATED = 2000, 1, 1
"""The day that a workbook gives as its own: no clock is read, so that the same release is the same bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbook:
    """What a workbook says beside its tables.

    Attributes
    ----------
    title : str
    about : tuple of str
        Sentences of the cover.
    tables : tuple of Table
    """

    title: str
    about: tuple[str, ...]
    tables: tuple[Table, ...]

    def sheets(self) -> list[tuple[str, Table, pd.DataFrame]]:
        """Name of sheet, table, and its rows with no empty cell."""
        return [(f"Table_{place}", table, filled(table.rows)) for place, table in enumerate(self.tables, start=1)]

    def notes(self) -> list[str]:
        """All notes of all tables, each once; a table refers to them by number."""
        return list(dict.fromkeys(note for table in self.tables for note in table.notes))


def filled(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of text with a mark in every empty cell; one row of marks where there are none."""
    if not len(rows):
        rows = pd.DataFrame([dict.fromkeys(rows.columns, "")])
    text = rows.astype(object).where(rows.notna(), "").astype(str)
    marked: pd.DataFrame = text.map(_cell)
    return marked


def _cell(text: str) -> str:
    """A cell that can be read out: a mark where it is empty, a word for a star."""
    return {"": NOT_APPLICABLE, "*": "yes"}.get(text.strip(), text)


def description(table: Table, notes: Sequence[str], reference: str = "[note {}]") -> str:
    """The line under a title: that it is one table, the marks that it uses, the notes that it has."""
    numbers = [reference.format(notes.index(note) + 1) for note in table.notes]
    refers = f" Notes are in the sheet Notes: {' '.join(numbers)}." if numbers else ""
    used = filled(table.rows).to_numpy().ravel().tolist()
    marks = [f"{mark} means {meaning}" for mark, meaning in SHORTHAND.items() if mark in used]
    explained = f" {'; '.join(marks)}." if marks else ""
    return f"This sheet has one table.{explained}{refers}"


def table_name(table: Table) -> str:
    """A name for the marked table: letters, digits and _."""
    return re.sub(r"\W", "_", table.name)


def write_xlsx(workbook: Workbook, path: Path) -> None:
    """Write an XLSX file.

    Raises
    ------
    OutputError
        The package gptables is not installed.
    """
    gptables = _gptables()
    notes = workbook.notes()
    sheets: dict[str, Any] = {}
    for name, table, rows in workbook.sheets():
        sheets[name] = gptables.GPTable(
            table=rows,
            table_name=table_name(table),
            title=f"{name.replace('_', ' ')}: {table.title}",
            instructions=description(table, notes, reference="$$n{}$$"),
            scope="",
            source="",
        )
    listed = [f"{mark}: {meaning}." for mark, meaning in SHORTHAND.items()]
    cover = gptables.Cover(
        title=workbook.title, intro=["Introduction", *workbook.about], about=["Shorthand in cells", *listed]
    )
    rows = pd.DataFrame({"Note reference": [f"n{n}" for n in range(1, len(notes) + 1)], "Note text": notes})
    with _quiet():
        book = gptables.produce_workbook(
            filename=str(path),
            sheets=sheets,
            cover=cover,
            contentsheet_label="Contents",
            notes_table=rows if notes else None,
            auto_width=True,
            workbook_options={f"strings_to_{kind}": False for kind in ("formulas", "numbers", "urls")},
        )
        book.set_properties({"title": workbook.title, "created": datetime(*CREATED)})
        book.close()


@contextmanager
def _quiet() -> Iterator[None]:
    """The writer leaves a file of its own open, and warns where there are no notes."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        warnings.filterwarnings("ignore", message="No note text provided")
        yield


def _gptables() -> Any:
    try:
        with _quiet():
            return importlib.import_module("gptables")
    except ModuleNotFoundError:
        remedy = "pip install 'trialimpact[publish]'"
        raise OutputError(worded("an XLSX file needs the package gptables.", remedy=remedy)) from None
