"""When days are of few people: four rules, each for what else a reader sees beside them.

- A number of people is few (`RulePack.is_few`): nothing is said of them.
- Days are spread (`are_spread`): on some day enough are on, and on some day enough are off. Without that a mean is of a
  few people's days, whatever else is shown.
- Days are of enough (`are_of_enough`): spread, and on no day are only few followed. So is a mean of which no curve is
  shown beside it.
- Days are of many (`are_of_many`): of enough, and on few days are only few on, or off. The curve is not shown on such
  days: the mean less the curve is of them. Few on few days (`are_few_briefly`) is asked of those who are not followed
  too.
"""

from __future__ import annotations

import numpy as np

from trialimpact.disclosure.packs import Rounder
from trialimpact.intervals import Booleans, Integers

FEW_DAYS = 28
"""On so many days before a horizon, and a quarter of them, those on, or those off, may be few: while all begin."""


def not_few(on: Integers, off: Integers, rounder: Rounder) -> Booleans:
    """Days on which neither those on nor those off are a count that is suppressed."""
    distinct = np.unique(np.concatenate([on, off]))
    few = np.array([rounder.suppresses(int(each)) for each in distinct], dtype=bool)
    return np.asarray(~few[np.searchsorted(distinct, on)] & ~few[np.searchsorted(distinct, off)], dtype=bool)


def are_spread(followed: Integers, on: Integers, rounder: Rounder) -> bool:
    """Whether on some day enough are on, and on some day enough are off."""
    sides = int(on.max(initial=0)), int((followed - on).max(initial=0))
    smallest = rounder.pack.smallest_group
    return all(most >= smallest or (most == 0 and not rounder.suppresses(0)) for most in sides)


def are_of_enough(followed: Integers, on: Integers, rounder: Rounder) -> bool:
    """Whether the mean of some days may be shown where no curve is shown beside it."""
    return are_spread(followed, on, rounder) and not rounder.pack.is_few(followed).any()


def are_of_many(followed: Integers, on: Integers, rounder: Rounder, few_days: int = FEW_DAYS) -> bool:
    """Whether the mean of some days may be shown beside their curve; `few_days`: more may not be of few."""
    brief = all(are_few_briefly(each, rounder, few_days) for each in (on, followed - on))
    return are_of_enough(followed, on, rounder) and brief


def are_few_briefly(n: Integers, rounder: Rounder, few_days: int = FEW_DAYS) -> bool:
    """Whether a number by day is few on `few_days` and a quarter of the days at most."""
    return int(rounder.pack.is_few(n).sum()) <= min(few_days, n.size // 4)
