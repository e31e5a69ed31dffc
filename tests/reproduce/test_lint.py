"""The report's own slips are found, a sound report has none, and a changed number is noticed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trialimpact.errors import RecordError
from trialimpact.reproduce import PublishedNumber, lint_report, read_published
from trialimpact.reproduce.relations import evaluate


def slips(numbers: list[PublishedNumber]) -> set[tuple[str, str]]:
    return {(each.id, each.check) for each in lint_report(numbers).slips}


def test_the_slips_of_the_2016_report() -> None:
    found = slips(list(read_published("iap_2016")))
    columns = {each for each in found if each[1] in ("order of the interval", "sign")}
    assert len(columns) == 28  # the columns of Table 6.2 are swapped, and its heading has the other sign
    assert {each[0].partition(".")[0] for each in columns} == {"t62"}
    assert found - columns == {
        ("flow.oos_pct", "relation"),  # 8.4% of those who remain cannot be
        ("match.short_iap", "relation"),  # of people as allocated, not as put
        ("match.short_bau", "relation"),
        ("t62.25_to_44", "claimed rounding"),  # prints 0.0
        ("t63.male", "claimed rounding"),  # prints 0.3
        ("t62.repeat_claimant", "text against interval"),
        ("fig64.wk5", "relation"),  # a peak that cannot add up to 9.7 days
        ("fig64.wk5_pm", "relation"),  # a range given as an interval
        ("follow.benefit_data", "relation"),  # nobody has nine months by then
    }


def test_what_is_to_be_looked_at() -> None:
    looked = {each.id: each.says for each in lint_report(read_published("iap_2016")).findings if each.verdict == "look"}
    assert "p = 1.8e-10" in looked["flow.non_exempt_iap"]
    assert "p = 1.9e-06" in looked["flow.itt_iap"]
    assert "100 to 102" in looked["flow.oos_wp_pct"]
    assert "136.5" in looked["t62.all"]
    assert "may or may not include zero" in looked["t62.25_to_44"]
    assert "6.05 to 9.55" in looked["t63.repeat_claimant"]
    assert len(looked) == 6


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
    ],
)
def test_a_changed_number_is_noticed(id_: str, changed: dict[str, str], check: str) -> None:
    numbers = list(read_published("iap_2016"))
    before = slips(numbers)
    after = slips([replace(each, **changed) if each.id == id_ else each for each in numbers])
    assert check in {found for _, found in after - before}


def test_a_star_is_tested_over_all_values_that_print_so() -> None:
    """3% of 40 against 1% of 5,000: at 3.5% and 0.5% the difference is significant, so a star can be right."""
    rows = [
        PublishedNumber(id="a", printed="3%", unit="%", n="40", star="1", against="b"),
        PublishedNumber(id="b", printed="1%", unit="%", n="5,000"),
    ]
    assert not slips(rows)
    assert not slips([replace(rows[0], star="0"), rows[1]])
    zeros = [replace(rows[0], printed="0.00%", star="0"), replace(rows[1], printed="0.00%")]
    assert not slips(zeros)
    assert slips([replace(rows[0], printed="50%", star="0"), rows[1]]) == {("a", "star")}
    assert lint_report([replace(rows[0], n=""), rows[1]]).findings[0].verdict == "look"


@pytest.mark.parametrize(
    ("text", "claimed", "sound"),
    [
        ("120", "2", True),
        ("120", "3", True),
        ("120", "1", False),
        ("0.3", "2", False),
        ("0.30", "2", True),
        ("15", "2", True),
    ],
)
def test_significant_figures(text: str, claimed: str, sound: bool) -> None:
    row = PublishedNumber(id="a", printed=text, claimed_rounding=f"{claimed} significant figures")
    assert (not slips([row])) == sound


def test_totals_of_counts_are_sums_and_of_estimates_lie_between() -> None:
    parts = [PublishedNumber(id=name, printed="1500", unit="n", partition="arms", total="all") for name in ("a", "b")]
    assert not slips([*parts, PublishedNumber(id="all", printed="3000", unit="n")])
    assert slips([*parts, PublishedNumber(id="all", printed="3001", unit="n")]) == {("a", "total: arms")}
    effects = [replace(part, unit="days") for part in parts]
    lint = lint_report([*effects, PublishedNumber(id="all", printed="3000", unit="days")])
    assert [each.verdict for each in lint.findings] == ["look"]


def test_where_nothing_could_be_checked_it_says_so() -> None:
    (finding,) = lint_report([PublishedNumber(id="a", printed="1")]).findings
    assert finding.verdict == "look"
    (finding,) = lint_report([PublishedNumber(id="a", printed="1", lower="0")]).findings
    assert "not checked" in finding.says


@pytest.mark.parametrize("column", ["star", "rounding", "says", "printed", "lower", "horizon_days", "claimed_sign"])
def test_a_row_built_by_hand_is_checked_too(column: str) -> None:
    with pytest.raises(RecordError, match="row 'a'"):
        lint_report([replace(PublishedNumber(id="a", printed="1"), **{column: "what"})])


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
        "9**9**9",
        "1e400",
        "True",
        "(" * 500 + "a" + ")" * 500,
        "+".join(["a"] * 5000),
        "sqrt",
        "a b",
        "é",
        "10a",
        "a 2",
        "2a",
        "sqrt(a, a=9)",
        "a # 1",
        "a_.b.c",
    ],
)
def test_a_relation_that_cannot_be_worked_out_is_an_error_and_runs_nothing(relation: str) -> None:
    numbers = [PublishedNumber(id="a", printed="1", relation=relation), PublishedNumber(id="zero", printed="0")]
    with pytest.raises(RecordError, match="remedy"):
        lint_report(numbers)


def test_an_id_that_would_stand_for_two_numbers_is_an_error() -> None:
    one = PublishedNumber(id="a", printed="1", lower="0", upper="2")
    for other in (replace(one), PublishedNumber(id="a.lower", printed="7")):
        with pytest.raises(RecordError, match="stands twice"):
            lint_report([one, other])


def test_numbers_may_come_from_any_iterable_and_edges_are_not_missed_by_rounding() -> None:
    rows = [PublishedNumber(id="a", printed="0.1"), PublishedNumber(id="c", printed="0.5", relation="a + a + a")]
    assert [each.verdict for each in lint_report(iter(rows)).findings] == ["consistent"]


def test_every_total_of_a_partition_is_held() -> None:
    rows = [
        PublishedNumber(id="a", printed="10", unit="n", partition="p", total="t"),
        PublishedNumber(id="b", printed="20", unit="n", partition="p", total="u"),
        PublishedNumber(id="t", printed="10", unit="n"),
        PublishedNumber(id="u", printed="99", unit="n"),
    ]
    assert slips(rows) == {("b", "total: p")}


def test_a_row_that_is_not_there_is_named() -> None:
    with pytest.raises(RecordError, match="'gone'"):
        lint_report([PublishedNumber(id="a", printed="1", relation="gone + 1")])
    with pytest.raises(RecordError, match="'gone'"):
        lint_report([PublishedNumber(id="a", printed="1", ratio_to="gone")])
