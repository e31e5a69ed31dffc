"""Rules: each breaks on its own bad row, is named, and its remedy works."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq

import trialimpact as ti
from trialimpact import RecordError, TrialProtocol, build_sample, load_records
from trialimpact.loaders.identifiers import opaque_keys
from trialimpact.loaders.in_labels import holds_one_of
from trialimpact.loaders.rules import RULES
from trialimpact.loaders.spelling import written_otherwise
from trialimpact.loaders.values import as_text

TINY = Path(__file__).parents[2] / "data" / "synthetic" / "tiny"
SECRET = "QQ999999A"


@pytest.fixture
def protocol() -> TrialProtocol:
    return TrialProtocol.from_toml(TINY / "protocol.toml")


def table(name: str) -> pd.DataFrame:
    file = {"benefit": "benefit_spells.csv", "employment": "employment_spells.csv"}.get(name, f"{name}.csv")
    return pd.read_csv(TINY / file, dtype=str, keep_default_na=False)


def with_row(name: str, **values: object) -> pd.DataFrame:
    """The tiny table and one more row, the last one changed."""
    frame = table(name)
    row = {**frame.iloc[-1].to_dict(), "claimant_id": SECRET, **values}
    return pd.concat([frame, pd.DataFrame([row])], ignore_index=True)


CASES = [
    ("claimant_id_is_given", "markers", {"claimant_id": ""}),
    ("claimant_id_is_valid", "benefit", {"claimant_id": "ZZ999999A"}),
    ("claimant_is_unique", "claimants", {"claimant_id": "QQ100113A"}),
    ("date_is_readable", "claimants", {"birth_date": "12.12.1990"}),
    ("date_is_readable", "benefit", {"end_date": "2020-02-31"}),
    ("date_is_plausible", "claimants", {"birth_date": "1890-01-01"}),
    ("date_is_plausible", "employment", {"end_date": "2999-01-01"}),
    ("marker_is_known", "markers", {"marker": "IAPP"}),
    ("marker_date_is_given", "markers", {"marker_date": ""}),
    ("status_is_known", "markers", {"status": "dunno"}),
    ("start_is_given", "benefit", {"start_date": ""}),
    ("end_not_before_start", "benefit", {"start_date": "2020-01-09", "end_date": "2020-01-07"}),
    ("start_before_extract", "employment", {"start_date": "2020-01-15", "end_date": ""}),
    ("code_is_known", "benefit", {"benefit": "PIP"}),
    ("code_is_known", "benefit", {"benefit": ""}),
    ("label_is_not_reserved", "markers", {"reason": "all"}),
    ("label_holds_no_identifier", "markers", {"reason": "AB 12 34 56 C rang"}),
    ("label_holds_no_identifier", "markers", {"reason": "rang as AB 12 34 56 C"}),
    ("label_is_written_as_declared", "markers", {"office": "EASTON"}),
    ("label_is_written_as_declared", "claimants", {"gender": "Female\u200b"}),
]


@pytest.mark.parametrize(("rule", "name", "values"), CASES)
def test_an_error_rule_stops_the_load_and_names_table_rule_row_and_remedy(
    protocol: TrialProtocol, rule: str, name: str, values: dict[str, object]
) -> None:
    tables = {name: with_row(name, **values)}
    n = len(tables[name])
    rows = f"{n - 1}, {n}" if rule == "claimant_is_unique" else f"{n}"
    with pytest.raises(RecordError) as caught:
        load_records(protocol, tables, folder=TINY)
    message = str(caught.value)
    assert f"{name}: {rows.count(',') + 1} of {n} row" in message
    assert f"'{rule}'" in message
    assert f"rows: {rows} (columns: " in message
    assert "remedy: " in message
    assert "999999" not in message
    values = {} if rule == "label_is_not_reserved" else values  # its message says the reserved words
    assert not [value for value in values.values() if value and str(value) in message.replace("PIP", "-")]


@pytest.mark.parametrize(("rule", "name", "values"), CASES)
def test_quarantine_sets_the_row_aside_and_changes_nothing_else(
    protocol: TrialProtocol, rule: str, name: str, values: dict[str, object]
) -> None:
    if rule == "claimant_is_unique":
        pytest.skip("both rows of a duplicated claimant are set aside: tested below")
    clean = load_records(protocol, folder=TINY)
    records = load_records(protocol, {name: with_row(name, **values)}, folder=TINY, on_broken_rule="quarantine")
    row = len(table(name)) + 1
    assert (records.quarantined == pd.DataFrame([{"table": name, "row": row, "rule": rule}])).all().all()
    frame = records.audit.to_frame().set_index(["table", "rule"])
    assert frame.loc[(name, rule), "n_broken"] == 1
    assert frame.loc[(name, rule), "action"] == "set aside"
    flows = [
        build_sample(each).flow.counts.query("stage != 'records'").reset_index(drop=True) for each in (records, clean)
    ]
    assert flows[0].equals(flows[1])
    assert build_sample(records).flow.n("records", "set_aside", reason=f"{name}: {rule}") == 1


def test_a_duplicated_claimant_loses_both_rows_since_neither_can_be_believed(protocol: TrialProtocol) -> None:
    claimants = with_row("claimants", claimant_id="QQ100113A", gender="Female")
    records = load_records(protocol, {"claimants": claimants}, folder=TINY, on_broken_rule="quarantine")
    assert records.quarantined["row"].tolist() == [12, 13]
    assert records.n_claimants == 12
    assert records.characteristics["gender"].replace("", None).isna().sum() == 2


def test_every_broken_rule_of_every_table_is_reported_at_once(protocol: TrialProtocol) -> None:
    tables = {
        "markers": with_row("markers", marker="X", status="ok"),
        "benefit": with_row("benefit", benefit="PIP", start_date="nonsense"),
    }
    with pytest.raises(RecordError) as caught:
        load_records(protocol, tables, folder=TINY)
    for rule in ("marker_is_known", "status_is_known", "code_is_known", "date_is_readable"):
        assert f"'{rule}'" in str(caught.value)


WARNINGS = [
    ("row_is_not_repeated", "benefit", {"claimant_id": "QQ100063D", "benefit": "UC", "start_date": "2020-01-11", "end_date": "2020-01-16"}),
    ("spells_do_not_overlap", "benefit", {"claimant_id": "QQ100005A", "benefit": "JSA", "start_date": "2020-01-05", "end_date": "2020-01-06"}),
    ("spell_touches_coverage", "benefit", {"claimant_id": "QQ100005A", "benefit": "JSA", "start_date": "2018-01-05", "end_date": "2018-01-06"}),
    ("end_by_extract", "benefit", {"claimant_id": "QQ100005A", "benefit": "ESA", "start_date": "2020-01-05", "end_date": "2020-01-17"}),
    ("spell_has_ended", "benefit", {"claimant_id": "QQ100005A", "benefit": "ESA", "start_date": "2020-01-05", "end_date": "9999-12-31"}),
    ("open_spell_is_not_long", "benefit", {"claimant_id": "QQ100005A", "benefit": "ESA", "start_date": "1999-01-05", "end_date": ""}),
    ("spell_is_of_a_participant", "benefit", {}),
    ("date_is_not_day_0", "benefit", {"claimant_id": "QQ100005A", "benefit": "ESA", "start_date": "1970-01-01", "end_date": "2020-01-01"}),
    ("birth_is_before_the_trial", "claimants", {"claimant_id": "QQ100126A", "birth_date": "2020-01-02"}),
    ("valid_markers_name_one_arm", "markers", {"claimant_id": "QQ100005A", "marker": "BAU", "marker_date": "2020-01-06"}),
    ("marker_is_of_a_described_person", "markers", {}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "name", "values"), WARNINGS)
def test_warnings_and_notes_are_counted_and_the_rows_kept(
    protocol: TrialProtocol, rule: str, name: str, values: dict[str, str]
) -> None:
    def count(records: ti.loaders.TrialRecords) -> int:
        frame = records.audit.to_frame().set_index(["table", "rule"])
        return int(frame.loc[(name, rule), "n_broken"])

    before = load_records(protocol, folder=TINY)
    after = load_records(protocol, {name: with_row(name, **values)}, folder=TINY)
    assert count(after) == count(before) + 1
    assert after.quarantined.empty


def test_zero_length_spells_and_tax_year_defaults() -> None:
    protocol = ti.shipped_protocol("example")
    from trialimpact.synthetic import simulate_trial

    trial = simulate_trial(40, seed=1)
    who = trial.tables["claimants"]["claimant_id"].iloc[0]
    jobs = pd.DataFrame(
        {"claimant_id": who, "start_date": ["2014-04-06", "2014-05-01"], "end_date": ["2014-04-30", "2015-04-05"]}
    )
    records = load_records(protocol, {**trial.tables, "employment": jobs})
    frame = records.audit.to_frame().set_index(["table", "rule"])
    assert frame.loc[("employment", "dates_are_not_tax_year_defaults"), "n_broken"] == 2


def test_every_rule_has_a_case_here() -> None:
    elsewhere = {
        "column_has_one_type", "claimant_id_is_written_alike", "digit_is_a_digit", "assigned_arm_is_known", "assigned_arm_is_analysed",
        "spell_has_a_day", "dates_are_not_tax_year_defaults", "number_is_written_in_one_way",
    }  # fmt: skip
    tested = {rule for rule, *_ in (*CASES, *WARNINGS)} | elsewhere
    assert {rule.name for rule in RULES} == tested


OPAQUE = {
    "name": "opaque",
    "allocation": {"rule": "digit", "control": "B", "digits": {"A": [5, 6, 7, 8, 9], "B": [0, 1, 2, 3, 4]}},
    "index": {"rule": "given"},
    "sources": {
        "claimants": {},
        "benefit": {"end_date": "first_day_after", "covered_from": "2019-01-01", "extract_date": "2021-01-01"},
    },
    "outcomes": [{"name": "on", "on": ["benefit"]}],
    "analysis": {"horizon_days": 10},
}


def opaque_tables() -> dict[str, pd.DataFrame]:
    people = pd.DataFrame({"claimant_id": ["a", "b"], "digit": [3, 7], "index_date": ["2020-01-01", "2020-01-02"]})
    spells = pd.DataFrame({"claimant_id": ["a", "b"], "start_date": "2020-01-01", "end_date": ["2020-01-01", ""]})
    return {"claimants": people, "benefit": spells}


def test_a_digit_column_allocates_opaque_identifiers() -> None:
    records = load_records(TrialProtocol.model_validate(OPAQUE), opaque_tables())
    assert records.claimants["digit"].tolist() == [3, 7]
    frame = records.audit.to_frame().set_index(["table", "rule"])
    assert frame.loc[("benefit", "spell_has_a_day"), "n_broken"] == 1


@pytest.mark.parametrize("digit", [10, -1, "x", 2.5])
def test_a_digit_is_a_digit(digit: object) -> None:
    tables = opaque_tables()
    tables["claimants"]["digit"] = [3, digit] if isinstance(digit, int) else pd.Series(["3", str(digit)])
    with pytest.raises(RecordError, match="'digit_is_a_digit'"):
        load_records(TrialProtocol.model_validate(OPAQUE), tables)


def test_an_unknown_assigned_arm_is_an_error_only_where_arms_are_declared() -> None:
    data = {**OPAQUE, "allocation": {"rule": "assigned", "control": "B", "arms": ["A", "B"]}}
    tables = opaque_tables()
    tables["claimants"]["assigned_arm"] = ["A", "C"]
    with pytest.raises(RecordError, match="'assigned_arm_is_known'"):
        load_records(TrialProtocol.model_validate(data), tables)
    data["allocation"] = {"rule": "assigned", "control": "B"}
    data["contrasts"] = [{"name": "a", "treatment": ["A"], "control": ["B"]}]
    records = load_records(TrialProtocol.model_validate(data), tables)
    frame = records.audit.to_frame().set_index(["table", "rule"])
    assert frame.loc[("claimants", "assigned_arm_is_analysed"), "n_broken"] == 1


def test_mixed_types_in_a_column() -> None:
    tables = opaque_tables()
    tables["claimants"]["colour"] = pd.Series(["red", 3], dtype=object)
    used = {**OPAQUE, "characteristics": [{"name": "Colour", "column": "colour"}]}
    with pytest.raises(RecordError, match=r"claimants: 1 of 2 row breaks 'column_has_one_type'"):
        load_records(TrialProtocol.model_validate(used), tables)


def test_only_columns_that_the_protocol_names_are_kept() -> None:
    tables = opaque_tables()
    tables["claimants"] = tables["claimants"].assign(nino="AB123456C", index_day=[1, 2], colour=["red", "blue"])
    used = {**OPAQUE, "characteristics": [{"name": "Colour", "column": "colour"}]}
    records = load_records(TrialProtocol.model_validate(used), tables)
    assert list(records.characteristics.columns) == ["colour"]


def test_a_choice_that_is_none(protocol: TrialProtocol) -> None:
    with pytest.raises(ti.ProtocolError, match="on_broken_rule='eror' is no choice"):
        load_records(protocol, folder=TINY, on_broken_rule="eror")


def test_a_source_that_links_to_nobody_is_an_error() -> None:
    tables = opaque_tables()
    tables["benefit"] = tables["benefit"].assign(claimant_id=["A", "B"])
    with pytest.raises(RecordError, match="benefit: none of 2 spells is of a person in the trial"):
        load_records(TrialProtocol.model_validate(OPAQUE), tables)


@pytest.mark.parametrize("other", ["A", "a\u200b", "\ufeffa", "0a", "00A"])
def test_an_identifier_in_another_spelling_is_an_error(other: str) -> None:
    tables = opaque_tables()
    tables["benefit"] = tables["benefit"].assign(claimant_id=[other, "b"])
    with pytest.raises(RecordError, match="benefit: 1 of 2 row breaks 'claimant_id_is_written_alike'"):
        load_records(TrialProtocol.model_validate(OPAQUE), tables)
    tables = opaque_tables()
    tables["claimants"]["claimant_id"] = ["a", other]
    with pytest.raises(RecordError, match="claimants: 2 of 2 rows break 'claimant_id_is_written_alike'"):
        load_records(TrialProtocol.model_validate(OPAQUE), {**tables, "benefit": tables["benefit"].iloc[:1]})


@pytest.mark.parametrize("other", ["12.0", "1.2E+01", "012", "12.00"])
def test_a_whole_number_in_another_dress_is_an_error(other: str) -> None:
    tables = opaque_tables()
    tables["claimants"]["claimant_id"] = ["12", "7"]
    tables["benefit"] = tables["benefit"].assign(claimant_id=[other, "7"])
    with pytest.raises(RecordError, match="benefit: 1 of 2 row breaks 'claimant_id_is_written_alike'"):
        load_records(TrialProtocol.model_validate(OPAQUE), tables)


@pytest.mark.parametrize("dress", ["decimal", "float", "text"])
def test_whole_numbers_above_two_to_the_53_are_told_apart_or_refused(dress: str) -> None:
    """As floats, which tables of another dress become too easily, two neighbours are one number."""
    from decimal import Decimal

    tables, big = opaque_tables(), 2**53
    ids = {
        "decimal": pd.Series([Decimal(big + 2), Decimal(big + 3)], dtype=object),
        "float": pd.Series([float(big + 2), float(big + 4)]),
        "text": pd.Series([str(big + 2), str(big + 3)]),
    }
    tables["claimants"]["claimant_id"] = ids[dress]
    tables["benefit"]["claimant_id"] = pd.Series([Decimal(big + 2), Decimal(big + 1)], dtype=object)
    if dress == "float":
        with pytest.raises(RecordError, match="claimants: 2 of 2 rows break 'claimant_id_is_valid'"):
            load_records(TrialProtocol.model_validate(OPAQUE), tables)
    else:
        records = load_records(TrialProtocol.model_validate(OPAQUE), tables)
        assert len(records.spells["benefit"].spells) == 1  # the other is a stranger's


@pytest.mark.parametrize("dress", ["object floats", "decimal", "spaces", "arrow text"])
def test_identifiers_in_other_dress_link(dress: str) -> None:
    from decimal import Decimal

    tables = opaque_tables()
    tables["claimants"]["claimant_id"] = [1, 2]
    values: dict[str, object] = {
        "object floats": pd.Series([1.0, 2.0], dtype=object),
        "decimal": pd.Series([Decimal("1.0"), Decimal("2.0")], dtype=object),
        "spaces": pd.Series(["1 ", " 2"]),
        "arrow text": pd.Series(["1", "2"]).convert_dtypes(dtype_backend="pyarrow"),
    }
    tables["benefit"]["claimant_id"] = values[dress]
    assert len(load_records(TrialProtocol.model_validate(OPAQUE), tables).spells["benefit"].spells) == 2


@pytest.mark.parametrize("column", ["digit", "index_date", "claimant_id"])
def test_a_missing_column_is_named_and_the_others_are_not_shown(column: str) -> None:
    tables = opaque_tables()
    tables["claimants"] = tables["claimants"].rename(columns={column: SECRET})
    with pytest.raises(RecordError, match=f"there is no column '{column}'") as caught:
        load_records(TrialProtocol.model_validate(OPAQUE), tables)
    assert SECRET not in str(caught.value)


def test_a_column_that_stands_twice(protocol: TrialProtocol, tmp_path: Path) -> None:
    path = tmp_path / "markers.csv"
    path.write_text("claimant_id,marker_date,marker,office,marker\nQQ123456A,2020-01-03,IAP,Easton,IAP\n")
    with pytest.raises(RecordError, match="2 columns are called 'marker'"):
        load_records(protocol, {"markers": path}, folder=TINY)


def formats(folder: Path, frame: pd.DataFrame) -> dict[str, object]:
    import polars as pl
    import pyarrow as pa
    import pyreadstat

    text = frame.replace("", None)
    frame.to_csv(folder / "a.csv", index=False)
    (folder / "a.csv.gz").write_bytes(gzip.compress((folder / "a.csv").read_bytes()))
    (folder / "bom.csv").write_bytes(b"\xef\xbb\xbf" + (folder / "a.csv").read_bytes())
    text.to_parquet(folder / "a.parquet")
    text.to_feather(folder / "a.feather")
    text.to_feather(folder / "a.arrow")
    frame.to_stata(folder / "a.dta", write_index=False)
    pyreadstat.write_sav(frame, str(folder / "a.sav"))
    short = frame.rename(columns={"claimant_id": "who", "start_date": "start", "end_date": "end"})
    pyreadstat.write_xport(short, str(folder / "a.xpt"))
    dates = text.assign(start_date=pd.to_datetime(text["start_date"]), end_date=pd.to_datetime(text["end_date"]))
    dates.to_parquet(folder / "dates.parquet")
    names = ("a.csv", "a.csv.gz", "bom.csv", "a.parquet", "a.feather", "a.arrow", "a.dta", "a.sav", "dates.parquet")
    return {
        **{name: folder / name for name in names},
        "pandas": frame,
        "dates": dates,
        "polars": pl.from_pandas(dates),
        "polars dates": pl.from_pandas(text).with_columns(pl.col("start_date").str.to_date()),
        "arrow": pa.Table.from_pandas(dates),
        "categorical": text.astype("category"),
        "string": text.astype("string"),
    }


def test_every_format_gives_the_same_spells(protocol: TrialProtocol, tmp_path: Path) -> None:
    expected = load_records(protocol, folder=TINY).spells["employment"].spells
    for name, given in formats(tmp_path, table("employment")).items():
        found = load_records(protocol, {"employment": given}, folder=TINY).spells["employment"].spells
        for field in ("owner", "start", "end"):
            assert np.array_equal(getattr(found, field), getattr(expected, field)), name


def test_sas_transport_files_with_short_names(protocol: TrialProtocol, tmp_path: Path) -> None:
    formats(tmp_path, table("employment"))
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["sources"]["employment"]["columns"] = {"claimant_id": "who", "start_date": "start", "end_date": "end"}
    short = TrialProtocol.model_validate(data)
    found = load_records(short, {"employment": tmp_path / "a.xpt"}, folder=TINY).spells["employment"].spells
    assert len(found) == 3


@pytest.mark.parametrize(
    ("name", "content", "rule"),
    [
        ("gone.csv", None, "file_exists"),
        ("a.docx", b"", "file_ending_is_known"),
        ("a.csv", b"", "file_is_whole"),
        ("a.csv", b"a,b\n1,2,3\n", "row_has_every_field"),
        ("a.csv", b"a,b\n1,2\n3\n", "row_has_every_field"),
        ("a.csv", b'a,b\n1,"x\ny"\n', "row_has_every_field"),
        ("a.csv", "a,b\n\u00e9,2\n".encode("latin-1"), "file_is_whole"),
        ("a.csv", "a,b\n".encode("utf-16"), "file_is_whole"),
        ("a.csv.gz", gzip.compress(b"claimant_id,start_date,end_date\n" * 999, mtime=0)[:40], "file_is_whole"),
        ("a.parquet", b"PAR1 and no more", "file_is_whole"),
        ("a.dta", b"not stata", "file_is_whole"),
        ("a.sav", b"not spss", "file_is_whole"),
    ],
)
def test_files_that_cannot_be_read(
    protocol: TrialProtocol, tmp_path: Path, name: str, content: bytes | None, rule: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(RecordError, match=f"employment: .*'{rule}'"):
        load_records(protocol, {"employment": tmp_path / name}, folder=TINY)


def test_a_folder_or_one_that_may_not_be_entered_is_called_so(
    protocol: TrialProtocol, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "parts.parquet").mkdir()
    with pytest.raises(RecordError, match=r"parts\.parquet is a folder(.|\n)*remedy: name the file in it"):
        load_records(protocol, {"employment": tmp_path / "parts.parquet"}, folder=TINY)
    closed = tmp_path / "closed" / "a.csv"
    is_dir = Path.is_dir

    def may_not(path: Path) -> bool:
        if path == closed:
            raise PermissionError
        return is_dir(path)

    monkeypatch.setattr(Path, "is_dir", may_not)
    with pytest.raises(RecordError, match=r"may not be entered by you(.|\n)*remedy: ask for the right"):
        load_records(protocol, {"employment": closed}, folder=TINY)


def test_labels_of_stata_that_nothing_asks_for_do_no_harm(protocol: TrialProtocol, tmp_path: Path) -> None:
    """Two values of one label, which pandas refuses."""
    rows = table("employment").assign(note=[1, 2, 3])
    rows.to_stata(tmp_path / "a.dta", write_index=False, value_labels={"note": {1: "x", 2: "x", 3: "y"}}, version=118)
    expected = load_records(protocol, folder=TINY).spells["employment"].spells
    found = load_records(protocol, {"employment": tmp_path / "a.dta"}, folder=TINY).spells["employment"].spells
    assert np.array_equal(found.start, expected.start)


def test_bytes_are_the_text_that_they_are(protocol: TrialProtocol) -> None:
    people = table("claimants")
    for dress in (lambda each: each, lambda each: each.astype("category")):
        as_bytes = people.assign(gender=dress(pd.Series([each.encode() for each in people["gender"]])))
        found = load_records(protocol, {"claimants": as_bytes}, folder=TINY)
        assert found.characteristics["gender"].tolist() == people["gender"].tolist()
        shouted = as_bytes.assign(gender=dress(pd.Series([each.upper() for each in as_bytes["gender"]])))
        with pytest.raises(RecordError, match="label_is_written_as_declared"):
            load_records(protocol, {"claimants": shouted}, folder=TINY)


def test_one_file_for_two_sources_is_told(protocol: TrialProtocol) -> None:
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["sources"]["benefit"] |= {"counted_codes": [], "ignored_codes": [], "columns": {}, "file": "again.csv"}
    data["index"]["codes"] = []
    twice = TrialProtocol.model_validate(data)
    file = TINY / "employment_spells.csv"
    with pytest.warns(ti.TrialWarning, match="the sources benefit and employment hold the same spells"):
        load_records(twice, {"benefit": file, "employment": file}, folder=TINY)


@pytest.mark.parametrize(
    ("declared", "written"),
    [("Hjørring", "Hjorring"), ("Hjørring", "Hjoerring"), ("Århus", "Aarhus"), ("Süd", "Sued"), ("Straße", "Strasse"),
     ("Barking & Dagenham", "Barking and Dagenham"), ("042", "42"), ("142", "142.0"), ("1", "01")],
)  # fmt: skip
def test_labels_in_letters_and_zeros_of_another_system(declared: str, written: str) -> None:
    assert written_otherwise(pd.Series([written, declared]), [declared]).tolist() == [True, False]
    assert written_otherwise(pd.Series([declared, written]), [written]).tolist() == [True, False]
    assert not written_otherwise(pd.Series(["Hull", "10", "4.2"]), [declared]).any()


@pytest.mark.parametrize("used_as", ["clusters", "strata", "characteristic"])
def test_numbers_of_groups_are_written_in_one_way(protocol: TrialProtocol, used_as: str) -> None:
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    if used_as == "characteristic":
        data["characteristics"] = [*data.get("characteristics", []), {"name": "Team", "column": "team"}]
    else:
        data["analysis"] = {**data["analysis"], used_as: "team" if used_as == "clusters" else ["team"]}
    people = table("claimants")
    teams = people.assign(team=["12", "12.0", *["7"] * (len(people) - 2)])
    with pytest.raises(RecordError, match=r"1 of 12 row breaks 'number_is_written_in_one_way'(.|\n)*columns: .*team"):
        load_records(TrialProtocol.model_validate(data), {"claimants": teams}, folder=TINY)
    load_records(protocol, {"claimants": teams}, folder=TINY)


def test_nobody_of_the_markers_is_described(protocol: TrialProtocol) -> None:
    others = table("claimants").assign(claimant_id=[f"QQ7{n:05d}A" for n in range(12)])
    with pytest.raises(RecordError, match=r"nobody in its .* rows has a row in claimants"):
        load_records(protocol, {"claimants": others}, folder=TINY)


@pytest.mark.parametrize(
    "said",
    [
        "523-45-7062",
        "523 457 062",
        "#523457062",
        "id=523457062",
        "523457062/2",
        "X 523.457.062",
        "523,457,062",
        "523'457'062",
    ],
)
def test_identifiers_as_people_write_them_are_found_in_labels(said: str) -> None:
    labels = pd.Series(["North", f"spouse {said}"])
    assert holds_one_of(labels, [opaque_keys(pd.Series(["523457062", "100000001"]))]).tolist() == [False, True]


@pytest.mark.parametrize(
    "label",
    ["St John’s", "st john's", "St\u00a0John's", "Ashton–under–Lyne", "“North”", "N\ufffdrth", "Ynys Mon", "Ynys M?n",
     "St Johns", "Ashton under Lyne", "St_x000D_ John's"],
)  # fmt: skip
def test_labels_that_are_written_otherwise(label: str) -> None:
    declared = ["St John's", "Ashton-under-Lyne", '"North"', "Ynys Môn", "-1"]
    others = ["Elsewhere", None, "1", "Why?", *declared]
    assert written_otherwise(pd.Series([label, *others]), declared).tolist() == [True, *[False] * len(others)]


def test_a_table_of_no_known_kind(protocol: TrialProtocol) -> None:
    with pytest.raises(RecordError, match="a dict is not a table"):
        load_records(protocol, {"employment": {}}, folder=TINY)


def test_an_unknown_source_and_a_source_without_file(protocol: TrialProtocol) -> None:
    with pytest.raises(ti.ProtocolError, match="no source 'jobs'"):
        load_records(protocol, {"jobs": table("employment")}, folder=TINY)
    with pytest.raises(ti.ProtocolError, match="source 'benefit' has no file and no frame"):
        load_records(TrialProtocol.model_validate(OPAQUE), {"claimants": opaque_tables()["claimants"]})


def test_identifiers_are_nowhere_in_the_records(protocol: TrialProtocol) -> None:
    import pickle

    records = load_records(protocol, folder=TINY)
    stored = pickle.dumps(records) + repr(records).encode() + records._repr_html_().encode()
    for row in table("claimants")["claimant_id"]:
        assert row[:8].encode() not in stored
        assert row[2:8].encode() not in stored


@pytest.mark.parametrize(
    "reason, found",
    [("partner of {}", True), ("({})", True), ("{}", True), ("{}0", False), ("none", False), ("Room 100001", False)],
)
@pytest.mark.parametrize("of", [lambda n: f"1002{n:05d}", lambda n: f"X-{n:06d}", lambda n: 100_200_000 + n])
def test_an_opaque_identifier_in_a_label_is_found(of: Any, reason: str, found: bool) -> None:
    tables = opaque_tables()
    people = [of(n) for n in range(len(tables["claimants"]))]
    renamed = dict(zip(tables["claimants"]["claimant_id"], people, strict=True))
    tables = {name: frame.assign(claimant_id=frame["claimant_id"].map(renamed)) for name, frame in tables.items()}
    tables["claimants"]["office"] = [reason.format(people[0]), *["North"] * (len(people) - 1)]
    opaque = TrialProtocol.model_validate(OPAQUE)
    if not found:
        load_records(opaque, tables)
        return
    with pytest.raises(RecordError, match=r"1 of . row breaks 'label_holds_no_identifier'") as caught:
        load_records(opaque, tables)
    assert "(columns: office)" in str(caught.value)
    assert str(people[0]) not in str(caught.value)


def test_an_index_of_pandas_is_a_column_of_the_file(protocol: TrialProtocol, tmp_path: Path) -> None:
    table("markers").set_index("status").to_parquet(tmp_path / "markers.parquet")
    expected = build_sample(load_records(protocol, folder=TINY)).flow.to_frame()
    found = build_sample(load_records(protocol, {"markers": tmp_path / "markers.parquet"}, folder=TINY))
    pd.testing.assert_frame_equal(found.flow.to_frame(), expected)


def test_whole_decimals_are_written_as_whole_numbers() -> None:
    values = pd.Series([Decimal("5.0000"), Decimal("5.5"), None])
    assert as_text(values).tolist() == ["5", "5.5", None]


def test_a_query_needs_an_engine(protocol: TrialProtocol) -> None:
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["sources"]["benefit"].pop("file")
    data["sources"]["benefit"]["query"] = "select 1"
    with pytest.raises(ti.ProtocolError, match=r"'benefit' has a query and no file(.|\n)*--engine duckdb"):
        load_records(TrialProtocol.model_validate(data), folder=TINY)


def test_text_of_parquet_that_is_not_utf8(protocol: TrialProtocol, tmp_path: Path) -> None:
    spells = pa.Table.from_pandas(table("benefit"))
    latin = pa.array([each.encode() + b"\xf8" for each in table("benefit")["benefit"]], type=pa.binary()).view(
        pa.string()
    )
    pq.write_table(spells.set_column(spells.column_names.index("benefit"), "benefit", latin), tmp_path / "b.parquet")
    with pytest.raises(RecordError, match=r"benefit: b\.parquet holds text that is not UTF-8"):
        load_records(protocol, {"benefit": tmp_path / "b.parquet"}, folder=TINY)


def test_one_frame_is_no_table_by_name(protocol: TrialProtocol) -> None:
    one_frame: Any = table("benefit")
    with pytest.raises(ti.ProtocolError, match="tables is a DataFrame"):
        load_records(protocol, one_frame, folder=TINY)


def test_an_office_that_no_row_is_of_and_a_digit_that_is_another(protocol: TrialProtocol) -> None:
    data = protocol.model_dump(by_alias=True, exclude_unset=True)
    data["recruitment"]["offices"] = [*data["recruitment"]["offices"], "Ynys Môn"]
    with pytest.warns(ti.TrialWarning, match="no row is of 1 of the offices that the protocol names: 'Ynys Môn'"):
        load_records(TrialProtocol.model_validate(data), folder=TINY)
    digits = [each[7] for each in table("claimants")["claimant_id"]]
    load_records(protocol, {"claimants": table("claimants").assign(digit=digits)}, folder=TINY)
    digits[3] = str((int(digits[3]) + 1) % 10)
    with pytest.warns(ti.TrialWarning, match="in 1 of 12 rows the column digit is not that of the NINO"):
        load_records(protocol, {"claimants": table("claimants").assign(digit=digits)}, folder=TINY)


def test_only_dates_that_cannot_be_read_are_named(protocol: TrialProtocol) -> None:
    spells = table("benefit").assign(end_date="soon")
    with pytest.raises(RecordError, match=r"'date_is_readable'(.|\n)*columns: end_date\)"):
        load_records(protocol, {"benefit": spells}, folder=TINY)
