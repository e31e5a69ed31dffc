"""The public surface as text: names with their signatures, commands with their options, keys of a protocol, formats."""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

import trialimpact
from trialimpact.archive import FORMAT
from trialimpact.cli import app

ROOT = Path(__file__).parents[1]
STORED = ROOT / "tests" / "architecture" / "public_surface.txt"


def names() -> Iterator[str]:
    """Every public name; of a function its arguments and which can be left out, of a class its public members."""
    for name in sorted(trialimpact.__all__):
        thing = getattr(trialimpact, name)
        if inspect.isfunction(thing):
            yield f"{name}({', '.join(map(argument, inspect.signature(thing).parameters.values()))})"
        else:
            fields = {*vars(thing), *getattr(thing, "model_fields", ()), *getattr(thing, "__annotations__", ())}
            shown = sorted(field for field in fields if not field.startswith(("_", "model_")))
            yield f"{name}: {' '.join(shown)}" if shown else name


def argument(one: inspect.Parameter) -> str:
    """An argument's name, with its stars; `=...` where it can be left out."""
    stars = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**", one.KEYWORD_ONLY: "by name "}.get(one.kind, "")
    return f"{stars}{one.name}{'' if one.default is one.empty else '=...'}"


def commands(command: Any, path: str) -> Iterator[str]:
    """Every command with its arguments and options."""
    inner = getattr(command, "commands", {})
    if not inner:
        yield f"{path} {' '.join(sorted(word for one in command.params for word in (*one.opts, *one.secondary_opts)))}"
    for name in sorted(inner):
        yield from commands(inner[name], f"{path} {name}")


def keys() -> Iterator[str]:
    """Every key that a protocol may hold."""
    schema = json.loads((ROOT / "docs" / "protocol.schema.json").read_text(encoding="utf-8"))
    for part, said in sorted({"(top)": schema, **schema["$defs"]}.items()):
        if "properties" in said:
            yield f"protocol {part}: {' '.join(sorted(said['properties']))}"


def surface() -> str:
    """All of it, a line each."""
    lines = [*names(), *commands(typer.main.get_command(app), "trialimpact"), *keys(), f"moments file: {FORMAT}"]
    return "\n".join(line.rstrip() for line in lines) + "\n"


if __name__ == "__main__":
    STORED.write_text(surface(), encoding="utf-8")
    sys.exit(0)
