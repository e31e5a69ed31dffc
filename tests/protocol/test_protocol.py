from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from trialimpact import ProtocolError, TrialProtocol, explain_protocol, shipped_protocol
from trialimpact.protocol import parse_protocol
from trialimpact.protocol.conditions import parts_of

MINIMAL = """
name = "Minimal"
[allocation]
rule = "assigned"
control = "control"
arms = ["control", "one", "two"]
[index]
rule = "given"
[sources.claimants]
file = "people.csv"
[sources.benefit]
file = "spells.csv"
columns = { code = "benefit" }
end_date = "last_day_included"
covered_from = 2019-01-01
extract_date = 2020-12-31
counted_codes = ["JSA", "ESA"]
ignored_codes = ["UC"]
[[outcomes]]
name = "on_benefit"
on = ["benefit"]
[analysis]
horizon_days = 91
"""

WHERE = 'where = { any_days = { outcome = "on_benefit", from_day = -9, to_day = 0 } }'


def broken(old: str, new: str, text: str = MINIMAL) -> str:
    assert old in text
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text.replace(old, new), "trial.toml")
    message = str(caught.value)
    assert message.startswith("trial.toml: ")
    assert "remedy: " in message
    return message


def test_defaults() -> None:
    protocol = parse_protocol(MINIMAL, "trial.toml")
    assert [contrast.name for contrast in protocol.contrasts] == ["one", "two"]
    assert all(contrast.control == ("control",) for contrast in protocol.contrasts)
    assert protocol.arms == ("control", "one", "two")
    analysis = protocol.analysis
    assert (analysis.horizon_days, analysis.end_day, analysis.pre_days) == ((91,), 91, 0)
    assert (analysis.small_sample, analysis.interval, analysis.conf_level) == ("hc2", "wald", 0.95)


def test_it_is_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse_protocol(MINIMAL, "x").name = "other"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('rule = "given"', 'rule = "guess"', "index.rule: Input should be 'given' or 'claim_of_marker' (given 'guess')"),
        ("horizon_days = 91", "horizon_day = 91", "analysis.horizon_day: there is no such key; did you mean 'horizon_days'?"),
        ("horizon_days = 91", "", "analysis.horizon_days: this key is required and is not there"),
        ("horizon_days = 91", "horizon_days = 91\nlast_day = 50", "last_day must be at least 90"),
        ('control = "control"', 'control = "nothing"', "allocation.control 'nothing' is not one of the arms"),
        ("2020-12-31", "2018-12-31", "covered_from must be before extract_date"),
        ('["UC"]', '["UC"]\nopen_end_dates = ["2020-06-30"]', "open_end_dates: the source covers 2020-06-30"),
        ('on = ["benefit"]', 'on = ["employment"]', "no spell source 'employment' (there are ['benefit'])"),
        ('on = ["benefit"]', 'on = ["benefit:UC"]', "'UC' is not a counted code of source 'benefit'"),
        ('on = ["benefit"]', 'on = ["followed"]', "uses no spell source"),
        ('["UC"]', '["UC", "JSA"]', "codes both counted and ignored: JSA"),
        ("last_day_included", "inclusive", "sources.benefit.end_date"),
        ('name = "on_benefit"', 'name = "On benefit"', "outcomes.0.name"),
        ("[index]", '[[contrasts]]\nname="x"\ntreatment=["one"]\ncontrol=["one"]\n[index]', "names ['one'] twice: each arm stands once, on one side"),
        ("[index]", '[[contrasts]]\nname="x"\ntreatment=["new"]\ncontrol=["control"]\n[index]', "arms that allocation does not"),
        ('rule = "given"', 'rule = "claim_of_marker"', 'needs [sources.markers]'),
        ("[analysis]", "[analysis]\nclusters='x'\ninterval='newcombe'", 'use "wald"'),
        ('name = "Minimal"', 'name = "Minimal', "not TOML"),
        ("horizon_days = 91", "horizon_days = 91\npre_days = true", "analysis.pre_days: Input should be a valid integer"),
        ("horizon_days = 91", 'horizon_days = 91\nconf_level = "0.9"', "analysis.conf_level: Input should be a valid number"),
        ("horizon_days = 91", 'horizon_days = 91\nproducts = "no"', "analysis.products: Input should be a valid boolean"),
    ],
)  # fmt: skip
def test_a_wrong_key_is_named_with_its_remedy(old: str, new: str, says: str) -> None:
    assert says in broken(old, new)


def test_every_wrong_key_is_named_at_once() -> None:
    message = broken('rule = "given"', 'rule = "guess"\nwindow = 3')
    assert "2 keys are wrong" in message
    assert "index.window: there is no such key" in message


def test_every_digit_needs_one_arm() -> None:
    digits = 'rule = "digit"\ncontrol = "B"\ndigits = { A = [5, 6, 7], B = [0, 1, 2, 3, 4, 5] }'
    text = MINIMAL.replace('rule = "assigned"\ncontrol = "control"\narms = ["control", "one", "two"]', digits)
    with pytest.raises(ProtocolError, match=r"without one: \[8, 9\].*in two arms: \[5\]"):
        parse_protocol(text, "x")


def test_names_stand_once() -> None:
    again = '[[outcomes]]\nname = "on_benefit"\non = ["benefit"]\n[analysis]'
    assert "outcome 'on_benefit' is defined 2 times" in broken("[analysis]", again)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ProtocolError, match=r"nowhere\.toml: the protocol cannot be read: No such file"):
        TrialProtocol.from_toml("nowhere.toml")


def test_an_unknown_name_lists_the_known() -> None:
    protocol = parse_protocol(MINIMAL, "x")
    with pytest.raises(ProtocolError, match="no outcome 'days'"):
        protocol.outcome("days")
    with pytest.raises(ProtocolError, match=r"no contrast 'three'.\n  remedy: use one of: 'one', 'two'"):
        protocol.contrast("three")


def test_the_grammar_nests() -> None:
    text = MINIMAL + (
        '\n[[subgroups]]\nname = "g"\nwhere = { all_of = [ { column = "sex", one_of = ["F", "M"] }, '
        "{ not = { any_of = [ { age_at_index = { between = [18, 24] } }, "
        '{ any_days = { outcome = "on_benefit", from_day = -30, to_day = 0 } } ] } } ] }\n'
    )
    (group,) = parse_protocol(text, "x").subgroups
    kinds = [type(part).__name__ for part in parts_of(group.where)]
    assert kinds == ["AllOf", "ColumnIs", "Not", "AnyOf", "AgeIs", "AnyDays"]
    assert "not ((age in whole years on the index date is between 18 and 24" in group.where.in_words()


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ('{ column = "x" }', "exactly one of equals, one_of, between"),
        ('{ column = "x", equals = 1, one_of = [1] }', "exactly one of equals, one_of, between"),
        ("{ age_at_index = { between = [30, 20] } }", "must not exceed"),
        ('{ any_days = { outcome = "on_benefit", from_day = 0, to_day = -3 } }', "from_day must come before"),
        ('{ any_days = { outcome = "other", from_day = -3, to_day = 0 } }', "no outcome 'other'"),
        ("{ any_of = [] }", "at least 1 item"),
    ],
)
def test_wrong_conditions(where: str, says: str) -> None:
    assert says in broken("[analysis]", f'[[subgroups]]\nname = "g"\nwhere = {where}\n[analysis]')


def test_with_analysis_is_checked() -> None:
    protocol = parse_protocol(MINIMAL, "x")
    assert protocol.with_analysis(small_sample="cr0").analysis.small_sample == "cr0"
    assert protocol.analysis.small_sample == "hc2"
    with pytest.raises(ProtocolError, match="with small_sample as asked"):
        protocol.with_analysis(small_sample="hc9")


def test_it_is_explained_in_plain_words() -> None:
    said = explain_protocol(shipped_protocol("example"))
    for sentence in (
        "IAP: allocating digit 5, 6, 7, 8, 9.",
        "Contrast 'iap': IAP minus BAU.",
        "Recruited from 2015-03-16 to 2015-09-15 inclusive.",
        "benefit: leaves out UC.",
        "employed (employed and not on benefit): on a day with employment and without benefit. "
        "Followed from 2013-03-01 to the day before 2016-01-18.",
        "Women: gender is Female.",
    ):
        assert sentence in said, sentence


def test_a_shipped_protocol_that_does_not_exist() -> None:
    with pytest.raises(ProtocolError, match="use one of: example"):
        shipped_protocol("nothing")


@pytest.mark.parametrize("name", ["example"])
def test_shipped_protocols_obey_the_published_schema(name: str) -> None:
    protocol = shipped_protocol(name)
    schema = TrialProtocol.model_json_schema()
    jsonschema.validate(json.loads(protocol.model_dump_json(by_alias=True, exclude_unset=True)), schema)


def test_the_schema_in_the_docs_is_the_schema() -> None:
    page = Path(__file__).parents[2] / "docs" / "protocol.schema.json"
    assert json.loads(page.read_text()) == TrialProtocol.model_json_schema()


def test_a_protocol_survives_json() -> None:
    protocol = shipped_protocol("example")
    assert TrialProtocol.model_validate_json(protocol.model_dump_json(by_alias=True)) == protocol


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('counted_codes = ["JSA", "ESA"]', "", "ignored_codes without counted_codes"),
        ('columns = { code = "benefit" }', 'columns = { kode = "benefit" }', "nothing uses 'kode'; did you mean 'code'?"),
        ('columns = { code = "benefit" }', 'columns = { start_date = "d", end_date = "d" }', "two names stand for one column"),
        ('"one", "two"]', '"one", "all"]', "arm ['all'] has a name that tables use"),
        ("[index]", '[recruitment]\noffices = ["A", "A"]\n[index]', "an office is named twice"),
        ("[sources.benefit]", '[sources.followed]', "a source cannot be called 'followed'"),
        ("[sources.benefit]", '[sources."../x"]', "a source cannot be called '../x'"),
        ('end_date = "last', 'date_format = "%H:%M"\nend_date = "last', "date_format: %H is no part of a day"),
        ('counted_codes = ["JSA", "ESA"]\nignored_codes = ["UC"]', "", "nothing uses 'code' without counted_codes"),
        ("[analysis]", f"[[subgroups]]\nname = 'g'\nlabel = 'G'\n{WHERE}\n[[subgroups]]\nname = 'h'\nlabel = 'G'\n{WHERE}\n[analysis]",
         "2 subgroups are called 'G'"),
        ("[analysis]", f"[[subgroups]]\nname = 'g'\n{WHERE.replace('to_day = 0', 'to_day = 2')}\n[analysis]", "to_day is 2, and days after day 0"),
        ("[analysis]", f"[[eligibility]]\nname = 'g'\n{WHERE.replace('to_day = 0', 'to_day = 91')}\n[analysis]", "to_day is 91"),
        ("[analysis]", f"[[characteristics]]\nname = 'c'\nlevels = [{{label = 'l', {WHERE}}}, {{label = 'l', {WHERE}}}]\n[analysis]",
         "2 levels of c are called 'l'"),
        ('name = "on_benefit"', 'name = "On benefit"', "outcomes.0.name: needs small letters, digits and _"),
        ("[index]", '[recruitment]\nfirst_date = "16/03/2015"\n[index]', "recruitment.first_date: a date is written as in 2020-01-31"),
        ("horizon_days = 91", "horizon_days = 50000", "less than or equal to 36525"),
        ("horizon_days = 91", "horizon_days = 91\nconf_level = 0.99999999", "conf_level"),
        ("horizon_days = 91", 'horizon_days = 91\nclusters = ""', "analysis.clusters"),
        ("horizon_days = 91", 'horizon_days = 91\nstrata = "claimant_id"', "claimant_id is not a characteristic"),
        ('arms = ["control", "one", "two"]', "arms = [1, 2]", "allocation.arms"),
        ('arms = ["control", "one", "two"]', "arms = 5", "allocation.arms"),
        ('arms = ["control", "one", "two"]', "digits = [1, 2]", "allocation.digits"),
    ],
)  # fmt: skip
def test_what_would_be_silently_wrong_is_refused(old: str, new: str, says: str) -> None:
    assert says in broken(old, new)


@pytest.mark.parametrize(
    "where",
    ['{ age_at_index = { equals = "35" } }', '{ column = "x", one_of = [] }', '{ column = "x", between = [nan, 1] }'],
)
def test_conditions_that_could_never_hold(where: str) -> None:
    assert "subgroups.0.where" in broken("[analysis]", f'[[subgroups]]\nname = "g"\nwhere = {where}\n[analysis]')


def test_states_are_of_two_different_things_and_labels_can_be_printed() -> None:
    states = (
        '[states]\nin_order = [{ name = "a", on = ["benefit"], and_on = ["benefit:JSA"] }]\nrest = "b"\n[[outcomes]]'
    )
    assert parse_protocol(MINIMAL.replace("[[outcomes]]", states), "x").states is not None
    assert "is in both on and and_on of 'a'" in broken("[[outcomes]]", states.replace("benefit:JSA", "benefit"))
    assert "two labels are the same" in broken("[[outcomes]]", states.replace('"b"', '"a"'))
    assert "two names are the same" in broken("[[outcomes]]", states.replace('name = "a"', 'name = "rest"'))
    assert "cannot be printed" in broken('name = "Minimal"', 'name = "Minimal\\n# Other"')
    assert "a label of outcome" in broken('name = "on_benefit"', 'name = "on_benefit"\nlabel = "on\\tbenefit"')


def test_covariates_are_characteristics() -> None:
    text = broken("[analysis]", '[adjustment]\ncharacteristics = ["Gender"]\n[analysis]')
    assert "adjustment: no characteristics ['Gender']" in text
    digits = 'rule = "digit"\nratio = { control = 1, one = 1, two = 1 }\ndigits = { control = [0, 1, 2, 3], one = [4, 5, 6], two = [7, 8, 9] }'
    assert "the digits already say it" in broken('rule = "assigned"', digits)


def test_the_methods_are_explained_in_words() -> None:
    text = explain_protocol(shipped_protocol("example"))
    assert "Adjusted estimates use days with the outcome before day 0" in text
    assert "p-values of all subgroups are adjusted together, for each outcome and contrast." in text
    assert "States, the first that holds on a day: benefit and work (in benefit and in employment)," in text
    assert "work only (in employment); else neither." in text
    assert "An exit is sustained when it is followed by 28 days off." in text
