"""The exceptions, and how a message is worded: what, where, which rule, how many, what to do.

No message holds an identifier or a value from a record: rows are named by position (row 1 is the
first row under the header).
"""

from __future__ import annotations

import functools
import sys
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

_P = ParamSpec("_P")
_R = TypeVar("_R")

ROWS_SHOWN = 10
"""How many row numbers a message lists before it says how many more there are."""


class TrialImpactError(Exception):
    """Any error that this library raises on purpose."""


class ProtocolError(TrialImpactError, ValueError):
    """The protocol cannot be read, contradicts itself, or does not know what was asked for."""


class RecordError(TrialImpactError, ValueError):
    """Records break rules; the message lists every broken rule of every table at once."""


class DesignError(TrialImpactError, ValueError):
    """The records are sound, but the trial they describe cannot be analysed as asked."""


class OutputError(TrialImpactError, OSError):
    """Results cannot be written where they were asked to go, or cannot be read back."""


class TrialWarning(UserWarning):
    """Something an evaluator must know, that does not stop the analysis."""


def warn(message: str) -> None:
    """Warn at the line outside this library that called it, however deep within the library that is found out."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "trialimpact":
        frame, level = frame.f_back, level + 1
    warnings.warn(message, TrialWarning, stacklevel=level)


def worded(what: str, *details: str, remedy: str) -> str:
    """One message: what happened, indented details, and the remedy on the last line.

    >>> print(worded("sites.toml: no outcome", remedy="add [[outcomes]]"))
    sites.toml: no outcome
      remedy: add [[outcomes]]
    """
    return "\n  ".join([what, *details, f"remedy: {remedy}"])


def printable(text: str) -> str:
    """Text that cannot steer a terminal or break a line: what cannot be printed is shown by its code.

    >>> printable(f"one{chr(10)}two") == f"one{chr(92)}ntwo"
    True
    """
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def listed(rows: Sequence[int], shown: int = ROWS_SHOWN) -> str:
    """Row numbers for a message, cut to the first few.

    >>> listed([3, 8, 11], shown=2)
    '3, 8 and 1 more'
    """
    text = ", ".join(str(row) for row in rows[:shown])
    return text if len(rows) <= shown else f"{text} and {len(rows) - shown:,} more"


def unknown_name(noun: str, name: str, known: Iterable[str], where: str = "the protocol") -> ProtocolError:
    """The error for asking by a name that the protocol does not have."""
    names = ", ".join(repr(each) for each in known) or "none"
    return ProtocolError(worded(f"{where} has no {noun} {name!r}.", remedy=f"use one of: {names}"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenRule:
    """One rule that some rows of one table break (or, with no rows, that the whole table breaks)."""

    table: str
    rule: str
    says: str
    remedy: str
    rows: tuple[int, ...] = ()
    n_rows: int = 0
    columns: tuple[str, ...] = ()

    def __str__(self) -> str:
        """The rule in words, as it appears in a `RecordError`."""
        if not self.rows:
            return worded(f"{self.table}: {self.says} ('{self.rule}').", remedy=self.remedy)
        breaks = "row breaks" if len(self.rows) == 1 else "rows break"
        where = f"rows: {listed(self.rows)} (columns: {', '.join(self.columns)})"
        what = f"{self.table}: {len(self.rows):,} of {self.n_rows:,} {breaks} '{self.rule}': {self.says}."
        return worded(what, where, remedy=self.remedy)


def require_kind(given: object, kind: type, name: str, remedy: str) -> None:
    """Raise a `DesignError` where a function is given another kind of thing than it takes."""
    if not isinstance(given, kind):
        says = f"{name} is a {type(given).__name__}, not {kind.__name__}."
        raise DesignError(worded(says, remedy=remedy))


_WHERE_FROM = {
    "TrialProtocol": "TrialProtocol.from_toml(path)",
    "TrialRecords": "load_records(protocol, tables), or analysis.records",
    "TrialSample": "build_sample(records), or analysis.sample",
    "Panel": "build_panel(sample, spells), or analysis.panel",
    "Moments": "count_moments(panel), or analysis.moments",
    "TrialAnalysis": "analyse_trial(protocol, tables)",
    "TrialResults": "read_results(folder), or analysis.results()",
    "str | Path": "a path",
    "Effects": "estimate_daily(moments) or estimate_cumulative(moments)",
    "Mapping[str, OutcomeSpells]": "merge_spells(records), or analysis.spells",
    "Valuation": "read_valuation(path)",
    "str": "its name, a text",
}
_PLAIN = ("Path", "None")
"""Words of an annotation that need no line above to be checked."""


def _kinds_of(annotation: str) -> tuple[str, ...]:
    """The classes that an annotation names, without what they hold."""
    return tuple(kind.partition("[")[0] for kind in annotation.split(" | "))


def of_its_kind(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Check the arguments of a public function: that each is of a class that its annotation names.

    The first always, and every other whose annotation is made of the classes above.

    >>> from trialimpact import count_moments
    >>> count_moments("moments.npz")
    Traceback (most recent call last):
    ...
    trialimpact.errors.DesignError: panel is a str, not Panel.
      remedy: give build_panel(sample, spells), or analysis.panel
    """
    names = function.__code__.co_varnames
    known = {*_PLAIN, *_WHERE_FROM}
    asked = {
        name: kinds
        for name, kinds in function.__annotations__.items()
        if name == names[0] or (name != "return" and known.issuperset(kinds.split(" | ")))
    }

    @functools.wraps(function)
    def checked(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        given = {**dict(zip(names, args, strict=False)), **kwargs}
        for name in asked.keys() & given.keys():
            _require_of(given[name], name, asked[name])
        return function(*args, **kwargs)

    return checked


def _require_of(given: object, name: str, annotation: str) -> None:
    """Raise a `DesignError` where an argument is of no class that its annotation names."""
    there = {each.__name__ for each in type(given).__mro__}
    if isinstance(given, Mapping):
        there.add("Mapping")
    if given is None:
        there.add("None")
    if there.isdisjoint(_kinds_of(annotation)):
        kinds = annotation.removesuffix(" | None")
        remedy = f"give {_WHERE_FROM.get(kinds, f'a {kinds}, as its own function returns it')}"
        raise DesignError(worded(f"{name} is a {type(given).__name__}, not {annotation}.", remedy=remedy))


def record_error(broken: Sequence[BrokenRule], *, quarantine_helps: bool = True) -> RecordError:
    """The one error that lists every broken rule."""
    advice = "Every broken rule is listed above. Correct the extract" + (
        ', or set broken rows aside and count them: on_broken_rule="quarantine" (analyse --on-broken-rule quarantine).'
        if quarantine_helps
        else " or the protocol."
    )
    return RecordError("\n".join([*(str(rule) for rule in broken), advice]))
