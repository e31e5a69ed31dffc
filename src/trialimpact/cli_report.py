"""`trialimpact report` and `trialimpact publish`: results in, a folder that may be released out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trialimpact.cli_running import say_written

Results = Annotated[Path, typer.Argument(metavar="DIR", help="Results of `analyse`.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder to write; replaced if one of ours is in it.")]
Pack = Annotated[
    str,
    typer.Option(
        metavar="NAME|FILE.toml",
        help="Rules of disclosure control: ons_10_5, opensafely_7_5, opensafely_midpoint_6, uk_llc, stats_nz_rr3, "
        "a file of your own, or none.",
    ),
]


def report(results: Results, out: Out, pack: Pack = "ons_10_5") -> None:
    """Write one page that people can read, from results, with disclosure control.

    DIR/report.html stands alone: no network, no script needed. Results are those of `trialimpact analyse`.

    Example: trialimpact report results --out report --pack ons_10_5
    """
    from trialimpact.publication import REPORT_MARK, write_report
    from trialimpact.whole import check_destination

    check_destination(out, REPORT_MARK)
    write_report(results, out, pack=pack)
    _say(out, pack)


def publish(
    results: Results,
    out: Out,
    pack: Pack = "ons_10_5",
    for_checker: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A second folder, of raw and released pairs, for the output checker."),
    ] = None,
    acro: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A folder for the output checkers' tool ACRO.")
    ] = None,
    presentation: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Effects by group also as a house prints them: dwp_2016, days_margin."),
    ] = None,
) -> None:
    """Write everything that is published together: page, workbooks, tables, pictures, data; with disclosure control.

    Example: trialimpact publish results --out publication --for-checker checker
    """
    from trialimpact.publication import ACRO_MARK, CHECKER_MARK, PUBLICATION_MARK, write_publication
    from trialimpact.whole import check_destination

    check_destination(out, PUBLICATION_MARK)
    for folder, mark in ((for_checker, CHECKER_MARK), (acro, ACRO_MARK)):
        if folder is not None:
            check_destination(folder, mark)
    write_publication(results, out, pack=pack, for_checker=for_checker, house=presentation, acro=acro)
    _say(out, pack)
    if for_checker is not None:
        typer.echo(f"for the output checker, raw: {for_checker}; start with {for_checker / 'record.md'}")


def _say(out: Path, pack: str) -> None:
    from trialimpact.disclosure import rule_pack

    typer.echo(f"disclosure control: {rule_pack(pack).label}")
    say_written(out, start="report.html")
