"""Pictures against pictures that were looked at. After a change that is meant: `python tests/report/test_pictures.py`."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.testing.compare import compare_images

from trialimpact.report.curves import Curve
from trialimpact.report.figures import Caption, Picture, draw_cumulative, draw_daily, draw_forest
from trialimpact.synthetic import simulate_trial

LOOKED_AT = Path(__file__).parent / "pictures"
TOLERANCE = 3
"""Of 255, root mean square: the smoothing of letters differs between machines, a line that moved does not pass."""


def pictures() -> dict[str, Picture]:
    """Three pictures of made-up numbers."""
    protocol = simulate_trial(200, seed=1).protocol
    contrast = protocol.contrasts[0]
    days = np.arange(-60, 274, 3)
    after = np.where(days < 0, 0.2, np.exp(-np.maximum(days, 0) / 120))
    apart = np.where(days < 0, 0.0, -0.08 * np.sin(np.maximum(days, 0) / 90))
    common = {
        "protocol": protocol,
        "outcome": "on_benefit",
        "contrast": contrast,
        "subgroup": "all",
        "interval": "wald",
    }
    daily = Curve(
        days=days, mean_treatment=after + apart, mean_control=after, estimate=apart, low=apart - 0.04,
        high=apart + 0.04, bands=((days, apart - 0.07, apart + 0.07),), **common,
    )  # fmt: skip
    horizons = np.arange(28, 274, 7)
    sums = -11.0 * (horizons / 273) ** 1.4
    cumulative = Curve(
        days=horizons, mean_treatment=sums + 120, mean_control=np.full(horizons.size, 120.0), estimate=sums,
        low=1.5 * sums, high=0.5 * sums, **common,
    )  # fmt: skip
    rows = pd.DataFrame(
        {
            "outcome": "on_benefit", "horizon_days": 273.0, "interval": "wald",
            "subgroup": ["all", "female", "male", "aged_18_to_24"], "estimate": [-11.0, -13.0, -10.0, np.nan],
            "conf_low": [-17.0, -23.0, -17.0, np.nan], "conf_high": [-5.5, -3.8, -3.1, np.nan],
            "suppressed": [False, False, False, True],
        }
    )  # fmt: skip
    caption = Caption("A title that says what was found, and is long enough to need a second line of its own here",
                      "How to read it.", "Source: made-up numbers.")  # fmt: skip
    return {
        "daily": draw_daily(daily, {"any day": 0.6}, caption),
        "cumulative": draw_cumulative(cumulative, "As it says."),
        "forest": draw_forest(rows, protocol, contrast, caption),
    }


@pytest.mark.skipif(
    [*map(int, version("matplotlib").split(".")[:2])] < [3, 11],
    reason="letters are of another width in an older matplotlib",
)
@pytest.mark.parametrize("name", ["daily", "cumulative", "forest"])
def test_as_looked_at(name: str, tmp_path: Path) -> None:
    pictures()[name].save(tmp_path / f"{name}.png")
    assert compare_images(str(LOOKED_AT / f"{name}.png"), str(tmp_path / f"{name}.png"), TOLERANCE) is None


def test_a_line_that_moved_is_seen(tmp_path: Path) -> None:
    moved = pictures()["cumulative"]
    moved.figure.axes[0].lines[1].set_ydata(moved.figure.axes[0].lines[1].get_ydata() * 0.8)
    moved.save(tmp_path / "moved.png")
    assert compare_images(str(LOOKED_AT / "cumulative.png"), str(tmp_path / "moved.png"), TOLERANCE) is not None


if __name__ == "__main__":
    LOOKED_AT.mkdir(exist_ok=True)
    for each, picture in pictures().items():
        picture.save(LOOKED_AT / f"{each}.png")
