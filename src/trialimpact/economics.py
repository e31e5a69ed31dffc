"""Days -> money: what a programme is worth to participants, exchequer and society, by the user's values (M17).

No value is built in. A ledger of dated, sourced unit values is data; the interval comes from the joint covariance of
all its outcomes.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from trialimpact.errors import DesignError, of_its_kind, require_kind, worded
from trialimpact.estimators.confidence import wald_limits
from trialimpact.estimators.contrast import Floats, chosen
from trialimpact.estimators.ledger import Ledger, headline_ledger, joined, mean_ledger
from trialimpact.estimators.target import day_weights
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.protocol.conditions import Day, Name, Number, Part, Words
from trialimpact.toml import toml_data, toml_model, toml_text

DAYS_A_YEAR = 365.25
STARTS = "starts"
"""The column of the ledger that is not days: programme starts a person."""

MOST = 1e12
"""No amount is larger."""

Share = Annotated[Number, Field(ge=-10, le=10)]
"""1 is the whole; more is a weight, and a hundred a percentage."""

_UNFILLED = "..."


class Amount(Part):
    """A sum of money, when and where it comes from, and how low or high it may be."""

    value: Number = Field(ge=-MOST, le=MOST)
    low: Number | None = Field(default=None, ge=-MOST, le=MOST, description="for the tornado; default: the value")
    high: Number | None = Field(default=None, ge=-MOST, le=MOST)
    date: Day = Field(description="of the prices")
    source: Words

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.lowest <= self.value <= self.highest:
            raise ValueError("low, value and high must be in order")
        return self

    @property
    def lowest(self) -> float:
        """`low`, or the value."""
        return self.value if self.low is None else self.low

    @property
    def highest(self) -> float:
        """`high`, or the value."""
        return self.value if self.high is None else self.high


class UnitValue(Part):
    """What a day with an outcome is worth, to whom: 1 gains it, -1 pays it, 0 or absent is not concerned."""

    name: Words
    outcome: str
    per_day: Amount
    to: dict[str, Share] = Field(min_length=1, description="perspective = share of the value, negative: a cost")


class Programme(Part):
    """What the programme costs for each person who starts it."""

    per_start: Amount
    to: dict[str, Share] = Field(min_length=1, description="perspective = share; -1 pays it whole")
    starts: Number | None = Field(
        default=None, gt=0, le=1,
        description="starts a person of treatment beyond control; default: as markers say who received which arm",
    )  # fmt: skip


class Valuation(Part):
    """A ledger of unit values, from TOML."""

    name: Words
    currency: Words
    perspectives: tuple[Name, ...] = Field(min_length=1)
    discount_rate: Number = Field(ge=0, le=1, description="a year")
    discount_low: Number | None = Field(default=None, ge=0, le=1)
    discount_high: Number | None = Field(default=None, ge=0, le=1)
    programme: Programme
    unit_values: tuple[UnitValue, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        names = [each.name for each in self.unit_values]
        if len({*names, STARTS}) <= len(names):
            raise ValueError(f"two values have one name, or one is called {STARTS!r}, which is what the programme's is")
        if STARTS in {each.outcome for each in self.unit_values}:
            raise ValueError(f"an outcome cannot be called {STARTS!r} here")
        if len(set(self.perspectives)) < len(self.perspectives):
            raise ValueError("a perspective stands twice")
        low, high = (self.discount_rate if rate is None else rate for rate in (self.discount_low, self.discount_high))
        if not low <= self.discount_rate <= high:
            raise ValueError("discount_low, discount_rate and discount_high must be in order")
        for who, to in (("programme", self.programme.to), *((each.name, each.to) for each in self.unit_values)):
            if strangers := sorted(set(to) - set(self.perspectives)):
                raise ValueError(f"{who}: {strangers} are not perspectives")
        return self

    @model_validator(mode="after")
    def _is_filled_in(self) -> Self:
        """What would be an answer and no sense: a cost that nobody pays, the bare template."""
        if self.programme.per_start.lowest < 0:
            raise ValueError("programme.per_start: a cost is from 0; who pays it has a minus in `to`")
        if self.programme.per_start.highest > 0 and min(self.programme.to.values()) >= 0:
            raise ValueError("programme.to: nobody pays the programme: who does has a minus, as in exchequer = -1")
        named = {who for to in (self.programme.to, *(each.to for each in self.unit_values)) for who in to}
        if idle := [who for who in self.perspectives if who not in named]:
            raise ValueError(f"no `to` names {idle[0]!r}: give its share (0: it is not concerned), or leave it out")
        for each in self.unit_values:
            if each.per_day.highest < 0 and min(each.to.values()) < 0:
                raise ValueError(f"{each.name}: value and share are both below 0: a minus in `to` says who pays")
        amounts = (self.programme.per_start, *(each.per_day for each in self.unit_values))
        if _UNFILLED in (self.name, *(each.source for each in amounts)):
            raise ValueError(f"{_UNFILLED!r} stands where a name or a source belongs: the template is to be filled in")
        return self

    def discounting(self, rate: float, n_days: int) -> Floats:
        """What a unit of money on each day from day 0 is worth on day 0."""
        return np.asarray((1 + rate) ** (-np.arange(n_days) / DAYS_A_YEAR))


@of_its_kind
def read_valuation(path: str | Path) -> Valuation:
    """A ledger of unit values from a TOML file; `valuation_template` is one to fill in.

    Raises
    ------
    ProtocolError
        It is no such file; every wrong key is named.
    """
    whole, remedy = "the ledger of unit values", "`trialimpact cost-benefit --template` has every key"
    data = toml_data(toml_text(Path(path), whole), str(path))
    return toml_model(Valuation, data, where=str(path), whole=whole, remedy=remedy)


def valuation_template() -> str:
    """A ledger to fill in: every key, with no value of ours."""
    return (resources.files("trialimpact") / "economics.toml").read_text(encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CostBenefit:
    """Net benefit a person assigned to treatment, by perspective, to one horizon.

    Attributes
    ----------
    ledger : Ledger
        Discounted days of each outcome, then starts a person: estimates with influence values.
    columns : tuple of str
        What the ledger's estimates are.
    net : DataFrame
        `perspective`, `gross`, `cost`, `net`, `std_error`, `conf_low`, `conf_high`, `probability_positive`,
        `break_even_cost` (of a start).
    lines : DataFrame
        `value`, `perspective`, `of`, `quantity`, `amount`: what the net is made of.
    tornado : DataFrame
        `perspective`, `what`, `low`, `high`, `net_at_low`, `net_at_high`: one thing at a time, widest first.
    """

    protocol: TrialProtocol
    contrast: Contrast
    valuation: Valuation
    horizon_days: int
    ledger: Ledger
    columns: tuple[str, ...]
    net: pd.DataFrame
    lines: pd.DataFrame
    tornado: pd.DataFrame

    def sentences(self) -> list[str]:
        """What was found, in words."""
        found = []
        for row in self.net.to_dict("records"):
            money, over = f"{self.valuation.currency} {row['net']:,.0f}", f"over {self.horizon_days} days"
            told = f"{self.protocol.analysis.interval_words} {row['conf_low']:,.0f} to {row['conf_high']:,.0f}"
            found.append(
                f"{row['perspective'].capitalize()}: net {money} a person assigned {over} ({told}); "
                f"probability of a gain {_probability(row['probability_positive'])}"
                f"{self._break_even(row['break_even_cost'])}."
            )
        return found

    def _break_even(self, cost: float) -> str:
        pays = cost == cost  # who does not pay for starts has no cost at which it breaks even
        return f"; break-even cost of a start {self.valuation.currency} {cost:,.0f}" if pays else ""

    def to_frame(self) -> pd.DataFrame:
        """A row a perspective."""
        return self.net.copy()

    def __repr__(self) -> str:
        found = ", ".join(f"{row['perspective']} {row['net']:,.0f}" for row in self.net.to_dict("records"))
        unit = f"{self.valuation.currency} a person over {self.horizon_days} days"
        return f"CostBenefit({self.contrast.name}; {unit}: {found})"

    def _repr_html_(self) -> str:
        return self.net.round(2).to_html(index=False)


def _probability(value: float) -> str:
    return "not known" if np.isnan(value) else f"{value:.2f}"


@of_its_kind
def estimate_cost_benefit(
    panel: Panel,
    valuation: Valuation,
    contrast: str | Contrast | None = None,
    horizon_days: int | None = None,
) -> CostBenefit:
    """Net benefit a person assigned to treatment: days gained or lost, discounted, times what a day is worth.

    The estimand is by assignment: what those assigned to treatment gained over those assigned to control, less the
    cost of the starts that assignment brought about.

    Parameters
    ----------
    panel : Panel
        `analysis.panel`. Outcomes named by the values must be the protocol's.
    valuation : Valuation
    contrast
        As `estimate_cumulative`.
    horizon_days : int, optional
        Default: the protocol's longest.

    Returns
    -------
    CostBenefit

    Raises
    ------
    DesignError
        A value names no outcome of the trial; starts are neither given nor known from markers.

    Notes
    -----
    All outcomes and starts are one ledger of influence values, so the interval has their joint covariance; unit
    values are taken as known, and varied one at a time for the tornado. Source: methods page, M17; the cost-benefit
    framework of Fujiwara (2010). Cost: O(spells) an outcome.
    """
    require_kind(valuation, Valuation, "valuation", "give read_valuation(path)")
    protocol = panel.protocol
    _, contrast = chosen(protocol, protocol.outcomes[0].name, contrast)
    horizon = protocol.analysis.max_horizon if horizon_days is None else horizon_days
    if not 1 <= horizon <= protocol.analysis.max_horizon:
        says = f"the panel holds days up to horizon {protocol.analysis.max_horizon}, not {horizon}."
        raise DesignError(worded(says, remedy="set analysis.horizon_days"))
    columns = (*dict.fromkeys(each.outcome for each in valuation.unit_values), STARTS)
    if strangers := sorted(set(columns[:-1]) - set(panel.outcomes)):
        says = f"unit values name the outcome {strangers[0]!r}, which the trial does not have."
        raise DesignError(worded(says, remedy=f"name one of {sorted(panel.outcomes)}"))
    ledgers = {rate: _ledger(panel, contrast, valuation, columns, horizon, rate) for rate in _rates(valuation)}
    ledger = ledgers[valuation.discount_rate]
    return CostBenefit(
        protocol=protocol,
        contrast=contrast,
        valuation=valuation,
        horizon_days=horizon,
        ledger=ledger,
        columns=columns,
        net=_net(protocol, valuation, ledger, columns),
        lines=_lines(valuation, ledger, columns),
        tornado=_tornado(protocol, valuation, ledgers, columns),
    )


def _rates(valuation: Valuation) -> tuple[float, ...]:
    asked = (valuation.discount_rate, valuation.discount_low, valuation.discount_high)
    return tuple(dict.fromkeys(rate for rate in asked if rate is not None))


def _ledger(
    panel: Panel, contrast: Contrast, valuation: Valuation, columns: tuple[str, ...], horizon: int, rate: float
) -> Ledger:
    """Discounted days of each outcome, and starts a person."""
    weights = day_weights(panel.protocol, 0, horizon)
    weights[weights != 0] = valuation.discounting(rate, horizon)
    found = [headline_ledger(panel, panel.outcomes[name], contrast, weights) for name in columns[:-1]]
    return joined([*found, _starts(panel, contrast, valuation.programme)])


def _starts(panel: Panel, contrast: Contrast, programme: Programme) -> Ledger:
    """Starts of treatment a person: as the markers say, or as given (and then known for certain)."""
    if programme.starts is not None:
        zero = mean_ledger(panel, np.zeros(len(panel)), contrast)
        one = np.array([programme.starts])
        return Ledger(
            estimate=one, mean_treatment=one, mean_control=0 * one, n_treatment=zero.n_treatment,
            n_control=zero.n_control, influence=zero.influence,
        )  # fmt: skip
    if (panel.received < 0).all():
        remedy = "give starts in [programme]: starts a person of treatment beyond control"
        raise DesignError(worded("no marker says who started the programme.", remedy=remedy))
    treated = [panel.protocol.arms.index(arm) for arm in contrast.treatment]
    return mean_ledger(panel, np.isin(panel.received, treated).astype(float), contrast)


def _weights(valuation: Valuation, columns: tuple[str, ...], perspective: str, amounts: dict[str, float]) -> Floats:
    """What a unit of each column of the ledger is worth to somebody."""
    found = np.zeros(len(columns))
    for each in valuation.unit_values:
        found[columns.index(each.outcome)] += each.to.get(perspective, 0.0) * amounts[each.name]
    found[-1] = valuation.programme.to.get(perspective, 0.0) * amounts[STARTS]
    return found


def _central(valuation: Valuation) -> dict[str, float]:
    return {
        STARTS: valuation.programme.per_start.value,
        **{each.name: each.per_day.value for each in valuation.unit_values},
    }


def _net(protocol: TrialProtocol, valuation: Valuation, ledger: Ledger, columns: tuple[str, ...]) -> pd.DataFrame:
    from scipy.stats import norm

    weights = np.array([_weights(valuation, columns, who, _central(valuation)) for who in valuation.perspectives])
    net, covariance = ledger.of(weights)
    error = np.sqrt(np.diag(covariance))
    low, high = wald_limits(protocol, net, error)
    cost = weights[:, -1] * ledger.estimate[-1]
    shares = np.array([valuation.programme.to.get(who, 0.0) for who in valuation.perspectives])
    with np.errstate(invalid="ignore", divide="ignore"):
        break_even = np.where(shares != 0, (net - cost) / (-shares * ledger.estimate[-1]), np.nan)
        probability = np.select(
            [np.isnan(error), error > 0], [np.nan, norm.sf(-net / error)], np.where(net > 0, 1.0, 0.0)
        )
    return pd.DataFrame(
        {
            "perspective": list(valuation.perspectives), "gross": net - cost, "cost": -cost, "net": net,
            "std_error": error, "conf_low": low, "conf_high": high, "probability_positive": probability,
            "break_even_cost": break_even,
        }
    )  # fmt: skip


def _lines(valuation: Valuation, ledger: Ledger, columns: tuple[str, ...]) -> pd.DataFrame:
    days = dict(zip(columns, ledger.estimate, strict=True))
    named: list[tuple[str, str, dict[str, float], float]] = [
        (each.name, each.outcome, each.to, each.per_day.value) for each in valuation.unit_values
    ]
    named.append(("programme", STARTS, valuation.programme.to, valuation.programme.per_start.value))
    rows: list[dict[str, Any]] = []
    for name, column, to, amount in named:
        for who in valuation.perspectives:
            worth = to.get(who, 0.0) * amount * days[column]
            rows.append({"value": name, "perspective": who, "of": column, "quantity": days[column], "amount": worth})
    return pd.DataFrame(rows)


def _tornado(
    protocol: TrialProtocol, valuation: Valuation, ledgers: dict[float, Ledger], columns: tuple[str, ...]
) -> pd.DataFrame:
    """The net with one thing at its low and high: each value, the cost, the discount rate, the sampling of people."""
    central, ledger, rows = _central(valuation), ledgers[valuation.discount_rate], []
    ranges = {each.name: each.per_day for each in valuation.unit_values} | {STARTS: valuation.programme.per_start}
    for who in valuation.perspectives:
        for name, amount in ranges.items():
            ends = [
                float(_weights(valuation, columns, who, central | {name: end}) @ ledger.estimate)
                for end in (amount.lowest, amount.highest)
            ]
            what = "cost of a start" if name == STARTS else name
            rows.append((who, what, amount.lowest, amount.highest, *ends))
        weights = _weights(valuation, columns, who, central)
        lowest, highest = valuation.discount_low, valuation.discount_high
        rates = [valuation.discount_rate if rate is None else rate for rate in (lowest, highest)]
        rows.append((who, "discount rate", *rates, *(float(weights @ ledgers[rate].estimate) for rate in rates)))
        net, covariance = ledger.of(weights[None])
        limits = [float(each[0]) for each in wald_limits(protocol, net, np.sqrt(np.diag(covariance)))]
        rows.append((who, "sampling of people", np.nan, np.nan, *limits))
    frame = pd.DataFrame(rows, columns=["perspective", "what", "low", "high", "net_at_low", "net_at_high"])
    width = (frame["net_at_high"] - frame["net_at_low"]).abs()
    order = (
        frame.assign(width=width).sort_values(["perspective", "width"], ascending=[True, False], kind="stable").index
    )
    return frame.loc[order].reset_index(drop=True)
