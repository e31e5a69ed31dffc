"""Estimates, errors, limits and p-values against R: sandwich, estimatr, clubSandwich, AER, survival, multcomp, stats.

`against_r.R` gets claimants or claimant-days as CSV files, and finds the same numbers by its own packages. Where
the formula is the same they agree to 1e-9 of their size; where this library draws at random, to four standard errors
of so many draws. Skipped with a reason where there is no R, or a package of it is missing.

Debian: apt install r-base-core r-cran-{aer,clubsandwich,estimatr,multcomp,sandwich,survival}
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

import trialimpact as ti
from trialimpact.estimators.bands import DRAWS
from trialimpact.estimators.checks import independence, sample_ratio
from trialimpact.estimators.confidence import adjusted_p
from trialimpact.estimators.covariates import Covariates
from trialimpact.estimators.durations import EVENTS
from trialimpact.estimators.effects import Effects
from trialimpact.moments import Moments
from trialimpact.panel import Panel
from trialimpact.sample import TrialSample
from trialimpact.synthetic import simulate_trial

RSCRIPT = shutil.which("Rscript") or ""
SCRIPT = Path(__file__).with_name("against_r.R")
NO_PACKAGE = 3

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not RSCRIPT, reason="there is no R (Debian: apt install r-base-core)"),
    pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning"),
]

Found = dict[str, Any]
Ask = Callable[..., Found]


@pytest.fixture
def ask_r(tmp_path: Path) -> Ask:
    """What R finds for a question about some tables: arrays by name."""

    def ask(question: str, **tables: pd.DataFrame) -> Found:
        for name, table in tables.items():
            table.to_csv(tmp_path / f"{name}.csv", index=False)
        command = [RSCRIPT, "--vanilla", str(SCRIPT), question, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        if done.returncode == NO_PACKAGE:
            pytest.skip(done.stderr.strip().splitlines()[-1])
        assert done.returncode == 0, done.stderr
        found = pd.read_csv(tmp_path / "found.csv", float_precision="round_trip")
        return {str(name): rows["value"].to_numpy() for name, rows in found.groupby("name")}

    return ask


def same(found: Any, expected: Any, rel: float = 1e-9) -> None:
    """As large to 1e-9, or both 0 to rounding; something must be there to compare."""
    found, expected = np.ravel(np.asarray(found, dtype=float)), np.ravel(np.asarray(expected, dtype=float))
    assert found.size
    assert np.isfinite(expected).any()
    np.testing.assert_allclose(found, expected, rtol=rel, atol=1e-13)


def within_draws(found: Any, expected: Any, draws: int = DRAWS) -> None:
    """A share of so many random draws, to four standard errors (and a draw) of what integration gives."""
    found, expected = np.ravel(np.asarray(found, dtype=float)), np.ravel(np.asarray(expected, dtype=float))
    assert found.shape == expected.shape
    assert (np.abs(found - expected) < 4 * np.sqrt(expected * (1 - expected) / draws) + 1 / draws).all()


@dataclass(frozen=True)
class Trial:
    """A simulated trial of a few hundred, with teams and sites that mean nothing."""

    sample: TrialSample
    panel: Panel

    def moments(self, **analysis: Any) -> Moments:
        """Counted under these settings, which must not change the window, strata or clusters."""
        return ti.count_moments(self.under(**analysis))

    def under(self, **analysis: Any) -> Panel:
        """The panel under these settings."""
        return replace(self.panel, protocol=self.panel.protocol.with_analysis(**analysis))

    @property
    def treated(self) -> np.ndarray:
        """1 in treatment, 0 in control."""
        return self.panel.on_side(("IAP",)).astype(int)

    def days(self, outcome: str, first: int, end: int) -> pd.DataFrame:
        """Followed claimant-days: row, day, on, treated, team."""
        frame = self.panel.to_frame(outcome, range(first, end))
        frame = frame[frame["followed"]].assign(on=lambda rows: rows["on"].astype(int))
        row = frame["row"].to_numpy()
        team = self.sample.people["team"].to_numpy()
        return frame[["row", "day", "on"]].assign(treated=self.treated[row], team=team[row])

    def people(self, outcome: str, first: int, end: int) -> pd.DataFrame:
        """Days of each claimant within a range in which everybody is followed."""
        days = self.days(outcome, first, end)
        assert (days.groupby("row").size() == end - first).all()
        assert days["row"].nunique() == len(self.panel)
        columns = {"treated": self.treated, "site": self.sample.people["site"].to_numpy()}
        return pd.DataFrame({**columns, "days": days.groupby("row")["on"].sum().to_numpy()})


def simulated(n: int = 300, *, early: bool = False, design: dict[str, Any] | None = None, **analysis: Any) -> Trial:
    """The example trial; with an early extract follow-up differs between people and between outcomes."""
    trial, rng = simulate_trial(n, seed=11), np.random.default_rng(5)
    tables = {name: table.copy() for name, table in trial.tables.items()}
    people = tables["claimants"]
    tables["claimants"] = people.assign(
        team=rng.integers(100, 136, len(people)), site=rng.choice(list("xyz"), len(people))
    )
    protocol = trial.protocol.model_dump(by_alias=True, exclude_unset=True, mode="json")
    for source, day in (("benefit", "2015-09-20"), ("employment", "2015-09-15")):
        if early:
            protocol["sources"][source]["extract_date"] = day
            tables[source] = tables[source][tables[source]["start_date"] < day]
    protocol["characteristics"] += [{"name": name.title(), "column": name} for name in ("team", "site")]
    protocol["analysis"] |= {"pre_days": 30, "horizon_days": 28, "last_day": 28} | analysis
    records = ti.load_records(ti.TrialProtocol.from_dict(protocol | (design or {})), tables)
    sample = ti.build_sample(records)
    return Trial(sample, ti.build_panel(sample, ti.merge_spells(records)))


@pytest.fixture(scope="module")
def early() -> Trial:
    return simulated(early=True)


@pytest.fixture(scope="module")
def whole() -> Trial:
    return simulated(strata=["site"])


RULES = ("cr0", "cr1", "hc2")


def test_daily_shares_and_every_rule_of_errors(ask_r: Ask, early: Trial) -> None:
    """HC0, HC1 and HC2 of sandwich, HC2 of estimatr, on each day, before day 0 too; Wald limits and normal p."""
    for outcome in ("on_benefit", "employed"):
        rows = early.days(outcome, -30, 28)
        n_followed = rows.groupby("day").size()
        assert n_followed.min() < n_followed.max()
        found = ask_r("one_day", people=rows.rename(columns={"on": "y"}))
        for rule in RULES:
            daily = ti.estimate_daily(early.moments(small_sample=rule), outcome).between(-30, 27)
            same(daily.estimate, found["estimate"])
            same(daily.std_error, found[rule])
            same(daily.conf_low, found["estimate"] - 1.959963984540054 * found[rule])
            if rule == "hc2":
                same(daily.std_error, found["estimatr"])


def test_daily_errors_by_cluster(ask_r: Ask) -> None:
    """One day's regression clustered on teams, with R's usual correction (vcovCL, HC1)."""
    trial = simulated(early=True, clusters="team", small_sample="cr1")
    found = ask_r("one_day", people=trial.days("on_benefit", -30, 28).rename(columns={"on": "y"}))
    same(ti.estimate_daily(trial.moments(), "on_benefit").between(-30, 27).std_error, found["teams"])


def effects_of(counts: pd.DataFrame) -> list[Effects]:
    """Daily effects of a trial in which x1 of n1 in treatment and x2 of n2 in control are on, under Newcombe."""
    found = []
    for x1, n1, x2, n2 in counts.itertuples(index=False):
        people = pd.DataFrame({"arm": ["T"] * n1 + ["C"] * n2, "index": 0})
        people = people.assign(claimant_id=[f"p{i}" for i in range(n1 + n2)])
        on = np.r_[np.arange(n1) < x1, np.arange(n2) < x2]
        spells = people.loc[on, ["claimant_id"]].assign(kind="a", start=0, end=5)
        trial = SmallTrial(people, spells, analysis={"interval": "newcombe"})
        found.append(ti.estimate_daily(trial.moments(), "a", "t"))
    return found


def test_newcombes_limits_of_a_simulated_trial_and_at_the_edges(ask_r: Ask, early: Trial) -> None:
    """From R's one-sample score limits: everybody and nobody on, two people against many, one of one arm."""
    edges = pd.DataFrame(
        [(5, 5, 0, 4), (0, 3, 0, 7), (6, 6, 9, 9), (1, 2, 40, 90), (0, 1, 3, 4), (1, 150, 149, 150), (7, 20, 7, 20)],
        columns=["x1", "n1", "x2", "n2"],
    )
    of_edges = [effects.effect(2) for effects in effects_of(edges)]
    days = early.days("employed", -30, 28)
    rows = days.pivot_table(index="day", columns="treated", values="on", aggfunc=["sum", "count"])
    counts = pd.DataFrame({"x1": rows["sum", 1], "n1": rows["count", 1], "x2": rows["sum", 0], "n2": rows["count", 0]})
    daily = ti.estimate_daily(early.moments(interval="newcombe"), "employed").between(-30, 27)
    found = ask_r("shares", counts=pd.concat([edges, counts]))
    same([*(each.conf_low for each in of_edges), *daily.conf_low], found["low"])
    same([*(each.conf_high for each in of_edges), *daily.conf_high], found["high"])


def test_days_to_a_horizon_are_welchs_and_hc2(ask_r: Ask, whole: Trial) -> None:
    """Everybody followed: HC2 of days on treatment, and t.test's error, with normal limits; blocks by estimatr.

    The library's limits and p are normal, so R's t is used for its error and statistic alone.
    """
    for outcome in ("on_benefit", "employed"):
        for horizon in (14, 28):
            effect = ti.estimate_cumulative(whole.moments(), outcome).effect(horizon)
            found = ask_r("totals", people=whole.people(outcome, 0, horizon))
            same(effect.estimate, found["estimate"])
            same([effect.std_error] * 2, [*found["hc2"], *found["welch"]])
            same([effect.conf_low, effect.conf_high], [*found["low"], *found["high"]])
            same(effect.p_value, found["p"])
            blocked = ti.estimate_cumulative(whole.moments(), outcome, stratified=True).effect(horizon)
            same([blocked.estimate, blocked.std_error], [*found["blocked"], *found["blocked_error"]])


def test_claimant_days_clustered_on_claimants(ask_r: Ask, early: Trial) -> None:
    """Unequal follow-up: the saturated regression's covariance of all days, and of their sum to every horizon."""
    found = ask_r("saturated", days=early.days("on_benefit", 0, 28))
    for rule in RULES:
        moments, expected = early.moments(small_sample=rule), found[rule].reshape(28, 28)
        days = ti.estimate_covariance(moments, "on_benefit")
        same(days.estimate, found["estimate"])
        same(days.covariance, expected)
        total = ti.estimate_cumulative(moments, "on_benefit").effect(28)
        same([total.estimate, total.std_error], [found["estimate"].sum(), np.sqrt(expected.sum())])


def test_claimant_days_clustered_on_teams(ask_r: Ask) -> None:
    """Without a correction, with G/(G-1), with R's usual one; and the jackknife in three ways.

    Leaving a team out is HC3 of vcovCL without its cluster adjustment, (G-1)/G times clubSandwich's CR3, and R's own
    regression without each team in turn.
    """
    trial = simulated(early=True, clusters="team")
    found = ask_r("saturated", days=trial.days("on_benefit", 0, 28))
    for rule in RULES:
        moments, expected = trial.moments(small_sample=rule), found[f"teams_{rule}"].reshape(28, 28)
        same(ti.estimate_covariance(moments, "on_benefit").covariance, expected)
        same(ti.estimate_cumulative(moments, "on_benefit").effect(28).std_error, np.sqrt(expected.sum()))
    moments = trial.moments(cluster_variance="jackknife")
    covariance = ti.estimate_covariance(moments, "on_benefit").covariance
    for way in ("teams_jackknife", "club", "left_out"):
        same(covariance, found[way])
    total = ti.estimate_cumulative(moments, "on_benefit").effect(28).std_error
    same(total, np.sqrt(found["left_out"].sum()))


DESIGN = {"adjustment": {"characteristics": ["Age", "Children"]}}


def covariates_of(trial: Trial, outcome: str) -> tuple[Covariates, pd.DataFrame]:
    """The covariates, and as columns x1, x2, ... by row."""
    found = ti.build_covariates(trial.panel, outcome, trial.sample, {})
    assert found.matrix.shape[1] == 4
    names = [f"x{place}" for place in range(1, found.matrix.shape[1] + 1)]
    return found, pd.DataFrame(found.matrix, columns=names)


def test_adjusted_days_are_lins(ask_r: Ask) -> None:
    """Unequal follow-up: lm_lin on each day; days to a horizon from one regression, clustered on claimants."""
    trial = simulated(early=True, design=DESIGN)
    covariates, columns = covariates_of(trial, "employed")
    days = trial.days("employed", 0, 28)
    found = ask_r(
        "adjusted",
        days=pd.concat([days.reset_index(drop=True), columns.iloc[days["row"]].reset_index(drop=True)], axis=1),
    )
    for rule in RULES:
        adjusted = ti.estimate_adjusted(trial.under(small_sample=rule), covariates, "employed")
        daily, total = adjusted.daily.between(0, 27), adjusted.cumulative.effect(28)
        same(daily.estimate, found["estimate"])
        same(daily.std_error, found[rule])
        same(total.estimate, found["sum"])
        if rule == "hc2":
            same(daily.std_error, found["sandwich"])
        else:
            same(total.std_error, found[f"sum_{rule}"])


def test_adjusted_days_of_everybody_under_hc2(ask_r: Ask) -> None:
    """m/(m - 1 - k) on each side is HC1 of that side's own regression on centred covariates."""
    trial = simulated(design=DESIGN)
    covariates, columns = covariates_of(trial, "on_benefit")
    found = ask_r("adjusted_totals", people=pd.concat([trial.people("on_benefit", 0, 28), columns], axis=1))
    effect = ti.estimate_adjusted(trial.panel, covariates, "on_benefit").cumulative.effect(28)
    same([effect.estimate, effect.std_error], [*found["estimate"], *found["hc2"]])


def test_the_effect_of_receipt_is_two_stage_least_squares(ask_r: Ask, whole: Trial) -> None:
    """estimatr's and AER's HC0; under hc2 the HC2 of what is left unexplained; both ends of the Anderson-Rubin set."""
    people, rng = whole.people("on_benefit", 0, 28), np.random.default_rng(3)
    received = (whole.treated == 1) ^ (rng.random(len(people)) < 0.25)
    people["received"] = received.astype(int)
    results = {
        rule: ti.estimate_compliance(whole.under(small_sample=rule), "on_benefit", horizon_days=28, received=received)
        for rule in ("cr0", "hc2")
    }
    kept = results["hc2"].anderson_rubin
    assert kept.kind == "interval"
    found = ask_r("receipt", people=people, ends=pd.DataFrame({"value": [kept.low, kept.high]}))
    for rule, result in results.items():
        same(result.cace, [*found["cace"], *found[rule]])
    same(results["cr0"].cace[1], found["older"])
    ledger = results["hc2"].ledger
    same([ledger.estimate[1], ledger.std_error[1]], [*found["receipt"], *found["receipt_error"]])
    same(found["ends"], np.repeat(found["z95"], 2))


def curves_of(found: ti.estimators.Durations, side: str, expected: Found) -> None:
    """The product-limit on every day that R has, with its log-log limits where there are any."""
    curve = found.curves[side].query("day > 0")
    for column in ("day", "n_at_risk", "n_events", "estimate"):
        same(curve[column], expected[f"{side} {column}"])
    for column in ("conf_low", "conf_high"):
        limits, theirs = curve[column].to_numpy(), expected[f"{side} {column}"]
        known = np.isfinite(theirs)
        same(limits[known], theirs[known])
        assert (curve["estimate"][~known] == 1).all(), "R has no limits before anybody leaves"


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize("followed", ["unequally", "to the end"])
def test_durations_are_those_of_survival(ask_r: Ask, followed: str, event: str) -> None:
    """Kaplan-Meier, log-log limits, log-rank and Cox (Efron), with waits found day by day; restricted means of all."""
    trial = simulated(400, early=followed == "unequally", horizon_days=91, last_day=139)
    asked = pd.DataFrame({"event": [event], "gap": 28, "horizon": 91})
    expected = ask_r("survival", days=trial.days("on_benefit", 0, 140), asked=asked)
    found = ti.estimate_durations(trial.panel, "on_benefit", None, event)
    for side in ("treatment", "control"):
        curves_of(found, side, expected)
    same(found.log_rank, expected["log_rank"])
    same(found.hazard_ratio, expected["cox"])
    if followed == "to the end" and event == "first_exit":
        entry = found.restricted[91]
        same([entry.mean_treatment[0], entry.mean_control[0]], [*expected["treatment mean"], *expected["control mean"]])


def without_ties(seed: int) -> tuple[Panel, pd.DataFrame]:
    """Eighty people, of whom no two leave on one day, and their days; those still on at day 59 are censored."""
    rng, n = np.random.default_rng(seed), 80
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": rng.choice(["T", "C"], n), "index": 0})
    people = people.assign(team=rng.integers(100, 136, n))
    ends = 1 + rng.permutation(n)
    spells = people[["claimant_id"]].assign(kind="a", start=0, end=np.where(ends < 59, ends, ends + 1))
    covered = {"a": (-50, 60), "b": (-50, 60)}
    panel = SmallTrial(people, spells, covered, horizon=60, analysis={"clusters": "team"}).panel()
    days = panel.to_frame("a", range(60))
    row = days["row"].to_numpy()
    treated, team = panel.on_side(("T",))[row].astype(int), panel.cluster[row]
    return panel, days[["row", "day"]].assign(on=days["on"].astype(int), treated=treated, team=team)


FIRST_EXIT = {"event": ["first_exit"], "gap": 28, "horizon": 60}


def test_cox_errors_by_cluster_where_no_two_leave_on_one_day(ask_r: Ask) -> None:
    """The robust error of coxph with a cluster, without ties."""
    panel, days = without_ties(5)
    expected = ask_r("survival", days=days, asked=pd.DataFrame(FIRST_EXIT))
    assert max(expected["treatment n_events"].max(), expected["control n_events"].max()) == 1
    same(ti.estimate_durations(panel, "a", "t").hazard_ratio[:2], expected["teams"])


def test_cox_with_next_to_no_effect(ask_r: Ask) -> None:
    """Newton's steps are taken to their end: the ratio is next to one, where a rule of few steps would stop early."""
    panel, days = without_ties(4)
    expected = ask_r("survival", days=days, asked=pd.DataFrame(FIRST_EXIT))
    same(ti.estimate_durations(panel, "a", "t").hazard_ratio[0], expected["cox"][0])


def test_cox_errors_by_cluster_where_many_leave_on_one_day(ask_r: Ask) -> None:
    """Efron's residuals share a day's events among its ties, in whatever order the rows come."""
    trial = simulated(400, clusters="team", horizon_days=91, last_day=139)
    expected = ask_r("survival", days=trial.days("on_benefit", 0, 140), asked=pd.DataFrame(FIRST_EXIT))
    same(ti.estimate_durations(trial.panel, "on_benefit").hazard_ratio[:2], expected["teams"])


def made_up(n: int = 240) -> pd.DataFrame:
    """People with a region, a score and a band, some of them missing; one spell each from day 0."""
    rng = np.random.default_rng(8)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": rng.choice(["T", "C"], n), "index": 0})
    people = people.assign(region=rng.choice(["N", "S", "W"], n), band=rng.choice(["old", "young"], n))
    people = people.assign(score=rng.normal(np.where(people["arm"] == "T", 5.3, 5), 2.0), end=rng.integers(1, 12, n))
    people.loc[rng.random(n) < 0.1, "region"] = None
    people.loc[rng.random(n) < 0.1, "score"] = np.nan
    return people


def small_trial(people: pd.DataFrame, **more: Any) -> SmallTrial:
    """Their trial."""
    spells = people[["claimant_id", "end"]].assign(kind="a", start=0)
    return SmallTrial(people.drop(columns="end"), spells, more=more)


def test_balance(ask_r: Ask) -> None:
    """Two proportions (prop.test), Welch's statistic, pooled standardised differences, and a Wald test of all."""
    people = made_up()
    characteristics = [{"name": "region", "column": "region"}, {"name": "score", "column": "score", "kind": "numeric"}]
    trial = small_trial(people, characteristics=characteristics)
    records = ti.load_records(trial.protocol, trial.tables)
    rows = ti.estimate_balance(ti.build_sample(records), ti.merge_spells(records)).to_frame()
    asked = people[["region", "score"]].assign(treated=(people["arm"] == "T").astype(int))
    found = ask_r("balance", people=asked)
    numbers = rows[["difference", "standardised_difference", "statistic", "p_value"]]
    same(numbers[rows["kind"] == "categorical"], found["levels"])
    same(numbers[rows["kind"] == "numeric"], found["mean"])
    same(rows.loc[rows["kind"] == "joint", ["statistic", "df", "p_value"]], found["joint"])


TWO_ARMS = [
    (480, 519, 0.5),
    (3, 12, 0.5),
    (0, 9, 0.4),
    (5720, 6423, 0.5),
    (700, 301, 2 / 3),
    (1, 1, 0.5),
    (30, 8, 0.75),
]
THREE_ARMS = [
    (100, 120, 95, 1, 1, 1),
    (400, 190, 230, 2, 1, 1),
    (2, 7, 3, 1, 1, 1),
    (9, 1, 1, 2, 1, 1),
    (5, 0, 2, 1, 2, 3),
]
TABLES = [
    (30, 270, 51, 249),
    (0, 5, 3, 4),
    (3, 9, 4, 2),
    (1, 40, 7, 30),
    (2, 198, 9, 191),
    (12, 5, 5, 12),
    (6, 0, 0, 3),
]
WIDE = [(20, 31, 45, 25, 30, 19), (1, 4, 7, 5, 2, 1), (0, 3, 9, 4, 6, 2)]


def test_checks_of_counts(ask_r: Ask) -> None:
    """chisq.test, binom.test and fisher.test; where p is drawn, all outcomes enumerated or R's own draws.

    Of the wide tables both p-values are drawn, ours 9,999 times and R's 100,000: as one of 9,000 draws.
    """
    tables: dict[str, Any] = {"two_arms": TWO_ARMS, "three_arms": THREE_ARMS, "tables": TABLES, "wide": WIDE}
    found = ask_r("counts", **{name: pd.DataFrame(rows) for name, rows in tables.items()})
    pearson = {name: found[name].reshape(-1, 2) for name in ("ratio", "three", "pearson", "wide")}
    ratios = [dict(zip("TC", row[:2], strict=True)) for row in TWO_ARMS]
    designs = [{"T": share, "C": 1 - share} for *_, share in TWO_ARMS]
    checks = [sample_ratio(*each) for each in zip(ratios, designs, strict=True)]
    two = [(each.statistic, each.p_value, each.test) for each in checks]
    of_three = [[dict(zip("TUC", part, strict=True)) for part in (row[:3], row[3:])] for row in THREE_ARMS]
    checks = [sample_ratio(*each) for each in of_three]
    three = [(each.statistic, each.p_value, each.test) for each in checks]
    square, wide = (
        [independence(np.array(row, dtype=float).reshape(2, -1)) for row in rows] for rows in (TABLES, WIDE)
    )
    families = {
        "ratio": (two, found["binomial"]),
        "three": (three, found["exact"]),
        "pearson": ([(statistic, p, test) for statistic, _, p, test in square], found["fisher"]),
        "wide": ([(statistic, p, test) for statistic, _, p, test in wide], found["drawn"]),
    }
    for name, (ours, other) in families.items():
        for (statistic, p, test), (chi_square, p_chi_square), p_other in zip(ours, pearson[name], other, strict=True):
            same(statistic, chi_square)
            if test == "simulated":
                within_draws(p, p_other, 99_999 if name == "three" else 9_000)
            else:
                same(p, p_chi_square if test == "chi-square" else p_other)
    seen = {test for ours, _ in families.values() for *_, test in ours}
    assert seen == {"chi-square", "exact binomial", "simulated", "fisher exact"}


def test_days_followed(ask_r: Ask, early: Trial) -> None:
    """The check of follow-up is Welch's statistic of days followed, p normal."""
    days = early.days("on_benefit", 0, 28).groupby("row").size()
    followed = days.reindex(range(len(early.panel)), fill_value=0).to_numpy()
    site = early.sample.people["site"].to_numpy()
    found = ask_r("totals", people=pd.DataFrame({"treated": early.treated, "days": followed, "site": site}))
    checks = ti.estimate_integrity(early.sample, early.panel).to_frame().query("check == 'follow_up'")
    check = checks[checks["where"] == "iap, on_benefit"]
    same(check[["statistic", "p_value"]], [*found["statistic"], *found["p"]])


def test_several_arms_are_dunnetts_and_tukeys(ask_r: Ask) -> None:
    """multcomp on HC2: estimates, errors and Holm exactly; joint p and the critical value, which are drawn, closely.

    A joint p and the coverage of the critical value are shares of 10,000 draws.
    """
    rng, n = np.random.default_rng(2), 360
    arm = np.array(["T", "U", "C"])[rng.permutation(n) % 3]
    ends = np.minimum(rng.geometric(np.select([arm == "T", arm == "U"], [0.135, 0.115], 0.1)), 40)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": 0})
    spells = people[["claimant_id"]].assign(kind="a", start=0, end=ends)
    families = {}
    for name, kind in (("dunnett", "against_control"), ("tukey", "pairwise")):
        more: dict[str, Any] = {"default_contrasts": kind}
        trial = SmallTrial(
            people, spells, arms=("T", "U", "C"), horizon=28, more=more, analysis={"small_sample": "hc2"}
        )
        families[name] = ti.estimate_arms(trial.panel(), "a")
    critical = {name: pd.DataFrame({"critical": [family.critical]}) for name, family in families.items()}
    asked = pd.DataFrame({"arm": arm, "days": np.minimum(ends, 28)})
    found = ask_r("arms", people=asked, **critical)
    for name, family in families.items():
        rows = family.to_frame()
        same(np.abs(rows["estimate"]), np.abs(found[f"{name} estimate"]))
        same(rows["std_error"], found[f"{name} error"])
        same(rows["p_holm"], found[f"{name} holm"])
        within_draws(rows["p_joint"], found[f"{name} joint"])
        within_draws(found[f"{name} covered"], 0.95)


def test_bands_hold_all_days_together(ask_r: Ask) -> None:
    """The chance, by mvtnorm, that all days lie within the critical value; the largest |z| exactly, its p closely."""
    trial = simulated(early=True, horizon_days=16, last_day=16, small_sample="cr0")
    bands = ti.estimate_bands(trial.moments(), "on_benefit", days=(5, 15))
    asked = pd.DataFrame({"first": [5], "daily": bands.daily.critical, "cumulative": bands.cumulative.critical})
    found = ask_r("bands", days=trial.days("on_benefit", 0, 16), asked=asked)
    for name, band in (("daily", bands.daily), ("cumulative", bands.cumulative)):
        covered, statistic, p = found[name]
        within_draws(covered, 0.95)
        same(band.sup_statistic, statistic)
        within_draws(band.sup_p_value, p)


def test_digits(ask_r: Ask) -> None:
    """oneway.test within the digits of each arm, added up; and the estimate under all 252 splits."""
    trial = simulated(400)
    people = trial.people("employed", 0, 28).rename(columns={"days": "y"}).assign(digit=trial.panel.digit)
    placebo = ti.estimate_placebo(trial.panel, "employed", horizon_days=28)
    found = ask_r("digits", people=people)
    alike = placebo.homogeneity
    same([alike.statistic, alike.df, alike.p_value], found["alike"])
    splits = placebo.randomisation
    same([splits.observed, placebo.p_value], [*found["observed"], *found["p"]])
    same(splits.estimates.std(ddof=1), found["spread"])


def test_before_the_trial(ask_r: Ask) -> None:
    """Hotelling's F of four quarters with unequal variances, and Welch's error of the whole pre-period."""
    trial = simulated(pre_days=364)
    quarters = {f"q{k}": trial.people("employed", -91 * k, -91 * (k - 1))["days"] / 91 for k in (1, 2, 3, 4)}
    found = ask_r("before", people=trial.people("employed", -364, 0).assign(**quarters))
    before = ti.estimate_pretrend(trial.moments(), "employed")
    same([before.wald.statistic, before.wald.df, before.wald.p_value], found["wald"])
    same([before.days, before.std_error, before.p_value], found["total"])


GROUPS = {"north": ("region", "N"), "south": ("region", "S"), "young": ("band", "young")}


def test_groups_against_their_complements(ask_r: Ask) -> None:
    """Overlapping groups with missing values: effects, differences, Holm and Benjamini-Hochberg, and the joint test."""
    people = made_up()
    subgroups = [{"name": name, "where": {"column": column, "equals": x}} for name, (column, x) in GROUPS.items()]
    found = ti.estimate_heterogeneity(small_trial(people, subgroups=subgroups).panel(), "a", "t")
    asked = pd.DataFrame(
        {"row": range(len(people)), "treated": (people["arm"] == "T").astype(int), "days": people["end"]}
    )
    for name, (column, value) in GROUPS.items():
        asked[f"g_{name}"] = (people[column] == value).astype(int).where(people[column].notna())
    expected = ask_r("groups", people=asked)
    rows, joint = found.to_frame(), found.joint
    for column in set(expected) - {"joint"}:
        same(rows[column], expected[column])
    same([joint.statistic, joint.df, joint.p_value], expected["joint"])


def test_adjusted_p_values(ask_r: Ask) -> None:
    """p.adjust, with ties, zeros, ones and values that are not known."""
    rng = np.random.default_rng(1)
    families = [[0.04], [0.0, 1.0, 0.5, 0.5], [0.01, np.nan, 0.03, 0.02, np.nan], [0.02] * 5, rng.random(60) ** 3]
    asked = pd.concat([pd.DataFrame({"family": place, "p": p}) for place, p in enumerate(families)])
    found = ask_r("adjusted_p", p_values=asked)
    for method in ("holm", "fdr_bh"):
        same(np.concatenate([adjusted_p(np.array(p), method) for p in families]), found[method])
