"""The code that pages show runs as it stands there."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from command_line import run

from trialimpact.protocol import parse_protocol
from trialimpact.protocol.conditions import Condition

ROOT = Path(__file__).parents[2]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / page).read_text(), flags=re.DOTALL)


@pytest.mark.parametrize(
    "page",
    [
        "README.md",
        "docs/tutorial.md",
        "docs/reproduce.md",
        "docs/engines.md",
        "docs/publishing.md",
        "docs/howto.md",
        "docs/other_trials.md",
    ],
)
@pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
def test_python(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    found = blocks(page, "python")
    assert found
    exec("\n".join(found), {})  # noqa: S102


def test_the_protocol_in_the_readme() -> None:
    (text,) = blocks("README.md", "toml")
    assert [contrast.name for contrast in parse_protocol(text, "README.md").contrasts] == ["weekly", "daily"]


def test_conditions_in_the_protocol_page() -> None:
    import tomllib

    from pydantic import TypeAdapter

    (text,) = blocks("docs/protocol.md", "toml")
    inner = '{ column = "x", equals = 1 }'
    lines = [line.replace("{...}", inner) for line in text.splitlines()]
    assert len(lines) == 9
    for line in lines:
        TypeAdapter(Condition).validate_python(tomllib.loads(line)["where"])


def test_every_key_of_a_protocol_is_explained() -> None:
    import json

    page = (ROOT / "docs" / "protocol.md").read_text()
    schema = json.loads((ROOT / "docs" / "protocol.schema.json").read_text())
    for definition in (schema, *schema["$defs"].values()):
        for key in definition.get("properties", {}):
            assert any(form.format(key) in page for form in ("`{}`", "[{}", ".{}]", "{} =")), key


def test_every_target_of_the_makefile_that_pages_name_exists() -> None:
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    for page in (
        "README.md",
        "CONTRIBUTING.md",
        "docs/tutorial.md",
        "docs/performance.md",
        "docs/reproduce.md",
        "docs/versions.md",
        "docs/supply_chain.md",
        "data/synthetic/iap/README.md",
    ):
        named = set(re.findall(r"(?:`| {4})make ([a-z0-9-]+)", (ROOT / page).read_text()))
        assert named <= targets, page


def test_every_column_of_published_numbers_is_explained() -> None:
    from trialimpact.reproduce.published import COLUMNS

    page = (ROOT / "docs" / "reproduce.md").read_text()
    assert all(f"`{column}`" in page for column in COLUMNS)


@pytest.mark.filterwarnings("ignore::trialimpact.TrialWarning")
def test_every_column_is_in_the_dictionary() -> None:
    from trials import short_trial

    import trialimpact as ti

    page = (ROOT / "docs" / "dictionary.md").read_text()
    results = ti.analyse_trial(*short_trial(200, seed=1, subgroups=2)).results()
    released = ti.release_results(results, "ons_10_5").frames
    columns = {column for frames in (results.frames, released) for frame in frames.values() for column in frame.columns}
    assert not {column for column in columns - {"suppressed"} if f"`{column}`" not in page}


def test_commands_of_other_trials(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    commands = [shlex.split(line) for block in blocks("docs/other_trials.md", "bash") for line in block.splitlines()]
    assert len(commands) == 2
    for program, *arguments in commands:
        assert program == "trialimpact"
        assert run(*arguments).returncode == 0, arguments
    assert (tmp_path / "monitoring" / "monitor.html").is_file()
