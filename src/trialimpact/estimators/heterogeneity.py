"""Do subgroups respond differently? Difference from the complement, joint test, adjusted p (M8)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.confidence import adjusted_p, two_sided_p, wald_limits
from trialimpact.estimators.contrast import Floats, chosen, labels
from trialimpact.estimators.ledger import Ledger, headline_ledger, joined
from trialimpact.estimators.target import day_weights
from trialimpact.estimators.wald import WaldTest, wald_test
from trialimpact.panel import Panel
from trialimpact.protocol import Contrast, TrialProtocol

HETEROGENEITY_COLUMNS = [
    *("outcome", "contrast", "treatment_arm", "control_arm", "subgroup", "horizon_days", "n_treatment", "n_control"),
    *("estimate", "std_error", "conf_low", "conf_high", "p_value", "p_holm", "p_bh"),
    *("n_complement", "complement_estimate", "difference", "difference_std_error", "difference_low"),
    *("difference_high", "difference_p_value", "difference_p_holm", "difference_p_bh", "family", "family_size"),
]


_SCOPE = ("outcome", "contrast", "subgroup")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Heterogeneity:
    """Cumulative effects in subgroups and in their complements, of one outcome and contrast.

    Attributes
    ----------
    subgroups : tuple of str
        Those with two people or more on each side, and whose complement has them.
    effect, complement : Ledger
        Days to the horizon in each subgroup, and among those known to be outside it.
    joint : WaldTest
        That no subgroup differs from its complement; overlaps and exact opposites lower its df.
    left_out : tuple of str
        The others, for which no standard error means anything.
    """

    protocol: TrialProtocol
    outcome: str
    contrast: Contrast
    horizon_days: int
    subgroups: tuple[str, ...]
    effect: Ledger
    complement: Ledger
    joint: WaldTest
    left_out: tuple[str, ...] = ()

    def rows(self) -> pd.DataFrame:
        """A row a subgroup, before any adjustment for their number."""
        apart, covariance = _apart(self.effect, self.complement)
        std_error = np.sqrt(np.diag(covariance))
        own = self.effect.estimate, self.effect.std_error
        (low, high), (low_apart, high_apart) = (wald_limits(self.protocol, *each) for each in (own, (apart, std_error)))
        which = labels(self.outcome, self.contrast)
        columns: dict[str, Any] = {
            **which,
            "subgroup": list(self.subgroups),
            "horizon_days": self.horizon_days,
            "n_treatment": self.effect.n_treatment,
            "n_control": self.effect.n_control,
            "estimate": own[0],
            "std_error": own[1],
            "conf_low": low,
            "conf_high": high,
            "p_value": two_sided_p(*own),
            "n_complement": self.complement.n_treatment + self.complement.n_control,
            "complement_estimate": self.complement.estimate,
            "difference": apart,
            "difference_std_error": std_error,
            "difference_low": low_apart,
            "difference_high": high_apart,
            "difference_p_value": two_sided_p(apart, std_error),
        }
        return pd.DataFrame(columns, index=range(len(self.subgroups)))

    def to_frame(self) -> pd.DataFrame:
        """A row a subgroup, `HETEROGENEITY_COLUMNS`; p-values adjusted within the declared families."""
        return adjust_families([self])

    def __repr__(self) -> str:
        return (
            f"Heterogeneity({self.outcome}, {self.contrast.name}; {len(self.subgroups)} subgroups; "
            f"joint test {self.joint.statistic:.1f} on {self.joint.df} df, p {self.joint.p_value:.3f})"
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


@of_its_kind
def estimate_heterogeneity(
    panel: Panel,
    outcome: str | None = None,
    contrast: str | Contrast | None = None,
    *,
    horizon_days: int | None = None,
) -> Heterogeneity:
    """Difference between the effect in each subgroup and in its complement, and a joint test of all.

    The estimand of a row is C(H) among those in the subgroup minus C(H) among those known not to
    be in it, by intention to treat; whoever has a missing value is in neither. A subgroup's own
    interval cannot say whether it differs from the others: this does.

    Parameters
    ----------
    panel : Panel
        Claimants are needed: subgroups overlap, so their estimates are correlated.
    outcome, contrast
        As `estimate_cumulative`.
    horizon_days : int, optional
        Default: the longest horizon.

    Returns
    -------
    Heterogeneity

    Raises
    ------
    ProtocolError, DesignError
        As `compare`; or no subgroup can be compared with its complement.

    Notes
    -----
    Covariances from influence values. p-values are also adjusted, by Holm and by Benjamini and
    Hochberg, over the family that the protocol declares. Source: methods page, M8.
    Cost: O(spells) a subgroup.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> estimate_heterogeneity(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    Heterogeneity(on_benefit, iap; 6 subgroups; joint test ...)
    """
    protocol = panel.protocol
    name, contrast = chosen(protocol, outcome, contrast)
    horizon = protocol.analysis.max_horizon if horizon_days is None else horizon_days
    weights = day_weights(protocol, 0, horizon)
    found: list[tuple[str, Ledger, Ledger]] = []
    left_out = []
    for place, subgroup in enumerate(protocol.subgroup_names[1:], start=1):
        inside, outside = (
            headline_ledger(panel, panel.outcome(name), contrast, weights, rows[place])
            for rows in (panel.members, panel.outside)
        )
        n = [*inside.n_treatment, *inside.n_control, *outside.n_treatment, *outside.n_control]
        if min(n) > 1 and np.isfinite([*inside.std_error, *outside.std_error]).all():
            found.append((subgroup, inside, outside))
        else:
            left_out.append(subgroup)
    if not found:
        raise DesignError(
            worded(
                f"{name}, {contrast.name}: no subgroup can be compared with its complement.",
                remedy="declare [[subgroups]] with people of both arms in and outside them",
            )
        )
    effect, complement = joined([each for _, each, _ in found]), joined([each for _, _, each in found])
    return Heterogeneity(
        protocol=protocol,
        outcome=name,
        contrast=contrast,
        horizon_days=horizon,
        subgroups=tuple(subgroup for subgroup, _, _ in found),
        effect=effect,
        complement=complement,
        joint=wald_test(*_apart(effect, complement)),
        left_out=tuple(left_out),
    )


def _apart(effect: Ledger, complement: Ledger) -> tuple[Floats, Floats]:
    """Effect in each subgroup less that in its complement, and their covariance."""
    one = np.eye(effect.estimate.size)
    return joined([effect, complement]).of(np.hstack([one, -one]))


def adjust_families(results: Iterable[Heterogeneity]) -> pd.DataFrame:
    """Rows of several results with p-values adjusted within the protocol's families (Holm; Benjamini-Hochberg).

    A family that spans outcomes or contrasts needs them all here. Where the protocol declares
    none, the subgroups of one outcome and contrast are a family.
    """
    results = list(results)
    rows = pd.concat([each.rows() for each in results], ignore_index=True)
    rows["family"] = [family_of(results[0].protocol, row) for row in rows[[*_SCOPE]].to_dict("records")]
    rows["family_size"] = rows.groupby("family")["p_value"].transform("count")
    for column in ("p_value", "difference_p_value"):
        groups, name = rows.groupby("family")[column], column.removesuffix("_value")
        rows[f"{name}_holm"] = groups.transform(lambda p: adjusted_p(p.to_numpy()))
        rows[f"{name}_bh"] = groups.transform(lambda p: adjusted_p(p.to_numpy(), "fdr_bh"))
    return rows[HETEROGENEITY_COLUMNS]


def family_of(protocol: TrialProtocol, row: Mapping[Any, Any]) -> str:
    """The family of comparisons that a row's outcome, contrast and subgroup belong to."""
    for family in protocol.families:
        scope = zip((family.outcomes, family.contrasts, family.subgroups), (row[name] for name in _SCOPE), strict=True)
        if all(not names or name in names for names, name in scope):
            return family.name
    return f"{row['outcome']}, {row['contrast']}"
