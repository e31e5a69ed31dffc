"""Invented records with a known truth, of any size. No stage of the analysis imports this."""

from trialimpact.synthetic.iap import simulate_iap
from trialimpact.synthetic.ics import simulate_ics, simulate_ics_x
from trialimpact.synthetic.progression import simulate_progression
from trialimpact.synthetic.trial import SyntheticTrial, Truth, simulate_trial

__all__ = [
    "SyntheticTrial",
    "Truth",
    "simulate_iap",
    "simulate_ics",
    "simulate_ics_x",
    "simulate_progression",
    "simulate_trial",
]
