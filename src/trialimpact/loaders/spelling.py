"""What is the same to a reader and another thing to a computer: capitals, spaces, zeros, what is not seen."""

from __future__ import annotations

import html
import importlib
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.values import Coded

_ESCAPED = re.compile(r"_x00[0-9a-fA-F]{2}_")
_LOST = "\ufffd"
_PLAIN = str.maketrans(dict.fromkeys("‘’‚‛ʹʻʼˈ′`´", "'") | dict.fromkeys("“”„‟″", '"') | dict.fromkeys("‐‑‒–—―−", "-"))
_MARKS = r"[\-/_.‐-―−]"
_SUFFIXED = r"^([a-z]{2}[0-9]{6})[a-d]$"
_NUMBER = re.compile(r"0*([0-9]+)(?:\.0+)?")
_LETTERS = str.maketrans({"ø": "o", "æ": "ae", "å": "a", "ł": "l", "đ": "d", "ð": "d", "œ": "oe"})
_TWO_FOR_ONE = re.compile("oe|aa|ae|ue")
"""How "ø", "å", "ä" and "ü" are written without them."""
_SCIENTIFIC = re.compile(r"[0-9]\.[0-9]+e\+?[0-9]{1,2}")


_SIGN = re.compile(r"[+*<>≤≥=±#]|(?:^|(?<=[\s(]))[-−](?=\w)|[-−](?=\)|$)|[^\W\d_a-zA-Z\u00c0-\u024f]|[\u0900-\u0dff]")
"""What is a label's meaning, not its spelling: HIV+ and HIV-, < median and > median; letters that are not Latin."""


def written_otherwise(labels: pd.Series[Any], declared: Collection[str]) -> Booleans:
    """Labels that are none of the declared ones, and would be but for capitals, spaces, accents, quotes, dashes,
    zeros before a number or what is not seen; and those of which a letter was lost in an encoding.

    >>> written_otherwise(pd.Series(["North", "north ", "South", None, "N\ufffdrth"]), ["North"]).tolist()
    [False, True, False, False, True]
    """
    meant = {_folded(each) for each in declared}
    column = Coded.of(labels)
    wrong = [not _is_number(each) and _is_other(str(each), declared, meant) for each in column.distinct]
    return column.spread(np.array(wrong, dtype=bool), False)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _is_other(label: str, declared: Collection[str], meant: set[str]) -> bool:
    return label not in declared and (_folded(label) in meant or _has_lost(label, declared))


def in_several_spellings(labels: Iterable[str]) -> set[str]:
    """What several of some distinct labels are but for capitals, spaces, accents, quotes, dashes or what is not seen.

    >>> in_several_spellings(["Barking & Dagenham", "Barking and Dagenham", "Bromley"])
    {'barkinganddagenham'}
    """
    counts = Counter((_folded(each), *_SIGN.findall(each)) for each in labels)
    return {each[0] for each, n in counts.items() if n > 1}


def in_another_form(labels: pd.Series[Any]) -> Booleans:
    """Whole numbers of a column of text that stand there in two forms, in all but the form that comes first.

    >>> in_another_form(pd.Series(["12", "7", "12.0", None, "07"])).tolist()
    [False, False, True, False, True]
    """
    column = Coded.of(labels)
    forms: dict[str, str] = {}
    wrong = np.zeros(len(column.distinct), dtype=bool)
    for place, value in enumerate(column.distinct):
        if isinstance(value, str) and (number := _NUMBER.fullmatch(value.strip())):
            wrong[place] = forms.setdefault(number[1], value.strip()) != value.strip()
    return column.spread(wrong, False)


def _has_lost(label: str, declared: Collection[str]) -> bool:
    """Whether an encoding has lost a letter: marked as lost, or "?" where a label of the protocol's has another.

    "?" alone, or with a letter or two, is a code of its own.
    """
    if "?" not in label or len(label.replace("?", "")) < 3:
        return _LOST in label
    return any(re.fullmatch(re.escape(label).replace(r"\?", "."), each) for each in declared)


def spelt_alike(identifiers: Any) -> Integers:
    """A number for each of some distinct identifiers; those that a spreadsheet could have made of each other share it.

    They differ as `as_typed` does not; or one is the other without all its hyphens, slashes and points, or without the
    last letter of a NINO. Takes an Arrow array of bytes.
    """
    text, compute = as_typed(identifiers), importlib.import_module("pyarrow.compute")
    if text is None:
        return np.arange(len(identifiers))
    for form, kept in ((_MARKS, ""), (_SUFFIXED, r"\1")):
        if compute.any(compute.match_substring_regex(text, form)).as_py():
            short = compute.replace_substring_regex(text, form, kept)
            text = compute.if_else(compute.is_in(short, value_set=text), short, text)
    return np.asarray(text.dictionary_encode().indices.to_numpy(), dtype=np.int64)


def as_typed(identifiers: Any) -> Any:
    """Identifiers without capitals, leading zeros, a decimal point with zeros, scientific notation, commas, quotes and
    equal signs, spaces and characters that are not seen. Takes and gives Arrow text; None of what is no text.
    """
    text, compute = _text(identifiers), importlib.import_module("pyarrow.compute")
    if text is None:
        return None
    unseen = r"\s" if compute.all(compute.string_is_ascii(text)).as_py() else r"\s\p{Z}\p{C}"
    text = compute.replace_substring_regex(compute.utf8_lower(text), rf"[\"'’=,{unseen}]", "")
    dotted = np.flatnonzero(compute.match_substring(text, ".").to_numpy(zero_copy_only=False))
    if dotted.size:
        words = text.to_numpy(zero_copy_only=False).copy()
        words[dotted] = [_whole(word) for word in words[dotted]]
        text = importlib.import_module("pyarrow").array(words, type=text.type)
    return compute.ascii_ltrim(text, characters="0")


def without_marks(text: Any) -> Any:
    """Arrow text without hyphens, slashes and points."""
    return importlib.import_module("pyarrow.compute").replace_substring_regex(text, _MARKS, "")


def _text(identifiers: Any) -> Any:
    arrow = importlib.import_module("pyarrow")
    try:
        return identifiers.cast(arrow.large_string())
    except arrow.ArrowInvalid:  # bytes that are no text
        return None


def _whole(word: str) -> str:
    """A whole number in another dress as its digits; any other word as it stands."""
    if _SCIENTIFIC.fullmatch(word):
        return f"{float(word):.0f}"
    return re.sub(r"^([0-9]+)\.0+$", r"\1", word)


def _folded(label: str) -> str:
    """A label without capitals, spaces and what is not seen; a whole number without zeros before it; of words without
    digits their letters, without accents, with "and" for "&" and one letter for the two that stand for "ø" or "ü".
    """
    seen = (
        each
        for each in unicodedata.normalize("NFKC", html.unescape(_ESCAPED.sub("", label)))
        if each.isprintable() and not each.isspace()
    )
    folded = "".join(seen).translate(_PLAIN).casefold()
    if number := _NUMBER.fullmatch(folded):
        return number[1]
    if any(each.isdigit() for each in folded):
        return folded
    plain = unicodedata.normalize("NFD", folded.replace("&", "and").translate(_LETTERS))
    letters = "".join(each for each in plain if each.isalpha())
    return _TWO_FOR_ONE.sub(lambda two: two[0][0], letters) or folded
