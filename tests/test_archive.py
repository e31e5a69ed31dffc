from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trialimpact import OutputError, estimate_cumulative, load_moments, save_moments
from trialimpact.synthetic import simulate_trial


def test_moments_come_back_and_the_same_moments_give_the_same_bytes(tmp_path: Path) -> None:
    moments = simulate_trial(300, seed=1).moments()
    for name in ("a.npz", "b.npz"):
        save_moments(moments, tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    again = load_moments(tmp_path / "a.npz")
    assert again == moments
    one, other = (estimate_cumulative(each, "employed") for each in (moments, again))
    np.testing.assert_array_equal(one.std_error, other.std_error)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"text"])
def test_a_file_that_is_no_moments(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(OutputError, match="not a whole file of moments"):
        load_moments(path)


def test_a_file_cut_short_and_another_kind_of_file(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    save_moments(simulate_trial(100, seed=1).moments(), path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(OutputError):
        load_moments(path)
    np.savez(path, other=np.arange(3))
    with pytest.raises(OutputError):
        load_moments(path)
    with pytest.raises(OutputError):
        load_moments(tmp_path / "none.npz")


def test_any_damage_is_an_error_of_ours(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    save_moments(simulate_trial(60, seed=1).moments(), path)
    whole = path.read_bytes()
    rng = np.random.default_rng(1)
    for place in rng.integers(0, len(whole), 60):
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with contextlib.suppress(OutputError):
            load_moments(path)


def two_to_the_40(array: np.ndarray) -> np.ndarray:
    return np.r_[array[:-1], 2**40]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("header", lambda array: np.frombuffer(b"[" * 100_000, dtype=np.uint8)),
        (
            "header",
            lambda array: np.frombuffer(
                array.tobytes().replace(b'"counts_shape": [2', b'"counts_shape": [9'), np.uint8
            ),
        ),
        ("counts_count", lambda array: array[:-5]),
        ("counts_count", lambda array: -array),
        ("counts_count", lambda array: array * np.nan),
        ("counts_place", two_to_the_40),
        ("counts_place", lambda array: array[::-1]),
        ("gram_place", two_to_the_40),
        ("claimants", lambda array: array[1:]),
        ("claimants", lambda array: -array),
        ("cells", lambda array: array + 7),
    ],
)
def test_numbers_that_do_not_fit_together_are_no_moments(tmp_path: Path, name: str, change: Callable) -> None:
    save_moments(simulate_trial(100, seed=1).moments(), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "other.npz", **arrays | {name: change(arrays[name])})
    with pytest.raises(OutputError, match="not a whole file of moments"):
        load_moments(tmp_path / "other.npz")
