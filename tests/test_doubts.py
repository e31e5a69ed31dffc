"""What is allowed and mostly a mistake is said: in Python, on the command line, in the summary."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run

import trialimpact as ti
from trialimpact.synthetic import simulate_trial

TRIAL = simulate_trial(400, seed=1)


def with_data(**changes: Any) -> ti.TrialProtocol:
    """The trial's protocol with other keys."""
    data = TRIAL.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for path, value in changes.items():
        *way, last = path.split("__")
        place = data
        for key in way:
            place = place[key]
        place[last] = value
    return ti.TrialProtocol.from_dict(data)


def doubts_of(protocol: ti.TrialProtocol, **tables: pd.DataFrame) -> str:
    """What an analysis warns of, in one text."""
    with pytest.warns(ti.TrialWarning) as warned:
        analysis = ti.analyse_trial(protocol, {**TRIAL.tables, **tables})
    said = "\n".join(analysis.warnings)
    assert {str(each.message) for each in warned} == {*analysis.warnings}
    assert {each.filename for each in warned} == {__file__}, "a warning names the line that called"
    return said


@pytest.mark.filterwarnings("error::trialimpact.TrialWarning")
def test_a_sound_trial_is_not_doubted() -> None:
    assert not ti.load_records(TRIAL.protocol, TRIAL.tables).doubts
    assert ti.audit_trial(TRIAL.protocol, TRIAL.tables).doubts == ()


def test_arms_that_are_exchanged_are_told_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    exchanged = with_data(allocation__digits={"IAP": [0, 1, 2, 3, 4], "BAU": [5, 6, 7, 8, 9]})
    assert "% of people were put in another arm than assigned" in doubts_of(exchanged)
    audit = ti.audit_trial(exchanged, TRIAL.tables)
    assert audit.level == "red"
    assert "To look at: 9" in "\n".join(audit.sentences())
    by_parity = with_data(allocation__digits={"IAP": [1, 3, 5, 7, 9], "BAU": [0, 2, 4, 6, 8]})
    assert "put in another arm than assigned" in doubts_of(by_parity)
    monitor = ti.monitor_trial(exchanged, TRIAL.tables)
    assert any("put in another arm than assigned" in each for each in monitor.notes)


def test_a_window_that_is_too_short_and_one_in_which_nobody_came() -> None:
    assert "Matched to a claim: " in doubts_of(with_data(index__window_days=2))
    later = with_data(recruitment__first_date="2016-03-02", recruitment__last_date="2016-07-17")
    monitor = ti.monitor_trial(later, TRIAL.tables)
    assert any("nobody came in the recruitment window" in each for each in monitor.notes)


def test_levels_of_one_number_that_overlap_or_leave_out() -> None:
    def levels(*ranges: tuple[int, int]) -> dict[str, Any]:
        found = [{"label": f"{low}+", "where": {"age_at_index": {"between": [low, high]}}} for low, high in ranges]
        return {"characteristics": [{"name": "Age", "levels": found}]}

    assert "levels of Age overlap" in doubts_of(with_data(**levels((0, 25), (25, 120))))
    assert "levels of Age leave people out" in doubts_of(with_data(**levels((0, 24), (52, 120))))
    assert not ti.analyse_trial(with_data(**levels((0, 24), (25, 120))), TRIAL.tables).warnings


@pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
def test_a_register_of_one_arm(tmp_path: Path) -> None:
    digits = TRIAL.tables["employment"]["claimant_id"].str[7].astype(int)
    of_one = TRIAL.tables["employment"][digits >= 5]
    said = doubts_of(TRIAL.protocol, employment=of_one)
    assert "nobody in BAU is employed and not on benefit on any day, and others are" in said
    replace(TRIAL, tables={**TRIAL.tables, "employment": of_one}).write(tmp_path)
    assert ti.audit_trial(tmp_path / "protocol.toml").level == "red"
    done = run("analyse", tmp_path / "protocol.toml", "--out", tmp_path / "out", "--quiet")
    assert "warning: Days employed and not on benefit, " in done.stderr and "before the trial" in done.stderr


@pytest.mark.parametrize("copied", [True, False])
def test_a_frame_that_is_given_twice(copied: bool) -> None:
    spells = TRIAL.tables["employment"]
    data = TRIAL.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    data["sources"]["benefit"] = {**data["sources"]["employment"], "file": "benefit.csv"}
    data["index"]["codes"] = []
    with pytest.warns(ti.TrialWarning, match="benefit and employment hold the same spells"):
        ti.load_records(
            ti.TrialProtocol.from_dict(data), {**TRIAL.tables, "benefit": spells.copy() if copied else spells}
        )


def test_offices_that_are_not_named_or_not_there() -> None:
    markers = TRIAL.tables["markers"]
    office = str(markers["office"].iloc[0])
    for name in (f"{office} Jobcentre", f"{office[:-1]}wn"):
        part = markers.assign(
            office=markers["office"].replace(office, name).where(markers.index % 2 == 0, markers["office"])
        )
        said = doubts_of(TRIAL.protocol, markers=part)
        assert f"rows are of an office whose name is like {office!r} and another: their people are counted out" in said
        assert name not in said
    without = markers[markers["office"] != office].astype({"office": pd.CategoricalDtype(sorted({*markers["office"]}))})
    assert f"no row is of 1 of the offices that the protocol names: {office!r}" in doubts_of(
        TRIAL.protocol, markers=without
    )


def test_offices_that_the_protocol_does_not_name_in_two_spellings() -> None:
    markers = TRIAL.tables["markers"]
    office = str(markers["office"].iloc[0])
    part = markers.assign(office=markers["office"].where(markers.index % 2 == 0, markers["office"] + " &amp; co"))
    part = part.assign(office=part["office"].mask(markers.index % 4 == 1, markers["office"] + " AND CO"))
    unnamed = with_data(recruitment__offices=[])
    said = doubts_of(unnamed, markers=part)
    assert f"markers: in 'office' {markers['office'].nunique()} labels are written in more than one way" in said
    assert office not in said
    assert not ti.analyse_trial(unnamed, TRIAL.tables).warnings


def test_characteristics_in_two_spellings() -> None:
    people = TRIAL.tables["claimants"]
    with_column = with_data(
        characteristics=[{"name": "Area", "column": "area", "kind": "categorical"}],
    )
    areas = pd.Series(np.arange(len(people)) % 4)

    def said(*labels: str) -> tuple[str, ...]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ti.TrialWarning)
            tables = {**TRIAL.tables, "claimants": people.assign(area=areas.map(dict(enumerate(labels))).to_numpy())}
            return ti.load_records(with_column, tables).doubts

    (told,) = said("Inner city", "INNER CITY", "rural", "coast")
    assert told.startswith("claimants: in 'area' 1 label is written in more than one way")
    assert not said("A+", "A-", "B+", "B-"), "grades"
    assert not said("12", "-12", "100", "-100"), "numbers"
    assert not said("HIV+", "HIV-", "Degree", "Degree+"), "signs"
    assert not said("> median", "< median", "note (+)", "note (-)")
    assert said("Self-employed", "self employed", "rural", "coast")
    assert said("Café", "Cafe", "rural", "coast")
    unused = pd.CategoricalDtype(["Inner city", "INNER CITY", "rural"])
    with warnings.catch_warnings():
        warnings.simplefilter("error", ti.TrialWarning)
        kept = people.assign(area=pd.Series("rural", index=people.index, dtype=unused))
        assert not ti.load_records(with_column, {**TRIAL.tables, "claimants": kept}).doubts, "categories without rows"


def test_a_word_that_no_row_has_and_that_is_nearly_one_that_rows_have() -> None:
    misspelt = with_data(
        eligibility=[{"name": "people", "label": "people", "where": {"not": {"column": "gender", "equals": "Femal"}}}]
    )
    assert "in no row 'gender' is 'Femal', which the protocol names, and in some a word that is like it" in doubts_of(
        misspelt
    )
    other = with_data(
        eligibility=[{"name": "people", "label": "people", "where": {"not": {"column": "gender", "equals": "Other"}}}]
    )
    assert not ti.analyse_trial(other, TRIAL.tables).warnings


def test_an_identifier_in_a_label_of_the_protocol_is_refused() -> None:
    nino = str(TRIAL.tables["claimants"]["claimant_id"].iloc[0])
    for label in (f"like {nino}", f"{nino[:2]} {nino[2:4]} {nino[4:6]} {nino[6:8]}"):
        named = with_data(characteristics=[{"name": label, "column": "gender", "kind": "categorical"}])
        with pytest.raises(ti.ProtocolError, match="a label of characteristic holds an identifier") as caught:
            ti.analyse_trial(named, TRIAL.tables)
        assert nino not in str(caught.value)


def test_offices_that_are_words_for_nothing() -> None:
    markers = TRIAL.tables["markers"]
    said = doubts_of(TRIAL.protocol, markers=markers.assign(office=markers["office"].mask(markers.index < 9, "#N/A")))
    assert "markers: in 9 rows 'office' is '#N/A', which is a value here: leave blank what is missing" in said


def test_statuses_that_the_protocol_ranks_are_there() -> None:
    unnamed = TRIAL.tables["markers"].rename(columns={"status": "state"})
    ranked = with_data(sources__markers__status_order=["valid", "exempt", "out_of_scope", "error"])
    with pytest.raises(ti.RecordError, match="markers: there is no column 'status'"):
        ti.load_records(ranked, {**TRIAL.tables, "markers": unnamed})


def test_one_identifier_that_stands_for_many() -> None:
    jobs = TRIAL.tables["employment"]
    of_one = jobs.head(400).assign(claimant_id=jobs["claimant_id"].iloc[0])
    many = pd.concat([jobs, of_one], ignore_index=True)
    assert "spells are of one person: see whether one identifier stands for people" in doubts_of(
        TRIAL.protocol, employment=many
    )


def test_outcomes_that_never_vary() -> None:
    first = TRIAL.tables["markers"].groupby("claimant_id")["marker_date"].min()
    running = pd.DataFrame({"claimant_id": first.index, "start_date": first.array, "end_date": "", "benefit": "JSA"})
    said = doubts_of(TRIAL.protocol, benefit=running)
    assert "everybody who is followed is on benefit on every day: see whether the records hold the ends" in said
    jobs = TRIAL.tables["employment"]
    before = jobs[jobs["end_date"].fillna("9").between("1", "2015-03-15")]
    said = doubts_of(TRIAL.protocol, employment=before)
    assert "nobody is employed and not on benefit on any day from day 0, and some were before" in said
    design = TRIAL.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["outcomes"].append({"name": "free", "label": "out of work", "on": ["followed"], "off": ["employment"]})
    said = doubts_of(ti.TrialProtocol.from_dict(design), employment=jobs.head(0))
    assert "on every day" not in said, "whom no register holds"


def test_tables_of_people_without_rows_and_tables_of_which_most_is_set_aside() -> None:
    with pytest.warns(ti.TrialWarning, match="markers: there are no rows"), pytest.raises(ti.DesignError):
        ti.analyse_trial(TRIAL.protocol, {**TRIAL.tables, "markers": TRIAL.tables["markers"].head(0)})
    claims = TRIAL.tables["benefit"]
    backwards = claims.assign(end_date=claims["start_date"].str.replace("201", "200"))
    with pytest.warns(ti.TrialWarning):
        records = ti.load_records(TRIAL.protocol, {**TRIAL.tables, "benefit": backwards}, on_broken_rule="quarantine")
    assert "rows are set aside: most break rules" in records.doubts[-1]


@pytest.mark.parametrize("word", ["NA", "NULL", ".", "n/a"])
def test_words_for_nothing_are_told(word: str) -> None:
    claimants = TRIAL.tables["claimants"]
    with pytest.warns(ti.TrialWarning, match=f"in 4 rows 'gender' is {word!r}, which is a value here"):
        ti.load_records(
            TRIAL.protocol,
            {
                **TRIAL.tables,
                "claimants": claimants.assign(gender=claimants["gender"].where(claimants.index > 3, word)),
            },
        )


SPELLS = {
    "ends are copies": (lambda spells: spells.assign(end_date=spells["start_date"]), "every closed spell is of one day"),
    "closed alone": (
        lambda spells: spells[(spells["end_date"].fillna("") != "") & (spells["end_date"].fillna("") < "2016-01-31")],
        "spells end until the extract date and none runs on",
    ),
    "one code": (lambda spells: spells[spells["benefit"] == "JSA"], "'JSA' alone is there"),
}  # fmt: skip


@pytest.mark.parametrize("fault", SPELLS)
def test_spells_that_are_of_one_kind(fault: str) -> None:
    change, says = SPELLS[fault]
    with pytest.warns(ti.TrialWarning, match=f"benefit: .*{says}"):
        ti.load_records(TRIAL.protocol, {**TRIAL.tables, "benefit": change(TRIAL.tables["benefit"])})


def test_markers_of_an_older_extract_and_of_one_office_dated_late() -> None:
    markers = TRIAL.tables["markers"]
    assert "nobody joined in the last " in doubts_of(
        TRIAL.protocol, markers=markers[markers["marker_date"] <= "2015-05-31"]
    )
    office = TRIAL.protocol.recruitment.offices[0]
    late = (pd.to_datetime(markers["marker_date"]) + pd.Timedelta(days=40)).dt.strftime("%Y-%m-%d")
    dated = markers.assign(marker_date=markers["marker_date"].where(markers["office"] != office, late))
    assert "of 1 of 3 offices more people are not matched" in doubts_of(TRIAL.protocol, markers=dated)


def test_contrasts_turned_round_blank_columns_and_words_for_unknown() -> None:
    turned = [{"name": "turned", "treatment": ["BAU"], "control": ["IAP"]}]
    assert "the contrast turned has the control arm on its treatment side" in doubts_of(with_data(contrasts=turned))
    people = TRIAL.tables["claimants"]
    with pytest.warns(ti.TrialWarning, match="the column 'n_children' is blank in every row"):
        ti.load_records(TRIAL.protocol, {**TRIAL.tables, "claimants": people.assign(n_children=None)})
    some = people.assign(gender=people["gender"].where(people.index > 3, "Prefer not to say"))
    ti.load_records(TRIAL.protocol, {**TRIAL.tables, "claimants": some})  # a fair word
    men = [{"name": "men", "where": {"not": {"column": "gender", "equals": "Female"}}}]
    with pytest.warns(ti.TrialWarning, match="in 4 rows 'gender' is 'Prefer not to say'"):
        ti.load_records(with_data(subgroups=men), {**TRIAL.tables, "claimants": some})


def test_the_command_line_and_the_summary_say_all_of_it_once(tmp_path: Path) -> None:
    TRIAL.write(tmp_path)
    file = tmp_path / "protocol.toml"
    office = TRIAL.protocol.recruitment.offices[0]
    file.write_text(file.read_text().replace(f'"{office}"', '"Nowhere"', 1))
    done = run("analyse", file, "--out", tmp_path / "out", "--quick", "--quiet")
    assert done.returncode == 0, done.stderr
    says = "no row is of 1 of the offices that the protocol names: 'Nowhere'"
    assert done.stderr.count(says) == 1
    assert done.stderr.count("rows in doubt: ") == 1
    summary = (tmp_path / "out" / "summary.md").read_text()
    assert says in summary and "## Rows in doubt" in summary
    assert says in "".join(json.loads((tmp_path / "out" / "manifest.json").read_text())["warnings"])
    for command in (
        ["audit", file],
        ["monitor", file],
        ["power", "days", "--past", file, "--outcome", "on_benefit", "--people", "9000"],
    ):
        done = run(*command)
        assert done.stderr.count(f"warning: {says}") == 1, done.stderr
