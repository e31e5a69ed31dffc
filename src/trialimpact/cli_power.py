"""`trialimpact power`: what a planned trial can detect, or how many people it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialimpact.errors import ProtocolError, worded
from trialimpact.estimators.past import PastVariation, past_variation, simulate_power
from trialimpact.estimators.power import (
    PowerDesign,
    PowerResult,
    detectable_days,
    detectable_share,
    required_for_days,
    required_for_share,
)

power_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Plan a trial: the smallest effect that it detects, or the people that it needs.",
)

People = Annotated[int | None, typer.Option(min=4, help="People, both arms together: says what they detect.")]
Past = Annotated[
    Path | None,
    typer.Option(metavar="PROTOCOL.toml", help="Take the variation from the control arm of past records."),
]
OutcomeName = Annotated[str | None, typer.Option(metavar="NAME", help="Which outcome of the past records.")]
Design = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=NUMBER",
        help="treatment_share (0.5), conf_level (0.95), power (0.8), cluster_size (1), icc (0), explained (0: share "
        "of variance that strata or covariates explain), followed_share (1). May be repeated.",
    ),
]


@power_app.command()
def days(
    people: People = None,
    effect: Annotated[float | None, typer.Option(help="Difference in days: says how many people it needs.")] = None,
    sd: Annotated[float | None, typer.Option(help="Standard deviation of a person's days.")] = None,
    past: Past = None,
    outcome: OutcomeName = None,
    horizon: Annotated[int | None, typer.Option(help="Days over the first so many; default the longest.")] = None,
    design: Design = None,
) -> None:
    """Days to a horizon.

    With --past the standard deviation is that of past claimants under the protocol's own intake and
    extract: returns and follow-up cut short count as they will; and the power is checked by simulation.

    Example: trialimpact power days --people 10000 --past trial/protocol.toml --outcome on_benefit
    """
    _one_of("--people", people, "--effect", effect)
    found = _past_of(past, outcome, horizon, None)
    plan = _design(design, found)
    spread = found.std_dev if found is not None and sd is None else _required("--sd", sd)
    if people is not None:
        result = detectable_days(people, spread, plan)
    else:
        result = required_for_days(_required("--effect", effect), spread, plan)
    instead = "" if found is None or sd is None else f" (--sd; that of the past is {found.std_dev:.4g})"
    _say(result, "days", f"standard deviation {spread:.4g} days{instead}", found)


@power_app.command()
def share(
    people: People = None,
    effect: Annotated[float | None, typer.Option(help="Change in the share: says how many people it needs.")] = None,
    control: Annotated[float | None, typer.Option(help="Share in control, 0 to 1.")] = None,
    past: Past = None,
    outcome: OutcomeName = None,
    day: Annotated[int | None, typer.Option(help="Day from the index day, with --past.")] = None,
    design: Design = None,
) -> None:
    """The share with an outcome on one day.

    Example: trialimpact power share --effect -0.035 --control 0.55 --design icc=0.01 --design cluster_size=40
    """
    _one_of("--people", people, "--effect", effect)
    if past is not None and day is None:
        raise ProtocolError(worded("--past needs the day of the share.", remedy="give --day"))
    found = _past_of(past, outcome, None, day)
    plan = _design(design, found)
    if found is not None and not 0 < found.mean < 1:
        says = f"{100 * found.mean:g}% of the past control arm has the outcome on that day, so nothing varies."
        raise ProtocolError(worded(says, remedy="choose another --day or --outcome"))
    usual = found.mean if found is not None and control is None else _required("--control", control)
    if people is not None:
        result = detectable_share(people, usual, plan)
    else:
        result = required_for_share(_required("--effect", effect), usual, plan)
    instead = "" if found is None or control is None else f" (--control; that of the past is {found.mean:.3f})"
    _say(result, "of the share", f"share in control {usual:.3f}{instead}", None)


def _one_of(one: str, given: float | None, other: str, also: float | None) -> None:
    if (given is None) == (also is None):
        given_both = "both are given" if given is not None else "neither is given"
        says = f"give {one} or {other}, and not both: {given_both}."
        raise ProtocolError(worded(says, remedy=f"{one} says what is detected, {other} how many people it needs"))


def _required(name: str, value: float | int | None) -> float:
    if value is None:
        raise ProtocolError(worded(f"{name} is needed here.", remedy=f"give {name}, or --past PROTOCOL.toml"))
    return value


def _design(parts: list[str] | None, past: PastVariation | None) -> PowerDesign:
    names, numbers = PowerDesign.__dataclass_fields__, {}
    for part in parts or []:
        name, _, number = part.partition("=")
        name = name.strip().replace("-", "_")
        if name in numbers:
            raise ProtocolError(worded(f"--design {name} is given twice.", remedy="give each once"))
        try:
            numbers[names[name].name] = float(number)
        except (KeyError, ValueError):
            says = f"--design {part!r} is not NAME=NUMBER."
            raise ProtocolError(worded(says, remedy=f"use one of: {', '.join(names)}")) from None
    plan = PowerDesign(**numbers) if past is None else past.design(**numbers)
    if past is None and len(alone := {"icc", "cluster_size"} & {*numbers}) == 1:
        says = f"--design {next(iter(alone))} alone changes nothing."
        raise ProtocolError(worded(says, remedy="give icc and cluster_size together"))
    return plan


def _past_of(path: Path | None, outcome: str | None, horizon: int | None, day: float | None) -> PastVariation | None:
    if path is None:
        return None
    from trialimpact.stages import as_protocol, run_stages

    protocol, folder = as_protocol(path, None)
    if outcome is None and len(protocol.outcomes) > 1:
        names = ", ".join(each.name for each in protocol.outcomes)
        raise ProtocolError(worded("the protocol has several outcomes.", remedy=f"give --outcome: {names}"))
    name = protocol.outcome(outcome or protocol.outcomes[0].name).name
    panel = run_stages(protocol, None, folder).panel
    return past_variation(panel, name, horizon_days=horizon, day=None if day is None else int(day))


def _say(result: PowerResult, unit: str, assumed: str, past: PastVariation | None) -> None:
    plan = result.design
    size = f"{abs(result.effect):.2f} days" if result.kind == "days" else f"{100 * abs(result.effect):.2f} points"
    typer.echo(f"{result.n_claimants:,} people detect a difference of {size} {'' if unit == 'days' else unit}".rstrip())
    typer.echo(
        f"with power {plan.power:g} at {100 * plan.conf_level:g}%, two-sided; {assumed}; "
        f"{100 * plan.treatment_share:g}% in treatment; variance multiplied by {plan.inflation:.3f}"
    )
    if past is not None and plan.inflation == 1:
        try:
            found = simulate_power(past, abs(result.effect), plan, result.n_claimants, draws=500)
        except MemoryError:
            typer.echo("no check by simulation: too many people to draw here")
            return
        typer.echo(f"check, by drawing past claimants into arms 500 times: power {found:.2f}")
    elif past is not None:
        typer.echo("no check by simulation: clusters, strata and covariates are not simulated")
