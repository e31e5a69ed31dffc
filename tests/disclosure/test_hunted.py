"""What readers worked out of releases before: each way is tried again, under every pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

import trialimpact as ti
from trialimpact.disclosure import release_results
from trialimpact.results import TrialResults

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

OTHERS = ("opensafely_7_5", "opensafely_midpoint_6", "stats_nz_rr3")
PACKS = ["ons_10_5", "uk_llc", *(pytest.param(name, marks=pytest.mark.slow) for name in OTHERS)]
"""One that shows zeros and one that does not; the others are tried by `make test-slow`."""
ONE_IN_CI = [
    pytest.param(name, marks=() if name == "uk_llc" else pytest.mark.slow) for name in ("ons_10_5", "uk_llc", *OTHERS)
]
"""Where each pack takes an analysis of its own."""
SMALLEST = {"ons_10_5": 10, "opensafely_7_5": 8, "opensafely_midpoint_6": 7, "uk_llc": 10, "stats_nz_rr3": 20}
FEW = (5, 9, 40, 77)
"""Rows of the people of the arm X."""

Rows = dict[str, pd.DataFrame]


def trial(n: int = 200, seed: int = 2, **more: Any) -> SmallTrial:
    """People who join over a hundred days, some before the records begin; an arm of four; spells of two kinds."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": rng.choice(["T", "C"], n)})
    people["index"], people["site"] = rng.integers(0, 100, n), rng.choice(["n", "s"], n)
    people.loc[list(FEW), "arm"] = "X"
    spells = []
    for who, day in zip(people["claimant_id"], people["index"], strict=True):
        start = day - int(rng.integers(0, 60))
        while start < 220:
            end = start + 1 + int(rng.geometric(1 / 40))
            spells.append((who, "a" if rng.random() < 0.6 else "b", start, end))
            start = end + int(rng.geometric(1 / 15))
    table = pd.DataFrame(spells, columns=["claimant_id", "kind", "start", "end"])
    covered = {"a": (3, 220), "b": (3, 220)}
    states = {"in_order": [{"name": "in_a", "on": ["a"]}, {"name": "in_b", "on": ["b"]}]}
    return SmallTrial(people, table, covered, arms=("T", "C", "X"), horizon=100, pre_days=40,
                      more={"states": states, **more})  # fmt: skip


def told(left: float, n_rounded: int) -> list[int]:
    """What a number below ten may be, of which so many numbers rounded to five leave so much."""
    return [n for n in range(1, 10) if abs(left - n) <= 2 * n_rounded]


@pytest.fixture(scope="module")
def results() -> TrialResults:
    made = trial()
    return ti.analyse_trial(made.protocol, made.tables).results()


@pytest.fixture(scope="module", params=PACKS)
def released(request: pytest.FixtureRequest, results: TrialResults) -> tuple[str, Rows]:
    return request.param, dict(release_results(results, request.param).frames)


def test_no_method_shows_a_horizon_that_the_main_table_keeps_back(released: tuple[str, Rows]) -> None:
    _, rows = released
    main = rows["estimates.csv"].query("subgroup == 'all' and horizon_days.notna()")
    kept = {(r.outcome, r.contrast, r.horizon_days) for r in main[~main["suppressed"]].itertuples()}
    assert kept
    assert not [key for key in kept if key[1] == "x"], "the arm of four is in no table"
    looked_at = 0
    for name in ("placebo.csv", "compliance.csv", "durations.csv", "arms.csv", "bounds.csv"):
        of_days = rows[name][rows[name]["horizon_days"].notna() & ~rows[name]["suppressed"]]
        assert {(r.outcome, r.contrast, r.horizon_days) for r in of_days.itertuples()} <= kept, name
        looked_at += len(of_days)
    assert looked_at
    durations = rows["durations.csv"].query("contrast == 'x' and ~suppressed")
    assert (durations["side"] == "control").all(), "whom another contrast shows too"


def test_numbers_of_assignments_do_not_tell_the_people_of_an_arm(released: tuple[str, Rows]) -> None:
    placebo = released[1]["placebo.csv"]
    assert len(placebo)
    assert placebo["n_assignments"].isna().all()


def test_the_first_day_before_the_trial_is_the_protocols_or_not_told(released: tuple[str, Rows]) -> None:
    pack, rows = released
    first = rows["pretrend.csv"]["first_day"]
    assert len(first) or pack == "stats_nz_rr3", "of days before day 0 twenty of each side are needed on nearly all"
    assert (first.isna() | (first == -40)).all()


def test_an_outcome_inside_another_is_not_shown_where_few_are_in_one_alone(released: tuple[str, Rows]) -> None:
    """One person is in both kinds at once, so "a" less "a_not_b" is of that person."""
    made, (pack, _) = trial(), released
    day = int(made.people["index"].iloc[0])
    extra = pd.DataFrame({"claimant_id": ["p0"] * 2, "kind": ["a", "b"], "start": day + 10, "end": day + 50})
    made.spells = pd.concat([made.spells[made.spells["claimant_id"] != "p0"], extra], ignore_index=True)
    design = made.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["outcomes"] = [{"name": "a", "on": ["a"]}, {"name": "a_not_b", "on": ["a"], "off": ["b"]}]
    found = ti.analyse_trial(ti.TrialProtocol.from_dict(design), made.tables).results(methods=False)
    rows = release_results(found, pack).frames["estimates.csv"].query("~suppressed and horizon_days.notna()")
    assert (rows["outcome"] == "a").any()
    assert not (rows["outcome"] == "a_not_b").any()


def test_hazard_ratios_of_few_events_are_kept_back_and_others_are_coarse(released: tuple[str, Rows]) -> None:
    pack, rows = released
    ratios = rows["durations.csv"].query("measure == 'log_hazard_ratio' and ~suppressed")
    raw_events = SMALLEST[pack]
    errors = ratios["std_error"].dropna()
    assert (errors.round(2) == errors).all()
    assert (errors <= np.sqrt(2 / raw_events)).all()


def test_random_rounding_depends_on_what_no_table_shows() -> None:
    """The same people in the same places, with one day of one spell changed: no count of the flow tells."""
    shown = []
    for change in (0, 1):
        made = trial()
        made.spells.loc[7, "end"] += change
        found = ti.analyse_trial(made.protocol, made.tables).results(methods=False)
        shown.append((found.frames["flow.csv"]["n"], release_results(found, "stats_nz_rr3").frames["flow.csv"]["n"]))
    assert shown[0][0].equals(shown[1][0])
    assert not shown[0][1].equals(shown[1][1])


@pytest.fixture(scope="module")
def with_a_small_stratum() -> TrialResults:
    """A stratum with one person on a side, which is in the plain rows and not in the stratified."""
    made = trial(subgroups=[{"name": "north", "where": {"column": "site", "equals": "n"}}])
    arms = made.people["arm"]
    made.people["place"] = np.where(np.arange(len(arms)) % 2, "one", "two")
    small = [*arms[arms == "T"].index[:1], *arms[arms == "C"].index[:3]]
    made.people.loc[small, "place"] = "small"
    made.people = made.people[made.people["arm"] != "X"].reset_index(drop=True)
    made.spells = made.spells[made.spells["claimant_id"].isin(made.people["claimant_id"])]
    made.arms, made.analysis = ("T", "C"), {"strata": ["place"], "headline": "stratified"}
    return ti.analyse_trial(made.protocol, made.tables).results()


@pytest.mark.parametrize("pack", PACKS)
def test_strata_left_out_of_the_headline_are_not_told_by_other_tables(
    pack: str, with_a_small_stratum: TrialResults
) -> None:
    rows = dict(release_results(with_a_small_stratum, pack).frames)
    for name in ("states.csv", "moves.csv", "subgroups.csv"):
        assert len(with_a_small_stratum.frames[name])
        assert rows[name].empty, name


def test_a_group_without_any_row_of_the_headline_is_no_panel(
    with_a_small_stratum: TrialResults, tmp_path: Path
) -> None:
    assert ti.write_report(with_a_small_stratum, tmp_path / "report").is_dir()


def test_the_level_of_losses_does_not_tell_how_few_were_removed(released: tuple[str, Rows]) -> None:
    """Nobody was removed here: said where zeros are shown, and kept back where they are not."""
    pack, rows = released
    losses = rows["integrity.csv"].query("check == 'differential_loss'")
    if pack == "uk_llc":
        assert losses["level"].tolist() == ["not tested"]
        assert (rows["integrity.csv"].query("check == 'sample_ratio'")["n_places"] == 1).all()
    made = trial()
    made.people["sex"] = np.where(np.arange(len(made.people)) % 2, "F", "M")
    made.people.loc[made.people.index[made.people["arm"] == "T"][:2], "sex"] = "?"
    design = made.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["eligibility"] = [{"name": "known", "where": {"column": "sex", "one_of": ["F", "M"]}}]
    found = ti.analyse_trial(ti.TrialProtocol.from_dict(design), made.tables).results()
    levels = release_results(found, pack).frames["integrity.csv"].query("check == 'differential_loss'")["level"]
    assert levels.tolist() == ["not tested"]


def test_a_group_of_several_levels_does_not_tell_a_small_one() -> None:
    made = trial(subgroups=[{"name": "north", "where": {"column": "place", "one_of": ["n", "m"]}}])
    rng = np.random.default_rng(1)
    made.people["place"] = rng.choice(["n", "s"], len(made.people))
    for arm in ("T", "C"):
        made.people.loc[made.people.index[made.people["arm"] == arm][:3], "place"] = "m"
    design = made.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["characteristics"] = [{"name": "Place", "column": "place"}]
    found = ti.analyse_trial(ti.TrialProtocol.from_dict(design), made.tables).results()
    rows = dict(release_results(found, "uk_llc").frames)
    balance = rows["balance.csv"].query("characteristic == 'Place' and contrast == 't'").set_index("level")
    north = rows["estimates.csv"].query("subgroup == 'north' and contrast == 't' and horizon_days == 100")
    assert "m" not in balance.index and balance.loc["(kept back)", "suppressed"].all()
    if not (balance.loc["n", "suppressed"] or north["suppressed"].all()):
        for side in ("treatment", "control"):
            group, level = north[f"n_{side}"].iloc[0], balance.loc["n", f"value_{side}"] * balance.loc["n", f"n_{side}"]
            assert len(told(group - level, 2)) > 4
    assert rows["subgroups.csv"]["n_complement"].isna().all()
    joint = rows["balance.csv"].query("kind == 'joint'")
    assert joint[["n_treatment", "missing_treatment"]].isna().all(axis=None)


def with_a_level(n_of_level: int, **more: Any) -> SmallTrial:
    """So many people of T, and thirty of C, at a level that is a subgroup too."""
    made = trial(160, subgroups=[{"name": "m", "where": {"column": "level", "equals": "m"}},
                                 {"name": "north", "where": {"column": "site", "equals": "n"}}], **more)  # fmt: skip
    people = made.people[made.people["arm"] != "X"].reset_index(drop=True)
    people["level"] = "x"
    for arm, n in (("T", n_of_level), ("C", 30)):
        people.loc[people.index[people["arm"] == arm][:n], "level"] = "m"
    made.people, made.arms = people, ("T", "C")
    made.spells = made.spells[made.spells["claimant_id"].isin(people["claimant_id"])]
    made.more |= {"outcomes": [{"name": "a", "on": ["a"]}], "characteristics": [{"name": "Level", "column": "level"}]}
    made.more.pop("states")
    return made


def results_of(made: SmallTrial) -> TrialResults:
    """With outcomes and the like of its own in place of the small trial's."""
    design = made.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json") | made.more
    return ti.analyse_trial(ti.TrialProtocol.from_dict(design), made.tables).results()


@pytest.fixture(scope="module")
def of_levels() -> dict[int, TrialResults]:
    return {n: results_of(with_a_level(n)) for n in (0, 1, 4)}


@pytest.mark.parametrize("pack", PACKS)
def test_no_row_tells_nobody_from_one_person_or_a_few(pack: str, of_levels: dict[int, TrialResults]) -> None:
    told = []
    for results in of_levels.values():
        rows = dict(release_results(results, pack).frames)
        of_group = {name: int((frame["subgroup"] == "m").sum()) for name, frame in rows.items() if "subgroup" in frame}
        sizes = set(rows["subgroups.csv"]["family_size"])
        told.append((of_group, sizes, len(rows["durations.csv"]) > 0, set(rows["pretrend.csv"]["contrast"])))
    assert told[0] == told[1] == told[2]
    assert told[0][0]["subgroups.csv"] == 0
    assert told[0][1] <= {2}, "as many as the protocol declares"


@pytest.mark.parametrize("pack", PACKS)
def test_the_joint_test_is_kept_back_with_a_level_that_is_in_it(pack: str, of_levels: dict[int, TrialResults]) -> None:
    balance = release_results(of_levels[4], pack).frames["balance.csv"]
    joint = balance[balance["kind"] == "joint"]
    assert len(joint)
    assert joint["p_value"].isna().all()


@pytest.mark.parametrize("pack", ONE_IN_CI)
@pytest.mark.parametrize("how", ["strata", "adjustment"])
def test_two_weights_of_the_same_people_do_not_tell_of_a_few(pack: str, how: str) -> None:
    few = with_a_level(6)
    people = few.people["level"].eq("m") & few.people["arm"].eq("C")
    few.people.loc[few.people.index[people][5:], "level"] = "x"
    if how == "strata":
        few.analysis = {"strata": ["level"]}
    else:
        few.more["adjustment"] = {"pre_period": False, "characteristics": ["Level"]}
    found = results_of(few)
    name, method = ("estimates.csv", "stratified") if how == "strata" else ("adjusted.csv", "adjusted")
    assert (found.frames[name]["method"] == method).any()
    shown = release_results(found, pack).frames[name]
    assert not (shown["method"] == method).any()
    assert (shown["method"] == "difference").any()


@pytest.mark.parametrize("pack", ONE_IN_CI)
def test_sides_that_share_arms_do_not_tell_of_a_small_arm(pack: str) -> None:
    made = trial()
    made.people.loc[made.people.index[[10, 20]], "arm"] = "X"
    arm = made.spells["claimant_id"].map(made.people.set_index("claimant_id")["arm"])
    made.spells = made.spells[(arm == "X") | (np.arange(len(arm)) % 4 == 0) | (made.spells["kind"] == "b")]
    made.people["level"] = np.where(np.arange(len(made.people)) % 3, "x", "m")
    made.more |= {
        "outcomes": [{"name": "a", "on": ["a"]}],
        "characteristics": [{"name": "Level", "column": "level"}],
        "contrasts": [
            {"name": "t", "treatment": ["T"], "control": ["C"]},
            {"name": "tx", "treatment": ["T", "X"], "control": ["C"]},
        ],
    }
    made.more.pop("states")
    rows = dict(release_results(results_of(made), pack).frames)
    for name, frame in rows.items():
        if "contrast" in frame:
            shown = frame[~frame["suppressed"].astype(bool)]
            assert not (shown["contrast"] == "tx").any(), name
    assert (rows["balance.csv"]["contrast"] == "t").any()


def test_levels_of_arms_together_are_those_of_each(results: TrialResults) -> None:
    """Twenty-one at a level in one arm, and twenty-two in both, which show as one number, are few in the other."""
    from trialimpact.disclosure.packs import Rounder, rule_pack
    from trialimpact.disclosure.people import _join_arms, balance_key
    from trialimpact.disclosure.suppression import LinkedCounts, protect

    made = trial(contrasts=[
        {"name": "t", "treatment": ["T"], "control": ["C"]},
        {"name": "x", "treatment": ["X"], "control": ["C"]},
        {"name": "tx", "treatment": ["T", "X"], "control": ["C"]},
    ])  # fmt: skip
    cells = LinkedCounts()
    for contrast, n in (("t", 1), ("x", 21), ("tx", 22)):
        cells.add(balance_key(contrast, "treatment", "Level", "level m"), n)
        cells.add(balance_key(contrast, "control", "Level", "level m"), 30)
    _join_arms(cells, made.protocol)
    shown = protect(cells, Rounder(rule_pack("ons_10_5"), ""))
    treated = [shown.numbers[balance_key(name, "treatment", "Level", "level m")] for name in ("t", "x", "tx")]
    assert np.isnan(treated).sum() >= 2
    assert [shown.numbers[balance_key(name, "control", "Level", "level m")] for name in ("t", "x", "tx")] == [30] * 3


@pytest.mark.parametrize("pack", ONE_IN_CI)
def test_checks_of_few_people_are_in_no_level(pack: str) -> None:
    """An office of five, all in one arm where one in four should be; and an arm of four."""
    made = trial(allocation={"rule": "assigned", "control": "C", "arms": ["T", "C"], "ratio": {"T": 1, "C": 3}})
    n = len(made.people)
    made.people["arm"] = np.where(np.arange(n) % 4, "C", "T")
    made.people["office"] = np.where(np.arange(n) % 8 < 4, "A", "B")
    made.people.loc[made.people.index[made.people["arm"] == "T"][:5], "office"] = "K"
    made.arms = ("T", "C")
    made.more.pop("states")
    raw = results_of(made)
    rows = raw.frames["integrity.csv"].query("check == 'ratio_by_office'").set_index("where")
    assert rows.loc["K", "level"] in ("red", "amber")
    checks = release_results(raw, pack).frames["integrity.csv"]
    assert set(checks.query("check == 'ratio_by_office'")["level"]) <= {"green"}
    big = made.people.index[made.people["arm"] == "C"][:18]
    made.people.loc[big, "office"] = "K"
    made.people.loc[made.people.index[made.people["arm"] == "T"][:24], "office"] = "K"
    raw = results_of(made)
    assert raw.frames["integrity.csv"].query("where == 'K'")["level"].isin(["red", "amber"]).all()
    places = release_results(raw, pack).frames["integrity.csv"].query("check == 'ratio_by_office'")["n_places"]
    n_smallest = raw.frames["integrity.csv"].query("check == 'ratio_by_office'")["n_smallest"]
    assert places.sum() == (n_smallest >= SMALLEST[pack]).sum()


@pytest.mark.parametrize("pack", PACKS)
def test_checks_of_a_contrast_that_is_not_shown_are_not_told(pack: str, results: TrialResults) -> None:
    raw = results.frames["integrity.csv"]
    assert raw["where"].str.startswith("x").any()
    checks = release_results(results, pack).frames["integrity.csv"].set_index("check")
    assert checks.loc["follow_up", "n_places"] == 3, "outcomes of the contrast with many people"
    assert checks.loc["arm_share_drift", "n_places"] == 1


def test_equal_small_counts_are_rounded_apart_and_those_of_the_same_people_alike() -> None:
    """Were all counts of seven shown alike, offices and their total would tell as what."""
    from trialimpact.disclosure.packs import Rounder, rule_pack
    from trialimpact.disclosure.suppression import LinkedCounts, protect

    cells = LinkedCounts()
    offices = [("flow", f"office {place}") for place in range(40)]
    for key in offices:
        cells.add(key, 7)
        cells.add(("later", key[1]), 7)
        cells.add(("removed", key[1]), 0)
        cells.relate(key, [("later", key[1]), ("removed", key[1])])
    shown = protect(cells, Rounder(rule_pack("stats_nz_rr3"), "salt")).numbers
    assert {shown[key] for key in offices} == {6.0, 9.0}
    assert all(shown[key] == shown[("later", key[1])] for key in offices)
    assert sum(shown[key] for key in offices) == pytest.approx(280, abs=4 * np.sqrt(40 * 2))


@pytest.mark.parametrize("pack", ONE_IN_CI)
def test_a_number_that_few_have_is_not_tested_aloud(pack: str) -> None:
    made = with_a_level(40)
    made.people["sanctions"] = 0
    made.people.loc[made.people.index[made.people["arm"] == "T"][:4], "sanctions"] = 1
    made.people["age"] = 20 + np.arange(len(made.people)) % 30
    made.more["characteristics"] = [
        {"name": "Sanctions", "column": "sanctions", "kind": "numeric"}, {"name": "Age", "column": "age", "kind": "numeric"}
    ]  # fmt: skip
    balance = release_results(results_of(made), pack).frames["balance.csv"].set_index("characteristic")
    assert balance.loc["Sanctions", ["p_value", "standardised_difference"]].isna().all()
    if pack != "uk_llc":  # there nobody missing is a suppressed zero
        assert not np.isnan(balance.loc["Age", "standardised_difference"])
        assert np.isnan(balance.loc["Age", "p_value"]), "two numbers may differ for a few"


def test_an_office_under_another_name_is_not_told_by_what_is_missing() -> None:
    """Offices in the flow and a characteristic that is the same: what one hides the other must not show."""
    made = with_a_level(40)
    n = len(made.people)
    place = np.where(np.arange(n) % 2, "A", "B").astype(object)
    for arm in ("T", "C"):
        mine = made.people.index[made.people["arm"] == arm]
        place[mine[:5]], place[mine[5:20]] = "K", None
    made.people["office"], made.people["place"] = place, place
    made.more["characteristics"] = [{"name": "Place", "column": "place"}]
    rows = dict(release_results(results_of(made), "uk_llc").frames)
    flow = rows["flow.csv"].query(
        "stage == 'analysed' and kind == 'remaining' and received_arm == 'all' and reason == 'all'"
    )
    for arm, side in (("T", "treatment"), ("C", "control")):
        of_arm = flow[flow["assigned_arm"] == arm].set_index("office")["n"]
        level = rows["balance.csv"].query("kind == 'categorical'").set_index("level")
        missing = level[f"missing_{side}"].dropna()
        known = [of_arm["A"], of_arm["B"], of_arm["all"], *missing.head(1)]
        assert np.isnan(of_arm["K"])
        if len(missing) and not np.isnan(known).any():
            assert len(told(known[2] - known[0] - known[1] - known[3], 4)) > 4


@pytest.mark.parametrize("pack", ONE_IN_CI)
def test_groups_of_sides_that_share_arms_are_taken_together(pack: str) -> None:
    """X outside north is of a few; T and T and X in north, and all of X, would tell it."""
    made = trial(640)
    arm = np.array(["T", "C", "C", "T", "X", "C", "T", "C"])[np.arange(640) % 8]
    made.people["arm"] = arm
    made.people["site"] = np.where((arm != "X") & (np.arange(640) % 3 == 0), "s", "n")
    made.people.loc[made.people.index[arm == "X"][:5], "site"] = "s"
    made.more |= {
        "outcomes": [{"name": "a", "on": ["a"]}],
        "subgroups": [{"name": "north", "where": {"column": "site", "equals": "n"}}],
        "contrasts": [
            {"name": "t", "treatment": ["T"], "control": ["C"]},
            {"name": "tx", "treatment": ["T", "X"], "control": ["C"]},
            {"name": "x", "treatment": ["X"], "control": ["C"]},
        ],
    }
    made.more.pop("states")
    rows = release_results(results_of(made), pack).frames["estimates.csv"].query("horizon_days == 100 and ~suppressed")
    shown = {(row.contrast, row.subgroup) for row in rows.itertuples()}
    assert ("t", "all") in shown
    assert not {("t", "north"), ("tx", "north"), ("x", "all")} <= shown
    assert not {("t", "north"), ("tx", "north"), ("tx", "all"), ("t", "all")} <= shown


@pytest.mark.parametrize("pack", ONE_IN_CI)
@pytest.mark.parametrize("headline", ["difference", "stratified"])
def test_no_file_has_the_other_weighting(pack: str, headline: str) -> None:
    """Five people of C in a stratum: of plain and stratified days one alone is in the release."""
    made = with_a_level(20)
    made.people.loc[made.people.index[made.people["level"].eq("m") & made.people["arm"].eq("C")][5:], "level"] = "x"
    made.analysis = {"strata": ["level"], "headline": headline}
    raw = results_of(made)
    rows = dict(release_results(raw, pack).frames)
    main = rows["estimates.csv"].query("horizon_days.notna() and ~suppressed")
    assert set(main["method"]) <= {headline}
    if headline == "stratified":
        assert rows["bands.csv"]["horizon_days"].isna().all()
        assert not rows["adjusted.csv"]["method"].isin(["difference", "common_intake"]).any()
    assert len(raw.frames["placebo.csv"]) and rows["placebo.csv"].empty


@pytest.mark.parametrize("pack", ONE_IN_CI)
def test_times_are_of_both_sides_or_of_none(pack: str, tmp_path: Path) -> None:
    """One of T is on at day 0, so no time to leaving of C is shown; and nothing is left of a table but its head."""
    pytest.importorskip("lifelines", reason="times to leaving need lifelines")
    pytest.importorskip("gptables", reason="gptables is not installed (it needs pandas 2.3.2)")
    made = with_a_level(40)
    of_t = set(made.people.loc[made.people["arm"] == "T", "claimant_id"])
    index = made.people.set_index("claimant_id")["index"]
    day_0 = made.spells["claimant_id"].map(index)
    on = (made.spells["start"] <= day_0) & (day_0 < made.spells["end"]) & made.spells["claimant_id"].isin(of_t)
    made.spells = made.spells[~on | (made.spells["claimant_id"] == min(of_t))]
    raw = results_of(made)
    durations = release_results(raw, pack).frames["durations.csv"].query("event == 'first_exit'")
    assert durations.groupby("event")["side"].nunique().isin([0, 2]).all()
    assert ti.write_publication(raw, tmp_path / "out", pack=pack).is_dir()
