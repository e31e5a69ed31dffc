"""Released rows -> findings: what the report says, from nothing but what may leave."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Any

import pandas as pd

from trialimpact.disclosure import Release
from trialimpact.estimators.confidence import adjusted_p
from trialimpact.protocol import TrialProtocol
from trialimpact.report.grammar import CLEAR, Finding
from trialimpact.report.method_tables import METHOD_TITLES
from trialimpact.report.rounding import printed_p, printed_percent
from trialimpact.report.sentences import PRETREND_WORDS
from trialimpact.report.words import days_about, interval_name_of, with_limits
from trialimpact.results import records


def finding_of_row(row: Mapping[str, Any], protocol: TrialProtocol) -> Finding:
    """A row in the tidy columns, to a horizon."""
    contrast = protocol.contrast(row["contrast"])
    return Finding(
        treatment=contrast.treatment_words,
        control=contrast.control_words,
        who=protocol.subgroup_words(row["subgroup"]) if row["subgroup"] != "all" else "",
        outcome=protocol.outcome(row["outcome"]).words,
        horizon_days=int(row["horizon_days"]),
        estimate=row["estimate"],
        low=row["conf_low"],
        high=row["conf_high"],
        interval=interval_name_of(protocol, row.get("interval", "")),
        rounding=protocol.presentation.rounding,
        judged=not math.isnan(row["conf_low"]),
    )


def main_findings(release: Release) -> list[Finding]:
    """Everyone, to the longest horizon: one an outcome and contrast."""
    rows = release.frames["estimates.csv"]
    longest = rows["horizon_days"] == release.protocol.analysis.max_horizon
    main = rows[longest & (rows["subgroup"] == "all") & (rows["method"] == release.protocol.analysis.headline)]
    return [finding_of_row(row, release.protocol) for row in records(main)]


def subgroup_findings(release: Release) -> list[Finding]:
    """Subgroups that differ from the others, by their own interval and by p-values adjusted for the family."""
    found = []
    for row in records(_frame(release, "subgroups.csv")):
        contrast = release.protocol.contrast(row["contrast"])
        found.append(
            Finding(
                treatment=contrast.treatment_words,
                control=contrast.control_words,
                who=f"{release.protocol.subgroup_words(row['subgroup'])}, in difference from the others",
                outcome=release.protocol.outcome(row["outcome"]).words,
                horizon_days=int(row["horizon_days"]),
                estimate=row["difference"],
                low=row["difference_low"],
                high=row["difference_high"],
                interval=release.protocol.analysis.interval_words,
                rounding=release.protocol.presentation.rounding,
                adjusted_p=row["difference_p_holm"],
                family_size=int(row["family_size"]),
            )
        )
    return found


def subgroup_sentences(release: Release) -> Iterator[str]:
    """Which groups differ from the others; that none does, where none does."""
    found = subgroup_findings(release)
    if not found:
        return
    clear = [each for each in found if each.direction in ("more", "fewer")]
    for each in clear:
        yield each.brief()
    if not clear:
        n = len({each.who for each in found})
        groups = f"{n} subgroup{'s' * (n > 1)}"
        yield (
            f"We cannot say that the effect differs between groups: of {groups} none differs clearly "
            "from the others, when the number of comparisons is allowed for."
        )
    else:
        yield "Of the other subgroups we cannot say that they differ from the rest."


def integrity_level(release: Release) -> str:
    """The worst level of the checks of the arms as assigned; empty where none was made."""
    checks = _frame(release, "integrity.csv")
    levels = set(checks.loc[checks["basis"] == "assigned", "level"]) if len(checks) else set()
    return next((level for level in ("red", "amber", "green") if level in levels), "")


def integrity_findings(release: Release) -> list[str]:
    """What was found wrong, and otherwise that nothing was."""
    checks = _frame(release, "integrity.csv")
    if not len(checks):
        return ["Whether the trial was run as designed was not tested in this analysis."]
    said = []
    for row in records(checks):
        if row["level"] in ("red", "amber"):
            where = f" (arms as {row['basis']})" if row["basis"] != "assigned" else ""
            places = f" at {row['n_at_level']} of {row['n_places']} places" if row["n_places"] > 1 else ""
            said.append(f"{row['level'].capitalize()}: {row['check'].replace('_', ' ')}{where}{places}: {row['says']}.")
    said += received_findings(release)
    n_green = int((checks["level"] == "green").sum())
    if n_green:
        kinds = "kind of check shows" if n_green == 1 else "kinds of check show"
        said.append(f"{n_green} {kinds} no sign of trouble, which is not proof that there is none.")
    return said


def received_findings(release: Release) -> list[str]:
    """How many were put in another arm than theirs, as far as it may be shown."""
    rows, said = release.frames["allocation.csv"], []
    arms = release.protocol.arms
    for row in records(rows[rows["stage"] == "analysed"]):
        other = row["assigned_arm"] != row["received_arm"] and row["received_arm"] in arms
        if other and row["share_of_assigned"] > 0:
            share = printed_percent(row["share_of_assigned"], release.protocol.presentation.rounding)
            said.append(
                f"{share} of those assigned to {row['assigned_arm']} were put in {row['received_arm']}; they are "
                "analysed in the arm assigned."
            )
    return said


def pretrend_findings(release: Release) -> Iterator[str]:
    """Whether the arms differed before day 0."""
    rows = _frame(release, "pretrend.csv")
    if "pretrend.csv" not in release.frames or not release.protocol.analysis.pre_days:
        return
    outcomes, contrasts = release.frames["estimates.csv"]["outcome"].unique(), release.protocol.contrasts
    for outcome, contrast in itertools.product(outcomes, (each.name for each in contrasts)):
        here = rows[(rows["outcome"] == outcome) & (rows["contrast"] == contrast)]
        tests = here[here["p_value"].notna()]
        if not len(tests):
            yield f"{days_about(release.protocol, str(outcome), str(contrast))}, before the trial: not shown."
            continue
        p = adjusted_p(tests["p_value"].to_numpy(dtype=float), "holm")
        names = [PRETREND_WORDS[test] for test in tests["test"]]
        differ = [name for name, value in zip(names, p, strict=True) if value < CLEAR]
        told = "; ".join(f"{name} p {printed_p(value)}" for name, value in zip(names, p, strict=True))
        found = (
            f"the arms differed, by the test of {' and '.join(differ)}"
            if differ
            else "we cannot say that they differed"
        )
        first, last = here["first_day"].iloc[0], int(here["last_day"].iloc[0])
        days_before = f"days {int(first)} to {last}" if first == first else f"up to day {last}"
        days = here[here["test"] == "cumulative"]
        amount = ""
        if len(days):
            rule = release.protocol.presentation.rounding
            estimate, low, high = (float(days[name].iloc[0]) for name in ("estimate", "conf_low", "conf_high"))
            amount = f"; {with_limits(estimate, low, high, rule)} days in all"
        about = days_about(release.protocol, str(outcome), str(contrast))
        when = f"{about}, before the trial ({days_before})"
        yield f"{when}: {found}{amount} ({told}; adjusted for {len(names)} tests)."


def band_findings(release: Release) -> Iterator[str]:
    """Where the simultaneous bands of everyone leave zero out, among the days and horizons that are published."""
    rows = _frame(release, "bands.csv")
    if not len(rows):
        return
    level = f"{100 * release.protocol.analysis.conf_level:g}%"
    everyone = rows[rows["subgroup"] == "all"]
    for (outcome, contrast), here in everyone.groupby(["outcome", "contrast"], sort=False):
        for name, what in (("day", "daily difference"), ("horizon_days", "cumulative difference")):
            found = here[here[name].notna() & here["conf_low"].notna()].sort_values(name)
            title = days_about(release.protocol, str(outcome), str(contrast))
            about = f"{title}: the {level} simultaneous band of the {what}"
            if not len(found):
                continue
            clear = found[(found["conf_low"] > 0) | (found["conf_high"] < 0)]
            unit = "day" if name == "day" else "horizon"
            if not len(clear):
                yield f"{about} excludes zero at no published {unit}."
            else:
                first, last = int(clear[name].iloc[0]), int(clear[name].iloc[-1])
                between = f"{len(clear)} of {len(found)} published {unit}s, from {first} to {last}"
                yield f"{about} excludes zero at {between}."


def sensitivity_findings(release: Release) -> Iterator[str]:
    """The same effect by other methods, to the longest horizon."""
    longest = release.protocol.analysis.max_horizon
    words = {
        "adjusted": METHOD_TITLES["adjusted"],
        "common_intake": "Among those who joined when both arms did",
        "intake_stratified": "Compared within periods of intake",
        "stratified": "Compared within strata",
    }
    frames = [_frame(release, "adjusted.csv"), release.frames["estimates.csv"]]
    for frame in frames:
        here = frame[(frame["horizon_days"] == longest) & (frame["subgroup"] == "all")] if len(frame) else frame
        for row in records(here):
            if row["method"] in words and row["method"] != release.protocol.analysis.headline:
                yield f"{words[row['method']]}: {finding_of_row(row, release.protocol).brief()}"


def kept_back_findings(release: Release) -> Iterator[str]:
    """Methods without a row: which of them were not made, and which are of too few people, is not told."""
    made = {name: release.frames[f"{name}.csv"] for name in METHOD_TITLES if f"{name}.csv" in release.frames}
    if "adjusted" in made:
        made["adjusted"] = made["adjusted"].query("method == 'adjusted'")
    main = release.frames["estimates.csv"]
    if release.protocol.analysis.headline == "stratified" and main["suppressed"].any():
        yield (
            "An effect within strata is kept back where a stratum has few people of a side, or the outcome is rare "
            "there: strata that are put together may be shown."
        )
    titles = [METHOD_TITLES[name] for name, rows in made.items() if not len(rows)]
    if titles:
        why = "It was not asked for, could not be computed, is of too few, or weighs people in another way."
        yield f"Nothing is shown of: {'; '.join(titles)}. {why}"


def _frame(release: Release, name: str) -> pd.DataFrame:
    return release.frames.get(name, pd.DataFrame())
