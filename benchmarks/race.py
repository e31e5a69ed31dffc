"""Every way of doing a job, in one run: CPU and wall time, memory, agreement, and the ratio to this library.

    python benchmarks/race.py main|covariance|files|groups|growth [CLAIMANTS ...] [--repeats 3] [--markdown FILE]

Each run is a process of its own (`measure.py`) on the same input, in turns, with the library of this checkout.
Memory is the highest minus what was held before. Numbers must agree with this library's to the contender's
tolerance, of each value and of the largest.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parent
SOURCE = HERE.parent / "src"  # what is measured, whatever copy of the library is installed
TINY = 20
Z95 = 1.959964
PACKAGES = ("numpy", "pandas", "polars", "duckdb", "pyarrow", "pyfixest", "statsmodels")


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A function, what it starts from, and the most claimants that it survives in reasonable time and memory."""

    name: str
    run: str
    package: str
    up_to: int
    kind: str = "arrays"
    tolerance: float = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Race:
    """The first contender is this library's; the sizes are those of a run that names none."""

    title: str
    sizes: tuple[int, ...]
    contenders: tuple[Contender, ...]


def entry(name: str, run: str, package: str, up_to: int, **more: Any) -> Contender:
    """A line of the table of races."""
    return Contender(name=name, run=run, package=package, up_to=up_to, **more)


RACES = {
    "main": Race(
        title="spells to 1,004 daily differences and cumulative ones, with standard errors",
        sizes=(10_000, 100_000),
        contenders=(
            entry("trialimpact", "ours:main_job", "trialimpact", 1_000_000),
            entry("explode, pandas (3 horizons)", "contenders:explode_pandas", "pandas", 100_000),
            entry("explode, Polars (3 horizons)", "contenders:explode_polars", "polars", 100_000),
            entry("explode, DuckDB (3 horizons)", "contenders:explode_duckdb", "duckdb", 100_000),
            entry("dense matrix, NumPy", "contenders:dense", "numpy", 10_000_000),
            entry("same algebra, pandas", "algebra:algebra_pandas", "pandas", 10_000_000),
            entry("same algebra, Polars", "algebra:algebra_polars", "polars", 10_000_000),
            entry("same algebra, DuckDB", "algebra:algebra_duckdb", "duckdb", 10_000_000),
        ),
    ),
    "covariance": Race(
        title="spells to the covariance of 273 daily differences",
        sizes=(500, 10_000, 100_000),
        contenders=(
            entry("trialimpact", "ours:covariance", "trialimpact", 1_000_000),
            entry("BLAS on the dense matrix", "covariance:blas", "numpy", 10_000_000),
            entry("clustered regression, pyfixest", "covariance:pyfixest", "pyfixest", 2_000, tolerance=1e-7),
            entry("clustered regression, statsmodels", "covariance:statsmodels", "statsmodels", 500, tolerance=1e-7),
        ),
    ),
    "files": Race(
        title="Parquet files with text identifiers to the estimates of the main job",
        sizes=(10_000, 100_000),
        contenders=(
            entry("trialimpact, files", "ours:files", "trialimpact", 1_000_000, kind="files"),
            entry("trialimpact, frames", "ours:text_frames", "trialimpact", 1_000_000, kind="frames"),
            entry("floor: reading the files, pyarrow", "from_files:floor", "pyarrow", 10_000_000, kind="files"),
            entry("floor: one merge, pandas", "from_files:pandas_merge", "pandas", 10_000_000, kind="frames"),
            entry("files, Polars", "from_files:polars_files", "polars", 10_000_000, kind="files"),
            entry("files, DuckDB", "from_files:duckdb_files", "duckdb", 10_000_000, kind="files"),
        ),
    ),
    "groups": Race(
        title="a panel to 2 outcomes × 14 groups, daily and cumulative",
        sizes=(10_000,),
        contenders=(
            entry("trialimpact", "groups:ours", "trialimpact", 100_000, kind="panel"),
            entry("explode, pandas", "groups:explode_pandas", "pandas", 10_000, kind="panel", tolerance=1e-7),
        ),
    ),
}
GROWTH = {
    "claimants": (10_000, 30_000, 100_000, 300_000, 1_000_000),
    "spells": (2.6, 5.2, 10.4, 20.8),
    "days": (273, 546, 1092),
    "groups": (1, 4, 16),
}
GROWTH_CLAIMANTS = 100_000


@dataclass(slots=True, kw_only=True)
class Runs:
    """What one contender took at one size, run by run, and its answer."""

    contender: Contender
    cpu: list[float]
    wall: list[float]
    extra_mb: list[float]
    answer: dict[str, Any]


def generated(folder: Path, n_claimants: int, *options: str) -> Path:
    """Make an input in a process of its own, so that this one stays small."""
    command = [sys.executable, str(HERE / "generate.py"), str(folder), str(n_claimants), *options]
    subprocess.run(command, check=True)
    return folder


def started(contender: Contender) -> Runs:
    """A contender that has not run yet."""
    return Runs(contender=contender, cpu=[], wall=[], extra_mb=[], answer={})


def run_again(runs: Runs, folder: Path, tiny: Path, cores: int) -> None:
    """Run a contender once more."""
    answer = folder / "answer.npz"
    paths = [str(each) for each in (folder, tiny, answer, cores)]
    command = [
        sys.executable,
        "-W",
        "ignore",
        str(HERE / "measure.py"),
        runs.contender.run,
        runs.contender.kind,
        *paths,
    ]
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    took = json.loads(done.stdout.splitlines()[-1])
    if took["source"] and Path(took["source"]).parent != SOURCE:
        sys.exit(f"{took['source']} was measured instead of {SOURCE}")
    for name in ("cpu", "wall", "extra_mb"):
        getattr(runs, name).append(took[name])
    with np.load(answer) as found:
        runs.answer = dict(found)


def compete(race: Race, folder: Path, n_claimants: int, wanted: argparse.Namespace) -> tuple[list[Runs], list[str]]:
    """All contenders in turns, and why some were left out."""
    options = ["--parquet"] if race is RACES["files"] else []
    generated(folder, n_claimants, f"--seed={wanted.seed}", *options)
    tiny = generated(folder / "tiny", 1_000 if race is RACES["groups"] else TINY, *options)
    entered, left_out = [], []
    for contender in race.contenders:
        if any(word in contender.name for word in wanted.without):
            left_out.append(f"{contender.name}: left out on request")
        elif n_claimants > contender.up_to:
            left_out.append(f"{contender.name}: up to {contender.up_to:,} claimants")
        elif not installed(contender.package):
            left_out.append(f"{contender.name}: {contender.package} is not installed")
        else:
            entered.append(started(contender))
    for _ in range(wanted.repeats):
        for runs in list(entered):
            try:
                run_again(runs, folder, tiny, wanted.cores)
            except subprocess.CalledProcessError as error:
                left_out.append(f"{runs.contender.name}: ended with {error.returncode}")
                entered.remove(runs)
    if not entered or entered[0].contender is not race.contenders[0]:
        sys.exit(f"nothing to compare with: {left_out[0]}")
    return entered, left_out


def installed(package: str) -> bool:
    """Whether a package can be used."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def furthest(ours: dict[str, Any], theirs: dict[str, Any]) -> float:
    """The largest distance of two answers, in parts of each value plus a tenth of the largest one; NaN: none shared.

    Standard errors are compared as variances: where one is 0, another's rounding error of 1e-18 has a root of 1e-9.
    """
    distances = []
    for name in (ours.keys() & theirs.keys()) - {"horizons"}:
        mine, other = ours[name], theirs[name]
        if name.startswith("cumulative"):
            mine = mine[np.searchsorted(ours["horizons"], theirs["horizons"])]
        if name.endswith("_error"):
            mine, other = mine**2, other**2
        scale = np.abs(mine) + np.abs(mine).max() / 10
        apart = np.abs(mine - other) / np.where(mine == other, 1, scale)
        distances.append(float(np.nan_to_num(apart, nan=math.inf).max()))
    return max(distances, default=math.nan)


def rows_of(entered: list[Runs]) -> list[list[str]]:
    """A row a contender: times, memory, the ratio of the least CPU times with its spread, agreement."""
    ours = entered[0]
    rows = [["", "CPU s", "wall s", "extra MB", "× CPU of the first", "× wall", "agrees to"]]
    for runs in entered:
        ratio = min(runs.cpu) / min(ours.cpu)
        spread = f"{min(runs.cpu) / max(ours.cpu):.2g} to {max(runs.cpu) / min(ours.cpu):.2g}"
        distance = furthest(ours.answer, runs.answer)
        agrees = "nothing shared" if math.isnan(distance) else f"{distance:.0e}"
        if distance > runs.contender.tolerance:
            agrees = f"DISAGREES: {distance:.0e} > {runs.contender.tolerance:.0e}"
        rows.append(
            [
                runs.contender.name,
                f"{min(runs.cpu):.3f} to {max(runs.cpu):.3f}",
                f"{min(runs.wall):.3f} to {max(runs.wall):.3f}",
                f"{max(runs.extra_mb):.0f}",
                f"{ratio:.2f} ({spread})",
                f"{min(runs.wall) / min(ours.wall):.2f}",
                "" if runs is ours else agrees,
            ]
        )
    return rows


def truth_recovered(answer: dict[str, Any], folder: Path) -> str:
    """The estimate at the longest horizon beside the truth, and how many days' intervals hold it."""
    true = np.load(folder / "difference.npy")
    horizon = int(np.load(folder / "horizon.npy"))
    total, estimate, error = true[-horizon - 1 : -1].sum(), answer["cumulative"][-1], answer["cumulative_error"][-1]
    inside = "inside" if abs(estimate - total) <= Z95 * error else "OUTSIDE (as one seed in twenty is)"
    days = (np.abs(answer["difference"] - true) <= Z95 * answer["std_error"]).mean()
    return (
        f"Over {horizon} days the truth is {total:.2f}, the estimate {estimate:.2f} ± {Z95 * error:.2f}: the truth is "
        f"{inside} the 95% interval. {100 * days:.0f}% of the daily intervals hold it."
    )


def report_of_race(race: Race, wanted: argparse.Namespace, place: Path) -> Iterator[str]:
    """A table a size."""
    yield f"## {race.title[0].upper()}{race.title[1:]}"
    for n_claimants in wanted.claimants or race.sizes:
        folder = place / str(n_claimants)
        entered, left_out = compete(race, folder, n_claimants, wanted)
        yield from ("", f"### {n_claimants:,} claimants, runs: {wanted.repeats}", "", *table(rows_of(entered)), "")
        if "cumulative" in entered[0].answer:
            yield truth_recovered(entered[0].answer, folder)
        yield from (f"Not run: {why}." for why in left_out)


def report_of_growth(wanted: argparse.Namespace, place: Path) -> Iterator[str]:
    """What grows with what: a table a knob with the fitted exponent, then memory a claimant and a spell."""
    tiny, ours = generated(place / "tiny", TINY), RACES["main"].contenders[0]
    points = []
    yield "## Growth of the main job"
    for knob, values in GROWTH.items():
        rows, taken = [[knob, "spell rows", "CPU s", "extra MB"]], []
        for value in (wanted.claimants or values) if knob == "claimants" else values:
            n_claimants = int(value) if knob == "claimants" else GROWTH_CLAIMANTS
            options = [] if knob == "claimants" else [f"--{knob}={value}"]
            folder = generated(place / f"{knob}_{value}", n_claimants, f"--seed={wanted.seed}", *options)
            runs = started(ours)
            for _ in range(wanted.repeats):
                run_again(runs, folder, tiny, wanted.cores)
            n_spells = np.load(folder / "owner.npy", mmap_mode="r").size
            taken.append((value, min(runs.cpu)))
            if knob in ("claimants", "spells"):
                points.append((n_claimants, n_spells, max(runs.extra_mb)))
            cpu = f"{min(runs.cpu):.3f} to {max(runs.cpu):.3f}"
            rows.append([f"{value:,}", f"{n_spells:,}", cpu, f"{max(runs.extra_mb):.0f}"])
        exponent = np.polyfit(*np.log(np.array(taken)).T, 1)[0]
        yield from ("", *table(rows), "", f"CPU grows as {knob} to the power {exponent:.2f}.")
    yield from ("", memory_of(np.array(points)))


def memory_of(points: Any) -> str:
    """Extra memory as so much a claimant, a spell, and at all, by least squares."""
    design = np.column_stack([points[:, :2], np.ones(len(points))])
    by_claimant, by_spell, fixed = np.linalg.lstsq(design, points[:, 2] * 2**20, rcond=None)[0]
    return f"Extra memory: {by_claimant:.0f} B a claimant + {by_spell:.0f} B a spell + {fixed / 2**20:.0f} MB."


def table(rows: list[list[str]]) -> list[str]:
    """Markdown, with columns of one width so that it reads as text too."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    rule = " | ".join("-" * max(width, 3) for width in widths)
    return [f"| {line} |" for line in (lines[0], rule, *lines[1:])]


def circumstances(cores: int) -> str:
    """Machine, versions, date."""
    try:
        info = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        model = next(line.partition(": ")[2] for line in info if line.startswith("model name"))
    except (OSError, StopIteration):
        model = platform.processor() or platform.machine()
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in PACKAGES if installed(name))
    using = f"{cores} of {os.cpu_count()} cores of {model}"
    return f"{using}; Python {platform.python_version()}, {versions}; {dt.date.today():%-d %B %Y}."


def main() -> None:
    """Run a race, print its tables, and end with an error where numbers disagree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("race", choices=[*RACES, "growth"])
    parser.add_argument("claimants", type=int, nargs="*", help="sizes; by default those of the race")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the claimants and spells")
    parser.add_argument("--cores", type=int, default=1, help="for each run; 1: CPU time is comparable")
    parser.add_argument("--without", nargs="*", default=[], help="words in the names of contenders to leave out")
    parser.add_argument("--markdown", type=Path, help="also write the tables here")
    wanted = parser.parse_args()
    lines = []
    with tempfile.TemporaryDirectory() as place:
        growth = wanted.race == "growth"
        report = report_of_growth if growth else partial(report_of_race, RACES[wanted.race])
        for line in chain(report(wanted, Path(place)), ["", circumstances(wanted.cores)]):
            print(line, flush=True)
            lines.append(line)
    if wanted.markdown:
        wanted.markdown.write_text("\n".join([*lines, ""]), encoding="utf-8")
    if any("DISAGREES" in line for line in lines):
        sys.exit("numbers disagree")


if __name__ == "__main__":
    main()
