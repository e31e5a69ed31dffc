"""Identifiers of all tables -> one number a person; then identifiers are gone. What does not link is said."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trialimpact.errors import BrokenRule, ProtocolError, record_error, worded
from trialimpact.intervals import Booleans, Integers
from trialimpact.loaders.identifiers import NOBODY, Keys, number_people, one_key_each, opaque_keys, parse_ninos
from trialimpact.loaders.in_labels import holds_a_nino, holds_one_of
from trialimpact.loaders.schema import Table, shown_labels
from trialimpact.loaders.spelling import spelt_alike
from trialimpact.protocol.consistency import shown_words
from trialimpact.protocol.model import TrialProtocol


def number_claimants(protocol: TrialProtocol, parsed: dict[str, Table]) -> Integers:
    """Set every table's `claimant`, drop the identifiers, and return each person's allocating digit."""
    keys: list[Keys] = []
    for table in parsed.values():
        assert table.identifiers is not None  # noqa: S101
        if protocol.identifiers.kind == "nino":
            keys.append(parse_ninos(table.identifiers, synthetic=protocol.identifiers.synthetic))
        else:
            keys.append(opaque_keys(table.identifiers))
        table.identifiers = None
        table.blank_identifier, table.invalid_identifier = keys[-1].blank, keys[-1].invalid
    codes, n_people = number_people(keys)
    digits = np.full(n_people, -1, dtype=np.int64)
    for table, code, key in zip(parsed.values(), codes, keys, strict=True):
        table.claimant = code
        if table.kind != "spells":
            digits[code[code != NOBODY]] = key.digit[code != NOBODY]
    for table in parsed.values():
        table.spelt_otherwise = np.zeros(table.n_rows, dtype=bool)
    if protocol.identifiers.kind == "opaque":
        _mark_other_spellings(parsed, keys, n_people)
    for table in parsed.values():
        for name, labels in shown_labels(table, protocol):
            theirs = protocol.identifiers.kind == "opaque" and holds_one_of(labels, keys)
            table.holds_identifier[name] = holds_a_nino(labels) | theirs
    _mark_people_of_the_trial(parsed, n_people)
    _require_words_without_identifiers(protocol, keys)
    return digits


def _require_words_without_identifiers(protocol: TrialProtocol, keys: list[Keys]) -> None:
    """The protocol's own labels are shown as those of the records are."""
    for noun, words in shown_words(protocol).items():
        labels = pd.Series(words, dtype=object)
        if holds_a_nino(labels).any() or (protocol.identifiers.kind == "opaque" and holds_one_of(labels, keys).any()):
            says = f"the protocol: a label of {noun} holds an identifier."
            raise ProtocolError(worded(says, remedy="take it out: labels appear in tables"))


def _mark_other_spellings(parsed: dict[str, Table], keys: list[Keys], n_people: int) -> None:
    """Note rows whose identifier is another spelling of that of somebody in the trial.

    Of two in the trial who are spelt alike, neither row among claimants and markers can be believed.
    """
    distinct = one_key_each(keys, [table.claimant for table in parsed.values()], n_people)
    if distinct is None:
        return
    group = spelt_alike(distinct)
    in_trial = _people_in(parsed, ("claimants", "markers"), n_people)[:-1]
    n_alike = np.bincount(group[in_trial], minlength=n_people)[group]
    stranger, double = ~in_trial & (n_alike > 0), in_trial & (n_alike > 1)
    for table in parsed.values():
        wrong = stranger if table.kind == "spells" else stranger | double
        table.spelt_otherwise = np.append(wrong, False)[table.claimant]


def _people_in(parsed: dict[str, Table], kinds: tuple[str, ...], n_people: int) -> Booleans:
    """Who has a row in tables of some kinds, by number; the last entry is for nobody."""
    there = np.zeros(n_people + 1, dtype=bool)
    for table in parsed.values():
        if table.kind in kinds:
            there[table.claimant] = True
    there[NOBODY] = False
    return there


def _mark_people_of_the_trial(parsed: dict[str, Table], n_people: int) -> None:
    """Leave a number only to people in `claimants` or `markers`; note who has a row in `claimants`."""
    in_trial, described = (_people_in(parsed, kinds, n_people) for kinds in (("claimants", "markers"), ("claimants",)))
    for table in parsed.values():
        table.described = described[table.claimant] | ("claimants" not in parsed)
        table.claimant = np.where(in_trial[table.claimant], table.claimant, NOBODY)


def require_links(parsed: dict[str, Table], *, to_be_set_aside: bool) -> None:
    """A source none of whose spells is of a person in the trial has identifiers of another form.

    Where none of them, or of the people's, is there in the declared form, a rule says so, unless its rows are to be set
    aside.
    """
    people = [table for table in parsed.values() if table.kind != "spells" and table.n_rows]
    broken = [
        BrokenRule(
            table=name,
            rule="spells_link_to_people",
            says=f"none of {table.n_rows:,} spells is of a person in the trial",
            remedy="write identifiers alike in every table (leading zeros, capitals)",
        )
        for name, table in parsed.items()
        if table.kind == "spells"
        and table.n_rows
        and (table.claimant == NOBODY).all()
        and (to_be_set_aside or not any(map(_has_no_identifier, (table, *people))))
    ]
    claimants, markers = parsed.get("claimants"), parsed.get("markers")
    if claimants is not None and markers is not None and not broken and not _share_somebody(claimants, markers):
        says = f"nobody in its {markers.n_rows:,} rows has a row in claimants"
        remedy = "write identifiers alike in both tables, or give the claimants of this trial"
        broken = [BrokenRule(table="markers", rule="markers_link_to_claimants", says=says, remedy=remedy)]
    if broken:
        raise record_error(broken, quarantine_helps=False)


def _share_somebody(claimants: Table, markers: Table) -> bool:
    """Whether somebody is in both, or one of them has nobody who could be."""
    people = [table.claimant[table.claimant != NOBODY] for table in (claimants, markers)]
    return not all(each.size for each in people) or bool(np.isin(*people).any())


def _has_no_identifier(table: Table) -> bool:
    return bool((table.blank_identifier | table.invalid_identifier).all())
