"""Impact analysis of randomised trials from administrative spell data.

    records -> spells -> trial sample -> panel -> moments -> estimates -> tables, figures, report

One file or folder per arrow; data goes one way. `analyse_trial` runs the line in order.
"""

from trialimpact.loaders import load_records
from trialimpact.moments import Moments, count_moments
from trialimpact.panel import Panel, build_panel
from trialimpact.protocol import Contrast, TrialProtocol
from trialimpact.sample import build_sample
from trialimpact.spells import merge_spells

__all__ = ["Contrast", "Moments", "Panel", "TrialProtocol", "build_panel", "build_sample", "count_moments", "load_records", "merge_spells"]
