"""Jumps -> counts: what is asked of an engine for `Moments`, and `Moments` from the answers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from trialimpact.cells import Cells
from trialimpact.engines.conditions import membership
from trialimpact.engines.engine import Rows
from trialimpact.engines.sources import stored
from trialimpact.engines.words import Step, as_text, between, fetch, flag, net, not_below, quoted, table, total
from trialimpact.facts import UNSTATED
from trialimpact.intervals import Integers
from trialimpact.jumps import FOLLOWED_FOLLOWED, ON_FOLLOWED, ON_ON
from trialimpact.moments import ENTRIES, EXITS, STARTS, STOPS, Moments, table_shapes
from trialimpact.panel import check_labels
from trialimpact.protocol import Outcome, TrialProtocol
from trialimpact.spells import coverage_of
from trialimpact.tally import Collector

BITS = 40
"""Subgroups in one whole number."""


def label_steps(protocol: TrialProtocol) -> Iterator[Step]:
    """The labels of strata and clusters of all who are analysed, numbered: `ti_stratum`, `ti_cluster`."""
    for name, texts in _labelled(protocol).items():
        if texts:
            listed, order = ", ".join(f"{text} as {label}" for label, text in texts.items()), ", ".join(texts)
            distinct = f"select distinct {listed} from ti_analysed"
            numbered = f"select {order}, row_number() over (order by {order}) - 1 as place from ({distinct}) q"
            yield table(f"ti_{name}", numbered)
            yield fetch(name, f"select place, {order} from ti_{name}")


def _labelled(protocol: TrialProtocol) -> dict[str, dict[str, str]]:
    """The columns of strata and of clusters: the label's name, and its text."""
    clusters = (protocol.analysis.clusters,) if protocol.analysis.clusters else ()
    return {
        name: {
            f"label_{place}": f"coalesce({as_text(stored(column))}, {quoted(UNSTATED)})"
            for place, column in enumerate(each)
        }
        for name, each in (("stratum", protocol.analysis.strata), ("cluster", clusters))
    }


def cell_steps(protocol: TrialProtocol) -> Iterator[Step]:
    """`ti_placed`: each claimant of the part with their cell; and the cells."""
    groups = [f"({membership(protocol, group.where)})" for group in protocol.subgroups]
    columns, joins = ["d.cid", "d.index_day", "d.assigned as arm"], []
    for name, texts in _labelled(protocol).items():
        columns.append(f"{name}.place as {name}" if texts else f"0 as {name}")
        if texts:
            matched = " and ".join(f"{name}.{label} = {text}" for label, text in texts.items())
            joins.append(f"inner join ti_{name} {name} on {matched}")
    for place in range(0, max(len(groups), 1), BITS):
        bits = [f"{1 << bit} * {flag(f'{each} = 1')}" for bit, each in enumerate(groups[place : place + BITS])]
        columns.append(f"{' + '.join(bits) or '0'} as bits_{place // BITS}")
    yield table("ti_bits", f"select {', '.join(columns)}\nfrom ti_described d\n" + "\n".join(joins))
    keys = ["stratum", "cluster", "arm", *(f"bits_{place}" for place in range(_n_bits(protocol)))]
    order = ", ".join(keys)
    yield table(
        "ti_cells",
        f"""
        select {order}, n, row_number() over (order by {order}) - 1 as cell
        from (select {order}, count(*) as n from ti_bits group by {order}) q
        """,
    )
    yield fetch("cells", f"select cell, {order}, n from ti_cells order by cell")
    matched = " and ".join(f"c.{key} = b.{key}" for key in keys)
    yield table("ti_placed", f"select b.cid, b.index_day, c.cell from ti_bits b inner join ti_cells c on {matched}")


def _n_bits(protocol: TrialProtocol) -> int:
    return -(-max(len(protocol.subgroups), 1) // BITS)


def outcome_steps(protocol: TrialProtocol, outcome: Outcome) -> Iterator[Step]:
    """The counts of one outcome: follow-up, starts and stops, and (without clusters) products of two jumps."""
    analysis, name = protocol.analysis, outcome.name
    low, end = -analysis.pre_days, analysis.end_day
    followed = _followed(protocol, outcome, low, end)
    yield fetch(
        f"follow_{name}",
        f"""
        select cell, f, t, count(*) as n from (
          select p.cell, {followed[0]} as f, {followed[1]} as t from ti_placed p) q
        group by cell, f, t
        """,
    )
    day = "j.day - p.index_day"
    yield table(
        f"ti_window_{name}",
        f"""
        select j.cid, p.cell, {not_below(day, low)} as day, {net("j.step")} as step
        from ti_jumps_{name} j inner join ti_placed p on p.cid = j.cid
        where {day} < {end}
        group by j.cid, p.cell, {not_below(day, low)} having sum(j.step) <> 0
        """,
    )
    stream = f"case when step > 0 then {STARTS} else {STOPS} end"
    yield fetch(
        f"counts_{name}",
        f"select cell, {stream} as stream, day, count(*) as n from ti_window_{name} group by cell, {stream}, day",
    )
    if analysis.clusters is None:
        yield from _product_steps(protocol, outcome, "after", (0, analysis.max_horizon))
        if analysis.pre_days:
            yield from _product_steps(protocol, outcome, "before", (low, 0))


def _product_steps(protocol: TrialProtocol, outcome: Outcome, which: str, window: tuple[int, int]) -> Iterator[Step]:
    """Products of one claimant's jumps on two days of a window: each pair once, and outcome with follow-up."""
    low, high = window
    name = f"{which}_{outcome.name}"
    day = not_below("day", low)
    yield table(
        f"ti_{name}",
        f"""
        select cid, cell, {day} as day, {net("step")} as step from ti_window_{outcome.name}
        where day < {high} group by cid, cell, {day} having sum(step) <> 0
        """,
    )
    yield fetch(
        f"on_on_{name}",
        f"""
        select a.cell, a.day as one, b.day as other, {total("a.step * b.step")} as n
        from ti_{name} a inner join ti_{name} b on b.cid = a.cid and b.day >= a.day
        group by a.cell, a.day, b.day
        """,
    )
    first, last = _followed(protocol, outcome, low, high)
    joined = f"from ti_{name} j inner join ti_placed p on p.cid = j.cid"
    seen = f"select j.cell, j.day, j.step, {first} as f, {last} as t {joined}"
    yield fetch(
        f"on_followed_{name}",
        f"""
        select cell, one, other, {total("n")} as n from (
          select cell, day as one, f as other, step as n from ({seen}) q where t > f
          union all
          select cell, day as one, t as other, -step as n from ({seen}) q where t > f and t < {high}) r
        group by cell, one, other
        """,
    )


def _followed(protocol: TrialProtocol, outcome: Outcome, low: int, high: int) -> tuple[str, str]:
    """Follow-up [from, to) of a claimant p within [low, high), from the index day."""
    first, last = (between(f"{day} - p.index_day", low, high) for day in coverage_of(protocol, outcome.terms))
    return first, last


def moments_of(protocol: TrialProtocol, answers: Mapping[str, Rows]) -> Moments:
    """`Moments` of the claimants that the answers are about."""
    strata, stratum = _labels(answers, "stratum")
    clusters, cluster = _labels(answers, "cluster")
    found = answers["cells"]
    bits = [
        (found[f"bits_{place // BITS}"].astype(np.int64) >> (place % BITS)) & 1
        for place in range(len(protocol.subgroups))
    ]
    arm = found["arm"].astype(np.int64)
    codes = (stratum[found["stratum"].astype(np.int64)], cluster[found["cluster"].astype(np.int64)], arm)
    keys, cell = np.unique(np.column_stack([*codes, np.ones_like(arm), *bits]), axis=0, return_inverse=True)
    cell = cell.ravel()
    claimants = np.bincount(cell, weights=found["n"].astype(np.int64), minlength=len(keys)).astype(np.int64)
    counts, gram, before = (Collector(shape) for shape in table_shapes(protocol, len(keys)))
    analysis = protocol.analysis
    for place, outcome in enumerate(protocol.outcomes):
        _add_counts(answers, outcome.name, place, cell, counts, -analysis.pre_days, analysis.end_day)
        if analysis.clusters is None:
            _add_products(answers, outcome.name, "after", (place, cell), gram, (0, analysis.max_horizon))
            if analysis.pre_days:
                _add_products(answers, outcome.name, "before", (place, cell), before, (-analysis.pre_days, 0))
    return Moments(
        protocol=protocol,
        strata=strata,
        clusters=clusters,
        cells=Cells.of_keys(keys, claimants),
        counts=counts.tally(),
        gram=gram.tally(),
        gram_before=before.tally(),
    )


def _labels(answers: Mapping[str, Rows], name: str) -> tuple[tuple[str, ...], Integers]:
    """Labels of strata or clusters, sorted, and the place among them of each of the engine's numbers."""
    if name not in answers:
        return ("",), np.zeros(1, dtype=np.int64)
    found = answers[name]
    parts = [found[label].astype(str) for label in found if label != "place"]
    joined = [" × ".join(labels) for labels in zip(*parts, strict=True)]
    check_labels(pd.Series(joined, dtype=object))
    labels = tuple(sorted(set(joined)))
    places = np.zeros(len(joined), dtype=np.int64)
    places[found["place"].astype(np.int64)] = [labels.index(label) for label in joined]
    return labels, places


def _whole(rows: Rows, *names: str) -> tuple[Integers, ...]:
    return tuple(rows[name].astype(np.int64) for name in names)


def _add_counts(
    answers: Mapping[str, Rows], name: str, place: int, cell: Integers, counts: Collector, low: int, end: int
) -> None:
    """Entries and exits from how many are followed over which days; starts and stops as they came."""
    of_cell, first, last, n = _whole(answers[f"follow_{name}"], "cell", "f", "t", "n")
    for day, stream, inside in ((first, ENTRIES, last > first), (last, EXITS, (last > first) & (last < end))):
        counts.add((place, cell[of_cell[inside]], stream, day[inside] - low), n[inside])
    of_cell, stream_of, day, n = _whole(answers[f"counts_{name}"], "cell", "stream", "day", "n")
    counts.add((place, cell[of_cell], stream_of, day - low), n)


def _add_products(
    answers: Mapping[str, Rows],
    name: str,
    which: str,
    where: tuple[int, Integers],
    gram: Collector,
    window: tuple[int, int],
) -> None:
    """The three tables of products over a window; those of follow-up with itself from its first and last days."""
    place, cell = where
    low, high = window
    for table_name, kept in (("on_on", ON_ON), ("on_followed", ON_FOLLOWED)):
        of_cell, one, other, n = _whole(answers[f"{table_name}_{which}_{name}"], "cell", "one", "other", "n")
        gram.add((place, cell[of_cell], kept, one - low, other - low), n)
    of_cell, first, last, n = _whole(answers[f"follow_{name}"], "cell", "f", "t", "n")
    first, last = np.clip(first, low, high), np.clip(last, low, high)
    entered = last > first
    left = entered & (last < high)
    for inside, one, other, sign in ((entered, first, first, 1), (left, first, last, -1), (left, last, last, 1)):
        at = (one[inside] - low, other[inside] - low)
        gram.add((place, cell[of_cell[inside]], FOLLOWED_FOLLOWED, *at), sign * n[inside])
