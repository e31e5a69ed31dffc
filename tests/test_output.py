"""What is written is written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from trialimpact import OutputError
from trialimpact.output import write_whole


def fill(text: str):
    def write(folder: Path) -> None:
        (folder / "manifest.json").write_text(text)

    return write


def test_a_new_folder_and_its_parents(tmp_path: Path) -> None:
    out = write_whole(tmp_path / "a" / "b", fill("one"))
    assert (out / "manifest.json").read_text() == "one"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_earlier_analysis_is_replaced_whole(tmp_path: Path) -> None:
    out = write_whole(tmp_path / "b", fill("one"))
    (out / "stale.csv").write_text("old")
    write_whole(out, fill("two"))
    assert [path.name for path in out.iterdir()] == ["manifest.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(OutputError, match="not empty, and not written by trialimpact"):
        write_whole(tmp_path, fill("x"))
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError):
        write_whole(file, fill("x"))
    assert (tmp_path / "thesis.doc").read_text() == "years of work"


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bug")])
def test_a_failure_half_way_leaves_nothing_new(tmp_path: Path, earlier: bool, error: BaseException) -> None:
    if earlier:
        write_whole(tmp_path / "b", fill("one"))

    def stumble(folder: Path) -> None:
        fill("half")(folder)
        raise error

    with pytest.raises((OutputError, KeyboardInterrupt, ValueError)) as caught:
        write_whole(tmp_path / "b", stumble)
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == (["b"] if earlier else [])
    if earlier:
        assert (tmp_path / "b" / "manifest.json").read_text() == "one"


def test_a_parent_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_whole(tmp_path / "file" / "b", fill("x"))
