"""Our own faults: they cost no student a point, are told as ours, and leave nothing half done."""

import multiprocessing
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import psutil
import pytest

from grader.commands import gradings, main
from grader.errors import GraderFault
from grader.pipeline import Options, Watcher, grade
from grader.records import Gradesheet, Isolation, Outcome, Status
from grader.reports import load_gradesheet, write_reports
from grader.rubric import load_rubric
from grader.sandbox import Limits, Worker, tiers
from tests.harness.command import ROOT, environment, grader, only_gradesheet
from tests.harness.gradesheets import mixed

KILLS_WHILE_WRITING = 40
KILLS_WHILE_GRADING = 4


def test_a_worker_that_cannot_start_is_our_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A broken installation stops the run with what the worker said, and no verdict."""
    monkeypatch.setattr(tiers, "worker_command", lambda *_: (sys.executable, "-c", "raise SystemExit('no torch')"))
    with (
        Worker("submission", tmp_path, Isolation.NONE, Limits(start_seconds=20)) as worker,
        pytest.raises(GraderFault, match="no torch"),
    ):
        worker.wait_ready()


class BreaksTheReference(Watcher):
    """Empties the reference's tree after the first outcome, so that everything that needs it fails from then on."""

    def outcome(self, outcome: Outcome, number: int, checks: int) -> None:
        """Break it once."""
        del number, checks
        if outcome.check == "metrics.perfect_prediction":
            for file in _reference_trees():
                file.write_text("raise RuntimeError('the reference is broken')")


def _reference_trees() -> list[Path]:
    trees = Path(tempfile.gettempdir()).glob("grader-*/reference/dlvc/models/mit_transformer.py")
    return [tree for tree in trees if tree.stat().st_mtime > time.time() - 60]


def test_a_broken_reference_costs_no_points(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks that cannot ask the reference are unscored as our fault; all others are judged, and the exit code is 3."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    tmp_path.chmod(0o755)
    options = Options(seed=1, isolation=Isolation.NONE, parts=("metrics", "segformer", "handin"))
    sheet = grade(ROOT / "reference", options, BreaksTheReference())
    assert gradings.exit_code(sheet) == 3
    for item in sheet.items:
        if item.outcome.fault:
            assert item.part == "segformer"
            assert item.points.open == item.points.possible
        assert item.outcome.status is not Status.FAILED
    assert sum(item.outcome.fault for item in sheet.items) >= 3
    assert all(item.outcome.status is Status.PASSED for item in sheet.items if item.part == "metrics")


def test_verdicts_are_shown_when_they_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A disk that fills up while reports are written ends in code 3, with the summary on the terminal."""

    def full(*_: object) -> None:
        raise GraderFault("No space left on device.")

    monkeypatch.setattr(gradings, "grade_all", lambda *_: (sheet for sheet in [mixed()]))
    monkeypatch.setattr(gradings, "write_reports", full)
    assert main([str(tmp_path), "--output", str(tmp_path / "out")]) == 3
    shown = capsys.readouterr()
    assert "No space left" in shown.err
    assert "points" in shown.out


def test_an_interrupt_keeps_the_submissions_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of three submissions, with Ctrl-C in the second, the first has its reports, and the number is told."""

    def until_interrupted(*_: object) -> Iterator[Gradesheet]:
        yield mixed()
        raise KeyboardInterrupt

    monkeypatch.setattr(gradings, "grade_all", until_interrupted)
    sources = [tmp_path / f"group_{number}" for number in range(3)]
    for source in sources:
        source.mkdir()
    assert main([*map(str, sources), "--output", str(tmp_path / "out")]) == 130
    assert (tmp_path / "out" / "group_0" / "report.html").exists()
    assert "1 of 3 submissions have been graded" in capsys.readouterr().err


def write_forever(folder: Path, ready: Connection) -> None:
    """Write the reports of two gradings over each other until somebody ends this process."""
    rubric, sheet = load_rubric(), mixed()
    sheets = [sheet, sheet.model_copy(update={"seed": 2})]
    ready.send("about to write")
    while True:
        for one in sheets:
            write_reports(one, rubric, folder)


def test_a_kill_while_writing_leaves_whole_reports(tmp_path: Path) -> None:
    """Killed at random moments of writing, the grader leaves each report as one of its versions, whole."""
    moments = random.Random(5)
    write_reports(mixed(), load_rubric(), tmp_path)  # imports what it needs, once
    context = multiprocessing.get_context("fork")
    for _ in range(KILLS_WHILE_WRITING):
        told, ready = context.Pipe(duplex=False)
        process = context.Process(target=write_forever, args=(tmp_path, ready))
        process.start()
        told.recv()
        time.sleep(moments.uniform(0, 0.3))
        process.kill()
        process.join()
        load_gradesheet(tmp_path / "gradesheet.json")
        for name, end in (("report.html", "</html>"), ("feedback.ipynb", "\n}"), ("junit.xml", "</testsuites>")):
            assert (tmp_path / name).read_text().rstrip().endswith(end)


def test_a_kill_at_any_moment_leaves_nothing_behind_and_the_next_run_works(tmp_path: Path) -> None:
    """After SIGKILL no process, no temporary file and no half-written result is left, and grading again works."""
    temporary, output = tmp_path / "tmp", tmp_path / "out"
    temporary.mkdir()
    for folder in (tmp_path, temporary):
        folder.chmod(0o755)
    # Checks in this process and, of a script, in the second one.
    command = [sys.executable, "-m", "grader", "check", "reference", "--only", "metrics", "--only", "fcn"]
    command += ["--output", str(output)]
    moments = random.Random(6)
    for _ in range(KILLS_WHILE_GRADING):
        with subprocess.Popen(
            command, cwd=ROOT, env=environment() | {"TMPDIR": str(temporary)}, stdout=subprocess.DEVNULL
        ) as process:
            time.sleep(moments.uniform(0.3, 6))
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(signal.SIGKILL)
        assert not psutil.wait_procs([p for p in family if not is_janitor(p)], timeout=20)[1]
        wait_until_empty(temporary)
        for file in output.glob("*/*"):
            assert file.name in ("gradesheet.json", "report.html", "feedback.ipynb", "junit.xml")
            if file.suffix == ".json":
                load_gradesheet(file)
    again = grader(*command[3:])
    assert again.returncode == 0, again.stderr
    assert only_gradesheet(output).all_passed


def is_janitor(process: psutil.Process) -> bool:
    """Whether it is the shell that removes what a killed grader leaves; a process that is gone is not."""
    try:
        return process.name() == "sh"
    except psutil.NoSuchProcess:
        return False


def wait_until_empty(folder: Path) -> None:
    """Fail unless a folder becomes empty soon."""
    give_up = time.monotonic() + 20
    while any(folder.iterdir()):
        if time.monotonic() > give_up:
            pytest.fail(f"left behind: {[path.name for path in folder.iterdir()]}")
        time.sleep(0.1)
