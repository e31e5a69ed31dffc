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
from trialimpact.errors import OutputError, worded
from trialimpact.horizons import HorizonVariances
from trialimpact.kernel import Floats
from trialimpact.moments import Moments, table_shapes
from trialimpact.protocol import TrialProtocol
from trialimpact.tally import Tally
from trialimpact.whole import whole_file

FORMAT = "trialimpact moments 3"
_DAMAGE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, NotImplementedError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, SyntaxError, IndexError, RecursionError, MemoryError),
)
"""What reading a damaged file may raise."""


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
                raise ValueError(header["format"])
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
    except _DAMAGE as error:
        raise OutputError(
            worded(
                f"{path}: not a whole file of moments ({type(error).__name__}).",
                remedy="write it again with `trialimpact analyse` or save_moments",
            )
        ) from None


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
        cells.members.shape == (len(protocol.subgroup_names), len(cells)),
        cells.claimants.shape == cells.arm.shape and cells.claimants.dtype.kind == "i",
        (cells.claimants >= 0).all() and (moments.counts.count >= 0).all(),
    ]
    if not all(right):
        raise ValueError("tables that do not fit together")


def _horizons(which: list[Any] | None, variance: Floats) -> HorizonVariances | None:
    if which is None:
        return None
    sides = ((outcome, subgroup, tuple(arms), stratum) for outcome, subgroup, arms, stratum in which)
    return HorizonVariances(tuple(sides), variance)
