"""The main job against the usual way, in one run: spells to 2 outcomes × 14 groups, daily and cumulative.

The usual way makes a row for each claimant and day and groups them. Each contender is a process of
its own; both start from the same panel of disjoint spells, and their numbers are compared.

    python benchmarks/explode.py [claimants] [repeats]
"""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
import time

import numpy as np
import pandas as pd

from trialimpact import (
    build_panel,
    build_sample,
    count_moments,
    estimate_cumulative,
    estimate_daily,
    load_records,
    merge_spells,
)
from trialimpact.panel import OutcomePanel, Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.synthetic import simulate_trial

HORIZON = 273
Answer = dict[str, list[float]]


def protocol_of_14_groups(protocol: TrialProtocol) -> TrialProtocol:
    """The example protocol with 13 subgroups beside everyone."""
    data = protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    ages = [(18, 20), (21, 24), (25, 29), (30, 34), (35, 39), (40, 44), (45, 60)]
    data["subgroups"] = [
        *data["subgroups"],
        *({"name": f"aged_{low}", "where": {"age_at_index": {"between": [low, high]}}} for low, high in ages),
    ]
    return TrialProtocol.model_validate(data)


def panel_of(n_claimants: int) -> Panel:
    """The panel of a simulated trial, the same for every contender."""
    trial = simulate_trial(n_claimants, seed=1)
    records = load_records(protocol_of_14_groups(trial.protocol), trial.tables)
    return build_panel(build_sample(records), merge_spells(records))


def by_moments(panel: Panel) -> Answer:
    """The way of this library."""
    moments = count_moments(panel)
    answer = {}
    for outcome in panel.outcomes:
        for group in panel.protocol.subgroup_names:
            daily = estimate_daily(moments, outcome, subgroup=group)
            total = estimate_cumulative(moments, outcome, subgroup=group)
            at = [100, 800, 1003]
            answer[f"{outcome} {group}"] = [
                *daily.estimate[at],
                *daily.std_error[at],
                *total.estimate[[90, 181, 272]],
                *total.std_error[[90, 181, 272]],
            ]
    return answer


def by_exploding(panel: Panel) -> Answer:
    """A row a claimant and day, and pandas' groupby; the same formulae."""
    answer = {}
    for outcome, part in panel.outcomes.items():
        days = exploded(panel, part)
        for place, group in enumerate(panel.protocol.subgroup_names):
            mine = days[panel.members[place][days["row"].to_numpy()]]
            answer[f"{outcome} {group}"] = estimates_of(mine)
    return answer


def exploded(panel: Panel, part: OutcomePanel) -> pd.DataFrame:
    """Claimant-days that are followed: row, arm, day, on."""

    def rows(owner: np.ndarray, start: np.ndarray, end: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        length = end - start
        first = np.repeat(np.cumsum(length) - length, length)
        return np.repeat(owner, length), np.arange(length.sum()) - first + np.repeat(start, length)

    row, day = rows(np.arange(len(panel)), part.followed_from, part.followed_to)
    on_row, on_day = rows(part.spells.owner, part.spells.start, part.spells.end)
    followed = pd.DataFrame({"row": row, "day": day})
    on = pd.DataFrame({"row": on_row, "day": on_day, "on": 1.0})
    frame = followed.merge(on, how="left", on=["row", "day"])
    return frame.assign(on=frame["on"].fillna(0.0), arm=panel.arm[frame["row"].to_numpy()])


def estimates_of(days: pd.DataFrame) -> list[float]:
    """Daily and cumulative differences with hc2 standard errors."""
    cells = days.groupby(["arm", "day"])["on"].agg(["mean", "size"])
    p, n = (cells[name].unstack("arm") for name in ("mean", "size"))  # noqa: PD010
    daily = (p[1] - p[0]).to_numpy()
    daily_error = np.sqrt((p * (1 - p) / (n - 1)).sum(axis=1)).to_numpy()
    after = days[(days["day"] >= 0) & (days["day"] < HORIZON)]
    joined = after.merge(cells.reset_index(), on=["arm", "day"])
    joined["influence"] = (joined["on"] - joined["mean"]) / joined["size"]
    joined = joined.sort_values(["row", "day"])
    at = [100, 800, 1003]
    totals, errors = [], []
    for horizon in (91, 182, 273):
        within = joined[joined["day"] < horizon]
        by_claimant = within.groupby("row").agg(arm=("arm", "first"), influence=("influence", "sum"))
        squares = by_claimant["influence"].pow(2).groupby(by_claimant["arm"]).agg(["sum", "size"])
        errors.append(np.sqrt((squares["sum"] * squares["size"] / (squares["size"] - 1)).sum()))
        totals.append(daily[730 : 730 + horizon].sum())
    return [*daily[at], *daily_error[at], *totals, *errors]


CONTENDERS = {"moments (this library)": by_moments, "explode to claimant-days (pandas)": by_exploding}


def measure(name: str, n_claimants: int) -> None:
    """Run one contender and print what it took, as one line of JSON."""
    panel = panel_of(n_claimants)
    by_moments(panel_of(200))  # imports and first calls are not the job
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    wall, cpu = time.perf_counter(), time.process_time()
    answer = CONTENDERS[name](panel)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    extra = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "extra_mb": extra, "answer": answer}))


def main(n_claimants: int, repeats: int) -> None:
    """Run every contender `repeats` times and print the table."""
    print(f"{n_claimants:,} claimants, 2 outcomes × 14 groups, 1,004 days, python {platform.python_version()}")
    results: dict[str, list[dict[str, object]]] = {}
    for name in CONTENDERS:
        command = [sys.executable, __file__, str(n_claimants), "--contender", name]
        runs = [subprocess.run(command, capture_output=True, text=True, check=True) for _ in range(repeats)]
        results[name] = [json.loads(run.stdout) for run in runs]
    ours, usual = (results[name][0]["answer"] for name in CONTENDERS)
    for key in ours:
        np.testing.assert_allclose(ours[key], usual[key], rtol=1e-7, atol=1e-9, err_msg=key)
    print("the numbers agree to 1e-7\n")
    base = min(run["cpu"] for run in results["moments (this library)"])
    print(f"{'':36}{'CPU s (min–max)':>18}{'wall s':>9}{'extra MB':>10}{'ratio':>8}")
    for name, runs in results.items():
        cpu = [run["cpu"] for run in runs]
        wall, extra = min(run["wall"] for run in runs), max(run["extra_mb"] for run in runs)
        print(f"{name:36}{f'{min(cpu):.2f}–{max(cpu):.2f}':>18}{wall:9.2f}{extra:10.0f}{min(cpu) / base:7.0f}x")


if __name__ == "__main__":
    claimants = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    if "--contender" in sys.argv:
        measure(sys.argv[sys.argv.index("--contender") + 1], claimants)
    else:
        main(claimants, int(sys.argv[2]) if len(sys.argv) > 2 else 3)
