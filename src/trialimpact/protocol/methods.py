"""What a protocol declares, before the records are read, about methods beside the main estimates."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat

from trialimpact.protocol.conditions import Part

Positive = Annotated[FiniteFloat, Field(gt=0)]


class Adjustment(Part):
    """Covariates of the adjusted estimates: days with the outcome before day 0, and characteristics."""

    pre_period: bool = Field(default=True, description="share of the followed days before day 0 with the outcome")
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


class States(Part):
    """Four states made of two unions of sources: only the first, both, only the second, neither."""

    first: tuple[str, ...] = Field(min_length=1, description="terms as in [[outcomes]]: source, or source:code")
    second: tuple[str, ...] = Field(min_length=1)
    labels: tuple[str, str, str, str] = Field(
        default=("first only", "both", "second only", "neither"), description="the states in print, in this order"
    )


STATE_NAMES = ("first_only", "both", "second_only", "neither")
"""The states in tables, in the order of their labels."""


class Durations(Part):
    """What counts as leaving for good."""

    sustained_days: int = Field(default=28, ge=1, le=36_525, description="off for this many days in a row")
