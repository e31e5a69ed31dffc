"""Columns of messy values are read as each value would be alone: blanks, mixtures, other scripts, NULs."""

from __future__ import annotations

import datetime as dt
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trialimpact.loaders.dates import NO_DAY, day_of, parse_days
from trialimpact.loaders.identifiers import number_people, opaque_keys, parse_ninos
from trialimpact.loaders.repeats import overlapping_spells, repeated_rows
from trialimpact.loaders.values import Coded, as_labels, as_text

NINO = re.compile(
    r"(?:(?!BG|GB|KN|NK|NT|TN|ZZ)[ABCEGHJ-PR-TW-Z][ABCEGHJ-NPR-TW-Z]|QQ)[0-9]{6}[A-D]?"
)  # the rule as it is written down, to which the packed form is held


class Word(str):
    """Text of another class."""

    __slots__ = ()


NOBODYS = ["NA", "n/a", "NULL", "nan", ".", "Unknown", "not known", "NONE", "?", "-", "#N/A", "missing"]
MESSY = ["", " ", "\t", None, np.nan, "AB123456C", "ab 12 34 56 c", "QQ123456", "GB123456A", "AB1234567", "AB١٢٣٤٥٦A",
         "AB１２３４５６", "AB123456\n", "AB123456\x00", "ſß123456A", "ß123456A", "ab12345", "\ud800", Word("AB123456D"),
         123456, 1.5, b"AB123456A"]  # fmt: skip
NEAR = st.text(alphabet="ABGKNTZQab 0123456789\x00\né４", max_size=11)
DRESSES = ["object", "string", "string[pyarrow]", "category"]


def dressed(values: list[object], dress: str) -> pd.Series:
    """The values as a column, in another dress where they are text that pandas can dress so."""
    series = pd.Series(values, dtype=object)
    plain = all((isinstance(value, str) and not set("\ud800\x00") & set(value)) or pd.isna(value) for value in values)
    return series.astype(dress) if plain and dress != "object" else series


@settings(deadline=None)
@given(st.lists(st.one_of(st.sampled_from(MESSY), NEAR), max_size=8), st.sampled_from(DRESSES))
def test_packed_ninos_are_what_the_pattern_says(values: list[object], dress: str) -> None:
    keys = parse_ninos(dressed(values, dress), synthetic=True)
    written = ["" if pd.isna(each) else each.decode() if isinstance(each, bytes) else str(each) for each in values]
    tidy = [re.sub("[a-z]+", lambda found: found[0].upper(), each.replace(" ", "")) for each in written]
    valid = [bool(NINO.fullmatch(each)) for each in tidy]
    assert keys.blank.tolist() == [not each.strip() for each in written]
    assert keys.invalid.tolist() == [bool(each.strip()) and not ok for each, ok in zip(written, valid, strict=True)]
    assert keys.digit.tolist() == [int(each[7]) if ok else -1 for each, ok in zip(tidy, valid, strict=True)]
    people = list(dict.fromkeys(each[:8] for each, ok in zip(tidy, valid, strict=True) if ok))
    (codes,), n_people = number_people([keys])
    assert n_people == len(people)
    assert codes.tolist() == [people.index(each[:8]) if ok else -1 for each, ok in zip(tidy, valid, strict=True)]


def test_every_prefix_is_told_apart() -> None:
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    text = [f"{one}{two}000000" for one in letters for two in letters]
    keys = parse_ninos(pd.Series(text), synthetic=True)
    assert (~keys.invalid).tolist() == [bool(NINO.fullmatch(each)) for each in text]
    assert np.unique(keys.key[~keys.invalid]).size == (~keys.invalid).sum()


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from([*MESSY[:-3], *NOBODYS]), st.text(max_size=4)), max_size=8),
    st.sampled_from(DRESSES),
)
def test_opaque_identifiers_are_their_stripped_text(values: list[object], dress: str) -> None:
    keys = opaque_keys(dressed(values, dress))
    written = ["" if pd.isna(each) else str(each).strip() for each in values]
    assert keys.blank.tolist() == [not each for each in written]
    nobodys = {each.lower() for each in NOBODYS}
    invalid = ["\x00" in each or each.lower() in nobodys for each in written]
    assert keys.invalid.tolist() == invalid
    people = list(dict.fromkeys(each for each, wrong in zip(written, invalid, strict=True) if each and not wrong))
    (codes,), n_people = number_people([keys])
    assert n_people == len(people)
    assert codes.tolist() == [people.index(each) if each in people else -1 for each in written]


def plain_day(value: object) -> int | None:
    """The day of one value as the page on dates says it, None for no date."""
    if pd.isna(value):
        return NO_DAY
    if isinstance(value, dt.datetime):
        return day_of(value.date()) if value.tzinfo is None and value.time() == dt.time() else None
    if isinstance(value, dt.date):
        return day_of(value)
    if not isinstance(value, str):
        return None
    text = re.sub("[ T]00:00:00$", "", value.strip()) if "\n" not in value.strip() else "no"
    if not re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return None if text else NO_DAY
    try:
        return day_of(dt.date(*map(int, text.split("-"))))
    except ValueError:
        return None


DATES = ["", " ", None, np.nan, pd.NaT, "2015-02-31", "2016-02-29", "0000-01-01", "0001-01-01", "9999-12-31",
         "2015-06-01 00:00:00", "2015-06-01T00:00:00", " 2015-06-01", "2015-6-1", "２015-06-01", "٢٠١٥-٠٦-٠١",
         "2015-06-01\n", "2015-06-01\x00", Word("2015-06-01"), 20150601, 1.5, True, b"2015-06-01",
         dt.date(2015, 6, 1), dt.datetime(2015, 6, 1), dt.datetime(2015, 6, 1, 12), pd.Timestamp("2015-06-01")]  # fmt: skip


@settings(deadline=None)
@given(
    st.lists(st.one_of(st.sampled_from(DATES), st.dates().map(str), st.text("0123-", max_size=10)), max_size=8),
    st.sampled_from(DRESSES),
)
def test_days_are_those_of_each_value_alone(values: list[object], dress: str) -> None:
    days, bad = parse_days(dressed(values, dress))
    expected = [plain_day(value) for value in values]
    assert days.tolist() == [NO_DAY if day is None else day for day in expected]
    assert bad.tolist() == [day is None for day in expected]


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(["", " ", None, np.nan, "a", "a\x00", " a", Word("a"), 1, 1.0, True, "1", b"a", (1,)]),
        max_size=8,
    ),
    st.sampled_from(DRESSES),
)
def test_labels_are_the_text_of_each_value_alone(values: list[object], dress: str) -> None:
    series = dressed(values, dress)
    found = as_labels(Coded.of(series)).astype(object)
    assert found.where(found.notna(), None).tolist() == as_text(series).tolist()


def test_values_that_cannot_be_hashed_are_labels_of_their_own() -> None:
    series = pd.Series([["a"], None, ["a"]], dtype=object)
    assert as_labels(Coded.of(series)).fillna("['a']").tolist() == ["['a']"] * 3
    assert parse_days(series)[1].tolist() == [True, False, True]


DAYS = st.one_of(st.integers(0, 6), st.sampled_from([NO_DAY, -(10**7), 10**7, 2**45]))
SPELLS = st.lists(st.tuples(st.integers(-1, 2), DAYS, DAYS), max_size=12)


@settings(deadline=None)
@given(SPELLS)
def test_repeated_rows_are_those_of_a_frame(rows: list[tuple[int, int, int]]) -> None:
    columns = list(np.array(rows, dtype=np.int64).reshape(-1, 3).T)
    assert repeated_rows(columns).tolist() == pd.DataFrame(rows, columns=list("abc")).duplicated().tolist()


@settings(deadline=None)
@given(SPELLS)
def test_overlapping_spells_are_those_of_a_loop(rows: list[tuple[int, int, int]]) -> None:
    owner, start, end = np.array(rows, dtype=np.int64).reshape(-1, 3).T
    expected = np.zeros(len(rows), dtype=bool)
    for row in range(len(rows)):
        for other in range(len(rows)):
            before = (start[other], other) < (start[row], row)
            reached = owner[other] == owner[row] and before and end[other] > start[row]
            expected[row] |= bool(reached and start[row] < end[row])
    assert overlapping_spells(owner, start, end).tolist() == expected.tolist()


@pytest.mark.parametrize("n_people", [1, 3])
def test_spells_too_many_for_one_packed_number(n_people: int) -> None:
    owner = np.arange(n_people).repeat(2) * 2**30
    start, end = np.tile([0, 2**29], n_people), np.tile([2**30, 2**30], n_people)
    assert overlapping_spells(owner, start, end).tolist() == [False, True] * n_people


def test_whole_numbers_past_every_integer_stay_what_they_are() -> None:
    assert as_text(pd.Series([1e30, float("inf"), None])).tolist() == ["1e+30", "inf", None]
