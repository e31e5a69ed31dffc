"""What a rule about records is: a named function that finds the rows that break it, and what to say of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trialimpact.intervals import Booleans
from trialimpact.loaders.dates import NO_DAY
from trialimpact.loaders.schema import Kind, Table
from trialimpact.protocol.model import TrialProtocol

Severity = Literal["error", "warning", "note"]
Find = Callable[[Table, TrialProtocol], Booleans]

ALL = "claimants markers spells"
CORRECT = "correct the extract"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule: its name, what it says, what to do, and how to find the rows that break it."""

    name: str
    severity: Severity
    kinds: tuple[Kind, ...]
    columns: tuple[str, ...]
    says: str
    remedy: str
    find: Find


class Rules(list[Rule]):
    """Rules in the order of the audit; a function that is decorated with them becomes one, under its own name."""

    def __call__(self, severity: Severity, kinds: str, columns: str, says: str, remedy: str) -> Callable[[Find], Find]:
        """Register a function as a rule about some kinds of table and columns of it."""

        def register(find: Find) -> Find:
            self.append(
                Rule(
                    name=find.__name__,
                    severity=severity,
                    kinds=tuple(kinds.split()),  # type: ignore[arg-type]
                    columns=tuple(columns.split()),
                    says=says,
                    remedy=remedy,
                    find=find,
                )
            )
            return find

        return register


def blank_day(table: Table, name: str) -> Booleans:
    """Rows that give no day; one that cannot be read is another rule's."""
    return np.asarray((table.days[name] == NO_DAY) & ~table.unreadable[name])
