"""Presentation only: rounding, words, tables, figures. No arithmetic on estimates."""

from trialimpact.report.figures import Picture, plot_cumulative, plot_daily, plot_subgroups
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
    "plot_subgroups",
    "tabulate_balance",
    "tabulate_flow",
    "tabulate_horizons",
    "tabulate_subgroups",
]
