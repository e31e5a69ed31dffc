"""Files and frames -> `TrialRecords`: read, parse, number people, apply the rules, keep what passes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from trialimpact.errors import ROWS_SHOWN, BrokenRule, ProtocolError, record_error, unknown_name, worded
from trialimpact.intervals import Booleans, Integers, Intervals
from trialimpact.loaders.dates import NO_DAY
from trialimpact.loaders.doubts import warn_of_absent_offices, warn_of_one_file, warn_of_other_digits
from trialimpact.loaders.files import TableLike, UnreadableTableError, read_frame, table_sha256
from trialimpact.loaders.identifiers import (
    NOBODY,
    Keys,
    number_people,
    one_key_each,
    opaque_keys,
    parse_ninos,
)
from trialimpact.loaders.in_labels import holds_one_of
from trialimpact.loaders.records import Audit, AuditLine, InputFile, SpellTable, TrialRecords
from trialimpact.loaders.rule import Rule
from trialimpact.loaders.rules import RULES
from trialimpact.loaders.schema import (
    Table,
    declared_labels,
    parse_table,
    shown_labels,
    source_of,
    wanted_columns,
)
from trialimpact.loaders.spelling import spelt_alike
from trialimpact.protocol.model import TrialProtocol

OnBrokenRule = Literal["error", "quarantine"]


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
    warn_of_one_file(protocol, inputs)
    warn_of_absent_offices(protocol, parsed)
    digits = _number_claimants(protocol, parsed)
    warn_of_other_digits(protocol, parsed, digits)
    _require_links(parsed, on_broken_rule)
    lines, set_aside = _apply_rules(protocol, parsed, on_broken_rule)
    quarantined = _quarantined(parsed, set_aside)
    kept = {name: ~np.logical_or.reduce(list(masks.values())) for name, masks in set_aside.items()}
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
    )


def _by_name(tables: Any) -> dict[str, TableLike]:
    if tables is None or isinstance(tables, Mapping):
        return dict(tables or {})
    remedy = 'name each table, as in tables={"benefit": frame}'
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
    file = source_of(protocol, name).file
    if file is None:
        remedy = f'give sources.{name}.file in the protocol, or tables={{"{name}": frame}}'
        raise ProtocolError(worded(f"source {name!r} has no file and no frame.", remedy=remedy))
    return folder / file


def _number_claimants(protocol: TrialProtocol, parsed: dict[str, Table]) -> Integers:
    """Set every table's `claimant`, drop the identifiers, and return each person's allocating digit."""
    keys: list[Keys] = []
    for table in parsed.values():
        assert table.identifiers is not None  # noqa: S101
        if protocol.identifiers.kind == "nino":
            keys.append(parse_ninos(table.identifiers, synthetic=protocol.identifiers.synthetic))
        else:
            keys.append(opaque_keys(table.identifiers))
        table.identifiers = None
        table.blank_identifier, table.invalid_identifier = keys[-1].blank, keys[-1].invalid
    codes, n_people = number_people(keys)
    digits = np.full(n_people, -1, dtype=np.int64)
    for table, code, key in zip(parsed.values(), codes, keys, strict=True):
        table.claimant = code
        if table.kind != "spells":
            digits[code[code != NOBODY]] = key.digit[code != NOBODY]
    for table in parsed.values():
        table.spelt_otherwise = table.holds_identifier = np.zeros(table.n_rows, dtype=bool)
    if protocol.identifiers.kind == "opaque":
        _mark_other_spellings(parsed, keys, n_people)
        for table in parsed.values():
            held = [holds_one_of(labels, keys) for labels in shown_labels(table, protocol)]
            table.holds_identifier = np.logical_or.reduce([table.holds_identifier, *held])
    _mark_people_of_the_trial(parsed, n_people)
    return digits


def _mark_other_spellings(parsed: dict[str, Table], keys: list[Keys], n_people: int) -> None:
    """Note rows whose identifier is another spelling of that of somebody in the trial.

    Of two in the trial who are spelt alike, neither row among claimants and markers can be believed.
    """
    distinct = one_key_each(keys, [table.claimant for table in parsed.values()], n_people)
    if distinct is None:
        return
    group = spelt_alike(distinct)
    in_trial = _people_in(parsed, ("claimants", "markers"), n_people)[:-1]
    n_alike = np.bincount(group[in_trial], minlength=n_people)[group]
    stranger, double = ~in_trial & (n_alike > 0), in_trial & (n_alike > 1)
    for table in parsed.values():
        wrong = stranger if table.kind == "spells" else stranger | double
        table.spelt_otherwise = np.append(wrong, False)[table.claimant]


def _people_in(parsed: dict[str, Table], kinds: tuple[str, ...], n_people: int) -> Booleans:
    """Who has a row in tables of some kinds, by number; the last entry is for nobody."""
    there = np.zeros(n_people + 1, dtype=bool)
    for table in parsed.values():
        if table.kind in kinds:
            there[table.claimant] = True
    there[NOBODY] = False
    return there


def _mark_people_of_the_trial(parsed: dict[str, Table], n_people: int) -> None:
    """Leave a number only to people in `claimants` or `markers`; note who has a row in `claimants`."""
    in_trial, described = (_people_in(parsed, kinds, n_people) for kinds in (("claimants", "markers"), ("claimants",)))
    for table in parsed.values():
        table.described = described[table.claimant] | ("claimants" not in parsed)
        table.claimant = np.where(in_trial[table.claimant], table.claimant, NOBODY)


def _require_links(parsed: dict[str, Table], on_broken_rule: OnBrokenRule) -> None:
    """A source none of whose spells is of a person in the trial has identifiers of another form.

    Where none of them, or of the people's, is there in the declared form, a rule says so, unless its rows are to be set
    aside.
    """
    people = [table for table in parsed.values() if table.kind != "spells" and table.n_rows]
    broken = [
        BrokenRule(
            table=name,
            rule="spells_link_to_people",
            says=f"none of {table.n_rows:,} spells is of a person in the trial",
            remedy="write identifiers alike in every table (leading zeros, capitals)",
        )
        for name, table in parsed.items()
        if table.kind == "spells"
        and table.n_rows
        and (table.claimant == NOBODY).all()
        and not (on_broken_rule == "error" and any(map(_has_no_identifier, (table, *people))))
    ]
    if broken:
        raise record_error(broken, quarantine_helps=False)


def _has_no_identifier(table: Table) -> bool:
    return bool((table.blank_identifier | table.invalid_identifier).all())


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
