"""Tables -> the same workbook as ODS, the open format that gov.uk asks for; written with odfpy."""

from __future__ import annotations

import importlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

from trialimpact.errors import OutputError, worded
from trialimpact.report.workbook import CREATED, SHORTHAND, Workbook, description, table_name

_WIDTHS = {"text": "12cm", "cell": "4.5cm"}


def write_ods(workbook: Workbook, path: Path) -> None:
    """Write an ODS file: cover, contents, notes, one marked table a sheet.

    Raises
    ------
    OutputError
        The package odfpy is not installed.
    """
    writer = _Writer(workbook.title)
    notes = workbook.notes()
    about = [*workbook.about, "Shorthand in cells", *(f"{mark}: {meaning}." for mark, meaning in SHORTHAND.items())]
    writer.sheet("Cover", workbook.title, about)
    sheets = workbook.sheets()
    contents = pd.DataFrame(
        {"Sheet": [name for name, _, _ in sheets], "Title": [table.title for _, table, _ in sheets]}
    )
    writer.sheet("Contents", "Contents", ["This sheet has one table."], contents, "contents", links=True)
    if notes:
        rows = pd.DataFrame({"Note number": [f"note {n}" for n in range(1, len(notes) + 1)], "Note text": notes})
        writer.sheet("Notes", "Notes", ["This sheet has one table."], rows, "notes")
    for name, table, rows in sheets:
        title = f"{name.replace('_', ' ')}: {table.title}"
        writer.sheet(name, title, [description(table, notes)], rows, table_name(table))
    writer.save(path)


class _Writer:
    """An ODS document in the making."""

    def __init__(self, title: str) -> None:
        self._odf = _odfpy()
        # odfpy declares the namespaces of all that was written before, in that order: here always all that it knows.
        declared = self._odf["element"].Element.namespaces
        known = {**self._odf["namespaces"].nsdict, **declared}
        declared.clear()
        declared.update(known)
        self._document: Any = self._odf["opendocument"].OpenDocumentSpreadsheet()
        self._document.meta.addElement(self._odf["dc"].Title(text=title))
        self._document.meta.addElement(self._odf["dc"].Language(text="en-GB"))
        self._ranges: Any = self._odf["table"].DatabaseRanges()
        self._styles = {
            "title": self._style("title", bold=True, size="14pt", wrapped=False),
            "text": self._style("text", wrapped=False),
            "head": self._style("head", bold=True),
            "cell": self._style("cell"),
        }
        self._columns = {name: self._column(name, width) for name, width in _WIDTHS.items()}

    def sheet(
        self, name: str, title: str, texts: list[str], rows: pd.DataFrame | None = None, marked: str = "",
        *, links: bool = False,
    ) -> None:  # fmt: skip
        """A sheet: title, texts, and a table marked under a name of its own."""
        table = self._odf["table"].Table(name=name)
        width = 1 if rows is None else rows.shape[1]
        column = "text" if rows is None or width <= 2 else "cell"
        table.addElement(self._odf["table"].TableColumn(numbercolumnsrepeated=width, stylename=self._columns[column]))
        for text, style in ((title, "title"), *((each, "text") for each in texts)):
            self._row(table, [text], style)
        if rows is not None:
            first = len(texts) + 2
            header = self._odf["table"].TableHeaderRows()
            self._row(header, [str(each) for each in rows.columns], "head")
            table.addElement(header)
            for row in rows.itertuples(index=False):
                self._row(table, [str(each) for each in row], "cell", link=links)
            end = f"{_letter(width)}{first + len(rows)}"
            self._ranges.addElement(
                self._odf["table"].DatabaseRange(
                    name=marked, targetrangeaddress=f"{name}.A{first}:{name}.{end}", containsheader="true"
                )
            )
        self._document.spreadsheet.addElement(table)

    def save(self, path: Path) -> None:
        """Write the file."""
        self._document.spreadsheet.addElement(self._ranges)
        document = io.BytesIO()
        self._document.save(document)
        with zipfile.ZipFile(document) as made, zipfile.ZipFile(path, "w") as written:
            for each in made.infolist():
                each.date_time = (*CREATED, 0, 0, 0)
                written.writestr(each, made.read(each))

    def _row(self, parent: Any, texts: list[str], style: str, *, link: bool = False) -> None:
        row = self._odf["table"].TableRow()
        for place, text in enumerate(texts):
            cell = self._odf["table"].TableCell(valuetype="string", stylename=self._styles[style])
            paragraph = self._odf["text"].P()
            if link and place == 0:
                paragraph.addElement(self._odf["text"].A(href=f"#{text}", type="simple", text=text))
            else:
                paragraph.addText(text)
            cell.addElement(paragraph)
            row.addElement(cell)
        parent.addElement(row)

    def _style(self, name: str, *, bold: bool = False, size: str = "12pt", wrapped: bool = True) -> Any:
        style = self._odf["style"].Style(name=name, family="table-cell")
        weight = {"fontweight": "bold"} if bold else {}
        style.addElement(self._odf["style"].TextProperties(fontsize=size, fontfamily="Arial", **weight))
        if wrapped:
            style.addElement(self._odf["style"].TableCellProperties(wrapoption="wrap", verticalalign="top"))
        self._document.automaticstyles.addElement(style)
        return style

    def _column(self, name: str, width: str) -> Any:
        style = self._odf["style"].Style(name=f"column_{name}", family="table-column")
        style.addElement(self._odf["style"].TableColumnProperties(columnwidth=width))
        self._document.automaticstyles.addElement(style)
        return style


def _letter(n: int) -> str:
    """The letters of a column, counted from 1.

    >>> _letter(1), _letter(26), _letter(27)
    ('A', 'Z', 'AA')
    """
    text = ""
    while n:
        n, rest = divmod(n - 1, 26)
        text = chr(ord("A") + rest) + text
    return text


def _odfpy() -> dict[str, Any]:
    try:
        return {
            name: importlib.import_module(f"odf.{name}")
            for name in ("opendocument", "table", "text", "style", "dc", "element", "namespaces")
        }
    except ModuleNotFoundError:
        remedy = "pip install 'trialimpact[publish]'"
        raise OutputError(worded("an ODS file needs the package odfpy.", remedy=remedy)) from None
