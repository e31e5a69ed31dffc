"""Before a trial: the smallest effect it can detect, or how many people it needs (M16)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from numbers import Real
from typing import Any, Literal

import numpy as np
import pandas as pd

from trialimpact.errors import DesignError, require_kind, worded

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
        for part in fields(self):
            require_kind(getattr(self, part.name), Real, part.name, "give a number")
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
    design = usual_design(design, n_claimants=n_claimants, control_share=control_share)
    require_people(n_claimants, design)
    if not 0 < control_share < 1:
        raise DesignError(worded("control_share must lie between 0 and 1.", remedy="give a share such as 0.55"))
    found = [_detected(n_claimants, control_share, way, design) for way in (1, -1)]
    known = [each for each in found if each is not None]
    if not known:
        says = f"{n_claimants:,} people detect no change of the share from {control_share:g}, however large."
        raise DesignError(worded(says, remedy="plan for more people"))
    effect, error = max(known)
    return PowerResult(kind="share", design=design, n_claimants=n_claimants, effect=effect, std_error=error)


def usual_design(design: PowerDesign | None, **given: float) -> PowerDesign:
    """The design, or the usual one; what goes with it are numbers."""
    for name, number in given.items():
        require_kind(number, Real, name, "give a number")
    if design is not None:
        require_kind(design, PowerDesign, "design", "give PowerDesign(...), or past_variation(...).design()")
    return design or PowerDesign()


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
    design = usual_design(design, n_claimants=n_claimants, std_dev=std_dev)
    require_people(n_claimants, design)
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
    design = usual_design(design, effect=effect, control_share=control_share)
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
    design = usual_design(design, effect=effect, std_dev=std_dev)
    if not 0 < abs(effect) < np.inf or not 0 < std_dev < np.inf:
        raise DesignError(worded("the effect must not be 0, and the standard deviation above 0.", remedy="give days"))
    one = _days_error(1, std_dev, design)
    n = _people(one, abs(effect), design)
    return PowerResult(kind="days", design=design, n_claimants=n, effect=effect, std_error=one / float(np.sqrt(n)))


def require_people(n_claimants: int, design: PowerDesign) -> None:
    """Refuse arms in which there is no variance to see, and more people than there are."""
    smaller = n_claimants * min(design.treatment_share, 1 - design.treatment_share)
    if not (n_claimants <= MAX_N and smaller >= 2 * design.cluster_size):
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
