"""The report as a machine reads it: whole, in order, labelled, and on its own."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import Any

import pytest
from trials import short_trial

import trialimpact as ti
from trialimpact.disclosure import release_results
from trialimpact.report.document import build_report
from trialimpact.report.findings import main_findings

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

VOID = {"meta", "link", "img", "br", "hr", "input"}


class Page(HTMLParser):
    """What stands in a page, in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append((tag, found))
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if "id" in found:
            self.ids.append(str(found["id"]))
        self.links += [str(found[name]) for name in ("href", "src", "xlink:href") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self.open):
            self.text.append(data)


@pytest.fixture(scope="module")
def report() -> Any:
    return build_report(release_results(ti.analyse_trial(*short_trial(900, seed=5, subgroups=2)).results()))


@pytest.fixture(scope="module")
def page(report: Any) -> Page:
    found = Page(report.to_html())
    assert not found.open
    return found


def test_headings_are_in_order_and_ids_are_one_each(page: Page) -> None:
    assert page.headings[0] == 1
    assert page.headings.count(1) == 1
    for before, after in zip(page.headings, page.headings[1:], strict=False):
        assert after <= before + 1
    assert len(set(page.ids)) == len(page.ids)
    for link in page.links:
        assert link.startswith("#"), link
        assert link[1:] in page.ids, link


def test_it_stands_alone_and_says_its_language(page: Page) -> None:
    tags = dict(page.tags)
    assert tags["html"] == {"lang": "en"}
    assert not {tag for tag, _ in page.tags} & {"link", "iframe", "img", "object"}
    assert {"main", "header", "nav"} <= {tag for tag, _ in page.tags}
    text = " ".join(str(value) for _, attributes in page.tags for value in attributes.values())
    assert not re.search(r"https?://(?!www\.w3\.org)", text)


def test_every_table_has_a_caption_and_scopes(page: Page) -> None:
    order = [(tag, attributes) for tag, attributes in page.tags if tag in ("table", "caption", "th")]
    tables = [place for place, (tag, _) in enumerate(order) if tag == "table"]
    assert len(tables) > 15
    for place in tables:
        assert order[place + 1][0] == "caption"
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in order if tag == "th")


def test_every_picture_has_its_text_and_its_numbers(report: Any, page: Page) -> None:
    drawings = [attributes for tag, attributes in page.tags if tag == "svg"]
    figures = list(report.figures)
    assert len(drawings) == len(figures) + 1
    for attributes in drawings:
        assert attributes["role"] == "img"
        assert len(attributes["aria-label"] or "") > 40
    charts = [attributes for tag, attributes in page.tags if tag == "figure" and "data-readings" in attributes]
    assert len(charts) == len(figures)
    for attributes, figure in zip(charts, figures, strict=True):
        readings = json.loads(attributes["data-readings"] or "")
        assert len(readings) == len(figure.picture.readings)
        assert len(figure.shown)
        for x, y, says in readings:
            assert 0 <= x <= 8 * 72
            assert 0 <= y <= 7 * 72
            assert "difference" in says


def test_the_first_screen_answers_what_how_sure_for_whom_and_what_went_wrong(report: Any, page: Page) -> None:
    text = re.sub(r"\s+", " ", " ".join(page.text))
    short = text[text.index("In short") : text.index("Contents")]
    for finding in main_findings(report.release):
        assert finding.sentence() in short
    for heading in ("What was found", "How sure we are", "For whom", "What went wrong in the trial"):
        assert heading in short


def test_everything_that_is_asked_for_is_there(page: Page) -> None:
    text = re.sub(r"\s+", " ", " ".join(page.text))
    for part in ("Participant flow", "Checks of how the trial was run", "Characteristics of the arms", "By subgroup",
                 "Adjusted for what was known before", "What those not linked leave possible", "CONSORT 2025",
                 "For the author to complete", "intention to treat", "What was found in the records",
                 "Made with trialimpact"):  # fmt: skip
        assert part in text, part


def test_labels_are_escaped() -> None:
    short, tables = short_trial(300, seed=2, subgroups=0)
    data = short.model_dump(by_alias=True, exclude_unset=True, mode="json")
    data["name"] = "A <b>trial</b> & more"
    data["outcomes"][0]["label"] = 'on <script>alert("x")</script>'
    protocol = ti.TrialProtocol.from_dict(data)
    results = ti.analyse_trial(protocol, tables).results(methods=False)
    html = build_report(release_results(results, "none")).to_html()
    assert "<script>alert" not in html
    assert "A &lt;b&gt;trial&lt;/b&gt; &amp; more" in html
    Page(html)


def test_a_report_of_main_estimates_only_says_what_was_not_tested() -> None:
    results = ti.analyse_trial(*short_trial(300, seed=2, subgroups=0)).results(methods=False)
    html = build_report(release_results(results, "none")).to_html()
    assert "was not tested in this analysis" in html
    assert "No disclosure control has been applied" in html
