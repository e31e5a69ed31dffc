"""Published reports: reproduce their numbers, and check their arithmetic. No stage of the analysis imports this."""

from trialimpact.reproduce.comparison import Comparison, compare_published
from trialimpact.reproduce.figures import plot_reproduction
from trialimpact.reproduce.lint import Lint, lint_report
from trialimpact.reproduce.published import PublishedNumber, read_published
from trialimpact.reproduce.reproduction import Reproduction
from trialimpact.reproduce.run import reproduce_report, write_reproduction
from trialimpact.reproduce.windows import printed_window

__all__ = [
    "Comparison",
    "Lint",
    "PublishedNumber",
    "Reproduction",
    "compare_published",
    "lint_report",
    "plot_reproduction",
    "printed_window",
    "read_published",
    "reproduce_report",
    "write_reproduction",
]
