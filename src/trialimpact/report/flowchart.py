"""Participant flow -> the CONSORT chart as SVG: a box a stage, those removed beside it, the arms at the end."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape

import pandas as pd

from trialimpact.protocol import TrialProtocol
from trialimpact.report.tables import FlowCounts

_WIDTH, _BOX, _SIDE, _LINE, _PAD, _GAP = 820, 360, 380, 19, 12, 26
_CHARACTERS = 40
"""A line of a box holds about so many, in bold."""


@dataclass(frozen=True, slots=True)
class _Box:
    x: float
    y: float
    width: float
    lines: tuple[str, ...]
    n_bold: int = 1

    @property
    def height(self) -> float:
        """With room for every line."""
        return len(self.lines) * _LINE + 2 * _PAD

    def drawn(self) -> str:
        """A frame and its lines; the first ones are bold."""
        parts = [
            f'<rect x="{self.x:g}" y="{self.y:g}" width="{self.width:g}" height="{self.height:g}" '
            'fill="#ffffff" stroke="#1b1b1b"/>'
        ]
        for place, line in enumerate(self.lines):
            bold = ' font-weight="bold"' if place < self.n_bold else ""
            y = self.y + _PAD + (place + 0.75) * _LINE
            parts.append(f'<text x="{self.x + _PAD:g}" y="{y:g}"{bold}>{escape(line)}</text>')
        return "".join(parts)


def draw_flow(rows: pd.DataFrame, stages: Mapping[str, str], protocol: TrialProtocol) -> tuple[str, str]:
    """The chart as SVG, and the sentence that stands for it. Rows of `flow.csv`; zero boxes are shown.

    Examples
    --------
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> flow = analyse_trial(trial.protocol, trial.tables).flow
    >>> draw_flow(flow.to_frame(), flow.stages, trial.protocol)[1]
    'Participant flow: Marker records ...; Analysed ...'
    """
    counted = FlowCounts(rows)
    boxes: list[_Box] = []
    lines: list[tuple[float, float, float, float]] = []
    bottom = float(_GAP)
    names = list(stages)
    for place, stage in enumerate(names):
        label = _wrapped(stages[stage])
        box = _Box(20, bottom, _BOX, (*label, f"n = {counted(stage)}"), len(label))
        boxes.append(box)
        removed = counted(stage, "removed")
        height = box.height
        if place and removed:
            beside = _Box(_WIDTH - _SIDE - 20, bottom, _SIDE, _removed(counted, stage, removed))
            boxes.append(beside)
            lines.append((20 + _BOX, bottom + box.height / 2, beside.x, bottom + box.height / 2))
            height = max(height, beside.height)
        if place < len(names) - 1:
            lines.append((20 + _BOX / 2, bottom + box.height, 20 + _BOX / 2, bottom + height + _GAP))
        bottom += height + _GAP
    arms = list(_arm_boxes(counted, names[-1], protocol, bottom))
    last = boxes[-1] if boxes[-1].x == 20 else boxes[-2]
    for arm in arms:
        middle = arm.x + arm.width / 2
        lines += [(20 + _BOX / 2, last.y + last.height, 20 + _BOX / 2, bottom - _GAP / 2)] if arm is arms[0] else []
        lines += [
            (20 + _BOX / 2, bottom - _GAP / 2, middle, bottom - _GAP / 2),
            (middle, bottom - _GAP / 2, middle, bottom),
        ]
    height = bottom + max(arm.height for arm in arms) + _GAP
    told = "; ".join(f"{label} {counted(stage)}" for stage, label in stages.items())
    says = f"Participant flow: {told}"
    return _svg(height, [*map(_line, lines), *(box.drawn() for box in [*boxes, *arms])], says), says


def _wrapped(*texts: str) -> tuple[str, ...]:
    return tuple(line for text in texts for line in textwrap.wrap(text, _CHARACTERS) or [""])


def _removed(counted: FlowCounts, stage: str, removed: str) -> tuple[str, ...]:
    """How many a stage removed, and why; one person may have several reasons."""
    reasons = [f"{reason.replace('_', ' ')}: {n}" for reason, n in counted.reasons(stage, "removed")]
    reasons += [
        f"had a marker {reason.replace('_', ' ')!r}: {n}" for reason, n in counted.reasons(stage, "with_marker")
    ]
    return _wrapped(f"Removed: n = {removed}", *reasons)


def _arm_boxes(counted: FlowCounts, stage: str, protocol: TrialProtocol, top: float) -> Iterator[_Box]:
    """A box an arm: who was assigned to it and analysed, and who received it."""
    width = (_WIDTH - 40 - 20 * (len(protocol.arms) - 1)) / len(protocol.arms)
    for place, arm in enumerate(protocol.arms):
        assigned = textwrap.wrap(
            f"Assigned {arm}, analysed: n = {counted(stage, assigned_arm=arm)}", max(12, int(width / 10))
        )
        lines = []
        if protocol.sources.markers is not None:
            lines.append(f"put in {arm} by offices: n = {counted(stage, received_arm=arm)}")
        room = max(12, int(width / 8))
        wrapped = tuple(part for line in lines for part in textwrap.wrap(line, room))
        yield _Box(20 + place * (width + 20), top, width, (*assigned, *wrapped), n_bold=len(assigned))


def _line(ends: tuple[float, float, float, float]) -> str:
    x1, y1, x2, y2 = ends
    return f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" stroke="#1b1b1b"/>'


def _svg(height: float, parts: list[str], says: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height:g}" role="img" '
        f'aria-label="{escape(says)}" font-family="system-ui, sans-serif" font-size="14" fill="#1b1b1b">'
        f"{''.join(parts)}</svg>"
    )
