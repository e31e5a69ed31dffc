"""Rounding, sentences, tables, pictures."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import trialimpact as ti
from trialimpact.report.rounding import MINUS, printed, printed_p, printed_percent
from trialimpact.report.words import excludes_zero, headline
from trialimpact.synthetic import simulate_trial


@pytest.fixture(scope="module")
def moments() -> ti.Moments:
    return simulate_trial(800, seed=2).moments()


@pytest.mark.parametrize(
    ("value", "whole_from_10", "one_decimal"),
    [
        (-11.49, "−11", "−11.5"), (-5.55, "−5.6", "−5.6"), (9.949, "9.9", "9.9"), (9.95, "10", "10.0"), (0.3, "0.3", "0.3"),
        (-0.04, "0.0", "0.0"), (10.5, "11", "10.5"), (-16.5, "−17", "−16.5"), (0.25, "0.3", "0.3"), (1234.5, "1235", "1234.5"),
    ],
)  # fmt: skip
def test_rounding_rules(value: float, whole_from_10: str, one_decimal: str) -> None:
    assert printed(value, "whole_from_10") == whole_from_10
    assert printed(value, "one_decimal") == one_decimal
    assert printed(value, "none").replace(MINUS, "-") == repr(value)


def test_blanks_percentages_and_p_values() -> None:
    assert printed(math.nan, "one_decimal") == printed_percent(math.nan, "one_decimal") == printed_p(math.nan) == ""
    assert printed_percent(0.0285, "two_decimals") == "2.85%"
    assert [printed_p(p) for p in (0.0004, 0.001, 0.04999, 1.0)] == ["<0.001", "0.001", "0.050", "1.000"]


@given(st.floats(-300, 300), st.floats(0, 100), st.floats(0, 100))
def test_no_headline_contradicts_its_interval(moments_point: float, below: float, above: float) -> None:
    effects = ti.estimate_cumulative(_MOMENTS, "on_benefit")
    changed = {
        "estimate": np.full(effects.at.size, moments_point),
        "conf_low": np.full(effects.at.size, moments_point - below),
        "conf_high": np.full(effects.at.size, moments_point + above),
    }
    changed_effects = dataclasses.replace(effects, **changed)
    said, effect = headline(changed_effects), changed_effects.effect(273)
    assert ("no clear difference" in said) == (not excludes_zero(effect))
    assert ("fewer days" in said) == (excludes_zero(effect) and moments_point < 0)
    assert ("more days" in said) == (excludes_zero(effect) and moments_point > 0)


_MOMENTS = simulate_trial(120, seed=2).moments()


def test_tables_print_what_was_estimated(moments: ti.Moments) -> None:
    effects = ti.estimate_cumulative(moments, "on_benefit")
    table = ti.tabulate_horizons(effects)
    assert table["Over the first"].tolist() == ["91 days", "182 days", "273 days"]
    last = [int(n.replace(",", "")) for n in table["followed on the last day"].iloc[-1].split(" / ")]
    assert last == [int(each[730 + 272]) for each in effects.comparison.n_followed()]
    assert table["Difference in days"].iloc[-1] == printed(effects.effect(273).estimate, "one_decimal")
    subgroups = ti.tabulate_subgroups(ti.estimate_subgroups(moments, "on_benefit"))
    assert subgroups["Subgroup"].tolist()[:3] == ["All", "Women", "Men"]


def test_the_flow_table_shows_assigned_and_received_side_by_side() -> None:
    sample = ti.build_sample(simulate_trial(300, seed=1).records())
    table = ti.tabulate_flow(sample.flow, sample.protocol)
    assert [name for name in table.columns if name.endswith("IAP")] == ["Assigned IAP", "Received IAP"]
    assert table["Stage"].tolist()[0] == "Marker records"


def pictures(moments: ti.Moments) -> dict[str, ti.report.Picture]:
    daily, cumulative = (estimate(moments, "on_benefit") for estimate in (ti.estimate_daily, ti.estimate_cumulative))
    return {
        "daily": ti.plot_daily(daily),
        "cumulative": ti.plot_cumulative(cumulative),
        "subgroups": ti.plot_subgroups(ti.estimate_subgroups(moments, "on_benefit")),
    }


def test_every_picture_saves_and_carries_its_words(moments: ti.Moments, tmp_path: Path) -> None:
    from PIL import Image

    for name, picture in pictures(moments).items():
        picture.save(tmp_path / f"{name}.png")
        picture.save(tmp_path / f"{name}.svg")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert image.info["Description"] == picture.alt_text
            assert image.width == 1200
        assert picture.alt_text in picture._repr_html_().replace("&#x27;", "'")
        assert "IAP" in picture.alt_text or "All" in picture.alt_text


def test_pictures_are_the_same_bytes_every_time(moments: ti.Moments, tmp_path: Path) -> None:
    for ending in ("png", "svg"):
        for name in ("one", "two"):
            pictures(moments)["daily"].save(tmp_path / f"{name}.{ending}")
        assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()


def test_drawing_changes_no_global_setting(moments: ti.Moments) -> None:
    import matplotlib as mpl

    before = dict(mpl.rcParams)
    pictures(moments)
    assert dict(mpl.rcParams) == before


def test_a_picture_of_a_group_with_nobody_in_it(tmp_path: Path) -> None:
    tiny = Path(__file__).parents[2] / "data" / "synthetic" / "tiny"
    with pytest.warns(ti.TrialWarning):
        analysis = ti.analyse_trial(tiny / "protocol.toml")
        daily = ti.estimate_daily(analysis.moments, "on_benefit", subgroup="repeat_claimant")
        cumulative = ti.estimate_cumulative(analysis.moments, "on_benefit", subgroup="repeat_claimant")
    for picture in (ti.plot_daily(daily), ti.plot_cumulative(cumulative)):
        picture.save(tmp_path / "empty.png")
    assert "cannot be estimated" in headline(cumulative)


def test_a_headline_claims_nothing_where_nothing_is_known(moments: ti.Moments) -> None:
    effects = ti.estimate_cumulative(moments, "on_benefit")
    alone = dataclasses.replace(effects, n_treatment=np.ones_like(effects.n_treatment))
    unknown = dataclasses.replace(effects, std_error=np.full(effects.at.size, np.nan))
    for each in (alone, unknown):
        assert headline(each).endswith("of unknown precision.")


def test_daily_effects_are_not_printed_as_days(moments: ti.Moments) -> None:
    daily, cumulative = (estimate(moments, "on_benefit") for estimate in (ti.estimate_daily, ti.estimate_cumulative))
    for wrong in (headline, ti.tabulate_horizons, ti.plot_cumulative):
        with pytest.raises(ti.DesignError, match="these effects are daily, not cumulative"):
            wrong(daily)
    with pytest.raises(ti.DesignError, match="these effects are cumulative, not daily"):
        ti.plot_daily(cumulative)


@pytest.mark.parametrize(
    ("level", "words"), [(0.95, "95% interval"), (0.975, "97.5% interval"), (0.999, "99.9% interval")]
)
def test_a_level_is_printed_as_it_is(level: float, words: str) -> None:
    protocol = ti.shipped_protocol("example").with_analysis(conf_level=level)
    assert protocol.analysis.interval_words == words
    assert protocol.with_analysis(critical_value=1.96).analysis.interval_words == f"{words}, z = 1.96"


def test_labels_are_drawn_as_they_stand(tmp_path: Path) -> None:
    trial = simulate_trial(2_000, seed=1)
    data = trial.protocol.model_dump(by_alias=True, exclude_unset=True)
    data["outcomes"][0]["label"] = "on $\\frac$ <b>"
    protocol = ti.TrialProtocol.from_dict(data)
    analysis = ti.analyse_trial(protocol, trial.tables)
    ti.plot_daily(analysis.daily[0]).save(tmp_path / "a.png")
    assert "<b>" not in analysis._repr_html_().replace("<b>Example", "")
