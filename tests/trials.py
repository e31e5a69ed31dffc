"""Small trials for tests: frames in, a panel or moments out, with as little to say as possible."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from trialimpact import TrialAnalysis, build_panel, build_sample, count_moments, load_records, merge_spells
from trialimpact.moments import Moments
from trialimpact.panel import Panel
from trialimpact.protocol import TrialProtocol
from trialimpact.synthetic import simulate_trial

DAY_0 = dt.date(2020, 1, 1)


def date(day: int) -> dt.date:
    """Day 0 of these trials' calendar is 1 January 2020."""
    return DAY_0 + dt.timedelta(days=int(day))


@dataclass
class SmallTrial:
    """People and half-open spells in calendar days from 1 January 2020.

    people: claimant_id, arm, index, any characteristics. spells: claimant_id, kind (a or b), start, end.
    """

    people: pd.DataFrame
    spells: pd.DataFrame
    covered: dict[str, tuple[int, int]] = field(default_factory=lambda: {"a": (-50, 60), "b": (-50, 60)})
    arms: tuple[str, ...] = ("T", "C")
    horizon: int = 12
    pre_days: int = 4
    analysis: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def protocol(self) -> TrialProtocol:
        return TrialProtocol.model_validate(
            {
                "name": "small",
                "allocation": {"rule": "assigned", "control": "C", "arms": list(self.arms)},
                "index": {"rule": "given"},
                "sources": {
                    "claimants": {},
                    **{
                        kind: {
                            "end_date": "first_day_after",
                            "covered_from": date(low),
                            "extract_date": date(high),
                        }
                        for kind, (low, high) in self.covered.items()
                    },
                },
                "outcomes": [
                    {"name": "a", "on": ["a"]},
                    {"name": "a_not_b", "on": ["a"], "off": ["b"]},
                    {"name": "a_or_b", "on": ["a", "b"], "bridge_gap_days": 2},
                ],
                "analysis": {"horizon_days": self.horizon, "pre_days": self.pre_days, "small_sample": "cr0"}
                | self.analysis,
                **self.more,
            }
        )

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        people = self.people.rename(columns={"arm": "assigned_arm"})
        people = people.assign(index_date=[date(day).isoformat() for day in people["index"]]).drop(columns="index")
        tables = {"claimants": people}
        for kind in self.covered:
            mine = self.spells[self.spells["kind"] == kind]
            tables[kind] = pd.DataFrame(
                {
                    "claimant_id": mine["claimant_id"],
                    "start_date": [date(day).isoformat() for day in mine["start"]],
                    "end_date": [date(day).isoformat() for day in mine["end"]],
                }
            )
        return tables

    def panel(self) -> Panel:
        records = load_records(self.protocol, self.tables)
        return build_panel(build_sample(records), merge_spells(records))

    def moments(self) -> Moments:
        return count_moments(self.panel())


def short_trial(n_claimants: int, seed: int, *, subgroups: int = 6, **analysis: Any) -> tuple[TrialProtocol, Any]:
    """The example trial over a short window, and its tables: quick to analyse with every method."""
    trial = simulate_trial(n_claimants, seed=seed)
    design = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    design["subgroups"] = design["subgroups"][:subgroups]
    window = {"pre_days": 70, "horizon_days": [56, 112], "last_day": 112}
    return TrialProtocol.from_dict(design).with_analysis(**(window | analysis)), trial.tables


def day_by_day(
    analysis: TrialAnalysis, outcome: str, subgroup: str, arms: tuple[str, ...], *, outside: bool = False
) -> Any:
    """Followed and on, person by day, from the intervals of the panel; of a subgroup, or of those outside it."""
    panel, protocol = analysis.panel, analysis.protocol
    first, end = -protocol.analysis.pre_days, protocol.analysis.end_day
    place = protocol.subgroup_names.index(subgroup)
    codes = [protocol.arms.index(arm) for arm in arms]
    people = np.flatnonzero(np.isin(panel.arm, codes) & (panel.members[place] != outside))
    found = panel.outcomes[outcome]
    followed = np.zeros((panel.arm.size, end - first), dtype=bool)
    on = np.zeros_like(followed)
    for person in people:
        followed[person, max(found.followed_from[person] - first, 0) : max(found.followed_to[person] - first, 0)] = True
    for owner, start, stop in zip(found.spells.owner, found.spells.start, found.spells.end, strict=True):
        on[owner, max(start - first, 0) : max(stop - first, 0)] = True
    return followed[people], (on & followed)[people], first
