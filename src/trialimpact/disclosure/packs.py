"""Rule packs: what a room lets out, as data."""

from __future__ import annotations

import hashlib
import math
import tomllib
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trialimpact.errors import ProtocolError, unknown_name, worded
from trialimpact.intervals import Booleans
from trialimpact.protocol.conditions import Whole, Words
from trialimpact.toml import toml_data, toml_model, toml_text

DEFAULT_PACK = "ons_10_5"
NO_CONTROL = "none"
DECIMALS = {"days": 1, "days_error": 2, "share": 3, "p": 3}
"""In what is published: a mean of days shows no single day of one person among ten."""


class RulePack(BaseModel):
    """One office's rules for what may leave.

    >>> rule_pack("uk_llc").smallest_count
    10
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Words
    label: Words
    source: str
    smallest_count: Whole = Field(ge=1, description="counts from 1 up to below this are suppressed")
    zeros: Literal["shown", "suppressed"]
    rounding: Literal["none", "nearest", "midpoint", "random"]
    base: Whole = Field(ge=1, description="what counts are rounded to multiples of")
    smallest_group: Whole = Field(ge=1, description="people on each side behind a mean, a share or a test")
    movers: Whole = Field(ge=0, description="people who change state between two published points of a curve")

    @model_validator(mode="after")
    def _is_read_as_it_is_written(self) -> Self:
        if not (self.name + self.label).isprintable():
            raise ValueError("name and label hold only what can be seen: the label is what a release states")
        return self

    @model_validator(mode="after")
    def _rounds(self) -> Self:
        """Exact counts cannot be kept from differences: a pack rounds, or it is the one that controls nothing."""
        if not self.controls:
            return self
        if self.rounding == "none" or self.base == 1:
            raise ValueError("rounding needs a base above 1")
        if rounded(self, self.smallest_count, 1.0) == 0:
            raise ValueError("no count of somebody is shown as nobody: base is too large")
        if self.smallest_group < self.smallest_count:
            raise ValueError("smallest_group is at least smallest_count")
        if self.rounding != "random" and self.smallest_group > self.smallest_count:
            below, at = (rounded(self, n, 0.0) for n in (self.smallest_group - 1, self.smallest_group))
            if below == at:
                raise ValueError("smallest_group is the smallest number that is shown as what it is shown as")
        return self

    @property
    def controls(self) -> bool:
        """Whether it keeps anything back."""
        return self.name != NO_CONTROL

    def is_few(self, n: ArrayLike) -> Booleans:
        """Where a number of people is somebody, and too few for a mean, a share or a test."""
        numbers = np.asarray(n)
        return np.asarray((numbers > 0) & (numbers < self.smallest_group))

    @property
    def protected_below(self) -> int:
        """Counts from 1 up to below this must not be learnt from others: suppressed ones, or those of a first step."""
        return max(self.smallest_count, self.base + 1 if self.rounding == "midpoint" else self.base)

    @property
    def ambiguity(self) -> int:
        """How far apart the values must stay that a protected count can have: no nearer than rounding leaves them."""
        return self.base - 1


def rule_pack(name: str | Path | RulePack = DEFAULT_PACK) -> RulePack:
    """A pack by its name, or from a TOML file with one table.

    Raises
    ------
    ProtocolError
        There is no such pack, or the file is not one.

    Examples
    --------
    >>> rule_pack("ons_10_5").label
    'ONS 10-5'
    """
    if isinstance(name, RulePack):
        return name
    if str(name) in _shipped():
        return _shipped()[str(name)]
    if not str(name).lower().endswith(".toml"):
        raise unknown_name("rule pack", str(name), [*_shipped(), "FILE.toml"], where="trialimpact")
    pack = _own(Path(name))
    ours = {words.casefold() for each in _shipped().values() for words in (each.name, each.label)}
    if taken := [words for words in (pack.name, pack.label) if words.casefold() in ours]:
        remedy = "give the table a name and a label of its own: what is published states which pack was used"
        raise ProtocolError(worded(f"{name}: {taken[0]!r} is a pack of ours.", remedy=remedy))
    return pack


def _own(path: Path) -> RulePack:
    """A pack of a user's: one table, by whose name it goes."""
    tables, keys = toml_data(toml_text(path, "the rule pack"), str(path)), [*RulePack.model_fields][1:]
    remedy = f"a pack is one table of the keys {', '.join(keys)}"
    if [*map(type, tables.values())] != [dict]:
        raise ProtocolError(worded(f"{path}: not one table.", remedy=remedy))
    ((name, values),) = tables.items()
    if "name" in values:
        raise ProtocolError(worded(f"{path}: name: a pack goes by the name of its table.", remedy="leave it out"))
    return toml_model(RulePack, {**values, "name": name}, where=str(path), whole="the rule pack", remedy=remedy)


def pack_names() -> tuple[str, ...]:
    """The packs that come along."""
    return tuple(_shipped())


@cache
def _shipped() -> dict[str, RulePack]:
    text = (resources.files("trialimpact") / "disclosure" / "packs.toml").read_text(encoding="utf-8")
    tables: dict[str, dict[str, Any]] = tomllib.loads(text)
    return {name: RulePack(name=name, **values) for name, values in tables.items()}


class Rounder:
    """Counts as a pack shows them. Random rounding is fixed: with one salt, the same people always give one number.

    Counts of too few for a mean stand in tables of counts alone, where whose they are is known, and each is drawn on
    its own: were equal counts shown alike, sums would tell what each is shown as. Of more, equal counts are.
    """

    def __init__(self, pack: RulePack, salt: str) -> None:
        self.pack, self._salt = pack, salt

    def shown(self, n: float, people: str = "") -> float:
        """A count as it may be shown; NaN where it is suppressed. `people` says whose it is.

        >>> rounder = Rounder(rule_pack("ons_10_5"), salt="")
        >>> rounder.shown(0), rounder.shown(9), rounder.shown(13)
        (0.0, nan, 15.0)
        """
        count = int(n)
        if self.suppresses(count):
            return math.nan
        return float(self._rounded(count, people if count < self.pack.smallest_group else ""))

    def suppresses(self, n: int) -> bool:
        """Whether a count is too small to be shown."""
        return self.pack.zeros == "suppressed" if n == 0 else n < self.pack.smallest_count

    def protects(self, n: int) -> bool:
        """Whether a count must not be learnt from what is shown."""
        if not self.pack.controls:
            return False
        return self.pack.zeros == "suppressed" if n == 0 else n < self.pack.protected_below

    def possible(self, shown: float) -> tuple[float, float]:
        """The counts that a reader who knows the pack must think possible."""
        base, below, above = self.pack.base, 0, 0
        if self.pack.rounding == "nearest":
            below, above = base // 2, (base - 1) // 2
        elif self.pack.rounding == "midpoint" and shown:
            below, above = base - base // 2 - 1, base // 2
        elif self.pack.rounding == "random":
            below = above = base - 1
        if shown:
            return max(shown - below, self.pack.smallest_count), shown + above
        return 0, 0 if self.pack.smallest_count > above else above

    def _rounded(self, n: int, people: str) -> int:
        draw = int.from_bytes(hashlib.sha256(f"{self._salt}:{n}:{people}".encode()).digest()[:6]) / 2**48
        return rounded(self.pack, n, draw)


def rounded(pack: RulePack, n: int, draw: float) -> int:
    """A count as a pack rounds it; `draw`, from [0, 1), decides where it does so at random."""
    if pack.rounding == "nearest":
        return (n + pack.base // 2) // pack.base * pack.base
    if pack.rounding == "midpoint":
        return -(-n // pack.base) * pack.base - (pack.base // 2 if n else 0)
    if pack.rounding == "random":
        down, over = divmod(n, pack.base)
        return (down + (draw < over / pack.base)) * pack.base
    return n


def coarse_decimals(n: int, rounder: Rounder, unit: float = 1.0) -> int:
    """So many decimals of a mean of `n` people that its sum is known no better than a count of people, a unit each.

    Below 0 for tens, hundreds: of an amount that few have, a finer mean would give their number back.
    """
    blur = max(rounder.pack.base, rounder.pack.smallest_count) * unit
    found = math.floor(math.log10(max(n, 1) / blur))
    return found if unit > 1 else max(0, found)
