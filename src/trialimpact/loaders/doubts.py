"""What is allowed and mostly a mistake, of tables as wholes: warned of where no rule about a row can say it."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pandas as pd

from trialimpact.errors import TrialWarning, worded
from trialimpact.intervals import Integers
from trialimpact.loaders.records import InputFile
from trialimpact.loaders.schema import DATES, Table
from trialimpact.protocol.model import TrialProtocol


def warn_of_one_file(protocol: TrialProtocol, inputs: list[InputFile]) -> None:
    """Two spell sources that read the same days of the same bytes are mostly a file that was named twice, unless each
    counts codes of its own.
    """
    spells = protocol.sources.spells
    found = {each.table: each.sha256 for each in inputs if each.table in spells and each.sha256}
    for one, other in itertools.combinations(found, 2):
        columns = [[each.columns.get(day, day) for day in DATES["spells"]] for each in (spells[one], spells[other])]
        codes = [set(each.counted_codes) for each in (spells[one], spells[other])]
        if found[one] == found[other] and columns[0] == columns[1] and (codes[0] == codes[1] or not all(codes)):
            says = f"the sources {one} and {other} read the same spells of the same file."
            _warn(says, "name the file of each")


def warn_of_absent_offices(protocol: TrialProtocol, parsed: dict[str, Table]) -> None:
    """An office that the protocol names and no row does is mostly written otherwise, and its people are counted out."""
    table = parsed.get("markers", parsed.get("claimants"))
    there = set() if table is None else {*table.label("office").cat.categories}
    absent = [office for office in protocol.recruitment.offices if office not in there]
    if absent and there:
        says = f"no row is of {len(absent)} of the offices that the protocol names: {', '.join(map(repr, absent[:5]))}."
        _warn(says, "write offices alike in the protocol and in the records")


def warn_of_other_digits(protocol: TrialProtocol, parsed: dict[str, Table], digits: Integers) -> None:
    """A digit that is given beside a NINO allocates nobody; where it is another, one of the two is wrong."""
    table = parsed.get("claimants")
    if table is None or "digit" not in table.labels or protocol.identifiers.kind != "nino":
        return
    given = pd.to_numeric(pd.Series(table.words("digit")), errors="coerce").to_numpy(dtype=float)
    theirs = np.append(digits, -1)[table.claimant]
    n = int((~np.isnan(given) & (theirs >= 0) & (given != theirs)).sum())
    if n and protocol.allocation.rule == "digit":
        says = (
            f"claimants: in {n:,} of {table.n_rows:,} rows the column digit is not that of the NINO, which allocates."
        )
        _warn(says, "ask the supplier which of the two allocated")


def _warn(says: str, remedy: str) -> None:
    warnings.warn(worded(says, remedy=remedy), TrialWarning, stacklevel=5)
