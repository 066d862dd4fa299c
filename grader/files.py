"""Where the project's own files are, and how a file of results is written."""

import os
import secrets
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
"""The folder of the repository."""

REFERENCE: Final = ROOT / "reference"
CHECKS: Final = ROOT / "tests" / "checks"
MISTAKES: Final = ROOT / "tests" / "submissions" / "wrong"
DATA: Final = ROOT / "grader" / "data"


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step, whatever happens meanwhile.

    The content is written to a hidden file beside `path`, forced onto the disk, and renamed. An exception, a
    full disk or a killed process leaves the old file as it was; an exception leaves nothing else behind
    either.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
