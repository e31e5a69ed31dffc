"""What each method beside the main estimates costs, on one simulated trial: CPU seconds, and beside the moments'.

    python benchmarks/methods.py [claimants]

A ratio is the method's time over that of counting the moments in the same run.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

from trialimpact.errors import DesignError, TrialWarning
from trialimpact.inference import MethodRuns
from trialimpact.moments import count_moments
from trialimpact.stages import run_stages
from trialimpact.synthetic import simulate_iap


def measured(run: Callable[[], Any]) -> float:
    """CPU seconds of one run."""
    begun = time.process_time()
    run()
    return time.process_time() - begun


def main(n_markers: int) -> None:
    """Print a row a method: outcomes × groups as in the protocol, two outcomes and fourteen groups."""
    warnings.simplefilter("ignore", TrialWarning)
    trial = simulate_iap(n_markers, seed=1)
    stages = run_stages(trial.protocol, trial.tables, ".")
    runs = MethodRuns(stages, [each.name for each in trial.protocol.outcomes])
    panel, moments = stages.panel, measured(lambda: count_moments(stages.panel))
    print(f"{len(panel):,} claimants, 2 outcomes, {len(trial.protocol.subgroup_names)} groups")
    print(f"{'moments':<24}{moments:8.2f} s")
    methods: dict[str, Callable[[], Any]] = {
        "bands (daily + cumulative)": runs.bands,
        "pre-trial tests": runs.pretrends,
        "digit placebo": runs.placebos,
        "adjusted": runs.adjusted,
        "common intake": runs.intake,
        "compliance": runs.compliance,
        "durations": runs.durations,
        "states": runs.states,
        "integrity": runs.integrity,
    }
    for name, run in methods.items():
        try:
            run()  # imports and caches are not the method's
            seconds = min(measured(run) for _ in range(3))
            print(f"{name:<28}{seconds:6.2f} s {seconds / moments:8.1f} × moments")
        except DesignError as error:
            print(f"{name:<28}{str(error).splitlines()[0]}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 14_508)
