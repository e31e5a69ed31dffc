"""Presentation only: rounding, words, tables, figures. No arithmetic on estimates."""

from trialimpact.report.figures import Picture, plot_cumulative, plot_daily, plot_subgroups
from trialimpact.report.method_figures import plot_placebo, plot_states, plot_survival, plot_tipping, plot_tornado
from trialimpact.report.method_tables import (
    tabulate_arms,
    tabulate_compliance,
    tabulate_durations,
    tabulate_heterogeneity,
    tabulate_integrity,
    tabulate_moves,
    tabulate_states,
)
from trialimpact.report.tables import (
    tabulate_balance,
    tabulate_flow,
    tabulate_horizons,
    tabulate_subgroups,
)
from trialimpact.report.words import headline

__all__ = [
    "Picture",
    "headline",
    "plot_cumulative",
    "plot_daily",
    "plot_placebo",
    "plot_states",
    "plot_subgroups",
    "plot_survival",
    "plot_tipping",
    "plot_tornado",
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
]
