"""`TrialProtocol`: everything about a trial that is decided before its records are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from trialimpact.errors import unknown_name
from trialimpact.protocol.conditions import MAX_DAYS, Condition, Day, Flag, Name, Number, Part, Whole
from trialimpact.protocol.consistency import columns_used, dates_used, problems_of, with_default_contrasts
from trialimpact.protocol.methods import Adjustment, Durations, Family, Positive, States
from trialimpact.protocol.sources import FOLLOWED, Sources, SpellSource

MANY_ARMS = 2
"""More arms on a side of a contrast are not listed in print."""

SIDES = ("treatment", "control")
"""What a contrast compares, in this order everywhere."""

MAX_SUBGROUPS = 1_000
"""Each has moments and estimates of its own, for every day of every outcome and contrast."""

Digit = Annotated[Whole, Field(ge=0, le=9)]
SmallSample = Literal["cr0", "hc2", "cr1"]
CumulativeInterval = Literal["wald", "accumulated"]
RoundingRule = Literal["whole_from_10", "one_decimal", "two_decimals", "none"]


class Allocation(Part):
    """How a person's assigned arm is known: from a digit, or from an `assigned_arm` column."""

    rule: Literal["digit", "assigned"]
    control: str
    arms: tuple[str, ...] = Field(default=(), description="every arm; with digits, the keys of digits")
    digits: dict[str, tuple[Digit, ...]] = Field(default_factory=dict)
    ratio: dict[str, Positive] = Field(
        default_factory=dict, description="designed shares of the arms, as in {control = 1, treatment = 2}"
    )


class Contrast(Part):
    """Treatment minus control; several arms on a side are pooled."""

    name: Name
    label: str = Field(default="", description="what the treatment side is called in print")
    treatment: tuple[str, ...] = Field(min_length=1)
    control: tuple[str, ...] = Field(min_length=1)

    @property
    def sides(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The arms of each side: treatment, then control, as in `SIDES`."""
        return self.treatment, self.control

    @property
    def treatment_words(self) -> str:
        """The treatment side in print: the label, its arms, or (of more than two) the name in words."""
        many = len(self.treatment) > MANY_ARMS
        return self.label or (self.name.replace("_", " ") if many else " + ".join(self.treatment))

    @property
    def control_words(self) -> str:
        """The control side in print: its arms, or how many there are."""
        many = len(self.control) > MANY_ARMS
        return f"{len(self.control)} arms pooled" if many else " + ".join(self.control)

    @model_validator(mode="after")
    def _arms_differ(self) -> Self:
        arms = [*self.treatment, *self.control]
        repeated = sorted({arm for arm in arms if arms.count(arm) > 1})
        if repeated:
            raise ValueError(f"contrast {self.name!r} names {repeated} twice: each arm stands once, on one side")
        return self


class Recruitment(Part):
    """The recruitment window, both days included, and the offices of the trial."""

    first_date: Day | None = None
    last_date: Day | None = None
    offices: tuple[str, ...] = Field(default=(), description="empty: every office")


class Identifiers(Part):
    """What `claimant_id` is. A NINO is validated, its digit kept, the rest dropped."""

    kind: Literal["opaque", "nino"] = "opaque"
    synthetic: Flag = Field(default=False, description="accept the never-issued prefix QQ")


class Index(Part):
    """Day 0: a given `index_date`, or the first day of the claim that the marker falls in."""

    rule: Literal["given", "claim_of_marker"]
    source: str | None = Field(default=None, description="the spell source that holds the claims")
    codes: tuple[str, ...] = Field(default=(), description="the benefit to match; empty: all counted")
    early_days: Whole = Field(default=0, ge=0, le=MAX_DAYS, description="a marker may precede the claim by this much")
    window_days: Whole = Field(default=28, ge=0, le=MAX_DAYS, description="and follow its start by this much")


class Outcome(Part):
    """A state that holds or not on each day: a union of sources, less a union of sources.

    A term is a source (`"benefit"`), one code of it (`"benefit:JSA"`), or `"followed"` (every
    followed day, so that `on = ["followed"], off = ["benefit"]` counts days off benefit).
    """

    name: Name
    label: str = Field(default="", description="completes 'days ...' and '% ...', as in: on benefit")
    on: tuple[str, ...] = Field(min_length=1)
    off: tuple[str, ...] = ()
    bridge_gap_days: Whole = Field(default=0, ge=0, le=MAX_DAYS, description="gaps up to this long count as on")

    @property
    def words(self) -> str:
        """The label, or the name in words."""
        return self.label or self.name.replace("_", " ")

    @property
    def terms(self) -> tuple[str, ...]:
        """All terms; the common coverage of their sources is its follow-up."""
        return (*self.on, *self.off)


class Subgroup(Part):
    """People who meet a condition; a person may be in several subgroups."""

    name: Name
    label: str = ""
    where: Condition

    @property
    def words(self) -> str:
        """The label, or the name in words."""
        return self.label or self.name.replace("_", " ")


class Eligibility(Part):
    """A condition of being in the trial, on day 0; who does not meet it, or not known to, is counted out."""

    name: Name
    label: str = Field(default="", description="completes 'Eligible: ...', as in: aged 18 to 29")
    where: Condition

    @property
    def words(self) -> str:
        """The label, or the name in words."""
        return self.label or self.name.replace("_", " ")


N = TypeVar("N", Outcome, Contrast, Subgroup)


class Level(Part):
    """One row of a characteristic that is given by conditions."""

    label: str
    where: Condition


class Characteristic(Part):
    """A row block of the balance table: a column of declared kind, or levels given by conditions."""

    name: str
    column: str | None = None
    kind: Literal["categorical", "numeric"] = "categorical"
    levels: tuple[Level, ...] = ()

    @model_validator(mode="after")
    def _one_definition(self) -> Self:
        if (self.column is None) == (not self.levels):
            raise ValueError("give either column or levels")
        return self


def _as_tuple(value: Any) -> Any:
    return (value,) if isinstance(value, int | str) else value


class Analysis(Part):
    """Windows, horizons, intervals, design of the standard errors."""

    horizon_days: Annotated[tuple[Annotated[Whole, Field(ge=1, le=MAX_DAYS)], ...], BeforeValidator(_as_tuple)] = Field(
        min_length=1, description="headline horizons: H means days 0 to H-1"
    )
    last_day: Whole | None = Field(
        default=None, le=MAX_DAYS, description="last daily row; default: longest horizon - 1"
    )
    pre_days: Whole = Field(default=0, ge=0, le=MAX_DAYS, description="days before the index day in the daily rows")
    conf_level: Number = Field(default=0.95, ge=0.5, le=0.9999)
    critical_value: Number | None = Field(default=None, gt=0, le=10, description="overrides the normal quantile")
    interval: Literal["wald", "newcombe"] = "wald"
    cumulative_interval: CumulativeInterval = "wald"
    small_sample: SmallSample = "hc2"
    strata: Annotated[tuple[str, ...], BeforeValidator(_as_tuple)] = ()
    headline: Literal["difference", "stratified"] = Field(
        default="difference", description="which estimate is said first; stratified where strata have unequal shares"
    )
    clusters: Annotated[str, StringConstraints(min_length=1)] | None = None
    cluster_variance: Literal["linear", "jackknife"] = "linear"
    products: Flag = Field(
        default=True,
        description="keep products of jumps: bands, tests of curves, sums of parts; false: long horizons, daily and "
        "cumulative estimates alone",
    )
    seed: Whole = Field(default=1, ge=0)

    @property
    def interval_words(self) -> str:
        """What its intervals are called in print."""
        z = f", z = {self.critical_value:g}" if self.critical_value is not None else ""
        return f"{100 * self.conf_level:g}% interval{z}"

    @property
    def max_horizon(self) -> int:
        """The longest horizon in days."""
        return max(self.horizon_days)

    @property
    def end_day(self) -> int:
        """First day after the daily rows."""
        return self.max_horizon if self.last_day is None else self.last_day + 1

    @model_validator(mode="after")
    def _window_holds_horizons(self) -> Self:
        if self.end_day < self.max_horizon:
            raise ValueError(f"last_day must be at least {self.max_horizon - 1}, the last day of the longest horizon")
        if self.headline == "stratified" and not self.strata:
            raise ValueError('headline = "stratified" needs strata')
        if self.cluster_variance == "jackknife" and self.clusters is None:
            raise ValueError('cluster_variance = "jackknife" needs clusters')
        if self.interval == "newcombe" and (self.strata or self.clusters or self.cumulative_interval == "accumulated"):
            raise ValueError('interval = "newcombe" is for unstratified, unclustered, not accumulated: use "wald"')
        return self


class Presentation(Part):
    """How numbers are printed in tables and figures; estimates themselves are never rounded."""

    rounding: RoundingRule = "one_decimal"


class TrialProtocol(Part):
    """A randomised trial and its analysis, as data.

    Build it from TOML with `TrialProtocol.from_toml`, or from a dictionary with
    `TrialProtocol.from_dict`. It is frozen; `with_analysis` makes a changed one.
    """

    name: str
    description: str = ""
    allocation: Allocation
    contrasts: tuple[Contrast, ...] = Field(default=(), description="default: see default_contrasts")
    default_contrasts: Literal["against_control", "pairwise"] = Field(
        default="against_control", description="where no contrasts are given: each arm against control, or every pair"
    )
    recruitment: Recruitment = Recruitment()
    identifiers: Identifiers = Identifiers()
    index: Index
    sources: Sources
    eligibility: tuple[Eligibility, ...] = Field(default=(), description="conditions of being in the trial, in order")
    outcomes: tuple[Outcome, ...] = Field(min_length=1)
    subgroups: tuple[Subgroup, ...] = Field(default=(), max_length=MAX_SUBGROUPS)
    characteristics: tuple[Characteristic, ...] = ()
    adjustment: Adjustment = Adjustment()
    families: tuple[Family, ...] = Field(
        default=(), description="default: all subgroups of one outcome and contrast are a family"
    )
    states: States | None = None
    durations: Durations = Durations()
    analysis: Analysis
    presentation: Presentation = Presentation()

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> TrialProtocol:
        """A protocol from a dictionary of the same shape; wrong keys are named in a `ProtocolError`."""
        from trialimpact.protocol.read import checked

        return checked(data, where="the protocol")

    @classmethod
    def from_toml(cls, path: str | Path) -> TrialProtocol:
        """Read a protocol file; a `ProtocolError` names the file, each wrong key, and the remedy."""
        from trialimpact.protocol.read import read_protocol

        return read_protocol(Path(path))

    @model_validator(mode="before")
    @classmethod
    def _default_contrasts(cls, data: Any) -> Any:
        return with_default_contrasts(data) if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        problems = problems_of(self)
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def with_analysis(self, **changes: Any) -> TrialProtocol:
        """A checked copy with other `[analysis]` keys: `with_analysis(small_sample="cr0")`."""
        from trialimpact.protocol.read import checked

        data = self.model_dump(by_alias=True, exclude_unset=True)
        return checked(
            {**data, "analysis": {**data["analysis"], **changes}}, where=f"with {', '.join(changes)} as asked"
        )

    @property
    def arms(self) -> tuple[str, ...]:
        """Every arm that the protocol knows, the control arm first."""
        named = [*self.allocation.digits, *self.allocation.arms]
        for contrast in self.contrasts:
            named += [*contrast.treatment, *contrast.control]
        return tuple(dict.fromkeys([self.allocation.control, *named]))

    @property
    def columns_used(self) -> tuple[str, ...]:
        """Columns of the claimants that conditions, characteristics, strata or clusters name."""
        return columns_used(self)

    @property
    def dates_used(self) -> tuple[str, ...]:
        """Columns of the claimants that conditions take as dates."""
        return dates_used(self)

    @property
    def designed_ratio(self) -> dict[str, float]:
        """What the design gives each arm, in parts: its digits, or `allocation.ratio`; empty if not known."""
        by_digits = {arm: float(len(digits)) for arm, digits in self.allocation.digits.items()}
        return by_digits if self.allocation.rule == "digit" else dict(self.allocation.ratio)

    @property
    def arms_are_declared(self) -> bool:
        """Whether an arm outside `arms` breaks a rule, or is merely not analysed."""
        return bool(self.allocation.arms or self.allocation.digits)

    @property
    def subgroup_names(self) -> tuple[str, ...]:
        """The name "all", and then the declared subgroups."""
        return ("all", *(subgroup.name for subgroup in self.subgroups))

    def outcome(self, name: str) -> Outcome:
        """The outcome of this name."""
        return _named("outcome", name, self.outcomes)

    def contrast(self, name: str) -> Contrast:
        """The contrast of this name."""
        return _named("contrast", name, self.contrasts)

    def subgroup_words(self, name: str) -> str:
        """The label of a subgroup, "All" for everyone."""
        return "All" if name == "all" else _named("subgroup", name, self.subgroups).words

    def sources_named(self, terms: tuple[str, ...]) -> dict[str, SpellSource]:
        """The spell sources that terms (`"benefit"`, `"benefit:JSA"`, `"followed"`) name."""
        names = dict.fromkeys(term.partition(":")[0] for term in terms)
        return {name: self.sources.spells[name] for name in names if name != FOLLOWED}


def _named(noun: str, name: str, among: tuple[N, ...]) -> N:
    for each in among:
        if each.name == name:
            return each
    raise unknown_name(noun, name, (each.name for each in among))
