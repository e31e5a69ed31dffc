"""Tune the lives after the claim until the tables print: draws first, then days of first exits."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
from choose import Bounds, Sums, choose
from scipy import sparse
from targets import DESCRIBED, HORIZON, Key, Target, read_targets

from trialimpact.protocol import shipped_protocol
from trialimpact.synthetic.careers import BENEFIT, WORK, States, draw_careers
from trialimpact.synthetic.iap import chances_of, in_programme
from trialimpact.synthetic.people import DEPENDENT

OUTCOMES = {"on_benefit": BENEFIT, "employed": WORK}
FOLLOWED_TO = {"on_benefit": "benefit", "employed": "employment"}
"""The source whose extract ends an outcome's follow-up."""

Z = 1.96
MARGIN = 0.006
"""Windows are kept by this many days, so that no cell hangs on a rounding edge."""

N_LIVES = 4
MORE_ROUNDS = 9
SHIFTS = ((0, -9, -5, -2, 2, 5, 9), (0, -3, -2, -1, 1, 2, 3), (0, -2, -1, 1, 2))
PATH_COST = 0.3


def tune_lives(rng: np.random.Generator, people: pd.DataFrame, first: States) -> States:
    """Lives of the analysed people under which every cell prints, as near as may be to the first ones."""
    trial, targets, states = Trial(people), read_targets(), first
    chances = chances_of(people, in_programme(people))
    lives = [first, *(draw_careers(rng, chances) for _ in range(N_LIVES - 1))]
    choice = np.zeros(len(people), dtype=np.int64)
    for _ in range(2):  # the half-widths are linear only near the present lives
        states, choice, missed = trial.tuned(states, lives, choice, targets)
        trial.say("other draws", states, first, missed, targets)
    for shifts in itertools.chain(SHIFTS, itertools.islice(itertools.cycle(SHIFTS), MORE_ROUNDS)):
        if shifts == SHIFTS[0] and not trial.n_missed(states, targets):
            break
        options = [shift_first_exit(states, people["lag"].to_numpy(), by) for by in shifts]
        states, _, missed = trial.tuned(states, options, np.zeros_like(choice), targets)
        trial.say(f"first exits moved by {max(shifts)} days at most", states, first, missed, targets)
    if trial.n_missed(states, targets):
        raise SystemExit("some cells do not print: try another seed")
    return states


def shift_first_exit(states: States, lag: np.ndarray, by: int) -> States:
    """The first exit `by` days later, where it stays after the marker and before the next change."""
    shifted, days, people = states.copy(), np.arange(states.shape[1]), np.arange(len(states))
    left = states != BENEFIT
    exit_day = np.where(left.any(axis=1), left.argmax(axis=1), -1)
    after = states[people, exit_day][:, None]
    changed = (states != after) & (days > exit_day[:, None])
    next_change = np.where(changed.any(axis=1), changed.argmax(axis=1), states.shape[1])
    moved = exit_day + by
    able = (exit_day > 0) & (moved > lag) & (moved < next_change)
    span = (days >= np.minimum(exit_day, moved)[:, None]) & (days < np.maximum(exit_day, moved)[:, None])
    span &= able[:, None]
    shifted[span] = BENEFIT if by > 0 else np.broadcast_to(after, states.shape)[span]
    return shifted


class Trial:
    """Who counts for what: groups, arms and follow-up, by the definitions of the report's footnotes."""

    def __init__(self, people: pd.DataFrame) -> None:
        age = people["age_in_years"]
        child = people["youngest_child"].isin(DEPENDENT)
        groups = {
            "all": people["digit"].ge(0),
            "male": people["gender"].eq("Male"),
            "female": people["gender"].eq("Female"),
            "18_to_24": age.le(24),
            "25_to_44": age.between(25, 44),
            "45_or_over": age.ge(45),
            "white": people["ethnicity"].eq("White"),
            "bame": people["ethnicity"].isin(["Black", "Asian", "Mixed", "Chinese/Other"]),
            "disabled": people["disabled"].eq("yes"),
            "not_disabled": people["disabled"].eq("no"),
            "parent": child,
            "lone_parent": child & people["partner_allowance"].eq("no"),
            "repeat_claimant": people["repeat"].eq(True),
            "non_repeat_claimant": people["repeat"].eq(False),
        }
        self.place = {name: place for place, name in enumerate(groups)}
        self.member = np.column_stack([each.to_numpy(dtype=float) for each in groups.values()])
        treated = in_programme(people)
        self.arms = (treated, ~treated)
        days = people["index_day"].to_numpy()[:, None] + np.arange(HORIZON)
        sources = shipped_protocol("iap").sources.spells
        ends = {outcome: np.datetime64(sources[source].extract_date, "D") for outcome, source in FOLLOWED_TO.items()}
        self.followed = {outcome: days < end.astype(np.int64) for outcome, end in ends.items()}
        self.n = {
            outcome: [self.member[arm].T @ seen[arm] for arm in self.arms] for outcome, seen in self.followed.items()
        }

    def shares(self, outcome: str, states: States) -> list[np.ndarray]:
        """Daily shares of each arm, shape (groups, days)."""
        on = self._on(outcome, states)
        return [self.member[arm].T @ on[arm] / n for arm, n in zip(self.arms, self.n[outcome], strict=True)]

    def _on(self, outcome: str, states: States) -> np.ndarray:
        return ((states[:, :HORIZON] == OUTCOMES[outcome]) & self.followed[outcome]).astype(float)

    def value(self, key: Key, states: States) -> float:
        """A sum of daily differences, or of their half-widths."""
        outcome, group, kind, first, end = key
        p, n = self.shares(outcome, states), self.n[outcome]
        daily = p[0] - p[1] if kind == "days" else Z * np.sqrt(sum(a * (1 - a) / m for a, m in zip(p, n, strict=True)))
        return float(daily[self.place[group], first:end].sum())

    def n_missed(self, states: States, targets: list[Target]) -> int:
        """How many cells do not print."""
        keys = list(dict.fromkeys(key for target in targets for key in target.terms))
        values = {key: self.value(key, states) for key in keys}
        return sum(
            not target.low <= sum(by * values[key] for key, by in target.terms.items()) <= target.high
            for target in targets
        )

    def say(self, what: str, states: States, first: States, missed: float, targets: list[Target]) -> None:
        """How far it has come."""
        changed, n = int((states != first).any(axis=1).sum()), self.n_missed(states, targets)
        print(f"{what}: {changed:,} lives are not the first drawn; left by the programme {missed:.2g}; "
              f"{n} of {len(targets)} cells do not print")  # fmt: skip

    def tuned(
        self, states: States, options: list[States], choice: np.ndarray, targets: list[Target]
    ) -> tuple[States, np.ndarray, float]:
        """Everybody's life among the options, the choice, and what the programme could not reach."""
        wanted = [*((target, 1.0, MARGIN) for target in targets), *((each, PATH_COST, 0.0) for each in DESCRIBED)]
        keys = list(dict.fromkeys(key for target, _, _ in wanted for key in target.terms))
        row = {key: place for place, key in enumerate(keys)}
        weights = sparse.lil_matrix((len(wanted), len(keys)))
        for place, (target, _, _) in enumerate(wanted):
            for key, by in target.terms.items():
                weights[place, row[key]] = by
        margin = np.array([min(keep, (target.high - target.low) / 4) for target, _, keep in wanted])
        bounds = Bounds(
            weights=weights.tocsr(),
            low=np.array([target.low for target, _, _ in wanted]) + margin,
            high=np.array([target.high for target, _, _ in wanted]) - margin,
            scale=np.array([cost for _, cost, _ in wanted]),
        )
        choice, missed = choose(self._sums(keys, states, options), bounds, choice)
        return np.stack(options)[choice, np.arange(choice.size)], choice, missed

    def _sums(self, keys: list[Key], states: States, options: list[States]) -> Sums:
        """The keys as sums over people of what each option adds, exact for days, near `states` for widths."""
        parts = np.zeros((len(keys), len(states), len(options)))
        base = np.zeros(len(keys))
        for outcome in OUTCOMES:
            rows = [place for place, key in enumerate(keys) if key[0] == outcome]
            group = [self.place[keys[place][1]] for place in rows]
            p, n = self.shares(outcome, states), self.n[outcome]
            half = Z * np.sqrt(sum(a * (1 - a) / m for a, m in zip(p, n, strict=True)))
            for arm, share, people, sign in zip(self.arms, p, n, (1, -1), strict=True):
                slope = np.where(half > 1e-9, Z**2 * (1 - 2 * share) / (2 * np.maximum(half, 1e-9) * people**2), 0.0)
                by_day = {"days": sign / people, "width": slope}
                weight = np.stack([self._on_days(by_day[keys[place][2]], keys[place]) for place in rows])
                member = self.member[arm][:, group].T
                for option, life in enumerate(options):
                    parts[np.ix_(rows, np.flatnonzero(arm), [option])] = (
                        weight @ self._on(outcome, life)[arm].T * member
                    )[:, :, None]
                now = (weight @ self._on(outcome, states)[arm].T * member).sum(axis=1)
                base[rows] -= np.where([keys[place][2] == "width" for place in rows], now, 0.0)
            base[rows] += [self.value(keys[place], states) if keys[place][2] == "width" else 0.0 for place in rows]
        return Sums(parts, base)

    def _on_days(self, by_day: np.ndarray, key: Key) -> np.ndarray:
        """The weights of a key's group on its days, 0 on others."""
        days = np.arange(HORIZON)
        return np.where((days >= key[3]) & (days < key[4]), by_day[self.place[key[1]]], 0.0)
