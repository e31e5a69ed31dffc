"""Marks by which people would be known, and where to look for them: bytes, files, results, errors, what is said."""

from __future__ import annotations

import gzip
import io
import logging
import pickle
import re
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

SURNAME = "Zyxxqvold"
NINO = re.compile(rb"QQ\s?\d\d\s?\d\d\s?\d\d", re.IGNORECASE)
BORN = re.compile(rb"\b(?!19[67]0-01-01)19[3-9]\d-\d\d-\d\d|\d\d/\d\d/19[3-9]\d")
"""SAS counts days from 1960-01-01 and SQL from 1970-01-01: remedies and statements say so."""
MARKS = (NINO, BORN, re.compile(SURNAME.encode(), re.IGNORECASE))


def marks_in(blob: bytes) -> list[bytes]:
    """Every mark in some bytes, also where letters are wide, and in what they pack."""
    found = [match for text in (blob, blob.replace(b"\0", b"")) for mark in MARKS for match in mark.findall(text)]
    if blob[:2] == b"PK":
        with zipfile.ZipFile(io.BytesIO(blob)) as packed:
            found += [mark for name in packed.namelist() for mark in marks_in(packed.read(name))]
            found += [mark for name in packed.namelist() for mark in marks_in(name.encode())]
    elif blob[:2] == b"\x1f\x8b":
        found += marks_in(gzip.decompress(blob))
    elif blob[:4] == b"\x89PNG":
        with Image.open(io.BytesIO(blob)) as picture:
            found += marks_in(repr(picture.info).encode())
    elif blob[:1] == b"\x78":
        with suppress(zlib.error):
            found += marks_in(zlib.decompress(blob))
    return found


def marks_below(folder: Path) -> list[tuple[str, bytes]]:
    """Every mark in the files of a folder and their names."""
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return [(path.name, mark) for path in paths for mark in [*marks_in(path.read_bytes()), *marks_in(bytes(path))]]


def shown(thing: Any) -> Iterator[bytes]:
    """All the ways in which a result shows itself or is kept."""
    yield repr(thing).encode() + str(thing).encode()
    for name in ("_repr_html_", "to_html", "sentences", "headlines", "sentence"):
        if hasattr(thing, name):
            yield repr(getattr(thing, name)()).encode()
    if hasattr(thing, "to_frame"):
        with suppress(TypeError):  # those that need an outcome
            yield thing.to_frame().to_csv().encode()
    if isinstance(thing, pd.DataFrame):
        yield thing.to_csv().encode()
    if isinstance(thing, list | tuple):
        for each in thing:
            yield from shown(each)
    with suppress(TypeError, AttributeError, pickle.PicklingError):
        yield pickle.dumps(thing)


def said_by(error: BaseException | None) -> Iterator[bytes]:
    """An error, its notes, and every error that it came from, hidden or not."""
    while error is not None:
        yield repr((str(error), error.args, getattr(error, "__notes__", ()), getattr(error, "filename", ""))).encode()
        error = error.__cause__ or error.__context__


@contextmanager
def overheard() -> Iterator[Callable[[], bytes]]:
    """What is printed, logged and warned of within."""
    out, handler = io.StringIO(), logging.StreamHandler(text := io.StringIO())
    logging.getLogger().addHandler(handler)
    with warnings.catch_warnings(record=True) as caught, redirect_stdout(out), redirect_stderr(out):
        warnings.simplefilter("always")
        try:

            def heard() -> bytes:
                said = [str(each.message) for each in caught]
                return (out.getvalue() + text.getvalue() + repr(said)).encode()

            yield heard
        finally:
            logging.getLogger().removeHandler(handler)
