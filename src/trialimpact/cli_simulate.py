"""`trialimpact simulate`: the records of an invented trial, with the truth."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trialimpact.cli_running import say_written


class InventedTrial(StrEnum):
    """Which trial to invent records for, by its shipped protocol."""

    example = "example"
    iap = "iap"
    ics = "ics"
    ics_x = "ics_x"
    progression = "progression"


def simulate(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write.")],
    claimants: Annotated[int, typer.Option(min=20, max=900_000, help="People with a marker.")] = 2_000,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same records.")] = 1,
    like: Annotated[
        InventedTrial, typer.Option(help="A small example, or records like those of a trial that was run.")
    ] = InventedTrial.example,
) -> None:
    """Write the records of an invented trial, its protocol and the truth.

    Example: trialimpact simulate --out trial; trialimpact analyse trial/protocol.toml --out results
    """
    from trialimpact import synthetic
    from trialimpact.whole import write_whole

    simulators = {
        InventedTrial.example: synthetic.simulate_trial,
        InventedTrial.iap: synthetic.simulate_iap,
        InventedTrial.ics: synthetic.simulate_ics,
        InventedTrial.ics_x: synthetic.simulate_ics_x,
        InventedTrial.progression: synthetic.simulate_progression,
    }
    trial = simulators[like](claimants, seed=seed)
    write_whole(out, trial.write, mark="synthetic")
    typer.echo(f"{trial!r}; nobody in it exists")
    say_written(out)
