"""How a command runs: streams that any terminal takes, warnings a line each, errors as messages and exit codes."""

from __future__ import annotations

import codecs
import io
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from trialimpact.errors import DesignError, OutputError, ProtocolError, RecordError, TrialWarning, printable, worded


class BrokenRuleChoice(StrEnum):
    """What to do with rows that break a rule."""

    error = "error"
    quarantine = "quarantine"


BrokenRuleOption = Annotated[BrokenRuleChoice, typer.Option(help="Stop, or set broken rows aside and count them.")]


def say_written(out: Path, *, start: str = "", raw: bool = False) -> None:
    """Where the results are, which page to start with, and that raw numbers are not for release."""
    mark, page = " (raw: not for release)" if raw else "", f"; start with {out / start}" if start else ""
    typer.echo(printable(f"written to {out}{mark}{page}"))


def run(app: Callable[[], object]) -> None:
    """Run the command line; every error becomes a message and an exit code, and a stop leaves nothing half done."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    codecs.register_error("trialimpact", _in_plain_letters)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="trialimpact")
    try:
        _refuse_slips(sys.argv[1:])
        with warnings.catch_warnings():
            _say_warnings()
            app()
    except (RecordError, DesignError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(1)
    except (ProtocolError, OutputError) as error:
        typer.echo(f"error: {error}", err=True)
        sys.exit(2)
    except MemoryError:
        remedy = "count with --engine duckdb, which stays within memory; or set analysis.products = false"
        typer.echo(f"error: {worded('the memory of this machine is not enough.', remedy=remedy)}", err=True)
        sys.exit(3)
    except Exception as error:
        # The message of a stray error may quote a record, so only its kind and place are told.
        place = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{Path(place.filename).name}, line {place.lineno}, in {place.name}"
        typer.echo(f"error: unexpected {type(error).__name__} ({where})", err=True)
        sys.exit(3)


def _in_plain_letters(error: UnicodeError) -> tuple[str, int]:
    """What an encoding does not have: a minus as a hyphen, for a number without it is another; else question marks."""
    assert isinstance(error, UnicodeEncodeError)  # noqa: S101
    return "".join("-" if each in "−–—" else "?" for each in error.object[error.start : error.end]), error.end


def _refuse_slips(arguments: list[str]) -> None:
    """An empty argument, which a path would take for this folder, and a dash that an editor made of two hyphens."""
    for each in arguments:
        if not each:
            says, remedy = "an argument is empty.", "is it a variable that is not set? leave it out, or give it a value"
            raise ProtocolError(worded(says, remedy=remedy))
        if each.startswith(("–", "—", "−")):
            raise ProtocolError(worded(f"{each!r} begins with a dash that is no hyphen.", remedy="write -- by hand"))


def _say_warnings() -> None:
    """Let every warning of ours be a line on stderr, once; the others are Python's to show."""
    said: set[str] = set()
    show = warnings.showwarning

    def show_ours(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
        if not issubclass(category, TrialWarning):
            show(message, category, *where, **more)
        elif str(message) not in said:
            said.add(str(message))
            line = f"warning: {message}"
            if "tqdm" in sys.modules:  # a bar may stand in this line
                sys.modules["tqdm"].tqdm.write(line, file=sys.stderr)
            else:
                typer.echo(line, err=True)

    warnings.showwarning = show_ours
    warnings.simplefilter("always", TrialWarning)
