"""Released rows -> pictures with titles that state the finding, their source, and their numbers as a table."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from trialimpact.disclosure import Release
from trialimpact.protocol import Contrast
from trialimpact.report.curves import Curve
from trialimpact.report.figures import Caption, Picture, capitalised, draw_cumulative, draw_daily, draw_forest
from trialimpact.report.findings import finding_of_row
from trialimpact.report.grammar import Finding
from trialimpact.report.inline import InlinePicture, inline_picture
from trialimpact.report.rounding import CONFIDENTIAL, printed
from trialimpact.report.words import with_limits
from trialimpact.results import records

DATA_DAYS = 7
"""The data table under a daily picture shows one day in so many; the CSV file beside it has them all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Figure:
    """A picture and the numbers in it."""

    name: str
    title: str
    picture: Picture
    data: pd.DataFrame
    shown: pd.DataFrame
    """What the page shows of the data, as text."""

    @cached_property
    def svg(self) -> str:
        """Drawn once, for a page and for a file."""
        return self.picture.as_svg()

    @property
    def inline(self) -> InlinePicture:
        """For a page."""
        return inline_picture(self.picture, self.svg, self.name)


def source_line(release: Release) -> str:
    """What stands under every picture."""
    sources = ", ".join(release.protocol.sources.spells)
    return f"Source: administrative records ({sources}), by arm assigned. Disclosure control: {release.pack.label}."


def _band(release: Release, rows: pd.DataFrame, column: str) -> pd.DataFrame:
    bands = release.frames.get("bands.csv", pd.DataFrame())
    if not len(bands):
        return bands
    first = rows.iloc[0]
    same = [bands[each] == first[each] for each in ("outcome", "contrast", "subgroup")]
    kept: pd.DataFrame = bands[same[0] & same[1] & same[2] & bands[column].notna() & bands["conf_low"].notna()]
    return kept


def daily_figure(release: Release, rows: pd.DataFrame, name: str) -> Figure | None:
    """Daily shares and their difference; none where fewer than two days are published."""
    daily = rows[rows["day"].notna() & rows["estimate"].notna()]
    if len(daily) < 2:
        return None
    curve = Curve.of_rows(daily, release.protocol, _band(release, daily, "day"))
    words = curve.words
    longest = finding_of_row(next(records(rows[rows["horizon_days"].notna()].tail(1))), release.protocol)
    title = f"{capitalised(words['outcome'])}, day by day{words['who']}: {_title(longest)}"
    reading = (
        f"% of {words['treatment']} and of {words['control']} {words['outcome']}; below, the difference in percentage "
        f"points with pointwise intervals (shaded){' and a simultaneous band (dashed)' if curve.bands else ''}."
    )
    picture = draw_daily(curve, None, Caption(title, reading, source_line(release)))
    shown = daily[(daily["day"] % DATA_DAYS == 0) | (daily["day"] == daily["day"].max())]
    return Figure(
        name=f"daily_{name}", title=title, picture=picture, data=daily, shown=_shown_rows(shown, release, "day", 100)
    )


def cumulative_figure(release: Release, rows: pd.DataFrame, name: str) -> Figure | None:
    """Days added up; none where fewer than two horizons are published."""
    known = rows[rows["estimate"].notna()].sort_values("horizon_days")
    if len(known) < 2:
        return None
    curve = Curve.of_rows(known, release.protocol, _band(release, known, "horizon_days"))
    words = curve.words
    longest = finding_of_row(next(records(known.tail(1))), release.protocol)
    title = f"Days {words['outcome']}, added up{words['who']}: {_title(longest)}"
    lines = "; dashed: simultaneous band" if curve.bands else ""
    reading = (
        f"Difference in days ({words['arms']}) by how long people are followed; shaded: pointwise intervals{lines}."
    )
    picture = draw_cumulative(curve, longest.sentence(), Caption(title, reading, source_line(release)))
    shown = _shown_rows(known, release, "horizon_days", 1)
    return Figure(name=f"cumulative_{name}", title=title, picture=picture, data=known, shown=shown)


def _title(found: Finding) -> str:
    """The finding as the end of a title."""
    if found.direction in ("more", "fewer"):
        return (
            f"{found.treatment} claimants spent {printed(abs(found.estimate), found.rounding)} {found.direction} days"
        )
    return "no clear difference" if found.direction == "unclear" else "the difference is not shown"


def _shown_rows(rows: pd.DataFrame, release: Release, column: str, scale: int) -> pd.DataFrame:
    """The numbers in a picture, as text."""
    rule = release.protocol.presentation.rounding
    contrast = release.protocol.contrast(rows["contrast"].iloc[0])
    unit = "%" if scale == 100 else "days"
    table = []
    for row in records(rows):
        estimate, low, high = (scale * row[name] for name in ("estimate", "conf_low", "conf_high"))
        table.append(
            {
                ("Day" if column == "day" else "Days followed"): f"{int(row[column]):,}".replace("-", "−"),
                f"{contrast.treatment_words} ({unit})": printed(scale * row["mean_treatment"], rule),
                f"{contrast.control_words} ({unit})": printed(scale * row["mean_control"], rule),
                "Difference (interval)": with_limits(estimate, low, high, rule),
            }
        )
    return pd.DataFrame(table)


def forest_figure(release: Release, at: pd.DataFrame, contrast: Contrast, name: str) -> Figure:
    """Everyone and each subgroup at the longest horizon."""
    protocol = release.protocol
    outcome = protocol.outcome(at["outcome"].iloc[0]).words
    title = f"Days {outcome} over {protocol.analysis.max_horizon} days, everyone and each subgroup"
    reading = (
        f"{contrast.treatment_words} minus {contrast.control_words}, with {protocol.analysis.interval_words}s; dashed: "
        f"everyone. {CONFIDENTIAL}: kept back."
    )
    picture = draw_forest(at, protocol, contrast, Caption(title, reading, source_line(release)))
    rule = protocol.presentation.rounding
    shown = pd.DataFrame(
        [
            {
                "Subgroup": protocol.subgroup_words(row["subgroup"]),
                "Difference in days (interval)": CONFIDENTIAL
                if row["suppressed"]
                else with_limits(row["estimate"], row["conf_low"], row["conf_high"], rule),
            }
            for row in records(at)
        ]
    )
    return Figure(name=f"forest_{name}", title=title, picture=picture, data=at, shown=shown)
