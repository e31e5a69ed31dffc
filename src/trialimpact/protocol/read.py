"""TOML -> `TrialProtocol`, with errors that name the file, the key, the value and the remedy."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from trialimpact.errors import ProtocolError, printable, worded
from trialimpact.protocol.model import TrialProtocol

SHOWN = 100
"""How many letters or digits of a wrong value a message shows."""


def read_protocol(path: Path) -> TrialProtocol:
    """Read and check one protocol file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ProtocolError(
            worded(f"{path}: the protocol cannot be read: {reason}.", remedy="give the path of a TOML file")
        ) from None
    return parse_protocol(text, where=str(path))


def shipped_protocol(name: str) -> TrialProtocol:
    """A protocol that comes with the package, by the name of its file without `.toml`."""
    folder = resources.files("trialimpact") / "protocols"
    names = sorted(each.name.removesuffix(".toml") for each in folder.iterdir() if each.name.endswith(".toml"))
    if name not in names:
        raise ProtocolError(
            worded(f"no protocol {name!r} comes with trialimpact.", remedy=f"use one of: {', '.join(names)}")
        )
    return parse_protocol((folder / f"{name}.toml").read_text(encoding="utf-8"), where=f"{name}.toml")


def parse_protocol(text: str, where: str) -> TrialProtocol:
    """Check protocol text; `where` is what errors call it."""
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(worded(f"{where}: not TOML: {error}.", remedy="correct that line")) from None
    except (ValueError, RecursionError):
        says = f"{where}: not TOML that can be read: thousands of digits in a number, or of brackets in brackets."
        raise ProtocolError(worded(says, remedy="write it shorter")) from None
    return checked(data, where)


def checked(data: dict[str, Any], where: str) -> TrialProtocol:
    """A protocol from a dictionary; `where` is what errors call it."""
    try:
        return TrialProtocol.model_validate(data)
    except ValidationError as error:
        problems = [_in_words(problem) for problem in error.errors()]
        noun = "key is" if len(problems) == 1 else "keys are"
        raise ProtocolError(
            worded(
                f"{where}: {len(problems)} {noun} wrong.",
                *problems,
                remedy="correct each; `trialimpact protocol schema` prints every key and what it takes",
            )
        ) from None


def _in_words(problem: Any) -> str:
    path = [printable(str(step)) for step in problem["loc"]]
    key = ".".join(path) or "the protocol as a whole"
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return f"{key}: there is no such key{_closest(path)}"
    if kind == "missing":
        return f"{key}: this key is required and is not there"
    said = str(problem["msg"]).removeprefix("Value error, ")
    return f"{key}: {said}{_shown(given)}"


def _shown(given: Any) -> str:
    """What was given, where it is one value; not all of it where it is long."""
    if isinstance(given, int) and abs(given) >= 10**SHOWN:
        return f" (given a number of more than {SHOWN} digits)"
    if not isinstance(given, str | int | float | bool):
        return ""
    text = repr(given)
    return f" (given {text})" if len(text) <= SHOWN else f" (given {text[:SHOWN]}...)"


def _closest(path: list[str]) -> str:
    known = _field_names(TrialProtocol, set())
    close = difflib.get_close_matches(path[-1], sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _field_names(model: type[BaseModel], seen: set[str]) -> set[str]:
    for definition in (model.model_json_schema(), *model.model_json_schema().get("$defs", {}).values()):
        seen |= set(definition.get("properties", {}))
    return seen
