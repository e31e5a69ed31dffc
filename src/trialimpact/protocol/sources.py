"""Where the records are and how to read them: `[sources.claimants]`, `[sources.markers]`, spells."""

from __future__ import annotations

import datetime as dt
import re
from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from trialimpact.protocol.conditions import AnyDay, Day, Flag, Part, Whole, Words, as_day

FOLLOWED = "followed"
"""Every day that is followed, among the sources of an outcome."""

Status = Literal["valid", "exempt", "out_of_scope", "error"]


class Source(Part):
    """A table: its file, and which of its columns is which.

    `columns` maps the library's names to the table's; a name left out is the table's own name.
    """

    file: Words | None = Field(default=None, description="path relative to the protocol's folder")
    query: str | None = Field(
        default=None, description="SELECT for engines: the library's column names, days since 1970-01-01 in *_day"
    )
    columns: dict[str, str] = Field(default_factory=dict)
    date_format: str = Field(default="%Y-%m-%d", description='strptime format of text, or "days since 1960-01-01"')

    @model_validator(mode="after")
    def _reads_whole_dates(self) -> Self:
        if counted := re.fullmatch("days since ([0-9]{4}-[0-9]{2}-[0-9]{2})", self.date_format):
            as_day(counted[1])
            return self
        directives = set(re.findall("%(.)", self.date_format))
        whole = "j" in directives or ("d" in directives and directives & set("mbB"))
        if strange := sorted(directives - set("dmbBYyj")):
            raise ValueError(f"date_format: %{strange[0]} is no part of a day: %d, %m, %b, %B, %Y, %y and %j are")
        if not (whole and directives & set("Yy")):
            raise ValueError("date_format needs day, month and year, and no time, as in %d/%m/%Y")
        if len(re.findall("%[^%]", self.date_format)) > len(directives):
            raise ValueError("date_format says something twice")
        if len(set(self.columns.values())) < len(self.columns):
            raise ValueError("columns: two names stand for one column")
        for person in ("claimant_id", "birth_date"):
            if person not in self.columns and person in self.columns.values():
                raise ValueError(f"columns: {person} says who somebody is, and is no other column")
        return self


class ClaimantsSource(Source):
    """One row a person: any characteristics, and optionally digit, assigned_arm, index_date."""


class MarkersSource(Source):
    """One row a participant marker set by an office."""

    status_order: tuple[Status, ...] = Field(
        default=("exempt", "valid", "out_of_scope", "error"),
        description="a person's status is the first of these that any of their markers has",
    )

    @model_validator(mode="after")
    def _every_status_once(self) -> Self:
        if sorted(self.status_order) != ["error", "exempt", "out_of_scope", "valid"]:
            raise ValueError("status_order must name valid, exempt, out_of_scope and error once each")
        return self


class SpellSource(Source):
    """One row a spell on a benefit, in a job, ...; what the extract covers and how it writes ends."""

    end_date: Literal["last_day_included", "first_day_after"]
    covered_from: Day = Field(description="first day that the extract covers")
    extract_date: Day = Field(description="days before it are covered, the day itself is not")
    counted_codes: tuple[str, ...] = Field(default=(), description="codes that count; empty: no codes")
    ignored_codes: tuple[str, ...] = Field(default=(), description="codes known and left out")
    open_end_dates: tuple[AnyDay, ...] = Field(
        default=(dt.date(9999, 12, 31),), description="dates that mean 'not ended', as a blank does"
    )
    tax_year_defaults: Flag = Field(
        default=False, description="warn of starts on 6 April and ends on 5 April (P45 records)"
    )
    long_open_days: Whole = Field(default=3653, ge=0, description="warn of open spells that have run for longer")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.covered_from >= self.extract_date:
            raise ValueError("covered_from must be before extract_date")
        if covered := [each for each in self.open_end_dates if self.covered_from <= each < self.extract_date]:
            raise ValueError(f"open_end_dates: the source covers {covered[0]}, on which spells may truly end")
        if self.ignored_codes and not self.counted_codes:
            raise ValueError("ignored_codes without counted_codes would count every code: list counted_codes")
        both = sorted(set(self.counted_codes) & set(self.ignored_codes))
        if both:
            raise ValueError(f"codes both counted and ignored: {', '.join(both)}")
        return self


class Sources(Part):
    """`claimants`, `markers` (each optional, not both absent), and any number of spell sources."""

    model_config = ConfigDict(frozen=True, extra="allow")
    __pydantic_extra__: dict[str, SpellSource] = Field(init=False)

    claimants: ClaimantsSource | None = None
    markers: MarkersSource | None = None

    @property
    def spells(self) -> dict[str, SpellSource]:
        """The spell sources by name, in the protocol's order."""
        return dict(self.__pydantic_extra__)

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if self.claimants is None and self.markers is None:
            raise ValueError("give [sources.claimants], [sources.markers] or both")
        for name in self.spells:
            if not re.fullmatch("[a-z_][a-z0-9_]*", name) or name == FOLLOWED:
                raise ValueError(f"a source cannot be called {name!r}: lower-case words joined by _, not 'followed'")
        if not self.spells:
            raise ValueError("give at least one spell source, such as [sources.benefit]")
        return self
