"""Matching a marker to a claim, one status a person, and the flow."""

from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pandas as pd
import pytest

from trialimpact import DesignError, TrialProtocol, build_sample, load_records
from trialimpact.loaders import date_of
from trialimpact.sample import TrialSample


def sample_of(
    markers: list[tuple[str, str, str, str]], claims: list[tuple[str, str, str, str]], **index: Any
) -> TrialSample:
    """Markers: who, date, arm, status. Claims: who, code, start, day after the end."""
    protocol = TrialProtocol.model_validate(
        {
            "name": "matching",
            "allocation": {"rule": "assigned", "control": "C", "arms": ["C", "T"]},
            "recruitment": {"first_date": "2020-01-01", "last_date": "2020-03-31"},
            "index": {"rule": "claim_of_marker", "source": "benefit", "codes": ["JSA"], "window_days": 28} | index,
            "sources": {
                "claimants": {},
                "markers": {},
                "benefit": {
                    "end_date": "first_day_after", "covered_from": "2019-06-01", "extract_date": "2020-12-31",
                    "counted_codes": ["JSA", "ESA"],
                },
            },
            "outcomes": [{"name": "on", "on": ["benefit"]}],
            "analysis": {"horizon_days": 10},
        }
    )  # fmt: skip
    who = list(dict.fromkeys(each[0] for each in markers))
    fillers = {"t": "T", "c": "C"}
    tables = {
        "claimants": pd.DataFrame({"claimant_id": [*who, *fillers], "assigned_arm": [*["T"] * len(who), "T", "C"]}),
        "markers": pd.DataFrame(
            [*markers, *((key, "2020-02-01", arm, "valid") for key, arm in fillers.items())],
            columns=["claimant_id", "marker_date", "marker", "status"],
        ),
        "benefit": pd.DataFrame(
            [*claims, *((key, "JSA", "2020-02-01", "") for key in fillers)],
            columns=["claimant_id", "code", "start_date", "end_date"],
        ),
    }
    return build_sample(load_records(protocol, tables))


def index_date(markers: list[tuple[str, str]], claims: list[tuple[str, ...]], **index: Any) -> dt.date | None:
    """The index date of one person with valid markers, or None if no claim matches."""
    full = [("p", date, "T", "valid") for date, *_ in markers]
    sample = sample_of(full, [("p", *claim) for claim in claims], **index)
    return date_of(int(sample.index_day[0])) if 0 in sample.claimant else None


JAN = dt.date(2020, 1, 10)


@pytest.mark.parametrize(
    ("marker", "found"),
    [("2020-01-09", None), ("2020-01-10", JAN), ("2020-02-07", JAN), ("2020-02-08", None)],
)
def test_a_marker_matches_from_the_first_day_to_the_end_of_the_window(marker: str, found: dt.date | None) -> None:
    assert index_date([(marker,)], [("JSA", "2020-01-10", "")]) == found


def test_early_days_let_a_marker_precede_the_claim() -> None:
    assert index_date([("2020-01-08",)], [("JSA", "2020-01-10", "")], early_days=2) == JAN
    assert index_date([("2020-01-07",)], [("JSA", "2020-01-10", "")], early_days=2) is None


def test_the_day_after_a_claim_is_outside_it() -> None:
    assert index_date([("2020-01-14",)], [("JSA", "2020-01-10", "2020-01-15")]) == JAN
    assert index_date([("2020-01-15",)], [("JSA", "2020-01-10", "2020-01-15")]) is None


def test_adjacent_claims_are_one_and_claims_apart_are_two() -> None:
    joined = [("JSA", "2020-01-10", "2020-01-20"), ("JSA", "2020-01-20", "2020-02-20")]
    assert index_date([("2020-01-25",)], joined) == JAN
    apart = [("JSA", "2020-01-10", "2020-01-20"), ("JSA", "2020-01-21", "2020-02-20")]
    assert index_date([("2020-01-25",)], apart) == dt.date(2020, 1, 21)


def test_the_latest_start_wins() -> None:
    claims = [("JSA", "2020-01-10", "2020-01-20"), ("JSA", "2020-01-21", "")]
    assert index_date([("2020-01-19",)], claims, early_days=5) == dt.date(2020, 1, 21)


def test_only_the_matching_benefit_counts_and_a_move_from_another_is_a_new_claim() -> None:
    claims = [("ESA", "2019-11-01", "2020-01-10"), ("JSA", "2020-01-10", "")]
    assert index_date([("2020-01-12",)], claims) == JAN
    assert index_date([("2020-01-12",)], [("ESA", "2020-01-10", "")]) is None


def test_a_claim_already_running_when_coverage_begins_is_left_truncated() -> None:
    sample = sample_of([("p", "2020-01-05", "T", "valid")], [("p", "JSA", "2019-05-20", "")], window_days=400)
    assert 0 not in sample.claimant
    assert sample.flow.n("matched", "removed", reason="left_truncated") == 1


def test_the_index_marker_is_the_first_valid_one_by_date_then_file_order() -> None:
    markers = [
        ("p", "2020-01-12", "T", "valid"),
        ("p", "2020-01-11", "C", "valid"),
        ("p", "2020-01-11", "T", "valid"),
        ("p", "2020-01-10", "T", "error"),
    ]
    sample = sample_of(markers, [("p", "JSA", "2020-01-10", "")])
    assert sample.protocol.arms[sample.received_arm[0]] == "C"
    assert sample.protocol.arms[sample.assigned_arm[0]] == "T"


@pytest.mark.parametrize(
    ("statuses", "last"),
    [
        (["valid"], "analysed"),
        (["valid", "exempt"], "in_scope"),
        (["out_of_scope", "valid"], "analysed"),
        (["out_of_scope", "error"], "not_error"),
        (["error", "error"], "in_window"),
        (["error", "valid"], "analysed"),
        (["exempt", "out_of_scope"], "in_scope"),
        ([""], "analysed"),
    ],
)
def test_a_persons_status_is_the_first_in_order_of_any_of_their_markers(statuses: list[str], last: str) -> None:
    markers = [("p", "2020-01-12", "T", status) for status in statuses]
    flow = sample_of(markers, [("p", "JSA", "2020-01-10", "")]).flow
    stages = list(flow.stages)
    present = [stage for stage in stages if stage != "records" and flow.n(stage) == 3]
    assert present[-1] == last


@pytest.mark.parametrize(("day", "n"), [("2019-12-31", 2), ("2020-01-01", 3), ("2020-03-31", 3), ("2020-04-01", 2)])
def test_both_ends_of_the_recruitment_window_are_in_it(day: str, n: int) -> None:
    sample = sample_of([("p", day, "T", "valid")], [("p", "JSA", day, "")])
    assert sample.flow.n("in_window") == n


def test_reasons_are_counted_per_person_and_zeros_are_shown() -> None:
    sample = sample_of([("p", "2020-01-12", "T", "error")], [])
    frame = sample.flow.to_frame()
    error = frame[(frame["stage"] == "not_error") & (frame["kind"] == "with_marker") & (frame["reason"] != "all")]
    by_arm = error.set_index("assigned_arm")["n"].to_dict()
    assert by_arm["T"] == 1
    assert by_arm["C"] == 0


def test_flow_counts_add_up_over_every_breakdown() -> None:
    from trialimpact.synthetic import simulate_trial

    trial = simulate_trial(500, seed=3)
    frame = build_sample(trial.records()).flow.to_frame()
    people = frame[(frame["stage"] != "records") & (frame["reason"] == "all")]
    keys = ["assigned_arm", "received_arm", "office"]
    totals = people[(people[keys] == "all").all(axis=1)].set_index(["stage", "kind"])["n"]
    for key in keys:
        others = [other for other in keys if other != key]
        rows = people[(people[others] == "all").all(axis=1) & (people[key] != "all")]
        assert rows.groupby(["stage", "kind"])["n"].sum().equals(totals.sort_index())
    for before, after in zip(
        list(totals.loc[:, "remaining"][:-2]), list(totals.loc[:, "remaining"][1:-1]), strict=True
    ):
        assert after <= before
    assert np.all(totals >= 0)


def test_a_move_between_matching_benefits_is_a_new_claim() -> None:
    claims = [("ESA", "2019-12-01", "2020-01-02"), ("JSA", "2020-01-02", "")]
    for codes in (["JSA", "ESA"], []):
        assert index_date([("2020-01-10",)], claims, codes=codes) == dt.date(2020, 1, 2)


def test_a_claim_running_when_coverage_begins_is_left_truncated_however_long_ago_it_began() -> None:
    sample = sample_of([("p", "2020-01-05", "T", "valid")], [("p", "JSA", "2019-05-20", "")])
    assert sample.flow.n("matched", "removed", reason="left_truncated") == 1


def given_trial(people: pd.DataFrame, markers: pd.DataFrame | None = None, **changes: Any) -> TrialSample:
    data: dict[str, Any] = {
        "name": "given",
        "allocation": {"rule": "assigned", "control": "C", "arms": ["C", "T"]},
        "index": {"rule": "given"},
        "sources": {
            "claimants": {},
            **({} if markers is None else {"markers": {}}),
            "b": {"end_date": "first_day_after", "covered_from": "2019-06-01", "extract_date": "2020-12-31"},
        },
        "outcomes": [{"name": "on", "on": ["b"]}],
        "analysis": {"horizon_days": 10},
    } | changes
    spells = pd.DataFrame({"claimant_id": ["p"], "start_date": ["2020-01-01"], "end_date": [""]})
    tables = {"claimants": people, "b": spells} | ({} if markers is None else {"markers": markers})
    return build_sample(load_records(TrialProtocol.model_validate(data), tables, on_broken_rule="quarantine"))


PEOPLE = pd.DataFrame(
    {"claimant_id": list("pqrs"), "assigned_arm": list("TCTC"), "index_date": "2020-01-01", "office": list("eewn")}
)


def test_people_without_a_marker_stay_where_the_index_date_is_given() -> None:
    markers = pd.DataFrame({"claimant_id": ["q"], "marker_date": "2020-01-03", "marker": "C", "status": "exempt"})
    sample = given_trial(PEOPLE, markers)
    assert (sample.flow.n("individuals"), sample.flow.n("analysed")) == (4, 3)
    assert sample.flow.n("not_exempt", "removed") == 1


def test_people_without_a_marker_are_counted_out_where_a_marker_makes_the_index_day() -> None:
    sample = sample_of([("p", "2020-01-12", "T", "valid")], [("p", "JSA", "2020-01-10", "")])
    assert sample.flow.n("individuals", "removed") == 0
    from trialimpact.synthetic import simulate_trial

    trial = simulate_trial(200, seed=1)
    markers = trial.tables["markers"]
    fewer = markers[markers["claimant_id"] != markers["claimant_id"].iloc[0]]
    flow = build_sample(load_records(trial.protocol, {**trial.tables, "markers": fewer})).flow
    assert (flow.n("individuals"), flow.n("individuals", "removed")) == (199, 1)


def test_the_claimants_own_office_serves_where_no_marker_names_one() -> None:
    markers = pd.DataFrame({"claimant_id": ["q"], "marker_date": "2020-01-03", "marker": "C", "office": "x"})
    assert given_trial(PEOPLE, markers).people["office"].tolist() == ["e", "x", "w", "n"]
    narrowed = given_trial(PEOPLE, recruitment={"offices": ["e", "w"]})
    assert narrowed.flow.n("at_trial_office", "removed") == 1
    assert narrowed.flow.n("individuals") == 4


def test_rows_set_aside_open_the_flow() -> None:
    people = pd.concat([PEOPLE, PEOPLE.iloc[[3]]], ignore_index=True)
    sample = given_trial(pd.concat([people, PEOPLE.iloc[[1]].assign(claimant_id="t")], ignore_index=True))
    flow = sample.flow
    assert flow.n("records") == 6
    assert flow.n("records", "set_aside", reason="claimants: claimant_is_unique") == 2
    assert flow.n("individuals") == 4


def test_nobody_left_in_an_arm_is_an_error_that_shows_the_flow() -> None:
    undated = PEOPLE.assign(index_date=["2020-01-01", "", "2020-01-01", ""])
    with pytest.raises(DesignError, match=r"nobody is left in C after the filters\.\n.*index_date_known 2"):
        given_trial(undated)


def test_received_arms_are_counted_beside_assigned_arms() -> None:
    people = pd.DataFrame({"claimant_id": list("pqrstu"), "assigned_arm": list("CCCTTT"), "index_date": "2020-01-01"})
    markers = pd.DataFrame(
        {"claimant_id": list("pqrst"), "marker_date": "2020-01-03", "marker": ["C", "T", "T", "T", "x"]}
    )
    received = given_trial(people, markers).received
    frame = received.to_frame().query("stage == 'analysed'")
    assert frame["n"].tolist() == [1, 2, 0, 0, 1, 2]  # of C: C, T, unknown; of T: the same
    assert frame["share_of_assigned"].tolist() == pytest.approx([1 / 3, 2 / 3, 0, 0, 1 / 3, 2 / 3])
    assert received.n_misallocated("analysed") == 2
