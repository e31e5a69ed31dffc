from __future__ import annotations

import contextlib
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
