"""The trial as data: TOML in, a frozen `TrialProtocol` out."""

from trialimpact.protocol.conditions import Condition
from trialimpact.protocol.explain import explain_protocol
from trialimpact.protocol.model import (
    SIDES,
    Characteristic,
    Contrast,
    CumulativeInterval,
    Outcome,
    RoundingRule,
    SmallSample,
    Subgroup,
    TrialProtocol,
)
from trialimpact.protocol.read import parse_protocol, read_protocol, shipped_protocol
from trialimpact.protocol.sources import FOLLOWED, SpellSource

__all__ = [
    "FOLLOWED",
    "SIDES",
    "Characteristic",
    "Condition",
    "Contrast",
    "CumulativeInterval",
    "Outcome",
    "RoundingRule",
    "SmallSample",
    "SpellSource",
    "Subgroup",
    "TrialProtocol",
    "explain_protocol",
    "parse_protocol",
    "read_protocol",
    "shipped_protocol",
]
