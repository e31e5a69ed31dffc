"""Spells -> jumps, by a sweep: the depth of spells after each day is one running sum."""

from __future__ import annotations

from collections.abc import Iterator

from trialimpact.engines.sources import counted
from trialimpact.engines.words import PREFIX, Step, beside, both, flag, net, not_below, running, table, united
from trialimpact.protocol import FOLLOWED, Outcome, TrialProtocol
from trialimpact.spells import coverage_of


def island_steps(name: str, edges: list[str], who: str) -> Iterator[Step]:
    """Overlapping and adjacent intervals of each `who` joined, from edges (who, day, step): cid, start_day, end_day."""
    jumps = name.replace(PREFIX, f"{PREFIX}edges_", 1)
    yield from _sweep(jumps, edges, [], who)
    after = beside("day", who, "1 following")
    islands = f"select cid, day as start_day, step, {after} as end_day from {jumps}"
    yield table(name, f"select cid, start_day, end_day from ({islands}) j where step = 1")


def jump_steps(protocol: TrialProtocol, outcome: Outcome) -> Iterator[Step]:
    """The days on which each claimant of the part starts and stops an outcome: `ti_jumps_<outcome>`.

    Parts are cut to coverage first; gaps of the `on` terms are bridged; then the `off` terms are taken away.
    """
    name, gap = outcome.name, outcome.bridge_gap_days
    on, off = (_edges(protocol, outcome, terms) for terms in (outcome.on, outcome.off))
    if gap:
        yield from _sweep(f"ti_whole_{name}", on, [])
        yield table(
            f"ti_gaps_{name}",
            f"""
            select cid, day, step, {beside("day", "cid", "1 following")} as later,
              {beside("day", "cid", "1 preceding")} as earlier
            from ti_whole_{name}
            """,
        )
        kept = [
            f"step = -1 and (later is null or later - day > {gap})",
            f"step = 1 and (earlier is null or day - earlier > {gap})",
        ]
        on = [f"select cid, day, step from ti_gaps_{name} where ({kept[0]}) or ({kept[1]})"]
    yield from _sweep(f"ti_jumps_{name}", on, off)


def _edges(protocol: TrialProtocol, outcome: Outcome, terms: tuple[str, ...]) -> list[str]:
    """(cid, day, step) of the spells that terms name, cut to the outcome's coverage."""
    low, high = coverage_of(protocol, outcome.terms)
    edges: list[str] = []
    for term in terms:
        source, _, code = term.partition(":")
        if source == FOLLOWED:
            lasting = "" if high > low else " where 1 = 0"
            edges += [f"select cid, {low} as day, 1 as step from ti_part{lasting}"]
            edges += [f"select cid, {high} as day, -1 as step from ti_part{lasting}"]
            continue
        inside = both(
            [
                *(f"s.end_day > {low}", f"s.start_day < {high}", "s.end_day > s.start_day"),
                counted(protocol.sources.spells[source], (code,) if code else ()),
            ]
        )
        rows = f"from ti_in_{source} s inner join ti_part p on p.cid = s.cid where {inside}"
        end = f"case when s.end_day > {high} then {high} else s.end_day end"
        edges += [f"select s.cid, {not_below('s.start_day', low)} as day, 1 as step {rows}"]
        edges += [f"select s.cid, {end} as day, -1 as step {rows}"]
    return edges


def _sweep(name: str, on: list[str], off: list[str], who: str = "cid") -> Iterator[Step]:
    """A table of jumps: where `on` is deep and `off` is not, before and after each day, and that changes.

    Edges are netted by day first, in a table of its own: an engine then holds one of the two in memory at a time.
    """
    sides = [f"select {who}, day, step as d_on, 0 as d_off from ({united(on)}) a"]
    sides += [f"select {who}, day, 0 as d_on, step as d_off from ({united(off)}) b"] if off else []
    yield table(
        name.replace(PREFIX, f"{PREFIX}net_", 1),
        f"""
        select {who}, day, {net("d_on")} as d_on, {net("d_off")} as d_off from (
          {united(sides)}
        ) e group by {who}, day having sum(d_on) <> 0 or sum(d_off) <> 0
        """,
    )
    state = flag("c_on > 0 and c_off = 0")
    before = flag("c_on - d_on > 0 and c_off - d_off = 0")
    depths = f"{running('d_on', who)} as c_on, {running('d_off', who)} as c_off"
    yield table(
        name,
        f"""
        select {who}, day, {state} - {before} as step
        from (select {who}, day, d_on, d_off, {depths} from {name.replace(PREFIX, f"{PREFIX}net_", 1)}) d
        where {state} <> {before}
        """,
    )
