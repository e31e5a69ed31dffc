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
from trialimpact.loaders.values import Coded, as_numbers

_PREFIX = rf"(?:[{''.join(FIRST_LETTERS)}][{''.join(SECOND_LETTERS)}]|{SYNTHETIC})"
_MARK = r"[\-.‐-―_/−]"
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
    """Labels of which a word is somebody's identifier, if it has a digit and is of six letters or digits, or more.

    A column of numbers alone is none of labels. Each distinct label is looked at once.
    """
    column = Coded.of(labels)
    words = [] if as_numbers(column.distinct) is not None else [_words(str(each)) for each in column.distinct]
    known = _among(sorted({word for each in words for word in each}), keys)
    found = [not known.isdisjoint(each) for each in words] or [False] * len(column.distinct)
    return column.spread(np.array(found, dtype=bool), False)


def _words(label: str) -> list[str]:
    return [word for word in _WORD.findall(label) if any(each.isdigit() for each in word)]


def _among(words: list[str], keys: Sequence[Keys]) -> set[str]:
    """Those of some words that are identifiers."""
    if not words:
        return set()
    asked = as_bytes(words)
    compute = importlib.import_module("pyarrow.compute")
    there = [compute.is_in(asked, value_set=as_bytes(each.key)).to_numpy(zero_copy_only=False) for each in keys]
    return {words[place] for place in np.flatnonzero(np.logical_or.reduce(there))}
