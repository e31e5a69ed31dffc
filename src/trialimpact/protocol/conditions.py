"""The grammar of conditions: columns, ages, days with an outcome, and any_of, all_of, not.

A condition is data, read from the protocol; `groups.py` finds who meets it. Whoever has a missing
value is neither in a group nor in its complement.
"""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal, Self, TypeAlias, Union

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Strict,
    StringConstraints,
    Tag,
    model_validator,
)

Scalar: TypeAlias = bool | int | float | str


MAX_DAYS = 36_525
"""A hundred years: no window, horizon or gap is longer."""

NAME = re.compile("[a-z_][a-z0-9_]*")
"""What a name may be: it also stands in SQL and in the names of files."""
Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), AllowInfNan(False)]
Flag = Annotated[bool, Strict()]
"""TOML has types: `true` is no number, and "7" neither."""


Words = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$")]
"""Text on one line, of something."""


_ISO = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


def as_day(value: Any) -> Any:
    """A date, or text of one: a number is neither.

    >>> as_day("2020-01-31")
    datetime.date(2020, 1, 31)
    """
    if isinstance(value, str) and _ISO.fullmatch(value):
        return dt.date.fromisoformat(value)
    if isinstance(value, str | int | float):
        raise ValueError("a date is written as in 2020-01-31")
    return value


EARLIEST, LATEST = 1900, 2200
"""A protocol's dates lie in these years, but for those that stand for none."""


def _in_this_age(day: dt.date) -> dt.date:
    if not EARLIEST <= day.year <= LATEST:
        raise ValueError(f"the year is not in {EARLIEST}-{LATEST}")
    return day


AnyDay = Annotated[dt.date, BeforeValidator(as_day)]
Day = Annotated[AnyDay, AfterValidator(_in_this_age)]


class Part(BaseModel):
    """A piece of a protocol: frozen, and strict about keys it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Test(Part):
    """Exactly one of equals, one_of, between."""

    equals: Scalar | None = None
    one_of: tuple[Scalar, ...] | None = Field(default=None, min_length=1)
    between: tuple[Number, Number] | None = Field(default=None, description="both ends included")

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [self.equals is not None, self.one_of is not None, self.between is not None]
        if sum(given) != 1:
            raise ValueError("give exactly one of equals, one_of, between")
        if self.between is not None and self.between[0] > self.between[1]:
            raise ValueError("between: the first number must not exceed the second")
        return self

    @property
    def wanted(self) -> tuple[Scalar, ...]:
        """The values that are compared with."""
        if self.between is not None:
            return self.between
        if self.one_of is not None:
            return self.one_of
        return () if self.equals is None else (self.equals,)

    def in_words(self) -> str:
        """The test as the end of a sentence."""
        if self.between is not None:
            return f"is between {self.between[0]:g} and {self.between[1]:g} (both included)"
        if self.one_of is not None:
            return "is one of " + ", ".join(str(value) for value in self.one_of)
        return f"is {self.equals}"


class ColumnIs(Test):
    """A characteristic of the claimant passes a test."""

    column: str

    def in_words(self) -> str:
        """The condition as a clause."""
        return f"{self.column} {super().in_words()}"


class AgeTest(Test):
    """A test of whole years of age."""

    @model_validator(mode="after")
    def _ages_are_numbers(self) -> Self:
        if any(isinstance(value, str) for value in self.wanted):
            raise ValueError("an age is a number, not text")
        return self


class AgeIs(Part):
    """Whole years of age on the index date, from `birth_date`."""

    age_at_index: AgeTest

    def in_words(self) -> str:
        """The condition as a clause."""
        return f"age in whole years on the index date {self.age_at_index.in_words()}"


class DateTest(AgeTest):
    """A test of the age on a date that a column of the claimants gives."""

    date: str


class AgeOn(Part):
    """Whole years of age on a date of the claimant, as the first day on benefit, from `birth_date`."""

    age_on: DateTest

    def in_words(self) -> str:
        """The condition as a clause."""
        return f"age in whole years on {self.age_on.date} {self.age_on.in_words()}"


class DaysOn(Part):
    """An outcome, and the days of the claim on which it is looked at."""

    outcome: str
    from_day: Whole = Field(ge=-MAX_DAYS, le=MAX_DAYS)
    to_day: Whole = Field(
        ge=-MAX_DAYS, le=MAX_DAYS, description="the first day no longer looked at: [from_day, to_day)"
    )

    @model_validator(mode="after")
    def _some_days(self) -> Self:
        if self.from_day >= self.to_day:
            raise ValueError("from_day must come before to_day")
        return self


class AnyDays(Part):
    """The outcome holds on at least one day of [from_day, to_day); missing unless all are followed."""

    any_days: DaysOn

    def in_words(self) -> str:
        """The condition as a clause."""
        days, last = self.any_days, self.any_days.to_day - 1
        if last == days.from_day:
            return f"{days.outcome} on day {last}"
        return f"{days.outcome} on at least one of the days {days.from_day} to {last}"


class NumberOfDays(DaysOn):
    """The same, with how many of the days the outcome must hold."""

    between: tuple[Whole, Whole] = Field(description="both ends included")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if not 0 <= self.between[0] <= self.between[1]:
            raise ValueError("between: two numbers of days, the first not above the second")
        return self


class DaysBetween(Part):
    """The outcome holds on so many days of [from_day, to_day); missing unless all are followed."""

    days: NumberOfDays

    def in_words(self) -> str:
        """The condition as a clause."""
        days = self.days
        low, high = days.between
        return f"{days.outcome} on {low} to {high} of the days {days.from_day} to {days.to_day - 1}"


class AnyOf(Part):
    """At least one of the conditions holds."""

    any_of: tuple[Condition, ...] = Field(min_length=1)

    def in_words(self) -> str:
        """The condition as a clause."""
        return "(" + " or ".join(each.in_words() for each in self.any_of) + ")"


class AllOf(Part):
    """Every one of the conditions holds."""

    all_of: tuple[Condition, ...] = Field(min_length=1)

    def in_words(self) -> str:
        """The condition as a clause."""
        return "(" + " and ".join(each.in_words() for each in self.all_of) + ")"


class Not(Part):
    """The condition is known not to hold."""

    not_: Condition = Field(alias="not")

    def in_words(self) -> str:
        """The condition as a clause."""
        return f"not ({self.not_.in_words()})"


def _kind(value: Any) -> Literal["column", "age_at_index", "age_on", "any_days", "days", "any_of", "all_of", "not"]:
    given = value if isinstance(value, dict) else getattr(value, "model_fields_set", ())
    for kind in ("age_at_index", "age_on", "any_days", "days", "any_of", "all_of"):
        if kind in given:
            return kind
    return "not" if "not" in given or "not_" in given else "column"


Condition: TypeAlias = Annotated[
    Union[
        Annotated[ColumnIs, Tag("column")],
        Annotated[AgeIs, Tag("age_at_index")],
        Annotated[AgeOn, Tag("age_on")],
        Annotated[AnyDays, Tag("any_days")],
        Annotated[DaysBetween, Tag("days")],
        Annotated[AnyOf, Tag("any_of")],
        Annotated[AllOf, Tag("all_of")],
        Annotated[Not, Tag("not")],
    ],
    Discriminator(_kind),
]

for _model in (AnyOf, AllOf, Not):
    _model.model_rebuild()


def parts_of(condition: Condition) -> list[Condition]:
    """The condition and everything inside it, outermost first."""
    inner: tuple[Condition, ...] = ()
    if isinstance(condition, AnyOf):
        inner = condition.any_of
    elif isinstance(condition, AllOf):
        inner = condition.all_of
    elif isinstance(condition, Not):
        inner = (condition.not_,)
    return [condition, *(part for each in inner for part in parts_of(each))]
