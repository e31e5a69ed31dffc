"""Lives -> tables of spells as a register would have them at its extract."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trialimpact.protocol import TrialProtocol
from trialimpact.synthetic.careers import States, spells_in
from trialimpact.synthetic.tables import dates_of, day_of_date


def spells_of(lives: States, *states: int, code: str = "") -> pd.DataFrame:
    """The runs of days in any of the states: columns person, start, end (days since day 0), benefit (the code)."""
    person, start, end = spells_in(np.isin(lives, states).astype(np.int8), 1)
    return pd.DataFrame({"person": person, "start": start, "end": end, "benefit": code})


def as_extracted(protocol: TrialProtocol, source: str, spells: pd.DataFrame, people: pd.DataFrame) -> pd.DataFrame:
    """What the extract holds: nothing that starts later, no ends not yet known, by person.

    `people` has `claimant_id` and `index_day`. Codes are written where they are not all blank.
    """
    extract_day = day_of_date(protocol.sources.spells[source].extract_date)
    index_day = people["index_day"].to_numpy()[spells["person"]]
    start, end = spells["start"].to_numpy() + index_day, spells["end"].to_numpy() + index_day
    frame: pd.DataFrame = pd.DataFrame(
        {
            "claimant_id": people["claimant_id"].to_numpy()[spells["person"]],
            "benefit": spells["benefit"].to_numpy(),
            "start_date": dates_of(start),
            "end_date": np.where(end < extract_day, dates_of(end - 1), ""),
        }
    )[start < extract_day]
    columns = ["claimant_id", *(["benefit"] if spells["benefit"].any() else []), "start_date", "end_date"]
    return frame[columns].sort_values(["claimant_id", "start_date"], ignore_index=True)
