"""`trialimpact cost-benefit`: what a programme is worth, by unit values in a file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialimpact.cli_running import BrokenRuleChoice, BrokenRuleOption, say_written
from trialimpact.protocol.conditions import MAX_DAYS


def cost_benefit(
    protocol: Annotated[Path | None, typer.Argument(metavar="PROTOCOL.toml", help="The trial.")] = None,
    values: Annotated[Path | None, typer.Option("--values", metavar="FILE.toml", help="Your unit values.")] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Folder for numbers and pictures.")] = None,
    horizon: Annotated[
        int | None, typer.Option(min=1, max=MAX_DAYS, help="Days over the first so many; default the longest.")
    ] = None,
    template: Annotated[bool, typer.Option("--template", help="Print a file of unit values to fill in.")] = False,
    on_broken_rule: BrokenRuleOption = BrokenRuleChoice.error,
) -> None:
    """Net benefit a person, by perspective: days gained times what a day is worth, less what the programme costs.

    No value is built in: start from --template, and give each value its date and source.

    Example: trialimpact cost-benefit --template > values.toml; trialimpact cost-benefit trial/protocol.toml --values
    values.toml --out worth
    """
    from trialimpact.analysis import analyse_trial
    from trialimpact.economics import estimate_cost_benefit, read_valuation, valuation_template
    from trialimpact.errors import ProtocolError, worded
    from trialimpact.output import WORTH_MARK, write_cost_benefit
    from trialimpact.whole import check_destination

    if template:
        typer.echo(valuation_template(), nl=False)
        return
    if protocol is None or values is None:
        remedy = "give PROTOCOL.toml and --values FILE.toml, or --template"
        raise ProtocolError(worded("a trial and a file of unit values are needed.", remedy=remedy))
    valuation = read_valuation(values)
    if out is not None:
        check_destination(out, WORTH_MARK)
    analysis = analyse_trial(protocol, horizons=horizon, on_broken_rule=on_broken_rule.value)
    found = [
        estimate_cost_benefit(analysis.panel, valuation, contrast, horizon) for contrast in analysis.protocol.contrasts
    ]
    for each in found:
        for line in each.sentences():
            typer.echo(f"{each.contrast.treatment_words} against {each.contrast.control_words}: {line}")
    if out is not None:
        write_cost_benefit(found, out)
        say_written(out, raw=True)
