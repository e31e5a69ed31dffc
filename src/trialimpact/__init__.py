"""Impact analysis of randomised trials from administrative spell data.

    records -> spells -> trial sample -> panel -> moments -> estimates -> tables, figures, report

One file or folder per arrow; data goes one way. `analyse_trial` runs the line in order.
"""

from importlib.metadata import version

from trialimpact.analysis import TrialAnalysis, analyse_trial
from trialimpact.archive import load_moments, save_moments
from trialimpact.audit import TrialAudit, audit_trial
from trialimpact.baseline import check_against
from trialimpact.disclosure import release_results, rule_pack
from trialimpact.economics import CostBenefit, Valuation, estimate_cost_benefit, read_valuation, valuation_template
from trialimpact.errors import (
    DesignError,
    OutputError,
    ProtocolError,
    RecordError,
    TrialImpactError,
    TrialWarning,
)
from trialimpact.estimators import (
    PowerDesign,
    build_covariates,
    detectable_days,
    detectable_share,
    estimate_adjusted,
    estimate_arms,
    estimate_balance,
    estimate_bands,
    estimate_bootstrap,
    estimate_bounds,
    estimate_compliance,
    estimate_covariance,
    estimate_cumulative,
    estimate_daily,
    estimate_durations,
    estimate_heterogeneity,
    estimate_intake_sensitivity,
    estimate_integrity,
    estimate_moves,
    estimate_placebo,
    estimate_pretrend,
    estimate_randomisation,
    estimate_segmentation,
    estimate_states,
    estimate_subgroups,
    past_variation,
    required_for_days,
    required_for_share,
    simulate_power,
)
from trialimpact.inference import Inference, infer_trial
from trialimpact.interim import InterimAnalyses, interim_analyses
from trialimpact.interviews import InterviewSample, draw_interviews
from trialimpact.loaders import load_records
from trialimpact.moments import count_moments
from trialimpact.monitoring import TrialMonitor, monitor_trial
from trialimpact.output import write_analysis
from trialimpact.panel import build_panel
from trialimpact.protocol import Contrast, TrialProtocol, explain_protocol, shipped_protocol
from trialimpact.publication import write_publication, write_report
from trialimpact.report import (
    headline,
    plot_cumulative,
    plot_daily,
    plot_placebo,
    plot_states,
    plot_subgroups,
    plot_survival,
    plot_tipping,
    plot_tornado,
    tabulate_arms,
    tabulate_balance,
    tabulate_compliance,
    tabulate_durations,
    tabulate_flow,
    tabulate_heterogeneity,
    tabulate_horizons,
    tabulate_integrity,
    tabulate_moves,
    tabulate_states,
    tabulate_subgroups,
)
from trialimpact.results import read_results
from trialimpact.sample import build_sample
from trialimpact.spells import merge_spells, merge_states

__version__ = version("trialimpact")

__all__ = [
    "Contrast",
    "CostBenefit",
    "DesignError",
    "Inference",
    "InterimAnalyses",
    "InterviewSample",
    "OutputError",
    "PowerDesign",
    "ProtocolError",
    "RecordError",
    "TrialAnalysis",
    "TrialAudit",
    "TrialImpactError",
    "TrialMonitor",
    "TrialProtocol",
    "TrialWarning",
    "Valuation",
    "analyse_trial",
    "audit_trial",
    "build_covariates",
    "build_panel",
    "build_sample",
    "check_against",
    "count_moments",
    "detectable_days",
    "detectable_share",
    "draw_interviews",
    "estimate_adjusted",
    "estimate_arms",
    "estimate_balance",
    "estimate_bands",
    "estimate_bootstrap",
    "estimate_bounds",
    "estimate_compliance",
    "estimate_cost_benefit",
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
    "explain_protocol",
    "headline",
    "infer_trial",
    "interim_analyses",
    "load_moments",
    "load_records",
    "merge_spells",
    "merge_states",
    "monitor_trial",
    "past_variation",
    "plot_cumulative",
    "plot_daily",
    "plot_placebo",
    "plot_states",
    "plot_subgroups",
    "plot_survival",
    "plot_tipping",
    "plot_tornado",
    "read_results",
    "read_valuation",
    "release_results",
    "required_for_days",
    "required_for_share",
    "rule_pack",
    "save_moments",
    "shipped_protocol",
    "simulate_power",
    "tabulate_arms",
    "tabulate_balance",
    "tabulate_compliance",
    "tabulate_durations",
    "tabulate_flow",
    "tabulate_heterogeneity",
    "tabulate_horizons",
    "tabulate_integrity",
    "tabulate_moves",
    "tabulate_states",
    "tabulate_subgroups",
    "valuation_template",
    "write_analysis",
    "write_publication",
    "write_report",
]
