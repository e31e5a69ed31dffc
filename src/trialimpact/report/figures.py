"""Results -> pictures: colour-blind safe, labelled on the lines, each with its alt text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from trialimpact.estimators import Band, Effects, PreTrend, SubgroupEffects
from trialimpact.estimators.contrast import Floats
from trialimpact.report.rounding import printed, printed_p, printed_percent
from trialimpact.report.words import headline, interval_in_words, interval_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TREATMENT, CONTROL, EFFECT, QUIET = "#0072B2", "#D55E00", "#1B1B1B", "#767676"
"""Okabe and Ito's blue and vermilion, told apart by every kind of colour vision; ink; grey."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A figure and the sentence that stands for it where it cannot be seen."""

    figure: Figure
    alt_text: str

    def save(self, path: str | Path) -> None:
        """Write it as PNG or SVG, by the ending; the alt text is in a PNG's metadata."""
        path = Path(path)
        metadata: dict[str, Any] = {"Description": self.alt_text}
        metadata |= {"Software": None} if path.suffix == ".png" else {"Date": None}
        with house_style():
            self.figure.savefig(path, metadata=metadata)

    def as_png(self) -> str:
        """The picture as PNG in base64, for a page that stands alone."""
        import base64
        import io

        stream = io.BytesIO()
        with house_style():
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


def plot_daily(effects: Effects, band: Band | None = None, pretrend: PreTrend | None = None) -> Picture:
    """Daily shares of both arms, and below them their difference with its interval.

    A simultaneous band is drawn as two lines; a pre-trial test as its band before day 0 and its p-value.
    """
    effects.require("daily")
    words = _words(effects)
    with house_style():
        figure = new_figure(6.4)
        above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 2])
        for values, colour, label in (
            (effects.mean_treatment, TREATMENT, words["treatment"]),
            (effects.mean_control, CONTROL, words["control"]),
        ):
            above.plot(effects.at, 100 * values, color=colour, linewidth=1.6, label=label)
        above.set_ylim(bottom=0)
        _label_lines(above, effects)
        above.set_ylabel(f"% {words['outcome']}")
        _draw_effect(below, effects, scale=100)
        for each in (band, pretrend.band if pretrend is not None else None):
            _draw_band(below, each, scale=100)
        if pretrend is not None:
            _say_pretrend(below, pretrend)
        below.set_ylabel("Difference\n(percentage points)")
        below.set_xlabel("Days from the index day")
        title_above(figure, f"{capitalised(words['outcome'])}, day by day", _reading(effects, band))
        for axes in (above, below):
            _mark_index_day(axes, effects)
    return Picture(figure, _daily_alt_text(effects, words))


def plot_cumulative(effects: Effects, band: Band | None = None) -> Picture:
    """Cumulative difference in days to every horizon, with its interval and, if given, its band."""
    effects.require("cumulative")
    words = _words(effects)
    with house_style():
        figure = new_figure(4.4)
        axes = figure.subplots()
        _draw_effect(axes, effects, scale=1)
        _draw_band(axes, band, scale=1)
        rule = effects.protocol.presentation.rounding
        for horizon in effects.protocol.analysis.horizon_days:
            effect = effects.effect(horizon)
            if np.isnan(effect.estimate):
                continue
            axes.plot([horizon], [effect.estimate], "o", color=EFFECT, markersize=5)
            axes.annotate(
                f"{printed(effect.estimate, rule)} days\nat {horizon}",
                (horizon, effect.estimate),
                xytext=(0, 9),
                textcoords="offset points",
                ha="right" if horizon == effects.at[-1] else "center",
                fontsize=9,
            )
        axes.set_ylabel("Difference in days")
        axes.set_xlabel("Days followed (horizon)")
        title_above(figure, f"Days {words['outcome']}, cumulative difference", _reading(effects, band))
    horizon = effects.protocol.analysis.max_horizon
    return Picture(figure, f"Line chart of the cumulative difference. {headline(effects, horizon)}")


def plot_subgroups(subgroups: SubgroupEffects) -> Picture:
    """Forest plot: the cumulative effect in each subgroup, with the effect for everyone as a line."""
    names = list(subgroups.by_subgroup)
    everyone = subgroups.by_subgroup[names[0]]
    protocol, words = everyone.protocol, _words(everyone)
    found = [subgroups.effect(name) for name in names]
    labels = [protocol.subgroup_words(name) for name in names]
    with house_style():
        figure = new_figure(1.9 + 0.36 * len(names))
        axes = figure.subplots()
        overall = found[0].estimate
        axes.axvline(0, color=QUIET, linewidth=1)
        axes.axvline(overall, color=EFFECT, linewidth=1, linestyle=(0, (4, 3)))
        for place, effect in enumerate(found):
            axes.plot(
                [effect.conf_low, effect.conf_high], [place, place], color=EFFECT, linewidth=1.6, solid_capstyle="butt"
            )
            axes.plot([effect.estimate], [place], "D" if place == 0 else "o", color=EFFECT, markersize=6)
            text = f"{printed(effect.estimate, protocol.presentation.rounding)} ({interval_in_words(effect, protocol)})"
            axes.annotate(text, (1.02, place), xycoords=("axes fraction", "data"), va="center", fontsize=9)
        axes.set_yticks(range(len(names)), labels)
        axes.set_ylim(len(names) - 0.5, -0.5)
        axes.grid(visible=False)
        axes.spines["left"].set_visible(False)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(f"Difference in days {words['outcome']} over {subgroups.horizon_days} days")
        reading = f"{words['arms']}; {interval_name(everyone)}; dashed: everyone"
        title_above(figure, f"Days {words['outcome']}, by subgroup", reading)
    rows = "; ".join(
        f"{label} {printed(effect.estimate, protocol.presentation.rounding)} ({interval_in_words(effect, protocol)})"
        for label, effect in zip(labels, found, strict=True)
    )
    alt = f"Forest plot of the difference in days {words['outcome']} over {subgroups.horizon_days} days: {rows}."
    return Picture(figure, alt)


@contextmanager
def house_style() -> Iterator[None]:
    """Draw in the house style."""
    import matplotlib as mpl

    with mpl.rc_context(cast(Any, _STYLE)):
        yield


def new_figure(height: float, width: float = 8.0) -> Figure:
    """An empty figure of this size in inches, which needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def _words(effects: Effects) -> dict[str, str]:
    which = effects.comparison
    treatment, control = which.contrast.treatment_words, which.contrast.control_words
    who = "" if which.subgroup == "all" else f", {effects.protocol.subgroup_words(which.subgroup)}"
    return {
        "outcome": effects.protocol.outcome(which.outcome).words,
        "treatment": treatment,
        "control": control,
        "arms": f"{treatment} minus {control}{who}",
    }


def title_above(figure: Figure, title: str, reading: str) -> None:
    """A title and how to read the picture, in a strip kept free above the axes."""
    height = figure.get_figheight()
    figure.text(0.01, 1 - 0.10 / height, title, ha="left", va="top", fontsize=13, fontweight="bold")
    figure.text(0.01, 1 - 0.38 / height, reading, ha="left", va="top", fontsize=9.5, color="#444444")
    engine = figure.get_layout_engine()
    if engine is not None:
        engine.set(rect=(0.0, 0.0, 1.0, 1 - 0.66 / height))  # type: ignore[call-arg]


def _reading(effects: Effects, band: Band | None = None) -> str:
    name = {"wald": " (Wald)", "newcombe": " (Newcombe)"}.get(effects.interval, "")
    before = ", another before day 0" if effects.at[0] < 0 else ""
    lines = f"; lines: simultaneous band{before}" if band is not None else ""
    return f"Difference: {_words(effects)['arms']}; shaded: pointwise {interval_name(effects)}{name}{lines}"


def _draw_band(axes: Axes, band: Band | None, scale: int) -> None:
    """Both limits of a simultaneous band, dashed."""
    if band is None:
        return
    for limits in (band.low, band.high):
        axes.plot(band.effects.at, scale * limits, color=EFFECT, linewidth=0.9, linestyle=(0, (4, 2)))


def _say_pretrend(axes: Axes, pretrend: PreTrend) -> None:
    """The p-values of the pre-trial tests, where their days are drawn."""
    tests = ("any day", pretrend.band.sup_p_value), ("any quarter", pretrend.wald.p_value), ("total", pretrend.p_value)
    text = "Before the trial, unadjusted p: " + ", ".join(f"{name} {printed_p(p)}" for name, p in tests)
    low, high = axes.get_ylim()
    axes.set_ylim(low, high + 0.15 * (high - low))
    axes.annotate(text, (0.01, 0.98), xycoords="axes fraction", va="top", fontsize=9, color="#444444")


def _draw_effect(axes: Axes, effects: Effects, scale: int) -> None:
    axes.axhline(0, color=QUIET, linewidth=1)
    axes.fill_between(
        effects.at, scale * effects.conf_low, scale * effects.conf_high, color=EFFECT, alpha=0.16, linewidth=0
    )
    axes.plot(effects.at, scale * effects.estimate, color=EFFECT, linewidth=1.6)
    axes.margins(x=0.01)


def _label_lines(axes: Axes, effects: Effects) -> None:
    """Name each line at its right end; the higher line's name goes above the lower one's."""
    known = np.flatnonzero(~np.isnan(effects.estimate))
    if not known.size:
        return
    last = known[-1]
    ends = {"treatment": float(effects.mean_treatment[last]), "control": float(effects.mean_control[last])}
    higher = max(ends, key=lambda side: ends[side])
    words = _words(effects)
    for side, colour in (("treatment", TREATMENT), ("control", CONTROL)):
        axes.annotate(
            words[side],
            (float(effects.at[last]), 100 * ends[side]),
            xytext=(5, 7 if side == higher else -7),
            textcoords="offset points",
            color=colour,
            fontweight="bold",
            va="center",
            annotation_clip=False,
        )


def _mark_index_day(axes: Axes, effects: Effects) -> None:
    if effects.at[0] < 0:
        axes.axvline(0, color=QUIET, linewidth=1, linestyle=(0, (1, 2)))


def _daily_alt_text(effects: Effects, words: dict[str, str]) -> str:
    rule = effects.protocol.presentation.rounding
    after = (effects.at >= 0) & ~np.isnan(effects.estimate)
    text = f"Two line charts of the daily share {words['outcome']}, {words['treatment']} and {words['control']}."
    if not after.any():
        return f"{text} Nobody is followed after the index day."
    largest = int(effects.at[after][np.argmax(np.abs(effects.estimate[after]))])
    effect = effects.effect(largest)
    return (
        f"{text} From the index day on the difference is largest on day {largest}: "
        f"{printed_percent(effect.mean_treatment, rule)} against {printed_percent(effect.mean_control, rule)}. "
        f"{_share_excluding_zero(effects.conf_low[after], effects.conf_high[after])}"
    )


def _share_excluding_zero(low: Floats, high: Floats) -> str:
    n_clear = int(((low > 0) | (high < 0)).sum())
    return f"The interval excludes zero on {n_clear} of {low.size} days."


def capitalised(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]
