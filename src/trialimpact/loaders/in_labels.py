"""Identifiers that stand in text which is shown: a NINO that was typed as a reason, a reference in an office."""

from __future__ import annotations

import importlib
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans
from trialimpact.loaders.identifiers import FIRST_LETTERS, SECOND_LETTERS, SYNTHETIC, Keys, as_bytes
from trialimpact.loaders.spelling import as_typed, without_marks
from trialimpact.loaders.values import Coded, as_numbers

_PREFIX = rf"(?:[{''.join(FIRST_LETTERS)}][{''.join(SECOND_LETTERS)}]|{SYNTHETIC})"
_MARK = r"[\-.,'’‐-―_/−]"
_APART = rf"(?:\s|{_MARK})*"
_IN_TEXT = tuple(
    re.compile(form)
    for form in (
        r"(?<![A-Z])[A-Z]{2}(?:\s*[0-9]){6}(?!\s*[0-9])",
        rf"(?<![A-Z]){_PREFIX}\s*{_MARK}(?:{_APART}[0-9]){{6}}(?!{_APART}[0-9])",
        rf"(?<![A-Z]){_PREFIX}(?:{_APART}[0-9]){{6}}{_APART}[A-D](?![A-Z0-9])",
        rf"{_PREFIX}[0-9]{{6}}[A-D](?![A-Z0-9])",
    )
)
_WITHOUT_SPACES = re.compile(r"(?<![A-Z])[A-Z]{2}[0-9]{6}(?![0-9])")
_WORD = re.compile(r"[^\s.,;:()\[\]'\"]{6,}")
_PART = re.compile(r"[^\W_]{6,}")
_GROUPS = re.compile(rf"[0-9](?:{_APART}[0-9]){{5,}}")
"""Words, runs of letters and digits, and digits with spaces and marks between them."""


def holds_a_nino(labels: pd.Series[Any]) -> Booleans:
    """Labels in which something that looks like a NINO stands; each distinct label is looked at once.

    Among words and spaces, between hyphens or points, or at the end of a word. "Moved on 12-03-16" is none: without its
    last letter, marks must stand behind the first two.
    """
    column = Coded.of(labels)
    texts = [unicodedata.normalize("NFKC", str(label)).upper() for label in column.distinct]
    found = [
        bool(_WITHOUT_SPACES.search("".join(text.split())) or any(form.search(text) for form in _IN_TEXT))
        for text in texts
    ]
    return column.spread(np.array(found, dtype=bool), False)


def holds_one_of(labels: pd.Series[Any], keys: Sequence[Keys]) -> Booleans:
    """Labels in which somebody's identifier stands, if it has a digit and is of six letters or digits, or more.

    As it is written, or as people write numbers: in groups, between hyphens, in other capitals, without leading zeros.
    A column of numbers alone is none of labels. Each distinct label is looked at once.
    """
    column = Coded.of(labels)
    words = [] if as_numbers(column.distinct) is not None else [_words(str(each)) for each in column.distinct]
    known = _among(sorted({word for each in words for word in each}), keys)
    found = [not known.isdisjoint(each) for each in words] or [False] * len(column.distinct)
    return column.spread(np.array(found, dtype=bool), False)


def words_like_identifiers(labels: pd.Series[Any]) -> list[str]:
    """The words of some labels that may be identifiers, in the forms in which a database may hold them."""
    words = {word for label in labels for word in _words(str(label))}
    plain = {re.sub(rf"\s|{_MARK}", "", word) for word in words}
    return sorted({form(word) for word in words | plain for form in (str, str.lower, str.upper)})


def _words(label: str) -> list[str]:
    """What may be an identifier in a label: its words, parts of words between marks, and digits in groups."""
    said = unicodedata.normalize("NFKC", label)
    candidates = [*_WORD.findall(said), *_PART.findall(said), *_GROUPS.findall(said)]
    return [each for each in dict.fromkeys(candidates) if any(letter.isdigit() for letter in each)]


def _among(words: list[str], keys: Sequence[Keys]) -> set[str]:
    """Those of some words that are identifiers."""
    asked = _comparable(as_bytes(words)) if words else None
    if asked is None:
        return set()
    compute = importlib.import_module("pyarrow.compute")
    theirs = [found for found in (_comparable(as_bytes(each.key)) for each in keys) if found is not None]
    there = [compute.is_in(asked, value_set=each).to_numpy(zero_copy_only=False) for each in theirs]
    found = np.logical_or.reduce([np.zeros(len(words), dtype=bool), *there])
    return {words[place] for place in np.flatnonzero(found)}


def _comparable(identifiers: Any) -> Any:
    text = as_typed(identifiers)
    return None if text is None else without_marks(text)
