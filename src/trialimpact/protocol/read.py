"""TOML -> `TrialProtocol`."""

from __future__ import annotations

from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from trialimpact.errors import ProtocolError, worded
from trialimpact.protocol.model import TrialProtocol
from trialimpact.toml import toml_data, toml_model, toml_text

_WHOLE = "the protocol"


def read_protocol(path: Path) -> TrialProtocol:
    """Read and check one protocol file."""
    return parse_protocol(toml_text(path, _WHOLE), where=str(path))


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
    return checked(toml_data(text, where), where)


def checked(data: dict[str, Any], where: str) -> TrialProtocol:
    """A protocol from a dictionary; `where` is what errors call it."""
    remedy = "`trialimpact protocol schema` prints every key and what it takes"
    with suppress(RecursionError):  # of which the model says what it is
        data = _without_numpy(data)
    return toml_model(TrialProtocol, data, where=where, whole=_WHOLE, remedy=remedy)


def _without_numpy(value: Any) -> Any:
    """The same data with numbers and lists of Python's own, as a notebook's may not be."""
    if isinstance(value, dict):
        return {key: _without_numpy(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_without_numpy, value))
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else value
