"""`TrialRecords`: what loading gives. People are row numbers; no identifier is in here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, listed, worded
from trialimpact.intervals import Integers, Intervals
from trialimpact.loaders.rule import Severity
from trialimpact.protocol.model import TrialProtocol


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditLine:
    """One rule applied to one table, whether or not any row breaks it.

    `rows` are the first `ROWS_SHOWN` of the `n_broken` rows that break it.
    """

    table: str
    rule: str
    severity: Severity
    says: str
    rows: tuple[int, ...]
    n_broken: int
    n_rows: int
    action: str

    def listed(self) -> str:
        """The rows as the audit's table shows them; nothing where an engine counted, which has no row numbers."""
        if not self.rows:
            return ""
        more = self.n_broken - len(self.rows)
        return listed(self.rows) + (f" and {more:,} more" if more else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """Every rule that was applied, how many rows broke it, and what was done about them."""

    lines: tuple[AuditLine, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row a table and rule: table, rule, severity, says, n_broken, n_rows, action, rows."""
        return pd.DataFrame(
            [
                {
                    "table": line.table,
                    "rule": line.rule,
                    "severity": line.severity,
                    "says": line.says,
                    "n_broken": line.n_broken,
                    "n_rows": line.n_rows,
                    "action": line.action,
                    "rows": line.listed(),
                }
                for line in self.lines
            ],
            columns=["table", "rule", "severity", "says", "n_broken", "n_rows", "action", "rows"],
        )

    def in_doubt(self) -> Audit:
        """The rules that ask for a look: those that rows break and that are no mere note."""
        return Audit(lines=tuple(line for line in self.lines if line.n_broken and line.severity != "note"))

    def sentence(self) -> str:
        """What is in doubt, in a line; empty where nothing is."""
        lines = self.in_doubt().lines
        found = [f"{line.table}: {line.n_broken:,} of {line.n_rows:,} break {line.rule!r}" for line in lines]
        return "rows in doubt: " + "; ".join(found) if found else ""

    def __repr__(self) -> str:
        broken = [line for line in self.lines if line.n_broken]
        counts = ", ".join(f"{line.table}.{line.rule}: {line.n_broken:,}" for line in broken) or "nothing found"
        return f"Audit({len(self.lines)} checks; {counts})"

    def _repr_html_(self) -> str:
        frame = self.to_frame()
        found = frame[frame["n_broken"] > 0]
        passed = len(frame) - len(found)
        return f"<p>{passed} of {len(frame)} checks found nothing.</p>{found.to_html(index=False)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpellTable:
    """The spells of one source, uncut, in days since 1970-01-01; `code` is None without codes."""

    spells: Intervals
    code: pd.Series[str] | None

    def of_codes(self, codes: tuple[str, ...]) -> Intervals:
        """The spells with one of these codes; all of them where no code is named."""
        if not codes or self.code is None:
            return self.spells
        return self.spells.where(self.code.isin(codes).to_numpy(dtype=bool))


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """What was read for one table, for the manifest."""

    table: str
    name: str
    n_rows: int
    sha256: str | None


def require_one_load(*loads: str) -> None:
    """A row number is of somebody else in another load; what was made by hand (of the load "") is believed."""
    if len({*loads} - {""}) > 1:
        says = "sample, spells and panel are of different loads: their row numbers may be of different people."
        raise DesignError(worded(says, remedy="take all of the same records, loaded once"))


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TrialRecords:
    """Checked records of a trial. Row i of `claimants` is person i everywhere.

    Attributes
    ----------
    claimants : DataFrame, one row a person
        `digit` (-1 unknown), `assigned_arm` and `office` (None unknown), `index_day`, `birth_day`
        (days since 1970-01-01, `NO_DAY` unknown), `file_row` (in the claimants' table, from 1; 0 without one).
    characteristics : DataFrame, one row a person
        The columns that the protocol names, as they stand in the table; no other column is kept.
    markers : DataFrame or None
        `claimant`, `marker_day`, `marker`, `office`, `status`, `reason`, in file order.
    spells : mapping of source name to `SpellTable`
        Uncut: coverage is applied where spells are merged.
    audit : Audit
    quarantined : DataFrame
        `table`, `row`, `rule` of every row that was set aside.
    inputs : tuple of InputFile
    doubts : tuple of str
        What is allowed and mostly a mistake, of tables as wholes; loading warned of it.
    load : str
        The same of files that are the same, another of every load of frames: row numbers mean nothing in another.
    """

    protocol: TrialProtocol
    claimants: pd.DataFrame
    characteristics: pd.DataFrame
    markers: pd.DataFrame | None
    spells: Mapping[str, SpellTable]
    audit: Audit
    quarantined: pd.DataFrame
    inputs: tuple[InputFile, ...]
    doubts: tuple[str, ...] = ()
    load: str = ""

    @property
    def n_claimants(self) -> int:
        """People with a row in `claimants` or a marker."""
        return len(self.claimants)

    def index_days(self) -> Integers:
        """Given index days, shape (n_claimants,)."""
        return self.claimants["index_day"].to_numpy()

    def fingerprint(self) -> str:
        """A hash of these people's days and spells, which nobody without them can try to guess."""
        found = hashlib.sha256(self.claimants[["digit", "index_day", "birth_day"]].to_numpy(dtype=np.int64).tobytes())
        for name, table in sorted(self.spells.items()):
            found.update(name.encode())
            for days in (table.spells.owner, table.spells.start, table.spells.end):
                found.update(np.ascontiguousarray(days, dtype=np.int64).tobytes())
        return found.hexdigest()

    def __repr__(self) -> str:
        markers = "no markers" if self.markers is None else f"{len(self.markers):,} markers"
        spells = ", ".join(f"{len(table.spells):,} {name} spells" for name, table in self.spells.items())
        aside = f"{len(self.quarantined):,} rows set aside"
        return f"TrialRecords({self.n_claimants:,} people; {markers}; {spells}; {aside})"

    def _repr_html_(self) -> str:
        return f"<p>{self!r}</p>{self.audit._repr_html_()}"
