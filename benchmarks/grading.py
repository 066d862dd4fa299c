"""How long a grading takes, as its user sees it: whole processes, one warm-up, then several runs under each isolation.

What isolation costs is a ratio within one run: the tiers take turns. Exit code 1 tells that it is over the bound.

python benchmarks/grading.py --runs 5
"""

import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from cyclopts import run
from rich.console import Console
from rich.progress import track
from rich.table import Table

from grader.records import Isolation
from grader.reports import load_gradesheet
from grader.sandbox.tiers import why_unavailable

ROOT = Path(__file__).resolve().parents[1]


def grade(source: Path, isolation: Isolation, *, training: bool) -> tuple[float, dict[str, float]]:
    """Wall seconds of one grading, and those of its stages."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "grader", str(source), "--output", output, "--seed", "1"]
        command.append("--training" if training else "--no-training")
        began = time.perf_counter()
        subprocess.run([*command, "--isolation", isolation.value], cwd=ROOT, capture_output=True, check=False)  # noqa: S603
        seconds = time.perf_counter() - began
        (file,) = Path(output).glob("*/gradesheet.json")
        return seconds, load_gradesheet(file).timings.stages


def main(
    source: Path = ROOT / "examples" / "group_7", *, runs: int = 5, bound: float = 1.10, training: bool = False
) -> None:
    """Measure and print a table.

    Args:
        source: What to grade.
        runs: How often, under each isolation that works here.
        bound: The most that a grading under isolation may take, as a multiple of one without.
        training: Run the smoke trainings, too.
    """
    tiers = [tier for tier in Isolation if tier is Isolation.NONE or why_unavailable(tier) is None]
    grade(source, tiers[0], training=training)
    order = [tier for _ in range(runs) for tier in tiers]
    progress = track(order, "grading", console=Console(stderr=True))
    measured = [(tier, *grade(source, tier, training=training)) for tier in progress]
    table = Table("isolation", "median s", "min", "max", "workers s", "checks s", "ratio", title=machine(source, runs))
    without = median(wall for which, wall, _ in measured if which is Isolation.NONE)
    worst = 0.0
    for tier in tiers:
        seconds = [wall for which, wall, _ in measured if which is tier]
        stages = [stage for which, _, stage in measured if which is tier]
        parts = [median(stage[name] for stage in stages) for name in ("start of the workers", "checks")]
        ratio = median(seconds) / without
        worst = max(worst, ratio)
        figures = (median(seconds), min(seconds), max(seconds), *parts, ratio)
        table.add_row(tier.value, *(f"{x:.2f}" for x in figures))
    Console().print(table)
    if worst > bound:
        sys.exit(f"Isolation costs more than the bound: {worst:.2f} times the time without, over {bound:.2f}.")


def machine(source: Path, runs: int) -> str:
    """What was measured, and where."""
    host = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    return f"{source.name}, {runs} runs each; {host}"


if __name__ == "__main__":
    run(main)
