"""Flow, received arms, balance and group sizes: the counts of people in a publication, and how they add up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.disclosure.packs import DECIMALS
from trialimpact.disclosure.suppression import Key, LinkedCounts, ShownCells
from trialimpact.flow import ALL, BREAKDOWN
from trialimpact.moments import Moments
from trialimpact.protocol import SIDES, TrialProtocol
from trialimpact.results import TrialResults, grouped, records

_FLOW, _BALANCE, GROUP = "flow", "balance", "group"
MOST_PARTS = 10
"""Of characteristics with more levels, or of more offices, sums of several are not compared with others."""


def people_of(results: TrialResults) -> LinkedCounts:
    """Every count of people that is published, with the sums that a reader can form."""
    cells = LinkedCounts()
    _add_flow(cells, published_flow(results))
    _add_received(cells, results.frames["allocation.csv"])
    _add_groups(cells, results.moments)
    _add_balance(cells, results.frames["balance.csv"])
    _join_arms(cells, results.protocol)
    pairs = [*_by_side(cells), *_offices(cells, results)]
    _join_alike(cells, pairs)
    _join_unions(cells, pairs)
    return cells


def published_flow(results: TrialResults) -> pd.DataFrame:
    """The rows of the flow that are published: offices only where people are first counted, and in the end."""
    flow = results.frames["flow.csv"]
    people = [stage for stage in results.stages if stage != "records"]
    ends = flow["stage"].isin([*people[1:2], people[-1]]) & (flow["kind"] == "remaining")
    shown = (flow["office"] == ALL) | ends
    for name in ("assigned_arm", "received_arm"):
        # An arm label that nobody has at any stage ("unknown", where all are known) says nothing.
        shown &= flow.groupby(name)["n"].transform("sum") > 0
    return flow[shown].reset_index(drop=True)


def flow_key(row: Mapping[str, str]) -> Key:
    """The key of a row of the flow."""
    return (_FLOW, row["stage"], row["kind"], *(row[name] for name in BREAKDOWN))


def _add_flow(cells: LinkedCounts, flow: pd.DataFrame) -> None:
    for row in records(flow):
        cells.add(flow_key(row), row["n"])
    for (stage, kind), here in grouped(flow, "stage", "kind"):
        labels = {name: [each for each in here[name].unique() if each != ALL] for name in BREAKDOWN}
        everyone = dict.fromkeys(BREAKDOWN, ALL)
        for fixed in (
            {},
            *({"office": each} for each in labels["office"]),
            *({"reason": each} for each in labels["reason"]),
        ):
            for name in BREAKDOWN:
                if name in fixed or (name == "reason" and kind == "with_marker"):
                    continue
                parts = [everyone | fixed | {name: label} for label in labels[name]]
                cells.relate(_key(stage, kind, everyone | fixed), [_key(stage, kind, part) for part in parts])
        for arm in labels["assigned_arm"]:
            one = everyone | {"assigned_arm": arm}
            for name in ("office", "reason"):
                if name == "reason" and kind == "with_marker":
                    continue
                parts = [one | {name: label} for label in labels[name]]
                cells.relate(_key(stage, kind, one), [_key(stage, kind, part) for part in parts])
    for by in records(flow.loc[flow["kind"] == "with_marker", ["stage", *BREAKDOWN]]):
        # Whoever is removed has such a marker; of the status that comes first, the other way round too.
        cells.relate(_key(by["stage"], "with_marker", by), [_key(by["stage"], "removed", by)])
    _relate_stages(cells, flow)


def _relate_stages(cells: LinkedCounts, flow: pd.DataFrame) -> None:
    """Whoever remained is removed at the next stage, or remains."""
    everyone = dict.fromkeys(BREAKDOWN, ALL)
    first, *stages = flow["stage"].unique()
    # Where each person has one record, as many records as people.
    cells.relate(_key(first, "remaining", everyone), [_key(stages[0], "remaining", everyone)])
    rows = list(records(flow.loc[flow["kind"] == "remaining", list(BREAKDOWN)].drop_duplicates()))
    for before, after in itertools.pairwise(stages):
        for by in rows:
            kinds = [kind for kind in ("remaining", "removed") if _key(after, kind, by) in cells.counts]
            cells.relate(_key(before, "remaining", by), [_key(after, kind, by) for kind in kinds])


def _key(stage: str, kind: str, by: Mapping[str, str]) -> Key:
    return flow_key({"stage": stage, "kind": kind, **by})


def published_received(allocation: pd.DataFrame) -> pd.DataFrame:
    """The rows of received arms that are published: those of an arm that somebody received."""
    return allocation[allocation.groupby("received_arm")["n"].transform("sum") > 0].reset_index(drop=True)


def received_key(stage: str, assigned: str, received: str) -> Key:
    """The key of a row of the received arms."""
    return flow_key(
        {
            "stage": stage,
            "kind": "remaining",
            "assigned_arm": assigned,
            "received_arm": received,
            "office": ALL,
            "reason": ALL,
        }
    )


def _add_received(cells: LinkedCounts, allocation: pd.DataFrame) -> None:
    for row in published_received(allocation).to_dict("records"):
        cells.add(received_key(row["stage"], row["assigned_arm"], row["received_arm"]), row["n"])
    for (stage,), here in grouped(published_received(allocation), "stage"):
        assigned, received = (list(here[name].unique()) for name in ("assigned_arm", "received_arm"))
        for one in assigned:
            cells.relate(received_key(stage, one, ALL), [received_key(stage, one, each) for each in received])
        for each in received:
            cells.relate(received_key(stage, ALL, each), [received_key(stage, one, each) for one in assigned])


def side_key(contrast: str, side: str, subgroup: str = ALL) -> Key:
    """The key of the analysed claimants of one side of a contrast, or of a subgroup of them."""
    return (GROUP, contrast, side, subgroup)


def _add_groups(cells: LinkedCounts, moments: Moments) -> None:
    protocol = moments.protocol
    for contrast in protocol.contrasts:
        for side, arms in (("treatment", contrast.treatment), ("control", contrast.control)):
            for subgroup in protocol.subgroup_names:
                cells.add(side_key(contrast.name, side, subgroup), moments.n_claimants(subgroup, arms))
                if subgroup != ALL:
                    cells.relate(side_key(contrast.name, side), [side_key(contrast.name, side, subgroup)])
            of_arm = [received_key("analysed", arm, ALL) for arm in arms]
            cells.elsewhere |= {side_key(contrast.name, side), *(of_arm if len(arms) == 1 else ())}
            cells.exact |= {side_key(contrast.name, side, subgroup) for subgroup in protocol.subgroup_names}
            cells.relate(side_key(contrast.name, side), of_arm)


def known_keys(contrast: str, side: str, characteristic: str, level: object, among: Container[Key]) -> tuple[Key, Key]:
    """The keys of those known and missing: of a level alone, where levels are conditions that are known of others."""
    own = (balance_key(contrast, side, characteristic, f"{what} at {level}") for what in ("known", "missing"))
    whole = (balance_key(contrast, side, characteristic, what) for what in ("known", "missing"))
    known, missing = (one if one in among else other for one, other in zip(own, whole, strict=True))
    return known, missing


def balance_key(contrast: str, side: str, characteristic: str, level: str) -> Key:
    """The key of a level of a characteristic on one side; "known" and "missing" are of all its levels."""
    return (_BALANCE, contrast, side, characteristic, level)


@dataclass(frozen=True, slots=True)
class BalanceSide:
    """The counts behind one side of a row of the balance."""

    known: int
    missing: int
    of_level: int | None


def balance_sides(row: Mapping[Any, Any]) -> dict[str, BalanceSide]:
    """The counts behind a row, by side; numeric rows have no level."""
    found = {}
    for side in SIDES:
        known, value = int(row[f"n_{side}"]), row[f"value_{side}"]
        is_level = row["kind"] == "categorical" and not math.isnan(value)
        found[side] = BalanceSide(known, int(row[f"missing_{side}"]), round(value * known) if is_level else None)
    return found


def _add_balance(cells: LinkedCounts, balance: pd.DataFrame) -> None:
    for (contrast, characteristic), rows in grouped(balance, "contrast", "characteristic"):
        for side in SIDES:
            levels: dict[Key, list[Key]] = {}
            alike = bool((rows[f"n_{side}"] == rows[f"n_{side}"].iloc[0]).all())
            for row in rows.to_dict("records"):
                found = balance_sides(row)[side]
                of = "" if alike else f" at {row['level']}"
                known, missing = (
                    balance_key(contrast, side, characteristic, f"{what}{of}") for what in ("known", "missing")
                )
                cells.add(known, found.known)
                cells.add(missing, found.missing)
                cells.relate(side_key(contrast, side), [known, missing])
                if found.of_level is not None:
                    key = balance_key(contrast, side, characteristic, f"level {row['level']}")
                    cells.add(key, found.of_level)
                    levels.setdefault(known, []).append(key)
            for known, parts in levels.items():
                whole = sum(cells.counts[key] for key in parts) == cells.counts[known]
                for some in [parts] if whole else [[key] for key in parts]:
                    cells.relate(known, some)


def _join_arms(cells: LinkedCounts, protocol: TrialProtocol) -> None:
    """Those of a side at a level, or in a subgroup, are those of its arms: other sides may be some of these."""
    sides = {
        (contrast.name, side): frozenset(getattr(contrast, side)) for contrast in protocol.contrasts for side in SIDES
    }
    levels: dict[Key, dict[frozenset[str], Key]] = {}
    for key in [key for key in cells.counts if key[0] in (_BALANCE, GROUP) and key not in cells.hidden]:
        of_arms = levels.setdefault((key[0], *key[3:]), {})
        arms = sides[key[1], key[2]]
        if arms in of_arms:
            cells.relate(of_arms[arms], [key])
        else:
            of_arms[arms] = key
    for of_arms in levels.values():
        for whole, total in of_arms.items():
            parts = [key for arms, key in of_arms.items() if len(arms) == 1 and arms < whole]
            if parts:
                cells.relate(total, parts)
            for some, part in of_arms.items():
                if some < whole and len(some) > 1:
                    cells.relate(total, [part])


def _join_alike(cells: LinkedCounts, pairs: Iterable[tuple[str, Key, Key]]) -> None:
    """Groups, levels and offices of as many people on both sides are taken for the same people, as a reader may."""
    sizes: dict[tuple[str, int, int], list[tuple[Key, Key]]] = {}
    for contrast, one, other in pairs:
        sizes.setdefault((contrast, cells.counts[one], cells.counts[other]), []).append((one, other))
    for alike in sizes.values():
        for further in alike[1:]:
            for key, same in zip(alike[0], further, strict=True):
                cells.relate(key, [same])


def _join_unions(cells: LinkedCounts, pairs: Iterable[tuple[str, Key, Key]]) -> None:
    """Groups, levels and offices of as many people on both sides as some levels, or offices, are taken for these."""
    families: dict[tuple[str, ...], list[tuple[Key, Key]]] = {}
    every = [(contrast, one, other) for contrast, one, other in pairs if not one[-1].startswith("missing")]
    for contrast, one, other in every:
        families.setdefault(_family(contrast, one), []).append((one, other))
    for family, members in families.items():
        if family[1] == GROUP or not 2 < len(members) <= MOST_PARTS:
            continue
        chosen = np.array(list(itertools.product((0, 1), repeat=len(members))))
        chosen = chosen[(chosen.sum(axis=1) > 1) & (chosen.sum(axis=1) < len(members))]
        sums = chosen @ np.array([[cells.counts[key] for key in pair] for pair in members])
        for contrast, *pair in every:
            if contrast == family[0] and _family(contrast, pair[0]) != family:
                for some in chosen[(sums == [cells.counts[key] for key in pair]).all(axis=1)]:
                    for side in (0, 1):
                        cells.relate(pair[side], [both[side] for both in itertools.compress(members, some)])


def _family(contrast: str, key: Key) -> tuple[str, ...]:
    """What people are in one of: levels of one characteristic, or offices; groups are not."""
    return (contrast, key[0], key[3]) if key[0] == _BALANCE else (contrast, key[0])


def _by_side(cells: LinkedCounts) -> Iterator[tuple[str, Key, Key]]:
    """The contrast and keys of subgroups, levels and what is missing, treatment and control."""
    for key in list(cells.counts):
        is_group = key[0] == GROUP and key[3] != ALL
        is_level = key[0] == _BALANCE and (
            key[4].startswith("level ") or (key[4].startswith("missing") and cells.counts[key] > 0)
        )
        if (is_group or is_level) and key[2] == "treatment" and key not in cells.hidden:
            other = (*key[:2], "control", *key[3:])
            if other in cells.counts:
                yield key[1], key, other


def _offices(cells: LinkedCounts, results: TrialResults) -> Iterator[tuple[str, Key, Key]]:
    """The contrast and keys of those analysed of each office, treatment and control, where a side is one arm."""
    everyone = dict.fromkeys(BREAKDOWN, ALL)
    for contrast in results.protocol.contrasts:
        for office in sorted(set(results.frames["flow.csv"]["office"]) - {ALL}):
            one, other = (
                _key("analysed", "remaining", everyone | {"assigned_arm": arms[0], "office": office})
                for arms in contrast.sides
            )
            if len(contrast.treatment) == len(contrast.control) == 1 and {one, other} <= cells.counts.keys():
                yield contrast.name, one, other


def shown_flow(flow: pd.DataFrame, shown: ShownCells) -> pd.DataFrame:
    """The rows of the flow as they may be shown."""
    n = [shown.numbers[flow_key(row)] for row in records(flow)]
    return flow.assign(n=n, suppressed=np.isnan(n))


def shown_received(allocation: pd.DataFrame, shown: ShownCells) -> pd.DataFrame:
    """Received arms as they may be shown; shares are of shown counts."""
    rows = allocation.to_dict("records")
    n = np.array([shown.numbers[received_key(row["stage"], row["assigned_arm"], row["received_arm"])] for row in rows])
    of = np.array([shown.numbers.get(received_key(row["stage"], row["assigned_arm"], ALL), math.nan) for row in rows])
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(of > 0, np.minimum(n / of, 1.0), np.nan)
    return allocation.assign(n=n, share_of_assigned=np.round(share, DECIMALS["share"]), suppressed=np.isnan(n))
