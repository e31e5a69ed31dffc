"""Make small mistakes in the source, one at a time, and see whether a test notices.

A seeded sample of the mutants that Cosmic Ray's operators make of each file of `files.toml`. Each is written
into a copy of `src`, and the tests of its file run in a fork of this process, where pandas and scipy are
already imported. A mutant that they pass meets the wider tests before it counts as a survivor.

    python tools/mutation/mutants.py --seed 1             # every file
    python tools/mutation/mutants.py --only estimators/   # some of them
    python tools/mutation/mutants.py --again              # the survivors of the last run, after a new test

Every mutant and its outcome is a line of build/mutants.csv; a mutant already there is not run again.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import importlib
import os
import random
import re
import resource
import shutil
import signal
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import pytest
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names
from hypothesis import Phase, settings
from sites import Site, compiles, sites

ROOT = Path(__file__).parents[2]
SOURCE, COPY = ROOT / "src", ROOT / "build" / "mutants"
RESULTS, LOG = ROOT / "build" / "mutants.csv", ROOT / "build" / "mutants.log"
QUIET = ("-x", "-q", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:xdist", "-p", "no:cov")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One mistake: an operator applied to one place of a file, and what became of it."""

    file: str
    operator: str
    occurrence: int
    line: int
    before: str
    after: str
    outcome: str
    seconds: str

    @property
    def key(self) -> tuple[str, str, int]:
        """What tells it from every other mutant."""
        return self.file, self.operator, int(self.occurrence)


def sample(file: str, n: int, seed: int, operators: str) -> list[Site]:
    """Places drawn at random, and at each of them one of the mistakes that can be made there."""
    chosen = [name for name in operator_names() if re.fullmatch(operators, name.removeprefix("core/"))]
    by_place: dict[tuple[int, int], list[Site]] = {}
    for site in sites((SOURCE / "trialimpact" / file).read_text(), chosen):
        by_place.setdefault(site.place, []).append(site)
    draw = random.Random(f"{seed} {file}")  # noqa: S311
    all_of_them = [draw.choice(by_place[place]) for place in sorted(by_place)]
    draw.shuffle(all_of_them)
    return all_of_them[:n]


def run(tests: list[str], cpu_seconds: int) -> str:
    """Run tests on the copy in a fork: `killed`, `survived`, or `timeout`."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        with LOG.open("w") as log:
            os.dup2(log.fileno(), 1)
            os.dup2(log.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 5))
        signal.alarm(20 * cpu_seconds)  # what sleeps uses no time of the processor
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(COPY))
        os.environ["PYTHONPATH"] = str(COPY)
        os._exit(int(pytest.main([*QUIET, *tests])))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "timeout" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGALRM, signal.SIGKILL) else "killed"
    return {0: "survived", 1: "killed", 2: "killed"}.get(os.WEXITSTATUS(status), "error")


def outcome(file: str, mutated: str, stages: list[tuple[list[str], int]]) -> str:
    """What becomes of a mutant: it survives if it passes every stage of tests."""
    original, target = SOURCE / "trialimpact" / file, COPY / "trialimpact" / file
    target.write_text(mutated)
    try:
        for tests, cpu_seconds in stages:
            result = run(tests, cpu_seconds)
            if result != "survived":
                return result
        return "survived"
    finally:
        shutil.copy2(original, target)


def wide_tests(plan: dict, file: str) -> list[str]:
    """The wider tests of a file: its room's own, where the plan names some."""
    return next((tests for room, tests in plan["wide_of"].items() if file.startswith(room)), plan["wide"])


def mutants(config: dict[str, dict], args: argparse.Namespace, known: dict[tuple, Mutant]) -> Iterator[Mutant]:
    """Run what the arguments ask for, file by file."""
    plan = config["plan"]
    for file, of_file in config["files"].items():
        if not file.startswith(tuple(args.only)):
            continue
        source = (SOURCE / "trialimpact" / file).read_text()
        stages = [(of_file["tests"], plan["cpu_seconds"])]
        stages += [] if args.near else [(wide_tests(plan, file), plan["wide_cpu_seconds"])]
        if run(*stages[0]) != "survived":
            raise SystemExit(f"the tests of {file} fail without any mutant")
        for site in sample(file, round(args.share * of_file.get("n", plan["n"])), args.seed, plan["operators"]):
            key = (file, site.operator, site.occurrence)
            if key in known and not (args.again and known[key].outcome == "survived"):
                continue
            mutated = mutate_code(source, get_operator(site.operator)(), site.occurrence)
            if not compiles(mutated):
                continue
            began = time.perf_counter()
            result = outcome(file, mutated, stages)
            line = site.place[0]
            yield Mutant(
                file=file,
                operator=site.operator,
                occurrence=site.occurrence,
                line=line,
                before=source.splitlines()[line - 1].strip(),
                after=mutated.splitlines()[line - 1].strip(),
                outcome=result,
                seconds=f"{time.perf_counter() - began:.1f}",
            )


def read() -> dict[tuple, Mutant]:
    """Mutants that were run, the last outcome of each."""
    if not RESULTS.exists():
        return {}
    with RESULTS.open(newline="") as lines:
        return {each.key: each for each in (Mutant(**row) for row in csv.DictReader(lines))}


def report() -> None:
    """Count outcomes by file, and show each survivor."""
    found = read().values()
    for file in sorted({each.file for each in found}):
        counts = Counter(each.outcome for each in found if each.file == file)
        print(f"{file:32} {sum(counts.values()):4}  {', '.join(f'{n} {what}' for what, n in counts.most_common())}")
    for each in found:
        if each.outcome not in ("killed", "timeout"):
            print(f"\n{each.file}:{each.line} {each.outcome} ({each.operator})\n-   {each.before}\n+   {each.after}")


def main() -> int:
    """Sample, run, report; fail if the tests do not pass without a mutant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=[""], help="how the names of the files begin")
    parser.add_argument("--share", type=float, default=1.0, help="of the sample; a smaller one is part of a larger")
    parser.add_argument("--near", action="store_true", help="leave out the wider tests")
    parser.add_argument("--again", action="store_true", help="run the survivors again")
    args = parser.parse_args()
    config = tomllib.loads(Path(__file__).with_name("files.toml").read_text())
    for name in config["plan"]["preload"]:
        importlib.import_module(name)
    os.nice(10)
    os.chdir(ROOT)
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(SOURCE, COPY)
    for folder in (COPY, ROOT / "tests"):
        compileall.compile_dir(folder, quiet=1)  # once, not in every fork
    # A failure is not made small: that would take longer than finding it.
    settings.register_profile("mutants", phases=[Phase.explicit, Phase.generate], database=None, derandomize=True)
    settings.load_profile("mutants")
    known, first = read(), not RESULTS.exists()
    with RESULTS.open("a", newline="") as lines:
        writer = csv.DictWriter(lines, [each.name for each in fields(Mutant)])
        if first:
            writer.writeheader()
            lines.flush()
        for each in mutants(config, args, known):
            writer.writerow(asdict(each))
            lines.flush()
    report()
    return 0


if __name__ == "__main__":
    sys.exit(main())
