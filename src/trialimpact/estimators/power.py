"""Before a trial: the smallest effect it can detect, or how many people it needs (M16)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, of_its_kind, worded
from trialimpact.estimators.contrast import Floats
from trialimpact.estimators.ledger import followed_within, side_influence
from trialimpact.estimators.target import target_of
from trialimpact.intervals import Booleans
from trialimpact.panel import Panel

MAX_N = 1_000_000_000
"""More people than this are not searched for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerDesign:
    """What a planned trial is like.

    Attributes
    ----------
    treatment_share : float
        Of all people, those in treatment.
    conf_level, power : float
        The level of the two-sided test, and the chance to detect the effect.
    cluster_size, icc : float
        People in a cluster that is assigned whole, and their intracluster correlation.
    explained : float
        Share of the variance that strata or covariates explain (R²).
    followed_share : float
        Average share of people followed; staggered intake with one extract lowers it.
    """

    treatment_share: float = 0.5
    conf_level: float = 0.95
    power: float = 0.8
    cluster_size: float = 1.0
    icc: float = 0.0
    explained: float = 0.0
    followed_share: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what cannot be."""
        open_ends = {"treatment_share": self.treatment_share, "conf_level": self.conf_level, "power": self.power}
        wrong = [name for name, value in open_ends.items() if not 0 < value < 1]
        wrong += ["icc"] if not 0 <= self.icc <= 1 else []
        wrong += ["explained"] if not 0 <= self.explained < 1 else []
        wrong += ["followed_share"] if not 0 < self.followed_share <= 1 else []
        wrong += ["cluster_size"] if not 1 <= self.cluster_size <= MAX_N else []
        wrong += ["power (not above chance)"] if not wrong and self.power <= (1 - self.conf_level) / 2 else []
        if wrong:
            remedy = "shares lie between 0 and 1, a cluster has one person or more"
            raise DesignError(worded(f"not possible: {', '.join(wrong)}.", remedy=remedy))

    @property
    def reach(self) -> float:
        """Standard errors between no effect and one that is detected with this power."""
        from scipy.special import ndtri

        return float(ndtri(0.5 + self.conf_level / 2) + ndtri(self.power))

    @property
    def inflation(self) -> float:
        """What clusters, covariates and lost follow-up multiply the variance by."""
        clusters = 1 + (self.cluster_size - 1) * self.icc
        return clusters * (1 - self.explained) / self.followed_share


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerResult:
    """People, the effect that they detect, and the standard error it rests on.

    Attributes
    ----------
    kind : {"share", "days"}
    n_claimants : int
        Both arms together.
    effect : float
        As a share (0-1), or in days; detected in either direction.
    std_error : float
    """

    kind: Literal["share", "days"]
    design: PowerDesign
    n_claimants: int
    effect: float
    std_error: float

    def to_frame(self) -> pd.DataFrame:
        """One row."""
        names = PowerDesign.__dataclass_fields__
        row: dict[str, Any] = {"kind": self.kind, "n_claimants": self.n_claimants, "detectable_effect": self.effect}
        return pd.DataFrame(
            [row | {"std_error": self.std_error} | {name: getattr(self.design, name) for name in names}]
        )

    def _repr_html_(self) -> str:
        return self.to_frame().to_html(index=False)


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


def detectable_share(n_claimants: int, control_share: float, design: PowerDesign | None = None) -> PowerResult:
    """The smallest change in a share on a day that is detected, whether it rises or falls.

    Parameters
    ----------
    n_claimants : int
        Both arms together.
    control_share : float
        Expected in control, 0-1.
    design : PowerDesign, optional

    Returns
    -------
    PowerResult
        `effect` is the larger of the detectable rise and fall: the way that moves the share towards
        one half needs more. Where one way runs out of room (from 0.98 nothing rises by 0.05), the other's.

    Notes
    -----
    Normal approximation with unpooled variances at the alternative. Source: methods page, M16.

    Examples
    --------
    >>> round(detectable_share(10_091, 0.55).effect, 4)
    0.0278
    """
    design = design or PowerDesign()
    _check_people(n_claimants, design)
    if not 0 < control_share < 1:
        raise DesignError(worded("control_share must lie between 0 and 1.", remedy="give a share such as 0.55"))
    found = [_detected(n_claimants, control_share, way, design) for way in (1, -1)]
    known = [each for each in found if each is not None]
    if not known:
        says = f"{n_claimants:,} people detect no change of the share from {control_share:g}, however large."
        raise DesignError(worded(says, remedy="plan for more people"))
    effect, error = max(known)
    return PowerResult(kind="share", design=design, n_claimants=n_claimants, effect=effect, std_error=error)


def _detected(n_claimants: int, control_share: float, way: int, design: PowerDesign) -> tuple[float, float] | None:
    """The smallest rise (1) or fall (-1) that is detected, and its error; None if there is no room for it."""
    from scipy.optimize import brentq

    def short(size: float) -> float:
        return size - design.reach * _share_error(n_claimants, control_share, way * size, design)

    most = 1 - control_share if way > 0 else control_share
    if short(most) < 0:
        return None
    size = float(brentq(short, 0.0, most))
    return size, _share_error(n_claimants, control_share, way * size, design)


def detectable_days(n_claimants: int, std_dev: float, design: PowerDesign | None = None) -> PowerResult:
    """The smallest difference in days to a horizon that is detected.

    Parameters
    ----------
    n_claimants : int
        Both arms together.
    std_dev : float
        Of a claimant's days; `past_variation` finds it in past spells.
    design : PowerDesign, optional

    Examples
    --------
    >>> round(detectable_days(10_091, 106.0).effect, 1)
    5.9
    """
    design = design or PowerDesign()
    _check_people(n_claimants, design)
    if not 0 < std_dev < np.inf:
        raise DesignError(worded("the standard deviation must be above 0.", remedy="take it from past spells"))
    error = _days_error(n_claimants, std_dev, design)
    return PowerResult(
        kind="days", design=design, n_claimants=n_claimants, effect=design.reach * error, std_error=error
    )


def required_for_share(effect: float, control_share: float, design: PowerDesign | None = None) -> PowerResult:
    """How many people detect a change in a share on a day; `effect` has a sign.

    Examples
    --------
    >>> required_for_share(-0.035, 0.55).n_claimants
    6373
    """
    design = design or PowerDesign()
    if not abs(effect) > 0 or not 0 < control_share < 1 or not 0 <= control_share + effect <= 1:
        raise DesignError(
            worded("the effect must not be 0, and both shares must lie in 0 to 1.", remedy="give shares, not per cent")
        )
    one = _share_error(1, control_share, effect, design)
    n = _people(one, abs(effect), design)
    return PowerResult(kind="share", design=design, n_claimants=n, effect=effect, std_error=one / np.sqrt(n))


def required_for_days(effect: float, std_dev: float, design: PowerDesign | None = None) -> PowerResult:
    """How many people detect a difference in days.

    Examples
    --------
    >>> required_for_days(6.0, 106.0).n_claimants
    9799
    """
    design = design or PowerDesign()
    if not 0 < abs(effect) < np.inf or not 0 < std_dev < np.inf:
        raise DesignError(worded("the effect must not be 0, and the standard deviation above 0.", remedy="give days"))
    one = _days_error(1, std_dev, design)
    n = _people(one, abs(effect), design)
    return PowerResult(kind="days", design=design, n_claimants=n, effect=effect, std_error=one / float(np.sqrt(n)))


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

    rng, z = np.random.default_rng(seed), float(ndtri(0.5 + design.conf_level / 2))
    n_treatment = round(n_claimants * design.treatment_share)
    found = 0
    for _ in range(draws):
        drawn = rng.choice(past.influence, size=n_claimants)
        one, other = drawn[:n_treatment] + effect, drawn[n_treatment:]
        error = np.sqrt(one.var(ddof=1) / one.size + other.var(ddof=1) / other.size)
        found += bool(abs(one.mean() - other.mean()) > z * error)
    return found / draws


def _check_people(n_claimants: int, design: PowerDesign) -> None:
    smaller = n_claimants * min(design.treatment_share, 1 - design.treatment_share)
    if n_claimants > MAX_N or smaller < 2 * design.cluster_size:
        says = "each arm needs two people (or clusters) or more, and no trial has over a thousand million people."
        raise DesignError(worded(says, remedy="give people of both arms together, and their share in treatment"))


def _share_error(n_claimants: float, control_share: float, effect: float, design: PowerDesign) -> float:
    other = control_share + effect
    by_arm = other * (1 - other) / design.treatment_share + control_share * (1 - control_share) / (
        1 - design.treatment_share
    )
    return float(np.sqrt(by_arm / n_claimants * design.inflation))


def _days_error(n_claimants: float, std_dev: float, design: PowerDesign) -> float:
    share = design.treatment_share
    return float(std_dev * np.sqrt(design.inflation / (n_claimants * share * (1 - share))))


def _people(error_of_one: float, effect: float, design: PowerDesign) -> int:
    ratio = design.reach * error_of_one / effect
    n = ratio**2 if ratio < MAX_N else float("inf")
    if n > MAX_N:
        raise DesignError(
            worded("more than a thousand million people would be needed.", remedy="plan for a larger effect")
        )
    return int(np.ceil(n))


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
