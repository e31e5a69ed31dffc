"""Money: by hand, against simulation, and what a wrong ledger says. All values here are invented."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import run
from oracles import scatter_as_they_say
from trials import SmallTrial, short_trial

import trialimpact as ti
from trialimpact.economics import DAYS_A_YEAR
from trialimpact.synthetic import simulate_ics_x, simulate_trial

pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")

DATED = {"date": dt.date(2015, 4, 6), "source": "invented"}


def valuation(**changes: Any) -> ti.Valuation:
    """A ledger with other keys; its perspectives are those to which something goes, unless others are given."""
    data = {
        "name": "invented values",
        "currency": "GBP",
        "discount_rate": 0.0,
        "programme": {
            "per_start": {"value": 50.0, "low": 40.0, "high": 80.0, **DATED},
            "to": {"exchequer": -1, "society": -1},
            "starts": 1.0,
        },
        "unit_values": [
            {
                "name": "benefit paid",
                "outcome": "on_benefit",
                "per_day": {"value": 10.0, "low": 9.0, "high": 12.0, **DATED},
                "to": {"participant": 1, "exchequer": -1},
            },
            {
                "name": "earnings",
                "outcome": "employed",
                "per_day": {"value": 40.0, **DATED},
                "to": {"participant": 0.8, "exchequer": 0.2, "society": 1},
            },
        ],
    } | changes
    named = {who for part in (data["programme"], *data["unit_values"]) for who in dict(part)["to"]}
    perspectives = [who for who in ("participant", "exchequer", "society") if who in named]
    return ti.Valuation.model_validate({"perspectives": perspectives} | data)


@pytest.fixture(scope="module")
def analysis() -> ti.TrialAnalysis:
    return ti.analyse_trial(*short_trial(1_200, seed=4, subgroups=0))


def test_the_net_is_days_times_values_less_the_cost(analysis: ti.TrialAnalysis) -> None:
    found = ti.estimate_cost_benefit(analysis.panel, valuation())
    days = {
        outcome: ti.estimate_cumulative(analysis.moments, outcome).effect(112) for outcome in ("on_benefit", "employed")
    }
    benefit, work = days["on_benefit"].estimate, days["employed"].estimate
    net = found.net.set_index("perspective")
    assert net.loc["participant", "net"] == pytest.approx(10 * benefit + 32 * work)
    assert net.loc["exchequer", "net"] == pytest.approx(-10 * benefit + 8 * work - 50)
    assert net.loc["society", "net"] == pytest.approx(40 * work - 50)
    assert net.loc["society", "std_error"] == pytest.approx(40 * days["employed"].std_error)
    assert net.loc["participant", "gross"] == net.loc["participant", "net"]
    assert np.isnan(net.loc["participant", "break_even_cost"])
    # What one pays another gains: the three add up to society's, without the cost twice.
    assert net.loc["participant", "net"] + net.loc["exchequer", "net"] == pytest.approx(net.loc["society", "net"])
    lines = found.lines.groupby("perspective")["amount"].sum()
    np.testing.assert_allclose(lines[net.index], net["net"])


def test_at_the_break_even_cost_the_net_is_nothing(analysis: ti.TrialAnalysis) -> None:
    net = ti.estimate_cost_benefit(analysis.panel, valuation()).net.set_index("perspective")
    even = net.loc["society", "break_even_cost"]
    programme = {"per_start": {"value": even, **DATED}, "to": {"society": -1}, "starts": 1.0}
    again = ti.estimate_cost_benefit(analysis.panel, valuation(programme=programme)).net.set_index("perspective")
    assert again.loc["society", "net"] == pytest.approx(0, abs=1e-9)
    assert again.loc["society", "probability_positive"] == pytest.approx(0.5)


def test_days_are_discounted_from_day_0() -> None:
    """One person an arm leaves on a known day: by hand."""
    people = pd.DataFrame({"claimant_id": ["p0", "p1", "p2", "p3"], "arm": ["T", "T", "C", "C"], "index": [0] * 4})
    spells = pd.DataFrame({"claimant_id": ["p0", "p1", "p2", "p3"], "kind": "a", "start": [0] * 4, "end": [2, 2, 5, 5]})
    panel = SmallTrial(people, spells).panel()
    value = {"name": "a day", "outcome": "a", "per_day": {"value": 1.0, **DATED}, "to": {"society": 1}}
    found = ti.estimate_cost_benefit(panel, valuation(discount_rate=0.5, unit_values=[value]))
    by_hand = -sum(1.5 ** (-day / DAYS_A_YEAR) for day in (2, 3, 4))
    assert found.net.set_index("perspective").loc["society", "gross"] == pytest.approx(by_hand)
    assert found.ledger.estimate[0] == pytest.approx(by_hand)


def test_starts_come_from_markers_and_carry_their_error(analysis: ti.TrialAnalysis) -> None:
    programme = {"per_start": {"value": 50.0, **DATED}, "to": {"society": -1}}
    found = ti.estimate_cost_benefit(analysis.panel, valuation(programme=programme))
    panel = analysis.panel
    treated = panel.received == panel.protocol.arms.index("IAP")
    by_arm = [treated[panel.on_side((arm,))].mean() for arm in ("IAP", "BAU")]
    assert found.ledger.estimate[-1] == pytest.approx(by_arm[0] - by_arm[1])
    assert found.ledger.std_error[-1] > 0
    assert found.net.set_index("perspective").loc["society", "cost"] == pytest.approx(50 * (by_arm[0] - by_arm[1]))


def test_the_tornado_varies_one_thing_at_a_time(analysis: ti.TrialAnalysis) -> None:
    found = ti.estimate_cost_benefit(analysis.panel, valuation(discount_low=0.0, discount_high=0.2))
    society = found.tornado[found.tornado["perspective"] == "society"].set_index("what")
    net = found.net.set_index("perspective").loc["society"]
    assert society.loc["cost of a start", "net_at_low"] == pytest.approx(net["net"] + 10)
    assert society.loc["cost of a start", "net_at_high"] == pytest.approx(net["net"] - 30)
    assert (
        society.loc["benefit paid", "net_at_low"]
        == society.loc["benefit paid", "net_at_high"]
        == pytest.approx(net["net"])
    )
    assert society.loc["sampling of people", "net_at_low"] == pytest.approx(net["conf_low"])
    assert society.loc["discount rate", "net_at_low"] == pytest.approx(net["net"])
    widths = (society["net_at_high"] - society["net_at_low"]).abs().to_numpy()
    assert (np.diff(widths) <= 1e-9).all()


def coverage(n_trials: int, n: int) -> np.ndarray:
    """Standardised errors of the three perspectives over trials of known truth."""
    z = []
    for seed in range(n_trials):
        trial = simulate_trial(n, seed=seed)
        net = ti.estimate_cost_benefit(trial.panel(), valuation(), horizon_days=182).net.set_index("perspective")
        benefit, work = (trial.truth.cumulative(name, 182) for name in ("on_benefit", "employed"))
        truth = np.array([10 * benefit + 32 * work, -10 * benefit + 8 * work - 50, 40 * work - 50])
        z.append((net["net"].to_numpy() - truth) / net["std_error"].to_numpy())
    return np.array(z)


def test_the_interval_has_the_scatter_of_trials() -> None:
    scatter_as_they_say(coverage(15, 400))


@pytest.mark.slow
def test_the_interval_covers_in_many_trials() -> None:
    z = coverage(500, 700)
    covered = (np.abs(z) < 1.96).mean(axis=0)
    assert (np.abs(covered - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 500)).all(), covered


def test_where_the_headline_is_stratified_so_is_the_worth() -> None:
    trial = simulate_ics_x(1_500, seed=3)
    analysis = ti.analyse_trial(trial.protocol, trial.tables)
    value = {"name": "a day", "outcome": "off_benefit", "per_day": {"value": 1.0, **DATED}, "to": {"society": 1}}
    found = ti.estimate_cost_benefit(analysis.panel, valuation(unit_values=[value]))
    effect = ti.estimate_cumulative(analysis.moments, "off_benefit", stratified=True).effect(730)
    assert found.ledger.estimate[0] == pytest.approx(effect.estimate)
    assert found.ledger.std_error[0] == pytest.approx(effect.std_error)
    states = ti.estimate_states(analysis.panel).cumulative[730]
    on_benefit = ti.estimate_cumulative(analysis.moments, "on_benefit", stratified=True).effect(730)
    assert states.estimate[:2].sum() == pytest.approx(on_benefit.estimate)


def test_what_is_not_known_has_no_probability() -> None:
    people = pd.DataFrame({"claimant_id": list("abcdef"), "arm": list("TTTCCC"), "index": 0, "team": list("xxxyyy")})
    spells = pd.DataFrame({"claimant_id": list("abcdef"), "kind": "a", "start": 0, "end": [2, 3, 4, 5, 6, 7]})
    panel = SmallTrial(people, spells, analysis={"clusters": "team"}).panel()
    value = {"name": "a day", "outcome": "a", "per_day": {"value": -1.0, **DATED}, "to": {"society": 1}}
    found = ti.estimate_cost_benefit(panel, valuation(unit_values=[value]))
    assert found.net["probability_positive"].isna().all()
    assert "probability of a gain not known" in found.sentences()[-1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"unit_values": []}, "unit_values"),
        ({"perspectives": ["society"]}, "not perspectives"),
        ({"discount_rate": 3.0}, "discount_rate"),
        ({"programme": {"per_start": {"value": 1.0, "source": "x"}, "to": {"society": -1}}}, "date"),
        ({"programme": {"per_start": {"value": 1.0, "low": 2.0, **DATED}, "to": {"society": -1}}}, "in order"),
        ({"unit": 1}, "unit"),
        ({"discount_rate": True}, "valid number"),
        ({"perspectives": ["participant", "exchequer", "society", "society"]}, "stands twice"),
        ({"perspectives": ["a/b"]}, "perspectives"),
        ({"discount_low": 0.5}, "in order"),
        (
            {
                "unit_values": [
                    {"name": "starts", "outcome": "a", "per_day": {"value": 1, **DATED}, "to": {"society": 1}}
                ]
            },
            "called",
        ),
        (
            {
                "unit_values": [
                    {"name": "a day", "outcome": "a", "per_day": {"value": -2, **DATED}, "to": {"society": -1}}
                ]
            },
            "both below 0",
        ),
        ({"perspectives": ["participant", "exchequer", "society", "charity"]}, "no `to` names 'charity'"),
    ],
)
def test_a_wrong_ledger_is_named(change: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        valuation(**change)


def test_what_cannot_be_valued_says_so(analysis: ti.TrialAnalysis, tmp_path: Path) -> None:
    value = {"name": "x", "outcome": "training", "per_day": {"value": 1.0, **DATED}, "to": {"society": 1}}
    with pytest.raises(ti.DesignError, match=r"'training'(.|\n)*on_benefit"):
        ti.estimate_cost_benefit(analysis.panel, valuation(unit_values=[value]))
    with pytest.raises(ti.DesignError, match="horizon"):
        ti.estimate_cost_benefit(analysis.panel, valuation(), horizon_days=500)
    with pytest.raises(ti.ProtocolError, match="cannot be read"):
        ti.read_valuation(tmp_path / "none.toml")
    for programme, says in (
        ({"to": {"exchequer": 1}}, "nobody pays the programme"),
        ({"to": {"exchequer": -100}}, "greater than or equal to -10"),
        ({"per_start": {"value": -900.0, **DATED}}, "a cost is from 0"),
    ):
        whole = valuation().programme.model_dump() | programme
        with pytest.raises(ValueError, match=says):
            valuation(programme=whole)
    text = (
        ti.valuation_template().replace('"..."', '"ours"').replace("per_day = { value = 0.0", "per_day = { value = 'x'")
    )
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(ti.ProtocolError, match="3 keys are wrong"):  # not a fourth: that the list has nothing
        ti.read_valuation(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_text("name = 'x'\n")
    with pytest.raises(ti.ProtocolError, match=r"keys? (is|are) wrong(.|\n)*currency"):
        ti.read_valuation(tmp_path / "x.toml")


def test_the_command_and_its_template(tmp_path: Path) -> None:
    done = run("cost-benefit", "--template")
    assert done.returncode == 0
    assert "per_day = { value = 0.0" in done.stdout
    (tmp_path / "values.toml").write_text(done.stdout)
    simulate_trial(300, seed=1).write(tmp_path)
    command = (
        "cost-benefit",
        tmp_path / "protocol.toml",
        "--values",
        tmp_path / "values.toml",
        "--out",
        tmp_path / "out",
    )
    refused = run(*command)
    assert refused.returncode == 2 and "the template is to be filled in" in refused.stderr
    (tmp_path / "values.toml").write_text(done.stdout.replace('"..."', '"ours"'))
    done = run(*command)
    assert done.returncode == 0, done.stderr
    assert "Society: net GBP 0" in done.stdout
    names = {path.name for path in (tmp_path / "out").rglob("*") if path.is_file()}
    assert {
        "net.csv",
        "lines.csv",
        "tornado.csv",
        "summary.md",
        "tornado_iap_society.png",
        "NOT_FOR_RELEASE.txt",
    } <= names
    assert run("cost-benefit").returncode == 2
