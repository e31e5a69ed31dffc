"""The main job on a small invented trial: simulate it, analyse it, and hold the result against the truth."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import trialimpact as ti
from trialimpact.synthetic import simulate_trial


def main(folder: Path) -> None:
    """Write the records into `folder`/trial and the results into `folder`/results."""
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "trial").mkdir(parents=True)
    trial = simulate_trial(n_claimants=6_000, seed=2015)
    trial.write(folder / "trial")

    analysis = ti.analyse_trial(folder / "trial" / "protocol.toml", progress=sys.stderr.isatty())
    ti.write_analysis(analysis, folder / "results")

    say = sys.stdout.write
    say(f"\n{analysis.protocol.name}: {len(analysis.sample):,} people who do not exist\n\n")
    for _, cumulative in analysis.everyone():
        outcome = cumulative.comparison.outcome
        truth = trial.truth.cumulative(outcome, 273)
        effect = cumulative.effect(273)
        inside = "inside" if effect.conf_low <= truth <= effect.conf_high else "outside"
        more = "more" if truth > 0 else "fewer"
        say(f"  {ti.headline(cumulative)}\n  The truth is {abs(truth):.1f} {more} days: {inside} the interval.\n\n")
    say(f"Records, protocol and truth: {folder / 'trial'}\n")
    say(f"Results: start with {folder / 'results' / 'summary.md'} and {folder / 'results' / 'figures'}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
