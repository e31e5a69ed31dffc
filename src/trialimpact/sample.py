"""Records -> `TrialSample`: who is analysed, from which index day, and the flow that is the filters."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.allocation import UNKNOWN, ReceivedArms, arm_codes, assign_arms, count_received
from trialimpact.errors import DesignError, worded
from trialimpact.flow import FlowCounter, ParticipantFlow
from trialimpact.intervals import Booleans, Integers, merge
from trialimpact.loaders import NO_DAY, TrialRecords, day_of
from trialimpact.protocol import TrialProtocol
from trialimpact.protocol.sources import Status

UNSTATED = "(not stated)"

_STATUS_STAGES: tuple[tuple[Status, str, str], ...] = (
    ("error", "not_error", "Not only entered in error"),
    ("out_of_scope", "in_scope", "In scope"),
    ("exempt", "not_exempt", "Not exempt"),
)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrialSample:
    """The people who are analysed, by intention to treat.

    Attributes
    ----------
    claimant : array, shape (n,)
        Row numbers in the records, ascending.
    index_day : array, shape (n,)
        Day 0 of each claimant, in days since 1970-01-01.
    assigned_arm, received_arm : array, shape (n,)
        Places in `protocol.arms`; `UNKNOWN` for an arm that no marker tells.
    birth_day : array, shape (n,)
        Days since 1970-01-01, `NO_DAY` where blank.
    people : DataFrame, n rows
        Characteristics, with `digit` and `office`.
    flow : ParticipantFlow
    received : ReceivedArms
    """

    protocol: TrialProtocol
    claimant: Integers
    index_day: Integers
    assigned_arm: Integers
    received_arm: Integers
    birth_day: Integers
    people: pd.DataFrame
    flow: ParticipantFlow
    received: ReceivedArms

    def characteristic(self, column: str, wanted_by: str) -> pd.Series[Any]:
        """A column of `people`; a `DesignError` that says who wanted it where there is none."""
        if column not in self.people:
            raise DesignError(
                worded(
                    f"{wanted_by} names the column {column!r}, which the claimants do not have.",
                    remedy="name a column of [sources.claimants], or office, or digit",
                )
            )
        return self.people[column]

    def __len__(self) -> int:
        return int(self.claimant.size)

    def __repr__(self) -> str:
        sizes = np.bincount(self.assigned_arm, minlength=len(self.protocol.arms))
        by_arm = ", ".join(f"{arm} {n:,}" for arm, n in zip(self.protocol.arms, sizes, strict=True))
        return f"TrialSample({len(self):,} claimants; {by_arm})"

    def _repr_html_(self) -> str:
        return f"<p>{escape(repr(self))}</p>{self.flow._repr_html_()}"


def build_sample(records: TrialRecords) -> TrialSample:
    """Apply the protocol's filters and set index days; count the flow on the way.

    Where the index day is that of a marker's claim: individuals with a marker, in the recruitment
    window, not only in error, in scope, not exempt, matched to a claim, with an arm. Where it is
    given: individuals, at an office of the trial, the same statuses for those who have markers,
    with an index date in the window, with an arm. Rows that loading set aside open the flow.

    Raises
    ------
    DesignError
        An arm of a contrast is empty.

    Examples
    --------
    >>> from trialimpact import load_records
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=200, seed=1)
    >>> build_sample(load_records(trial.protocol, trial.tables)).flow
    ParticipantFlow(...)
    """
    protocol, people = records.protocol, records.claimants
    assigned = assign_arms(records)
    considered = _considered(records)
    chosen = _index_markers(records, considered)
    received = arm_codes(protocol, chosen["marker"])
    office = chosen["office"].where(chosen["office"].notna(), people["office"]).fillna(UNSTATED)
    counter = FlowCounter(people=_for_counting(protocol, assigned, received, office))
    _open_flow(counter, records)
    remaining = _who_takes_part(counter, records, considered, office)
    stages = {"not_exempt": remaining} if records.markers is not None else {}
    index_day, remaining = _set_index_days(counter, records, chosen, remaining)
    remaining = _narrow(counter, "arm_known", "In an arm that is analysed", remaining, assigned != UNKNOWN)
    counter.stage("analysed", "Analysed", remaining)
    _require_claimants(protocol, assigned[remaining], counter)
    claimant = np.flatnonzero(remaining)
    digit = people["digit"].astype("Int64").mask(people["digit"] < 0)
    return TrialSample(
        protocol=protocol,
        claimant=claimant,
        index_day=index_day[claimant],
        assigned_arm=assigned[claimant],
        received_arm=received[claimant],
        birth_day=people["birth_day"].to_numpy()[claimant],
        people=records.characteristics.assign(digit=digit, office=office).iloc[claimant].reset_index(drop=True),
        flow=counter.finish(),
        received=count_received(protocol, assigned, received, {**stages, "analysed": remaining}),
    )


def _open_flow(counter: FlowCounter, records: TrialRecords) -> None:
    """The records as they came, and the rows of every table that loading set aside, by rule."""
    table, label = ("claimants", "Claimant records") if records.markers is None else ("markers", "Marker records")
    counter.records("records", label, next(each.n_rows for each in records.inputs if each.table == table))
    broken = records.quarantined["table"] + ": " + records.quarantined["rule"]
    for rule, n in broken.value_counts(sort=False).items():
        counter.set_aside("records", str(rule), int(n))


def _who_takes_part(
    counter: FlowCounter, records: TrialRecords, considered: Booleans, office: pd.Series[str]
) -> Booleans:
    """Individuals, less those who were not recruited, whose status excludes them, or of other offices."""
    protocol, everyone = records.protocol, np.ones(records.n_claimants, dtype=bool)
    if protocol.index.rule == "given":
        counter.stage("individuals", "Individuals", everyone)
        remaining = everyone
        if protocol.recruitment.offices:
            there = office.isin(protocol.recruitment.offices).to_numpy(dtype=bool)
            remaining = _narrow(counter, "at_trial_office", "At an office of the trial", everyone, there)
    else:
        has_marker = _people_with(records, np.ones_like(considered))
        counter.stage("individuals", "Individuals with a marker", has_marker, ~has_marker)
        in_window = _people_with(records, considered)
        label = "Recruited in the window, at an office of the trial"
        remaining = _narrow(counter, "in_window", label, has_marker, in_window)
    return remaining if records.markers is None else _filter_by_status(counter, records, considered, remaining)


def _people_with(records: TrialRecords, which: Booleans) -> Booleans:
    """People who hold one of these markers."""
    assert records.markers is not None  # noqa: S101
    claimant = records.markers["claimant"].to_numpy()
    return np.asarray(np.bincount(claimant[which], minlength=records.n_claimants) > 0)


def _considered(records: TrialRecords) -> Booleans:
    """Markers set in the recruitment window at an office of the trial."""
    if records.markers is None:
        return np.empty(0, dtype=bool)
    window = records.protocol.recruitment
    day = records.markers["marker_day"].to_numpy()
    inside = np.ones(day.size, dtype=bool)
    if window.first_date is not None:
        inside &= day >= day_of(window.first_date)
    if window.last_date is not None:
        inside &= day <= day_of(window.last_date)
    if window.offices:
        inside &= records.markers["office"].isin(window.offices).to_numpy(dtype=bool)
    return inside


def _index_markers(records: TrialRecords, considered: Booleans) -> pd.DataFrame:
    """One marker a person: the first valid one by date then file order, else the first of any status.

    Rows are people; blank for people without a marker.
    """
    columns = ["marker_day", "marker", "office"]
    if records.markers is None:
        return pd.DataFrame(index=range(records.n_claimants), columns=columns, dtype=object)
    ranked = records.markers.assign(rank=np.where(considered, records.markers["status"].ne("valid"), 2))
    ranked = ranked.sort_values(["rank", "marker_day"], kind="stable")
    first = ranked.drop_duplicates("claimant").set_index("claimant")
    return first.reindex(range(records.n_claimants))[columns]


def _for_counting(
    protocol: TrialProtocol, assigned: Integers, received: Integers, office: pd.Series[str]
) -> pd.DataFrame:
    arms = pd.CategoricalDtype([*protocol.arms, "unknown"])
    unknown = len(protocol.arms)
    offices = [*protocol.recruitment.offices, *sorted({*office} - {*protocol.recruitment.offices})]
    return pd.DataFrame(
        {
            "assigned_arm": pd.Categorical.from_codes(np.where(assigned < 0, unknown, assigned), dtype=arms),
            "received_arm": pd.Categorical.from_codes(np.where(received < 0, unknown, received), dtype=arms),
            "office": pd.Categorical(office, categories=offices),
        }
    )


def _filter_by_status(
    counter: FlowCounter, records: TrialRecords, considered: Booleans, remaining: Booleans
) -> Booleans:
    """Less people in error only, out of scope, exempt. People without a marker have no status."""
    protocol, markers, n_people = records.protocol, records.markers, records.n_claimants
    assert markers is not None  # noqa: S101
    claimant = markers["claimant"].to_numpy()
    source = protocol.sources.markers
    assert source is not None  # noqa: S101
    status = markers["status"].to_numpy(dtype=object)
    rank = np.full(n_people, len(source.status_order))
    for place, one in reversed(list(enumerate(source.status_order))):
        rank[claimant[considered & (status == one)]] = place
    for each, stage, label in _STATUS_STAGES:
        before = remaining
        has_status = considered & (status == each)
        holders = _people_with(records, has_status)
        remaining = _narrow(counter, stage, label, before, rank != source.status_order.index(each))
        counter.count(stage, "with_marker", before & holders)
        mine = has_status & before[claimant]
        reason = markers.loc[mine, "reason"].fillna(UNSTATED)
        counter.reasons(stage, "with_marker", claimant[mine], reason)
    return remaining


def _set_index_days(
    counter: FlowCounter, records: TrialRecords, chosen: pd.DataFrame, remaining: Booleans
) -> tuple[Integers, Booleans]:
    if records.protocol.index.rule == "claim_of_marker":
        index_day, truncated = match_claims(records, chosen)
        matched = _narrow(counter, "matched", "Matched to a claim", remaining, index_day != NO_DAY)
        unmatched = np.flatnonzero(remaining & ~matched)
        reason = pd.Series(np.where(truncated[unmatched], "left_truncated", "no_claim"))
        counter.reasons("matched", "removed", unmatched, reason)
        return index_day, matched
    index_day = records.index_days()
    dated = _narrow(counter, "index_date_known", "With an index date", remaining, index_day != NO_DAY)
    window = records.protocol.recruitment
    if window.first_date is None and window.last_date is None:
        return index_day, dated
    first = NO_DAY if window.first_date is None else day_of(window.first_date)
    last = np.iinfo(np.int64).max if window.last_date is None else day_of(window.last_date)
    inside = (index_day >= first) & (index_day <= last)
    return index_day, _narrow(counter, "in_window", "With an index date in the window", dated, inside)


def match_claims(records: TrialRecords, chosen: pd.DataFrame) -> tuple[Integers, Booleans]:
    """First day of the claim that each person's marker falls in, and whose claim is left-truncated.

    Claims are the uncut spells of one matching benefit, overlapping and adjacent ones joined; a
    move from another benefit is a new claim. One matches if start - early_days <= marker < end and
    marker - start <= window_days; the latest start wins. A claim that was already running when
    the source's coverage began is left-truncated: its start is not known, so it is not matched.
    """
    index, n_people = records.protocol.index, records.n_claimants
    assert index.source is not None  # noqa: S101
    source = records.protocol.sources.spells[index.source]
    covered_from = day_of(source.covered_from)
    marker_day = chosen["marker_day"].fillna(NO_DAY).to_numpy(dtype=np.int64)
    start = np.full(n_people, NO_DAY, dtype=np.int64)
    truncated = np.zeros(n_people, dtype=bool)
    for code in index.codes or source.counted_codes or ("",):
        claims = merge(records.spells[index.source].of_codes((code,) if code else ()))
        marker = marker_day[claims.owner]
        holds = (claims.start - index.early_days <= marker) & (marker < claims.end) & (marker != NO_DAY)
        known = claims.start >= covered_from
        fits = holds & known & (marker - claims.start <= index.window_days)
        np.maximum.at(start, claims.owner[fits], claims.start[fits])
        truncated[claims.owner[holds & ~known]] = True
    return start, truncated & (start == NO_DAY)


def _narrow(counter: FlowCounter, stage: str, label: str, before: Booleans, passes: Booleans) -> Booleans:
    counter.stage(stage, label, before & passes, before & ~passes)
    return before & passes


def _require_claimants(protocol: TrialProtocol, assigned: Integers, counter: FlowCounter) -> None:
    sizes = np.bincount(assigned, minlength=len(protocol.arms))
    for contrast in protocol.contrasts:
        for side in (contrast.treatment, contrast.control):
            if not sum(sizes[protocol.arms.index(arm)] for arm in side):
                raise DesignError(
                    worded(
                        f"contrast {contrast.name!r}: nobody is left in {' + '.join(side)} after the filters.",
                        repr(counter.finish()),
                        remedy="find the stage that loses them, and correct the protocol or the records",
                    )
                )
