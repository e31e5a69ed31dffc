"""Files of moments: added by the command line, over extracts, refused where they do not belong together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import run
from trials import SmallTrial

import trialimpact as ti
from trialimpact.whole import whole_file


def people(n: int, first: int = 0) -> pd.DataFrame:
    ids = [f"p{place}" for place in range(first, first + n)]
    return pd.DataFrame({"claimant_id": ids, "arm": ["T", "C"] * (n // 2), "index": [place % 5 for place in range(n)]})


def spells(of: pd.DataFrame, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    start = rng.integers(-10, 15, 3 * len(of))
    owner = rng.choice(of["claimant_id"].to_numpy(), start.size)
    kind = rng.choice(["a", "b"], start.size)
    return pd.DataFrame(
        {"claimant_id": owner, "kind": kind, "start": start, "end": start + rng.integers(1, 9, start.size)}
    )


def test_merging_files_is_analysing_together(tmp_path: Path) -> None:
    one, other = people(8), people(6, first=8)
    both = pd.concat([one, other], ignore_index=True)
    lived = spells(both)
    whole = SmallTrial(both, lived).moments()
    for name, part in (("a", one), ("b", other)):
        mine = lived[lived["claimant_id"].isin(part["claimant_id"])]
        ti.save_moments(SmallTrial(part, mine).moments(), tmp_path / f"{name}.npz")
    done = run("moments", "merge", tmp_path / "a.npz", tmp_path / "b.npz", "--out", tmp_path / "all.npz")
    assert done.returncode == 0, done.stderr
    assert "14 claimants" in done.stdout
    assert ti.load_moments(tmp_path / "all.npz") == whole
    ti.save_moments(whole, tmp_path / "whole.npz")
    assert (tmp_path / "whole.npz").read_bytes() == (tmp_path / "all.npz").read_bytes()


def test_estimates_come_from_the_file_alone(tmp_path: Path) -> None:
    from trialimpact.synthetic import simulate_trial

    trial = simulate_trial(600, seed=2)
    analysis = ti.analyse_trial(trial.protocol, trial.tables)
    ti.save_moments(analysis.moments, tmp_path / "m.npz")
    done = run("moments", "estimate", tmp_path / "m.npz", "--out", tmp_path / "estimates.csv")
    assert done.returncode == 0, done.stderr
    assert all(line in done.stdout for line in analysis.headlines())
    plain = analysis.to_frame().to_csv(index=False, lineterminator="\n")
    assert (tmp_path / "estimates.csv").read_text() == plain


def test_a_part_is_added_once_and_nothing_is_written_over_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    of = people(4)
    ti.save_moments(SmallTrial(of, spells(of)).moments(), tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes((tmp_path / "a.npz").read_bytes())
    (tmp_path / "claimants.csv").write_text("claimant_id\np1\n")
    for arguments, says in (
        (("merge", "a.npz", "b.npz", "--out", "c.npz"), "the same numbers as another"),
        (("merge", "a.npz", "--out", "a.npz"), "is read here"),
        (("merge", "--out", "a.npz", "b.npz"), "one file has nothing to be added to"),
        (("merge", "b.npz", "b.npz", "--out", "a.npz"), "is there"),
        (("merge", "a.npz", "b.npz", "--out", "claimants.csv"), "is there"),
        (("estimate", "a.npz", "--out", "a.npz"), "is read here"),
        (("estimate", "a.npz", "--out", "claimants.csv"), "trialimpact did not write it"),
    ):
        done = run("moments", *arguments)
        assert done.returncode == 2 and says in done.stderr, arguments
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    assert (tmp_path / "claimants.csv").read_text() == "claimant_id\np1\n" and not (tmp_path / "c.npz").exists()
    for _ in range(2):
        assert run("moments", "estimate", "a.npz", "--out", "estimates.csv").returncode == 0


def test_different_protocols_are_refused(tmp_path: Path) -> None:
    of = people(4)
    ti.save_moments(SmallTrial(of, spells(of)).moments(), tmp_path / "a.npz")
    ti.save_moments(SmallTrial(of, spells(of), pre_days=2).moments(), tmp_path / "b.npz")
    done = run("moments", "merge", tmp_path / "a.npz", tmp_path / "b.npz", "--out", tmp_path / "all.npz")
    assert done.returncode == 1
    assert "different protocols" in done.stderr
    assert not (tmp_path / "all.npz").exists()


def test_a_later_extract_adds_to_people_who_were_followed_to_the_end() -> None:
    """People of an early month need not be counted again when the extract grows."""
    early, late = people(6), people(6, first=6)
    late["index"] += 12
    both = pd.concat([early, late], ignore_index=True)
    lived = spells(both)
    march = lived["claimant_id"].isin(early["claimant_id"])
    reach = {"a": (-50, 20), "b": (-50, 20)}, {"a": (-50, 40), "b": (-50, 40)}
    before = lived[march & (lived["start"] < 20)]
    counted_early = SmallTrial(early, before, reach[0]).moments()
    counted_late = SmallTrial(late, lived[~march], reach[1]).moments()
    together = SmallTrial(both, lived, reach[1]).moments()
    assert counted_early + counted_late == counted_late + counted_early == together


def test_an_early_extract_that_cut_follow_up_is_refused() -> None:
    of = people(6)
    lived = spells(of)
    short = SmallTrial(of, lived[lived["start"] < 9], {"a": (-50, 9), "b": (-50, 9)}).moments()
    long = SmallTrial(people(6, first=6), spells(people(6, first=6)), {"a": (-50, 40), "b": (-50, 40)}).moments()
    with pytest.raises(ti.DesignError, match="cut somebody's follow-up"):
        short + long
    mixed = SmallTrial(of, lived[lived["start"] < 9], {"a": (-50, 9), "b": (-50, 60)}).moments()
    with pytest.raises(ti.DesignError, match="different dates"):
        mixed + long


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "m.npz"
    path.write_bytes(b"what was there")
    with pytest.raises(RuntimeError), whole_file(path) as stream:
        stream.write(b"half")
        raise RuntimeError
    assert path.read_bytes() == b"what was there"
    assert [each.name for each in tmp_path.iterdir()] == ["m.npz"]
    with pytest.raises(ti.OutputError, match="cannot be written"), whole_file(tmp_path / "no" / "m.npz"):
        pass
