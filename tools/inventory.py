"""What the library stands on, by the metadata of what is installed: a bill of materials, a table of licences."""

from __future__ import annotations

import argparse
import json
import uuid
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "supply_chain.md"
BEGIN, END = "<!-- licences: begin, written by make licences -->", "<!-- licences: end -->"
EXTRAS = ("pyreadstat", "duckdb", "publish")
"""Extras that the development environment has; spark and acro bring trees of their own."""

WORDS = {
    "mit license": "MIT", "the mit license": "MIT", "apache 2.0": "Apache-2.0", "bsd": "BSD", "bsd license": "BSD",
    "2-clause bsd": "BSD-2-Clause", "apache software license": "Apache-2.0", "psfl": "PSF-2.0",
    "python software foundation license": "PSF-2.0", "isc license": "ISC", "isc license (iscl)": "ISC",
    "bsd 3-clause license": "BSD-3-Clause", "gnu general public license (gpl)": "GPL", "lgpl": "LGPL",
    "gnu library or lesser general public license (lgpl)": "LGPL",
}  # fmt: skip
"""What packages without a licence expression write, and what it says."""


def needs(found: Distribution, extras: frozenset[str]) -> dict[str, set[str]]:
    """The packages that a package asks for here, by name, each with the extras asked of it."""
    asked: dict[str, set[str]] = {}
    for line in found.requires or []:
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
            asked.setdefault(canonicalize_name(one.name), set()).update(one.extras)
    return asked


def closure(extras: tuple[str, ...] = ()) -> dict[str, list[str]]:
    """Everything that the library stands on: each package, and what it asks for."""
    edges: dict[str, list[str]] = {}
    waiting = [("trialimpact", frozenset(extras))]
    seen = set(waiting)
    while waiting:
        name, wanted = waiting.pop()
        try:
            asked = needs(distribution(name), wanted)
        except PackageNotFoundError:
            raise SystemExit(f"{name} is not installed") from None
        edges[name] = sorted({*edges.get(name, []), *asked})
        new = {(child, frozenset(more)) for child, more in asked.items()} - seen
        seen |= new
        waiting += sorted(new, key=lambda one: (one[0], sorted(one[1])))
    return dict(sorted(edges.items()))


def licence(name: str) -> str:
    """The licence that a package declares: an expression, else words, else its classifiers."""
    said = distribution(name).metadata
    if expression := said.get("License-Expression"):
        return str(expression)
    classes = [line.split("::")[-1].strip() for line in said.get_all("Classifier", []) if line.startswith("License ::")]
    short = (said.get("License") or "").strip()
    words = [short] if short and len(short) < 40 and "\n" not in short else classes
    return " OR ".join(sorted({WORDS.get(word.lower(), word) for word in words})) or "not declared"


def bill() -> dict[str, Any]:
    """A CycloneDX 1.6 bill of materials without a date; its number is that of its content."""
    edges = closure()
    links = {name: f"pkg:pypi/{name}@{distribution(name).version}" for name in edges}
    parts = [
        {
            "type": "application" if name == "trialimpact" else "library",
            "bom-ref": links[name],
            "name": name,
            "version": distribution(name).version,
            "licenses": [{"license": {"name": licence(name)}}],
            "purl": links[name],
        }
        for name in edges
    ]
    content = {
        "metadata": {"component": next(part for part in parts if part["name"] == "trialimpact")},
        "components": [part for part in parts if part["name"] != "trialimpact"],
        "dependencies": [{"ref": links[a], "dependsOn": [links[b] for b in asked]} for a, asked in edges.items()],
    }
    number = uuid.uuid5(uuid.NAMESPACE_OID, json.dumps(content, sort_keys=True))
    head = {"bomFormat": "CycloneDX", "specVersion": "1.6", "serialNumber": f"urn:uuid:{number}", "version": 1}
    return head | content


def table() -> str:
    """The licences of all that is needed, and of what extras add, as Markdown."""
    always, more = closure(), closure(EXTRAS)
    direct = needs(distribution("trialimpact"), frozenset())
    lines = ["| package | why | licence, as declared |", "| --- | --- | --- |"]
    for name in more:
        if name != "trialimpact":
            why = "needed" if name in direct else "needed by these" if name in always else "extra"
            lines.append(f"| {name} | {why} | {licence(name)} |")
    return "\n".join(lines)


def page() -> str:
    """The page with the table of today."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{rest.partition(END)[2]}"


def main() -> None:
    """Write the bill to a file, or the table into its page."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sbom", type=Path, metavar="FILE")
    arguments.add_argument("--licences", action="store_true")
    asked = arguments.parse_args()
    if asked.sbom:
        asked.sbom.parent.mkdir(parents=True, exist_ok=True)
        asked.sbom.write_text(json.dumps(bill(), indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if asked.licences:
        PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
