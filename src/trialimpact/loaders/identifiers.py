"""Identifiers -> row numbers. Here a NINO keeps only its digit; after this file no identifier exists.

The NINO is two letters, six digits and a suffix A to D or none. The allocating digit is the sixth
digit (the eighth character): the suffix is a letter and allocates nothing. The suffix does not
tell people apart, so two NINOs that differ in it alone are one person.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.intervals import Booleans, Integers

NOBODY = -1
"""The row number of a record whose identifier is blank, invalid, or not in the trial."""

_ISSUED = (
    r"(?!BG|GB|KN|NK|NT|TN|ZZ)"
    r"[ABCEGHJ-PR-TW-Z][ABCEGHJ-NPR-TW-Z][0-9]{6}[A-D]?"
)
_SYNTHETIC = r"QQ[0-9]{6}[A-D]?"
_ANYWHERE = re.compile(r"(?<![A-Z])[A-Z]{2}[0-9]{6}(?![0-9])")
_NUMBERS_IN_DISGUISE = ("decimal", "floating", "mixed-integer-float")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Keys:
    """The identifiers of one table while it is being linked; never kept."""

    key: NDArray[np.object_]
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
    blank = _blank(values)
    text = values.astype(object).where(~blank, "").astype(str).str.replace(" ", "", regex=False).str.upper()
    pattern = f"(?:{_ISSUED}|{_SYNTHETIC})" if synthetic else _ISSUED
    valid = text.str.fullmatch(pattern).to_numpy(dtype=bool)
    digit = np.where(valid, text.str.slice(7, 8).where(valid, "0").astype(np.int8), -1).astype(np.int8)
    key = text.str.slice(0, 8).to_numpy(dtype=object)
    return Keys(key=key, blank=blank, invalid=~valid & ~blank, digit=digit)


def opaque_keys(values: pd.Series[Any]) -> Keys:
    """Opaque identifiers -> linkage keys: whole numbers and their text are one key.

    Outer spaces are not part of an identifier; leading zeros are.
    """
    if pd.api.types.infer_dtype(values, skipna=True) in _NUMBERS_IN_DISGUISE:
        values = pd.to_numeric(values.astype(object).where(values.notna(), None), errors="coerce").astype(float)
    blank = _blank(values)
    if pd.api.types.is_float_dtype(values.dtype):
        whole = (values.to_numpy(dtype=float, na_value=np.nan) % 1 == 0) | blank
        values = values.where(whole & ~blank, 0).astype(np.int64)
    else:
        whole = np.ones(len(values), dtype=bool)
    text = values.astype(object).where(~blank, "").astype(str).str.strip()
    no_nul = ~text.str.contains("\x00", regex=False).to_numpy(dtype=bool)
    none = np.full(len(values), -1, dtype=np.int8)
    return Keys(key=text.to_numpy(dtype=object), blank=blank, invalid=~(whole & no_nul), digit=none)


def holds_a_nino(labels: pd.Series[Any]) -> Booleans:
    """Labels in which something that looks like a NINO stands; each distinct label is looked at once."""
    codes, distinct = pd.factorize(labels.astype(object), use_na_sentinel=True)
    found = np.array([bool(_ANYWHERE.search(str(label).upper().replace(" ", ""))) for label in distinct] + [False])
    return np.asarray(found[codes])


def number_people(keys: Sequence[Keys]) -> tuple[list[Integers], int]:
    """Row numbers for each table's records, counted in order of first appearance.

    Returns one array a table (`NOBODY` where blank or invalid) and the number of people.
    """
    everybody = np.concatenate([each.key for each in keys]) if keys else np.empty(0, dtype=object)
    unusable = np.concatenate([each.blank | each.invalid for each in keys]) if keys else np.empty(0, bool)
    everybody = everybody.copy()
    everybody[unusable] = None
    codes, people = pd.factorize(everybody, use_na_sentinel=True)
    ends = np.cumsum([each.key.size for each in keys])
    return [part.astype(np.int64) for part in np.split(codes, ends[:-1])], len(people)


def _blank(values: pd.Series[Any]) -> Booleans:
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_numeric_dtype(values.dtype):
        return np.asarray(missing)
    text = values.astype(object).where(~missing, "").astype(str)
    return np.asarray(text.str.strip().eq("").to_numpy(dtype=bool))
