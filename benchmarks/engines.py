"""The whole job from Parquet files in DuckDB, in little memory: seconds, peak memory, what was spilled, and `==`.

    python benchmarks/engines.py 1000000 --limit 2GB --limit 1GB:10

Each run is a process of its own. `1GB:10` is a memory limit of 1 GB and 10 shards. The moments of every run are
compared, cell by cell, with those that this library counts in memory from the same records as arrays.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

from generate import Arrays, Window, simulated_spells, write_parquet
from ours import moments_of_arrays, protocol_of

from trialimpact import load_moments, save_moments
from trialimpact.engines import DuckDB, engine_job


def in_memory(folder: Path, out: Path) -> None:
    """Moments of the arrays."""
    save_moments(moments_of_arrays(Arrays.load(folder)), out)


def in_duckdb(folder: Path, out: Path, limit: str, shards: int) -> None:
    """Moments of the Parquet files, spilling into a folder of its own that is watched."""
    with tempfile.TemporaryDirectory(dir=folder) as spill, _Watched(Path(spill)) as watched:
        with DuckDB(memory_limit=limit, temp_directory=spill, shards=shards) as engine:
            save_moments(engine_job(protocol_of(Window()), engine, folder).run().moments, out)
        print(json.dumps({"spilled_mb": watched.most / 1e6}))


class _Watched:
    """The most bytes that a folder has held."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.most, self.done = folder, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> _Watched:
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _watch(self) -> None:
        while not self.done.wait(0.2):
            sizes = 0
            for path in self.folder.rglob("*"):
                try:
                    sizes += path.stat().st_size
                except OSError:
                    continue
            self.most = max(self.most, sizes)


def child(arguments: list[str]) -> dict[str, Any]:
    """Run this file in a process of its own; its seconds and its peak memory."""
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, __file__, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1]}
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return {"wall": time.perf_counter() - begun, **{key: value for each in told for key, value in each.items()}}


def main() -> None:
    """Race, or (with --run) be one contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("claimants", type=int)
    parser.add_argument("--limit", action="append", default=None, metavar="MEMORY[:SHARDS]")
    parser.add_argument("--folder", type=Path, help="records made earlier by generate.py --parquet")
    parser.add_argument("--run", nargs=2, metavar=("LIMIT", "OUT"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.run:
        limit, out = given.run[0], Path(given.run[1])
        if limit == "memory":
            in_memory(given.folder, out)
        else:
            memory, _, shards = limit.partition(":")
            in_duckdb(given.folder, out, memory, int(shards or 1))
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "peak_mb": used.ru_maxrss / 1024}))
        return
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        if given.folder is None:
            arrays = simulated_spells(given.claimants, seed=1)
            arrays.save(folder)
            write_parquet(folder, arrays)
        _race(folder, given.claimants, ["memory", *(given.limit or ["2GB", "1GB:10"])])


def _race(folder: Path, claimants: int, limits: list[str]) -> None:
    print(f"{claimants:,} claimants, files to moments\n")
    print("| | wall s | CPU s | peak MB | spilled MB | whole numbers |\n| --- | --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as answers:
        for limit in limits:
            out = Path(answers) / f"{limit.replace(':', '_')}.npz"
            took = child([str(claimants), "--folder", str(folder), "--run", limit, str(out)])
            if "failed" in took:
                print(f"| {limit} | failed: {took['failed']} | | | | |", flush=True)
                continue
            same = "" if limit == "memory" else str(load_moments(out) == load_moments(Path(answers) / "memory.npz"))
            name = "in memory, from arrays" if limit == "memory" else f"DuckDB, {limit.replace(':', ', ')} shards"
            name = name if ":" in limit or limit == "memory" else f"DuckDB, {limit}"
            print(
                f"| {name} | {took['wall']:.0f} | {took['cpu']:.0f} | {took['peak_mb']:,.0f} "
                f"| {took.get('spilled_mb', 0):,.0f} | {same or 'reference'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
