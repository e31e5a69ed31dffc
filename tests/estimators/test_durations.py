"""Exits, sustained exits and returns by hand, against plain loops, lifelines and full follow-up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from oracles import dense
from strategies import small_trials
from trials import SmallTrial

from trialimpact import DesignError, estimate_durations
from trialimpact.estimators.durations import EVENTS, waits_for
from trialimpact.synthetic import simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

PEOPLE = {
    "stays": [(0, 30)],
    "leaves": [(0, 4)],
    "returns soon": [(0, 4), (6, 9)],
    "returns late": [(0, 2), (8, 10)],
    "leaves at the end": [(0, 10)],
    "not on": [(3, 5)],
    "came before": [(-3, 1)],
}


def seven(extract: int = 12) -> SmallTrial:
    people = pd.DataFrame({"claimant_id": list(PEOPLE), "arm": ["T", "C", "T", "C", "T", "C", "T"], "index": 0})
    rows = [(name, "a", start, end) for name, spells in PEOPLE.items() for start, end in spells if start < extract]
    spells = pd.DataFrame(rows, columns=["claimant_id", "kind", "start", "end"])
    more = {"durations": {"sustained_days": 4}}
    return SmallTrial(people, spells, {"a": (-50, extract), "b": (-50, 60)}, horizon=12, pre_days=0, more=more)


def waited(event: str, extract: int = 12) -> dict[str, tuple[int, bool] | None]:
    waits = waits_for(seven(extract).panel(), "a", event)
    return {
        name: (int(waits.days[row]), bool(waits.happened[row])) if waits.at_risk[row] else None
        for row, name in enumerate(PEOPLE)
    }


def test_first_exit_by_hand() -> None:
    assert waited("first_exit") == {
        "stays": (12, False), "leaves": (4, True), "returns soon": (4, True), "returns late": (2, True),
        "leaves at the end": (10, True), "not on": None, "came before": (1, True),
    }  # fmt: skip


def test_those_at_risk_are_counted_on_the_first_day() -> None:
    """Six of seven are on benefit on day 0, and five leave within the horizon."""
    found = estimate_durations(seven().panel(), "a").to_frame()
    counts = found.loc[found["measure"] != "survival", ["n_at_risk", "n_events"]].dropna().drop_duplicates()
    assert counts.to_numpy().tolist() == [[6, 5]]


def test_sustained_exit_by_hand() -> None:
    """Four days off in a row. Of twelve days the first nine can be seen to begin such a gap, for everybody."""
    assert waited("sustained_exit") == {
        "stays": (9, False), "leaves": (4, True), "returns soon": (9, False), "returns late": (2, True),
        "leaves at the end": (9, False), "not on": None, "came before": (1, True),
    }  # fmt: skip
    assert waited("sustained_exit", extract=8)["leaves"] == (4, True)
    assert waited("sustained_exit", extract=7)["leaves"] == (4, False)


def test_re_entry_by_hand() -> None:
    assert waited("re_entry") == {
        "stays": None, "leaves": (8, False), "returns soon": (2, True), "returns late": (6, True),
        "leaves at the end": (2, False), "not on": None, "came before": (11, False),
    }  # fmt: skip


def by_loops(on: np.ndarray, followed: np.ndarray, event: str, g: int) -> tuple[int, bool] | None:
    """One claimant's days from 0, one by one."""
    n = int(followed.sum())
    if not (followed[0] and on[0]) or not n:
        return None
    state = on[:n]
    if event == "first_exit":
        off = np.flatnonzero(~state)
        return (int(off[0]), True) if off.size else (n, False)
    if event == "re_entry":
        off = np.flatnonzero(~state)
        if not off.size:
            return None
        back = np.flatnonzero(state[off[0] :])
        return (int(back[0]), True) if back.size else (n - int(off[0]), False)
    known = n - g + 1
    for day in range(known):
        if not state[day : day + g].any():
            return day, True
    return (known, False) if known > 0 else None


@pytest.mark.parametrize("event", EVENTS)
@given(trial=small_trials())
@settings(max_examples=40)
def test_waits_against_plain_loops(trial: SmallTrial, event: str) -> None:
    trial.more = {"durations": {"sustained_days": 3}}
    data = dense(trial, "a").window(0, trial.horizon)
    waits = waits_for(trial.panel(), "a", event)
    for row in range(len(trial.people)):
        expected = by_loops(data.on[row], data.followed[row], event, 3)
        found = (int(waits.days[row]), bool(waits.happened[row])) if waits.at_risk[row] else None
        assert found == expected, row


lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed (it needs pandas below 3)")


@pytest.fixture(scope="module")
def panel():
    return simulate_trial(900, seed=2).panel()


@pytest.mark.parametrize("event", EVENTS)
def test_curves_and_tests_are_lifelines_on_the_waits(panel, event: str) -> None:
    from lifelines.statistics import logrank_test

    found, waits = estimate_durations(panel, "on_benefit", None, event), waits_for(panel, "on_benefit", event)
    sides = {"treatment": panel.on_side(("IAP",)), "control": panel.on_side(("BAU",))}
    for side, mask in sides.items():
        observed = waits.happened | (waits.followed > 1)
        mine, curve = mask & waits.at_risk & observed, found.curves[side]
        assert curve["n_at_risk"].iloc[0] == mine.sum()
        assert curve["n_events"].sum() == waits.happened[mine].sum()
        day = int(curve["day"].iloc[5])
        survival, known_to = 1.0, np.where(waits.happened, waits.days, waits.followed - 1)
        for t in range(1, day + 1):  # the product-limit by hand
            at_risk = (known_to[mine] >= t).sum()
            survival *= 1 - (waits.happened[mine] & (waits.days[mine] == t)).sum() / at_risk
        assert curve["estimate"].iloc[5] == pytest.approx(survival)
    lasted = np.where(waits.happened, waits.days, waits.followed - 1)
    one, other = (mask & waits.at_risk & (lasted > 0) for mask in sides.values())
    test = logrank_test(lasted[one], lasted[other], waits.happened[one], waits.happened[other])
    assert found.log_rank == pytest.approx((test.test_statistic, test.p_value))


def test_restricted_means_are_plain_means_under_full_follow_up() -> None:
    rng = np.random.default_rng(4)
    n = 60
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0})
    ends = rng.integers(1, 20, n)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": ends})
    trial = SmallTrial(people, spells, analysis={"small_sample": "hc2"})
    entry = estimate_durations(trial.panel(), "a", "t").restricted[12]
    days = np.minimum(ends, 12)
    one, other = days[::2], days[1::2]
    assert entry.estimate[0] == pytest.approx(one.mean() - other.mean())
    assert entry.std_error[0] ** 2 == pytest.approx(one.var(ddof=1) / 30 + other.var(ddof=1) / 30)


def test_the_cox_ratio_of_rossi() -> None:
    """The prisoners' arrests, which lifelines carries: published Cox coefficient and log-rank."""
    from lifelines.datasets import load_rossi

    rossi = load_rossi()
    people = pd.DataFrame(
        {"claimant_id": [f"r{i}" for i in range(432)], "arm": np.where(rossi["fin"] == 1, "T", "C"), "index": 0}
    )
    arrested = rossi["arrest"] == 1
    spells = pd.DataFrame(
        {"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": np.where(arrested, rossi["week"], 52)}
    )
    trial = SmallTrial(people, spells, {"a": (-50, 53), "b": (-50, 60)}, horizon=53, pre_days=0)
    # Weeks stand for days: nobody is seen past week 52, so day 52 is the last of 53.
    spells.loc[~arrested, "end"] = 53
    found = estimate_durations(trial.panel(), "a", "t")
    assert found.hazard_ratio[0] == pytest.approx(-0.36907, abs=2e-4)
    assert found.hazard_ratio[1] == pytest.approx(0.18972, abs=2e-4)
    assert found.log_rank[0] == pytest.approx(3.8376, abs=1e-3)


def test_an_outcome_that_nobody_has_on_day_0_is_an_error(panel) -> None:
    with pytest.raises(DesignError, match="hardly anybody of a side"):
        estimate_durations(panel, "employed")
    with pytest.raises(DesignError, match="use one of first_exit"):
        estimate_durations(panel, "on_benefit", None, "death")


def test_nobody_is_censored_because_of_what_they_did() -> None:
    """Everyone followed to day 40, exits by a known hazard: each kind of curve is the true one on its last day."""
    rng = np.random.default_rng(6)
    n, g = 6_000, 5
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": 0})
    ends = rng.geometric(0.05, n)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": 0, "end": np.minimum(ends, 60)})
    spells = spells[spells["start"] < 40]
    trial = SmallTrial(
        people,
        spells,
        {"a": (-50, 40), "b": (-50, 40)},
        horizon=40,
        pre_days=0,
        more={"durations": {"sustained_days": g}},
    )
    panel = trial.panel()
    for event, last in (("first_exit", 39), ("sustained_exit", 40 - g)):
        curve = estimate_durations(panel, "a", "t", event).curves["treatment"]
        survival = curve.loc[curve["day"] == last, "estimate"].item()
        assert survival == pytest.approx((ends[::2] > last).mean(), abs=1e-12)


def test_staggered_follow_up_does_not_bend_the_curve() -> None:
    rng = np.random.default_rng(7)
    n, g = 20_000, 5
    index = rng.integers(0, 30, n)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": ["T", "C"] * (n // 2), "index": index})
    ends = rng.geometric(0.04, n)
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": index, "end": index + ends})
    trial = SmallTrial(
        people,
        spells,
        {"a": (-50, 40), "b": (-50, 40)},
        horizon=40,
        pre_days=0,
        more={"durations": {"sustained_days": g}},
    )
    panel = trial.panel()
    for event in ("first_exit", "sustained_exit"):
        curve = estimate_durations(panel, "a", "t", event).curves["treatment"]
        survival = curve.loc[curve["day"] == 25, "estimate"].item()
        assert survival == pytest.approx(0.96**25, abs=4 * 0.012)
