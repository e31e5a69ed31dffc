"""Pictures of the methods beside the main estimates, each with its alt text."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from trialimpact.economics import CostBenefit
from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators import Bounds, Durations, Placebo, Randomisation, States
from trialimpact.protocol import TrialProtocol
from trialimpact.report.figures import (
    CONTROL,
    EFFECT,
    TREATMENT,
    Caption,
    Picture,
    capitalised,
    house_style,
    new_figure,
    title_above,
)
from trialimpact.report.rounding import printed, printed_p
from trialimpact.report.sentences import EVENT_WORDS, bounds_sentence, placebo_sentence

if TYPE_CHECKING:
    from matplotlib.axes import Axes

STATE_COLOURS = ("#56B4E9", "#009E73", "#F0E442", "#E69F00", "#CC79A7", "#0072B2", "#D55E00")
REST_COLOUR = "#CCCCCC"
"""Okabe and Ito's colours for the states in their order, and grey for the rest."""


P_FLOOR = 1e-12
"""Smaller p-values are drawn as this."""


@of_its_kind
def plot_placebo(found: Placebo | Randomisation, protocol: TrialProtocol) -> Picture:
    """The actual assignment among all that the design could have given."""
    test = found.randomisation if isinstance(found, Placebo) else found
    scale = 100 if test.target.kind == "daily" else 1
    words = protocol.outcome(test.outcome).words
    with house_style():
        figure = new_figure(3.8)
        axes = figure.subplots()
        axes.hist(
            scale * test.estimates, bins=min(42, max(10, test.estimates.size // 6)), color="#BDBDBD", edgecolor="white"
        )
        axes.axvline(scale * test.observed, color=TREATMENT, linewidth=2)
        axes.axvline(-scale * test.observed, color=TREATMENT, linewidth=1, linestyle=(0, (4, 3)))
        axes.annotate(
            f"actual: {printed(scale * test.observed, protocol.presentation.rounding)}",
            (scale * test.observed, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(4, -2),
            textcoords="offset points",
            color=TREATMENT,
            fontweight="bold",
            va="top",
        )
        unit = " (percentage points)" if scale == 100 else ""
        axes.set_xlabel(f"Difference in {test.target.in_words()}{unit}")
        axes.set_ylabel("Splits of the digits" if isinstance(found, Placebo) else "Assignments")
        reading = f"p {printed_p(test.p_value)}: share as far from zero as the actual one (dashed: its mirror image)"
        when = "before the trial, " if test.target.kind == "pre_period" else ""
        among = f"{when}the actual assignment among {test.estimates.size:,}"
        title_above(figure, Caption(f"{capitalised(words)}: {among}", reading))
    return Picture(figure, f"Histogram of estimates under other assignments. {placebo_sentence(found, protocol)}")


@of_its_kind
def plot_tipping(found: Bounds) -> Picture:
    """The effect on all eligible, by how unlike the linked the lost of each side would have to be."""
    tipping, protocol = found.tipping, found.protocol
    if not tipping.has_interval:
        says = "the effect has no interval to map: its standard error is not known, or zero."
        raise DesignError(worded(says, remedy="read the bounds themselves"))
    words = protocol.outcome(found.outcome).words
    shifts = [
        np.linspace(-mean, found.horizon_days - mean, 201) for mean in (tipping.mean_treatment, tipping.mean_control)
    ]
    with house_style():
        figure = new_figure(5.2)
        axes = figure.subplots()
        across, up = np.meshgrid(*shifts)
        effect = tipping.effect(across, up)
        half = tipping.critical * tipping.std_error
        axes.contourf(
            across, up, effect, levels=[-np.inf, -half, half, np.inf], colors=["#C6DBEF", "#F2F2F2", "#FDD0A2"]
        )
        lines = axes.contour(across, up, effect, levels=[0.0], colors=[EFFECT], linewidths=1.5)
        axes.clabel(lines, fmt={0.0: "no effect"}, fontsize=9)
        axes.plot([0], [0], "o", color=EFFECT, markersize=7)
        axes.annotate("the lost as the linked", (0, 0), xytext=(8, 6), textcoords="offset points", fontsize=9)
        axes.grid(visible=False)
        arms = found.contrast.treatment_words, found.contrast.control_words
        axes.set_xlabel(f"Lost of {arms[0]}: days {words} more than its linked")
        axes.set_ylabel(f"Lost of {arms[1]}: days more\nthan its linked")
        reading = "Blue: interval below zero; orange: above; grey: zero within it. Edges: the lost had no days, or all"
        title_above(figure, Caption(f"Days {words}: what the unlinked would have to be like", reading))
    return Picture(figure, f"Map of the effect by assumptions on those lost. {bounds_sentence(found)}")


@of_its_kind
def plot_states(found: States) -> Picture:
    """Shares in each state, stacked, by arm."""
    with house_style():
        figure = new_figure(4.6, width=10.0)
        sides = figure.subplots(1, 2, sharey=True)
        arms = (
            (found.contrast.treatment_words, found.share_treatment),
            (found.contrast.control_words, found.share_control),
        )
        for axes, (arm, share) in zip(sides, arms, strict=True):
            colours = [*itertools.islice(itertools.cycle(STATE_COLOURS), len(share) - 1), REST_COLOUR]
            layers = axes.stackplot(
                found.days, 100 * np.nan_to_num(share), colors=colours, edgecolor="white", linewidth=0.4
            )
            axes.set_title(arm, loc="left", fontsize=10.5, fontweight="bold")
            axes.set_xlabel("Days from the index day")
            axes.margins(x=0)
            axes.set_ylim(0, 100)
            if found.days[0] < 0:
                axes.axvline(0, color=EFFECT, linewidth=1, linestyle=(0, (1, 2)))
        sides[0].set_ylabel("% of those followed")
        handles = dict(zip(found.labels, layers, strict=True))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4, frameon=False)
        title_above(figure, Caption("Where people are, day by day", "Shares add up to 100% on every day"))
    longest = max(found.cumulative)
    apart = found.cumulative[longest].estimate
    rule = found.protocol.presentation.rounding
    text = ", ".join(f"{label} {printed(float(x), rule)}" for label, x in zip(found.labels, apart, strict=True))
    return Picture(figure, f"Stacked shares by arm. Differences in days over {longest} days: {text}.")


@of_its_kind
def plot_survival(found: Durations) -> Picture:
    """Kaplan-Meier curves of both sides, with how many are at risk below them."""
    protocol, event = found.protocol, EVENT_WORDS[found.event]
    words = protocol.outcome(found.outcome).words
    names = {"treatment": found.contrast.treatment_words, "control": found.contrast.control_words}
    with house_style():
        figure = new_figure(4.8)
        axes = figure.subplots()
        for side, colour in (("treatment", TREATMENT), ("control", CONTROL)):
            curve = found.curves[side]
            axes.step(
                curve["day"], 100 * curve["estimate"], where="post", color=colour, linewidth=1.6, label=names[side]
            )
            axes.fill_between(
                curve["day"],
                100 * curve["conf_low"],
                100 * curve["conf_high"],
                step="post",
                color=colour,
                alpha=0.15,
                linewidth=0,
            )
        axes.set_ylim(0, 100)
        axes.set_ylabel(f"% without {event}")
        origin = "Days from the first exit" if found.event == "re_entry" else "Days from the index day"
        _say_at_risk(axes, found)
        axes.set_xlabel(f"{origin}; under each, how many are at risk in {names['treatment']} and in {names['control']}")
        axes.legend(frameon=False, loc="upper right")
        reading = f"Kaplan-Meier; log-rank p {printed_p(found.log_rank[1]) or 'not known'}; shaded: pointwise intervals"
        title_above(figure, Caption(f"{capitalised(words)}: time to {event}", reading))
    rule = protocol.presentation.rounding
    apart = "".join(
        f" Restricted means over {horizon} days differ by {printed(float(entry.estimate[0]), rule)} days."
        for horizon, entry in list(found.restricted.items())[-1:]
    )
    test = f"Log-rank p {printed_p(found.log_rank[1])}.{apart}"
    arms = f"{names['treatment']} and {names['control']}"
    alt = f"Survival curves until {event}, {words}, {arms}. {test}"
    return Picture(figure, alt)


def _say_at_risk(axes: Axes, found: Durations) -> None:
    """Under a few days, how many of each side are still at risk."""
    last = max(int(curve["day"].max()) for curve in found.curves.values())
    times = list(dict.fromkeys(round(share * last) for share in (0, 0.25, 0.5, 0.75, 1)))
    labels = [f"{time}" for time in times]
    for curve in found.curves.values():
        later = [curve.loc[curve["day"] >= time, "n_at_risk"] for time in times]
        n_at_risk = [int(each.iloc[0]) if len(each) else 0 for each in later]
        labels = [f"{label}\n{n:,}" for label, n in zip(labels, n_at_risk, strict=True)]
    axes.set_xticks(times, labels)


def plot_monitoring(paths: Mapping[tuple[str, str], pd.DataFrame], alpha: float, words: Mapping[Any, str]) -> Picture:
    """The p-values of a live trial's checks, day by day, on a logarithmic scale that grows downwards."""
    with house_style():
        figure = new_figure(4.2)
        axes = figure.subplots()
        lowest = {key: float(path["p_value"].iloc[-1]) for key, path in paths.items()}
        named = min(lowest, key=lambda key: lowest[key])
        for key, path in paths.items():
            colour = TREATMENT if key == named else "#BDBDBD"
            values = path["p_value"].clip(lower=P_FLOOR)
            axes.step(path["date"], values, where="post", color=colour, linewidth=1.8 if key == named else 1.0)
        axes.axhline(alpha, color=EFFECT, linewidth=1, linestyle=(0, (4, 3)))
        axes.set_yscale("log")
        axes.set_ylim(min(alpha / 10, *(max(each / 3, P_FLOOR) for each in lowest.values())), 1.5)
        axes.set_ylabel("p-value that holds at any time")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.tick_params(axis="x", rotation=30)
        where = f" ({named[1]})" if named[1] else ""
        label = f"{words[named]}{where}"
        reading = f"Blue: {label}. Dashed: {alpha:g}; below it, adjusted for {len(paths)} checks, is an alarm"
        title_above(figure, Caption("How surely the design was departed from, so far", reading))
    return Picture(
        figure, f"p-values by day of {len(paths)} checks. The lowest is {printed_p(lowest[named])}, of {label}."
    )


@of_its_kind
def plot_tornado(found: CostBenefit, perspective: str) -> Picture:
    """What moves the net benefit most: one thing at a time, from its low to its high."""
    rows = found.tornado[found.tornado["perspective"] == perspective]
    rows = rows[rows["net_at_low"] != rows["net_at_high"]]
    net = float(found.net.loc[found.net["perspective"] == perspective, "net"].iloc[0])
    unit = found.valuation.currency
    with house_style():
        figure = new_figure(1.8 + 0.42 * max(len(rows), 1))
        axes = figure.subplots()
        places = np.arange(len(rows))[::-1]
        for place, row in zip(places, rows.to_dict("records"), strict=True):
            for end, colour in (("net_at_low", CONTROL), ("net_at_high", TREATMENT)):
                axes.barh(place, row[end] - net, left=net, height=0.6, color=colour)
        axes.set_yticks(places, [str(what) for what in rows["what"]])
        axes.axvline(net, color=EFFECT, linewidth=1.4)
        axes.axvline(0, color=EFFECT, linewidth=1, linestyle=(0, (1, 2)))
        axes.set_xlabel(f"Net benefit a person, {unit}")
        axes.grid(axis="y", visible=False)
        reading = "Orange: at its low; blue: at its high, the rest as given. Solid line: the estimate"
        widest = str(rows["what"].iloc[0]) if len(rows) else "nothing"
        title = f"{capitalised(perspective)}: the net benefit depends most on {widest}"
        title_above(figure, Caption(title, reading))
    ends = "; ".join(f"{r['what']} {r['net_at_low']:,.0f} to {r['net_at_high']:,.0f}" for r in rows.to_dict("records"))
    return Picture(figure, f"Tornado chart of the net benefit ({perspective}), {unit} {net:,.0f} a person: {ends}.")
