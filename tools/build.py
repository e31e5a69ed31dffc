"""Build wheel and sdist from a commit: the same commit gives the same bytes wherever, whenever and by whomever.

What is committed is copied out, with one mode and one time for every file, and built there: neither the
folder's name, nor its umask, nor files that lie about, reach the archives. The wheel is built from the sdist.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOOK = "import sys; from setuptools import build_meta; getattr(build_meta, sys.argv[1])(sys.argv[2])"


def git(*arguments: str) -> bytes:
    """What git says of this repository."""
    return subprocess.run(["git", "-C", str(ROOT), *arguments], check=True, capture_output=True).stdout  # noqa: S603, S607


def unpack(archive: bytes, folder: Path) -> None:
    """Unpack a tar into a folder: files only, each readable by all and writable by its owner."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar.getmembers():
            path = folder / member.name
            if not path.resolve().is_relative_to(folder.resolve()):
                raise ValueError(member.name)
            stream = tar.extractfile(member) if member.isfile() else None
            if stream is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(stream.read())
                path.chmod(0o644)


def call(hook: str, source: Path, out: Path, seconds: int) -> Path:
    """Call a build hook of setuptools in a folder, which adds one file to `out`."""
    before = set(out.iterdir())
    command = [sys.executable, "-c", HOOK, hook, str(out)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("SETUPTOOLS_", "DIST_"))}
    told = kept | {"SOURCE_DATE_EPOCH": str(seconds), "PYTHONHASHSEED": "0", "LC_ALL": "C.UTF-8", "TZ": "UTC"}
    done = subprocess.run(  # noqa: S603
        command, check=False, cwd=source, env=told, umask=0o022, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr)
    (made,) = set(out.iterdir()) - before
    return made


def settle(path: Path, seconds: int) -> bytes:
    """The tar of an sdist, in order of names, with one time, owner and mode; put back in place."""
    settled = io.BytesIO()
    with (
        tarfile.open(path) as tar,
        tarfile.open(fileobj=settled, mode="w", format=tarfile.PAX_FORMAT) as new,
    ):
        for member in sorted(tar.getmembers(), key=lambda member: member.name):
            kept = tarfile.TarInfo(member.name)
            kept.type, kept.size, kept.mtime = member.type, member.size, seconds
            kept.mode = 0o755 if member.isdir() else 0o644
            new.addfile(kept, tar.extractfile(member) if member.isfile() else None)
    path.write_bytes(gzip.compress(settled.getvalue(), mtime=0))
    return settled.getvalue()


def build(out: Path, commit: str = "HEAD") -> list[Path]:
    """Wheel and sdist of a commit, in a folder."""
    seconds = int(git("log", "-1", "--format=%ct", commit))
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        tree, made = Path(name, "tree"), Path(name, "made")
        made.mkdir()
        unpack(git("-c", "core.autocrlf=false", "archive", "--format=tar", commit), tree)
        sdist = call("build_sdist", tree, made, seconds)
        unpack(settle(sdist, seconds), Path(name))
        wheel = call("build_wheel", Path(name, sdist.name.removesuffix(".tar.gz")), made, seconds)
        return [Path(shutil.move(path, out / path.name)) for path in (wheel, sdist)]


def main() -> None:
    """Build HEAD into a folder, and say what was built."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--out", type=Path, default=ROOT / "dist")
    out = arguments.parse_args().out.resolve()
    if git("status", "--porcelain", "--untracked-files=no").strip():
        print("changes that are not committed are not built", file=sys.stderr)
    for path in build(out):
        print(path)


if __name__ == "__main__":
    main()
