"""`trialimpact moments`: add files of moments, and estimate from them without records."""

from __future__ import annotations

from functools import reduce
from operator import add
from pathlib import Path
from typing import Annotated

import typer

from trialimpact.cli_running import say_written

moments_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    help="Whole-number tables of a trial: add those of offices, months or departments, and estimate from them.",
)

MomentsFile = Annotated[Path, typer.Argument(metavar="MOMENTS.npz", help="A file of moments, as `analyse` writes it.")]


def _require_new(out: Path, read: list[Path], begins: str | None = None) -> None:
    """A file is written over neither one that is read nor, where it `begins` with a line, one that does not."""
    from trialimpact.errors import OutputError, worded

    is_read = out.exists() and any(out.samefile(path) for path in read)
    strange = False
    if begins is not None and out.is_file():
        with out.open("rb") as stream:
            strange = stream.read(len(begins.encode())) != begins.encode()
    if is_read or strange:
        says = f"{out}: {'is read here' if is_read else 'is there, and trialimpact did not write it'}."
        raise OutputError(worded(says, remedy="write to another file"))


@moments_app.command()
def merge(
    files: Annotated[
        list[Path], typer.Argument(metavar="MOMENTS.npz...", help="Files of moments of people who are in one alone.")
    ],
    out: Annotated[Path, typer.Option("--out", metavar="MOMENTS.npz", help="File to write.")],
    replace: Annotated[bool, typer.Option("--replace", help="Write over a file that is there.")] = False,
) -> None:
    """Add the moments of parts of one trial: offices, months of intake, departments.

    Nobody may be in two parts: moments hold no people, so this cannot be checked. Parts of different protocols
    are refused. A part counted with an earlier extract may be added if everybody in it was followed to the end.

    Example: trialimpact moments merge march.npz april.npz --out trial.npz
    """
    from trialimpact.archive import load_moments, save_moments
    from trialimpact.errors import OutputError, worded

    _require_new(out, files)
    if len(files) < 2:
        raise OutputError(worded("one file has nothing to be added to.", remedy="name two files of moments, or more"))
    if out.exists() and not replace:
        says = f"{out}: is there."
        raise OutputError(worded(says, remedy="write to another file; --replace writes over it"))
    parts = [load_moments(path) for path in files]
    for place, (path, part) in enumerate(zip(files, parts, strict=True)):
        if any(part == other for other in parts[:place]):
            says = f"{path}: the same numbers as another of these files: its people would count twice."
            raise OutputError(worded(says, remedy="name each part once"))
    total = reduce(add, parts)
    save_moments(total, out)
    for path, part in zip(files, parts, strict=True):
        typer.echo(f"{path}: {int(part.cells.claimants.sum()):,} claimants")
    typer.echo(f"{int(total.cells.claimants.sum()):,} claimants")
    say_written(out, raw=True)


@moments_app.command()
def estimate(
    file: MomentsFile,
    out: Annotated[Path, typer.Option("--out", metavar="ESTIMATES.csv", help="File to write.")],
) -> None:
    """Estimate from a file of moments, without records: the rows of estimates.csv.

    Example: trialimpact moments estimate trial.npz --out estimates.csv
    """
    from trialimpact.archive import load_moments
    from trialimpact.estimates import estimates_of
    from trialimpact.whole import whole_file

    found = estimates_of(load_moments(file))
    text = found.to_frame().to_csv(index=False, lineterminator="\n")
    _require_new(out, [file], begins=text.partition("\n")[0])
    with whole_file(out) as stream:
        stream.write(text.encode())
    for message in found.warnings:
        typer.echo(f"warning: {message}", err=True)
    for line in found.headlines():
        typer.echo(line)
    say_written(out, raw=True)
