"""Records -> `PeopleFacts`: what each person's markers, claim and date say, before anybody is filtered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.allocation import arm_codes, assign_arms
from trialimpact.described import DescribedPeople
from trialimpact.groups import Membership, find_members
from trialimpact.intervals import Booleans, Integers, merge
from trialimpact.loaders import NO_DAY, TrialRecords, day_of
from trialimpact.protocol import TrialProtocol
from trialimpact.protocol.model import Eligibility
from trialimpact.protocol.sources import MarkersSource, Status
from trialimpact.spells import merge_spells

UNSTATED = "(not stated)"
STATUSES: tuple[Status, ...] = ("error", "out_of_scope", "exempt")
"""The statuses that keep a person out, in the order in which the flow tells them."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PeopleFacts:
    """Everything that the filters look at: a row a person, or a row for all who are alike, with their number.

    Attributes
    ----------
    people : DataFrame
        `assigned`, `received` (places in `protocol.arms`, -1 unknown), `office`, `has_marker`, `considered`
        (has a marker in the window, at an office of the trial), `status` (place in the markers' `status_order` of
        the person's status, its length where there is none), `error`, `out_of_scope`, `exempt` (has such a
        considered marker), `dated` (a claim is matched, or an index date given), `truncated` (only a claim that was
        running before coverage), `in_window` (the given index date is in the recruitment window), `meets_<name>` (a
        condition of eligibility: 1 in, 0 out, -1 not known).
    n : array, one entry a row
        How many people the row stands for.
    reasons : DataFrame
        `row` (of `people`), `status`, `reason`, `n`: people with a considered marker of that status and reason.
    """

    people: pd.DataFrame
    n: Integers
    reasons: pd.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DatedFacts:
    """The facts of records, and the people themselves (index day `NO_DAY` where unknown)."""

    facts: PeopleFacts
    people: DescribedPeople


def facts_of(records: TrialRecords) -> DatedFacts:
    """What decides who is analysed, for every person of the records."""
    protocol = records.protocol
    considered = _considered(records)
    chosen = _index_markers(records, considered)
    office = chosen["office"].where(chosen["office"].notna(), records.claimants["office"]).fillna(UNSTATED)
    if protocol.index.rule == "claim_of_marker":
        index_day, truncated = match_claims(records, chosen)
    else:
        index_day, truncated = records.index_days(), np.zeros(records.n_claimants, dtype=bool)
    digit = records.claimants["digit"].astype("Int64").mask(records.claimants["digit"] < 0)
    everyone = DescribedPeople(
        claimant=np.arange(records.n_claimants),
        index_day=index_day,
        birth_day=records.claimants["birth_day"].to_numpy(),
        people=records.characteristics.assign(digit=digit, office=office),
    )
    people = pd.DataFrame(
        {
            "assigned": assign_arms(records),
            "received": arm_codes(protocol, chosen["marker"]),
            "office": office,
            "has_marker": _people_with(records, np.ones_like(considered)),
            "considered": _people_with(records, considered),
            **_statuses(records, considered),
            "dated": index_day != NO_DAY,
            "truncated": truncated,
            "in_window": _in_window(protocol, index_day),
            **_eligible(records, everyone),
        }
    )
    n = np.ones(len(people), dtype=np.int64)
    return DatedFacts(facts=PeopleFacts(people=people, n=n, reasons=_reasons(records, considered)), people=everyone)


def meets(rule: Eligibility) -> str:
    """The column of the facts that says who meets a condition of eligibility."""
    return f"meets_{rule.name}"


def _eligible(records: TrialRecords, everyone: DescribedPeople) -> dict[str, Membership]:
    """Who meets each condition of eligibility on their day 0."""
    rules = records.protocol.eligibility
    spells = merge_spells(records) if rules else {}
    return {meets(rule): find_members(rule.where, everyone, spells) for rule in rules}


def status_order(protocol: TrialProtocol) -> tuple[Status, ...]:
    """The protocol's order of statuses: the first that any of a person's markers has is the person's."""
    return (protocol.sources.markers or MarkersSource()).status_order


def _people_with(records: TrialRecords, which: Booleans) -> Booleans:
    """People who hold one of these markers."""
    claimant = np.empty(0, dtype=np.int64) if records.markers is None else records.markers["claimant"].to_numpy()
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


def _statuses(records: TrialRecords, considered: Booleans) -> dict[str, Integers | Booleans]:
    """Each person's status, and which statuses their considered markers have. Without a marker there is none."""
    order = status_order(records.protocol)
    rank = np.full(records.n_claimants, len(order))
    if records.markers is None:
        return {"status": rank, **{each: np.zeros(rank.size, dtype=bool) for each in STATUSES}}
    claimant, status = (records.markers[name].to_numpy() for name in ("claimant", "status"))
    for place, one in reversed(list(enumerate(order))):
        rank[claimant[considered & (status == one)]] = place
    return {"status": rank, **{each: _people_with(records, considered & (status == each)) for each in STATUSES}}


def _reasons(records: TrialRecords, considered: Booleans) -> pd.DataFrame:
    """People by status and reason of their considered markers; one person may have several."""
    if records.markers is None:
        return pd.DataFrame(columns=["row", "status", "reason", "n"])
    told = records.markers[considered & records.markers["status"].ne("valid")]
    frame = told[["claimant", "status", "reason"]].rename(columns={"claimant": "row"})
    return frame.fillna({"reason": UNSTATED}).drop_duplicates().assign(n=1).reset_index(drop=True)


def _in_window(protocol: TrialProtocol, index_day: Integers) -> Booleans:
    window = protocol.recruitment
    first = NO_DAY if window.first_date is None else day_of(window.first_date)
    last = np.iinfo(np.int64).max if window.last_date is None else day_of(window.last_date)
    return np.asarray((index_day >= first) & (index_day <= last))


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
