"""What is allowed and mostly a mistake, of a trial as it was counted: said beside the results, and changes none."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from trialimpact.allocation import ReceivedArms
from trialimpact.characteristics import CharacteristicSums
from trialimpact.flow import ParticipantFlow
from trialimpact.loaders import day_of
from trialimpact.moments import Moments
from trialimpact.protocol import Characteristic, TrialProtocol
from trialimpact.protocol.conditions import AgeIs, ColumnIs
from trialimpact.protocol.sources import FOLLOWED
from trialimpact.stages import TrialCounts

MANY = 0.25
"""The share of people in another arm than assigned from which the design is doubted."""

MANY_LOST, FEW_PEOPLE, LONG_GAP = 20, 100, 30
"""People of one office who are lost; people of whom dates say something; days without anybody."""


def doubts_of_counts(counts: TrialCounts) -> Iterator[str]:
    """Everything of the kind, a sentence each: what loading warned of is not said again."""
    yield from doubt_of_arms(counts.received)
    yield from _great_losses(counts.protocol, counts.flow)
    yield from _offices_that_are_lost(counts.flow)
    yield from _recruitment_that_ends_early(counts)
    yield from _registers_of_one_side(counts.moments)
    yield from _outcomes_that_never_vary(counts.moments)
    yield from _control_as_treatment(counts.protocol)
    yield from _levels_that_are_no_parts(counts.protocol, counts.characteristics)


def doubt_of_arms(received: ReceivedArms, stage: str = "analysed") -> Iterator[str]:
    """Arms exchanged, or digits of another trial: many were put in another arm than the design says."""
    share = received.share_misallocated(stage)
    if share >= MANY:
        says = f"{100 * share:.0f}% of people were put in another arm than assigned"
        yield f"{says} ({received.n_misallocated(stage):,}): compare the allocation with the design, arm by arm"


def _great_losses(protocol: TrialProtocol, flow: ParticipantFlow) -> Iterator[str]:
    """A window or an office that is not what it should be leaves most people out."""
    hints = {
        "at_trial_office": "compare the protocol's offices with the records'",
        "in_window": "compare the recruitment window and the offices with the records",
        "index_date_known": "see whether the index dates are there",
        "matched": f"look at index.window_days ({protocol.index.window_days}), index.codes and what the source covers",
    }
    for stage, hint in hints.items():
        left, removed = (flow.n(stage, kind) if stage in flow.stages else 0 for kind in ("remaining", "removed"))
        if removed > left:
            yield f"{flow.stages[stage]}: {removed:,} people are left out here, and {left:,} remain: {hint}"


def _offices_that_are_lost(flow: ParticipantFlow) -> Iterator[str]:
    """Markers of one office that are dated otherwise than the others' find no claims."""
    if "matched" not in flow.stages or flow.n("matched", "removed") > flow.n("matched"):
        return
    mine = flow.counts[(flow.counts["stage"] == "matched") & (flow.counts["office"] != "all")]
    mine = mine[mine["assigned_arm"].eq("all") & mine["received_arm"].eq("all") & mine["reason"].eq("all")]
    table = mine.pivot_table(index="office", columns="kind", values="n", aggfunc="sum", fill_value=0)
    if "removed" in table and "remaining" in table:
        lost = int(((table["removed"] > table["remaining"]) & (table["removed"] >= MANY_LOST)).sum())
        if lost:
            yield f"of {lost} of {len(table)} offices more people are not matched to a claim than are: see flow.csv"


def _recruitment_that_ends_early(counts: TrialCounts) -> Iterator[str]:
    """Markers of an older extract end before the recruitment window does, and before the spells."""
    protocol, days = counts.protocol, counts.joining.index_day
    first, last = protocol.recruitment.first_date, protocol.recruitment.last_date
    extracts = [each.extract_date for each in protocol.sources.spells.values()]
    if last is None or min(extracts) <= last or counts.joining.n.sum() < FEW_PEOPLE:
        return
    width = day_of(last) - (int(days.min()) if first is None else day_of(first))
    gap = day_of(last) - int(days.max())
    if gap > LONG_GAP and gap > width / 5:
        says = f"nobody joined in the last {gap} days of the recruitment window"
        yield f"{says}: see whether the records are of an older extract"


def _control_as_treatment(protocol: TrialProtocol) -> Iterator[str]:
    """Where the control arm stands on the treatment side, every sign turns."""
    for contrast in protocol.contrasts:
        if protocol.allocation.control in contrast.treatment:
            yield f"the contrast {contrast.name} has the control arm on its treatment side: signs are turned round"


def _registers_of_one_side(moments: Moments) -> Iterator[str]:
    """An outcome that one side alone ever has: mostly a register that was extracted for one arm."""
    protocol = moments.protocol
    for outcome, contrast in itertools.product(protocol.outcomes, protocol.contrasts):
        sides = {arms: moments.counts_of(outcome.name, "all", arms) for arms in (contrast.treatment, contrast.control)}
        ever = {arms: bool(side.on.any()) for arms, side in sides.items()}
        if sorted(ever.values()) == [False, True] and all(side.followed.any() for side in sides.values()):
            nobody = " + ".join(next(arms for arms, is_on in ever.items() if not is_on))
            says = f"nobody in {nobody} is {outcome.words} on any day, and others are"
            yield f"{says}: see whether the records hold both arms"


def _outcomes_that_never_vary(moments: Moments) -> Iterator[str]:
    """An outcome that everybody has on every day of follow-up, or that nobody has after day 0 and some had before."""
    protocol = moments.protocol
    for outcome in protocol.outcomes:
        sides = [moments.counts_of(outcome.name, "all", (arm,)) for arm in protocol.arms]
        on, followed = (np.sum([getattr(side, each) for side in sides], axis=0) for each in ("on", "followed"))
        after = slice(protocol.analysis.pre_days, None)
        is_rest = FOLLOWED in outcome.on  # whom no register holds: there may be nobody whom one does
        if not is_rest and followed[after].sum() and (on[after] == followed[after]).all():
            yield f"everybody who is followed is {outcome.words} on every day: see whether the records hold the ends"
        if followed[after].sum() and on.any() and not on[after].any():
            says = f"nobody is {outcome.words} on any day from day 0, and some were before"
            yield f"{says}: see whether the records reach so far"


def _cut_one_number(characteristic: Characteristic) -> bool:
    """Whether all levels are ranges of one number, as ages are cut."""
    ranges = [level.where for level in characteristic.levels]
    of_what = [
        (type(each), getattr(each, "column", ""))
        for each in ranges
        if (isinstance(each, ColumnIs) and each.between) or (isinstance(each, AgeIs) and each.age_at_index.between)
    ]
    return len(of_what) == len(ranges) > 1 and len(set(of_what)) == 1


def _levels_that_are_no_parts(protocol: TrialProtocol, sums: CharacteristicSums) -> Iterator[str]:
    """Levels of ages or amounts that overlap, or leave some out."""
    for each in protocol.characteristics:
        mine = np.array([name == each.name for name, _, _ in sums.columns], dtype=bool)
        if not mine.any() or not _cut_one_number(each):
            continue
        inside, known = sums.total[:, mine].sum(), sums.known[:, mine].sum() / mine.sum()
        if known and not np.isclose(inside, known):
            how = "overlap" if inside > known else "leave people out"
            says = f"the levels of {each.name} {how}: their shares add up to {100 * inside / known:.0f}%"
            yield f"{says} (both ends of between count)"
