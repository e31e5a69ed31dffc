"""The files of printed numbers: read whole, or an error that says what is wrong."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from trialimpact.errors import ProtocolError, RecordError
from trialimpact.reproduce import read_published

REFERENCE = Path(__file__).parents[3] / "shared" / "reference" / "iap"


def test_what_comes_along() -> None:
    assert len(read_published("iap_2016")) == 166
    assert len(read_published("weekly_wsr_2018")) == 2
    with pytest.raises(ProtocolError, match="iap_2016"):
        read_published("iap_2061")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,value\na,1\n", "no column printed"),
        ("id,printed,colour\na,1,red\n", "nothing uses 'colour'"),
        ("id,printed\na,1\na,2\n", "'a' stands twice"),
        ("id,printed\na,\n", "line 2"),
        ("id,printed\na,1,2\n", "line 2"),
        ("", "no column id or printed"),
        ("id;printed\na;1\n", "no column id or printed"),
        ("id,printed\n", "there are no rows"),
        ("id,printed\na,3-4\nb,16/03/2015\n", "line 3"),
        ("id,printed\na-b,1\n", "line 2: id 'a-b'"),
        ("id,printed,star\na,1,yes\n", "star is 'yes', and may be 1, 0 or empty"),
        ("id,printed,says\na,1,impct\n", "says is 'impct'"),
        ("id,printed,rounding\na,1,nearest\n", "rounding is 'nearest'"),
        ("id,printed,claimed_rounding\na,1,2 sig figs\n", "claimed_rounding is '2 sig figs'"),
        ("id,printed,horizon_days\na,1,one year\n", "horizon_days is 'one year'"),
        ("id,printed,unit\na,12.5,n\n", "unit n is of whole numbers"),
        ("id,printed\na,5,000\n", "put numbers with commas in quotes"),
        ('id,printed\na,"1\n', "not a CSV file"),
        ("id,printed\na,\0\n", "not text"),
    ],
)
def test_a_file_that_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_text(text)
    with pytest.raises(RecordError, match=says):
        read_published(tmp_path / "numbers.csv")


def test_headers_and_cells_may_carry_spaces_and_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "numbers.csv").write_bytes("\ufeffid, printed\r\n a , 1 \r\n\r\n".encode())
    (number,) = read_published(tmp_path / "numbers.csv")
    assert (number.id, number.printed) == ("a", "1")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match="No such file"):
        read_published(tmp_path / "numbers.csv")


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference tables do not lie beside this clone")
def test_every_number_of_the_reference_is_there_as_printed() -> None:
    ours = {number.id: number for number in read_published("iap_2016")}
    n = 0
    for name in ("allocation", "flow", "misallocation", "matching", "cumulative", "figure_points"):
        with (REFERENCE / f"{name}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                mine = ours[row["id"]]
                assert row["unit"] == "date" or mine.printed == row["printed"].removeprefix("around ")
                n += 1
    with (REFERENCE / "table_6_1.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for arm in ("iap", "bau"):
                assert ours[f"{row['id']}.{arm}"].printed == row[f"{arm}_printed"]
            assert ours[f"{row['id']}.iap"].star == row["significant_5pct"]
            n += 3 if row["significant_5pct"] else 2
    for name in ("table_6_2", "table_6_3"):
        with (REFERENCE / f"{name}.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                mine = ours[row["id"]]
                printed = tuple(row[f"{cell}_printed"] for cell in ("central", "lower", "upper"))
                assert (mine.printed, mine.lower, mine.upper) == printed
                n += 3
    assert n == 262
