"""Pictures as SVG inside a page: real text, no fonts or files of their own, and what each point says."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape

from trialimpact.report.figures import Picture

_POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True)
class InlinePicture:
    """A picture as part of a page.

    Attributes
    ----------
    svg : str
        An `<svg>` element, with the alt text as its label.
    readings : str
        JSON: a list of [x, y, what the point says], in the coordinates of the picture.
    """

    svg: str
    readings: str


def inline_picture(picture: Picture, svg: str, name: str) -> InlinePicture:
    """A picture, drawn as `svg`, for a page; `name` keeps the ids of several pictures apart."""
    drawn = svg[svg.index("<svg") :]
    drawn = re.sub(r"<metadata>.*?</metadata>\s*", "", drawn, flags=re.DOTALL)
    drawn = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", drawn)
    drawn = re.sub(r'(<svg\b[^>]*?) height="[^"]*"', r"\1", drawn, count=1)
    drawn = re.sub(r'(<svg\b[^>]*?) width="[^"]*"', r"\1", drawn, count=1)
    drawn = drawn.replace("<svg", f'<svg role="img" aria-label="{escape(picture.alt_text)}"', 1)
    return InlinePicture(drawn.strip(), json.dumps(_placed(picture), ensure_ascii=False))


def _placed(picture: Picture) -> list[tuple[float, float, str]]:
    """Where each reading stands, in points from the top left."""
    figure = picture.figure
    scale = _POINTS_PER_INCH / figure.dpi
    height = figure.get_figheight() * _POINTS_PER_INCH
    found = []
    for reading in picture.readings:
        x, y = reading.axes.transData.transform((reading.x, reading.y))
        found.append((round(float(x) * scale, 1), round(height - float(y) * scale, 1), reading.says))
    return found
