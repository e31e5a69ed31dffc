"""`trialimpact interviews`: whom to ask for an interview, at random."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialimpact.cli_running import BrokenRuleChoice, BrokenRuleOption, say_written


def interviews(  # noqa: PLR0913
    protocol: Annotated[Path, typer.Argument(metavar="PROTOCOL.toml", help="The trial.")],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the rows.")] = Path("interviews"),
    n: Annotated[int, typer.Option("--n", min=1, help="How many people.")] = 30,
    seed: Annotated[int, typer.Option(min=0, help="The same seed draws the same people.")] = 1,
    arm: Annotated[
        list[str] | None, typer.Option(metavar="ARM", help="Only people assigned to it. Repeatable.")
    ] = None,
    quota: Annotated[
        list[str] | None, typer.Option(metavar="SUBGROUP=NUMBER", help="At least so many of it. Repeatable.")
    ] = None,
    exclude: Annotated[list[str] | None, typer.Option(metavar="SUBGROUP", help="Leave it out. Repeatable.")] = None,
    on_broken_rule: BrokenRuleOption = BrokenRuleChoice.error,
) -> None:
    """Draw people of a trial at random for interviews, with quotas and exclusions; say how they compare with all.

    rows.csv has row numbers of the claimants' table, in the order drawn; no identifier is written.

    Example: trialimpact interviews trial/protocol.toml --n 26 --seed 7 --arm ICS --quota maori=10 --out interviews
    """
    from trialimpact.analysis import analyse_trial
    from trialimpact.errors import ProtocolError, worded
    from trialimpact.interviews import draw_interviews
    from trialimpact.output import INTERVIEWS_MARK, write_interviews
    from trialimpact.whole import check_destination

    quotas = {}
    for each in quota or []:
        name, _, least = each.partition("=")
        if not least.isdecimal():
            raise ProtocolError(worded(f"--quota {each}: no number.", remedy="write SUBGROUP=NUMBER, as in maori=10"))
        quotas[name] = int(least)
    check_destination(out, INTERVIEWS_MARK)
    analysis = analyse_trial(protocol, on_broken_rule=on_broken_rule.value)
    sample = draw_interviews(analysis, n, seed=seed, arms=arm, quotas=quotas, exclude=exclude or ())
    write_interviews(sample, out)
    typer.echo(sample.profile.round(3).to_string(index=False))
    say_written(out, raw=True)
