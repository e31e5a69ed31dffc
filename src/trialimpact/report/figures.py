"""Results -> pictures: colour-blind safe, labelled on the lines, each with its alt text."""

from __future__ import annotations

import base64
import io
import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from trialimpact.errors import of_its_kind
from trialimpact.estimators import Band, Effects, PreTrend, SubgroupEffects
from trialimpact.estimators.contrast import Floats
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.report.curves import Curve
from trialimpact.report.rounding import CONFIDENTIAL, printed, printed_p, printed_percent
from trialimpact.report.words import headline, interval_name_of, with_limits
from trialimpact.results import records

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TREATMENT, CONTROL, EFFECT, QUIET = "#0072B2", "#D55E00", "#1B1B1B", "#767676"
"""Okabe and Ito's blue and vermilion, told apart by every kind of colour vision; ink; grey."""

TITLE_LETTERS, READING_LETTERS = 9.2, 14
"""So many letters of a title, and of what stands under it, fit an inch."""

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": EFFECT,
    "xtick.color": EFFECT,
    "ytick.color": EFFECT,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "savefig.dpi": 150,
    "svg.hashsalt": "trialimpact",
    "svg.fonttype": "none",
}


@dataclass(frozen=True, slots=True)
class Caption:
    """What stands above and below a picture: what it shows, how to read it, where it comes from."""

    title: str
    reading: str
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What a point of a picture says to a reader who points at it."""

    axes: Axes
    x: float
    y: float
    says: str


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure, the sentence that stands for it where it cannot be seen, and what its points say."""

    figure: Figure
    alt_text: str
    readings: tuple[Reading, ...] = ()

    def save(self, path: str | Path) -> None:
        """Write it as PNG or SVG, by the ending; the alt text is in its metadata."""
        path = Path(path)
        if path.suffix == ".svg":
            path.write_text(self.as_svg(), encoding="utf-8")
            return
        with house_style():
            _settle(self.figure)
            self.figure.savefig(path, metadata={"Description": self.alt_text, "Software": None})

    def as_svg(self) -> str:
        """The picture as SVG, with text as text."""
        stream = io.StringIO()
        with house_style():
            _settle(self.figure)
            self.figure.savefig(stream, format="svg", metadata={"Description": self.alt_text, "Date": None})
        return stream.getvalue()

    def as_png(self) -> str:
        """The picture as PNG in base64, for a page that stands alone."""
        stream = io.BytesIO()
        with house_style():
            _settle(self.figure)
            self.figure.savefig(stream, format="png", dpi=110)
        return base64.b64encode(stream.getvalue()).decode()

    def _repr_html_(self) -> str:
        from html import escape

        return f'<img alt="{escape(self.alt_text)}" src="data:image/png;base64,{self.as_png()}">'


def save_pictures(pictures: Mapping[str, Picture], folder: Path) -> dict[str, str]:
    """Save pictures as PNG in a new folder, with `alt_text.json`; return the alt texts by file name."""
    folder.mkdir()
    for name, picture in pictures.items():
        picture.save(folder / f"{name}.png")
    alt_texts = {f"{name}.png": picture.alt_text for name, picture in pictures.items()}
    text = json.dumps(alt_texts, indent=2, ensure_ascii=False)
    (folder / "alt_text.json").write_text(text + "\n", encoding="utf-8")
    return alt_texts


@of_its_kind
def plot_daily(effects: Effects, band: Band | None = None, pretrend: PreTrend | None = None) -> Picture:
    """Daily shares of both arms, and below them their difference with its interval.

    A simultaneous band is drawn as two lines; a pre-trial test as its band before day 0 and its p-value.
    """
    effects.require("daily")
    tests: dict[str, float] = {}
    if pretrend is not None:
        tests = {
            "any day": pretrend.band.sup_p_value,
            "any quarter": pretrend.wald.p_value,
            "total": pretrend.p_value,
        }
    return draw_daily(Curve.of_effects(effects, band, pretrend), tests)


@of_its_kind
def plot_cumulative(effects: Effects, band: Band | None = None) -> Picture:
    """Cumulative difference in days to every horizon, with its interval and, if given, its band."""
    effects.require("cumulative")
    return draw_cumulative(Curve.of_effects(effects, band), headline(effects))


@of_its_kind
def plot_subgroups(subgroups: SubgroupEffects) -> Picture:
    """Forest plot: the cumulative effect in each subgroup, with the effect for everyone as a line."""
    effects = next(iter(subgroups.by_subgroup.values()))
    frames = [each.to_frame() for each in subgroups.by_subgroup.values()]
    rows = pd.concat([frame[frame["horizon_days"] == subgroups.horizon_days] for frame in frames], ignore_index=True)
    return draw_forest(rows, effects.protocol, effects.comparison.contrast)


def draw_daily(curve: Curve, pretrial: Mapping[str, float] | None = None, caption: Caption | None = None) -> Picture:
    """The picture of daily shares; `pretrial` has the p-values of tests of the days before day 0."""
    words = curve.words
    with house_style():
        figure = new_figure(6.4)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for values, colour, label in (
            (curve.mean_treatment, TREATMENT, words["treatment"]),
            (curve.mean_control, CONTROL, words["control"]),
        ):
            above.plot(curve.days, 100 * values, color=colour, linewidth=1.6, label=label)
        above.set_ylim(bottom=0)
        _label_lines(above, curve)
        above.set_ylabel(f"% {words['outcome']}")
        _draw_effect(below, curve, scale=100)
        if pretrial:
            _say_pretrial(below, pretrial)
        below.set_ylabel("Difference\n(percentage points)")
        below.set_xlabel("Days from the index day")
        plain = Caption(f"{capitalised(words['outcome'])}, day by day", _reading(curve))
        title_above(figure, caption or plain)
        for axes in (above, below):
            _mark_index_day(axes, curve)
    readings = [
        Reading(
            above,
            float(day),
            100 * float(curve.mean_treatment[place]),
            _read_out(curve, place, f"day {day}", scale=100),
        )
        for place, day in enumerate(curve.days.tolist())
        if not np.isnan(curve.estimate[place])
    ]
    return Picture(figure, _daily_alt_text(curve), tuple(readings))


def draw_cumulative(curve: Curve, says: str, caption: Caption | None = None) -> Picture:
    """The picture of cumulative differences; `says` is the sentence of its longest horizon."""
    words, rule = curve.words, curve.protocol.presentation.rounding
    with house_style():
        figure = new_figure(4.4)
        axes = figure.subplots()
        _draw_effect(axes, curve, scale=1)
        for horizon in curve.protocol.analysis.horizon_days:
            place = curve.place(horizon)
            if place is None:
                continue
            estimate = float(curve.estimate[place])
            axes.plot([horizon], [estimate], "o", color=EFFECT, markersize=5)
            axes.annotate(
                f"{printed(estimate, rule)} days\nat {horizon}",
                (horizon, estimate),
                xytext=(0, 9),
                textcoords="offset points",
                ha="right" if horizon == curve.days[-1] else "center",
                fontsize=9,
            )
        axes.set_ylabel("Difference in days")
        axes.set_xlabel("Days followed (horizon)")
        plain = Caption(f"Days {words['outcome']}, cumulative difference", _reading(curve))
        title_above(figure, caption or plain)
    readings = [
        Reading(axes, float(horizon), float(curve.estimate[place]), _read_out(curve, place, f"{horizon} days", scale=1))
        for place, horizon in enumerate(curve.days.tolist())
        if not np.isnan(curve.estimate[place])
    ]
    return Picture(figure, f"Line chart of the cumulative difference. {says}", tuple(readings))


def draw_forest(
    rows: pd.DataFrame, protocol: TrialProtocol, contrast: Contrast, caption: Caption | None = None
) -> Picture:
    """The picture of one effect in many groups, everyone first; rows of one outcome, contrast and horizon."""
    rule = protocol.presentation.rounding
    found = list(records(rows))
    horizon, outcome = int(found[0]["horizon_days"]), protocol.outcome(found[0]["outcome"]).words
    labels = [protocol.subgroup_words(row["subgroup"]) for row in found]
    told = [
        CONFIDENTIAL if row.get("suppressed") else with_limits(row["estimate"], row["conf_low"], row["conf_high"], rule)
        for row in found
    ]
    with house_style():
        figure = new_figure(1.9 + 0.36 * len(found))
        axes = figure.subplots()
        axes.axvline(0, color=QUIET, linewidth=1)
        axes.axvline(found[0]["estimate"], color=EFFECT, linewidth=1, linestyle=(0, (4, 3)))
        for place, row in enumerate(found):
            limits = [row["conf_low"], row["conf_high"]]
            axes.plot(limits, [place, place], color=EFFECT, linewidth=1.6, solid_capstyle="butt")
            axes.plot([row["estimate"]], [place], "D" if place == 0 else "o", color=EFFECT, markersize=6)
            axes.annotate(told[place], (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        axes.set_yticks(range(len(found)), labels)
        axes.set_ylim(len(found) - 0.5, -0.5)
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"Difference in days {outcome} over {horizon} days")
        arms = f"{contrast.treatment_words} minus {contrast.control_words}"
        reading = f"{arms}; {interval_name_of(protocol, found[0]['interval'])}; dashed: everyone"
        title_above(figure, caption or Caption(f"Days {outcome}, by subgroup", reading))
    listed = "; ".join(f"{label} {text}" for label, text in zip(labels, told, strict=True))
    return Picture(figure, f"Forest plot of the difference in days {outcome} over {horizon} days: {listed}.")


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style."""
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, _STYLE)):
        yield


def _settle(figure: Figure) -> None:
    """Lay a figure out once: a picture is drawn several times, and finding room for everything takes longest."""
    if figure.get_layout_engine() is not None:
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def new_figure(height: float, width: float = 8.0) -> Figure:
    """An empty figure of this size in inches, which needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def title_above(figure: Figure, caption: Caption) -> None:
    """A title and how to read the picture, in a strip kept free above the axes; the source below them."""
    height = figure.get_figheight()
    title, reading = (
        textwrap.wrap(text, int(figure.get_figwidth() * letters))
        for text, letters in ((caption.title, TITLE_LETTERS), (caption.reading, READING_LETTERS))
    )
    lines = 0.10
    for line in title:
        figure.text(0.01, 1 - lines / height, line, ha="left", va="top", fontsize=13, fontweight="bold")
        lines += 0.24
    lines += 0.04
    for line in reading:
        figure.text(0.01, 1 - lines / height, line, ha="left", va="top", fontsize=9.5, color="#444444")
        lines += 0.18
    below = 0.22 if caption.source else 0.0
    if caption.source:
        figure.text(0.01, 0.06 / height, caption.source, ha="left", va="bottom", fontsize=8.5, color="#444444")
    engine = figure.get_layout_engine()
    if engine is not None:
        top = 1 - (lines + 0.10) / height
        engine.set(rect=(0.0, below / height, 1.0, top - below / height))  # type: ignore[call-arg]


def _reading(curve: Curve) -> str:
    name = {"wald": " (Wald)", "newcombe": " (Newcombe)"}.get(curve.interval, "")
    before = ", another before day 0" if curve.days.size and curve.days[0] < 0 else ""
    lines = f"; lines: simultaneous band{before}" if curve.bands else ""
    interval = interval_name_of(curve.protocol, curve.interval)
    return f"Difference: {curve.words['arms']}; shaded: pointwise {interval}{name}{lines}"


def _say_pretrial(axes: Axes, tests: Mapping[str, float]) -> None:
    """The p-values of the pre-trial tests, where their days are drawn."""
    text = "Before the trial, unadjusted p: " + ", ".join(f"{name} {printed_p(p)}" for name, p in tests.items())
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))
    axes.annotate(text, (0.01, 0.98), xycoords="axes fraction", va="top", fontsize=9, color="#444444")


def _draw_effect(axes: Axes, curve: Curve, scale: int) -> None:
    """The difference, its interval shaded, and simultaneous bands as dashed lines."""
    axes.axhline(0, color=QUIET, linewidth=1)
    axes.fill_between(curve.days, scale * curve.low, scale * curve.high, color=EFFECT, alpha=0.16, linewidth=0)
    axes.plot(curve.days, scale * curve.estimate, color=EFFECT, linewidth=1.6)
    axes.margins(x=0.01)
    for at, low, high in curve.bands:
        for limits in (low, high):
            axes.plot(at, scale * limits, color=EFFECT, linewidth=0.9, linestyle=(0, (4, 2)))


def _label_lines(axes: Axes, curve: Curve) -> None:
    """Name each line at its right end; the higher line's name goes above the lower one's."""
    known = np.flatnonzero(~np.isnan(curve.estimate))
    if not known.size:
        return
    last = known[-1]
    ends = {"treatment": float(curve.mean_treatment[last]), "control": float(curve.mean_control[last])}
    higher = max(ends, key=lambda side: ends[side])
    for side, colour in (("treatment", TREATMENT), ("control", CONTROL)):
        axes.annotate(
            curve.words[side],
            (float(curve.days[last]), 100 * ends[side]),
            xytext=(5, 7 if side == higher else -7),
            textcoords="offset points",
            color=colour,
            fontweight="bold",
            va="center",
            annotation_clip=False,
        )


def _mark_index_day(axes: Axes, curve: Curve) -> None:
    if curve.days.size and curve.days[0] < 0:
        axes.axvline(0, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))


def _read_out(curve: Curve, place: int, at: str, scale: int) -> str:
    """What a reader who points at a day is told."""
    rule, words = curve.protocol.presentation.rounding, curve.words
    unit = "%" if scale == 100 else " days"
    sides = [
        f"{words[side]} {printed(scale * float(mean), rule)}{unit}"
        for side, mean in (("treatment", curve.mean_treatment[place]), ("control", curve.mean_control[place]))
    ]
    estimate, low, high = (scale * float(each[place]) for each in (curve.estimate, curve.low, curve.high))
    apart = with_limits(estimate, low, high, rule)
    return f"{capitalised(at)}: {sides[0]}, {sides[1]}; difference {apart}"


def _daily_alt_text(curve: Curve) -> str:
    rule, words = curve.protocol.presentation.rounding, curve.words
    after = (curve.days >= 0) & ~np.isnan(curve.estimate)
    text = f"Two line charts of the daily share {words['outcome']}, {words['treatment']} and {words['control']}."
    if not after.any():
        return f"{text} No day from the index day on is shown."
    largest = int(np.flatnonzero(after)[np.argmax(np.abs(curve.estimate[after]))])
    treatment, control = (float(each[largest]) for each in (curve.mean_treatment, curve.mean_control))
    return (
        f"{text} From the index day on the difference is largest on day {int(curve.days[largest])}: "
        f"{printed_percent(treatment, rule)} against {printed_percent(control, rule)}. "
        f"{_share_excluding_zero(curve.low[after], curve.high[after])}"
    )


def _share_excluding_zero(low: Floats, high: Floats) -> str:
    n_clear = int(((low > 0) | (high < 0)).sum())
    return f"The interval excludes zero on {n_clear} of {low.size} days."


def capitalised(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
