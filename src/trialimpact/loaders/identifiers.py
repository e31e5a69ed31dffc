"""Identifiers -> row numbers. Here a NINO keeps only its digit; after this file no identifier exists.

The NINO is two letters, six digits and a suffix A to D or none. The allocating digit is the sixth
digit (the eighth character): the suffix is a letter and allocates nothing. The suffix does not
tell people apart, so two NINOs that differ in it alone are one person.
"""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.values import WORDS_FOR_NOTHING, WORDS_FOR_UNKNOWN, arrow_text

NOBODY = -1
"""The row number of a record whose identifier is blank, invalid, or not in the trial."""

WORDS_FOR_NOBODY = tuple(sorted(WORDS_FOR_NOTHING | WORDS_FOR_UNKNOWN))
"""Words that an extract writes for everybody whose identifier is not known, who are not one person."""

FIRST_LETTERS, SECOND_LETTERS, SUFFIXES = (
    tuple(each) for each in ("ABCEGHJKLMNOPRSTWXYZ", "ABCEGHJKLMNPRSTWXYZ", "ABCD")
)
NEVER_ISSUED = ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")
SYNTHETIC = "QQ"
_NO_KEY = np.uint32(2**32 - 1)
_WIDTH, _BLOCK = 9, 2**15
_EXACT = 2.0**53
"""The largest float of 64 bits that is no other whole number's."""
_KEPT_DIGITS, _NO_CHANCE = 15, 8
_LONG = rf"^[0-9]{{{_KEPT_DIGITS + 1},}}$"
_ENDS_IN_NOUGHTS = rf"^[0-9]{{{_KEPT_DIGITS}}}0+$"
_SHORTENED = r"^[0-9]\.[0-9]{1,5}[eE]\+(?:0[6-9]|[1-9][0-9])$"
_NOBODYS, _LONGEST = rf"(?i)^(?:{'|'.join(map(re.escape, WORDS_FOR_NOBODY))})$", max(map(len, WORDS_FOR_NOBODY))
_NUMBERS_IN_DISGUISE = ("decimal", "floating", "mixed-integer-float")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Keys:
    """The identifiers of one table while it is being linked; never kept.

    `key` is a whole number a row (a NINO's letters and digits, or a whole-number identifier), or
    an Arrow array of bytes.
    """

    key: Any
    blank: Booleans
    invalid: Booleans
    digit: NDArray[np.int8]


def parse_ninos(values: pd.Series[Any], *, synthetic: bool = False) -> Keys:
    """NINOs -> linkage keys and allocating digits; spaces and lower case are accepted.

    `synthetic=True` accepts the never-issued prefix QQ and nothing else changes.

    >>> keys = parse_ninos(pd.Series(["ab 12 34 56 c", "QQ123456A"]))
    >>> keys.digit.tolist(), keys.invalid.tolist()
    ([6, -1], [False, True])
    """
    text = arrow_text(values)
    if text is None:
        text = _large_text(
            [None if missing else _written(value) for value, missing in zip(values, values.isna(), strict=True)]
        )
    key = _packed_ninos(text, synthetic)
    rest = np.flatnonzero(key == _NO_KEY)
    if rest.size:
        key[rest] = _packed_ninos(_tidied(text.take(rest)), synthetic)
    wrong = key == _NO_KEY
    blank = np.zeros(key.size, dtype=bool)
    blank[wrong] = _blank(text.filter(wrong))
    digit = np.where(wrong, np.int8(-1), (key % 10).astype(np.int8))
    return Keys(key=key, blank=blank, invalid=wrong & ~blank, digit=digit)


def opaque_keys(values: pd.Series[Any]) -> Keys:
    """Opaque identifiers -> linkage keys: whole numbers and their text are one key.

    Outer spaces are not part of an identifier; leading zeros are. Floats are whole numbers up to 2⁵³, of 32 bits up to
    2²⁴: above, two numbers may be one float. What a spreadsheet rounded (1.23457E+15, or all with noughts past fifteen
    digits) is invalid, and so is a word for nothing or nobody (NA, NULL, unknown). Bytes that are no text are written
    in hexadecimal digits.

    >>> opaque_keys(pd.Series(["7f3a9c", "Unknown", "NA"])).invalid.tolist()
    [False, True, True]
    """
    keys = _as_keys(values)
    return replace(keys, invalid=keys.invalid | ((_are_rounded(keys.key) | _are_nobodys(keys.key)) & ~keys.blank))


def _are_nobodys(key: Any) -> Booleans:
    """Words that stand for people who are not known."""
    if isinstance(key, np.ndarray):
        return np.zeros(key.size, dtype=bool)
    short = _compute().less_equal(_compute().binary_length(key), _LONGEST)
    return _matching(key, short, _NOBODYS)


def _are_rounded(key: Any) -> Booleans:
    """Numbers of which a spreadsheet kept the first digits: all of them, or it left its notation."""
    if isinstance(key, np.ndarray):
        long, ends_so = key >= 10**_KEPT_DIGITS, key % 10 == 0
        n_different = np.unique(key[long & ends_so]).size if (long & ends_so).any() else 0
        return np.asarray(long & (n_different >= _NO_CHANCE and bool((ends_so | ~long).all())))
    compute = _compute()
    shortened = _matching(key, compute.match_substring(key, "+"), _SHORTENED)
    ends_so = _matching(key, compute.ends_with(key, pattern="0"), _ENDS_IN_NOUGHTS)
    if compute.count_distinct(key.filter(_arrow().array(ends_so))).as_py() < _NO_CHANCE:
        return shortened
    n_long = int(_matching(key, compute.is_valid(key), _LONG).sum())
    return np.asarray(shortened | (ends_so & (ends_so.sum() == n_long)))


def _matching(key: Any, among: Any, form: str) -> Booleans:
    """Those that have a form, among some of the identifiers (an Arrow array of yes and no)."""
    rows = np.flatnonzero(among.fill_null(False).to_numpy(zero_copy_only=False))
    found = np.zeros(len(key), dtype=bool)
    found[rows] = _compute().match_substring_regex(key.take(rows), form).to_numpy(zero_copy_only=False)
    return found


def _as_keys(values: pd.Series[Any]) -> Keys:
    none = np.full(len(values), -1, dtype=np.int8)
    text = arrow_text(values)
    if text is not None and _has_no_spaces(text):
        missing = _compute().equal(_compute().binary_length(text), 0).fill_null(True).to_numpy(zero_copy_only=False)
        return Keys(key=as_bytes(text), blank=missing, invalid=np.zeros_like(missing), digit=none)
    missing = values.isna().to_numpy(dtype=bool)
    plain = pd.api.types.is_numeric_dtype(values.dtype) and not isinstance(values.dtype, pd.ArrowDtype)
    if text is None and not plain and pd.api.types.infer_dtype(values, skipna=True) in _NUMBERS_IN_DISGUISE:
        each_of: Any = values
        if pd.api.types.is_float_dtype(values.dtype):  # of Arrow, which gives each as a float of 64 bits
            each_of = values.to_numpy(dtype=_numpy_of(values.dtype), na_value=np.nan)
        values = pd.Series([pd.NA if gone else _as_whole(value) for value, gone in zip(each_of, missing, strict=True)])
        invalid = values.isna().to_numpy(dtype=bool) & ~missing
        return Keys(key=as_bytes([*values.fillna("")]), blank=missing, invalid=invalid, digit=none)
    if pd.api.types.is_float_dtype(values.dtype):
        exact = values.to_numpy(dtype=float, na_value=np.nan)
        whole = (np.floor(exact) == exact) & (np.abs(exact) <= exact_to(values.dtype)) & ~missing
        numbers = values.where(whole, 0).astype(np.int64).to_numpy()
        return Keys(key=numbers, blank=missing, invalid=~whole & ~missing, digit=none)
    if pd.api.types.is_signed_integer_dtype(values.dtype):
        numbers = values.to_numpy(dtype=np.int64, na_value=0) if missing.any() else values.to_numpy(dtype=np.int64)
        return Keys(key=numbers, blank=missing, invalid=np.zeros_like(missing), digit=none)
    written = ["" if gone else _written(value).strip() for value, gone in zip(values, missing, strict=True)]
    blank, has_nul = (np.array([test(each) for each in written], dtype=bool) for test in (_is_empty, _has_nul))
    return Keys(key=as_bytes(written), blank=blank, invalid=has_nul, digit=none)


def exact_to(dtype: Any) -> float:
    """The largest float that is no other whole number's, of 64 bits or fewer."""
    return min(_EXACT, 2.0 ** (np.finfo(_numpy_of(dtype)).nmant + 1))


def _numpy_of(dtype: Any) -> Any:
    return getattr(dtype, "numpy_dtype", dtype)


def _as_whole(value: Any) -> Any:
    """A whole number as text; missing where it is none, or a float that may be another number's too."""
    if isinstance(value, float | np.floating) and abs(float(value)) > exact_to(np.asarray(value).dtype):
        return pd.NA
    return str(int(value)) if math.isfinite(value) and value == int(value) else pd.NA


def number_people(keys: Sequence[Keys]) -> tuple[list[Integers], int]:
    """Row numbers for each table's records, counted in order of first appearance.

    Returns one array a table (`NOBODY` where blank or invalid) and the number of people.
    """
    if not keys:
        return [], 0
    usable = ~np.concatenate([each.blank | each.invalid for each in keys])
    numbers = np.full(usable.size, NOBODY, dtype=np.int64)
    if all(isinstance(each.key, np.ndarray) for each in keys):
        numbers[usable], people = pd.factorize(np.concatenate([each.key for each in keys])[usable])
    else:
        everybody = _arrow().concat_arrays([as_bytes(each.key) for each in keys]).filter(usable).dictionary_encode()
        numbers[usable], people = everybody.indices.to_numpy(), everybody.dictionary
    ends = np.cumsum([each.blank.size for each in keys])
    return np.split(numbers, ends[:-1]), len(people)


def one_key_each(keys: Sequence[Keys], codes: Sequence[Integers], n_people: int) -> Any:
    """The identifier of each person as an Arrow array of bytes; None where whole numbers are all there is."""
    if not n_people or all(isinstance(each.key, np.ndarray) for each in keys):
        return None
    numbers = np.concatenate(codes)
    first = np.zeros(n_people, dtype=np.int64)
    rows = np.flatnonzero(numbers != NOBODY)[::-1]
    first[numbers[rows]] = rows
    return _arrow().concat_arrays([as_bytes(each.key) for each in keys]).take(_arrow().array(first))


def as_bytes(values: Any) -> Any:
    """Text or whole numbers as an Arrow array of bytes."""
    if isinstance(values, list):
        return _arrow().array([each.encode("utf-8", "surrogatepass") for each in values], type=_arrow().large_binary())
    if isinstance(values, np.ndarray):
        values = _arrow().array(values).cast(_arrow().large_string())
    return values.cast(_arrow().large_binary())


def _packed_ninos(text: Any, synthetic: bool) -> NDArray[np.uint32]:
    """A whole number below 676,000,000 for each text that is a tidy NINO: its two letters and six digits."""
    letters = _nine_letters(text)
    keys = np.empty(len(text), dtype=np.uint32)
    for first in range(0, len(text), _BLOCK):  # blocks that stay in the processor's cache
        rows = slice(first, first + _BLOCK)
        keys[rows] = _packed_block(letters[rows], *_forms(synthetic))
    return keys


def _packed_block(letters: NDArray[np.uint8], prefixes: NDArray[np.uint32], suffixes: Booleans) -> NDArray[np.uint32]:
    key = prefixes[letters[:, 0].astype(np.uint16) << 8 | letters[:, 1]]
    right = suffixes[letters[:, 8]] & (key != _NO_KEY)
    for place in range(2, 8):
        digit = letters[:, place] - np.uint8(ord("0"))  # below "0" this wraps past 9
        right &= digit <= 9
        key = key * np.uint32(10) + digit
    return np.where(right, key, _NO_KEY)


@cache
def _forms(synthetic: bool) -> tuple[NDArray[np.uint32], Booleans]:
    """The number of each prefix by its two bytes (`_NO_KEY` where never issued), and the suffixes by their byte."""
    issued = {"".join(pair) for pair in product(FIRST_LETTERS, SECOND_LETTERS)} - {*NEVER_ISSUED}
    prefixes = np.full(2**16, _NO_KEY, dtype=np.uint32)
    for prefix in issued | ({SYNTHETIC} if synthetic else set()):
        first, second = prefix.encode()
        prefixes[first << 8 | second] = (first - ord("A")) * 26 + second - ord("A")
    suffixes = np.zeros(2**8, dtype=bool)
    suffixes[[ord(each) for each in (*SUFFIXES, " ")]] = True
    return prefixes, suffixes


def _nine_letters(text: Any) -> NDArray[np.uint8]:
    """The bytes of each text, shape (texts, 9): shorter text ends in spaces, longer or missing text is all spaces."""
    compute = _compute()
    length = compute.binary_length(text)
    if text.null_count or compute.min_max(length).as_py() != {"min": _WIDTH, "max": _WIDTH}:
        short = compute.fill_null(compute.if_else(compute.less_equal(length, _WIDTH), text, ""), "")
        text = compute.ascii_rpad(short, _WIDTH)
    return _letters(text).reshape(-1, _WIDTH)


def _letters(text: Any) -> NDArray[np.uint8]:
    """All bytes of an Arrow array of large strings, one text after the other."""
    _, offsets, held = text.buffers()
    if not len(text) or held is None:
        return np.empty(0, dtype=np.uint8)
    ends = np.frombuffer(offsets, dtype=np.int64)[text.offset : text.offset + len(text) + 1]
    return np.frombuffer(held, dtype=np.uint8)[ends[0] : ends[-1]]


def _has_no_spaces(text: Any) -> bool:
    """Whether text is all printable ASCII without a space, so that nothing can be stripped from it."""
    letters = _letters(text)
    return not letters.size or bool(letters.min() > ord(" ") and letters.max() < 127)


def _tidied(text: Any) -> Any:
    """Text without spaces and in capitals: of the letters that NINOs have alone, for "ß" in capitals would be two."""
    return _compute().ascii_upper(_compute().replace_substring(text, " ", ""))


def _blank(text: Any) -> Booleans:
    """Missing texts, and texts of nothing but white space: each distinct text is looked at once."""
    coded = text.dictionary_encode()
    blank = np.array([not each.strip() for each in coded.dictionary.to_pylist()] + [True], dtype=bool)
    return np.asarray(blank[coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)])


def _written(value: Any) -> str:
    if not isinstance(value, bytes):
        return str(value)
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.hex()


def _is_empty(text: str) -> bool:
    return not text


def _has_nul(text: str) -> bool:
    return "\x00" in text


def _large_text(values: Sequence[str | None]) -> Any:
    """Text as an Arrow array; what is no Unicode becomes question marks, which no NINO has."""
    whole = [None if each is None else each.encode("utf-8", "replace").decode("utf-8") for each in values]
    return _arrow().array(whole, type=_arrow().large_string())


def _arrow() -> Any:
    return importlib.import_module("pyarrow")


def _compute() -> Any:
    return importlib.import_module("pyarrow.compute")
