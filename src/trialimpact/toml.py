"""A user's TOML -> a checked model, with errors that name the file, the key, the value and the remedy."""

from __future__ import annotations

import difflib
import tomllib
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from trialimpact.errors import ProtocolError, printable, worded

Model = TypeVar("Model", bound=BaseModel)

_SLIPS = (
    'correct that line: text stands in straight quotes ("so", not “so”), true and false in small letters, '
    "dates as 2015-03-16, a remark behind #; each key once"
)
_LISTS = {"digits": "[0, 1, 2, 3, 4]", "horizon_days": "[91, 182]"}
"""Lists of numbers by the key that they are of, as they are written."""

SHOWN = 100
"""How many letters or digits of a wrong value a message shows."""


def toml_text(path: Path, whole: str) -> str:
    """The text of a file; `whole` is what errors call what it holds."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        says = f"{path}: {whole} cannot be read: {reason}."
        raise ProtocolError(worded(says, remedy="give the path of a TOML file")) from None


def toml_data(text: str, where: str) -> dict[str, Any]:
    """What TOML text holds; `where` is what errors call the file."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProtocolError(worded(f"{where}: not TOML: {error}.", remedy=_SLIPS)) from None
    except (ValueError, RecursionError):
        says = f"{where}: not TOML that can be read: thousands of digits in a number, or of brackets in brackets."
        raise ProtocolError(worded(says, remedy="write it shorter")) from None


def toml_model(model: type[Model], data: dict[str, Any], *, where: str, whole: str, remedy: str) -> Model:
    """A model from a dictionary; every wrong key is named."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        found = error.errors()
        wrong = {problem["loc"][:n] for problem in found for n in range(len(problem["loc"]))}
        # A list of which each entry is wrong is told as too short as well.
        told = [each for each in found if each["type"] != "too_short" or each["loc"] not in wrong]
        problems = [_in_words(problem, model, whole) for problem in told]
        noun = "key is" if len(problems) == 1 else "keys are"
        says = f"{where}: {len(problems)} {noun} wrong."
        raise ProtocolError(worded(says, *problems, remedy=f"correct each; {remedy}")) from None


def _in_words(problem: Any, model: type[BaseModel], whole: str) -> str:
    path = [printable(str(step)) for step in problem["loc"]]
    key = ".".join(path) or f"{whole} as a whole"
    kind, given = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        return f"{key}: there is no such key{_closest(path, model)}"
    if kind == "missing":
        return f"{key}: this key is required and is not there"
    if kind == "tuple_type":
        a_list = "a list, as in " + next((each for name, each in _LISTS.items() if name in path), '["one", "other"]')
        wanted = f"tables that begin with [[{key}]]" if isinstance(given, dict) else a_list
        return f"{key}: needs {wanted}{_shown(given)}"
    if kind == "string_pattern_mismatch":
        small = "0-9_" in problem["ctx"]["pattern"]
        wanted = "small letters, digits and _, as in on_benefit" if small else "words on one line"
        return f"{key}: needs {wanted}{_shown(given)}"
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


def _closest(path: list[str], model: type[BaseModel]) -> str:
    close = difflib.get_close_matches(path[-1], sorted(_field_names(path[:-1], model)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _field_names(path: list[str], model: type[BaseModel]) -> set[str]:
    """The keys that may stand at a place: of every form that may, where there are several."""
    schema = model.model_json_schema()
    forms = _forms(schema, schema)
    for step in path:
        within = [form for each in forms for inner in _inside(each, step) for form in _forms(inner, schema)]
        # A step may name a form and no key.
        forms = [form for form in within if {"properties", "additionalProperties", "items"} & {*form}] or forms
    return {name for form in forms for name in form.get("properties", {})}


def _forms(part: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a part of a JSON schema may be: references followed, alternatives apart."""
    if "$ref" in part:
        return _forms(schema["$defs"][part["$ref"].rpartition("/")[2]], schema)
    several = [each for key in ("anyOf", "oneOf", "allOf") for each in part.get(key, ())]
    return [form for each in several for form in _forms(each, schema)] if several else [part]


def _inside(form: dict[str, Any], step: str) -> list[dict[str, Any]]:
    """What stands under a key, or in any place of a list."""
    found = [form.get("properties", {}).get(step), form.get("additionalProperties")]
    found += [form.get("items")] if step.isdigit() else []
    return [each for each in found if isinstance(each, dict)]
