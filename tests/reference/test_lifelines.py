"""Under full follow-up and one exit each, days on benefit are a restricted mean: lifelines agrees.

Only its restricted means are compared: the variance that lifelines gives there is not the
variance of that estimator.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from trials import SmallTrial

from trialimpact import estimate_cumulative

lifelines = pytest.importorskip("lifelines", reason="lifelines is not installed (it does not support pandas 3)")


def test_the_difference_in_restricted_means() -> None:
    from lifelines.utils import restricted_mean_survival_time

    rng = np.random.default_rng(4)
    n, horizon = 120, 40
    arm = np.where(np.arange(n) % 2 == 0, "T", "C")
    exits = np.ceil(rng.exponential(np.where(arm == "T", 15, 20))).astype(int)
    people = pd.DataFrame({"claimant_id": [f"p{i}" for i in range(n)], "arm": arm, "index": rng.integers(0, 9, n)})
    spells = pd.DataFrame({"claimant_id": people["claimant_id"], "kind": "a", "start": people["index"]})
    spells = spells.assign(end=spells["start"] + exits)
    trial = SmallTrial(people, spells, {"a": (-10, 200), "b": (-10, 200)}, horizon=horizon)
    means = {
        side: restricted_mean_survival_time(lifelines.KaplanMeierFitter().fit(exits[arm == side]), t=horizon)
        for side in "TC"
    }
    effect = estimate_cumulative(trial.moments(), "a").effect(horizon)
    assert effect.estimate == pytest.approx(means["T"] - means["C"], abs=1e-9)
    assert effect.mean_treatment == pytest.approx(means["T"], abs=1e-9)
