"""Build data/synthetic/iap: records of people who do not exist, tuned to print as the 2016 report does.

    python tools/iap/build.py --seed 2015 --out data/synthetic/iap

The simulator of `trialimpact.synthetic` makes people and lives, in whole numbers that `counts.toml`
fixes. This file alone reads the published tables, and tunes the lives after the claim: several are drawn
for each person, and a linear programme says who leads another than the first; then first exits are
moved by some days. What is written is records. The analysis reads the records and nothing else.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from choose import Bounds, Sums, choose
from lives import tune_lives
from scipy import sparse

from trialimpact.loaders.files import file_sha256
from trialimpact.protocol import shipped_protocol
from trialimpact.synthetic.careers import BENEFIT, States, draw_careers
from trialimpact.synthetic.iap import PUT_ELSEWHERE, chances_of, in_programme
from trialimpact.synthetic.people import (
    deal,
    draw_arrivals,
    draw_characteristics,
    draw_count,
    draw_counts,
    repeat_score,
    shares_of_population,
)
from trialimpact.synthetic.registers import PAST_DAYS, draw_pasts, fill_registers
from trialimpact.synthetic.tables import write_tables

HERE = Path(__file__).parent
Numbers = dict[str, Any]


def main() -> None:
    """Build, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=2015)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    rng = np.random.default_rng(given.seed)
    counts = tomllib.loads((HERE / "counts.toml").read_text(encoding="utf-8"))
    people = draw_people_to(rng, counts)
    analysed = np.flatnonzero(people["analysed"])
    pasts = choose_pasts(rng, people, analysed)
    states = draw_careers(rng, chances_of(people, in_programme(people)))
    states[analysed] = tune_lives(rng, people.iloc[analysed].reset_index(drop=True), states[analysed])
    own = len(people) + int((people["status"] == "valid_too").sum()) + counts["everyone"]["scope_reason"]["both"]
    protocol = shipped_protocol("iap")
    tables = fill_registers(rng, protocol, people, pasts, states, counts["records"] - own)
    given.out.mkdir(parents=True, exist_ok=True)
    write_tables(protocol, tables, given.out)
    files = {path.name: file_sha256(path) for path in sorted(given.out.glob("*.csv.gz"))}
    manifest = {"mark": "synthetic", "tuned_to": "iap", "seed": given.seed, "files": files}
    (given.out / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")
    print(", ".join(f"{len(table):,} {name}" for name, table in tables.items()), "written to", given.out)


def draw_people_to(rng: np.random.Generator, counts: Numbers) -> pd.DataFrame:
    """People in exactly these numbers; whoever is not analysed comes from the population at large."""
    population = shares_of_population()
    parts = []
    for arm in PUT_ELSEWHERE:
        wanted = counts[arm]
        status = deal(rng, wanted["status"], np.zeros(sum(wanted["status"].values())))
        people = draw_arrivals(rng, status.size, shipped_protocol("iap").recruitment).assign(status=status)
        people["digit"] = rng.integers(0, 5, size=status.size) + (5 if arm == "IAP" else 0)
        valid = people["status"].isin(["valid", "valid_too"]).to_numpy()
        failures = {name: share for name, share in population["linkage"].items() if name != "claim"}
        people["linkage"] = deal(rng, draw_count(rng, status.size, population["linkage"]), np.zeros(status.size))
        n_failed = int(valid.sum()) - wanted["matched"]
        linked = {"claim": wanted["matched"], **draw_count(rng, n_failed, failures)}
        people.loc[valid, "linkage"] = deal(rng, linked, np.zeros(int(valid.sum())))
        people["put_elsewhere"] = rng.random(status.size) < PUT_ELSEWHERE[arm]
        crossed = {True: wanted["put_elsewhere"], False: int(valid.sum()) - wanted["put_elsewhere"]}
        people.loc[valid, "put_elsewhere"] = deal(rng, crossed, np.zeros(int(valid.sum()))).astype(bool)
        people["analysed"] = valid & people["linkage"].eq("claim").to_numpy()
        parts.append(people)
    people = pd.concat(parts, ignore_index=True)
    for name, who in (
        ("exempt_reason", people["status"].eq("exempt")),
        ("scope_reason", people["status"].isin(["out_of_scope", "valid_too"])),
    ):
        people[name] = ""
        people.loc[who, name] = deal(rng, counts["everyone"][name], np.zeros(int(who.sum())))
    return _with_characteristics(rng, people, counts)


def _with_characteristics(rng: np.random.Generator, people: pd.DataFrame, counts: Numbers) -> pd.DataFrame:
    parts = []
    analysed, treated = people["analysed"].to_numpy(), in_programme(people)
    for mask, margins in (
        (analysed & treated, counts["IAP"]["margins"]),
        (analysed & ~treated, counts["BAU"]["margins"]),
        (~analysed, None),
    ):
        where = np.flatnonzero(mask)
        shares = {name: of for name, of in shares_of_population().items() if name != "status"}
        found = draw_characteristics(
            rng, margins or draw_counts(rng, where.size, shares), people["index_day"].to_numpy()[where]
        )
        parts.append(found.set_index(where))
    people = pd.concat([people, pd.concat(parts).sort_index()], axis=1)
    people["repeat"] = False
    tenth = pd.qcut(people["index_day"].rank(method="first"), 10, labels=False).to_numpy()
    for mask, (first, last) in (
        (treated, counts["repeat"]["IAP"]),
        (~treated, counts["repeat"]["BAU"]),
    ):
        for each in range(10):
            who = mask & (tenth == each)
            n = round(who.sum() * (first + (last - first) * each / 9))
            dealt = deal(rng, {"yes": n, "no": int(who.sum()) - n}, repeat_score(people)[who])
            people.loc[who, "repeat"] = dealt == "yes"
    return people


def choose_pasts(rng: np.random.Generator, people: pd.DataFrame, analysed: np.ndarray) -> States:
    """Two years before: as drawn, but that the shares on benefit are those printed, in both arms."""
    lives = [draw_pasts(rng, people) for _ in range(3)]
    treated = in_programme(people)[analysed]
    ends = [PAST_DAYS - 730 + 61 * block for block in range(10)]
    on = np.stack([life[analysed] == BENEFIT for life in lives], axis=2)
    blocks = [on[:, a:b].mean(axis=1) for a, b in pairwise(ends)] + [on[:, -1]]
    parts = np.stack([arm[:, None] * block / arm.sum() for arm in (treated, ~treated) for block in blocks])
    n_blocks = len(blocks)
    steady = sparse.lil_matrix((2, 2 * n_blocks))
    for arm in range(2):
        steady[arm, arm * n_blocks : arm * n_blocks + n_blocks - 1] = 1 / (n_blocks - 1)
    day_before = [n_blocks - 1, 2 * n_blocks - 1]
    weights = sparse.vstack([steady, sparse.identity(2 * n_blocks).tocsr()[day_before]]).tocsr()
    bounds = Bounds(
        weights, np.array([0.2975, 0.2975, 0.1385, 0.1385]), np.array([0.3025, 0.3025, 0.1415, 0.1415]), np.full(4, 1e3)
    )
    choice, missed = choose(Sums(parts, np.zeros(2 * n_blocks)), bounds, np.zeros(analysed.size, dtype=np.int64))
    print(f"pasts: {int((choice > 0).sum()):,} people live another than the first; missed {missed:.3g}")
    pasts = lives[0]
    for life in (1, 2):
        pasts[analysed[choice == life]] = lives[life][analysed[choice == life]]
    return pasts


if __name__ == "__main__":
    main()
