"""`monitor_trial`: is a trial that is still recruiting being run as designed? For every week, without false alarms."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.allocation import count_received
from trialimpact.audit import Section
from trialimpact.doubts import doubt_of_arms
from trialimpact.errors import DesignError, worded
from trialimpact.estimators.confidence import adjusted_p
from trialimpact.estimators.sequential import anytime_p
from trialimpact.facts import STATUSES, facts_of
from trialimpact.intervals import Integers
from trialimpact.loaders import NO_DAY, OnBrokenRule, TrialRecords, date_of, load_records
from trialimpact.loaders.files import TableLike
from trialimpact.loaders.schema import required_columns
from trialimpact.protocol import TrialProtocol
from trialimpact.report.figures import Picture
from trialimpact.report.method_figures import plot_monitoring
from trialimpact.report.page import render_page
from trialimpact.report.rounding import printed_p
from trialimpact.stages import as_protocol

ALPHA = 0.01
WEEK = 7
NO_ALARM = "no_record"
"""The check that is shown and gives no alarm."""
CHECK_WORDS = {
    "arms": "people by assigned arm",
    "digits": "people by allocating digit",
    "arms_at_office": "people by assigned arm at each office",
    "error": "people with a marker set in error, by assigned arm",
    "out_of_scope": "people out of scope, by assigned arm",
    "exempt": "people exempt, by assigned arm",
    NO_ALARM: "people without a record before they came, by register and assigned arm (no alarm)",
}
"""What is looked at. If recording does not depend on the arm, each is in the designed ratio."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class TrialMonitor:
    """What a look at a live trial finds. Raw: not for release.

    Attributes
    ----------
    checks : DataFrame
        `check`, `where`, `counts`, `expected`, `n`, `p_value` (holds at any time), `p_holm` (among those that alarm),
        `alarm`, `since` (the first day at which the p-value was as low as it is now).
    weeks : DataFrame
        `week`, `first_date`, and people who came by assigned arm.
    received : DataFrame
        People by arm as assigned and as put by the offices.
    paths : mapping of (check, where) to DataFrame
        `date`, `p_value` after each day with somebody new.
    alpha : float
        The chance of any false alarm, ever, is at most this.
    notes : tuple of str
        What could not be looked at yet, and what is mostly a mistake.
    """

    protocol: TrialProtocol
    checks: pd.DataFrame
    weeks: pd.DataFrame
    received: pd.DataFrame
    paths: Mapping[tuple[str, str], pd.DataFrame]
    alpha: float
    notes: tuple[str, ...]

    @property
    def alarms(self) -> pd.DataFrame:
        """The checks that alarm."""
        return self.checks[self.checks["alarm"]]

    def sentences(self) -> Iterator[str]:
        """Everything it says, in words."""
        people = int(self.weeks.drop(columns=["week", "first_date"]).to_numpy().sum())
        last = self.weeks["first_date"].iloc[-1] if len(self.weeks) else "nobody yet"
        yield f"{people:,} people so far; the last week began on {last}."
        for row in self.alarms.to_dict("records"):
            where = f" ({row['where']})" if row["where"] else ""
            yield (
                f"ALARM: {CHECK_WORDS[row['check']]}{where}: {row['counts']}, where the design leads one to expect "
                f"{row['expected']} (adjusted p {printed_p(row['p_holm'])}, as low since {row['since']})."
            )
        if self.alarms.empty:
            n_checks = int(self.checks["p_holm"].notna().sum())
            yield (
                f"No alarm in {n_checks} checks. However often it is looked at, the chance of a false alarm "
                f"in the whole trial is at most {100 * self.alpha:g}%."
            )
        yield from self.notes

    def sections(self, *, pictures: bool = True) -> Iterator[Section]:
        """The page, part by part."""
        yield Section(
            title="Is the trial run as designed so far?",
            sentences=tuple(self.sentences()),
            pictures=tuple(self._pictures()) if pictures else (),
        )
        shown = self.checks.assign(
            check=[CHECK_WORDS[each] for each in self.checks["check"]],
            p_value=self.checks["p_value"].map(printed_p),
            p_holm=self.checks["p_holm"].map(printed_p),
            alarm=np.where(self.checks["alarm"], "alarm", ""),
        )
        yield Section(title="Every check", tables=(shown,))
        yield Section(title="By week", tables=(self.weeks,))
        if len(self.received):
            yield Section(title="As assigned, and as put by the offices", tables=(self.received,))
        yield Section(
            title="How it is tested",
            sentences=(
                "Among any people whom the arm cannot have chosen, the arms are in the designed ratio. Each check "
                "mixes Bayes factors against that ratio (Lindon and Malek 2022); one over the highest so far is a "
                "p-value that holds at any time, and Holm's adjustment makes them hold together.",
                "People without an earlier record are shown, and give no alarm: registers fill up late, and each look "
                "is of other people. A marker that comes late changes the order of the past; an alarm given stands.",
            ),
        )

    def _pictures(self) -> Iterator[Picture]:
        paths = {key: path for key, path in self.paths.items() if key[0] != NO_ALARM}
        if paths:
            yield plot_monitoring(paths, self.alpha, {key: CHECK_WORDS[key[0]] for key in paths})

    def to_frame(self) -> pd.DataFrame:
        """The checks, a row each."""
        return self.checks.copy()

    def to_html(self) -> str:
        """The page on its own: no network, no script."""
        state = f"{len(self.alarms)} alarms" if len(self.alarms) else "no alarm"
        return render_page(
            "report/audit.html.jinja",
            title=f"{self.protocol.name}: monitoring",
            lead=f"So far: {state}. Raw: no disclosure control has been applied; not for release.",
            sections=list(self.sections()),
        )

    def __repr__(self) -> str:
        return f"TrialMonitor({self.protocol.name}: {len(self.alarms)} alarms in {len(self.checks)} checks)"

    def _repr_html_(self) -> str:
        from html import escape

        lines = "".join(f"<li>{escape(line)}</li>" for line in self.sentences())
        return f"<p><b>{escape(self.protocol.name)}</b>. Raw: not for release.</p><ul>{lines}</ul>"


def monitor_trial(
    protocol: TrialProtocol | Mapping[str, Any] | str | Path,
    tables: Mapping[str, TableLike] | None = None,
    *,
    folder: str | Path | None = None,
    on_broken_rule: OnBrokenRule = "error",
    alpha: float = ALPHA,
) -> TrialMonitor:
    """Look at a trial while it recruits: arms against the design, by office, by status, by what is missing.

    It may be run on the growing records every day or week: the chance that it ever gives a false alarm stays
    below `alpha`. Registers that are not there yet are left out.

    Parameters
    ----------
    protocol, tables, folder, on_broken_rule
        As `analyse_trial`; files of spell sources may be missing.
    alpha : float
        The chance of any false alarm in the whole trial.

    Returns
    -------
    TrialMonitor

    Raises
    ------
    ProtocolError, RecordError
    DesignError
        The designed ratio is not known.

    Notes
    -----
    Source: methods page, M10. Cost: O(people).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=1_000, seed=1)
    >>> monitor_trial(trial.protocol, {name: trial.tables[name] for name in ("claimants", "markers")}, folder="nowhere")
    TrialMonitor(Example digit trial: 0 alarms in ... checks)
    """
    if not 0 < alpha < 1:
        raise DesignError(worded(f"alpha is {alpha}.", remedy="give a chance between 0 and 1, such as 0.01"))
    protocol, folder = as_protocol(protocol, folder)
    if not protocol.designed_ratio:
        raise DesignError(worded("the designed ratio is not given.", remedy="set allocation.ratio in the protocol"))
    tables, absent = _with_empty_registers(protocol, dict(tables or {}), Path(folder))
    records = load_records(protocol, tables, folder=folder, on_broken_rule=on_broken_rule)
    people = _people_of(records)
    found, paths = _checks(protocol, records, people, absent)
    checks = pd.DataFrame(found, columns=["check", "where", "counts", "expected", "n", "p_value", "since"])
    may_alarm = (checks["check"] != NO_ALARM).to_numpy(dtype=bool)
    checks["p_holm"] = adjusted_p(np.where(may_alarm, checks["p_value"].to_numpy(dtype=float), np.nan), "holm")
    checks["alarm"] = checks["p_holm"] < alpha
    return TrialMonitor(
        protocol=protocol,
        checks=checks,
        weeks=_weeks(protocol, people),
        received=_received(protocol, people),
        paths=paths,
        alpha=alpha,
        notes=tuple(_notes(protocol, records, people, absent)),
    )


def _notes(
    protocol: TrialProtocol, records: TrialRecords, people: pd.DataFrame, absent: tuple[str, ...]
) -> Iterator[str]:
    """What could not be looked at yet, and what is mostly a mistake."""
    if people.empty and records.n_claimants:
        yield f"Of {records.n_claimants:,} people nobody came in the recruitment window, at an office of the trial."
    arms = people["assigned"].to_numpy(dtype=np.int64), people["received"].to_numpy(dtype=np.int64)
    everybody = {"came": np.ones(len(people), dtype=bool)}
    received = count_received(protocol, arms, everybody, np.ones(len(people), dtype=np.int64))
    yield from (f"{each[0].upper()}{each[1:]}" for each in doubt_of_arms(received, "came"))
    for name in absent:
        yield f"The register {name!r} is not there yet: what is missing in it is not looked at."


def _with_empty_registers(
    protocol: TrialProtocol, tables: dict[str, TableLike], folder: Path
) -> tuple[dict[str, TableLike], tuple[str, ...]]:
    """Empty tables for the spell sources that have no file yet, and their names."""
    absent = []
    for name, source in protocol.sources.spells.items():
        if name not in tables and not (source.file and (folder / source.file).exists()):
            absent.append(name)
            columns = [source.columns.get(each, each) for each in required_columns(protocol, name)]
            tables[name] = pd.DataFrame({column: pd.Series(dtype=object) for column in columns})
    return tables, tuple(absent)


def _people_of(records: TrialRecords) -> pd.DataFrame:
    """Who came, and when: people with a marker (or an index day) in the window, and a known arm, by day."""
    dated = facts_of(records)
    people = dated.facts.people.assign(digit=records.claimants["digit"].to_numpy(), row=np.arange(records.n_claimants))
    if records.markers is None:
        people["day"] = dated.people.index_day
        offices = records.protocol.recruitment.offices
        there = people["office"].isin(offices) if offices else True
        came = people["dated"] & people["in_window"] & there
    else:
        people["day"] = _first_day(records.markers, people["row"])
        for status in STATUSES:
            people[f"{status}_day"] = _first_day(records.markers[records.markers["status"] == status], people["row"])
        came = people["considered"]
    return people[came & (people["assigned"] >= 0)].sort_values("day", kind="stable").reset_index(drop=True)


def _first_day(markers: pd.DataFrame, rows: pd.Series[int]) -> Integers:
    """The day of the first of some markers of each person, `NO_DAY` where there is none."""
    first = markers.groupby("claimant")["marker_day"].min()
    return first.reindex(rows).fillna(NO_DAY).to_numpy(dtype=np.int64)


def _checks(
    protocol: TrialProtocol, records: TrialRecords, people: pd.DataFrame, absent: tuple[str, ...]
) -> tuple[list[dict[str, Any]], dict[tuple[str, str], pd.DataFrame]]:
    """Every check that can be made, and its p-value after each day."""
    ratio = protocol.designed_ratio
    found, paths = [], {}
    for check, where, some in _groups(protocol, records, people, absent):
        row, path = _checked(some, "assigned", {arm: ratio[arm] for arm in protocol.arms})
        found.append({"check": check, "where": where, **row})
        paths[check, where] = path
    if protocol.allocation.rule == "digit" and (people["digit"] >= 0).all():
        row, path = _checked(people, "digit", {str(digit): 1.0 for digit in range(10)})
        found.append({"check": "digits", "where": "", **row})
        paths["digits", ""] = path
    return found, {key: path for key, path in paths.items() if len(path)}


def _groups(
    protocol: TrialProtocol, records: TrialRecords, people: pd.DataFrame, absent: tuple[str, ...]
) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """People among whom the arms are in the designed ratio, if being among them does not depend on the arm."""
    yield "arms", "", people
    for name in _offices(protocol, people):
        yield "arms_at_office", name, people[people["office"] == name]
    for status in STATUSES if records.markers is not None else ():
        # By the day of that marker, so that people are only ever added at the end.
        theirs = people[people[status].to_numpy(dtype=bool)]
        yield status, "", theirs.assign(day=theirs[f"{status}_day"])
    for name, table in records.spells.items():
        if name not in absent:
            day = pd.Series(NO_DAY, index=range(records.n_claimants))
            day[people["row"]] = people["day"].to_numpy()
            before = table.spells.start < day.to_numpy()[table.spells.owner]
            yield NO_ALARM, name, people[~np.isin(people["row"], table.spells.owner[before])]


def _checked(people: pd.DataFrame, column: str, ratio: Mapping[str, float]) -> tuple[dict[str, Any], pd.DataFrame]:
    """Some people by category against their designed parts: what is said now, and the p-value after each day."""
    parts = np.array(list(ratio.values()))
    days, counts = _cumulative(
        people["day"].to_numpy(dtype=np.int64), people[column].to_numpy(dtype=np.int64), parts.size
    )
    p = anytime_p(counts, list(ratio.values()))
    total = counts[-1] if len(counts) else np.zeros(parts.size, dtype=np.int64)
    now = float(p[-1]) if len(p) else 1.0
    dates = [date_of(int(day)) for day in days]
    row = {
        "counts": ", ".join(f"{label} {n:,}" for label, n in zip(ratio, total, strict=True)),
        "expected": ", ".join(
            f"{label} {n:,.1f}" for label, n in zip(ratio, total.sum() * parts / parts.sum(), strict=True)
        ),
        "n": int(total.sum()),
        "p_value": now,
        "since": str(dates[int(np.argmax(p == now))]) if now < 1 else "",
    }
    return row, pd.DataFrame({"date": dates, "p_value": p})


def _offices(protocol: TrialProtocol, people: pd.DataFrame) -> list[str]:
    named = list(protocol.recruitment.offices) or sorted(people["office"].unique())
    return named if len(named) > 1 else []


def _cumulative(day: Integers, category: Integers, n_categories: int) -> tuple[Integers, Integers]:
    """The days on which somebody came, and how many of each category had come by the end of each."""
    days, place = np.unique(day, return_inverse=True)
    counts = np.zeros((days.size, n_categories), dtype=np.int64)
    np.add.at(counts, (place, category), 1)
    return days, counts.cumsum(axis=0)


def _weeks(protocol: TrialProtocol, people: pd.DataFrame) -> pd.DataFrame:
    """People who came in each week by assigned arm, weeks without anybody too."""
    columns = ["week", "first_date", *protocol.arms]
    if people.empty:
        return pd.DataFrame(columns=columns)
    first = int(people["day"].min())
    week = ((people["day"] - first) // WEEK).to_numpy(dtype=np.int64)
    counts = np.zeros((int(week.max()) + 1, len(protocol.arms)), dtype=np.int64)
    np.add.at(counts, (week, people["assigned"].to_numpy(dtype=np.int64)), 1)
    dates = [str(date_of(first + WEEK * each)) for each in range(len(counts))]
    by_arm = dict(zip(protocol.arms, counts.T, strict=True))
    return pd.DataFrame({"week": range(1, len(counts) + 1), "first_date": dates, **by_arm})


def _received(protocol: TrialProtocol, people: pd.DataFrame) -> pd.DataFrame:
    if protocol.sources.markers is None:
        return pd.DataFrame()
    arms = [*protocol.arms, "unknown"]
    rows = []
    for place, arm in enumerate(protocol.arms):
        mine = people.loc[people["assigned"] == place, "received"].to_numpy(dtype=np.int64)
        counts = np.bincount(np.where(mine < 0, len(protocol.arms), mine), minlength=len(arms))
        rows.append({"assigned": arm, **{f"put in {name}": int(n) for name, n in zip(arms, counts, strict=True)}})
    return pd.DataFrame(rows)
