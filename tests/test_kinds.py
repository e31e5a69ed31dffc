"""A public function that is given another kind of thing than it takes says which it takes, and where it comes from."""

from __future__ import annotations

import inspect
import re

import pytest

import trialimpact as ti
from trialimpact.synthetic import simulate_trial

TAKES_ALSO = {"TrialProtocol | Mapping[str, Any] | str | Path", "str | Path | RulePack", "Found", "str", "int", "float"}
"""Numbers, and what is turned into another kind first: with messages of their own."""


def first_of(name: str) -> inspect.Parameter | None:
    function = getattr(ti, name)
    return next(iter(inspect.signature(function).parameters.values()), None) if inspect.isfunction(function) else None


CHECKED = [name for name in ti.__all__ if (first := first_of(name)) and first.annotation not in TAKES_ALSO]


@pytest.mark.parametrize("name", CHECKED)
def test_the_first_argument_is_of_its_kind(name: str) -> None:
    first = first_of(name)
    kind = re.escape(first.annotation)
    for given in ({first.name: object()}, {first.name: None}):
        with pytest.raises(
            ti.DesignError, match=rf"^{first.name} is a (object|NoneType), not {kind}\.\n  remedy: give "
        ):
            getattr(ti, name)(**given)


OTHERS = [
    (name, argument.name, argument.annotation)
    for name in CHECKED
    for argument in list(inspect.signature(getattr(ti, name)).parameters.values())[1:]
    if argument.annotation.removesuffix(" | None") in {"str", "str | Path", "Mapping[str, OutcomeSpells]", "Panel"}
]


@pytest.mark.parametrize(("name", "argument", "kind"), OTHERS)
def test_so_are_the_others_that_are_texts_paths_and_objects_of_ours(name: str, argument: str, kind: str) -> None:
    with pytest.raises(ti.DesignError, match=rf"^{argument} is a object, not {re.escape(kind)}\.\n  remedy: give "):
        getattr(ti, name)(**{argument: object()})


def test_there_are_many_and_an_analysis_is_no_panel() -> None:
    assert len(CHECKED) > 50
    assert len(OTHERS) > 30
    trial = simulate_trial(100, seed=1)
    with pytest.raises(ti.DesignError, match=r"sample is a TrialRecords, not TrialSample\.\n.*build_sample\(records\)"):
        ti.build_panel(ti.load_records(trial.protocol, trial.tables), {})


@pytest.mark.parametrize("given", [None, 7, ["protocol.toml"]])
def test_protocols_that_are_none(given: object) -> None:
    for function in (ti.analyse_trial, ti.audit_trial, ti.monitor_trial):
        with pytest.raises(ti.DesignError, match=r"protocol is a .*, not TrialProtocol\.\n  remedy: give a path"):
            function(given)
