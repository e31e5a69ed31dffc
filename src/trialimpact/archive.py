"""`Moments` <-> one small file, from which every estimate can be computed without records.

The cells of the tables can be counts of one person: the file is an input to estimators, and not
itself a publication.
"""

from __future__ import annotations

import json
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from trialimpact.cells import Cells
from trialimpact.errors import OutputError, of_its_kind, printable, worded
from trialimpact.horizons import HorizonVariances
from trialimpact.kernel import Floats
from trialimpact.moments import ENTRIES, EXITS, STARTS, STOPS, Moments, table_shapes
from trialimpact.protocol import TrialProtocol
from trialimpact.tally import Tally
from trialimpact.whole import whole_file

FORMAT = "trialimpact moments 3"
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, SyntaxError, IndexError, RecursionError, MemoryError),
)
"""What reading a damaged file may raise."""


@of_its_kind
def save_moments(moments: Moments, path: str | Path) -> None:
    """Write moments to an `.npz` file, whole or not at all: the same moments give the same bytes.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    header = {
        "format": FORMAT,
        "protocol": moments.protocol.model_dump(mode="json", by_alias=True),
        "strata": moments.strata,
        "horizons": None if moments.horizons is None else moments.horizons.which,
        "clusters": moments.clusters,
        "counts_shape": moments.counts.shape,
        "gram_shape": moments.gram.shape,
        "gram_before_shape": moments.gram_before.shape,
    }
    with whole_file(path) as stream:
        np.savez_compressed(
            stream,
            header=np.frombuffer(json.dumps(header, sort_keys=True).encode(), dtype=np.uint8),
            counts_place=moments.counts.place,
            counts_count=moments.counts.count,
            gram_place=moments.gram.place,
            gram_count=moments.gram.count,
            gram_before_place=moments.gram_before.place,
            gram_before_count=moments.gram_before.count,
            horizons=np.empty((0, 0)) if moments.horizons is None else moments.horizons.variance,
            cells=moments.cells.keys(),
            claimants=moments.cells.claimants,
        )


@of_its_kind
def load_moments(path: str | Path) -> Moments:
    """Read moments that `save_moments` wrote.

    Raises
    ------
    OutputError
        The file is not there, is cut short, or is not a file of moments.
    """
    try:
        with Path(path).open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            header = json.loads(stored["header"].tobytes())
            if header["format"] != FORMAT:
                raise _OtherFormatError(str(header["format"]))
            moments = Moments(
                protocol=TrialProtocol.model_validate(header["protocol"]),
                strata=tuple(header["strata"]),
                clusters=tuple(header["clusters"]),
                horizons=_horizons(header["horizons"], stored["horizons"]),
                cells=Cells.of_keys(stored["cells"], stored["claimants"]),
                **{
                    name: Tally(tuple(header[f"{name}_shape"]), stored[f"{name}_place"], stored[f"{name}_count"])
                    for name in ("counts", "gram", "gram_before")
                },
            )
            _require_whole(moments)
            return moments
    except FileNotFoundError:
        raise OutputError(worded(f"{path}: there is no such file.", remedy="correct the path")) from None
    except IsADirectoryError:
        raise OutputError(worded(f"{path}: is a folder.", remedy="name the moments.npz in it")) from None
    except _OtherFormatError as error:
        says = f"{path}: the format is {printable(str(error)[:40])!r}, and this version reads {FORMAT!r}."
        raise OutputError(worded(says, remedy="write it again with this version, or read it with the other")) from None
    except _DAMAGE as error:
        raise OutputError(
            worded(
                f"{path}: not a whole file of moments ({type(error).__name__}).",
                remedy="write it again with `trialimpact analyse` or save_moments",
            )
        ) from None


class _OtherFormatError(Exception):
    """A file of another version; says which format it names."""


def _require_whole(moments: Moments) -> None:
    """Tables have the shapes that the protocol gives them, and hold whole numbers in places that they have."""
    protocol, cells = moments.protocol, moments.cells
    tables = (moments.counts, moments.gram, moments.gram_before)
    codes = (cells.stratum, moments.strata), (cells.cluster, moments.clusters), (cells.arm, protocol.arms)
    right = [
        *(array.dtype.kind == "i" for table in tables for array in (table.place, table.count)),
        *(table.shape == shape for table, shape in zip(tables, table_shapes(protocol, len(cells)), strict=True)),
        *(table.place.shape == table.count.shape == (len(table),) for table in tables),
        *((np.diff(table.place, prepend=-1) > 0).all() for table in tables),
        *(table.place.max(initial=-1) < math.prod(table.shape) for table in tables),
        *(((each >= 0) & (each < len(labels))).all() for each, labels in codes),
        *(codes.dtype.kind == "i" for codes in (cells.stratum, cells.cluster, cells.arm)),
        cells.members.dtype.kind == "b",
        cells.members.shape == (len(protocol.subgroup_names), len(cells)),
        cells.claimants.shape == cells.arm.shape and cells.claimants.dtype.kind == "i",
        (cells.claimants >= 0).all() and (moments.counts.count >= 0).all(),
    ]
    if not all(right) or not _are_possible(moments) or not _are_variances(moments):
        raise ValueError("tables that do not fit together")


def _are_possible(moments: Moments) -> bool:
    """Whether of every cell and on every day nobody is on who is not followed, or is followed who is not there."""
    _, n_cells, _, n_days = moments.counts.shape
    outcome, cell, stream, day = np.unravel_index(moments.counts.place, moments.counts.shape)
    key, row = np.unique((outcome * n_cells + cell) * n_days + day, return_inverse=True)
    change = np.zeros((2, key.size), dtype=np.int64)
    for into, (more, less) in enumerate(((ENTRIES, EXITS), (STARTS, STOPS))):
        np.add.at(change[into], row, moments.counts.count * ((stream == more).astype(np.int64) - (stream == less)))
    running = np.cumsum(change, axis=1)
    group = key // n_days
    first = np.searchsorted(group, group)
    followed, on = running - (running - change)[:, first]
    there = moments.cells.claimants[group % n_cells]
    return bool(((on >= 0) & (on <= followed) & (followed <= there)).all())


def _are_variances(moments: Moments) -> bool:
    """Whether there are variances of horizons where there are no products, a number from 0 of each, and none else."""
    analysis, found = moments.protocol.analysis, moments.horizons
    if found is None or analysis.products or analysis.clusters is not None:
        return (found is None) == (analysis.products or analysis.clusters is not None)
    shape = (len(found.which), analysis.max_horizon)
    return found.variance.shape == shape and not bool((found.variance < 0).any())


def _horizons(which: list[Any] | None, variance: Floats) -> HorizonVariances | None:
    if which is None:
        return None
    sides = ((outcome, subgroup, tuple(arms), stratum) for outcome, subgroup, arms, stratum in which)
    return HorizonVariances(tuple(sides), variance)
