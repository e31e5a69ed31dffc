"""Small trials whose publications are looked at under every pack: people, their spells, results, what is released."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from trials import SmallTrial

import trialimpact as ti
from trialimpact.disclosure import pack_names, release_results
from trialimpact.results import TrialResults

PACKS = [name for name in pack_names() if name != "none"]
ONE = [{"name": "a", "on": ["a"]}]
STATES = {"in_order": [{"name": "in_a", "on": ["a"]}, {"name": "in_b", "on": ["b"]}]}


def people(n: int, seed: int, *, joined: tuple[int, int] = (0, 60)) -> pd.DataFrame:
    """As many of T as of C, who join at random."""
    rng = np.random.default_rng(seed)
    found = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": np.array(["T", "C"])[np.arange(n) % 2]})
    return found.assign(index=rng.integers(*joined, n), place="north")


def coming_and_going(people: pd.DataFrame, seed: int, *, before: int = 60, stay: int = 25) -> pd.DataFrame:
    rng, spells = np.random.default_rng(seed), []
    for who, day in zip(people["claimant_id"], people["index"], strict=True):
        start = day - before - int(rng.integers(0, stay))
        while start < 300:
            end = start + 1 + int(rng.geometric(1 / stay))
            spells.append((who, "a", start, end))
            start = end + int(rng.geometric(1 / stay))
    return pd.DataFrame(spells, columns=["claimant_id", "kind", "start", "end"])


def results(
    people: pd.DataFrame,
    spells: pd.DataFrame,
    *,
    extract: int = 300,
    pre_days: int = 0,
    methods: bool = False,
    received: pd.Series | None = None,
    covered: dict[str, tuple[int, int]] | None = None,
    **more: Any,
) -> TrialResults:
    spells = spells[spells["start"] < extract].assign(end=lambda rows: rows["end"].clip(upper=extract))
    covered = covered or {"a": (-120, extract), "b": (-120, extract)}
    analysis = {"horizon_days": [50, 100]} | more.pop("analysis", {})
    made = SmallTrial(people, spells, covered, horizon=100, pre_days=pre_days, analysis=analysis)
    codes = more.pop("codes", {})
    design = made.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json") | {"outcomes": ONE} | more
    tables = dict(made.tables)
    for name, counted in codes.items():
        design["sources"][name]["counted_codes"] = counted
        tables[name] = tables[name].assign(code=np.resize(counted, len(tables[name])))
    if received is not None:
        order = ["valid", "exempt", "out_of_scope", "error"]
        design["sources"] = design["sources"] | {"markers": {"status_order": order}}
        about = tables["claimants"][["claimant_id", "index_date"]].rename(columns={"index_date": "marker_date"})
        tables["markers"] = about.assign(marker=received.to_numpy(), office="A", status="valid", reason="")
    return ti.analyse_trial(ti.TrialProtocol.from_dict(design), tables).results(methods=methods)


def moving(some: pd.DataFrame, seed: int, **more: Any) -> TrialResults:
    """Everyone is now in a, now in b."""
    a, b = (coming_and_going(some, seed + each, stay=12).assign(kind=kind) for each, kind in enumerate("ab"))
    return results(
        some, pd.concat([a, b]), methods=True, states=STATES, outcomes=[*ONE, {"name": "b", "on": ["b"]}], **more
    )


def released(found: TrialResults) -> Iterator[tuple[str, dict[str, pd.DataFrame]]]:
    for pack in PACKS:
        frames = release_results(found, pack).frames
        yield pack, {name: frame[~frame["suppressed"].astype(bool)] for name, frame in frames.items()}


def horizons(frames: dict[str, pd.DataFrame], subgroup: str = "all", method: str = "difference") -> list[int]:
    rows = frames["estimates.csv"].query("subgroup == @subgroup and method == @method and horizon_days.notna()")
    return sorted(rows["horizon_days"].astype(int))
