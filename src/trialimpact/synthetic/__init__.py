"""Invented records with a known truth, of any size. No stage of the analysis imports this."""

from trialimpact.synthetic.iap import simulate_iap
from trialimpact.synthetic.trial import SyntheticTrial, Truth, simulate_trial

__all__ = ["SyntheticTrial", "Truth", "simulate_iap", "simulate_trial"]
