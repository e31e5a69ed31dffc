"""Much of everything: a thousand groups, thirty years, the same again and again. Bounds are of memory, never of time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from oracles import dense, influence, shares
from trials import SmallTrial

import trialimpact as ti

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")]
TESTS = Path(__file__).parent
YEARS_30 = 10_957


def life(n: int, *, seed: int, end: int, stay: float) -> tuple[pd.DataFrame, pd.DataFrame]:
    """People who join over 300 days, and come and go until `end`."""
    rng = np.random.default_rng(seed)
    people = pd.DataFrame({"claimant_id": [f"p{place}" for place in range(n)], "arm": rng.choice(["T", "C"], n)})
    people["index"] = rng.integers(0, 300, n)
    n_spells = 2 + int((end + 400) / stay)
    on, off = rng.geometric(1 / stay, (n, n_spells)), rng.geometric(1 / stay, (n, n_spells))
    start = people["index"].to_numpy()[:, None] - 400 + (on + off).cumsum(axis=1) - on
    spells = pd.DataFrame({"claimant_id": np.repeat(people["claimant_id"], n_spells), "start": start.ravel()})
    spells["end"] = (start + on).ravel()
    spells["kind"] = rng.choice(["a", "b"], len(spells))
    return people, spells[spells["start"] < end].reset_index(drop=True)


def thirty_years(n: int, **analysis: bool) -> SmallTrial:
    end = 300 + YEARS_30
    people, spells = life(n, seed=1, end=end, stay=200)
    asked = {"horizon_days": [365, 3_653, YEARS_30], "last_day": YEARS_30 - 1, **analysis}
    covered = dict.fromkeys("ab", (-800, end))
    return SmallTrial(people, spells, covered, horizon=YEARS_30, pre_days=365, analysis=asked)


def thousand_groups(n: int, n_groups: int) -> SmallTrial:
    people, spells = life(n, seed=2, end=600, stay=60)
    rng = np.random.default_rng(3)
    for place in range(20):
        people[f"c{place}"] = rng.integers(0, 50, n).astype(str)
    groups = [
        {"name": f"g{place}", "where": {"column": f"c{place % 20}", "equals": str(place // 20)}}
        for place in range(n_groups)
    ]
    covered = dict.fromkeys("ab", (-800, 600))
    return SmallTrial(people, spells, covered, horizon=273, pre_days=100, more={"subgroups": groups})


def in_another_process(code: str) -> dict[str, float]:
    """What a script prints as JSON, with the most megabytes that it held (Linux; `ru_maxrss` is its parent's too)."""
    peak = "next(line for line in open('/proc/self/status') if line.startswith('VmHWM'))"
    ends = f"\nsaid['peak_mb'] = int({peak}.split()[1]) / 1024"
    begins = f"import sys, json, warnings; sys.path.insert(0, {str(TESTS)!r}); warnings.simplefilter('ignore'); said = {{}}\n"
    script = begins + code + ends + "\nprint(json.dumps(said))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("products", [True, False])
def test_thirty_years_are_what_plain_loops_say(products: bool) -> None:
    trial = thirty_years(8, products=products)
    moments = trial.moments()
    for outcome in ("a", "a_not_b", "a_or_b"):
        data = dense(trial, outcome)
        daily = ti.estimate_daily(moments, outcome)
        np.testing.assert_allclose(daily.estimate, shares(data, ["T"]) - shares(data, ["C"]), atol=1e-12)
        total = ti.estimate_cumulative(moments, outcome)
        after = data.window(0, YEARS_30)
        days = np.nancumsum(shares(after, ["T"]) - shares(after, ["C"]))
        np.testing.assert_allclose(total.estimate, days, atol=1e-7)
        summed = [np.nan_to_num(influence(after, [arm])).sum(axis=1) for arm in "TC"]
        error = np.sqrt(sum((each**2).sum() for each in summed))
        assert total.effect(YEARS_30).std_error == pytest.approx(error, rel=1e-6)


def test_thirty_years_of_thousands_stay_in_memory() -> None:
    code = (
        "from test_load import *; found = ti.analyse_trial((t := thirty_years(3_000{})).protocol, t.tables).to_frame()"
    )
    with_products = in_another_process(code.format(""))
    without = in_another_process(code.format(", products=False"))
    # 900 where pages are small; huge pages hold tables of zeros whole.
    assert with_products["peak_mb"] < 2_500
    assert without["peak_mb"] < 600


def test_bands_of_thirty_years_stay_in_memory() -> None:
    """Days × days are 0.96 GB a table: three tables of whole numbers, and two of the covariance."""
    code = (
        "from test_load import *; b = ti.estimate_bands(thirty_years(60).moments(), 'a'); said['c'] = b.daily.critical"
    )
    found = in_another_process(code)
    assert found["peak_mb"] < 7_000
    assert 3 < found["c"] < 7


def test_a_thousand_groups_are_what_each_is_alone() -> None:
    trial, few = thousand_groups(3_000, 1_000), thousand_groups(3_000, 1_000)
    few.more = {"subgroups": [trial.more["subgroups"][place] for place in (0, 500, 999)]}
    many, alone = (ti.analyse_trial(each.protocol, each.tables).to_frame() for each in (trial, few))
    for name in ("g0", "g500", "g999"):
        both = [frame[frame["subgroup"] == name].reset_index(drop=True) for frame in (many, alone)]
        columns = [name for name in both[0] if name not in ("p_holm", "p_bh", "family_size")]
        pd.testing.assert_frame_equal(both[0][columns], both[1][columns])


def test_a_thousand_groups_stay_in_memory() -> None:
    code = (
        "from test_load import *; t = thousand_groups(10_000, 1_000); ti.analyse_trial(t.protocol, t.tables).to_frame()"
    )
    assert in_another_process(code)["peak_mb"] < 2_500


AGAIN = """
import gc, os, threading
from pathlib import Path
import tempfile
from trials import short_trial
import trialimpact as ti

def held():
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return [pages * os.sysconf("SC_PAGE_SIZE") / 2**20, len(os.listdir("/proc/self/fd")), threading.active_count()]

folder = Path(tempfile.mkdtemp())
tempfile.tempdir = str(folder / "temporary")
Path(tempfile.tempdir).mkdir()
for turn in range({turns}):
    protocol, tables = short_trial(300, seed=turn, subgroups=2)
    ti.write_publication(ti.analyse_trial(protocol, tables).results(), folder / f"{{turn}}")
    if turn in ({turns} // 3, {turns} - 1):
        said[f"turn {{'one' if turn < {turns} - 1 else 'two'}}"] = held()
said["left"] = len(list(Path(tempfile.tempdir).iterdir()))
"""


def test_the_same_again_and_again_holds_no_more() -> None:
    """Pages, files, threads and what lies in the temporary folder: as many after the last as after the first third."""
    found = in_another_process(AGAIN.format(turns=30))
    assert found["turn two"][0] < found["turn one"][0] + 40, found
    assert found["turn two"][1:] == found["turn one"][1:]
    assert found["left"] == 0
