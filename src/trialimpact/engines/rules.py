"""The rules of `loaders/rules.py`, counted in an engine: how many rows break each, and which stop the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import get_args

from trialimpact.engines.conditions import CIVIL_OFFSET
from trialimpact.engines.engine import Rows
from trialimpact.engines.sources import Inputs, numeric_columns
from trialimpact.engines.words import Step, among, fetch, flag, whole
from trialimpact.errors import BrokenRule, record_error
from trialimpact.loaders import Audit, day_of
from trialimpact.loaders.dates import EARLIEST, LATEST, date_of
from trialimpact.loaders.records import AuditLine
from trialimpact.loaders.rules import DAYS_0, RULES
from trialimpact.loaders.schema import DATES, kind_of
from trialimpact.protocol import TrialProtocol
from trialimpact.protocol.consistency import RESERVED_LABELS
from trialimpact.protocol.sources import SpellSource, Status

_WITH_NUMBERS = ("claimants", "date_is_readable")
NOT_ASKED = "0"
"""For rules that a database keeps by itself (a column has one type), that fetched labels are asked, or of spelling."""


def rule_steps(inputs: Inputs, shards: Sequence[str]) -> Iterator[Step]:
    """For each source, its number of rows and how many break each rule of a row, or (by shard) of rows together.

    `shards` are the conditions on `cid` under which people fall into each shard.
    """
    for name in inputs.names:
        asked = ", ".join(f"{_times(sql)} as {rule}" for rule, sql in _of_rows(inputs, name).items())
        linked = "count(cid) as n_linked"
        yield fetch(f"rules_{name}", f"select count(*) as n_rows, {linked}, {asked} from ti_in_{name}")
        for shard, condition in enumerate(shards):
            rows, together = _together(inputs, name, condition)
            asked = ", ".join(f"{_times(sql)} as {rule}" for rule, sql in together.items())
            yield fetch(f"together_{shard}_{name}", f"select {asked} from ({rows}) t")


def _times(condition: str) -> str:
    return "0" if condition == NOT_ASKED else f"coalesce(sum({flag(condition)}), 0)"


def _together(inputs: Inputs, name: str, shard: str) -> tuple[str, dict[str, str]]:
    """The rows of a shard with what stands beside them, and the conditions of the rules about several rows."""
    kind = kind_of(name)
    if kind == "claimants":
        rows = f"select count(*) over (partition by cid) as times from ti_in_claimants where {shard}"
        return rows, {"claimant_is_unique": "times > 1"}
    if kind == "markers":
        return _markers_together(inputs, shard)
    order = "partition by cid, code order by start_day, end_day, is_open"
    before = f"{order} rows between 1 preceding and 1 preceding"
    rows = f"""
        select start_day, end_day, is_open,
          max(end_day) over ({order} rows between unbounded preceding and 1 preceding) as reach,
          max(start_day) over ({before}) as start_before, max(end_day) over ({before}) as end_before,
          max(is_open) over ({before}) as open_before
        from ti_in_{name} where cid is not null and {shard}
        """
    return rows, {
        "row_is_not_repeated": "start_before = start_day and end_before = end_day and open_before = is_open",
        "spells_do_not_overlap": "start_day < reach and start_day < end_day",
    }


def _markers_together(inputs: Inputs, shard: str) -> tuple[str, dict[str, str]]:
    alike = "i.cid, marker_day, marker, i.office, status, reason"
    valid = "case when coalesce(status, 'valid') = 'valid' then marker else null end"
    order = flag("coalesce(status, 'valid') <> 'valid'") + ", marker_day"
    described = "claimants" in inputs.names
    join = "left join (select distinct cid from ti_in_claimants) c on c.cid = i.cid" if described else ""
    rows = f"""
        select {"c" if described else "i"}.cid as described,
          row_number() over (partition by {alike} order by marker_day) as copy,
          min({valid}) over (partition by i.cid) as one_arm, max({valid}) over (partition by i.cid) as other_arm,
          row_number() over (partition by i.cid order by {order}) as nth
        from ti_in_markers i {join} where i.cid is not null and i.{shard}
        """
    return rows, {
        "row_is_not_repeated": "copy > 1",
        "valid_markers_name_one_arm": "one_arm <> other_arm and nth = 1",
        "marker_is_of_a_described_person": "described is null",
    }


def _of_rows(inputs: Inputs, name: str) -> dict[str, str]:
    """The condition under which a row breaks each rule of its kind."""
    protocol, kind = inputs.protocol, kind_of(name)
    low, high = (day_of(date_of(0).replace(year=year)) for year in (EARLIEST, LATEST + 1))
    days = [date.replace("_date", "_day") for date in DATES[kind]]
    odd = [f"({day} < {low} or {day} >= {high}{' and is_open = 0' if day == 'end_day' else ''})" for day in days]
    asked = {
        "claimant_id_is_given": "blank_id = 1",
        "claimant_id_is_valid": "blank_id = 0 and valid_id = 0",
        "claimant_id_is_written_alike": NOT_ASKED,
        "column_has_one_type": NOT_ASKED,
        "date_is_readable": "unreadable = 1",
        "date_is_plausible": " or ".join(odd),
        "date_is_not_day_0": among(days[0], DAYS_0),
    }
    if kind == "claimants":
        return asked | _of_claimants(protocol)
    if kind == "markers":
        return asked | _of_markers(protocol)
    return asked | _of_spells(protocol.sources.spells[name])


def _of_claimants(protocol: TrialProtocol) -> dict[str, str]:
    stranger = f"assigned_arm is not null and not {among('assigned_arm', protocol.arms)}"
    began = protocol.recruitment.first_date
    return {
        "digit_is_a_digit": "odd_digit = 1",
        "assigned_arm_is_known": stranger if protocol.arms_are_declared else NOT_ASKED,
        "assigned_arm_is_analysed": stranger,
        "number_is_written_in_one_way": NOT_ASKED,
        "birth_is_before_the_trial": f"birth_day >= {day_of(began)}" if began else NOT_ASKED,
        "label_is_not_reserved": among("office", sorted(RESERVED_LABELS)),
        "label_is_written_as_declared": NOT_ASKED,
        "label_holds_no_identifier": NOT_ASKED,
    }


def _of_markers(protocol: TrialProtocol) -> dict[str, str]:
    reserved = " or ".join(among(label, sorted(RESERVED_LABELS)) for label in ("office", "reason"))
    return {
        "marker_is_known": f"marker is null or not {among('marker', protocol.arms)}",
        "marker_date_is_given": "marker_day is null",
        "status_is_known": f"status is not null and not {among('status', get_args(Status))}",
        "label_is_not_reserved": reserved,
        "label_is_written_as_declared": NOT_ASKED,
        "label_holds_no_identifier": NOT_ASKED,
    }


def _of_spells(source: SpellSource) -> dict[str, str]:
    covered_from, extract = day_of(source.covered_from), day_of(source.extract_date)
    closed = "start_day is not null and is_open = 0"
    known = [*source.counted_codes, *source.ignored_codes]
    defaults = f"{_is_april('start_day', 6)} or ({_is_april('end_day - 1', 5)} and is_open = 0)"
    return {
        "start_is_given": "start_day is null",
        "end_not_before_start": f"{closed} and end_day < {_first_end(source)}",
        "start_before_extract": f"start_day >= {extract}",
        "code_is_known": f"code is null or not {among('code', known)}" if source.counted_codes else NOT_ASKED,
        "spell_has_a_day": f"{closed} and end_day = start_day",
        "dates_are_not_tax_year_defaults": defaults if source.tax_year_defaults else NOT_ASKED,
        "open_spell_is_not_long": f"is_open = 1 and start_day < {extract - source.long_open_days}",
        "spell_is_of_a_participant": "cid is null",
        "spell_has_ended": "is_open = 1",
        "end_by_extract": f"is_open = 0 and end_day > {extract}",
        "spell_touches_coverage": f"{closed} and end_day <= {covered_from}",
    }


def _first_end(source: SpellSource) -> str:
    """The end of a spell whose written end is its start."""
    return "start_day + 1" if source.end_date == "last_day_included" else "start_day"


def _is_april(day: str, which: int) -> str:
    """Whether a day falls on 5 or 6 April: the place of 1 April in the year that begins on 1 March is 31."""
    z = f"({day} + {CIVIL_OFFSET})"
    doe = f"({z} % 146097)"
    yoe = whole(f"{doe} - {whole(doe, 1460)} + {whole(doe, 36524)} - {whole(doe, 146096)}", 365)
    return f"{doe} - (365 * {yoe} + {whole(yoe, 4)} - {whole(yoe, 100)}) = {30 + which}"


def audit_of(inputs: Inputs, answers: Mapping[str, Rows], n_shards: int) -> Audit:
    """Every rule of every source with its count.

    Raises
    ------
    RecordError
        Rows break a rule that stops the run: an engine has no row numbers to set aside.
    """
    lines, broken = [], []
    for name in inputs.names:
        found = {rule: int(values[0]) for rule, values in answers[f"rules_{name}"].items()}
        parts = [answers[f"together_{shard}_{name}"] for shard in range(n_shards)]
        found |= {rule: sum(int(part[rule][0]) for part in parts) for rule in parts[0]}
        for rule in RULES:
            if kind_of(name) not in rule.kinds:
                continue
            n = found[rule.name]
            lines.append(
                AuditLine(
                    table=name, rule=rule.name, severity=rule.severity, says=rule.says, rows=(), n_broken=n,
                    n_rows=found["n_rows"], action="kept" if n else "none needed",
                )
            )  # fmt: skip
            if rule.severity == "error" and n:
                numbers = numeric_columns(inputs.protocol) if (name, rule.name) == _WITH_NUMBERS else ()
                also = f", and numbers ({', '.join(sorted(numbers))}) too" if numbers else ""
                says = f"{n:,} of {found['n_rows']:,} rows break it: {rule.says}{also}"
                broken.append(BrokenRule(table=name, rule=rule.name, says=says, remedy=rule.remedy))
    if not broken:
        broken = list(_without_links(inputs, answers))
    if broken:
        raise record_error(broken, quarantine_helps=False)
    return Audit(lines=tuple(lines))


def _without_links(inputs: Inputs, answers: Mapping[str, Rows]) -> Iterator[BrokenRule]:
    for name in inputs.protocol.sources.spells:
        n_rows, n_linked = (int(answers[f"rules_{name}"][each][0]) for each in ("n_rows", "n_linked"))
        if n_rows and not n_linked:
            yield BrokenRule(
                table=name,
                rule="spells_link_to_people",
                says=f"none of {n_rows:,} spells is of a person in the trial",
                remedy="write identifiers alike in every table (leading zeros, capitals)",
            )
