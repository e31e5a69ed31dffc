"""A report's own arithmetic: whether its printed numbers agree with each other, within their rounding.

A printed number stands for all values that print so. What no choice among them would satisfy is
inconsistent; what is strange and yet possible, or could not be checked, is to be looked at.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import pandas as pd

from trialimpact.errors import RecordError, worded
from trialimpact.reproduce.published import PublishedNumber, problems_of
from trialimpact.reproduce.relations import Windows, evaluate
from trialimpact.reproduce.windows import EPOCH, PrintRule, Window, printed_window

Verdict = Literal["consistent", "look", "inconsistent"]
Z, STAR_P = 1.96, 0.05
ALIKE = 5
"""More findings of one check in one table than this are told as one."""

RATIO_P = 0.001
"""A sample ratio this unlikely under fair allocation is to be looked at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check of one number: what was held against what, and how it came out."""

    id: str
    check: str
    says: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Lint:
    """Every check that a report's numbers allow."""

    findings: tuple[Finding, ...]

    @property
    def slips(self) -> tuple[Finding, ...]:
        """The inconsistent ones."""
        return tuple(each for each in self.findings if each.verdict == "inconsistent")

    def in_words(self) -> Iterator[tuple[Verdict, str]]:
        """What is inconsistent and then what is to be looked at, a line each; many alike are one line."""
        for verdict in ("inconsistent", "look"):
            mine = [each for each in self.findings if each.verdict == verdict]
            for check in dict.fromkeys((each.check, each.id.partition(".")[0]) for each in mine):
                alike = [each for each in mine if (each.check, each.id.partition(".")[0]) == check]
                if len(alike) > ALIKE:
                    yield verdict, f"{alike[0].check}: {len(alike)} rows, as {alike[0].id}: {alike[0].says}"
                else:
                    yield from ((verdict, f"{each.check}: {each.id}: {each.says}") for each in alike)

    def to_frame(self) -> pd.DataFrame:
        """Columns id, check, says, verdict."""
        return pd.DataFrame([asdict(each) for each in self.findings], columns=list(Finding.__dataclass_fields__))

    def __repr__(self) -> str:
        counts = {verdict: sum(each.verdict == verdict for each in self.findings) for verdict in get_args(Verdict)}
        return f"Lint({len(self.findings)} checks: " + ", ".join(f"{n} {name}" for name, n in counts.items()) + ")"

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        return f"<p>{self!r}</p>{frame[frame['verdict'] != 'consistent'].to_html(index=False)}"


def lint_report(numbers: Sequence[PublishedNumber]) -> Lint:
    """Check a report's printed numbers against each other.

    Sums, shares and footnotes by each row's `relation`; shares of a `partition` against 100; an estimate
    against the ends of its interval, its interval against what the text says, and its sign against the
    heading; a `total` against the groups that make it up; a `star` against the two shares and their
    numbers; a sample ratio against one; the spread that an interval implies against the largest possible;
    a claimed rounding against the print.

    Raises
    ------
    RecordError
        A row cannot be read, a relation cannot be worked out, or names a number that is not there.

    Examples
    --------
    >>> from trialimpact.reproduce.published import read_published
    >>> lint_report(read_published("weekly_wsr_2018"))
    Lint(6 checks: 6 consistent, 0 look, 0 inconsistent)
    """
    numbers, windows = tuple(numbers), dict[str, Window]()
    for number in numbers:
        for problem in problems_of(number):
            raise RecordError(worded(f"row {number.id!r}: {problem}.", remedy="correct this row"))
        for key, window in _windows(number):
            if key in windows:
                raise RecordError(worded(f"{key!r} stands twice.", remedy="give each number an id of its own"))
            windows[key] = window
    report = _Report(rows={number.id: number for number in numbers}, windows=windows)
    findings: list[Finding] = []
    for number in numbers:
        for check in (_relations, _interval, _said, _signed, _star, _sample_ratio, _spread, _rounding):
            findings += check(number, report)
    findings += [*_shares_of_partitions(report), *_totals(report)]
    if not findings:
        findings = [Finding(id="", check="everything", says="nothing here could be checked", verdict="look")]
    return Lint(findings=tuple(findings))


@dataclass(frozen=True, slots=True)
class _Report:
    """The rows of a report by id, and the window of every printed number."""

    rows: Mapping[str, PublishedNumber]
    windows: Windows

    def window(self, key: str) -> Window:
        if key not in self.windows:
            remedy = "name the id of another row"
            raise RecordError(worded(f"the report names {key!r}, which is not there.", remedy=remedy))
        return self.windows[key]

    def size(self, text: str) -> float:
        """A number of people, given or by the id of one."""
        if not re.fullmatch("[0-9][0-9,]*", text, re.ASCII):
            return max(1.0, sum(self.window(text)) / 2)
        return max(1.0, sum(printed_window(text)) / 2)

    def partitions(self, of_a_total: bool) -> Iterator[tuple[str, list[PublishedNumber]]]:
        members: dict[tuple[str, str], list[PublishedNumber]] = {}
        for row in self.rows.values():
            if row.partition and bool(row.total) == of_a_total:
                members.setdefault((row.partition, row.total), []).append(row)
        for (name, _), rows in members.items():
            yield name, rows


def _windows(number: PublishedNumber) -> Iterator[tuple[str, Window]]:
    rule: PrintRule = "exact" if number.unit == "n" else "decimals"
    if number.rounding == "whole_from_10":
        rule = "whole_from_10"
    yield number.id, printed_window(number.printed, rule)
    for part in ("lower", "upper"):
        if text := getattr(number, part):
            yield f"{number.id}.{part}", printed_window(text, rule)


def _share(window: Window) -> Window:
    """The part of a window of a percentage that a share can have."""
    return max(0.0, window[0]), min(100.0, window[1])


def _relations(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The number against what arithmetic on others says of it."""
    low, high = report.window(number.id)
    for relation in filter(None, (part.strip() for part in number.relation.split(";"))):
        sign = relation[:2] if relation[:2] in (">=", "<=") else "="
        expected = evaluate(relation.removeprefix(sign), report.windows, number.id)
        near = 1e-9 * max(1.0, abs(low), abs(high))
        fits = {
            "=": low <= expected[1] + near and high >= expected[0] - near,
            ">=": high >= expected[0] - near,
            "<=": low <= expected[1] + near,
        }[sign]
        text = f"printed {number.printed}; {relation} gives {_range(expected, number.unit)}"
        yield _found(number, "relation", text if fits or not number.note else f"{text}. {number.note}", fits)


def _interval(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The ends of an interval in order, and the estimate in their middle."""
    if not (number.lower and number.upper):
        if number.lower or number.upper:
            yield _found(number, "order of the interval", "not checked: one end is not given", "look")
        return
    (low, high), lower, upper = (report.window(key) for key in (number.id, f"{number.id}.lower", f"{number.id}.upper"))
    yield _found(number, "order of the interval", f"lower {number.lower}, upper {number.upper}", lower[0] <= upper[1])
    middle = (lower[0] + upper[0]) / 2, (lower[1] + upper[1]) / 2
    fits = low <= middle[1] and high >= middle[0]
    yield _found(number, "middle of the interval", f"printed {number.printed}; the middle is {_range(middle)}", fits)


def _said(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """Whether the text and the interval agree that there is an impact."""
    if not number.says or not (number.lower and number.upper):
        return
    ends = sorted(report.window(f"{number.id}.{part}") for part in ("lower", "upper"))
    clear = ends[0][0] > 0 or ends[1][1] < 0
    crosses = ends[0][1] < 0 < ends[1][0]
    verdict: bool | Verdict = "look" if not (clear or crosses) else clear == (number.says == "impact")
    about = "excludes" if clear else "includes" if crosses else "may or may not include"
    yield _found(number, "text against interval", f"the text says {number.says}; the interval {about} zero", verdict)


def _signed(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """Its sign against the one that a heading gives it."""
    if number.claimed_sign:
        low, high = report.window(number.id)
        fits = high >= 0 if number.claimed_sign == "positive" else low <= 0
        yield _found(number, "sign", f"the heading makes it {number.claimed_sign}; printed {number.printed}", fits)


def _star(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """A mark of significance against a two-proportion test, over all values that print so."""
    if not number.star:
        return
    if not (number.against and number.n):
        yield _found(number, "star", "not checked: against and n are needed", "look")
        return
    one, other = (_share(report.window(key)) for key in (number.id, number.against))
    n = report.size(number.n), report.size(report.rows[number.against].n or number.n)
    corners = [abs(_two_proportion_z(p, q, n)) for p in one for q in other]
    overlap = one[0] <= other[1] and other[0] <= one[1]
    low, high = 0.0 if overlap else min(corners), max(corners)
    marked, limit = number.star == "1", _quantile(STAR_P)
    fits = high >= limit if marked else low < limit
    text = f"{'marked' if marked else 'not marked'}; |z| between {low:.2f} and {high:.2f}"
    yield _found(number, "star", text, fits)


def _two_proportion_z(p: float, q: float, n: tuple[float, float]) -> float:
    """The pooled two-proportion z of two percentages."""
    pooled = (n[0] * p + n[1] * q) / sum(n) / 100
    error = math.sqrt(pooled * (1 - pooled) * (1 / n[0] + 1 / n[1]))
    return (p - q) / 100 / error if error > 0 else 0.0


def _sample_ratio(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """Two counts that fair allocation would make alike."""
    if not number.ratio_to:
        return
    one, other = (max(0.0, sum(report.window(key)) / 2) for key in (number.id, number.ratio_to))
    z = abs(one - other) / math.sqrt(max(one + other, 1.0))
    p = math.erfc(z / math.sqrt(2))
    text = f"{one:,.0f} and {other:,.0f}: p = {p:.2g} if allocation was even"
    yield _found(number, "sample ratio", text, "look" if p < RATIO_P else True)


def _spread(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The standard deviation of days that an interval implies: no more than half the horizon can be."""
    if not (number.horizon_days and number.n_treatment and number.n_control and number.lower and number.upper):
        return
    lower, upper = sorted(report.window(f"{number.id}.{part}") for part in ("lower", "upper"))
    half = max(0.0, upper[0] - lower[1]) / 2
    n = [report.size(text) for text in (number.n_treatment, number.n_control)]
    implied = half / Z / math.sqrt(sum(1 / each for each in n))
    largest = float(number.horizon_days) / 2
    text = f"at least {implied:.0f} days; the largest possible, all followed throughout, is {largest:g}"
    yield _found(number, "implied spread", text, "look" if implied > largest else True)


def _rounding(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The print against the significant figures that the report says it has."""
    del report
    if not number.claimed_rounding:
        return
    claimed = int(number.claimed_rounding[0])
    texts = [text for text in (number.printed, number.lower, number.upper) if text]
    wrong = [text for text in texts if claimed not in _significant_figures(text)]
    text = f"claims {number.claimed_rounding}; prints {', '.join(wrong) if wrong else 'so'}"
    yield _found(number, "claimed rounding", text, not wrong)


def _significant_figures(text: str) -> range:
    """How many it may have: the zeros that end a whole number may count or not."""
    digits = re.sub("[^0-9.]", "", text)
    all_of_them = digits.replace(".", "").lstrip("0")
    fewest = all_of_them if "." in digits else all_of_them.rstrip("0")
    return range(len(fewest), len(all_of_them) + 1)


def _shares_of_partitions(report: _Report) -> Iterator[Finding]:
    """Shares that should add up to 100."""
    for name, rows in report.partitions(of_a_total=False):
        low, high = (sum(_share(report.window(row.id))[side] for row in rows) for side in (0, 1))
        says = f"{len(rows)} shares add up to {_range((low, high))}"
        verdict: bool | Verdict = low <= 100 <= high
        edge = verdict and 100 in (round(low, 9), round(high, 9))
        check = f"partition: {name}"
        yield _found(
            rows[0], check, says + (", at the very edge of rounding" if edge else ""), "look" if edge else verdict
        )


def _totals(report: _Report) -> Iterator[Finding]:
    """A total: the sum of counts; else between its parts, unless the arms' make-up differs."""
    for name, rows in report.partitions(of_a_total=True):
        total = report.window(rows[0].total)
        parts = [report.window(row.id) for row in rows]
        if all(row.unit == "n" for row in rows):
            whole = sum(low for low, _ in parts), sum(high for _, high in parts)
            fits: bool | Verdict = total[1] >= whole[0] and total[0] <= whole[1]
            text = f"{rows[0].total} is {_range(total)}; its parts add up to {_range(whole)}"
        else:
            low, high = min(part[0] for part in parts), max(part[1] for part in parts)
            outside = total[1] < low or total[0] > high
            fits = "look" if outside else True
            text = f"{rows[0].total} is {_range(total)}; its parts run from {low:g} to {high:g}"
            text += ": possible only where the arms differ in how many of each they have" if outside else ""
        yield _found(rows[0], f"total: {name}", text, fits)


def _quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri(p / 2))


def _range(window: Window, unit: str = "") -> str:
    if unit == "date":
        low, high = (_as_date(end) for end in window)
    else:
        low, high = (f"{end:,.5g}" for end in window)
    return low if low == high else f"{low} to {high}"


def _as_date(days: float) -> str:
    try:
        date = EPOCH + dt.timedelta(days=days)
    except OverflowError:
        return "no date"
    return f"{date.day} {date:%B %Y}"


def _found(number: PublishedNumber, check: str, says: str, verdict: bool | Verdict) -> Finding:
    words: Verdict = verdict if isinstance(verdict, str) else "consistent" if verdict else "inconsistent"
    return Finding(id=number.id, check=check, says=says, verdict=words)
