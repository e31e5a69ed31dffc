"""The report's own slips are found, a sound report has none, and a changed number is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trialimpact.errors import RecordError
from trialimpact.reproduce import PublishedNumber, lint_report, read_published
from trialimpact.reproduce.lint import evaluate


def slips(numbers: list[PublishedNumber]) -> set[tuple[str, str]]:
    return {(each.id, each.check) for each in lint_report(numbers).slips}


def test_the_slips_of_the_2016_report() -> None:
    found = slips(list(read_published("iap_2016")))
    order = {each for each in found if each[1] == "order of the interval"}
    assert len(order) == 14  # the columns of Table 6.2 are swapped
    assert {each[0].partition(".")[0] for each in order} == {"t62"}
    assert found - order == {
        ("flow.oos_pct", "relation"),  # 8.4% of those who remain cannot be
        ("match.short_iap", "relation"),  # of people as allocated, not as put
        ("match.short_bau", "relation"),
        ("t62.all", "relation"),  # headed days off benefit
        ("t62.25_to_44", "claimed rounding"),  # prints 0.0
        ("t63.male", "claimed rounding"),  # prints 0.3
        ("t62.repeat_claimant", "text against interval"),
        ("t63.repeat_claimant", "total: repeat employment"),
        ("fig64.wk5_pm", "relation"),  # a range given as an interval
        ("follow.benefit_data", "relation"),  # nobody has nine months by then
    }


def test_what_is_to_be_looked_at() -> None:
    looked = {each.id: each.says for each in lint_report(read_published("iap_2016")).findings if each.verdict == "look"}
    assert "p = 1.8e-10" in looked["flow.non_exempt_iap"]
    assert "p = 1.9e-06" in looked["flow.itt_iap"]
    assert "100 to 102" in looked["flow.oos_wp_pct"]
    assert "136.5" in looked["t62.all"]
    assert len(looked) == 4


def test_the_2018_report_is_sound() -> None:
    assert not slips(list(read_published("weekly_wsr_2018")))


@pytest.mark.parametrize(
    ("id_", "changed", "check"),
    [
        ("flow.matched", {"printed": "10,092"}, "relation"),
        ("flow.non_exempt", {"printed": "12,134"}, "relation"),
        ("match.short_all", {"printed": "18%"}, "relation"),
        ("mis.overall", {"printed": "3.1%"}, "relation"),
        ("flow.ex_postwp_pct", {"printed": "69%"}, "partition: exempt reasons"),
        ("t61.gender.male.iap", {"printed": "46%"}, "partition: Gender IAP"),
        ("t61.sought_occupations.professional.iap", {"star": "0"}, "star"),
        ("t61.gender.male.iap", {"star": "1"}, "star"),
        ("t63.white", {"upper": "71"}, "middle of the interval"),
        ("t63.all", {"lower": "15", "upper": "4.2"}, "order of the interval"),
        ("t63.all", {"printed": "29", "lower": "24", "upper": "34"}, "total: sex employment"),
    ],
)
def test_a_changed_number_is_noticed(id_: str, changed: dict[str, str], check: str) -> None:
    numbers = list(read_published("iap_2016"))
    before = slips(numbers)
    after = slips([replace(each, **changed) if each.id == id_ else each for each in numbers])
    assert check in {found for _, found in after - before}


def test_arithmetic_on_windows() -> None:
    windows = {"a.1": (1.0, 2.0), "b": (-1.0, 3.0)}
    assert evaluate("a.1 + b", windows) == (0.0, 5.0)
    assert evaluate("b - a.1", windows) == (-3.0, 2.0)
    assert evaluate("-2 * b", windows) == (-6.0, 2.0)
    assert evaluate("(b + 3) / a.1", windows) == (1.0, 6.0)
    assert evaluate("sqrt(a.1 * 4)", windows) == pytest.approx((2.0, 8**0.5))


@pytest.mark.parametrize(
    "relation",
    [
        "a +",
        "a / zero",
        "sqrt(-1)",
        "a.__class__",
        "open('x')",
        "a ** 2",
        "lambda: 1",
        "[a]",
        "a if a else a",
        "sqrt(a, a)",
        "'x'",
    ],
)
def test_a_relation_that_cannot_be_worked_out_is_an_error_and_runs_nothing(relation: str) -> None:
    numbers = [PublishedNumber(id="a", printed="1", relation=relation), PublishedNumber(id="zero", printed="0")]
    with pytest.raises(RecordError, match="remedy"):
        lint_report(numbers)


def test_a_row_that_is_not_there_is_named() -> None:
    with pytest.raises(RecordError, match="'gone'"):
        lint_report([PublishedNumber(id="a", printed="1", relation="gone + 1")])
    with pytest.raises(RecordError, match="'gone'"):
        lint_report([PublishedNumber(id="a", printed="1", ratio_to="gone")])
