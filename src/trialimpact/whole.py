"""Files and folders that are written whole or not at all, also by runs that are killed or run at once.

What is being written stands beside its place under a hidden name, locked by the run that writes it. A lock goes with
its run, however that ended: what is there without one was left by a run that was killed, and the next clears it up.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from trialimpact.errors import OutputError, printable, worded
from trialimpact.loaders.files import file_sha256

if sys.platform != "win32":  # there, nothing is locked and nothing cleared up
    import fcntl

MANIFEST = "manifest.json"
RAW_MARK = "raw: not for release"
PARTIAL, OLD = ".partial", ".old"
REPLACED = "replaced"
"""Within an OLD folder: what was there before, until the new is in its place."""


def from_home(path: str | Path) -> Path:
    """A path with "~" as the shell would read it; as it stands where nobody is called so."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)


@contextmanager
def whole_file(path: str | Path) -> Iterator[IO[bytes]]:
    """A stream beside a file, put in its place when everything is written, or nothing is.

    Raises
    ------
    OutputError
        The file cannot be written, or another run is writing it.
    """
    path = from_home(path)
    partial = _beside(path)
    try:
        _clear_up(path)
        partial.touch()
        with _held(partial):
            with partial.open("wb") as stream:
                yield stream
            partial.replace(path)
    except OutputError:
        raise
    except OSError as error:
        remedy = "name a file in a folder that can be written"
        raise OutputError(worded(f"{path}: cannot be written: {error.strerror}.", remedy=remedy)) from None
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)


def check_destination(out: str | Path, mark: str = RAW_MARK) -> Path:
    """The folder that `out` names, "~" and links followed, if it may be written.

    It may if it does not exist, is empty, or holds only what an earlier run with this mark wrote: a manifest of ours,
    and no file that the manifest does not list or that was changed since; and if no other run is writing it.

    Raises
    ------
    OutputError
    """
    if not str(out):
        raise OutputError(worded("the folder to write has no name.", remedy="name a folder"))
    try:
        folder = from_home(out).resolve()
        _clear_up(folder)
        strange = _strange_in(folder, mark) if folder.exists() else None
    except OutputError:
        raise
    except (OSError, ValueError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise OutputError(worded(f"the folder to write: {reason}.", remedy="name another folder")) from None
    if strange is not None:
        says = f"{out}: not empty, and not only what trialimpact wrote{strange and f' ({strange})'}"
        raise OutputError(worded(f"{says}.", remedy="name a new folder, or move what is yours out of it"))
    return folder


def write_whole(out: str | Path, write: Callable[[Path], dict[str, Any]], *, mark: str) -> Path:
    """Let `write` fill a folder beside `out`, then put it in place of `out` in one step.

    `write` returns what the manifest says beside the mark and the hash of every file.

    Raises
    ------
    OutputError
        The folder holds something else, cannot be written, or another run is writing it.
    """
    folder = check_destination(out, mark)
    building = _beside(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        building.mkdir(mode=0o700)
        with _held(building):
            content = {"mark": mark, **write(building), "files": _hashes(building)}
            text = json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False)
            (building / MANIFEST).write_text(text + "\n", encoding="utf-8")
            building.chmod(0o755)
            _swap(building, folder)
    except OutputError:
        raise
    except OSError as error:
        remedy = "free space, or name a folder that can be written"
        raise OutputError(worded(f"{out}: cannot be written: {error.strerror}.", remedy=remedy)) from None
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return from_home(out)


def _beside(path: Path) -> Path:
    """A hidden name, used by nobody, for what is being written."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}{PARTIAL}")


def manifest_of(folder: Path) -> dict[str, Any]:
    """What was said of a folder when it was written; nothing where it has no manifest that can be read."""
    try:
        found = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _strange_in(folder: Path, mark: str) -> str | None:
    """What is there beside what a run with this mark wrote: None if nothing, a file's name where one can be told."""
    if not folder.is_dir():
        return "a file"
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    if not there:
        return "folders" if any(folder.iterdir()) else None
    manifest = manifest_of(folder)
    try:
        strangers = sorted(there - {*manifest["files"], MANIFEST})
        if manifest["mark"] != mark:
            return printable(f"written as {manifest['mark']}")
        now = {**manifest["files"], **_hashes(folder)}
        changed = [f"{name}, changed since" for name, sha256 in manifest["files"].items() if now[name] != sha256]
        return next(map(printable, [*strangers, *changed]), None)
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return ""


def _hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a folder, by name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): file_sha256(path) for path in files}


def _swap(building: Path, out: Path) -> None:
    """Put `building` where `out` is; an old `out` is moved aside first and removed last."""
    if not out.exists():
        building.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}.", suffix=OLD, dir=out.parent))
    out.rename(old / REPLACED)
    try:
        building.rename(out)
    except OSError:
        (old / REPLACED).rename(out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _clear_up(place: Path) -> None:
    """Remove what killed runs left beside a place, and put back what one had moved aside.

    Raises
    ------
    OutputError
        Another run is writing there.
    """
    beside = [path for path in _siblings(place) if path.name.startswith(f".{place.name}.")]
    left = [path for path in beside if path.suffix in (PARTIAL, OLD) and _is_left(path, place)]
    for path in left:
        if (path / REPLACED).is_dir() and not place.exists():
            (path / REPLACED).rename(place)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _siblings(place: Path) -> list[Path]:
    try:
        return sorted(place.parent.iterdir())
    except OSError:
        return []


def _is_left(path: Path, place: Path) -> bool:
    """Whether no run holds it; where locks are not known, nothing is taken as left."""
    try:
        with _locked(path):
            return sys.platform != "win32"
    except BlockingIOError:
        says = f"{place.name}: another run is writing it"
        raise OutputError(worded(f"{says}.", remedy="wait until that is done, or name another place")) from None
    except OSError:
        return False


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the lock of a file or folder, where there are locks."""
    if sys.platform == "win32":
        yield
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


@contextmanager
def _held(path: Path) -> Iterator[None]:
    """Hold the lock of what this run writes; a file system without locks does without."""
    with ExitStack() as stack:
        with suppress(OSError):
            stack.enter_context(_locked(path))
        yield
