"""`draw_interviews`: whom to ask for an interview, at random, with exclusions and quotas; reproducible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import index

import numpy as np
import pandas as pd

from trialimpact.analysis import TrialAnalysis
from trialimpact.errors import DesignError, of_its_kind, require_kind, unknown_name, worded
from trialimpact.intervals import Booleans, Integers
from trialimpact.protocol import TrialProtocol


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class InterviewSample:
    """Some of a trial's claimants, by the rows of their table. Raw: not for release.

    Attributes
    ----------
    rows : array
        Row numbers in the claimants' table, from 1, the header not counted; no identifier is kept. In the order drawn,
        so that who refuses is replaced by drawing more with the same seed.
    profile : DataFrame
        `group`, `label`, `n_trial`, `share_trial`, `n_drawn`, `share_drawn`: arms, then subgroups; the trial's people
        are those who could be drawn.
    seed : int
    quotas : mapping of subgroup to people
    excluded : mapping of subgroup to people left out
    """

    protocol: TrialProtocol
    rows: Integers
    profile: pd.DataFrame
    seed: int
    quotas: Mapping[str, int]
    excluded: Mapping[str, int]

    def to_frame(self) -> pd.DataFrame:
        """The rows, in the order drawn."""
        return pd.DataFrame({"order": np.arange(1, self.rows.size + 1), "claimants_row": self.rows})

    def __len__(self) -> int:
        return int(self.rows.size)

    def __repr__(self) -> str:
        return f"InterviewSample({self.protocol.name}: {len(self)} people, seed {self.seed})"

    def _repr_html_(self) -> str:
        return self.profile.round(3).to_html(index=False)


@of_its_kind
def draw_interviews(
    analysis: TrialAnalysis,
    n: int,
    *,
    seed: int,
    arms: Sequence[str] | None = None,
    quotas: Mapping[str, int] | None = None,
    exclude: Sequence[str] = (),
) -> InterviewSample:
    """Draw claimants of a trial at random, for interviews.

    People are put in a random order. Quotas ("at least 6 of this subgroup") are filled first, the hardest to fill
    before the others, each from its people in that order; the rest are the next in the order.

    Parameters
    ----------
    analysis : TrialAnalysis
        In memory, with a claimants' table.
    n : int
        How many.
    seed : int
        The same seed and trial give the same people; a larger `n` without quotas only adds people.
    arms : sequence of str, optional
        Only people assigned to these.
    quotas : mapping of subgroup to number, optional
        At least so many of each; a person counts for every subgroup they are in.
    exclude : sequence of str
        Subgroups to leave out.

    Returns
    -------
    InterviewSample

    Raises
    ------
    ProtocolError, DesignError
        A name is not known, or there are not enough people.

    Notes
    -----
    Where there are quotas, people of different groups have different chances: the profile shows by how much.
    Cost: O(claimants).

    Examples
    --------
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=600, seed=1)
    >>> draw_interviews(analyse_trial(trial.protocol, trial.tables), 26, seed=1, quotas={"female": 10})
    InterviewSample(Example digit trial: 26 people, seed 1)
    """
    require_kind(quotas or {}, Mapping, "quotas", 'give subgroups and numbers, as in {"female": 10}')
    panel, protocol = analysis.panel, analysis.protocol
    quotas = {name: least for name, least in (quotas or {}).items() if least}
    arms = (arms,) if isinstance(arms, str) else arms
    exclude = (exclude,) if isinstance(exclude, str) else exclude
    if not all(hasattr(each, "__index__") and each >= 0 for each in (n, seed, *quotas.values())):
        raise DesignError(worded("numbers of people and the seed are whole and not negative.", remedy="give such"))
    n, seed, quotas = index(n), index(seed), {name: index(least) for name, least in quotas.items()}
    members = {name: panel.membership(name) for name in (*quotas, *exclude)}
    file_row = analysis.records.claimants["file_row"].to_numpy()[analysis.sample.claimant]
    may = file_row > 0
    if not may.any():
        remedy = "give the trial a [sources.claimants] table"
        raise DesignError(worded("nobody has a row in a claimants' table, by which to name them.", remedy=remedy))
    if arms is not None:
        for arm in arms:
            if arm not in protocol.arms:
                raise unknown_name("arm", arm, protocol.arms)
        may &= panel.on_side(tuple(arms))
    excluded = {name: int((may & members[name]).sum()) for name in exclude}
    for name in exclude:
        may &= ~members[name]
    _require(int(may.sum()), n, "people")
    for name, least in quotas.items():
        _require(int((may & members[name]).sum()), least, f"people in {name!r}")
    order = np.random.default_rng(seed).permutation(len(panel))
    drawn = _drawn(order[may[order]], n, [(name, members[name], least) for name, least in quotas.items()])
    return InterviewSample(
        protocol=protocol,
        rows=file_row[drawn],
        profile=_profile(analysis, may, drawn),
        seed=seed,
        quotas=quotas,
        excluded=excluded,
    )


def _require(there: int, wanted: int, what: str) -> None:
    if not 0 < wanted <= there:
        says = f"{wanted} {what} are asked for, and {there} could be drawn."
        raise DesignError(worded(says, remedy="ask for fewer, or exclude fewer"))


def _drawn(order: Integers, n: int, quotas: Sequence[tuple[str, Booleans, int]]) -> Integers:
    """People in the order drawn: those who fill quotas, then the next in the order.

    Quotas are filled one after the other, the scarcest first; where that takes too many people, those who count for
    most quotas are taken first.
    """
    scarcest = sorted(quotas, key=lambda each: (each[1][order].sum() / each[2], each[0]))
    counts = sum(
        (inside[order].astype(np.int64) for _, inside, _ in quotas), start=np.zeros(order.size, dtype=np.int64)
    )
    for by in (order, order[np.argsort(-counts, kind="stable")]):
        chosen: list[int] = []
        for _, inside, least in scarcest:
            missing = max(least - int(inside[chosen].sum()), 0)
            chosen += [int(each) for each in by[inside[by] & ~np.isin(by, chosen)][:missing]]
        if len(chosen) <= n:
            rest = order[~np.isin(order, chosen)][: n - len(chosen)]
            return order[np.isin(order, [*chosen, *rest.tolist()])]
    names = ", ".join(repr(name) for name, _, _ in quotas)
    says = f"no {n} people that fill the quotas {names} together were found."
    raise DesignError(worded(says, remedy="draw more people, or ask for smaller quotas"))


def _profile(analysis: TrialAnalysis, may: Booleans, drawn: Integers) -> pd.DataFrame:
    """Arms and subgroups among those who could be drawn, and among those who were."""
    panel, protocol = analysis.panel, analysis.protocol
    groups = [("arm", arm, panel.on_side((arm,))) for arm in protocol.arms]
    groups += [(each.name, each.words, panel.membership(each.name)) for each in protocol.subgroups]
    rows = []
    for name, label, inside in groups:
        n_trial, n_drawn = int((may & inside).sum()), int(inside[drawn].sum())
        shares = {"share_trial": n_trial / may.sum(), "share_drawn": n_drawn / drawn.size}
        rows.append({"group": name, "label": label, "n_trial": n_trial, "n_drawn": n_drawn, **shares})
    columns = ["group", "label", "n_trial", "share_trial", "n_drawn", "share_drawn"]
    return pd.DataFrame(rows, columns=columns)
