"""What past spells say of a future trial's outcome (M16): its spread, with returns and follow-up as they were; power by
drawing past claimants.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.contrast import Floats
from trialimpact.estimators.ledger import followed_within, side_influence
from trialimpact.estimators.power import PowerDesign, require_people, usual_design
from trialimpact.estimators.target import target_of
from trialimpact.intervals import Booleans
from trialimpact.panel import Panel


@dataclass(frozen=True, slots=True, kw_only=True)
class PastVariation:
    """What past spells say about a future trial's outcome.

    Attributes
    ----------
    mean, std_dev : float
        Of days to the horizon (or of the outcome on a day). The standard deviation is that of one
        claimant's share in the estimate, staggered follow-up and returns included.
    n_claimants : int
    cluster_size, icc : float
        1 and 0 without clusters.
    explained : float
        Share of the variance between strata; 0 without strata.
    influence : array, shape (n_claimants,)
        Each claimant's deviation, for `simulate_power`.
    """

    mean: float
    std_dev: float
    n_claimants: int
    cluster_size: float
    icc: float
    explained: float
    influence: Floats

    def design(self, **changes: Any) -> PowerDesign:
        """A design with these clusters and strata; other parts by name."""
        found = {"cluster_size": self.cluster_size, "icc": self.icc, "explained": self.explained}
        return PowerDesign(**(found | changes))

    def __repr__(self) -> str:
        spread = f"mean {self.mean:.4g}, standard deviation {self.std_dev:.4g}"
        return f"PastVariation({self.n_claimants:,} claimants; {spread})"


@of_its_kind
def past_variation(
    panel: Panel,
    outcome: str,
    *,
    horizon_days: int | None = None,
    day: int | None = None,
    arms: tuple[str, ...] | None = None,
) -> PastVariation:
    """How much the outcome varied among past claimants, for the power of a trial of people like them.

    Parameters
    ----------
    panel : Panel
        Of past claimants under a protocol whose horizon, intake and extract are those planned.
    outcome : str
    horizon_days, day : days to a horizon (default: the longest), or the share on a day
    arms : tuple of str, optional
        Whose past; default the control arm, so that no earlier effect is in it.

    Returns
    -------
    PastVariation

    Notes
    -----
    From the influence values of M3: returns and follow-up cut short by the extract count as they will in the trial.
    The intracluster correlation is that of analysis of variance. Source: methods page, M16. Cost: O(spells).

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> past_variation(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    PastVariation(... claimants; mean ..., standard deviation ...)
    """
    part = panel.outcome(outcome)
    target = target_of(panel, part, horizon_days=horizon_days, day=day)
    side = panel.on_side((panel.protocol.allocation.control,) if arms is None else arms)
    counted = side & (followed_within(panel, part, target.weights) > 0)
    if counted.sum() < 2:
        raise DesignError(worded("fewer than two past claimants are followed.", remedy="name other arms"))
    n = int(side.sum())
    mean, influence = side_influence(panel, part, side, target.weights)
    if not np.isfinite(mean):
        raise DesignError(worded("on some day nobody is followed.", remedy="choose a shorter horizon"))
    deviation = influence[side] * n
    variance = float((deviation**2).sum() / (n - 1))
    size, icc = _cluster_effect(panel, side, deviation)
    return PastVariation(
        mean=mean,
        std_dev=float(np.sqrt(variance)),
        n_claimants=n,
        cluster_size=size,
        icc=icc,
        explained=_explained(panel.stratum[side], deviation),
        influence=deviation,
    )


@of_its_kind
def simulate_power(
    past: PastVariation, effect: float, design: PowerDesign, n_claimants: int, *, draws: int = 2_000, seed: int = 1
) -> float:
    """Power by simulation: past claimants drawn into two arms, the effect added to one, the test made.

    A check of the formula that shares nothing with it but the test: skewed days and small arms
    are as they were. Clusters, strata and covariates are not simulated.

    Examples
    --------
    >>> from trialimpact.synthetic import simulate_trial
    >>> past = past_variation(simulate_trial(n_claimants=400, seed=1).panel(), "on_benefit")
    >>> 0.0 <= simulate_power(past, 20.0, PowerDesign(), 200, draws=100) <= 1.0
    True
    """
    from scipy.special import ndtri

    design = usual_design(design, effect=effect, n_claimants=n_claimants, draws=draws)
    require_people(n_claimants, design)
    if draws < 1 or not np.isfinite(effect):
        says = f"{draws:,} draws of an effect of {effect:g} days show nothing."
        raise DesignError(worded(says, remedy="draw 2,000 or more, of an effect in days"))
    rng, z = np.random.default_rng(seed), float(ndtri(0.5 + design.conf_level / 2))
    n_treatment = round(n_claimants * design.treatment_share)
    found = 0
    for _ in range(draws):
        drawn = rng.choice(past.influence, size=n_claimants)
        one, other = drawn[:n_treatment] + effect, drawn[n_treatment:]
        error = np.sqrt(one.var(ddof=1) / one.size + other.var(ddof=1) / other.size)
        found += bool(abs(one.mean() - other.mean()) > z * error)
    return found / draws


def _cluster_effect(panel: Panel, side: Booleans, deviation: Floats) -> tuple[float, float]:
    """People in a cluster of the whole panel (weighted as the variance is), and the ANOVA intracluster correlation."""
    if panel.protocol.analysis.clusters is None:
        return 1.0, 0.0
    everyone = np.bincount(panel.cluster)
    weighted_size = float((everyone**2).sum() / everyone.sum())
    _, place = np.unique(panel.cluster[side], return_inverse=True)
    sizes, n = np.bincount(place), deviation.size
    if sizes.size < 2 or n <= sizes.size:
        raise DesignError(worded("too few clusters to see how alike their people are.", remedy="give icc yourself"))
    means = np.bincount(place, weights=deviation) / sizes
    between = float((sizes * (means - deviation.mean()) ** 2).sum() / (sizes.size - 1))
    within = float(((deviation - means[place]) ** 2).sum() / (n - sizes.size))
    usual = (n - (sizes**2).sum() / n) / (sizes.size - 1)
    total = between + (usual - 1) * within
    return weighted_size, float(np.clip((between - within) / total, 0.0, 1.0)) if total > 0 else 0.0


def _explained(stratum: np.ndarray, deviation: Floats) -> float:
    """Share of the variance that lies between strata, adjusted for their number."""
    n = np.bincount(stratum)
    n_strata = int((n > 0).sum())
    if n_strata < 2 or deviation.size <= n_strata or not deviation.any():
        return 0.0
    means = np.bincount(stratum, weights=deviation) / np.maximum(n, 1)
    within = ((deviation - means[stratum]) ** 2).sum() / (deviation.size - n_strata)
    return float(np.clip(1 - within / (deviation.var(ddof=1)), 0.0, 0.999))
