"""Whom a reader can form by subtracting: few who are followed on, few of a stratum, few who came back, under every pack."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from releases import ONE, PACKS, coming_and_going, horizons, people, released, results
from trials import SmallTrial

import trialimpact as ti
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.disclosure.differencing import withdrawn_groups
from trialimpact.report.findings import kept_back_findings, main_findings
from trialimpact.results import TrialResults

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

TWO = [*ONE, {"name": "a_not_b", "on": ["a"], "off": ["b"]}]


def test_a_horizon_to_which_few_are_followed_is_not_shown() -> None:
    """What three people did between day 50 and day 100 was the difference of two means."""
    some = people(200, 1, joined=(98, 101))
    some.loc[:5, "index"] = [40, 45, 50, 42, 47, 52]
    for pack, frames in released(results(some, coming_and_going(some, 2), extract=160)):
        assert 50 in horizons(frames), pack
        assert 100 not in horizons(frames), pack


def test_a_group_is_not_shown_at_a_horizon_to_which_few_others_are_followed() -> None:
    some = people(340, 3)
    south = np.arange(200, 340)
    some.loc[south, "place"] = "south"
    some.loc[south[6:], "index"] = 105
    north = [{"name": "north", "where": {"column": "place", "equals": "north"}}]
    for pack, frames in released(results(some, coming_and_going(some, 4), extract=160, subgroups=north)):
        assert 100 in horizons(frames), pack
        assert 50 in horizons(frames, "north"), pack
        assert 100 not in horizons(frames, "north"), pack


def test_other_weights_than_those_of_the_headline_are_not_shown() -> None:
    some = people(340, 5)
    some.loc[np.arange(0, 340, 3), "place"] = "south"
    found = results(some, coming_and_going(some, 6), pre_days=30, methods=True, analysis={"strata": ["place"]})
    assert "stratified" in set(found.frames["estimates.csv"]["method"])
    assert "adjusted" in set(found.frames["adjusted.csv"]["method"])
    for pack, frames in released(found):
        assert 100 in horizons(frames), pack
        assert set(frames["estimates.csv"]["method"]) == {"difference"}, pack
        assert set(frames["adjusted.csv"]["method"]) <= {"difference", "common_intake"}, pack


def test_joining_after_one_source_ends_is_not_told_by_an_outcome_of_another() -> None:
    """Who joins between two extracts is followed in one outcome and not in the other."""
    some = people(300, 31)
    some.loc[[1, 3, 5, 0, 2], "index"] = 175
    spells = pd.concat([coming_and_going(some, 32), coming_and_going(some, 33).assign(kind="b")], ignore_index=True)
    made = SmallTrial(
        some, spells[spells["start"] < 170], {"a": (-120, 300), "b": (-120, 170)}, horizon=100, pre_days=0
    )
    found = ti.analyse_trial(made.protocol, made.tables).results(methods=False)
    assert {"a", "a_not_b", "a_or_b"} <= set(found.frames["estimates.csv"]["outcome"])
    for pack, frames in released(found):
        rows = frames["estimates.csv"].query("horizon_days.notna()")
        assert not {"a", "a_not_b"} <= set(rows["outcome"]), pack
        assert not {"a", "a_or_b"} <= set(rows["outcome"]), pack


def test_two_contrasts_of_one_arm_do_not_weigh_its_strata_in_two_ways() -> None:
    """Under a stratified headline the means of T beside C and beside D are two equations in T's strata."""
    some = people(800, 21)
    some.loc[np.arange(0, 800, 4), "arm"] = "D"
    some.loc[np.arange(300), "place"] = "south"
    contrasts = [
        {"name": "t", "treatment": ["T"], "control": ["C"]},
        {"name": "d", "treatment": ["D"], "control": ["C"]},
    ]
    found = results(
        some, coming_and_going(some, 22), methods=True, contrasts=contrasts,
        allocation={"rule": "assigned", "control": "C", "arms": ["T", "C", "D"]},
        analysis={"strata": ["place"], "headline": "stratified"},
    )  # fmt: skip
    for pack, frames in released(found):
        assert 100 in horizons(frames, method="stratified"), pack
        for name in ("estimates.csv", "arms.csv"):
            assert frames[name][["mean_treatment", "mean_control"]].isna().all(axis=None), (pack, name)
            assert frames[name]["estimate"].notna().any(), (pack, name)


def test_under_a_stratified_headline_nothing_plain_stands_beside_it() -> None:
    """Days, bands, times and effects by receipt are of the same people under their own weights."""
    some = people(600, 7)
    some.loc[np.arange(250), "place"] = "south"
    analysis = {"strata": ["place"], "headline": "stratified"}
    found = results(some, coming_and_going(some, 8), methods=True, analysis=analysis)
    for pack, frames in released(found):
        assert 100 in horizons(frames, method="stratified"), pack
        estimates = frames["estimates.csv"]
        assert set(estimates["method"]) == {"stratified"}, pack
        assert estimates["day"].isna().all(), pack
        for name in ("bands.csv", "durations.csv", "bounds.csv", "compliance.csv", "placebo.csv"):
            assert not len(frames[name]), (pack, name)


@pytest.mark.parametrize("few", [1, 6])
def test_a_stratified_mean_does_not_weigh_a_few_of_one_side_as_many_of_the_other(few: int) -> None:
    """One of T among two hundred of C in a stratum is half of T's mean."""
    some = people(700, 41)
    treated, control = (some.index[some["arm"] == arm] for arm in "TC")
    some.loc[[*treated[:few], *control[:200]], "place"] = "south"
    analysis = {"strata": ["place"], "headline": "stratified"}
    found = results(some, coming_and_going(some, 42), methods=True, analysis=analysis)
    raw = found.frames["estimates.csv"].query("method == 'stratified' and horizon_days == 100")
    assert raw["mean_treatment"].notna().all() and len(raw)
    for pack, frames in released(found):
        assert not horizons(frames, method="stratified"), pack
        assert not any(len(frames[name]) for name in ("adjusted.csv", "arms.csv", "pretrend.csv") if name in frames), (
            pack
        )
        release = release_results(found, pack)
        rows = release.frames["estimates.csv"]
        assert len(rows) and rows["suppressed"].all() and set(rows["method"]) == {"stratified"}, pack
        assert all("is not shown" in each.sentence() for each in main_findings(release)) and main_findings(release)
        assert any("a stratum has few" in each for each in kept_back_findings(release))


@pytest.mark.parametrize("few", [3, 200])
@pytest.mark.parametrize(
    "outcome", [{"name": "c", "on": ["a"], "off": ["b"]}, {"name": "c", "on": ["b"], "off": ["a"]}]
)
def test_what_two_outcomes_leave_in_a_stratum_is_not_of_few(few: int, outcome: dict[str, Any]) -> None:
    """In south a person of T weighs as ten of north do, and it is a few of T in whom the outcomes differ there."""
    some = people(1_200, 45)
    treated, control = (some.index[some["arm"] == arm] for arm in "TC")
    south = [*treated[:50], *control[:550]]
    some.loc[south, "place"] = "south"
    a = coming_and_going(some, 46)
    differ = some.loc[[*treated[: min(few, 50)], *treated[50:250], *control[:200], *control[550:]], "claimant_id"]
    if outcome["on"] == ["b"]:  # who is not in a is in b, but for them
        b = _off_days(a)[lambda rows: ~rows["claimant_id"].isin(differ)]
    else:
        b = some[some["claimant_id"].isin(differ)][["claimant_id"]].assign(kind="b", start=some["index"] + 20)
        b = b.assign(end=b["start"] + 30)
    analysis = {"strata": ["place"], "headline": "stratified"}
    found = results(some, pd.concat([a, b]), analysis=analysis, outcomes=[*ONE, outcome])
    for pack, frames in released(found):
        rows = frames["estimates.csv"].query("horizon_days == 100 and method == 'stratified'")
        assert "a" in set(rows["outcome"]), pack
        shown = few > 3 and (outcome["on"] == ["a"] or rule_pack(pack).zeros == "shown")
        assert ("c" in set(rows["outcome"])) is shown, pack


def _off_days(a: pd.DataFrame) -> pd.DataFrame:
    """Spells of b wherever somebody has none of a, up to day 300 of the calendar."""
    rows = []
    for who, spells in a.sort_values("start").groupby("claimant_id"):
        ends = [-100, *spells["end"]]
        rows += [
            (who, "b", start, end) for start, end in zip(ends, [*spells["start"], 300], strict=True) if end > start
        ]
    return pd.DataFrame(rows, columns=["claimant_id", "kind", "start", "end"])


@pytest.mark.parametrize("alike", [True, False])
def test_states_are_of_people_who_weigh_alike(alike: bool) -> None:
    """In south, where a person of T weighs as ten of north do, a few are in b too."""
    some = people(1_200, 49)
    treated, control = (some.index[some["arm"] == arm] for arm in "TC")
    some.loc[[*treated[:50], *control[: 50 if alike else 550]], "place"] = "south"
    both = some.loc[[*treated[:3], *treated[50:250], *control[550:]], ["claimant_id", "index"]]
    b = both.assign(kind="b", start=both["index"] + 20, end=both["index"] + 50)[["claimant_id", "kind", "start", "end"]]
    states = {"in_order": [{"name": "in_b", "on": ["b"]}, {"name": "in_a", "on": ["a"]}]}
    analysis = {"strata": ["place"], "headline": "stratified"}
    spells = pd.concat([coming_and_going(some, 50), b])
    found = results(some, spells, analysis=analysis, methods=True, states=states)
    assert len(found.frames["states.csv"]) and len(found.frames["moves.csv"])
    for pack, frames in released(found):
        assert 100 in horizons(frames, method="stratified"), pack
        for name in ("states.csv", "moves.csv"):
            assert bool(len(frames[name])) is alike, (pack, name)


@pytest.mark.parametrize("n", [300, 4_000])
def test_a_group_that_leaves_few_is_withdrawn_however_many_are_beside_them(n: int) -> None:
    some = people(n, 9)
    some.loc[[0, 2, 4, 6], "place"] = "south"
    north = [{"name": "north", "where": {"column": "place", "equals": "north"}}]
    spells = pd.DataFrame({"claimant_id": some["claimant_id"], "kind": "a", "start": some["index"], "end": 200})
    moments = SmallTrial(some, spells, {"a": (-60, 300)}, more={"subgroups": north, "outcomes": ONE}).moments()
    for pack in PACKS:
        ((contrast, subgroup),) = {
            (each.contrast, each.subgroup) for each in withdrawn_groups(moments, rule_pack(pack))
        }
        assert subgroup == "north", (pack, contrast)


def test_days_before_day_0_in_both_of_two_outcomes_are_not_told() -> None:
    some = people(300, 10)
    spells = coming_and_going(some, 11)
    beside = some.iloc[[0, 2, 4, 6]]
    spells = spells[~spells["claimant_id"].isin(beside["claimant_id"])]
    both = [(who, kind, day - 50, day - 20) for who, day in zip(beside["claimant_id"], beside["index"], strict=True)
            for kind in "ab"]  # fmt: skip
    spells = pd.concat([spells, pd.DataFrame(both, columns=spells.columns)], ignore_index=True)
    found = results(some, spells, pre_days=60, outcomes=TWO, methods=True)
    for pack, frames in released(found):
        for name in ("pretrend.csv", "placebo.csv", "estimates.csv"):
            rows = frames[name]
            before = rows[rows["horizon_days"].isna() & ~(rows["day"] >= 0)] if "day" in rows else rows
            assert "a_not_b" in set(found.frames[name]["outcome"])
            assert set(before["outcome"]) == {"a"}, (pack, name)


def leaving(some: pd.DataFrame, back: int) -> pd.DataFrame:
    """Everybody has the outcome at day 0 and leaves; some come back ten days after, so many a side."""
    rng, spells = np.random.default_rng(12), []
    for place, (who, day) in enumerate(zip(some["claimant_id"], some["index"], strict=True)):
        end = day + 1 + int(rng.geometric(1 / 40))
        spells.append((who, "a", day, end))
        if place < 2 * back:
            spells.append((who, "a", end + 10, end + 40))
    return pd.DataFrame(spells, columns=["claimant_id", "kind", "start", "end"])


@pytest.mark.parametrize(("back", "told"), [(4, []), (150, ["first_exit", "sustained_exit"])])
def test_times_to_leaving_do_not_tell_the_days_of_few_who_came_back(back: int, told: list[str]) -> None:
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    some = people(400, 12)
    found = results(some, leaving(some, back), methods=True, durations={"sustained_days": 21})
    for pack, frames in released(found):
        rows = frames["durations.csv"]
        means = rows[rows["measure"].isin(["survival", "restricted_mean_difference"]) & (rows["event"] != "re_entry")]
        assert sorted(means["event"].unique()) == told, pack
        assert (rows["measure"] == "log_rank").any(), pack


def test_periods_of_intake_are_not_told_by_their_weights() -> None:
    some = people(400, 13, joined=(0, 120))
    found = results(some, coming_and_going(some, 14), methods=True)
    assert (found.frames["adjusted.csv"]["method"] == "intake_stratified").any()
    for pack, frames in released(found):
        assert not (frames["adjusted.csv"]["method"] == "intake_stratified").any(), pack


@pytest.mark.parametrize("amount", [91, 500])
def test_a_mean_of_an_amount_that_few_have_does_not_count_them(amount: int) -> None:
    some = people(400, 17)
    some["sanction"] = 0.0
    some.loc[[0, 2, 4, 1, 3, 5, 7], "sanction"] = amount
    some["age"] = np.random.default_rng(1).normal(40, 10, len(some)).round()
    numbers = [{"name": name, "column": name, "kind": "numeric"} for name in ("sanction", "age")]
    for pack, frames in released(results(some, coming_and_going(some, 18), characteristics=numbers)):
        rows = frames["balance.csv"].set_index("characteristic")
        for side in ("treatment", "control"):
            of_people = [value * 200 / amount for value in rows.loc[rows.index == "sanction", f"value_{side}"]]
            assert all(abs(each - n) > 1 for each in of_people for n in (3, 4)), (pack, of_people)
            assert set(rows.loc[rows.index == "age", f"value_{side}"]) <= set(range(37, 44)), pack


def test_what_clusters_add_to_daily_errors_is_one_coarse_factor() -> None:
    some = people(400, 19)
    some["house"] = [f"h{max(0, place // 2 - 5)}" for place in range(400)]
    some["arm"] = np.where(some["house"].str[1:].astype(int) % 2 == 1, "T", "C")
    found = results(some, coming_and_going(some, 20), analysis={"clusters": "house", "small_sample": "cr1"})
    for pack, frames in released(found):
        rows = frames["estimates.csv"].query("day.notna() and std_error > 0.02")
        plain = sum(rows[f"mean_{s}"] * (1 - rows[f"mean_{s}"]) / rows[f"n_{s}"] for s in ("treatment", "control"))
        factors = rows["std_error"] / np.sqrt(plain)
        assert len(rows) > 5, pack
        assert factors.std() < 0.02, pack
        assert abs(factors.mean() * 10 - round(factors.mean() * 10)) < 0.1, pack


def test_three_sides_do_not_tell_of_an_arm_that_has_no_contrast() -> None:
    """TU and UX less TUX is U, of whom few have the outcome."""
    some = people(400, 23)
    some["arm"] = np.array(["T", "C", "U", "X"])[np.arange(400) % 4]
    spells = coming_and_going(some, 24)
    few = some.loc[some["arm"] == "U", "claimant_id"].iloc[4:]
    spells = spells[~spells["claimant_id"].isin(few)]
    contrasts = [
        {"name": "".join(arms).lower(), "treatment": list(arms), "control": ["C"]} for arms in ("TU", "UX", "TUX")
    ]
    more = {"contrasts": contrasts, "allocation": {"rule": "assigned", "control": "C", "arms": ["T", "C", "U", "X"]}}
    for pack, frames in released(results(some, spells, **more)):
        assert not any(horizons(frames, method="difference")), pack
        assert len(set(frames["estimates.csv"]["day"].dropna())) <= 1, "but a day on which nobody of U has it"


def test_days_of_a_curve_do_not_tell_when_one_person_left_follow_up() -> None:
    """Everybody changes all the time, so every day or week is shown, whoever leaves; numbers followed go in steps."""
    some = people(1_600, 25)
    found = results(
        some, coming_and_going(some, 26, stay=8), extract=150, analysis={"horizon_days": [50], "last_day": 100}
    )
    for pack, frames in released(found):
        rows = frames["estimates.csv"].query("day >= 0")
        days = rows["day"].astype(int)
        large = rule_pack(pack).smallest_group * 50 <= 800
        assert set(days.diff().dropna()) == {1 if large else 7}, pack
        for side in ("treatment", "control"):
            n = rows[f"n_{side}"].to_numpy()
            steps = np.abs(np.diff(n))
            assert n[0] - n[-1] > 100, pack
            assert steps[steps > 0].min() >= rule_pack(pack).movers - rule_pack(pack).base, pack


@pytest.mark.parametrize("n_days", [7, 60])
def test_what_few_do_while_the_curve_is_not_shown_is_not_the_rest_of_the_mean(n_days: int) -> None:
    """Nearly all leave by day 30; a few stay, on days on which the curve is kept back."""
    some = people(400, 27)
    ends = np.where(np.arange(400) < 12, 30 + n_days, np.random.default_rng(1).integers(1, 30, 400))
    spells = pd.DataFrame({"claimant_id": some["claimant_id"], "kind": "a", "start": some["index"] - 5})
    found = results(some, spells.assign(end=some["index"] + ends), outcomes=ONE)
    for pack, frames in released(found):
        assert (100 in horizons(frames)) is (n_days == 7), pack


def test_levels_that_are_conditions_are_each_of_those_known_of() -> None:
    some = people(600, 28)
    some["one"] = np.where(np.arange(600) % 3 == 0, "x", "y")
    some["two"] = np.where(np.arange(600) % 5 == 0, None, np.where(np.arange(600) % 2 == 0, "x", "y"))
    levels = [{"label": name, "where": {"column": name, "equals": "x"}} for name in ("one", "two")]
    found = results(some, coming_and_going(some, 29), characteristics=[{"name": "Either", "levels": levels}])
    raw = found.frames["balance.csv"].set_index("level")
    assert raw.loc["one", "n_treatment"] > raw.loc["two", "n_treatment"]
    for pack, frames in released(found):
        rows = frames["balance.csv"].set_index("level")
        for level in rows.index.intersection(["one", "two"]):
            for name in ("n_treatment", "n_control"):
                assert abs(rows.loc[level, name] - raw.loc[level, name]) < 6, (pack, level)
            assert abs(rows.loc[level, "value_control"] - raw.loc[level, "value_control"]) < 0.03, (pack, level)


def test_times_to_leaving_do_not_tell_the_days_of_few_who_were_off_on_day_0() -> None:
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    some = people(400, 33)
    spells = leaving(some, 0)
    late = spells["claimant_id"].isin([f"p{place}" for place in (0, 2, 4, 6)])
    spells.loc[late, "start"] += 5
    spells.loc[late, "end"] += 20
    found = results(some, spells, methods=True)
    assert (found.frames["durations.csv"]["event"] == "first_exit").any()
    for pack, frames in released(found):
        rows = frames["durations.csv"]
        assert not rows["measure"].isin(["survival", "restricted_mean_difference"]).any(), pack


def test_states_do_not_tell_the_days_of_few_in_one_source_alone() -> None:
    """Of a state that needs both sources, beside an outcome of one, what is left is of those in that one alone."""
    some = people(300, 34)
    a = coming_and_going(some, 35)
    few = pd.DataFrame({"claimant_id": [f"p{place}" for place in (0, 2, 4, 6)], "kind": "b", "start": 0, "end": 200})
    spells = pd.concat([a, a.assign(kind="b"), few], ignore_index=True)
    states = {"in_order": [{"name": "both", "on": ["a"], "and_on": ["b"]}, {"name": "one", "on": ["b"]}]}
    found = results(some, spells, methods=True, outcomes=[{"name": "b", "on": ["b"]}], states=states)
    assert len(found.frames["states.csv"])
    for pack, frames in released(found):
        assert not len(frames["states.csv"]), pack


def test_tests_before_day_0_do_not_count_who_changed(of_two_contrasts: TrialResults) -> None:
    assert of_two_contrasts.frames["pretrend.csv"]["df"].notna().any()
    for pack, frames in released(of_two_contrasts):
        assert frames["pretrend.csv"]["df"].isna().all(), pack


def test_of_several_contrasts_a_common_intake_is_not_told(of_two_contrasts: TrialResults) -> None:
    assert (of_two_contrasts.frames["adjusted.csv"]["method"] == "common_intake").any()
    for pack, frames in released(of_two_contrasts):
        assert not (frames["adjusted.csv"]["method"] == "common_intake").any(), pack


@pytest.fixture(scope="module")
def of_two_contrasts() -> TrialResults:
    """Two contrasts of one control, whose arms do not join over the same days."""
    some = people(450, 36)
    some["arm"] = np.array(["T", "C", "D"])[np.arange(450) % 3]
    some.loc[(some["arm"] == "D") & (some["index"] < 15), "index"] += 30
    contrasts = [
        {"name": "t", "treatment": ["T"], "control": ["C"]},
        {"name": "d", "treatment": ["D"], "control": ["C"]},
    ]
    allocation = {"rule": "assigned", "control": "C", "arms": ["T", "C", "D"]}
    spells = coming_and_going(some, 37)
    return results(some, spells, pre_days=40, methods=True, contrasts=contrasts, allocation=allocation)
