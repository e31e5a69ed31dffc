"""Runs that are killed, stopped, run at once or run out of something: what is written is whole or not there."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from command_line import run

import trialimpact as ti
from trialimpact.synthetic import simulate_trial
from trialimpact.whole import check_destination, whole_file, write_whole

SECONDS = 60


def start(*arguments: object, before: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """The command line in a process of its own."""
    command = [sys.executable, "-m", "trialimpact", *map(str, arguments)]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, preexec_fn=before)  # noqa: PLW1509


def hidden(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def wait_for_hidden(folder: Path) -> None:
    """Until something is being written in the folder."""
    end = time.monotonic() + SECONDS
    while not hidden(folder):
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.005)


def is_whole(folder: Path) -> bool:
    """Whether a folder has every file that its manifest lists, and the manifest."""
    listed = json.loads((folder / "manifest.json").read_text())["files"]
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    return there == {*listed, "manifest.json"}


@pytest.fixture(scope="module")
def trial(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trial")
    simulate_trial(120, seed=1).write(folder)
    return folder / "protocol.toml"


@pytest.mark.parametrize(
    "stop", [signal.SIGKILL, *(pytest.param(each, marks=pytest.mark.slow) for each in (signal.SIGINT, signal.SIGTERM))]
)
def test_a_run_stopped_while_it_writes_leaves_no_folder_and_the_next_clears_up(
    trial: Path, tmp_path: Path, stop: signal.Signals
) -> None:
    out = tmp_path / "out"
    started = start("analyse", trial, "--out", out, "--quick", "--quiet")
    wait_for_hidden(tmp_path)
    started.send_signal(stop)
    said = started.communicate(timeout=SECONDS)[1]
    assert "Traceback" not in said
    assert not out.exists()
    if stop is signal.SIGKILL:
        assert started.returncode == -stop
        assert len(hidden(tmp_path)) == 1
    else:
        assert started.returncode == 128 + stop
        assert hidden(tmp_path) == []
    assert run("analyse", trial, "--out", out, "--quick", "--quiet").returncode == 0
    assert is_whole(out)
    assert hidden(tmp_path) == []


@pytest.mark.slow
@pytest.mark.parametrize("command", ["analyse", "report", "merge"])
def test_kills_at_random_moments(trial: Path, tmp_path: Path, command: str) -> None:
    results, more, out = tmp_path / "results", tmp_path / "more", tmp_path / "out"
    simulate_trial(100, seed=2).write(tmp_path / "others")
    for protocol, into in ((trial, results), (tmp_path / "others" / "protocol.toml", more)):
        assert run("analyse", protocol, "--out", into, "--quiet").returncode == 0
    arguments = {
        "analyse": ["analyse", trial, "--out", out, "--quiet"],
        "report": ["report", results, "--out", out],
        "merge": ["moments", "merge", results / "moments.npz", more / "moments.npz", "--out", out, "--replace"],
    }[command]
    begun = time.monotonic()
    started = start(*arguments)
    said = started.communicate(timeout=SECONDS)
    assert started.returncode == 0, said
    whole_run, rng = time.monotonic() - begun, np.random.default_rng(1)
    whole = out.read_bytes() if out.is_file() else b""
    for _ in range(20):
        started = start(*arguments)
        time.sleep(rng.uniform(0.2, 1.0) * whole_run)
        started.kill()
        started.communicate()
        assert out.read_bytes() == whole if whole else is_whole(out) or not out.exists()
    done = start(*arguments)
    said = done.communicate(timeout=SECONDS)
    assert done.returncode == 0, said
    assert hidden(tmp_path) == []


def fill(folder: Path) -> dict[str, str]:
    (folder / "a.txt").write_text("one")
    return {}


def test_two_runs_into_one_folder_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "out"

    def while_another_starts(folder: Path) -> dict[str, str]:
        for place in (lambda: check_destination(out, "test"), lambda: write_whole(out, fill, mark="test")):
            with pytest.raises(ti.OutputError, match=r"out: another run is writing it.*\n.*wait until"):
                place()
        write_whole(tmp_path / "other", fill, mark="test")
        return fill(folder)

    write_whole(out, while_another_starts, mark="test")
    assert is_whole(out)
    assert is_whole(tmp_path / "other")


def test_two_runs_into_one_file_do_not_mix(tmp_path: Path) -> None:
    out = tmp_path / "moments.npz"
    with whole_file(out) as stream:
        stream.write(b"one")
        with pytest.raises(ti.OutputError, match=r"another run is writing it"), whole_file(out):
            pass
    assert out.read_bytes() == b"one"
    assert hidden(tmp_path) == []


def test_what_a_killed_run_had_moved_aside_is_put_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write_whole(out, fill, mark="test")
    aside = tmp_path / ".out.x1.old"
    aside.mkdir()
    out.rename(aside / "replaced")
    (tmp_path / ".out.x2.partial").mkdir()
    check_destination(out, "test")
    assert is_whole(out)
    assert hidden(tmp_path) == []


def test_what_others_left_beside_is_left_alone(tmp_path: Path) -> None:
    names = [".outer.x.partial", ".out.txt", "out.partial", ".out.d.part"]
    for name in names:
        (tmp_path / name).write_text("mine")
    write_whole(tmp_path / "out", fill, mark="test")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*names, "out"])


def test_where_there_are_no_locks_nothing_is_cleared_up_and_all_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    def none(*_: object) -> None:
        raise OSError(37, "No locks available")

    (tmp_path / ".out.x.partial").mkdir()
    monkeypatch.setattr(fcntl, "flock", none)
    write_whole(tmp_path / "out", fill, mark="test")
    assert is_whole(tmp_path / "out")
    assert hidden(tmp_path) == [".out.x.partial"]


def no_files_larger_than(n_bytes: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, n_bytes))


def test_a_disk_that_fills_up(trial: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    started = start("analyse", trial, "--out", out, "--quick", "--quiet", before=no_files_larger_than(20_000))
    said = started.communicate(timeout=SECONDS)[1]
    assert started.returncode == 2, said
    assert "out: cannot be written: File too large." in said
    assert "remedy: free space" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.system
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
def test_a_small_disk_that_is_full(trial: Path, tmp_path: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", tmp_path], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        done = run("analyse", trial, "--out", tmp_path / "out", "--quick", "--quiet")
        assert done.returncode == 2
        assert "cannot be written: No space left on device" in done.stderr
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_memory_that_is_not_enough_gets_advice(monkeypatch: pytest.MonkeyPatch, trial: Path, tmp_path: Path) -> None:
    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("trialimpact.stages.load_records", no_memory)
    done = run("analyse", trial, "--out", tmp_path / "out", "--quiet")
    assert done.returncode == 3
    assert "the memory of this machine is not enough.\n  remedy: count with --engine duckdb" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_reader_that_goes_away_is_no_defect() -> None:
    started = start("protocol", "schema")
    assert started.stdout is not None and started.stderr is not None
    started.stdout.close()
    said = started.stderr.read()
    started.stderr.close()
    assert started.wait(SECONDS) != 3
    assert "Traceback" not in said
