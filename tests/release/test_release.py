"""What a release is made of: archives of the same bytes, papers that agree with each other, a surface that moves on purpose."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import distributions, version
from importlib.util import find_spec
from pathlib import Path

import audit_dependencies
import inventory
import public_surface
import pytest
import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
ALLOWED = {
    *("MIT", "MIT-CMU", "BSD", "BSD-2-Clause", "BSD-3-Clause", "0BSD", "Apache-2.0", "PSF", "PSF-2.0", "ISC", "Zlib", "CC0-1.0"),
    "MPL-2.0",
}  # fmt: skip
IS_WHOLE = pytest.mark.skipif(find_spec("lifelines") is None, reason="on pandas 3 not every dependency is there")
IS_CHECKOUT = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="archives are built from a commit")


def pins(path: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)", (ROOT / path).read_text(), flags=re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): number for name, number in found}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, bytes]]:
    """Built in two clones of different names, with different umasks, homes of time and litter."""
    pytest.importorskip("setuptools", minversion="77")
    made = []
    for name, umask in (("one", 0o022), ("another place", 0o077)):
        clone, out = (tmp_path_factory.mktemp("build") / part for part in (name, "out"))
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True, umask=umask)
        (clone / "src" / "trialimpact" / "litter.toml").write_text("", encoding="utf-8")
        command = [sys.executable, str(clone / "tools" / "build.py"), "--out", str(out)]
        subprocess.run(command, check=True, umask=umask, capture_output=True)
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
        shutil.rmtree(clone)
    return made


@IS_CHECKOUT
@pytest.mark.slow
def test_two_builds_are_the_same_bytes(archives: list[dict[str, bytes]]) -> None:
    one, other = archives
    name = f"trialimpact-{PROJECT['version']}"
    assert set(one) == {f"{name}-py3-none-any.whl", f"{name}.tar.gz"}
    assert one == other


@IS_CHECKOUT
@pytest.mark.slow
def test_the_wheel_is_the_package_and_nothing_else(archives: list[dict[str, bytes]], tmp_path: Path) -> None:
    (name,) = (name for name in archives[0] if name.endswith(".whl"))
    (tmp_path / name).write_bytes(archives[0][name])
    with zipfile.ZipFile(tmp_path / name) as wheel:
        inside = {path for path in wheel.namelist() if ".dist-info/" not in path}
        assert any(path.endswith("licenses/LICENSE") for path in wheel.namelist())
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-tree", "-r", "--name-only", "HEAD", "src"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert inside == {path.removeprefix("src/") for path in listed.stdout.split("\n") if path}
    assert {"trialimpact/py.typed", "trialimpact/protocols/iap.toml", "trialimpact/disclosure/packs.toml"} <= inside


@IS_CHECKOUT
@pytest.mark.slow
def test_the_sdist_has_no_tests_and_no_data(archives: list[dict[str, bytes]], tmp_path: Path) -> None:
    (name,) = (name for name in archives[0] if name.endswith(".gz"))
    (tmp_path / name).write_bytes(archives[0][name])
    with tarfile.open(tmp_path / name) as sdist:
        tops = {member.name.split("/")[1] for member in sdist.getmembers() if member.isfile()}
    assert tops == {
        *("src", "pyproject.toml", "setup.cfg", "PKG-INFO", "README.md", "LICENSE", "MANIFEST.in", "CHANGELOG.md"),
        *("CITATION.cff", "constraints.txt", "requirements-hashed.txt"),
    }


def test_versions_agree() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert citation["version"] == PROJECT["version"] == version("trialimpact")
    assert f"## {PROJECT['version']}" in (ROOT / "CHANGELOG.md").read_text()
    assert citation["cff-version"] == "1.2.0"
    assert citation["license"] == PROJECT["license"] == "MIT"
    assert citation["authors"] == [{"name": "The trialimpact authors"}]
    assert (ROOT / "LICENSE").read_text().startswith("MIT License")


@IS_WHOLE
def test_hashes_are_of_the_pins() -> None:
    """The same versions in both files, every one with hashes, and all that the library needs among them."""
    text = (ROOT / "requirements-hashed.txt").read_text()
    hashed, pinned = pins("requirements-hashed.txt"), pins("constraints.txt")
    assert {name: number for name, number in hashed.items() if name != "colorama"} == {
        name: pinned[name] for name in hashed if name != "colorama"
    }  # colorama: Windows alone
    assert all("--hash=sha256:" in part for part in re.split(r"\n(?=\S)", text.strip()))
    assert "//" not in text
    there = {each.metadata["Name"].lower(): each.version for each in distributions()}
    if all(there.get(name) == pinned[name] for name in hashed if name != "colorama"):
        assert set(inventory.closure()) - {"trialimpact"} <= set(hashed)


def needs_pins() -> None:
    pinned = pins("constraints.txt")
    if any(version(name) != pinned.get(name) for name in inventory.closure() if name != "trialimpact"):
        pytest.skip("installed are other versions than constraints.txt pins")


@IS_WHOLE
def test_every_dependency_has_a_licence_that_is_allowed() -> None:
    for name in inventory.closure():
        declared = re.split(r" AND | OR ", inventory.licence(name))
        assert set(declared) <= ALLOWED, f"{name}: {declared}"


@IS_WHOLE
def test_the_table_of_licences_is_current() -> None:
    needs_pins()
    pytest.importorskip("gptables")
    assert inventory.page() == inventory.PAGE.read_text(), "make licences"


@IS_WHOLE
def test_the_bill_of_materials_is_complete_and_says_no_time() -> None:
    bill = inventory.bill()
    assert json.dumps(bill) == json.dumps(inventory.bill())
    assert "timestamp" not in json.dumps(bill)
    references = {part["bom-ref"] for part in [*bill["components"], bill["metadata"]["component"]]}
    assert {link["ref"] for link in bill["dependencies"]} == references
    assert all(set(link["dependsOn"]) <= references for link in bill["dependencies"])
    names = {part["name"] for part in bill["components"]}
    assert {re.split(r"[><=\[]", line)[0] for line in PROJECT["dependencies"]} <= names


@pytest.mark.parametrize(
    ("answer", "code", "words"),
    [
        ("", 3, "could not be reached"),
        ('{"dependencies": [{"name": "a", "skip_reason": "not found"}, {"name": "b", "version": "1", "vulns": []}]}', 3, "1 of 2"),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": []}, {"name": "b", "version": "1", "vulns": []}]}', 0, "none known"),
        ('{"dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1"}]}]}', 1, "a 1: CVE-1\nnot known: 1 of 2"),
    ],
)  # fmt: skip
def test_what_was_not_looked_up_is_not_clean(answer: str, code: int, words: str) -> None:
    exit_code, said = audit_dependencies.verdict(answer, 2)
    assert exit_code == code
    assert words in said


def test_the_public_surface_moves_on_purpose() -> None:
    """If it should have moved: `make surface`, look at the difference, and say it in CHANGELOG.md."""
    assert public_surface.surface() == public_surface.STORED.read_text()
