"""Workbooks by the checklist for statistics in spreadsheets: read back, item by item."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest
from odf import opendocument, table, text

from trialimpact.report.latex import latex, to_latex
from trialimpact.report.opendocument import write_ods
from trialimpact.report.release_tables import Table
from trialimpact.report.workbook import NOT_APPLICABLE, Workbook, write_xlsx

ROWS = pd.DataFrame(
    {"Group": ["Women", "Men & boys", "50% <off>"], "Days": ["−1.5", "[c]", ""], "p": ["0.03", "", "1"]}
)


@pytest.fixture(scope="module")
def workbook() -> Workbook:
    tables = (
        Table(name="days", title="Days by group", rows=ROWS, notes=("Of everybody.", "Rounded.")),
        Table(name="flow-chart", title="Who took part", rows=ROWS[["Group"]], notes=("Rounded.",)),
    )
    return Workbook(title="A trial: tables", about=("What this is.",), tables=tables)


@pytest.fixture(scope="module")
def xlsx(workbook: Workbook, tmp_path_factory: pytest.TempPathFactory) -> Any:
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    path = tmp_path_factory.mktemp("xlsx") / "tables.xlsx"
    write_xlsx(workbook, path)
    return openpyxl.load_workbook(path)


def cells_of(sheet: Any, reference: str) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in sheet[reference]]


def test_xlsx_has_cover_contents_notes_and_a_table_a_sheet(xlsx: Any) -> None:
    assert xlsx.sheetnames == ["Cover", "Contents", "Notes", "Table_1", "Table_2"]
    for name in xlsx.sheetnames[1:]:
        assert len(xlsx[name].tables) == 1, name
    assert {next(iter(xlsx[name].tables)) for name in ("Table_1", "Table_2")} == {"days", "flow_chart"}


def test_xlsx_tables_have_unique_headers_and_no_empty_or_merged_cell(xlsx: Any) -> None:
    for sheet in xlsx.worksheets:
        assert not sheet.merged_cells.ranges
        assert sheet.sheet_state == "visible"
        assert sheet["A1"].value
        for marked in sheet.tables.values():
            values = cells_of(sheet, marked.ref)
            assert len(set(values[0])) == len(values[0])
            assert all(value not in (None, "") for row in values for value in row)
            assert marked.headerRowCount == 1


def test_xlsx_explains_marks_and_refers_to_notes(xlsx: Any) -> None:
    sheet = xlsx["Table_1"]
    above = " ".join(str(sheet.cell(row, 1).value) for row in range(1, 5))
    assert "Table 1: Days by group" in above
    assert "[c] means kept back" in above
    assert "[note 1]" in above
    notes = " ".join(str(cell.value) for row in xlsx["Notes"].iter_rows() for cell in row)
    assert "Of everybody." in notes
    assert notes.count("Rounded.") == 1
    assert "[z]" in " ".join(str(cell.value) for row in xlsx["Cover"].iter_rows() for cell in row)


@pytest.fixture(scope="module")
def ods(workbook: Workbook, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("ods") / "tables.ods"
    write_ods(workbook, path)
    return opendocument.load(str(path))


def rows_of(sheet: Any) -> list[list[str]]:
    def said(cell: Any) -> str:
        return "".join(_text(paragraph) for paragraph in cell.getElementsByType(text.P))

    return [
        [said(cell) for cell in row.getElementsByType(table.TableCell)]
        for row in sheet.getElementsByType(table.TableRow)
    ]


def _text(node: Any) -> str:
    if hasattr(node, "data"):
        return str(node.data)
    return "".join(_text(child) for child in node.childNodes)


def test_ods_is_the_same_workbook(ods: Any) -> None:
    sheets = {sheet.getAttribute("name"): rows_of(sheet) for sheet in ods.spreadsheet.getElementsByType(table.Table)}
    assert list(sheets) == ["Cover", "Contents", "Notes", "Table_1", "Table_2"]
    first = sheets["Table_1"]
    assert first[0] == ["Table 1: Days by group"]
    assert "[note 1] [note 2]" in first[1][0]
    assert first[2] == ["Group", "Days", "p"]
    assert first[3:] == [["Women", "−1.5", "0.03"], ["Men & boys", "[c]", "[z]"], ["50% <off>", "[z]", "1"]]
    assert sheets["Contents"][2:] == [["Sheet", "Title"], ["Table_1", "Days by group"], ["Table_2", "Who took part"]]
    links = [link.getAttribute("href") for link in ods.spreadsheet.getElementsByType(text.A)]
    assert links == ["#Table_1", "#Table_2"]


def test_ods_tables_are_marked_where_they_stand(ods: Any) -> None:
    marked = {
        each.getAttribute("name"): each.getAttribute("targetrangeaddress")
        for each in ods.spreadsheet.getElementsByType(table.DatabaseRange)
    }
    assert marked["days"] == "Table_1.A3:Table_1.C6"
    assert marked["flow_chart"] == "Table_2.A3:Table_2.A6"
    headers = ods.spreadsheet.getElementsByType(table.TableHeaderRows)
    assert len(headers) == len(marked) == 4
    empty = [cell for cell in ods.spreadsheet.getElementsByType(table.TableCell) if not _text(cell).strip()]
    assert not empty


@pytest.mark.parametrize(("write", "needs"), [(write_xlsx, "gptables"), (write_ods, "odf")])
def test_the_same_tables_are_the_same_bytes_at_another_time(
    write: Callable[[Workbook, Path], None],
    needs: str,
    workbook: Workbook,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip(needs, reason=f"{needs} is not installed")
    write(workbook, tmp_path / "one")
    localtime, later = time.localtime, time.time() + 10_000_000
    monkeypatch.setattr(time, "localtime", lambda at=later: localtime(at))
    time.sleep(1.1)  # XLSX are dated in seconds
    write(workbook, tmp_path / "other")
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_xlsx_names_itself_in_its_properties(xlsx: Any) -> None:
    assert xlsx.properties.title == "A trial: tables"


@pytest.mark.parametrize("text", ["=1+1", '=HYPERLINK("http://x","y")', "http://example.org", "12"])
def test_what_looks_like_a_formula_is_text(text: str, tmp_path: Path) -> None:
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    rows = pd.DataFrame({"Group": [text], "Days": ["1"]})
    table = Table(name="days", title=text, rows=rows, notes=(text,))
    write_xlsx(Workbook(title=text, about=(text,), tables=(table,)), tmp_path / "x.xlsx")
    book = openpyxl.load_workbook(tmp_path / "x.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.value is not None]
    assert sum(text in str(cell.value) for cell in cells) >= 4
    # The writer's own links from the contents to the sheets are formulae of no user's text.
    assert not [cell.value for cell in cells if cell.data_type == "f" and text in str(cell.value)]
    assert not [
        cell.coordinate for cell in cells if str(cell.value) == text and cell.data_type not in ("s", "inlineStr")
    ]


def test_no_cell_is_empty_and_says_why(workbook: Workbook) -> None:
    (_, _, rows), _ = workbook.sheets()
    assert NOT_APPLICABLE in rows.to_numpy().ravel().tolist()


def test_latex_writes_special_characters_out(workbook: Workbook) -> None:
    assert latex("a_b & 5% #1 {x} ~ ^ \\ $ <0.001 −3") == (
        r"a\_b \& 5\% \#1 \{x\} \textasciitilde{} \textasciicircum{} \textbackslash{} \$ \textless{}0.001 $-$3"
    )
    lines = to_latex(workbook.tables[0]).splitlines()
    assert lines[0] == r"\begin{table}"
    assert r"Men \& boys & {[}c{]} &  \\" in lines
    assert lines.count(r"\toprule") == lines.count(r"\bottomrule") == 1


def test_a_star_and_a_table_with_nothing_in_it(tmp_path: Path) -> None:
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    tables = (
        Table(name="stars", title="Stars", rows=pd.DataFrame({"Group": ["Women", "Men"], "p < 0.05": ["*", ""]})),
        Table(name="nothing", title="Nothing", rows=pd.DataFrame({"Rule": [], "Rows": []})),
    )
    workbook = Workbook(title="A trial", about=(), tables=tables)
    write_xlsx(workbook, tmp_path / "tables.xlsx")
    write_ods(workbook, tmp_path / "tables.ods")
    book = openpyxl.load_workbook(tmp_path / "tables.xlsx")
    stars, nothing = (cells_of(book[f"Table_{n}"], next(iter(book[f"Table_{n}"].tables.values())).ref) for n in (1, 2))
    assert stars == [["Group", "p < 0.05"], ["Women", "yes"], ["Men", "[z]"]]
    assert nothing == [["Rule", "Rows"], ["[z]", "[z]"]]
