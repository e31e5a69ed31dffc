"""`trialimpact`: arguments in, the library called, progress and exit codes out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import nullcontext
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trialimpact.cli_economics import cost_benefit
from trialimpact.cli_interviews import interviews
from trialimpact.cli_moments import moments_app
from trialimpact.cli_monitor import monitor
from trialimpact.cli_power import power_app
from trialimpact.cli_report import publish, report
from trialimpact.cli_running import BrokenRuleChoice, BrokenRuleOption, run, say_written
from trialimpact.cli_simulate import simulate
from trialimpact.errors import ProtocolError, RecordError, worded
from trialimpact.protocol.conditions import MAX_DAYS

if TYPE_CHECKING:
    from trialimpact.analysis import TrialAnalysis
    from trialimpact.engines import Engine

EXIT_CODES = """\b
Exit codes:
  0  done; `check`: nothing moved
  1  the records break rules, the trial cannot be analysed as asked, numbers moved,
     a printed number is inconsistent (lint-report) or unexplained (reproduce --strict),
     a check is red (audit --strict), a live trial alarms (monitor)
  2  the command line, the protocol, or the folder to write to is wrong
  3  not enough memory; or a defect of trialimpact: please report the place that it names
"""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help=f"Impact analysis of randomised trials from administrative spell data.\n\n{EXIT_CODES}",
)
protocol_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, help="Look at a protocol file."
)
app.add_typer(protocol_app, name="protocol")
app.add_typer(power_app, name="power")
app.add_typer(moments_app, name="moments")


def _say_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"trialimpact {metadata.version('trialimpact')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_say_version, is_eager=True, help="Say the version and exit.")
    ] = False,
) -> None:
    """What stands before the command."""


class EngineChoice(StrEnum):
    """Where to count."""

    memory = "memory"
    duckdb = "duckdb"
    spark = "spark"
    dbapi = "dbapi"


UNEXPLAINED_SHOWN = 10
"""Of a reproduction that misses, so many numbers are told; the rest are in its files."""

ENGINE_SETTINGS = """\b
Settings of engines, as --engine-setting KEY=VALUE:
  duckdb  database, memory_limit, temp_directory, threads, shards; reads CSV and Parquet files by itself
  spark   remote, master, folder, shards
  dbapi   driver, address, dialect, double, shards, as in driver=sqlite3 address=records.db
For spark and dbapi every source of the protocol has a query.
"""

ProtocolFile = Annotated[Path, typer.Argument(metavar="PROTOCOL.toml", help="The trial, as TOML.")]


@app.command(epilog=f"{ENGINE_SETTINGS}\n\n{EXIT_CODES}")
def analyse(  # noqa: PLR0913
    protocol: ProtocolFile,
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder to write; replaced if an analysis is in it.")
    ],
    outcome: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this outcome (may be repeated).")
    ] = None,
    horizon: Annotated[
        list[int] | None,
        typer.Option(
            min=1, max=MAX_DAYS, metavar="DAYS", help="Headline horizon in place of the protocol's (may be repeated)."
        ),
    ] = None,
    on_broken_rule: BrokenRuleOption = BrokenRuleChoice.error,
    quick: Annotated[
        bool, typer.Option("--quick", help="Main estimates only, without what they are defended with.")
    ] = False,
    engine: Annotated[EngineChoice, typer.Option(help="Count in memory, or where the records live.")] = (
        EngineChoice.memory
    ),
    engine_setting: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="A setting of the engine (may be repeated).")
    ] = None,
    print_sql: Annotated[
        bool, typer.Option("--print-sql", help="Print every statement that the engine would run, and stop.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Run a protocol on its records and write estimates, what they are defended with, flow, balance, figures.

    File names in the protocol start from its own folder. What is written is raw, not for release.

    Example: trialimpact analyse trial/protocol.toml --out results

    Example: trialimpact analyse trial/protocol.toml --out results --engine duckdb --engine-setting memory_limit=2GB
    """
    from trialimpact.analysis import analyse_trial
    from trialimpact.output import write_analysis
    from trialimpact.whole import check_destination

    where = _engine(engine, engine_setting or [])
    with where or nullcontext():
        if print_sql:
            typer.echo(_statements(where, protocol))
            return
        check_destination(out)
        analysis = analyse_trial(
            protocol,
            where,
            on_broken_rule=on_broken_rule.value,
            outcomes=outcome or None,
            horizons=horizon or None,
            progress=not quiet,
        )
    if not quiet:
        typer.echo("drawing and writing" if quick else "methods beside, drawing and writing", err=True)
    write_analysis(analysis, out, methods=not quick)
    for line in _red(analysis, methods=not quick):
        typer.echo(f"warning: {line}", err=True)
    for line in analysis.headlines():
        typer.echo(line)
    if in_doubt := analysis.counts.audit.sentence():
        typer.echo(f"{in_doubt} (audit.csv)", err=True)
    say_written(out, start="summary.md", raw=True)


def _red(analysis: TrialAnalysis, *, methods: bool) -> Iterator[str]:
    """The checks that say that the trial was not run as designed; those of days before it where there are methods."""
    from trialimpact.estimators.checks import level_of
    from trialimpact.estimators.integrity import integrity_of
    from trialimpact.report.sentences import integrity_sentences, pretrend_sentence

    integrity = integrity_of(analysis.protocol, analysis.counts.flow, analysis.counts.joining)
    yield from (line for line in integrity_sentences(integrity) if line.startswith("Red"))
    for each in analysis.inference.pretrends if methods else ():
        if level_of(min(each.adjusted_p_values.values(), default=1.0)) == "red":
            yield pretrend_sentence(each)


def _engine(choice: EngineChoice, settings: list[str]) -> Engine | None:
    """The engine that was asked for, None for memory."""
    pairs = [setting.partition("=") for setting in settings]
    if wrong := [key for key, equals, _ in pairs if not equals]:
        raise ProtocolError(worded(f"--engine-setting {wrong[0]}: no value.", remedy="as in memory_limit=2GB"))
    if choice is EngineChoice.memory:
        if settings:
            raise ProtocolError(worded("--engine-setting without an engine.", remedy="add --engine duckdb, ..."))
        return None
    from trialimpact.engines import open_engine

    return open_engine(choice.value, {key: value for key, _, value in pairs})


def _statements(engine: Engine | None, protocol: Path) -> str:
    """Every statement of a protocol's job in an engine."""
    if engine is None:
        raise ProtocolError(worded("--print-sql without an engine.", remedy="add --engine duckdb, spark or dbapi"))
    from trialimpact.engines import engine_job
    from trialimpact.protocol import TrialProtocol

    return engine_job(TrialProtocol.from_toml(protocol), engine, protocol.parent).sql()


@app.command(epilog=EXIT_CODES)
def audit(
    protocol: ProtocolFile,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder for the page and its numbers.")
    ] = None,
    on_broken_rule: BrokenRuleOption = BrokenRuleChoice.error,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a check is red.")] = False,
) -> None:
    """Was the trial run as designed? Sample ratios, loss, intake, balance, days before the trial.

    Says every red and amber check; with --out, writes audit.html and the numbers. Raw, not for release.

    Example: trialimpact audit trial/protocol.toml --out audit
    """
    from trialimpact.audit import audit_trial
    from trialimpact.output import AUDIT_MARK, write_audit
    from trialimpact.whole import check_destination

    if out is not None:
        check_destination(out, AUDIT_MARK)
    found = audit_trial(protocol, on_broken_rule=on_broken_rule.value)
    for line in found.sentences():
        typer.echo(line)
    if out is not None:
        write_audit(found, out)
        say_written(out, start="audit.html", raw=True)
    if strict and found.level == "red":
        raise typer.Exit(1)


@app.command(epilog=EXIT_CODES)
def check(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Results of `analyse`.")],
    against: Annotated[Path, typer.Option("--against", metavar="BASELINE_DIR", help="What they should be.")],
    rtol: Annotated[float, typer.Option(min=0, max=1, help="Relative difference that does not count.")] = 1e-9,
) -> None:
    """Compare results with a baseline and name every number that moved (exit 1 if any did).

    Example: trialimpact check results --against baseline --rtol 1e-6
    """
    from trialimpact.baseline import check_against

    moved = check_against(folder, against, rtol=rtol)
    typer.echo(f"{len(moved):,} moved" if moved else "nothing moved")
    for each in moved:
        typer.echo(str(each))
    if moved:
        raise typer.Exit(1)


@app.command(epilog=EXIT_CODES)
def reproduce(
    report: Annotated[str, typer.Argument(metavar="REPORT", help="iap: the 2016 report on the IAP trial.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="DIR", help="Folder to write; replaced if a reproduction is in it.")
    ],
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Folder of the records.  [default: data/synthetic/REPORT]")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a number differs and nobody knows why.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
) -> None:
    """Reproduce a published report from records, and hold every number against its print.

    Begin with DIR/reproduction.html. The records that come with the repository are of people who do
    not exist, tuned to print as the report does; data/synthetic/iap/README.md says how.

    Example: trialimpact reproduce iap --out reproduced --strict
    """
    from trialimpact.reproduce.run import MARK, reproduce_report, write_reproduction
    from trialimpact.whole import check_destination

    check_destination(out, MARK)
    found = reproduce_report(report, data or Path("data") / "synthetic" / report, progress=not quiet)
    if not quiet:
        typer.echo("drawing and writing", err=True)
    write_reproduction(found, out)
    for message in found.analysis.warnings:
        typer.echo(f"warning: {message}", err=True)
    for line in found.headlines():
        typer.echo(line)
    typer.echo(found.comparison.in_words())
    for row in found.comparison.explained:
        typer.echo(f"  {row.id}: printed {row.printed}, computed {row.computed_printed or 'nothing'}. {row.note}")
    for row in found.comparison.unexplained[:UNEXPLAINED_SHOWN]:
        typer.echo(f"  unexplained: {row.id}: printed {row.printed}, computed {row.computed_printed or 'nothing'}")
    if more := len(found.comparison.unexplained[UNEXPLAINED_SHOWN:]):
        typer.echo(f"  and {more} more in {out / 'comparison.csv'}")
    say_written(out, start="reproduction.html")
    if strict and found.comparison.unexplained:
        raise typer.Exit(1)


@app.command("lint-report", epilog=EXIT_CODES)
def lint_report_command(
    report: Annotated[
        str,
        typer.Argument(metavar="FILE.csv", help="Printed numbers, or one that comes along: iap_2016, weekly_wsr_2018."),
    ],
    everything: Annotated[bool, typer.Option("--all", help="Show the checks that agree, too.")] = False,
) -> None:
    """Check a report's own arithmetic: sums, shares, intervals, stars, sample ratios, rounding.

    A row a printed number; docs/reproduce.md describes the columns. Exits 1 if any are inconsistent, and 2
    if the file cannot be read.

    Example: trialimpact lint-report numbers.csv
    """
    from trialimpact.reproduce.lint import lint_report
    from trialimpact.reproduce.published import read_published

    is_path = "." in report or "/" in report
    try:
        lint = lint_report(read_published(Path(report) if is_path else report))
    except RecordError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    for verdict, line in lint.in_words():
        typer.echo(f"{verdict}: {line}")
    for finding in lint.findings if everything else ():
        if finding.verdict == "consistent":
            typer.echo(f"consistent: {finding.check}: {finding.id}: {finding.says}")
    typer.echo(f"{len(lint.findings)} checks, {len(lint.slips)} inconsistent")
    if lint.slips:
        raise typer.Exit(1)


@protocol_app.command("check", epilog=EXIT_CODES)
def protocol_check(protocol: ProtocolFile) -> None:
    """Check a protocol and explain it back in plain words."""
    from trialimpact.protocol import TrialProtocol, explain_protocol

    typer.echo(explain_protocol(TrialProtocol.from_toml(protocol)))


@protocol_app.command("schema")
def protocol_schema() -> None:
    """Print the JSON Schema of protocols: every key and what it takes."""
    from trialimpact.protocol import TrialProtocol

    typer.echo(json.dumps(TrialProtocol.model_json_schema(), indent=2, ensure_ascii=False))


app.command()(report)
app.command()(publish)
app.command()(simulate)
app.command(epilog=EXIT_CODES)(monitor)
app.command(epilog=EXIT_CODES)(interviews)
app.command("cost-benefit", epilog=EXIT_CODES)(cost_benefit)


def main() -> None:
    """Run the command line."""
    run(app)
