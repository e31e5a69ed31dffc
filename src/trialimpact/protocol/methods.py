"""What a protocol declares, before the records are read, about methods beside the main estimates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from trialimpact.protocol.conditions import MAX_DAYS, Flag, Name, Number, Part, Whole

Positive = Annotated[Number, Field(gt=0)]


class Adjustment(Part):
    """Covariates of the adjusted estimates: days with the outcome before day 0, and characteristics."""

    pre_period: Flag = Field(default=True, description="share of the followed days before day 0 with the outcome")
    characteristics: tuple[str, ...] = Field(default=(), description="names of [[characteristics]]")
    missing: Literal["indicator", "error"] = Field(
        default="indicator", description="the mean and an indicator stand for what is missing, or it is an error"
    )


class Family(Part):
    """Subgroup estimates whose p-values are adjusted together; an empty list means all of them."""

    name: str = Field(min_length=1)
    outcomes: tuple[str, ...] = ()
    contrasts: tuple[str, ...] = ()
    subgroups: tuple[str, ...] = ()


class State(Part):
    """Where a person is on a day: in a union of sources, and perhaps in another union too."""

    name: Name
    label: str = ""
    on: tuple[str, ...] = Field(min_length=1, description="terms as in [[outcomes]]: source, or source:code")
    and_on: tuple[str, ...] = Field(default=(), description="and in one of these on the same day")

    @property
    def words(self) -> str:
        """The label, or the name in words."""
        return self.label or self.name.replace("_", " ")

    @property
    def terms(self) -> tuple[str, ...]:
        """All terms."""
        return (*self.on, *self.and_on)


class States(Part):
    """States in order: on each day a person is in the first that holds, or in none of them, the rest."""

    in_order: tuple[State, ...] = Field(min_length=1)
    rest: str = Field(default="none of these", description="what the state of all others is called in print")

    @property
    def names(self) -> tuple[str, ...]:
        """The states in tables, the rest last."""
        return (*(state.name for state in self.in_order), REST)

    @property
    def labels(self) -> tuple[str, ...]:
        """The states in print, the rest last."""
        return (*(state.words for state in self.in_order), self.rest)

    @property
    def terms(self) -> tuple[str, ...]:
        """All terms; the common coverage of their sources is the follow-up of every state."""
        return tuple(dict.fromkeys(term for state in self.in_order for term in state.terms))


REST = "rest"
"""The state of those who are in none of the others."""


class Durations(Part):
    """What counts as leaving for good."""

    sustained_days: Whole = Field(default=28, ge=1, le=MAX_DAYS, description="off for this many days in a row")
