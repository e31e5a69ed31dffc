"""What is written is written whole or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from trialimpact import OutputError
from trialimpact.whole import whole_file, write_whole


def fill(text: str):
    def write(folder: Path) -> dict[str, str]:
        (folder / "sub").mkdir()
        (folder / "sub" / "a.txt").write_text(text)
        return {"said": text}

    return write


def write_to(out: Path | str, text: str) -> Path:
    return write_whole(out, fill(text), mark="test")


def test_a_new_folder_and_its_parents(tmp_path: Path) -> None:
    out = write_to(tmp_path / "a" / "b", "one")
    assert (out / "sub" / "a.txt").read_text() == "one"
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest == {"mark": "test", "said": "one", "files": {"sub/a.txt": hashlib.sha256(b"one").hexdigest()}}
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["b"]


def test_an_earlier_analysis_is_replaced_whole(tmp_path: Path) -> None:
    out = write_to(tmp_path / "b", "one")
    write_to(out, "two")
    assert (out / "sub" / "a.txt").read_text() == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.doc").write_text("years of work")
    with pytest.raises(OutputError, match="not empty, and not only what trialimpact wrote"):
        write_to(tmp_path, "x")
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(OutputError):
        write_to(file, "x")
    assert (tmp_path / "thesis.doc").read_text() == "years of work"


@pytest.mark.parametrize("earlier", [False, True])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("bug")])
def test_a_failure_half_way_leaves_nothing_new(tmp_path: Path, earlier: bool, error: BaseException) -> None:
    if earlier:
        write_to(tmp_path / "b", "one")

    def stumble(folder: Path) -> dict[str, str]:
        fill("half")(folder)
        raise error

    with pytest.raises((OutputError, KeyboardInterrupt, ValueError)) as caught:
        write_whole(tmp_path / "b", stumble, mark="test")
    if isinstance(error, OSError):
        assert "No space left on device" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == (["b"] if earlier else [])
    if earlier:
        assert (tmp_path / "b" / "sub" / "a.txt").read_text() == "one"


def test_a_parent_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_to(tmp_path / "file" / "b", "x")


@pytest.mark.parametrize(
    "prepare",
    [
        lambda out: (out / "notes.txt").write_text("mine"),
        lambda out: (out / "manifest.json").write_text('{"mark": "other", "files": {"sub/a.txt": ""}}'),
        lambda out: (out / "manifest.json").write_text('{"manifest_version": 3}'),
        lambda out: (out / "manifest.json").write_text("[]"),
    ],
)
def test_a_folder_with_anything_that_is_not_ours_is_left_alone(tmp_path: Path, prepare) -> None:
    out = write_to(tmp_path / "b", "one")
    prepare(out)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    with pytest.raises(OutputError, match="not only what trialimpact wrote"):
        write_to(out, "two")
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before


def test_a_link_to_a_folder_writes_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    write_to(tmp_path / "link", "one")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "sub" / "a.txt").read_text() == "one"


def test_what_was_changed_by_hand_is_not_written_over(tmp_path: Path) -> None:
    out = write_to(tmp_path / "b", "one")
    (out / "sub" / "a.txt").write_text("one, and notes of mine")
    with pytest.raises(OutputError, match=r"sub/a\.txt, changed since"):
        write_to(out, "two")
    assert (out / "sub" / "a.txt").read_text() == "one, and notes of mine"


def test_a_folder_of_another_kind_is_not_written_over(tmp_path: Path) -> None:
    out = write_to(tmp_path / "b", "one")
    with pytest.raises(OutputError, match="written as test"):
        write_whole(out, fill("two"), mark="another")


def test_a_home_is_found_as_a_shell_would(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert write_to("~/results", "one") == tmp_path / "home" / "results"
    assert write_to("~nobody is called so/results", "one") == Path("~nobody is called so/results")
    with whole_file("~/moments.npz") as stream:
        stream.write(b"x")
    assert {each.name for each in (tmp_path / "home").iterdir()} == {"results", "moments.npz"}


@pytest.mark.parametrize("name", ["", "x" * 300, "a\0b"])
def test_a_name_that_is_none(name: str) -> None:
    with pytest.raises(OutputError, match="the folder to write"):
        write_to(name, "one")
