"""Ask pip-audit about every pin. Exit 0: all looked up, none known to be vulnerable; 1: some are; 3: not known.

pip-audit says "no known vulnerabilities" and exits 0 when a package is not in the database it asks, so that
an empty database looks clean. Here a package that was not looked up is not clean.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

CLEAN, VULNERABLE, UNKNOWN = 0, 1, 3
COMMAND = ["--disable-pip", "--no-deps", "--format=json", "--progress-spinner=off", "--timeout=10"]


def verdict(answer: str, pins: int) -> tuple[int, str]:
    """Exit code and words, from what pip-audit printed and the number of pins that it was asked about."""
    try:
        found: list[dict[str, Any]] = json.loads(answer)["dependencies"]
    except (ValueError, KeyError, TypeError):
        return UNKNOWN, "not known: the vulnerability database could not be reached"
    asked = [each for each in found if "vulns" in each]
    bad = [each for each in asked if each["vulns"]]
    lines = [f"{each['name']} {each['version']}: {', '.join(v['id'] for v in each['vulns'])}" for each in bad]
    missing = pins - len(asked)
    if missing:
        lines.append(f"not known: {missing} of {pins} pins were not looked up in the vulnerability database")
    elif not bad:
        lines.append(f"{pins} pins looked up, none known to be vulnerable")
    return VULNERABLE if bad else UNKNOWN if missing else CLEAN, "\n".join(lines)


def main() -> int:
    """Ask about a constraints file."""
    path = Path(sys.argv[1])
    pins = sum("==" in line for line in path.read_text().splitlines())
    command = [sys.executable, "-m", "pip_audit", *COMMAND, "-r", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: PLW1510, S603
    code, words = verdict(done.stdout, pins)
    print(words)
    return code


if __name__ == "__main__":
    sys.exit(main())
