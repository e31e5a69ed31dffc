"""Invented records with a known truth, of any size. No stage of the analysis imports this."""

from trialimpact.synthetic.trial import SyntheticTrial, Truth, simulate_trial

__all__ = ["SyntheticTrial", "Truth", "simulate_trial"]
