"""What may leave: rule packs, suppression, curves in steps, groups that differencing would uncover."""

from trialimpact.disclosure.packs import DEFAULT_PACK, RulePack, pack_names, rule_pack
from trialimpact.disclosure.release import Release, release_results

__all__ = ["DEFAULT_PACK", "Release", "RulePack", "pack_names", "release_results", "rule_pack"]
