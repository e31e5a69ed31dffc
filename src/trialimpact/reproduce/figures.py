"""The 2016 report's figures from computed curves, with what the report says of them drawn in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from trialimpact.estimators import Effects, SubgroupEffects
from trialimpact.report.figures import (
    CONTROL,
    EFFECT,
    QUIET,
    TREATMENT,
    Caption,
    Picture,
    house_style,
    new_figure,
    title_above,
)
from trialimpact.report.rounding import printed
from trialimpact.report.words import headline, interval_in_words
from trialimpact.reproduce.iap import AFTER_WEEK_12, STEADY_UNTIL, TABLES, WEEK, WEEK_5, cell_id, weekly
from trialimpact.reproduce.published import PublishedNumber
from trialimpact.reproduce.reproduction import WHOSE, Reproduction
from trialimpact.reproduce.windows import printed_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PRINTED, WORDS = "#009E73", "#00694C"
"""Okabe and Ito's green for what the report prints or says, darker for its words."""

VALID = "#56B4E9"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What the panels draw: computed curves, and the report's numbers by id."""

    daily: Mapping[str, Effects]
    printed: Mapping[str, SubgroupEffects]
    valid: Mapping[str, SubgroupEffects]
    published: Mapping[str, PublishedNumber]

    def number(self, key: str) -> float:
        """A published number."""
        return sum(printed_window(self.published[key].printed)) / 2

    def ends(self, key: str) -> tuple[float, float]:
        """The ends of a published interval, the smaller first."""
        row = self.published[key]
        low, high = sorted(sum(printed_window(text)) / 2 for text in (row.lower, row.upper))
        return low, high


def plot_reproduction(reproduction: Reproduction) -> dict[str, Picture]:
    """Figures 6.1 to 6.5, the two tables as a picture, and everything on one page, by file name."""
    drawn = Drawn(
        daily={daily.comparison.outcome: daily for daily, _ in reproduction.analysis.everyone()},
        printed=reproduction.printed_effects(),
        valid=reproduction.valid,
        published={number.id: number for number in reproduction.published},
    )
    reading = f"Computed from {WHOSE[reproduction.provenance]}; green: what the 2016 report prints or says"
    pictures = {}
    for name, (title, draw, says) in _PANELS.items():
        with house_style():
            figure = new_figure(4.6 if name.startswith("figure") else 7.2)
            draw(figure.subplots(), drawn)
            title_above(figure, Caption(title, reading))
        pictures[name] = Picture(figure, f"{title}. {says(drawn)}")
    pictures["overview"] = _overview(drawn, pictures, reading)
    return pictures


def _said() -> dict[str, Any]:
    """How the report's words are written: dark green, with a white edge where they cross a line."""
    from matplotlib.patheffects import withStroke

    return {"color": WORDS, "path_effects": [withStroke(linewidth=3, foreground="white")]}


def _overview(drawn: Drawn, pictures: Mapping[str, Picture], reading: str) -> Picture:
    places: list[Any] = [
        ["figure_6_1", "figure_6_2"],
        ["figure_6_3", "figure_6_4"],
        ["figure_6_5"] * 2,
        ["table_6_2", "table_6_3"],
    ]
    with house_style():
        figure = new_figure(17.0, width=14.0)
        grid = figure.subplot_mosaic(places, height_ratios=[1, 1, 1.1, 1.5])
        engine = figure.get_layout_engine()
        if engine is not None:
            engine.set(h_pad=0.12, w_pad=0.1)  # type: ignore[call-arg]
        for name, (title, draw, _) in _PANELS.items():
            draw(grid[name], drawn)
            grid[name].set_title(title, loc="left", fontsize=11, fontweight="bold")
        title_above(figure, Caption("Chapter 6 of the 2016 report, reproduced", reading))
    return Picture(figure, " ".join(picture.alt_text for picture in pictures.values()))


def _shares(axes: Axes, effects: Effects, names: tuple[str, str] = ("IAP", "BAU")) -> None:
    for values, colour, name in zip(
        (effects.mean_treatment, effects.mean_control), (TREATMENT, CONTROL), names, strict=True
    ):
        axes.plot(effects.at, 100 * values, color=colour, linewidth=1.4, label=name)
    axes.axvline(0, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))
    axes.set_xlabel("Days from the first day of the claim")
    axes.legend(frameon=False, loc="upper left", ncols=2)
    axes.margins(x=0.01)


def _difference(axes: Axes, effects: Effects) -> None:
    after = effects.at >= 0
    at, low, high = effects.at[after], 100 * effects.conf_low[after], 100 * effects.conf_high[after]
    axes.axhline(0, color=QUIET, linewidth=1)
    axes.fill_between(at, low, high, color=EFFECT, alpha=0.16, linewidth=0)
    axes.plot(at, 100 * effects.estimate[after], color=QUIET, linewidth=0.9)
    weeks = 100 * weekly(effects, effects.estimate)
    axes.stairs(weeks, WEEK * np.arange(weeks.size + 1), baseline=None, color=EFFECT, linewidth=1.6)
    axes.annotate(
        "black: weekly means; grey: days, and their 95% intervals",
        (0.99, 0.02),
        xycoords="axes fraction",
        ha="right",
        fontsize=8.5,
        color="#444444",
    )
    axes.set_xlabel("Days from the first day of the claim")
    axes.set_ylabel("IAP minus BAU, points")
    axes.margins(x=0.01)


def _figure_6_1(axes: Axes, drawn: Drawn) -> None:
    effects = drawn.daily["on_benefit"]
    _shares(axes, effects)
    axes.set_ylim(0, 106)
    axes.set_ylabel("% on benefit")
    steady, before = drawn.number("fig61.steady"), drawn.number("fig61.before")
    axes.plot([effects.at[0], STEADY_UNTIL], [steady, steady], color=PRINTED, linewidth=5, alpha=0.45)
    axes.annotate(f"printed {steady:.0f}%", (-600, steady + 4), **_said())
    axes.plot([-1], [before], "o", color=PRINTED, markersize=8, fillstyle="none", markeredgewidth=2)
    axes.annotate(f"printed {before:.0f}%", (-12, before - 8), **_said(), ha="right")


def _figure_6_2(axes: Axes, drawn: Drawn) -> None:
    effects = drawn.daily["on_benefit"]
    _difference(axes, effects)
    centre, far, near = (-drawn.number(f"fig62.wk5{end}") for end in ("", "_hi", "_lo"))
    spread, middle = [[centre - far], [near - centre]], WEEK_5 + WEEK // 2
    axes.errorbar([middle], [centre], yerr=spread, color=PRINTED, marker="o", linewidth=2, capsize=4, zorder=5)
    axes.annotate("printed: almost 7 (5 to 8.5)", (WEEK_5 + 10, -8.3), **_said(), va="center")
    band = -drawn.number("fig62.wk12_hi"), -drawn.number("fig62.wk12_lo")
    axes.fill_between([AFTER_WEEK_12, effects.at[-1]], *band, color=PRINTED, alpha=0.3, linewidth=0)
    axes.annotate("said: 3 to 4 from week 12", (AFTER_WEEK_12, -1.6), **_said())


def _figure_6_3(axes: Axes, drawn: Drawn) -> None:
    _shares(axes, drawn.daily["employed"])
    axes.set_ylim(0, 82)
    axes.set_ylabel("% in employment")


def _figure_6_4(axes: Axes, drawn: Drawn) -> None:
    effects = drawn.daily["employed"]
    _difference(axes, effects)
    band = drawn.number("fig64.lo"), drawn.number("fig64.hi")
    axes.fill_between([WEEK_5, effects.at[-1]], *band, color=PRINTED, alpha=0.3, linewidth=0)
    axes.annotate("said: 3 to 4", (60, band[0] - 0.45), **_said(), va="center")
    for key in ("fig64.moe_lo", "fig64.moe_hi"):
        axes.axhline(drawn.number(key), color=PRINTED, linewidth=1, linestyle=(0, (4, 3)))
    axes.annotate("said: margins broadly around 2 and 6", (58, drawn.number("fig64.moe_hi") + 0.15), **_said())


def _figure_6_5(axes: Axes, drawn: Drawn) -> None:
    """Cumulative differences of both outcomes, with both kinds of interval."""
    axes.axhline(0, color=QUIET, linewidth=1)
    for outcome, table in TABLES.items():
        both = drawn.printed[outcome].by_subgroup["all"], drawn.valid[outcome].by_subgroup["all"]
        for effects, colour, alpha in zip(both, (EFFECT, VALID), (0.14, 0.5), strict=True):
            axes.fill_between(effects.at, effects.conf_low, effects.conf_high, color=colour, alpha=alpha, linewidth=0)
        axes.plot(both[0].at, both[0].estimate, color=EFFECT, linewidth=1.5)
        centre, (low, high) = drawn.number(f"{table}.all"), drawn.ends(f"{table}.all")
        axes.errorbar(
            [both[0].at[-1] + 6], [centre], yerr=[[centre - low], [high - centre]], color=PRINTED, marker="o",
            linewidth=2, capsize=4,
        )  # fmt: skip
        up = outcome == "employed"
        axes.annotate("in employment" if up else "on benefit", (100, 10.0 if up else -11.5), fontweight="bold")
    axes.annotate("grey: daily limits added up, which fit the report's; blue: valid 95% intervals", (0.01, 0.03),
                  xycoords="axes fraction", fontsize=9, color="#444444")  # fmt: skip
    axes.set_xlabel("Days followed (horizon)")
    axes.set_ylabel("IAP minus BAU, days")


def _forest(outcome: str) -> Callable[[Axes, Drawn], None]:
    def draw(axes: Axes, drawn: Drawn) -> None:
        added_up, valid = drawn.printed[outcome], drawn.valid[outcome]
        names = list(added_up.by_subgroup)
        protocol = added_up.by_subgroup["all"].protocol
        axes.axvline(0, color=QUIET, linewidth=1)
        for place, name in enumerate(names):
            key = cell_id(outcome, protocol.subgroup_words(name))
            for effect, colour, width in ((added_up.effect(name), EFFECT, 1.2), (valid.effect(name), VALID, 5.0)):
                axes.plot([effect.conf_low, effect.conf_high], [place, place], color=colour, linewidth=width,
                          solid_capstyle="butt", zorder=2 if width > 2 else 3)  # fmt: skip
            axes.plot([added_up.effect(name).estimate], [place], "o", color=EFFECT, markersize=5, zorder=4)
            low, high = drawn.ends(key)
            axes.plot([low, high], [place + 0.32] * 2, color=PRINTED, linewidth=1.6)
            axes.plot([drawn.number(key)], [place + 0.32], "o", color=PRINTED, markersize=5)
        axes.set_yticks(range(len(names)), [protocol.subgroup_words(name) for name in names])
        axes.set_ylim(len(names) - 0.3, -0.6)
        axes.grid(visible=False)
        axes.set_xlabel("Days, IAP minus BAU. Black: daily limits added up; blue: valid 95%")

    return draw


def _range_of(outcome: str) -> Callable[[Drawn], str]:
    def say(drawn: Drawn) -> str:
        effects = drawn.daily[outcome]
        after = effects.at >= 0
        low, high = (printed(100 * float(end(effects.estimate[after])), "one_decimal") for end in (np.min, np.max))
        return f"After the claim began the daily difference lies between {low} and {high} percentage points."

    return say


def _path_of(outcome: str) -> Callable[[Drawn], str]:
    def say(drawn: Drawn) -> str:
        effects = drawn.daily[outcome]
        days = [int(effects.at[0]), -1, 0, int(effects.at[-1])]
        pairs = (
            f"day {day}: {printed(100 * effects.effect(day).mean_treatment, 'one_decimal')}% and "
            f"{printed(100 * effects.effect(day).mean_control, 'one_decimal')}%"
            for day in days
        )
        return f"Daily shares of IAP and BAU. {'; '.join(pairs)}."

    return say


def _alt_forest(outcome: str) -> Callable[[Drawn], str]:
    def say(drawn: Drawn) -> str:
        subgroups = drawn.printed[outcome]
        protocol = subgroups.by_subgroup["all"].protocol
        rows = (
            f"{protocol.subgroup_words(name)} {printed(subgroups.effect(name).estimate, 'whole_from_10')} "
            f"({interval_in_words(subgroups.effect(name), protocol)})"
            for name in subgroups.by_subgroup
        )
        return f"Days, computed: {'; '.join(rows)}."

    return say


def _alt_cumulative(drawn: Drawn) -> str:
    return " ".join(headline(each.by_subgroup["all"]) for each in (*drawn.printed.values(), *drawn.valid.values()))


_PANELS: dict[str, tuple[str, Callable[[Axes, Drawn], None], Callable[[Drawn], str]]] = {
    "figure_6_1": ("6.1 On benefit, two years before and nine months after", _figure_6_1, _path_of("on_benefit")),
    "figure_6_2": ("6.2 On benefit: daily difference", _figure_6_2, _range_of("on_benefit")),
    "figure_6_3": ("6.3 In employment, two years before and nine months after", _figure_6_3, _path_of("employed")),
    "figure_6_4": ("6.4 In employment: daily difference", _figure_6_4, _range_of("employed")),
    "table_6_2": ("Table 6.2: days on benefit", _forest("on_benefit"), _alt_forest("on_benefit")),
    "table_6_3": ("Table 6.3: days in employment", _forest("employed"), _alt_forest("employed")),
    "figure_6_5": ("6.5 Cumulative difference in days", _figure_6_5, _alt_cumulative),
}
