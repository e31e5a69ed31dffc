"""What the values of a column are: text, numbers, or a mixture. Nothing is changed silently."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trialimpact.intervals import Booleans

_Scalar = TypeVar("_Scalar", bound=np.generic)

WORDS_FOR_NOTHING = frozenset({"na", "n/a", "#n/a", "<na>", "null", "#null!", "nan", "."})
"""What R, Excel, SQL, pandas, SPSS and SAS write where there is no value, in small letters."""

WORDS_FOR_UNKNOWN = frozenset(
    {"unknown", "not known", "not stated", "not recorded", "missing", "refused", "prefer not to say", "none", "?", "-"}
)
"""Fair words of a characteristic, but in a complement (who is not known not to be a woman is no man); nobody's name."""

_DATES = ("date", "datetime", "empty")


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Coded:
    """A column as codes into its distinct values, -1 where missing: each value is looked at once.

    >>> column = Coded.of(pd.Series(["JSA", None, "ESA", "JSA"]))
    >>> column.codes.tolist(), column.distinct.tolist()
    ([0, -1, 1, 0], ['JSA', 'ESA'])
    """

    codes: NDArray[np.integer[Any]]
    distinct: pd.Series[Any]
    one_type: bool
    """Whether the values are known to be of one type."""

    @classmethod
    def of(cls, values: pd.Series[Any]) -> Coded:
        """Code a column.

        In a mixture of objects, where 1 equals True, each row has a code of its own. Text is never
        coded by pandas, which takes "a" and "a" before a NUL for one.
        """
        if isinstance(values.dtype, pd.CategoricalDtype):
            distinct = pd.Series(values.cat.categories, dtype=object)
            return cls(values.cat.codes.to_numpy(), distinct, not _is_mixed(distinct))
        if (text := arrow_text(values)) is not None:
            coded = text.dictionary_encode()
            codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
            return cls(codes, pd.Series(coded.dictionary.to_numpy(zero_copy_only=False), dtype=object), True)
        plain = values if isinstance(values.dtype, np.dtype) else values.astype(object)
        try:
            codes, found = pd.factorize(plain, use_na_sentinel=True)
            distinct = pd.Series(found, dtype=plain.dtype)
            if not is_object(plain) or pd.api.types.infer_dtype(distinct) in _DATES:
                return cls(codes, distinct, True)
        except TypeError:  # values that cannot be hashed
            pass
        there = plain.notna().to_numpy(dtype=bool)
        return cls(np.where(there, np.cumsum(there) - 1, -1), plain[there].reset_index(drop=True), False)

    def spread(self, found: NDArray[_Scalar], missing: Any) -> NDArray[_Scalar]:
        """What was found for each distinct value, for each row; `missing` where missing."""
        by_code: NDArray[_Scalar] = np.append(found, np.array([missing], dtype=found.dtype))
        return np.take(by_code, self.codes)


def is_object(values: pd.Series[Any]) -> bool:
    """Whether a column holds Python objects."""
    return values.dtype == np.dtype(object)


def without_bytes(values: pd.Series[Any]) -> pd.Series[Any]:
    """A column of bytes as the text that they are in UTF-8, U+FFFD where they are none; any other as it stands.

    >>> without_bytes(pd.Series([b"a", None])).tolist()
    ['a', None]
    """
    held = values.cat.categories.to_series() if isinstance(values.dtype, pd.CategoricalDtype) else values
    there = held.notna().to_numpy(dtype=bool)
    if not there.any() or not isinstance(held.iloc[int(there.argmax())], bytes):
        return values
    return values.astype(object).map(lambda each: each.decode("utf-8", "replace") if isinstance(each, bytes) else each)


def arrow_text(values: pd.Series[Any]) -> Any:
    """A column that is text through and through as one Arrow array of large strings, else None.

    Missing values are allowed; text that is no Unicode is not.
    """
    if not (is_object(values) or isinstance(values.dtype, pd.StringDtype | pd.ArrowDtype | pd.CategoricalDtype)):
        return None
    arrow = importlib.import_module("pyarrow")
    try:
        text = arrow.array(values, from_pandas=True)
    except (arrow.ArrowException, ValueError, TypeError, OverflowError):
        return None
    if arrow.types.is_dictionary(text.type):
        text = text.cast(text.type.value_type)
    if not (arrow.types.is_string(text.type) or arrow.types.is_large_string(text.type)):
        return None
    text = text.cast(arrow.large_string())
    return text.combine_chunks() if isinstance(text, arrow.ChunkedArray) else text


def as_text(values: pd.Series[Any]) -> pd.Series[Any]:
    """Values as text, None where missing or blank; whole numbers are written without a decimal point.

    >>> as_text(pd.Series([1.0, None])).tolist(), as_text(pd.Series(["01", ""])).tolist()
    (['1', None], ['01', None])
    """
    missing = values.isna().to_numpy(dtype=bool)
    if pd.api.types.is_float_dtype(values.dtype):
        whole = values.where(~values.isna(), 0)
        values = whole.astype(np.int64) if bool(((whole % 1 == 0) & (whole.abs() < 2.0**63)).all()) else whole
    if is_object(values) and pd.api.types.infer_dtype(values, skipna=True) == "decimal":
        values = values.map(
            lambda each: int(each) if each.is_finite() and each == int(each) else each, na_action="ignore"
        )
    text = values.astype(object).where(~missing, "").astype(str).astype(object)
    return text.where(~missing & text.str.strip().ne("").to_numpy(dtype=bool), None).reset_index(drop=True)


def as_labels(column: Coded) -> pd.Series[Any]:
    """The values of a column as text (`as_text`), in a categorical column.

    >>> as_labels(Coded.of(pd.Series([1.0, None, 1.0]))).tolist()
    ['1', nan, '1']
    """
    words = as_text(column.distinct)
    labels = {word: code for code, word in enumerate(dict.fromkeys(words.dropna()))}
    codes = column.spread(np.array([labels.get(word, -1) for word in words], dtype=np.int64), -1)
    return pd.Series(pd.Categorical.from_codes(codes, pd.Index(list(labels), dtype=object)))


LARGEST = 1e100
"""No amount of anything is larger; the square of what is much larger is not finite."""


def as_numbers(values: pd.Series[Any]) -> pd.Series[Any] | None:
    """Values as numbers (true is 1), NaN where missing or blank; None if another `is_no_amount`."""
    numbers = _numbers(values)
    return None if _beyond(numbers, values).any() else numbers


def is_no_amount(values: pd.Series[Any]) -> Booleans:
    """Where a value is there and is not a number, or is one beyond `LARGEST`."""
    return _beyond(_numbers(values), values)


def _beyond(numbers: pd.Series[Any], values: pd.Series[Any]) -> Booleans:
    return np.asarray(~(numbers.abs() <= LARGEST) & as_text(values).notna(), dtype=bool)


def _numbers(values: pd.Series[Any]) -> pd.Series[Any]:
    if pd.api.types.infer_dtype(values, skipna=True) == "boolean":
        values = values.map({True: 1.0, False: 0.0})
    return pd.to_numeric(as_text(values), errors="coerce").astype(float)


def of_another_type(values: pd.Series[Any]) -> Booleans:
    """Rows whose value is of another type than most (whole and other numbers are one), or no one value.

    Of types that are as many, the first value's is the column's.
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        values = values.astype(object)
    if not is_object(values) or not _is_mixed(values):
        return np.zeros(len(values), dtype=bool)
    family = values.map(_family)
    counts = family.value_counts(sort=False)  # in the order in which they come
    most = counts.idxmax() if len(counts) else None
    return np.asarray(family.notna() & ((family != most) | (family == _SEVERAL)))


def _is_mixed(values: pd.Series[Any]) -> bool:
    return bool(pd.api.types.infer_dtype(values, skipna=True).startswith("mixed"))


_SEVERAL = "several values"


def _family(value: Any) -> str | None:
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)) or value is pd.NA:
        return None
    if isinstance(value, bool | np.bool_):
        return "yes/no"
    if isinstance(value, list | tuple | dict | set | np.ndarray):
        return _SEVERAL
    return "number" if isinstance(value, int | float | np.number) else type(value).__name__
