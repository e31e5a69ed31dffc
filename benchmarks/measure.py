"""Run one contender once in this process and print what it took, as a line of JSON. `race.py` calls this.

    python benchmarks/measure.py MODULE:FUNCTION arrays|files|frames|panel FOLDER TINY_FOLDER ANSWER.npz CORES

The input is ready before the clock starts, and the contender has run once on the tiny input: imports and first
calls are not counted. The process may use so many cores (Linux), whatever threads a library starts.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any


def input_of(kind: str, folder: Path) -> Any:
    """What a contender of this kind starts from."""
    if kind == "files":
        return folder
    if kind == "frames":
        import pandas as pd

        return {name: pd.read_parquet(folder / f"{name}.parquet") for name in ("claimants", "spells")}
    from generate import Arrays

    arrays = Arrays.load(folder)
    if kind == "panel":
        from groups import panel_of

        return panel_of(arrays.arm.size)
    return arrays


def peak_mb() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def forget_peak() -> None:
    """Start the peak anew from what is held now (Linux), so that making the input does not hide the contender's."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main(contender: str, kind: str, folder: str, tiny: str, answer: str, cores: str) -> None:
    """Measure and print."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-int(cores) :])
    import numpy as np

    module, _, function = contender.partition(":")
    run = getattr(importlib.import_module(module), function)
    run(input_of(kind, Path(tiny)))
    given = input_of(kind, Path(folder))
    forget_peak()
    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    found = run(given)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    extra = peak_mb() - before
    library = sys.modules.get("trialimpact")
    source = str(Path(library.__file__).parent) if library else ""
    print(json.dumps({"wall": wall, "cpu": cpu, "extra_mb": extra, "source": source}))
    np.savez(answer, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
