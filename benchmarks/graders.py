"""A whole grading under each isolation, beside the same checks without any and otter-grader; and several in a run.

`in one process` is `benchmarks/in_process.py`: pytest, the submission and the solution in one process, nothing held in.
`otter-grader` runs the same checks in the same way from its own tests, one of its test cases for each check; it is
measured if it is installed. All are whole commands and take turns, without trainings and throughput. Their
verdicts have to agree. Exit code 1 tells that they do not, or that the grader takes longer than the bounds allow.

python benchmarks/graders.py
"""

import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

from cyclopts import run
from rich.console import Console
from rich.table import Table
from rounds import Spread, in_words, keep, machine, ratios, take_turns

from grader.commands.example import write_example
from grader.records import Isolation, Status
from grader.reports import load_gradesheet
from grader.rubric import load_rubric
from grader.sandbox.tiers import why_unavailable

ROOT = Path(__file__).resolve().parents[1]
PLAIN, OTTER = "in one process", "otter-grader"
# The most that a grading may take: as a multiple of the checks in one process, and of itself without isolation.
OF_PLAIN, OF_BARE = 1.3, 1.1
CHECKS = load_rubric().running("in turn", "beside").checks
Verdicts = dict[str, bool]

OTTER_TEST = """
OK_FORMAT = False
from otter.test_files import test_case
name = {name!r}
points = {points}
@test_case(points={points})
def test(env):
    import sys
    sys.path.insert(0, {benchmarks!r})
    from graders import outcome_in_this_process
    assert outcome_in_this_process({source!r}, {name!r})
"""


class Grader:
    """Ways to grade one submission; each returns which checks have passed.

    Args:
        source: a folder.
        folder: an empty one to work in.
    """

    def __init__(self, source: Path, folder: Path) -> None:
        self._source = source.resolve()
        self._folder = folder
        tests = folder / "tests"
        tests.mkdir()
        for check in CHECKS:
            name = re.sub(r"\W", "_", check.id)
            filled = {"name": check.id, "points": check.points, "source": str(self._source)}
            text = OTTER_TEST.format(benchmarks=str(Path(__file__).parent), **filled)
            (tests / f"{name}.py").write_text(text, encoding="utf-8")
        (folder / "submission.py").write_text("import torch\n", encoding="utf-8")

    def ours(self, isolation: Isolation, copies: int = 1) -> Verdicts:
        """The command that a tutor runs, on so many submissions of other names."""
        output = self._folder / "results"
        shutil.rmtree(output, ignore_errors=True)
        sources = [self._source, *(self._copy(number) for number in range(1, copies))]
        command = [sys.executable, "-m", "grader", *map(str, sources), "--no-training", "--seed", "1"]
        _execute([*command, "--isolation", isolation.value, "--output", str(output)], (0, 1))
        sheet = load_gradesheet(output / self._source.name / "gradesheet.json")
        return {item.check: item.outcome.status is Status.PASSED for item in sheet.items}

    def _copy(self, number: int) -> Path:
        target = self._folder / "copies" / f"{self._source.name}_{number}"
        if not target.exists():
            shutil.copytree(self._source, target)
        return target

    def plain(self) -> Verdicts:
        """The same checks in one process."""
        said = _execute([sys.executable, str(ROOT / "benchmarks" / "in_process.py"), str(self._source)], (0,))
        return {name: status == "passed" for name, status in json.loads(said.splitlines()[-1])["status"].items()}

    def otter(self) -> Verdicts:
        """`otter check` on a script that the checks then judge."""
        command = [sys.executable, "-m", "otter", "check", "submission.py", "-t", "tests"]
        said = _execute(command, (0,), cwd=self._folder)
        failed = set(re.findall(r"^(\w+\.\w+) results:$", said, re.MULTILINE))
        return {check.id: check.id not in failed for check in CHECKS}


def _execute(command: list[str], codes: tuple[int, ...], cwd: Path = ROOT) -> str:
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)  # noqa: S603 - our own
    if done.returncode not in codes:
        sys.exit(f"{' '.join(command)} ended with code {done.returncode}.\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def outcome_in_this_process(source: str, check: str) -> bool:
    """Whether a check passes; the first question runs all checks."""
    return _verdicts_in_this_process(source)[check]


@cache
def _verdicts_in_this_process(source: str) -> Verdicts:
    from in_process import run_in_process

    outcomes = run_in_process(Path(source)).outcomes
    return {name: outcome.status is Status.PASSED for name, outcome in outcomes.items()}


def _timed(grader: Grader, isolation: Isolation, submissions: int) -> float:
    began = time.perf_counter()
    grader.ours(isolation, submissions)
    return time.perf_counter() - began


def too_slow(seconds: dict[str, list[float]], usual: str) -> list[str]:
    """Say which bound the grader does not keep."""
    bounds = {PLAIN: OF_PLAIN, Isolation.NONE.value: OF_BARE}
    found = {name: 1 / ratios(seconds, usual, name).median for name in bounds}
    return [f"{x:.2f} times as long as {name}, over {bounds[name]}" for name, x in found.items() if x > bounds[name]]


def main(
    source: Path = ROOT / "examples" / "group_7",
    *,
    rounds: int = 3,
    many: tuple[int, ...] = (4, 16),
    save: bool = False,
) -> None:
    """Measure and print two tables.

    Args:
        source: What to grade, a folder.
        rounds: How often each way is timed, in turn.
        many: How many submissions to grade in one run, once each; one is what the rounds have timed.
        save: Keep the figures in `measured/graders.json`.
    """
    if not source.exists():
        write_example(source)
    host = machine("wall", *([OTTER] if find_spec("otter") else []))
    tiers = [tier for tier in Isolation if tier is Isolation.NONE or why_unavailable(tier) is None]
    usual = tiers[0]
    with tempfile.TemporaryDirectory() as folder:
        grader = Grader(source, Path(folder))
        ways: dict[str, Callable[[], Verdicts]] = {tier.value: partial(grader.ours, tier) for tier in tiers}
        ways[PLAIN] = grader.plain
        if find_spec("otter"):
            ways[OTTER] = grader.otter
        verdicts = {name: way() for name, way in ways.items()}
        if any(found != verdicts[usual.value] for found in verdicts.values()):
            sys.exit(f"The verdicts differ: {verdicts}")
        seconds = take_turns(ways, rounds, "wall", source.name)
        rows = [
            {"way": name, "seconds": Spread.of(seconds[name]), "times ours": ratios(seconds, usual.value, name)}
            for name in ways
        ]
        batches = {1: Spread.of(seconds[usual.value]).median} | {count: _timed(grader, usual, count) for count in many}
    table = Table("grading", "s", f"times {usual.value}", title=source.name)
    for row in rows:
        table.add_row(row["way"], row["seconds"].text(1), row["times ours"].text(2))
    several = Table("submissions in a run", "s", "s each", "s a check")
    for count, total in batches.items():
        several.add_row(str(count), f"{total:.1f}", f"{total / count:.1f}", f"{total / count / len(CHECKS):.2f}")
    Console().print(table, several, in_words(host))
    if save:
        figures = {"rows": rows, "submissions": batches, "checks": len(CHECKS)}
        keep("graders", {"machine": host, "rounds": rounds, "source": source.name, **figures})
    if slow := too_slow(seconds, usual.value):
        sys.exit(f"A grading takes {', and '.join(slow)}.")


if __name__ == "__main__":
    run(main)
