"""Files and frames in, `TrialRecords` out: dates become whole days, identifiers become row numbers."""

from trialimpact.loaders.dates import NO_DAY, date_of, day_of
from trialimpact.loaders.load import OnBrokenRule, load_records
from trialimpact.loaders.records import Audit, InputFile, SpellTable, TrialRecords

__all__ = [
    "NO_DAY",
    "Audit",
    "InputFile",
    "OnBrokenRule",
    "SpellTable",
    "TrialRecords",
    "date_of",
    "day_of",
    "load_records",
]
