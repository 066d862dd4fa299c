"""Running `python -m grader` as its users do, in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

from grader.records import Gradesheet, Status
from grader.reports import load_gradesheet

ROOT = Path(__file__).resolve().parents[2]


def environment() -> dict[str, str]:
    """This process's environment, with a terminal of 80 columns."""
    return {**os.environ, "COLUMNS": "80", "PYTHONPATH": str(ROOT)}


def grader(*arguments: str | Path, cwd: Path = ROOT, seconds: float = 240) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "grader", *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=environment(), timeout=seconds, check=False
    )


def only_gradesheet(output: Path) -> Gradesheet:
    """The one gradesheet below an output folder."""
    (file,) = output.glob("*/gradesheet.json")
    return load_gradesheet(file)


def with_status(sheet: Gradesheet, status: Status) -> list[str]:
    """The ids of the checks that ended so."""
    return [item.check for item in sheet.items if item.outcome.status is status]
