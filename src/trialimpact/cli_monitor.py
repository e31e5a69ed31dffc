"""`trialimpact monitor`: a look at a trial that is still recruiting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialimpact.cli_running import BrokenRuleChoice, BrokenRuleOption, say_written


def monitor(
    protocol: Annotated[
        Path, typer.Argument(metavar="PROTOCOL.toml", help="The trial. Spell files may be missing yet.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the page and its numbers.")
    ] = None,
    alpha: Annotated[
        float, typer.Option(help="Chance of any false alarm in the whole trial, however often it is looked at.")
    ] = 0.01,
    on_broken_rule: BrokenRuleOption = BrokenRuleChoice.error,
) -> None:
    """Look at a live trial: arms and digits against the design, by office, by status, by what is missing.

    Run it every day or week on the growing records (from cron, say): its p-values hold at any time, so looking often
    makes no false alarms. Exit 1 if there is an alarm, else 0.

    Example: trialimpact monitor trial/protocol.toml --out monitoring
    """
    from trialimpact.monitoring import monitor_trial
    from trialimpact.output import MONITOR_MARK, write_monitor
    from trialimpact.whole import check_destination

    if out is not None:
        check_destination(out, MONITOR_MARK)
    found = monitor_trial(protocol, on_broken_rule=on_broken_rule.value, alpha=alpha)
    for line in found.sentences():
        typer.echo(line)
    if out is not None:
        write_monitor(found, out)
        say_written(out, start="monitor.html", raw=True)
    if len(found.alarms):
        raise typer.Exit(1)
