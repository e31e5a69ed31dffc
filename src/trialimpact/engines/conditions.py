"""Conditions -> SQL: 1 in, 0 out, -1 not known, as `groups.py` finds members in memory."""

from __future__ import annotations

from collections.abc import Iterator

from trialimpact.engines.sources import stored
from trialimpact.engines.words import Step, among, as_text, both, flag, table, whole
from trialimpact.groups import IN, MISSING, OUT
from trialimpact.protocol import Condition, TrialProtocol
from trialimpact.protocol.conditions import AgeIs, AllOf, AnyDays, AnyOf, ColumnIs, DaysOn, Not, Test
from trialimpact.protocol.consistency import condition_parts
from trialimpact.spells import coverage_of

CIVIL_OFFSET = 719_468
"""Days from 1 March of year 0 to 1970-01-01."""


def condition_steps(protocol: TrialProtocol) -> Iterator[Step]:
    """`ti_described`: the part's claimants with their age, and for each `any_days` whether a day is on."""
    columns, joins = ["p.*"], []
    for place, each in enumerate(_days_asked(protocol)):
        name, low, high = f"ti_days_{place}", f"p.index_day + ({each.from_day})", f"p.index_day + ({each.to_day})"
        begun = f"coalesce(sum(case when j.day <= {low} then j.step else 0 end), 0)"
        later = f"coalesce(sum({flag(f'j.step = 1 and j.day > {low} and j.day < {high}')}), 0)"
        yield table(
            name,
            f"""
            select j.cid, {flag(f"{begun} + {later} > 0")} as is_on
            from ti_jumps_{each.outcome} j inner join ti_part p on p.cid = j.cid group by j.cid
            """,
        )
        covered_from, extract = coverage_of(protocol, protocol.outcome(each.outcome).terms)
        known = f"{low} >= {covered_from} and {high} <= {extract}"
        columns.append(f"case when {known} then coalesce(d{place}.is_on, 0) else {MISSING} end as days_{place}")
        joins.append(f"left join {name} d{place} on d{place}.cid = p.cid")
    part = "ti_part"
    if any(isinstance(each, AgeIs) for each in condition_parts(protocol)):
        yield table("ti_aged", _ages())
        part = "ti_aged"
    yield table("ti_described", f"select {', '.join(columns)}\nfrom {part} p\n" + "\n".join(joins))


def _days_asked(protocol: TrialProtocol) -> list[DaysOn]:
    """The distinct `any_days` of the protocol; the place of each is in the name of its column."""
    asked = (part.any_days for part in condition_parts(protocol) if isinstance(part, AnyDays))
    return list(dict.fromkeys(asked))


def membership(protocol: TrialProtocol, condition: Condition) -> str:
    """1, 0 or -1, from the columns of `ti_described`."""
    if isinstance(condition, ColumnIs):
        return _column(condition)
    if isinstance(condition, AgeIs):
        return f"case when age is null then {MISSING} when {_numeric('age', condition.age_at_index)} then 1 else 0 end"
    if isinstance(condition, AnyDays):
        return f"days_{_days_asked(protocol).index(condition.any_days)}"
    if isinstance(condition, AnyOf | AllOf):
        parts = condition.any_of if isinstance(condition, AnyOf) else condition.all_of
        decisive = IN if isinstance(condition, AnyOf) else OUT
        found = [membership(protocol, part) for part in parts]
        decided, unknown = (" or ".join(f"({each}) = {value}" for each in found) for value in (decisive, MISSING))
        return f"case when {decided} then {decisive} when {unknown} then {MISSING} else {1 - decisive} end"
    assert isinstance(condition, Not), "refused before"  # noqa: S101
    inside = membership(protocol, condition.not_)
    return f"case ({inside}) when {IN} then {OUT} when {OUT} then {IN} else {MISSING} end"


def _column(condition: ColumnIs) -> str:
    if not any(isinstance(value, str) for value in condition.wanted):
        name = f"n_{condition.column}" if stored(condition.column) != condition.column else condition.column
        return f"case when {name} is null then {MISSING} when {_numeric(name, condition)} then 1 else 0 end"
    text = as_text(stored(condition.column))
    inside = among(text, [str(value) for value in condition.wanted])
    return f"case when {text} is null then {MISSING} when {inside} then 1 else 0 end"


def _numeric(expression: str, test: Test) -> str:
    if test.between is not None:
        low, high = (f"{value!r}" for value in test.between)
        return both([f"{expression} >= {low}", f"{expression} <= {high}"])
    return f"{expression} in ({', '.join(repr(float(value)) for value in test.wanted)})"


def _ages() -> str:
    """Whole years of age on the index day: who was born on 29 February is a year older on 1 March of other years.

    The civil date by whole-number arithmetic, years beginning on 1 March: a level of the query for each step.
    """
    levels: list[dict[str, str]] = [
        {"z": f"{{}}_day + {CIVIL_OFFSET}"},
        {"era": whole("{}_z", 146_097), "doe": "{}_z % 146097"},
        {"d4": whole("{}_doe", 1_460), "d100": whole("{}_doe", 36_524), "d400": whole("{}_doe", 146_096)},
        {"days": "{}_doe - {}_d4 + {}_d100 - {}_d400"},
        {"yoe": whole("{}_days", 365)},
        {"doy": f"{{}}_doe - (365 * {{}}_yoe + {whole('{}_yoe', 4)} - {whole('{}_yoe', 100)})"},
        {"m5": "5 * {}_doy + 2"},
        {"mp": whole("{}_m5", 153)},
        {"m153": "153 * {}_mp + 2", "month": "case when {}_mp < 10 then {}_mp + 3 else {}_mp - 9 end"},
        {
            "year": f"{{}}_yoe + 400 * {{}}_era + {flag('{}_month <= 2')}",
            "month_day": f"100 * {{}}_month + {{}}_doy - {whole('{}_m153', 5)} + 1",
        },
    ]
    inner = "select * from ti_part"
    for level in levels:
        columns = ", ".join(
            f"{sql.replace('{}', date)} as {date}_{name}" for date in ("birth", "index") for name, sql in level.items()
        )
        inner = f"select t.*, {columns} from ({inner}) t"
    older = f"index_year - birth_year - {flag('index_month_day < birth_month_day')}"
    unknown = "birth_day is null or birth_day > index_day"
    return f"select z.*, case when {unknown} then null else {older} end as age from ({inner}) z"
