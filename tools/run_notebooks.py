"""Run every notebook from top to bottom, in a copy; fail if one fails or is stored with output."""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"


def main() -> int:
    """Return the number of notebooks that are wrong."""
    wrong = 0
    for path in sorted(FOLDER.glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        if any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells):
            print(f"{path.name}: stored with output; clear it")
            wrong += 1
        NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(FOLDER)}}).execute()
        print(f"{path.name}: {len(notebook.cells)} cells ran")
    return wrong


if __name__ == "__main__":
    sys.exit(main())
