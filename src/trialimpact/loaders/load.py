"""Files and frames -> `TrialRecords`: read, parse, number people, apply the rules, keep what passes."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from trialimpact.errors import (
    ROWS_SHOWN,
    BrokenRule,
    ProtocolError,
    of_its_kind,
    record_error,
    unknown_name,
    warn,
    worded,
)
from trialimpact.intervals import Booleans, Integers, Intervals
from trialimpact.loaders.dates import NO_DAY
from trialimpact.loaders.doubts import doubts_of_set_aside, doubts_of_tables
from trialimpact.loaders.files import TableLike, UnreadableTableError, read_frame, table_sha256
from trialimpact.loaders.identifiers import NOBODY
from trialimpact.loaders.linking import number_claimants, require_links
from trialimpact.loaders.records import Audit, AuditLine, InputFile, SpellTable, TrialRecords
from trialimpact.loaders.rule import Rule
from trialimpact.loaders.rules import RULES
from trialimpact.loaders.schema import (
    Table,
    declared_labels,
    grouping_columns,
    parse_table,
    source_of,
    wanted_columns,
)
from trialimpact.protocol.model import TrialProtocol

OnBrokenRule = Literal["error", "quarantine"]


@of_its_kind
def load_records(
    protocol: TrialProtocol,
    tables: Mapping[str, TableLike] | None = None,
    *,
    folder: str | Path = ".",
    on_broken_rule: OnBrokenRule = "error",
) -> TrialRecords:
    """Read and check a trial's tables; identifiers become row numbers and are dropped.

    Parameters
    ----------
    protocol : TrialProtocol
    tables : mapping of source name to path or frame, optional
        Tables to use in place of the protocol's `file`: a path (CSV, CSV.gz, Parquet, Feather,
        Stata; SAS and SPSS with pyreadstat), a pandas or Polars frame, or an Arrow table.
    folder : path
        Where the protocol's relative file names start.
    on_broken_rule : {"error", "quarantine"}
        What to do with rows that break a rule: stop, naming every broken rule of every table, or
        set the rows aside whole, with rule and row number, and count them.

    Returns
    -------
    TrialRecords

    Raises
    ------
    RecordError
        A table cannot be read, lacks a column, or (unless quarantined) has rows that break a rule.
    ProtocolError
        A table is not one of the protocol's, or has neither a file nor a frame.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=200, seed=1)
    >>> load_records(trial.protocol, trial.tables)
    TrialRecords(...)
    """
    if on_broken_rule not in get_args(OnBrokenRule):
        remedy = " or ".join(repr(each) for each in get_args(OnBrokenRule))
        raise ProtocolError(worded(f"on_broken_rule={on_broken_rule!r} is no choice.", remedy=f"use {remedy}"))
    inputs, parsed, broken = _read_all(protocol, _by_name(tables), Path(folder))
    if broken:
        raise record_error(broken, quarantine_helps=False)
    digits = number_claimants(protocol, parsed)
    doubts = _said(doubts_of_tables(protocol, parsed, digits))
    require_links(parsed, to_be_set_aside=on_broken_rule == "quarantine")
    lines, set_aside = _apply_rules(protocol, parsed, on_broken_rule)
    quarantined = _quarantined(parsed, set_aside)
    kept = {name: ~np.logical_or.reduce(list(masks.values())) for name, masks in set_aside.items()}
    doubts += _said(doubts_of_set_aside(parsed, kept))
    participants = _participants(parsed, kept)
    return TrialRecords(
        protocol=protocol,
        claimants=_claimants(parsed, kept, participants, digits),
        characteristics=_characteristics(parsed, kept, participants),
        markers=_markers(parsed, kept, participants),
        spells={name: _spells(parsed[name], kept[name], participants) for name in protocol.sources.spells},
        audit=Audit(lines=tuple(lines)),
        quarantined=quarantined,
        inputs=tuple(inputs),
        doubts=doubts,
        load=_load_of(protocol, inputs, on_broken_rule),
    )


def _said(doubts: Iterable[str]) -> tuple[str, ...]:
    """The doubts, each of which is warned of."""
    found = tuple(doubts)
    for doubt in found:
        warn(doubt)
    return found


def _load_of(protocol: TrialProtocol, inputs: list[InputFile], on_broken_rule: OnBrokenRule) -> str:
    """What tells loads apart in which a row number is of somebody else."""
    if any(each.sha256 is None for each in inputs):
        return uuid.uuid4().hex
    said = [protocol.model_dump_json(), on_broken_rule, *(f"{each.table} {each.sha256}" for each in inputs)]
    return hashlib.sha256("\n".join(said).encode()).hexdigest()


def _by_name(tables: Any) -> dict[str, TableLike]:
    if tables is None or isinstance(tables, Mapping):
        return dict(tables or {})
    remedy = 'name each table, as in tables={"benefit": frame}; or give an engine, as in trialimpact.engines.DuckDB()'
    raise ProtocolError(worded(f"tables is a {type(tables).__name__}.", remedy=remedy))


def _read_all(
    protocol: TrialProtocol, given: dict[str, TableLike], folder: Path
) -> tuple[list[InputFile], dict[str, Table], list[BrokenRule]]:
    sources = protocol.sources
    names = [name for name in ("claimants", "markers") if getattr(sources, name) is not None]
    names += list(sources.spells)
    for name in given:
        if name not in names:
            raise unknown_name("source", name, names)
    inputs: list[InputFile] = []
    parsed: dict[str, Table] = {}
    broken: list[BrokenRule] = []
    for name in names:
        table: TableLike = given[name] if name in given else _file_of(protocol, name, folder)
        try:
            frame = read_frame(name, table, wanted_columns(protocol, name))
            sha256 = table_sha256(name, table)
        except UnreadableTableError as error:
            broken.append(error.broken)
            continue
        parsed[name], missing = parse_table(protocol, name, frame)
        broken += missing
        inputs.append(
            InputFile(
                table=name,
                name=type(table).__name__ if sha256 is None else Path(table).name,
                n_rows=len(frame),
                sha256=sha256,
            )
        )
    return inputs, parsed, broken


def _file_of(protocol: TrialProtocol, name: str, folder: Path) -> Path:
    file, query = source_of(protocol, name).file, source_of(protocol, name).query
    if file is None and query is not None:
        remedy = "name the engine that answers it: --engine duckdb, or analyse_trial(protocol, DuckDB())"
        raise ProtocolError(worded(f"source {name!r} has a query and no file.", remedy=remedy))
    if file is None:
        remedy = f'give sources.{name}.file in the protocol, or tables={{"{name}": frame}}'
        raise ProtocolError(worded(f"source {name!r} has no file and no frame.", remedy=remedy))
    return folder / file


def _apply_rules(
    protocol: TrialProtocol, parsed: dict[str, Table], on_broken_rule: OnBrokenRule
) -> tuple[list[AuditLine], dict[str, dict[str, Booleans]]]:
    lines: list[AuditLine] = []
    broken: list[BrokenRule] = []
    set_aside: dict[str, dict[str, Booleans]] = {}
    for name, table in parsed.items():
        set_aside[name] = {"": np.zeros(table.n_rows, dtype=bool)}
        for rule in RULES:
            if table.kind not in rule.kinds:
                continue
            mask = rule.find(table, protocol)
            rows = np.flatnonzero(mask) + 1
            action = {"error": "set aside", "warning": "kept", "note": "kept"}[rule.severity]
            lines.append(
                AuditLine(
                    table=name,
                    rule=rule.name,
                    severity=rule.severity,
                    says=rule.says,
                    rows=tuple(rows[:ROWS_SHOWN].tolist()),
                    n_broken=rows.size,
                    n_rows=table.n_rows,
                    action=action if rows.size else "none needed",
                )
            )
            if rule.severity == "error" and rows.size:
                set_aside[name][rule.name] = mask
                broken.append(_broken(table, rule, tuple(rows.tolist()), protocol))
    if broken and on_broken_rule == "error":
        raise record_error(broken)
    return lines, set_aside


def _broken(table: Table, rule: Rule, rows: tuple[int, ...], protocol: TrialProtocol) -> BrokenRule:
    unread = rule.name == "date_is_readable"
    of_kind = {
        "dates": tuple(name for name, broken in table.unreadable.items() if broken.any() or not unread),
        "declared": tuple(declared_labels(table, protocol)),
        "grouping": tuple(name for name in grouping_columns(protocol) if name in table.others or name in table.labels),
        "identified": tuple(name for name, broken in table.holds_identifier.items() if broken.any()),
        "mixed": tuple(name for name, broken in table.mixed.items() if broken.any()),
    }
    columns = of_kind.get(rule.columns[0], rule.columns)
    return BrokenRule(
        table=table.name,
        rule=rule.name,
        says=rule.says,
        remedy=rule.remedy,
        rows=rows,
        n_rows=table.n_rows,
        columns=tuple("any" if column == "*" else table.column(column) for column in columns),
    )


def _quarantined(parsed: dict[str, Table], set_aside: dict[str, dict[str, Booleans]]) -> pd.DataFrame:
    found = [(name, rule, np.flatnonzero(mask) + 1) for name in parsed for rule, mask in set_aside[name].items()]
    sizes = [rows.size for _, _, rows in found]
    return pd.DataFrame(
        {
            "table": np.repeat(np.array([name for name, _, _ in found], dtype=object), sizes),
            "row": np.concatenate([rows for _, _, rows in found]),
            "rule": np.repeat(np.array([rule for _, rule, _ in found], dtype=object), sizes),
        }
    )


def _participants(parsed: dict[str, Table], kept: dict[str, Booleans]) -> Integers:
    """New row numbers by old: people with a row left in `claimants` or `markers`, in file order."""
    own = [table.claimant[kept[name]] for name, table in parsed.items() if table.kind != "spells"]
    present = pd.unique(np.concatenate(own)) if own else np.empty(0, dtype=np.int64)
    highest = max((int(table.claimant.max(initial=NOBODY)) for table in parsed.values()), default=NOBODY)
    numbers = np.full(highest + 2, NOBODY, dtype=np.int64)
    numbers[np.sort(present)] = np.arange(present.size)
    return numbers


def _claimants(
    parsed: dict[str, Table], kept: dict[str, Booleans], participants: Integers, digits: Integers
) -> pd.DataFrame:
    old_numbers = np.flatnonzero(participants != NOBODY)
    n_people = old_numbers.size
    columns = {
        "digit": digits[old_numbers] if digits.size else np.empty(0, dtype=np.int64),
        "assigned_arm": np.full(n_people, None, dtype=object),
        "office": np.full(n_people, None, dtype=object),
        "index_day": np.full(n_people, NO_DAY, dtype=np.int64),
        "birth_day": np.full(n_people, NO_DAY, dtype=np.int64),
        "file_row": np.zeros(n_people, dtype=np.int64),
    }
    table = parsed.get("claimants")
    if table is None:
        return pd.DataFrame(columns)
    rows = np.flatnonzero(kept["claimants"])
    who = participants[table.claimant[rows]]
    columns["file_row"][who] = rows + 1
    for column, date in (("index_day", "index_date"), ("birth_day", "birth_date")):
        if date in table.days:
            columns[column][who] = table.days[date][rows]
    for label in ("assigned_arm", "office"):
        columns[label][who] = table.words(label)[rows]
    if "digit" in table.labels and (digits < 0).all():
        given = pd.to_numeric(pd.Series(table.words("digit")[rows])).fillna(-1)
        columns["digit"][who] = given.to_numpy(dtype=np.int64)
    return pd.DataFrame(columns)


def _characteristics(parsed: dict[str, Table], kept: dict[str, Booleans], participants: Integers) -> pd.DataFrame:
    """The characteristics of participants, a row a person; missing for people without a row."""
    people = range(int((participants != NOBODY).sum()))
    table = parsed.get("claimants")
    if table is None:
        return pd.DataFrame(index=people)
    rows = np.flatnonzero(kept["claimants"])
    who = pd.Index(participants[table.claimant[rows]])
    return table.others.iloc[rows].set_axis(who, axis=0).reindex(people)


def _markers(parsed: dict[str, Table], kept: dict[str, Booleans], participants: Integers) -> pd.DataFrame | None:
    table = parsed.get("markers")
    if table is None:
        return None
    rows = np.flatnonzero(kept["markers"])
    frame = pd.DataFrame(
        {
            "claimant": participants[table.claimant[rows]],
            "marker_day": table.days["marker_date"][rows],
            **{name: table.words(name)[rows] for name in ("marker", "office", "status", "reason")},
        }
    )
    frame["status"] = frame["status"].where(frame["status"].notna(), "valid")
    return frame


def _spells(table: Table, kept: Booleans, participants: Integers) -> SpellTable:
    """The spells of participants whose code counts, uncut."""
    claimant = participants[table.claimant]
    keep = kept & (claimant != NOBODY)
    counted = table.source.counted_codes if hasattr(table.source, "counted_codes") else ()
    code = table.label("code")
    if counted:
        keep &= code.isin(counted).to_numpy(dtype=bool)
    rows = np.flatnonzero(keep)
    return SpellTable(
        spells=Intervals(claimant, table.days["start_date"], table.end_day).where(rows),
        code=code.take(rows).reset_index(drop=True) if counted else None,
    )
