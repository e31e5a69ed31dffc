"""Impact analysis of randomised trials from administrative spell data.

    records -> spells -> trial sample -> panel -> moments -> estimates -> tables, figures, report

One file or folder per arrow; data goes one way. `analyse_trial` runs the line in order.
"""

from importlib.metadata import version

from trialimpact.analysis import TrialAnalysis, analyse_trial
from trialimpact.archive import load_moments, save_moments
from trialimpact.baseline import check_against
from trialimpact.errors import (
    DesignError,
    OutputError,
    ProtocolError,
    RecordError,
    TrialImpactError,
    TrialWarning,
)
from trialimpact.estimators import (
    estimate_balance,
    estimate_covariance,
    estimate_cumulative,
    estimate_daily,
    estimate_subgroups,
)
from trialimpact.loaders import load_records
from trialimpact.moments import count_moments
from trialimpact.output import write_analysis
from trialimpact.panel import build_panel
from trialimpact.protocol import Contrast, TrialProtocol, explain_protocol, shipped_protocol
from trialimpact.report import (
    headline,
    plot_cumulative,
    plot_daily,
    plot_subgroups,
    tabulate_balance,
    tabulate_flow,
    tabulate_horizons,
    tabulate_subgroups,
)
from trialimpact.sample import build_sample
from trialimpact.spells import merge_spells

__version__ = version("trialimpact")

__all__ = [
    "Contrast",
    "DesignError",
    "OutputError",
    "ProtocolError",
    "RecordError",
    "TrialAnalysis",
    "TrialImpactError",
    "TrialProtocol",
    "TrialWarning",
    "analyse_trial",
    "build_panel",
    "build_sample",
    "check_against",
    "count_moments",
    "estimate_balance",
    "estimate_covariance",
    "estimate_cumulative",
    "estimate_daily",
    "estimate_subgroups",
    "explain_protocol",
    "headline",
    "load_moments",
    "load_records",
    "merge_spells",
    "plot_cumulative",
    "plot_daily",
    "plot_subgroups",
    "save_moments",
    "shipped_protocol",
    "tabulate_balance",
    "tabulate_flow",
    "tabulate_horizons",
    "tabulate_subgroups",
    "write_analysis",
]
