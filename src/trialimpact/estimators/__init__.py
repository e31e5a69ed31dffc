"""Moments in, estimates out: one method a file, the sign in `contrast.py`."""

from trialimpact.estimators.balance import Balance, estimate_balance
from trialimpact.estimators.contrast import compare
from trialimpact.estimators.covariance import DayCovariance, estimate_covariance
from trialimpact.estimators.cumulative import estimate_cumulative
from trialimpact.estimators.daily import estimate_daily
from trialimpact.estimators.effects import TIDY_COLUMNS, Effect, Effects
from trialimpact.estimators.subgroups import SubgroupEffects, estimate_subgroups

__all__ = [
    "TIDY_COLUMNS",
    "Balance",
    "DayCovariance",
    "Effect",
    "Effects",
    "SubgroupEffects",
    "compare",
    "estimate_balance",
    "estimate_covariance",
    "estimate_cumulative",
    "estimate_daily",
    "estimate_subgroups",
]
