"""Queries of the sources -> input tables: identifiers as keys, labels as text, spells half-open."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from trialimpact.engines.engine import Engine
from trialimpact.engines.words import Step, among, as_text, both, code_of, flag, quoted, table, united
from trialimpact.errors import BrokenRule, DesignError, record_error, unknown_name, worded
from trialimpact.loaders import day_of
from trialimpact.loaders.identifiers import (
    FIRST_LETTERS,
    NEVER_ISSUED,
    SECOND_LETTERS,
    SUFFIXES,
    SYNTHETIC,
    WORDS_FOR_NOBODY,
)
from trialimpact.loaders.schema import DATES, LABELS, kind_of, required_columns
from trialimpact.protocol import TrialProtocol
from trialimpact.protocol.conditions import NAME, AgeOn, ColumnIs, DaysBetween
from trialimpact.protocol.consistency import condition_parts
from trialimpact.protocol.sources import SpellSource

DIGITS = tuple("0123456789")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The query of each source, and which columns it gives.

    A query gives the library's column names, dates as whole days since 1970-01-01 in `index_day`, `birth_day`,
    `marker_day`, `start_day`, `end_day` (as the source writes ends; null is open), characteristics by name or (where
    that is a word of SQL) as `v_<name>`, and may give `row_no` (the order of rows), `unreadable` (1 where a value
    could not be read) and `odd_id` (1 where an identifier is a number that can be no identifier).
    """

    protocol: TrialProtocol
    queries: Mapping[str, str]
    columns: Mapping[str, tuple[str, ...]]
    double: str
    """The engine's word for a floating-point number."""

    @property
    def names(self) -> tuple[str, ...]:
        """The sources, people first."""
        return tuple(self.queries)

    def has(self, source: str, column: str) -> bool:
        """Whether the query of a source gives a column."""
        return column in self.columns.get(source, ())


def find_inputs(protocol: TrialProtocol, engine: Engine, folder: Path) -> Inputs:
    """The query of every source: given, of the protocol, or reading its file.

    Raises
    ------
    RecordError
        A query does not give a column that is needed.
    DesignError
        A column has a name that cannot stand in SQL as it is.
    """
    _refuse_conditions(protocol)
    _refuse_columns(protocol)
    sources = protocol.sources
    people = [name for name in ("claimants", "markers") if getattr(sources, name) is not None]
    if strangers := sorted(set(engine.queries) - {*people, *sources.spells}):
        raise unknown_name("source", strangers[0], (*people, *sources.spells))
    found: dict[str, str] = {}
    for name in (*people, *sources.spells):
        source = sources.spells[name] if name in sources.spells else getattr(sources, name)
        found[name] = engine.queries.get(name) or source.query or engine.scan(protocol, name, folder)
    columns = {name: engine.columns(query) for name, query in found.items()}
    inputs = Inputs(protocol=protocol, queries=found, columns=columns, double=engine.double)
    broken = [
        BrokenRule(
            table=name,
            rule="column_is_there_once",
            says=f"the query gives no column {column!r}",
            remedy="dates are whole days since 1970-01-01, in columns that end in _day",
        )
        for name in inputs.names
        for column in needed_columns(protocol, name)
        if column not in columns[name] and f"v_{column}" not in columns[name]
    ]
    if broken:
        raise record_error(broken, quarantine_helps=False)
    return inputs


def numeric_columns(protocol: TrialProtocol) -> frozenset[str]:
    """Columns that the protocol takes as numbers: numeric characteristics, and those compared with a number."""
    _, numbers = _compared(protocol)
    as_numbers = {each.column for each in protocol.characteristics if each.column and each.kind == "numeric"}
    return frozenset(numbers | as_numbers)


def _compared(protocol: TrialProtocol) -> tuple[set[str], set[str]]:
    """Columns that conditions compare with text, and with numbers."""
    found: tuple[set[str], set[str]] = (set(), set())
    for part in condition_parts(protocol):
        if isinstance(part, ColumnIs):
            found[not any(isinstance(value, str) for value in part.wanted)].add(part.column)
    return found


def _refuse_conditions(protocol: TrialProtocol) -> None:
    """What is asked of claimants one by one, and has no SQL."""
    asked = ["[[eligibility]]"] if protocol.eligibility else []
    asked += ["age_on" for part in condition_parts(protocol) if isinstance(part, AgeOn)]
    asked += ["days" for part in condition_parts(protocol) if isinstance(part, DaysBetween)]
    if asked:
        says = f"an engine does not know {asked[0]}."
        raise DesignError(worded(says, remedy="analyse in memory, or let the source's query select the people"))


def _refuse_columns(protocol: TrialProtocol) -> None:
    """Columns that are compared with text and with numbers, or asked of claimants that are not there."""
    texts, numbers = _compared(protocol)
    if both_ways := sorted(texts & numbers):
        says = f"the column {both_ways[0]!r} is compared with text and with a number."
        raise DesignError(worded(says, remedy='write text in quotes ("1") and numbers without (1) in the protocol'))
    if protocol.sources.claimants is None and (named := characteristics(protocol)):
        raise DesignError(
            worded(
                f"the protocol names the column {named[0]!r}, which the claimants do not have.",
                remedy="name a column of [sources.claimants], or office, or digit",
            )
        )


def needed_columns(protocol: TrialProtocol, source: str) -> tuple[str, ...]:
    """The columns that the query of a source must give."""
    needed = [each.replace("_date", "_day") for each in required_columns(protocol, source)]
    if source == "claimants":
        needed += characteristics(protocol)
    return tuple(dict.fromkeys(needed))


def characteristics(protocol: TrialProtocol) -> tuple[str, ...]:
    """The columns of the claimants that the protocol names, but for office and digit, which are everyone's."""
    named = tuple(name for name in protocol.columns_used if name not in ("office", "digit"))
    odd = [name for name in named if not NAME.fullmatch(name)]
    if odd:
        raise DesignError(
            worded(
                f"{len(odd)} columns of the claimants have names that cannot stand in SQL as they are.",
                remedy="name them in the protocol with small letters, digits and _, and map or query them so",
            )
        )
    return named


def input_steps(inputs: Inputs) -> Iterator[Step]:
    """Tables of the sources. Identifiers become whole numbers: `ti_keys` alone holds both, and never leaves.

    A participant is who has a row in claimants or markers; the spells of others have no number.
    """
    protocol = inputs.protocol
    tables = [name for name in inputs.names if kind_of(name) != "spells"]
    for name in tables:
        yield table(f"ti_raw_{name}", f"select {', '.join(_columns(inputs, name))}\nfrom ({inputs.queries[name]}) q")
    people = united(f"select person from ti_raw_{name}" for name in tables)
    distinct = f"select distinct person from ({people}) q where person is not null"
    yield table("ti_keys", f"select person, row_number() over (order by person) as cid from ({distinct}) q")
    for name in tables:
        yield table(f"ti_in_{name}", _numbered(inputs, name, f"ti_raw_{name}"))
    if protocol.identifiers.kind == "nino":
        digits = united(f"select cid, digit from ti_in_{name}" for name in tables)
        yield table("ti_digits", f"select cid, max(digit) as digit from ({digits}) q group by cid")
    for name in protocol.sources.spells:
        raw = f"select {', '.join(_columns(inputs, name))} from ({inputs.queries[name]}) q"
        yield table(f"ti_in_{name}", _numbered(inputs, name, f"({raw})"))


def _numbered(inputs: Inputs, name: str, rows: str) -> str:
    """Rows with the person's number in place of their identifier."""
    kept = [column.rpartition(" as ")[2] for column in _columns(inputs, name)]
    columns = ", ".join(f"r.{column}" for column in kept if column != "person")
    return f"select k.cid, {columns}\nfrom {rows} r left join ti_keys k on k.person = r.person"


def _columns(inputs: Inputs, name: str) -> list[str]:
    """The columns of an input table, each `expression as name`."""
    protocol, kind = inputs.protocol, kind_of(name)
    columns = [*_identity(inputs, name)]
    columns += [f"{flag('unreadable = 1') if inputs.has(name, 'unreadable') else 0} as unreadable"]
    for date in DATES[kind]:
        day = date.replace("_date", "_day")
        if kind != "spells":
            columns.append(
                f"{f'cast({day} as integer)' if inputs.has(name, day) else 'cast(null as integer)'} as {day}"
            )
    for label in LABELS[kind]:
        if label != "digit":
            given = inputs.has(name, label)
            columns.append(f"{as_text(label) if given else 'cast(null as varchar(250))'} as {label}")
    if kind == "claimants":
        columns += _described(inputs)
    if kind == "markers":
        columns.append(f"{'cast(row_no as bigint)' if inputs.has(name, 'row_no') else 0} as row_no")
    if kind == "spells":
        columns += _half_open(protocol.sources.spells[name])
    return columns


def _described(inputs: Inputs) -> Iterator[str]:
    """Characteristics as `v_<name>`: none is taken for a column of ours or a word of SQL; numbers as `n_<name>`."""
    for name in characteristics(inputs.protocol):
        given = f"v_{name}" if inputs.has("claimants", f"v_{name}") else name
        yield f"{as_text(given)} as v_{name}"
        if name in numeric_columns(inputs.protocol):
            text = f"trim(cast({given} as varchar(250)))"
            number = f"case when {text} = '' then null else cast({given} as {inputs.double}) end"
            yield f"{f'n_{name}' if inputs.has('claimants', f'n_{name}') else number} as n_{name}"


def stored(name: str) -> str:
    """The column that holds a characteristic as text."""
    return name if name in ("office", "digit") else f"v_{name}"


def stored_columns(protocol: TrialProtocol) -> tuple[str, ...]:
    """The columns that hold all characteristics, as text and as numbers."""
    names, numeric = characteristics(protocol), numeric_columns(protocol)
    return (*(f"v_{name}" for name in names), *(f"n_{name}" for name in names if name in numeric))


def _identity(inputs: Inputs, name: str) -> Iterator[str]:
    """The identifier that tells people apart, whether it is blank or not of the declared form, and the digit."""
    protocol = inputs.protocol
    blank = "claimant_id is null or trim(cast(claimant_id as varchar(250))) = ''"
    digit, odd = "-1", "1 = 0"
    person = "trim(cast(claimant_id as varchar(250)))"
    if protocol.identifiers.kind == "nino":
        text = "replace(upper(cast(claimant_id as varchar(250))), ' ', '')"
        person, valid = f"substring({text}, 1, 8)", _is_nino(text, synthetic=protocol.identifiers.synthetic)
        digit = code_of(f"substring({text}, 8, 1)", DIGITS)
    else:
        valid = f"not {among(f'lower({person})', WORDS_FOR_NOBODY)}"
        valid = both([valid, "coalesce(odd_id, 0) = 0"]) if inputs.has(name, "odd_id") else valid
        told = "trim(cast(digit as varchar(250)))"
        if inputs.has(name, "digit"):
            digit = code_of(told, DIGITS)
            odd = f"{told} <> '' and {digit} = -1"
    yield f"case when {blank} then null else {person} end as person"
    yield f"{flag(blank)} as blank_id"
    yield f"{flag(valid)} as valid_id"
    if kind_of(name) != "spells":
        yield f"{digit} as digit"
        yield f"{flag(odd)} as odd_digit"


def _is_nino(text: str, *, synthetic: bool) -> str:
    """The condition that a text is a NINO, letter by letter: patterns differ between engines, this does not."""
    issued = both(
        [
            among(f"substring({text}, 1, 1)", FIRST_LETTERS),
            among(f"substring({text}, 2, 1)", SECOND_LETTERS),
            f"not {among(f'substring({text}, 1, 2)', NEVER_ISSUED)}",
        ]
    )
    prefix = f"({issued}) or substring({text}, 1, 2) = {quoted(SYNTHETIC)}" if synthetic else issued
    rest = [among(f"substring({text}, {place}, 1)", DIGITS) for place in range(3, 9)]
    rest += [among(f"substring({text}, 9, 1)", ("", *SUFFIXES)), f"substring({text}, 10, 1) = ''"]
    return both([prefix, *rest])


def _half_open(source: SpellSource) -> Iterator[str]:
    """Start, the day after the last, and whether the spell is open: the one place that converts ends."""
    placeholders = [day_of(date) for date in source.open_end_dates]
    day = "cast(end_day as bigint)"
    is_open = f"end_day is null or {among(day, placeholders)}"
    after = f"{day} + 1" if source.end_date == "last_day_included" else day
    extract = day_of(source.extract_date)
    yield "cast(start_day as integer) as start_day"
    yield f"cast(case when {is_open} then {extract} else {after} end as integer) as end_day"
    yield f"{flag(is_open)} as is_open"


def counted(source: SpellSource, codes: tuple[str, ...] = ()) -> str:
    """The condition that a spell's code counts: one of some codes, or any that the source counts."""
    wanted = codes or source.counted_codes
    return f"s.code in ({', '.join(quoted(code) for code in wanted)})" if wanted else "1 = 1"
