"""Input tables -> who is analysed: each person's facts, as `facts.py` finds them in memory, and day 0."""

from __future__ import annotations

from collections.abc import Iterator

from trialimpact.engines.sources import Inputs, counted, stored_columns
from trialimpact.engines.spells import island_steps
from trialimpact.engines.words import Step, among, both, code_of, fetch, flag, quoted, table
from trialimpact.facts import STATUSES, UNSTATED, status_order
from trialimpact.loaders import day_of
from trialimpact.protocol import TrialProtocol

FACTS = (
    *("assigned", "received", "office", "has_marker", "considered", "status"),
    *("error", "out_of_scope", "exempt", "dated", "truncated", "in_window"),
)


def people_steps(inputs: Inputs) -> Iterator[Step]:
    """Tables of everybody's facts and of those who are analysed; the facts counted, and the reasons."""
    protocol = inputs.protocol
    if protocol.sources.markers is not None:
        yield from _marker_steps(protocol)
    yield table("ti_known", _known(inputs))
    if protocol.index.rule == "claim_of_marker":
        yield from _claim_steps(protocol)
    yield table("ti_people", _people(protocol))
    facts = ", ".join(f"p.{each}" for each in FACTS)
    yield fetch("facts", f"select {facts}, count(*) as n from ti_people p group by {facts}")
    if protocol.sources.markers is not None:
        yield fetch(
            "reasons",
            f"""
            select {facts}, m.status as told_status, m.reason, count(distinct m.cid) as n
            from (select cid, status, coalesce(reason, {quoted(UNSTATED)}) as reason from ti_markers
              where considered = 1 and status <> 'valid') m
            inner join ti_people p on p.cid = m.cid
            group by {facts}, m.status, m.reason
            """,
        )
    yield table("ti_analysed", f"select * from ti_people where {analysed(protocol)}")


def analysed(protocol: TrialProtocol) -> str:
    """The condition that every filter leaves a person: as `filters.py` has it."""
    conditions = []
    window = protocol.recruitment
    if protocol.index.rule == "given":
        conditions += [among("office", window.offices)] if window.offices else []
        conditions += ["dated = 1"]
        conditions += ["in_window = 1"] if window.first_date or window.last_date else []
    else:
        conditions += ["has_marker = 1", "considered = 1", "dated = 1"]
    if protocol.sources.markers is not None:
        order = status_order(protocol)
        conditions.append(f"status not in ({', '.join(str(order.index(each)) for each in STATUSES)})")
    return both([*conditions, "assigned <> -1"])


def _marker_steps(protocol: TrialProtocol) -> Iterator[Step]:
    """Which markers are considered, what they say together, and each person's index marker."""
    offices = protocol.recruitment.offices
    inside = [*_in_window(protocol, "marker_day"), *([among("office", offices)] if offices else [])]
    yield table(
        "ti_markers",
        f"""
        select cid, marker_day, marker, office, coalesce(status, 'valid') as status, reason, row_no,
          {flag(both(inside))} as considered
        from ti_in_markers
        """,
    )
    order = status_order(protocol)
    place = code_of("status", order)
    yield table(
        "ti_marked",
        f"""
        select cid, max(considered) as considered,
          min(case when considered = 1 then {place} else {len(order)} end) as status,
          {", ".join(f"max({flag(f'considered = 1 and status = {quoted(each)}')}) as {each}" for each in STATUSES)}
        from ti_markers group by cid
        """,
    )
    not_valid = flag("status <> 'valid'")
    rank = f"case when considered = 1 then {not_valid} else 2 end"
    yield table(
        "ti_chosen",
        f"""
        select cid, marker_day, marker, office from (
          select cid, marker_day, marker, office, row_number() over (
            partition by cid order by {rank}, marker_day, row_no, marker, office) as place
          from ti_markers) m
        where place = 1
        """,
    )


def _in_window(protocol: TrialProtocol, day: str) -> Iterator[str]:
    """Conditions that a day is one of the recruitment window."""
    window = protocol.recruitment
    if window.first_date:
        yield f"{day} >= {day_of(window.first_date)}"
    if window.last_date:
        yield f"{day} <= {day_of(window.last_date)}"


def _known(inputs: Inputs) -> str:
    """What the tables of people say of each participant."""
    protocol = inputs.protocol
    has_claimants, has_markers = (name in inputs.names for name in ("claimants", "markers"))
    columns = ["p.cid"]
    if protocol.identifiers.kind == "nino":
        columns.append("d.digit as digit")
    else:
        columns.append("coalesce(c.digit, -1) as digit" if has_claimants else "-1 as digit")
    columns += [f"c.{name}" for name in stored_columns(protocol)] if has_claimants else []
    columns += [
        "c.assigned_arm" if has_claimants else "cast(null as varchar(250)) as assigned_arm",
        "c.index_day as given_day" if has_claimants else "cast(null as bigint) as given_day",
        "c.birth_day" if has_claimants else "cast(null as bigint) as birth_day",
    ]
    office = [*(["m.office"] if has_markers else []), *(["c.office"] if has_claimants else [])]
    columns.append(f"coalesce({', '.join([*office, quoted(UNSTATED)])}) as office")
    if has_markers:
        columns += [
            "m.marker", "m.marker_day", f"{flag('m.cid is not null')} as has_marker",
            "coalesce(s.considered, 0) as considered", f"coalesce(s.status, {len(status_order(protocol))}) as status",
            *(f"coalesce(s.{each}, 0) as {each}" for each in STATUSES),
        ]  # fmt: skip
    else:
        columns += ["cast(null as varchar(250)) as marker", "cast(null as bigint) as marker_day", "0 as has_marker"]
        columns += ["0 as considered", f"{len(status_order(protocol))} as status", *(f"0 as {e}" for e in STATUSES)]
    joins = ["left join ti_in_claimants c on c.cid = p.cid"] if has_claimants else []
    joins += ["left join ti_chosen m on m.cid = p.cid", "left join ti_marked s on s.cid = p.cid"] if has_markers else []
    joins += ["inner join ti_digits d on d.cid = p.cid"] if protocol.identifiers.kind == "nino" else []
    return f"select {', '.join(columns)}\nfrom ti_keys p\n" + "\n".join(joins)


def _claim_steps(protocol: TrialProtocol) -> Iterator[Step]:
    """Claims of the matching benefit, and the first day of the one that each index marker falls in."""
    index = protocol.index
    assert index.source is not None  # noqa: S101
    source = protocol.sources.spells[index.source]
    who = "cid, code" if source.counted_codes else "cid"
    inside = f"s.end_day > s.start_day and {counted(source, index.codes)}"
    columns = ", ".join(f"s.{each}" for each in who.split(", "))
    edges = [
        f"select {columns}, s.{day}_day as day, {step} as step from ti_in_{index.source} s "
        f"inner join ti_known k on k.cid = s.cid where {inside}"
        for day, step in (("start", 1), ("end", -1))
    ]
    yield from island_steps("ti_claims", edges, who)
    covered = day_of(source.covered_from)
    fits = f"c.start_day >= {covered} and k.marker_day - c.start_day <= {index.window_days}"
    yield table(
        "ti_matched",
        f"""
        select k.cid, max(case when {fits} then c.start_day else null end) as index_day,
          max({flag(f"c.start_day < {covered}")}) as truncated
        from ti_claims c inner join ti_known k on k.cid = c.cid
        where c.start_day - {index.early_days} <= k.marker_day and k.marker_day < c.end_day
        group by k.cid
        """,
    )


def _people(protocol: TrialProtocol) -> str:
    """The facts of every participant, with what else the analysis needs of those who are analysed."""
    if protocol.allocation.rule == "digit":
        arm_of = {digit: arm for arm, digits in protocol.allocation.digits.items() for digit in digits}
        cases = " ".join(f"when {digit} then {protocol.arms.index(arm)}" for digit, arm in sorted(arm_of.items()))
        assigned = f"case k.digit {cases} else -1 end"
    else:
        assigned = code_of("k.assigned_arm", protocol.arms)
    by_claim = protocol.index.rule == "claim_of_marker"
    day = "c.index_day" if by_claim else "k.given_day"
    inside = [f"{day} is not null", *_in_window(protocol, day)]
    columns = [
        "k.cid", f"{assigned} as assigned", f"{code_of('k.marker', protocol.arms)} as received", "k.office",
        "k.has_marker", "k.considered", "k.status", *(f"k.{each}" for each in STATUSES),
        f"{flag(f'{day} is not null')} as dated",
        f"{flag('c.truncated = 1 and c.index_day is null') if by_claim else 0} as truncated",
        f"{flag(both(inside))} as in_window", f"{day} as index_day", "k.birth_day",
        "case when k.digit = -1 then null else k.digit end as digit",
        *(f"k.{name}" for name in (stored_columns(protocol) if protocol.sources.claimants else ())),
    ]  # fmt: skip
    join = "left join ti_matched c on c.cid = k.cid" if by_claim else ""
    return f"select {', '.join(columns)}\nfrom ti_known k\n{join}"
