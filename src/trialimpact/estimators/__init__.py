"""Moments (or, where claimants are needed, the panel) in, estimates out: a method a file, the sign in `contrast.py`."""

from trialimpact.estimators.adjusted import Adjusted, estimate_adjusted
from trialimpact.estimators.arms import ArmFamily, estimate_arms
from trialimpact.estimators.balance import Balance, estimate_balance
from trialimpact.estimators.bands import Band, Bands, estimate_bands
from trialimpact.estimators.bootstrap import Bootstrap, estimate_bootstrap
from trialimpact.estimators.bounds import Bounds, estimate_bounds
from trialimpact.estimators.compliance import Compliance, estimate_compliance
from trialimpact.estimators.contrast import compare
from trialimpact.estimators.covariance import DayCovariance, estimate_covariance
from trialimpact.estimators.covariates import Covariates, build_covariates
from trialimpact.estimators.cumulative import estimate_cumulative
from trialimpact.estimators.daily import estimate_daily
from trialimpact.estimators.durations import Durations, estimate_durations
from trialimpact.estimators.effects import TIDY_COLUMNS, Effect, Effects
from trialimpact.estimators.heterogeneity import Heterogeneity, estimate_heterogeneity
from trialimpact.estimators.intake import IntakeSensitivity, estimate_intake_sensitivity
from trialimpact.estimators.integrity import Integrity, estimate_integrity
from trialimpact.estimators.moves import Moves, estimate_moves
from trialimpact.estimators.past import past_variation, simulate_power
from trialimpact.estimators.placebo import Placebo, estimate_placebo
from trialimpact.estimators.power import (
    PowerDesign,
    detectable_days,
    detectable_share,
    required_for_days,
    required_for_share,
)
from trialimpact.estimators.pretrend import PreTrend, estimate_pretrend
from trialimpact.estimators.randomisation import Randomisation, estimate_randomisation
from trialimpact.estimators.segmentation import Segmentation, estimate_segmentation
from trialimpact.estimators.states import States, estimate_states
from trialimpact.estimators.subgroups import SubgroupEffects, estimate_subgroups

__all__ = [
    "TIDY_COLUMNS",
    "Adjusted",
    "ArmFamily",
    "Balance",
    "Band",
    "Bands",
    "Bootstrap",
    "Bounds",
    "Compliance",
    "Covariates",
    "DayCovariance",
    "Durations",
    "Effect",
    "Effects",
    "Heterogeneity",
    "IntakeSensitivity",
    "Integrity",
    "Moves",
    "Placebo",
    "PowerDesign",
    "PreTrend",
    "Randomisation",
    "Segmentation",
    "States",
    "SubgroupEffects",
    "build_covariates",
    "compare",
    "detectable_days",
    "detectable_share",
    "estimate_adjusted",
    "estimate_arms",
    "estimate_balance",
    "estimate_bands",
    "estimate_bootstrap",
    "estimate_bounds",
    "estimate_compliance",
    "estimate_covariance",
    "estimate_cumulative",
    "estimate_daily",
    "estimate_durations",
    "estimate_heterogeneity",
    "estimate_intake_sensitivity",
    "estimate_integrity",
    "estimate_moves",
    "estimate_placebo",
    "estimate_pretrend",
    "estimate_randomisation",
    "estimate_segmentation",
    "estimate_states",
    "estimate_subgroups",
    "past_variation",
    "required_for_days",
    "required_for_share",
    "simulate_power",
]
