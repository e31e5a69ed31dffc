from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trialimpact import (
    OutputError,
    TrialProtocol,
    TrialWarning,
    analyse_trial,
    estimate_cumulative,
    load_moments,
    save_moments,
)
from trialimpact.archive import FORMAT
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
        ("counts_count", lambda array: array * 2),
        ("counts_count", lambda array: np.r_[0, array[1:]]),
        ("counts_count", lambda array: array * np.nan),
        ("counts_place", two_to_the_40),
        ("counts_place", lambda array: array[::-1]),
        ("gram_place", two_to_the_40),
        ("claimants", lambda array: array[1:]),
        ("claimants", lambda array: -array),
        ("cells", lambda array: array + 7),
        ("cells", lambda array: array.astype(float)),
    ],
)
def test_numbers_that_do_not_fit_together_are_no_moments(tmp_path: Path, name: str, change: Callable) -> None:
    save_moments(simulate_trial(100, seed=1).moments(), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as stored:
        arrays = dict(stored)
    np.savez(tmp_path / "other.npz", **arrays | {name: change(arrays[name])})
    with pytest.raises(OutputError, match="not a whole file of moments"):
        load_moments(tmp_path / "other.npz")


def without_products(path: Path) -> dict[str, np.ndarray]:
    trial = simulate_trial(100, seed=1)
    design = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["analysis"] = design.get("analysis", {}) | {"products": False}
    with pytest.warns(TrialWarning):
        save_moments(analyse_trial(TrialProtocol.from_dict(design), trial.tables).moments, path)
    with np.load(path) as stored:
        return dict(stored)


@pytest.mark.parametrize(
    "change", [lambda each: -each - 1, lambda each: each[1:], lambda each: each[:, :5], lambda each: each[:0]]
)
def test_variances_that_cannot_be_are_no_moments(tmp_path: Path, change: Callable) -> None:
    arrays = without_products(tmp_path / "m.npz")
    assert load_moments(tmp_path / "m.npz").horizons is not None
    np.savez(tmp_path / "other.npz", **arrays | {"horizons": change(arrays["horizons"])})
    with pytest.raises(OutputError, match="not a whole file of moments"):
        load_moments(tmp_path / "other.npz")


def test_moments_of_another_version_are_called_so(tmp_path: Path) -> None:
    save_moments(simulate_trial(60, seed=1).moments(), tmp_path / "m.npz")
    with np.load(tmp_path / "m.npz") as stored:
        arrays = dict(stored)
    header = arrays["header"].tobytes().replace(FORMAT.encode(), b"trialimpact moments 2")
    np.savez(tmp_path / "m.npz", **arrays | {"header": np.frombuffer(header, dtype=np.uint8)})
    with pytest.raises(OutputError, match=f"'trialimpact moments 2', and this version reads '{FORMAT}'"):
        load_moments(tmp_path / "m.npz")
