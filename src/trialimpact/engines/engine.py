"""`Engine`: two verbs, `table` and `fetch`, and the few words in which engines differ."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from trialimpact.errors import ProtocolError, RecordError, worded
from trialimpact.protocol import TrialProtocol

Rows: TypeAlias = Mapping[str, NDArray[Any]]
"""What a query gives: an array a column."""
T = TypeVar("T")


class Engine(ABC):
    """Where the records live and the counting is done. Only sums come back.

    Attributes
    ----------
    name : str
        What the manifest calls it.
    queries : mapping of source to SELECT
        In place of the protocol's `query` or `file`.
    double : str
        Its word for a floating-point number.
    shards : int
        Into how many parts the claimants are split, one counted after the other; their counts are added.
    remedy : str
        What to do where a statement does not run.
    """

    name: str
    queries: Mapping[str, str]
    double: str = "double precision"
    shards: int = 1
    remedy: str = "correct the query"

    @abstractmethod
    def table(self, name: str, sql: str) -> None:
        """Make a temporary table from a query, in place of one of that name."""

    @abstractmethod
    def fetch(self, sql: str) -> Rows:
        """The rows of a query."""

    def columns(self, sql: str) -> tuple[str, ...]:
        """The names of the columns of a query, in small letters."""
        return tuple(name.lower() for name in self.fetch(f"select * from ({sql}) q where 1 = 0"))

    def scan(self, protocol: TrialProtocol, source: str, folder: Path) -> str:  # noqa: ARG002
        """A query that reads the file of a source, with the library's column names and whole days."""
        remedy = f'give sources.{source}.query in the protocol, or queries={{"{source}": "select ..."}} to the engine'
        raise ProtocolError(
            worded(f"the engine {self.name} reads no files, and {source!r} has no query.", remedy=remedy)
        )

    def attempt(self, call: Callable[[], T]) -> T:
        """What a call of the engine's driver gives. The driver's error may quote a record: only its kind is told."""
        try:
            return call()
        except Exception as error:
            kind = type(error).__name__
        # Raised out of the handler: a traceback would show the driver's message.
        again = "where the connection was lost or the engine was stopped, run again: nothing was written"
        raise EngineError(worded(f"{self.name} stopped with {kind}.", remedy=f"{self.remedy}; {again}"))

    def in_shard(self, shard: int) -> str:
        """The condition on a person's number under which they fall into one of the shards."""
        return f"cid % {self.shards} = {shard}"

    def worded(self, name: str, sql: str) -> str:
        """The statement that makes a table, for print."""
        return f"create temporary table {name} as\n{sql}"

    def close(self) -> None:  # noqa: B027
        """Let go of what was opened: nothing, where the caller opened it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}()"


class EngineError(RecordError):
    """A statement that an engine did not run, or not to its end."""


def columns_of_rows(names: list[str], rows: list[Any]) -> Rows:
    """Rows of a cursor, an array a column: whole numbers, numbers, or objects."""
    values = list(zip(*rows, strict=True)) if rows else [()] * len(names)
    return {name: _array(each) for name, each in zip(names, values, strict=True)}


def _array(values: tuple[Any, ...]) -> NDArray[Any]:
    if all(isinstance(value, int) for value in values):
        return np.array(values, dtype=np.int64)
    found = np.empty(len(values), dtype=object)
    found[:] = values
    return found
