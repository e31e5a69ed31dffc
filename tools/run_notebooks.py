"""Run every notebook from top to bottom, in a copy; fail if one fails or is stored with output."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def run(path: Path) -> str:
    """Run one notebook; what is wrong with it, or nothing. An error in a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
    print(f"{path.name}: {len(notebook.cells)} cells ran", flush=True)
    stored = any(cell.get("outputs") or cell.get("execution_count") for cell in nbformat.read(path, as_version=4).cells)
    return f"{path.name}: stored with output; clear it" if stored else ""


def main() -> int:
    """Return the number of notebooks that are wrong."""
    with ProcessPoolExecutor(max_workers=2) as pool:
        wrong = [says for says in pool.map(run, sorted(FOLDER.glob("*.ipynb"))) if says]
    print("\n".join(wrong), end="\n" if wrong else "")
    return len(wrong)


if __name__ == "__main__":
    sys.exit(main())
