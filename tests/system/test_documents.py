"""What readers open, opened: pages in a real browser, workbooks in LibreOffice. Skipped where there is neither."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import trialimpact as ti
from trialimpact.synthetic import simulate_trial

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")]

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
OFFICE = shutil.which("soffice") or ""
needs_browser = pytest.mark.skipif(not BROWSER, reason="there is no Chromium (Debian: apt install chromium)")
needs_office = pytest.mark.skipif(not OFFICE, reason="there is no LibreOffice (Debian: apt install libreoffice-calc)")
HEADLESS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=10000"]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    trial = simulate_trial(2_000, seed=1)
    analysis = ti.analyse_trial(trial.protocol, trial.tables)
    return ti.write_publication(analysis, tmp_path_factory.mktemp("published") / "out")


def in_browser(*arguments: str, folder: Path) -> str:
    """Run the browser, with a profile of its own."""
    command = [BROWSER, *HEADLESS, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=True).stdout


def with_script(page: Path, script: str, folder: Path) -> str:
    """The text that a script leaves in the page's title, run after the page's own."""
    asked = folder / "asked.html"
    html = page.read_text(encoding="utf-8")
    asked.write_text(html.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    dom = in_browser("--dump-dom", asked.as_uri(), folder=folder)
    return dom.split("<title>")[1].split("</title>")[0]


@needs_browser
@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_fits_its_window(published: Path, tmp_path: Path, width: int) -> None:
    page, picture = published / "report.html", tmp_path / "page.png"
    in_browser(f"--window-size={width},1400", f"--screenshot={picture}", page.as_uri(), folder=tmp_path)
    with Image.open(picture) as image:
        assert image.width == width
        colours = image.convert("RGB").getcolors(1 << 20)
    assert colours is not None
    assert len(colours) > 50
    script = "document.title = String(document.documentElement.scrollWidth - document.documentElement.clientWidth)"
    assert int(with_script(page, script, tmp_path)) <= 0


@needs_browser
def test_the_choice_of_a_group_and_hovering_work_and_are_not_needed(published: Path, tmp_path: Path) -> None:
    script = """
      const section = document.querySelector("section.outcome"), choice = section.querySelector("select");
      const seen = () => [...section.querySelectorAll(".panel")].filter((each) => !each.hidden).length;
      const before = seen();
      choice.value = "1"; choice.dispatchEvent(new Event("change"));
      const figure = section.querySelector("figure[data-readings] svg"), box = figure.getBoundingClientRect();
      figure.dispatchEvent(new MouseEvent("mousemove", {clientX: box.left + box.width / 2, clientY: box.top + 40}));
      const tip = figure.parentElement.querySelector(".tip");
      document.title = JSON.stringify([before, seen(), choice.parentElement.hidden, tip.textContent]);
    """
    before, after, hidden, told = json.loads(with_script(published / "report.html", script, tmp_path))
    assert (before, after, hidden) == (1, 1, False)
    assert "difference" in told
    html = (published / "report.html").read_text(encoding="utf-8")
    plain = tmp_path / "plain.html"
    plain.write_text(html[: html.index("<script>")] + html[html.index("</script>") + 9 :], encoding="utf-8")
    dom = in_browser("--dump-dom", plain.as_uri(), folder=tmp_path)
    assert dom.count("<svg") == html.count("<svg")


@needs_browser
def test_it_prints(published: Path, tmp_path: Path) -> None:
    printed = tmp_path / "report.pdf"
    in_browser(f"--print-to-pdf={printed}", (published / "report.html").as_uri(), folder=tmp_path)
    assert printed.read_bytes().startswith(b"%PDF")
    if shutil.which("pdftotext"):
        text = subprocess.run(["pdftotext", "-layout", str(printed), "-"], capture_output=True, text=True, check=True)
        for part in ("What was found", "Participant flow", "CONSORT 2025", "About this report"):
            assert part in text.stdout


@needs_browser
def test_axe_finds_nothing(published: Path, tmp_path: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("axe-core needs npm")
    got = subprocess.run(
        [npm, "install", "--silent", "--prefix", str(tmp_path), "axe-core@4"],
        capture_output=True,
        check=False,
        timeout=120,
    )
    source = tmp_path / "node_modules" / "axe-core" / "axe.min.js"
    if got.returncode or not source.is_file():
        pytest.skip("axe-core could not be installed")
    ask = """
      axe.run(document, {resultTypes: ["violations"]}).then((found) => {
        document.title = JSON.stringify(found.violations.map((each) => [each.id, each.nodes.length, each.nodes[0].html]));
      });
    """
    found: list[Any] = json.loads(with_script(published / "report.html", source.read_text() + ask, tmp_path))
    assert found == []


@needs_office
@pytest.mark.parametrize("name", ["tables.xlsx", "tables.ods"])
def test_workbooks_open_in_an_office_and_lose_nothing(published: Path, tmp_path: Path, name: str) -> None:
    every_sheet = "csv:Text - txt - csv (StarCalc):44,34,76,1,,0,false,true,false,false,false,-1"
    command = [OFFICE, f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}", "--headless"]
    subprocess.run(
        [*command, "--convert-to", every_sheet, "--outdir", str(tmp_path), str(published / name)],
        check=True, capture_output=True, timeout=180,
    )  # fmt: skip
    sheets = sorted(tmp_path.glob("tables-Table_*.csv"))
    tables = sorted((published / "tables").glob("*.csv"))
    assert len(sheets) == len(tables)
    read = []
    for sheet in sheets:
        with sheet.open(encoding="utf-8", newline="") as stream:
            read.append([[cell.replace("[z]", "") for cell in row] for row in csv.reader(stream)])
    for path in tables:
        with path.open(encoding="utf-8", newline="") as stream:
            wanted = list(csv.reader(stream))
        assert any([row[: len(wanted[0])] for row in sheet if any(row)][-len(wanted) :] == wanted for sheet in read), (
            path.name
        )
