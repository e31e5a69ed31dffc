"""`release_results`: raw results -> `Release`, which holds nothing that may not leave, and the checker's record."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from trialimpact.disclosure.balance import adjusts_for_few, release_balance
from trialimpact.disclosure.differencing import Withdrawn, withdrawn_groups
from trialimpact.disclosure.durations import release_durations
from trialimpact.disclosure.methods import (
    Releaser,
    release_arms,
    release_audit,
    release_bounds,
    release_compliance,
    release_integrity,
    release_placebo,
    release_pretrend,
    release_subgroups,
)
from trialimpact.disclosure.packs import DEFAULT_PACK, Rounder, RulePack, rule_pack
from trialimpact.disclosure.people import (
    GROUP,
    people_of,
    published_flow,
    published_received,
    shown_flow,
    shown_received,
)
from trialimpact.disclosure.rows import release_adjusted, release_bands, release_estimates
from trialimpact.disclosure.shown import Publication
from trialimpact.disclosure.states import release_moves, release_states
from trialimpact.disclosure.suppression import ShownCells, protect
from trialimpact.errors import of_its_kind
from trialimpact.flow import ALL
from trialimpact.protocol import TrialProtocol
from trialimpact.results import TrialResults, plain

RELEASERS: dict[str, Releaser] = {
    "estimates.csv": release_estimates,
    "bands.csv": release_bands,
    "adjusted.csv": release_adjusted,
    "subgroups.csv": release_subgroups,
    "pretrend.csv": release_pretrend,
    "placebo.csv": release_placebo,
    "bounds.csv": release_bounds,
    "durations.csv": release_durations,
    "states.csv": release_states,
    "arms.csv": release_arms,
    "audit.csv": release_audit,
}
"""What becomes of each file by its own rows."""

OF_MORE = ("flow.csv", "allocation.csv", "balance.csv", "compliance.csv", "moves.csv")
"""Files that are released by more than their own rows; what is neither here nor there is not released."""

OF_COUNTS = ("flow.csv", "allocation.csv", "balance.csv", "integrity.csv", "audit.csv")
"""Files with the same rows whatever is suppressed."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Release:
    """What may leave: the same tidy rows, each with a column `suppressed`.

    Attributes
    ----------
    pack : RulePack
    frames : mapping of file name to DataFrame
        Counts are NaN where suppressed; so is every number of such a row.
    stages : mapping of stage to its label
    versions : mapping
    withdrawn : tuple of Withdrawn
        Groups that differencing would uncover. For the checker: it holds raw counts.
    primary, secondary : int
        Counts of people suppressed because small, and so that others cannot be worked out.
    """

    protocol: TrialProtocol
    pack: RulePack
    frames: Mapping[str, pd.DataFrame]
    stages: Mapping[str, str]
    versions: Mapping[str, str]
    withdrawn: tuple[Withdrawn, ...]
    primary: int
    secondary: int

    def __repr__(self) -> str:
        return f"Release({self.protocol.name}, {self.pack.label}: {len(self.frames)} tables)"

    def _repr_html_(self) -> str:
        from html import escape

        items = "".join(
            f"<li>{escape(name)}: {len(frame):,} rows, {int(frame['suppressed'].sum()):,} suppressed</li>"
            for name, frame in self.frames.items()
        )
        return f"<p><b>{escape(self.protocol.name)}</b>, {escape(self.pack.label)}</p><ul>{items}</ul>"


@of_its_kind
def release_results(results: TrialResults, pack: str | Path | RulePack = DEFAULT_PACK) -> Release:
    """Apply a rule pack to everything that is published together.

    Parameters
    ----------
    results : TrialResults
        Of `read_results`, or `TrialAnalysis.results()`.
    pack : str, path or RulePack
        A pack by its name, or a TOML file; "none" must be asked for by its name.

    Returns
    -------
    Release

    Raises
    ------
    ProtocolError
        There is no such pack.

    Notes
    -----
    Source: docs, disclosure control. Cost: seconds; a linear programme a small count.

    Examples
    --------
    >>> from trialimpact import analyse_trial
    >>> from trialimpact.synthetic import simulate_trial
    >>> trial = simulate_trial(n_claimants=400, seed=1)
    >>> results = analyse_trial(trial.protocol, trial.tables).results(methods=False)
    >>> release_results(results, "uk_llc")
    Release(Example digit trial, UK LLC: 5 tables)
    """
    pack = rule_pack(pack)
    results = replace(results, frames={name: plain(frame) for name, frame in results.frames.items()})
    rounder = Rounder(pack, salt=_salt(results))
    withdrawn = withdrawn_groups(results.moments, pack)
    results = _without_balance_of({each.contrast for each in withdrawn if each.subgroup == ALL}, results)
    shown = protect(people_of(results), rounder)
    hidden = {(key[1], key[3]) for key in shown.primary | shown.secondary if key[0] == GROUP}
    gone = frozenset({*((each.contrast, each.subgroup) for each in withdrawn), *hidden})
    few = adjusts_for_few(results.frames["balance.csv"], results.protocol, pack)
    about = Publication(results.moments, rounder, gone, adjusts_for_few=few)
    return Release(
        protocol=results.protocol,
        pack=pack,
        frames=_frames(results, about, shown),
        stages=results.stages,
        versions=results.manifest["versions"],
        withdrawn=withdrawn,
        primary=len(shown.primary),
        secondary=len(shown.secondary),
    )


def _without_balance_of(contrasts: set[str], results: TrialResults) -> TrialResults:
    """Without the characteristics of sides that, with those of other contrasts, tell those of a few people."""
    balance = results.frames["balance.csv"]
    kept = balance[~balance["contrast"].isin(contrasts)].reset_index(drop=True)
    return replace(results, frames={**results.frames, "balance.csv": kept})


def _frames(results: TrialResults, about: Publication, shown: ShownCells) -> dict[str, pd.DataFrame]:
    raw = results.frames
    if not about.rounder.pack.controls:
        names = [name for name in (*OF_MORE, *RELEASERS) if name in raw]
        found = {name: raw[name].assign(suppressed=np.zeros(len(raw[name]), dtype=bool)) for name in names}
        if "integrity.csv" in raw:
            found["integrity.csv"] = release_integrity(raw["integrity.csv"], about, raw["flow.csv"])
        return found
    found = {
        "flow.csv": shown_flow(published_flow(results), shown),
        "allocation.csv": shown_received(published_received(raw["allocation.csv"]), shown),
        "balance.csv": release_balance(raw["balance.csv"], about.protocol, shown, about.rounder),
    }
    if "compliance.csv" in raw:
        found["compliance.csv"] = release_compliance(raw["compliance.csv"], about, shown)
    if "integrity.csv" in raw:
        found["integrity.csv"] = release_integrity(raw["integrity.csv"], about, raw["flow.csv"])
    found |= {name: release(raw[name], about) for name, release in RELEASERS.items() if name in raw}
    if "moves.csv" in raw:
        found["moves.csv"] = release_moves(raw["moves.csv"], raw["states.csv"], about)
    headline = about.protocol.analysis.headline
    return {name: frame if name in OF_COUNTS else _told_alike(name, frame, headline) for name, frame in found.items()}


def _told_alike(name: str, frame: pd.DataFrame, headline: str) -> pd.DataFrame:
    """Rows of estimates and methods: what is suppressed is not there, but for the headline's.

    A method has no row of nobody, or of one person on a side: beside suppressed rows that would tell which it is.
    """
    kept = ~frame["suppressed"].astype(bool)
    if name == "estimates.csv":
        # Within strata a group has rows where each of its strata has somebody of both sides.
        always = headline == "difference" or frame["subgroup"] == ALL
        kept |= (frame["method"] == headline) & always
    return frame[kept].reset_index(drop=True)


def _salt(results: TrialResults) -> str:
    """What fixes random rounding: nobody who has not the records can know it, nor try what it may be.

    Of the people's days and spells: whatever else is asked of them, in another release too, one count shows as one
    number. Where an engine counted, of every cell of the moments.
    """
    if people := results.manifest.get("people"):
        return str(people)
    tables = results.moments.counts, results.moments.gram
    arrays = (array for table in tables for array in (table.place, table.count))
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)).hexdigest()
