"""The benchmarks run, and their page shows what they have kept; how fast anything is, no test says."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def run(*command: str) -> str:
    """What a benchmark prints."""
    command = (sys.executable, *command)
    return subprocess.run(command, cwd=BENCHMARKS, capture_output=True, text=True, check=True).stdout


def test_page_shows_what_is_kept():
    """`docs/speed.md` is what `python benchmarks/page.py` writes: nobody edits it, and it is never behind."""
    page = BENCHMARKS.parent / "docs" / "speed.md"
    assert page.read_text(encoding="utf-8") == run("-c", "import page; print(page.text(), end='')")


@pytest.mark.parametrize(
    ("script", "options", "expected"),
    [
        pytest.param(
            "models.py",
            "--mode inference --precision fp32 --batch 1 --size 32 --device cpu",
            "transformers",
            marks=pytest.mark.nightly,
        ),
        ("data.py", "--images 2", "load pets"),
    ],
)
def test_benchmarks_run(script: str, options: str, expected: str):
    """One round of each prints a table with its rows, and keeps nothing unless it is asked to."""
    kept = {file: file.read_bytes() for file in (BENCHMARKS / "measured").iterdir()}
    assert expected in run(script, "--rounds", "1", *options.split())
    assert {file: file.read_bytes() for file in (BENCHMARKS / "measured").iterdir()} == kept


def test_checks_run_in_one_process(example):
    """What a grading is held against judges as the grader does."""
    told = json.loads(run("in_process.py", str(example), "metrics").splitlines()[-1])["status"]
    assert [check for check, status in told.items() if status != "passed"] == ["metrics.absent_classes"]
    assert set(told.values()) == {"passed", "failed"}
