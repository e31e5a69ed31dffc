"""A report's own arithmetic: whether its printed numbers agree with each other, within their rounding.

Every check is interval arithmetic: a printed number stands for all values that print so, and an
inconsistency is one that no choice among them mends.
"""

from __future__ import annotations

import ast
import datetime as dt
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, get_args

import pandas as pd

from trialimpact.errors import RecordError, worded
from trialimpact.reproduce.published import PublishedNumber
from trialimpact.reproduce.windows import EPOCH, PrintRule, Window, printed_window

Verdict = Literal["consistent", "look", "inconsistent"]
Z, STAR_P = 1.96, 0.05
RATIO_P = 0.001
"""A sample ratio this unlikely under fair allocation is inconsistent with it."""


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
    against the ends of its interval, and its interval against what the text says; a `total` against the
    groups that make it up; a `star` against the two shares and their numbers; a sample ratio against one;
    the spread that an interval implies against the largest possible; a claimed rounding against the print.

    Raises
    ------
    RecordError
        A relation cannot be read, or names a number that is not there.

    Examples
    --------
    >>> from trialimpact.reproduce.published import read_published
    >>> lint_report(read_published("weekly_wsr_2018"))
    Lint(6 checks: 6 consistent, 0 look, 0 inconsistent)
    """
    windows = {key: window for number in numbers for key, window in _windows(number)}
    report = _Report(rows={number.id: number for number in numbers}, windows=windows)
    findings: list[Finding] = []
    for number in numbers:
        for check in (_relations, _interval, _said, _star, _sample_ratio, _spread, _claimed_rounding):
            findings += check(number, report)
    return Lint(findings=(*findings, *_shares_of_partitions(report), *_totals(report)))


Windows = Mapping[str, Window]


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
        if text in self.windows:
            return sum(self.windows[text]) / 2
        return sum(printed_window(text)) / 2

    def partitions(self, of_a_total: bool) -> Iterator[tuple[str, list[PublishedNumber]]]:
        members = [row for row in self.rows.values() if row.partition and bool(row.total) == of_a_total]
        for name in dict.fromkeys(row.partition for row in members):
            yield name, [row for row in members if row.partition == name]


def _windows(number: PublishedNumber) -> Iterator[tuple[str, Window]]:
    rule: PrintRule = "exact" if number.unit == "n" else "decimals"
    if number.rounding == "whole_from_10":
        rule = "whole_from_10"
    yield number.id, printed_window(number.printed, rule)
    for part in ("lower", "upper"):
        if text := getattr(number, part):
            yield f"{number.id}.{part}", printed_window(text, rule)


def _relations(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The number against what arithmetic on others says of it."""
    low, high = report.window(number.id)
    for relation in filter(None, (part.strip() for part in number.relation.split(";"))):
        sign = relation[:2] if relation[:2] in (">=", "<=") else "="
        expected = evaluate(relation.removeprefix(sign), report.windows, number.id)
        fits = {
            "=": low <= expected[1] and high >= expected[0],
            ">=": high >= expected[0],
            "<=": low <= expected[1],
        }[sign]
        text = f"printed {number.printed}; {relation} gives {_range(expected, number.unit)}"
        yield _found(number, "relation", text, fits)


def _interval(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The ends of an interval in order, and the estimate in their middle."""
    if not (number.lower and number.upper):
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


def _star(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """A mark of significance against a two-proportion test, over all values that print so."""
    if not (number.star and number.against and number.n):
        return
    one, other = report.window(number.id), report.window(number.against)
    n, n_other = report.size(number.n), report.size(report.rows[number.against].n or number.n)
    gap_low = max(0.0, one[0] - other[1], other[0] - one[1])
    gap_high = max(one[1] - other[0], other[1] - one[0])
    z = [abs(gap) / 100 / _pooled_error(one, other, n, n_other) for gap in (gap_low, gap_high)]
    marked, limit = number.star == "1", _quantile(STAR_P)
    fits = z[1] >= limit if marked else z[0] < limit
    text = f"{'marked' if marked else 'not marked'}; |z| between {z[0]:.2f} and {z[1]:.2f}"
    yield _found(number, "star", text, fits)


def _pooled_error(one: Window, other: Window, n: float, n_other: float) -> float:
    p = (n * sum(one) / 2 + n_other * sum(other) / 2) / (n + n_other) / 100
    return math.sqrt(p * (1 - p) * (1 / n + 1 / n_other))


def _sample_ratio(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """Two counts that fair allocation would make alike."""
    if not number.ratio_to:
        return
    one, other = (sum(report.window(key)) / 2 for key in (number.id, number.ratio_to))
    z = abs(one - other) / math.sqrt(one + other)
    p = math.erfc(z / math.sqrt(2))
    text = f"{one:,.0f} and {other:,.0f}: p = {p:.2g} if allocation was even"
    yield _found(number, "sample ratio", text, "look" if p < RATIO_P else True)


def _spread(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The standard deviation of days that an interval implies: no more than half the horizon can be."""
    if not (number.horizon_days and number.n_treatment and number.n_control and number.lower):
        return
    lower, upper = sorted(report.window(f"{number.id}.{part}") for part in ("lower", "upper"))
    half = max(0.0, upper[0] - lower[1]) / 2
    n = [report.size(text) for text in (number.n_treatment, number.n_control)]
    implied = half / Z / math.sqrt(sum(1 / each for each in n))
    largest = float(number.horizon_days) / 2
    text = f"at least {implied:.0f} days; the largest possible, all followed throughout, is {largest:g}"
    yield _found(number, "implied spread", text, "look" if implied > largest else True)


def _claimed_rounding(number: PublishedNumber, report: _Report) -> Iterator[Finding]:
    """The print against the significant figures that the report says it has."""
    del report
    match = re.fullmatch("([0-9]+) significant figures", number.claimed_rounding)
    if not match:
        return
    texts = [text for text in (number.printed, number.lower, number.upper) if text]
    wrong = [text for text in texts if _significant_figures(text) != int(match[1])]
    text = f"claims {number.claimed_rounding}; prints {', '.join(wrong) if wrong else 'so'}"
    yield _found(number, "claimed rounding", text, not wrong)


def _significant_figures(text: str) -> int:
    digits = re.sub("[^0-9.]", "", text)
    return len(digits.replace(".", "").lstrip("0"))


def _shares_of_partitions(report: _Report) -> Iterator[Finding]:
    """Shares that should add up to 100."""
    for name, rows in report.partitions(of_a_total=False):
        low, high = (sum(report.window(row.id)[side] for row in rows) for side in (0, 1))
        says = f"{len(rows)} shares add up to {_range((low, high))}"
        verdict: bool | Verdict = low <= 100 <= high
        edge = verdict and 100 in (round(low, 9), round(high, 9))
        check = f"partition: {name}"
        yield _found(
            rows[0], check, says + (", at the very edge of rounding" if edge else ""), "look" if edge else verdict
        )


def _totals(report: _Report) -> Iterator[Finding]:
    """A total, which should lie between the groups that make it up."""
    for name, rows in report.partitions(of_a_total=True):
        low = min(report.window(row.id)[0] for row in rows)
        high = max(report.window(row.id)[1] for row in rows)
        total = report.window(rows[0].total)
        text = f"{rows[0].total} is {_range(total)}; its parts run from {low:g} to {high:g}"
        yield _found(rows[0], f"total: {name}", text, total[1] >= low and total[0] <= high)


def _quantile(p: float) -> float:
    from scipy.special import ndtri

    return float(-ndtri(p / 2))


def _range(window: Window, unit: str = "") -> str:
    if unit == "date":
        low, high = (f"{EPOCH + dt.timedelta(days=end):%-d %B %Y}" for end in window)
    else:
        low, high = (f"{end:,.7g}" for end in window)
    return low if low == high else f"{low} to {high}"


def _found(number: PublishedNumber, check: str, says: str, verdict: bool | Verdict) -> Finding:
    words: Verdict = verdict if isinstance(verdict, str) else "consistent" if verdict else "inconsistent"
    return Finding(id=number.id, check=check, says=says, verdict=words)


def evaluate(expression: str, windows: Windows, where: str = "a relation") -> Window:
    """The range of an expression of ids, numbers, + - * / ( ) and sqrt, over all values that print so.

    Examples
    --------
    >>> evaluate("100 * a / (a + b)", {"a": (1.0, 1.0), "b": (3.0, 3.0)})
    (25.0, 25.0)
    """
    names: dict[str, str] = {}

    def stand_in(found: re.Match[str]) -> str:
        key = found[0]
        if key == "sqrt":
            return key
        if key not in windows:
            remedy = "name the id of another row, or id.lower, id.upper"
            raise RecordError(worded(f"the relation of {where!r} names {key!r}, which is not there.", remedy=remedy))
        names[f"_{len(names)}"] = key
        return f"_{len(names) - 1}"

    text = re.sub(r"[A-Za-z_][\w]*(?:\.\w+)*", stand_in, expression)
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, {name: windows[key] for name, key in names.items()})
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError):
        remedy = "write ids, numbers, + - * / ( ) and sqrt; after >= or <= for a bound"
        raise RecordError(worded(f"the relation of {where!r} cannot be worked out.", remedy=remedy)) from None


def _value(node: ast.expr, names: Windows) -> Window:
    """Interval arithmetic on the few forms that a relation may have."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value), float(node.value)
    if isinstance(node, ast.Name):
        return names[node.id]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        low, high = _value(node.operand, names)
        return -high, -low
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "sqrt"
        and len(node.args) == 1
    ):
        low, high = _value(node.args[0], names)
        return math.sqrt(low), math.sqrt(high)
    if isinstance(node, ast.BinOp) and type(node.op) in _OPERATIONS:
        one, other = _value(node.left, names), _value(node.right, names)
        if isinstance(node.op, ast.Div) and other[0] <= 0 <= other[1]:
            raise ZeroDivisionError
        ends = [_OPERATIONS[type(node.op)](a, b) for a in one for b in other]
        return min(ends), max(ends)
    raise ValueError


_OPERATIONS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: lambda a, b: a + b,
    ast.Sub: lambda a, b: a - b,
    ast.Mult: lambda a, b: a * b,
    ast.Div: lambda a, b: a / b,
}
