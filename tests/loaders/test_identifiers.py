from __future__ import annotations

import re
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trialimpact.loaders.identifiers import NOBODY, number_people, opaque_keys, parse_ninos
from trialimpact.loaders.in_labels import holds_a_nino

FIRST = "ABCEGHJKLMNOPRSTWXYZ"
SECOND = "ABCEGHJKLMNPRSTWXYZ"
NEVER = {"BG", "GB", "KN", "NK", "NT", "TN", "ZZ"}


@st.composite
def ninos(draw: st.DrawFn) -> str:
    prefix = draw(
        st.tuples(st.sampled_from(FIRST), st.sampled_from(SECOND)).map("".join).filter(lambda p: p not in NEVER)
    )
    return prefix + draw(st.from_regex(r"[0-9]{6}", fullmatch=True)) + draw(st.sampled_from(["", *"ABCD"]))


@given(ninos(), st.randoms(), st.booleans())
def test_valid_ninos_give_their_sixth_digit_however_they_are_spaced(nino: str, random, lower: bool) -> None:
    spaced = "".join(letter + " " * random.randint(0, 1) for letter in nino)
    keys = parse_ninos(pd.Series([spaced.lower() if lower else spaced]))
    assert not keys.invalid[0]
    assert keys.digit[0] == int(nino[7])
    assert keys.key[0] == parse_ninos(pd.Series([nino[:8]])).key[0]


@given(st.text(max_size=12))
def test_any_text_is_blank_invalid_or_has_a_digit(text: str) -> None:
    keys = parse_ninos(pd.Series([text]))
    assert keys.blank[0] or keys.invalid[0] or 0 <= keys.digit[0] <= 9
    tidy = text.replace(" ", "").upper()
    if not keys.blank[0] and not keys.invalid[0]:
        assert re.fullmatch(r"[A-Z]{2}[0-9]{6}[A-D]?", tidy)


@pytest.mark.parametrize(
    "nino",
    [
        "QQ123456A", "GB123456A", "ZZ123456A", "DA123456A", "AO123456A", "AB12345A", "AB1234567", "AB123456E",
        "A1123456A", "AB123456AA", "AB١٢٣٤٥٦A", "AB123456\n",
    ],
)  # fmt: skip
def test_invalid(nino: str) -> None:
    assert parse_ninos(pd.Series([nino])).invalid[0]


def test_the_synthetic_prefix_only_when_the_protocol_says_so() -> None:
    values = pd.Series(["QQ123456A", "AB123456C"])
    assert parse_ninos(values).invalid.tolist() == [True, False]
    assert parse_ninos(values, synthetic=True).invalid.tolist() == [False, False]


def test_a_suffix_does_not_tell_people_apart() -> None:
    keys = parse_ninos(pd.Series(["AB123456A", "AB123456", "ab 123456 b", "AB123457A"]))
    (codes,), n_people = number_people([keys])
    assert codes.tolist() == [0, 0, 0, 1]
    assert n_people == 2


def test_people_are_numbered_in_file_order_across_tables() -> None:
    one = opaque_keys(pd.Series(["z", "a", None, " "], dtype=object))
    other = opaque_keys(pd.Series(["a", "m"]))
    (first, second), n_people = number_people([one, other])
    assert first.tolist() == [0, 1, -1, -1]
    assert second.tolist() == [1, 2]
    assert n_people == 3


def test_whole_numbers_and_their_text_are_one_key() -> None:
    tables = [pd.Series([7, 8]), pd.Series(["8", "7"]), pd.Series([7.0, None]), pd.Series([7], dtype="Int64")]
    codes, _ = number_people([opaque_keys(each) for each in tables])
    assert [each.tolist() for each in codes] == [[0, 1], [1, 0], [0, -1], [0]]
    assert opaque_keys(pd.Series([1.5])).invalid[0]


@pytest.mark.parametrize("as_numbers", [False, True])
def test_numbers_that_a_spreadsheet_rounded_are_invalid(as_numbers: bool) -> None:
    exact = [10**15 + 7919 * 13 * n for n in range(100)]
    rounded = [n // 10 * 10 for n in exact]
    for people, n_invalid in ((exact, 0), (rounded, 100), ([*rounded, exact[1]], 0), ([n // 10 for n in rounded], 0)):
        keys = opaque_keys(pd.Series(people if as_numbers else [str(n) for n in people]))
        assert keys.invalid.sum() == n_invalid
    shortened = opaque_keys(pd.Series(["1.23457E+15", "1.0005E+04", None, "1.00E+13", "1e5", "10+10"]))
    assert shortened.invalid.tolist() == [True, False, False, True, False, False]


def test_leading_zeros_are_kept() -> None:
    codes, n_people = number_people([opaque_keys(pd.Series(["007", "7"]))])
    assert n_people == 2


@pytest.mark.parametrize("dtype", ["float32", "Float32", pd.ArrowDtype(pa.float32())])
def test_floats_of_32_bits_are_told_apart_or_refused(dtype: Any) -> None:
    keys = opaque_keys(pd.Series([2.0**24, 2.0**24 + 2, 7.0]).astype(dtype))
    assert keys.invalid.tolist() == [False, True, False]


def test_bytes_that_are_no_text_are_told_apart() -> None:
    keys = opaque_keys(pd.Series([b"\x81a", b"\x82a", b"a", None, b"\x81a"]))
    codes, n_people = number_people([keys])
    assert codes[0].tolist() == [0, 1, 2, NOBODY, 0] and n_people == 3 and not keys.invalid.any()


@pytest.mark.parametrize(
    "label, holds",
    [("same as AB-12-34-56-C", True), ("AB\u00a012\u00a034\u00a056\u00a0C", True), ("AB.12.34.56", True),
     ("duplicateAB123456C", True), ("ab 12 34 56", True), ("AB‑123456", True), ("Norton 2015 03 16", False),
     ("moved on 12/03/16", False), ("on 12-03-16 by phone", False), ("NHS 943 476 5919", False), ("GL52 1AB", False)],
)  # fmt: skip
def test_what_looks_like_a_nino_in_a_label(label: str, holds: bool) -> None:
    assert holds_a_nino(pd.Series([label])).tolist() == [holds]
