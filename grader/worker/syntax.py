"""Whether a syntax error is one at all, or code for a newer Python than this one.

ruff's parser knows the grammar of every version, and when a piece of syntax was added.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

ADDED = re.compile(r"syntax was added in Python (\d+)\.(\d+)")
SECONDS = 5.0
NEWEST = "py314"


def python_needed(filename: str) -> str | None:
    """The oldest Python that can read a file which this one cannot, such as `3.12`; None if none is known."""
    if _complaints(filename, NEWEST) != []:
        return None
    here = _complaints(filename, f"py{sys.version_info.major}{sys.version_info.minor}") or []
    versions = [(int(major), int(minor)) for said in here for major, minor in ADDED.findall(said)]
    return ".".join(map(str, max(versions))) if versions else None


def _complaints(filename: str, version: str) -> list[str] | None:
    """What ruff says of a file's syntax, None if it cannot be asked."""
    ruff = Path(sys.prefix, "bin", "ruff")
    options = ("check", "--isolated", "--no-cache", "--select", "E9", "--output-format", "json", "--target-version")
    try:
        asked = subprocess.run(  # noqa: S603 - our own command, on a file that nobody but this sandbox reads
            [ruff, *options, version, filename],
            capture_output=True,
            timeout=SECONDS,
            check=False,
            env={**os.environ, "RAYON_NUM_THREADS": "1"},
        )
        return [str(one["message"]) for one in json.loads(asked.stdout)]
    except (OSError, ValueError, KeyError, TypeError, subprocess.SubprocessError):
        return None
