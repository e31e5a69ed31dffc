"""Bad input that is no small file: frames of other libraries, links, folders, files that vanish, bombs, huge fields."""

from __future__ import annotations

import datetime as dt
import gzip
import os
import tomllib
from collections.abc import Callable
from decimal import Decimal
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from bad_input import BASES, TABLES, Answer, answer_of, assert_answer
from command_line import run

import trialimpact as ti

TINY = BASES["tiny"]
pytestmark = pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(TINY / TABLES[name], dtype=str)


def answer(**tables: Any) -> Answer:
    return answer_of(ti.analyse_trial(TINY / "protocol.toml", tables))


def refused(**tables: Any) -> str:
    with pytest.raises(ti.RecordError) as caught:
        ti.analyse_trial(TINY / "protocol.toml", tables)
    said = str(caught.value)
    assert "remedy: " in said
    assert "QQ1" not in said
    assert not [word for word in ("pyarrow", "ArrowInvalid", "Error", "dtype", "object at") if word in said]
    return said


JOBS = table("employment")
DAYS = {name: [None if pd.isna(day) else dt.date.fromisoformat(day) for day in JOBS[name]] for name in JOBS.columns[1:]}
WHO = JOBS["claimant_id"].tolist()

SAME: dict[str, Callable[[], Any]] = {
    "polars": lambda: pl.from_pandas(JOBS),
    "polars dates": lambda: pl.DataFrame({"claimant_id": WHO, **DAYS}),
    "polars datetimes": lambda: pl.DataFrame({"claimant_id": WHO, **DAYS}).with_columns(
        pl.col("start_date", "end_date").cast(pl.Datetime("us"))
    ),
    "polars categories": lambda: pl.from_pandas(JOBS).with_columns(pl.col("claimant_id").cast(pl.Categorical)),
    "arrow views": lambda: pa.table({name: pa.array(JOBS[name], pa.string_view()) for name in JOBS}),
    "arrow large text": lambda: pa.table({name: pa.array(JOBS[name], pa.large_string()) for name in JOBS}),
    "arrow days to the millisecond": lambda: pa.table(
        {"claimant_id": WHO, **{name: pa.array(days, pa.date64()) for name, days in DAYS.items()}}
    ),
    "arrow in chunks": lambda: pa.concat_tables([pa.Table.from_pandas(JOBS).slice(row, 1) for row in range(3)]),
    "categories": lambda: JOBS.astype("category"),
    "nullable text": lambda: JOBS.astype("string"),
    "an index of text": lambda: JOBS.set_index(pd.Index(["b", "a", "b"])),
    "timestamps": lambda: JOBS.assign(start_date=pd.to_datetime(JOBS["start_date"])),
    "periods as objects": lambda: JOBS.assign(start_date=[pd.Timestamp(day) for day in JOBS["start_date"]]).astype(
        {"start_date": object}
    ),
}

WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "polars with a zone": (
        lambda: pl.DataFrame({"claimant_id": WHO, **DAYS}).with_columns(
            pl.col("start_date").cast(pl.Datetime("us")).dt.replace_time_zone("Europe/London")
        ),
        "'date_is_readable'",
    ),
    "polars times": (
        lambda: pl.from_pandas(JOBS).with_columns(start_date=pl.lit(dt.time(9))),
        "'date_is_readable'",
    ),
    "polars lists": (
        lambda: pl.from_pandas(JOBS).with_columns(claimant_id=pl.concat_list("claimant_id")),
        "a column of it holds what cannot be read",
    ),
    "polars nothing": (pl.DataFrame, "there is no column 'claimant_id'"),
    "polars not yet collected": (lambda: pl.from_pandas(JOBS).lazy(), "is not a table"),
    "arrow durations": (
        lambda: pa.table({"claimant_id": WHO, "start_date": pa.array([1, 2, 3], pa.duration("s")), "end_date": WHO}),
        "'date_is_readable'",
    ),
    "arrow two columns of one name": (
        lambda: pa.Table.from_arrays([pa.array(WHO)] * 4, names=["claimant_id", "start_date", "end_date", "end_date"]),
        "2 columns are called 'end_date'",
    ),
    "numbers": (lambda: JOBS.assign(start_date=[43838, 43840, 43832]), "'date_is_readable'"),
    "mixed": (lambda: JOBS.assign(start_date=["2020-01-08", 43840, None]), "'column_has_one_type'"),
    "nullable numbers": (lambda: JOBS.assign(start_date=pd.array([1, None, 3], dtype="Int64")), "'date_is_readable'"),
    "yes and no": (lambda: JOBS.assign(start_date=[True, False, True]), "'date_is_readable'"),
    "decimals": (lambda: JOBS.assign(claimant_id=[Decimal(1), Decimal(2), Decimal("NaN")]), "'claimant_id_is_valid'"),
    "complex numbers": (lambda: JOBS.assign(claimant_id=[1j, 2j, 3j]), "'claimant_id_is_valid'"),
    "columns at two levels": (
        lambda: JOBS.set_axis(pd.MultiIndex.from_product([["a"], JOBS.columns]), axis=1),
        "there is no column 'claimant_id'",
    ),
    "a list": (lambda: [1, 2], "a list is not a table"),
    "nothing": (lambda: None, "a NoneType is not a table"),
    "a series": (lambda: JOBS["claimant_id"], "is not a table"),
    "a folder": (lambda: TINY, "'file_ending_is_known'"),
    "bytes": (lambda: b"claimant_id", "a bytes is not a table"),
}


@pytest.mark.parametrize("dress", SAME)
def test_the_same_table_in_another_dress(dress: str) -> None:
    if dress == "polars categories" and int(version("pyarrow").split(".")[0]) < 23:
        pytest.skip("pyarrow before 23 does not turn codes of Polars into pandas: an error says that text is wanted")
    assert_answer(answer(employment=SAME[dress]()), "same", "tiny")


@pytest.mark.parametrize("dress", WRONG)
def test_a_frame_that_is_wrong(dress: str) -> None:
    make, words = WRONG[dress]
    assert words in refused(employment=make())


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), 1e308])
def test_a_characteristic_without_end(value: float) -> None:
    folder = BASES["assigned"]
    people = pd.read_csv(folder / "claimants.csv").assign(earnings=[value, *range(11)])
    with pytest.raises(
        ti.DesignError, match="'Earnings' is numeric, and 'earnings' holds text, or no finite amount, of 1 people"
    ):
        ti.analyse_trial(folder / "protocol.toml", {"claimants": people})


@pytest.mark.parametrize("dtype", ["Int64", "Float64", "float32", "int64[pyarrow]", "category"])
def test_a_characteristic_in_another_dress(dtype: str) -> None:
    folder = BASES["assigned"]
    people = pd.read_csv(folder / "claimants.csv")
    found = ti.analyse_trial(folder / "protocol.toml", {"claimants": people.astype({"earnings": dtype})})
    assert_answer(answer_of(found), "same", "assigned")


def copied(folder: Path) -> Path:
    """The tiny trial in a folder of its own."""
    folder.mkdir()
    for path in TINY.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def said_by_both_doors(folder: Path, out: Path) -> str:
    with pytest.raises((ti.RecordError, ti.ProtocolError)) as caught:
        ti.analyse_trial(folder / "protocol.toml")
    done = run("analyse", folder / "protocol.toml", "--out", out, "--quick", "--quiet")
    assert done.stderr == f"error: {caught.value}\n"
    assert done.returncode in (1, 2)
    assert not out.exists()
    assert "Error" not in done.stderr
    return done.stderr


def test_links_and_folders(tmp_path: Path) -> None:
    folder = copied(tmp_path / "trial")
    people = folder / "claimants.csv"
    people.rename(folder / "elsewhere.csv")
    people.symlink_to(folder / "elsewhere.csv")
    assert_answer(answer_of(ti.analyse_trial(folder / "protocol.toml")), "same", "tiny")
    people.unlink()
    people.symlink_to(folder / "gone.csv")
    assert "is a link to what is not there ('file_exists')" in said_by_both_doors(folder, tmp_path / "out")
    people.unlink()
    people.symlink_to(people)
    assert "'file_exists'" in said_by_both_doors(folder, tmp_path / "out")
    people.unlink()
    people.mkdir()
    assert "'file_exists'" in said_by_both_doors(folder, tmp_path / "out")


def test_a_pipe_is_no_file(tmp_path: Path) -> None:
    folder = copied(tmp_path / "trial")
    (folder / "claimants.csv").unlink()
    os.mkfifo(folder / "claimants.csv")
    assert "is a pipe or a device ('file_exists')" in said_by_both_doors(folder, tmp_path / "out")


@pytest.mark.parametrize(
    ("error", "words"),
    [(PermissionError(13, "no"), "may not be read by you"), (FileNotFoundError(2, "no"), "vanished while it was read")],
)
@pytest.mark.parametrize("first", ["why_no_csv", "file_sha256"])
def test_a_file_that_may_not_be_read_or_vanishes(error: OSError, words: str, first: str, tmp_path: Path) -> None:
    with mock.patch(f"trialimpact.loaders.files.{first}", side_effect=error):
        said = said_by_both_doors(copied(tmp_path / "trial"), tmp_path / "out")
    assert words in said
    assert "remedy: " in said


def test_a_protocol_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ti.ProtocolError, match="the protocol cannot be read"):
        ti.analyse_trial(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    done = run("analyse", TINY / "protocol.toml", "--out", tmp_path / "out", "--quick", "--quiet")
    tmp_path.chmod(0o700)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_results_go_nowhere_near_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "out"):
        done = run("analyse", TINY / "protocol.toml", "--out", out, "--quick", "--quiet")
        assert done.returncode == 2
        assert "Traceback" not in done.stderr and "remedy: " in done.stderr
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("filling", ["\n", "0", "x,", '"'])
def test_a_small_file_that_unpacks_to_sixteen_megabytes(filling: str, tmp_path: Path) -> None:
    folder = copied(tmp_path / "trial")
    content = (folder / "employment_spells.csv").read_bytes() + filling.encode() * (2**24 // len(filling))
    design = (folder / "protocol.toml").read_text().replace("employment_spells.csv", "bomb.csv.gz")
    (folder / "protocol.toml").write_text(design)
    (folder / "bomb.csv.gz").write_bytes(gzip.compress(content, 6, mtime=0))
    if filling == "\n":
        assert_answer(answer_of(ti.analyse_trial(folder / "protocol.toml")), "same", "tiny")
    else:
        assert "employment: " in said_by_both_doors(folder, tmp_path / "out")


def test_a_note_of_three_megabytes_that_nobody_asked_for(tmp_path: Path) -> None:
    folder = copied(tmp_path / "trial")
    header, first, *others = (folder / "employment_spells.csv").read_text().splitlines()
    rows = [f"{header},note", f"{first},{'x' * (3 << 20)}", *(f"{row}," for row in others)]
    (folder / "employment_spells.csv").write_text("\n".join(rows) + "\n")
    assert_answer(answer_of(ti.analyse_trial(folder / "protocol.toml")), "same", "tiny")


def test_a_field_of_two_megabytes(tmp_path: Path) -> None:
    for name, column in (("claimants", "claimant_id"), ("markers", "marker"), ("benefit", "start_date")):
        frame = table(name)
        frame.loc[0, column] = "x" * 2**21
        said = refused(**{name: frame})
        assert f"{name}: 1 of {len(frame)} row breaks" in said
        assert len(said) < 2_000


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (lambda people: people.assign(gender=["QQ100001A", *people["gender"][1:]]), "label_holds_no_identifier"),
        (lambda people: people.assign(gender=[[each] for each in people["gender"]]), "column_has_one_type"),
        (
            lambda people: people.assign(gender=pd.Categorical([1, *people["gender"][1:]])),
            "column_has_one_type",
        ),
    ],
    ids=["a NINO", "lists", "categories of numbers and text"],
)
def test_a_characteristic_that_is_none(change: Callable[[pd.DataFrame], pd.DataFrame], rule: str) -> None:
    assert f"'{rule}'" in refused(claimants=change(table("claimants")))


@pytest.mark.parametrize("form", ["tm", "ty", "tq", "tw", "th"])
def test_months_and_years_of_stata_are_no_dates(form: str, tmp_path: Path) -> None:
    jobs = JOBS.assign(start_date=pd.to_datetime(JOBS["start_date"]))
    jobs.to_stata(tmp_path / "jobs.dta", write_index=False, convert_dates={"start_date": form})
    assert "3 of 3 rows break 'date_is_readable'" in refused(employment=tmp_path / "jobs.dta")
    jobs.to_stata(tmp_path / "jobs.dta", write_index=False, convert_dates={"start_date": "td"})
    assert_answer(answer(employment=tmp_path / "jobs.dta"), "same", "tiny")


def test_a_stream_that_was_read_before_is_refused() -> None:
    stream = pa.Table.from_pandas(JOBS).to_reader()
    stream.read_all()
    with pytest.raises(ti.RecordError, match=r"employment: a RecordBatchReader has no rows left.*\n.*read_all"):
        ti.analyse_trial(TINY / "protocol.toml", {"employment": stream})


@pytest.mark.parametrize("column", ["claimant_id", "birth_date"])
def test_who_somebody_is_is_no_characteristic(column: str) -> None:
    design = tomllib.loads((TINY / "protocol.toml").read_text())
    design["sources"]["claimants"]["columns"] = {"gender": column}
    with pytest.raises(ti.ProtocolError, match=f"{column} says who somebody is"):
        ti.TrialProtocol.from_dict(design)
